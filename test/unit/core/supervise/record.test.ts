import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  decodeRecord,
  encodeSupervisor,
  isSameProcess,
  recordBytes,
  startTicksOf,
  supervisorOffset,
} from "../../../../src/core/supervise/record.ts";

suite("the record of a child", () => {
  const bootId = "01234567-89ab-cdef-0123-456789abcdef";

  test("holds what the child and its supervisor wrote", () => {
    const bytes = new Uint8Array(recordBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 4711, true);
    view.setUint32(4, 2, true);
    view.setBigUint64(8, 123456789012n, true);
    view.setBigUint64(16, 1700000000n, true);
    view.setBigUint64(24, 5000n, true);
    bytes.set(encodeSupervisor(42, 98765432109, "3:4000000001", bootId), supervisorOffset);
    assert.deepEqual(decodeRecord(bytes), {
      pid: 4711,
      phase: "finish",
      bornBefore: 123456789012,
      since: { seconds: 1700000000, nanoseconds: 5000 },
      supervisor: 42,
      supervisorBornBefore: 98765432109,
      pipe: "3:4000000001",
      bootId,
    });
  });

  test("that is cut is none; an empty one names nobody", () => {
    assert.equal(decodeRecord(new Uint8Array(recordBytes - 1)), undefined);
    const empty = decodeRecord(new Uint8Array(recordBytes));
    assert.deepEqual([empty?.pid, empty?.phase, empty?.pipe], [0, "down", ""]);
  });
});

suite("a process is the same", () => {
  test("if it began before the moment on record, in whole ticks", () => {
    assert.ok(isSameProcess(1000, 100, 10_000));
    assert.ok(isSameProcess(1001, 100, 10_000));
    assert.ok(!isSameProcess(1002, 100, 10_000));
    assert.ok(!isSameProcess(-1, 100, 10_000));
  });

  test("its start is the 22nd word of /proc/PID/stat, whatever its name", () => {
    const rest = Array.from({ length: 18 }, (_, i) => i).join(" ");
    for (const name of ["run", "a b", ") R 1 (", "(((", ""]) {
      assert.equal(startTicksOf(`7 (${name}) S ${rest} 4711 0`), 4711, name);
      assert.equal(startTicksOf(`7 (${name}) Z ${rest} 4711 0`), -1, name);
    }
    assert.equal(startTicksOf(""), -1);
  });
});
