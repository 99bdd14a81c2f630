// Timeline: what happened, a lane for the node and for each container, newest at the right; below, the same as a list.

import type { VNode } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { HOST, type Mark, Role, Shape, markOf } from "../identity.tsx";
import { boot, lost, moment, now, paused, shownMoments } from "../store.ts";
import { sayTracer, sayUntold } from "../tracer.ts";
import type { Moment, Snapshot } from "../types.ts";
import { t } from "../words.ts";
import { shortName } from "./facts.ts";
import type { ViewProps } from "./props.ts";
import { type Row, Table, columns } from "./table.tsx";
import { laneOf, learnNamespaces, ofRuntime, say } from "./moments.ts";

export const summary = (_: Snapshot): string => t("time.summary", { n: shownMoments.value.filter((m) => !m.thread).length });

const SPAN = 60_000_000; // µs that the lanes show
const LIST = 150;
const DOTS = 400;
const ERA = 10 * SPAN; // what lanes are drawn in: within one, a dot stays where it is and the lane moves

/** Where a kind stands in the drawing: its class and its shape in a box of 10. */
const glyphs: Record<string, string> = {
  fork: "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
  exec: "M1.5 1l7.5 4l-7.5 4z",
  exit: "M1.5 1.5l7 7m0-7l-7 7",
  oom: "M5 0l5 9.5h-10z",
  reparent: "M1 9V4h7M5.5 1.5L8.5 4L5.5 6.5",
  setns: "M0.5 5h6M4 2.5L6.8 5L4 7.5M9.3 1v8",
  unshare: "M9.5 5h-6M6 2.5L3.2 5L6 7.5M0.7 1v8",
  mount: "M5 0.5V8M2 5.5L5 8.5L8 5.5M1 9.7h8",
  unmount: "M5 9V2M2 4.5L5 1.5L8 4.5M1 9.7h8",
  bind: "M0.8 3L5 6L9.2 3M0.8 2.5h8.4v6h-8.4z",
  listen: "M1 9a4 4 0 0 1 8 0M3.2 9a1.8 1.8 0 0 1 3.6 0",
  connect: "M0.5 5h9M6.5 2L9.5 5L6.5 8",
  accept: "M9.5 5h-9M3.5 2L0.5 5L3.5 8",
  close: "M0.5 5h3M6.5 5h3M5 2v6",
  throttle: "M3 1v8M7 1v8",
};

/** Kinds stand one above the other, so that what happens at once can be told apart: px from the middle of a lane. */
const level = (m: Moment): number => ({ fork: -8, exit: 8, oom: 8 })[m.kind] ?? 0;

const glyph = (m: Moment): string => glyphs[m.kind] ?? "M5 0.5L9.5 5L5 9.5L.5 5z";

