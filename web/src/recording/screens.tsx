// <pod-screens>: the terminals of a recording as they were. Nothing can be typed, and what a recorded program asks of its terminal is
// not answered.

import { computed, signal } from "@preact/signals";
import type { Terminal as XTerm } from "@xterm/xterm";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { element } from "../element.ts";
import { Icon } from "../icons.tsx";
import { HOST, Shape, marks } from "../identity.tsx";
import { t } from "../words.ts";
import type { Screen } from "./file.ts";

/** The terminals of the moment that is shown. */
export const screens = signal<Screen[]>([]);
/** Saves a terminal of the recording as an asciicast file; the page sets it. */
export const saver = signal<((screen: Screen) => void) | null>(null);

const front = signal(0);
const shown = computed(() => screens.value.find((s) => s.number === front.value) ?? screens.value[0]);

const label = (s: Screen): string => (s.title === "node" ? t("who.node") : s.title.slice(s.title.indexOf("/") + 1));

function Screens({ host }: { host: HTMLElement }) {
  const all = screens.value;
  const s = shown.value;
  return (
    <section class="term" aria-label={t("dock.tabs")} data-f6>
      <header>
        <div class="ptabs" role="tablist" aria-label={t("dock.tabs")} onKeyDown={arrows}>
          {all.map((x) => {
            const mark = x.title === "node" ? HOST : (marks.value.of.get(x.title) ?? HOST);
            return (
              <button key={x.number} id={`screen-${x.number}`} type="button" role="tab" aria-selected={x === s} aria-controls="screen" tabIndex={x === s ? 0 : -1} class={`tag ${mark.tone}`} title={x.title} onClick={() => (front.value = x.number)}>
                <Shape mark={mark} />
                {label(x)}
              </button>
            );
          })}
        </div>
        <span class="cap">
          <span>{s ? `${s.cols} × ${s.rows}` : ""}</span>
        </span>
        {s && saver.value && (
          <button type="button" class="ib" aria-label={host.dataset["save"]} title={host.dataset["save"]} onClick={() => saver.value?.(s)}>
            <Icon name="save" />
          </button>
        )}
      </header>
      <div class="pbody" role="tabpanel" id="screen" aria-label={s ? t("term.label", { name: label(s) }) : host.dataset["none"]}>
        {s ? <Picture key={s.number} s={s} /> : <p class="hint pad">{host.dataset["none"]}</p>}
      </div>
    </section>
  );
}

function arrows(e: KeyboardEvent): void {
  const all = screens.peek();
  const i = all.indexOf(shown.peek()!);
  const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: all.length - 1 }[e.key];
  if (to === undefined || i < 0) return;
  e.preventDefault();
  const next = all[(to + all.length) % all.length]!;
  front.value = next.number;
  requestAnimationFrame(() => document.getElementById(`screen-${next.number}`)?.focus());
}

/** A terminal as it was. */
export function Picture({ s }: { s: Screen }) {
  const box = useRef<HTMLDivElement>(null);
  const term = useRef<XTerm | null>(null);
  const drawn = useRef<Screen | null>(null);
  const now = useRef(s);
  now.current = s;
  const draw = () => {
    const to = now.current;
    if (!term.current || drawn.current === to) return;
    paint(term.current, drawn.current, to);
    drawn.current = to;
  };
  useEffect(() => {
    let gone = false;
    void import("../terminal.ts").then(async ({ newScreen }) => {
      await document.fonts.load('13.5px "JetBrains Mono Variable"').catch(() => undefined);
      if (gone) return;
      const x = newScreen({ disableStdin: true });
      x.open(box.current!);
      x.textarea?.setAttribute("aria-label", t("term.label", { name: label(s) }));
      x.textarea?.setAttribute("readonly", "");
      term.current = x;
      draw();
    });
    return () => {
      gone = true;
      term.current?.dispose();
      term.current = null;
    };
  }, []);
  useLayoutEffect(draw);
  return <div class="xscreen" ref={box} tabIndex={0} role="region" aria-label={t("term.label", { name: label(s) })} />;
}

/** Draws a screen: what was printed since the one that is drawn, or all of it anew. */
function paint(x: XTerm, before: Screen | null, s: Screen): void {
  const more = before ? s.printed - before.printed : -1;
  if (x.cols !== s.cols || x.rows !== s.rows) x.resize(s.cols, s.rows);
  if (before && more >= 0 && more <= s.output.length && s.output.slice(0, s.output.length - more).endsWith(before.output.slice(-256))) {
    x.write(s.output.slice(s.output.length - more));
    return;
  }
  x.reset();
  x.write(s.output);
}

export const defineScreens = (): void => element("pod-screens", Screens);
