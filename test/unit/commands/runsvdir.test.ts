import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runsvdir } from "../../../src/commands/runsvdir.ts";
import { endsAfter, Idle, Machine, sleeper, stubborn } from "../../machine/machine.ts";

/** A machine with a scan directory (no inotify: it is polled) and a runsv that does nothing. */
function machineWith(...services: string[]): Machine {
  const machine = new Machine();
  machine.program("/bin/runsv", sleeper);
  machine.directory("/service");
  for (const name of services) machine.file(`/service/${name}/run`, "");
  return machine;
}

function play(machine: Machine, ...args: string[]): number {
  machine.arguments = ["runsvdir", ...args];
  try {
    return runsvdir(machine.arguments, machine);
  } catch (error) {
    if (error instanceof Idle) return -1;
    throw error;
  }
}

const starts = (machine: Machine): string[] =>
  machine.log.filter((line) => line.endsWith(" starts")).map((line) => line.slice(6, -7));

suite("runsvdir", () => {
  test("starts one runsv for each service, and on TERM leaves them all behind", () => {
    const machine = machineWith("a", "b");
    machine.after(20_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.deepEqual(starts(machine), ["a", "b"]);
    assert.equal(machine.living().length, 2);
  });

  test("on HUP sends TERM to each, once, and does not wait", () => {
    const machine = machineWith("a", "b");
    machine.program("/bin/runsv", stubborn);
    machine.after(20_000, () => machine.raise("HUP"));
    assert.equal(play(machine, "/service"), 111);
    assert.deepEqual(machine.log.slice(2), ["runsv a hears 15", "runsv b hears 15"]);
  });

  test("with -H takes TERM for HUP", () => {
    const machine = machineWith("a");
    machine.after(2000, () => machine.raise("TERM"));
    assert.equal(play(machine, "-P", "-H", "/service"), 111);
    assert.equal(machine.living().length, 0);
  });

  test("restarts a runsv that ends at once no more than once a second", () => {
    const machine = machineWith("a");
    machine.program("/bin/runsv", endsAfter(1, 0));
    machine.after(10_500, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(starts(machine).length, 11);
  });

  test("takes no notice of a wall clock that steps a day back", () => {
    const machine = machineWith("a");
    machine.program("/bin/runsv", endsAfter(1500, 0));
    machine.after(1000, () => {
      machine.wallSeconds -= 86_400;
    });
    machine.after(4000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(starts(machine).length, 3);
    assert.equal(machine.stderr, "");
  });

  test("finds by polling what appears and what goes where the system does not tell", () => {
    const machine = machineWith("a");
    machine.after(10_000, () => machine.file("/service/b/run", ""));
    machine.after(10_000, () => machine.touch("/service"));
    machine.after(20_000, () => machine.remove("/service/a"));
    machine.after(20_000, () => machine.touch("/service"));
    machine.after(30_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.deepEqual(starts(machine), ["a", "b"]);
    assert.deepEqual(
      machine.living().map((one) => one.name),
      ["runsv b"],
    );
  });

  test("keeps a service whose directory cannot be looked at for once, and ends it when it has gone", () => {
    const machine = machineWith("a", "b");
    let refusals = 0;
    machine.after(10_000, () => {
      machine.touch("/service");
      machine.refuses = (call) => (call === "stat a" && refusals++ === 0 ? 5 : 0);
    });
    machine.after(600_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.deepEqual(
      machine.living().map((one) => one.name),
      ["runsv a", "runsv b"],
    );
    assert.equal(machine.stderr, "runsvdir /service: warning: unable to stat a: input/output error\n");
    assert.ok(refusals >= 2, "it was looked at again");
  });

  test("says once what it cannot look at, and looks more and more seldom", () => {
    const machine = machineWith("a", "b");
    let looks = 0;
    machine.after(10_000, () => {
      machine.touch("/service");
      machine.refuses = (call) => (call === "stat a" && ++looks > 0 ? 5 : 0);
    });
    machine.after(610_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(machine.living().length, 2);
    assert.equal(machine.stderr, "runsvdir /service: warning: unable to stat a: input/output error\n");
    assert.ok(looks >= 60 && looks <= 90, `${looks} looks in ten minutes`);
  });

  test("starts what it could not look at at first, and says but once what it may not look at", () => {
    const machine = machineWith("a");
    machine.file("/service/closed/run", "");
    let isClosed = true;
    machine.refuses = (call) => (call === "stat closed" && isClosed ? 13 : 0);
    machine.after(60_000, () => machine.touch("/service"));
    machine.after(120_000, () => {
      isClosed = false;
    });
    machine.after(130_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(machine.stderr, "runsvdir /service: warning: unable to stat closed: access denied\n");
    assert.deepEqual(starts(machine), ["a", "closed"]);
  });

  test("says that processes have run out, and starts what is missing when they are back", () => {
    const machine = machineWith("a", "b");
    machine.maxProcesses = 1;
    machine.after(2500, () => {
      machine.maxProcesses = 10;
    });
    machine.after(10_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(machine.stderr, "runsvdir /service: warning: unable to fork for b: temporary failure\n".repeat(3));
    assert.deepEqual(starts(machine), ["a", "b"]);
  });

  test("as process 1 waits until all have ended", () => {
    const machine = machineWith("a");
    machine.program("/bin/runsv", {
      hears: (process) => {
        machine.after(3000, () => process.exit(0));
        return true;
      },
    });
    Object.defineProperty(machine, "pid", { value: 1 });
    machine.after(2000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service"), 0);
    assert.equal(machine.living().length, 0);
  });
});

suite("the log argument", () => {
  test("gets a dot at the start and one every 900 seconds of the monotonic clock", () => {
    const machine = machineWith();
    machine.after(100, () => assert.equal(machine.arguments[2], "log: XXXXXXXXX."));
    machine.after(800_000, () => {
      machine.wallSeconds -= 5000;
      assert.equal(machine.arguments[2], "log: XXXXXXXXX.");
    });
    machine.after(905_000, () => assert.equal(machine.arguments[2], "log: XXXXXXXX.."));
    machine.after(910_000, () => machine.raise("TERM"));
    assert.equal(play(machine, "/service", "log: XXXXXXXXXX"), 0);
  });
});
