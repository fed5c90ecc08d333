// svwaitup: spec/legacy.md, sections 2 and 6.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { encodeStatus, isRoot, shell, stories } from "../stage.ts";
import { abandonedService, agedService, crashing, HandMade, justCrashed, sleeper } from "../sv/scenes.ts";
import {
  assertFatalWithoutDirectory,
  assertOptions,
  assertTells,
  assertTook,
  assertUsage,
  assertVersion,
  justStarted,
  nobody,
  oursOnly,
  warning,
} from "./scenes.ts";

const asUser = { ...oursOnly, skip: isRoot ? false : "only root can become another user" } as const;
const warns = (text: string) => warning("svwaitup", text);
const isUp = (name: string) => `svwaitup: ${name}: is up (S seconds)\n`;
const run = (stage: Stage, ...args: string[]) => stage.run("svwaitup", args);
/** When a process that was started so many seconds ago has been up since. */
const ago = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

stories("svwaitup", (story) => {
  story(
    42,
    "wrong usage: no service, or seconds that are none",
    async (stage) => {
      new HandMade(stage, "a", { pid: 7, phase: 1, seconds: ago(1000) });
      for (const args of [
        [],
        ["-v"],
        ["--"],
        ["-s", "5"],
        ["-s", "0", "a"],
        ["-s0", "a"],
        ["-s", "601", "a"],
        ["-s", "99999999999999999999", "a"],
        ["-s", "abc", "a"],
        ["-s", "-5", "a"],
        ["-s", "", "a"],
        ["-vs", "601", "a"],
      ]) {
        await assertUsage(stage, "svwaitup", args);
      }
      await assertUsage(stage, "svwaitup", ["-s"], "option requires an argument -- s");
      await assertUsage(stage, "svwaitup", ["-t", "5", "a"], "illegal option -- t");
      // The largest number is one.
      assertTells(await run(stage, "-s", "600", "a"), "");
    },
    oursOnly,
  );

  story(
    "42 (options)",
    "an unknown option is named, then comes the usage",
    (stage) => assertOptions(stage, "svwaitup"),
    oursOnly,
  );
  story("42 (-V)", "-V names its version, then comes the usage", (stage) => assertVersion(stage, "svwaitup"), oursOnly);

  story(
    "42 (numbers)",
    "what follows the digits does not count",
    async (stage) => {
      for (const words of [["-s", "5x"], ["-s5.9"], ["-s", "1", "-vs005"]]) {
        const name = `a${words.join("")}`;
        new HandMade(stage, name, { pid: 7, phase: 1, seconds: ago(2) });
        const outcome = await run(stage, ...words, name);
        assert.equal(outcome.code, 0);
        assertTook(outcome, 1, 6);
      }
    },
    oursOnly,
  );

  story(
    43,
    "a service that has been up for long enough is not waited for",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const outcome = await run(stage, "-s", "1", "a");
      assertTells(outcome, "");
      assertTook(outcome, 0, 0.9);
      const { err } = await run(stage, "-v", "-s", "1", "a");
      const [, age] = /^svwaitup: a: is up \((\d+) seconds\)\n$/.exec(err) ?? assert.fail(err);
      assert.ok(Math.abs(Number(age) - (ago(0) - stage.status("a").seconds)) <= 1, age);
      new HandMade(stage, "old", { pid: 7, phase: 1, seconds: ago(3) });
      const old = await run(stage, "old");
      assertTells(old, "");
      assertTook(old, 0, 0.9);
    },
    oursOnly,
  );

  story(
    44,
    "a service that was started just now is waited for, also by a relative name",
    async (stage) => {
      for (const name of ["a", "b"]) {
        await justStarted(stage, name, { run: sleeper });
        const started = stage.status(name);
        const outcome = await run(stage, "-v", name === "a" ? "a" : stage.at("b"));
        const seconds = Date.now() / 1000 - started.seconds - started.nanoseconds / 1e9;
        assertTells(outcome, isUp(name === "a" ? "a" : stage.at("b")));
        assert.ok(seconds >= 1 && seconds < 4, `up for ${seconds.toFixed(2)} s`);
        assert.equal(stage.status(name).pid, started.pid);
      }
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    "44 (fractions)",
    "a second is a whole one, also when it begins late in a second of the clock",
    async (stage) => {
      const fraction = () => (Date.now() % 1000) / 1000;
      await stage.until("it is late in a second", () => fraction() > 0.8 && fraction() < 0.9);
      const now = Date.now() / 1000;
      new HandMade(stage, "a", {
        pid: 7,
        phase: 1,
        seconds: Math.floor(now),
        nanoseconds: Math.floor((now % 1) * 1e9),
      });
      const outcome = await run(stage, "-s", "1", "a");
      assertTells(outcome, "");
      const seconds = Date.now() / 1000 - now;
      assert.ok(seconds >= 0.95, `up for ${seconds.toFixed(2)} s`);
    },
    oursOnly,
  );

  story(
    45,
    "a service that is down is an error, also in the pause between two lives",
    async (stage) => {
      stage.service("b", { run: sleeper, down: "" });
      await stage.supervise("b");
      const outcome = await run(stage, "b");
      assertTells(outcome, warns("b: is down."), 1);
      assertTook(outcome, 0, 0.9);
      stage.service("z", { run: crashing });
      await stage.supervise("z");
      for (let tries = 0; ; tries++) {
        await justCrashed(stage, "z");
        const { err, code } = await run(stage, "-v", "z");
        if (tries === 4 || code === 1) {
          assert.deepEqual([err, code], [warns("z: is down."), 1]);
          break;
        }
      }
    },
    oursOnly,
  );

  story(
    46,
    "several are waited for together",
    async (stage) => {
      await justStarted(stage, "c", { run: sleeper });
      new HandMade(stage, "z", { pid: 0, phase: 0, want: "u" });
      await justStarted(stage, "a", { run: sleeper });
      const outcome = await run(stage, "-v", "-s", "3", "c", "z", "a");
      assertTells(outcome, isUp("c") + warns("z: is down.") + isUp("a"), 1);
      assertTook(outcome, 1.5, 5);
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    47,
    "after a restart meanwhile the time begins anew",
    async (stage) => {
      await justStarted(stage, "a", { run: sleeper });
      const first = stage.status("a").pid;
      const waiting = stage.start("svwaitup", ["-s", "3", "a"]);
      await stage.until("it has been up for 2 seconds", () => Date.now() / 1000 > stage.status("a").seconds + 2);
      assert.ok(waiting.isAlive);
      stage.tell("a", "t");
      await stage.until("it was restarted", () => stage.status("a").phase === 1 && stage.status("a").pid !== first);
      const again = stage.status("a").seconds;
      assertTells(await stage.end(waiting), "");
      const seconds = Date.now() / 1000 - again;
      assert.ok(seconds >= 2.5 && seconds < 6, `${seconds.toFixed(2)} s after the restart`);
    },
    oursOnly,
  );

  story(
    48,
    "in finish, and paused, is up",
    async (stage) => {
      await agedService(stage, "e", { run: sleeper, finish: sleeper });
      stage.tell("e", "t");
      await stage.until("e is in finish", () => stage.status("e").phase === 2 && stage.status("e").pid !== 0);
      await agedService(stage, "a", { run: sleeper });
      stage.tell("a", "p");
      await stage.until("a is paused", () => stage.status("a").paused === 1);
      assertTells(await run(stage, "-v", "-s1", "e", "a"), isUp("e") + isUp("a"));
    },
    oursOnly,
  );

  story(
    49,
    "where no runsv is, or never was, it warns",
    async (stage) => {
      await abandonedService(stage, "q");
      assertTells(await run(stage, "q"), warns("q: runsv not running."), 1);
      fs.mkdirSync(stage.at("n"));
      assertTells(
        await run(stage, "n", "nonexist"),
        warns("n: unable to open supervise/ok: file does not exist") +
          warns("nonexist: unable to change directory: file does not exist"),
        2,
      );
      assert.equal((await run(stage, ...Array.from({ length: 150 }, () => "n"))).code, 100);
    },
    oursOnly,
  );

  story(
    50,
    "a status that is missing, a directory, or too short",
    async (stage) => {
      const scene = new HandMade(stage, "q", {});
      for (const length of [0, 10, 17]) {
        scene.setStatus(encodeStatus({ pid: 7, phase: 1, seconds: ago(100) }).slice(0, length));
        assertTells(await run(stage, "q"), warns("q: unable to read supervise/status: bad format."), 1);
      }
      fs.unlinkSync(stage.at("q/supervise/status"));
      assertTells(await run(stage, "q"), warns("q: unable to open supervise/status: file does not exist"), 1);
      fs.mkdirSync(stage.at("q/supervise/status"));
      assertTells(await run(stage, "q"), warns("q: unable to read supervise/status: is a directory"), 1);
    },
    { ...oursOnly, differs: "legacy-colon" },
  );

  story(
    "50 (lengths)",
    "18 bytes and more are a status",
    async (stage) => {
      const scene = new HandMade(stage, "a", {});
      const up = encodeStatus({ pid: 7, phase: 1, seconds: ago(100) });
      for (const bytes of [up.slice(0, 18), up.slice(0, 19), up, new Uint8Array([...up, 1, 2, 3])]) {
        scene.setStatus(bytes);
        assertTells(await run(stage, "-v", "a"), isUp("a"));
      }
    },
    oursOnly,
  );

  story(
    "N",
    "it sends nothing",
    async (stage) => {
      const scenes = [
        new HandMade(stage, "a", { pid: 7, phase: 1, seconds: ago(1), want: "d" }),
        new HandMade(stage, "b", { pid: 0, phase: 0, want: "d" }),
      ];
      assertTells(await run(stage, "-v", "a", "b"), isUp("a") + warns("b: is down."), 1);
      for (const scene of scenes) assert.equal(scene.heard(), "");
    },
    oursOnly,
  );

  story(
    "R",
    "the runsv that exits meanwhile is missed at the end of the sleep",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1, seconds: ago(0) });
      const waiting = stage.start("svwaitup", ["-s2", "a"]);
      await stage.span(300);
      scene.leave();
      assertTells(await stage.end(waiting), warns("a: runsv not running."), 1);
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    "D",
    "the directory it was started in may be renamed meanwhile",
    async (stage) => {
      for (const name of ["a", "b"]) new HandMade(stage, `here/${name}`, { pid: 7, phase: 1, seconds: ago(0) });
      const waiting = stage.start("svwaitup", ["-v", "-s2", "a", "b"], { cwd: stage.at("here") });
      await stage.span(300);
      assert.ok(waiting.isAlive);
      fs.renameSync(stage.at("here"), stage.at("there"));
      assertTells(await stage.end(waiting), isUp("a") + isUp("b"));
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    "C",
    "with closed descriptors it ends as ever",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1, seconds: ago(100) });
      for (const close of [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"]) {
        const via = { via: shell(`exec ${close}`) };
        assert.equal((await stage.run("svwaitup", ["-v", "a"], via)).code, 0, close);
        assert.equal((await stage.run("svwaitup", ["-v", "a", "nonexist"], via)).code, 1, close);
      }
      assert.equal(scene.heard(), "");
      assert.equal(stage.status("a").pid, 7);
    },
    oursOnly,
  );

  story(
    "P",
    "an ordinary user may not look",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      assertTells(
        await stage.run("svwaitup", ["a"], nobody),
        warns("a: unable to open supervise/ok: access denied"),
        1,
      );
    },
    asUser,
  );

  story(
    "F",
    "a starting directory that cannot be opened is fatal",
    (stage) => assertFatalWithoutDirectory(stage, "svwaitup", ["a"], nobody),
    asUser,
  );
});
