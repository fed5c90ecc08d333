// Process 1 and runsvchdir where /etc cannot be written: spec/user-services.md, section D3 and case 44. Machines as
// in ../runit/scenes.ts.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Boot } from "../runit/scenes.ts";
import {
  arm,
  bootStd,
  cannotBoot,
  flagMode,
  leave,
  powerOff,
  shutdown,
  systemReboot,
  upToStage2,
} from "../runit/scenes.ts";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { asRootMounted, pidIn, sleeper, start, world } from "./scenes.ts";

const onMachine = { only: "ours", differs: "runit-flags-in-run", skip: cannotBoot } as const;
const mounted = { ...asRootMounted, differs: "runsvchdir-read-only" } as const;
/** Nothing can be written but /run and /out. */
const readOnly: Boot = {
  isReadOnly: true,
  before: "mount --bind $root/run $root/run\nmount --bind $root/out $root/out",
};
const continued = 18;
const rebooted = shutdown.map((line) => (line === powerOff ? systemReboot : line));
function mode(stage: Stage, name: "stopit" | "reboot"): number | undefined {
  const stats = fs.statSync(stage.at("root/run/runit", name), { throwIfNoEntry: false });
  return stats && stats.mode & 0o7777;
}

const sets = "etc/runit/runsvdir";
function laySets(stage: Stage): void {
  for (const set of ["default", "single"]) fs.mkdirSync(stage.at(sets, set), { recursive: true });
  fs.symlinkSync("default", stage.at(sets, "current"));
}
/** The links in a directory, with where they lead. */
function links(stage: Stage, directory: string): readonly string[] {
  return fs
    .readdirSync(stage.at(directory))
    .filter((name) => fs.lstatSync(stage.at(directory, name)).isSymbolicLink())
    .sort()
    .map((name) => `${name}>${fs.readlinkSync(stage.at(directory, name))}`);
}

stories("state root", (story) => {
  story(
    44,
    "a machine with a read-only /etc/runit is stopped through /run/runit/stopit",
    async (stage) => {
      const machine = await bootStd(stage, readOnly);
      machine.signal("SIGCONT");
      await machine.heard(continued);
      assert.deepEqual(machine.console, upToStage2);
      stage.file("root/run/runit/stopit", "", 0o100);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(mode(stage, "stopit"), 0);
    },
    onMachine,
  );

  story(
    "44 (reboot)",
    "it is rebooted through /run/runit/reboot",
    async (stage) => {
      stage.file("root/run/runit/stopit", "", 0);
      stage.file("root/run/runit/reboot", "", 0);
      const machine = await bootStd(stage, readOnly);
      fs.chmodSync(stage.at("root/run/runit/stopit"), 0o100);
      fs.chmodSync(stage.at("root/run/runit/reboot"), 0o100);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...rebooted], "restart");
    },
    onMachine,
  );

  for (const [title, prepare] of [
    ["with the flags there", (stage: Stage) => layFlags(stage)],
    ["with nothing in /run", () => {}],
  ] as const)
    story(
      "44 (runit-init)",
      `runit-init 0 and 6, ${title}`,
      async (stage) => {
        for (const [word, lines, end] of [
          ["0", shutdown, "halt"],
          ["6", rebooted, "restart"],
        ] as const) {
          fs.rmSync(stage.at("root/run/runit"), { recursive: true, force: true });
          prepare(stage);
          const machine = await bootStd(stage, readOnly);
          // The end of the machine may come before its own.
          const { err } = await machine.inside(`runit-init ${word}`, "env PATH=/sbin:/usr/bin:/bin");
          assert.equal(err, "");
          await machine.lived([...upToStage2, ...lines], end);
        }
      },
      onMachine,
    );

  story(
    "44 (classic)",
    "where /run/runit has no flags, those in /etc/runit are heeded and written",
    async (stage) => {
      fs.mkdirSync(stage.at("root/run/runit"), { recursive: true });
      const machine = await bootStd(stage);
      arm(stage);
      machine.signal("SIGCONT");
      await machine.lived([...upToStage2, ...shutdown]);
      assert.equal(flagMode(stage, "stopit"), 0);
      assert.ok(machine.between("two", leave(2)) < 8000);
    },
    onMachine,
  );

  story(
    "D3 (runsvchdir)",
    "runsvchdir works in /run/runit/runsvdir where /etc is read-only",
    async (stage) => {
      laySets(stage);
      const within = await world(stage, { etc: "/etc", run: "/run" }, "mount -o remount,bind,ro /etc");
      const call = async (set: string) => {
        const { out, err, code } = await start(stage, "runsvchdir", [set], { via: within.via() }).ended;
        // It is called by its path.
        const short = (text: string) => text.replace(stage.program("runsvchdir"), "runsvchdir");
        return [short(out), short(err), code];
      };
      assert.deepEqual(await call("single"), ["runsvchdir: single: now current.\n", "", 0]);
      const there = "run/runit/runsvdir";
      const to = (set: string) => `/etc/runit/runsvdir/${set}`;
      assert.deepEqual(links(stage, there), [`current>${to("single")}`, `previous>${to("default")}`]);
      assert.deepEqual(await call("single"), ["runsvchdir: single: current.\n", "", 0]);
      assert.deepEqual(await call("default"), ["runsvchdir: default: now current.\n", "", 0]);
      assert.deepEqual(links(stage, there), [`current>${to("default")}`, `previous>${to("single")}`]);
      const [out, err, code] = await call("nope");
      assert.deepEqual([out, err, code], ["", "runsvchdir: fatal: nope: file does not exist\n", 111]);
      assert.deepEqual(links(stage, sets), ["current>default"]);
    },
    mounted,
  );

  story(
    "D3 (runsvchdir, a tree)",
    "runsvdir follows the link there, from one set to the other",
    async (stage) => {
      laySets(stage);
      stage.service(`${sets}/default/a`, { run: sleeper });
      stage.service(`${sets}/single/b`, { run: sleeper });
      const within = await world(stage, { etc: "/etc", run: "/run" }, "mount -o remount,bind,ro /etc");
      const options = { via: within.via() };
      assert.equal((await start(stage, "runsvchdir", ["single"], options).ended).code, 0);
      const runsvdir = start(stage, "runsvdir", ["/run/runit/runsvdir/current"], options);
      const pid = await pidIn(stage, "run/runit/supervise/b");
      assert.equal((await start(stage, "runsvchdir", ["default"], options).ended).code, 0);
      await pidIn(stage, "run/runit/supervise/a");
      await stage.until("b has ended", () => !stage.isLiving(pid));
      assert.equal(runsvdir.err, "");
    },
    mounted,
  );
});

function layFlags(stage: Stage): void {
  for (const name of ["stopit", "reboot"]) stage.file(`root/run/runit/${name}`, "", 0);
}
