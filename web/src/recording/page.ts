// The page of a recording: the lab page's own views over a file, which comes from this server or from the visitor.

import { batch, effect } from "@preact/signals";
import { about, boot, jumps, link, lost, moment, moments, session, snapshot, step, tracer, untold } from "../store.ts";
import { readFrom } from "../earlier.ts";
import { dismiss, failed } from "../toasts.tsx";
import { lang } from "../words.ts";
import { loadIpc } from "../views/namespaces.tsx";
import { Refused } from "../api.ts";
import { BadRecording, Recording, type Shown } from "./file.ts";
import { Player } from "./player.ts";
import { recheck, saveCast } from "./send.ts";
import { defineScreens, drawing, saver, screens } from "./screens.tsx";
import { bind } from "./timebar.ts";

const main = document.getElementById("main")!;
const bar = document.querySelector<HTMLElement>(".timebar")!;

/** Takes up a lesson that was put into the page (lesson.ts). */
let enter: (focus: boolean) => void;

let reading: Recording | null = null;
let shown: Shown | null = null;
let unbind = () => {};
let telling = 0;
let behind = 0; // the next turn of terminals that are not yet worked out
let lessons = 0; // on their way

/** All that belongs to the moment is in the page: the view's code, the lesson of its step, the terminals' letters. */
const settled = (): boolean => !lessons && !behind && !drawing.size && (!snapshot.peek() || Boolean(main.querySelector(".view:not([hidden]) .saying")));

/** Says at the page's main part, in the animation frame that paints it, which moment is there: tests and figures wait for that. */
function tell(at: string): void {
  cancelAnimationFrame(telling);
  const look = () => {
    if (settled()) main.dataset["painted"] = at;
    else telling = requestAnimationFrame(look);
  };
  telling = requestAnimationFrame(look);
}

/** Gives the views what was shown at a time. What did not change is the same object. */
function show(r: Recording, ms: number, smooth: boolean): void {
  const at = r.at(ms);
  batch(() => {
    if (!smooth) jumps.value++;
    moment.value = at.now;
    if (session.peek() !== at.session) session.value = at.session;
    snapshot.value = at.snapshot;
    if (!same(moments.peek(), at.moments)) moments.value = at.moments;
    boot.value = at.boot;
    tracer.value = at.tracer;
    untold.value = at.untold;
    lost.value = at.lost;
    about.value = at.session.step;
    link.value = "live";
    terminals(r, ms);
  });
  if (shown?.session.step !== at.session.step) void lesson(r, at.session.step);
  shown = at;
  main.dataset["shown"] = String(Math.round(ms));
  tell(main.dataset["shown"]);
}

/** Gives the terminals at a time, at once or by and by. */
function terminals(r: Recording, ms: number): void {
  cancelAnimationFrame(behind);
  const all = r.screens(ms);
  behind = all ? 0 : requestAnimationFrame(() => terminals(r, ms));
  if (all) screens.value = all;
}

const same = <T>(a: T[], b: T[]): boolean => a.length === b.length && a.at(-1) === b.at(-1) && a[0] === b[0];

const texts = new Map<string, Promise<string>>(); // of lessons, by lab and step: going back and forth asks for none twice

/** The page that holds a step's lesson; "" when this Podlab does not have it. */
function textOf(path: string): Promise<string> {
  const text = texts.get(path) ?? fetch(`/${lang}/recording/lesson/${path}`).then((answer) => (answer.ok ? answer.text() : ""));
  texts.set(path, text);
  return text.catch(() => (texts.delete(path), "")); // another time, perhaps
}

/** Puts the step's lesson beside the views, and the lab's title above them. A lab that this Podlab does not have has its id and no lesson. */
async function lesson(r: Recording, id: string): Promise<void> {
  lessons++;
  const text = await textOf(`${r.header.lab}/${id}`);
  lessons--;
  if (reading !== r) return;
  const found = new DOMParser().parseFromString(text, "text/html").getElementById("lesson");
  const title = found?.querySelector<HTMLElement>("[data-recorded]")?.dataset["recorded"];
  document.querySelector("[data-replay-lab]")!.textContent = title || r.header.lab;
  if (!found || shown?.session.step !== id) return;
  document.getElementById("lesson")!.replaceWith(document.adoptNode(found));
  enter(false);
  session.value = session.peek() && { ...session.peek()! }; // tells the new lesson
}

