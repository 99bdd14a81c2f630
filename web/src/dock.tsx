// <pod-dock>: terminals, manifests and previews in two groups side by side. Terminals are made when first shown and stay attached
// until their container is gone or the node is another one.

import { effect, signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Refused } from "./api.ts";
import { element } from "./element.ts";
import { recall, remember } from "./memory.ts";
import { Icon } from "./icons.tsx";
import { Shape } from "./identity.tsx";
import { wanted } from "./lit.ts";
import { type Pane, bringPane, front, maximised, panes } from "./panes.ts";
import { setRunner } from "./run.ts";
import { moment, session, snapshot, step } from "./store.ts";
import type { Terminal } from "./terminal.ts";
import { t } from "./words.ts";

/** Terminals that are attached, by the name of their target. */
const terminals = signal<ReadonlyMap<string, Terminal>>(new Map());
let code: typeof import("./terminal.ts") | null = null;
let styles = false;

async function loadTerminal(): Promise<typeof import("./terminal.ts")> {
  if (!styles) {
    styles = true;
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = document.getElementById("main")!.dataset["terminalCss"]!;
    document.head.append(link);
    await new Promise((done) => (link.onload = link.onerror = done));
    await document.fonts.load('13.5px "JetBrains Mono Variable"').catch(() => undefined);
  }
  return (code ??= await import("./terminal.ts"));
}

const opening = new Map<string, Promise<Terminal>>();

/** The terminal of a target, attached now if it was not. */
function open(target: string): Promise<Terminal> {
  const have = terminals.peek().get(target);
  if (have) return Promise.resolve(have);
  let pending = opening.get(target);
  if (!pending) {
    pending = loadTerminal().then((m) => {
      const term = new m.Terminal(target, target, t("term.label", { name: target }));
      terminals.value = new Map(terminals.peek()).set(target, term);
      opening.delete(target);
      return term;
    });
    opening.set(target, pending);
  }
  return pending;
}

function close(target: string): void {
  terminals.peek().get(target)?.dispose();
  const next = new Map(terminals.peek());
  next.delete(target);
  terminals.value = next;
}

/** "Run in …": brings the terminal to front, types, presses Enter. */
async function run(target: string, text: string): Promise<void> {
  if (!bringPane(`terminal:${target}`)) throw new Refused({ code: "not_running", params: { kind: "container", name: target } });
  const term = await open(target);
  document.getElementById(`ptab-terminal:${target}`)?.closest("[data-group]")?.scrollIntoView({ block: "nearest" });
  await term.type(text);
}

/** Keeps a pane in front of each group, and drops terminals whose node is another one. */
function keep(): void {
  let generation = -1;
  effect(() => {
    const g = session.value?.generation ?? -1;
    if (g === generation) return;
    generation = g;
    for (const target of terminals.peek().keys()) close(target);
  });
  effect(() => {
    const gone = snapshot.value
      ? [...terminals.peek().values()].filter((x) => x.target !== "node" && !snapshot.value!.containers.some((c) => c.id === x.target))
      : [];
    for (const x of gone) close(x.target);
  });
  let at = "";
  const stopgap = [false, false]; // a preview that nobody chose: there was nothing else, and the next terminal takes its place
  effect(() => {
    const all = panes.value;
    const s = step.value;
    const first = at !== `${s.lab}/${s.step}` && all.length > 0;
    if (first) at = `${s.lab}/${s.step}`;
    const next = ([0, 1] as const).map((g) => {
      const mine = all.filter((p) => p.group === g);
      const asked = first ? mine.find((p) => s.terminals.includes(p.name)) : undefined;
      const standing = mine.find((p) => p.id === front.peek()[g]);
      const givesWay = stopgap[g] && standing?.kind === "preview" && mine[0]?.kind !== "preview";
      const stay = givesWay ? undefined : standing;
      const before = first ? mine.find((p) => p.id === recall(`front.${g}`)) : undefined;
      const next = stay ?? before ?? asked ?? mine[0];
      if (!stay || stay.kind !== "preview") stopgap[g] = !stay && !before && next?.kind === "preview";
      return next?.id ?? "";
    }) as [string, string];
    if (next[0] !== front.peek()[0] || next[1] !== front.peek()[1]) front.value = next;
  });
  effect(() => front.value.forEach((id, g) => id && !stopgap[g] && remember(`front.${g}`, id)));
  effect(() => {
    const what = wanted.value.what;
    if (/^(terminal|manifest):/.test(what) && bringPane(what)) focusPane(what);
  });
}

