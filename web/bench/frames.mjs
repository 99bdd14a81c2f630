// How smooth the views are with 300 processes at ten updates a second (frames "busy" of the development page): one `name value unit` a
// line. PODLAB_DEV is the address of a development server that runs already; arguments name views, all but compare by default.

import { launch, open, serve, views as all } from "../test/browser.mjs";
import { figure, mainThreads, percentile } from "./figure.mjs";

const WARM = 2000; // ms until what a page does only once is over
const SECONDS = 6;
const views = process.argv.length > 2 ? process.argv.slice(2) : all.filter((name) => name !== "compare");

/** Times between the page's frames, and its long tasks (over 50 ms), in ms. */
const watch = (seconds) =>
  new Promise((done) => {
    const gaps = [];
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration)));
    observer.observe({ type: "longtask" });
    const begun = performance.now();
    let last = 0;
    const frame = (now) => {
      if (last) gaps.push(now - last);
      last = now;
      if (performance.now() - begun < seconds * 1000) return void requestAnimationFrame(frame);
      observer.disconnect();
      done({ gaps, tasks, took: performance.now() - begun });
    };
    requestAnimationFrame(frame);
  });

const server = process.env.PODLAB_DEV ? { base: process.env.PODLAB_DEV, stop: () => {} } : await serve();
const browser = await launch();
try {
  for (const view of views) {
    const page = await open(browser, server.base, `/en/l/sample/share?frames=busy&pace=100&view=${view}`, { reducedMotion: "no-preference" });
    await page.waitForSelector("pod-view .card");
    await page.waitForTimeout(WARM);
    const before = mainThreads();
    const { gaps, tasks, took } = await page.evaluate(watch, SECONDS);
    const computed = mainThreads() - before;
    if (page.wrongs.length) throw new Error(page.wrongs.join("\n"));
    figure(`frames.${view}.rate`, (gaps.length * 1000) / took, "frames/s");
    figure(`frames.${view}.p50`, percentile(gaps, 50), "ms");
    figure(`frames.${view}.p99`, percentile(gaps, 99), "ms");
    figure(`frames.${view}.long`, tasks.length / SECONDS, "tasks/s");
    figure(`frames.${view}.cpu`, computed / (took / 1000), "ms/s"); // of the page's main thread: a busy machine does not change it
    await page.context().close();
  }
} finally {
  await browser.close();
  await server.stop();
}
