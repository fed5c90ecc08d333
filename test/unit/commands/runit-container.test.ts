import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runitContainer } from "../../../src/commands/runit-container.ts";
import { parseReport } from "../../../src/core/container/report.ts";
import { launch } from "../../../src/system/launch.ts";
import type { Program } from "../../machine/machine.ts";
import { endsAfter, Machine, reader, sleeper, stubborn } from "../../machine/machine.ts";

/** Says something at its start, and goodbye when it is told to end. */
const polite: Program = {
  begins: (process) => process.print("up\n"),
  hears: (process, signal) => {
    if (signal !== 15) return false;
    process.machine.after(1000, () => {
      process.print("bye");
      process.exit(0);
    });
    return true;
  },
};

/** A container with these services; process 1 unless it is said otherwise. */
function containing(services: Readonly<Record<string, Program>>): Machine {
  const machine = new Machine();
  machine.ownPid = 1;
  machine.directory("/run");
  machine.directory("/etc/service");
  for (const [name, program] of Object.entries(services)) machine.program(`/etc/service/${name}/run`, program);
  return machine;
}

interface End {
  readonly code: number;
  /** Milliseconds from the beginning. */
  readonly took: number;
  /** The last line it said. */
  readonly reason: string;
}
function play(machine: Machine, ...args: string[]): End {
  const begin = machine.milliseconds;
  machine.arguments = ["runit-container", ...args];
  const code = launch({ run: runitContainer, failure: 111 }, "runit-container", machine.arguments, machine);
  const reason = machine.stderr.trimEnd().split("\n").at(-1) ?? "";
  return { code, took: machine.milliseconds - begin, reason: reason.replace("[runit] ", "") };
}
const terminate = (machine: Machine, milliseconds = 2000) => machine.after(milliseconds, () => machine.raise("TERM"));

