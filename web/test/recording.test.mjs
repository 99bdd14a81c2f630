// The page of a recording in a real browser: any moment is reached, the views, the checks and the terminals show it, and a file that is
// not one harms nothing. The recording is made by Go (web/dev/recording.go): what one side writes, the other reads.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, launch, open, serve } from "./browser.mjs";
import { misplaced } from "./geometry.mjs";

const FILE = "/api/recordings/golden/file";
let site, browser;
before(async () => {
  site = await serve();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await site.stop();
});

const LONG = "/api/recordings/long/file"; // dev/long.go
const replay = (lang = "en", file = FILE) => `/${lang}/recording?file=${file}`;
const opened = (page) => page.waitForSelector('#main[data-phase="ready"] .matrix, #main[data-phase="ready"] [data-view]:not([hidden])');
const at = (page) => page.locator(".timebar input").inputValue().then(Number);

async function seek(page, ms) {
  await page.locator(".timebar input").evaluate((el, v) => {
    el.value = String(v);
    el.dispatchEvent(new Event("input", { bubbles: true }));
  }, ms);
  await page.waitForFunction((v) => Math.abs(Number(document.getElementById("main").dataset.painted) - v) < 2, ms);
}

const printed = (page) => page.locator(".xscreen .xterm-rows").innerText();

