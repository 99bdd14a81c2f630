// The process tree as data: who is under whom, what is folded, what is new, moved or gone.

import type { Process } from "../types.ts";

export interface Branch {
  key: string; // pid:start, names a process for ever
  process: Process;
  depth: number;
  /** For each level: "l" a line passes, "t" a line branches here, "e" it ends here, "" nothing. */
  guides: string[];
  last: boolean;
  children: number;
  folded: number; // this row stands for so many more of the same name below the same parent
}

export const keyOf = (p: Process): string => `${p.pid}:${p.start}`;

/** Above this many processes, equal siblings are folded into one row. */
export const MANY = 40;
const SAME = 4;

/**
 * Rows of a tree, depth first. A process whose parent is not among `list` is a root. `closed` holds keys whose children are
 * hidden; `unfolded` those whose equal siblings are shown after all.
 */
export function branches(list: Process[], closed: ReadonlySet<string>, unfolded: ReadonlySet<string>): Branch[] {
  const byPID = new Map(list.map((p) => [p.pid, p]));
  const under = new Map<number, Process[]>();
  const roots: Process[] = [];
  for (const p of list) {
    const parent = p.ppid !== p.pid ? byPID.get(p.ppid) : undefined;
    if (!parent) roots.push(p);
    else (under.get(p.ppid) ?? under.set(p.ppid, []).get(p.ppid)!).push(p);
  }
  const out: Branch[] = [];
  const seen = new Set<number>();
  const visit = (siblings: Process[], depth: number, lines: string[]): void => {
    const groups = list.length > MANY ? fold(siblings, unfolded, under) : siblings.map((p) => ({ process: p, more: 0 }));
    groups.forEach(({ process, more }, i) => {
      if (seen.has(process.pid)) return; // a hostile list may hold a circle
      seen.add(process.pid);
      const last = i === groups.length - 1;
      const children = under.get(process.pid) ?? [];
      const guides = depth === 0 ? [] : [...lines, last ? "e" : "t"];
      out.push({ key: keyOf(process), process, depth, guides, last, children: children.length, folded: more });
      if (children.length && !closed.has(keyOf(process))) visit(children, depth + 1, depth === 0 ? [] : [...lines, last ? "" : "l"]);
    });
  };
  visit(roots, 0, []);
  return out;
}

/** Puts runs of leaves with one name and container together. */
function fold(siblings: Process[], unfolded: ReadonlySet<string>, under: Map<number, Process[]>): { process: Process; more: number }[] {
  const counts = new Map<string, Process[]>();
  for (const p of siblings) {
    if (under.has(p.pid) || p.state === "Z") continue;
    const k = `${p.container} ${p.name}`;
    (counts.get(k) ?? counts.set(k, []).get(k)!).push(p);
  }
  const hidden = new Set<number>();
  const more = new Map<number, number>();
  for (const same of counts.values()) {
    if (same.length <= SAME || unfolded.has(keyOf(same[0]!))) continue;
    more.set(same[0]!.pid, same.length - 1);
    same.slice(1).forEach((p) => hidden.add(p.pid));
  }
  return siblings.filter((p) => !hidden.has(p.pid)).map((p) => ({ process: p, more: more.get(p.pid) ?? 0 }));
}

/** How long a dead row stays, and how long a new or moved one is marked, ms. */
export const LINGER = 2600;

export interface Change {
  kind: "new" | "moved" | "left" | "gone";
  at: number; // ms
}

/** Compares two lists of processes: what came, what moved to another parent, what went. */
export function changes(before: ReadonlyMap<string, Process>, now: Process[], at: number): Map<string, Change> {
  const out = new Map<string, Change>();
  const alive = new Set<string>();
  for (const p of now) {
    const key = keyOf(p);
    alive.add(key);
    const old = before.get(key);
    if (!old) out.set(key, { kind: "new", at });
    else if (old.ppid !== p.ppid) out.set(key, { kind: "moved", at });
  }
  for (const key of before.keys()) if (!alive.has(key)) out.set(key, { kind: "gone", at });
  return out;
}
