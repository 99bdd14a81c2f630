// One terminal of the node, attached over a websocket. The node keeps the program and its screen; here is a picture of it.
// - After (re)connecting the screen is rebuilt from a replay; what xterm answers while it reads the replay is not sent, so that
//   nothing is typed twice.
// - What is typed while there is no connection is dropped and said so, never sent later.
// - Output is acknowledged once it is drawn: the server sends at most 384 KiB ahead.

import { effect, signal } from "@preact/signals";
import "./strict.ts";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITerminalOptions, Terminal as XTerm } from "@xterm/xterm";
import { listen } from "./answers.ts";
import { Refused } from "./api.ts";
import { plain, sure } from "./ask.ts";
import { calm } from "./calm.ts";
import { copy } from "./clipboard.ts";
import type { Screen } from "./recording/file.ts";
import { link, moment, now, pause, step } from "./store.ts";
import { PIECE, tame } from "./tame.ts";
import type { Exit, Problem } from "./types.ts";
import { lang } from "./words.ts";

export type TerminalState = "connecting" | "open" | "away" | "exited" | "failed";

const ACK = 96 << 10; // bytes drawn before the server is told
const PAST = 512 << 10; // bytes of output that are remembered, for whoever looks back
const LONGEST = 8000; // ms between tries

const theme = {
  background: "#0f1419",
  foreground: "#dbe4ee",
  cursor: "#dbe4ee",
  cursorAccent: "#0f1419",
  selectionBackground: "#33507a",
  black: "#1d2733",
  red: "#ff9f9f",
  green: "#7ee2a8",
  yellow: "#ffc878",
  blue: "#8fbaff",
  magenta: "#d3b4ff",
  cyan: "#6fdbe8",
  white: "#dbe4ee",
  brightBlack: "#93a1b1",
  brightRed: "#ffb4b4",
  brightGreen: "#a0edc0",
  brightYellow: "#ffd89c",
  brightBlue: "#b0cfff",
  brightMagenta: "#e3cfff",
  brightCyan: "#9ae8f1",
  brightWhite: "#ffffff",
};

/** Screen-reader mode of all terminals. */
export const screenReader = signal(localStorage.getItem("screenReader") === "1");

const SIZES = [13.5, 16, 20, 11];

/** Size of the letters of all terminals, px. */
export const fontSize = signal(Number(localStorage.getItem("fontSize")) || (innerWidth >= 2200 ? 16 : innerWidth >= 1800 ? 15 : 13.5));

/** Takes the next of four sizes, and remembers it. */
export function nextSize(): void {
  fontSize.value = SIZES[(SIZES.indexOf(fontSize.value) + 1) % SIZES.length]!;
  localStorage.setItem("fontSize", String(fontSize.value));
}

interface Hello {
  replay?: number;
  generation?: number;
  exit?: Exit;
  error?: Problem;
}

/** What draws a terminal: what comes to it is anybody's. */
export function newScreen(options: ITerminalOptions = {}): XTerm {
  const term = new XTerm({
    allowProposedApi: true,
    convertEol: false,
    cursorBlink: false,
    fontFamily: '"JetBrains Mono Variable", "Noto Sans Mono CJK SC", ui-monospace, Menlo, Consolas, monospace',
    fontSize: fontSize.value,
    lineHeight: 1.3,
    scrollback: 5000,
    theme,
    screenReaderMode: screenReader.value,
    macOptionIsMeta: false,
    rightClickSelectsWord: false,
    linkHandler: { activate: (_e, uri) => void openNamed(uri) },
    minimumContrastRatio: 4.5,
    ...options,
  });
  tame(term);
  return term;
}

export class Terminal {
  readonly state = signal<TerminalState>("connecting");
  readonly exit = signal<Exit | null>(null);
  readonly problem = signal<Problem | null>(null);
  readonly finding = signal(false);
  readonly el = document.createElement("div");
  private readonly term: XTerm;
  private readonly drawing: (bytes: number) => void;
  private readonly fit = new FitAddon();
  private readonly search = new SearchAddon();
  private socket: WebSocket | null = null;
  private replay = -1; // bytes of the replay that are still to come; -1 before the server said
  private muted = true;
  private readonly past: { at: number; data: Uint8Array }[] = [];
  private kept = 0; // bytes of past
  private undone = 0; // bytes drawn and not yet acknowledged
  private tries = 0;
  private retry = 0;
  private heard = 0; // when output last came, for typing only at a prompt
  private everHeard = false;
  private readonly sizes = new ResizeObserver(() => this.refit());
  private readonly stopFollowing = effect(() => {
    if (link.value === "live" && this.state.peek() === "away" && !this.socket) this.connect(); // the page is back: no need to wait for our own turn
  });

  private readonly stopSizing = effect(() => {
    const size = fontSize.value;
    if (!this.term || this.term.options.fontSize === size) return;
    this.term.options.fontSize = size;
    this.refit();
  });