suite("runit-container", () => {
  test("supervises, passes output on, and ends with its slowest service", () => {
    const machine = containing({ a: polite, b: sleeper });
    terminate(machine);
    assert.deepEqual(play(machine), { code: 0, took: 3000, reason: "stopped by TERM; 2 services stopped" });
    assert.equal(machine.stdout, "[a] up\n[a] bye\n");
  });

  test("restarts what ends, but not a main service", () => {
    const machine = containing({ a: endsAfter(1500, 3), web: endsAfter(5000, 7) });
    const { code, reason } = play(machine, "-m", "web");
    assert.equal(code, 7);
    assert.equal(reason, "main service web exited 7 after 5s; 1 service stopped");
    assert.equal(machine.log.filter((line) => line === "./run starts").length, 5);
  });

  test("kills what does not end, within the grace time", () => {
    const machine = containing({ a: stubborn, b: polite });
    terminate(machine);
    assert.deepEqual(play(machine, "-g", "4"), {
      code: 137,
      took: 5000,
      reason: "stopped by TERM; 1 service stopped, 1 killed",
    });
  });

  test("stops main services before the others", () => {
    const machine = containing({ web: polite, side: sleeper });
    machine.file("/etc/service/web/main", "");
    terminate(machine);
    play(machine);
    const ends = machine.log.filter((line) => / hears 15$| ends /.test(line));
    assert.deepEqual(ends, ["./run hears 15", "./run ends 0", "./run hears 15", "./run ends 15"]);
  });

  test("ends a log service after its service, when that has been read", () => {
    const lines: string[] = [];
    const machine = containing({ a: polite });
    machine.program("/etc/service/a/log/run", reader(lines));
    terminate(machine);
    assert.equal(play(machine).code, 0);
    assert.equal(lines.join(""), "up\nbye");
    assert.equal(machine.stdout, "");
    assert.ok(!machine.log.includes("log ./run hears 15"));
  });

  test("waits for no reader of its output", () => {
    const machine = containing({ a: polite });
    machine.outputRoom = 3;
    terminate(machine);
    const { code, took } = play(machine, "-g", "8");
    assert.equal(code, 0);
    assert.ok(took <= 2000 + 1000 + 500, `${took}`);
    assert.equal(machine.stdout, "[a]");
  });

  test("gives up on a service that fails too often", () => {
    const machine = containing({ a: endsAfter(10, 3) });
    const { code, reason } = play(machine, "-x", "3/5");
    assert.equal(code, 3);
    assert.equal(reason, "gave up: service a failed 3 times, at last it exited 3; 1 service stopped");
  });

  test("answers who asks, and obeys root and its own user only", () => {
    const machine = containing({ a: sleeper });
    machine.ownUid = 0;
    const path = "/run/runit/supervise/.container";
    machine.after(3000, () => {
      const asked = machine.call(path, "report 0\n", 1000);
      const refused = machine.call(path, "stop 1\n", 1000);
      const unknown = machine.call(path, "what\n");
      const told = machine.call(path, "stop 42\n");
      machine.after(100, () => {
        const report = parseReport(asked.answer);
        assert.deepEqual(
          [report?.phase, report?.services[0]?.name, report?.services[0]?.state],
          ["running", "a", "run"],
        );
        assert.deepEqual([refused.answer, unknown.answer, told.answer], ["access denied", "no such request", "ok"]);
      });
    });
    // A caller that says nothing is dropped.
    machine.after(1000, () => void machine.call(path, ""));
    assert.equal(play(machine).code, 42);
    assert.ok(!machine.exists(path), "it is taken away");
  });

  test("takes a signal for another one", () => {
    const machine = containing({ a: sleeper });
    machine.after(500, () => machine.raise("TERM"));
    machine.after(1500, () => machine.raise("USR1"));
    assert.equal(play(machine, "-r", "TERM:0", "-r", "USR1:TERM").took, 1500);
  });

  test("runs a command where there are no services, and says nothing of that", () => {
    const machine = new Machine();
    machine.ownPid = 1;
    machine.directory("/run");
    machine.program("/bin/app", endsAfter(20_000, 5));
    const { code } = play(machine, "--", "app");
    assert.equal(code, 5);
    assert.equal(machine.stderr, "[runit] command app exited 5 after 20s; 0 services stopped\n");
  });

  test("says once what stands in the way of its directory", () => {
    const machine = containing({ a: sleeper });
    machine.after(1000, () => machine.remove("/etc/service"));
    terminate(machine, 30_000);
    assert.equal(play(machine, "-d", "/etc/service").code, 0);
    assert.equal(machine.stderr.split("unable to stat /etc/service").length - 1, 1, machine.stderr);
  });

  test("has the state of services that cannot be written elsewhere, or nowhere", () => {
    for (const [readOnly, state] of [
      ["/etc", "/run/runit/supervise/a/status"],
      ["/", ""],
    ] as const) {
      const machine = containing({ a: polite });
      machine.refuses = (call) => {
        const path = call.split(" ")[1] ?? "";
        const isWriting = /^(mkdir|mkfifo|replace) /.test(call) || /^open .*(lock|child|\.new)$/.test(call);
        return isWriting && path.startsWith(readOnly) ? 30 : 0;
      };
      machine.after(1000, () => {
        if (state !== "") assert.equal(machine.content(state)?.length, 20);
      });
      terminate(machine);
      assert.equal(play(machine).code, 0, machine.stderr);
      assert.equal(machine.stdout, "[a] up\n[a] bye\n");
    }
  });

  test("refuses what it does not understand", () => {
    for (const args of [["-z"], ["-g", "x"], ["--no"], ["-m"], ["stop", "x"], ["stop", "1", "2"]]) {
      const machine = containing({ a: sleeper });
      assert.equal(play(machine, ...args).code, 100, args.join(" "));
      assert.match(machine.stderr, /usage: runit-container/);
    }
    assert.equal(play(containing({ a: sleeper }), "-m", "nobody").code, 111);
    assert.equal(play(containing({})).code, 111);
    assert.equal(play(containing({ a: sleeper }), "-d", "/nowhere").code, 111);
    const { code, reason } = play(containing({ a: sleeper }), "-d", "/etc/service/a");
    assert.deepEqual([code, / is a service directory: /.test(reason)], [111, true]);
  });

  test("whichever call fails, it ends, and nothing is left", () => {
    const life = (failAt: number, failWith: number): Machine => {
      const machine = containing({ a: polite, b: endsAfter(1500, 1) });
      machine.program("/etc/service/a/log/run", reader([]));
      machine.failAt = failAt;
      machine.failWith = failWith;
      machine.maxPolls = 10_000;
      terminate(machine, 4000);
      machine.after(30_000, () => machine.raise("TERM"));
      const { code } = play(machine, "-g", "8");
      const hint = `call ${failAt} (${machine.failed}) fails with ${failWith}`;
      assert.equal(machine.living().length, 0, hint);
      assert.ok(code === 0 || code === 111 || code === 137, `${hint}: ${code}`);
      return machine;
    };
    const { calls } = life(0, 0);
    assert.ok(calls > 150, `${calls} calls`);
    for (let call = 1; call <= calls; call++) for (const errno of [5, 12, 24]) life(call, errno);
  });
});
