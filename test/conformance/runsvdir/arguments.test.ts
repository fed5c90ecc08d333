// runsvdir's command line: spec/runsvdir.md, sections 2 and 3.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { commandLine, count, nobody, processOf, rootOnly, services, sleeper, startNoted } from "./scenes.ts";

const usage = "usage: runsvdir [-P] dir\n\n";

async function assertUsage(stage: Stage, args: readonly string[]): Promise<void> {
  const { out, err, code } = await stage.run("runsvdir", args);
  assert.deepEqual({ out, err, code }, { out: "", err: usage, code: 1 });
}
async function assertOwnSessions(stage: Stage, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await stage.running(`svc/${name}`);
    const runsv = processOf(stage.status(`svc/${name}`).pid).parent;
    assert.deepEqual(commandLine(runsv), ["runsv", name]);
    const { group, session } = processOf(runsv);
    assert.deepEqual({ group, session }, { group: runsv, session: runsv });
  }
}

stories("runsvdir", (story) => {
  story(1, "without a directory prints its usage, by the name it was called", async (stage) => {
    await assertUsage(stage, []);
    const { err, code } = await stage.run("runsvdir", [], { argv0: "/some/where/runsvdir" });
    assert.deepEqual({ err, code }, { err: "usage: /some/where/runsvdir [-P] dir\n\n", code: 1 });
  });

  story(2, "with nothing but an option prints its usage", async (stage) => {
    for (const word of ["-P", "--"]) await assertUsage(stage, [word]);
  });

  story(3, "takes any other word as a directory", async (stage) => {
    const runsvdir = stage.start("runsvdir", ["-x"]);
    const line = "runsvdir -x: warning: unable to stat -x: file does not exist";
    // The original repeats it every second, ours every five.
    await stage.until("it warns", () => count(runsvdir.err, line) >= (stage.isOurs ? 1 : 3));
    assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
    services(stage, "-x", ["a"]);
    await stage.running("-x/a");
    assert.ok(runsvdir.isAlive);
  });

  story(
    4,
    "-- after -P",
    async (stage) => {
      services(stage, "svc", ["a"]);
      const runsvdir = stage.start("runsvdir", ["-P", "--", "svc"]);
      if (stage.isOurs) {
        await assertOwnSessions(stage, ["a"]);
        assert.equal(runsvdir.err, "");
        return;
      }
      // The original takes the second word as the directory.
      const missing = "runsvdir --: warning: unable to stat --: file does not exist";
      await stage.until("it warns", () => count(runsvdir.err, missing) >= 2);
      assert.equal(
        runsvdir.err.replaceAll(`${missing}\n`, ""),
        "runsvdir --: warning: log must have at least seven characters.\n" +
          "runsvdir --: warning: log service disabled.\n",
      );
    },
    { differs: "runsvdir-option-H" },
  );

  story(5, "swallows a word that begins with --", async (stage) => {
    services(stage, "svc", ["a", "b"]);
    const runsvdir = stage.start("runsvdir", ["--whatever", "svc"]);
    for (const name of ["a", "b"]) await stage.running(`svc/${name}`);
    assert.equal(runsvdir.err, "");
  });

  story(6, "-P gives every runsv a session of its own", async (stage) => {
    services(stage, "svc", ["a", "b"]);
    const runsvdir = stage.start("runsvdir", ["-Pxyz", "svc"]);
    await assertOwnSessions(stage, ["a", "b"]);
    assert.equal(runsvdir.err, "");
  });

  story(
    33,
    "fails when the current directory cannot be read",
    async (stage) => {
      services(stage, "svc", ["a"]);
      const unreadable = stage.at("unreadable");
      fs.mkdirSync(unreadable);
      fs.chownSync(unreadable, nobody.uid, nobody.gid);
      fs.chmodSync(unreadable, 0o300);
      const { out, err, code } = await stage.run("runsvdir", ["../svc"], { cwd: unreadable, ...nobody });
      const fatal = "runsvdir ../svc: fatal: unable to open current directory: access denied\n";
      assert.deepEqual({ out, err, code }, { out: "", err: fatal, code: 100 });
    },
    rootOnly,
  );

  story(34, "a relative directory stays where it was when the current directory is removed", async (stage) => {
    services(stage, "svc", ["a"]);
    fs.mkdirSync(stage.at("start"));
    const { runsvdir, notes, pids } = await startNoted(stage, ["../svc"], ["a"], { cwd: stage.at("start") });
    fs.rmdirSync(stage.at("start"));
    process.kill(pids.get("a") ?? 0, "SIGKILL");
    await notes.started("a", 2);
    assert.equal(runsvdir.err, "");
  });

  story(
    "A1",
    "with -H, TERM is sent on to every runsv",
    async (stage) => {
      const ways = [["-H"], ["-H", "-P"], ["-P", "-H"], ["-P", "--", "-H"], ["--", "-H"]];
      await assertUsage(stage, ["-H"]);
      await assertUsage(stage, ["-H", "-P", "--"]);
      for (const [index, words] of ways.entries()) {
        const svc = `${index}/svc`;
        fs.mkdirSync(stage.at(`${index}`));
        services(stage, svc, ["a", "b"]);
        const { runsvdir, notes, pids } = await startNoted(stage, [...words, svc], ["a", "b"]);
        for (const pid of pids.values()) {
          assert.equal(processOf(pid).session === pid, words.includes("-P"), words.join(" "));
        }
        runsvdir.kill("SIGTERM");
        assert.equal((await runsvdir.ended).code, 111, words.join(" "));
        for (const pid of pids.values()) await notes.gotTerm(pid);
      }
    },
    { only: "ours", differs: "runsvdir-option-H" },
  );

  story(
    "A2",
    "an entry is started when its run file is there",
    async (stage) => {
      services(stage, "svc", ["a"]);
      fs.mkdirSync(stage.at("svc/b"));
      const { runsvdir, notes } = await startNoted(stage, ["svc"], ["a"]);
      await stage.span(1500);
      assert.deepEqual(notes.names(), ["a"]);
      stage.service("svc/b", { run: sleeper });
      await notes.started("b");
      fs.mkdirSync(stage.at("svc/c"));
      fs.symlinkSync("missing", stage.at("svc/c/run"));
      await notes.started("c");
      assert.equal(runsvdir.err, "");
    },
    { only: "ours", differs: "runsvdir-half-copied" },
  );
});
