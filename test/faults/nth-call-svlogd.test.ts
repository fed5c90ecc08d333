// The n-th system call fails, or svlogd is killed in it, for every n, in lives on one pipe: lines, an unfinished and a long
// one, rotations, a processor, HUP, ALRM, a disk that is full for a while, TERM, and the next svlogd. Every directory has
// every line once, in order.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SystemError } from "../../src/system/errors.ts";
import { copies, labelled, logDirectory, logged, playLogger } from "../machine/logs.ts";
import { Machine } from "../machine/machine.ts";

const directories = ["/a", "/b"];
const long = "x".repeat(80);
/** What is written into the pipe, and when. */
const writes: readonly (readonly [at: number, text: string])[] = [
  [0, "1\n2\n"],
  [100, "3\nunfin"],
  [200, `ished\n${long}`],
  [300, `${long}\n4\n`],
  [1600, "5\n6\n7\n8\n"],
  [1700, "9\nbeg"],
  [9000, "un\n10\n"],
  [9100, "11"],
];
const all = writes.map(([, text]) => text).join("");

interface Lives {
  readonly machine: Machine;
  /** Of each svlogd: its exit code, "killed", or the message of its fatal error. */
  readonly ends: readonly string[];
  /** What each directory holds, without stamps and without what is said about full disks. */
  readonly logs: readonly string[];
}

/** `kills`: in which of its calls each svlogd is killed; 0: in none. */
function live(prepare: (machine: Machine) => void, ...kills: number[]): Lives {
  const machine = new Machine();
  machine.maxPolls = 2000;
  logDirectory(machine, "s140\nn0\n!cat\n", "/a");
  logDirectory(machine, "t1\nn0\n", "/b");
  machine.program("/bin/sh", copies(150));
  const input = machine.input();
  for (const [at, text] of writes) machine.after(at, () => input.write(text));
  machine.after(600, () => machine.raise("HUP"));
  machine.after(800, () => machine.raise("ALRM"));
  machine.after(1500, () => {
    machine.freeBytes = 70; // a part of a block
  });
  machine.after(2500, () => {
    machine.freeBytes = Number.POSITIVE_INFINITY;
  });
  machine.after(5600, () => machine.raise("TERM"));
  machine.after(30_000, () => input.end());
  prepare(machine);
  const ends: string[] = [];
  // As runsv would, until the input has ended.
  while (ends.length < 6 && !(ends.at(-1) === "0" && machine.milliseconds >= 1_030_000)) {
    const kill = kills.shift() ?? 0;
    machine.killAt = kill === 0 ? 0 : machine.calls + kill;
    ends.push(play(machine));
  }
  const logs = directories.map((name) =>
    logged(machine, name).replaceAll(/^@[0-9a-f]{24} (svlogd: warning: .*\n)?/gm, ""),
  );
  return { machine, ends, logs };
}

function play(machine: Machine): string {
  try {
    return `${playLogger(machine, "-t", "-l100", ...directories)}`;
  } catch (error) {
    machine.bury();
    if (!(error instanceof SystemError)) throw error;
    machine.poll([], 1000);
    return error.message;
  }
}

const complete = `${all}\n`;
/** The lines of a text, in order, are some of those that were written. */
function isPartOf(log: string): boolean {
  const lines = complete.split("\n");
  return log.split("\n").every((line) => lines.includes(line) && lines.splice(0, lines.indexOf(line) + 1).length > 0);
}

/** What may be otherwise when this call has failed. See docs/programs/svlogd.md. */
function isExcused(log: string, index: number, { failed, stderr }: Machine): boolean {
  switch (failed) {
    // It reads as ever (or does not know a record for its own): TERM, or the next svlogd, ends the line that has begun.
    case "pipe":
    case "tee":
    case "read":
    case "open /proc/sys/kernel/random/boot_id":
    case "pwrite":
      return log.replaceAll("\n", "") === complete.replaceAll("\n", "");
    // The beginning of a line that was taken is in the leader's record only.
    case "open /a/lock":
    case "pread":
      return log === complete.replace("begun", "un");
    // A directory that could not be opened is out until HUP, or the next svlogd.
    case `open ${directories[index]}`:
    case "open lock":
    case "flock":
    case "stat current":
      return (
        stderr.includes(`svlogd: warning: unable to `) && stderr.includes(`: ${directories[index]}: `) && isPartOf(log)
      );
  }
  return false;
}

