// Reads the file of a recording (Go: labs/record, where the format is described). It may be anybody's: sizes are bounded before
// anything is unpacked, and what does not fit is a BadRecording.

import { Decompress } from "fzstd";
import { whole } from "../frame.ts";
import type { Frame, Moment, SessionView, Snapshot } from "../types.ts";

export class BadRecording extends Error {}

const MAGIC = "podlab recording 1\n";
const HEAD = 24;
const MAX_FILE = 24 << 20; // bytes
const MAX_RAW = 8 << 20; // bytes of a chunk
const MAX_CHUNKS = 16 << 10;
const MAX_SUM = 1 << 30; // bytes of all chunks
const MAX_COLS = 400; // of a terminal, as wide as a large screen shows; xterm takes seconds for much more
const MAX_ROWS = 150;
const MAX_LENGTH = 4 * 3600_000; // ms
const SLICE = 16 << 10; // bytes that are unpacked before their sum is looked at
const KEPT = 24; // unpacked chunks that are remembered
const MOMENTS = 3000;
const BACK = 70_000; // ms of moments before a time: what the timeline shows
const SCREEN = 256 << 10; // letters of output that rebuild a screen, as a node keeps

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
  output: string; // the last of it
  printed: number; // letters in all
}

interface Line {
  at: number;
  kind: string;
  text: string;
  frame?: Frame;
  snapshot?: Snapshot;
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
  private readonly lines = new Map<Chunk, Line[]>();
  private readonly events = new Map<Chunk, Event[]>();
  private times: number[] = []; // of all frames, once asked for

  constructor(readonly data: ArrayBuffer) {
    const chunks = walk(new Uint8Array(data));
    this.header = readHeader(unpack(chunks[0]!));
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
    return { now: this.header.started + until, boot: frame!.boot, tracer: frame!.tracer, untold: frame!.untold ?? [], session: frame!.session, snapshot: snapshot && snapshotOf(snapshot), moments, lost };
  }

