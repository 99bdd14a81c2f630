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
    const next = wires.flatMap((w): Line[] => {
      const a = ends.get(w.from);
      const b = ends.get(w.to);
      return a && b ? [{ key: w.key, cls: w.cls ?? "", d: vertical ? down(a, b, base) : across(a, b, base) }] : [];
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

function across(a: DOMRect, b: DOMRect, base: DOMRect): string {
  const right = a.left > b.left;
  const [l, r] = right ? [b, a] : [a, b];
  const x1 = l.right - base.left;
  const x2 = r.left - base.left;
  const y1 = l.top + l.height / 2 - base.top;
  const y2 = r.top + r.height / 2 - base.top;
  if (x2 < x1 + 8) return bow(a, b, base);
  const m = (x1 + x2) / 2;
  return `M${x1} ${y1}C${m} ${y1} ${m} ${y2} ${x2} ${y2}`;
}

/** Ends above each other: a bow to the right of both. */
function bow(a: DOMRect, b: DOMRect, base: DOMRect): string {
  const x1 = a.right - base.left;
  const x2 = b.right - base.left;
  const x = Math.max(x1, x2) + 26;
  const y1 = a.top + a.height / 2 - base.top;
  const y2 = b.top + b.height / 2 - base.top;
  return `M${x1} ${y1}C${x} ${y1} ${x} ${y2} ${x2} ${y2}`;
}

function down(a: DOMRect, b: DOMRect, base: DOMRect): string {
  const [t, u] = a.top > b.top ? [b, a] : [a, b];
  const x1 = t.left + t.width / 2 - base.left;
  const x2 = u.left + u.width / 2 - base.left;
  const y1 = t.bottom - base.top;
  const y2 = u.top - base.top;
  const m = (y1 + y2) / 2;
  return `M${x1} ${y1}C${x1} ${m} ${x2} ${m} ${x2} ${y2}`;
}
