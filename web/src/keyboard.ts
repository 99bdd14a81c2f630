// Keys of the whole page: F6 goes from pane to pane, ? lists the keys. Everything else is where it belongs.

import { pause, paused, ready } from "./store.ts";

/** The panes in their order, each with what takes the focus in it. */
function stops(): HTMLElement[] {
  const first = (el: Element | null | undefined): HTMLElement[] => (el instanceof HTMLElement && el.offsetParent !== null ? [el] : []);
  const docks = [...document.querySelectorAll<HTMLElement>(".dock > .term")];
  return [
    ...first(document.querySelector(".les .scr")),
    ...first(document.querySelector("#start")),
    ...first(document.querySelector('.tabs [aria-selected="true"]')),
    ...first(document.querySelector('.view:not([hidden]) [tabindex="0"]')),
    ...first(document.querySelector(".timebar input")),
    ...docks.flatMap((d) =>
      first(d.querySelector(".xterm-helper-textarea") ?? d.querySelector(".cm-content") ?? d.querySelector('[role="tab"][aria-selected="true"]')),
    ),
  ];
}

function cycle(back: boolean): void {
  const all = stops();
  if (!all.length) return;
  const at = all.findIndex((el) => el === document.activeElement || paneOf(el)?.contains(document.activeElement));
  all[(at + (back ? -1 : 1) + all.length) % all.length]!.focus();
}

const paneOf = (el: Element): Element | null => el.closest(".scr, .tabs, .view, .phase, .timebar, .dock > .term");

const help = (): void => void import("./help.ts").then((m) => m.help());

const typing = (el: EventTarget | null): boolean => el instanceof HTMLElement && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName));

export function startKeyboard(): void {
  document.addEventListener(
    "keydown",
    (e) => {
      if (e.key === "F6") {
        e.preventDefault();
        cycle(e.shiftKey);
        return;
      }
      if (typing(e.target) || e.ctrlKey || e.altKey || e.metaKey) return;
      if (e.key === "?") help();
      else if (e.key === "P" && e.shiftKey && (ready.peek() || paused.peek())) pause(!paused.peek());
      else return;
      e.preventDefault();
    },
    true,
  );
  document.querySelector("[data-keys]")?.addEventListener("click", help);
}
