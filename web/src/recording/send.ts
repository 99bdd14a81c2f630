// What the server does with a recording: it judges its checks again, and writes a terminal as an asciicast file. The file is sent each
// time and not kept.

import { Refused } from "../api.ts";
import type { Problem, Verdict } from "../types.ts";
import { t } from "../words.ts";
import type { Recording, Screen } from "./file.ts";

async function send(r: Recording, path: string): Promise<Response> {
  const answer = await fetch(`/api/recordings/${path}`, { method: "POST", body: r.data, headers: { "Content-Type": "application/octet-stream" } }).catch(() => {
    throw new Refused({ code: "unavailable", params: { what: "server" } });
  });
  if (answer.ok) return answer;
  throw new Refused(((await answer.json().catch(() => null)) as { error?: Problem } | null)?.error ?? { code: "internal" });
}

/** Downloads a terminal as an asciicast v2 file. */
export async function saveCast(r: Recording, s: Screen): Promise<void> {
  const blob = await (await send(r, `cast?terminal=${s.number}`)).blob();
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = `${s.title.replaceAll("/", "-")}.cast`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}

/** Has the checks judged anew, as they stood at a time, and shows both verdicts (recording.templ). */
export async function recheck(r: Recording, at: number): Promise<void> {
  const { checks } = (await (await send(r, `check?at=${Math.round(at)}`)).json()) as { checks: Verdict[] };
  const dialog = document.querySelector<HTMLDialogElement>("#verdicts")!;
  const words = dialog.dataset;
  const heads = [...dialog.querySelectorAll("th")].map((th) => th.textContent!); // on a phone each cell has its own
  const rows = checks.map((c) => {
    const row = document.createElement("tr");
    const what = document.querySelector(`[data-check="${CSS.escape(c.id)}"] .what`)?.textContent?.trim() ?? c.id;
    const verdict = c.state === c.was ? (c.given ? words["given"] : words["same"]) : words["differs"];
    row.className = c.state === c.was ? "" : "wa";
    for (const [i, text] of [what, t(`check.${c.was || "pending"}`), t(`check.${c.state}`), verdict!].entries()) {
      const cell = Object.assign(document.createElement("td"), { textContent: text });
      cell.dataset["head"] = heads[i];
      row.append(cell);
    }
    return row;
  });
  dialog.querySelector("tbody")!.replaceChildren(...rows);
  dialog.querySelector<HTMLElement>("[data-nothing]")!.hidden = rows.length > 0;
  dialog.querySelector<HTMLElement>("table")!.hidden = rows.length === 0;
  dialog.showModal();
}
