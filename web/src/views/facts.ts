// The same containers in a pod and on their own: what each way lets them share, read off the snapshot.

import type { Container, Mount, Snapshot } from "../types.ts";
import { host, port } from "./sockets.ts";

export const COMPARED = ["net", "ipc", "uts", "pid", "mnt"] as const;
export type Compared = (typeof COMPARED)[number];

/** A pod's own containers, and those of the same names outside any pod; both in the pod's order. */
export interface Pair {
  pod: string;
  names: string[];
  inside: Container[];
  apart: Container[];
}

/** What is compared: the pod that is asked for, if it has two containers, else the first that has. */
export function pairOf(s: Snapshot, wanted: string): Pair | null {
  const pods = [...s.pods].sort((a, b) => Number(b.metadata.name === wanted) - Number(a.metadata.name === wanted));
  for (const { metadata } of pods) {
    const inside = s.containers.filter((c) => c.pod === metadata.name && c.kind === "app" && (!c.role || c.role === "sidecar"));
    if (inside.length < 2) continue;
    const names = inside.map((c) => c.name);
    const apart = names.flatMap((name) => s.containers.find((c) => c.kind === "plain" && c.name === name) ?? []);
    return { pod: metadata.name, names, inside, apart };
  }
  return null;
}

export const running = (list: Container[]): Container[] => list.filter((c) => c.state === "running" && c.pid > 0);

/** Containers by what they have in common, in the order in which it is first met. Nothing is in common with key "". */
export function groups(list: Container[], key: (c: Container) => string | number): Container[][] {
  const out = new Map<string | number, Container[]>();
  list.forEach((c, i) => {
    const k = key(c) || `none ${i}`;
    out.set(k, [...(out.get(k) ?? []), c]);
  });
  return [...out.values()];
}

export interface Reach {
  from: Container[];
  to: Container;
  port: string;
}

/** Who listens where the others' own loopback leads to. */
export function reaches(s: Snapshot, list: Container[]): Reach[] {
  const out: Reach[] = [];
  for (const to of list) {
    const from = list.filter((c) => c !== to && c.ns.net === to.ns.net);
    const sockets = s.networks.find((n) => n.inode === to.ns.net)?.sockets ?? [];
    const ports = sockets
      .filter((x) => x.container === to.id && x.proto.startsWith("tcp") && x.state === "LISTEN" && onLoopback(host(x.local)))
      .map((x) => port(x.local));
    if (from.length) for (const p of new Set(ports)) out.push({ from, to, port: p });
  }
  return out.slice(0, 12);
}

/** An address at which 127.0.0.1 is answered. */
const onLoopback = (address: string): boolean => ["0.0.0.0", "::", "127.0.0.1", "*"].includes(address);

/** Each container's addresses but those of loopback, as one text. */
export function addresses(s: Snapshot, c: Container): string {
  const cards = s.networks.find((n) => n.inode === c.ns.net)?.interfaces.filter((i) => i.kind !== "loopback") ?? [];
  return cards
    .flatMap((i) => i.addrs)
    .filter((a) => !a.startsWith("fe80:"))
    .map((a) => a.slice(0, a.indexOf("/")))
    .join(" ");
}

/** None is null in JSON from Go. */
const mounts = (c: Container): Mount[] => (c.mounts as Mount[] | null) ?? [];

/** Volumes of the containers by name, each with the containers that mount it, grouped by directory. */
export function directories(list: Container[]): { volume: string; groups: Container[][] }[] {
  const names = [...new Set(list.flatMap((c) => mounts(c).map((m) => m.volume)))];
  const of = (c: Container, volume: string): Mount | undefined => mounts(c).find((m) => m.volume === volume);
  return names.slice(0, 8).flatMap((volume) => {
    const users = list.filter((c) => of(c, volume));
    return users.length < 2 ? [] : [{ volume, groups: groups(users, (c) => `${of(c, volume)!.dev}:${of(c, volume)!.inode}`) }];
  });
}

/** What all of them share: kinds of namespaces, then names of volumes. The mount namespace and the user's are never the point. */
export function common(list: Container[]): { kinds: Compared[]; volumes: string[] } {
  const on = running(list);
  if (list.length < 2) return { kinds: [], volumes: [] };
  return {
    kinds: on.length < 2 ? [] : COMPARED.filter((k) => groups(on, (c) => c.ns[k]).length === 1),
    volumes: directories(list)
      .filter((d) => d.groups.length === 1 && d.groups[0]!.length === list.length)
      .map((d) => d.volume),
  };
}

/** A container's name, with its pod where that is needed to tell it from another. */
export function shortName(s: Snapshot, id: string): string {
  const c = s.containers.find((x) => x.id === id);
  if (!c) return id;
  return s.containers.some((x) => x.name === c.name && x.id !== id) ? (c.pod ? `${c.pod}/${c.name}` : c.name) : c.name;
}
