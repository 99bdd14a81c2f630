// Records an instructor's example: does what the solution of a step says on a real node, as a learner would, and keeps the recording in the lab's folder.
// scripts/example starts it. node test/example.mjs SITE LAB STEP

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { launch, open } from "./browser.mjs";

const [site, lab, step] = process.argv.slice(2);
const MOST = 300 << 10; // bytes; it is committed
const LOOK = 2500; // ms that a state is shown before the next command

const KEY = 35; // ms from key to key

const solution = "#solution .run";

/** Waits until every shell that is shown asks for more. */
async function prompts(page) {
  await page.waitForFunction(
    () => {
      const now = [...document.querySelectorAll(".xterm-rows")].map((rows) => rows.innerText.trimEnd());
      const rest = now.length > 0 && now.join("\n") === window.before && now.every((text) => /[#$]$/.test(text));
      window.before = now.join("\n");
      return rest;
    },
    null,
    { polling: 400, timeout: 60_000 },
  );
}

/** Types the lines of a block as a person would; what goes over several lines is typed by its button. */
async function perform(page, block) {
  const lines = (await block.locator("code").evaluate((code) => [...code.querySelectorAll(".ln")].map((line) => line.textContent))).filter(Boolean);
  if (lines.some((line) => /<<|\\$/.test(line))) {
    await page.waitForTimeout(LOOK);
    await block.locator("[data-runbtn]").click();
    return prompts(page);
  }
  const target = await block.getAttribute("data-run");
  await page.locator(`[id="ptab-terminal:${target}"]`).click();
  for (const line of lines) {
    await page.waitForTimeout(LOOK);
    await page.locator(`[data-pane-id="terminal:${target}"] .xterm-helper-textarea`).focus();
    await page.keyboard.type(line, { delay: KEY });
    await page.keyboard.press("Enter");
    await prompts(page);
  }
}

const browser = await launch();
try {
  const page = await open(browser, site, `/en/l/${lab}/${step}`);
  await page.click("pod-phase button.pri");
  await prompts(page);
  await page.click(".rec");
  await page.click('[data-record="start"]');
  await page.waitForSelector("body[data-recording]");
  await page.keyboard.press("Escape");
  await page.click("#solution-btn");
  await page.waitForSelector(solution);
  for (let i = 0; i < (await page.locator(solution).count()); i++) await perform(page, page.locator(solution).nth(i));
  await page.waitForFunction(() => !document.querySelector('[data-check]:not([data-state="passed"])'), null, { timeout: 60_000 });
  await page.waitForTimeout(LOOK);
  await page.click(".rec");
  await page.click('[data-record="stop"]');
  await page.waitForSelector("#recordings li");
  const bytes = Buffer.from(
    await page.evaluate(async () => {
      const file = await fetch(document.querySelector('#recordings [data-part="file"]').href);
      return [...new Uint8Array(await file.arrayBuffer())];
    }),
  );
  assert.ok(bytes.length <= MOST, `${bytes.length} bytes are too many for a file that is committed`);
  const folder = new URL(`../../content/labs/${lab}/examples/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${step}.podlab`, folder), bytes);
  console.log(`content/labs/${lab}/examples/${step}.podlab: ${bytes.length} bytes`);
} finally {
  await browser.close();
}
