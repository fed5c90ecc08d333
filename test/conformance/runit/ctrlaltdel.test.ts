// INT, which the keys ctrl-alt-del send: spec/runit.md, section 8.1. Machines as in scenes.ts.
//
// That the keys arrive as INT at all is seen on a real machine only: left to the boot test.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { cLibrarySignals, stories } from "../stage.ts";
import type { Boot, Machine } from "./scenes.ts";
import {
  arm,
  arming,
  assertSeconds,
  birth,
  boot,
  booting,
  bootStd,
  cannotBoot,
  cannotStart,
  crashed,
  enter,
  flagMode,
  keysPressed,
  leave,
  maskOf,
  onlyInStage2,
  onMachine,
  onTerminal,
  printState,
  shutdown,
  skipping,
  std,
  upToStage2,
} from "./scenes.ts";

const int = 2;
const longEnoughMilliseconds = 300;
const script = "ctrlaltdel";
const pressed = [keysPressed, enter(script)] as const;
const everyPhase = { skip: cannotBoot, differs: "runit-reaps-always" } as const;
const controlC = "\x03";

/** A machine in stage 2, with this ctrlaltdel script. */
function bootWith(stage: Stage, text: string, options: Boot = {}): Promise<Machine> {
  return bootStd(stage, options, { ctrlaltdel: text });
}
/** INT changes nothing. */
async function assertNothing(stage: Stage, machine: Machine): Promise<void> {
  machine.signal("SIGINT");
  await machine.heard(int);
  await stage.span(longEnoughMilliseconds);
  assert.deepEqual(machine.console, upToStage2);
}
/** Stage 2 goes on: it can still be stopped, and that is all that follows. */
async function assertGoesOn(stage: Stage, machine: Machine, lines: readonly string[]): Promise<void> {
  await machine.process("sleep 1000");
  arm(stage);
  machine.signal("SIGCONT");
  await machine.lived([...lines, ...shutdown]);
}

