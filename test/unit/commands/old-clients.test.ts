import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runsvctrl } from "../../../src/commands/runsvctrl.ts";
import { runsvstat } from "../../../src/commands/runsvstat.ts";
import { svwaitdown } from "../../../src/commands/svwaitdown.ts";
import { svwaitup } from "../../../src/commands/svwaitup.ts";
import { newService } from "../../../src/core/supervise/service.ts";
import { encodeStatus } from "../../../src/core/supervise/status.ts";
import { Machine } from "../../machine/machine.ts";

/** Service directories in /home, each with a runsv that takes down what it is told to after a while. */
class Scene {
  readonly machine = new Machine();
  readonly told = new Map<string, string>();

  /** @param milliseconds from `d` to its end; negative: it ignores TERM */
  add(name: string, milliseconds: number, secondsUp = 10): void {
    const { machine } = this;
    machine.directory(`/home/${name}/supervise`);
    machine.chdir(`/home/${name}`);
    const fds = ["ok", "control"].map((pipe) => {
      machine.mkfifo(`supervise/${pipe}`, 0o600);
      return machine.open(`supervise/${pipe}`, 2, 0);
    });
    machine.chdir("/home");
    this.publish(name, "run", "up", secondsUp);
    this.told.set(name, "");
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
      this.publish(name, "down", "down", 0);
      if (this.told.get(name)?.includes("x")) for (const fd of fds) machine.close(fd);
    };
    const look = (): void => {
      const bytes = machine.drain(`/home/${name}/supervise/control`);
      this.told.set(name, this.told.get(name) + bytes);
      if (bytes.includes("d")) this.publish(name, hasEnded ? "down" : "run", "down", 5);
      if (bytes.includes("d") && milliseconds >= 0 && !hasEnded) machine.after(milliseconds, end);
      if (bytes.includes("k")) end();
      machine.after(5, look);
    };
    machine.after(5, look);
  }
  publish(name: string, phase: "run" | "down", want: "up" | "down", secondsAgo: number): void {
    const now = this.machine.now();
    const since = { seconds: now.seconds - secondsAgo, nanoseconds: 0 };
    const service = { ...newService("service", want, since), phase, pid: phase === "run" ? 42 : 0 };
    this.machine.file(`/home/${name}/supervise/status`, String.fromCharCode(...encodeStatus(service)));
  }
  get seconds(): number {
    return (this.machine.milliseconds - 1_000_000) / 1000;
  }
}

suite("runsvctrl", () => {
  test("writes one byte for each service, x for exit", () => {
    for (const word of ["u", "down", "o", "p", "c", "h", "a", "i", "q", "1", "2x", "t", "k", "x", "exit"]) {
      const { machine } = new Scene();
      machine.mkfifo("/a/supervise/control", 0o600);
      machine.file("/a/supervise/x", "");
      machine.mkfifo("/a/supervise/control", 0o600);
      machine.open("/a/supervise/control", 2, 0);
      assert.equal(runsvctrl(["runsvctrl", word, "/a"], machine), 0, word);
      assert.equal(machine.drain("/a/supervise/control"), word === "exit" ? "x" : word.charAt(0), word);
    }
  });
  test("is not called otherwise", () => {
    for (const args of [[], ["u"], ["zzz", "a"], ["", "a"], ["-u", "a"], ["--", "a"], ["-V"]]) {
      const { machine } = new Scene();
      assert.equal(runsvctrl(["x/runsvctrl", ...args], machine), 1);
      assert.equal(machine.stderr, "usage: x/runsvctrl u|d|o|p|c|h|a|i|q|1|2|t|k|x|e service ...\n\n");
    }
  });
});