suite("in lives of svlogd", () => {
  const ordinary = live(() => {});
  const { calls } = ordinary.machine;

  function assertComplete({ machine, ends, logs }: Lives, what: string, excused = isExcused): void {
    const where = `${what}: ${machine.failed}: ${ends.join()}\n${machine.stderr}\n${machine.log.join("\n")}`;
    for (const [index, log] of logs.entries()) if (!excused(log, index, machine)) assert.equal(log, complete, where);
    assert.ok(machine.milliseconds < 1_060_000, `stuck: ${where}`);
  }
  const never = () => false;

  test("no call fails: these are the lives", () => {
    assert.deepEqual(ordinary.ends, ["0", "0"]);
    assert.deepEqual(ordinary.logs, [complete, complete]);
    assert.equal(labelled(ordinary.machine, "/a").length, 10);
    for (const name of directories) {
      const full = `svlogd: pausing: unable to write to current: ${name}: out of disk space\n`;
      assert.ok(ordinary.machine.stderr.includes(full));
      assert.equal(ordinary.machine.content(`${name}/lock`), "");
    }
  });

  test("svlogd is killed in the n-th call, for every n", (context) => {
    for (let n = 1; n <= calls; n++) {
      assertComplete(
        live(() => {}, n),
        `call ${n}`,
        never,
      );
    }
    context.diagnostic(`counts: nth-call kills=${calls}`);
  });

  test("svlogd is killed in the n-th call, and the next one soon after, for every n", (context) => {
    for (let n = 1; n <= calls; n++) {
      for (const more of [1 + ((n * 7) % 30), 1 + ((n * 31) % 97), 1 + ((n * 3) % 211)]) {
        assertComplete(
          live(() => {}, n, more, more),
          `calls ${n}, ${more}, ${more}`,
          never,
        );
      }
    }
    context.diagnostic(`counts: nth-call kills=${calls * 9}`);
  });

  for (const [name, errno] of [
    ["EINTR", 4],
    ["EIO", 5],
    ["ENOMEM", 12],
    ["EACCES", 13],
    ["ENFILE", 23],
    ["EMFILE", 24],
    ["ENOSPC", 28],
  ] as const) {
    test(`the n-th call fails with ${name}, for every n`, (context) => {
      let excused = 0;
      for (let n = 1; n <= calls; n++) {
        const lives = live((one) => {
          one.failAt = n;
          one.failWith = errno;
        });
        const { ends, logs } = lives;
        assertComplete(lives, `call ${n}`);
        if (logs.some((log) => log !== complete)) excused++;
        // Only what is needed at the start is fatal.
        for (const end of ends) assert.match(end, /^0$|^unable to open current working directory: /);
      }
      assert.ok(excused < calls / 3);
      context.diagnostic(`counts: nth-call faults=${calls}`);
      context.diagnostic(`${calls} calls, ${excused} of them with an excuse`);
    });
  }

  test("what is said of a hold fills the file, its rotation fails, and svlogd is killed: no line is doubled", () => {
    let kills = 0;
    for (let size = 1000; size < 1900; size += 10) {
      for (let n = 1; n < 12; n++) {
        const machine = new Machine();
        machine.maxPolls = 9000;
        logDirectory(machine, "s1500\nn0\n", "/a");
        logDirectory(machine, `s${size}\nn0\n`, "/b");
        const input = machine.input();
        let written = "";
        let count = 0;
        const put = (lines: number): void => {
          let text = "";
          for (let i = 0; i < lines; i++) text += `${++count} ${"x".repeat(20)}\n`;
          written += text;
          input.write(text);
        };
        machine.after(1, () => put(4));
        machine.after(3100, () => put(8));
        machine.after(30_000, () => input.end());
        const start = machine.milliseconds;
        let renames = 0;
        machine.refuses = (call) => {
          const time = machine.milliseconds - start;
          if (time < 3000 || time > 9050) return 0;
          if (call === "write" && time < 3500) return 28;
          if (call !== "rename current") return 0;
          if (++renames === 1) machine.killAt = machine.calls + n;
          return 28;
        };
        let isKilled = false;
        for (let life = 0; life < 4; life++) {
          const end = playLogger(machine, "-t", "/a", "/b");
          isKilled ||= end === "killed";
          if (end === 0) break;
        }
        if (!isKilled) continue;
        kills++;
        for (const directory of directories) {
          const lines = logged(machine, directory).replaceAll(/^@[0-9a-f]{24} (svlogd: warning: .*\n)?/gm, "");
          assert.equal(
            lines,
            written,
            `files of ${size} bytes, killed ${n} calls after the first refused rename: ${directory}`,
          );
        }
      }
    }
    assert.ok(kills > 100, `${kills}`);
  });
});
