// What control groups used over the last minute, from the snapshots of that minute.

import type { Cgroup, Snapshot } from "../types.ts";

export const SPAN = 60_000_000; // µs that charts show, as the timeline does
const SECOND = 1_000_000; // µs
/** A node that uses something is heard of each second (agent: tick). While nothing is heard, nothing has changed. */
const SILENT = 1.5 * SECOND;
/** Between two samples that are closer the kernel's own periods of 100 ms show. */
const CLOSE = SECOND / 2;

/** A value that held from one time to another, µs since boot. */
export interface Step {
  from: number;
  until: number;
  value: number;
}

/** One control group over a minute. */
export interface Usage {
  memory: Step[]; // bytes
  cpu: Step[]; // thousandths of a core
  throttled: Step[]; // in which its processes had to wait for CPU; how often
}

type Sample = Cgroup & { time: number };

/** The group of a container by id, of the node with "". */
const groupOf = (s: Snapshot, id: string): Cgroup | undefined => (id ? s.containers.find((c) => c.id === id)?.usage : s.node.usage);

/** What a group used until a time, from snapshots that are older than that, oldest first. */
export function usageOf(snapshots: Snapshot[], id: string, until: number): Usage {
  const samples = snapshots.flatMap((s): Sample[] => {
    const u = groupOf(s, id);
    return u && s.time <= until ? [{ ...u, time: s.time }] : [];
  });
  return { memory: memoryOf(samples, until), ...cpuOf(samples, until) };
}

/** What was used last is used until something else is heard. */
const memoryOf = (samples: Sample[], until: number): Step[] => samples.map((p, i) => ({ from: p.time, until: samples[i + 1]?.time ?? until, value: p.memory }));

function cpuOf(all: Sample[], until: number): Pick<Usage, "cpu" | "throttled"> {
  const samples = all.filter((p, i) => i === all.length - 1 || all[i + 1]!.time - p.time >= CLOSE);
  const cpu: Step[] = [];
  const throttled: Step[] = [];
  samples.forEach((p, i) => {
    const before = samples[i - 1];
    if (!before) return;
    const silent = p.time - before.time > SILENT;
    const from = silent ? p.time - SECOND : before.time;
    if (silent) cpu.push({ from: before.time, until: from, value: 0 });
    // A group that was made anew counts from 0.
    const used = p.cpu >= before.cpu ? p.cpu - before.cpu : p.cpu;
    cpu.push({ from, until: p.time, value: (1000 * used) / (p.time - from) });
    if (p.throttled > before.throttled) throttled.push({ from, until: p.time, value: p.throttled - before.throttled });
  });
  const last = samples.at(-1);
  if (last && until - last.time > SILENT) cpu.push({ from: last.time, until, value: 0 });
  else if (cpu.length) cpu.at(-1)!.until = until; // the next snapshot is still to come
  return { cpu, throttled };
}

/** The value at a time, undefined where nothing is known. */
export const valueAt = (steps: Step[], time: number): number | undefined => steps.findLast((p) => p.from <= time && time <= p.until)?.value;

export const highest = (steps: Step[]): number => steps.reduce((most, p) => Math.max(most, p.value), 0);
export const lowest = (steps: Step[]): number => steps.reduce((least, p) => Math.min(least, p.value), Infinity);

/** A line through steps in a box of 100 × 100 (SVG): SPAN until a time from left to right, 0 to top from below. */
export function line(steps: Step[], until: number, top: number): string {
  const x = (time: number) => round(100 * Math.max(0, 1 - (until - time) / SPAN));
  const y = (value: number) => round(100 - (100 * value) / top);
  return steps.map((p, i) => `${i ? "V" : `M${x(p.from)} `}${y(p.value)}H${x(p.until)}`).join("");
}

/** The ground below such a line. */
export function ground(steps: Step[], until: number, top: number): string {
  const d = line(steps, until, top);
  return d && `${d}V100H${d.slice(1, d.indexOf(" "))}Z`;
}

const round = (n: number): number => Math.round(n * 100) / 100;
