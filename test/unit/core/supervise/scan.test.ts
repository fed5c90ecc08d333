import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Entry, Known } from "../../../../src/core/supervise/scan.ts";
import { planScan } from "../../../../src/core/supervise/scan.ts";

const known = (name: string, pid: number, startedAt = 0): Known => ({
  name,
  key: `i-${name}`,
  identity: `i-${name}`,
  pid,
  startedAt,
});
const entry = (name: string, identity = `i-${name}`): Entry => ({ name, key: identity, identity });
const names = (list: readonly { readonly name: string }[]): string => list.map((one) => one.name).join(" ");

suite("a scan", () => {
  test("starts what is new, keeps what runs, stops what is gone: all of them at once", () => {
    const plan = planScan([known("a", 1), known("b", 2), known("c", 3)], [entry("b"), entry("d"), entry("e")], 5000);
    assert.equal(names(plan.start), "d e");
    assert.equal(names(plan.keep), "b");
    assert.equal(names(plan.stop), "a c");
    assert.equal(plan.due, -1);
  });

  test("knows a service by its directory: two names are one, and a new name changes nothing", () => {
    const plan = planScan([known("a", 1)], [entry("z", "i-a"), entry("a2", "i-a")], 5000);
    assert.equal(names(plan.start), "");
    assert.equal(names(plan.keep), "a");
    assert.equal(names(planScan([], [entry("a"), entry("a2", "i-a")], 0).start), "a");
  });

  test("restarts one that has ended under the name it finds", () => {
    assert.deepEqual(planScan([known("a", 0)], [entry("z", "i-a")], 5000).start, [entry("z", "i-a")]);
  });

  test("restarts none within a second of its last start", () => {
    const plan = planScan([known("a", 0, 4500), known("b", 0, 4200)], [entry("a"), entry("b")], 5000);
    assert.equal(names(plan.start), "");
    assert.equal(names(plan.keep), "a b");
    assert.equal(plan.due, 5200);
  });

  test("has no limit", () => {
    const many = Array.from({ length: 5000 }, (_, i) => entry(`s${i}`));
    assert.equal(planScan([], many, 0).start.length, 5000);
  });

  test("takes another definition of a running service for what it is, and one that is away for none", () => {
    const one: Known = { ...known("a", 7), key: "a" };
    const other = planScan([one], [{ name: "a", key: "a", identity: "i-other" }], 5000);
    assert.deepEqual([names(other.keep), other.keep[0]?.identity, names(other.replaced)], ["a", "i-other", "a"]);
    const away = planScan([one], [{ name: "a", key: "a", identity: "" }], 5000);
    assert.deepEqual([names(away.keep), away.keep[0]?.identity, names(away.replaced)], ["a", "i-a", ""]);
    const same = planScan([one], [{ name: "a", key: "a", identity: "i-a" }], 5000);
    assert.deepEqual([names(same.keep), names(same.replaced)], ["a", ""]);
  });
});
