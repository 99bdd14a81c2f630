// Every state of the page in a real browser: no violation of the policy, no error, nothing from elsewhere, nothing that axe finds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, launch, open, serve, views } from "./browser.mjs";

let site, browser;
before(async () => {
  site = await serve();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await site.stop();
});

const lab = (frames, lang = "en") => `/${lang}/l/sample/share?frames=${frames}`;
const settled = (page) => page.waitForTimeout(900);

async function sound(page, what) {
  assert.deepEqual(page.wrongs, [], what);
  assert.deepEqual(await axe(page), [], what);
}

const states = ["none", "starting", "queued", "gone", "ended", "other", "sides", "plain", "volumes", "many", "crowd"];

for (const lang of ["en", "zh"]) {
  for (const theme of ["light", "dark"]) {
    const all = (lang === "en") === (theme === "light"); // each state in each language and in each theme; not in all four
    test(`states, ${lang}, ${theme}`, async () => {
      for (const state of all ? states : ["sides"]) {
        const page = await open(browser, site.base, lab(state, lang), { theme });
        await settled(page);
        await sound(page, `${state} ${lang} ${theme}`);
        await page.context().close();
      }
    });
    test(`pages, ${lang}, ${theme}`, async () => {
      for (const path of [`/${lang}/`, `/${lang}/?resume`, `/${lang}/error/node_gone`, `/${lang}/full`]) {
        const page = await open(browser, site.base, path, { theme });
        await settled(page);
        await sound(page, `${path} ${theme}`);
        await page.context().close();
      }
    });
  }
}

test("UDP and Unix connections between containers, and what a tracer cannot tell of, in plain words", async () => {
  const said = {
    en: /They do not tell of joined namespaces, mounts, TCP connections, UDP and Unix sockets, new parents and whom/,
    zh: /这种方式看不到：命名空间的加入、挂载、TCP 连接/,
  };
  const told = { en: /demo\/web no longer waits for CPU: throttled in 7 periods, 412 ms in all/, zh: /demo\/web 不再等待 CPU：被节流 7 个周期，共 412 毫秒/ };
  for (const lang of ["en", "zh"]) {
    const page = await open(browser, site.base, lab("sockets", lang), { width: lang === "en" ? 1440 : 390 });
    await settled(page);
    await page.click("#tab-network");
    await page.waitForTimeout(400);
    assert.equal(await page.locator("#view-network .wires path.lo").count(), 4, "TCP, UDP and two Unix connections");
    await sound(page, `network ${lang}`);
    await page.click("#tab-timeline");
    await page.waitForTimeout(400);
    assert.match(await page.locator("#view-timeline .untold").innerText(), said[lang]);
    assert.match(await page.locator("#view-timeline .moments").innerText(), told[lang]);
    await sound(page, `timeline ${lang}`);
    await page.context().close();
  }
});

test("a connection that failed: who, where to, and the kernel's reason, in plain words", async () => {
  const said = {
    en: /nginx \(2431\) could not connect to \/shared\/app\.sock: connection refused \(ECONNREFUSED\)/,
    zh: /nginx（2431）连接失败：\/shared\/app\.sock，连接被拒绝（ECONNREFUSED）/,
  };
  for (const lang of ["en", "zh"]) {
    const page = await open(browser, site.base, lab("sides", lang));
    await settled(page);
    await page.click("#tab-timeline");
    await page.waitForTimeout(400);
    assert.match(await page.locator("#view-timeline .moments").innerText(), said[lang]);
    await page.context().close();
  }
});

