// Resources: limit and use of each control group, as the kernel counts them: now, and over the last minute.

import { useEffect, useReducer, useRef } from "preact/hooks";
import { earlier } from "../earlier.ts";
import { HOST, type Mark, Role, Shape, marks, named } from "../identity.tsx";
import { boot, link, moment, now, paused, shownMoments } from "../store.ts";
import type { Cgroup, Container, Snapshot } from "../types.ts";
import { bytes, join, t } from "../words.ts";
import { Chart } from "./chart.tsx";
import { laneOf, learnNamespaces } from "./moments.ts";
import type { ViewProps } from "./props.ts";
import { type TableProps, Tables, columns } from "./table.tsx";
import { SPAN, type Step, type Usage, highest, lowest, usageOf, valueAt } from "./usage.ts";

const GROUPS = 60;
const TIMES = [60, 45, 30, 15, 0]; // seconds ago that the table has a column for
const SAME = 1_000_000; // µs within which kernel and agent tell of one and the same

/** A control group that is shown. */
interface Group {
  id: string; // container, "" for the node
  name: string;
  note: string;
  mark: Mark;
  state: string;
  usage: Cgroup;
  was: Usage;
  ooms: number[]; // when it ran out of memory, µs since boot
}

export function summary(s: Snapshot): string {
  const ooms = s.containers.reduce((n, c) => n + c.usage.oomKills, 0);
  const name = (c: Container) => (s.pods.length > 1 && c.pod ? `${c.pod}/${c.name}` : c.name);
  const near = s.containers.filter((c) => c.usage.memoryLimit > 0 && c.usage.memory > 0.9 * c.usage.memoryLimit).map(name);
  const waited = s.containers.filter((c) => c.usage.throttled > 0).map(name);
  return [
    t("res.summary", { used: bytes(s.node.usage.memory), limit: bytes(s.node.usage.memoryLimit), ooms }),
    near.length ? t("res.summary.near", { names: join(near) }) : "",
    waited.length ? t("res.summary.throttled", { names: join(waited) }) : "",
  ].join("");
}

/** The time at the right edge of the charts, µs since boot. */
function edge(s: Snapshot): number {
  if (moment.value) return (moment.value - boot.value) * 1000;
  if (paused.value || link.value !== "live") return s.time;
  return Math.max(s.time, (now() - boot.value) * 1000);
}

/** Draws again each second: time goes on where nothing is heard. */
function useClock(): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => !paused.value && !moment.value && tick(undefined as never), 1000);
    return () => clearInterval(timer);
  }, []);
}

/** When each container, and with "" any, ran out of memory. */
function oomsOf(from: number, until: number, known: ReadonlyMap<number, string>): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const add = (id: string, time: number) => {
    const times = found.get(id) ?? found.set(id, []).get(id)!;
    if (!times.some((other) => Math.abs(other - time) < SAME)) times.push(time);
  };
  for (const m of shownMoments.value) {
    if (m.kind !== "oom" || m.time < from || m.time > until) continue;
    add("", m.time);
    const lane = laneOf(m, known);
    if (lane) add(lane, m.time);
  }
  return found;
}

export function ResourcesView({ s, table }: ViewProps) {
  useClock();
  const known = useRef(new Map<number, string>()).current;
  learnNamespaces(s, known);
  const until = edge(s);
  const before = [...earlier(until - SPAN - 2_000_000, s.time - 1), s];
  const ooms = oomsOf(until - SPAN, until, known);
  const full = (g: Omit<Group, "was" | "ooms">): Group => ({ ...g, was: usageOf(before, g.id, until), ooms: ooms.get(g.id) ?? [] });
  const groups = [
    full({ id: "", name: t("who.node"), note: s.node.hostname === t("who.node") ? "" : s.node.hostname, usage: s.node.usage, mark: HOST, state: "running" }),
    ...s.containers.slice(0, GROUPS).map((c) =>
      full({
        id: c.id,
        name: c.name,
        note: c.pod ? t("dock.in.pod", { name: c.pod }) : c.image,
        usage: c.usage,
        mark: marks.value.of.get(c.id) ?? HOST,
        state: c.state,
      }),
    ),
  ];
  if (table) return <Tables label={t("view.resources")} tables={[limits(groups), overTime(groups, until)]} />;
  return (
    <section class="card fill" aria-label={t("view.resources")}>
      <header>
        <h3>{t("res.title")}</h3>
        <span>{t("res.subtitle")}</span>
        <span class="sp" />
        <Key />
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("res.title")}>
        <ul class="res">
          {groups.map((g) => (
            <One key={g.id} g={g} until={until} />
          ))}
        </ul>
        <div class="res axis" aria-hidden="true">
          {[0, 1].map((chart) => (
            <span key={chart} class="ticks">
              {[60, 30, 0].map((sec) => (
                <span key={sec}>{sec ? t("time.ago", { n: sec }) : t("time.now")}</span>
              ))}
            </span>
          ))}
        </div>
      </div>
    </section>
  );
}

