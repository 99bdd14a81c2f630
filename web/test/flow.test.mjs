// The whole path on real nodes: both labs done by keyboard alone, in both languages; then everything that may die dies while a
// learner types. PODLAB_SITE is the site, PODLAB_SUPERVISOR the supervisor's pid, PODLAB_RUN its
// directory of sockets; server/flow starts both.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { axe, cable, launch, open } from "./browser.mjs";

const site = process.env.PODLAB_SITE;
const supervisor = Number(process.env.PODLAB_SUPERVISOR);
const records = `${process.env.PODLAB_RUN}/sandboxd`;
const startPath = "pod-phase button.pri, pod-phase .elsewhere button";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Presses Tab until what the selector names has the focus, leaving a terminal or editor by F6 as a person would. */
async function tabTo(page, selector, nth = 0) {
  const target = page.locator(selector).nth(nth);
  for (let i = 0; i < 300; i++) {
    if (await target.evaluate((el) => el === document.activeElement).catch(() => false)) return;
    const trapped = await page.evaluate(() => Boolean(document.activeElement?.closest(".xterm, .cm-editor")));
    await page.keyboard.press(trapped ? "F6" : "Tab");
  }
  assert.fail(`${selector} (${nth}) cannot be reached by keyboard`);
}

async function press(page, selector, nth = 0, key = "Enter") {
  await tabTo(page, selector, nth);
  await page.keyboard.press(key);
}

const ready = (page) => page.waitForFunction(() => document.querySelector(".xterm-rows")?.textContent.includes("#"), null, { timeout: 20_000 });

async function start(page) {
  await page.waitForSelector(startPath);
  const clicked = Date.now();
  await press(page, startPath);
  await ready(page);
  return Date.now() - clicked;
}

const pending = (page) => page.locator('[data-check]:not([data-state="passed"])').count();

const screens = (page) => page.locator(".xterm-rows").allInnerTexts();