test("the legend shows every name whole, however many there are", async () => {
  for (const [frames, width, lines] of [
    ["sides", 1440, 1],
    ["volumes", 1440, 1],
    ["crowd", 1440, 4],
    ["crowd", 1024, 6],
    ["crowd", 390, 8],
  ]) {
    const page = await open(browser, site.base, lab(frames), { width });
    await settled(page);
    const names = await page.locator(".lg .n").evaluateAll((all) =>
      all.map((el) => ({
        name: el.textContent,
        cut: el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).display !== "inline",
        right: el.getBoundingClientRect().right,
        top: Math.round(el.getBoundingClientRect().top),
      })),
    );
    if (frames === "crowd") assert.equal(names.length, 11, "two pods, two names that both have, six on their own, the node");
    for (const n of names) assert.ok(!n.cut && n.right <= width, `${frames} at ${width}: ${n.name} is cut`);
    const rows = new Set(names.map((n) => n.top)).size;
    assert.ok(rows <= lines, `${frames} at ${width}: ${rows} lines`);
    await page.context().close();
  }
});

test("the page is as high as its window: nothing below it that a jump to a line could scroll to", async () => {
  for (const frames of ["sides", "crowd"]) {
    const page = await open(browser, site.base, lab(frames), { height: 700 });
    await settled(page);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollHeight - innerHeight), 0, frames);
    await page.context().close();
  }
});

