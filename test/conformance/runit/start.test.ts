// How runit starts, and what the stages get from it: spec/runit.md, sections 2 to 4. Machines as in scenes.ts.
//
// Left to the boot test on a real machine: that ctrl-alt-del arrives as INT (the kernel refuses CAD_OFF in a PID
// namespace), and that words of the kernel's command line become arguments and environment.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { cLibrarySignals, stories } from "../stage.ts";
import type { Machine } from "./scenes.ts";
import {
  arm,
  birth,
  boot,
  booting,
  bootStd,
  cannotBoot,
  enter,
  leave,
  onMachine,
  onTerminal,
  printState,
  runAsProcess1,
  shutdown,
  std,
  upToStage2,
} from "./scenes.ts";

const notProcess1 = "- runit: fatal: must be run as process no 1.";
/** Lines of a kind that the scripts have printed, without their first word. */
function printed(machine: Machine, word: string): string[] {
  return machine.console.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length).trim());
}
/** How a descriptor of a process was opened: "r", "w" or "rw". */
function access(flags: string): string {
  return ["r", "w", "rw"][Number.parseInt(flags, 8) & 3] ?? "";
}
function accessOf(pid: number, descriptor: number): string {
  return access(/^flags:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "latin1"))?.[1] ?? "");
}
const printAccess = 'grep "^flags:" /proc/self/fdinfo/0';
const printTerminal = 'if (: </dev/tty) 2>/dev/null; then echo "tty yes"; else echo "tty no"; fi';

