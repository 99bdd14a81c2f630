// What a program prints is anybody's. xterm does some commands as often as their number says, up to 2^31 times: one line of output would
// hold the page for minutes. A number beyond the screen's size says nothing more than that size, so such a command is left out.

import { Unicode11Addon } from "@xterm/addon-unicode11";
import type { IUnicodeVersionProvider, Terminal } from "@xterm/xterm";

const lines = [{ final: "L" }, { final: "M" }, { final: "S" }, { final: "T" }]; // insert, delete, scroll up, scroll down
const cells = [
  { final: "b" }, // REP: the last character again
  { final: "I" },
  { final: "Z" }, // tabs: forward, back
  { final: "@" },
  { final: "P" },
  { final: "X" }, // characters: insert, delete, erase
  { intermediates: " ", final: "@" },
  { intermediates: " ", final: "A" }, // columns: scroll left, right
];

/** Bytes that xterm draws without letting the page do anything else in between. */
export const PIECE = 4 << 10;

/** Marks on one letter. A browser needs time for them by their square: 3,000 hold a page for a second, 30,000 for minutes. */
const MARKS = 16;

export function tame(term: Terminal): void {
  fewMarks(term);
  const beyond = (n: unknown, size: number): boolean => typeof n === "number" && n > size; // true: done with it
  for (const id of lines) term.parser.registerCsiHandler(id, ([n]) => beyond(n, term.rows));
  for (const id of cells) term.parser.registerCsiHandler(id, ([n]) => beyond(n, Math.max(term.cols, term.rows)));
}

/** Widths of Unicode 11, with the marks of a letter counted: what is too much stands in a cell of its own. */
function fewMarks(term: Terminal): void {
  let widths!: IUnicodeVersionProvider;
  new Unicode11Addon().activate({ unicode: { register: (p: IUnicodeVersionProvider) => (widths = p) } } as unknown as Terminal);
  const charProperties = (code: number, before: number): number => {
    if (code >= 0x20 && code < 0x7f) return 1 << 1; // one cell, joins nothing: most of what is printed
    const all = widths.charProperties(code, before); // bit 0: joins the cell before; 1 and 2: width; from 3 on the provider's own (UnicodeService)
    const marks = (before >>> 3) + 1;
    if (!(all & 1)) return all;
    return marks > MARKS ? 1 << 1 : (all & 7) | (marks << 3);
  };
  term.unicode.register({ version: "11, few marks", wcwidth: (code) => widths.wcwidth(code), charProperties });
  term.unicode.activeVersion = "11, few marks";
}
