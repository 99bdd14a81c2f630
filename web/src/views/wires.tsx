// Lines between things that are already laid out: each end is an element with data-end. Drawn over them, measured after each change.

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
    const ends = new Map<string, DOMRect>();
    for (const el of box.querySelectorAll<HTMLElement>("[data-end]")) ends.set(el.dataset["end"]!, el.getBoundingClientRect());
    // Rectangles are in the window's pixels, the drawing in the box's own: they differ where the page is zoomed (lab.css).
    const scale = base.width / box.offsetWidth || 1;
    const inside = (r: DOMRect): Box => ({ left: (r.left - base.left) / scale, right: (r.right - base.left) / scale, top: (r.top - base.top) / scale, bottom: (r.bottom - base.top) / scale });
    const next = wires.flatMap((w): Line[] => {
      const a = ends.get(w.from);
      const b = ends.get(w.to);
      return a && b ? [{ key: w.key, cls: w.cls ?? "", d: (vertical ? down : across)(inside(a), inside(b)) }] : [];
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
  const m = middle(l.right, r.left);
  return `M${l.right} ${y1}C${m} ${y1} ${m} ${y2} ${r.left} ${y2}`;
}

/** Ends above each other: a bow to the right of both. */
function bow(a: Box, b: Box): string {
  const x = Math.max(a.right, b.right) + 26;
  const y1 = middle(a.top, a.bottom);
  const y2 = middle(b.top, b.bottom);
  return `M${a.right} ${y1}C${x} ${y1} ${x} ${y2} ${b.right} ${y2}`;
}

function down(a: Box, b: Box): string {
  const [t, u] = a.top > b.top ? [b, a] : [a, b];
  const x1 = middle(t.left, t.right);
  const x2 = middle(u.left, u.right);
  const m = middle(t.bottom, u.top);
  return `M${x1} ${t.bottom}C${x1} ${m} ${x2} ${m} ${x2} ${u.top}`;
}
