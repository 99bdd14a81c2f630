import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Layer } from "../types.ts";
import { levels, together } from "./layers.ts";

const layer = (digest: string, writable = false) => ({ digest, bytes: 1, writable }) as Layer;
/** A container on layers of these digests, with one of its own on top. */
const on = (id: string, ...digests: string[]) => ({ id, layers: [...digests.map((d) => layer(d)), layer("", true)] }) as Container;

test("a layer that several containers stand on is one block, whatever order they come in", () => {
  const list = together([
    on("web", "base", "nginx"),
    on("cache", "base", "redis"),
    on("pod/web", "base", "nginx"),
    on("pod/cache", "base", "redis"),
    on("sh", "base"),
  ]);
  assert.deepEqual(
    list.map((c) => c.id),
    ["sh", "web", "pod/web", "cache", "pod/cache"],
  );
  const blocks = levels(list).flatMap((row) => row.flatMap((cell) => (cell && !cell.layer.writable ? [`${cell.layer.digest} ${cell.rows}`] : [])));
  assert.deepEqual(blocks, ["base 5", "nginx 2", "redis 2"]);
});

test("containers that share no layer keep their order", () => {
  const ids = together([on("b", "z"), on("a", "a"), on("c", "m", "n")]).map((c) => c.id);
  assert.deepEqual(ids, ["b", "a", "c"]);
});
