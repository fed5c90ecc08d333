import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Service } from "../../../../src/core/supervise/service.ts";
import { newService } from "../../../../src/core/supervise/service.ts";
import {
  decodeStatus,
  describeAge,
  describeStat,
  encodeStatus,
  sinceOf,
} from "../../../../src/core/supervise/status.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const since = { seconds: 1795227833, nanoseconds: 30338123 };
const down = newService("service", "down", since);

suite("the status record", () => {
  test("is the example of the specification", () => {
    // Written by the original: since 1795227833.030338, no process, want down, down.
    assert.deepEqual(encodeStatus(down), hex("40000000 6b0100c3 01ceedc4 00000000 00 64 00 00"));
  });

  test("comes back as it went", () => {
    for (const phase of ["down", "run", "finish"] as const) {
      for (const want of ["up", "down", "exit"] as const) {
        for (const flag of [true, false]) {
          const service: Service = { ...down, phase, want, pid: 70_000, paused: flag, gotTerm: !flag };
          const record = decodeStatus(encodeStatus(service));
          assert.ok(record);
          assert.equal(record.phase, phase);
          assert.equal(record.want, want === "up" ? "u" : "d");
          assert.equal(record.pid, 70_000);
          assert.equal(record.paused, flag);
          assert.equal(record.gotTerm, !flag);
          assert.deepEqual(sinceOf(record), { seconds: since.seconds, nanoseconds: 30338500 });
        }
      }
    }
  });

  test("of 20 bytes and more is read whole, of 18 as daemontools has it, of fewer is none", () => {
    for (let length = 0; length < 18; length++) assert.equal(decodeStatus(new Uint8Array(length)), undefined);
    for (const [length, phase, gotTerm] of [
      [18, undefined, false],
      [19, undefined, false],
      [20, "run", true],
      [25, "run", true],
    ] as const) {
      const record = decodeStatus(new Uint8Array(length).fill(1));
      assert.deepEqual([record?.phase, record?.gotTerm, record?.pid], [phase, gotTerm, 0x01010101], `${length}`);
    }
  });

  test("after the year 2106 is still right", () => {
    const late = { ...down, since: { seconds: 2 ** 33 + 5, nanoseconds: 0 } };
    const record = decodeStatus(encodeStatus(late));
    assert.ok(record);
    assert.equal(sinceOf(record).seconds, 2 ** 33 + 5);
    assert.equal(describeAge(record, 2 ** 33 + 12), "7");
  });
});

suite("the age", () => {
  const ageOf = (high: bigint, now: number): string => {
    const bytes = new Uint8Array(20);
    new DataView(bytes.buffer).setBigUint64(0, high);
    const record = decodeStatus(bytes);
    assert.ok(record);
    return describeAge(record, now);
  };

  test("is exact to the last of nineteen digits", () => {
    assert.equal(ageOf(0n, 1795227833), String(4611686018427387914n + 1795227833n));
  });
  test("is 0 for what lies ahead", () => {
    assert.equal(ageOf(4611686018427387914n + 1795227834n, 1795227833), "0");
    assert.equal(ageOf(2n ** 64n - 1n, 1795227833), "0");
  });
  test("agrees with whole numbers of any size", () => {
    for (let i = 0n; i < 2000n; i++) {
      const value = (i * 2305843009213693951n + i * i * 7919n) % (4611686018427387914n + 1000n);
      const age = 4611686018427387914n + 1700000000n - value;
      assert.equal(ageOf(value, 1700000000), String(age < 0n ? 0n : age));
    }
  });
});

test("the words of supervise/stat", () => {
  const table: readonly (readonly [Partial<Service>, string])[] = [
    [{}, "down\n"],
    [{ paused: true }, "down, paused\n"],
    [{ want: "exit" }, "down\n"],
    [{ phase: "run", want: "up", pid: 1 }, "run\n"],
    [{ phase: "run", paused: true, gotTerm: true, pid: 1 }, "run, paused, got TERM, want down\n"],
    [{ phase: "finish", want: "exit", pid: 1 }, "finish, want exit\n"],
  ];
  for (const [fields, words] of table) assert.equal(describeStat({ ...down, ...fields }), words);
});
