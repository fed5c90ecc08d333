import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runit } from "../../../src/commands/runit.ts";
import { runitInit } from "../../../src/commands/runit-init.ts";
import { launch } from "../../../src/system/launch.ts";
import type { Program } from "../../machine/machine.ts";
import { Became, endsAfter, Idle, Machine } from "../../machine/machine.ts";

const idle: Program = {};

/** Process 1 with three stages; stage 2 ends on TERM unless it is told otherwise. */
function machineWith(stages: Partial<Record<"1" | "2" | "3" | "ctrlaltdel", Program>> = {}): Machine {
  const machine = new Machine();
  machine.ownPid = 1;
  machine.entries.push("RUNIT_CONTAINER=0");
  const all = { "1": endsAfter(10, 0), "2": idle, "3": endsAfter(10, 0), ...stages };
  for (const [name, program] of Object.entries(all)) machine.program(`/etc/runit/${name}`, program);
  return machine;
}

/** What it said, one line each, and how it ended. */
function play(machine: Machine): readonly string[] {
  let end = "";
  try {
    end = `exit ${launch({ run: runit, failure: 111 }, "- runit", ["runit"], machine)}`;
  } catch (error) {
    if (!(error instanceof Idle)) throw error;
    end = "idle";
  }
  const lines = machine.stderr.split("\n").filter((line) => line !== "");
  return [...lines.map((line) => line.replace("- runit: ", "").replace("/etc/runit/", "")), end];
}

const booting = "$Id: runit, runit-ts 0.1.0 $: booting.";
const noConsole = "warning: unable to open /dev/console: file does not exist";
const end = ["sending KILL signal to all processes...", "power off...", "system halt.", "exit 0"];

function arm(machine: Machine, flag = "stopit"): void {
  machine.file(`/etc/runit/${flag}`, "", 0o100);
}

suite("runit", () => {
  test("is process 1, or nothing", () => {
    const machine = new Machine();
    assert.deepEqual(play(machine), ["fatal: must be run as process no 1.", "exit 111"]);
    assert.deepEqual(machine.log, []);
  });

  test("lives through three stages", () => {
    const machine = machineWith();
    machine.after(1000, () => {
      arm(machine);
      machine.raise("CONT");
    });
    assert.deepEqual(play(machine), [
      booting,
      noConsole,
      "enter stage: 1",
      "leave stage: 1",
      "enter stage: 2",
      "leave stage: 2",
      "enter stage: 3",
      "leave stage: 3",
      ...end,
    ]);
    assert.equal(machine.mode("/etc/runit/stopit"), 0, "the flag is taken back");
    assert.deepEqual(
      machine.log.filter((line) => /^(kill 9 all|sync|power off|halt|restart)$/.test(line)),
      ["kill 9 all", "sync", "power off", "sync", "halt"],
    );
  });

  test("reboots when the flag says so, without sync when there is nosync", () => {
    const machine = machineWith({ "2": endsAfter(10, 0) });
    arm(machine, "reboot");
    machine.file("/etc/runit/nosync", "");
    assert.deepEqual(play(machine).slice(-2), ["system reboot.", "exit 129"]);
    assert.ok(!machine.log.includes("sync"));
  });

  test("ends the machine, and then waits for ever", () => {
    const machine = machineWith({ "2": endsAfter(10, 0) });
    machine.mayReboot = true;
    assert.deepEqual(play(machine).slice(-2), ["system halt.", "idle"]);
  });

  test("starts stage 2 again after five seconds, and reaps meanwhile", () => {
    let lives = 0;
    const machine = machineWith({
      "2": { begins: (process) => process.machine.after(100, () => process.end(++lives === 1 ? 11 : 0)) },
    });
    const before = machine.milliseconds;
    assert.deepEqual(play(machine).slice(4, 10), [
      "enter stage: 2",
      "warning: child crashed: 2",
      "warning: killing all processes in stage 2...",
      "warning: restarting.",
      "enter stage: 2",
      "leave stage: 2",
    ]);
    assert.ok(machine.milliseconds - before >= 5200);
  });

  test("kills a stage 2 that does not go", () => {
    const machine = machineWith({ "2": { hears: (_, signal) => signal === 15 } });
    machine.after(1000, () => {
      arm(machine);
      machine.raise("CONT");
    });
    assert.deepEqual(play(machine).slice(5, 7), [
      "warning: stage 2 not terminated, sending sigkill...",
      "leave stage: 2",
    ]);
  });

  test("does what the ctrl-alt-del script arms it for", () => {
    const machine = machineWith({
      ctrlaltdel: {
        begins: (process) => {
          arm(process.machine);
          process.machine.after(2000, () => process.exit(0));
        },
      },
    });
    machine.after(1000, () => machine.raise("INT"));
    assert.deepEqual(play(machine).slice(5, 9), [
      "ctrl-alt-del request...",
      "enter stage: ctrlaltdel",
      "leave stage: ctrlaltdel",
      "leave stage: 2",
    ]);
  });

  test("says once that signals came too early", () => {
    const machine = machineWith({ "1": endsAfter(2000, 0), "2": endsAfter(10, 0) });
    machine.after(1000, () => {
      machine.raise("CONT");
      machine.raise("INT");
      machine.raise("TERM");
    });
    const lines = play(machine);
    assert.equal(lines.filter((line) => line === "warning: signals only work in stage 2.").length, 1);
    assert.ok(lines.includes("enter stage: 2"));
  });

  test("a script that cannot be executed is said to be so; without stage 2 the machine stays on", () => {
    const machine = machineWith();
    for (const stage of ["1", "2"]) machine.remove(`/etc/runit/${stage}`);
    machine.after(12_000, () => machine.program("/etc/runit/2", endsAfter(10, 0)));
    const lines = play(machine);
    assert.deepEqual(lines.slice(2, 8), [
      "enter stage: 1",
      "fatal: unable to start child: 1: file does not exist",
      "leave stage: 1",
      "enter stage: 2",
      "fatal: unable to start child: 2: file does not exist",
      "warning: killing all processes in stage 2...",
    ]);
    assert.deepEqual(lines.slice(-4), end);
  });

  test("waits for five seconds when no process can be made", () => {
    const machine = machineWith({ "2": endsAfter(10, 0) });
    machine.maxProcesses = 0;
    machine.after(11_000, () => {
      machine.maxProcesses = 10;
    });
    const lines = play(machine);
    const fatal = 'fatal: unable to fork for "1" pausing: temporary failure';
    assert.equal(lines.filter((line) => line === fatal).length, 3);
    assert.deepEqual(lines.slice(-4), end);
  });

  test("writes to the console when there is one", () => {
    const machine = machineWith({ "2": endsAfter(10, 0) });
    machine.file("/dev/console", "");
    assert.deepEqual(play(machine), ["exit 0"]);
    assert.match(machine.content("/dev/console") ?? "", /booting\.\n- runit: enter stage: \/etc\/runit\/1\n/);
  });

  test("of n-th calls that fail, none keeps it from its end", () => {
    const ordinary = machineWith({ "2": endsAfter(10, 0) });
    play(ordinary);
    for (let n = 1; n <= ordinary.calls; n++) {
      for (const errno of [5, 11, 12, 24]) {
        const machine = machineWith({ "2": endsAfter(10, 0) });
        machine.failAt = n;
        machine.failWith = errno;
        assert.equal(play(machine).at(-1), "exit 0", `${n} ${machine.failed}`);
      }
    }
  });
});

