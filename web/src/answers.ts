// What a terminal sends is typed, or it answers a program that asked where the cursor is, which terminal this is, its colours. Several pages may
// show one terminal, and each answers: the node hears one of them, so it has to be told which is which. xterm says both in one event; an answer is
// what it says while it reads output (xterm 6: InputHandler.parse).

import type { Terminal } from "@xterm/xterm";

const MOST = 1 << 10; // letters of answers that go together

interface Inside {
  _inputHandler?: { parse(data: string | Uint8Array, resumed?: boolean): unknown };
}

/** Hands on what a terminal sends. */
export function listen(term: Terminal, typed: (data: string) => void, answered: (data: string) => void): void {
  const handler = (term as unknown as { _core?: Inside })._core?._inputHandler;
  let reads = false;
  let said = "";
  const tell = () => {
    if (said) answered(said);
    said = "";
  };
  if (handler) {
    const parse = handler.parse.bind(handler);
    handler.parse = (data, resumed) => {
      reads = true;
      try {
        return parse(data, resumed);
      } finally {
        reads = false;
        tell();
      }
    };
  }
  term.onData((data) => {
    if (!reads) return typed(data);
    said += data;
    if (said.length > MOST) tell();
  });
}
