// Figures as scripts/bench prints them.

import { readFileSync, readdirSync } from "node:fs";

/** One figure: `name value unit`. */
export const figure = (name, value, unit) => console.log(`${name} ${value.toFixed(2)} ${unit}`);

/** The p-th percentile of a list of numbers, 0 of none. */
export function percentile(list, p) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? 0;
}

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
};

/** For how long the main threads of the pages of this program's browsers were on a processor, ms (proc_pid_schedstat(5)). */
export function mainThreads() {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const parents = new Map(pids.map((pid) => [pid, /^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]]));
  const ours = (pid) => pid === String(process.pid) || (parents.has(pid) && ours(parents.get(pid)));
  const pages = pids.filter((pid) => read(`/proc/${pid}/cmdline`).includes("--type=renderer") && ours(pid));
  return pages.reduce((sum, pid) => sum + Number(read(`/proc/${pid}/schedstat`).split(" ")[0]) / 1e6, 0);
}

/** Median and 99th percentile of times in ms. */
export function times(name, list) {
  figure(`${name}.p50`, percentile(list, 50), "ms");
  figure(`${name}.p99`, percentile(list, 99), "ms");
}