suite("runit-init", () => {
  const run = (machine: Machine, ...args: string[]): readonly [number, string] => {
    machine.arguments = ["init", ...args];
    return [launch({ run: runitInit, failure: 111 }, "init", machine.arguments, machine), machine.stderr];
  };

  test("arms the flags by the first character of its argument", () => {
    const machine = new Machine();
    machine.directory("/etc/runit");
    assert.deepEqual(run(machine, "05", "x"), [0, ""]);
    assert.deepEqual([machine.mode("/etc/runit/stopit"), machine.mode("/etc/runit/reboot")], [0o100, undefined]);
    assert.deepEqual(run(machine, "6x"), [0, ""]);
    assert.equal(machine.mode("/etc/runit/reboot"), 0o100);
    assert.deepEqual(run(machine, "0"), [0, ""]);
    assert.equal(machine.mode("/etc/runit/reboot"), 0);
  });

  test("otherwise says how it is used, and that is no failure", () => {
    for (const args of [[], [""], ["1"], ["q"], ["-x"]]) {
      const machine = new Machine();
      assert.deepEqual(run(machine, ...args), [0, "usage: init 0|6\n\n"]);
      assert.equal(machine.calls, 0);
    }
    assert.equal(run(new Machine(), "-Vx")[1], "$Id: runit-init, runit-ts 0.1.0 $\n\nusage: init 0|6\n\n");
  });

  test("when the n-th call fails says which, and with 6 the machine is not halted by mistake", () => {
    for (const level of ["0", "6"]) {
      for (let n = 1; n <= 7; n++) {
        const machine = new Machine();
        machine.directory("/etc/runit");
        machine.failAt = n;
        machine.failWith = 30;
        const [code, err] = run(machine, level);
        // Where /run/runit cannot be looked at there is no flag.
        if (machine.failed.startsWith("kill") || /^(stat|chmod) \/run\/runit/.test(machine.failed)) continue;
        if (machine.failed === "" || machine.failed === "chmod /etc/runit/reboot") continue; // it is not set anyway
        assert.equal(code, 111, machine.failed);
        assert.match(
          err,
          /^init: fatal: unable to (create|chmod) \/(etc|run)\/runit\/(stopit|reboot): read-only file system\n$/,
        );
      }
    }
  });

  test("as process 1 becomes runit, without its arguments", () => {
    const machine = new Machine();
    machine.ownPid = 1;
    assert.deepEqual(run(machine, "single"), [111, "init: fatal: unable to start runit: file does not exist\n"]);
    machine.program("/sbin/runit", {});
    assert.throws(
      () => run(machine, "single"),
      (error) => error instanceof Became && error.file === "/sbin/runit" && error.argv.join(" ") === "runit",
    );
  });
});
