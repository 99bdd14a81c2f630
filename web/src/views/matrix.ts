// The namespace table as data: a row per container, a column per kind; rows under each other with one inode are one block.

import type { Container, Namespaces, Snapshot } from "../types.ts";

export const KINDS = ["net", "ipc", "uts", "pid", "mnt", "user"] as const;
export type Kind = (typeof KINDS)[number];

export interface Row {
  id: string; // Container.id, "" for the node
  name: string;
  note: string;
  ns: Namespaces | null; // null: not running
  state: string;
}

export interface Cell {
  inode: number;
  owner: string; // Container.id of whose it is, "" for the node's
  rows: number; // how many rows the block spans
  shared: boolean; // more than one row of this table is in it
}

const zero = (ns: Namespaces): boolean => !ns.net && !ns.pid && !ns.mnt;

/** Rows for the node (when asked for) and containers by id, in the order given; one that is not there yet has its place. */
export function rowsOf(s: Snapshot, ids: string[], node: boolean): Row[] {
  const rows: Row[] = node ? [{ id: "", name: "node", note: s.node.hostname, ns: s.node.ns, state: "running" }] : [];
  for (const id of ids) {
    const c = s.containers.find((x) => x.id === id);
    if (!c) rows.push({ id, name: id, note: "", ns: null, state: "absent" });
    else rows.push({ id, name: c.name, note: noteOf(s, c), ns: zero(c.ns) ? null : c.ns, state: c.state });
  }
  return rows;
}

/** How many of the rows are containers that are there: one that a step waits for has a row too. */
export const there = (rows: Row[]): number => rows.filter((r) => r.id && r.state !== "absent").length;

/** What stands below a container's name: infra, else the name of its first process, else why there is none. */
function noteOf(s: Snapshot, c: Container): string {
  if (c.kind === "infra") return "infra";
  if (c.state !== "running") return c.reason || c.state;
  return s.processes.find((p) => p.pid === c.pid)?.name ?? c.image;
}

/** Whose a namespace is: the node's, else a pod's pause, else of the container that was made first. */
export function ownerOf(s: Snapshot, kind: Kind, inode: number): string {
  if (s.node.ns[kind] === inode) return "";
  const inside = s.containers.filter((c) => c.ns[kind] === inode);
  return (inside.find((c) => c.kind === "infra") ?? inside[0])?.id ?? "";
}

/** The cells of one column; null where a row is covered by the block above it, or not running (inode 0). */
export function column(s: Snapshot, rows: Row[], kind: Kind): (Cell | null)[] {
  return rows.map((row, i) => {
    const inode = row.ns?.[kind] ?? 0;
    if (inode && rows[i - 1]?.ns?.[kind] === inode) return null;
    let span = 1;
    while (inode && rows[i + span]?.ns?.[kind] === inode) span++;
    const members = rows.filter((r) => r.ns?.[kind] === inode).length;
    return { inode, owner: inode ? ownerOf(s, kind, inode) : row.id, rows: span, shared: inode !== 0 && members > 1 };
  });
}

export interface Sharing {
  shared: Kind[]; // one namespace for all running rows
  some: Kind[]; // shared by some of them
  own: Kind[]; // one each
}

/** What the containers among the rows share with each other. */
export function sharing(rows: Row[]): Sharing {
  const running = rows.filter((r) => r.id && r.ns);
  const out: Sharing = { shared: [], some: [], own: [] };
  if (running.length < 2) return out;
  for (const kind of KINDS) {
    const distinct = new Set(running.map((r) => r.ns![kind])).size;
    if (distinct === 1) out.shared.push(kind);
    else if (distinct < running.length) out.some.push(kind);
    else out.own.push(kind);
  }
  return out;
}

/** Kinds that all are the node's own: said apart, since everything on a node shares them. */
export function ofNode(s: Snapshot, rows: Row[]): Set<Kind> {
  const running = rows.filter((r) => r.id && r.ns);
  return new Set(KINDS.filter((k) => running.every((r) => r.ns![k] === s.node.ns[k])));
}

/** How many last digits tell all inodes of a table apart; three at least. */
export function digits(inodes: number[]): number {
  const distinct = [...new Set(inodes.filter(Boolean))].map(String);
  for (let n = 3; n < 10; n++) {
    if (new Set(distinct.map((d) => d.slice(-n))).size === distinct.length) return n;
  }
  return 10;
}
