// A small chart of the last minute: what was used as a line on its ground, the limit as a line, and marks where something happened.

import { t } from "../words.ts";
import { SPAN, type Step, ground, highest, line } from "./usage.ts";

export interface ChartProps {
  label: string;
  /** What is used now, in words. */
  text: string;
  /** What the chart shows, for those who do not see it. */
  more: string;
  steps: Step[];
  /** 0: none. */
  limit: number;
  /** µs since boot at the right edge. */
  until: number;
  /** Times that are marked: memory ran out. */
  marks?: number[];
  /** Times that are shaded: processes had to wait. */
  bands?: Step[];
}

const LEAST = 1e-9; // a chart of nothing but zeros has a height, too
const ROOM = 1.12; // above the highest line

/** How near the limit a use is. */
const level = (part: number): string => (part > 0.9 ? "er" : part > 0.7 ? "wa" : "");

export function Chart({ label, text, more, steps, limit, until, marks = [], bands = [] }: ChartProps) {
  const used = steps.at(-1)?.value ?? 0;
  const top = Math.max(limit, highest(steps), LEAST) * ROOM;
  const x = (time: number) => 100 * Math.max(0, 1 - (until - time) / SPAN);
  return (
    <div class={`meter chart ${limit > 0 ? level(used / limit) : ""}`}>
      <span class="cap">
        {label} <b>{text}</b>
      </span>
      <svg class="plot" role="img" aria-label={`${label}: ${text}${more}`}>
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">
          {bands.map((b) => (
            <rect key={b.from} class="band" x={x(b.from)} width={Math.max(0.8, x(b.until) - x(b.from))} height="100" />
          ))}
          <path class="gr" d={ground(steps, until, top)} />
          <path class="ln" d={line(steps, until, top)} />
          {limit > 0 && <path class="lim" d={`M0 ${100 - (100 * limit) / top}H100`} />}
        </svg>
        {marks.map((time) => (
          <svg key={time} class="mark" x={`${x(time)}%`} overflow="visible">
            <title>{t("res.marked")}</title>
            <path d="M0 0V38" />
            <path class="tip" d="M0 1L5 9.5H-5z" />
          </svg>
        ))}
      </svg>
    </div>
  );
}
