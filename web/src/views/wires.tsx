// Lines between things that are already laid out: each end is an element with data-end. Drawn over them, measured after each change.
// Ends in columns (data-column) are joined in the room beside these, so that no line passes over what is read.

import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Wire {
  key: string;
  from: string;
  to: string;
  cls?: string;
}

interface Line {
  key: string;
  d: string;
  cls: string;
}

/** Draws wires over the children of its parent, which must be positioned. */
export function Wires({ wires, vertical = false }: { wires: Wire[]; vertical?: boolean }) {
  const svg = useRef<SVGSVGElement>(null);
  const [lines, setLines] = useState<Line[]>([]);
  const drawn = useRef("");
  const draw = () => {
    const box = svg.current?.parentElement;
    if (!box) return;
    const base = box.getBoundingClientRect();
    const ends = new Map<string, HTMLElement>();
    for (const el of box.querySelectorAll<HTMLElement>("[data-end]")) ends.set(el.dataset["end"]!, el);
    // Rectangles are in the window's pixels, the drawing in the box's own: they differ where the page is zoomed (lab.css).
    const scale = base.width / box.offsetWidth || 1;
    const inside = (el: Element): Box => {
      const r = el.getBoundingClientRect();
      return {
        left: (r.left - base.left) / scale,
        right: (r.right - base.left) / scale,
        top: (r.top - base.top) / scale,
        bottom: (r.bottom - base.top) / scale,
      };
    };
    const way = (a: HTMLElement, b: HTMLElement): string => {
      const [from, to] = [a.closest("[data-column]"), b.closest("[data-column]")];
      if (from && to) return beside(inside(a), inside(from), inside(b), inside(to));
      return (vertical ? down : across)(inside(a), inside(b));
    };
    const next = wires.flatMap((w): Line[] => {
      const a = ends.get(w.from);
      const b = ends.get(w.to);
      return a && b ? [{ key: w.key, cls: w.cls ?? "", d: way(a, b) }] : [];
    });
    const now = JSON.stringify(next);
    if (now === drawn.current) return;
    drawn.current = now;
    setLines(next);
  };
  useLayoutEffect(draw);
  useLayoutEffect(() => {
    const box = svg.current?.parentElement;
    if (!box) return;
    const sizes = new ResizeObserver(draw);
    sizes.observe(box);
    return () => sizes.disconnect();
  }, []);
  return (
    <svg class="wires" aria-hidden="true" ref={svg}>
      {lines.map((l) => (
        <path key={l.key} d={l.d} class={l.cls} />
      ))}
    </svg>
  );
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const middle = (a: number, b: number): number => (a + b) / 2;

function across(a: Box, b: Box): string {
  const [l, r] = a.left > b.left ? [b, a] : [a, b];
  const y1 = middle(l.top, l.bottom);
  const y2 = middle(r.top, r.bottom);
  if (r.left < l.right + 8) return bow(a, b);
  return `M${l.right} ${y1}${bend(l.right, y1, r.left, y2)}`;
}

/** Ends above each other: a bow to the right of both. */
function bow(a: Box, b: Box): string {
  const x = Math.max(a.right, b.right) + 26;
  const y1 = middle(a.top, a.bottom);
  const y2 = middle(b.top, b.bottom);
  return `M${a.right} ${y1}C${x} ${y1} ${x} ${y2} ${b.right} ${y2}`;
}

/** From one end to the other: along its row to the side of its column, over to the other's column, along that row. In one column: a bow beside it. */
function beside(a: Box, from: Box, b: Box, to: Box): string {
  const y1 = middle(a.top, a.bottom);
  const y2 = middle(b.top, b.bottom);
  if (from.right <= to.left) return `M${a.right} ${y1}H${from.right}${bend(from.right, y1, to.left, y2)}H${b.left}`;
  if (to.right <= from.left) return `M${a.left} ${y1}H${from.left}${bend(from.left, y1, to.right, y2)}H${b.right}`;
  const x = Math.max(from.right, to.right);
  return `M${a.right} ${y1}H${x}C${x + 14} ${y1} ${x + 14} ${y2} ${x} ${y2}H${b.right}`;
}

function bend(x1: number, y1: number, x2: number, y2: number): string {
  const m = middle(x1, x2);
  return `C${m} ${y1} ${m} ${y2} ${x2} ${y2}`;
}

function down(a: Box, b: Box): string {
  const [t, u] = a.top > b.top ? [b, a] : [a, b];
  const x1 = middle(t.left, t.right);
  const x2 = middle(u.left, u.right);
  const m = middle(t.bottom, u.top);
  return `M${x1} ${t.bottom}C${x1} ${m} ${x2} ${m} ${x2} ${u.top}`;
}
