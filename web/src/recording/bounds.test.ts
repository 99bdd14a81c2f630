import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "./bounds.ts";
import { BadRecording } from "./unpack.ts";

const many = (n: number, of: unknown) => Array.from({ length: n }, () => of);

test("what an honest agent tells stays as it is", () => {
  const text = JSON.stringify({ processes: many(2000, { args: ["a\\", '"[{,'], threads: [{ tid: 1 }] }), truncated: ["x"], node: { ns: { net: 1 } } });
  assert.equal(JSON.stringify(parse(text)), text);
});

test("lists, objects and texts are cut", () => {
  const read = parse(
    JSON.stringify({
      processes: many(3000, { threads: many(3, {}) }),
      networks: many(3, { sockets: many(300, {}) }),
      more: many(300, 0),
      labels: Object.fromEntries(many(300, 0).map((_, i) => [`k${i}`, "v"])),
      agent: "a".repeat(20 << 10),
    }),
  ) as Record<string, { length: number; threads: unknown[]; sockets: unknown[] }[] & { length: number }>;
  assert.equal(read["processes"]!.length, 2000);
  assert.equal(
    read["processes"]!.reduce((n, p) => n + p.threads.length, 0),
    2000,
  );
  assert.deepEqual(
    read["networks"]!.map((n) => n.sockets.length),
    [300, 212, 0],
  );
  assert.equal(read["more"]!.length, 128);
  assert.equal(Object.keys(read["labels"]!).length, 128);
  assert.equal(read["agent"]!.length, (16 << 10) + 1);
});

test("what holds too much is refused before it is read", () => {
  for (const text of [`[${"{},".repeat(70_000)}{}]`, "[".repeat(25) + "]".repeat(25), `{"a":"\\\\","b":[${"0,".repeat(70_000)}0]}`])
    assert.throws(() => parse(text), BadRecording, text.slice(0, 40));
  assert.throws(() => parse('{"a":"'), BadRecording);
});
