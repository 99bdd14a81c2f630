// What is asked before something is done that cannot be taken back: to paste lines that would run at once, to open a link whose words are
// not its address, to delete a recording. In a dialog, with what it is about in full.

import { load, t } from "./words.ts";

/** Shows a text and asks whether to go on (words ask.WHAT, ask.WHAT.yes). A popover that it is asked within stays open. */
export async function sure(what: "paste" | "link" | "delete", text: string, within: Element = document.body): Promise<boolean> {
  await load("ask");
  const d = document.createElement("dialog");
  d.className = "sure";
  d.setAttribute("aria-labelledby", "sure-title");
  const title = Object.assign(document.createElement("h2"), { id: "sure-title", textContent: t(`ask.${what}`) });
  const shown = Object.assign(document.createElement("pre"), { tabIndex: 0, textContent: text.length > MOST ? `${text.slice(0, MOST)}…` : text });
  const form = document.createElement("form");
  form.method = "dialog";
  form.append(
    Object.assign(document.createElement("button"), { className: "btn", value: "", textContent: t("ask.no"), autofocus: true }),
    Object.assign(document.createElement("button"), {
      className: `btn ${what === "delete" ? "stop" : "pri"}`,
      value: "yes",
      textContent: t(`ask.${what}.yes`),
    }),
  );
  d.append(title, shown, form);
  within.append(d);
  d.showModal();
  await new Promise((done) => d.addEventListener("close", done, { once: true }));
  d.remove();
  return d.returnValue === "yes";
}

const MOST = 2000; // letters that are shown

/** What of a pasted text is text: a control character would be a key that nobody pressed, an escape sequence the end of what a shell takes for pasted. */
export const plain = (text: string): string => text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "");
