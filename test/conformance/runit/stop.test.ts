// The end of stage 2 on request: spec/runit.md, sections 8 and 9. Machines as in scenes.ts.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import {
  arm,
  arming,
  assertSeconds,
  birth,
  boot,
  bootStd,
  endsAfterTerm,
  enter,
  failed,
  flag,
  flagMode,
  killingStage2,
  layFlag,
  leave,
  maskOf,
  notTerminated,
  onlyInStage2,
  onMachine,
  pending,
  restarting,
  shutdown,
  std,
  upToStage2,
} from "./scenes.ts";

const signal = { HUP: 1, INT: 2, PIPE: 13, ALRM: 14, TERM: 15, CONT: 18 } as const;
/** A span in which a process 1 that heeds what it must not would have shown it. */
const longEnoughMilliseconds = 300;
const atOnce = { ...onMachine, differs: "runit-sees-the-end" } as const;

stories("runit", (story) => {
  story(
    20,
    "CONT with an armed stopit ends stage 2, and takes the flag back",
    async (stage) => {
      const machine = await bootStd(stage);
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(flagMode(stage, "stopit"), 0);
      assert.ok(machine.between("two", leave(2)) < 4000);
    },
    onMachine,
  );

  story(
    21,
    "without a flag file no signal has an effect",
    async (stage) => {
      // Debian's program passes ALRM on to stage 2.
      const machine = await bootStd(stage, {}, { 2: 'trap "" ALRM\necho two\nexec sleep 1000' });
      for (const name of ["CONT", "TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "PIPE"] as const)
        machine.signal(`SIG${name}`);
      await machine.heard(signal.CONT, signal.INT);
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upToStage2);
      await machine.process("sleep 1000");
      if (stage.isOurs) return; // how it takes no notice of them is its own affair
      const kept = maskOf(signal.HUP, signal.PIPE, signal.TERM);
      assert.equal(pending(machine.pid), kept);
      assert.equal(stage.signals(machine.pid, "SigBlk"), kept);
    },
    onMachine,
  );

  story(
    22,
    "only the owner's execute bit of stopit counts",
    async (stage) => {
      layFlag(stage, "stopit", 0o011);
      const machine = await bootStd(stage);
      machine.signal("SIGCONT");
      await machine.heard(signal.CONT);
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upToStage2);
      layFlag(stage, "stopit", 0o700);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(flagMode(stage, "stopit"), 0);
    },
    onMachine,
  );

  story(
    23,
    "stopit may be a directory",
    async (stage) => {
      fs.mkdirSync(stage.at(`root${flag(stage, "stopit")}`), { recursive: true });
      const machine = await bootStd(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(flagMode(stage, "stopit"), 0);
    },
    onMachine,
  );

  story(
    24,
    "stopit that is a dangling link is none",
    async (stage) => {
      fs.mkdirSync(stage.at("root/run"), { recursive: true });
      fs.mkdirSync(stage.at("root/etc/runit"), { recursive: true });
      fs.symlinkSync("/nowhere", stage.at(`root${flag(stage, "stopit")}`));
      const machine = await bootStd(stage);
      machine.signal("SIGCONT");
      await machine.heard(signal.CONT);
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upToStage2);
      // What it leads to is what counts.
      stage.file("root/nowhere", "", 0o100);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(stage.mode("root/nowhere"), 0);
    },
    onMachine,
  );

  story(
    25,
    "a stage 2 that ignores TERM is killed after five seconds",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: 'trap "" TERM\necho two\nexec sleep 1000' });
      arm(stage);
      const start = performance.now();
      machine.signal("SIGCONT");
      await machine.says(notTerminated);
      assertSeconds(performance.now() - start, 5);
      await machine.lived([...upToStage2, notTerminated, ...shutdown]);
    },
    onMachine,
  );

  story(
    26,
    "however stage 2 ends when told to, it has not failed",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: endsAfterTerm(2.4, 7) });
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, "bye", ...shutdown]);
      // The original looks once a second.
      const late = machine.between("bye", leave(2));
      if (stage.isOurs) assert.ok(late < 500, `${late} ms after its end`);
      else assert.ok(late > 350, `${late} ms after its end`);
    },
    atOnce,
  );

  story(
    27,
    "a stage 2 that ends in the fifth second after TERM is not called stubborn",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: endsAfterTerm(4.3, 0) });
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, "bye", ...(stage.isOurs ? [] : [notTerminated]), ...shutdown]);
    },
    atOnce,
  );

  story(
    28,
    "a stage 2 that exits 111 when told to end is not started again",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: endsAfterTerm(0, 111) });
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, "bye", ...shutdown]);
    },
    onMachine,
  );

  story(
    29,
    "a stage 2 that has stopped itself is killed after five seconds",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: "echo two\nkill -STOP $$" });
      const stage2 = await machine.process("/etc/runit/2");
      await stage.becomes(() => stage.state(stage2), "T");
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, notTerminated, ...shutdown]);
      assertSeconds(machine.between("two", notTerminated), 5);
    },
    onMachine,
  );

  story(
    30,
    "what stage 2 has started lives on in stage 3",
    async (stage) => {
      stage.service("root/service/a", { run: "exec sleep 2000" });
      const machine = await bootStd(
        stage,
        {},
        {
          2: "runsvdir -P /service & echo two\nwait",
          3: 'echo three\nuntil [ -e /out/seen ]; do sleep 0.05; done\necho "$(cat /out/seen)"',
        },
      );
      await machine.process("sleep 2000");
      arm(stage);
      machine.signal("SIGCONT");
      await machine.says("three");
      const living = ["runsvdir -P", "runsv a", "sleep 2000"].filter((text) => machine.processes(text).length === 1);
      stage.file("root/out/new", `alive: ${living.join(", ")}\n`);
      fs.renameSync(stage.at("root/out/new"), stage.at("root/out/seen"));
      const [left, entered, three, ...rest] = shutdown;
      const alive = "alive: runsvdir -P, runsv a, sleep 2000";
      await machine.lived([...upToStage2, left, entered, three, alive, ...rest]);
    },
    onMachine,
  );

  story(
    31,
    "several CONTs are one stop; what comes later only works in stage 2",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 3: "echo three\nuntil [ -e /out/go ]; do sleep 0.05; done" });
      arm(stage);
      for (let times = 0; times < 5; times++) machine.signal("SIGCONT");
      await machine.says("three");
      // Up to four of the five may have come after the flag was taken back, and some after "three".
      await machine.heard(signal.CONT);
      machine.signal("SIGCONT");
      await machine.heard(signal.CONT);
      machine.signal("SIGINT");
      await machine.heard(signal.INT);
      stage.file("root/out/go", "");
      assert.equal(await machine.end(), "halt");
      const warnings = machine.console.filter((line) => line === onlyInStage2).length;
      assert.ok(warnings >= 2 && warnings <= 6, `${warnings} warnings`);
      const lines = machine.console.filter((line) => line !== onlyInStage2);
      assert.deepEqual(lines, [...upToStage2, ...shutdown]);
    },
    onMachine,
  );

  story(
    32,
    "what comes in stage 1 is refused and forgotten",
    async (stage) => {
      const machine = await boot(stage, { ...std, 1: "echo one\nuntil [ -e /out/go ]; do sleep 0.05; done" });
      arm(stage);
      await machine.says("one");
      machine.signal("SIGCONT");
      await machine.says(onlyInStage2);
      machine.signal("SIGINT");
      await machine.says(onlyInStage2, 2);
      stage.file("root/out/go", "");
      await machine.inStage2();
      await machine.heard(signal.CONT, signal.INT);
      await stage.span(longEnoughMilliseconds);
      const upTo = [...birth, enter(1), "one", onlyInStage2, onlyInStage2, leave(1), enter(2), "two"];
      assert.deepEqual(machine.console, upTo);
      assert.equal(flagMode(stage, "stopit"), 0o100);
      machine.signal("SIGCONT");
      await machine.lived([...upTo, ...shutdown]);
    },
    onMachine,
  );

  story(
    33,
    "what comes in the restart pause is heeded after it",
    async (stage) => {
      const again = `if [ -e /out/again ]; then exec sleep 1000; fi\n: >/out/again\nexit 111`;
      const machine = await boot(stage, { ...std, 2: again });
      await machine.says(killingStage2);
      arm(stage);
      machine.signal("SIGCONT");
      assert.equal(await machine.end(), "halt");
      assertSeconds(machine.between(killingStage2, restarting), 5);
      // The new stage 2 may be gone before it has said that it is there.
      const twice = machine.console.filter((line) => line === enter(2)).length === 2;
      const upTo = [...birth, enter(1), "one", leave(1), enter(2), failed(2), killingStage2, restarting];
      assert.deepEqual(machine.console, [...upTo, ...(twice ? [enter(2)] : []), ...shutdown]);
      assert.ok(machine.between(restarting, leave(2)) < 2500);
    },
    onMachine,
  );

  story(
    60,
    "TERM is nothing, KILL from outside is the end of all",
    async (stage) => {
      const machine = await bootStd(stage, {}, { 2: "trap 'echo told' TERM\nsleep 1000 & echo two\nwait" });
      arm(stage);
      machine.signal("SIGTERM");
      await stage.span(longEnoughMilliseconds);
      machine.signal("SIGKILL");
      await machine.lived(upToStage2, "killed");
      await stage.until("nothing is left", () => machine.processes().length === 0);
    },
    onMachine,
  );

  story(
    "20 (from a script)",
    "stage 2 may ask for its end itself",
    async (stage) => {
      const asking = `echo two\n${arming(stage)}\nkill -CONT 1\nexec sleep 1000`;
      const machine = await boot(stage, { ...std, 2: asking });
      await machine.lived([...upToStage2, ...shutdown]);
    },
    onMachine,
  );
});
