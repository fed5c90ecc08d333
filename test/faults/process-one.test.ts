// Process 1 cannot end: whatever happens inside runit, it goes on with the same stage and the same children.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite } from "node:test";
import type { Machine } from "../conformance/runit/scenes.ts";
import { arm, boot, cannotBoot, leave, std } from "../conformance/runit/scenes.ts";
import type { Stage } from "../conformance/stage.ts";
import { compiled, faultyBuild, releaseBuild, staged } from "./scenes.ts";

const kinds = ["trap", "segv", "stack", "memory", "abort"] as const;
/** A million takes a minute or two. */
const orphans = Number(process.env["PROCESS_ONE_ORPHANS"] ?? "100000");
/** At least so many calls that change something are made in a short life; beyond `calls` there are none. */
const fewestCalls = 12;
const calls = 40;
const faults = Number(process.env["PROCESS_ONE_FAULTS"] ?? "1000");

function restartsOf(machine: Machine): number {
  return machine.lines.filter(({ text }) => text.endsWith(", restarting in place.")).length;
}
/** The next wait of process 1 fails. */
function orderFault(stage: Stage, kind: string): void {
  fs.writeFileSync(stage.at("root/out/order"), kind);
  fs.renameSync(stage.at("root/out/order"), stage.at("root/out/fault.runit"));
}
/** Resident memory, KiB. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}
/** What it said, without what it said about faults. */
function story(machine: Machine): readonly string[] {
  return machine.console.filter((line) => !line.endsWith(", restarting in place."));
}

suite("process 1 (differs: runit-restarts-in-place)", { concurrency: 2 }, () => {
  staged(
    `${faults} faults later it runs the same stage with the same children`,
    faultyBuild,
    async (stage, context) => {
      const script = "sleep 1000 & echo two; exec sleep 1001";
      const machine = await boot(stage, { ...std, 2: script }, { env: { RUNIT_TS_FAULT_FILE: "/out/fault" } });
      await machine.says("two");
      const stage2 = await machine.process("sleep 1001");
      const child = await machine.process("sleep 1000");
      const process1 = machine.pid;
      for (let n = 1; n <= faults; n++) {
        orderFault(stage, kinds[n % kinds.length] ?? "trap");
        machine.signal("SIGCONT");
        await stage.until(`restart ${n}`, () => restartsOf(machine) === n || !machine.isAlive);
        assert.ok(machine.isAlive, machine.console.join("\n"));
        if (n % 100 !== 0) continue;
        // An orphan that ends now is reaped by the new instance.
        await machine.inside("(sleep 0.01 & sleep 0.02 &) ; :");
        await stage.until("orphans are reaped", () => machine.processes("sleep 0.0").length === 0);
      }
      context.diagnostic(`counts: process-one faults=${faults}`);
      assert.equal(await machine.process("sleep 1001"), stage2);
      assert.equal(await machine.process("sleep 1000"), child);
      assert.equal(machine.pid, process1);
      assert.equal(machine.lines.filter(({ text }) => text === "two").length, 1, "stage 2 was not started again");
      arm(stage);
      machine.signal("SIGCONT");
      assert.equal(await machine.end(), "halt");
      const lines = story(machine);
      assert.deepEqual(lines.slice(lines.indexOf("two") + 1, lines.indexOf("two") + 2), [leave(2)]);
    },
    { skip: cannotBoot, timeoutMilliseconds: 300_000 },
  );

  staged(
    `${orphans} orphans later it has the memory it had`,
    releaseBuild,
    async (stage, context) => {
      const program = stage.file("root/out/orphans", fs.readFileSync(compiled("orphans")), 0o755);
      assert.ok(fs.existsSync(program));
      const machine = await boot(stage, { ...std, 2: `/out/orphans 2000\n/out/orphans ${orphans}\nexec sleep 1000` });
      await machine.says("left 2000");
      const before = memoryOf(machine.pid);
      await stage.until("all are left", () => machine.console.includes(`left ${orphans}`), 600_000);
      await stage.until("all are reaped", () => machine.processes().length === 2);
      const after = memoryOf(machine.pid);
      context.diagnostic(`counts: process-one orphans=${orphans}`);
      context.diagnostic(`resident ${before} KiB after 2000, ${after} KiB after ${orphans}`);
      // How many end between two looks makes a difference of some pages; an object for each of them would be megabytes.
      assert.ok(after <= before + 64, `${before} ${after}`);
      await machine.kill();
    },
    { skip: cannotBoot, timeoutMilliseconds: 700_000 },
  );

  suite("a fault before its n-th call, for every n: each stage runs once", { concurrency: 4 }, () => {
    for (const kind of ["trap", "segv"] as const) {
      for (let first = 0; first < calls; first += 10) {
        staged(
          `${kind}, ${first + 1} to ${first + 10}`,
          faultyBuild,
          async (stage, context) => {
            context.diagnostic("counts: process-one faults=10");
            for (let n = first + 1; n <= first + 10; n++) {
              fs.rmSync(stage.at("root"), { recursive: true, force: true });
              const env = { RUNIT_TS_FAULT: `${kind}#${n}` };
              const machine = await boot(stage, { 1: "echo one", 2: "echo two; exit 3", 3: "echo three" }, { env });
              assert.equal(await machine.end(), "halt", machine.console.join("\n"));
              for (const word of ["one", "two", "three"]) {
                // What it says of the fault comes in pieces, between which a stage may write.
                const times = machine.console.join("\n").split(word).length - 1;
                assert.equal(times, 1, `${word}, fault before call ${n}\n${machine.console.join("\n")}`);
              }
              if (n <= fewestCalls) assert.equal(restartsOf(machine), 1, `${n}`);
            }
          },
          { skip: cannotBoot },
        );
      }
    }
  });
});
