import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { svUser } from "../../../src/commands/sv-user.ts";
import { svAdd } from "../../../src/commands/user/add.ts";
import { SystemError } from "../../../src/system/errors.ts";
import { endsAfter, Idle, Machine, sleeper, stubborn } from "../../machine/machine.ts";

const scan = "/home/u/.local/state/sv/service";
const run = "/home/u/.local/state/sv/run";

/** A user at home, with services that are enabled, and a runsv that does nothing. */
function machineWith(...services: string[]): Machine {
  const machine = new Machine();
  machine.program("/bin/runsv", sleeper);
  machine.file("/dev/null", "");
  machine.directory("/home/u");
  machine.entries.push("HOME=/home/u", "PATH=/bin");
  for (const name of services) {
    machine.file(`/home/u/.config/sv/${name}/run`, "", 0o755);
    machine.directory(scan);
    machine.link(`${scan}/${name}`, `/home/u/.config/sv/${name}`);
  }
  return machine;
}

/** Exit code as a text, or the message of the fatal error. */
function play(machine: Machine, ...words: string[]): string {
  machine.arguments = ["sv-user", ...words];
  try {
    return `${svUser(machine.arguments, machine)}`;
  } catch (error) {
    if (error instanceof Idle) return "idle";
    if (error instanceof SystemError) return error.message;
    throw error;
  }
}

suite("the tree of a user", () => {
  test("runs what is enabled, and on TERM ends with all of it", () => {
    const machine = machineWith("a", "b");
    machine.after(5000, () => {
      assert.equal(machine.living().length, 2);
      machine.raise("TERM");
    });
    assert.equal(play(machine, "session", "run"), "0");
    assert.deepEqual(machine.living(), []);
    assert.ok(machine.log.includes("runsv a hears 15") || !machine.log.some((line) => line.includes("hears 9")));
    assert.equal(machine.exists(`${run}/.pid`), false);
  });

  test("says where its state is, and who it is", () => {
    const machine = machineWith("a");
    machine.after(1000, () => {
      assert.equal(machine.content(`${run}/.pid`), `${machine.pid}\n`);
      assert.equal(machine.readlink(`${scan}/.run`).text, run);
      machine.raise("TERM");
    });
    assert.equal(play(machine, "session", "run"), "0");
  });

  test("kills who has not ended after the time it has, and says so by its exit code", () => {
    for (const [timeout, longest] of [
      ["", 9000],
      ["2\n", 4000],
    ] as const) {
      const machine = machineWith("a");
      machine.program("/bin/runsv", stubborn);
      if (timeout !== "") machine.file("/home/u/.config/sv/a/stop-timeout", timeout);
      let told = 0;
      machine.after(3000, () => {
        told = machine.milliseconds;
        machine.raise("TERM");
      });
      assert.equal(play(machine, "session", "run"), "1");
      assert.ok(machine.milliseconds - told < longest, `${machine.milliseconds - told} ms`);
      assert.match(machine.stderr, /warning: a has not ended, killed\.\n/);
      assert.deepEqual(machine.living(), []);
    }
  });

  test("ends within 30 seconds, whatever services ask for", () => {
    const machine = machineWith("a");
    machine.program("/bin/runsv", stubborn);
    machine.file("/home/u/.config/sv/a/stop-timeout", "1000\n");
    let told = 0;
    machine.after(3000, () => {
      told = machine.milliseconds;
      machine.raise("TERM");
    });
    assert.equal(play(machine, "session", "run"), "1");
    assert.ok(machine.milliseconds - told < 32_000);
  });

  test("is one: another one is told which", () => {
    const machine = machineWith("a");
    const lock = "/home/u/.local/state/sv/.lock.box";
    machine.file("/proc/sys/kernel/hostname", "box\n");
    machine.file(lock, "77\n");
    machine.lockElsewhere(lock);
    assert.equal(play(machine, "session", "run"), "1");
    assert.equal(machine.stderr, "sv-user: session: already running (pid 77)\n");
    assert.deepEqual(machine.living(), []);
  });

  test("drops what is left of another boot, and nothing of this one", () => {
    const now = "1db52cd5-6df4-4a10-8f2e-b61c1f5f8f0a";
    for (const [boot, isKept] of [
      [now, true],
      [now.replace("1", "2"), false],
    ] as const) {
      const machine = machineWith("a");
      machine.file("/proc/sys/kernel/random/boot_id", `${now}\n`);
      machine.file(`${run}/boot-id`, `${boot}\n`);
      machine.file(`${run}/env/OLD`, "1\n");
      machine.file(`${run}/gone/status`, "");
      machine.after(1000, () => machine.raise("TERM"));
      assert.equal(play(machine, "session", "run"), "0");
      assert.equal(machine.exists(`${run}/env/OLD`), isKept, boot);
      assert.equal(machine.exists(`${run}/gone/status`), isKept, boot);
      assert.equal(machine.content(`${run}/boot-id`), `${now}\n`);
    }
  });

  test("does not run what cannot have a name", () => {
    const machine = machineWith("a", "env");
    machine.after(3000, () => machine.raise("TERM"));
    assert.equal(play(machine, "session", "run"), "0");
    assert.match(machine.stderr, /no service can be called env\./);
    assert.equal(machine.log.filter((line) => line === "runsv env starts").length, 0);
  });

  test("starts a runsv again that ends, once a second", () => {
    const machine = machineWith("a");
    machine.program("/bin/runsv", endsAfter(1, 0));
    machine.after(10_500, () => machine.raise("TERM"));
    assert.equal(play(machine, "session", "run"), "0");
    const starts = machine.log.filter((line) => line.endsWith(" starts")).length;
    assert.ok(starts >= 10 && starts <= 12, `${starts} starts`);
  });

  for (const [name, errno] of [
    ["EIO", 5],
    ["EMFILE", 24],
    ["ENOSPC", 28],
    ["EROFS", 30],
  ] as const) {
    test(`the n-th call fails with ${name}, for every n: it ends with all it has started, or says why`, (context) => {
      const life = (n: number): { readonly machine: Machine; readonly end: string; readonly milliseconds: number } => {
        const machine = machineWith("a", "b");
        const began = machine.milliseconds;
        machine.failAt = n;
        machine.failWith = errno;
        // Whoever wants it gone asks until it is.
        const ask = (): void => {
          machine.raise("TERM");
          machine.after(40_000, ask);
        };
        machine.after(8000, ask);
        const end = play(machine, "session", "run");
        return { machine, end, milliseconds: machine.milliseconds - began };
      };
      const { calls } = life(0).machine;
      let fatal = 0;
      for (let n = 1; n <= calls; n++) {
        const { machine, end, milliseconds } = life(n);
        const where = `call ${n}: ${machine.failed}: ${end}\n${machine.stderr}\n${machine.log.join("\n")}`;
        assert.ok(milliseconds < 200_000, `stuck: ${where}`);
        assert.deepEqual(machine.living(), [], where);
        if (end === "0" || end === "1") continue;
        fatal++;
        assert.match(end, /: .+/, where);
        assert.deepEqual(machine.log, [], `it had begun: ${where}`);
      }
      context.diagnostic(`${calls} calls, ${fatal} of them fatal at the start`);
    });
  }
});

