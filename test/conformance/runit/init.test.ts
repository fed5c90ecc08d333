// runit-init, as process 1 and as what asks process 1 for the end: spec/runit.md, sections 12 and 13. Machines as in
// scenes.ts, where it is /sbin/init.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Boot } from "./scenes.ts";
import {
  arm,
  birth,
  boot,
  bootStd,
  cannotBoot,
  cannotFreeze,
  enter,
  flag,
  flagMode,
  leave,
  onlyInStage2,
  onMachine,
  powerOff,
  runAsProcess1,
  shutdown,
  std,
  systemReboot,
  upToStage2,
} from "./scenes.ts";

const usage = ["usage: init 0|6", ""] as const;
const asUser = "setpriv --reuid=65534 --regid=65534 --clear-groups";
const longEnoughMilliseconds = 300;
const life = [...upToStage2, ...shutdown] as const;
const rebooted = life.map((line) => (line === powerOff ? systemReboot : line));
const fatal = (text: string) => `init: fatal: ${text}`;
/** Debian's program closes what it has not opened before it looks for the reason. */
const create = (stage: Stage, name: "stopit" | "reboot", reason: string) =>
  fatal(`unable to create ${flag(stage, name)}: ${stage.isOurs ? reason : "file descriptor not open"}`);
const honestReason = { skip: cannotBoot, differs: "runit-2.3.0" } as const;

/** Calls init with each of these words, on a machine whose process 1 does not care; its output, then the exit code. */
async function call(
  stage: Stage,
  words: readonly string[],
  before = "",
  options: Boot = {},
): Promise<readonly string[]> {
  const calls = words.map((word) => `${before} init ${word}; echo $?`);
  const env = { PATH: "/sbin:/usr/sbin:/usr/bin" };
  const { console, end } = await runAsProcess1(stage, calls.join("\n"), { env, ...options });
  assert.equal(end, 0);
  return console;
}
function assertFlags(stage: Stage, stopit: number | undefined, reboot: number | undefined): void {
  assert.deepEqual([flagMode(stage, "stopit"), flagMode(stage, "reboot")], [stopit, reboot]);
}
/** The file of a flag, out here. */
function file(stage: Stage, name: "stopit" | "reboot"): string {
  return stage.at(`root${flag(stage, name)}`);
}
/** The directories of the flags. */
function layDirectories(stage: Stage): void {
  for (const directory of ["root/etc/runit", "root/run"]) fs.mkdirSync(stage.at(directory), { recursive: true });
}

