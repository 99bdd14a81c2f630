// From the kernel to the page: how long after a moment of the kernel it stands in the timeline, and its process in the tree, of a browser on
// a learner's lab page. scripts/measure/dom.go starts it with the site, the lab and by how many nanoseconds CLOCK_BOOTTIME, the clock of
// moments, is before CLOCK_MONOTONIC, that of Node.js. Prints `name value unit`, and "begin" and "end" around what is measured.

import { launch, open } from "../test/browser.mjs";
import { figure, percentile, times } from "./figure.mjs";

const [site, lab, slept] = process.argv.slice(2);
const SECONDS = 30; // for each of the two views
const WORK = "while :; do /usr/bin/true; sleep 0.3; done";
const OURS = new Set(["true", "sleep"]); // what the terminal runs

/** In the page, before its own scripts: notes when frames came and when rows were there. Nothing is parsed before all is over. */
function note() {
  const notes = (globalThis.podlabNotes = { frames: [], rows: [] });
  const Real = WebSocket;
  globalThis.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      if (String(args[0]).includes("/ws/live")) this.addEventListener("message", (e) => notes.frames.push([performance.now(), e.data]));
    }
  };
  const rowsIn = (el) => (el.matches("[data-k], .moments tr") ? [el] : [...el.querySelectorAll("[data-k], .moments tr")]);
  const nameOf = (row) =>
    row.dataset.k ?? `${row.dataset.o?.slice("process:".length)} ${/\bk-(\w+)/.exec(row.querySelector(".gl")?.getAttribute("class"))?.[1]}`;
  const observer = new MutationObserver((changes) => {
    const now = performance.now();
    const fresh = changes
      .flatMap((c) => [...c.addedNodes])
      .filter((n) => n instanceof Element)
      .flatMap(rowsIn)
      .map((row) => ({ name: nameOf(row), now, painted: 0 }));
    if (!fresh.length) return;
    notes.rows.push(...fresh);
    // What a frame's scripts changed is painted before the next task.
    requestAnimationFrame(() => setTimeout(() => fresh.forEach((row) => (row.painted = performance.now()))));
  });
  document.addEventListener("DOMContentLoaded", () => observer.observe(document.body, { childList: true, subtree: true }));
}

/** The page's clock (performance.now, ms) when Node.js' was 0, and by how much that may be wrong: half of the fastest of many questions. */
async function clock(page) {
  let best = { took: Infinity, offset: 0 };
  for (let i = 0; i < 200; i++) {
    const asked = process.hrtime.bigint();
    const there = await page.evaluate(() => performance.now());
    const answered = process.hrtime.bigint();
    const took = Number(answered - asked) / 1e6;
    if (took < best.took) best = { took, offset: there - Number((asked + answered) / 2n) / 1e6 };
  }
  return best;
}

/** Shows a view while the terminal works, and returns what was noted: kernel moments with when they came, and rows. */
async function watch(page, view) {
  await page.locator(`[role="tab"][data-view="${view}"]`).click();
  await page.waitForTimeout(3000);
  await page.evaluate(() => Object.assign(globalThis.podlabNotes, { frames: [], rows: [] }));
  await page.waitForTimeout(SECONDS * 1000);
  const { frames, rows } = await page.evaluate(() => ({ frames: globalThis.podlabNotes.frames.slice(), rows: globalThis.podlabNotes.rows.slice() }));
  const told = frames.map(([at, data]) => ({ ...JSON.parse(data), at }));
  const came = told.flatMap(({ moments, at }) => (moments ?? []).map((m) => ({ ...m, at })));
  figure(`dom.${view}.frames`, told.length / SECONDS, "/s");
  const shots = told.flatMap((f) => f.snapshot ?? []);
  figure(`dom.${view}.snapshots`, shots.length / SECONDS, "/s");
  figure(`dom.${view}.looks`, (shots.at(-1).seq - shots[0].seq) / SECONDS, "/s"); // of the agent, which tells only of those that show something new
  return { came: came.filter((m) => m.source === "kernel" && !m.thread), rows };
}

const browser = await launch();
try {
  const page = await open(browser, site, "/en/", { reducedMotion: "no-preference" });
  await page.addInitScript(note);
  await page.goto(`${site}/en/l/${lab}`);
  await page.locator("pod-phase button.pri").first().click();
  await page.waitForFunction(() => document.querySelector(".xterm-rows")?.textContent.includes("#"), null, { timeout: 30_000 });
  await page.locator(".xterm-helper-textarea").first().focus();
  await page.keyboard.type(WORK);
  await page.keyboard.press("Enter");
  const before = await clock(page);
  console.log("begin");
  const timeline = await watch(page, "timeline");
  const tree = await watch(page, "processes");
  console.log("end");
  const after = await clock(page);
  const bound = Math.max(before.took, after.took) / 2 + Math.abs(after.offset - before.offset);
  const offset = (before.offset + after.offset) / 2 - Number(slept) / 1e6;
  figure("dom.clock.error", bound, "ms"); // at most

  const happened = (m) => m.time / 1000 + offset; // by the page's clock, ms
  const first = new Map(timeline.rows.toReversed().map((row) => [row.name, row]));
  const last = Math.max(...timeline.came.map(happened)) - 500; // what came just before the end may not be there yet
  const ours = timeline.came.filter((m) => OURS.has(m.name) && ["exec", "exit"].includes(m.kind) && happened(m) < last);
  const seen = ours.filter((m) => first.has(`${m.pid} ${m.kind}`));
  const all = timeline.came.filter((m) => first.has(`${m.pid} ${m.kind}`));
  const rowOf = (m) => first.get(`${m.pid} ${m.kind}`);
  figure("dom.moments", all.length, "");
  figure("dom.missed", ours.length - seen.length, "");
  times(
    "dom.frame",
    all.map((m) => m.at - happened(m)),
  ); // to the websocket
  times(
    "dom.timeline",
    all.map((m) => rowOf(m).now - happened(m)),
  );
  times(
    "dom.timeline.painted",
    all.map((m) => rowOf(m).painted - happened(m)),
  );

  const rows = new Map(tree.rows.toReversed().map((row) => [Number(row.name.split(":")[0]), row]));
  const born = tree.came.filter((m) => m.kind === "exec" && m.name === "sleep" && rows.has(m.pid));
  figure("dom.tree.moments", born.length, "");
  times(
    "dom.tree",
    born.map((m) => rows.get(m.pid).now - happened(m)),
  );
  if (page.wrongs.length) throw new Error(page.wrongs.join("\n"));
  if (ours.length < 100 || seen.length < ours.length) throw new Error(`of ${ours.length} moments of the terminal's programs, ${seen.length} came to the page`);
} finally {
  await browser.close();
}