suite("sv-user", () => {
  test("takes a HOME that is somebody else's for none", () => {
    const machine = machineWith();
    machine.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n");
    machine.directory("/root");
    const home = machine.stat("/home/u", true);
    assert.equal(home.errno, 0);
    machine.setOwner("/home/u", 1000, 1000);
    assert.equal(play(machine, "new", "web", "true"), "0");
    assert.equal(machine.content("/root/.config/sv/web/run"), "#!/bin/sh\nexec 2>&1\nexec true\n");
    assert.equal(machine.exists("/home/u/.config"), false);
  });

  test("writes a definition a shell reads as it was given", () => {
    const machine = machineWith();
    assert.equal(play(machine, "new", "web", "--", "./it's", "a b", "", "$x", "plain-1.2"), "0");
    const script = machine.content("/home/u/.config/sv/web/run") ?? "";
    assert.equal(script.split("\n")[2], `exec '//./it'\\''s' 'a b' '' '$x' plain-1.2`);
    assert.equal(play(machine, "new", "web", "true"), "1");
    assert.match(machine.stderr, /is there already/);
  });

  test("refuses names that are none", () => {
    for (const name of ["", ".x", "a/b", "env", "boot-id"]) {
      const machine = machineWith();
      assert.equal(play(machine, "new", name, "true"), "1", name);
    }
  });

  test("keeps values as chpst -e reads them", () => {
    const machine = machineWith();
    assert.equal(play(machine, "env", "A=1", "B=two\nlines", "C="), "0");
    assert.equal(machine.content(`${run}/env/A`), "1\n");
    assert.equal(machine.content(`${run}/env/B`), "two\0lines\n");
    assert.equal(machine.content(`${run}/env/C`), "\n");
    assert.equal(play(machine, "env"), "0");
    assert.equal(machine.stdout, "A=1\nB=two\nlines\nC=\n");
    assert.equal(play(machine, "env", "-d", "A"), "0");
    assert.equal(machine.exists(`${run}/env/A`), false);
    assert.equal(play(machine, "env", "-p", "A=2"), "0");
    assert.equal(machine.content("/home/u/.config/sv/.env/A"), "2\n");
    assert.equal(play(machine, "env", "NOT_THERE"), "1");
    assert.match(machine.stderr, /NOT_THERE: not in the environment/);
  });

  test("adds nothing where there can be no tree", () => {
    const machine = machineWith();
    machine.file("/home/u/.config/sv/web/run", "", 0o755);
    machine.directory(run);
    machine.chmod(run, 0o777);
    machine.arguments = ["sv-add", "web"];
    assert.throws(() => svAdd(machine.arguments, machine), /unable to use state directory .*: writable by others/);
    assert.equal(machine.exists(`${scan}/web`), false);
  });
});
