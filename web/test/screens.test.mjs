// Full-screen programs on a real node: what one page shows after a reload, after its network was gone, and to a second page that comes
// later, is the same in every cell. PODLAB_SITE is the site; server/flow starts it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cable, launch, open } from "./browser.mjs";

const site = process.env.PODLAB_SITE;
const path = "/en/l/3.1-infra-container/restart";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** All that a terminal's screen is: both buffers' rows on the screen with every cell's letters, width and attributes, cursor and modes. */
const screen = (page) =>
  page.evaluate(() => {
    const x = document.querySelector('[data-group="0"] .xt').xterm;
    const ask = [
      "getFgColorMode",
      "getFgColor",
      "getBgColorMode",
      "getBgColor",
      "isBold",
      "isDim",
      "isItalic",
      "isUnderline",
      "isBlink",
      "isInverse",
      "isInvisible",
      "isStrikethrough",
      "isOverline",
    ];
    const rows = (b) =>
      Array.from({ length: x.rows }, (_, y) => {
        const line = b.getLine(b.baseY + y);
        return Array.from({ length: x.cols }, (_, i) => {
          const c = line.getCell(i);
          return `${c.getChars() || " "}|${c.getWidth()}|${ask.map((a) => Number(c[a]())).join(",")}`;
        });
      });
    const { active, normal } = x.buffer;
    return {
      size: [x.cols, x.rows],
      type: active.type,
      cursor: [active.cursorX, active.cursorY],
      modes: { ...x.modes },
      rows: rows(active),
      below: rows(normal),
      text: Array.from({ length: x.rows }, (_, y) => active.getLine(active.baseY + y).translateToString(true)),
    };
  });