  /** The newest snapshot of each second from a time to another, oldest first: of the node that is there at the end. */
  snapshots(from: number, until: number): Snapshot[] {
    const generation = this.at(until).session.generation;
    const found = new Map<number, Line>();
    for (const c of this.frames.filter((c) => c.end >= from && c.start <= until)) {
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
    for (let i = chunk; i >= 0 && count < MOMENTS && (i === chunk || this.frames[i]!.end > ms - BACK); i--) {
      const mine: Moment[] = [];
      for (const line of this.linesOf(this.frames[i]!)) {
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
    return this.frameTimes().find((t) => t > ms) ?? this.length;
  }

  before(ms: number): number {
    return this.frameTimes().findLast((t) => t < ms) ?? 0;
  }

  private frameTimes(): number[] {
    if (!this.times.length) {
      const all = new Set<number>();
      for (const c of this.frames) for (const l of readLines(c)) if (l.kind === "f") all.add(l.at);
      this.times = [...all].sort((a, b) => a - b);
    }
    return this.times;
  }

  /** Every terminal that there was until a time, as it was then. */
  screens(ms: number): Screen[] {
    const all: Screen[] = [];
    for (const c of this.casts) {
      if (c.start > ms) break;
      for (const e of this.eventsOf(c)) {
        if (e.at > ms) continue;
        if (e.code === "h") all[e.terminal] = { number: e.terminal, title: e.data, cols: e.cols, rows: e.rows, output: "", printed: 0 };
        const s = all[e.terminal];
        if (!s) continue;
        if (e.code === "r") [s.cols, s.rows] = [e.cols, e.rows];
        if (e.code === "o") {
          s.output += e.data;
          s.printed += e.data.length;
          if (s.output.length > 2 * SCREEN) s.output = s.output.slice(-SCREEN);
        }
      }
    }
    return all.filter(Boolean);
  }

  private chunkAt(ms: number): number {
    return Math.max(0, this.frames.findLastIndex((c) => c.start <= ms));
  }

  private linesOf(c: Chunk): Line[] {
    return remembered(this.lines, c, readLines);
  }

  private eventsOf(c: Chunk): Event[] {
    return remembered(this.events, c, readEvents);
  }
}

function remembered<T>(all: Map<Chunk, T>, c: Chunk, read: (c: Chunk) => T): T {
  const have = all.get(c) ?? read(c);
  all.delete(c);
  all.set(c, have);
  if (all.size > KEPT) all.delete(all.keys().next().value!);
  return have;
}

function walk(data: Uint8Array): Chunk[] {
  if (data.length > MAX_FILE || new TextDecoder().decode(data.subarray(0, MAGIC.length)) !== MAGIC) throw new BadRecording("magic");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const chunks: Chunk[] = [];
  let sum = 0;
  for (let at = MAGIC.length; at + HEAD <= data.length; ) {
    const [start, end, , raw, packed] = [4, 8, 12, 16, 20].map((o) => view.getUint32(at + o, true)) as [number, number, number, number, number];
    const kind = String.fromCharCode(data[at]!) as Chunk["kind"];
    if (!"hfte".includes(kind) || raw > MAX_RAW || end < start || end > MAX_LENGTH || chunks.length >= MAX_CHUNKS || (kind === "h") !== (chunks.length === 0) || (sum += raw) > MAX_SUM) throw new BadRecording("chunk");
    at += HEAD;
    if (kind === "e" || at + packed > data.length) break; // the end, or a file that was cut off
    chunks.push({ kind, start, end, raw, body: data.subarray(at, at + packed) });
    at += packed;
  }
  if (!chunks.length) throw new BadRecording("empty");
  return chunks;
}

/** Unpacks a chunk, and stops at once when it holds more than its head says. */
function unpack(c: Chunk): string {
  const out = new Uint8Array(c.raw);
  let at = 0;
  const z = new Decompress((data) => {
    if (at + data.length > out.length) throw new BadRecording("bomb");
    out.set(data, at);
    at += data.length;
  });
  try {
    for (let i = 0; i < c.body.length; i += SLICE) z.push(c.body.subarray(i, i + SLICE), i + SLICE >= c.body.length);
  } catch (e) {
    throw e instanceof BadRecording ? e : new BadRecording("packing");
  }
  if (at !== out.length) throw new BadRecording("short");
  return new TextDecoder().decode(out);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRecording("JSON");
  }
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const isName = (v: unknown): v is string => typeof v === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(v);

function readHeader(text: string): Header {
  const h = parse(text);
  if (!isObject(h) || !isName(h["lab"]) || !isName(h["step"]) || !Number.isSafeInteger(h["started"])) throw new BadRecording("header");
  return { lab: h["lab"], step: h["step"], started: h["started"] as number };
}

function readLines(c: Chunk): Line[] {
  const lines = unpack(c)
    .split("\n")
    .filter(Boolean)
    .map((line): Line => {
      const [at, kind] = line.split(" ", 2) as [string, string | undefined];
      if (!/^\d{1,8}$/.test(at) || !kind) throw new BadRecording("line");
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
  return unpack(c)
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const cut = line.indexOf(" ");
      const terminal = Number(line.slice(0, cut));
      const e = parse(line.slice(cut + 1));
      if (!Number.isInteger(terminal) || terminal < 0 || terminal >= 64) throw new BadRecording("terminal");
      if (isObject(e)) return { at: c.start, terminal, code: "h", data: String(e["title"] ?? "").slice(0, 200), cols: size(e["width"], MAX_COLS), rows: size(e["height"], MAX_ROWS) };
      const [at, code, data] = e as [unknown, unknown, unknown];
      if (typeof at !== "number" || typeof code !== "string" || typeof data !== "string") throw new BadRecording("event");
      const [cols, rows] = data.split("x");
      return { at: at * 1000, terminal, code, data, cols: size(Number(cols), MAX_COLS), rows: size(Number(rows), MAX_ROWS) };
    });
}

const size = (n: unknown, most: number): number => (typeof n === "number" && n >= 1 ? Math.min(most, Math.floor(n)) : 1);