function focusPane(id: string): void {
  requestAnimationFrame(() => {
    if (id.startsWith("terminal:")) void open(id.slice(9)).then((x) => x.focus());
    else document.querySelector<HTMLElement>(`[data-pane-id="${CSS.escape(id)}"] .cm-content`)?.focus();
  });
}

function Dock({ host }: { host: HTMLElement }) {
  const all = panes.value;
  const groups = ([0, 1] as const).filter((g) => all.some((p) => p.group === g));
  host.dataset["groups"] = String(groups.length);
  host.closest<HTMLElement>(".stage")?.setAttribute("data-max", String(maximised.value));
  useEffect(() => {
    const esc = (e: KeyboardEvent) => {
      if (e.key === "Escape" && e.shiftKey && maximised.peek() >= 0) maximised.value = -1;
    };
    document.addEventListener("keydown", esc);
    return () => document.removeEventListener("keydown", esc);
  }, []);
  return (
    <>
      {groups.map((g) => (
        <Group key={g} g={g} all={all.filter((p) => p.group === g)} />
      ))}
    </>
  );
}

function Group({ g, all }: { g: 0 | 1; all: Pane[] }) {
  const id = front.value[g];
  const pane = all.find((p) => p.id === id);
  const max = maximised.value === g;
  return (
    <section class={`term ${pane?.kind ?? ""}`} aria-label={t("dock.group", { n: g + 1 })} data-group={g} data-f6>
      <header>
        <div class="ptabs" role="tablist" aria-label={t("dock.tabs")} onKeyDown={(e) => arrows(e, all, id)}>
          {all.map((p) => (
            <button
              key={p.id}
              type="button"
              role="tab"
              id={`ptab-${p.id}`}
              aria-selected={p.id === id}
              aria-controls={`pane-${g}`}
              tabIndex={p.id === id ? 0 : -1}
              class={p.mark ? `tag ${p.mark.tone}` : "tag plain"}
              onClick={() => bringPane(p.id)}
              title={titleOf(p)}
              data-o={p.kind === "terminal" ? `terminal:${p.name} ${p.name === "node" ? "" : `container:${p.name}`}` : `manifest:${p.name}`}
            >
              {p.mark ? <Shape mark={p.mark} /> : <Icon name={p.kind === "manifest" ? "file" : "open"} />}
              {labelOf(p, all)}
            </button>
          ))}
        </div>
        <span class="cap">
          <span>{pane ? caption(pane) : ""}</span>
        </span>
        {pane?.kind === "terminal" && <TerminalTools name={pane.name} />}
        <button
          type="button"
          class="ib"
          aria-pressed={max}
          aria-label={t(max ? "dock.restore" : "dock.maximise")}
          title={t(max ? "dock.restore" : "dock.maximise")}
          onClick={() => (maximised.value = max ? -1 : g)}
        >
          <Icon name={max ? "shrink" : "grow"} />
        </button>
      </header>
      <div class="pbody" role="tabpanel" id={`pane-${g}`} aria-label={pane ? titleOf(pane) : undefined} data-pane-id={id}>
        {pane?.kind === "terminal" && <TerminalPane key={pane.name} name={pane.name} />}
        {pane?.kind === "manifest" && <Lazy key={pane.id} load={() => import("./editor.tsx").then((m) => m.Editor)} name={pane.name} />}
        {pane?.kind === "preview" && <Lazy key={pane.id} load={() => import("./preview.tsx").then((m) => m.Preview)} name="" />}
      </div>
    </section>
  );
}

function arrows(e: KeyboardEvent, all: Pane[], id: string): void {
  const i = all.findIndex((p) => p.id === id);
  const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: all.length - 1 }[e.key];
  if (to === undefined) return;
  e.preventDefault();
  const next = all[(to + all.length) % all.length]!;
  bringPane(next.id);
  requestAnimationFrame(() => document.getElementById(`ptab-${next.id}`)?.focus());
}

const shortName = (id: string): string => id.slice(id.indexOf("/") + 1);

/** What stands on a tab: a container's name, with its pod where two pods have one of that name. */
function labelOf(p: Pane, all: Pane[] = []): string {
  if (p.kind === "preview") return t("dock.preview");
  if (p.kind === "manifest") return p.name;
  if (p.name === "node") return t("who.node");
  return all.some((x) => x !== p && x.kind === "terminal" && shortName(x.name) === shortName(p.name)) ? p.name : shortName(p.name);
}

