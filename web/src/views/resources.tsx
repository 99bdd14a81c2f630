// Resources: limit and use of each container's control group, as the kernel counts them.

import { useRef } from "preact/hooks";
import { HOST, Role, Shape, marks, named } from "../identity.tsx";
import type { Cgroup, Snapshot } from "../types.ts";
import { bytes, t } from "../words.ts";
import type { ViewProps } from "./props.ts";
import { Tables, columns } from "./table.tsx";

export function summary(s: Snapshot): string {
  const ooms = s.containers.reduce((n, c) => n + c.usage.oomKills, 0);
  return t("res.summary", { used: bytes(s.node.usage.memory), limit: bytes(s.node.usage.memoryLimit), ooms });
}

const POINTS = 60;

interface Sample {
  time: number; // µs
  cpu: number; // µs used
  rate: number; // thousandths of a core
  memory: number;
}

/** The last samples of each group, from which use per second and the small charts come. */
function useHistory(s: Snapshot): Map<string, Sample[]> {
  const history = useRef(new Map<string, Sample[]>()).current;
  const add = (id: string, u: Cgroup) => {
    const list = history.get(id) ?? history.set(id, []).get(id)!;
    while (list.length && list.at(-1)!.time > s.time) list.pop(); // an earlier moment is shown
    const last = list.at(-1);
    if (last && s.time - last.time < 400_000) return;
    const rate = last && s.time > last.time ? (1000 * Math.max(0, u.cpu - last.cpu)) / (s.time - last.time) : 0;
    list.push({ time: s.time, cpu: u.cpu, rate, memory: u.memory });
    if (list.length > POINTS) list.shift();
  };
  add("", s.node.usage);
  for (const c of s.containers) add(c.id, c.usage);
  return history;
}

export function ResourcesView({ s, table }: ViewProps) {
  const history = useHistory(s);
  if (table) return <ResourceTable s={s} />;
  const node = { id: "", name: t("who.node"), note: s.node.hostname, usage: s.node.usage, mark: HOST, state: "running" };
  const containers = s.containers.map((c) => ({ id: c.id, name: c.name, note: c.pod ? t("dock.in.pod", { name: c.pod }) : c.image, usage: c.usage, mark: marks.value.of.get(c.id) ?? HOST, state: c.state as string }));
  return (
    <section class="card fill" aria-label={t("view.resources")}>
      <header>
        <h3>{t("res.title")}</h3>
        <span>{t("res.subtitle")}</span>
      </header>
      <div class="scroll">
        <ul class="res">
          {[node, ...containers].slice(0, 60).map((r) => (
            <li key={r.id} class={r.mark.tone} data-o={r.id ? `container:${r.id}` : "node"}>
              <div class="who">
                <b>
                  <Shape mark={r.mark} /> {r.name}
                </b>
                <p class="marks">
                  <small>{r.note}</small>
                  <Role id={r.id} />
                  {r.usage.throttled > 0 && <span class="bdg z" title={t("res.waited", { ms: Math.round((r.usage.throttledTime ?? 0) / 1000) })}>{t("res.throttled", { n: r.usage.throttled })}</span>}
                  {r.usage.oomKills > 0 && <span class="bdg oom">{t("res.oom", { n: r.usage.oomKills })}</span>}
                </p>
              </div>
              {r.state === "running" ? (
                <>
                  <Bar label={t("res.memory")} used={r.usage.memory} limit={r.usage.memoryLimit} say={bytes} />
                  <Bar label={t("res.pids")} used={r.usage.pids} limit={r.usage.pidsLimit} say={String} />
                  <Cpu samples={history.get(r.id) ?? []} limit={r.usage.cpuLimit} />
                </>
              ) : (
                <p class="hint">{t(`state.${r.state}`)}</p>
              )}
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Bar({ label, used, limit, say }: { label: string; used: number; limit: number; say: (n: number) => string }) {
  const part = limit > 0 ? Math.min(1, used / limit) : 0;
  const text = limit > 0 ? t("res.of", { used: say(used), limit: say(limit) }) : t("res.free", { used: say(used) });
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

function Cpu({ samples, limit }: { samples: Sample[]; limit: number }) {
  const rate = samples.at(-1)?.rate ?? 0;
  const top = Math.max(limit || 0, 100, ...samples.map((p) => p.rate));
  const x = (i: number) => 100 - ((samples.length - 1 - i) * 100) / (POINTS - 1);
  const d = samples.map((p, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${(24 - (22 * p.rate) / top).toFixed(1)}`).join("");
  const text = limit > 0 ? t("res.of", { used: cores(rate), limit: cores(limit) }) : t("res.free", { used: cores(rate) });
  return (
    <div class="meter cpu">
      <span class="cap">
        CPU <b>{text}</b>
      </span>
      <svg viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={`CPU: ${text}`}>
        {limit > 0 && <path class="lim" d={`M0 ${24 - (22 * limit) / top}H100`} />}
        <path class="ln" d={d} />
      </svg>
    </div>
  );
}

/** 250 → 0.25 */
const cores = (thousandths: number): string => (thousandths / 1000).toFixed(2);

function ResourceTable({ s }: { s: Snapshot }) {
  const groups: [string, Cgroup][] = [[t("who.node"), s.node.usage], ...s.containers.map((c): [string, Cgroup] => [c.id, c.usage])];
  const or = (n: number, say: (n: number) => string) => (n > 0 ? say(n) : "–");
  const rows = groups.map(([id, u]) => ({
    key: id,
    cells: [named(id), bytes(u.memory), or(u.memoryLimit, bytes), u.pids, or(u.pidsLimit, String), or(u.cpuLimit, cores), u.throttled, u.oomKills],
  }));
  const heads = columns("container", "memory", "memorylimit", "pids", "pidslimit", "cpulimit", "throttled", "oom");
  return <Tables label={t("view.resources")} tables={[{ caption: t("res.title"), columns: heads, rows }]} />;
}
