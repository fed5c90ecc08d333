import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SystemError } from "../../../src/system/errors.ts";
import { copies, current, labelled, logDirectory, logged, playLogger, saved } from "../../machine/logs.ts";
import type { PipeInput } from "../../machine/machine.ts";
import { endsAfter, Machine, sleeper } from "../../machine/machine.ts";

interface Scene {
  readonly machine: Machine;
  readonly input: PipeInput;
  /** Milliseconds since the beginning. */
  readonly clock: () => number;
}

/** A log directory /log, and a pipe into which these texts are written at these milliseconds. */
function scene(config: string, texts: readonly (readonly [at: number, text: string])[] = [], endAt = -1): Scene {
  const machine = new Machine();
  machine.maxPolls = 10_000;
  machine.wallSeconds = 999_999_000; // now it is 10^9
  logDirectory(machine, config);
  const input = machine.input();
  for (const [at, text] of texts) machine.after(at, () => input.write(text));
  if (endAt >= 0) machine.after(endAt, () => input.end());
  const start = machine.milliseconds;
  return { machine, input, clock: () => machine.milliseconds - start };
}
const hours = (number: number) => number * 3_600_000;
const everyLine = "s1000\n";

suite("lines", () => {
  test("are in current as soon as they have come, each with the stamp of that moment", () => {
    const { machine, clock } = scene(
      "",
      [
        [0, "one\n"],
        [1500, "two\nthree\n"],
      ],
      3000,
    );
    let soon = "";
    machine.after(1501, () => {
      soon = current(machine);
    });
    assert.equal(playLogger(machine, "-tt", "/log"), 0);
    assert.equal(clock(), 3000);
    assert.equal(soon, current(machine));
    assert.deepEqual(current(machine).split("\n"), [
      "2001-09-09_01:46:40.00000 one",
      "2001-09-09_01:46:41.50000 two",
      "2001-09-09_01:46:41.50000 three",
      "",
    ]);
    assert.equal(machine.mode("/log/current"), 0o744);
    assert.equal(machine.content("/log/lock"), "");
    assert.equal(machine.stderr, "");
  });

  test("without an end get one at the end of the input", () => {
    const { machine } = scene("", [[0, "one\ntw"]], 100);
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(current(machine), "one\ntw\n");
  });

  test("without an end are kept on TERM, and the next svlogd writes them with the stamp of their first byte", () => {
    const { machine, input } = scene("", [[0, "one\ntw"]]);
    machine.after(2000, () => machine.raise("TERM"));
    assert.equal(playLogger(machine, "-tt", "/log"), 0);
    assert.equal(current(machine), "2001-09-09_01:46:40.00000 one\n");
    assert.notEqual(machine.content("/log/lock"), "");
    machine.after(5000, () => input.write("o\nthree\n"));
    machine.after(6000, () => input.end());
    assert.equal(playLogger(machine, "-tt", "/log"), 0);
    assert.deepEqual(current(machine).split("\n"), [
      "2001-09-09_01:46:40.00000 one",
      "2001-09-09_01:46:40.00000 two",
      "2001-09-09_01:46:47.00000 three",
      "",
    ]);
    assert.equal(machine.content("/log/lock"), "");
  });

  test("begun in an input that has gone are lines all the same", () => {
    const { machine } = scene("", [[0, "one\ntw"]]);
    machine.after(2000, () => machine.raise("TERM"));
    playLogger(machine, "/log");
    const another = machine.input();
    another.write("three\n");
    another.end();
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(current(machine), "one\ntw\nthree\n");
  });

  test("that cannot be read end svlogd with what there was, and a word about it", () => {
    const { machine, input } = scene("", [[0, "one\n"]]);
    machine.after(1000, () => {
      machine.refuses = (call) => (call === "tee" || call === "read" ? 5 : 0);
      input.write("two\n");
    });
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(current(machine), "one\n");
    assert.equal(machine.stderr, "svlogd: warning: unable to read standard input: input/output error\n");
  });

  test("that cannot be sent are in the log as that, whatever else the log gets", () => {
    for (const [letter, result, said] of [
      ["u", -111, "warning: failure sending through udp: one\none\n"],
      ["U", -111, "warning: failure sending through udp: one\n"],
      ["U", -1024, "warning: no udp socket available: one\n"],
      ["U", 0, ""],
    ] as const) {
      const { machine } = scene(`${letter}1.2.3.4:5\n`, [[0, "one\n"]], 10);
      machine.datagramResult = result;
      assert.equal(playLogger(machine, "/log"), 0);
      assert.equal(current(machine), said);
      assert.deepEqual(machine.datagrams, result === 0 ? [`${0x01020304}:5 one\n`] : []);
    }
  });
});

