import assert from "node:assert/strict";
import { test } from "node:test";
import { SCROLLBACK, Tail } from "./tail.ts";

const line = (n: number): string => `line ${n} of what a program says\r\n`;
const LETTERS = 256 << 10;

/** The tail of pieces, and what they are together. */
function printed(pieces: string[]): { tail: Tail; all: string } {
  const tail = new Tail();
  pieces.forEach((p) => tail.add(p));
  return { tail, all: pieces.join("") };
}

test("a little is kept whole", () => {
  const { tail } = printed([line(1), "\x1b[31mred"]);
  assert.equal(tail.screen(24), `${line(1)}\x1b[31mred`);
  assert.equal(tail.printed, line(1).length + 8);
});

test("of much there are the lines that the screen and what is above it hold", () => {
  const { tail, all } = printed(Array.from({ length: 20_000 }, (_, i) => line(i)));
  const screen = tail.screen(24);
  assert.ok(all.endsWith(screen));
  assert.ok(screen.startsWith("line "), "no line is cut");
  const lines = screen.split("\n").length;
  assert.ok(lines >= SCROLLBACK + 24 && lines < SCROLLBACK + 100, `${lines} lines`);
});

test("the screen does not depend on how the output came", () => {
  const all = Array.from(
    { length: 30_000 },
    (_, i) => (i % 5000 === 4000 ? "\x1b[?1049h\x1b[2;5r" : i % 5000 === 4200 ? "\x1b[r\x1b[?1049l" : "") + line(i),
  ).join("");
  for (const size of [100, 7777, 100_000]) {
    for (const end of [700_000, 740_000, all.length]) {
      const cut = (step: number) => Array.from({ length: Math.ceil(end / step) }, (_, i) => all.slice(i * step, Math.min(end, (i + 1) * step)));
      assert.equal(printed(cut(size)).tail.screen(24), printed(cut(1000)).tail.screen(24), `${end} letters in pieces of ${size}`);
    }
  }
});

test("a program with the screen to itself is drawn from its beginning on", () => {
  const { tail } = printed([
    ...Array.from({ length: 3000 }, (_, i) => line(i)),
    "\x1b[?1h\x1b[?1049h\x1b[3;9r",
    ...Array.from({ length: 3000 }, (_, i) => line(i)),
  ]);
  assert.ok(tail.screen(24).startsWith("\x1b[?1h\x1b[?1049h\x1b[3;9rline 0 "), "with what was set before");
});

test("one that goes on for too long is drawn on a screen of its own all the same", () => {
  const { tail } = printed(["\x1b[?1049h\x1b[?2004h", ...Array.from({ length: 60_000 }, (_, i) => line(i))]);
  const screen = tail.screen(24);
  assert.ok(screen.startsWith("\x1b[?1049h\x1b[?2004hline "), JSON.stringify(screen.slice(0, 40)));
  assert.ok(screen.length < LETTERS + 100);
});

test("a hostile terminal's modes are not remembered without end", () => {
  const { tail } = printed([Array.from({ length: 100_000 }, (_, i) => `\x1b[?${i + 10_000}h`).join(""), ...Array.from({ length: 20_000 }, (_, i) => line(i))]);
  assert.ok(tail.screen(24).length < 100_000);
});