  constructor(
    readonly id: string,
    readonly target: string,
    label: string,
  ) {
    this.el.className = "xt";
    this.term = newScreen();
    this.term.loadAddon(this.fit);
    this.term.loadAddon(this.search);
    this.term.loadAddon(new WebLinksAddon((_e, uri) => openLink(uri)));
    listen(
      this.term,
      (data) => this.typed(new TextEncoder().encode(data)),
      (answer) => this.typed(JSON.stringify({ answer })),
    );
    this.term.onBinary((data) => this.typed(Uint8Array.from(data, (c) => c.charCodeAt(0))));
    this.term.attachCustomKeyEventHandler((e) => this.key(e));
    this.el.addEventListener("paste", (e) => void this.pasted(e), true);
    this.term.open(this.el);
    this.drawing = calm(this.term);
    (this.el as HTMLElement & { xterm?: XTerm }).xterm = this.term; // tests compare screens cell by cell
    this.term.write("\x1b[?1049h\x1b[?1049l"); // xterm draws no cursor before the first focus, unless a program has asked for it
    this.term.textarea?.setAttribute("aria-label", label);
  }

  /** Shows the terminal in a box. The program is reached when the size is known, so that it starts with the right one. */
  attach(box: HTMLElement): void {
    box.append(this.el);
    this.sizes.observe(this.el);
    if (!this.socket && !this.retry) this.connect();
    else this.refit();
  }

  /** Keys that are the page's: leaving the terminal, copy, paste. */
  private key(e: KeyboardEvent): boolean {
    if (e.key === "F6") return false;
    if (e.type === "keydown" && !/^(Control|Shift|Alt|Meta)$/.test(e.key)) toNow();
    if (e.ctrlKey && e.shiftKey && e.key.toLowerCase() === "f") {
      e.preventDefault();
      this.finding.value = true;
      return false;
    }
    const combo = e.ctrlKey && !e.altKey && !e.metaKey;
    if (combo && e.key.toLowerCase() === "v") return false; // the browser pastes
    if (combo && e.key.toLowerCase() === "c" && (e.shiftKey || this.term.hasSelection())) {
      if (e.type === "keydown" && this.term.hasSelection()) {
        e.preventDefault();
        this.copy();
      }
      return false;
    }
    return true;
  }

  /** Takes a paste from xterm. Several lines run at once where the program does not know pasted from typed (bracketed paste): asked first. */
  private async pasted(e: ClipboardEvent): Promise<void> {
    e.preventDefault();
    e.stopPropagation();
    const text = plain(e.clipboardData?.getData("text/plain") ?? "");
    toNow();
    const runs = /[\r\n]/.test(text) && !this.term.modes.bracketedPasteMode;
    if (text && (!runs || (await sure("paste", text)))) this.term.paste(text);
    this.focus();
  }

