import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cgroup, Snapshot } from "../types.ts";
import { ground, highest, line, usageOf, valueAt } from "./usage.ts";

const second = 1_000_000;
const at = (time: number, usage: Partial<Cgroup>): Snapshot =>
  ({ time: time * second, node: { usage: { memory: 0, cpu: 0, throttled: 0, ...usage } }, containers: [] }) as unknown as Snapshot;

test("CPU per second comes from what was used between two snapshots", () => {
  const u = usageOf([at(10, { cpu: 0 }), at(11, { cpu: 200_000 }), at(12, { cpu: 700_000 })], "", 12 * second);
  assert.deepEqual(u.cpu, [
    { from: 10 * second, until: 11 * second, value: 200 },
    { from: 11 * second, until: 12 * second, value: 500 },
  ]);
});

test("while nothing is heard nothing is used: it is not spread over the silence", () => {
  const u = usageOf([at(10, { cpu: 0 }), at(30, { cpu: 400_000 })], "", 35 * second);
  assert.deepEqual(
    u.cpu.map((p) => p.value),
    [0, 400, 0],
  );
  assert.equal(valueAt(u.cpu, 20 * second), 0);
  assert.equal(valueAt(u.cpu, 29.5 * second), 400);
  assert.equal(valueAt(u.cpu, 34 * second), 0);
});

test("until the next snapshot is due, what was used goes on", () => {
  const u = usageOf([at(10, { cpu: 0 }), at(11, { cpu: 300_000 })], "", 12 * second);
  assert.deepEqual(u.cpu, [{ from: 10 * second, until: 12 * second, value: 300 }]);
});

test("two snapshots close to each other are no rate of their own", () => {
  const u = usageOf([at(10, { cpu: 0 }), at(10.95, { cpu: 0 }), at(11.05, { cpu: 100_000 })], "", 11.05 * second);
  assert.equal(u.cpu.length, 1);
  assert.equal(Math.round(highest(u.cpu)), 95);
});

test("a group that was made anew has used what it counts", () => {
  const u = usageOf([at(10, { cpu: 900_000 }), at(11, { cpu: 100_000 })], "", 11 * second);
  assert.deepEqual(
    u.cpu.map((p) => p.value),
    [100],
  );
});

test("throttling is where the kernel's count rose", () => {
  const u = usageOf([at(10, {}), at(11, { throttled: 3 }), at(12, { throttled: 3 })], "", 12 * second);
  assert.deepEqual(u.throttled, [{ from: 10 * second, until: 11 * second, value: 3 }]);
});

test("memory holds until the next snapshot, and nothing of later is known", () => {
  const all = [at(10, { memory: 5 }), at(11, { memory: 9 }), at(12, { memory: 7 })];
  const u = usageOf(all, "", 11.5 * second);
  assert.deepEqual(
    u.memory.map((p) => p.value),
    [5, 9],
  );
  assert.equal(valueAt(u.memory, 10.5 * second), 5);
  assert.equal(valueAt(u.memory, 9 * second), undefined);
});

test("the line stands where its times and values are; what is older than a minute is cut", () => {
  const steps = [
    { from: 0, until: 90 * second, value: 50 },
    { from: 90 * second, until: 120 * second, value: 100 },
  ];
  assert.equal(line(steps, 120 * second, 100), "M0 50H50V0H100");
  assert.equal(ground(steps, 120 * second, 100), "M0 50H50V0H100V100H0Z");
  assert.equal(ground([], 0, 1), "");
});
