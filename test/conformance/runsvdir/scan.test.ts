// The scan of the services directory: spec/runsvdir.md, sections 4 and 5.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  age,
  commandLine,
  count,
  linkedServices,
  longEnoughToNotice,
  Notes,
  nobody,
  processorTicks,
  rootOnly,
  services,
  sleeper,
  startNoted,
  touch,
} from "./scenes.ts";

/** The least time from the start of runsvdir to that of a service in several tries, each with the change just made. */
async function milliseconds(
  stage: Stage,
  change: () => void | Promise<void>,
  isGoodEnough: (milliseconds: number) => boolean,
): Promise<number> {
  services(stage, "svc", ["a"]);
  const notes = new Notes(stage);
  let passed = 0;
  for (let round = 1; round <= 5; round++) {
    await change();
    const start = performance.now();
    const runsvdir = stage.start("runsvdir", ["svc"], { env: notes.env });
    await notes.started("a", round);
    passed = performance.now() - start;
    runsvdir.kill("SIGHUP");
    await runsvdir.ended;
    if (isGoodEnough(passed)) return passed;
  }
  return passed;
}

stories("runsvdir", (story) => {
  story(
    8,
    "a directory that was changed in the current second",
    async (stage) => {
      const change = async () => {
        await stage.until("a second begins", () => Date.now() % 1000 < 100);
        touch(stage, "svc");
      };
      // The original pauses for a second.
      const isExpected = (passed: number) => (stage.isOurs ? passed < 900 : passed >= 1000);
      const passed = await milliseconds(stage, change, isExpected);
      assert.ok(isExpected(passed), `${passed} ms`);
    },
    { differs: "runsvdir-instant" },
  );

  story(
    9,
    "a directory whose last change lies in the future",
    async (stage) => {
      const change = () => {
        const future = Date.now() / 1000 + 5000;
        fs.utimesSync(stage.at("svc"), future, future);
      };
      const isExpected = (passed: number) => (stage.isOurs ? passed < 900 : passed >= 1000);
      const passed = await milliseconds(stage, change, isExpected);
      assert.ok(isExpected(passed), `${passed} ms`);
      const { notes, pids } = await startNoted(stage, ["svc"], ["a"]);
      process.kill(pids.get("a") ?? 0, "SIGKILL");
      await notes.started("a", 2);
    },
    { differs: "runsvdir-instant" },
  );

  story(
    10,
    "only directories without a dot are services",
    async (stage) => {
      services(stage, "svc", ["a", ".hidden"]);
      stage.file("svc/file", "");
      fs.symlinkSync("nowhere", stage.at("svc/dangling"));
      age(stage, "svc");
      const { runsvdir, notes } = await startNoted(stage, ["svc"], ["a"]);
      const line = "runsvdir svc: warning: unable to stat dangling: file does not exist";
      await stage.until("it warns", () => count(runsvdir.err, line) >= (stage.isOurs ? 1 : 2));
      await stage.span(longEnoughToNotice(stage));
      // At the start, and at the second look that follows a start; not at every poll.
      assert.ok(count(runsvdir.err, line) <= 2, runsvdir.err);
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
      assert.deepEqual(notes.names(), ["a"]);
    },
    { differs: "runsvdir-instant" },
  );

  story(11, "every name without a dot is good", async (stage) => {
    services(stage, "svc", ["a b", "-x", "supervise", "new\nline", "..x"]);
    const { runsvdir, notes } = await startNoted(stage, ["svc"], ["a b", "-x", "supervise", "new?line"]);
    assert.deepEqual(notes.names(), ["-x", "a b", "new?line", "supervise"]);
    const lines = notes.starts().map(({ pid }) => commandLine(pid));
    assert.deepEqual(lines.sort(), [
      ["runsv", "-x"],
      ["runsv", "a b"],
      ["runsv", "new\nline"],
      ["runsv", "supervise"],
    ]);
    assert.equal(runsvdir.err, "");
  });

  story(17, "two names for one directory are one service", async (stage) => {
    stage.service("sv/a", { run: sleeper });
    fs.mkdirSync(stage.at("svc"));
    for (const name of ["a", "a2"]) fs.symlinkSync(stage.at("sv/a"), stage.at("svc", name));
    age(stage, "svc");
    const { notes } = await startNoted(stage, ["svc"], []);
    await stage.until("it is started", () => notes.starts().length > 0);
    const { name, pid } = notes.starts()[0] ?? assert.fail();
    fs.unlinkSync(stage.at("svc", name));
    await stage.span(longEnoughToNotice(stage));
    assert.deepEqual(notes.all(), [{ what: "start", pid, name }]);
    process.kill(pid, "SIGKILL");
    await notes.started(name === "a" ? "a2" : "a");
    assert.equal(notes.starts().length, 2);
  });

  story(18, "a renamed entry keeps its runsv until that ends", async (stage) => {
    linkedServices(stage, "svc", ["a"]);
    const { notes, pids } = await startNoted(stage, ["svc"], ["a"]);
    const pid = pids.get("a") ?? 0;
    fs.renameSync(stage.at("svc/a"), stage.at("svc/z"));
    await stage.span(longEnoughToNotice(stage));
    assert.deepEqual(notes.all(), [{ what: "start", pid, name: "a" }]);
    process.kill(pid, "SIGKILL");
    assert.deepEqual(commandLine(await notes.started("z")), ["runsv", "z"]);
    assert.deepEqual(notes.names(), ["a", "z"]);
  });

  story(19, "a link that leads elsewhere now is another service", async (stage) => {
    linkedServices(stage, "svc", ["a"]);
    const { notes, pids } = await startNoted(stage, ["svc"], ["a"]);
    const old = pids.get("a") ?? 0;
    stage.service("sv/other", { run: sleeper });
    fs.symlinkSync(stage.at("sv/other"), stage.at("new"));
    fs.renameSync(stage.at("new"), stage.at("svc/a"));
    const pid = await notes.started("a", 2);
    await notes.gotTerm(old);
    await stage.until("the old one is gone", () => !stage.isLiving(old));
    assert.ok(stage.isLiving(pid));
    assert.deepEqual(notes.names(), ["a", "a"]);
    assert.equal(notes.terms().length, 1);
  });

  story(
    20,
    "a replaced target of a link",
    async (stage) => {
      linkedServices(stage, "svc", ["a", "b"]);
      const { notes, pids } = await startNoted(stage, ["svc"], ["a", "b"]);
      // The second look, which follows a start, has to be over.
      if (!stage.isOurs) await stage.span(2500);
      fs.renameSync(stage.at("sv/a"), stage.at("sv/old"));
      stage.service("sv/a", { run: sleeper });
      if (!stage.isOurs) {
        // The original does not notice before it scans for another reason.
        await stage.span(longEnoughToNotice(stage));
        assert.equal(notes.all().length, 2);
        process.kill(pids.get("b") ?? 0, "SIGKILL");
      }
      await notes.gotTerm(pids.get("a") ?? 0);
      const pid = await notes.started("a", 2);
      await stage.until("the new one runs in the new directory", () => stage.isLiving(pid));
      assert.equal(notes.terms().length, 1);
    },
    { differs: "runsvdir-instant" },
  );

  story(21, "several entries that vanish at once", async (stage) => {
    linkedServices(stage, "svc", ["b", "c", "a"]);
    const { notes, pids } = await startNoted(stage, ["svc"], ["a", "b", "c"]);
    for (const name of ["a", "b", "c"]) fs.unlinkSync(stage.at("svc", name));
    for (const pid of pids.values()) await notes.gotTerm(pid);
    await stage.span(longEnoughToNotice(stage));
    assert.deepEqual(
      notes
        .terms()
        .map(({ name }) => name)
        .sort(),
      ["a", "b", "c"],
    );
    assert.equal(notes.starts().length, 3);
  });

  story(22, "a link that is dangling now", async (stage) => {
    linkedServices(stage, "svc", ["a"]);
    const { runsvdir, notes, pids } = await startNoted(stage, ["svc"], ["a"]);
    fs.renameSync(stage.at("sv/a"), stage.at("sv/old"));
    touch(stage, "svc");
    await notes.gotTerm(pids.get("a") ?? 0);
    const line = "runsvdir svc: warning: unable to stat a: file does not exist";
    await stage.until("it warns", () => count(runsvdir.err, line) >= 1);
    assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
  });

  story(
    23,
    "a link that is removed and made again within an instant",
    async (stage) => {
      linkedServices(stage, "svc", ["a"]);
      const { notes, pids } = await startNoted(stage, ["svc"], ["a"]);
      fs.unlinkSync(stage.at("svc/a"));
      fs.symlinkSync(stage.at("sv/a"), stage.at("svc/a"));
      await stage.span(longEnoughToNotice(stage));
      const living = notes.starts().filter(({ pid }) => stage.isLiving(pid));
      assert.equal(living.length, 1);
      // Ours may have been quick enough to notice.
      if (!stage.isOurs) assert.deepEqual(notes.all(), [{ what: "start", pid: pids.get("a"), name: "a" }]);
    },
    { differs: "runsvdir-inode-reuse" },
  );

  story(
    24,
    "a removed directory whose inode number another one gets",
    async (stage) => {
      services(stage, "svc", ["a"]);
      const { notes, pids } = await startNoted(stage, ["svc"], ["a"]);
      const inode = fs.statSync(stage.at("svc/a")).ino;
      fs.mkdirSync(stage.at("spare"));
      fs.rmSync(stage.at("svc/a"), { recursive: true });
      for (let tries = 0; tries < 2000; tries++) {
        fs.mkdirSync(stage.at("svc/.b"));
        if (fs.statSync(stage.at("svc/.b")).ino === inode) break;
        fs.renameSync(stage.at("svc/.b"), stage.at(`spare/${tries}`));
      }
      if (!stage.exists("svc/.b")) {
        console.log("runsvdir 24 not told: the file system gave the inode number to nobody");
        return;
      }
      stage.service("svc/.b", { run: sleeper });
      fs.renameSync(stage.at("svc/.b"), stage.at("svc/b"));
      if (stage.isOurs) {
        await notes.gotTerm(pids.get("a") ?? 0);
        await notes.started("b");
      } else {
        await stage.span(longEnoughToNotice(stage));
        assert.deepEqual(notes.all(), [{ what: "start", pid: pids.get("a"), name: "a" }]);
      }
    },
    { differs: "runsvdir-inode-reuse" },
  );

  story(25, "an entry that comes back while its old runsv still lives", async (stage) => {
    linkedServices(stage, "svc", ["a"]);
    const { notes, pids } = await startNoted(stage, ["svc"], ["a"], { isStubborn: true });
    const old = pids.get("a") ?? 0;
    fs.unlinkSync(stage.at("svc/a"));
    await notes.gotTerm(old);
    fs.symlinkSync(stage.at("sv/a"), stage.at("svc/a"));
    const pid = await notes.started("a", 2);
    assert.notEqual(pid, old);
    assert.ok(stage.isLiving(old));
    assert.equal(notes.terms().length, 1);
  });

  story(
    26,
    "a directory that vanishes leaves the services alone, an empty one ends them",
    async (stage) => {
      services(stage, "svc", ["a", "b"]);
      const { runsvdir, notes, pids } = await startNoted(stage, ["svc"], ["a", "b"]);
      fs.renameSync(stage.at("svc"), stage.at("gone"));
      const line = "runsvdir svc: warning: unable to stat svc: file does not exist";
      await stage.until("it warns", () => count(runsvdir.err, line) >= (stage.isOurs ? 1 : 2));
      await stage.span(stage.isOurs ? 2000 : 0);
      assert.equal(notes.all().length, 2);
      fs.mkdirSync(stage.at("svc"));
      for (const pid of pids.values()) await notes.gotTerm(pid);
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
      assert.deepEqual(notes.names(), ["a", "b"]);
    },
    { differs: "runsvdir-instant" },
  );

  story(27, "a directory that is exchanged as a whole", async (stage) => {
    linkedServices(stage, "svc1", ["a", "b"]);
    fs.mkdirSync(stage.at("svc2"));
    stage.service("sv/c", { run: sleeper });
    for (const name of ["b", "c"]) fs.symlinkSync(stage.at("sv", name), stage.at("svc2", name));
    age(stage, "svc2");
    fs.symlinkSync("svc1", stage.at("current"));
    const { notes, pids } = await startNoted(stage, ["current"], ["a", "b"]);
    fs.symlinkSync("svc2", stage.at("new"));
    fs.renameSync(stage.at("new"), stage.at("current"));
    await notes.started("c");
    await notes.gotTerm(pids.get("a") ?? 0);
    await stage.span(1500);
    assert.ok(stage.isLiving(pids.get("b") ?? 0));
    assert.deepEqual(notes.names(), ["a", "b", "c"]);
    assert.equal(notes.terms().length, 1);
  });

  story(
    28,
    "a directory that is a plain file",
    async (stage) => {
      stage.file("svc", "");
      const runsvdir = stage.start("runsvdir", ["svc"]);
      const line = "runsvdir svc: warning: unable to change directory to svc: not a directory";
      await stage.until("it warns", () => count(runsvdir.err, line) >= (stage.isOurs ? 1 : 3));
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
      assert.ok(runsvdir.isAlive);
    },
    { differs: "runsvdir-instant" },
  );

  story(
    29,
    "a directory that an ordinary user may not enter, until it may",
    async (stage) => {
      services(stage, "svc", ["a"]);
      fs.chmodSync(stage.at("svc"), 0o600);
      const { runsvdir, notes } = await startNoted(stage, ["svc"], [], nobody);
      const line = "runsvdir svc: warning: unable to change directory to svc: access denied";
      await stage.until("it warns", () => count(runsvdir.err, line) >= (stage.isOurs ? 1 : 3));
      assert.equal(notes.starts().length, 0);
      fs.chmodSync(stage.at("svc"), 0o755);
      await notes.started("a");
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
    },
    { ...rootOnly, differs: "runsvdir-instant" },
  );

  story(
    30,
    "a directory that an ordinary user may enter but not read, until it may",
    async (stage) => {
      services(stage, "svc", ["a"]);
      fs.chmodSync(stage.at("svc"), 0o711);
      const { runsvdir, notes } = await startNoted(stage, ["svc"], [], nobody);
      const line = "runsvdir svc: warning: unable to open directory svc: access denied";
      await stage.until("it warns", () => count(runsvdir.err, line) >= 1);
      fs.chmodSync(stage.at("svc"), 0o755);
      if (!stage.isOurs) {
        // The original does not notice a change of modes.
        await stage.span(longEnoughToNotice(stage));
        assert.equal(notes.starts().length, 0);
        assert.equal(count(runsvdir.err, line), 1);
        touch(stage, "svc");
      }
      await notes.started("a");
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
    },
    { ...rootOnly, differs: "runsvdir-instant" },
  );

  story(
    31,
    "more than a thousand services",
    async (stage) => {
      const names = Array.from({ length: 1003 }, (_, index) => `s${index}`);
      services(stage, "svc", names);
      const { runsvdir, notes } = await startNoted(stage, ["svc"], []);
      const limit = stage.isOurs ? 1003 : 1000;
      await stage.until("all are started", () => notes.starts().length >= limit, 60_000);
      const refusals = () => runsvdir.err.match(/^.*: too many services\.$/gm) ?? [];
      if (stage.isOurs) assert.equal(runsvdir.err, "");
      else {
        // Two scans: at the start, and the second look that follows a start.
        await stage.until("the rest is refused", () => refusals().length >= 6);
        const refused = refusals().slice(0, 3);
        const started = new Set(notes.starts().map(({ name }) => name));
        const left = names.filter((name) => !started.has(name));
        const lines = left.map((name) => `runsvdir svc: warning: unable to start runsv ${name}: too many services.`);
        assert.deepEqual(refused.sort(), lines.sort());
      }
      assert.equal(notes.starts().length, limit);
      assert.equal(new Set(notes.names()).size, limit);
      runsvdir.kill("SIGHUP");
      assert.equal((await runsvdir.ended).code, 111);
      await stage.until("all have ended", () => notes.terms().length === limit);
    },
    { differs: "runsvdir-no-limit" },
  );

  story(
    40,
    "ALRM forces a scan, and a mark of it",
    async (stage) => {
      linkedServices(stage, "svc", ["a"]);
      const { notes, runsvdir } = await startNoted(stage, ["svc"], ["a"]);
      stage.service("sv/b", { run: sleeper });
      assert.ok(!stage.exists("svc/.forced-rescan"));
      const { mtime } = fs.statSync(stage.at("svc"));
      fs.symlinkSync(stage.at("sv/b"), stage.at("svc/b"));
      // Nobody could see it by the time of the last change.
      fs.utimesSync(stage.at("svc"), mtime, mtime);
      runsvdir.kill("SIGALRM");
      await notes.started("b");
      await stage.until("the mark is there", () => /^@[0-9a-f]{24}$/.test(stage.peek("svc/.forced-rescan")));
      assert.ok(runsvdir.isAlive);
      assert.deepEqual(notes.names(), ["a", "b"]);
    },
    { differs: "runsvdir-rescan-alarm" },
  );

  story(
    "A4",
    "a change in every link of the chain to its directory is noticed, without a poll",
    async (stage) => {
      for (const [set, name] of [
        ["one", "a"],
        ["two", "b"],
        ["three", "c"],
      ] as const) {
        stage.service(`sets/${set}/${name}`, { run: sleeper });
      }
      const point = (link: string, target: string) => {
        fs.rmSync(stage.at(`${link}.new`), { force: true });
        fs.symlinkSync(target, stage.at(`${link}.new`));
        fs.renameSync(stage.at(`${link}.new`), stage.at(link));
      };
      point("current", "sets/one");
      point("service", "current");
      const { notes } = await startNoted(stage, [stage.at("service")], ["a"]);
      point("current", "sets/two");
      await notes.started("b");
      point("service", stage.at("sets/three"));
      await notes.started("c");
      // The directory itself goes, and comes back with more in it.
      fs.renameSync(stage.at("sets/three"), stage.at("sets/away"));
      stage.service("sets/away/d", { run: sleeper });
      fs.renameSync(stage.at("sets/away"), stage.at("sets/three"));
      await notes.started("d");
      stage.service("sets/three/e", { run: sleeper });
      await notes.started("e");
    },
    { only: "ours", differs: "runsvdir-instant" },
  );

  story("A3", "nothing to do costs nothing", async (stage) => {
    linkedServices(stage, "svc", ["a", "b"]);
    const { runsvdir } = await startNoted(stage, ["svc"], ["a", "b"]);
    stage.service("sv/c", { run: sleeper });
    await stage.span(1500);
    const before = processorTicks(runsvdir.pid);
    await stage.span(2000);
    // Of the 200 ticks that have passed.
    assert.ok(processorTicks(runsvdir.pid) - before < 20, `${processorTicks(runsvdir.pid) - before} ticks`);
  });
});