suite("runsvstat", () => {
  test("keeps its place after a log that cannot be entered", () => {
    const scene = new Scene();
    scene.add("a", 0);
    scene.add("b", 0);
    scene.machine.file("/home/a/log", "");
    assert.equal(runsvstat(["runsvstat", "-l", "a", "b", "c"], scene.machine), 2);
    assert.equal(scene.machine.stdout, "a: run (pid 42) 10 seconds\nb: run (pid 42) 10 seconds\n");
    assert.equal(
      scene.machine.stderr,
      "runsvstat: warning: ./log: not a directory.\n" +
        "runsvstat: warning: c: unable to change directory: file does not exist\n",
    );
  });
  test("counts to a hundred", () => {
    const { machine } = new Scene();
    assert.equal(runsvstat(["runsvstat", ...Array.from({ length: 150 }, (_, i) => `x${i}`)], machine), 100);
  });
  test("takes exactly twenty bytes for a status", () => {
    for (const [length, code] of [
      [19, 1],
      [20, 0],
      [21, 1],
    ] as const) {
      const scene = new Scene();
      scene.add("a", 0);
      scene.machine.file("/home/a/supervise/status", "\0".repeat(length));
      assert.equal(runsvstat(["runsvstat", "a"], scene.machine), code, `${length}`);
    }
  });
});

suite("svwaitup", () => {
  test("waits until the last second is reached, for all in effect together", () => {
    const scene = new Scene();
    for (const name of ["a", "b"]) scene.add(name, 0, 0);
    assert.equal(svwaitup(["svwaitup", "-v", "-s", "3", "a", "b"], scene.machine), 0);
    assert.ok(scene.seconds <= 3.1, `${scene.seconds}`);
    assert.equal(scene.machine.stderr, "svwaitup: a: is up (3 seconds)\nsvwaitup: b: is up (3 seconds)\n");
  });
  test("counts from the restart", () => {
    const scene = new Scene();
    scene.add("a", 0, 0);
    scene.machine.after(1500, () => scene.publish("a", "run", "up", 0));
    assert.equal(svwaitup(["svwaitup", "a"], scene.machine), 0);
    assert.ok(scene.seconds > 2 && scene.seconds <= 3.5, `${scene.seconds}`);
  });
  test("does not wait for a clock that was set back", () => {
    const scene = new Scene();
    scene.add("a", 0, -100);
    assert.equal(svwaitup(["svwaitup", "-s", "3", "a"], scene.machine), 0);
    assert.ok(scene.seconds >= 3 && scene.seconds < 3.1, `${scene.seconds}`);
  });
  test("does not wait for what is down", () => {
    const scene = new Scene();
    scene.add("a", 0);
    scene.publish("a", "down", "up", 0);
    assert.equal(svwaitup(["svwaitup", "a"], scene.machine), 1);
    assert.equal(scene.machine.stderr, "svwaitup: warning: a: is down.\n");
  });
});

