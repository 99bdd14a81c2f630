// Which processes stand on a card.

import type { Process, Snapshot } from "../types.ts";
import type { Side } from "./sides.ts";

/** Those of the side's containers, with the node's process that each first one hangs under, as pstree on the node shows them. */
export function processesOf(s: Snapshot, side: Side): Process[] {
  if (side.key === "all" && side.ids.length === 0) return s.processes;
  const ids = new Set(side.ids);
  const inside = s.processes.filter((p) => ids.has(p.container));
  const have = new Set(inside.map((p) => p.pid));
  const parents = new Set(inside.filter((p) => !have.has(p.ppid)).map((p) => p.ppid));
  return s.processes.filter((p) => have.has(p.pid) || parents.has(p.pid));
}

/** What is in a cmdline, as ps shows it. */
export const command = (p: Process): string => (p.args.length ? p.args.join(" ") : `[${p.name}]`);
