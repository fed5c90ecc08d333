import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLogConfig } from "../../../../src/core/log/config.ts";
import { decodeProgress, encodeProgress, lengthOf, Progress } from "../../../../src/core/log/progress.ts";
import { isLabel } from "../../../../src/core/log/rotation.ts";

test("a label is @4 and lower-case hexadecimal digits", () => {
  assert.ok(isLabel("@400000006b0100c301ceedc4"));
  assert.ok(isLabel("@40123456789abcdef0123456"));
  for (const byte of ["/", ":", "`", "g", "A", " "]) assert.ok(!isLabel(`@400000006b0100c301ceedc${byte}`), byte);
  for (const text of [
    "",
    "@4",
    "@500000006b0100c301ceedc4",
    "@400000006b0100c301ceedc",
    "@400000006b0100c301ceedc44",
  ]) {
    assert.ok(!isLabel(text), text);
  }
});

test("numbers of a config have all ten digits", () => {
  const config = parseLogConfig("s1234567890\nn9\nN0\n");
  assert.deepEqual([config.maxBytes, config.maxFiles, config.minFiles], [1234567890, 9, 0]);
});

test("each flag of a progress record is kept by itself", () => {
  for (const [isWhole, isLeading] of [
    [true, false],
    [false, true],
  ] as const) {
    const one = new Progress();
    one.isWhole = isWhole;
    one.isLeading = isLeading;
    const bytes = new Uint8Array(lengthOf(one));
    encodeProgress(one, bytes);
    const again = decodeProgress(bytes);
    assert.deepEqual([again?.isWhole, again?.isLeading, again?.isTaken], [isWhole, isLeading, false]);
  }
});
