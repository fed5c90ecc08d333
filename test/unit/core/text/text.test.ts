import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError } from "../../../../src/core/text/errors.ts";
import { describeFatal, describeWarning } from "../../../../src/core/text/messages.ts";
import { leadingNumber } from "../../../../src/core/text/numbers.ts";
import { describeTai64n } from "../../../../src/core/text/tai64n.ts";

test("error texts are the suite's own", () => {
  for (const [errno, text] of [
    [0, "no error"],
    [1, "permission denied"],
    [2, "file does not exist"],
    [13, "access denied"],
    [40, "symbolic link loop"],
    [75, "unknown error"],
    [122, "disk quota exceeded"],
  ] as const) {
    assert.equal(describeError(errno), text);
  }
});

test("messages are one sentence of one form", () => {
  assert.equal(
    describeWarning("runsv a", "unable to open x", 13),
    "runsv a: warning: unable to open x: access denied\n",
  );
  assert.equal(describeWarning("runsv a", "./log: not a directory.", 0), "runsv a: warning: ./log: not a directory.\n");
  assert.equal(
    describeFatal("runsv a", "unable to start ./run", 2),
    "runsv a: fatal: unable to start ./run: file does not exist\n",
  );
});

test("numbers are their leading digits", () => {
  for (const [text, number] of [
    ["5", 5],
    ["", 0],
    ["x", 0],
    ["1.9", 1],
    ["-3", 0],
    ["5v", 5],
    ["007", 7],
  ] as const) {
    assert.equal(leadingNumber(text), number);
  }
});

test("a TAI64N stamp", () => {
  assert.equal(describeTai64n({ seconds: 1795227833, nanoseconds: 30338500 }), "@400000006b0100c301ceedc4");
  assert.equal(describeTai64n({ seconds: 0, nanoseconds: 0 }), "@400000000000000a00000000");
});
