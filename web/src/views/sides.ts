// What stands side by side: containers on the left, a pod on the right, as the step says or as the node has it.

import { computed } from "@preact/signals";
import { shown, step } from "../store.ts";
import type { Snapshot } from "../types.ts";

export interface Side {
  key: "left" | "right" | "all";
  pod: string; // of the right side
  ids: string[]; // containers, in order
  node: boolean; // the node has a row
  waiting: string; // name of a pod that is not there yet
}

/** What a hostile or busy node may make of the picture at most; the tables list everything. */
const ROWS = 30;
const PODS = 8;

export function sidesOf(s: Snapshot, left: string[], right: string): Side[] {
  const plain = s.containers.filter((c) => c.kind === "plain").map((c) => c.id);
  const ofPod = (pod: string) =>
    s.containers
      .filter((c) => c.pod === pod)
      .sort(infraFirst)
      .slice(0, ROWS)
      .map((c) => c.id);
  const pods = s.pods.map((p) => p.metadata.name);
  const ids = [...new Set([...left, ...plain])].slice(0, ROWS);
  const shownPods = right && pods.includes(right) ? [right, ...pods.filter((p) => p !== right)] : pods;

  const sides: Side[] = [];
  if (ids.length) sides.push({ key: "left", pod: "", ids, node: true, waiting: "" });
  for (const pod of shownPods.slice(0, PODS)) sides.push({ key: "right", pod, ids: ofPod(pod), node: sides.length === 0, waiting: "" });
  if (right && !pods.includes(right)) sides.push({ key: "right", pod: right, ids: [], node: false, waiting: right });
  if (sides.length === 0) sides.push({ key: "all", pod: "", ids: [], node: true, waiting: "" });
  return sides;
}

const infraFirst = (a: { kind: string }, b: { kind: string }): number => Number(b.kind === "infra") - Number(a.kind === "infra");

export const sides = computed(() => (shown.value ? sidesOf(shown.value, step.value.left, step.value.right) : []));
