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
import { SCROLLBACK } from "./tail.ts";

/** The terminals of the moment that is shown. */
export const screens = signal<Screen[]>([]);
/** Saves a terminal of the recording as an asciicast file; the page sets it. */
export const saver = signal<((screen: Screen) => void) | null>(null);

/** Who has not yet drawn what was asked for. */
export const drawing = new Set<object>();

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
              <button
                key={x.number}
                id={`screen-${x.number}`}
                type="button"
                role="tab"
                aria-selected={x === s}
                aria-controls="screen"
                tabIndex={x === s ? 0 : -1}
                class={`tag ${mark.tone}`}
                title={x.title}
                onClick={() => (front.value = x.number)}
              >
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
  const painter = useRef<Painter | null>(null);
  const now = useRef(s);
  now.current = s;
  const draw = () => painter.current?.show(now.current);
  useLayoutEffect(() => {
    const el = box.current!;
    drawing.add(el);
    return () => void drawing.delete(el);
  }, []);
  useEffect(() => {
    let gone = false;
    let term: XTerm | null = null;
    void import("../terminal.ts").then(async ({ newScreen }) => {
      await document.fonts.load('13.5px "JetBrains Mono Variable"').catch(() => undefined);
      if (gone) return;
      const x = newScreen({ disableStdin: true, scrollback: SCROLLBACK });
      x.open(box.current!);
      x.textarea?.setAttribute("aria-label", t("term.label", { name: label(s) }));
      x.textarea?.setAttribute("readonly", "");
      term = x;
      painter.current = new Painter(x, box.current!);
      draw();
    });
    return () => {
      gone = true;
      painter.current = null;
      term?.dispose();
    };
  }, []);
  useLayoutEffect(draw);
  return <div class="xscreen" ref={box} tabIndex={0} role="region" aria-label={t("term.label", { name: label(s) })} />;
}

const CURSOR = "\x1b[?1049h\x1b[?1049l"; // xterm draws none until somebody has the focus or a program asked for a screen of its own
const PIECE = 4 << 10; // letters that xterm draws without letting the page do anything else in between

/** Draws screens one after the other: of each what was printed since the one before, or all of it anew. A screen that is asked for while
 * another is being drawn comes when that is over; only the newest waits. */
class Painter {
  private drawn: Screen | null = null;
  private next: Screen | null = null;
  private busy = false;
  private moved = false; // to another moment, whose cursor is not yet in sight

  constructor(
    private readonly x: XTerm,
    private readonly box: HTMLElement, // may be smaller than the terminal was
  ) {
    x.onRender(() => this.moved && this.follow());
  }

  show(s: Screen): void {
    if (this.busy) this.next = s;
    else if (this.drawn !== s) this.paint(s);
  }

  private paint(s: Screen): void {
    const { x, drawn } = this;
    this.busy = true;
    drawing.add(this.box);
    this.drawn = s;
    if (x.cols !== s.cols || x.rows !== s.rows) x.resize(s.cols, s.rows);
    const more = drawn ? s.printed - drawn.printed : -1;
    const goesOn = drawn && more >= 0 && more <= s.output.length && s.output.slice(0, s.output.length - more).endsWith(drawn.output.slice(-256));
    if (!goesOn) x.reset();
    this.write(goesOn ? s.output.slice(s.output.length - more) : CURSOR + s.output, !goesOn);
  }

  /** Writes a piece, then the rest; a screen that is drawn anew is given up as soon as another is wanted. */
  private write(text: string, anew: boolean): void {
    this.x.write(text.slice(0, PIECE), () => {
      const rest = text.slice(PIECE);
      if (rest && !(anew && this.next)) {
        this.write(rest, anew);
        return;
      }
      if (rest) this.drawn = null; // only a part of it stands
      this.busy = false;
      drawing.delete(this.box);
      this.moved = true;
      const { next } = this;
      this.next = null;
      if (next) this.show(next);
    });
  }

  /** Brings the cursor's row into the box. */
  private follow(): void {
    const { x, box } = this;
    const row = box.scrollHeight / x.rows;
    this.moved = false;
    box.scrollTop = (x.buffer.active.cursorY + 2) * row - box.clientHeight;
  }
}

export const defineScreens = (): void => element("pod-screens", Screens);
