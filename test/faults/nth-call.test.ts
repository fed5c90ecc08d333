// The n-th system call fails, for every n, in a life of start, crash, restart and stop: nothing is lost, nothing is
// stuck, nothing is started twice.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runsv } from "../../src/commands/runsv.ts";
import { SystemError } from "../../src/system/errors.ts";
import { Machine, reader } from "../machine/machine.ts";

interface Life {
  readonly machine: Machine;
  readonly lines: readonly string[];
  /** Exit code, or the message of the fatal error. */
  readonly end: string;
  readonly milliseconds: number;
}

/** Where the state is: beside the service, or in a state root that is taken away while the service runs. */
interface Kind {
  readonly title: string;
  readonly options: readonly string[];
  readonly state: string;
}
const beside: Kind = { title: "", options: [], state: "/service/web/supervise" };
const apart: Kind = {
  title: ", its state apart and taken away in between",
  options: ["-w", "-s", "/run/x/state"],
  state: "/run/x/state/web",
};

function live(kind: Kind, failAt: number, errno: number): Life {
  const machine = new Machine();
  const lines: string[] = [];
  let starts = 0;
  machine.program("/service/web/run", {
    begins: (process) => {
      const mine = ++starts;
      assert.equal(machine.living().filter((one) => one.name === "./run" && one !== process).length, 0);
      process.print(`start ${mine}\n`);
      if (mine === 1) machine.after(1500, () => process.exit(1));
    },
    hears: (process, signal) => {
      if (signal !== 15) return false;
      process.print(`stop ${starts}\n`);
      process.exit(0);
      return true;
    },
  });
  machine.program("/service/web/finish", { begins: (process) => machine.after(5, () => process.exit(0)) });
  machine.program("/service/web/log/run", reader(lines));
  machine.failAt = failAt;
  machine.failWith = errno;
  const control = `${kind.state}/control`;
  machine.directory("/run");
  if (kind === apart) {
    machine.after(2000, () => {
      if (!machine.exists(control)) return;
      for (const path of [kind.state, `${kind.state}.log`]) machine.remove(path);
      machine.raise("HUP");
    });
  }
  // Whoever wants it gone asks until it is.
  const ask = (): void => {
    if (!machine.exists(control)) return;
    machine.tell(control, "x");
    machine.after(20_000, ask);
  };
  machine.after(4000, ask);
  const start = machine.milliseconds;
  let end = "";
  try {
    end = `${runsv(["runsv", ...kind.options, "/service/web"], machine)}`;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    end = error.message;
  }
  return { machine, lines, end, milliseconds: machine.milliseconds - start };
}

for (const kind of [beside, apart]) {
  suite(`in a whole life of a service with a log service${kind.title}, the n-th call fails`, () => {
    const ordinary = live(kind, 0, 0);
    const calls = ordinary.machine.calls;

    test("no call: this is the life", () => {
      assert.equal(ordinary.end, "0");
      assert.deepEqual(ordinary.lines, ["start 1\n", "start 2\n", "stop 2\n"]);
      assert.equal(ordinary.machine.stderr, "");
    });

    for (const [name, errno] of [
      ["EIO", 5],
      ["ENOMEM", 12],
      ["EMFILE", 24],
      ["ENOSPC", 28],
      ["EAGAIN", 11],
    ] as const) {
      test(`${name}, for every n`, (context) => {
        let fatal = 0;
        for (let n = 1; n <= calls; n++) {
          const { machine, lines, end, milliseconds } = live(kind, n, errno);
          const where = `call ${n}: ${machine.failed}: ${end}\n${machine.stderr}\n${machine.log.join("\n")}`;
          assert.ok(milliseconds < 60_000, `stuck: ${where}`);
          const left = machine.living().filter((one) => one.name === "./run" || one.name.startsWith("./finish"));
          if (end !== "0") {
            // It could not begin: it says why, and has started nothing.
            fatal++;
            assert.deepEqual(machine.log, [], where);
            continue;
          }
          assert.deepEqual(left, [], where);
          if (machine.stderr.includes("unable to stat() ./log")) continue; // it said that there is no log service
          // Every line a service wrote was read by the log service.
          const written = machine.log.filter((line) => line === "./run starts").length;
          for (let i = 1; i <= written; i++)
            assert.ok(lines.join("").includes(`start ${i}\n`), `lost start ${i}: ${where}`);
          assert.ok(machine.content(`${kind.state}/stat`) === "down\n", `status lies: ${where}`);
        }
        context.diagnostic(`counts: nth-call faults=${calls}`);
        context.diagnostic(`${calls} calls, ${fatal} of them fatal at the start`);
      });
    }
  });
}