/** What the lines and marks of the charts are. */
function Key() {
  return (
    <ul class="key hint">
      <li>
        <svg class="plot" aria-hidden="true">
          <path class="lim" d="M0 5H18" />
        </svg>
        {t("res.key.limit")}
      </li>
      <li>
        <svg class="plot" aria-hidden="true">
          <rect class="band" width="18" height="10" />
        </svg>
        {t("res.key.throttled")}
      </li>
      <li>
        <svg class="plot" aria-hidden="true">
          <path class="tip" d="M9 0L14 9H4z" />
        </svg>
        {t("res.marked")}
      </li>
    </ul>
  );
}

function One({ g, until }: { g: Group; until: number }) {
  const { usage, was } = g;
  const cpu = was.cpu.at(-1)?.value ?? 0;
  return (
    <li class={g.mark.tone} data-o={g.id ? `container:${g.id}` : "node"}>
      <div class="who">
        <b>
          <Shape mark={g.mark} /> {g.name}
        </b>
        <small>{g.note}</small>
        <p class="marks">
          <Role id={g.id} />
          {usage.throttled > 0 && (
            <span class="bdg z" title={t("res.waited", { ms: Math.round((usage.throttledTime ?? 0) / 1000) })}>
              {t("res.throttled", { n: usage.throttled })}
            </span>
          )}
          {usage.oomKills > 0 && <span class="bdg oom">{t("res.oom", { n: usage.oomKills })}</span>}
          {g.state !== "running" && <span class="bdg">{t(`state.${g.state}`)}</span>}
        </p>
      </div>
      <Chart
        label={t("res.memory")}
        text={of(usage.memory, usage.memoryLimit, bytes)}
        more={told(was.memory, bytes, t("res.more.oom", { n: g.ooms.length }), g.ooms.length)}
        steps={was.memory}
        limit={usage.memoryLimit}
        until={until}
        marks={g.ooms}
      />
      <Chart
        label="CPU"
        text={of(cpu, usage.cpuLimit, cores)}
        more={told(was.cpu, cores, t("res.more.throttled"), was.throttled.length)}
        steps={was.cpu}
        limit={usage.cpuLimit}
        until={until}
        bands={was.throttled}
      />
      <Bar label={t("res.pids")} used={usage.pids} limit={usage.pidsLimit} />
    </li>
  );
}

const of = (used: number, limit: number, say: (n: number) => string): string =>
  limit > 0 ? t("res.of", { used: say(used), limit: say(limit) }) : t("res.free", { used: say(used) });

/** What a chart shows, in words. */
function told(steps: Step[], say: (n: number) => string, happened: string, times: number): string {
  if (!steps.length) return "";
  return t("res.more", { least: say(lowest(steps)), most: say(highest(steps)) }) + (times ? happened : "");
}

function Bar({ label, used, limit }: { label: string; used: number; limit: number }) {
  const part = limit > 0 ? Math.min(1, used / limit) : 0;
  const text = of(used, limit, String);
  return (
    <div class="meter">
      <span class="cap">
        {label} <b>{text}</b>
      </span>
      <svg class={part > 0.9 ? "er" : part > 0.7 ? "wa" : ""} viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={`${label}: ${text}`}>
        {limit > 0 ? <rect class="bg" width="100" height="6" rx="1" /> : <path class="no" d="M0 3H100" />}
        {limit > 0 ? <rect class="fg" width={Math.max(part * 100, used > 0 ? 0.6 : 0)} height="6" rx="1" /> : null}
      </svg>
    </div>
  );
}

/** 250 → 0.25 */
const cores = (thousandths: number): string => (thousandths / 1000).toFixed(2);

function limits(groups: Group[]): TableProps {
  const or = (n: number, say: (n: number) => string) => (n > 0 ? say(n) : "–");
  const rows = groups.map(({ id, usage: u, was }) => ({
    key: id,
    o: id ? `container:${id}` : "node",
    cells: [
      id ? named(id) : t("who.node"),
      bytes(u.memory),
      or(u.memoryLimit, bytes),
      cores(was.cpu.at(-1)?.value ?? 0),
      or(u.cpuLimit, cores),
      u.pids,
      or(u.pidsLimit, String),
      u.throttled,
      u.oomKills,
    ],
  }));
  const [container, memory, memorylimit, ...rest] = columns("container", "memory", "memorylimit", "cpulimit", "pids", "pidslimit", "throttled", "oom");
  return { caption: t("res.title"), columns: [container!, memory!, memorylimit!, { head: "CPU" }, ...rest], rows };
}

/** The charts in figures: memory and CPU at times of the last minute. */
function overTime(groups: Group[], until: number): TableProps {
  const at = ({ was }: Group, sec: number): string => {
    const memory = valueAt(was.memory, until - sec * 1_000_000);
    return memory === undefined ? "–" : `${bytes(memory)} · ${cores(valueAt(was.cpu, until - sec * 1_000_000) ?? 0)}`;
  };
  const rows = groups.map((g) => ({
    key: g.id,
    o: g.id ? `container:${g.id}` : "node",
    cells: [g.id ? named(g.id) : t("who.node"), ...TIMES.map((sec) => at(g, sec)), g.ooms.length],
  }));
  const heads = TIMES.map((sec) => ({ head: sec ? t("time.ago", { n: sec }) : t("time.now") }));
  return { caption: t("res.over"), columns: [...columns("container"), ...heads, ...columns("oom")], rows };
}
