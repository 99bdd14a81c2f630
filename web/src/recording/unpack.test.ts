import assert from "node:assert/strict";
import { test } from "node:test";
import { BadRecording, MAX_RAW, unpack } from "./unpack.ts";

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const WINDOW = 13 << 3; // 8 MiB, as a frame's head says it (RFC 8878, 3.1.1.1.2)
const [PLAIN, PACKED] = [0, 2]; // kinds of blocks

/** A block of a frame, the last one. */
const block = (kind: number, body: number[], last = 1): number[] => [((body.length << 3) | (kind << 1) | last) & 0xff, body.length >> 5, 0, ...body];
const frame = (window: number, ...blocks: number[][]): number[] => [...MAGIC, 0, window, ...blocks.flat()];

test("a frame is unpacked", () => {
  assert.equal(unpack(Uint8Array.from(frame(WINDOW, block(PLAIN, [0x61, 0x62], 0), block(PLAIN, [0x63]))), 3), "abc");
});

// No literals, and 98,047 sequences whose codes come from tables of one symbol: no literal, matches of 64 KiB.
const matches = [0, 0xff, 0xff, 0xff, 0b01010100, 0, 1, 52, 1];
// 16 literals in seven bytes: codes by weights that come from a table of one symbol (probability 32 of 32), which takes no bits to say.
const weights = [2, 0xc1, 1, 5, 0xf0, 3, 1, 1, 1, 0, 0];

test("a hostile frame is refused at once", { timeout: 60_000 }, () => {
  for (const [what, bytes, raw] of [
    ["a window of nearly 2 GiB", frame((20 << 3) | 7, block(PLAIN, [0x61])), 1],
    ["one behind another frame", [...frame(WINDOW, block(PLAIN, [0x61])), ...frame((20 << 3) | 7, block(PLAIN, [0x61]))], 2],
    ["blocks without anything in them", frame(WINDOW, ...Array.from({ length: 100_000 }, () => block(PLAIN, [], 0))), MAX_RAW],
    ["matches behind the block's end", frame(WINDOW, block(PACKED, matches)), MAX_RAW],
    ["weights without end", frame(WINDOW, block(PACKED, weights)), MAX_RAW],
  ] as const) {
    const before = process.cpuUsage();
    assert.throws(() => unpack(Uint8Array.from(bytes), raw), BadRecording, what);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 2_000_000, `${what}: ${user + system} µs`);
  }
});
