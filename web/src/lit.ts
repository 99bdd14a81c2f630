// Text and views are one thing: what the pointer or the focus is on is lit wherever else it is shown. A thing is named by tokens in
// data-o ("container:demo/web process:12"); a term of the lesson names it by data-obj (content/README.md).

import { effect, signal } from "@preact/signals";
import { shown } from "./store.ts";
import type { Namespaces, Snapshot } from "./types.ts";

export const lit = signal<ReadonlySet<string>>(new Set());

/** Asked to bring something to front: "view:processes", "terminal:node", "manifest:demo.yaml". */
export const wanted = signal<{ what: string; n: number }>({ what: "", n: 0 });

/** Tokens of a term of the lesson, as it stands now. */
export function tokensOf(obj: string, s: Snapshot | null): string[] {
  const [kind = "", ...rest] = obj.split(":");
  const name = rest.join(":");
  const container = (id: string) => s?.containers.find((c) => c.id === id);
  switch (kind) {
    case "node":
      return ["node"];
    case "process": {
      const pid = container(name)?.pid;
      return pid ? [`process:${pid}`] : [];
    }
    case "ns": {
      const [nsKind = "", id = ""] = [rest[0], rest.slice(1).join(":")];
      const ns = id === "node" || id === "" ? s?.node.ns : container(id)?.ns;
      const inode = ns?.[nsKind as keyof Namespaces];
      return inode ? [`ns:${inode}`] : [];
    }
    default:
      return name ? [`${kind}:${name}`] : [];
  }
}

const on = (el: Element): string[] => (el.getAttribute("data-o") ?? "").split(" ").filter(Boolean);

function tokensAt(target: EventTarget | null): string[] | null {
  if (!(target instanceof Element)) return null;
  const term = target.closest<HTMLElement>("[data-obj]");
  if (term) return tokensOf(term.dataset["obj"] ?? "", shown.peek());
  const thing = target.closest("[data-o]");
  return thing ? on(thing) : null;
}

function same(a: ReadonlySet<string>, b: string[]): boolean {
  return a.size === b.length && b.every((x) => a.has(x));
}

function light(tokens: string[] | null): void {
  const next = tokens ?? [];
  if (!same(lit.peek(), next)) lit.value = new Set(next);
}

function paint(): void {
  const set = lit.peek();
  for (const el of document.querySelectorAll("[data-lit]")) el.removeAttribute("data-lit");
  if (!set.size) return;
  for (const el of document.querySelectorAll("[data-o]")) if (on(el).some((x) => set.has(x))) el.setAttribute("data-lit", "");
  for (const el of document.querySelectorAll<HTMLElement>("[data-obj]")) {
    if (tokensOf(el.dataset["obj"] ?? "", shown.peek()).some((x) => set.has(x))) el.setAttribute("data-lit", "");
  }
}

/** Starts listening; call once. */
export function watchLit(): void {
  document.addEventListener("pointerover", (e) => light(tokensAt(e.target)));
  document.addEventListener("focusin", (e) => light(tokensAt(e.target)));
  document.addEventListener("focusout", () => light(null));
  document.addEventListener("click", (e) => bring(e.target));
  document.addEventListener("keydown", (e) => {
    if ((e.key === "Enter" || e.key === " ") && e.target instanceof HTMLElement && e.target.matches("[data-obj]")) {
      e.preventDefault();
      bring(e.target);
    }
  });
  effect(() => {
    lit.value;
    shown.value;
    requestAnimationFrame(paint);
  });
}

/** A term that was chosen brings its view to front. */
function bring(target: EventTarget | null): void {
  const obj = target instanceof Element ? target.closest<HTMLElement>("[data-obj]")?.dataset["obj"] : undefined;
  if (!obj) return;
  const kind = obj.split(":")[0]!;
  const view: Record<string, string> = { process: "processes", ns: "namespaces", net: "network", volume: "volumes" };
  const what = kind === "view" || kind === "terminal" || kind === "manifest" ? obj : view[kind] ? `view:${view[kind]}` : "";
  if (what) wanted.value = { what, n: wanted.peek().n + 1 };
}