suite("rotation", () => {
  test("by size leaves files of that size, of which the newest are kept", () => {
    const { machine } = scene("s3000\nn2\n", [[0, `${"x".repeat(999)}\n`.repeat(11)]], 10);
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(
      saved(machine).map((text) => text.length),
      [2000, 2000],
    );
    assert.equal(current(machine).length, 1000);
  });

  test("by age is on time and in order while the wall clock goes back and ahead by years, and nothing spins", () => {
    const year = 31_557_600;
    const lines = Array.from({ length: 40 }, (_, index): readonly [number, string] => [
      index * 25_000 + 1,
      `${index}\n`,
    ]);
    const { machine } = scene("t60\nn0\n", lines, 1_000_000);
    for (const [index, step] of [-10, 20, -30, 5, 40, -25].entries()) {
      machine.after(130_000 * (index + 1), () => {
        machine.wallSeconds += step * year;
      });
    }
    assert.equal(playLogger(machine, "/log"), 0);
    const files = [...saved(machine), current(machine)];
    assert.equal(files.join(""), lines.map(([, text]) => text).join(""));
    // A minute is over at 60 s, 120 s, …: what came in the same one is together.
    const expected: string[] = [];
    for (const [at, text] of lines) {
      const minute = Math.floor(at / 60_000);
      expected[minute] = (expected[minute] ?? "") + text;
    }
    assert.deepEqual(
      files.filter((text) => text !== ""),
      expected,
    );
    assert.ok(machine.polls < 200, `${machine.polls} polls`);
    assert.equal(machine.stderr, "");
  });

  test("by age leaves an empty file alone for hours", () => {
    const { machine } = scene(
      "t60\nn0\n",
      [
        [0, "one\n"],
        [hours(10) + 10_000, "two\n"],
      ],
      hours(20),
    );
    const times: number[] = [];
    machine.refuses = (call) => {
      if (call === "rename current") times.push(machine.milliseconds - 1_000_000);
      return 0;
    };
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(saved(machine), ["one\n", "two\n"]);
    assert.deepEqual(times, [60_000, hours(10) + 60_000]);
    assert.ok(machine.polls < 10, `${machine.polls} polls`);
  });

  // Which call of that name is the rotation's, behind those at the opening.
  for (const [call, skipped, before] of [
    ["fsync", 0, []],
    ["fchmod", 1, ["fsync"]],
    ["rename current", 0, ["fsync", "fchmod"]],
    ["open current", 1, ["fsync", "fchmod", "rename current"]],
    ["fchmod", 2, ["fsync", "rename current", "open current"]],
  ] as const) {
    test(`goes on at ${call} (${skipped}) where that has failed twice, three seconds later each time`, () => {
      const { machine } = scene(
        "",
        [
          [0, "one\n"],
          [2000, "two\n"],
          [9000, "three\n"],
        ],
        10_000,
      );
      machine.after(1000, () => machine.raise("ALRM"));
      const done = new Map<string, number>();
      const tries: number[] = [];
      machine.refuses = (name) => {
        if (machine.milliseconds > 1_009_000) return 0;
        const times = done.get(name) ?? 0;
        const fails = name === call && times === skipped && tries.length < 2;
        if (fails) tries.push(machine.milliseconds - 1_000_000);
        else done.set(name, times + 1);
        return fails ? 5 : 0;
      };
      assert.equal(playLogger(machine, "/log"), 0);
      assert.deepEqual(tries, [1000, 4000]);
      assert.deepEqual(saved(machine), ["one\n"]);
      assert.equal(
        current(machine),
        "svlogd: warning: 4 bytes held up for 6 seconds: input/output error\ntwo\nthree\n",
      );
      for (const name of before)
        assert.equal(done.get(name), { "open current": 2, fchmod: 3 }[name as string] ?? 1, name);
      assert.match(machine.stderr, /^(svlogd: pausing: unable to .*: \/log: input\/output error\n){2}$/);
    });
  }
});

