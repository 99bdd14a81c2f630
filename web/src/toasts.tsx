// Short messages at the edge, each with at most one action; said to screen readers.

import { signal } from "@preact/signals";
import { element } from "./element.ts";
import { Icon } from "./icons.tsx";
import { sayError, t } from "./words.ts";
import { Refused } from "./api.ts";

interface Toast {
  id: string;
  text: string;
  next?: string;
  tone: "quiet" | "info" | "warn" | "error"; // quiet: what the eye sees elsewhere is only spoken
  action?: { label: string; run: () => void };
}

const toasts = signal<Toast[]>([]);

/** Shows a message; one of the same id is replaced. Errors stay until closed. */
export function toast(m: Toast, ms = m.tone === "info" ? 5000 : 0): void {
  toasts.value = [...toasts.value.filter((x) => x.id !== m.id), m].slice(-4);
  if (ms) setTimeout(() => (toasts.value = toasts.value.filter((x) => x !== m)), ms);
}

export const dismiss = (id: string): void => {
  toasts.value = toasts.value.filter((x) => x.id !== id);
};

/** Shows what went wrong and what to do next. */
export function failed(error: unknown, id = "error"): void {
  const problem = error instanceof Refused ? error.problem : { code: "internal" };
  const { what, next } = sayError(problem);
  toast({ id, text: what, next, tone: "error" });
}

function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((m) =>
        m.tone === "quiet" ? (
          <p key={m.id} class="vh">
            {m.text}
          </p>
        ) : (
          <div key={m.id} class={`toast ${m.tone}`}>
            <div>
              <b>{m.text}</b>
              {m.next && <p>{m.next}</p>}
            </div>
            {m.action && (
              <button type="button" class="btn sm pri" onClick={() => (dismiss(m.id), m.action!.run())}>
                {m.action.label}
              </button>
            )}
            <button type="button" class="btn gh sm icon" aria-label={t("toast.close")} onClick={() => dismiss(m.id)}>
              <Icon name="cross" />
            </button>
          </div>
        ),
      )}
    </div>
  );
}

export const defineToasts = (): void => element("pod-toasts", Toasts);
