// A browser that is only asked what is needed, by the DevTools protocol on a pipe: Playwright has every websocket message told to it, which
// takes as long as drawing it. For figures; tests use browser.mjs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flags } from "../test/browser.mjs";

const LONGEST = 60_000; // ms for what the page does by itself
const END = 10_000;

/** What a promise gives; an error in words when it takes longer. */
async function within(ms, promise, words) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${words} (within ${ms} ms)`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts a browser with one page; close() ends it. */
export async function bare(url, { width = 1440, height = 900 } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "podlab-bare-"));
  const child = spawn(
    process.env.CHROMIUM ?? "/usr/bin/chromium",
    ["--headless", "--remote-debugging-pipe", `--user-data-dir=${dir}`, `--window-size=${width},${height}`, ...flags, "about:blank"],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const asked = new Map();
  let gone = false;
  const exit = once(child, "exit").then(([code, signal]) => {
    gone = true;
    for (const { reject } of asked.values()) reject(new Error(`the browser ended: ${signal ?? code}`));
  });
  let last = 0;
  let loaded;
  const load = new Promise((done) => (loaded = done));
  let rest = "";
  child.stdio[4].setEncoding("utf8").on("data", (text) => {
    const all = (rest + text).split("\0");
    rest = all.pop();
    for (const { id, method, result, error } of all.map((x) => JSON.parse(x))) {
      if (method === "Page.loadEventFired") loaded();
      if (error) asked.get(id)?.reject(new Error(error.message));
      else asked.get(id)?.resolve(result);
      asked.delete(id);
    }
  });
  const ask = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      if (gone) throw new Error("the browser has ended");
      asked.set(++last, { resolve, reject });
      child.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
  const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => ask(method, params, sessionId);
  await send("Page.enable");
  await send("Page.navigate", { url });
  await within(LONGEST, load, `${url} is not loaded`);
  await send("Page.disable");
  return {
    send,
    /** Waits for an expression to be true; words say what is missing when it never is. */
    async until(expression, words) {
      await within(LONGEST, this.value(`new Promise((done) => { const look = () => (${expression}) ? done() : setTimeout(look, 20); look(); })`), words);
    },
    /** What an expression gives, when it is there. */
    async value(expression) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    /** Types text as a paste does, and presses a key. */
    text: (text) => send("Input.insertText", { text }),
    async key(key, code, keyCode, modifiers = 0, text = undefined) {
      const what = { key, code, windowsVirtualKeyCode: keyCode, modifiers };
      await send("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", text, ...what });
      await send("Input.dispatchKeyEvent", { type: "keyUp", ...what });
    },
    /** Presses the pointer's first button at a place, px. */
    async click(x, y) {
      const what = { x, y, button: "left", clickCount: 1 };
      await send("Input.dispatchMouseEvent", { type: "mousePressed", ...what });
      await send("Input.dispatchMouseEvent", { type: "mouseReleased", ...what });
    },
    async close() {
      await within(END, Promise.all([ask("Browser.close"), exit]), "the browser does not end").catch(() => child.kill("SIGKILL"));
      await exit;
      rmSync(dir, { recursive: true, maxRetries: 5 });
    },
  };
}
