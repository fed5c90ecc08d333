import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ServiceFact } from "../../../../src/core/container/report.ts";
import {
  describeFact,
  describeReport,
  findIllness,
  findUnreadiness,
  parseReport,
  reportedAtOnce,
} from "../../../../src/core/container/report.ts";

const well: ServiceFact = {
  name: "web",
  path: "/etc/service/web/",
  state: "run",
  want: "up",
  pid: 42,
  upMilliseconds: 5000,
  endsOfLate: 0,
  lastEnd: -1,
};

suite("a report", () => {
  test("comes back as it was, odd names included", () => {
    const facts = [well, { ...well, name: "a b\nc:1,", pid: 0, lastEnd: 256, upMilliseconds: 12.5 }];
    assert.deepEqual(parseReport(describeReport("running", facts, 0)), { phase: "running", count: 2, services: facts });
  });

  test("of many services comes in parts", () => {
    const facts = Array.from({ length: 450 }, (_, i) => ({ ...well, name: `s${i}` }));
    const names: string[] = [];
    for (let from = 0; from < 450; from += reportedAtOnce) {
      const part = parseReport(describeReport("stopping", facts, from));
      assert.equal(part?.count, 450);
      for (const { name } of part?.services ?? []) names.push(name);
    }
    assert.deepEqual(
      names,
      facts.map(({ name }) => name),
    );
  });

  test("that is cut or another text is none", () => {
    const whole = describeReport("running", [well], 0);
    for (let length = 0; length < whole.length; length++) {
      const cut = parseReport(whole.slice(0, length));
      assert.ok(cut === undefined || cut.services.length < cut.count, `${length}`);
    }
    assert.equal(parseReport("access denied"), undefined);
  });
});

suite("the health of a service", () => {
  for (const [title, fact, illness] of [
    ["that runs", well, ""],
    ["that is not wanted", { ...well, want: "down", state: "down" }, ""],
    ["that was told to end", { ...well, want: "exit", state: "run" }, ""],
    ["that does not run", { ...well, state: "down" }, "not running"],
    [
      "that has ended",
      { ...well, state: "down", endsOfLate: 1, lastEnd: 9 },
      "not running (last died of signal 9 (KILL))",
    ],
    ["in its finish script", { ...well, state: "finish", endsOfLate: 1, lastEnd: 0 }, "not running (last exited 0)"],
    ["that ended twice", { ...well, endsOfLate: 2, lastEnd: 256 }, ""],
    [
      "that ends again and again",
      { ...well, endsOfLate: 4, lastEnd: 256 },
      "restarting (4 times in 10s, last exited 1)",
    ],
  ] as const)
    test(`${title}: ${illness}`, () => assert.equal(findIllness(fact), illness));

  test("is readiness after a second, or when its check has succeeded", () => {
    assert.equal(findUnreadiness(well, false), "");
    assert.equal(findUnreadiness({ ...well, upMilliseconds: 999 }, false), "not ready yet");
    assert.equal(findUnreadiness({ ...well, upMilliseconds: 1 }, true), "");
    assert.equal(findUnreadiness({ ...well, want: "down", upMilliseconds: 0 }, false), "");
  });

  test("is an object for programs", () => {
    assert.deepEqual(JSON.parse(`{${describeFact({ ...well, pid: 0 }, 'not "so" well')}}`), {
      service: "web",
      state: "run",
      want: "up",
      pid: null,
      seconds: 5,
      ends: 0,
      problem: 'not "so" well',
    });
  });
});
