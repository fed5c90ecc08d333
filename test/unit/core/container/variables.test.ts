import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeLife, decodeStop, encodeLife } from "../../../../src/core/container/handover.ts";
import { letterOf, optionVariables } from "../../../../src/core/container/options.ts";

test("each variable stands for its option", () => {
  assert.deepEqual(
    optionVariables().map((name) => `${name} ${letterOf(name)}`),
    ["RUNIT_MAIN m", "RUNIT_GRACE g", "RUNIT_DRAIN D", "RUNIT_EXPECT e", "RUNIT_PREFIX p", "RUNIT_MAXFAIL x"],
  );
});

test("what is no text of a stop or of a life is nothing", () => {
  assert.ok(decodeStop("drain 1 2 1 3"));
  for (const text of ["", "drain", "drain 1 2 1", "drain 1 2 1 3 4", "none 1 2 1 3"])
    assert.equal(decodeStop(text), undefined);
  const life = {
    phase: "hook",
    stop: "",
    cause: "",
    mainEnds: [],
    commandPid: 0,
    commandAt: 0,
    hookPid: 7,
    hasStarted: false,
    interrupts: 0,
    running: 0,
    killed: 0,
    memoryKills: 0,
    socketFd: -1,
  } as const;
  const text = encodeLife(life, "", []);
  assert.deepEqual({ ...decodeLife(text)?.life }, life);
  for (const phase of ["waiting", "running"] as const) {
    assert.equal(decodeLife(encodeLife({ ...life, phase }, "", []))?.life.phase, phase);
  }
  assert.equal(decodeLife(text.replace("4:hook", "4:hock")), undefined);
});
