// A browser that is only asked what is needed, by the DevTools protocol on a pipe: Playwright has every websocket message told to it, which
// takes as long as drawing it. For figures; tests use browser.mjs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flags } from "../test/browser.mjs";

/** Starts a browser with one page; close() ends it. */
export async function bare(url, { width = 1440, height = 900 } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "podlab-bare-"));
  const child = spawn(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--headless", "--remote-debugging-pipe", `--user-data-dir=${dir}`, `--window-size=${width},${height}`, ...flags, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const asked = new Map();
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
      asked.set(++last, { resolve, reject });
      child.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
  const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => ask(method, params, sessionId);
  await send("Page.enable");
  await send("Page.navigate", { url });
  await load;
  await send("Page.disable");
  return {
    send,
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
    async close() {
      await ask("Browser.close");
      await once(child, "exit");
      rmSync(dir, { recursive: true, maxRetries: 5 });
    },
  };
}
