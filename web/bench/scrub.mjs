// How soon any moment of a recording is on the screen, in each view, with its checks and its terminal: node bench/scrub.mjs SITE FILE. One
// `name value unit` a line. From the press of the pointer somewhere on the bar, or of a key there, by the event's own clock, until the
// browser has painted the frame in which the page says that the moment is whole (recording/page.ts, tell). cpu is what
// the page's main thread took for one of them.

import { bare } from "./bare.mjs";
import { figure, mainThreads, percentile } from "./figure.mjs";

const [site, file] = process.argv.slice(2);
const TIMES = 20; // moments in each view
const STEPS = 10; // from one moment to the next or the one before, in each view
const LONGEST = 30_000; // ms that a moment may take
const THUMB = 24; // px: a press nearer to the bar's thumb may move nothing
const views = ["namespaces", "processes", "network", "volumes", "resources", "timeline", "compare"];

const page = await bare(`${site}/en/recording`);
try {
  const { result } = await page.send("Runtime.evaluate", { expression: 'document.querySelector("input[type=file]")' });
  await page.send("DOM.setFileInputFiles", { files: [file], objectId: result.objectId });
  await page.until("document.querySelector('#main[data-painted]')", "the recording that was chosen is not shown");
  await page.value(`(${watch})(${LONGEST})`);
  const presses = [];
  const steps = [];
  let cpu = 0;
  for (const view of views) {
    await page.value(`document.getElementById("tab-${view}").click()`);
    await page.until(`document.querySelector("#view-${view} .saying")`, `the view ${view} does not come`);
    const before = mainThreads();
    const mine = await times(TIMES, view, press);
    cpu += mainThreads() - before;
    figure(`recording.scrub.${view}.p95`, percentile(mine, 95), "ms");
    presses.push(...mine);
    steps.push(...(await times(STEPS, view, step)));
  }
  figure("recording.scrub.p50", percentile(presses, 50), "ms");
  figure("recording.scrub.p95", percentile(presses, 95), "ms");
  figure("recording.scrub.max", Math.max(...presses), "ms");
  figure("recording.scrub.cpu", cpu / presses.length, "ms");
  figure("recording.step.p50", percentile(steps, 50), "ms");
  figure("recording.step.p95", percentile(steps, 95), "ms");
} finally {
  await page.close();
}

/** How long each of so many acts took until its moment was painted. */
async function times(n, view, act) {
  const all = [];
  for (let i = 0; i < n; i++) {
    await page.value("moment.expect()");
    const what = await act(i);
    all.push(await page.value("moment.painted()").catch((e) => Promise.reject(new Error(`${view}, ${what}: ${e.message}`))));
  }
  return all;
}

async function press() {
  const { left, width, y, thumb } = await page.value("moment.bar()");
  let x;
  do x = left + Math.random() * width;
  while (Math.abs(x - thumb) < THUMB);
  await page.click(x, y);
  return `a press at ${Math.round(x - left)} of ${Math.round(width)} px`;
}

/** Forward and back by turns, from where the last press led. */
async function step(i) {
  const key = i % 3 === 2 ? "ArrowLeft" : "ArrowRight";
  await page.key(key, key, key === "ArrowLeft" ? 37 : 39);
  return key;
}

/** In the page: watches for the next moment. */
function watch(longest) {
  const main = document.getElementById("main");
  const range = document.querySelector(".timebar input");
  let begun;
  let done;
  const begin = (e) => (begun = e.timeStamp);
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, begin, true);
  const after = new MessageChannel(); // its messages come behind the frame's painting
  after.port1.onmessage = () => done?.(performance.now());
  new MutationObserver(() => main.dataset.painted === main.dataset.shown && after.port2.postMessage(0)).observe(main, { attributeFilter: ["data-painted"] });
  let came;
  window.moment = {
    expect: () => {
      begun = 0;
      came = new Promise((resolve, reject) => {
        done = resolve;
        setTimeout(
          () =>
            reject(
              new Error(
                `not painted within ${longest} ms; ${begun ? "pressed" : "no press came"}, shown ${main.dataset.shown}, painted ${main.dataset.painted}`,
              ),
            ),
          longest,
        );
      });
      came.catch(() => {}); // whoever waits for it is told
    },
    painted: async () => (await came) - begun,
    bar: () => {
      const { left, width, top, height } = range.getBoundingClientRect();
      return { left: left + 10, width: width - 20, y: top + height / 2, thumb: left + 9 + ((width - 18) * range.value) / range.max };
    },
  };
}
