// Reads the file of a recording (Go: labs/record, where the format is described). It may be anybody's: sizes are bounded before
// anything is unpacked, and what does not fit is a BadRecording.

import { whole } from "../frame.ts";
import { parse } from "./bounds.ts";
import { Kept } from "./kept.ts";
import { Tail } from "./tail.ts";
import { BadRecording, MAX_RAW, unpack } from "./unpack.ts";
import type { Frame, Moment, SessionView, Snapshot } from "../types.ts";

export { BadRecording };

const MAGIC = "podlab recording 1\n";
const HEAD = 24;
const MAX_FILE = 24 << 20; // bytes
const MAX_CHUNKS = 16 << 10;
const MAX_SUM = 1 << 30; // bytes of all chunks
const MAX_COLS = 400; // of a terminal, as wide as a large screen shows; xterm takes seconds for much more
const MAX_ROWS = 150;
const MAX_LENGTH = 4 * 3600_000; // ms
const TEXT = 64 << 20; // bytes of unpacked chunks that are remembered: an hour of most labs
const PARSED = 8 << 20; // bytes of those whose frames are remembered as objects, which take ten times as much
const SCREENS = 8 << 20; // letters of terminals at the beginnings of chunks that are remembered
const MOMENTS = 3000;
const BACK = 70_000; // ms of moments before a time: what the timeline shows
const LOOK = 32 << 20; // bytes of chunks that are looked at for what was before
const MAX_LINES = 32 << 10; // of a chunk: a page is shown sixty states a second at most
const MAX_STATES = 4 << 20; // letters of a chunk's states without their snapshots: all that come before a moment are read
const TURN = 200; // ms of work on terminals in one go

interface Chunk {
  kind: "h" | "f" | "t" | "e";
  start: number;
  end: number;
  raw: number;
  body: Uint8Array; // packed
}

export interface Header {
  lab: string;
  step: string;
  started: number; // Unix ms
}

/** All that was shown at a time. */
export interface Shown {
  now: number; // Unix ms
  boot: number;
  tracer: string;
  untold: string[];
  session: SessionView;
  snapshot: Snapshot | null;
  moments: Moment[];
  lost: number;
}

/** A terminal at a time. */
export interface Screen {
  number: number;
  title: string; // "node" or a container's id
  cols: number;
  rows: number;
  output: string; // the last of it, which draws the screen
  printed: number; // letters in all
}

interface Line {
  at: number;
  kind: string;
  text: string;
  frame?: Frame | undefined;
  snapshot?: Snapshot | undefined;
}

/** A terminal and what it has printed. */
interface Cast {
  number: number;
  title: string;
  cols: number;
  rows: number;
  tail: Tail;
}

interface Event {
  at: number;
  terminal: number;
  code: string; // "h" for a header, else asciicast's
  data: string;
  cols: number;
  rows: number;
}

export class Recording {
  readonly header: Header;
  readonly length: number; // ms
  private readonly frames: Chunk[];
  private readonly casts: Chunk[];
  private readonly lines = new Kept<Chunk, Line[]>(TEXT);
  private readonly parsed = new Kept<Chunk, Line[]>(PARSED, (lines) => lines.forEach(forget));
  private readonly events = new Kept<Chunk, Event[]>(TEXT / 4);
  private readonly begun = new Kept<Chunk, Cast[]>(SCREENS);
  private drawn = { chunk: -1, events: 0, screens: [] as Screen[] }; // the last that was asked for

  constructor(readonly data: ArrayBuffer) {
    const chunks = walk(new Uint8Array(data));
    this.header = readHeader(textOf(chunks[0]!));
    this.frames = chunks.filter((c) => c.kind === "f");
    this.casts = chunks.filter((c) => c.kind === "t");
    this.length = chunks.reduce((n, c) => Math.max(n, c.end), 0);
    if (!this.frames.length) throw new BadRecording("no frames");
  }

  /** What was shown at a time; before the first frame it is the first. */
  at(ms: number): Shown {
    const i = this.chunkAt(ms);
    const own = this.linesOf(this.frames[i]!);
    const until = Math.max(ms, own[0]!.at);
    let frame: Frame | null = null;
    let snapshot: Line | null = null;
    for (const line of own) {
      if (line.at > until) break;
      if (line.kind === "f") {
        const f = frameOf(line);
        if (frame && !sameNode(frame.session, f.session)) snapshot = null;
        frame = f;
      } else if (line.kind === "s") snapshot = line;
    }
    const { moments, lost } = this.momentsUntil(i, until, frame!.session.generation);
    return {
      now: this.header.started + until,
      boot: frame!.boot,
      tracer: frame!.tracer,
      untold: frame!.untold ?? [],
      session: frame!.session,
      snapshot: snapshot && snapshotOf(snapshot),
      moments,
      lost,
    };
  }