stories("runit", (story) => {
  story(
    1,
    "refuses to be anything but process 1",
    async (stage) => {
      // On a machine nevertheless: should it ever think that it is process 1, it is at least not here.
      const script = "cd /out\nfor words in '' 0 '-V x'; do runit $words; echo $?; done\nls";
      const { console, end } = await runAsProcess1(stage, script, { env: { PATH: "/sbin:/usr/bin" } });
      const refusal = [notProcess1, "111"];
      assert.deepEqual(console, [...refusal, ...refusal, ...refusal, "script"]);
      assert.equal(end, 0);
    },
    onMachine,
  );

  story(
    2,
    "tells who it is and each stage it enters and leaves",
    async (stage) => {
      const machine = await bootStd(stage);
      assert.deepEqual(machine.console, upToStage2);
      const name = stage.isOurs ? "runit, runit-ts 0.1.0" : "25da3b86f7bed4038b8a039d2f8e8c9bbcf0822b";
      assert.equal(machine.identification, `- runit: $Id: ${name} $: booting.`);
      // The warning comes from the child that becomes stage 1, as does the line of a stage that is entered.
      assert.equal(stage.descriptor(machine.pid, 0), "/dev/null");
    },
    { skip: cannotBoot, differs: "runit-version" },
  );

  story(
    3,
    "a console is written to by all, and read by stage 1 only",
    async (stage) => {
      const scripts = {
        1: `echo one\n${printAccess}`,
        2: `${printAccess}\n${std[2]}`,
        3: `echo three\n${printAccess}`,
      };
      const machine = await boot(stage, scripts, { console: "terminal" });
      await machine.inStage2();
      for (const descriptor of [0, 1, 2]) {
        assert.equal(accessOf(machine.pid, descriptor), "w", `descriptor ${descriptor}`);
        assert.match(stage.descriptor(machine.pid, descriptor), /\/dev\/(console|pts\/\d+)$/);
      }
      arm(stage);
      machine.signal("SIGCONT");
      assert.equal(await machine.end(), "halt");
      assert.deepEqual(printed(machine, "flags:").map(access), ["rw", "w", "w"]);
      const lines = machine.console.filter((line) => !line.startsWith("flags:"));
      assert.deepEqual(lines, [booting, enter(1), "one", leave(1), enter(2), "two", ...shutdown]);
    },
    onTerminal,
  );

  story(
    4,
    "stage 1 has no controlling terminal on the console",
    async (stage) => {
      const scripts = { 1: printTerminal, 2: printTerminal, 3: printTerminal };
      const machine = await boot(stage, scripts, { console: "terminal" });
      assert.equal(await machine.end(), "halt");
      assert.deepEqual(printed(machine, "tty"), ["no", "no", "no"]);
    },
    onTerminal,
  );

  story(
    5,
    "stage 1 shares the controlling terminal that process 1 has been started with",
    async (stage) => {
      const scripts = { 1: printTerminal, 2: printTerminal, 3: printTerminal };
      const machine = await boot(stage, scripts, { console: "controlling" });
      assert.equal(await machine.end(), "halt");
      assert.deepEqual(printed(machine, "tty"), ["yes", "no", "no"]);
    },
    onTerminal,
  );

  story(
    6,
    "stage 1 runs in the session of process 1, the others in one of their own",
    async (stage) => {
      const machine = await boot(stage, { 1: printState, 2: printState, 3: printState });
      assert.equal(await machine.end(), "halt");
      const [first = "", ...others] = printed(machine, "ids");
      assert.match(first, /^\d+ 1 1$/);
      assert.equal(others.length, 2);
      for (const ids of others) assert.match(ids, /^(\d+) \1 \1$/);
    },
    onMachine,
  );

  story(
    7,
    "the stages have no signal blocked or ignored",
    async (stage) => {
      const machine = await boot(stage, { 1: printState, 2: printState, 3: printState });
      assert.equal(await machine.end(), "halt");
      // Debian's: CONT is ignored, PWR blocked.
      const [blocked, ignored] = stage.isOurs ? [0n, 0n] : [1n << 29n, 1n << 17n];
      const masks = (word: string) => printed(machine, word).map((mask) => BigInt(`0x${mask}`) & ~cLibrarySignals);
      assert.deepEqual(masks("SigBlk:"), [blocked, blocked, blocked]);
      assert.deepEqual(masks("SigIgn:"), [ignored, ignored, ignored]);
    },
    { skip: cannotBoot, differs: "runit-2.3.0" },
  );

  story(
    8,
    "the stages get no arguments, and the environment as it is",
    async (stage) => {
      const tell = 'echo "words $# $0 $FOO"; cmp /proc/1/environ /proc/$$/environ && echo "same environment"';
      const machine = await boot(stage, { 1: tell, 2: tell, 3: tell }, { args: "single 3", env: { FOO: "bar" } });
      assert.equal(await machine.end(), "halt");
      assert.deepEqual(
        printed(machine, "words"),
        [1, 2, 3].map((stage) => `0 /etc/runit/${stage} bar`),
      );
      assert.equal(printed(machine, "same environment").length, 3);
    },
    onMachine,
  );

  story(
    "8 (descriptors)",
    "the stages get what process 1 had open, and nothing of its own",
    async (stage) => {
      const list = "ls -m /proc/$$/fd"; // among them the shell's script
      stage.file("root/out/open", `exec 7</dev/null\n${list}\nexec "$@"`);
      const machine = await boot(stage, { 1: list, 2: list, 3: list }, { via: "sh /out/open" });
      assert.equal(await machine.end(), "halt");
      const [before = "", ...stages] = printed(machine, "0,");
      assert.match(before, /\b7\b/);
      assert.deepEqual(stages, [before, before, before]);
    },
    onMachine,
  );

  story(
    "8 (the rest)",
    "directory, umask and limits of process 1 are left as they are",
    async (stage) => {
      stage.file("root/out/change", 'cd /out\numask 027\nulimit -n 77\nexec "$@"');
      const list = 'echo "is $(readlink /proc/$$/cwd) $(umask) $(ulimit -n)"';
      const machine = await boot(stage, { 1: list, 2: list, 3: list }, { via: "sh /out/change" });
      assert.equal(await machine.end(), "halt");
      assert.deepEqual(printed(machine, "is"), ["/out 0027 77", "/out 0027 77", "/out 0027 77"]);
    },
    onMachine,
  );

  story(
    "2 (no descriptors)",
    "without any open descriptor and without a console it does its work all the same",
    async (stage) => {
      stage.file("root/out/close", 'exec "$@" <&- >&- 2>&-');
      const note = (text: string) => `echo ${text} >>/out/life`;
      const scripts = { 1: note("one"), 2: note("two"), 3: note("three") };
      const machine = await boot(stage, scripts, { via: "sh /out/close" });
      assert.equal(await machine.end(), "halt");
      assert.equal(stage.read("root/out/life"), "one\ntwo\nthree\n");
    },
    onMachine,
  );

  story(
    "2 (the console comes later)",
    "a console that appears gets the messages from the next event on",
    async (stage) => {
      const waiting = "echo one\nuntil [ -e /out/go ]; do sleep 0.05; done";
      const machine = await boot(stage, { 1: waiting, 2: "exit 0", 3: std[3] });
      await machine.says("one");
      const reader = fs.openSync(stage.fifo("root/dev/console"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      stage.atEnd(() => fs.closeSync(reader));
      stage.file("root/out/go", "");
      // Only the messages: what the stages print goes where it went before.
      await machine.lived([...birth, enter(1), "one", "three"]);
      const later = [leave(1), enter(2), ...shutdown].filter((line) => line !== "three");
      assert.deepEqual(fs.readFileSync(reader, "latin1").trimEnd().split("\n"), later);
    },
    onMachine,
  );
});