export function Timeline({ s, table }: ViewProps) {
  const known = useRef(new Map<number, string>()).current;
  const drawn = useRef(new WeakMap<Moment, Drawn>()).current;
  learnNamespaces(s, known);
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => !paused.value && tick(undefined as never), 1000);
    return () => clearInterval(timer);
  }, []);
  const [runtime, withRuntime] = useState(false);
  const all = newest(shownMoments.value, DOTS, (m) => !m.thread && (runtime || !ofRuntime(m)));
  const names = new Map([["", t("who.node")]]);
  const name = (id: string) => names.get(id) ?? names.set(id, shortName(s, id)).get(id)!;
  const end = moment.value
    ? (moment.value - boot.value) * 1000
    : paused.value
      ? (all.at(-1)?.time ?? s.time)
      : Math.max((now() - boot.value) * 1000, all.at(-1)?.time ?? 0);
  const era = Math.floor(end / ERA) * ERA;
  const recent = all.filter((m) => end - m.time < SPAN);
  /** A moment as it was drawn before, if it would be drawn so again. */
  const draw = (m: Moment): Drawn => {
    const lane = laneOf(m, known);
    const mark = lane ? markOf(lane) : HOST;
    const as = `${lane} ${name(lane)} ${mark.tone} ${era} ${boot.value}`;
    let d = drawn.get(m);
    if (d?.as !== as) drawn.set(m, (d = { as, lane, dot: dot(m, era), row: rowOf(m, mark, name(lane)) }));
    return d;
  };
  const dots = new Map<string, Drawn[]>(["", ...s.containers.map((c) => c.id)].map((id) => [id, []]));
  if (!table) for (const d of recent.map(draw)) (dots.get(d.lane) ?? dots.set(d.lane, []).get(d.lane)!).push(d);
  return (
    <section class="card fill timeline" aria-label={t("view.timeline")}>
      <header>
        <h3>{t("time.happened")}</h3>
        <span>{sayTracer()}</span>
        <span class="sp" />
        <label class="check">
          <input type="checkbox" checked={runtime} onChange={(e) => withRuntime(e.currentTarget.checked)} /> {t("time.runtime")}
        </label>
        {lost.value > 0 && <span class="bdg z">{t("time.lost", { n: lost.value })}</span>}
      </header>
      {sayUntold() && <p class="hint untold">{sayUntold()}</p>}
      {!table && (
        <div class="lanes">
          {[...dots].slice(0, 24).map(([id, inside]) => {
            const mark = id ? markOf(id) : HOST;
            return (
              <div key={id} class={`lane ${mark.tone}`} data-o={id ? `container:${id}` : "node"}>
                <span class="who" title={id}>
                  <Shape mark={mark} /> <span>{name(id)}</span> <Role id={id} />
                </span>
                <svg role="img" aria-label={t("time.lane", { name: id || t("who.node"), n: inside.length })}>
                  <line x1="0" x2="100%" y1="50%" y2="50%" />
                  <g style={{ transform: `translateX(${100 - (100 * (end - era)) / SPAN}%)` }}>{inside.map((d) => d.dot)}</g>
                </svg>
              </div>
            );
          })}
          <div class="lane axis" aria-hidden="true">
            <span class="who" />
            <span class="ticks">
              {[60, 45, 30, 15, 0].map((sec) => (
                <span key={sec}>{sec ? t("time.ago", { n: sec }) : t("time.now")}</span>
              ))}
            </span>
          </div>
        </div>
      )}
      <div class="scroll moments" tabIndex={0} role="region" aria-label={t("time.list")}>
        <Table
          caption={t("time.list")}
          columns={columns("=time", "container", "what", "=pid")}
          rows={all
            .slice(-LIST)
            .reverse()
            .map((m) => draw(m).row)}
          empty={t("time.nothing")}
        />
      </div>
    </section>
  );
}

/** The last n of a list that are wanted, in its order. */
function newest(list: Moment[], n: number, wanted: (m: Moment) => boolean): Moment[] {
  const out: Moment[] = [];
  for (let i = list.length - 1; i >= 0 && out.length < n; i--) if (wanted(list[i]!)) out.push(list[i]!);
  return out.reverse();
}

/** How a moment is drawn. What is as it was is the same object, which preact and Table pass over. */
interface Drawn {
  as: string; // with what it was drawn
  lane: string;
  dot: VNode;
  row: Row;
}

const dot = (m: Moment, era: number): VNode => (
  <svg key={m.source + m.seq} x={`${(100 * (m.time - era)) / SPAN}%`} y="50%" overflow="visible" class={`g k-${m.kind}${m.signal ? " sig" : ""}`}>
    <path d={glyph(m)} transform={`translate(-5 ${level(m) - 5})`}>
      <title>{say(m)}</title>
    </path>
  </svg>
);

const rowOf = (m: Moment, mark: Mark, name: string): Row => ({
  key: m.source + m.seq,
  cls: m.kind === "oom" || m.signal ? "hot" : "",
  o: m.pid ? `process:${m.pid}` : "",
  cells: [clock(m.time), <Who mark={mark}>{name}</Who>, <What m={m} />, m.pid || ""],
});

const Who = ({ mark, children }: { mark: Mark; children: string }) => (
  <span class={`by ${mark.tone}`}>
    <Shape mark={mark} /> {children}
  </span>
);

const What = ({ m }: { m: Moment }) => (
  <>
    <svg class={`gl k-${m.kind}${m.signal ? " sig" : ""}`} viewBox="0 0 10 10" aria-hidden="true">
      <path d={glyph(m)} />
    </svg>
    {say(m)}
  </>
);

/** 14:03:07.123 by the server's clock. */
function clock(time: number): string {
  const d = new Date(boot.value + time / 1000);
  return `${d.toLocaleTimeString("en-GB")}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}
