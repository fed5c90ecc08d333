// A machine with services: what runit, runsvdir, runsv and sv are together: spec/runit.md, sections 6 and 20.
// Machines as in scenes.ts.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Machine } from "./scenes.ts";
import {
  arm,
  birth,
  boot,
  cannotBoot,
  crashed,
  enter,
  failed,
  killingStage2,
  leave,
  onMachine,
  parentOf,
  powerOff,
  restarting,
  shutdown,
  std,
  withoutReboot,
} from "./scenes.ts";

/** Tells that it was told, which is all it wants. */
const polite = "trap 'echo told; exit 0' TERM\nsleep 2000 & echo up\nwait";
const untilRestart = [...birth, enter(1), "one", leave(1), enter(2)] as const;

/** A machine whose stage 2 is runsvdir, with service a up. */
async function bootServices(stage: Stage, runsvdir: string, run: string, three: string = std[3]): Promise<Machine> {
  stage.service("root/service/a", { run });
  const machine = await boot(stage, { ...std, 2: `exec ${runsvdir} /service`, 3: three });
  await machine.says("up");
  return machine;
}
const withoutServices = (lines: readonly string[]) => lines.filter((line) => !/^(up|told)$|^runsv /.test(line));

stories("runit", (story) => {
  story(
    53,
    "services are told to end in stage 3 only, by sv",
    async (stage) => {
      const stopping = "echo three\nsv force-stop /service/*\nsv exit /service/*";
      const machine = await bootServices(stage, "runsvdir -P", polite, stopping);
      arm(stage);
      machine.signal("SIGCONT");
      assert.equal(await machine.end(), "halt");
      const lines = machine.console.map((line) => line.replace(/\d+s/, "Ns"));
      const [left, entered, three, ...rest] = shutdown;
      const stopped = lines.filter((line) => /^(told|ok: )/.test(line));
      assert.deepEqual(stopped, ["told", "ok: down: /service/a: Ns, normally up", ...stopped.slice(2)]);
      const others = lines.filter((line) => !/^(told|ok: )/.test(line));
      assert.deepEqual(others, [...untilRestart, "up", left, entered, three, ...rest]);
      assert.ok(lines.indexOf("told") > lines.indexOf("three"));
    },
    onMachine,
  );

  story(
    54,
    "TERM to runsvdir is the end of the machine",
    async (stage) => {
      const machine = await bootServices(stage, "runsvdir -P", polite);
      machine.signal("SIGTERM", await machine.process("runsvdir -P"));
      await machine.lived([...untilRestart, "up", ...shutdown]);
    },
    onMachine,
  );

  for (const [number, runsvdir, title] of [
    [55, "runsvdir -P", "HUP to runsvdir has all services end and start anew after five seconds"],
    [56, "runsvdir", "HUP to a runsvdir without -P has all processes killed, and the services start anew"],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        const machine = await bootServices(stage, runsvdir, polite);
        const first = await machine.process("runsv a");
        machine.signal("SIGHUP", await machine.process(runsvdir));
        await machine.says(killingStage2);
        await stage.until("the first runsv is gone", () => !stage.isLiving(first));
        await machine.says("up", 2);
        const lines = [...untilRestart, failed(2), killingStage2, restarting, enter(2)];
        assert.deepEqual(withoutServices(machine.console), lines);
        if (runsvdir === "runsvdir -P") assert.equal(machine.console.filter((line) => line === "told").length, 1);
        assert.notEqual(await machine.process("runsv a"), first);
      },
      onMachine,
    );

  story(
    57,
    "KILL to runsvdir is survived by the services",
    async (stage) => {
      const machine = await bootServices(stage, "runsvdir -P", polite);
      const runsv = await machine.process("runsv a");
      const service = await machine.process("sleep 2000");
      machine.signal("SIGKILL", await machine.process("runsvdir -P"));
      if (stage.isOurs) {
        // A new runsvdir of ours lets the old runsv go on; the original's starts others, which fail on the lock.
        await machine.says(enter(2), 2);
        await machine.process("runsvdir -P");
        const lines = [...untilRestart, crashed(2), killingStage2, restarting, enter(2)];
        assert.deepEqual(withoutServices(machine.console), lines);
        assert.deepEqual([stage.isLiving(runsv), stage.isLiving(service)], [true, true]);
        assert.equal(parentOf(runsv), machine.pid);
      } else await machine.lived([...untilRestart, "up", ...shutdown]);
    },
    { skip: cannotBoot, differs: "runit-2.3.0" },
  );

  story(
    75,
    "what a run script has started without exec outlives it, until all are killed",
    async (stage) => {
      stage.service("root/service/a", { run: "echo up\nsleep 6000\n:" });
      const stopping =
        "echo three\nsv force-stop /service/a\nsv exit /service/a\nuntil [ -e /out/go ]; do sleep 0.05; done";
      const scripts = { ...std, 2: "exec runsvdir -P /service", 3: stopping };
      const machine = await boot(stage, scripts, { via: withoutReboot });
      const copies = () => machine.processes("sleep 6000").map(({ pid }) => pid);
      const first = await machine.process("sleep 6000");
      await machine.inside("sv down /service/a");
      await stage.until("its parent is process 1", () => parentOf(first) === machine.pid);
      await machine.inside("sv up /service/a");
      await stage.until("there are two", () => copies().length === 2);
      arm(stage);
      machine.signal("SIGCONT");
      await stage.until("nothing else is left", () => machine.processes("runsv a").length === 0);
      assert.equal(copies().length, 2);
      stage.file("root/out/go", "");
      await machine.says(powerOff);
      await stage.until("they are gone as well", () => copies().length === 0);
    },
    onMachine,
  );
});
