// The bar below the terminals (recording.templ): where in time the page is, and how to get elsewhere.

import { effect } from "@preact/signals";
import { type Player, SPEEDS } from "./player.ts";

/** 1:02:03, or 2:03. */
export function clock(ms: number): string {
  const s = Math.floor(ms / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** Makes the bar move a player, and the player the bar. Returns what ends that. */
export function bind(bar: HTMLElement, player: Player): () => void {
  const range = bar.querySelector<HTMLInputElement>("input[type=range]")!;
  const part = (name: string) => bar.querySelector<HTMLElement>(`[data-time="${name}"]`)!;
  const click = (e: Event) => {
    const b = (e.target as Element).closest<HTMLElement>("[data-time]");
    switch (b?.dataset["time"]) {
      case "back":
        return player.step(-1);
      case "forward":
        return player.step(1);
      case "play":
        return player.toggle();
      case "speed":
        player.speed.value = SPEEDS[Number(b.dataset["n"])]!;
    }
  };
  const key = (e: KeyboardEvent) => {
    const act = {
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      PageDown: () => player.seek(player.at.peek() - 10_000),
      PageUp: () => player.seek(player.at.peek() + 10_000),
      " ": () => player.toggle(),
    }[e.key];
    if (!act || e.target !== range) return;
    e.preventDefault();
    act();
  };
  const input = () => player.seek(Number(range.value));
  bar.addEventListener("click", click);
  bar.addEventListener("keydown", key);
  range.addEventListener("input", input);
  const stop = effect(() => {
    const at = player.at.value;
    const length = player.source.length();
    range.max = String(length);
    range.value = String(at);
    range.style.setProperty("--at", `${(100 * at) / (length || 1)}%`);
    range.setAttribute("aria-valuetext", `${clock(at)} / ${clock(length)}`);
    part("at").textContent = clock(at);
    part("length").textContent = clock(length);
    part("play").setAttribute("aria-pressed", String(player.playing.value));
    for (const b of bar.querySelectorAll<HTMLElement>('[data-time="speed"]'))
      b.setAttribute("aria-pressed", String(SPEEDS[Number(b.dataset["n"])] === player.speed.value));
  });
  return () => {
    stop();
    bar.removeEventListener("click", click);
    bar.removeEventListener("keydown", key);
    range.removeEventListener("input", input);
  };
}
