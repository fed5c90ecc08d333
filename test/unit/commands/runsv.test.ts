import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runsv } from "../../../src/commands/runsv.ts";
import { SystemError } from "../../../src/system/errors.ts";
import type { Program } from "../../machine/machine.ts";
import { endsAfter, Idle, Machine, reader, sleeper, stubborn } from "../../machine/machine.ts";

/** A machine with one service. */
function machineWith(programs: Record<string, Program>): Machine {
  const machine = new Machine();
  machine.directory("/service/web");
  for (const [name, program] of Object.entries(programs)) machine.program(`/service/web/${name}`, program);
  return machine;
}

/** Plays runsv to its end, or until nothing more happens (-1). */
function play(machine: Machine): number {
  try {
    return runsv(["runsv", "/service/web"], machine);
  } catch (error) {
    if (error instanceof Idle) return -1;
    throw error;
  }
}

const saysLastWords: Program = {
  hears: (process) => {
    process.print("last words\n");
    process.exit(0);
    return true;
  },
};

const control = "/service/web/supervise/control";
const stat = (machine: Machine): string | undefined => machine.content("/service/web/supervise/stat");

suite("a running service", () => {
  test("told d, wants to be down and is sent TERM, then CONT", () => {
    const machine = machineWith({ run: sleeper });
    machine.after(5000, () => machine.tell(control, "d"));
    play(machine);
    assert.deepEqual(machine.log, ["./run starts", "./run hears 15", "./run ends 15", "./run hears 18"].slice(0, 3));
    assert.equal(stat(machine), "down\n");
  });

  test("told x, ends, and runsv with it", () => {
    const machine = machineWith({ run: sleeper });
    machine.after(5000, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.equal(machine.living().length, 0);
  });

  test("that ends at once is started again a second later", () => {
    const machine = machineWith({ run: endsAfter(10, 1) });
    const starts: number[] = [];
    machine.program("/service/web/run", {
      begins: (process) => {
        starts.push(machine.milliseconds);
        machine.after(10, () => process.exit(1));
      },
    });
    machine.after(3500, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.equal(starts.length, 4);
    assert.deepEqual(
      starts.slice(1).map((start, index) => start - (starts[index] ?? 0)),
      [1010, 1010, 1010],
    );
  });

  test("that has lived a second is started again at once", () => {
    const machine = machineWith({ run: endsAfter(1500, 1) });
    machine.after(1600, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.equal(machine.log.filter((line) => line === "./run starts").length, 2);
  });

  test("to which a signal cannot be sent is not said to have got it (differs: runsv-failed-signals)", () => {
    const machine = machineWith({ run: sleeper });
    machine.refuses = (call) => (call === "kill 15" ? 1 : 0);
    machine.after(5000, () => machine.tell(control, "t"));
    assert.equal(play(machine), -1);
    assert.match(machine.stderr, /warning: unable to signal pid \d+: permission denied\n/);
    assert.equal(stat(machine), "run, not permitted\n");
  });

  test("killed while it ignores TERM, has its finish run once", () => {
    const machine = machineWith({ run: stubborn, finish: endsAfter(10, 0) });
    machine.after(2000, () => machine.tell(control, "x"));
    machine.after(3000, () => machine.tell(control, "k"));
    assert.equal(play(machine), 0);
    assert.deepEqual(
      machine.log.filter((line) => line.startsWith("./finish")),
      ["./finish -1 9 starts", "./finish -1 9 ends 0"],
    );
  });

  test("is not touched by a wall clock that steps a day back or ahead", () => {
    for (const step of [86_400, -86_400]) {
      const machine = machineWith({ run: endsAfter(100, 1) });
      machine.after(50, () => {
        machine.wallSeconds += step;
      });
      machine.after(2500, () => machine.tell(control, "x"));
      assert.equal(play(machine), 0);
      assert.equal(machine.log.filter((line) => line === "./run starts").length, 3, `step ${step}`);
    }
  });
});

suite("SIGTERM", () => {
  test("during the second of rest ends runsv at once, without another start", () => {
    const machine = machineWith({ run: endsAfter(10, 1) });
    machine.after(500, () => machine.raise("TERM"));
    assert.equal(play(machine), 0);
    assert.equal(machine.log.filter((line) => line === "./run starts").length, 1);
  });

  test("while the log lock is held elsewhere ends runsv before anything is started", () => {
    const machine = machineWith({ run: sleeper, "log/run": sleeper });
    machine.file("/service/web/log/supervise/lock", "");
    machine.lockElsewhere("/service/web/log/supervise/lock");
    machine.after(3000, () => machine.raise("TERM"));
    assert.equal(play(machine), 0);
    assert.deepEqual(machine.log, []);
  });
});

suite("control scripts", () => {
  test("that hang are killed after a minute, have failed, and the signal is sent", () => {
    const machine = machineWith({ run: sleeper, "control/t": stubborn });
    machine.after(1000, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.match(machine.stderr, /warning: control\/t takes too long, killed\.\n/);
    assert.deepEqual(machine.log.slice(1, 5), [
      "control/t starts",
      "control/t hears 9",
      "control/t ends 9",
      "./run hears 15",
    ]);
  });

  test("that hang do not keep k from killing the service", () => {
    const machine = machineWith({ run: stubborn, "control/t": stubborn });
    machine.after(1000, () => machine.tell(control, "x"));
    machine.after(2000, () => machine.tell(control, "k"));
    const start = machine.milliseconds;
    assert.equal(play(machine), 0);
    assert.ok(machine.milliseconds - start < 3000);
  });
});

suite("a log service", () => {
  test("reads everything before it ends, after its service", () => {
    const lines: string[] = [];
    const machine = machineWith({
      "log/run": reader(lines),
      run: saysLastWords,
    });
    machine.after(2000, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.deepEqual(lines, ["last words\n"]);
  });

  test("that was resting when its service ended is started once more to read what is left (differs: runsv-log-drains)", () => {
    const lines: string[] = [];
    let starts = 0;
    const reading = reader(lines);
    const machine = machineWith({
      run: saysLastWords,
      "log/run": { begins: (process) => (++starts === 1 ? process.exit(1) : reading.begins?.(process)) },
    });
    machine.after(200, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.deepEqual(lines, ["last words\n"]);
  });

  test("comes back with its service when that is told u while the log service was ending", () => {
    const lines: string[] = [];
    let slow = true;
    const reading = reader(lines);
    const machine = machineWith({
      run: sleeper,
      "log/run": {
        begins: (process) => (slow ? machine.after(5500, () => process.exit(0)) : reading.begins?.(process)),
      },
    });
    machine.after(2000, () => machine.tell(control, "x"));
    machine.after(3000, () => machine.tell(control, "u"));
    machine.after(3001, () => {
      slow = false;
    });
    machine.after(9000, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.equal(machine.stderr, "");
    assert.equal(machine.log.filter((line) => line === "./run starts").length, 2);
    assert.equal(machine.log.filter((line) => line === "log ./run starts").length, 2);
  });
});

suite("when something runs out", () => {
  test("processes: it says so and tries again every five seconds", () => {
    const machine = machineWith({ run: sleeper });
    machine.maxProcesses = 0;
    machine.after(12_000, () => {
      machine.maxProcesses = 10;
    });
    machine.after(20_000, () => machine.tell(control, "x"));
    assert.equal(play(machine), 0);
    assert.equal(
      machine.stderr,
      "runsv /service/web: warning: unable to fork, sleeping: temporary failure\n".repeat(3),
    );
    assert.ok(machine.log.includes("./run starts"));
  });

  test("disk: commands are obeyed, and when there is room again the files tell the truth without another command", () => {
    const machine = machineWith({ run: sleeper });
    machine.after(2000, () => {
      machine.isDiskFull = true;
      machine.tell(control, "p");
    });
    machine.after(6000, () => {
      machine.isDiskFull = false;
    });
    play(machine);
    assert.ok(machine.log.includes("./run hears 19"));
    assert.equal(stat(machine), "run, paused\n");
    const warnings = machine.stderr.split("\n").filter((line) => line !== "");
    assert.deepEqual(warnings, ["runsv /service/web: warning: unable to write supervise/stat.new: out of disk space"]);
  });

  test("descriptors: it ends with the reason, and leaves none open for ever", () => {
    for (let most = 4; most < 20; most++) {
      const machine = machineWith({ run: sleeper, "log/run": reader([]) });
      machine.maxFds = most;
      machine.after(5000, () => machine.tell(control, "x"));
      try {
        assert.equal(play(machine), 0);
      } catch (error) {
        assert.ok(error instanceof SystemError, String(error));
        assert.match(error.message, /process cannot open more files$/);
      }
    }
  });
});
