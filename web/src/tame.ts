// What a program prints is anybody's. xterm does some commands as often as their number says, up to 2^31 times: one line of output would
// hold the page for minutes. A number beyond the screen's size says nothing more than that size, so such a command is left out.

import type { Terminal } from "@xterm/xterm";

const repeated = [
  { final: "b" }, // REP: the last character again
  { final: "L" }, { final: "M" }, { final: "S" }, { final: "T" }, // lines: insert, delete, scroll up, scroll down
  { final: "I" }, { final: "Z" }, // tabs: forward, back
  { final: "@" }, { final: "P" }, { final: "X" }, // characters: insert, delete, erase
  { intermediates: " ", final: "@" }, { intermediates: " ", final: "A" }, // columns: scroll left, right
];

/** Bytes that xterm draws without letting the page do anything else in between. */
export const PIECE = 4 << 10;

export function tame(term: Terminal): void {
  for (const id of repeated) {
    term.parser.registerCsiHandler(id, ([n]) => typeof n === "number" && n > Math.max(term.cols, term.rows)); // true: done with it
  }
}
