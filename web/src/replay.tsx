// <pod-replay>: a recording of a pod being made, played slowly with the lab page's own view. recording.json is one snapshot of a real
// node; its containers appear in the order in which the kernel says they were started.

import { useEffect, useState } from "preact/hooks";
import { element } from "./element.ts";
import { wholeSnapshot } from "./frame.ts";
import { Icon } from "./icons.tsx";
import { HOST, Tag, marks } from "./identity.tsx";
import { shown, snapshot } from "./store.ts";
import type { Container, Snapshot } from "./types.ts";
import { t } from "./words.ts";
import { Namespaces } from "./views/namespaces.tsx";
import recording from "./recording.json";

const whole = recording as unknown as Snapshot;
wholeSnapshot(whole);
const order = [...whole.containers].sort((a, b) => a.started - b.started);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const BEAT = 1400; // ms
const STAY = 5; // beats that the finished pod stays

/** The snapshot with the first n containers and their processes. */
function after(n: number): Snapshot {
  const here = new Set(order.slice(0, n).map((c) => c.id));
  return {
    ...whole,
    containers: whole.containers.filter((c) => here.has(c.id)),
    processes: whole.processes.filter((p) => !p.container || here.has(p.container)),
  };
}

const steps = order.map((_, i) => after(i + 1));

function caption(newest: Container, last: boolean): string {
  if (newest.kind === "infra") return t("replay.first");
  return t(last ? "replay.last" : "replay.joins", { name: newest.name });
}

function Replay() {
  const [at, setAt] = useState(calm.matches ? steps.length - 1 : 0);
  const [playing, play] = useState(!calm.matches);
  const now = Math.min(at, steps.length - 1);
  useEffect(() => void (snapshot.value = steps[now]!), [now]);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((n) => (n + 1) % (steps.length + STAY)), BEAT);
    return () => clearInterval(timer);
  }, [playing]);
  const s = shown.value;
  if (!s) return null;
  return (
    <div class="replay">
      <Namespaces s={s} table={false} />
      <div class="rbar">
        <span class="bdg" title={t("replay.about", { kernel: whole.node.kernel })}>
          {t("replay.label")}
        </span>
        <span class="rsay">{caption(order[now]!, now === steps.length - 1)}</span>
        <span class="sp" />
        <ul class="lg">
          {[...marks.value.of.values(), HOST].map((m) => (
            <li key={m.name}>
              <Tag mark={m} />
            </li>
          ))}
        </ul>
        <button type="button" class="btn gh sm icon" aria-label={t(playing ? "replay.pause" : "replay.play")} onClick={() => play(!playing)}>
          <Icon name={playing ? "pause" : "play"} />
        </button>
      </div>
    </div>
  );
}

export const defineReplay = (): void => element("pod-replay", Replay);
