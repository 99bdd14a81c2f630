// What a program prints is anybody's. xterm does some commands as often as their number says, up to 2^31 times: one line of output would
// hold the page for minutes. A number beyond the screen's size says nothing more than that size, so such a command is left out.

import type { Terminal } from "@xterm/xterm";

const lines = [{ final: "L" }, { final: "M" }, { final: "S" }, { final: "T" }]; // insert, delete, scroll up, scroll down
const cells = [
  { final: "b" }, // REP: the last character again
  { final: "I" }, { final: "Z" }, // tabs: forward, back
  { final: "@" }, { final: "P" }, { final: "X" }, // characters: insert, delete, erase
  { intermediates: " ", final: "@" }, { intermediates: " ", final: "A" }, // columns: scroll left, right
];

/** Bytes that xterm draws without letting the page do anything else in between. */
export const PIECE = 4 << 10;

export function tame(term: Terminal): void {
  const beyond = (n: unknown, size: number): boolean => typeof n === "number" && n > size; // true: done with it
  for (const id of lines) term.parser.registerCsiHandler(id, ([n]) => beyond(n, term.rows));
  for (const id of cells) term.parser.registerCsiHandler(id, ([n]) => beyond(n, Math.max(term.cols, term.rows)));
}