suite("a directory that cannot be written", () => {
  const full = "svlogd: pausing: unable to write to current: /a: out of disk space\n";

  function twoDisks(): Scene {
    const both = scene("", [
      [0, "one\n"],
      [1000, "two\n"],
      [5000, "three\n"],
    ]);
    for (const name of ["/a", "/b"]) logDirectory(both.machine, "", name);
    both.machine.after(500, () => {
      both.machine.fullBelow = "/a";
    });
    return both;
  }

  test("waits, the other one goes on, and afterwards the log says how long how many bytes were held up", () => {
    const { machine, input } = twoDisks();
    let meanwhile = "";
    machine.after(5200, () => {
      meanwhile = current(machine, "/b");
    });
    machine.after(9000, () => {
      machine.fullBelow = "";
    });
    machine.after(12_000, () => input.end());
    assert.equal(playLogger(machine, "/a", "/b"), 0);
    assert.equal(meanwhile, "one\ntwo\nthree\n");
    assert.equal(current(machine, "/b"), meanwhile);
    const held = "svlogd: warning: 10 bytes held up for 9 seconds: out of disk space\n";
    assert.deepEqual(current(machine, "/a").replace(held, "").split("\n"), ["one", "two", "three", ""]);
    assert.ok(current(machine, "/a").includes(held), current(machine, "/a"));
    assert.equal(machine.stderr, full.repeat(3));
  });

  test("does not keep TERM from ending svlogd at once, and the next one writes the rest of it", () => {
    const { machine, input, clock } = twoDisks();
    machine.after(6000, () => machine.raise("TERM"));
    assert.equal(playLogger(machine, "/a", "/b"), 0);
    assert.equal(clock(), 6000);
    assert.equal(current(machine, "/a"), "one\n");
    assert.equal(input.waiting, "two\nthree\n");
    machine.fullBelow = "";
    input.write("four\n");
    input.end();
    assert.equal(playLogger(machine, "/a", "/b"), 0);
    for (const name of ["/a", "/b"]) assert.equal(current(machine, name), "one\ntwo\nthree\nfour\n");
  });

  test("does not hold up the other one, which has rotated meanwhile, after HUP or TERM", () => {
    for (const signal of ["HUP", "TERM"] as const) {
      const { machine, input } = twoDisks();
      machine.after(2000, () => machine.raise("ALRM"));
      machine.after(3000, () => machine.raise(signal));
      machine.after(20_000, () => input.end());
      if (signal === "TERM") assert.equal(playLogger(machine, "/a", "/b"), 0);
      machine.after(3000, () => {
        machine.fullBelow = "";
      });
      assert.equal(playLogger(machine, "/a", "/b"), 0);
      assert.equal(logged(machine, "/b"), "one\ntwo\nthree\n");
      assert.equal(logged(machine, "/a").replace(/svlogd: warning: .*\n/, ""), "one\ntwo\nthree\n");
    }
  });

  test("while the disk has room for a part of a block is given the rest later, and nothing twice", () => {
    const { machine } = scene("", [[0, "one\ntwo\nthree\n"]], 10_000);
    machine.freeBytes = 6;
    machine.after(4000, () => {
      machine.freeBytes = Number.POSITIVE_INFINITY;
    });
    assert.equal(playLogger(machine, "-t", "-v", "/log"), 0);
    const lines = current(machine).replaceAll(/^@[0-9a-f]{24} /gm, "");
    assert.equal(lines, "one\ntwo\nthree\nsvlogd: warning: 14 bytes held up for 6 seconds: out of disk space\n");
  });

  test("says so in whole lines, though there is room for a part of such a line at first", () => {
    const { machine, input } = scene("", [[0, "one\n"]]);
    machine.freeBytes = 2;
    machine.after(2000, () => {
      machine.freeBytes = 20;
    });
    machine.after(5000, () => {
      input.write("two\n");
      machine.freeBytes = Number.POSITIVE_INFINITY;
    });
    machine.after(20_000, () => input.end());
    assert.equal(playLogger(machine, "/log"), 0);
    const held = "svlogd: warning: 8 bytes held up for 6 seconds: out of disk space\n";
    assert.equal(current(machine), `one\n${held}two\n`);
    assert.equal(machine.stderr.split("pausing").length, 3);
  });

  test("keeps svlogd waiting at the end of the input", () => {
    const { machine, clock } = scene("", [[0, "one\n"]], 10);
    machine.isDiskFull = true;
    machine.maxPolls = 50_000;
    machine.after(hours(1), () => {
      machine.isDiskFull = false;
    });
    machine.file("/log/lock", "");
    machine.file("/log/current", "");
    assert.equal(playLogger(machine, "/log"), 0);
    assert.ok(clock() >= hours(1) && clock() <= hours(1) + 3000, `${clock()}`);
    assert.ok(
      current(machine).startsWith("one\nsvlogd: warning: 4 bytes held up for 3600 seconds: "),
      current(machine),
    );
    assert.ok(machine.polls < 10 * 3600 + 10, `${machine.polls} polls`); // it looks ten times a second
  });

  test("for want of descriptors is not opened, or waits for them, and all its lines are in it", () => {
    let refused = 0;
    for (let most = 4; most < 24; most++) {
      const { machine } = scene(
        `${everyLine}n0\n!cat\n`,
        [
          [0, "one\n"],
          [10, "two\n"],
        ],
        50_000,
      );
      machine.program("/bin/sh", copies(10));
      machine.maxFds = most;
      machine.after(20_000, () => {
        machine.maxFds = 1024;
      });
      try {
        assert.equal(playLogger(machine, "/log"), 0);
        assert.equal(logged(machine).replaceAll(/^svlogd: warning: .*\n/gm, ""), "one\ntwo\n", `${most} descriptors`);
      } catch (error) {
        assert.ok(error instanceof SystemError, String(error));
        refused++;
      }
    }
    assert.ok(refused > 0 && refused < 10, `${refused}`);
  });
});