suite("svwaitdown", () => {
  test("returns as soon as all are down (differs: legacy-waits-for-events)", () => {
    const scene = new Scene();
    for (const name of ["a", "b"]) scene.add(name, 300);
    assert.equal(svwaitdown(["svwaitdown", "-v", "a", "b"], scene.machine), 0);
    assert.ok(scene.seconds < 0.5, `${scene.seconds}`);
    assert.equal(scene.machine.stderr, "svwaitdown: a: down.\nsvwaitdown: b: down.\n");
    assert.deepEqual([...scene.told.values()], ["d", "d"], "each was told once");
  });
  test("does not take the moment before finish for the end", () => {
    const scene = new Scene();
    scene.add("a", -1);
    const { machine } = scene;
    const status = (pid: number, phase: "finish" | "down"): void => {
      const service = { ...newService("service", "down" as const, machine.now()), phase, pid };
      machine.file("/home/a/supervise/status", String.fromCharCode(...encodeStatus(service)));
    };
    machine.after(100, () => status(0, "finish"));
    machine.after(300, () => status(43, "finish"));
    machine.after(2000, () => status(0, "down"));
    assert.equal(svwaitdown(["svwaitdown", "a"], machine), 0);
    assert.ok(scene.seconds >= 2, `${scene.seconds}`);
  });
  test("says why a service cannot be told, and goes on", () => {
    const scene = new Scene();
    scene.add("a", -1);
    scene.add("b", 0);
    scene.machine.refuses = (call) => (call === "open supervise/control" && scene.told.get("b") !== "d" ? 13 : 0);
    assert.equal(svwaitdown(["svwaitdown", "-t", "1", "a"], scene.machine), 1);
    const reason = "svwaitdown: warning: a: unable to open supervise/control: access denied\n";
    assert.equal(scene.machine.stderr, reason);
  });
  test("waits for the supervisor with -x", () => {
    const scene = new Scene();
    scene.add("a", 300);
    assert.equal(svwaitdown(["svwaitdown", "-xv", "a"], scene.machine), 0);
    assert.equal(scene.machine.stderr, "svwaitdown: a: runsv not running.\n");
    assert.equal(scene.told.get("a"), "dx");
  });
  test("shares its time among all, and stops at the first that is late", () => {
    const scene = new Scene();
    for (const name of ["a", "b"]) scene.add(name, -1);
    assert.equal(svwaitdown(["svwaitdown", "-v", "-t", "2", "a", "b"], scene.machine), 111);
    assert.equal(scene.machine.stderr, "svwaitdown: timeout.\n");
    assert.ok(scene.seconds >= 2 && scene.seconds < 2.1, `${scene.seconds}`);
  });
  test("with -k kills those that are late, and waits until they are gone", () => {
    const scene = new Scene();
    for (const name of ["a", "b"]) scene.add(name, -1);
    assert.equal(svwaitdown(["svwaitdown", "-k", "-t", "2", "a", "b"], scene.machine), 111);
    assert.equal(scene.machine.stderr, "svwaitdown: a: killed.\nsvwaitdown: b: killed.\n");
    assert.ok(scene.seconds < 2.5, `${scene.seconds}`);
    const many = new Scene();
    for (let i = 0; i < 20; i++) many.add(`s${i}`, -1);
    many.machine.refuses = (call) => (call.startsWith("kill") ? 1 : 0);
    assert.equal(svwaitdown(["svwaitdown", "-k", "-t", "1", ...many.told.keys()], many.machine), 111);
    assert.ok(many.seconds < 2.1, `one second for all of them: ${many.seconds}`);
    const other = new Scene();
    other.add("a", -1);
    other.add("b", 0);
    assert.equal(
      svwaitdown(["svwaitdown", "-k", "-t", "2", "a", "b"], other.machine),
      0,
      "the last one went by itself",
    );
  });
  test("looks again and again where it may not watch", () => {
    const scene = new Scene();
    scene.add("a", 1500);
    scene.machine.refuses = (call) => (call.startsWith("inotify_add") ? 13 : 0);
    assert.equal(svwaitdown(["svwaitdown", "-t", "20", "a"], scene.machine), 0);
    assert.ok(scene.seconds < 1.7, `${scene.seconds}`);
  });
  test("tells a service again that wants up (differs: legacy-waits-for-events)", () => {
    const scene = new Scene();
    scene.add("a", 1500);
    scene.machine.after(20, () => scene.publish("a", "run", "up", 0));
    assert.equal(svwaitdown(["svwaitdown", "-t", "20", "a"], scene.machine), 0);
    assert.equal(scene.told.get("a"), "dd");
  });
  test("keeps to its time when a supervisor takes nothing up", () => {
    const scene = new Scene();
    const { machine } = scene;
    scene.add("a", -1);
    machine.directory("/home/b/supervise");
    machine.chdir("/home/b");
    for (const pipe of ["ok", "control"]) {
      machine.mkfifo(`supervise/${pipe}`, 0o600);
      machine.open(`supervise/${pipe}`, 2, 0);
    }
    machine.chdir("/home");
    scene.publish("b", "run", "up", 5);
    assert.equal(svwaitdown(["svwaitdown", "-t", "5", "b"], machine), 111);
    assert.ok(scene.seconds >= 5 && scene.seconds < 5.2, `${scene.seconds}`);
    assert.equal(machine.drain("/home/b/supervise/control"), "ddddd");
  });
  test("accepts the record of daemontools", () => {
    for (const [length, code] of [
      [17, 1],
      [18, 0],
      [19, 1],
      [20, 0],
    ] as const) {
      const scene = new Scene();
      scene.add("a", 0);
      scene.machine.file("/home/a/supervise/status", "\0".repeat(length));
      assert.equal(svwaitdown(["svwaitdown", "-t", "1", "a"], scene.machine), code, `${length}`);
    }
  });
  test("knows a wrong time from a right one", () => {
    for (const value of ["0", "6001", "abc", ""]) {
      const { machine } = new Scene();
      assert.equal(svwaitdown(["svwaitdown", "-t", value, "a"], machine), 1, value);
      assert.equal(machine.stderr, "usage: svwaitdown [-v] [-t 1..6000] service ...\n\n");
    }
  });
});
