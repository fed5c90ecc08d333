// Stamps of svlogd, read back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStamp } from "../../client/src/index.ts";
import type { StampForm } from "../../src/core/log/stamp.ts";
import { describeStamp, utc } from "../../src/core/log/stamp.ts";

test("what svlogd writes, is read", () => {
  for (const seconds of [0, 1_000_000_000, 1_795_227_833, 4_102_444_800]) {
    for (const nanoseconds of [0, 123_450_000, 999_990_000]) {
      for (const [form, zone] of [
        ["tai", utc],
        ["underscore", utc],
        ["T", utc],
        ["T", 7200],
        ["underscore", -12_600],
      ] as const) {
        const stamp = describeStamp(form satisfies StampForm, { seconds, nanoseconds }, zone);
        const time = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
        assert.deepEqual(parseStamp(`${stamp}a  text `), { time, text: "a  text " }, stamp);
        assert.deepEqual(parseStamp(stamp), { time, text: "" });
      }
    }
  }
});

test("a line without a stamp is all text", () => {
  for (const line of [
    "",
    "text",
    "@4000",
    `@${"4".repeat(24)}text`,
    "2001-09-09 01:46:40 text",
    "2001-13-09_01:46:40.12345 text",
    `@4${"g".repeat(23)} x`,
  ]) {
    assert.deepEqual(parseStamp(line), { time: undefined, text: line });
  }
});
