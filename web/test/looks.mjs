// Pictures to look at, beside the mock-ups: every view in both languages and themes, at three widths, at rest and in the middle of a change;
// the recording page, the panel of recordings, and looking back. `node web/test/looks.mjs DIR [WORD…]` takes those whose name has every word
// (a word with commas: one of those), as "zh-dark-1440-network-mid", and lays them out four by four on sheets: DIR/sheet-….png.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launch, open, serve, views } from "./browser.mjs";
import { drawn, golden, staged } from "./staged.mjs";

const [dir, ...words] = process.argv.slice(2);
if (!dir) throw new Error("usage: node web/test/looks.mjs DIR [WORD…]");
mkdirSync(dir, { recursive: true });

const langs = ["en", "zh"];
const themes = ["light", "dark"];
const sizes = [
  [390, 844],
  [1440, 900],
  [1920, 1080],
];
const change = golden("change");
/** The frame of golden.Change that a view is caught in the middle of: what it is about happens there. */
const middle = { namespaces: 4, processes: 1, network: 2, volumes: 2, resources: 4, timeline: 4, compare: 4 };
/** Golden frames of one moment that say more than the usual one. */
const scenes = {
  roles: views,
  volumes: ["volumes", "compare"],
  sockets: ["network"],
  many: ["namespaces", "network"],
  crowd: ["processes", "timeline"],
  hostile: views,
};

const wanted = (name) => words.every((w) => w.split(",").some((one) => `-${name}-`.includes(`-${one}-`)));

/** Animations stand where they are in their middle. */
async function halfway(page) {
  await drawn(page);
  await page.evaluate(() => {
    for (const a of document.getAnimations()) {
      if (a.timeline !== document.timeline) continue;
      a.pause();
      a.currentTime = a.effect.getComputedTiming().duration / 2;
    }
  });
}

/** A minute of a frame, a second from one to the next, in which what is used goes up and down. */
function minute(frame) {
  const used = (u, i, n) => ({
    ...u,
    cpu: u.cpu + Math.round(1e5 * (i + 3 * Math.sin((i + 5 * n) / 4))),
    memory: Math.round(u.memory * (0.8 + 0.2 * Math.sin((i + 17 * n) / 9))),
  });
  return Array.from({ length: 60 }, (_, i) => {
    const s = structuredClone(frame.snapshot);
    s.time += (i - 59) * 1_000_000;
    s.seq += i;
    s.containers.forEach((c, n) => (c.usage = used(c.usage, i, n)));
    s.node.usage = used(s.node.usage, i, 3);
    return { ...frame, now: frame.now + (i - 59) * 1000, snapshot: s, moments: i ? [] : frame.moments };
  });
}

const taken = new Map(); // sheet: files

async function take(page, { lang, width, name }) {
  for (const theme of themes) {
    const full = `${lang}-${theme}-${width}-${name}`;
    if (!wanted(full)) continue;
    await page.emulateMedia({ colorScheme: theme });
    const file = join(dir, `${full}.png`);
    const part = width < 900 && !name.startsWith("lab") ? page.locator("main.stage") : page; // on a phone terminals stand below the views
    if (part !== page) await page.evaluate(() => (document.querySelector(".dock").hidden = true));
    await part.screenshot({ path: file });
    const sheet = `${width}-${name}`;
    taken.set(sheet, [...(taken.get(sheet) ?? []), file]);
  }
  for (const w of page.wrongs.splice(0)) console.error(name, lang, width, w);
}

/** Whether any theme's picture of this is wanted. */
const any = (lang, width, name) => themes.some((theme) => wanted(`${lang}-${theme}-${width}-${name}`));

async function looks(browser, base, lang, [width, height]) {
  const at = { lang, width };
  const start = (options) => staged(browser, base, { lang, width, height, reducedMotion: "no-preference", ...options });
  const shows = async (names, frames, then = async () => {}) => {
    const here = names.filter(([, name]) => any(lang, width, name));
    if (!here.length) return;
    const page = await start();
    for (const frame of frames) await page.send(frame);
    for (const [view, name] of here) {
      await page.show(view);
      await then(page, view);
      await take(page, { ...at, name });
    }
    await page.context().close();
  };
  await shows([["namespaces", "lab"], ...views.map((v) => [v, `${v}-rest`])], minute(golden("sides")[0]));
  await shows(
    views.map((v) => [v, `${v}-table`]),
    change.slice(0, 4),
    (page) => page.evaluate(() => document.querySelector('.legend [aria-pressed="false"]')?.click()).then(() => drawn(page)),
  );
  for (const view of views) {
    await shows([[view, `${view}-mid`]], change.slice(0, middle[view]), async (page) => {
      await page.send(change[middle[view]]);
      await halfway(page);
    });
  }
  for (const [scene, those] of Object.entries(scenes))
    await shows(
      those.map((v) => [v, `${v}-${scene}`]),
      golden(scene),
    );
  await shows([["processes", "lab-back"]], change.slice(0, 5), async (page) => {
    await page.click("pod-pause button");
    await page.waitForSelector(".timebar:not([hidden]) input");
    await page.locator(".timebar input").focus();
    await page.keyboard.press("Home");
    await drawn(page);
  });
  await shows([["namespaces", "lab-recordings"]], golden("sides"), async (page) => {
    await page.evaluate(() => document.querySelector(".rec").click());
    await page.waitForSelector(".recordings:popover-open li");
  });
  if (any(lang, width, "lab-recording")) {
    const page = await open(browser, base, `/${lang}/recording?file=/api/recordings/golden/file`, { width, height, reducedMotion: "no-preference" });
    await page.waitForSelector('#main[data-phase="ready"] .xscreen .xterm-rows');
    await page.locator(".timebar input").focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
    await drawn(page);
    await take(page, { ...at, name: "lab-recording" });
    await page.context().close();
  }
}

/** One picture of several, to look at at once. */
async function sheet(page, name, files) {
  const each = name.startsWith("390") ? 440 : 960;
  const image = (f) => `<img width="${each}" src="data:image/png;base64,${readFileSync(f).toString("base64")}">`;
  await page.setContent(`<body style="margin:4px;background:#777;display:flex;flex-wrap:wrap;gap:6px;align-items:flex-start">${files.map(image).join("")}`);
  await page.waitForFunction(() => [...document.images].every((i) => i.complete));
  await page.screenshot({ path: join(dir, `sheet-${name}.png`), fullPage: true });
}

const site = await serve();
const browser = await launch();
try {
  for (const size of sizes) for (const lang of langs) await looks(browser, site.base, lang, size);
  const page = await browser.newPage({ viewport: { width: 1940, height: 100 } });
  for (const [name, files] of taken) await sheet(page, name, files);
} finally {
  await browser.close();
  await site.stop();
}
console.log(`${[...taken.values()].flat().length} pictures in ${dir}`);