test("narrow and wide: nothing runs out of the page", async () => {
  for (const width of [390, 768, 1024, 1920, 2560]) {
    const page = await open(browser, site.base, lab("sides", "zh"), { width, theme: "dark" });
    await settled(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${width}: ${over} px too wide`);
    await sound(page, String(width));
    await page.context().close();
  }
});

test("the mark in the head says what the views show: what is now, what was, or that there is no node", async () => {
  const words = {
    en: { live: "Live", back: "Looking back", paused: "Views paused", none: "No node" },
    zh: { live: "已连接", back: "正在回看", paused: "视图已暂停", none: "没有节点" },
  };
  for (const [lang, theme, width] of [
    ["en", "light", 390],
    ["zh", "dark", 1440],
  ]) {
    const says = (page, what) =>
      page
        .waitForFunction(
          ([state, text]) => document.querySelector("pod-status").innerText.trim() === text && document.querySelector(".live").matches(`.${state}`),
          [what, words[lang][what]],
          { timeout: 5000 },
        )
        .catch(async () => assert.fail(`${lang}: ${await page.locator("pod-status").innerHTML()}, not ${what}`));
    const page = await open(browser, site.base, lab("change&pace=300", lang), { theme, width });
    await page.waitForSelector(".dock .xterm-rows");
    await page.waitForTimeout(1200); // frames to look back on
    await says(page, "live");
    await page.locator(".les .scr").focus();
    await page.keyboard.press("Shift+P");
    await says(page, "paused");
    await page.waitForFunction(() => Number(document.querySelector(".timebar input").max) > 0);
    await page.locator(".timebar input").focus();
    await page.keyboard.press("Home");
    await says(page, "back");
    assert.ok(await page.evaluate(() => document.querySelector(".top").scrollWidth <= innerWidth), `the head is wider than ${width}`);
    await sound(page, "looking back");
    await page.click('[data-time="live"]');
    await says(page, "live");
    await page.context().close();
    for (const state of ["none", "queued", "gone", "ended", "starting"]) {
      const page = await open(browser, site.base, lab(state, lang), { theme, width });
      await says(page, state === "starting" ? "live" : "none");
      await page.context().close();
    }
  }
});

test("Run in web types once, whatever is pressed", async () => {
  const page = await open(browser, site.base, lab("sides"));
  await settled(page);
  const run = page.locator("[data-runbtn]").first();
  await run.dblclick();
  await run.click({ force: true });
  await page.waitForTimeout(600);
  const text = await page.locator('[data-group="0"] .xterm-rows').innerText();
  assert.equal(text.match(/you typed: readlink/g)?.length, 1, text);
  await page.context().close();
});

test("a replay that asks the terminal something types nothing", async () => {
  const page = await open(browser, site.base, lab("sides"));
  await settled(page);
  const text = await page.locator('[data-group="0"] .xterm-rows').innerText();
  assert.match(text, /root@web/);
  assert.doesNotMatch(text, /\^\[/, "an answer was sent as if typed");
  await page.context().close();
});

test("hostile names are text in every view, and no program", async () => {
  const page = await open(browser, site.base, lab("hostile"));
  await page.evaluate(() => {
    window.scripted = () => {
      window.ran = true;
    };
  });
  await settled(page);
  for (const view of views) {
    for (const form of ["picture", "table"]) {
      await page.click(form === "picture" ? `#tab-${view}` : ".legend button");
      await page.waitForTimeout(300);
      const found = await page.evaluate(() => ({
        ran: window.ran,
        made: document.querySelectorAll("img[src=x], [onerror], script:not([nonce]):not([src])").length,
        over: document.documentElement.scrollWidth - innerWidth,
        shown: document.body.textContent.includes("<img src=x onerror=scripted()>"),
      }));
      assert.deepEqual(found, { ran: undefined, made: 0, over: Math.min(found.over, 0), shown: true }, `${view} as ${form}`);
    }
    await page.click(".legend button");
  }
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("a hostile terminal leaves the page alive", { timeout: 60_000 }, async () => {
  const page = await open(browser, site.base, lab("sides"));
  await settled(page);
  const title = await page.title();
  await page.evaluate(() => navigator.clipboard.writeText("mine"));
  await page.locator('[data-group="0"] .xterm-helper-textarea').focus();
  await page.keyboard.type("flood\r");
  const worst = await page.evaluate(
    () =>
      new Promise((done) => {
        // the longest that the page drew nothing for, in ms
        let last = performance.now(),
          longest = 0;
        const end = last + 4000;
        const draw = (now) => {
          longest = Math.max(longest, now - last);
          last = now;
          if (now < end) requestAnimationFrame(draw);
          else done(longest);
        };
        requestAnimationFrame(draw);
      }),
  );
  assert.ok(worst < 3000, `nothing was drawn for ${worst} ms`);
  await page.keyboard.type("alive\r");
  await page.waitForFunction(() => /you typed: alive/.test(document.querySelector('[data-group="0"] .xterm-rows').innerText));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "mine");
  assert.equal(await page.title(), title);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

const node = '[data-group="0"]';
const printed = (page) => page.locator(`${node} .xterm-rows`).innerText();
const prints = (page, text) => page.waitForFunction((t) => document.querySelector('[data-group="0"] .xterm-rows')?.innerText.includes(t), text);

/** A lab page whose terminals' typing is kept in window.typed, and the windows it opens in window.opened. */
async function typist(path) {
  const page = await open(browser, site.base, "/en/");
  await page.addInitScript(() => {
    window.typed = window.answered = "";
    window.opened = [];
    window.open = (...what) => void window.opened.push(what);
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      if (typeof data !== "string") window.typed += new TextDecoder("latin1").decode(data);
      else window.answered += JSON.parse(data).answer ?? "";
      return send.call(this, data);
    };
  });
  await page.goto(site.base + path);
  await prints(page, "root@web");
  await page.locator(`${node} .xterm-helper-textarea`).focus();
  return page;
}

const typed = (page) => page.evaluate(() => window.typed);

test("what a program asks of the terminal types no word of its own, and touches neither clipboard, title nor size", async () => {
  const page = await typist(lab("sides"));
  await page.evaluate(() => navigator.clipboard.writeText("mine"));
  const before = await page.evaluate(() => [document.title, ...["cols", "rows"].map((k) => document.querySelector('[data-group="0"] .xt').xterm[k])]);
  await page.keyboard.type("queries\r");
  await page.waitForFunction(() => window.answered.split("$r").length > 2); // the first and the last that is answered
  await page.keyboard.type("\rover\r");
  await prints(page, "over");
  assert.equal(await typed(page), "queries\r\rover\r", "an answer is told from what is typed");
  const said = await page.evaluate(() => window.answered);
  const answers = said.split(/(?=\x1b)/).filter(Boolean); // attributes, status, places, modes, colours: nothing but numbers
  for (const a of answers) assert.match(a, /^\x1b(\[[?>]?[\d;]*(c|n|R|\$y)|P[01]\$r[\d;"' a-z]{0,12}|\]\d+;(\d+;)?rgb:[\da-f/]+|\\)$/, JSON.stringify(a));
  assert.ok(answers.length > 0 && answers.length < 60, `${answers.length} answers`);
  assert.doesNotMatch(said, /planted|[\r\n]/);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "mine");
  assert.deepEqual(
    await page.evaluate(() => [document.title, ...["cols", "rows"].map((k) => document.querySelector('[data-group="0"] .xt').xterm[k])]),
    before,
  );
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("copy and paste: a selection, one line, several lines, and nothing that is no text", async () => {
  const page = await typist(lab("sides"));
  const paste = (text) =>
    page.evaluate(async (t) => {
      const data = new DataTransfer();
      data.setData("text/plain", t);
      document
        .querySelector('[data-group="0"] .xterm-helper-textarea')
        .dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, text);
  await page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.select(0, 0, 8));
  await page.keyboard.press("Control+c");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "root@web");
  assert.equal(await typed(page), "", "a selection is copied, not interrupted");
  await page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.clearSelection());
  await page.keyboard.press("Control+c");
  assert.equal(await typed(page), "\x03");

  await page.evaluate(() => {
    window.typed = "";
    return navigator.clipboard.writeText("from the clipboard");
  });
  await page.keyboard.press("Control+v");
  await page.waitForFunction(() => window.typed === "from the clipboard");

  await page.evaluate(() => (window.typed = ""));
  await paste("one\ntwo");
  await page.waitForSelector("dialog.sure[open]");
  assert.match(await page.locator("dialog.sure").innerText(), /one\s+two/);
  await sound(page, "paste");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog.sure", { state: "detached" });
  assert.equal(await typed(page), "", "refused");
  await paste("one\ntwo");
  await page.click("dialog.sure .pri");
  await page.waitForFunction(() => window.typed === "one\rtwo");

  await page.keyboard.press("Enter");
  await page.keyboard.type("bracketed\r");
  await page.waitForFunction(() => document.querySelector('[data-group="0"] .xt').xterm.modes.bracketedPasteMode);
  await page.evaluate(() => (window.typed = ""));
  await paste("one\ntwo\x1b[201~\x03\u009bthree"); // its own end of a paste, a key, a control
  assert.equal(await typed(page), "\x1b[200~one\rtwo[201~three\x1b[201~");
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("links: a program's words do not hide where one leads; only web addresses open, and know nothing of this page", async () => {
  const page = await typist(lab("sides"));
  await page.keyboard.type("links\r");
  await prints(page, "seen.example");
  const click = async (text) => {
    const at = await page.evaluate((t) => {
      const el = document.querySelector('[data-group="0"] .xt');
      const x = el.xterm;
      const box = el.querySelector(".xterm-screen").getBoundingClientRect();
      for (let y = 0; y < x.rows; y++) {
        const line = x.buffer.active.getLine(x.buffer.active.viewportY + y).translateToString();
        const i = line.indexOf(t);
        if (i >= 0) return { x: box.left + ((i + 1.5) * box.width) / x.cols, y: box.top + ((y + 0.5) * box.height) / x.rows };
      }
      return null;
    }, text);
    await page.mouse.move(at.x, at.y);
    await page.waitForTimeout(100);
    await page.mouse.move(at.x + 2, at.y);
    await page.mouse.down();
    await page.mouse.up();
  };
  await click("https://bank");
  await page.waitForSelector("dialog.sure[open]");
  assert.match(await page.locator("dialog.sure").innerText(), /https:\/\/elsewhere\.example\/real/);
  await sound(page, "link");
  assert.deepEqual(await page.evaluate(() => window.opened), []);
  await page.click("dialog.sure .pri");
  await page.waitForFunction(() => window.opened.length === 1);
  await click("script");
  await click("http://seen");
  await page.waitForFunction(() => window.opened.length === 2);
  assert.deepEqual(await page.evaluate(() => window.opened), [
    ["https://elsewhere.example/real", "_blank", "noopener,noreferrer"],
    ["http://seen.example/page", "_blank", "noopener,noreferrer"],
  ]);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("search, size of letters, screen reader", async () => {
  const page = await typist(lab("sides"));
  for (const n of [1, 2, 3]) await page.keyboard.type(`mark${n}\r`);
  await prints(page, "mark3");
  await page.keyboard.press("Control+Shift+F");
  await page.waitForSelector(".find:focus");
  const found = () =>
    page.evaluate(() => {
      const x = document.querySelector('[data-group="0"] .xt').xterm;
      const at = x.getSelectionPosition()?.start;
      return at
        ? x.buffer.active
            .getLine(at.y)
            .translateToString()
            .slice(at.x, at.x + 5)
        : "";
    });
  await page.keyboard.type("mark");
  assert.equal(await found(), "mark3", "as it is typed, the newest first");
  const selected = () => page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.getSelection());
  assert.equal(await selected(), "mark");
  await page.keyboard.type("3");
  assert.equal(await selected(), "mark3", "a longer text is found where the shorter one was");
  await page.keyboard.press("Backspace");
  const above = await page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.getSelectionPosition().start.y);
  await page.keyboard.press("Shift+Enter");
  assert.ok((await page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.getSelectionPosition().start.y)) < above, "the one above");
  await page.keyboard.press("Enter");
  assert.equal(await found(), "mark3", "the next below");
  await page.keyboard.type("-nowhere");
  assert.equal(await page.locator(".find").getAttribute("aria-invalid"), "true");
  await page.locator(".find").fill("");
  assert.equal(await page.locator(".find").getAttribute("aria-invalid"), "false");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".find", { state: "detached" });

  const size = () => page.evaluate(() => [...document.querySelectorAll(".xt")].map((el) => el.xterm.options.fontSize));
  const was = await page.evaluate(() => document.querySelector('[data-group="0"] .xt').xterm.cols);
  await page.locator(`${node} [aria-label="Size of the letters"]`).click();
  assert.ok((await size()).every((px) => px === 16));
  await page.waitForFunction((cols) => document.querySelector('[data-group="0"] .xt').xterm.cols < cols, was);
  await page.reload();
  await prints(page, "root@web");
  assert.ok(
    (await size()).every((px) => px === 16),
    "remembered",
  );

  await page.locator(`${node} [aria-label="Screen-reader mode"]`).click();
  await page.waitForFunction(() => /root@web/.test(document.querySelector('[data-group="0"] .xterm-accessibility-tree')?.textContent ?? ""));
  await sound(page, "screen reader");
  await page.context().close();
});

test("Chinese in a narrow terminal: every letter stands in its cells", async () => {
  const page = await open(browser, site.base, lab("sides", "zh"), { theme: "dark" });
  await settled(page);
  await page.locator('[data-group="0"] .xterm-helper-textarea').focus();
  await page.keyboard.insertText("错误：第 8 行：容器 nginx-container 挂载了 Pod 中不存在的卷（shared-data）。卷有：shard-data，两处的名称，必须一致！？");
  await page.waitForTimeout(300);
  const rows = await page.locator('[data-group="0"] .xterm-rows').evaluate((box) => {
    const ascii = [...box.querySelectorAll("span")].find((s) => /^[!-~]{6,}$/.test(s.textContent)); // by which a cell is measured
    const cell = ascii.getBoundingClientRect().width / ascii.textContent.length;
    const cells = (text) => [...text].reduce((n, c) => n + (/[\u2e80-\uffef]/.test(c) ? 2 : 1), 0);
    return [...box.children]
      .filter((row) => /[\u4e00-\u9fff]/.test(row.textContent))
      .map((row) => {
        const end = row.lastElementChild.getBoundingClientRect().right - row.getBoundingClientRect().left;
        return { text: row.textContent, off: Math.abs(end - cell * cells(row.textContent)), over: row.scrollWidth - row.clientWidth };
      });
  });
  assert.ok(rows.length >= 2, "the line is longer than a row");
  for (const { text, off, over } of rows) assert.ok(off < 2 && over <= 0, `${text}: ${off.toFixed(1)} px off, ${over} px cut`);
  await page.context().close();
});

test("the manifest's error stands at its line", async () => {
  const page = await open(browser, site.base, lab("volumes"));
  await settled(page);
  await page.click("#ptab-manifest\\:two-containers\\.yaml");
  await page.waitForSelector(".cm-content");
  await page.click(".ebar [data-apply]");
  await page.waitForSelector(".cm-lint-marker-error");
  assert.match(await page.locator(".esay").innerText(), /Line 8: .*shared-data/);
  await sound(page, "editor");
  await page.click(".cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("apiVersion: v2");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("apiVersion: v1");
  assert.deepEqual(page.wrongs, [], "typing over a selection");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => /two-containers/.test(document.querySelector(".esay").textContent));
  await page.context().close();
});

test("the preview says who answers and shows the page in a sandbox", async () => {
  const page = await open(browser, site.base, lab("volumes"));
  await settled(page);
  await page.click("#ptab-preview\\:");
  await page.waitForSelector(".prev iframe");
  assert.equal(await page.locator(".prev iframe").getAttribute("sandbox"), "allow-scripts allow-forms");
  assert.match(await page.locator(".pbar").innerText(), /nginx-container/);
  await page.context().close();
});

test("by keyboard alone: predict, switch views, run, leave the terminal", async () => {
  const page = await open(browser, site.base, lab("plain"));
  await settled(page);
  await page.focus('input[value="same"]');
  await page.keyboard.press("Space");
  await page.keyboard.press("Enter");
  await page.focus("#tab-namespaces");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getAttribute("#tab-processes", "aria-selected"), "true");
  await page.waitForSelector("#view-processes [role=tree]");
  const places = new Set();
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("F6");
    places.add(await page.evaluate(() => document.activeElement.closest("[data-pane], [data-group], .scr")?.className));
  }
  assert.ok(places.size >= 4, [...places].join(", "));
  await page.focus("#step-title");
  await page.keyboard.press("?");
  await page.waitForSelector("#keys");
  await sound(page, "keys");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#keys", { state: "hidden" });
  await page.focus("pod-split[data-split=dock]");
  const before = await page.locator(".dock").evaluate((el) => el.clientHeight);
  await page.keyboard.press("ArrowUp");
  await page.waitForFunction((h) => document.querySelector(".dock").clientHeight === h, before + 16); // drawn with the next picture
  await page.context().close();
});

test("another step swaps the lesson alone: the terminal's screen stays", async () => {
  const page = await open(browser, site.base, lab("sides"));
  await settled(page);
  await page.locator('[data-group="0"] .xterm-helper-textarea').focus();
  await page.keyboard.type("still here");
  await page.click("[data-next]");
  await page.waitForFunction(() => location.pathname.endsWith("/localhost"));
  await settled(page);
  assert.match(await page.locator('[data-group="0"] .xterm-rows').innerText(), /still here/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "step-title");
  await page.goBack();
  await page.waitForFunction(() => document.querySelector(".step").dataset.step === "share");
  await settled(page);
  assert.match(await page.locator('[data-group="0"] .xterm-rows').innerText(), /still here/);
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("a container's role in its pod stands in every view, and in its table", async () => {
  const words = { en: ["init", "sidecar", "ephemeral"], zh: ["Init", "Sidecar", "临时"] };
  for (const [lang, theme] of [
    ["en", "light"],
    ["zh", "dark"],
  ]) {
    const page = await open(browser, site.base, lab("roles", lang), { theme });
    await settled(page);
    for (const view of views.filter((name) => name !== "compare")) {
      await page.click(`#tab-${view}`);
      const [init, sidecar, ephemeral] = words[lang]; // init has ended: it has no process; only the sidecar has a socket
      for (const table of [false, true]) {
        if (table && view === "timeline") continue; // a list of moments
        if (table) await page.locator(".legend button[aria-pressed]").click();
        const expected = { processes: [sidecar, ephemeral], network: table ? [sidecar] : [sidecar, ephemeral] }[view] ?? [init, sidecar, ephemeral];
        for (const word of expected) {
          const shown = page
            .locator(`#view-${view}`)
            .getByText(new RegExp(`(^|[(（· ])${word}([)）· ]|$)`))
            .first();
          await shown.waitFor({ timeout: 3000 });
        }
      }
      if (view !== "timeline") await page.locator(".legend button[aria-pressed]").click();
    }
    await sound(page, `roles in ${lang}`);
    assert.deepEqual(page.wrongs, []);
    await page.context().close();
  }
});

test("on a phone, an explanation that appears leaves the terminal where it is", async () => {
  for (const anchoring of ["auto", "none"]) {
    const page = await open(browser, site.base, "/en/", { width: 390, height: 844 });
    let show; // sends the newest frame again, with every check passed
    await page.routeWebSocket(/\/ws\/live/, (ws) => {
      const server = ws.connectToServer();
      server.onMessage((message) => {
        ws.send(message);
        show = () => {
          const frame = JSON.parse(message);
          for (const c of frame.session.checks) c.state = "passed";
          ws.send(JSON.stringify(frame));
        };
      });
    });
    await page.goto(site.base + lab("sides"));
    await settled(page);
    await page.evaluate((value) => (document.body.style.overflowAnchor = value), anchoring); // none: a browser without it
    await page.locator("[data-runbtn]").first().click();
    await page.waitForFunction(() => document.querySelector(".term").getBoundingClientRect().bottom <= innerHeight + 1);
    const top = () => page.evaluate(() => document.querySelector(".term").getBoundingClientRect().top);
    const before = await top();
    show();
    await page.waitForSelector("[data-why]:not([hidden])", { state: "attached" });
    await page.getByText("Read why").waitFor();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));
    assert.ok(Math.abs((await top()) - before) < 1, `${anchoring}: the terminal went from ${before} to ${await top()}`);
    const covered = await page.evaluate(() => {
      const [term, said] = [".term", ".toast"].map((s) => document.querySelector(s).getBoundingClientRect());
      return said.bottom > term.top && said.top < term.bottom;
    });
    assert.ok(!covered, "the message lies over the terminal");
    await page.waitForFunction(() => !document.querySelector("[data-runbtn][aria-disabled]"));
    await sound(page, "phone");
    if (anchoring === "auto") await page.getByText("Read why").click();
    else await page.evaluate(() => document.querySelector("[data-why]").scrollIntoView({ block: "start" })); // found by hand
    await page.getByText("Read why").waitFor({ state: "detached", timeout: 2000 }); // by itself it goes after 8 s
    await page.waitForFunction(() => {
      const at = document.querySelector("[data-why]").getBoundingClientRect();
      return at.top >= 0 && at.top < innerHeight / 2;
    });
    assert.deepEqual(page.wrongs, []);
    await page.context().close();
  }
});

test("text lights the thing, and the thing the text", async () => {
  const page = await open(browser, site.base, lab("sides"));
  await settled(page);
  await page.hover('[data-obj="container:demo/_infra"]');
  await page.waitForTimeout(100);
  assert.ok(await page.locator('.mx tr[data-o="container:demo/_infra"][data-lit]').count());
  await page.hover(".tr .row:has-text('pause')");
  await page.waitForTimeout(100);
  assert.ok(await page.locator('[data-obj="container:demo/_infra"][data-lit]').count());
  await page.context().close();
});
