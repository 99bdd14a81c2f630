// The layers of containers' roots as blocks: what several stand on is one.

import type { Container, Layer } from "../types.ts";

interface LayerCell {
  layer: Layer;
  rows: number;
}

/** Layers by level: cell i of a container is its i-th layer; equal digests under each other are one block. */
export function levels(list: Container[]): (LayerCell | null | undefined)[][] {
  return list.map((c, row) =>
    c.layers.map((layer, level) => {
      const same = (other: Container | undefined) => !layer.writable && other?.layers[level]?.digest === layer.digest && layer.digest !== "";
      if (same(list[row - 1])) return null;
      let rows = 1;
      while (same(list[row + rows])) rows++;
      return { layer, rows };
    }),
  );
}

/** Containers on the same layers under each other, so that a layer is one block; otherwise in their order. */
export function together(list: Container[]): Container[] {
  const order = new Map<string, number>();
  for (const c of list) for (const l of c.layers) if (!order.has(l.digest)) order.set(l.digest, order.size);
  const path = (c: Container) => c.layers.filter((l) => !l.writable).map((l) => order.get(l.digest)!);
  return list
    .map((c) => ({ c, at: path(c) }))
    .sort((a, b) => {
      const i = a.at.findIndex((n, level) => n !== b.at[level]);
      return i < 0 ? a.at.length - b.at.length : a.at[i]! - (b.at[i] ?? -1);
    })
    .map(({ c }) => c);
}
