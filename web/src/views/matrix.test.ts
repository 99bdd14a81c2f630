import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeSnapshot } from "../frame.ts";
import type { Frame, Snapshot } from "../types.ts";
import sidesFrames from "../../testdata/frames/sides.json";
import manyFrames from "../../testdata/frames/many.json";
import { column, digits, ofNode, rowsOf, sharing, there } from "./matrix.ts";
import { sidesOf } from "./sides.ts";
import { links } from "./sockets.ts";
import { branches, changes, keyOf } from "./tree.ts";

function snapshot(frames: unknown): Snapshot {
  const s = (frames as Frame[])[0]!.snapshot!;
  wholeSnapshot(s);
  return s;
}

const s = snapshot(sidesFrames);

test("rows with one inode are one block", () => {
  const rows = rowsOf(s, ["demo/_infra", "demo/web", "demo/cache"], false);
  const net = column(s, rows, "net");
  assert.equal(net[0]?.rows, 3);
  assert.equal(net[0]?.owner, "demo/_infra");
  assert.deepEqual(net.slice(1), [null, null]);
  const mnt = column(s, rows, "mnt");
  assert.deepEqual(
    mnt.map((c) => c?.owner),
    ["demo/_infra", "demo/web", "demo/cache"],
  );
  const user = column(s, rows, "user");
  assert.equal(user[0]?.owner, "");
});

test("what a pod shares and what two containers share", () => {
  const pod = rowsOf(s, ["demo/_infra", "demo/web", "demo/cache"], false);
  assert.deepEqual(sharing(pod).shared, ["net", "ipc", "uts", "user"]);
  assert.deepEqual([...ofNode(s, pod)], ["user"]);
  const plain = rowsOf(s, ["web", "cache"], true);
  assert.deepEqual(sharing(plain).shared, ["user"]);
});

test("one container alone shares nothing with anybody", () => {
  assert.deepEqual(sharing(rowsOf(s, ["web"], true)), { shared: [], some: [], own: [] });
});

test("a container that has ended, or is not there, has no namespace", () => {
  const rows = rowsOf(s, ["web", "nowhere"], false);
  assert.equal(rows[1]?.state, "absent");
  assert.equal(column(s, rows, "net")[1]?.inode, 0);
  assert.equal(there(rows), 1);
  assert.equal(there(rowsOf(s, ["nowhere"], true)), 0);
});

test("as many digits as tell inodes apart", () => {
  assert.equal(digits([4026532412, 4026532413]), 3);
  assert.equal(digits([4026531412, 4026532412]), 4);
});

test("sides follow the step, and have a place for what is to come", () => {
  const sides = sidesOf(s, ["web", "later"], "other");
  assert.deepEqual(
    sides.map((x) => [x.key, x.pod, x.waiting]),
    [
      ["left", "", ""],
      ["right", "demo", ""],
      ["right", "other", "other"],
    ],
  );
  assert.deepEqual(sides[0]?.ids, ["web", "later", "cache"]);
});

test("both ends of a connection over localhost are one line, to the listening side", () => {
  const found = links(s.networks);
  assert.equal(found.length, 1);
  assert.equal(found[0]?.client.container, "demo/web");
  assert.equal(found[0]?.server.container, "demo/cache");
});

test("a tree of 300 processes folds equal leaves, and none is lost", () => {
  const many = snapshot(manyFrames);
  const rows = branches(many.processes, new Set(), new Set());
  assert.ok(rows.length < 150, `${rows.length} rows`);
  assert.equal(
    rows.reduce((n, r) => n + 1 + r.folded, 0),
    many.processes.length,
  );
});

test("a circle of parents, which a hostile node may claim, ends", () => {
  const p = s.processes[0]!;
  const list = [
    { ...p, pid: 7, ppid: 8 },
    { ...p, pid: 8, ppid: 7 },
    { ...p, pid: 9, ppid: 9 },
  ];
  assert.ok(branches(list, new Set(), new Set()).length <= 3);
});

test("what came, moved and went", () => {
  const p = s.processes[0]!;
  const a = { ...p, pid: 10, ppid: 1, start: 1 };
  const b = { ...p, pid: 11, ppid: 10, start: 2 };
  const before = new Map([a, b].map((x) => [keyOf(x), x]));
  const found = changes(
    before,
    [
      { ...b, ppid: 1 },
      { ...p, pid: 10, ppid: 1, start: 3 },
    ],
    5,
  );
  assert.deepEqual([...found].map(([k, c]) => [k, c.kind]).sort(), [
    ["10:1", "gone"],
    ["10:3", "new"],
    ["11:2", "moved"],
  ]);
});
