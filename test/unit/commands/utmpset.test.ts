import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { utmpset } from "../../../src/commands/utmpset.ts";
import { encodeLogout, utmpBytes } from "../../../src/core/process/utmp.ts";
import { launch } from "../../../src/system/launch.ts";
import { Machine } from "../../machine/machine.ts";

const utmp = "/var/run/utmp";
const wtmp = "/var/log/wtmp";

function login(line: string, user: string): string {
  const record = Buffer.alloc(utmpBytes);
  record.write(line, 8, "latin1");
  record.write(user, 44, "latin1");
  return record.toString("latin1");
}

function newMachine(): Machine {
  const machine = new Machine();
  machine.file(utmp, login("tty1", "LOGIN") + login("tty5", "bob") + login("tty5", "eve"));
  machine.directory("/var/log");
  return machine;
}

function play(machine: Machine, ...args: string[]): readonly [number, string] {
  const code = launch({ run: utmpset, failure: 111 }, "utmpset", ["utmpset", ...args], machine);
  return [code, machine.stderr];
}

suite("utmpset", () => {
  test("ends the first login on the line, and no other", () => {
    const machine = newMachine();
    assert.deepEqual(play(machine, "tty5"), [0, ""]);
    const text = machine.content(utmp) ?? "";
    const ended = Buffer.from(encodeLogout("tty5", machine.now().seconds, utmpBytes)).toString("latin1");
    assert.equal(text, login("tty1", "LOGIN") + ended + login("tty5", "eve"));
    assert.equal(machine.content(wtmp), undefined);
  });

  test("with -w appends to wtmp, which it makes if need be", () => {
    const machine = newMachine();
    assert.deepEqual(play(machine, "-ww", "tty5", "x"), [0, ""]);
    const logout = Buffer.from(encodeLogout("tty5", machine.now().seconds, utmpBytes)).toString("latin1");
    assert.equal(machine.content(wtmp), logout);
    assert.equal(machine.mode(wtmp), 0o600);
  });

  test("refuses a line that cannot be one", () => {
    const [code, err] = play(newMachine(), "x".repeat(33));
    assert.deepEqual(
      [code, err],
      [111, `utmpset: fatal: unable to logout line ${"x".repeat(33)} in utmp: name too long\n`],
    );
  });

  test("says why a record could not be written (differs: utmpset-says-why)", () => {
    const machine = newMachine();
    machine.refuses = (call) => (call === "pwrite" ? 27 : 0);
    assert.deepEqual(play(machine, "tty5"), [
      111,
      "utmpset: warning: unable to logout line tty5 in utmp: file too big\n",
    ]);
  });

  test("takes the lock of login as well as that of the original (differs: utmpset-both-locks)", () => {
    for (const [call, file] of [
      ["fcntl", "utmp"],
      ["flock", "utmp"],
    ] as const) {
      const machine = newMachine();
      machine.refuses = (name) => (name === call ? 37 : 0);
      assert.deepEqual(play(machine, "tty5"), [
        111,
        `utmpset: fatal: unable to lock: /var/run/${file}: no locks available\n`,
      ]);
    }
  });

  test("when the n-th call fails, wtmp is as it was or whole, and no record of utmp is torn", () => {
    const ordinary = newMachine();
    ordinary.file(wtmp, "old");
    play(ordinary, "-w", "tty5");
    assert.ok(ordinary.calls >= 8, `${ordinary.calls}`);
    for (let n = 1; n <= ordinary.calls; n++) {
      for (const errno of [5, 28]) {
        const machine = newMachine();
        machine.file(wtmp, "old");
        machine.failAt = n;
        machine.failWith = errno;
        const [code, err] = play(machine, "-w", "tty5");
        assert.equal(code === 0, err === "", machine.failed);
        assert.ok(code === 111 || machine.failed.startsWith("fstat"), `${code} ${machine.failed}`);
        const history = machine.content(wtmp) ?? "";
        if (machine.failed !== "ftruncate")
          assert.ok(history === "old" || history === ordinary.content(wtmp), machine.failed);
        assert.equal(machine.content(utmp)?.length, 3 * utmpBytes);
      }
    }
  });

  test("cuts wtmp back when it cannot be written whole", () => {
    const machine = newMachine();
    machine.file(wtmp, "old");
    machine.freeBytes = 100;
    assert.deepEqual(play(machine, "-w", "tty5"), [
      111,
      "utmpset: warning: unable to logout line tty5 in wtmp: out of disk space\n",
    ]);
    assert.equal(machine.content(wtmp), "old");
  });
});
