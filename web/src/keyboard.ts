// Keys of the whole page: F6 goes from pane to pane, ? lists the keys. Everything else is where it belongs.

import { pause, paused, ready } from "./store.ts";
import { t } from "./words.ts";

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
    ...docks.flatMap((d) => first(d.querySelector(".xterm-helper-textarea") ?? d.querySelector(".cm-content") ?? d.querySelector('[role="tab"][aria-selected="true"]'))),
  ];
}

function cycle(back: boolean): void {
  const all = stops();
  if (!all.length) return;
  const at = all.findIndex((el) => el === document.activeElement || paneOf(el)?.contains(document.activeElement));
  all[(at + (back ? -1 : 1) + all.length) % all.length]!.focus();
}

const paneOf = (el: Element): Element | null => el.closest(".scr, .tabs, .view, .phase, .timebar, .dock > .term");

const keys = (): [string, string][] => [
  ["F6 / Shift+F6", t("key.f6")],
  ["?", t("key.help")],
  ["Shift+P", t("key.pause")],
  ["← → ↑ ↓", t("key.arrows")],
  ["Ctrl+C / Ctrl+V", t("key.copy")],
  ["Ctrl+Shift+F", t("key.find")],
  ["Ctrl+Enter", t("key.apply")],
  ["Esc", t("key.escape")],
  ["Shift+Esc", t("key.restore")],
];

/** The list of keys, as a dialog. */
export function help(): void {
  let d = document.querySelector<HTMLDialogElement>("#keys");
  if (!d) {
    d = document.createElement("dialog");
    d.id = "keys";
    d.setAttribute("aria-labelledby", "keys-title");
    const h = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: t("key.title") });
    const dl = document.createElement("dl");
    for (const [key, what] of keys()) dl.append(Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }));
    const form = document.createElement("form");
    form.method = "dialog";
    form.append(Object.assign(document.createElement("button"), { className: "btn pri", textContent: t("toast.close") }));
    d.append(h, dl, form);
    document.body.append(d);
  }
  if (!d.open) d.showModal();
}

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
