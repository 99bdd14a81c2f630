// <pod-view name="…">: one view with its spoken summary. Views that are not first are loaded when they are first shown.

import { signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { element } from "./element.ts";
import { shown } from "./store.ts";
import { current } from "./tabs.ts";
import type { Snapshot } from "./types.ts";
import { type Part, join, load, t } from "./words.ts";
import { Namespaces, sentence } from "./views/namespaces.tsx";
import { Processes } from "./views/processview.tsx";
import type { ViewProps } from "./views/props.ts";

type ViewOf = FunctionComponent<ViewProps>;

interface Loaded {
  view: ViewOf;
  summary: (s: Snapshot) => string;
}

/** A view that has words of its own. */
const worded = async (view: Promise<Loaded>, part: Part): Promise<Loaded> => (await load(part), view);

const loaders: Record<string, () => Promise<Loaded>> = {
  namespaces: async () => ({ view: Namespaces, summary: sentence }),
  processes: async () => ({
    view: Processes,
    summary: (s) => t("proc.summary", { n: s.processes.length, zombies: s.processes.filter((p) => p.state === "Z").length }),
  }),
  network: async () =>
    worded(
      import("./views/network.tsx").then((m) => ({ view: m.Network, summary: m.summary })),
      "net",
    ),
  volumes: async () =>
    worded(
      import("./views/volumes.tsx").then((m) => ({ view: m.Volumes, summary: m.summary })),
      "vol",
    ),
  resources: async () =>
    worded(
      import("./views/resources.tsx").then((m) => ({ view: m.ResourcesView, summary: m.summary })),
      "res",
    ),
  compare: async () =>
    worded(
      import("./views/compare.tsx").then((m) => ({ view: m.Compare, summary: m.summary })),
      "compare",
    ),
  timeline: async () =>
    worded(
      import("./views/timeline.tsx").then((m) => ({ view: m.Timeline, summary: m.summary })),
      "timeline",
    ),
};

/** Whether views are shown as tables. */
export const asTable = signal(false);

const SPEAK = 4000; // ms: a screen reader is told of changes at most this often

/** Says a text, but not again and again while it changes. */
function useCalm(text: string): string {
  const [said, say] = useState(text);
  useEffect(() => {
    if (text === said) return;
    const timer = setTimeout(() => say(text), SPEAK);
    return () => clearTimeout(timer);
  }, [text, said]);
  return said;
}

function View({ host }: { host: HTMLElement }) {
  const name = host.getAttribute("name") ?? "";
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const front = current.value === name;
  useEffect(() => {
    if (front && !loaded) void loaders[name]?.().then((l) => setLoaded(() => l));
  }, [front, loaded, name]);
  const s = front ? shown.value : null;
  if (!front || !s || !loaded) return null;
  const ViewNow = loaded.view;
  return (
    <>
      <ViewNow s={s} table={asTable.value} />
      <Said text={loaded.summary(s)} />
      {s.truncated?.length ? <p class="hint warn">{t("view.truncated", { lists: join(s.truncated) })}</p> : null}
    </>
  );
}

/** What the view shows, in a sentence: seen as it changes, spoken when it has come to rest. */
function Said({ text }: { text: string }) {
  const said = useCalm(text);
  return (
    <>
      <p class="saying" aria-hidden="true">
        {text}
      </p>
      <p class="vh" role="status">
        {said}
      </p>
    </>
  );
}

export function defineView(): void {
  element("pod-view", View);
}
