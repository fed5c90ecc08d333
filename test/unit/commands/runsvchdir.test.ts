// runsvchdir on the in-memory machine: killed in its n-th call, or the n-th call fails, for every n. Between any two calls
// `current` is there and leads to the old or the new set; afterwards the same command completes what it was about.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runsvchdir } from "../../../src/commands/runsvchdir.ts";
import { SystemError } from "../../../src/system/errors.ts";
import type { Text } from "../../../src/system/system.ts";
import { Killed, Machine } from "../../machine/machine.ts";

const sets = "/etc/runit/runsvdir";
/** Asks whether the directory is read-only; any other answer than that means nothing. */
const probe = "unlink /etc/runit/runsvdir/.none";
const links = ["current", "previous", "current.new", ".previous.new"];

/** How it stands before the switch, which command switches, and the text of `current` afterwards. */
interface Switch {
  readonly name: string;
  readonly before: Record<string, string>;
  readonly wanted: string;
  readonly after: string;
}
const switches: readonly Switch[] = [
  { name: "the first switch", before: {}, wanted: "single", after: "single" },
  { name: "a further switch", before: { previous: "third" }, wanted: "single", after: "single" },
  {
    name: "a switch after one that was killed",
    before: { previous: "third", "current.new": "third", ".previous.new": "single" },
    wanted: "single",
    after: "single",
  },
  {
    name: "a switch to an absolute name",
    before: { previous: "third" },
    wanted: `${sets}/single`,
    after: `${sets}/single`,
  },
  { name: "a switch back", before: { previous: "single" }, wanted: "previous", after: "single" },
];
const ordinary = switches.filter(({ wanted }) => wanted !== "previous");

/** The sets default (the current one), single and third on a machine that looks at `current` before each call. */
class Scene extends Machine {
  /** What `current` said, without repetitions; "missing", or "directory". */
  readonly seen: string[] = [];
  /** What readlink answers for `current` instead of its text; 0: its text. */
  currentUnreadable = 0;

  constructor(before: Record<string, string> = {}) {
    super();
    for (const set of ["default", "single", "third"]) this.directory(`${sets}/${set}`);
    this.link(`${sets}/current`, "default");
    for (const [name, target] of Object.entries(before)) this.link(`${sets}/${name}`, target);
    this.refuses = () => {
      this.look();
      return 0;
    };
  }
  look(): void {
    const now = this.target("current");
    if (this.seen.at(-1) !== now) this.seen.push(now);
  }
  target(name: string): string {
    const path = `${sets}/${name}`;
    if (!this.exists(path)) return "missing";
    const { errno, text } = super.readlink(path);
    return errno === 0 ? text : "directory";
  }
  override readlink(path: string): Text {
    return path === "current" && this.currentUnreadable !== 0
      ? { errno: this.currentUnreadable, text: "" }
      : super.readlink(path);
  }
  /** Exit code, "killed", or the message of the fatal error. */
  play(wanted: string): string {
    try {
      return `${runsvchdir(["runsvchdir", wanted], this)}`;
    } catch (error) {
      if (error instanceof Killed) return "killed";
      if (error instanceof SystemError) return error.message;
      throw error;
    } finally {
      this.look();
      this.bury();
      this.failAt = 0;
    }
  }
  get state(): string {
    return links
      .filter((name) => this.exists(`${sets}/${name}`))
      .map((name) => `${name}>${this.target(name)}`)
      .join(" ");
  }
}

/** How many calls that can fail it makes. */
function callsOf({ before, wanted }: Switch): number {
  const scene = new Scene(before);
  assert.equal(scene.play(wanted), "0");
  return scene.calls;
}
/** `current` was never anything but the old set, and then the new one. */
function assertNoGap(scene: Scene, after: string, where: string): void {
  assert.ok(["default", `default ${after}`].includes(scene.seen.join(" ")), `current was ${scene.seen}: ${where}`);
}
function assertComplete(scene: Scene, { wanted, after }: Switch, where: string): void {
  assert.equal(scene.play(wanted), "0", where);
  assert.equal(scene.state, `current>${after} previous>default`, where);
}

for (const one of switches) {
  suite(one.name, () => {
    const calls = callsOf(one);

    test("is done without a moment in which there is no current set, and leaves nothing behind", () => {
      const scene = new Scene(one.before);
      assertComplete(scene, one, "");
      assert.deepEqual(scene.seen, ["default", one.after]);
      assert.equal(scene.stdout, `runsvchdir: ${one.wanted}: now current.\n`);
    });

    test("killed in its n-th call, for every n: run again, it completes the switch", (context) => {
      for (let n = 1; n <= calls; n++) {
        const scene = new Scene(one.before);
        scene.killAt = n;
        assert.equal(scene.play(one.wanted), "killed");
        const where = `killed in call ${n}, ${scene.failed}: ${scene.state}`;
        assertNoGap(scene, one.after, where);
        assertComplete(scene, one, where);
        assertNoGap(scene, one.after, where);
      }
      context.diagnostic(`${calls} calls`);
    });

    test("killed in its n-th call, and the next one in its m-th, for every n and m: the third completes it", () => {
      for (let n = 1; n <= calls; n++) {
        for (let m = 1; m <= calls; m++) {
          const scene = new Scene(one.before);
          scene.killAt = n;
          scene.play(one.wanted);
          const first = scene.failed;
          scene.killAt = scene.calls + m;
          const end = scene.play(one.wanted);
          const where = `killed in call ${n}, ${first}, and ${m}, ${scene.failed}: ${scene.state}`;
          if (end === "killed") assertComplete(scene, one, where);
          else assert.equal(scene.state, `current>${one.after} previous>default`, where); // it had not so many calls left
          assertNoGap(scene, one.after, where);
        }
      }
    });

    test("killed in its n-th call, for every n: a switch to yet another set works as ever", () => {
      for (let n = 1; n <= calls; n++) {
        const scene = new Scene(one.before);
        scene.killAt = n;
        scene.play(one.wanted);
        const where = `killed in call ${n}, ${scene.failed}: ${scene.state}`;
        assertComplete(scene, { ...one, wanted: `${sets}/third`, after: `${sets}/third` }, where);
        assertNoGap(scene, `${sets}/third`, where);
      }
    });

    for (const [name, errno, reason] of [
      ["EIO", 5, "input/output error"],
      ["ENOSPC", 28, "out of disk space"],
      ["EROFS", 30, "read-only file system"],
    ] as const) {
      test(`the n-th call fails with ${name}, for every n: it says so, the old set stays, and again is enough`, () => {
        for (let n = 1; n <= calls; n++) {
          const scene = new Scene(one.before);
          scene.failAt = n;
          scene.failWith = errno;
          const end = scene.play(one.wanted);
          if (scene.failed === probe) continue;
          const where = `call ${n}, ${scene.failed}: ${scene.state}`;
          assert.ok(end.endsWith(`: ${reason}`), `${where}: ${end}`);
          assert.equal(scene.stdout, "", where);
          assert.deepEqual(scene.seen, ["default"], where);
          assertComplete(scene, one, where);
          assertNoGap(scene, one.after, where);
        }
      });
    }
  });
}