/** Loads for all moments what a view loads for some; false where the server does not answer. */
const loaded = (): Promise<boolean> =>
  loadIpc().then(
    () => true,
    () => false,
  );

/** Says why a recording is not shown; when there is none, the page offers to open one. */
function refuse(code: string, params: Record<string, string> = {}): void {
  if (main.dataset["phase"] === "loading") delete main.dataset["phase"];
  failed(new Refused({ code, params }));
}

async function open(data: ArrayBuffer): Promise<void> {
  try {
    const r = new Recording(data);
    if (!(await loaded())) return refuse("unavailable");
    const player = new Player({ length: () => r.length, show: (ms, smooth) => show(r, ms, smooth), next: (ms) => r.next(ms), before: (ms) => r.before(ms) });
    unbind();
    shown = null;
    reading = r;
    unbind = bind(bar, player);
    readFrom((from, until) => r.snapshots(inFile(r, from), inFile(r, until)));
    player.seek(startsAt());
    main.dataset["phase"] = "ready";
    prepare(r);
    const when = document.querySelector<HTMLTimeElement>("[data-replay-when]")!;
    when.dateTime = new Date(r.header.started).toISOString();
    when.textContent = new Date(r.header.started).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
    saver.value = (s) => void saveCast(r, s).catch(failed);
    const again = document.querySelector<HTMLButtonElement>("[data-recheck]")!;
    again.disabled = false;
    again.onclick = () => {
      if (again.ariaBusy === "true") return;
      again.ariaBusy = "true";
      void recheck(r, player.at.peek())
        .catch(failed)
        .finally(() => (again.ariaBusy = "false"));
    };
    dismiss("error");
  } catch (e) {
    if (!(e instanceof BadRecording)) throw e;
    refuse("bad_request", { detail: "recording" });
  }
}

/** Unpacks what there is room for while the page has nothing else to do: going to a moment then only reads it. */
function prepare(r: Recording): void {
  const wait = window.requestIdleCallback ?? ((work: () => void) => setTimeout(work, 50)); // Safari has none
  wait(() => r.prepare() && reading === r && prepare(r));
}

/** A time in µs since boot, as ms from the beginning of the file. */
const inFile = (r: Recording, time: number): number => boot.peek() + time / 1000 - r.header.started;

/** A link may name a moment: #90 is 90 seconds from the beginning. */
const startsAt = (): number => 1000 * (Number(location.hash.slice(1)) || 0);

async function fetched(file: string): Promise<void> {
  const answer = await fetch(file).catch(() => null);
  if (!answer?.ok) return refuse(answer?.status === 404 ? "not_found" : "unavailable", { kind: "recording" });
  await open(await answer.arrayBuffer());
}

/** Starts the page. */
export function start(entering: (focus: boolean) => void): void {
  enter = entering;
  defineScreens();
  const file = document.getElementById("lab")!.dataset["file"];
  if (file) void fetched(file);

  for (const input of document.querySelectorAll<HTMLInputElement>("input[type=file]")) {
    const bring = () => void input.files?.[0]?.arrayBuffer().then(open);
    input.onchange = bring;
    bring(); // what was chosen before this code came
  }
  document.addEventListener("dragover", (e) => e.preventDefault());
  document.addEventListener("drop", (e) => {
    e.preventDefault();
    const dropped = e.dataTransfer?.files[0];
    if (dropped) void dropped.arrayBuffer().then(open);
  });

  // A file may hold what no view expects.
  window.addEventListener("error", () => failed(new Refused({ code: "bad_request", params: { detail: "recording" } })));

  effect(() => {
    step.value;
    document.body.toggleAttribute("data-blank", session.value !== null && snapshot.value === null);
  });
}