  /** The newest snapshot of each second from a time to another, oldest first: of the node that is there at the end. */
  snapshots(from: number, until: number): Snapshot[] {
    const generation = this.at(until).session.generation;
    const found = new Map<number, Line>();
    for (const c of near(this.frames.filter((c) => c.end >= from && c.start <= until))) {
      let own = false;
      for (const line of this.linesOf(c)) {
        if (line.at > until) break;
        if (line.kind === "f") own = frameOf(line).session.generation === generation;
        else if (line.kind === "s" && own && line.at >= from) found.set(Math.floor(line.at / 1000), line);
      }
    }
    return [...found.values()].map(snapshotOf);
  }

  /** Moments of a node up to a time, oldest first. */
  private momentsUntil(chunk: number, ms: number, generation: number): { moments: Moment[]; lost: number } {
    const runs: Moment[][] = [];
    let lost = 0;
    let count = 0;
    const all = this.frames.slice(0, chunk + 1).filter((c, i) => i === chunk || c.end > ms - BACK);
    for (const c of near(all).toReversed()) {
      if (count >= MOMENTS) break;
      const mine: Moment[] = [];
      for (const line of this.linesOf(c)) {
        if (line.at > ms) break;
        if (line.kind !== "f" || frameOf(line).session.generation !== generation) continue;
        mine.push(...frameOf(line).moments!);
        lost += frameOf(line).lost ?? 0;
      }
      runs.unshift(mine);
      count += mine.length;
    }
    const seen = new Set<string>();
    const fresh = (m: Moment): boolean => !seen.has(`${m.source}${m.seq}`) && Boolean(seen.add(`${m.source}${m.seq}`));
    return { moments: runs.flat().filter(fresh).slice(-MOMENTS), lost };
  }

  /** The time of the next frame after one, or of the last before it. */
  next(ms: number): number {
    const c = this.frames.slice(this.chunkAt(ms)).find((c) => c.end > ms);
    return c ? (this.linesOf(c).find((l) => l.kind === "f" && l.at > ms)?.at ?? c.end) : this.length;
  }

  before(ms: number): number {
    const c = this.frames.slice(0, this.chunkAt(ms) + 1).findLast((c) => c.start < ms);
    return c ? (this.linesOf(c).findLast((l) => l.kind === "f" && l.at < ms)?.at ?? c.start) : 0;
  }

  /** Every terminal that there was until a time, as it was then: the same objects until something is printed. Null where that takes longer
   * than the page may stand still: who asks again has it at last. */
  screens(ms: number): Screen[] | null {
    const chunk = this.casts.findLastIndex((c) => c.start <= ms);
    if (chunk < 0) return [];
    const events = this.eventsOf(this.casts[chunk]!).filter((e) => e.at <= ms);
    if (this.drawn.chunk === chunk && this.drawn.events === events.length) return this.drawn.screens;
    const before = this.castsBefore(chunk, performance.now() + TURN);
    if (!before) return null;
    const all = after(before, events).filter(Boolean);
    const screens = all.map(({ tail, ...s }) => ({ ...s, output: tail.screen(s.rows), printed: tail.printed }));
    this.drawn = { chunk, events: events.length, screens };
    return screens;
  }

  /** The terminals at the beginning of a chunk; null when a time is over, and more is known then than before. */
  private castsBefore(i: number, until: number): Cast[] | null {
    let from = i;
    while (from > 0 && !this.begun.has(this.casts[from]!)) from--;
    let all: Cast[] = from > 0 ? this.begun.of(this.casts[from]!, 0, () => []) : [];
    for (; from < i; from++) {
      if (performance.now() > until) return null;
      const then = after(all, this.eventsOf(this.casts[from]!));
      all = this.begun.of(
        this.casts[from + 1]!,
        then.reduce((n, c) => n + (c?.tail.text.length ?? 0), 1),
        () => then,
      );
    }
    return all;
  }

  /** Unpacks one more chunk of those that there is room for; whether there was one. */
  prepare(): boolean {
    const c = this.frames.find((c) => !this.lines.has(c));
    if (!c || !this.lines.fits(c.raw)) return false;
    this.lines.of(c, c.raw, () => readLines(c));
    return true;
  }

  private chunkAt(ms: number): number {
    return Math.max(
      0,
      this.frames.findLastIndex((c) => c.start <= ms),
    );
  }

  private linesOf(c: Chunk): Line[] {
    return this.parsed.of(c, c.raw, () => this.lines.of(c, c.raw, () => readLines(c)));
  }

  private eventsOf(c: Chunk): Event[] {
    return this.events.of(c, c.raw, () => readEvents(c));
  }
}

/** The last of some chunks, LOOK bytes of them at most. */
function near(chunks: Chunk[]): Chunk[] {
  let sum = 0;
  return chunks.slice(chunks.findLastIndex((c) => (sum += c.raw) > LOOK) + 1);
}

