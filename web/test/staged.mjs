// A lab page whose frames the test sends, one at a time: golden frames of testdata/frames, made by web/golden.

import { readFileSync } from "node:fs";
import { open } from "./browser.mjs";

export const golden = (name) => JSON.parse(readFileSync(new URL(`../testdata/frames/${name}.json`, import.meta.url), "utf8"));

/** Three pictures later all that a frame changed is drawn. */
export const drawn = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));

/** A page of the development server's sample lab; page.send takes a frame to it, page.show a view to the front. */
export async function staged(browser, base, { lang = "en", ...options } = {}) {
  let socket;
  let sent = 0;
  let connect;
  const connected = new Promise((done) => (connect = done));
  const prepare = (page) => page.routeWebSocket(/\/ws\/live/, (ws) => connect((socket = ws)));
  const page = await open(browser, base, `/${lang}/l/sample/share?frames=none`, { ...options, prepare });
  await connected;
  /** Sends a frame and waits until the page has drawn it: its clock shows the minutes left that this frame alone has. */
  page.send = async (frame) => {
    const minutes = 10 + (sent++ % 40);
    const asked = new URL(socket.url()).searchParams;
    const session = { ...frame.session, lab: asked.get("lab"), step: asked.get("step"), deadline: frame.now + minutes * 60_000 + 30_000 };
    socket.send(JSON.stringify({ ...frame, session }));
    await page.waitForFunction((n) => document.querySelector("pod-clock time")?.textContent.startsWith(`${n}:`), minutes);
    await drawn(page);
  };
  page.show = async (view) => {
    await page.evaluate((view) => document.querySelector(`#tab-${view}`).click(), view);
    await page.waitForSelector(`#view-${view} .saying`);
    await drawn(page);
  };
  return page;
}