suite("on a disk that is read-only or full", () => {
  for (const [name, errno] of [
    ["EROFS", 30],
    ["ENOSPC", 28],
  ] as const) {
    test(`every change fails with ${name}: nothing has changed`, () => {
      for (const { before, wanted } of ordinary) {
        const scene = new Scene(before);
        const state = scene.state;
        // A full disk still lets go of names, and exchanges them.
        const fails = errno === 30 ? /^(unlink|symlink|rename) / : /^symlink /;
        scene.refuses = (call) => (fails.test(call) ? errno : 0);
        assert.match(scene.play(wanted), /: (read-only file system|out of disk space)$/);
        assert.equal(scene.target("current"), "default");
        if (errno === 30) assert.equal(scene.state, state);
      }
    });
  }
});

test("what current says cannot be read: it is not taken for a directory, and is there all the time", () => {
  const scene = new Scene({ previous: "third" });
  scene.currentUnreadable = 5;
  scene.play("single");
  assert.ok(!scene.seen.includes("missing"), `current was ${scene.seen}`);
});

suite("current is a directory instead of a link", () => {
  /** It cannot be copied: it changes places with the link. */
  function sceneWithDirectory(): Scene {
    const scene = new Scene({ previous: "third" });
    scene.remove(`${sets}/current`);
    scene.directory(`${sets}/current`);
    scene.file(`${sets}/current/mark`, "");
    return scene;
  }
  const calls = (() => {
    const scene = sceneWithDirectory();
    scene.play("single");
    return scene.calls;
  })();
  /** Where the files of the set that was current are. */
  function placeOf(scene: Scene): string {
    return [...links, ".previous.new"].find((name) => scene.exists(`${sets}/${name}/mark`)) ?? "lost";
  }

  test("it becomes the previous set", () => {
    const scene = sceneWithDirectory();
    assert.equal(scene.play("single"), "0");
    assert.equal(scene.state, "current>single previous>directory");
    assert.equal(placeOf(scene), "previous");
    assert.deepEqual(scene.seen, ["directory", "single"]);
  });

  test("killed in its n-th call, or this fails, for every n: there is a current set all the time, and again is enough", () => {
    for (let n = 1; n <= calls; n++) {
      for (const isKilled of [true, false]) {
        const scene = sceneWithDirectory();
        if (isKilled) scene.killAt = n;
        else scene.failAt = n;
        const end = scene.play("single");
        if (scene.failed === probe && !isKilled) continue;
        assert.match(end, isKilled ? /^killed$/ : /: input\/output error$/);
        const where = `call ${n}, ${scene.failed}: ${scene.state}`;
        assert.notEqual(placeOf(scene), "lost", where);
        assert.equal(scene.play("single"), "0", where);
        assert.equal(scene.state, "current>single previous>directory", where);
        assert.equal(placeOf(scene), "previous", where);
        assert.ok(!scene.seen.includes("missing"), `current was ${scene.seen}: ${where}`);
      }
    }
  });

  test("where the file system cannot exchange names, there is one moment without a current set, and no loss", () => {
    let gaps = 0;
    for (let n = 1; n <= calls + 1; n++) {
      const scene = sceneWithDirectory();
      const look = scene.refuses;
      scene.refuses = (call) => (call.startsWith("exchange") ? 22 : look(call));
      scene.killAt = n;
      scene.play("single");
      const where = `killed in call ${n}, ${scene.failed}: ${scene.state}`;
      assert.notEqual(placeOf(scene), "lost", where);
      if (scene.target("current") === "missing") gaps++;
    }
    assert.equal(gaps, 1);
  });
});

suite("two switches at once (differs: runsvchdir-one-at-a-time)", () => {
  test("the second one waits until the first has let go of the directory", () => {
    const scene = new Scene();
    const release = scene.lockElsewhere(sets);
    assert.throws(() => runsvchdir(["runsvchdir", "single"], scene), /it would wait/);
    assert.equal(scene.state, "current>default");
    release();
    assert.equal(scene.play("single"), "0");
  });

  test("a set cannot be called as the link is on its way", () => {
    for (const name of ["current.new", "current.new/"]) {
      const scene = new Scene({ "current.new": "single" });
      assert.equal(scene.play(name), `${name}: must not be called so.`);
      assert.equal(scene.state, "current>default current.new>single");
    }
  });
});
