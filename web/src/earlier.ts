// Snapshots before the one that is shown: of a lab page's last minutes, or of the recording that is open.

import { frozen, past } from "./store.ts";
import type { Snapshot } from "./types.ts";

/** Gives the newest snapshot of each second from a time to another, both in µs since boot, oldest first. */
type Reader = (from: number, until: number) => Snapshot[];

/** The second that a snapshot is of. */
export const secondOf = (time: number): number => Math.floor(time / 1_000_000);

const kept: Reader = (from, until) => {
  const frames = frozen.peek()?.past ?? past;
  const found: Snapshot[] = [];
  for (let i = frames.length - 1; i >= 0; i--) {
    const s = frames[i]!.frame.snapshot;
    if (!s || s.time > until) continue;
    if (s.time < from) break;
    if (!found.length || secondOf(found.at(-1)!.time) !== secondOf(s.time)) found.push(s);
  }
  return found.reverse();
};

let reader = kept;

/** From now on snapshots are a recording's. */
export const readFrom = (recording: Reader): void => void (reader = recording);

export const earlier: Reader = (from, until) => reader(from, until);
