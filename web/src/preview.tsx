// The port preview: a pod's web page, from an origin that shares nothing with this one, in a sandboxed frame.

import { useEffect, useState } from "preact/hooks";
import { Refused, post } from "./api.ts";
import { Icon } from "./icons.tsx";
import { Tag, markOf } from "./identity.tsx";
import { ports } from "./panes.ts";
import type { Problem } from "./types.ts";
import { gap, sayError, t } from "./words.ts";

export function Preview() {
  const all = ports.value;
  const [chosen, choose] = useState("");
  const port = all.find((p) => `${p.pod}:${p.port}` === chosen) ?? all.find((p) => p.answers) ?? all[0];
  const key = port ? `${port.pod}:${port.port}` : "";
  const [url, setUrl] = useState("");
  const [turn, setTurn] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    if (!port) return;
    let live = true;
    setProblem(null);
    setUrl(""); // of another port
    post<{ url: string }>("preview", { pod: port.pod, port: port.port })
      .then((a) => live && setUrl(a.url))
      .catch((e) => live && setProblem(e instanceof Refused ? e.problem : { code: "internal" }));
    return () => {
      live = false;
    };
  }, [key]);
  // A page that could not be had is asked for again when somebody begins to listen.
  useEffect(() => setTurn((n) => n + 1), [port?.answers]);
  if (!port) return <p class="hint pad">{t("preview.none")}</p>;
  const said = problem && sayError(problem);
  return (
    <div class="prev">
      <div class="pbar">
        <label>
          <span class="vh">{t("preview.port")}</span>
          <select value={key} onChange={(e) => choose(e.currentTarget.value)}>
            {all.map((p) => (
              <option key={`${p.pod}:${p.port}`} value={`${p.pod}:${p.port}`}>
                {p.pod}:{p.port}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="ib" aria-label={t("preview.reload")} title={t("preview.reload")} onClick={() => setTurn(turn + 1)}>
          <Icon name="again" />
        </button>
        {port.answers && url && (
          <a class="ib" href={url} target="_blank" rel="noreferrer" aria-label={t("preview.tab")} title={t("preview.tab")}>
            <Icon name="open" />
          </a>
        )}
        <span class="hint" role="status">
          {port.answers ? (
            <>
              {t("preview.answers")} <Tag mark={markOf(port.answers)}>{port.answers.slice(port.answers.indexOf("/") + 1)}</Tag>
            </>
          ) : (
            t("preview.silent", { port: port.port })
          )}
        </span>
      </div>
      {said ? (
        <p class="hint pad">
          {said.what}
          {gap}
          {said.next}
        </p>
      ) : port.answers && url ? (
        <iframe
          key={`${key}${turn}`}
          src={url}
          title={t("preview.title", { pod: port.pod, port: port.port })}
          sandbox="allow-scripts allow-forms"
          referrerpolicy="no-referrer"
        />
      ) : (
        <p class="hint pad">{t("preview.wait", { pod: port.pod, port: port.port })}</p>
      )}
    </div>
  );
}
