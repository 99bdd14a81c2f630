import assert from "node:assert/strict";
import { test } from "node:test";
import { Kept } from "./kept.ts";

test("what was not asked for longest goes first, and is told of", () => {
  const gone: string[] = [];
  const kept = new Kept<string, string>(10, (value) => gone.push(value));
  const of = (key: string, weight: number) => kept.of(key, weight, () => `${key} made`);
  assert.equal(of("a", 4), "a made");
  of("b", 4);
  assert.equal(
    kept.of("a", 4, () => "again"),
    "a made",
    "is not made twice",
  );
  assert.ok(kept.fits(2) && !kept.fits(3));
  of("c", 4);
  assert.deepEqual(gone, ["b made"]);
  assert.ok(kept.has("a") && kept.has("c") && !kept.has("b"));
  of("d", 99);
  assert.deepEqual(gone, ["b made", "a made", "c made"]);
  assert.ok(kept.has("d"), "even what is too heavy, while it is the last");
});