suite("a processor", () => {
  const config = `${everyLine}n0\n!cat\n`;
  const starts = (machine: Machine) => machine.log.filter((line) => line === "sh -c cat starts").length;

  test("makes the old files, in order, and hands its state on", () => {
    const { machine } = scene(
      config,
      [
        [0, "one\n"],
        [10, "two\n"],
        [20, "three\n"],
      ],
      30,
    );
    machine.program("/bin/sh", copies(100));
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(saved(machine), ["one\n", "two\n", "three\n"]);
    assert.equal(machine.content("/log/state"), "3");
    for (const name of labelled(machine)) {
      assert.match(name, /s$/);
      assert.equal(machine.mode(`/log/${name}`), 0o744);
    }
    assert.equal(machine.stderr, "");
  });

  for (const [how, end] of [
    ["with an exit code", 256],
    ["by a signal", 9],
  ] as const) {
    test(`that ends ${how} is started again at once, then after 1, 2, 4 … 60 seconds`, () => {
      const { machine } = scene(config, [[0, "one\n"]], hours(1));
      const times: number[] = [];
      machine.program("/bin/sh", {
        begins: (process) => {
          times.push(machine.milliseconds);
          process.print("half");
          if (times.length < 11) process.end(end);
          else copies(0).begins?.(process);
        },
      });
      assert.equal(playLogger(machine, "/log"), 0);
      const pauses = times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / 1000);
      assert.deepEqual(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
      assert.deepEqual(saved(machine), ["halfone\n"]);
      assert.equal(machine.stderr, "svlogd: warning: processor failed, restart: /log\n".repeat(10));
    });
  }

  test("that cannot be started is tried again three seconds later", () => {
    const { machine } = scene(config, [[0, "one\n"]], 10_000);
    machine.program("/bin/sh", copies(0));
    machine.maxProcesses = 0;
    machine.after(4000, () => {
      machine.maxProcesses = 10;
    });
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(saved(machine), ["one\n"]);
    assert.equal(machine.stderr, "svlogd: pausing: unable to fork for processor: /log: temporary failure\n".repeat(2));
  });

  test("that runs is not started twice by HUP, and lines go on meanwhile", () => {
    const { machine } = scene(
      config,
      [
        [0, "one\n"],
        [3000, "two\n"],
      ],
      20_000,
    );
    machine.program("/bin/sh", copies(5000));
    for (const at of [1000, 2000, 4000]) machine.after(at, () => machine.raise("HUP"));
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(starts(machine), 2);
    assert.deepEqual(saved(machine), ["one\n", "two\n"]);
  });

  test("that has failed is tried at once after HUP", () => {
    const { machine, clock } = scene(config, [[0, "one\n"]], 100_000);
    const times: number[] = [];
    machine.program("/bin/sh", {
      begins: (process) => {
        times.push(clock());
        if (clock() < 20_000) process.exit(1);
        else copies(0).begins?.(process);
      },
    });
    machine.after(20_000, () => machine.raise("HUP"));
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(times, [0, 0, 1000, 3000, 7000, 15_000, 20_000]);
    assert.deepEqual(saved(machine), ["one\n"]);
  });

  test("is given what an earlier svlogd left, and what is unfinished goes with the next rotation", () => {
    const { machine } = scene(config, [[100, "two\n"]], 200);
    machine.program("/bin/sh", copies(10));
    const label = "@400000003b9a00000000000";
    machine.file(`/log/${label}1.u`, "one\n", 0o744);
    machine.file(`/log/${label}1.t`, "on");
    machine.file(`/log/${label}0.t`, "orphan");
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(saved(machine), ["one\n", "two\n"]);
  });

  test("has five seconds when TERM comes", () => {
    for (const [program, lasts] of [
      [copies(3000), 3900],
      [sleeper, 6000],
    ] as const) {
      const { machine, clock } = scene(config, [[900, "one\n"]]);
      machine.program("/bin/sh", program);
      machine.after(1000, () => machine.raise("TERM"));
      assert.equal(playLogger(machine, "/log"), 0);
      assert.equal(clock(), lasts);
      assert.equal(logged(machine), "one\n");
    }
  });

  test("that fails at the end of the input leaves its file to the next start", () => {
    const { machine, input } = scene(config, [[0, "one\n"]], 10);
    machine.program("/bin/sh", endsAfter(100, 1));
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(
      labelled(machine).map((name) => name.slice(-1)),
      ["u"],
    );
    machine.program("/bin/sh", copies(100));
    input.end();
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(
      labelled(machine).map((name) => name.slice(-1)),
      ["s"],
    );
    assert.equal(logged(machine), "one\n");
  });
});

