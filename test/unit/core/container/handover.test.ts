import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Cause } from "../../../../src/core/container/ending.ts";
import type { Life } from "../../../../src/core/container/handover.ts";
import {
  decodeCause,
  decodeLife,
  decodeStop,
  encodeCause,
  encodeLife,
  encodeStop,
} from "../../../../src/core/container/handover.ts";
import { requestStop } from "../../../../src/core/container/stop.ts";
import { decodeFields, encodeFields } from "../../../../src/core/text/fields.ts";

const causes: readonly Cause[] = [
  { kind: "main", name: "main service a:b, c", waitStatus: 11, seconds: 3 },
  { kind: "signal", signal: "TERM" },
  { kind: "told", code: -1 },
  { kind: "gave up", name: "web", count: 3, waitStatus: 256 },
  { kind: "start hook", waitStatus: 1024 },
  { kind: "no command", name: "x", code: 127, reason: "file does not exist" },
];

suite("what process 1 of a container keeps", () => {
  test("comes back as it was", () => {
    for (const cause of causes) assert.deepEqual(decodeCause(encodeCause(cause)), cause);
    const stop = requestStop(8000, 100, false, 1234.5);
    assert.deepEqual(decodeStop(encodeStop(stop)), stop);
    const life: Life = {
      phase: "running",
      stop: encodeStop(stop),
      cause: "x",
      mainEnds: [0, 256],
      commandPid: 7,
      commandAt: 12.25,
      hookPid: 0,
      hasStarted: true,
      interrupts: 1,
      running: 3,
      killed: 2,
      memoryKills: 5,
      socketFd: 9,
    };
    const kept = decodeLife(encodeLife(life, "waits\0", ["one", "", "three,"]));
    assert.deepEqual(kept?.life, life);
    assert.equal(kept.output, "waits\0");
    assert.deepEqual(kept.services, ["one", "", "three,"]);
  });

  test("that is another text is nothing", () => {
    for (const text of ["", "x", "1:a", "3:ab,", encodeFields(["running"]), encodeFields(Array(7).fill("x"))]) {
      assert.equal(decodeLife(text), undefined, text);
    }
    assert.equal(decodeStop("x 1 2 3 4"), undefined);
    assert.equal(decodeCause(""), undefined);
    assert.equal(decodeCause(encodeFields(["x", "", "", ""])), undefined);
  });
});

suite("fields", () => {
  test("may hold anything", () => {
    const fields = ["", ",", "1:", "a\0b\n", "\xff".repeat(300)];
    assert.deepEqual(decodeFields(encodeFields(fields)), fields);
    assert.deepEqual(decodeFields(""), []);
  });
});
