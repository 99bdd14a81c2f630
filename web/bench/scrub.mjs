// How soon any moment of a recording is on the screen, in each view, with its terminal: node bench/scrub.mjs SITE FILE. One `name value unit` a
// line. A moment is there when nothing in the page changes any more, drawn; but for a terminal's scrollbar, which fades later.

import { bare } from "./bare.mjs";
import { figure, percentile } from "./figure.mjs";

const [site, file] = process.argv.slice(2);
const TIMES = 20; // moments in each view
const QUIET = 250; // ms without a change, after which a moment is there

const page = await bare(`${site}/en/recording`);
try {
  const { result } = await page.send("Runtime.evaluate", { expression: 'document.querySelector("input[type=file]")' });
  await page.send("DOM.setFileInputFiles", { files: [file], objectId: result.objectId });
  await page.value(`new Promise((done) => { const look = () => document.querySelector('#main[data-phase="ready"]') ? done() : requestAnimationFrame(look); look(); })`);
  const all = [];
  for (const view of ["namespaces", "processes", "network", "volumes", "resources", "timeline", "compare"]) {
    await page.value(`document.getElementById("tab-${view}").click()`);
    await page.value(`new Promise((done) => setTimeout(done, 1000))`); // its code comes
    const took = await page.value(`(${scrub})(${TIMES}, ${QUIET})`);
    figure(`recording.scrub.${view}.p95`, percentile(took, 95), "ms");
    all.push(...took);
  }
  figure("recording.scrub.p50", percentile(all, 50), "ms");
  figure("recording.scrub.p95", percentile(all, 95), "ms");
} finally {
  await page.close();
}

/** In the page: goes to moments all over the recording and gives the times until each was drawn. */
async function scrub(times, quiet) {
  const range = document.querySelector(".timebar input");
  const took = [];
  for (let i = 0; i < times; i++) {
    let changed = 0;
    const seen = (list) => list.some((m) => !m.target.parentElement?.closest(".xterm-scrollable-element > .scrollbar") && !m.target.matches?.(".scrollbar, .xterm-helper-textarea"));
    const observer = new MutationObserver((list) => seen(list) && requestAnimationFrame((now) => (changed = Math.max(now, performance.now()))));
    observer.observe(document.getElementById("main"), { subtree: true, childList: true, characterData: true, attributes: true });
    const begun = performance.now();
    range.value = String(Math.floor(Math.random() * Number(range.max)));
    range.dispatchEvent(new Event("input", { bubbles: true }));
    do await new Promise((done) => setTimeout(done, 30));
    while ((!changed || performance.now() - changed < quiet) && performance.now() - begun < 5000); // what never rests counts as 5 s
    observer.disconnect();
    took.push(performance.now() - begun < 5000 ? changed - begun : 5000);
  }
  return took;
}
