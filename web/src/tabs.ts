// The tabs of the views (role=tablist, automatic activation): which view is in front, remembered for each step.

import { effect, signal } from "@preact/signals";
import { recall, remember } from "./memory.ts";
import { wanted } from "./lit.ts";
import { step } from "./store.ts";

export const current = signal("namespaces");

const tabs = (): HTMLButtonElement[] => [...document.querySelectorAll<HTMLButtonElement>('.tabs [role="tab"]')];

export function show(name: string): void {
  if (!tabs().some((t) => t.dataset["view"] === name)) return;
  current.value = name;
  remember(`view.${step.peek().step}`, name);
}

export function startTabs(): void {
  const list = document.querySelector<HTMLElement>(".tabs");
  /** Where not all tabs have room, the one in front is in the middle. */
  const bring = () => {
    const tab = list?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (list && tab) list.scrollLeft = tab.offsetLeft - list.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
  };
  if (list) new ResizeObserver(bring).observe(list);
  list?.addEventListener("click", (e) => {
    const tab = (e.target as Element).closest<HTMLElement>("[data-view]");
    if (tab) show(tab.dataset["view"]!);
  });
  list?.addEventListener("keydown", (e) => {
    const all = tabs();
    const i = all.findIndex((t) => t === document.activeElement);
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined || i < 0) return;
    e.preventDefault();
    const next = all[(to + all.length) % all.length]!;
    next.focus();
    show(next.dataset["view"]!);
  });
  let at = "";
  effect(() => {
    const s = step.value;
    const here = `${s.lab}/${s.step}`;
    if (here === at) return;
    at = here;
    const before = recall(`view.${s.step}`);
    if (before) show(before);
    else if (s.views[0]) show(s.views[0]);
  });
  effect(() => {
    const [kind, name] = wanted.value.what.split(":");
    if (kind === "view" && name) show(name);
  });
  effect(() => {
    for (const tab of tabs()) {
      const on = tab.dataset["view"] === current.value;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(`view-${tab.dataset["view"]}`)!.hidden = !on;
      tab.classList.toggle("hot", step.value.views.includes(tab.dataset["view"]!));
    }
    bring();
  });
}
