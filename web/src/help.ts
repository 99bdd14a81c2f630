// The list of keys, as a dialog; loaded when it is first asked for.

import { load, t } from "./words.ts";

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

/** Shows it. */
export async function help(): Promise<void> {
  await load("key");
  let d = document.querySelector<HTMLDialogElement>("#keys");
  if (!d) {
    d = document.createElement("dialog");
    d.id = "keys";
    d.setAttribute("aria-labelledby", "keys-title");
    const h = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: t("key.title") });
    const dl = document.createElement("dl");
    for (const [key, what] of keys())
      dl.append(Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }));
    const form = document.createElement("form");
    form.method = "dialog";
    form.append(Object.assign(document.createElement("button"), { className: "btn pri", textContent: t("toast.close") }));
    d.append(h, dl, form);
    document.body.append(d);
  }
  if (!d.open) d.showModal();
}
