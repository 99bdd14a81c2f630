// The lesson column, live: run blocks, predictions, checks, and text that shows itself. The HTML comes from the server (lab.templ,
// content/README.md); here it gets its buttons and follows the session.

import { effect } from "@preact/signals";
import { post } from "./api.ts";
import { copy } from "./clipboard.ts";
import { markOf } from "./identity.tsx";
import { ask } from "./phase.tsx";
import { still } from "./still.ts";
import { type StepInfo, about, frozen, moment, pause, phase, ready, session, shownSession, step } from "./store.ts";
import { dismiss, failed, toast } from "./toasts.tsx";
import type { CheckState, PredictionState } from "./types.ts";
import { t } from "./words.ts";
import { runIn } from "./run.ts";

const root = (): HTMLElement => document.getElementById("lesson")!;
const words = (s: string | undefined): string[] => (s ?? "").split(" ").filter(Boolean);

/** What the lesson says of its step. */
function read(): StepInfo {
  const d = root().querySelector<HTMLElement>(".step")!.dataset;
  return {
    lab: d["lab"] ?? "",
    step: d["step"] ?? "",
    views: words(d["views"]),
    left: words(d["left"]),
    right: d["right"] ?? "",
    terminals: words(d["terminals"]),
    files: words(d["files"]),
  };
}

/** Takes up a lesson that was just put into the page. */
export function enter(focus: boolean): void {
  const before = session.peek()?.step;
  step.value = read();
  ["why", "run"].forEach(dismiss); // of the step before
  if (focus) goOn(before);
  for (const block of root().querySelectorAll<HTMLElement>(".run")) addRun(block);
  follow();
  if (focus) {
    root().querySelector<HTMLElement>(".scr")?.scrollTo(0, 0);
    root().querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    document.querySelector(".les")?.scrollIntoView({ block: "nearest" });
  }
}

/** Going on to the next step takes the node along: it keeps what the step continues, else it begins anew (the lab says which). */
function goOn(before: string | undefined): void {
  const dots = [...root().querySelectorAll<HTMLElement>("[data-dot]")].map((d) => d.dataset["dot"]);
  const live = phase.peek() === "ready" || phase.peek() === "starting";
  if (live && before && dots.indexOf(step.peek().step) === dots.indexOf(before) + 1) void ask("start");
}

/** Gives run blocks that came later (a hint, the solution) their buttons. */
export function addRuns(within: ParentNode): void {
  for (const block of within.querySelectorAll<HTMLElement>(".run")) addRun(block);
}

function button(cls: string, icon: string, label: string): HTMLButtonElement {
  const b = document.createElement("button");
  b.type = "button";
  b.className = `btn sm ${cls}`;
  b.insertAdjacentHTML(
    "afterbegin",
    `<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="${icon}"${icon === PLAY ? ' fill="currentColor"' : ""}/></svg>`,
  );
  b.append(label);
  return b;
}

const PLAY = "M5 3.2v9.6l7.5-4.8z";
const COPY =
  "M5.5 7a1.5 1.5 0 0 1 1.5-1.5h5A1.5 1.5 0 0 1 13.5 7v5a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 12zM10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2";

/** One line; its words are kept whole, so that no option is broken at its hyphens. */
function line(text: string): HTMLElement {
  const el = Object.assign(document.createElement("span"), { className: "ln" });
  for (const part of text.split(/(?<= )/)) el.append(Object.assign(document.createElement("span"), { textContent: part }));
  return el;
}

function addRun(block: HTMLElement): void {
  if (block.querySelector(".bar")) return;
  const target = block.dataset["run"] ?? "node";
  const code = (block.querySelector("code") ?? block).textContent!.replace(/\n+$/, "");
  // A long line is wrapped, not cut; a hanging indent tells it from the next.
  block.querySelector("code")?.replaceChildren(...code.split("\n").map(line));
  if (block.closest("[data-recorded]")) return;
  const bar = document.createElement("div");
  bar.className = "bar";
  const run = button("pri", PLAY, target === "node" ? t("run.in.node") : t("run.in", { name: target }));
  run.dataset["runbtn"] = "";
  const copyBtn = button("gh", COPY, t("run.copy"));
  run.onclick = () => void press(run, target, code);
  copyBtn.onclick = () => void copy(code);
  bar.append(run, copyBtn);
  block.append(bar);
}

