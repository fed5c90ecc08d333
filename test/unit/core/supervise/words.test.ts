import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameProcess } from "../../../../src/core/supervise/record.ts";
import { quote } from "../../../../src/core/supervise/report.ts";
import { parseRequest } from "../../../../src/core/supervise/requests.ts";

test("a letter sends its byte, and its capital kills on timeout", () => {
  for (const letter of "udoxtkpchaiq12") assert.equal(parseRequest(letter)?.bytes, letter, letter);
  assert.equal(parseRequest("exit")?.bytes, "x");
  for (const [word, bytes] of [
    ["D", "d"],
    ["T", "tc"],
    ["X", "x"],
    ["E", "x"],
    ["force-stop", "d"],
    ["force-reload", "tc"],
    ["force-restart", "tcu"],
    ["force-shutdown", "x"],
  ] as const) {
    const request = parseRequest(word);
    assert.deepEqual([request?.bytes, request?.kills, request?.waits], [bytes, true, "always"], word);
  }
  for (const letter of "3zbrw") assert.equal(parseRequest(letter), undefined, letter);
});

test("what needs no escape in a JSON text has none", () => {
  assert.equal(quote(" ~!#[]"), '" ~!#[]"');
  assert.equal(quote('"\\'), '"\\"\\\\"');
  assert.equal(quote("\x1f\x7f\n"), '"\\u001f\\u007f\\u000a"');
  assert.equal(quote("\xc3\xa9\x80"), '"\\u00c3\\u00a9\\u0080"');
  assert.equal(quote("\xc3\xa9"), '"\xc3\xa9"');
});

test("a process that began with the system is one that can be the same", () => {
  assert.ok(isSameProcess(0, 100, 0));
  assert.ok(isSameProcess(101, 100, 1000));
  assert.ok(!isSameProcess(102, 100, 1000));
  assert.ok(!isSameProcess(-1, 100, 1000));
});
