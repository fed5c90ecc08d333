// Where Debian's 2.1.2 is different: spec/runit.md, sections 1, 8 and 13. Machines as in scenes.ts.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Machine } from "./scenes.ts";
import {
  bootStd,
  cannotBoot,
  flagMode,
  layFlag,
  onlyInStage2,
  onMachine,
  powerOff,
  shutdown,
  systemReboot,
  upToStage2,
} from "./scenes.ts";

const longEnoughMilliseconds = 300;
const alrm = 14;
const pwr = 30;
const ownSignals = { skip: cannotBoot, differs: "runit-2.3.0" } as const;

async function assertNothing(stage: Stage, machine: Machine): Promise<void> {
  await stage.span(longEnoughMilliseconds);
  assert.deepEqual(machine.console, upToStage2);
  await machine.process("sleep 1000");
}

stories("runit", (story) => {
  for (const [number, mode] of [
    [58, undefined],
    ["58 (reboot flag)", 0o100],
  ] as const)
    story(
      number,
      `PWR is a power-off without any flag in Debian's only${mode ? ", even if the reboot flag is executable" : ""}`,
      async (stage) => {
        if (mode) layFlag(stage, "reboot", mode);
        const machine = await bootStd(stage);
        machine.signal("SIGPWR");
        if (stage.isOurs) {
          await machine.heard(pwr);
          await assertNothing(stage, machine);
        } else {
          assert.equal(await machine.end(), "halt");
          const lines = machine.console.filter((line) => line !== onlyInStage2);
          assert.deepEqual(lines, [...upToStage2, ...shutdown]);
        }
      },
      ownSignals,
    );

  story(
    59,
    "ALRM is passed on to stage 2 in Debian's only",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: "trap 'echo alarm' ALRM\nsleep 1000 & echo two\nwait\nwait" });
      machine.signal(alrm);
      if (stage.isOurs) await assertNothing(stage, machine);
      else await machine.says("alarm");
    },
    ownSignals,
  );

  story(
    74,
    "the flags are where the build has them",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 3: "echo three\nuntil [ -e /out/go ]; do sleep 0.05; done" });
      await machine.inside("/sbin/runit-init 6");
      await machine.says("three");
      assert.equal(flagMode(stage, "stopit"), 0);
      assert.equal(flagMode(stage, "reboot"), 0o100);
      const other = [
        "root/etc/runit/stopit",
        "root/etc/runit/reboot",
        "root/run/runit.stopit",
        "root/run/runit.reboot",
      ];
      const there = other.filter((file) => stage.exists(file));
      assert.deepEqual(there, stage.isOurs ? other.slice(0, 2) : other.slice(2));
      stage.file("root/out/go", "");
      const lines = [...upToStage2, ...shutdown].map((line) => (line === powerOff ? systemReboot : line));
      await machine.lived(lines, "restart");
    },
    { ...onMachine, differs: "runit-2.3.0" },
  );
});
