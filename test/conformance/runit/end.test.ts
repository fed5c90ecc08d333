// The end of the machine: spec/runit.md, section 10. Machines as in scenes.ts: reboot(2) ends the namespace there.
//
// Left to the boot test on a real machine: that the machine does reboot, power off and halt.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Boot, Machine } from "./scenes.ts";
import {
  arm,
  asNobody,
  assertSeconds,
  birth,
  boot,
  bootStd,
  cannotBoot,
  enter,
  flag,
  flagMode,
  killingAll,
  layFlag,
  leave,
  onMachine,
  powerOff,
  shutdown,
  std,
  systemHalt,
  systemReboot,
  traced,
  upToStage2,
  withoutReboot,
} from "./scenes.ts";

const brief = { ...std, 2: "echo two" } as const;
const life = [...upToStage2, ...shutdown] as const;
const longEnoughMilliseconds = 300;
const exits = { skip: cannotBoot, differs: "runit-exits" } as const;
/** With `powerOff` replaced. */
const rebooted = [...life.slice(0, -1), systemReboot] as const;

/** It may not end the machine: the original then sleeps for ever, ours exits with this code. */
async function assertStays(stage: Stage, machine: Machine, lines: readonly string[], code: number): Promise<void> {
  if (stage.isOurs) return machine.lived(lines, code);
  const orphan = await orphanOf(machine);
  arm(stage);
  for (const name of ["TERM", "INT", "CONT", "HUP", "USR1"] as const) machine.signal(`SIG${name}`);
  machine.signal("SIGKILL", orphan);
  // Nobody cares about zombies any more.
  await stage.becomes(() => stage.state(orphan), "Z");
  await stage.span(longEnoughMilliseconds);
  assert.deepEqual(machine.console, lines);
  assert.equal(stage.state(machine.pid), "S");
  await machine.kill();
}
/** A process that has lost its parent in the machine. */
async function orphanOf(machine: Machine): Promise<number> {
  await machine.inside("setsid -f sleep 7000");
  return machine.process("sleep 7000");
}
/** The calls that the end of a machine makes, in order. */
async function callsOf(stage: Stage, options: Boot, last: string): Promise<string[]> {
  const calls = (text: string) =>
    [...text.matchAll(/\b(sync)\(|LINUX_REBOOT_CMD_(\w+)/g)].map(([, sync, reboot]) => sync ?? reboot ?? "");
  const machine = await boot(stage, brief, { ...options, trace: "--seccomp-bpf -e trace=sync,reboot" });
  await stage.until("the end", () => calls(stage.peek("trace")).includes(last));
  if (!options.via) assert.equal(await machine.end(), "halt");
  else if (stage.isOurs) assert.equal(await machine.end(), 0);
  else await machine.kill();
  return calls(stage.read("trace"));
}

stories("runit", (story) => {
  story(
    45,
    "an executable reboot flag makes it a reboot, and stays",
    async (stage) => {
      layFlag(stage, "reboot", 0o100);
      const machine = await boot(stage, brief);
      await machine.lived(rebooted, "restart");
      assert.equal(flagMode(stage, "reboot"), 0o100);
    },
    onMachine,
  );

  story(
    46,
    "only the owner's execute bit of the reboot flag counts",
    async (stage) => {
      layFlag(stage, "reboot", 0o011);
      const machine = await boot(stage, brief);
      await machine.lived(life, "halt");
    },
    onMachine,
  );

  story(
    47,
    "where it may not power off it halts after two seconds, and where it may not halt it sleeps or exits",
    async (stage) => {
      const machine = await bootStd(stage, { via: withoutReboot });
      arm(stage);
      machine.signal("SIGCONT");
      await machine.says(systemHalt);
      assertSeconds(machine.between(powerOff, systemHalt), 2);
      await assertStays(stage, machine, [...life, systemHalt], 0);
    },
    exits,
  );

  story(
    48,
    "where it may not reboot it sleeps or exits at once",
    async (stage) => {
      layFlag(stage, "reboot", 0o100);
      const machine = await boot(stage, brief, { via: withoutReboot });
      await machine.says(systemReboot);
      await assertStays(stage, machine, rebooted, 129);
    },
    exits,
  );

  story(
    49,
    "at the end all processes are killed, whatever they ignore",
    async (stage) => {
      const stubborn = `setsid sh -c 'trap "" TERM HUP INT; : >/out/own; exec sleep 5000' &`;
      const waiting = "until [ -e /out/own ] && [ -e /out/go ]; do sleep 0.02; done";
      const machine = await boot(stage, { ...brief, 3: `${std[3]}\n${stubborn}\n${waiting}` }, { via: withoutReboot });
      const process = await machine.process("sleep 5000");
      stage.file("root/out/go", "");
      await machine.says(killingAll);
      await stage.until("it is gone", () => !stage.isLiving(process));
      assert.ok(machine.isAlive); // for two more seconds at least
    },
    onMachine,
  );

  story(
    50,
    "the disks are synced before each attempt to end",
    async (stage) => {
      assert.deepEqual(await callsOf(stage, { isSynced: true }, "POWER_OFF"), ["CAD_OFF", "sync", "POWER_OFF"]);
      const calls = await callsOf(stage, { isSynced: true, via: withoutReboot }, "HALT");
      assert.deepEqual(calls, ["CAD_OFF", "sync", "POWER_OFF", "sync", "HALT"]);
    },
    traced,
  );

  story(
    "50 (nosync)",
    "the disks are not synced if there is a nosync of any kind",
    async (stage) => {
      fs.mkdirSync(stage.at("root/etc/runit/nosync"), { recursive: true });
      fs.chmodSync(stage.at("root/etc/runit/nosync"), 0);
      assert.deepEqual(await callsOf(stage, { isSynced: true }, "POWER_OFF"), ["CAD_OFF", "POWER_OFF"]);
      fs.rmdirSync(stage.at("root/etc/runit/nosync"));
      const calls = await callsOf(stage, { via: withoutReboot }, "HALT");
      assert.deepEqual(calls, ["CAD_OFF", "POWER_OFF", "HALT"]);
    },
    traced,
  );

  story(
    51,
    "any user may be process 1",
    async (stage) => {
      const tell = (name: 1 | 3) => `${std[name]}\nid -u`;
      const scripts = { 1: tell(1), 3: tell(3), 2: `echo two\nexec sleep 1000` };
      const machine = await boot(stage, scripts, { via: asNobody });
      await machine.inStage2();
      arm(stage);
      fs.chownSync(stage.at(`root${flag(stage, "stopit")}`), 65534, 65534);
      machine.signal("SIGCONT");
      await machine.says(systemHalt);
      const lines = [...birth, enter(1), "one", "65534", leave(1), enter(2), "two"];
      const end = [leave(2), enter(3), "three", "65534", leave(3), killingAll, powerOff, systemHalt];
      assert.deepEqual(machine.console, [...lines, ...end]);
      assert.equal(flagMode(stage, "stopit"), 0);
      if (stage.isOurs) assert.equal(await machine.end(), 0);
      else await machine.kill();
    },
    exits,
  );

  story(
    52,
    "on a read-only root an armed stopit works, and stays armed",
    async (stage) => {
      arm(stage);
      const machine = await bootStd(stage, { isReadOnly: true });
      machine.signal("SIGCONT");
      await machine.lived(life);
      assert.equal(flagMode(stage, "stopit"), 0o100);
    },
    onMachine,
  );
});
