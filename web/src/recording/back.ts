// Looking back on the lab page: while the views are paused, the bar below them leads through the last minutes. What happens meanwhile is
// there as soon as they are resumed.

import { batch, effect } from "@preact/signals";
import { boot, frozen, jumps, moment, moments, past, pause, paused } from "../store.ts";
import { Player } from "./player.ts";
import { bind } from "./timebar.ts";

let started = false;

/** Makes the bar work; the first call counts. */
export function back(): void {
  if (started) return;
  started = true;
  const bar = document.querySelector<HTMLElement>(".timebar")!;
  bar.querySelector<HTMLElement>('[data-time="live"]')!.onclick = () => pause(false);
  effect(() => {
    bar.hidden = !paused.value;
    if (!paused.value) return;
    const player = lastMinutes();
    const unbind = bind(bar, player);
    return () => {
      player.playing.value = false;
      unbind();
    };
  });
}

/** A player of what the page knows until now, at its end. */
function lastMinutes(): Player {
  const from = past.findIndex((x) => x.frame.snapshot);
  const frames = from < 0 ? [] : past.slice(from);
  const start = frames[0]?.frame.now ?? 0;
  const times = frames.map((x) => x.frame.now - start);
  const length = times.at(-1) ?? 0;
  const all = moments.peek();
  const show = (ms: number, smooth: boolean) => {
    const i = times.findLastIndex((t) => t <= ms);
    const at = frames[i];
    if (!at) return;
    const until = (start + ms - boot.peek()) * 1000;
    const snapshot = frames.findLast((x, n) => n <= i && x.frame.snapshot)!.frame.snapshot!;
    batch(() => {
      if (!smooth) jumps.value++;
      moment.value = start + ms;
      frozen.value = { snapshot, past: frames, moments: all.filter((m) => m.time <= until), session: at.frame.session, about: at.step };
    });
  };
  const player = new Player({
    length: () => length,
    show,
    next: (ms) => times.find((t) => t > ms) ?? length,
    before: (ms) => times.findLast((t) => t < ms) ?? 0,
  });
  player.at.value = length;
  return player;
}