/** Types a block into its terminal, once for each press: a second press while it is under way does nothing. */
async function press(b: HTMLButtonElement, target: string, code: string): Promise<void> {
  if (b.getAttribute("aria-disabled") === "true") return;
  if (moment.peek()) pause(false); // what is typed is typed now
  if (!ready.peek()) {
    toast({ id: "run", text: t("run.notready"), tone: "info", action: { label: t("phase.start"), run: () => void ask("start") } });
    document.getElementById("start")?.focus();
    return;
  }
  b.setAttribute("aria-disabled", "true");
  try {
    await runIn(target, code);
    toast({ id: "run", text: target === "node" ? t("run.done.node") : t("run.done", { name: target }), tone: "quiet" }, 2000);
  } catch (e) {
    failed(e, "run");
  } finally {
    setTimeout(() => b.removeAttribute("aria-disabled"), 700);
  }
}

/** Writes values into the <output data-param> of a text. */
function fill(within: ParentNode, values: Record<string, string> | undefined): void {
  for (const out of within.querySelectorAll<HTMLOutputElement>("output[data-param]")) {
    const value = values?.[out.dataset["param"]!] ?? "–";
    if (out.textContent !== value) out.textContent = value;
  }
}

function showCheck(c: CheckState): void {
  const li = root().querySelector<HTMLElement>(`[data-check="${CSS.escape(c.id)}"]`);
  if (!li) return;
  const before = li.dataset["state"];
  li.dataset["state"] = c.state;
  const wrong = c.state === "passed" ? null : c.wrong;
  for (const el of li.querySelectorAll<HTMLElement>("[data-wrong]")) {
    el.hidden = el.dataset["wrong"] !== wrong;
    fill(el, c.found);
  }
  const found = li.querySelector<HTMLElement>("[data-found]");
  if (found) {
    found.hidden = c.state === "passed" || !c.found || Boolean(wrong && li.querySelector(`[data-wrong="${CSS.escape(wrong)}"]`));
    fill(found, c.found);
  }
  const hint = li.querySelector<HTMLElement>(".hint-btn");
  if (hint) hint.hidden = c.state === "passed";
  const said = li.querySelector("[data-said]")!;
  if (before !== c.state) said.textContent = t(`check.${c.state}`);
}

function showPrediction(p: PredictionState): void {
  const form = root().querySelector<HTMLFormElement>(`[data-predict="${CSS.escape(p.id)}"]`);
  if (!form) return;
  const locked = Boolean(p.answer || p.missed || p.outcome);
  form.dataset["state"] = p.outcome ? (p.answer === p.outcome ? "right" : p.answer ? "other" : "missed") : locked ? "locked" : "open";
  for (const input of form.querySelectorAll<HTMLInputElement>("input")) {
    input.disabled = locked;
    if (p.answer) input.checked = input.value === p.answer;
    const row = input.closest<HTMLElement>(".opt")!;
    row.classList.toggle("mine", input.value === p.answer);
    row.classList.toggle("true", input.value === p.outcome);
    const said = [input.value === p.answer ? t("predict.mine") : "", input.value === p.outcome ? t("predict.kernel") : ""].filter(Boolean).join(" · ");
    const mark = row.querySelector("[data-mark]")!;
    if (mark.textContent !== said) mark.textContent = said;
  }
  form.querySelector(".act")?.toggleAttribute("hidden", locked);
  const verdict = form.querySelector<HTMLElement>("[data-verdict]")!;
  const text = p.outcome ? t(p.answer === p.outcome ? "predict.right" : p.answer ? "predict.wrong" : "predict.missed") : p.answer ? t("predict.locked") : "";
  if (verdict.textContent !== text) verdict.textContent = text;
  for (const el of form.querySelectorAll<HTMLElement>("[data-outcome]")) {
    el.hidden = !p.outcome || (el.dataset["outcome"] !== "" && el.dataset["outcome"] !== p.outcome);
    fill(el, p.seen);
  }
}

