// runsvstat: spec/legacy.md, sections 2 and 3.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { encodeStatus, isRoot, shell, stories } from "../stage.ts";
import {
  abandonedService,
  agedService,
  crashing,
  HandMade,
  makeFifo,
  sleeper,
  sleeping,
  stopped,
  stubborn,
} from "../sv/scenes.ts";
import {
  assertFatalWithoutDirectory,
  assertOptions,
  assertSays,
  assertUsage,
  assertVersion,
  nobody,
  oursOnly,
  warning,
  withoutNumbers,
} from "./scenes.ts";

const asUser = { ...oursOnly, skip: isRoot ? false : "only root can become another user" } as const;
const warns = (text: string) => warning("runsvstat", text);
const noSupervise = "unable to open supervise/ok: file does not exist";

stories("runsvstat", (story) => {
  story(1, "without a service prints its usage", (stage) => assertUsage(stage, "runsvstat", []), oursOnly);

  story(
    "1 (options alone)",
    "without a service prints its usage",
    async (stage) => {
      for (const args of [["-l"], ["-ll"], ["--"], ["-l", "--"]]) await assertUsage(stage, "runsvstat", args);
    },
    oursOnly,
  );

  story(2, "-V names its version, then comes the usage", (stage) => assertVersion(stage, "runsvstat"), oursOnly);

  story(3, "an unknown option is named, then comes the usage", (stage) => assertOptions(stage, "runsvstat"), oursOnly);

  story(
    4,
    "a running service",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const earliest = Math.floor(Date.now() / 1000) - stage.status("a").seconds;
      const { out, err, code } = await stage.run("runsvstat", ["a"]);
      const [, pid, seconds] = /^a: run \(pid (\d+)\) (\d+) seconds\n$/.exec(out) ?? assert.fail(out);
      assert.deepEqual([pid, err, code], [stage.read("a/supervise/pid").trim(), "", 0]);
      assert.ok(Number(seconds) >= earliest - 1 && Number(seconds) <= earliest + 2, `${seconds}, not ${earliest}`);
    },
    oursOnly,
  );

  story(
    5,
    "a service that is down, as it normally is",
    async (stage) => {
      stage.service("b", { run: sleeper, down: "" });
      await stage.supervise("b");
      assertSays(await stage.run("runsvstat", ["b"]), "b: down S seconds\n");
    },
    oursOnly,
  );

  story(
    "5 (normally up)",
    "a service that is down and normally up",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      await stopped(stage, "a");
      assertSays(await stage.run("runsvstat", ["a"]), "a: down S seconds, normally up\n");
    },
    oursOnly,
  );

  story(
    6,
    "a crashing service is down and wanted up, or runs, and is never an error",
    async (stage) => {
      stage.service("z", { run: crashing });
      await stage.supervise("z");
      const seen = new Set<string>();
      const isDown = "z: down S seconds, normally up, want up\n";
      for (let round = 0; round < 60 || (!seen.has(isDown) && round < 500); round++) {
        const { out, err, code } = await stage.run("runsvstat", ["z"]);
        assert.deepEqual([err, code], ["", 0]);
        seen.add(withoutNumbers(out));
      }
      seen.delete("z: run (pid N) S seconds\n");
      assert.deepEqual([...seen], [isDown]);
    },
    oursOnly,
  );

  story(
    7,
    "-l: the log service stands below",
    async (stage) => {
      stage.service("c", { run: sleeper, "log/run": sleeper });
      await stage.supervise("c");
      const pid = await stage.running("c");
      const logPid = await stage.running("c/log");
      const outcome = await stage.run("runsvstat", ["-l", "c"]);
      assertSays(outcome, "c: run (pid N) S seconds\n  log: run (pid N) S seconds\n");
      assert.deepEqual(outcome.out.match(/(?<=pid )\d+/g)?.map(Number), [pid, logPid]);
      assertSays(await stage.run("runsvstat", ["c"]), "c: run (pid N) S seconds\n");
      assertSays(await stage.run("runsvstat", ["c/log"]), "c/log: run (pid N) S seconds\n");
    },
    oursOnly,
  );

  story(
    8,
    "-l where there is no log service",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      assertSays(await stage.run("runsvstat", ["-l", "a"]), "a: run (pid N) S seconds\n");
    },
    oursOnly,
  );

  story(
    9,
    "names are printed as they are given",
    async (stage) => {
      stage.service("c", { run: sleeper, "log/run": sleeper });
      await stage.supervise("c");
      await stage.running("c");
      await stage.running("c/log");
      const log = "  log: run (pid N) S seconds\n";
      assertSays(await stage.run("runsvstat", ["-ll", "c/"]), `c/: run (pid N) S seconds\n${log}`);
      assertSays(await stage.run("runsvstat", ["./c"]), "./c: run (pid N) S seconds\n");
      assertSays(await stage.run("runsvstat", ["."], { cwd: stage.at("c") }), ".: run (pid N) S seconds\n");
      assertSays(await stage.run("runsvstat", ["-l", "."], { cwd: stage.at("c") }), `.: run (pid N) S seconds\n${log}`);
      assertSays(await stage.run("runsvstat", [stage.at("c")]), `${stage.at("c")}: run (pid N) S seconds\n`);
      assertSays(await stage.run("runsvstat", ["--", "c"]), "c: run (pid N) S seconds\n");
      const notThere = warns("-: unable to change directory: file does not exist");
      assertSays(await stage.run("runsvstat", ["-", "c"]), "c: run (pid N) S seconds\n", 1, notThere);
    },
    oursOnly,
  );

  story(
    10,
    "what cannot be asked is warned about, and counted",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      stage.service("b", { run: sleeper, down: "" });
      await stage.supervise("b");
      assertSays(
        await stage.run("runsvstat", ["a", "nonexist", "b", "/etc"]),
        "a: run (pid N) S seconds\nb: down S seconds\n",
        2,
        warns("nonexist: unable to change directory: file does not exist") + warns(`/etc: ${noSupervise}`),
      );
    },
    oursOnly,
  );

  story(
    11,
    "an option behind a service is a service",
    async (stage) => {
      stage.service("c", { run: sleeper, "log/run": sleeper });
      stage.service("a", { run: sleeper });
      for (const name of ["a", "c"]) {
        await stage.supervise(name);
        await stage.running(name);
      }
      assertSays(
        await stage.run("runsvstat", ["a", "-l", "c"]),
        "a: run (pid N) S seconds\nc: run (pid N) S seconds\n",
        1,
        warns("-l: unable to change directory: file does not exist"),
      );
    },
    oursOnly,
  );

  story(
    12,
    "a paused service, and one that goes on",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      assert.equal((await stage.run("runsvctrl", ["p", "a"])).code, 0);
      await stage.until("a is paused", () => stage.status("a").paused === 1);
      assertSays(await stage.run("runsvstat", ["a"]), "a: run (pid N) S seconds, paused\n");
      assert.equal((await stage.run("runsvctrl", ["c", "a"])).code, 0);
      await stage.until("a goes on", () => stage.status("a").paused === 0);
      assertSays(await stage.run("runsvstat", ["a"]), "a: run (pid N) S seconds\n");
    },
    oursOnly,
  );

  story(
    13,
    "a stubborn service that was told to go down",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      assert.equal((await stage.run("runsvctrl", ["d", "d"])).code, 0);
      await stage.until("d was sent TERM", () => stage.status("d").term === 1);
      assertSays(await stage.run("runsvstat", ["d"]), "d: run (pid N) S seconds, want down, got TERM\n");
    },
    oursOnly,
  );

  story(
    14,
    "down is looked at anew each time",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const { pid } = stage.status("a");
      stage.file("a/down", "");
      assertSays(await stage.run("runsvstat", ["a"]), "a: run (pid N) S seconds, normally down\n");
      fs.unlinkSync(stage.at("a/down"));
      assertSays(await stage.run("runsvstat", ["a"]), "a: run (pid N) S seconds\n");
      assert.equal(stage.status("a").pid, pid);
    },
    oursOnly,
  );

  story(
    "14 (Q9)",
    "down may be anything, but for a link that leads nowhere",
    async (stage) => {
      new HandMade(stage, "a", { pid: 7, phase: 1 });
      const normallyDown = "a: run (pid N) S seconds, normally down\n";
      fs.mkdirSync(stage.at("a/down"));
      assertSays(await stage.run("runsvstat", ["a"]), normallyDown);
      fs.rmdirSync(stage.at("a/down"));
      makeFifo(stage.at("a/down"));
      assertSays(await stage.run("runsvstat", ["a"]), normallyDown);
      fs.unlinkSync(stage.at("a/down"));
      fs.symlinkSync("nowhere", stage.at("a/down"));
      assertSays(await stage.run("runsvstat", ["a"]), "a: run (pid N) S seconds\n");
      fs.unlinkSync(stage.at("a/down"));
      fs.symlinkSync("down", stage.at("a/down"));
      const { err, code } = await stage.run("runsvstat", ["a"]);
      assert.deepEqual([err, code], [warns("a: unable to stat down: symbolic link loop"), 1]);
    },
    oursOnly,
  );

  story(
    15,
    "during finish, with the pid of that and the age of run",
    async (stage) => {
      await agedService(stage, "e", { run: sleeper, finish: sleeper });
      const { pid, seconds } = stage.status("e");
      assert.equal((await stage.run("runsvctrl", ["t", "e"])).code, 0);
      await stage.until("e is in finish", () => stage.status("e").phase === 2 && stage.status("e").pid !== 0);
      const earliest = Math.floor(Date.now() / 1000) - seconds;
      const outcome = await stage.run("runsvstat", ["e"]);
      assertSays(outcome, "e: finish (pid N) S seconds\n");
      const [, finishPid, age] = /pid (\d+)\) (\d+) /.exec(outcome.out) ?? assert.fail();
      assert.notEqual(Number(finishPid), pid);
      assert.equal(Number(finishPid), stage.status("e").pid);
      assert.ok(Number(age) >= Math.max(1, earliest), `${age} >= ${earliest}`);
      stage.tell("e", "d");
      await stage.until("e is wanted down", () => stage.status("e").want === "d");
      assert.match((await stage.run("runsvstat", ["e"])).out, /^e: finish \(pid \d+\) \d+ seconds, want down/);
    },
    oursOnly,
  );

  story(
    16,
    "a status of another length",
    async (stage) => {
      const scene = new HandMade(stage, "a", {});
      for (const length of [0, 10, 18, 19]) {
        scene.setStatus(encodeStatus({ pid: 7, phase: 1 }).slice(0, length));
        const bad = warns("a: unable to read supervise/status: bad format.");
        assertSays(await stage.run("runsvstat", ["a"]), "", 1, bad);
      }
      fs.unlinkSync(stage.at("a/supervise/status"));
      const missing = warns("a: unable to open supervise/status: file does not exist");
      assertSays(await stage.run("runsvstat", ["a"]), "", 1, missing);
      fs.mkdirSync(stage.at("a/supervise/status"));
      const directory = warns("a: unable to read supervise/status: is a directory");
      assertSays(await stage.run("runsvstat", ["a"]), "", 1, directory);
    },
    oursOnly,
  );

  story(
    17,
    "150 that are not there: the exit code is 100",
    async (stage) => {
      const names = Array.from({ length: 150 }, (_, index) => `no${index}`);
      const { err, code } = await stage.run("runsvstat", names);
      assert.equal(code, 100);
      assert.equal(
        err,
        names.map((name) => warns(`${name}: unable to change directory: file does not exist`)).join(""),
      );
      assert.equal((await stage.run("runsvstat", names.slice(0, 99))).code, 99);
    },
    oursOnly,
  );

  story(
    18,
    "a service whose runsv has exited",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      assert.equal((await stage.run("runsvctrl", ["x", "a"])).code, 0);
      await stage.until("its runsv is gone", () => !stage.isListening("a"));
      assertSays(await stage.run("runsvstat", ["a"]), "", 1, warns("a: runsv not running."));
    },
    oursOnly,
  );

  story(
    19,
    "with closed descriptors it ends as ever, and no file is taken for its output",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1 });
      const ok = fs.openSync(stage.at("a/supervise/ok"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      stage.atEnd(() => fs.closeSync(ok));
      for (const close of [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&- >&-"]) {
        const via = { via: shell(`exec ${close}`) };
        assert.deepEqual((await stage.run("runsvstat", ["a"], via)).code, 0, close);
        assert.deepEqual((await stage.run("runsvstat", ["nonexist"], via)).code, 1, close);
        assert.deepEqual((await stage.run("runsvstat", ["a", "nonexist", "a"], via)).code, 1, close);
        assert.deepEqual((await stage.run("runsvstat", [], via)).code, 1, close);
      }
      assert.equal(scene.heard(), "");
      const buffer = Buffer.alloc(10);
      const read = () => fs.readSync(ok, buffer);
      try {
        assert.equal(read(), 0);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
      }
      assert.equal(stage.status("a").pid, 7);
    },
    oursOnly,
  );

  story(
    20,
    "an ordinary user may not look, unless the modes allow it",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const denied = warns("a: unable to open supervise/ok: access denied");
      assertSays(await stage.run("runsvstat", ["a"], nobody), "", 1, denied);
      fs.chmodSync(stage.at("a/supervise"), 0o711);
      fs.chmodSync(stage.at("a/supervise/ok"), 0o622);
      fs.chmodSync(stage.at("a/supervise/status"), 0o644);
      assertSays(await stage.run("runsvstat", ["a"], nobody), "a: run (pid N) S seconds\n");
    },
    asUser,
  );

  story(
    "F",
    "a starting directory that cannot be opened is fatal",
    (stage) => assertFatalWithoutDirectory(stage, "runsvstat", ["a"], nobody),
    asUser,
  );

  story(
    "S1",
    "all there is to say, in order",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, paused: 1, want: "d", term: 1, phase: 1 });
      stage.file("a/down", "");
      const says = (line: string) => `a: ${line}\n`;
      const now = async () => withoutNumbers((await stage.run("runsvstat", ["a"])).out);
      assert.equal(await now(), says("run (pid N) S seconds, normally down, paused, want down, got TERM"));
      scene.setStatus({ pid: 7, paused: 1, want: "u", term: 1, phase: 2 });
      assert.equal(await now(), says("finish (pid N) S seconds, normally down, paused, got TERM"));
      scene.setStatus({ pid: 0, paused: 1, want: "u", term: 1, phase: 0 });
      assert.equal(await now(), says("down S seconds, want up"));
      scene.setStatus({ pid: 0, want: "u", phase: 2 });
      assert.equal(await now(), says("down S seconds, want up"));
      scene.setStatus({ pid: 7, want: "u", phase: 0 });
      assert.equal(await now(), says("(pid N) S seconds, normally down"));
      fs.unlinkSync(stage.at("a/down"));
      scene.setStatus({ pid: 0, want: "d", phase: 0 });
      assert.equal(await now(), says("down S seconds, normally up"));
    },
    oursOnly,
  );

  story(
    "S2",
    "ages and pids: large ones, 1 second, the future",
    async (stage) => {
      const scene = new HandMade(stage, "a", {});
      const seconds = () => Math.floor(Date.now() / 1000);
      const days = 219 * 86400;
      scene.setStatus({ seconds: seconds() - days, pid: 4194303, phase: 1 });
      assert.match((await stage.run("runsvstat", ["a"])).out, /^a: run \(pid 4194303\) 1892160\d seconds\n$/);
      scene.setStatus({ seconds: seconds() + 3600, pid: 1, phase: 1 });
      assert.equal((await stage.run("runsvstat", ["a"])).out, "a: run (pid 1) 0 seconds\n");
    },
    oursOnly,
  );

  story(
    "L1",
    "-l: log is no directory",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      stage.file("a/log", "");
      const { out, err, code } = await stage.run("runsvstat", ["-l", "a", "a"]);
      const line = "a: run (pid N) S seconds\n";
      assert.equal(withoutNumbers(out), line + line);
      assert.deepEqual([err, code], [warns("./log: not a directory.").repeat(2), 2]);
    },
    oursOnly,
  );

  story(
    "L2",
    "-l: the log service has no runsv",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      fs.mkdirSync(stage.at("a/log"));
      const line = "a: run (pid N) S seconds\n";
      const pseudo = "\n  log";
      assertSays(await stage.run("runsvstat", ["-l", "a"]), line, 1, warns(`${pseudo}: ${noSupervise}`));
      new HandMade(stage, "a/log", {}).leave();
      assertSays(await stage.run("runsvstat", ["-l", "a"]), line, 1, warns(`${pseudo}: runsv not running.`));
      // The next one is found all the same, and so is its log service.
      stage.service("c", { run: sleeper, "log/run": sleeper });
      await stage.supervise("c");
      await sleeping(stage, "c");
      await stage.running("c/log");
      const more = "c: run (pid N) S seconds\n  log: run (pid N) S seconds\n";
      assertSays(
        await stage.run("runsvstat", ["-l", "a", "c"]),
        line + more,
        1,
        warns(`${pseudo}: runsv not running.`),
      );
    },
    oursOnly,
  );

  story(
    "L3",
    "-l: where the service itself fails, its log service is not looked at",
    async (stage) => {
      await abandonedService(stage, "a");
      new HandMade(stage, "a/log", { pid: 7, phase: 1 });
      assertSays(await stage.run("runsvstat", ["-l", "a"]), "", 1, warns("a: runsv not running."));
    },
    oursOnly,
  );

  story(
    "L4 (Q11)",
    "-l: a log that may not be entered does not hinder the next ones",
    async (stage) => {
      for (const name of ["a", "b"]) {
        new HandMade(stage, name, { pid: 7, phase: 1 });
        fs.chmodSync(stage.at(name, "supervise/ok"), 0o666);
      }
      fs.mkdirSync(stage.at("a/log"));
      fs.chmodSync(stage.at("a/log"), 0);
      const { out, err, code } = await stage.run("runsvstat", ["-l", "a", "b"], nobody);
      assert.equal(withoutNumbers(out), "a: run (pid N) S seconds\nb: run (pid N) S seconds\n");
      assert.match(err, /^runsvstat: warning: (\.\/|\n {2})log: unable to change directory: access denied\n$/);
      assert.equal(code, 1);
    },
    { ...asUser, differs: "legacy-log-return" },
  );
});