/** The screen once it no longer changes. */
async function still(page) {
  let last = "";
  for (let same = 0; same < 3;) {
    await page.waitForTimeout(150);
    const now = JSON.stringify(await screen(page));
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return JSON.parse(last);
}

function alike(one, other, what) {
  for (let y = 0; y < one.rows.length; y++) assert.deepEqual(other.rows[y], one.rows[y], `${what}: row ${y}\n${one.text[y]}\n${other.text[y]}`);
  assert.deepEqual({ ...other, rows: 0, text: 0 }, { ...one, rows: 0, text: 0 }, what);
}

async function shell(base) {
  const page = await open(browser, base, path);
  await page.waitForSelector("pod-phase button.pri");
  await page.click("pod-phase button.pri");
  await prompt(page);
  return page;
}

const prompt = (page) =>
  page.waitForFunction(() => /[#$]\s*$/.test(document.querySelector('[data-group="0"] .xterm-rows')?.innerText ?? ""), null, { timeout: 30_000 });

async function enter(page, line) {
  await page.locator('[data-group="0"] .xterm-helper-textarea').focus();
  await page.keyboard.insertText(line);
  await page.keyboard.press("Enter");
}

/** Attached, with its screen there. */
const there = (page) =>
  page.waitForFunction(() => document.querySelector('[data-group="0"] .xt')?.xterm && !document.querySelector(".xnote"), null, { timeout: 30_000 });

const shows = (page, text) =>
  page.waitForFunction((t) => document.querySelector('[data-group="0"] .xterm-rows')?.innerText.includes(t), text, { timeout: 20_000 });

// Colours of all three kinds, attributes, wide letters up to the last column, marks, margins, modes, a hidden cursor of another shape in a place
// that nothing was printed at. It draws once and never again, whatever signal comes.
const PROGRAM = String.raw`bash -c 'trap "" WINCH; printf "\e[?1049h\e[?1h\e=\e[?2004h\e[?1002h\e[?1006h\e[?1004h\e[2J\e[3;8r\e[1;1H\e[1;31mred\e[0;38;5;208mindexed\e[48;2;1;2;3mdirect\e[0m\e[4;10H中文，宽字\e[4;53munder\e[0m\e[9;1H\e[999C界|e\u0301\e[6;3H\e[2;3;9mdim\e[0m\e[7mreverse\e[27m\e(0lqqk\e(B\e[8;1Hone\n\n\e[5;3Hdrawn\e[?25l\e[7;20H"; read -rsn1'`;

const programs = {
  "one that never draws again": {
    start: PROGRAM,
    drawn: "drawn",
    type: "alternate",
    modes: { applicationCursorKeysMode: true, bracketedPasteMode: true, mouseTrackingMode: "drag" },
  },
  less: {
    start: "{ for i in {1..300}; do printf '\\e[3%dmline %d\\e[0m 第 %d 行，宽字\\n' $((i % 8)) $i $i; done; } > /tmp/text; LESS= less -R /tmp/text",
    keys: ["PageDown", "PageDown", "j", "/", "7", "7", "Enter"],
    drawn: "line 77",
  },
  top: { start: "top", drawn: "PID" },
  vi: { start: "vi /tmp/text", keys: ["G", "i", "x", "y", "Enter", "z"], drawn: "xy", type: "alternate" },
};

for (const [name, p] of Object.entries(programs)) {
  test(`the same in every cell: ${name}`, async (t) => {
    const line = await cable(site);
    t.after(line.close);
    const page = await shell(line.base);
    if (name === "vi") await enter(page, "seq 1 400 | sed 's/$/ 行/' > /tmp/text");
    await enter(page, p.start);
    for (const key of p.keys ?? []) {
      await page.waitForTimeout(100);
      await (key.length > 1 ? page.keyboard.press(key) : page.keyboard.insertText(key));
    }
    await shows(page, p.drawn);
    const first = await still(page);
    assert.equal(first.type, p.type ?? "normal"); // BusyBox's programs draw on the normal screen
    for (const [mode, on] of Object.entries(p.modes ?? {})) assert.equal(first.modes[mode], on, mode);

    const watcher = await page.context().newPage();
    await watcher.goto(line.base + path);
    await there(watcher);
    await shows(watcher, p.drawn);
    const moves = name === "top"; // figures that change: both are looked at until they are the same
    const compare = async (what) => {
      if (!moves) return alike(await still(page), await still(watcher), what);
      for (let i = 0; ; i++) {
        const [one, other] = await Promise.all([screen(page), screen(watcher)]);
        if (JSON.stringify(one) === JSON.stringify(other)) return;
        if (i === 40) return alike(one, other, what);
        await page.waitForTimeout(100);
      }
    };
    await compare("a watcher");
    if (!moves) alike(first, await still(page), "what was there before the watcher");

    await page.reload();
    await there(page);
    await shows(page, p.drawn);
    await compare("after a reload");
    if (!moves) alike(first, await still(page), "before and after a reload");

    line.cut(true);
    await page.waitForFunction(() => document.querySelector(".xnote"), null, { timeout: 20_000 });
    line.cut(false);
    await there(page);
    await there(watcher);
    await shows(page, p.drawn);
    await compare("after the network was gone");
    if (!moves) alike(first, await still(page), "before and after the network was gone");
    await page.context().close();
  });
}

// Asks where the cursor is and which terminal this is, over and over, and says what it read: one answer to each, something else, or none.
const ASKS = String.raw`bash -c 'stty raw -echo; r=0 w=0 l=0; while :; do printf "\e[6n"; IFS= read -rd R -t 3 a; x=$?; printf "\e[c"; IFS= read -rd c -t 3 b; y=$?; if ((x > 128 || y > 128)); then ((++l)); elif [[ $a =~ ^.\[[0-9]+\;[0-9]+$ && $b =~ ^.\[\?[0-9\;]+$ ]]; then ((++r)); else ((++w)); fi; ((r % 10)) || printf "\rright $r wrong $w lost $l. "; done'`;

test("two pages on one terminal: a program that asks reads one answer to each, also after the first page is closed", async (t) => {
  const line = await cable(site);
  t.after(line.close);
  const first = await shell(line.base);
  const context = first.context();
  const second = await context.newPage();
  await second.goto(line.base + path);
  await there(second);
  const counted = async (page, more) => {
    const count = () =>
      page.evaluate(
        () => /right (\d+) wrong (\d+) lost (\d+)\. /.exec(document.querySelector('[data-group="0"] .xterm-rows').innerText)?.slice(1).map(Number) ?? [0, 0, 0],
      );
    const [from] = await count();
    await page.waitForFunction((n) => Number(/right (\d+) /.exec(document.querySelector('[data-group="0"] .xterm-rows').innerText)?.[1]) >= n, from + more, {
      timeout: 60_000,
    });
    const [, wrong, lost] = await count();
    return { wrong, lost };
  };
  await enter(first, ASKS);
  assert.deepEqual(await counted(first, 100), { wrong: 0, lost: 0 }, "both look");
  await first.close();
  const after = await counted(second, 100);
  assert.ok(after.wrong === 0 && after.lost <= 1, `the first is closed, perhaps before it answered: ${JSON.stringify(after)}`);
  const third = await context.newPage();
  await third.goto(line.base + path);
  await there(third);
  assert.deepEqual(await counted(third, 100), after, "another came");
  assert.deepEqual(await counted(second, 20), after, "another came");
  await context.close();
});