suite("lines of config that the original does not know", () => {
  const line = `${"x".repeat(999)}\n`;

  test("S keeps old files and a full current below a size", () => {
    const { machine } = scene("s3000\nS9000\nn0\n", [[0, line.repeat(31)]], 10);
    assert.equal(playLogger(machine, "/log"), 0);
    assert.deepEqual(
      saved(machine).map((text) => text.length),
      [2000, 2000, 2000],
    );
  });

  test("m is the mode of current while it is open, and of complete files with the owner's execute bit", () => {
    const { machine } = scene(`${everyLine}m0640\n`, [[0, "one\n"]], 1000);
    let open: number | undefined = 0;
    machine.after(500, () => {
      open = machine.mode("/log/current");
    });
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(open, 0o640);
    for (const name of [...labelled(machine), "current"]) assert.equal(machine.mode(`/log/${name}`), 0o740, name);
  });

  test("z makes stamps local time with the offset, of stderr as well", () => {
    const { machine } = scene("z\ne*\n", [[0, "one\n"]], 10);
    machine.zone = 7200;
    assert.equal(playLogger(machine, "-ttt", "/log"), 0);
    assert.equal(current(machine), "2001-09-09T03:46:40.00000+02:00 one\n");
  });

  test("z changes the offset with the season, not with the start", () => {
    const { machine } = scene(
      "z\n",
      [
        [0, "one\n"],
        [2000, "two\n"],
      ],
      3000,
    );
    machine.zone = 7200;
    machine.after(1000, () => {
      machine.zone = 3600;
    });
    assert.equal(playLogger(machine, "-tt", "/log"), 0);
    assert.match(current(machine), /^2001-09-09_03:46:40\.00000\+02:00 one\n2001-09-09_02:46:42\.00000\+01:00 two\n$/);
  });
});

suite("config", () => {
  test("that cannot be read on HUP leaves what it said before", () => {
    const { machine } = scene(
      "pbefore: \n",
      [
        [0, "a\n"],
        [2000, "b\n"],
      ],
      3000,
    );
    machine.after(1000, () => {
      machine.refuses = (call) => (call.endsWith("config") ? 24 : 0);
      machine.raise("HUP");
    });
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(current(machine), "before: a\nbefore: b\n");
    assert.match(machine.stderr, /^svlogd: warning: unable to read config: \/log: process cannot open more files\n$/);
  });

  test("that is changed before the next svlogd: the block at the seam is there twice, no line is torn", () => {
    const { machine, input } = scene("p1 \n", [[0, "one\ntwo\n"]]);
    machine.freeBytes = 9; // "1 one\n1 t"
    machine.after(1000, () => {
      machine.killAt = machine.calls + 1;
    });
    assert.equal(playLogger(machine, "/log"), "killed");
    assert.equal(current(machine), "1 one\n1 t");
    machine.freeBytes = Number.POSITIVE_INFINITY;
    machine.file("/log/config", "p22 \n");
    machine.after(1000, () => input.end());
    assert.equal(playLogger(machine, "/log"), 0);
    assert.equal(current(machine), "1 one\n1 t\n22 one\n22 two\n");
  });
});