/** The explanations that are shown now. */
const whys = (): HTMLElement[] => [...root().querySelectorAll<HTMLElement>("[data-why]:not([hidden])")];
let told: HTMLElement[] = [];

/** Leads to an explanation that appeared above the screen. */
function tellOfWhy(): void {
  const fresh = whys().find((el) => !told.includes(el));
  told = whys();
  if (!fresh) return;
  toast({ id: "why", text: t("why.there"), tone: "info", action: { label: t("why.read"), run: () => fresh.scrollIntoView({ block: "start" }) } }, 8000);
  new IntersectionObserver(([at], watch) => at!.isIntersecting && (dismiss("why"), watch.disconnect())).observe(fresh); // found without it
}

/** Shows what the session says in the lesson. */
function follow(): void {
  const s = shownSession.peek();
  const here = step.peek();
  if (!s || (frozen.peek()?.about ?? about.peek()) !== here.step) return;
  s.checks.forEach(showCheck);
  s.predictions.forEach(showPrediction);
  for (const el of root().querySelectorAll<HTMLElement>("[data-reached]")) el.hidden = !s.reached.includes(el.dataset["reached"]!);
  const passed = (id: string) => s.checks.some((c) => c.id === id && c.state === "passed");
  const judged = (id: string) => s.predictions.some((p) => p.id === id && p.outcome);
  const all =
    s.checks.every((c) => c.state === "passed") &&
    (s.checks.length > 0 || s.stepsDone.includes(here.step) || s.predictions.length > 0) &&
    (s.checks.length > 0 || s.predictions.every((p) => p.outcome));
  for (const el of root().querySelectorAll<HTMLElement>("[data-why]")) {
    const id = el.dataset["why"]!;
    el.hidden = !(id ? passed(id) || judged(id) : all);
  }
  for (const dot of root().querySelectorAll<HTMLElement>("[data-dot]")) dot.classList.toggle("d", s.stepsDone.includes(dot.dataset["dot"]!));
  const end = root().querySelector<HTMLElement>("[data-end]");
  if (end) end.hidden = s.phase !== "ready";
  root().querySelector("[data-next]")?.classList.toggle("glow", all);
}

async function lock(form: HTMLFormElement): Promise<void> {
  const chosen = form.querySelector<HTMLInputElement>("input:checked");
  if (!chosen) return;
  try {
    await post("predict", { id: form.dataset["predict"], option: chosen.value });
  } catch (e) {
    failed(e);
  }
}

/** Names of targets change colour with what is on the node. */
function tintRuns(): void {
  for (const block of root().querySelectorAll<HTMLElement>(".run")) {
    const target = block.dataset["run"] ?? "node";
    block.dataset["tone"] = target === "node" ? "H" : markOf(target).tone;
  }
}

/** Starts listening; call once. */
export function startLesson(): void {
  document.addEventListener("submit", (e) => {
    const form = (e.target as Element).closest<HTMLFormElement>("[data-predict]");
    if (!form) return;
    e.preventDefault();
    void lock(form);
  });
  document.addEventListener("click", (e) => {
    if ((e.target as Element).closest("[data-reset]")) void ask("reset");
    if ((e.target as Element).closest("[data-end]")) void ask("end");
  });
  document.body.addEventListener("htmx:afterSwap", (e) => {
    const target = (e as CustomEvent<{ target?: Element }>).detail.target;
    if (!target) return; // going back: historyRestore follows
    if (target.id === "lesson" || !target.isConnected) enter(true);
    else addRuns(target);
  });
  document.body.addEventListener("htmx:historyRestore", () => enter(true));
  document.body.addEventListener("htmx:responseError", () => failed(null));
  document.body.addEventListener("htmx:sendError", () => toast({ id: "net", text: t("error.unavailable"), next: t("error.unavailable.do"), tone: "error" }));
  effect(() => {
    shownSession.value;
    if (still(follow)) tellOfWhy();
  });
  effect(() => {
    step.value;
    tintRuns();
  });
}
