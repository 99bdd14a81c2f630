// The process tree: rows keyed by pid and start, so that nothing jumps. New rows slide in, dead ones stay as a ghost for a moment,
// those that get another parent travel there.

import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { HOST, type Mark, Role, Shape, markOf } from "../identity.tsx";
import { jumps, shownMoments } from "../store.ts";
import type { Process } from "../types.ts";
import { bytes, t } from "../words.ts";
import { command } from "./processes.ts";
import { type Branch, type Change, LINGER, MANY, branches, changes, keyOf } from "./tree.ts";
import { signalName } from "./signals.ts";

const BUSY = 60; // changes within LINGER above which new rows are not animated, and no dead are shown
const LONGEST = 400; // rows drawn

interface Memory {
  list: Process[] | null;
  before: Map<string, Process>;
  marks: Map<string, Change>;
  ghosts: Map<string, Process>;
  counts: { at: number; n: number }[]; // changes of the last LINGER
  jump: number;
}

/** Marks of what changed since the last list, and the dead that are still shown. */
function useChanges(list: Process[]): Memory {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const memory = useRef<Memory>({ list: null, before: new Map(), marks: new Map(), ghosts: new Map(), counts: [], jump: 0 }).current;
  const now = performance.now();
  if (memory.jump !== jumps.value) {
    memory.jump = jumps.value;
    memory.list = null;
    memory.marks.clear();
    memory.ghosts.clear();
    memory.counts = [];
  }
  if (memory.list !== list) {
    const found = memory.list ? changes(memory.before, list, now) : new Map<string, Change>();
    memory.counts = [...memory.counts.filter((c) => now - c.at < LINGER), { at: now, n: found.size }];
    const busy = memory.counts.reduce((sum, c) => sum + c.n, 0) > BUSY;
    if (busy) calmDown(memory);
    for (const [key, change] of found) {
      if (busy && change.kind !== "moved") continue;
      memory.marks.set(key, change);
      if (change.kind === "gone") memory.ghosts.set(key, memory.before.get(key)!);
      if (change.kind === "moved" && !busy) leave(memory, memory.before.get(key)!, now);
    }
    memory.list = list;
    memory.before = new Map(list.map((p) => [keyOf(p), p]));
  }
  for (const [key, change] of memory.marks) {
    if (now - change.at < LINGER) continue;
    memory.marks.delete(key);
    memory.ghosts.delete(key);
  }
  useEffect(() => {
    if (!memory.marks.size) return;
    const timer = setTimeout(() => redraw(undefined as never), LINGER);
    return () => clearTimeout(timer);
  });
  return memory;
}

/** Where a lot changes, only what moves is marked: it is what cannot be seen otherwise. */
function calmDown(memory: Memory): void {
  for (const [key, change] of memory.marks) if (change.kind !== "moved") memory.marks.delete(key);
  memory.ghosts.clear();
}

/** What got another parent leaves a trace where it was: a row of a pid that no process has. */
function leave(memory: Memory, before: Process, at: number): void {
  const trace = { ...before, pid: -before.pid, threads: [] };
  memory.marks.set(keyOf(trace), { kind: "left", at });
  memory.ghosts.set(keyOf(trace), trace);
}

/** The dead stay where they were: lists are in the order of pids. */
const withGhosts = (list: Process[], ghosts: ReadonlyMap<string, Process>): Process[] =>
  ghosts.size ? [...ghosts.values(), ...list].sort((a, b) => Math.abs(a.pid) - Math.abs(b.pid)) : list;

