// Where in time a page is, and how it goes on from there.

import { effect, signal } from "@preact/signals";

/** What has moments to show: a recording, or the last minutes of a live page. */
export interface Source {
  /** ms from 0 to here */
  length(): number;
  /** Shows a time; smooth: it follows the one before, so that what is different has just changed. */
  show(ms: number, smooth: boolean): void;
  /** The next moment at which something changed, or the one before. */
  next(ms: number): number;
  before(ms: number): number;
}

export const SPEEDS = [0.5, 1, 4];

export class Player {
  readonly at = signal(0); // ms
  readonly playing = signal(false);
  readonly speed = signal(1);
  private last = 0;

  constructor(readonly source: Source) {
    effect(() => {
      if (!this.playing.value) return;
      this.last = performance.now();
      let request = requestAnimationFrame(() => tick());
      const tick = () => {
        this.advance();
        request = requestAnimationFrame(tick);
      };
      return () => cancelAnimationFrame(request);
    });
  }

  private advance(): void {
    const now = performance.now();
    const to = this.at.peek() + (now - this.last) * this.speed.peek();
    this.last = now;
    this.go(to, true);
    if (to >= this.source.length()) this.playing.value = false;
  }

  private go(ms: number, smooth: boolean): void {
    const to = Math.max(0, Math.min(ms, this.source.length()));
    this.source.show(to, smooth);
    this.at.value = to;
  }

  /** Goes to a time and stays there. */
  seek(ms: number, smooth = false): void {
    this.playing.value = false;
    this.go(ms, smooth);
  }

  step(by: 1 | -1): void {
    const at = this.at.peek();
    this.seek(by > 0 ? this.source.next(at) : this.source.before(at), by > 0);
  }

  toggle(): void {
    if (!this.playing.peek() && this.at.peek() >= this.source.length()) this.go(0, false);
    this.playing.value = !this.playing.peek();
  }
}
