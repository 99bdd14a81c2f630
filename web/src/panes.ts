// What can stand in the dock below the views: a terminal for the node and for each running container, the step's manifests, and the
// pods' web pages. Left: node, plain containers, manifests; right: pods. The same sides as the views above.

import { computed, signal } from "@preact/signals";
import { HOST, type Mark, isPause, marks } from "./identity.tsx";
import { ready, snapshot, step } from "./store.ts";
import type { Snapshot } from "./types.ts";

export type Kind = "terminal" | "manifest" | "preview";

export interface Pane {
  id: string; // "terminal:node", "manifest:demo.yaml", "preview:"
  kind: Kind;
  name: string; // container id, file name
  mark: Mark | null;
  group: 0 | 1;
}

export interface Port {
  pod: string;
  port: number;
  answers: string; // Container.id of who listens there, "" when nobody does
}

/** Ports that a pod's page may be at: those its manifest names, then those somebody listens on. */
export function portsOf(s: Snapshot | null): Port[] {
  const out: Port[] = [];
  const running = new Set(s?.containers.filter((c) => c.state === "running").map((c) => c.id)); // its program may listen a moment before it is said to run
  for (const p of s?.pods ?? []) {
    const pod = p.metadata.name;
    const listening = new Map<number, string>();
    for (const k of s!.networks.find((n) => n.owner === pod)?.sockets ?? []) {
      if (k.state === "LISTEN" && k.proto.startsWith("tcp") && running.has(k.container))
        listening.set(Number(k.local.slice(k.local.lastIndexOf(":") + 1)), k.container);
    }
    const named = p.spec.containers.flatMap((c) => (c.ports ?? []).map((x) => x.containerPort));
    for (const port of new Set([...named, ...listening.keys()])) out.push({ pod, port, answers: listening.get(port) ?? "" });
  }
  return out.slice(0, 20);
}

export const ports = computed(() => portsOf(snapshot.value));

export const panes = computed<Pane[]>(() => {
  const s = snapshot.value;
  if (!ready.value || !s) return [];
  const shells = s.containers.filter((c) => c.state === "running" && !isPause(c));
  const terminal = (name: string, mark: Mark, group: 0 | 1): Pane => ({ id: `terminal:${name}`, kind: "terminal", name, mark, group });
  return [
    terminal("node", HOST, 0),
    ...shells.filter((c) => !c.pod).map((c) => terminal(c.id, marks.value.of.get(c.id) ?? HOST, 0)),
    ...step.value.files.map((name): Pane => ({ id: `manifest:${name}`, kind: "manifest", name, mark: null, group: 0 })),
    ...shells.filter((c) => c.pod).map((c) => terminal(c.id, marks.value.of.get(c.id) ?? HOST, 1)),
    ...(ports.value.length ? [{ id: "preview:", kind: "preview", name: "preview", mark: null, group: 1 } satisfies Pane] : []),
  ];
});

/** The pane in front of each group, by id. */
export const front = signal<[string, string]>(["", ""]);
export const maximised = signal<-1 | 0 | 1>(-1);

export function bringPane(id: string): boolean {
  const pane = panes.peek().find((p) => p.id === id);
  if (!pane) return false;
  const next: [string, string] = [...front.peek()];
  next[pane.group] = id;
  front.value = next;
  if (maximised.peek() >= 0) maximised.value = pane.group;
  return true;
}
