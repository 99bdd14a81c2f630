// <pod-replay>: a recording of a pod being made, played with the lab page's own view.

import { useEffect, useState } from "preact/hooks";
import { element } from "./element.ts";
import { whole } from "./frame.ts";
import { Icon } from "./icons.tsx";
import { HOST, Tag, marks } from "./identity.tsx";
import { session, shown, snapshot, step } from "./store.ts";
import type { Frame } from "./types.ts";
import { t } from "./words.ts";
import { Namespaces } from "./views/namespaces.tsx";
import recording from "../testdata/frames/recording.json";

const frames = (recording as unknown as Frame[]).map(whole);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const LAST = 6; // beats that the finished pod stays

function Replay() {
  const [at, setAt] = useState(calm.matches ? frames.length - 1 : 0);
  const [playing, play] = useState(!calm.matches);
  useEffect(() => {
    const f = frames[Math.min(at, frames.length - 1)]!;
    step.value = { ...step.peek(), right: "demo" };
    session.value = f.session;
    if (f.snapshot) snapshot.value = f.snapshot;
  }, [at]);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => setAt((n) => (n + 1) % (frames.length + LAST)), 1300);
    return () => clearInterval(timer);
  }, [playing]);
  const s = shown.value;
  if (!s) return null;
  return (
    <div class="replay">
      <Namespaces s={s} table={false} />
      <div class="rbar">
        <span class="bdg">{t("replay.label")}</span>
        <span class="rsay">{t(`replay.say.${Math.min(at, frames.length - 1)}`)}</span>
        <span class="sp" />
        <ul class="lg">
          {[...marks.value.of.values()].filter((m, i, all) => all.findIndex((x) => x.name === m.name) === i).concat(HOST).map((m) => (
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