stories("runit-init", (story) => {
  story(
    61,
    "as process 1 becomes runit, without its arguments",
    async (stage) => {
      const booted = { program: "/sbin/init", args: "single ro", env: { FOO: "bar" } };
      const tell = 'echo one\ncmp /proc/1/environ /proc/$$/environ && echo "$FOO"';
      const machine = await bootStd(stage, booted, { 1: tell });
      assert.equal(fs.readFileSync(`/proc/${machine.pid}/cmdline`, "latin1"), "runit\0");
      arm(stage);
      machine.signal("SIGCONT");
      const [first = "", second = "", entered = "", one = "", ...rest] = life;
      await machine.lived([first, second, entered, one, "bar", ...rest]);
    },
    onMachine,
  );

  for (const [number, title, prepare, reason] of [
    [62, "without a runit cannot be process 1", (runit: string) => fs.rmSync(runit), "file does not exist"],
    [
      "62 (not executable)",
      "with a runit that is not executable cannot be process 1",
      (runit: string) => fs.chmodSync(runit, 0o644),
      "access denied",
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        // Laid by a machine that ends at once.
        assert.deepEqual((await runAsProcess1(stage, "exit 7")).end, 7);
        prepare(stage.at("root/sbin/runit"));
        const machine = await boot(stage, std, { program: "/sbin/init", isProgramLaid: true });
        await machine.lived([fatal(`unable to start runit: ${reason}`)], 111);
      },
      onMachine,
    );

  story(
    63,
    "with anything but 0 and 6 prints its usage, and has not failed",
    async (stage) => {
      const words = ["", '""', "1", "q", "-x", "-", "-- 0", "s", "halt", "'' 0"];
      const console = await call(stage, words);
      assert.deepEqual(
        console,
        words.flatMap(() => [...usage, "0"]),
      );
      assertFlags(stage, undefined, undefined);
    },
    onMachine,
  );

  story(
    "63 (its name)",
    "the usage has the name it is called by",
    async (stage) => {
      const script = "cd /sbin; ./init; /sbin/init; ln -s /sbin/init /out/telinit; /out/telinit 1";
      const { console } = await runAsProcess1(stage, script);
      const names = ["./init", "/sbin/init", "/out/telinit"];
      assert.deepEqual(
        console,
        names.flatMap((name) => [`usage: ${name} 0|6`, ""]),
      );
    },
    onMachine,
  );

  story(
    64,
    "-V tells who it is, then the usage",
    async (stage) => {
      const name = stage.isOurs ? "runit-init, runit-ts 0.1.0" : "f075d98bf7dd17c893021f9572cbb970cdad8dcf";
      const said = [`$Id: ${name} $`, "", ...usage, "0"];
      assert.deepEqual(await call(stage, ["-V", "-Vx 0", "-V 6"]), [...said, ...said, ...said]);
      assertFlags(stage, undefined, undefined);
    },
    { skip: cannotBoot, differs: "runit-version" },
  );

  story(
    65,
    "what begins with 0 arms stopit",
    async (stage) => {
      for (const word of ["0", "05", "0now", "0 6"]) {
        assert.deepEqual(await call(stage, [word]), ["0"]);
        assertFlags(stage, 0o100, undefined);
        fs.rmSync(file(stage, "stopit"));
      }
    },
    onMachine,
  );

  story(
    "65 (what is there)",
    "a reboot flag that is there is taken back, and stopit is emptied",
    async (stage) => {
      layDirectories(stage);
      stage.file(`root${flag(stage, "reboot")}`, "content", 0o777);
      stage.file(`root${flag(stage, "stopit")}`, "content", 0o644);
      assert.deepEqual(await call(stage, ["0"]), ["0"]);
      assertFlags(stage, 0o100, 0);
      assert.equal(fs.readFileSync(file(stage, "stopit"), "latin1"), "");
      assert.equal(fs.readFileSync(file(stage, "reboot"), "latin1"), "content");
    },
    onMachine,
  );

  story(
    66,
    "what begins with 6 arms stopit and the reboot flag",
    async (stage) => {
      for (const word of ["6", "6x", "60", "6 0"]) {
        assert.deepEqual(await call(stage, [word]), ["0"]);
        assertFlags(stage, 0o100, 0o100);
        for (const name of ["stopit", "reboot"] as const) fs.rmSync(file(stage, name));
      }
    },
    onMachine,
  );

  story(
    67,
    "init 0 on a living machine ends it",
    async (stage) => {
      const machine = await bootStd(stage);
      const { out, err, code } = await machine.inside("/sbin/init 0");
      // When the machine ends first, it takes our visitor along.
      assert.deepEqual([out, err], ["", ""]);
      assert.ok(code === 0 || code === -1 || code === 137, `${code}`);
      await machine.lived(life, "halt");
      assertFlags(stage, 0, undefined);
    },
    onMachine,
  );

  story(
    "67 (reboot)",
    "init 6 on a living machine restarts it",
    async (stage) => {
      const machine = await bootStd(stage);
      await machine.inside("/sbin/init 6");
      await machine.lived(rebooted, "restart");
      assertFlags(stage, 0, 0o100);
    },
    onMachine,
  );

  story(
    "67 (stage 1)",
    "init 0 in stage 1 is refused by runit, and leaves the flag armed",
    async (stage) => {
      const machine = await boot(stage, {
        ...std,
        1: "echo one\n/sbin/init 0\nuntil [ -e /out/go ]; do sleep 0.05; done",
      });
      await machine.says(onlyInStage2);
      stage.file("root/out/go", "");
      await machine.inStage2();
      const upTo = [...birth, enter(1), "one", onlyInStage2, leave(1), enter(2), "two"];
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upTo);
      assertFlags(stage, 0o100, undefined);
      machine.signal("SIGCONT");
      await machine.lived([...upTo, ...shutdown]);
    },
    onMachine,
  );

  story(
    68,
    "an ordinary user may not",
    async (stage) => {
      const refusal = [create(stage, "stopit", "access denied"), "111"];
      assert.deepEqual(await call(stage, ["0", "6"], asUser), [...refusal, ...refusal]);
      assertFlags(stage, undefined, undefined);
    },
    honestReason,
  );

  story(
    69,
    "a user who may write the flags but not signal process 1 changes nothing",
    async (stage) => {
      const machine = await bootStd(stage);
      fs.chmodSync(stage.at(`root${flag(stage, "stopit")}`, ".."), 0o777);
      const { out, err, code } = await machine.inside("/sbin/init 0", asUser);
      assert.deepEqual([out, err, code], ["", "", 0]);
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upToStage2);
      assertFlags(stage, 0o100, undefined);
    },
    onMachine,
  );

  story(
    70,
    "on a read-only root it fails",
    async (stage) => {
      const refusal = [create(stage, "stopit", "read-only file system"), "111"];
      assert.deepEqual(await call(stage, ["0", "6"], "", { isReadOnly: true }), [...refusal, ...refusal]);
    },
    honestReason,
  );

  story(
    71,
    "on a read-only root flags that are dangling links into a place that can be written do",
    async (stage) => {
      layDirectories(stage);
      for (const name of ["stopit", "reboot"] as const) fs.symlinkSync(`/var/${name}`, file(stage, name));
      fs.mkdirSync(stage.at("root/var"));
      const before = "mount -t tmpfs tmpfs $root/var";
      const machine = await bootStd(stage, { isReadOnly: true, before }, { 3: `echo three\nstat -c "%n %a" /var/*` });
      await machine.inside("/sbin/init 6");
      const [left = "", entered = "", three = "", ...rest] = rebooted.slice(upToStage2.length);
      const lines = [left, entered, three, "/var/reboot 100", "/var/stopit 0", ...rest];
      await machine.lived([...upToStage2, ...lines], "restart");
    },
    onMachine,
  );

  story(
    72,
    "a link into a directory that is not there does not",
    async (stage) => {
      layDirectories(stage);
      fs.symlinkSync("/nowhere/stopit", file(stage, "stopit"));
      assert.deepEqual(await call(stage, ["0"]), [create(stage, "stopit", "file does not exist"), "111"]);
    },
    honestReason,
  );

  story(
    73,
    "what fails after stopit",
    async (stage) => {
      layDirectories(stage);
      stage.file(`root${flag(stage, "reboot")}`, "");
      const reboot = file(stage, "reboot");
      assert.equal(spawnSync("chattr", ["+i", reboot]).status, 0);
      stage.atEnd(() => {
        spawnSync("chattr", ["-i", reboot]);
      });
      const denied = fatal(`unable to chmod ${flag(stage, "reboot")}: permission denied`);
      assert.deepEqual(await call(stage, ["0"]), [denied, "111"]);
      // The original leaves it armed for whoever sends CONT next.
      const left = stage.isOurs ? 0 : 0o100;
      assertFlags(stage, left, 0o644);
      fs.rmSync(file(stage, "stopit"));
      assert.deepEqual(await call(stage, ["6"]), [create(stage, "reboot", "permission denied"), "111"]);
      assertFlags(stage, left, 0o644);
    },
    { skip: cannotBoot || cannotFreeze(), differs: "runit-init-disarms" },
  );
});
