// The top bar's live parts: connection, time left, pause; and the legend beside the tabs.

import { useEffect, useReducer } from "preact/hooks";
import { post } from "./api.ts";
import { element } from "./element.ts";
import { Icon } from "./icons.tsx";
import { HOST, Tag, marks } from "./identity.tsx";
import { link, lostAt, moment, now, pause, paused, phase, ready, session, shown } from "./store.ts";
import { sayTracer, sayUntold } from "./tracer.ts";
import { dismiss, failed, toast } from "./toasts.tsx";
import { asTable } from "./view.tsx";
import { t } from "./words.ts";

/** Draws again every `ms`. */
function useTick(ms: number): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => tick(undefined as never), ms);
    return () => clearInterval(timer);
  }, [ms]);
}

/** What the views show while the connection stands: what is now, or why not that. */
const showing = (): string => (moment.value ? "back" : paused.value ? "paused" : ready.value || phase.value === "starting" ? "live" : "none");

function Status() {
  useTick(1000);
  const state = link.value === "live" ? showing() : link.value;
  const secs = Math.max(0, Math.round((Date.now() - lostAt.value) / 1000));
  const title = state === "live" ? [sayTracer(), sayUntold()].filter(Boolean).join(" · ") || undefined : undefined;
  return (
    <span class={`live ${state}`} title={title}>
      <i />
      <span role="status">{t(`link.${state}`)}</span>
      {state === "reconnecting" && secs > 0 && <span aria-hidden="true">{t("link.seconds", { n: secs })}</span>}
    </span>
  );
}

const WARN = 5 * 60_000;
const LAST = 60_000;
let warned = 0; // the deadline that was warned of, and how urgently: deadline + 1 or + 2

export async function extend(): Promise<void> {
  try {
    await post("extend");
    dismiss("time");
  } catch (e) {
    failed(e);
  }
}

function warn(left: number, deadline: number, extendable: boolean): void {
  const level = left < LAST ? 2 : left < WARN ? 1 : 0;
  if (!level || warned >= deadline + level || left <= 0) return;
  warned = deadline + level;
  const text = level === 2 ? t("time.last") : t("time.warn", { n: Math.ceil(left / 60_000) });
  toast({
    id: "time",
    text,
    next: extendable ? t("time.warn.extend") : t("time.warn.end"),
    tone: "warn",
    action: extendable ? { label: t("time.extend"), run: () => void extend() } : undefined,
  });
}

function Clock() {
  useTick(1000);
  const s = session.value;
  if (!s?.deadline || s.phase !== "ready") return null;
  const left = Math.max(0, s.deadline - now());
  warn(left, s.deadline, s.extendable);
  const minutes = Math.floor(left / 60_000);
  const text = `${minutes}:${String(Math.floor((left % 60_000) / 1000)).padStart(2, "0")}`;
  return (
    <span class={`clock ${left < LAST ? "er" : left < WARN ? "wa" : ""}`} title={t("time.title")}>
      <Icon name="clock" />
      <span class="vh">{t("time.left")} </span>
      <time>{text}</time>
      {s.extendable && left < WARN && (
        <button type="button" class="btn sm" onClick={() => void extend()}>
          {t("time.extend")}
        </button>
      )}
    </span>
  );
}

function Pause() {
  const on = paused.value;
  return (
    <button
      type="button"
      class="btn sm"
      aria-pressed={on}
      disabled={phase.value !== "ready" && !on}
      onClick={() => pause(!on)}
      aria-label={t(on ? "pause.off" : "pause.on")}
    >
      <Icon name={on ? "play" : "pause"} />
      <span class="wide">{t(on ? "pause.off" : "pause.on")}</span>
    </button>
  );
}

const NAMES = 16; // a hostile or busy node has more; the tables list everything
const ROOMY = 24; // letters of all names up to which each mark has a box of its own, as beside 1440 px

/** All identities on the node, pods first as in the views; and the switch to tables. */
function Legend() {
  const s = shown.value;
  const { of, pods } = marks.value;
  const seen = new Set<string>();
  const names = (s?.containers ?? []).filter((c) => c.kind !== "infra" && !seen.has(c.name) && seen.add(c.name)).slice(0, NAMES);
  const podName = (pod: string) => (pods.size > 1 ? t("legend.pod", { name: pod }) : t("legend.onepod"));
  const letters = [...pods.keys()].reduce((n, pod) => n + podName(pod).length, 0) + names.reduce((n, c) => n + c.name.length, 0);
  return (
    <div class="legend">
      {s && (
        <ul class={`hint lg${letters > ROOMY ? " tight" : ""}`} aria-label={t("legend.title")}>
          {[...pods].map(([pod, mark]) => (
            <li key={pod} data-o={`pod:${pod} container:${pod}/_infra`}>
              <Tag mark={mark} />
              <span class="n">{podName(pod)}</span>
            </li>
          ))}
          {names.map((c) => (
            <li
              key={c.id}
              data-o={s.containers
                .filter((x) => x.name === c.name)
                .map((x) => `container:${x.id}`)
                .join(" ")}
            >
              <Tag mark={of.get(c.id) ?? HOST} />
              <span class="n">{c.name}</span>
            </li>
          ))}
          <li data-o="node">
            <Tag mark={HOST} />
            <span class="n">{t("who.node")}</span>
          </li>
        </ul>
      )}
      {s && (
        <button
          type="button"
          class="btn gh sm icon"
          aria-pressed={asTable.value}
          aria-label={t("view.table")}
          title={t("view.table")}
          onClick={() => (asTable.value = !asTable.value)}
        >
          <Icon name="table" />
        </button>
      )}
    </div>
  );
}

export function defineBar(): void {
  element("pod-status", Status);
  element("pod-clock", Clock);
  element("pod-pause", Pause);
  element("pod-legend", Legend);
}
