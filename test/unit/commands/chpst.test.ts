import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { chpst } from "../../../src/commands/chpst.ts";
import { envdir } from "../../../src/commands/envdir.ts";
import { envuidgid } from "../../../src/commands/envuidgid.ts";
import { pgrphack } from "../../../src/commands/pgrphack.ts";
import { setlock } from "../../../src/commands/setlock.ts";
import { setuidgid } from "../../../src/commands/setuidgid.ts";
import { softlimit } from "../../../src/commands/softlimit.ts";
import { launch } from "../../../src/system/launch.ts";
import type { System } from "../../../src/system/system.ts";
import { Became, Machine } from "../../machine/machine.ts";

const usage =
  "usage: chpst [-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root] [-C pwd] [-n nice] " +
  "[-l|-L lock] [-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog\n\n";

/** A machine with two accounts, an environment directory and a program. */
function newMachine(): Machine {
  const machine = new Machine();
  machine.file("/etc/passwd", "alice:x:1001:1001::/:\nbob:x:1002:1003::/:\n");
  machine.file("/etc/group", "alice:x:1001:\nbobs:x:1003:\ngrp:x:1002:alice,bob\nmore:x:1004:bob\n");
  machine.program("/bin/prog", {});
  machine.directory("/home");
  machine.file("/home/env/A", "one \ntwo\n");
  machine.file("/home/env/B", "");
  machine.file("/proc/self/oom_score_adj", "");
  machine.entries.push("PATH=/sbin:/bin", "B=2", "Z=9");
  machine.chdir("/home");
  return machine;
}

interface Outcome {
  /** The program and its arguments; "": it did not come to that. */
  readonly became: string;
  readonly environment: readonly string[];
  readonly code: number;
  readonly err: string;
}

type Run = (args: readonly string[], system: System) => number;

function play(machine: Machine, run: Run, ...args: string[]): Outcome {
  machine.arguments = args;
  try {
    const code = launch({ run, failure: 111 }, "chpst", args, machine);
    return { became: "", environment: [], code, err: machine.stderr };
  } catch (error) {
    if (!(error instanceof Became)) throw error;
    return {
      became: `${error.file} ${error.argv.join(" ")}`,
      environment: error.environment,
      code: 0,
      err: machine.stderr,
    };
  }
}
const everything =
  "chpst -t 9 -c 7 -o 64 -2 -1 -0 -l lock --no-new-privs --drop-caps 5,6 -u bob:grp -U alice -n -3 -C sub -/ root -e env " +
  "--oom-score-adj=500 -P -b other prog x y";

/** @param failAt which of its calls fails; 0: none */
function playEverything(machine: Machine, failAt = 0): Outcome {
  machine.directory("/home/root/sub");
  machine.directory("/home/sub"); // the machine's chroot changes nothing but the list
  machine.chdir("/home");
  machine.raiseFd(machine.open("/etc/passwd", 0, 0), 0);
  machine.raiseFd(machine.open("/etc/passwd", 0, 0), 1);
  machine.raiseFd(machine.open("/etc/passwd", 0, 0), 2);
  machine.calls = 0;
  machine.failAt = failAt;
  return play(machine, chpst, ...everything.replace("-C sub", "-C ../sub").split(" "));
}

