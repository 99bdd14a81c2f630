// Bounds of what stands in a recording, which may be anybody's: those of an agent's messages (Go: sandbox/client, bounds.go), and for each
// list what an honest agent tells at most (sandbox/internal/observe, limits.go), since every view draws them.

import { BadRecording } from "./unpack.ts";

const ELEMENTS = 64 << 10; // of all lists of one text
const DEPTH = 24; // of lists and objects in each other
const ENTRIES = 128; // of one object, and of a list that is not below
const STRING = 16 << 10; // letters; longer ones are cut

/** By a list's name: elements of one, and of all of that name in a snapshot. */
const LISTS: Record<string, [one: number, all: number]> = {
  pods: [256, 256],
  containers: [256, 2048], // those of pods' specs, too
  processes: [2000, 2000],
  threads: [64, 2000],
  args: [64, 16 << 10],
  networks: [32, 32],
  interfaces: [64, 1024],
  addrs: [16, 4096],
  routes: [64, 2048],
  sockets: [512, 512],
  pids: [16, 8192],
  volumes: [64, 4096],
  files: [64, 4096],
  layers: [33, 8448],
  mounts: [32, 8192],
  changes: [64, 16 << 10],
  images: [16, 16 << 10],
  ipc: [256, 256],
  terminals: [64, 64],
  moments: [8192, 8192],
};

/** Reads JSON. Too many elements and too many levels are a BadRecording; lists and texts that are too long are cut. */
export function parse(text: string): unknown {
  weigh(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BadRecording("JSON");
  }
  return cut(value, "", new Map());
}

/** Looks at a text before anything is made of it, whatever else is wrong with it. */
function weigh(text: string): void {
  const lists: boolean[] = []; // what is open
  let elements = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = closing(text, i);
        continue;
      case 0x5b: // [
        lists.push(true);
        elements++;
        break;
      case 0x7b: // {
        lists.push(false);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        lists.pop();
        continue;
      case 0x2c: // ,
        if (lists.at(-1)) elements++;
        break;
      default:
        continue;
    }
    if (elements > ELEMENTS || lists.length > DEPTH) throw new BadRecording("JSON's size");
  }
}

/** Where a string that begins at a place ends. */
function closing(text: string, i: number): number {
  for (let from = i + 1; ;) {
    const end = text.indexOf('"', from);
    if (end < 0) return text.length;
    let back = end - 1;
    while (text[back] === "\\") back--;
    if ((end - back) % 2) return end;
    from = end + 1;
  }
}

/** Takes out of a value what is beyond the bounds. all: how many elements lists of a name have had so far. */
function cut(value: unknown, name: string, all: Map<string, number>): unknown {
  if (typeof value === "string") return value.length > STRING ? `${value.slice(0, STRING)}…` : value;
  if (typeof value !== "object" || !value) return value;
  if (Array.isArray(value)) {
    const [one, sum] = LISTS[name] ?? [ENTRIES, ELEMENTS];
    const had = all.get(name) ?? 0;
    value.length = Math.min(value.length, one, sum - had);
    all.set(name, had + value.length);
    value.forEach((v, i) => (value[i] = cut(v, "", all)));
    return value;
  }
  const fields = value as Record<string, unknown>;
  let n = 0;
  for (const key of Object.keys(fields))
    if (++n > ENTRIES) delete fields[key];
    else if (typeof fields[key] === "string" || typeof fields[key] === "object") fields[key] = cut(fields[key], key, all);
  return value;
}
