import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  describeMembers,
  describeState,
  describeTrouble,
  noRemark,
  quote,
} from "../../../../src/core/supervise/report.ts";
import type { StatusRecord } from "../../../../src/core/supervise/status.ts";

const record = (fields: Partial<StatusRecord>): StatusRecord => ({
  sinceHigh: 0x40000000,
  sinceLow: 1010,
  sinceNanoseconds: 500,
  pid: 42,
  paused: false,
  want: "u",
  gotTerm: false,
  phase: "run",
  ...fields,
});

test("sv's line", () => {
  const table: readonly (readonly [Partial<StatusRecord>, boolean, string])[] = [
    [{}, true, "run: a: (pid 42) 9s"],
    [{}, false, "run: a: (pid 42) 9s, normally down"],
    [
      { paused: true, want: "d", gotTerm: true },
      false,
      "run: a: (pid 42) 9s, normally down, paused, want down, got TERM",
    ],
    [{ phase: "down", pid: 0, want: "d" }, true, "down: a: 9s, normally up"],
    [{ phase: "down", pid: 0, want: "d" }, false, "down: a: 9s"],
    [{ phase: "down", pid: 0 }, true, "down: a: 9s, normally up, want up"],
    [{ phase: "finish", pid: 0 }, true, "finish: a: (pid 0) 9s, normally up, want up"],
    [{ phase: "down", pid: 5 }, true, "down: a: 9s"],
    [{ phase: undefined }, true, "a: (pid 42) 9s"],
    [{ want: "other" }, true, "run: a: (pid 42) 9s"],
  ];
  for (const [fields, isUp, line] of table)
    assert.equal(describeState("a", record(fields), isUp, 1009, noRemark()), line);
});

test("says what the record has no room for", () => {
  const waiting = { waitsFor: "DISPLAY", isRefused: false };
  const down = describeState("a", record({ phase: "down", pid: 0 }), true, 1009, waiting);
  assert.equal(down, "down: a: 9s, normally up, waits for DISPLAY");
  const refused = { waitsFor: "", isRefused: true };
  assert.equal(
    describeState("a", record({ want: "d" }), true, 1009, refused),
    "run: a: (pid 42) 9s, want down, not permitted",
  );
});

suite("the JSON object", () => {
  test("says the same", () => {
    assert.deepEqual(JSON.parse(`{${describeMembers("a", record({ want: "d" }), true, 1009)}}`), {
      service: "a",
      state: "run",
      pid: 42,
      seconds: 9,
      since: 1000,
      normally: "up",
      want: "down",
      paused: false,
      got_term: false,
    });
    assert.deepEqual(JSON.parse(`{${describeTrouble("b", 'no "b"')}}`), { service: "b", state: null, error: 'no "b"' });
  });

  test("is well-formed whatever the name", () => {
    for (let byte = 1; byte < 256; byte++) {
      const text = quote(`a${String.fromCharCode(byte)}b`);
      assert.equal(JSON.parse(text), `a${String.fromCharCode(byte)}b`, `byte ${byte}`);
    }
    const utf8 = Buffer.from("Grüße 🙂", "utf8").toString("latin1");
    assert.equal(JSON.parse(Buffer.from(quote(utf8), "latin1").toString("utf8")), "Grüße 🙂");
    for (const bad of ["\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80"]) {
      assert.equal(JSON.parse(quote(bad)), bad);
    }
  });
});