for (const [lang, theme] of [
  ["en", "light"],
  ["zh", "dark"],
]) {
  for (const width of [390, 1440, 1920]) {
    test(`sound, ${lang}, ${theme}, ${width}`, async () => {
      const page = await open(browser, site.base, replay(lang), { theme, width });
      await opened(page);
      await seek(page, 3000);
      await page.waitForSelector(".xscreen .xterm-rows");
      for (const view of ["namespaces", "processes", "network", "volumes", "resources", "timeline", "compare"]) {
        await page.click(`#tab-${view}`);
        await page.waitForSelector(`#view-${view} .saying`);
        assert.deepEqual(await page.evaluate(misplaced, view), [], view);
      }
      assert.deepEqual(page.wrongs, []);
      assert.deepEqual(await axe(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing beside the screen");
      await page.context().close();
    });
  }
}

test("views and terminals show the moment, forwards and backwards", async () => {
  const page = await open(browser, site.base, replay());
  await opened(page);
  await page.click("#tab-processes");
  await page.waitForSelector(".xscreen .xterm-rows");
  const there = [];
  const length = Number(await page.locator(".timebar input").getAttribute("max"));
  for (let ms = 0; ms <= length; ms += 1200) {
    await seek(page, ms);
    await page.waitForFunction((n) => document.querySelector(".xscreen .xterm-rows").innerText.includes(`frame ${n}`), ms ? `${ms / 1200}ns` : "0s");
    there.push([ms, await page.locator("#view-processes").innerText(), (await printed(page)).trimEnd()]);
  }
  assert.ok(new Set(there.map(([, tree]) => tree)).size > 2, "the tree changes");
  for (const [ms, tree, text] of there.toReversed()) {
    await seek(page, ms);
    await page.waitForFunction((want) => document.querySelector(".xscreen .xterm-rows").innerText.trimEnd() === want, text);
    assert.equal(await page.locator("#view-processes").innerText(), tree, `the tree at ${ms} ms`);
  }
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

/** All that a page shows of a moment: the view (but what is spoken when it has come to rest), the lesson's checks, the terminal with its colours. */
const state = (page) =>
  page.evaluate(() => ({
    view: [...document.querySelector(".view:not([hidden]) pod-view").children]
      .filter((el) => !el.matches(".vh"))
      .map((el) => el.innerText)
      .join("\n"),
    checks: [...document.querySelectorAll("#lesson [data-check]")].map((li) => `${li.dataset.check} ${li.dataset.state}`).join(),
    step: document.querySelector("#lesson .step").dataset.step,
    terminal: document.querySelector(".xscreen .xterm-rows").innerHTML.replaceAll(/ (id|style)="[^"]*"/g, ""),
  }));

test("any moment is the one that going there from the beginning shows", { timeout: 300_000 }, async () => {
  const rng = random(7);
  for (const view of ["processes", "timeline", "resources"]) {
    const [forward, page] = await Promise.all([0, 1].map(() => open(browser, site.base, replay("en", LONG))));
    for (const p of [forward, page]) {
      await opened(p);
      await p.click(`#tab-${view}`);
      await p.waitForSelector("#main[data-painted]");
    }
    const length = Number(await page.locator(".timebar input").getAttribute("max"));
    const moments = Array.from({ length: 24 }, () => Math.floor(rng() * length));
    const there = new Map();
    for (const ms of [...moments].sort((a, b) => a - b)) {
      await forward.evaluate((to) => {
        // frame by frame, as playing does, so that terminals only go on
        const range = document.querySelector(".timebar input");
        const from = Number(range.value);
        for (let at = from; at < to; at += 400) {
          range.value = String(at);
          range.dispatchEvent(new Event("input", { bubbles: true }));
        }
      }, ms);
      await seek(forward, ms);
      there.set(ms, await state(forward));
    }
    for (const ms of moments) {
      await seek(page, ms);
      assert.deepEqual(await state(page), there.get(ms), `${view} at ${ms} ms`);
    }
    const kinds = (of) => new Set([...there.values()].map(of)).size;
    assert.ok(kinds((s) => s.view) > 5 && kinds((s) => s.terminal) > 20 && kinds((s) => s.checks) > 2 && kinds((s) => s.step) === 2, "moments differ");
    assert.deepEqual([...forward.wrongs, ...page.wrongs], []);
    await Promise.all([forward, page].map((p) => p.context().close()));
  }
});

/** The same numbers from 0 to 1 each time (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("charts hold what was until the moment, and nothing after it", async () => {
  const page = await open(browser, site.base, replay());
  await opened(page);
  await page.click("#tab-resources");
  await page.waitForSelector("#view-resources .chart");
  const charts = () =>
    page.locator("#view-resources .chart").evaluateAll((all) =>
      all.map((c) => ({
        line: c.querySelector(".ln").getAttribute("d"),
        ooms: c.querySelectorAll(".mark").length,
        throttled: c.querySelectorAll(".band").length,
      })),
    );
  const at = async (ms) => (await seek(page, ms), charts());
  const sum = (all, of) => all.reduce((n, c) => n + c[of], 0);
  const early = await at(2400);
  assert.deepEqual([sum(early, "ooms"), sum(early, "throttled")], [0, 0]);
  const late = await at(6000);
  assert.deepEqual([sum(late, "ooms"), sum(late, "throttled")], [2, 1], "the node's and its own; the one that was throttled");
  for (const [i, { line }] of late.entries()) assert.ok(line.split("H").length > early[i].line.split("H").length, `chart ${i} has gone on`);
  assert.deepEqual(await at(2400), early);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("keyboard: step, play, speed, pane by pane", async () => {
  const page = await open(browser, site.base, replay());
  await opened(page);
  await page.locator(".timebar input").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await at(page), 1200);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await at(page), 1200);
  await page.keyboard.press("Home");
  assert.equal(await at(page), 0);
  await page.locator('[data-time="speed"][data-n="2"]').focus();
  await page.keyboard.press("Enter");
  await page.locator(".timebar input").focus();
  await page.evaluate(() => {
    // where the bar is at each picture, by the time at which that was drawn
    const range = document.querySelector(".timebar input");
    window.seen = [];
    const look = () => {
      const value = Number(range.value);
      if (value > 0) window.seen.push([performance.now(), value]);
      if (value < Number(range.max)) requestAnimationFrame(look);
    };
    look();
  });
  await page.keyboard.press(" ");
  assert.equal(await page.locator('[data-time="play"]').getAttribute("aria-pressed"), "true");
  const length = Number(await page.locator(".timebar input").getAttribute("max"));
  await page.waitForFunction((n) => Number(document.querySelector(".timebar input").value) === n, length);
  const seen = (await page.evaluate(() => window.seen)).filter(([, value]) => value < length);
  const gap = Math.max(...seen.slice(1).map(([time], i) => time - seen[i][0])); // a picture stands for that long on a busy machine
  for (const [time, value] of seen) {
    const off = value - seen[0][1] - 4 * (time - seen[0][0]);
    assert.ok(Math.abs(off) <= 4 * gap + 50, `${off} ms beside 4×, with pictures up to ${gap} ms apart`);
  }
  assert.ok(seen.length > 2, `${seen.length} pictures on the way`);
  assert.equal(await page.locator('[data-time="play"]').getAttribute("aria-pressed"), "false");
  await page.keyboard.press("F6");
  assert.ok(await page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest(".timebar")));
  await page.context().close();
});

test("a file of the visitor's own, and files that are none", async () => {
  const page = await open(browser, site.base, "/en/recording");
  const good = Buffer.from(await (await fetch(site.base + FILE)).arrayBuffer());
  const bring = (buffer) => page.locator("input[type=file]").setInputFiles({ name: "x.podlab", mimeType: "application/octet-stream", buffer });
  const change = (at, ...bytes) => {
    const copy = Buffer.from(good);
    copy.set(bytes, at);
    return copy;
  };
  const first = 19; // behind the magic
  for (const [what, bad] of Object.entries({
    empty: Buffer.alloc(0),
    text: Buffer.from("<script>alert(1)</script>"),
    "another version": change(17, 0x32),
    "a bomb": change(first + 16, 255, 255, 255, 255),
    "other size": change(first + 16, 20),
    "damaged body": change(good.length - 60, ...Array(30).fill(0x41)),
    "too large": Buffer.concat([good, Buffer.alloc(25 << 20)]),
  })) {
    await bring(bad);
    await page.waitForSelector(".toast.error", { timeout: 5000 }).catch(() => assert.fail(`${what}: nothing is said`));
    await page.click(".toast.error button");
  }
  await bring(good);
  await opened(page);
  const title = (text) => page.waitForFunction((want) => document.querySelector("[data-replay-lab]").innerText === want, text);
  await title("Namespaces");
  await page.route("**/recording/lesson/**", (route) => route.fulfill({ status: 404 }));
  await page.goto(`${site.base}/zh/recording`);
  await bring(good);
  await title("sample"); // a lab that is not here has its id
  await page.unroute("**/recording/lesson/**");
  await page.reload();
  await bring(good);
  await title("命名空间");
  assert.deepEqual(
    page.wrongs.filter((w) => !w.startsWith("error:") && !w.includes("status of 404")),
    [],
  );
  await page.context().close();
});

test("a hostile file is refused, or shown within bounds, and never holds the page", { timeout: 300_000 }, async (t) => {
  for (const [id, refused] of Object.entries({
    lists: false,
    words: false,
    elements: true,
    levels: true,
    lines: true,
    states: true,
    chunks: false,
    casts: false,
  })) {
    const page = await open(browser, site.base, replay("en", `/api/recordings/${id}/file`), {
      prepare: (page) =>
        page.addInitScript(() => {
          window.held = 0; // ms for which the page did nothing else, at most
          let last = performance.now();
          setInterval(() => {
            window.held = Math.max(window.held, performance.now() - last);
            last = performance.now();
          }, 20);
        }),
    });
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    const computed = async () => 1000 * (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration").value;
    let before = 0;
    const within = async (what) => {
      const held = await page.evaluate(() => new Promise((done) => setTimeout(() => (done(window.held), (window.held = 0)), 100)));
      const now = await computed();
      const own = Math.min(held, now - before); // a busy machine holds a page, too
      before = now;
      assert.ok(own < 4000, `${id}: ${what} held the page for ${held} ms, of which it computed ${own}`);
      t.diagnostic(`${id}: ${what}: ${Math.round(held)} ms, computed ${Math.round(own)}`);
    };
    if (refused) await page.waitForSelector(".toast.error");
    else await page.waitForSelector('#main[data-phase="ready"]');
    await within("opening");
    if (!refused) {
      await page.locator(".timebar input").focus();
      await page.keyboard.press("End");
      await page.waitForSelector("#main[data-painted]");
      await within("going to the end");
      for (const view of ["processes", "network", "volumes", "resources", "timeline", "compare", "namespaces"]) {
        await page.click(`#tab-${view}`);
        await page.waitForSelector(`#view-${view} .saying`);
        await within(view);
      }
    }
    await page.context().close();
  }
});

test("on a phone a recording begins with its views and the time bar, in the page and for the keyboard", async () => {
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ]) {
    const page = await open(browser, site.base, replay(), { width, height });
    await opened(page);
    await page.waitForSelector("#lesson [data-check]");
    const at = await page.evaluate(() => {
      const box = (el) => document.querySelector(el).getBoundingClientRect();
      const [tabs, view, bar, lesson] = ["#tab-namespaces", ".view:not([hidden]) pod-view", ".timebar", ".les"].map(box);
      const before = document.querySelector(".stage").compareDocumentPosition(document.querySelector(".les")) & Node.DOCUMENT_POSITION_FOLLOWING;
      return { tabs, view, bar, lesson, before };
    });
    assert.equal(await page.locator("[data-replay-lab]").isVisible(), true, "its title stands above it");
    assert.ok(at.before, "the keyboard comes to the views first");
    assert.ok(at.tabs.bottom < height / 3 && at.view.top < height / 2, `${width}: tabs at ${at.tabs.top}, the view at ${at.view.top}`);
    assert.ok(at.bar.top > at.view.top && at.bar.bottom <= height, `${width}: the time bar from ${at.bar.top} to ${at.bar.bottom}`);
    if (width < 900) {
      assert.ok(at.lesson.top >= at.bar.bottom, "the lesson comes after them");
      const last = page.locator("#lesson [data-check]").last();
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      const [bar, check] = await Promise.all([page.locator(".timebar").boundingBox(), last.boundingBox()]);
      assert.ok(bar.y > 0 && bar.y + bar.height <= height && check.y + check.height <= bar.y, `beside the lesson: ${JSON.stringify([bar, check])}`);
      await seek(page, 3000);
      assert.deepEqual(page.wrongs, []);
    } else assert.ok(at.lesson.left === 0 && at.lesson.right <= at.view.left && at.lesson.top < 100, "the lesson stands beside them");
    await page.context().close();
  }
});

test("a link's recording that is on its way is not asked for; one that is not there is", async () => {
  const page = await open(browser, site.base, "/zh/");
  let answer;
  const file = (url) => url.pathname === FILE;
  await page.route(file, (route) => (answer = route));
  await page.goto(site.base + replay("zh"));
  const bring = page.locator(".bring");
  for (let i = 0; !answer && i < 50; i++) await page.waitForTimeout(100);
  assert.ok((await page.locator(".loading").isVisible()) && !(await bring.isVisible()));
  assert.deepEqual(await axe(page), []);
  await answer.continue();
  await opened(page);
  assert.ok(!(await page.locator(".loading").isVisible()) && !(await bring.isVisible()));
  await page.unroute(file);
  await page.route(file, (route) => route.fulfill({ status: 404, json: {} }));
  await page.reload();
  await page.waitForSelector(".toast.error");
  assert.ok((await bring.isVisible()) && !(await page.locator(".loading").isVisible()));
  await page.context().close();
});

test("checks that are judged again can be read at every width", async () => {
  for (const [lang, theme, width] of [
    ["en", "light", 390],
    ["zh", "dark", 390],
    ["en", "dark", 1440],
  ]) {
    const page = await open(browser, site.base, replay(lang), { theme, width, height: 844 });
    const checks = [
      { id: "inodes", state: "passed", was: "passed", given: true },
      { id: "hostname", state: "pending", was: "passed", given: false },
    ];
    await page.route("**/api/recordings/check**", (route) => route.fulfill({ json: { checks } }));
    await opened(page);
    await page.waitForSelector('#lesson [data-check="hostname"]');
    await page.locator("[data-recheck]").click();
    await page.waitForSelector("#verdicts[open] tbody tr");
    const found = await page.evaluate(() => {
      const dialog = document.querySelector("#verdicts");
      const lines = (el) => {
        const text = document.createRange();
        text.selectNodeContents(el);
        return new Set([...text.getClientRects()].map((r) => Math.round(r.top))).size;
      };
      const rows = [...dialog.querySelectorAll("tbody tr")];
      return {
        over: dialog.scrollWidth - dialog.clientWidth,
        lines: rows.map((row) => [...row.cells].map(lines)),
        high: dialog.scrollHeight - dialog.clientHeight,
      };
    });
    assert.ok(found.over <= 0 && found.high <= 1, JSON.stringify(found));
    for (const [what, was, is, verdict] of found.lines)
      assert.ok(what <= 3 && was <= 2 && is <= 2 && verdict <= 4, `${lang} ${width}: lines of each cell ${found.lines}`);
    assert.deepEqual(await axe(page, "#verdicts"), []);
    await page.context().close();
  }
});

test("a file that is opened while the server is away says so, and opens when it is back", async () => {
  const page = await open(browser, site.base, "/en/recording");
  const buffer = Buffer.from(await (await fetch(site.base + FILE)).arrayBuffer());
  const bring = () => page.locator("input[type=file]").setInputFiles({ name: "x.podlab", mimeType: "application/octet-stream", buffer });
  await page.waitForFunction(() => document.querySelector("input[type=file]").onchange);
  await page.context().setOffline(true);
  await bring();
  assert.match(await page.locator(".toast.error").innerText(), /does not answer/);
  await page.context().setOffline(false);
  await page.reload();
  await bring();
  await opened(page);
  await page.context().close();
});

test("the lab page looks back while its views are paused, and is live again with one press", async () => {
  const page = await open(browser, site.base, "/en/l/sample/share?frames=change&pace=300");
  await page.waitForSelector("#tab-processes");
  await page.click("#tab-processes");
  const bar = page.locator(".timebar");
  assert.equal(await bar.isVisible(), false);
  await page.waitForSelector(".dock .xterm-rows");
  await page.waitForTimeout(2500); // frames to look back on
  await page.locator(".les .scr").focus();
  await page.keyboard.press("Shift+P");
  await bar.waitFor({ state: "visible" });
  const range = bar.locator("input");
  const length = Number(await range.getAttribute("max"));
  assert.ok(length > 1500, `${length} ms to look back on`);
  assert.equal(await at(page), length);
  await range.focus();
  await page.keyboard.press("ArrowLeft");
  const before = await at(page);
  assert.ok(before < length);
  await page.keyboard.press("Home");
  assert.equal(await at(page), 0);
  const first = await page.locator("#view-processes").innerText();
  const trees = new Set([first]);
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("ArrowRight");
    trees.add(await page.locator("#view-processes").innerText());
  }
  assert.ok(trees.size > 2, "each step shows its own tree");
  await page.keyboard.press("Home");
  await page.waitForFunction((want) => document.getElementById("view-processes").innerText === want, first);
  await page.waitForSelector(".past .xterm-rows");
  assert.deepEqual(await axe(page), []);
  await page.click('[data-time="live"]');
  assert.equal(await bar.isVisible(), false);
  assert.equal(await page.locator(".past").count(), 0);
  for (const [what, act, seen] of [
    ["Run in", () => page.locator("[data-runbtn]").first().click(), ""], // into a container that is not there any more: refused, before what is there now,
    [
      "a key in a terminal",
      async () => {
        await page.locator('[data-group="0"] .xbox .xterm-helper-textarea').focus();
        await page.keyboard.type("now\r");
      },
      "you typed: now",
    ],
  ]) {
    await page.locator(".les .scr").focus();
    await page.keyboard.press("Shift+P");
    await bar.waitFor({ state: "visible" });
    await range.focus();
    await page.keyboard.press("Home");
    await page.waitForSelector(".past .xterm-rows");
    await act();
    await bar
      .waitFor({ state: "hidden", timeout: 8000 })
      .catch(async () =>
        assert.fail(
          `${what}: not live; ${await page.locator("pod-toasts").innerText()} ${await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200))}`,
        ),
      );
    await page.waitForSelector(".past", { state: "detached" });
    await page
      .waitForFunction((t) => document.querySelector('[data-group="0"] .xbox .xterm-rows').innerText.includes(t), seen, { timeout: 8000 })
      .catch(() => assert.fail(`${what}: not typed`));
  }
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("the lab page's panel says what is recorded, begins and ends it, and lists one's own", async () => {
  for (const [lang, theme, width] of [
    ["en", "light", 1440],
    ["zh", "dark", 390],
  ]) {
    const page = await open(browser, site.base, `/${lang}/l/sample/share?frames=sides`, { theme, width });
    const asked = [];
    page.on("request", (r) => r.method() === "POST" && asked.push(new URL(r.url()).pathname));
    await page.waitForSelector('#main[data-phase="ready"]');
    await page.locator(".rec").focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector("#recordings li");
    assert.equal(await page.locator('#recordings [data-part="open"]').getAttribute("href"), `/${lang}/recording/golden`);
    assert.equal(await page.locator('#recordings [data-part="file"]').getAttribute("href"), "/api/recordings/golden/file");
    assert.equal(await page.locator('[data-record="stop"]').isVisible(), false);
    assert.deepEqual(await axe(page), []);
    assert.match(await page.locator('#recordings [data-part="what"]').innerText(), { en: /^The infra container · 2:05/, zh: /^Infra 容器 · 2:05/ }[lang]);
    const remove = page.locator('[data-part="delete"]');
    await remove.focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog.sure[open]");
    assert.match(await page.locator("dialog.sure pre").innerText(), /2:05/, "which one is meant");
    assert.ok(await page.locator("#recordings li").isVisible(), "the list stays");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog.sure", { state: "detached" });
    assert.deepEqual(asked, [], "nothing is deleted that was not meant");
    assert.ok(await remove.evaluate((el) => el === document.activeElement), "the keyboard is where it was");
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog.sure[open]");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("pod-toasts").getByText({ en: "Recording deleted", zh: "录像已删除" }[lang]).waitFor();
    assert.deepEqual(asked.splice(0), ["/api/recordings/golden/delete"]);
    assert.ok(await page.evaluate(() => document.activeElement.closest("#recordings")), "the keyboard is still in the panel");
    await page.click('[data-part="link"]');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${site.base}/${lang}/recording/golden`);
    await page.click('[data-record="start"]');
    await page.waitForFunction(() => !document.querySelector('[data-record="start"]').disabled);
    assert.deepEqual(asked, ["/api/l/sides/share/record"]);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#recordings").isVisible(), false);
    assert.deepEqual(page.wrongs, []);
    await page.context().close();
  }
});
