// What the page knows: the newest frame taken apart into signals. Views read `shown`, which stands still while views are paused.

import { batch, computed, signal } from "@preact/signals";
import { kept, whole } from "./frame.ts";
import type { Frame, Moment, SessionView, Snapshot } from "./types.ts";

/** At most this many moments are kept for the timeline. */
const MOMENTS = 3000;
/** Views change at once, then with the display's frames, which are this far apart (ms). Drawing takes the browser about as long again as
    the scripts take before it: after a change the views stand still for as long as both, at most LONGEST ms. */
const FRAME = 16;
const LONGEST = 100;
/** The server reads two clocks for when the machine booted: less than this apart, ms, it is the same. */
const STEP = 10;
/** More frames than this do not wait for a display that stands still. */
const MANY = 100;

export type Link = "connecting" | "live" | "reconnecting" | "offline";

export const link = signal<Link>("connecting");
/** When the connection was lost, by this browser's clock (ms). */
export const lostAt = signal(0);
/** Its checks and predictions are those of the step `about`; its `step` is where the node is. */
export const session = signal<SessionView | null>(null);
export const about = signal("");
export const snapshot = signal<Snapshot | null>(null);
export const moments = signal<Moment[]>([]);
export const lost = signal(0);
export const boot = signal(0);
export const tracer = signal("");
export const untold = signal<string[]>([]); // what it cannot tell of
/** Server's clock minus this browser's, ms. */
export const skew = signal(0);
export const paused = signal(false);
/** The step that the page shows: follows the lesson, not the server. */
export const step = signal<StepInfo>({ lab: "", step: "", views: [], left: [], right: "", terminals: [], files: [] });

export interface StepInfo {
  lab: string;
  step: string;
  views: string[];
  left: string[];
  right: string;
  terminals: string[];
  files: string[];
}

/** What is shown instead of what is now; without a session the checks go on. */
export const frozen = signal<Frozen | null>(null);

interface Frozen {
  snapshot: Snapshot | null;
  moments: Moment[];
  past: Came[]; // what was before, and after, until the views were paused
  session?: SessionView;
  about?: string;
}

/** What the views show. */
export const shown = computed(() => (frozen.value ? frozen.value.snapshot : snapshot.value));
export const shownMoments = computed(() => (frozen.value ? frozen.value.moments : moments.value));
export const shownSession = computed(() => frozen.value?.session ?? session.value);
export const phase = computed(() => session.value?.phase ?? "");
/** The node stands at another step of this lab than the page. */
export const elsewhere = computed(() => {
  const s = session.value;
  return s && about.value === step.value.step && (s.phase === "ready" || s.phase === "starting") && s.step !== step.value.step ? s.step : "";
});
/** Why a recording ended by itself, as JSON: the same words are the same value. */
export const recorded = computed(() => session.value?.recorded && JSON.stringify(session.value.recorded));
export const ready = computed(() => phase.value === "ready");

/** The moment that the page shows, Unix ms; 0: now. */
export const moment = signal(0);

/** Counts how often the page went to another moment than the next: what is different there did not change just now. */
export const jumps = signal(0);

/** Server's clock now, Unix ms. */
export const now = (): number => Date.now() + skew.value;

export function pause(on: boolean): void {
  batch(() => {
    paused.value = on;
    moment.value = 0;
    jumps.value++;
    frozen.value = on ? { snapshot: snapshot.peek(), moments: moments.peek(), past: past.slice() } : null;
  });
}

/** A frame, and the step of the page that it came for. */
interface Came {
  frame: Frame;
  step: string;
}

let generation = -1;
let seen: Record<string, number> = {};
let waiting: Came[] = [];
let asked = 0;
let rested = 0; // performance.now() from which on views may change again

/** Takes in a frame for the page of a step: views show it at once, or with one of the display's next frames. Nothing is dropped. */
export function take(frame: Frame, step: string): void {
  waiting.push({ frame: whole(frame), step });
  if (waiting.length > MANY || (!asked && performance.now() >= rested)) flush();
  else asked ||= requestAnimationFrame(later);
}

function later(now: number): void {
  asked = 0;
  if (now < rested) asked = requestAnimationFrame(later);
  else flush();
}

function flush(): void {
  cancelAnimationFrame(asked);
  asked = 0;
  const began = performance.now();
  const frames = waiting;
  waiting = [];
  batch(() => frames.forEach(apply));
  // preact draws in a microtask of its own, which is before this one
  queueMicrotask(() => (rested = performance.now() + Math.min(LONGEST, Math.max(FRAME / 2, 2 * (performance.now() - began)))));
}

/** The last minutes on this node, for whoever looks back (recording/back.ts): as much as weighs no more than MINUTES, in processes. */
export let past: Came[] = [];
const MINUTES = 50_000;
let weight = 0;
const heft = ({ frame: f }: Came): number => 9 + (f.snapshot ? 40 + f.snapshot.processes.length : 0);

function apply(came: Came): void {
  const { frame: f, step } = came;
  if (f.session.generation !== generation) forget(f.session.generation);
  past.push(came);
  for (weight += heft(came); weight > MINUTES;) weight -= heft(past.shift()!);
  skew.value = f.now - Date.now();
  if (Math.abs(f.boot - boot.peek()) > STEP) boot.value = f.boot;
  tracer.value = f.tracer;
  if (String(untold.peek()) !== String(f.untold ?? [])) untold.value = f.untold ?? [];
  session.value = f.session;
  about.value = step;
  if (f.snapshot) snapshot.value = kept(snapshot.peek(), f.snapshot);
  if (f.session.phase !== "ready" && f.session.phase !== "starting") snapshot.value = null;
  if (f.lost) lost.value += f.lost;
  const fresh = f.moments?.filter(isNew) ?? [];
  if (fresh.length) moments.value = [...moments.value, ...fresh].slice(-MOMENTS);
}

/** Each source numbers its moments: one that came before (after a reconnect) is not taken twice. */
function isNew(m: Moment): boolean {
  if (m.seq <= (seen[m.source] ?? 0)) return false;
  seen[m.source] = m.seq;
  return true;
}

function forget(g: number): void {
  generation = g;
  seen = {};
  snapshot.value = null;
  moments.value = [];
  lost.value = 0;
  past = [];
  weight = 0;
  pause(false);
}
