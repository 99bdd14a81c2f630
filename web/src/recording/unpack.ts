// Unpacks a chunk of a recording, which may be anybody's: what it costs is bounded by its size. A part of the bounds is put into the
// unpacker when the bundle is made (web/build/fzstd.go).

import { Decompress } from "fzstd";

export class BadRecording extends Error {}

export const MAX_RAW = 8 << 20; // bytes of a chunk, and of an unpacker's window
const SLICE = 16 << 10; // bytes that are unpacked before their sum is looked at
const BLOCK = 64 << 10; // bytes: packers make blocks twice as large, and each costs as much as the window

/** Unpacks what becomes as many bytes as raw says, and stops at once when it holds more. */
export function unpack(packed: Uint8Array, raw: number): string {
  const out = new Uint8Array(raw);
  let at = 0;
  let blocks = 0;
  const z = new Decompress((data) => {
    if (at + data.length > raw || ++blocks > raw / BLOCK + 3) throw new BadRecording("bomb");
    out.set(data, at);
    at += data.length;
  });
  try {
    for (let i = 0; i < packed.length; i += SLICE) z.push(packed.subarray(i, i + SLICE), i + SLICE >= packed.length);
  } catch (e) {
    throw e instanceof BadRecording ? e : new BadRecording("packing");
  }
  if (at !== raw) throw new BadRecording("short");
  return new TextDecoder().decode(out);
}