export function Tree({ list, label, wide = false, threads = false }: { list: Process[]; label: string; wide?: boolean; threads?: boolean }) {
  const memory = useChanges(list);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState("");
  const root = useRef<HTMLUListElement>(null);
  const ghosts = memory.ghosts.size;
  const rows = useMemo(() => branches(withGhosts(list, memory.ghosts), closed, unfolded), [list, closed, unfolded, ghosts]);
  const drawn = rows.slice(0, LONGEST);
  const focus = drawn.some((r) => r.key === at) ? at : (drawn[0]?.key ?? "");
  useTravel(root, memory.marks);

  const toggle = (r: Branch, open: boolean) => {
    if (r.folded && open) setUnfolded(new Set([...unfolded, r.key]));
    else if (r.children) {
      const next = new Set(closed);
      if (open) next.delete(r.key);
      else next.add(r.key);
      setClosed(next);
    }
  };
  const rowAt = (e: Event): Branch | undefined => {
    const key = (e.target as Element).closest<HTMLElement>("[data-k]")?.dataset["k"];
    return drawn.find((r) => r.key === key);
  };
  const onClick = (e: Event) => {
    const r = rowAt(e);
    if (r) toggle(r, closed.has(r.key) || r.folded > 0);
  };
  const go = (key: string | undefined) => {
    if (!key) return;
    setAt(key);
    root.current?.querySelector<HTMLElement>(`[data-k="${key}"]`)?.focus();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const i = drawn.findIndex((r) => r.key === focus);
    const r = drawn[i];
    if (!r) return;
    const parent = drawn.slice(0, i).findLast((x) => x.depth < r.depth);
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(drawn[i + 1]?.key),
      ArrowUp: () => go(drawn[i - 1]?.key),
      Home: () => go(drawn[0]?.key),
      End: () => go(drawn.at(-1)?.key),
      ArrowRight: () => (closed.has(r.key) || r.folded ? toggle(r, true) : r.children ? go(drawn[i + 1]?.key) : undefined),
      ArrowLeft: () => (r.children && !closed.has(r.key) ? toggle(r, false) : go(parent?.key)),
    };
    const move = moves[e.key];
    if (!move || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    move();
  };

  return (
    <div class={`treebox${wide ? " wide" : ""}`}>
      <div class="row hd" aria-hidden="true">
        <span>{t("col.process")}</span>
        {wide && <span class="who">{t("col.container")}</span>}
        <span>{t("col.pid")}</span>
        <span>{t("col.inside")}</span>
        {wide && <span class="mem">{t("col.memory")}</span>}
      </div>
      <ul
        class={drawn.length > MANY ? "tr many" : "tr"}
        role="tree"
        aria-label={label}
        ref={root}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onFocusIn={(e) => setAt(rowAt(e)?.key ?? at)}
      >
        {drawn.map((r) => (
          <Line
            key={r.key}
            k={r.key}
            p={r.process}
            guides={r.guides.join()}
            depth={r.depth}
            under={r.children}
            folded={r.folded}
            wide={wide}
            change={memory.marks.get(r.key)}
            closed={closed.has(r.key)}
            focus={r.key === focus}
            threads={threads}
          />
        ))}
      </ul>
      {rows.length > drawn.length && <p class="hint">{t("tree.more", { n: rows.length - drawn.length })}</p>}
    </div>
  );
}

interface LineProps {
  k: string;
  p: Process;
  guides: string; // between commas
  depth: number;
  under: number; // children
  folded: number;
  wide: boolean;
  change: Change | undefined;
  closed: boolean;
  focus: boolean;
  threads: boolean;
}

/** One row. It reads a signal (marks) and is drawn again only when that or one of its properties is another: so it is given no lists. */
function Line({ k, p, guides, depth, under, folded, wide, change, closed, focus, threads }: LineProps) {
  const mark = markOf(p.container);
  const expandable = under > 0 || folded > 0;
  const cls =
    change?.kind === "gone" || change?.kind === "left"
      ? change.kind
      : p.state === "Z"
        ? "zo"
        : change?.kind === "moved"
          ? "mv"
          : change?.kind === "new"
            ? "new"
            : "";
  return (
    <li
      class={`row ${cls}`}
      role="treeitem"
      aria-level={depth + 1}
      aria-expanded={expandable ? !closed && !folded : undefined}
      aria-selected={false}
      tabIndex={focus ? 0 : -1}
      data-k={k}
      data-o={`process:${Math.abs(p.pid)}${p.container ? ` container:${p.container}` : ` role:${p.role}`}`}
      title={command(p)}
    >
      <span class="nm">
        {depth > 0 && guides.split(",").map((g, i) => <i key={i} class={`gd ${g}`} />)}
        <span class="pn">{nameOf(p, wide)}</span>
        {(p.role === "init" || p.role === "agent") && <span class="bdg">{t(`role.${p.role}`)}</span>}
        {closed && <span class="bdg">+{under}</span>}
        {folded > 0 && <span class="bdg">{t("tree.folded", { n: folded + 1 })}</span>}
        {p.threads.length > 0 && !threads && !p.role && change?.kind !== "gone" && <span class="bdg">{t("tree.threads", { n: p.threads.length + 1 })}</span>}
        {threads && p.threads.slice(0, 24).map((th) => <span class="bdg th" key={th.tid}>{`{${th.name}} ${th.tid}`}</span>)}
        <State p={p} change={change} />
      </span>
      {wide && <Who p={p} mark={mark} />}
      <span class="q">{Math.abs(p.pid)}</span>
      {p.container ? (
        <span class={`pin ${mark.tone}`}>
          <Shape mark={mark} />
          {p.inside}
        </span>
      ) : (
        <span class="q">–</span>
      )}
      {wide && <span class="q mem">{bytes(p.rss)}</span>}
    </li>
  );
}

