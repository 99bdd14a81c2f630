// Who is who: each container has a letter, a shape and a colour, wherever it appears. Containers of one name look the same, in a
// pod or on their own; the pause container of a pod is the pod's (P), the node is the host (H).

import { computed } from "@preact/signals";
import { shown } from "./store.ts";
import type { Container, Snapshot } from "./types.ts";
import { t } from "./words.ts";

export interface Mark {
  letter: string;
  tone: string; // class that sets the colours
  shape: string; // class of the shape
  name: string;
}

export const HOST: Mark = { letter: "H", tone: "H", shape: "sq", name: "node" };

const podLetters = ["P", "Q", "R", "S", "T", "U", "V"];
const podTones = ["P", "Q"];
const letters = "ABCDEFGIJKLMNO";
const tones = ["A", "B", "C", "D", "E"];
const shapes = ["ci", "tri", "hex", "pen", "bar"];

/** A plain container that plays the pause container's part by hand. */
export const isPause = (c: Container): boolean => c.kind === "infra" || /(^|\/)pause(:|$)/.test(c.image);

interface Marks {
  of: Map<string, Mark>;
  pods: Map<string, Mark>;
  roles: Map<string, string>; // of containers that are not among their pod's own: init, sidecar, ephemeral
}

/** Names keep their letter for the life of the page, so that nothing changes its colour when something else goes. */
const names = new Map<string, Mark>();
const podNames = new Map<string, Mark>();

function nameMark(name: string): Mark {
  let mark = names.get(name);
  if (!mark) {
    const i = names.size;
    mark = { letter: letters[i % letters.length]!, tone: tones[i % tones.length]!, shape: shapes[i % shapes.length]!, name };
    names.set(name, mark);
  }
  return mark;
}

function podMark(pod: string): Mark {
  let mark = podNames.get(pod);
  if (!mark) {
    const i = podNames.size;
    mark = { letter: podLetters[i % podLetters.length]!, tone: podTones[i % podTones.length]!, shape: "di", name: pod };
    podNames.set(pod, mark);
  }
  return mark;
}

function marksOf(s: Snapshot | null): Marks {
  const of = new Map<string, Mark>();
  const pods = new Map<string, Mark>();
  const roles = new Map<string, string>();
  for (const p of s?.pods ?? []) pods.set(p.metadata.name, podMark(p.metadata.name));
  for (const c of s?.containers ?? []) {
    if (c.kind === "infra") of.set(c.id, { ...podMark(c.pod), name: "pause" });
    else if (isPause(c)) of.set(c.id, { letter: podLetters[0]!, tone: podTones[0]!, shape: "di", name: c.name });
    else of.set(c.id, nameMark(c.name));
    if (c.role) roles.set(c.id, c.role);
  }
  return { of, pods, roles };
}

let drawn = { from: "", marks: marksOf(null) };

/** The marks of what is shown: the same as long as the same containers are. */
export const marks = computed(() => {
  const s = shown.value;
  const from = JSON.stringify([s?.pods.map((p) => p.metadata.name), s?.containers.map((c) => [c.id, c.kind, c.pod, c.name, c.image, c.role])]);
  if (from !== drawn.from) drawn = { from, marks: marksOf(s) };
  return drawn.marks;
});

/** The mark of a container, the host's for processes that are in none. */
export const markOf = (container: string): Mark => marks.value.of.get(container) ?? HOST;

/** What a container is in its pod, where that is not one of the pod's own: beside its name. */
export function Role({ id }: { id: string }) {
  const role = roleOf(id);
  return role ? <span class="bdg role">{role}</span> : null;
}

/** The role in words; empty for a pod's own containers. */
export function roleOf(id: string): string {
  const role = marks.value.roles.get(id);
  return role ? t(`container.${role}`) : "";
}

/** A container's name with its role, where names stand in a table. */
export function named(id: string): string {
  const role = roleOf(id);
  return role ? t("container.as", { name: id, role }) : id;
}

export const Shape = ({ mark }: { mark: Mark }) => <i class={`shp ${mark.shape}`} />;

export const Tag = ({ mark, children }: { mark: Mark; children?: preact.ComponentChildren }) => (
  <span class={`tag ${mark.tone}`}>
    <Shape mark={mark} />
    {children ?? mark.letter}
  </span>
);
