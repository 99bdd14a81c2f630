import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Container, Snapshot } from "../types.ts";
import { addresses, common, directories, groups, pairOf, reaches, running } from "./facts.ts";

const frame = (name: string): Snapshot => JSON.parse(readFileSync(`testdata/frames/${name}.json`, "utf8"))[0].snapshot;
const ids = (list: Container[][]) => list.map((g) => g.map((c) => c.name).join("+"));

test("a pod and the same containers on their own", () => {
  const s = frame("sides");
  const pair = pairOf(s, "")!;
  assert.deepEqual(pair.names, ["web", "cache"]);
  assert.equal(pair.inside.length, 2);
  assert.equal(pair.apart.length, 2);
  assert.deepEqual(ids(groups(running(pair.inside), (c) => c.ns.net)), ["web+cache"]);
  assert.deepEqual(ids(groups(running(pair.apart), (c) => c.ns.net)), ["web", "cache"]);
  assert.deepEqual(common(pair.inside).kinds, ["net", "ipc", "uts"]);
  assert.deepEqual(common(pair.apart).kinds, []);
});

test("who is reached at 127.0.0.1", () => {
  const s = frame("sides");
  const pair = pairOf(s, "")!;
  assert.deepEqual(
    reaches(s, pair.inside).map((r) => [ids([r.from])[0], r.to.name, r.port]),
    [
      ["cache", "web", "80"],
      ["web", "cache", "6379"],
    ],
  );
  assert.deepEqual(reaches(s, pair.apart), []);
  assert.equal(new Set(pair.inside.map((c) => addresses(s, c))).size, 1);
  assert.equal(new Set(pair.apart.map((c) => addresses(s, c))).size, 2);
});

test("one directory, or one each", () => {
  const mount = (inode: number) => ({ volume: "data", source: "", path: "/d", readOnly: false, dev: 1, inode });
  const c = (name: string, inode: number) => ({ name, id: name, mounts: [mount(inode)], ns: {} }) as unknown as Container;
  assert.deepEqual(
    directories([c("a", 1), c("b", 1)]).map((d) => ids(d.groups)),
    [["a+b"]],
  );
  assert.deepEqual(
    directories([c("a", 1), c("b", 2)]).map((d) => ids(d.groups)),
    [["a", "b"]],
  );
  assert.deepEqual(common([c("a", 1), c("b", 1)]).volumes, ["data"]);
});

test("nothing to compare", () => {
  const s = frame("sides");
  assert.equal(pairOf({ ...s, pods: [] }, ""), null);
  assert.equal(pairOf({ ...s, containers: s.containers.filter((c) => c.name !== "cache") }, ""), null);
  assert.deepEqual(common([]), { kinds: [], volumes: [] });
});