  private connect(): void {
    clearTimeout(this.retry);
    this.refit();
    const q = new URLSearchParams({ lab: step.peek().lab, id: this.id, target: this.target, lang, cols: String(this.term.cols), rows: String(this.term.rows) });
    const url = new URL(`/ws/terminal?${q}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const ws = new WebSocket(url);
    ws.binaryType = "arraybuffer";
    this.socket = ws;
    this.replay = -1;
    this.muted = true;
    this.undone = 0;
    ws.onmessage = (e) => {
      if (ws !== this.socket) return;
      if (typeof e.data === "string") this.told(JSON.parse(e.data) as Hello);
      else this.output(new Uint8Array(e.data as ArrayBuffer), ws);
    };
    ws.onclose = () => {
      if (ws === this.socket) this.lost();
    };
  }

  private told(m: Hello): void {
    if (m.exit) {
      this.exit.value = m.exit;
      this.end("exited");
    } else if (m.error) {
      this.problem.value = m.error;
      if (m.error.code !== "unavailable") this.end("failed");
    } else if (m.replay !== undefined) {
      this.term.reset();
      this.keep(new TextEncoder().encode("\x1bc")); // what follows is the whole screen
      this.replay = m.replay;
      this.tries = 0;
      if (m.replay === 0) this.opened();
    }
  }

  private opened(): void {
    this.muted = false;
    this.state.value = "open";
    this.problem.value = null;
    this.sendSize();
  }

  /** What was on the screen at a time, by the server's clock: as far as this page has seen it printed. */
  at(time: number): Screen {
    const seen = this.past.filter((x) => x.at <= time);
    const all = new Uint8Array(seen.reduce((n, x) => n + x.data.length, 0));
    let n = 0;
    for (const x of seen) {
      all.set(x.data, n);
      n += x.data.length;
    }
    const output = new TextDecoder().decode(all);
    return { number: 0, title: this.target, cols: this.term.cols, rows: this.term.rows, output, printed: output.length };
  }

  private keep(data: Uint8Array): void {
    this.past.push({ at: now(), data });
    for (this.kept += data.length; this.kept > PAST;) this.kept -= this.past.shift()!.data.length;
  }

  private output(data: Uint8Array, ws: WebSocket): void {
    this.keep(data);
    this.heard = performance.now();
    this.everHeard = true;
    const rebuilt = this.replay > 0 ? Math.min(this.replay, data.length) : 0;
    this.replay -= rebuilt;
    const done = rebuilt > 0 && this.replay === 0;
    const drawn = (n: number) => {
      if (ws !== this.socket) return;
      this.undone += n;
      if (this.undone >= ACK) this.acknowledge(ws);
    };
    if (rebuilt > 0) {
      this.draw(data.subarray(0, rebuilt), () => {
        if (done && ws === this.socket) this.opened();
        drawn(rebuilt);
      });
    }
    if (rebuilt < data.length) this.draw(data.subarray(rebuilt), () => drawn(data.length - rebuilt));
  }

  /** Hands bytes to xterm in pieces, so that none keeps the page from its other work; done comes after the last. */
  private draw(data: Uint8Array, done: () => void): void {
    let at = 0;
    this.drawing(data.length);
    for (; data.length - at > PIECE; at += PIECE) this.term.write(data.subarray(at, at + PIECE));
    this.term.write(data.subarray(at), done);
  }

  private acknowledge(ws: WebSocket): void {
    if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify({ ack: this.undone }));
    this.undone = 0;
  }

  private typed(data: Uint8Array | string): void {
    if (this.muted || this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(data);
  }

  private lost(): void {
    this.socket = null;
    this.muted = true;
    if (this.state.peek() === "exited" || this.state.peek() === "failed") return;
    this.state.value = "away";
    const wait = Math.min(LONGEST, 250 * 2 ** this.tries++);
    this.retry = window.setTimeout(() => this.connect(), wait / 2 + Math.random() * (wait / 2));
  }

  private end(state: TerminalState): void {
    this.state.value = state;
    this.muted = true;
    const ws = this.socket;
    this.socket = null;
    ws?.close();
  }

  /** Opens a program anew after the last one ended. */
  again(): void {
    this.exit.value = null;
    this.problem.value = null;
    this.state.value = "connecting";
    this.everHeard = false;
    this.connect();
  }

  /**
   * Types text as if by hand, when the program is there and quiet, and presses Enter. It is sent once or not at all: an error says
   * that nothing was typed.
   */
  async type(text: string): Promise<void> {
    if (this.state.peek() === "exited" || this.state.peek() === "failed") this.again();
    await this.atPrompt();
    if (this.muted || this.socket?.readyState !== WebSocket.OPEN)
      throw new Refused(this.problem.peek() ?? { code: "unavailable", params: { what: "terminal" } });
    this.term.scrollToBottom();
    this.socket.send(new TextEncoder().encode(text.replace(/\n/g, "\r") + "\r"));
  }

  /** Waits until the screen is up and has been quiet for a moment: a shell that has just started drops what comes too early. */
  private async atPrompt(): Promise<void> {
    const until = performance.now() + 5000;
    while (performance.now() < until) {
      const quiet = performance.now() - this.heard > 80;
      if (!this.muted && this.everHeard && quiet) return;
      if (this.state.peek() === "failed") return;
      await new Promise((r) => setTimeout(r, 20));
    }
  }

  refit(): void {
    if (!this.el.isConnected || this.el.clientWidth < 40 || this.el.clientHeight < 30) return;
    const before = `${this.term.cols}x${this.term.rows}`;
    this.fit.fit();
    if (before !== `${this.term.cols}x${this.term.rows}`) this.sendSize();
  }

  private sendSize(): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ cols: this.term.cols, rows: this.term.rows }));
  }

  focus(): void {
    this.term.focus();
  }

  /** Copies the selection, or all that is on the screen and above it. */
  copy(): void {
    if (this.term.hasSelection()) return void copy(this.term.getSelection());
    const buffer = this.term.buffer.active;
    const lines = Array.from({ length: buffer.length }, (_, i) => buffer.getLine(i)?.translateToString(true) ?? "");
    void copy(lines.join("\n").trimEnd());
  }

  /** Selects the next place that holds a text, or the one before, which may be where a shorter text was found. False when there is none. */
  find(text: string, back: boolean): boolean {
    return (back ? this.search.findPrevious(text) : this.search.findNext(text)) || !text;
  }

  stopFinding(): void {
    this.finding.value = false;
    this.search.clearDecorations();
    this.focus();
  }

  set reader(on: boolean) {
    this.term.options.screenReaderMode = on;
  }

  dispose(): void {
    clearTimeout(this.retry);
    const ws = this.socket;
    this.socket = null;
    ws?.close();
    this.stopFollowing();
    this.stopSizing();
    this.sizes.disconnect();
    this.term.dispose();
    this.el.remove();
  }
}

/** Whoever types does so now: the page shows that again. */
function toNow(): void {
  if (moment.peek()) pause(false);
}

/** A link whose words are the program's (OSC 8): its address is shown first. */
async function openNamed(uri: string): Promise<void> {
  if (isWeb(uri) && (await sure("link", uri))) openLink(uri);
}

const isWeb = (uri: string): boolean => /^https?:\/\//i.test(uri);

/** Links come from programs: only web addresses, in a window that knows nothing of this one. */
function openLink(uri: string): void {
  if (isWeb(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}
