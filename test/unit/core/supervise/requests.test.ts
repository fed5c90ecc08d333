import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isStatusWord, judge, mustSend, parseRequest } from "../../../../src/core/supervise/requests.ts";
import type { StatusRecord } from "../../../../src/core/supervise/status.ts";

const record = (fields: Partial<StatusRecord>): StatusRecord => ({
  sinceHigh: 0x40000000,
  sinceLow: 10,
  sinceNanoseconds: 500,
  pid: 7,
  paused: false,
  want: "u",
  gotTerm: false,
  phase: "run",
  ...fields,
});

test("command words, whole and by their first letter", () => {
  const table: readonly (readonly [string, string, string, boolean])[] = [
    ["up", "u", "verbosely", false],
    ["upgrade", "u", "verbosely", false],
    ["destroy", "d", "verbosely", false],
    ["hello", "h", "verbosely", false],
    ["1x", "1", "verbosely", false],
    ["exit", "x", "verbosely", false],
    ["cont", "c", "verbosely", false],
    ["checks", "c", "verbosely", false],
    ["check", "", "always", false],
    ["start", "u", "always", false],
    ["stop", "d", "always", false],
    ["shutdown", "x", "always", false],
    ["restart", "tcu", "always", false],
    ["reload", "h", "always", false],
    ["try-restart", "tc", "always", false],
    ["try-restartx", "t", "verbosely", false],
    ["force-stop", "d", "always", true],
    ["force-reload", "tc", "always", true],
    ["force-restart", "tcu", "always", true],
    ["force-shutdown", "x", "always", true],
    ["Down", "d", "always", true],
    ["T", "tc", "always", true],
    ["X", "x", "always", true],
    ["E", "x", "always", true],
  ];
  for (const [word, bytes, waits, kills] of table) {
    const request = parseRequest(word);
    assert.ok(request, word);
    assert.deepEqual([request.bytes, request.waits, request.kills], [bytes, waits, kills], word);
  }
  for (const word of ["", "r", "reboot", "f", "force", "g", "bogus", "-", "list", "\xff"]) {
    assert.equal(parseRequest(word), undefined, word);
  }
});

test("status words", () => {
  for (const word of ["s", "sta", "status", "sxyz"]) assert.ok(isStatusWord(word, false), word);
  for (const word of ["start", "stop", "shutdown", "up", ""]) assert.ok(!isStatusWord(word, false), word);
  assert.ok(isStatusWord("status", true));
  for (const word of ["s", "stat", "statusx"]) assert.ok(!isStatusWord(word, true), word);
});

test("a service that has what is asked for is not told again", () => {
  assert.ok(!mustSend("u", record({})));
  assert.ok(mustSend("u", record({ want: "d" })));
  assert.ok(mustSend("d", record({ want: "d" })));
  assert.ok(!mustSend("d", record({ want: "d", gotTerm: true })));
  assert.ok(mustSend("tcu", record({})));
  assert.ok(!mustSend("", record({})));
});

suite("satisfied", () => {
  // As the matrix of the specification, with the differences of sv-fresh-state: u and d look at what is wanted too.
  const columns = ["u", "d", "o", "t", "k", "p", "c", "h", "x", "tcu", "tc", "C"];
  const matrix: readonly (readonly [string, Partial<StatusRecord>, boolean, string])[] = [
    ["run old u", {}, false, "Y-----YY---Y"],
    ["run new u", {}, true, "Y--YY-YY-YYY"],
    ["run new d", { want: "d" }, true, "--YYY-YY--Y-"],
    ["run old d", { want: "d" }, false, "--Y---YY----"],
    ["run new u, TERM", { gotTerm: true }, true, "Y-----YY---Y"],
    ["run new u, paused", { paused: true }, true, "Y--YYY-Y---Y"],
    ["down old u", { phase: "down", pid: 0 }, false, "-----YYY----"],
    ["down new u", { phase: "down", pid: 0 }, true, "-----YYY----"],
    ["down old d", { phase: "down", pid: 0, want: "d" }, false, "-Y-YYYYY--YY"],
    ["down new d", { phase: "down", pid: 0, want: "d" }, true, "-YYYYYYY--YY"],
    ["finish old u", { phase: "finish" }, false, "------YY----"],
    ["finish new u", { phase: "finish" }, true, "---YY-YY--Y-"],
    ["finish new d", { phase: "finish", want: "d" }, true, "--YYY-YY--Y-"],
    ["finish new d, pid 0", { phase: "finish", pid: 0, want: "d" }, true, "--YYYYYY--Y-"],
  ];
  for (const [name, fields, isNew, cells] of matrix) {
    test(name, () => {
      const found = columns.map((bytes) => (judge(bytes, record(fields), isNew) === "no" ? "-" : "Y")).join("");
      assert.equal(found, cells, columns.join(" "));
    });
  }

  test("the check script is asked where a running service is the answer", () => {
    assert.equal(judge("u", record({}), false), "ask");
    assert.equal(judge("tcu", record({}), true), "ask");
    assert.equal(judge("c", record({}), false), "yes");
    assert.equal(judge("d", record({ phase: "down", pid: 0, want: "d" }), false), "yes");
  });
});
