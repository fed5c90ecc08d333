import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { supervise } from "../../../src/engine/engine.ts";
import { Setting, Supervisor } from "../../../src/engine/supervisor.ts";
import { endsAfter, Machine, reader, sleeper } from "../../machine/machine.ts";

suite("one engine with a hundred services", () => {
  test("starts, restarts, stops and ends each by itself", () => {
    const machine = new Machine();
    const lines: string[] = [];
    const supervisors: Supervisor[] = [];
    for (let i = 0; i < 100; i++) {
      // Every third crashes now and then, every fourth has a log service.
      machine.program(`/service/s${i}/run`, i % 3 === 0 ? endsAfter(1200 + i, 1) : sleeper);
      if (i % 4 === 0) machine.program(`/service/s${i}/log/run`, reader(lines));
      const supervisor = new Supervisor(machine, `runsv s${i}`, new Setting(`/service/s${i}/`));
      supervisor.claim();
      assert.ok(supervisor.claimLog());
      supervisor.open();
      supervisor.begin();
      supervisors.push(supervisor);
    }
    assert.equal(machine.living().length, 125);
    machine.after(10_000, () => {
      for (const supervisor of supervisors) assert.equal(supervisor.service.phase, "run");
      for (let i = 0; i < 100; i += 2) machine.tell(`/service/s${i}/supervise/control`, "d");
    });
    machine.after(12_000, () => {
      for (let i = 0; i < 100; i++) {
        const stat = machine.content(`/service/s${i}/supervise/stat`);
        assert.equal(stat, i % 2 === 0 ? "down\n" : "run\n", `s${i}`);
      }
      machine.raise("TERM");
    });
    supervise(machine, supervisors);
    assert.equal(machine.living().length, 0);
    assert.equal(machine.stderr, "");
  });
});