suite("chpst", () => {
  test("makes all changes in its own order, whatever that of the options", () => {
    const machine = newMachine();
    const outcome = playEverything(machine);
    assert.deepEqual(
      machine.changes.filter((change) => change.includes(" ") || change === "setsid"),
      [
        "setsid",
        "chroot .",
        "nice -3",
        "bounding 5",
        "bounding 6",
        "setgroups 1002",
        "setgid 1002",
        "setuid 1002",
        "capabilities 5 6",
        "no new privileges",
        "setrlimit 7 64 18446744073709551615",
        "setrlimit 4 7 18446744073709551615",
        "setrlimit 0 9 18446744073709551615",
      ],
    );
    assert.equal(outcome.became, "/bin/prog other x y");
    assert.deepEqual(outcome.environment, ["PATH=/sbin:/bin", "A=one", "Z=9", "GID=1001", "UID=1001"]);
    assert.equal(machine.content("/proc/self/oom_score_adj"), "500");
    assert.equal(machine.mode("/home/sub/lock"), 0o600, "the lock is made in the new working directory");
    assert.equal(machine.passedOn.length, 1, "and goes to the program");
  });

  test("of n-th calls that fail, each ends it with a message and without the program", () => {
    const machine = newMachine();
    playEverything(machine);
    let fatal = 0;
    let harmless = 0;
    for (let n = 1; n <= machine.calls; n++) {
      const one = newMachine();
      const outcome = playEverything(one, n);
      if (outcome.became !== "") {
        harmless++;
        assert.match(one.failed, /^(setsid|execve \/sbin)/, one.failed);
        continue;
      }
      fatal++;
      assert.equal(outcome.code, 111, one.failed);
      if (!/rlimit|execve/.test(one.failed))
        assert.match(`${outcome.err}${one.content("/etc/passwd")}`, /chpst: fatal: |:/);
    }
    assert.ok(fatal > 20, `${fatal}`);
    assert.ok(harmless >= 1, `${harmless}`);
  });

  test("changes nothing when an option is wrong", () => {
    for (const line of [
      "-P -o x prog",
      "-P -n ++1 prog",
      "-P -l a -L b prog",
      "-P -q prog",
      "-P -u",
      "-P",
      "-P --",
      "-P -V prog",
      "-P --no-new-priv prog",
      "-P --oom-score-adj=1001 prog",
      "-P --oom-score-adj= prog",
      "-P --drop-caps=all,no prog",
    ]) {
      const machine = newMachine();
      const outcome = play(machine, chpst, ...`chpst ${line}`.split(" "));
      assert.deepEqual([outcome.became, outcome.code, machine.changes], ["", 100, []], line);
      assert.ok(outcome.err.endsWith(usage), line);
    }
  });

  test("says what is wrong with an option before its usage", () => {
    const table: readonly (readonly [string, string])[] = [
      ["chpst -q", "chpst: illegal option -- q\n"],
      ["x/dchpst -u", "dchpst: option requires an argument -- u\n"],
      ["chpst --foo=1 prog", "chpst: illegal option -- foo=1\n"],
      ["chpst --drop-caps", "chpst: option requires an argument -- drop-caps\n"],
      ["chpst --drop-caps=chown,fly prog", "chpst: unknown capability -- fly\n"],
      ["chpst --no-new-privs=1 prog", "chpst: option takes no argument -- no-new-privs\n"],
      ["chpst --oom-score-adj=5000 prog", "chpst: not a number from -1000 to 1000 -- 5000\n"],
      ["chpst -V", "$Id: chpst, runit-ts 0.1.0 $\n"],
      ["chpst -o 5x -q", ""],
    ];
    for (const [line, complaint] of table) {
      assert.equal(play(newMachine(), chpst, ...line.split(" ")).err, `${complaint}${usage}`, line);
    }
  });

  test("lets go of all capabilities it was told to, in however many lists", () => {
    const machine = newMachine();
    play(machine, chpst, ..."chpst --drop-caps chown --drop-caps=kill,3 prog".split(" "));
    assert.deepEqual(machine.changes, ["bounding 0", "bounding 5", "bounding 3", "capabilities 0 5 3"]);
    const other = newMachine();
    other.refuses = (call) => (call === "bounding 63" ? 22 : 0);
    assert.equal(
      play(other, chpst, "chpst", "--drop-caps=63", "prog").err,
      "chpst: fatal: unable to drop capabilities: invalid argument\n",
    );
    const all = newMachine();
    all.refuses = (call) => (call === "bounding 63" ? 22 : 0);
    assert.equal(play(all, chpst, "chpst", "--drop-caps=all", "prog").became, "/bin/prog prog");
  });

  test("gives the account's own groups for +", () => {
    const groupsOf = (account: string): string | undefined => {
      const machine = newMachine();
      play(machine, chpst, "chpst", "-u", account, "prog");
      return machine.changes.find((change) => change.startsWith("setgroups"));
    };
    assert.equal(groupsOf("bob"), "setgroups 1003");
    assert.equal(groupsOf("bob:+"), "setgroups 1003 1002 1004");
    assert.equal(groupsOf("bob:alice:+"), "setgroups 1001 1002 1004");
    assert.equal(groupsOf("bob:grp:+"), "setgroups 1002 1004", "none of them twice");
    assert.equal(groupsOf("nobody:+"), undefined);
  });

  test("asks the name services for what is not in the files (differs: chpst-files-only)", () => {
    const changesOf = (account: string): string => {
      const machine = newMachine();
      machine.file("/services/passwd", "bob:x:1:1::/:\ncarol:x:3000:3001::/:\n");
      machine.file("/services/group", "far:x:3002:carol,bob\n");
      play(machine, chpst, "chpst", "-u", account, "prog");
      return machine.changes.join(", ");
    };
    assert.equal(changesOf("carol"), "setgroups 3001, setgid 3001, setuid 3000");
    assert.equal(changesOf("carol:far:grp"), "setgroups 3002 1002, setgid 3002, setuid 3000");
    assert.equal(changesOf("bob:+"), "setgroups 1003 1002 1004 3002, setgid 1003, setuid 1002");
  });

  test("tells an unknown name from a missing file", () => {
    const err = (account: string, ...remove: string[]): string => {
      const machine = newMachine();
      for (const path of remove) machine.remove(path);
      return play(machine, chpst, "chpst", "-u", account, "prog").err;
    };
    assert.equal(err("carol"), "chpst: fatal: unknown user/group: carol\n");
    assert.equal(err("bob:no:grp"), "chpst: fatal: unknown user/group: bob:no:grp\n");
    const missing = "chpst: fatal: unable to get password/group file entry: file does not exist\n";
    assert.equal(err("bob", "/etc/passwd"), missing);
    assert.equal(err("bob:grp", "/etc/group"), missing);
    assert.equal(err(":1"), "chpst: fatal: invalid uid/gids: 1\n");
  });

  test("finds a program as execvp does, but for its excuses", () => {
    const run = (program: string, path: string | undefined, lay: (machine: Machine) => void): string => {
      const machine = newMachine();
      machine.unsetEnvironment("PATH");
      if (path !== undefined) machine.entries.push(`PATH=${path}`);
      lay(machine);
      const outcome = play(machine, chpst, "chpst", program);
      return outcome.became === "" ? outcome.err : outcome.became;
    };
    const good = (machine: Machine): void => {
      machine.file("/a/zz", "", 0o644);
      machine.file("/b/zz", "", 0o755);
      machine.file("/home/zz", "", 0o755);
    };
    assert.equal(run("zz", "/a:/b", good), "/b/zz zz", "what may not be executed is passed over");
    assert.equal(run("zz", "/a", good), "chpst: fatal: unable to run: zz: access denied\n");
    assert.equal(run("zz", "/none", good), "chpst: fatal: unable to run: zz: file does not exist\n");
    assert.equal(run("zz", "/etc/passwd:/b", good), "chpst: fatal: unable to run: zz: not a directory\n");
    for (const path of ["", ":/bin", "/bin:", "/none::/bin"]) assert.equal(run("zz", path, good), "./zz zz", path);
    assert.equal(run("prog", undefined, good), "/bin/prog prog");
    assert.equal(run("/b/zz", "", good), "/b/zz /b/zz");
    assert.equal(run("", "/b", good), "chpst: fatal: unable to run: : access denied\n");
  });

  test("a hundred thousand command lines end with usage, a message, or the program", () => {
    let seed = 4711;
    const roll = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor(seed / 65536) % below;
    };
    const options = [..."uUbe/CnlLmdopfcrtvP012V", "s", "x", "-", ":", "", "\xff"];
    const values = [
      "",
      "-",
      "--",
      "0",
      "7",
      "-5",
      "+5",
      "1x",
      "18446744073709551615",
      "99999999999999999999",
      "bob",
      "bob:",
      "bob:grp:+",
      ":1:2",
      ":1",
      "env",
      "nodir",
      "/home",
      "root",
      "prog",
      "--no-new-privs",
      "--drop-caps",
      "--oom-score-adj=5",
      "--oom-score-adj",
      "all",
      "\0",
      "a\nb",
      "x".repeat(5000),
      "=",
      "\xff\xfe",
    ];
    const pick = (list: readonly string[]): string => list[roll(list.length)] ?? "";
    const word = (): string => {
      switch (roll(5)) {
        case 0:
          return `-${pick(options)}`;
        case 1:
          return `-${pick(options)}${pick(options)}`;
        case 2:
          return `-${pick(options)}${pick(values)}`;
        default:
          return pick(values);
      }
    };
    const counts = new Map<string, number>();
    const names = ["chpst", "dchpst", "", "a/"];
    const runs: readonly Run[] = [
      chpst,
      chpst,
      chpst,
      chpst,
      softlimit,
      setlock,
      envdir,
      setuidgid,
      envuidgid,
      pgrphack,
    ];
    for (let i = 0; i < 100_000; i++) {
      const args = [pick(names), ...Array.from({ length: roll(7) }, word)];
      const machine = newMachine();
      const outcome = play(machine, runs[roll(runs.length)] ?? chpst, ...args);
      const shown = JSON.stringify(args);
      const kind = outcome.became !== "" ? "exec" : `${outcome.code}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (kind === "exec") continue;
      assert.match(kind, /^(100|111|0)$/, shown);
      if (kind === "100") assert.match(outcome.err, /usage: .*\n\n$/s, shown);
      if (kind === "111" && outcome.err !== "") assert.match(outcome.err, /chpst: fatal: .*\n$/s, shown);
    }
    for (const kind of ["exec", "100", "111"]) assert.ok((counts.get(kind) ?? 0) > 1000, `${kind} ${counts.get(kind)}`);
  });
});

suite("chpst's other names", () => {
  test("do one job each", () => {
    const changesOf = (run: Run, line: string): readonly string[] => {
      const machine = newMachine();
      const outcome = play(machine, run, ...line.split(" "));
      return [...machine.changes, outcome.became, ...outcome.environment.slice(2), outcome.err];
    };
    const rest = ["Z=9", ""];
    assert.deepEqual(changesOf(setuidgid, "setuidgid bob prog -x"), [
      "setgroups 1003",
      "setgid 1003",
      "setuid 1002",
      "/bin/prog prog -x",
      ...rest,
    ]);
    assert.deepEqual(changesOf(envuidgid, "envuidgid bob prog"), ["/bin/prog prog", "Z=9", "GID=1003", "UID=1002", ""]);
    assert.deepEqual(changesOf(envdir, "envdir env prog"), ["/bin/prog prog", "Z=9", ""]);
    assert.deepEqual(changesOf(pgrphack, "pgrphack prog"), ["setsid", "/bin/prog prog", ...rest]);
    assert.deepEqual(changesOf(softlimit, "softlimit -o = -c 5 -c 6 prog"), [
      "setrlimit 7 18446744073709551615 18446744073709551615",
      "setrlimit 4 6 18446744073709551615",
      "/bin/prog prog",
      ...rest,
    ]);
    assert.deepEqual(changesOf(setlock, "setlock lock prog"), ["/bin/prog prog", ...rest]);
  });

  test("say their usage", () => {
    const lines: readonly (readonly [Run, string, string])[] = [
      [setuidgid, "d/dsetuidgid bob", "usage: setuidgid account child\n\n"],
      [envuidgid, "envuidgid", "usage: envuidgid account child\n\n"],
      [envdir, "envdir env", "usage: envdir dir child\n\n"],
      [pgrphack, "pgrphack", "usage: pgrphack child\n\n"],
      [
        setlock,
        "setlock -z a b",
        "setlock: illegal option -- z\nusage: setlock [ -nNxX ] file program [ arg ... ]\n\n",
      ],
      [softlimit, "softlimit -o 5x prog", usage.replace("chpst", "softlimit")],
    ];
    for (const [run, line, expected] of lines) {
      const outcome = play(newMachine(), run, ...line.split(" "));
      assert.deepEqual([outcome.code, outcome.err], [100, expected], line);
    }
  });

  test("setlock does not wait, but with -n; with -x it fails in silence", () => {
    const table: readonly (readonly [string, number, string])[] = [
      ["setlock lock prog", 111, "chpst: fatal: unable to lock: lock: temporary failure\n"],
      ["setlock -nN lock prog", 111, "chpst: fatal: unable to lock: lock: temporary failure\n"],
      ["setlock -x lock prog", 0, ""],
      ["setlock -xX lock prog", 111, "chpst: fatal: unable to lock: lock: temporary failure\n"],
      ["setlock -x other nosuch", 0, ""],
    ];
    for (const [line, code, err] of table) {
      const machine = newMachine();
      machine.file("/home/lock", "");
      machine.lockElsewhere("/home/lock");
      const outcome = play(machine, setlock, ...line.split(" "));
      assert.deepEqual([outcome.became, outcome.code, outcome.err], ["", code, err], line);
    }
    const waiting = newMachine();
    waiting.file("/home/lock", "");
    waiting.lockElsewhere("/home/lock");
    assert.throws(() => play(waiting, setlock, "setlock", "-Nn", "lock", "prog"), /would wait/);
  });

  test("envdir does not accept a directory among the files", () => {
    const machine = newMachine();
    machine.directory("/home/env/sub");
    assert.equal(
      play(machine, envdir, "envdir", "env", "prog").err,
      "chpst: fatal: unable to read env/sub: is a directory\n",
    );
    const again = newMachine();
    again.directory("/home/env/sub");
    const outcome = play(again, chpst, "chpst", "-v", "-e", "env", "prog");
    assert.equal(outcome.became, "/bin/prog prog");
    assert.equal(outcome.err, "chpst: warning: unable to read env/sub: is a directory\n");
  });

  test("a file that vanishes, or a link to nothing, removes its variable", () => {
    const machine = newMachine();
    machine.link("/home/env/Z", "nowhere");
    assert.deepEqual(play(machine, envdir, "envdir", "env", "prog").environment, ["PATH=/sbin:/bin", "A=one"]);
  });
});
