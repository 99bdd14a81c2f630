// Before the node is there, and after it is gone: what will be here and the way to start, progress, the place in the queue, what
// happened. While it is ready this shows nothing.

import { useState } from "preact/hooks";
import { post } from "./api.ts";
import { element } from "./element.ts";
import { Icon } from "./icons.tsx";
import { elsewhere, now, phase, session, step } from "./store.ts";
import { failed } from "./toasts.tsx";
import { lang, sayError, t } from "./words.ts";

/** Asks for a node; reset throws away the one there is. One at a time. */
let asking = false;
export async function ask(verb: "start" | "reset" | "end"): Promise<void> {
  if (asking) return;
  asking = true;
  try {
    await post(verb);
  } catch (e) {
    failed(e);
  } finally {
    asking = false;
  }
}

function Start({ label, verb = "start" }: { label: string; verb?: "start" | "reset" }) {
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    await ask(verb);
    setBusy(false);
  };
  return (
    <button type="button" class="btn pri big" id="start" disabled={busy} onClick={() => void go()}>
      <Icon name="play" />
      {label}
    </button>
  );
}

const stages = ["node", "setup"] as const;

function Starting({ stage }: { stage: string }) {
  const at = stages.indexOf(stage as (typeof stages)[number]);
  return (
    <>
      <div role="status">
        <h2>{t("phase.starting")}</h2>
      </div>
      <ol class="stages">
        {stages.map((name, i) => (
          <li key={name} class={i < at ? "done" : i === at ? "now" : ""} aria-current={i === at ? "step" : undefined}>
            <span class="ck">{i < at && <Icon name="check" />}</span>
            {t(`stage.${name}`)}
          </li>
        ))}
      </ol>
    </>
  );
}

/** The reader looks at another step than the one the node is at: said, and mended with one press. */
function Elsewhere({ at }: { at: string }) {
  const title = document.querySelector(`[data-dot="${CSS.escape(at)}"]`)?.getAttribute("title") ?? at;
  return (
    <div class="elsewhere" role="status">
      <span>{t("phase.elsewhere", { title })}</span>
      <button type="button" class="btn sm" onClick={() => void ask("start")}>
        {t("phase.bring")}
      </button>
    </div>
  );
}

function Phase() {
  const s = session.value;
  const p = phase.value;
  document.getElementById("main")?.setAttribute("data-phase", p || "unknown");
  if (elsewhere.value) return <Elsewhere at={elsewhere.value} />;
  if (!s || p === "ready") return null;
  return (
    <div class="phase" data-phase={p}>
      <Sketch />
      <div class="card">{content(p)}</div>
    </div>
  );
}

function content(p: string) {
  const s = session.value!;
  if (s.otherLab && (p === "none" || p === "ended")) {
    return (
      <>
        <h2>{t("phase.other")}</h2>
        <p>{t("phase.other.do")}</p>
        <p class="act">
          <Start label={t("phase.switch")} />
          <a class="btn" href={`/${lang}/l/${encodeURIComponent(s.otherLab)}`}>
            {t("phase.back")}
          </a>
        </p>
      </>
    );
  }
  switch (p) {
    case "starting":
      return <Starting stage={s.stage ?? "node"} />;
    case "queued":
      return (
        <>
          <div role="status">
            <h2>{t("phase.queued", { n: s.place ?? 1 })}</h2>
          </div>
          <p>{t("phase.queued.do")}</p>
        </>
      );
    case "gone": {
      const said = sayError(s.error ?? { code: "node_gone" });
      return (
        <>
          <div role="status">
            <h2>{said.what}</h2>
          </div>
          <p>{said.next}</p>
          <p class="act">
            <Start label={t("phase.anew")} />
          </p>
        </>
      );
    }
    case "ended":
      return (
        <>
          <div role="status">
            <h2>{t(s.deadline && s.deadline <= now() ? "phase.timeup" : "phase.ended")}</h2>
          </div>
          <p>{t("phase.ended.do")}</p>
          <p class="act">
            <Start label={t("phase.anew")} />
          </p>
        </>
      );
    default:
      return (
        <>
          <h2>{t("phase.none")}</h2>
          <p>{t("phase.none.do")}</p>
          <p class="act">
            <Start label={t("phase.start")} />
            <span class="hint">{t("phase.none.note")}</span>
          </p>
        </>
      );
  }
}

/** A quiet drawing of what will be here: containers side by side, a pod with its joined blocks. */
function Sketch() {
  const right = step.value.right;
  return (
    <svg class="sketch" viewBox="0 0 640 170" aria-hidden="true" preserveAspectRatio="xMidYMid meet">
      <g class="a">
        {[0, 1, 2].map((row) =>
          [0, 1, 2, 3, 4].map((c) => <rect key={`${row}${c}`} x={20 + c * 56} y={10 + row * 52} width="46" height="42" rx="8" class={["h", "a", "b"][row]} />),
        )}
      </g>
      <g>
        {[0, 1, 2].map((c) => (
          <rect key={c} x={350 + c * 56} y="10" width="46" height="146" rx="8" class="p sh" />
        ))}
        {[0, 1, 2].map((row) =>
          [3, 4].map((c) => <rect key={`${row}${c}`} x={350 + c * 56} y={10 + row * 52} width="46" height="42" rx="8" class={["p", "a", "b"][row]} />),
        )}
      </g>
      {right && <title>{right}</title>}
    </svg>
  );
}

export const definePhase = (): void => element("pod-phase", Phase);
