// Makes every list of a frame a list: Go writes a nil slice as null.

import type { Frame, Snapshot } from "./types.ts";

export function whole(frame: Frame): Frame {
  const s = frame.session;
  s.checks ??= [];
  s.predictions ??= [];
  s.stepsDone ??= [];
  s.reached ??= [];
  frame.moments ??= [];
  if (frame.snapshot) wholeSnapshot(frame.snapshot);
  return frame;
}

export function wholeSnapshot(s: Snapshot): void {
  s.pods ??= [];
  s.containers ??= [];
  s.processes ??= [];
  s.networks ??= [];
  s.volumes ??= [];
  s.ipc ??= [];
  s.terminals ??= [];
  for (const p of s.pods) p.spec.containers ??= [];
  for (const c of s.containers) {
    c.layers ??= [];
    c.mounts ??= [];
  }
  for (const p of s.processes) {
    p.args ??= [];
    p.threads ??= [];
  }
  for (const n of s.networks) {
    n.interfaces ??= [];
    n.routes ??= [];
    n.sockets ??= [];
    for (const i of n.interfaces) i.addrs ??= [];
    for (const k of n.sockets) k.pids ??= [];
  }
  for (const v of s.volumes) v.files ??= [];
}

/** A snapshot whose processes that are as they were are the same objects as before: their rows need not be drawn again. */
export function kept(before: Snapshot | null, now: Snapshot): Snapshot {
  const old = new Map(before?.processes.map((p) => [p.pid, p]));
  now.processes.forEach((p, i) => {
    const was = old.get(p.pid);
    if (was && equal(was, p)) now.processes[i] = was;
  });
  return now;
}

/** Whether two values of JSON are the same. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return a === b;
  const keys = Object.keys(a) as (keyof typeof a)[];
  return keys.length === Object.keys(b).length && keys.every((k) => equal(a[k], b[k]));
}