/** Types a run block into its terminal and waits until every shell that is shown asks for more. */
async function run(page, selector, nth) {
  await press(page, selector, nth);
  let last = "";
  for (let i = 0; i < 100; i++) {
    await page.waitForTimeout(300);
    const now = await screens(page);
    if (now.join() === last && now.every((text) => /[#$>]\s*$/.test(text))) return;
    last = now.join();
  }
  assert.fail(`no prompt after ${selector} ${nth}:\n${last}`);
}

async function answer(page) {
  const forms = await page.locator("[data-predict]").count();
  for (let i = 0; i < forms; i++) {
    const id = await page.locator("[data-predict]").nth(i).getAttribute("data-predict");
    await tabTo(page, `[data-predict="${id}"] input[type=radio]`);
    await page.keyboard.press("Space");
    await press(page, `[data-predict="${id}"] button[type=submit]`);
  }
}

async function step(page, lang) {
  const name = await page.locator("#lesson .step").getAttribute("data-step");
  await answer(page);
  const blocks = await page.locator("#lesson .scr > :not(#solution) .run [data-runbtn]").count();
  for (let i = 0; i < blocks; i++) await run(page, "#lesson .scr > :not(#solution) .run [data-runbtn]", i);
  await page.waitForFunction(() => !document.querySelector('[data-check]:not([data-state="passed"])'), null, { timeout: 12_000 }).catch(() => {});
  if (await pending(page)) {
    await press(page, "#solution-btn");
    await page.waitForSelector("#solution .run [data-runbtn]");
    const solving = await page.locator("#solution .run [data-runbtn]").count();
    for (let i = 0; i < solving; i++) await run(page, "#solution .run [data-runbtn]", i);
    await page.waitForFunction(() => !document.querySelector('[data-check]:not([data-state="passed"])'), null, { timeout: 25_000 }).catch(() => {});
  }
  const left = await page.locator('[data-check]:not([data-state="passed"])').evaluateAll((all) => all.map((li) => li.dataset.check));
  assert.deepEqual(left, [], `${lang} ${name}: checks not passed; terminal:\n${(await screens(page)).join("\n")}`);
  const open = await page.locator("[data-predict] [data-verdict]").evaluateAll((all) => all.filter((p) => !p.textContent).length);
  assert.equal(open, 0, `${lang} ${name}: a prediction is not judged`);
  assert.deepEqual(page.wrongs, [], `${lang} ${name}`);
  await page.waitForFunction(() => !document.querySelector('[data-runbtn][aria-disabled="true"]')); // a button that rests is dim
  await page.waitForTimeout(200);
  assert.deepEqual(await axe(page), [], `${lang} ${name}`);
  return name;
}

const journeys = [
  ["en", "3.1-infra-container", "light"],
  ["zh", "3.1-infra-container", "dark"],
  ["en", "3.3-shared-volumes", "dark"],
  ["zh", "3.3-shared-volumes", "light"],
];

describe("by keyboard alone", { concurrency: 4 }, () => {
  for (const [lang, lab, theme] of journeys)
    test(`${lab}, ${lang}`, async () => {
      const page = await open(browser, site, `/${lang}/l/${lab}`, { theme });
      await start(page);
      const steps = await page.locator(".steps [data-dot]").count();
      for (let i = 0; i < steps; i++) {
        const name = await step(page, lang);
        if (i === steps - 1) break;
        await press(page, "[data-next]");
        await page.waitForFunction((old) => document.querySelector("#lesson .step").dataset.step !== old, name);
        await page.waitForTimeout(2500);
        if (await page.locator(startPath).count()) await start(page);
      }
      await page.context().close();
    });
});

const children = (pid) =>
  readdirSync(`/proc/${pid}/task`).flatMap((t) => readFileSync(`/proc/${pid}/task/${t}/children`, "utf8").split(" ").filter(Boolean).map(Number));
const named = (name) => children(supervisor).find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(name));
const screen = (page) => page.locator(".xterm-rows").first().innerText();

/** Types a command into the node's terminal and gives the line after the mark it prints. */
async function ask(page, command, mark) {
  await page.locator(".xterm-helper-textarea").first().focus();
  await page.keyboard.type(`echo ${mark}=$(${command})`);
  await page.keyboard.press("Enter");
  const line = await page.waitForFunction((m) => new RegExp(`^${m}=(.*\\S)\\s*$`, "m").exec(document.querySelector(".xterm-rows").innerText)?.[1], mark, {
    timeout: 15_000,
  });
  return line.jsonValue();
}

const live = (page) => page.waitForFunction(() => /Live/.test(document.querySelector("pod-status").textContent), null, { timeout: 20_000 });

test("server, daemon and agent are killed while a learner types: same pod, same shell, nothing typed twice", async () => {
  const page = await open(browser, site, "/en/l/3.1-infra-container/restart");
  await start(page);
  const facts = "echo $PPID.$$.$(pgrep -o nginx).$(pgrep -x pause)";
  const was = await ask(page, facts, "was");
  for (const [i, victim] of ["serve", "podlab-sandboxd", "agent"].entries()) {
    const pid = victim === "agent" ? Number(await ask(page, "pgrep -f 'podlab-node agent'", "agent")) : named(victim);
    await page.locator(".xterm-helper-textarea").first().focus();
    await page.keyboard.type(`echo half${i}`);
    await page.waitForFunction((h) => document.querySelector(".xterm-rows").innerText.includes(h), `half${i}`);
    if (victim === "agent") {
      await page.keyboard.press("Control+u");
      await page.keyboard.type(`kill -9 ${pid}`);
      await page.keyboard.press("Enter");
    } else process.kill(pid, "SIGKILL");
    await page.waitForTimeout(3000);
    await live(page);
    if (victim !== "agent") {
      await page.keyboard.type("-whole");
      await page.keyboard.press("Enter");
      await page.waitForFunction((h) => document.querySelector(".xterm-rows").innerText.includes(`\n${h}-whole`), `half${i}`);
    }
    assert.equal(await ask(page, facts, `after${i}`), was, `${victim} killed`);
    const text = await screen(page);
    assert.ok(text.split(`half${i}`).length - 1 <= 2, `${victim}: typed twice\n${text}`);
  }
  await page.reload();
  await ready(page);
  assert.equal(await ask(page, facts, "reloaded"), was);
  await page.context().close();
});

test("the network drops while a learner types: said, and the same shell afterwards", async (t) => {
  const line = await cable(site);
  t.after(line.close);
  const page = await open(browser, line.base, "/en/l/3.1-infra-container/restart");
  await start(page);
  const was = await ask(page, "echo $$", "was");
  await page.keyboard.type("echo before");
  await page.waitForFunction(() => document.querySelector(".xterm-rows").innerText.includes("echo before"));
  line.cut(true);
  await page.waitForFunction(() => !/Live/.test(document.querySelector("pod-status").textContent), null, { timeout: 20_000 });
  await page.keyboard.type("LOST"); // typed into nothing: must not arrive later
  await page.waitForTimeout(2500);
  line.cut(false);
  await live(page);
  await page.waitForFunction(() => !document.querySelector(".xnote")); // every terminal is attached again
  await page.locator(".xterm-helper-textarea").first().focus();
  await page.keyboard.type("-after");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /\nbefore-after/.test(document.querySelector(".xterm-rows").innerText));
  assert.equal(await ask(page, "echo $$", "now"), was);
  await page.context().close();
});

test("node init is gone: the learner is told and starts anew", async () => {
  const page = await open(browser, site, "/en/l/3.1-infra-container/restart");
  await start(page);
  // Only this daemon's nodes, by its own records (spares have none): others on this machine are not ours to kill.
  const init = readdirSync(records)
    .filter((id) => existsSync(`${records}/${id}/node.json`))
    .map((id) => JSON.parse(readFileSync(`${records}/${id}/node.json`, "utf8")).pid);
  for (const pid of init) process.kill(pid, "SIGKILL"); // those of earlier tests too: their learners have left
  await page.waitForSelector("pod-phase button.pri", { timeout: 10_000 });
  assert.match(await page.locator("pod-phase").innerText(), /node/i);
  await start(page);
  assert.match(await ask(page, "hostname", "name"), /node/);
  await page.context().close();
});
