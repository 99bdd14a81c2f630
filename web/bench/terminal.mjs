// A pod's terminal in a real page: a file is printed, and endless output interrupted. One `name value unit` a line: node bench/terminal.mjs SITE.

import { bare } from "./bare.mjs";
import { figure, percentile } from "./figure.mjs";

const site = process.argv[2];
const path = "/en/l/3.1-infra-container/restart"; // its step begins with a pod, whose container "client" has a terminal
const MIB = 32; // of the file that is printed
const LINE = "2026-11-21T19:07:46Z client[17] GET /index.html 200 612 0.000412 keep-alive 0123456789";

const rows = `document.querySelector('[data-group="1"] .xterm-rows')`;

/** Waits in the page until a condition is true at the beginning of a picture, and gives the time of then. */
const until = (page, condition) =>
  page.value(`new Promise((done, fail) => {
    const end = performance.now() + 60_000;
    const look = () => {
      if (${condition}) done(performance.now());
      else if (performance.now() > end) fail(new Error("waited in vain for " + ${JSON.stringify(condition)} + "; terminal:\\n" + ${rows}?.textContent.slice(-600)));
      else requestAnimationFrame(look);
    };
    look();
  })`);

const shows = (page, text) => until(page, `${rows}.textContent.includes(${JSON.stringify(text)})`);

/** A page with the pod's terminal in front, at its prompt. */
async function atPod() {
  const page = await bare(site + path);
  await until(page, `document.querySelector("pod-phase button.pri")`);
  await page.value(`document.querySelector("pod-phase button.pri").click()`);
  await until(page, `/[#$]\\s*$/.test(${rows}?.textContent ?? "")`);
  await page.value(`document.querySelector('[data-group="1"] .xterm-helper-textarea').focus()`);
  return page;
}

/** Types a command and gives the time at which Enter was pressed, by the page's clock. */
async function enter(page, command) {
  await page.text(command);
  const began = await page.value("performance.now()");
  await page.key("Enter", "Enter", 13, 0, "\r");
  return began;
}

/** From Enter until what comes behind the file is on the screen. */
async function cat(page) {
  await enter(page, `yes '${LINE}' | head -c ${MIB << 20} > /tmp/big; echo made''-it`);
  await shows(page, "made-it");
  const rates = [];
  for (let i = 0; i < 5; i++) {
    const began = await enter(page, `cat /tmp/big; echo; echo end''-${i}`);
    rates.push((MIB * 1000) / ((await shows(page, `end-${i}`)) - began));
  }
  figure("terminal.cat", percentile(rates, 50), "MiB/s");
}

/** From Ctrl-C, while output has no end, until the shell's prompt is on the screen. */
async function interrupt(page) {
  const took = [];
  await page.value(`addEventListener("keydown", (e) => e.ctrlKey && (window.pressed = performance.now()), true)`);
  for (let i = 0; i < 100; i++) {
    await enter(page, `yes 'run-${i} ${LINE}'`);
    await until(page, `${rows}.lastElementChild.previousElementSibling.textContent.startsWith("run-${i} ")`); // it runs: before, the shell takes ^C for a key
    await new Promise((done) => setTimeout(done, 100 + 200 * Math.random()));
    await page.key("c", "KeyC", 67, 2);
    const back = await until(page, `/[#$]\\s*$/.test(${rows}.textContent)`);
    took.push(back - (await page.value("window.pressed")));
  }
  figure("terminal.interrupt.p50", percentile(took, 50), "ms");
  figure("terminal.interrupt.p99", percentile(took, 99), "ms");
}

const page = await atPod();
try {
  await cat(page);
  await interrupt(page);
} finally {
  await page.close();
}