stories("runit", (story) => {
  story(
    34,
    "without a ctrlaltdel script INT is nothing, whatever stopit says",
    async (stage) => {
      const machine = await bootStd(stage);
      await assertNothing(stage, machine);
      arm(stage);
      await assertNothing(stage, machine);
      assert.equal(flagMode(stage, "stopit"), 0o100);
    },
    onMachine,
  );

  story(
    35,
    "a ctrlaltdel script that is not executable for its owner is none",
    async (stage) => {
      stage.file("root/etc/runit/ctrlaltdel", "#!/bin/sh\necho three fingers\n", 0o655);
      await assertNothing(stage, await bootStd(stage));
    },
    onMachine,
  );

  story(
    36,
    "a ctrlaltdel script that arms stopit is waited for, then stage 2 is stopped",
    async (stage) => {
      const machine = await bootWith(stage, `${arming(stage)}\nsleep 2`);
      machine.signal("SIGINT");
      await machine.lived([...upToStage2, ...pressed, leave(script), ...shutdown]);
      assertSeconds(machine.between(enter(script), leave(script)), 2);
      assert.equal(flagMode(stage, "stopit"), 0);
    },
    onMachine,
  );

  story(
    "36 (stage 2 ends meanwhile)",
    "an end of stage 2 while the script runs",
    async (stage) => {
      const waiting = "until [ -e /out/go ]; do sleep 0.05; done";
      const ending = "trap 'exit 0' USR1\nsleep 1000 & echo two\nwait";
      const machine = await bootStd(stage, {}, { 2: ending, ctrlaltdel: waiting });
      const stage2 = await machine.process("/etc/runit/2");
      machine.signal("SIGINT");
      await machine.says(enter(script));
      machine.signal("SIGUSR1", stage2);
      await stage.until("stage 2 has ended", () => !stage.isLiving(stage2));
      // The original does nothing else until the script has ended.
      if (stage.isOurs) await machine.lived([...upToStage2, ...pressed, ...shutdown]);
      else {
        await stage.span(longEnoughMilliseconds);
        assert.deepEqual(machine.console, [...upToStage2, ...pressed]);
        stage.file("root/out/go", "");
        await machine.lived([...upToStage2, ...pressed, leave(script), ...shutdown]);
      }
    },
    { skip: cannotBoot, differs: "runit-ctrlaltdel-mask" },
  );

  story(
    "36 (orphans)",
    "an orphan that ends while the script runs is gone at once",
    async (stage) => {
      const machine = await bootWith(stage, "(sleep 5000 &)\nuntil [ -e /out/go ]; do sleep 0.05; done");
      machine.signal("SIGINT");
      const orphan = await machine.process("sleep 5000");
      machine.signal("SIGKILL", orphan);
      await stage.becomes(() => stage.state(orphan), stage.isOurs ? "" : "Z", 3000);
      assert.ok(!machine.console.includes(leave(script)));
      stage.file("root/out/go", "");
      await stage.becomes(() => stage.state(orphan), "");
    },
    everyPhase,
  );

  story(
    37,
    "the script runs in the session of process 1, with no signal blocked",
    async (stage) => {
      const machine = await bootWith(stage, printState);
      machine.signal("SIGINT");
      await machine.says(leave(script));
      const said = machine.console.slice(upToStage2.length + pressed.length, -1);
      assert.match(said[0] ?? "", /^ids \d+ 1 1$/);
      // HUP INT PIPE ALRM TERM CHLD CONT, and Debian's PWR.
      const blocked = stage.isOurs ? 0n : maskOf(1, 2, 13, 14, 15, 17, 18, 30);
      const masks = said.slice(1).map((line) => BigInt(`0x${line.split(" ")[1]}`) & ~cLibrarySignals);
      assert.deepEqual(masks, [blocked, 0n]);
    },
    { skip: cannotBoot, differs: "runit-ctrlaltdel-mask" },
  );

  story(
    38,
    "after a script that does not arm stopit stage 2 goes on",
    async (stage) => {
      const machine = await bootWith(stage, "echo three fingers\nexit 111");
      machine.signal("SIGINT");
      await machine.says(leave(script));
      const lines = [...upToStage2, ...pressed, "three fingers", leave(script)];
      await assertGoesOn(stage, machine, lines);
    },
    onMachine,
  );

  story(
    39,
    "a script that has crashed is said so, and is no obstacle to the stop",
    async (stage) => {
      const machine = await bootWith(stage, "kill -KILL $$");
      arm(stage);
      machine.signal("SIGINT");
      await machine.lived([...upToStage2, ...pressed, crashed(script), leave(script), ...shutdown]);
    },
    onMachine,
  );

  story(
    40,
    "a script that cannot be executed is said so, and stage 2 goes on",
    async (stage) => {
      const machine = await bootWith(stage, "\necho no interpreter\n");
      machine.signal("SIGINT");
      await machine.says(leave(script));
      const lines = [...upToStage2, ...pressed, cannotStart(script, "exec format error"), leave(script)];
      await assertGoesOn(stage, machine, lines);
    },
    onMachine,
  );

  story(
    41,
    "ctrl-C at the controlling terminal ends stage 1, as a crash",
    async (stage) => {
      const scripts = { ...std, 1: "echo one\nsleep 1000\necho never", 2: "echo two" };
      const machine = await boot(stage, scripts, { console: "controlling" });
      await machine.process("sleep 1000");
      machine.type(controlC);
      assert.equal(await machine.end(), "halt");
      // The reference takes it for success. INT comes to all at once: either may be seen first.
      const next = stage.isOurs
        ? [crashed(1), leave(1), skipping, ...shutdown.slice(1)]
        : [leave(1), enter(2), "two", ...shutdown];
      const lines = machine.console.filter((line) => line !== onlyInStage2);
      assert.deepEqual(lines, [booting, enter(1), "one", ...next]);
    },
    { ...onTerminal, differs: "runit-2.3.0" },
  );

  story(
    42,
    "ctrl-C at the controlling terminal in stage 2 is ctrl-alt-del",
    async (stage) => {
      const machine = await bootWith(stage, arming(stage), { console: "controlling" });
      machine.type(controlC);
      const [first, , ...others] = [...upToStage2];
      assert.deepEqual([first, birth.length], [booting, 2]);
      await machine.lived([booting, ...others, ...pressed, leave(script), ...shutdown]);
    },
    onTerminal,
  );
});
