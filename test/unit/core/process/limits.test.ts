import assert from "node:assert/strict";
import { test } from "node:test";
import { resourcesOf, softLimit } from "../../../../src/core/process/limits.ts";

test("each letter bounds its resources, and no other letter any", () => {
  const resources: Record<string, readonly number[]> = {
    m: [2, 3, 8, 9],
    a: [9],
    c: [4],
    d: [2],
    f: [1],
    l: [8],
    o: [7],
    p: [6],
    r: [5],
    s: [3],
    t: [0],
  };
  for (const letter of "abcdefghijklmnopqrstuvwxyz")
    assert.deepEqual(resourcesOf(letter), resources[letter] ?? [], letter);
  assert.deepEqual(resourcesOf(""), []);
});

test("numbers from 2^63 on are none, but for the highest of all", () => {
  const hard = { high: 0, low: 4096 };
  assert.deepEqual(softLimit({ high: 0xffffffff, low: 0xffffffff }, hard), hard);
  for (const word of [
    { high: 0x80000000, low: 0 },
    { high: 0x80000000, low: 0xffffffff },
    { high: 0xffffffff, low: 0xfffffffe },
  ]) {
    assert.equal(softLimit(word, hard), undefined);
  }
  const high = { high: 0x7fffffff, low: 0xffffffff };
  assert.deepEqual(softLimit(high, { high: 0xffffffff, low: 0xffffffff }), high);
  assert.deepEqual(softLimit({ high: 0, low: 4095 }, hard), { high: 0, low: 4095 });
});
