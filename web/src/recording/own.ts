// What the button in the lab page's head opens: begin and end a recording, and one's own recordings (recording.templ). Loaded when it is
// first opened.

import { effect } from "@preact/signals";
import { Refused, post } from "../api.ts";
import { sure } from "../ask.ts";
import { copy } from "../clipboard.ts";
import { phase, session } from "../store.ts";
import { failed, toast } from "../toasts.tsx";
import type { Info, Problem } from "../types.ts";
import { bytes, lang, t } from "../words.ts";
import { clock } from "./timebar.ts";

const url = (r: Info): string => `/${lang}/recording/${r.id}`;
const date = (ms: number): string => new Date(ms).toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });

async function ask(path: string, method = "GET"): Promise<Response> {
  const answer = await fetch(`/api/recordings/${path}`, { method }).catch(() => null);
  if (answer?.ok) return answer;
  throw new Refused(((await answer?.json().catch(() => null)) as { error?: Problem } | null)?.error ?? { code: "unavailable", params: { what: "server" } });
}

/** Makes the panel work; call once. */
export function start(panel: HTMLElement): void {
  const button = (name: string) => panel.querySelector<HTMLButtonElement>(`[data-record="${name}"]`)!;
  const press = (name: string, path: string) => {
    button(name).onclick = async () => {
      button(name).disabled = true;
      await post(path).catch(failed);
      button(name).disabled = false;
      await list(panel);
    };
  };
  press("start", "record");
  press("stop", "record/stop");
  effect(() => {
    const on = Boolean(session.value?.recording);
    button("start").hidden = on;
    button("stop").hidden = !on;
    button("start").disabled = phase.value !== "ready";
    void list(panel).catch(failed);
  });
}

async function list(panel: HTMLElement): Promise<void> {
  const { recordings } = (await (await ask(`?lang=${lang}`)).json()) as { recordings: Info[] };
  const template = panel.querySelector("template")!;
  panel.querySelector("ul")!.replaceChildren(...recordings.map((r) => item(panel, template, r)));
  panel.querySelector<HTMLElement>("[data-none]")!.hidden = recordings.length > 0;
}

function item(panel: HTMLElement, template: HTMLTemplateElement, r: Info): Node {
  const li = template.content.cloneNode(true) as DocumentFragment;
  const part = <T extends HTMLElement>(name: string) => li.querySelector<T>(`[data-part="${name}"]`)!;
  const what = `${r.title || r.lab} · ${clock(r.length)} · ${bytes(r.bytes)}`;
  part("what").textContent = what;
  part("when").textContent = date(r.started);
  part("until").textContent = date(r.expires);
  part<HTMLAnchorElement>("open").href = url(r);
  part<HTMLAnchorElement>("file").href = `/api/recordings/${r.id}/file`;
  part("link").onclick = () => void copy(location.origin + url(r));
  part("delete").onclick = () => void remove(panel, r.id, `${what}\n${date(r.started)}`).catch(failed);
  return li;
}

/** Deletes a recording when that is meant, says so, and leaves the keyboard where the list is. */
async function remove(panel: HTMLElement, id: string, what: string): Promise<void> {
  if (!(await sure("delete", what, panel))) return;
  await ask(`${id}/delete`, "POST");
  await list(panel);
  toast({ id: "recording", text: t("ask.delete.done"), tone: "info" });
  panel.querySelector<HTMLElement>("ul a, [data-record]:not([hidden])")!.focus();
}
