// The committed corpus of scripts/fuzz, and what can be made of it by cutting and changing: everything holds.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { play, targets } from "./fuzz.ts";

const corpus = path.join(import.meta.dirname, "corpus");

/** The sample, cut at every eighth byte or so, and with single bytes changed. */
function variants(sample: Uint8Array): Uint8Array[] {
  const all = [sample];
  const stride = Math.max(1, Math.floor(sample.length / 24));
  for (let at = 0; at < sample.length; at += stride) {
    all.push(sample.slice(0, at), sample.slice(at));
    for (const byte of [0, 10, 32, 45, 48, 255]) all.push(sample.with(at, byte));
  }
  return all;
}

for (const target of targets()) {
  test(`whatever ${target} reads, what is said of it holds`, () => {
    const names = fs.readdirSync(path.join(corpus, target));
    assert.ok(names.length > 0, "there are samples");
    for (const name of names) {
      const sample = new Uint8Array(fs.readFileSync(path.join(corpus, target, name)));
      for (const bytes of variants(sample)) {
        assert.equal(play(target, bytes), "", `${name}: ${Buffer.from(bytes).toString("hex")}`);
      }
    }
  });
}

test("every sample belongs to a target", () => {
  assert.deepEqual(fs.readdirSync(corpus).sort(), [...targets()].sort());
});
