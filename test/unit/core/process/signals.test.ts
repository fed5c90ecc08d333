import assert from "node:assert/strict";
import { constants } from "node:os";
import { suite, test } from "node:test";
import { describeSignal, parseStopSignal, signalNumber } from "../../../../src/core/process/signals.ts";

suite("signals", () => {
  test("have the numbers of this system", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      if (number > 31 || name === "SIGPOLL" || name === "SIGIOT") continue;
      assert.equal(signalNumber(name), number, name);
      assert.equal(signalNumber(name.slice(3)), number, name);
      assert.equal(`SIG${describeSignal(number)}`, name);
    }
    assert.equal(signalNumber("RTMIN+3"), 37);
    assert.equal(describeSignal(37), "RTMIN+3");
    assert.equal(describeSignal(50), "");
  });

  test("that are none have no number", () => {
    for (const text of ["", "SIG", "term", "NOPE", "0", "65", "HUP INT"]) assert.equal(signalNumber(text), 0, text);
  });

  test("of a stop are the first word of a file", () => {
    assert.equal(parseStopSignal("QUIT\n"), "QUIT");
    assert.equal(parseStopSignal(" SIGINT \nmore"), "INT");
    for (const text of ["", "STOP", "CONT", "SEGV", "x"]) assert.equal(parseStopSignal(text), undefined, text);
  });
});