/** Terminals after some more events. */
function after(before: Cast[], events: Event[]): Cast[] {
  const all = before.map((c) => c && { ...c, tail: c.tail.copy() });
  for (const e of events) {
    if (e.code === "h") all[e.terminal] = { number: e.terminal, title: e.data, cols: e.cols, rows: e.rows, tail: new Tail() };
    const c = all[e.terminal];
    if (!c) continue;
    if (e.code === "r") [c.cols, c.rows] = [e.cols, e.rows];
    if (e.code === "o") c.tail.add(e.data);
  }
  return all;
}

/** Text is enough to have it again. */
function forget(line: Line): void {
  line.frame = undefined;
  line.snapshot = undefined;
}

function walk(data: Uint8Array): Chunk[] {
  if (data.length > MAX_FILE || new TextDecoder().decode(data.subarray(0, MAGIC.length)) !== MAGIC) throw new BadRecording("magic");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const chunks: Chunk[] = [];
  const before: Partial<Record<Chunk["kind"], number>> = {}; // when the last of a kind began
  let sum = 0;
  for (let at = MAGIC.length; at + HEAD <= data.length;) {
    const [start, end, , raw, packed] = [4, 8, 12, 16, 20].map((o) => view.getUint32(at + o, true)) as [number, number, number, number, number];
    const kind = String.fromCharCode(data[at]!) as Chunk["kind"];
    if (
      !"hfte".includes(kind) ||
      raw > MAX_RAW ||
      end < start ||
      end > MAX_LENGTH ||
      start < (before[kind] ?? 0) ||
      chunks.length >= MAX_CHUNKS ||
      (kind === "h") !== (chunks.length === 0) ||
      (sum += raw) > MAX_SUM
    )
      throw new BadRecording("chunk");
    before[kind] = start;
    at += HEAD;
    if (kind === "e" || at + packed > data.length) break; // the end, or a file that was cut off
    chunks.push({ kind, start, end, raw, body: data.subarray(at, at + packed) });
    at += packed;
  }
  if (!chunks.length) throw new BadRecording("empty");
  return chunks;
}

const textOf = (c: Chunk): string => unpack(c.body, c.raw);

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const isName = (v: unknown): v is string => typeof v === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(v);

function readHeader(text: string): Header {
  const h = parse(text);
  if (!isObject(h) || !isName(h["lab"]) || !isName(h["step"]) || !Number.isSafeInteger(h["started"])) throw new BadRecording("header");
  return { lab: h["lab"], step: h["step"], started: h["started"] as number };
}

function readLines(c: Chunk): Line[] {
  const texts = textOf(c).split("\n").filter(Boolean);
  if (texts.length > MAX_LINES) throw new BadRecording("lines");
  let states = 0;
  const lines = texts.map((line): Line => {
    const [at, kind] = line.split(" ", 2) as [string, string | undefined];
    if (!/^\d{1,8}$/.test(at) || !kind || (kind === "f" && (states += line.length) > MAX_STATES)) throw new BadRecording("line");
    return { at: Number(at), kind, text: line.slice(at.length + kind.length + 2) };
  });
  if (lines[0]?.kind !== "f") throw new BadRecording("frames");
  return lines;
}

function frameOf(line: Line): Frame {
  if (line.frame) return line.frame;
  const f = parse(line.text);
  if (!isObject(f) || !isObject(f["session"]) || !isName(f["session"]["step"])) throw new BadRecording("frame");
  return (line.frame = whole(f as unknown as Frame));
}

function snapshotOf(line: Line): Snapshot {
  if (line.snapshot) return line.snapshot;
  const s = parse(line.text);
  if (!isObject(s) || !isObject(s["node"])) throw new BadRecording("snapshot");
  return (line.snapshot = whole({ session: {}, snapshot: s } as unknown as Frame).snapshot!);
}

/** A snapshot still stands: not on another node, nor on none (Go: labs.SessionView.SameNode). */
const sameNode = (a: SessionView, b: SessionView): boolean => a.generation === b.generation && (b.phase === "ready" || b.phase === "starting");

function readEvents(c: Chunk): Event[] {
  return textOf(c)
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const cut = line.indexOf(" ");
      const terminal = Number(line.slice(0, cut));
      const e = parse(line.slice(cut + 1));
      if (!Number.isInteger(terminal) || terminal < 0 || terminal >= 64) throw new BadRecording("terminal");
      if (isObject(e))
        return {
          at: c.start,
          terminal,
          code: "h",
          data: String(e["title"] ?? "").slice(0, 200),
          cols: size(e["width"], MAX_COLS),
          rows: size(e["height"], MAX_ROWS),
        };
      const [at, code, data] = e as [unknown, unknown, unknown];
      if (typeof at !== "number" || typeof code !== "string" || typeof data !== "string") throw new BadRecording("event");
      const [cols, rows] = data.split("x");
      return { at: at * 1000, terminal, code, data, cols: size(Number(cols), MAX_COLS), rows: size(Number(rows), MAX_ROWS) };
    });
}

const size = (n: unknown, most: number): number => (typeof n === "number" && n >= 1 ? Math.min(most, Math.floor(n)) : 1);