const titleOf = (p: Pane): string => (p.kind === "terminal" ? t("term.label", { name: p.name === "node" ? t("who.node") : p.name }) : labelOf(p));

function caption(p: Pane): string {
  if (p.kind === "manifest") return t("dock.manifest");
  if (p.kind === "preview") return "";
  if (p.name === "node") return t("dock.in.node");
  const pod = p.name.split("/").length > 1 ? p.name.split("/")[0]! : "";
  return pod ? t("dock.in.pod", { name: pod }) : t("dock.in.container");
}

function TerminalTools({ name }: { name: string }) {
  const term = terminals.value.get(name);
  const [reader, setReader] = useState(localStorage.getItem("screenReader") === "1");
  const toggle = () => {
    const on = !reader;
    localStorage.setItem("screenReader", on ? "1" : "0");
    if (code) code.screenReader.value = on;
    for (const x of terminals.peek().values()) x.reader = on;
    setReader(on);
  };
  return (
    <>
      {term?.finding.value && <Find term={term} />}
      <button type="button" class="ib" aria-label={t("term.size")} title={t("term.size")} onClick={() => code?.nextSize()}>
        Aa
      </button>
      <button type="button" class="ib" aria-pressed={reader} aria-label={t("term.reader")} title={t("term.reader")} onClick={toggle}>
        <Icon name="reader" />
      </button>
      <button type="button" class="ib" aria-label={t("term.copy")} title={t("term.copy")} onClick={() => term?.copy()}>
        <Icon name="copy" />
      </button>
    </>
  );
}

/** Ctrl+Shift+F: the newest is found while one types; Enter finds the next below, Shift+Enter the one above, Escape goes back to the terminal. */
function Find({ term }: { term: Terminal }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const find = (back: boolean) => (input.current!.ariaInvalid = String(!term.find(input.current!.value, back)));
  const key = (e: KeyboardEvent) => {
    if (e.key === "Escape") term.stopFinding();
    else if (e.key === "Enter") find(e.shiftKey);
  };
  return (
    <input class="find" ref={input} type="search" aria-label={t("term.find.in")} placeholder={t("term.find")} onInput={() => find(true)} onKeyDown={key} />
  );
}

/** A shell is a process in the container and changes what is looked at: it is opened where the step says so, or was before. */
const opensByItself = (name: string): boolean =>
  name === "node" || step.value.terminals.includes(name) || (snapshot.value?.terminals.some((x) => x.target === name) ?? false);

function Closed({ name }: { name: string }) {
  return (
    <div class="closed">
      <button type="button" class="btn" onClick={() => void open(name).then((x) => x.focus())}>
        {t("term.open", { name: shortName(name) })}
      </button>
      <p class="hint">{t("term.open.note")}</p>
    </div>
  );
}

function TerminalPane({ name }: { name: string }) {
  const box = useRef<HTMLDivElement>(null);
  const term = terminals.value.get(name);
  const wanted = opensByItself(name);
  useEffect(() => void (wanted && open(name)), [name, wanted]);
  useLayoutEffect(() => {
    if (!term || !box.current) return;
    term.attach(box.current);
  }, [term]);
  if (!term && !wanted) return <Closed name={name} />;
  const state = term?.state.value ?? "connecting";
  const exit = term?.exit.value;
  return (
    <>
      <div class="xbox" ref={box} />
      {moment.value > 0 && <Lazy load={() => import("./recording/past.tsx").then((m) => m.pastOf((x) => terminals.peek().get(x)))} name={name} />}
      {state !== "open" && (
        <div class="xnote" role="status">
          <span>{exit ? t(exit.signal ? "term.killed" : "term.exited", { code: exit.code, signal: exit.signal ?? 0 }) : t(`term.${state}`)}</span>
          {(state === "exited" || state === "failed") && (
            <button type="button" class="btn sm" onClick={() => (term!.again(), term!.focus())}>
              {t("term.again")}
            </button>
          )}
        </div>
      )}
    </>
  );
}

/** A pane whose code comes when it is first shown. */
function Lazy({ load, name }: { load: () => Promise<ComponentType<{ name: string }>>; name: string }) {
  const [Loaded, set] = useState<ComponentType<{ name: string }> | null>(null);
  useEffect(() => void load().then((c) => set(() => c)), []);
  return Loaded ? <Loaded name={name} /> : <p class="hint pad">{t("dock.loading")}</p>;
}

export function defineDock(): void {
  setRunner(run);
  keep();
  element("pod-dock", Dock);
}