/** Whose a process is: its container's name with the mark that it has everywhere, and the pod. */
function Who({ p, mark }: { p: Process; mark: Mark }) {
  if (!p.container) return <span class="who H">{t(`role.${p.role || "node"}`)}</span>;
  const pod = p.container.includes("/") ? p.container.split("/")[0]! : "";
  return (
    <span class={`who ${mark.tone}`} title={p.container}>
      <Shape mark={mark} /> {mark === HOST ? p.container : mark.name} {pod && mark !== HOST && <small>{t("legend.pod", { name: pod })}</small>}{" "}
      <Role id={p.container} />
    </span>
  );
}

/** nginx: master … as ps shows it when the program set its title, else the short name; arguments where there is room. */
function nameOf(p: Process, wide: boolean): string {
  const title = p.args.length === 1 && p.args[0]!.includes(":") ? p.args[0]! : "";
  if (title) return title.length > 120 ? `${title.slice(0, 120)}…` : title; // what does not fit is cut by its box
  if (!wide || p.args.length < 2) return p.name;
  const rest = p.args.slice(1).join(" ");
  return `${p.name} ${rest.length > 60 ? `${rest.slice(0, 60)}…` : rest}`;
}

function State({ p, change }: { p: Process; change: Change | undefined }) {
  if (change?.kind === "gone") return <span class="bdg">{lastWords(p)}</span>;
  if (change?.kind === "left") return <span class="bdg">{t("proc.left")}</span>;
  if (p.state === "Z") return <span class="bdg z">{t("proc.zombie")}</span>;
  if (p.state === "T" || p.state === "t") return <span class="bdg z">{t("proc.stopped")}</span>;
  if (change?.kind === "moved") return <span class="bdg m">{t("proc.moved")}</span>;
  return null;
}

/** How a process ended, as the kernel told. */
function lastWords(p: Process): string {
  const exit = shownMoments.peek().findLast((m) => m.kind === "exit" && m.pid === p.pid && !m.thread);
  if (!exit) return t("proc.gone");
  return exit.signal ? t("proc.killed", { signal: signalName(exit.signal) }) : t("proc.exited", { code: exit.code ?? 0 });
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Rows that moved travel from where they were: their places are read before the list changes and after, and nobody else's are. */
function useTravel(root: { current: HTMLElement | null }, marks: Map<string, Change>): void {
  const travelled = useRef(new WeakSet<Change>()).current;
  const moves = calm.matches ? [] : [...marks].filter(([, change]) => change.kind === "moved" && !travelled.has(change));
  const place = (key: string) => root.current?.querySelector<HTMLElement>(`[data-k="${key}"]`);
  const from = moves.map(([key]) => place(key)?.offsetTop);
  useLayoutEffect(() => {
    const to = moves.map(([key]) => place(key)?.offsetTop);
    moves.forEach(([key, change], i) => {
      travelled.add(change);
      const by = (from[i] ?? 0) - (to[i] ?? 0);
      if (!by || from[i] === undefined || to[i] === undefined) return;
      place(key)!.animate(
        [
          { transform: `translateY(${by}px)`, zIndex: 1 },
          { transform: "none", zIndex: 1 },
        ],
        { duration: 650, easing: "cubic-bezier(.2,.7,.2,1)" },
      );
    });
  });
}
