// svwaitdown: spec/legacy.md, sections 2 and 5.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { encodeStatus, isRoot, shell, stories } from "../stage.ts";
import { abandonedService, agedService, downService, HandMade, sleeper, sleeping, stubborn } from "../sv/scenes.ts";
import {
  assertFatalWithoutDirectory,
  assertOptions,
  assertTells,
  assertTook,
  assertUsage,
  assertVersion,
  finishes,
  nobody,
  oursOnly,
  slowService,
  warning,
} from "./scenes.ts";

const asUser = { ...oursOnly, skip: isRoot ? false : "only root can become another user" } as const;
const warns = (text: string) => warning("svwaitdown", text);
const says = (text: string) => `svwaitdown: ${text}\n`;
const timeout = says("timeout.");
const run = (stage: Stage, ...args: string[]) => stage.run("svwaitdown", args);

stories("svwaitdown", (story) => {
  story(
    28,
    "wrong usage: no service, or a limit that is none",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1 });
      for (const args of [
        [],
        ["-v"],
        ["-xk"],
        ["--"],
        ["-t", "5"],
        ["-t", "0", "a"],
        ["-t0", "a"],
        ["-t", "6001", "a"],
        ["-t", "99999999999999999999", "a"],
        ["-t", "abc", "a"],
        ["-t", "x5", "a"],
        ["-t", "-5", "a"],
        ["-t", "", "a"],
        ["-xkt", "0", "a"],
      ]) {
        await assertUsage(stage, "svwaitdown", args);
      }
      await assertUsage(stage, "svwaitdown", ["-t"], "option requires an argument -- t");
      await assertUsage(stage, "svwaitdown", ["-xkt"], "option requires an argument -- t");
      assert.equal(scene.heard(), "");
    },
    oursOnly,
  );

  story(
    "28 (options)",
    "an unknown option is named, then comes the usage",
    (stage) => assertOptions(stage, "svwaitdown"),
    oursOnly,
  );
  story(
    "28 (-V)",
    "-V names its version, then comes the usage",
    (stage) => assertVersion(stage, "svwaitdown"),
    oursOnly,
  );

  story(
    "28 (numbers)",
    "what follows the digits of the limit does not count",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      for (const args of [
        ["-vt1x", "d"],
        ["-v", "-t", "1.9", "d"],
        ["-t", "6000", "-vt001", "d"],
      ]) {
        const outcome = await run(stage, ...args);
        assertTells(outcome, timeout, 111);
        assertTook(outcome, 0.9, 5);
      }
    },
    oursOnly,
  );

  story(
    29,
    "a running service goes down; one that is down is not waited for",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const first = await run(stage, "a");
      assertTells(first, "");
      assertTook(first, 0, 2);
      assert.deepEqual([stage.status("a").pid, stage.status("a").want], [0, "d"]);
      const second = await run(stage, "a");
      assertTells(second, "");
      assertTook(second, 0, 0.95); // one round of the original is a second
    },
    oursOnly,
  );

  story(
    30,
    "-v tells of each, in the order of the arguments; the log service stays",
    async (stage) => {
      stage.service("a", { run: sleeper });
      stage.service("b", { run: sleeper, down: "" });
      stage.service("c", { run: sleeper, "log/run": sleeper });
      for (const name of ["a", "b", "c"]) await stage.supervise(name);
      for (const name of ["a", "c", "c/log"]) await stage.running(name);
      const log = stage.status("c/log").pid;
      assertTells(await run(stage, "-v", "a", "b", "c"), says("a: down.") + says("b: down.") + says("c: down."));
      assert.equal(stage.status("c/log").pid, log);
      assert.ok(stage.isLiving(log));
    },
    oursOnly,
  );

  story(
    31,
    "where no runsv is, all is done; where never one was, it warns",
    async (stage) => {
      await abandonedService(stage, "a");
      fs.mkdirSync(stage.at("n"));
      assertTells(await run(stage, "a"), "");
      assertTells(await run(stage, "-v", "a"), says("a: runsv not running."));
      const warned = warns("n: unable to open supervise/ok: file does not exist");
      assertTells(await run(stage, "-v", "n", "a"), warned + says("a: runsv not running."), 1);
    },
    oursOnly,
  );

  story(
    "31 (Q8)",
    "what fails is told once, though it fails twice",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      stage.file("FILE", "");
      assertTells(
        await run(stage, "nonexist", "FILE", "a"),
        warns("nonexist: unable to change directory: file does not exist") +
          warns("FILE: unable to change directory: not a directory"),
        2,
      );
      assert.equal(stage.status("a").pid, 0);
      const names = Array.from({ length: 150 }, () => "nonexist");
      assert.equal((await run(stage, ...names)).code, 100);
    },
    oursOnly,
  );

  story(
    32,
    "the limit: it gives up, and the service runs on",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      const { pid } = stage.status("d");
      const outcome = await run(stage, "-v", "-t", "2", stage.at("d"));
      assertTells(outcome, timeout, 111);
      assertTook(outcome, 1.9, 4);
      assert.deepEqual([stage.status("d").pid, stage.status("d").term], [pid, 1]);
      assertTells(await run(stage, "-t", "1", "d"), "", 111);
    },
    oursOnly,
  );

  story(
    33,
    "after the limit nothing is said about the others",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      await downService(stage, "b", { run: sleeper });
      assertTells(await run(stage, "-v", "-t", "1", stage.at("d"), stage.at("b")), timeout, 111);
    },
    oursOnly,
  );

  story(
    "33 (order)",
    "those before the one that does not end are told of",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      await agedService(stage, "d", { run: stubborn });
      assertTells(await run(stage, "-v", "-t", "2", "a", "d"), says("a: down.") + timeout, 111);
    },
    oursOnly,
  );

  story(
    34,
    "-k kills at the limit, says so without -v, and awaits the end",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      const { pid } = stage.status("d");
      const outcome = await run(stage, "-k", "-t", "2", stage.at("d"));
      assert.equal(stage.status("d").pid, 0);
      assert.ok(!stage.isLiving(pid));
      assertTells(outcome, says(`${stage.at("d")}: killed.`), 111);
      assertTook(outcome, 1.9, 5);
    },
    { ...oursOnly, differs: "legacy-kill-waits" },
  );

  story(
    "34 (-v)",
    "-k with -v tells of the limit first",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      assertTells(await run(stage, "-vkt1", stage.at("d")), timeout + says(`${stage.at("d")}: killed.`), 111);
      await stage.until("d is down", () => stage.status("d").pid === 0);
    },
    oursOnly,
  );

  story(
    35,
    "-k: whether the last one was killed decides about the exit code",
    async (stage) => {
      for (const name of ["d", "e"]) await agedService(stage, name, { run: stubborn });
      await downService(stage, "b", { run: sleeper });
      const [b, d, e] = ["b", "d", "e"].map((name) => stage.at(name)) as [string, string, string];
      assertTells(await run(stage, "-k", "-t", "2", d, b), says(`${d}: killed.`), 0);
      assertTells(await run(stage, "-k", "-t", "2", b, e), says(`${e}: killed.`), 111);
      await stage.until("both are down", () => stage.status("d").pid === 0 && stage.status("e").pid === 0);
    },
    oursOnly,
  );

  story(
    "35 (failures)",
    "-k: failures count as ever, when the last one was not killed",
    async (stage) => {
      await agedService(stage, "d", { run: stubborn });
      assertTells(
        await run(stage, "-kt1", "d", "nonexist"),
        says("d: killed.") + warns("nonexist: unable to change directory: file does not exist"),
        1,
      );
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    36,
    "-k with a relative name",
    async (stage) => {
      for (const name of ["d", "e"]) await agedService(stage, name, { run: stubborn });
      assertTells(await run(stage, "-k", "-t", "2", "d", "./e"), says("d: killed.") + says("./e: killed."), 111);
      await stage.until("both are down", () => stage.status("d").pid === 0 && stage.status("e").pid === 0);
    },
    { ...oursOnly, differs: "legacy-relative-names" },
  );

  story(
    37,
    "the limit is one for all: two stubborn services are killed at the same time",
    async (stage) => {
      const names = ["d", "d2"].map((name) => stage.at(name));
      for (const name of ["d", "d2"]) await agedService(stage, name, { run: stubborn });
      const outcome = await run(stage, "-k", "-t", "3", ...names);
      assertTells(outcome, names.map((name) => says(`${name}: killed.`)).join(""), 111);
      assertTook(outcome, 2.9, 5.8);
      await stage.until("both are down", () => stage.status("d").pid === 0 && stage.status("d2").pid === 0);
    },
    oursOnly,
  );

  story(
    38,
    "finish is waited for",
    async (stage) => {
      await agedService(stage, "e", { run: sleeper, finish: finishes(3) });
      const outcome = await run(stage, "-v", "e");
      assertTells(outcome, says("e: down."));
      assertTook(outcome, 2.9, 6);
      assert.equal(stage.status("e").pid, 0);
    },
    oursOnly,
  );

  story(
    "38 (limit)",
    "a finish that takes longer than the limit is not killed, with -k neither",
    async (stage) => {
      await agedService(stage, "e", { run: sleeper, finish: "echo begins >>finished\nsleep 6\necho ends >>finished" });
      assertTells(await run(stage, "-t", "1", "e"), "", 111);
      const { phase, pid } = stage.status("e");
      assert.equal(phase, 2);
      assertTells(await run(stage, "-kt1", stage.at("e")), says(`${stage.at("e")}: killed.`), 111);
      assert.deepEqual([stage.status("e").phase, stage.status("e").pid], [2, pid]);
      await stage.until("e is down", () => stage.status("e").pid === 0);
      assert.equal(stage.read("e/finished"), "begins\nends\n");
    },
    oursOnly,
  );

  story(
    "38 (between)",
    "between run and finish there is no process, and it is not down yet",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 0, phase: 2, want: "d" });
      const waiting = stage.start("svwaitdown", ["-v", "a"]);
      await stage.becomes(() => scene.heard(), "d");
      await stage.span(300);
      assert.ok(waiting.isAlive, waiting.err);
      scene.setStatus({ pid: 9, phase: 2, want: "d" });
      await stage.span(300);
      assert.ok(waiting.isAlive, waiting.err);
      scene.setStatus({ pid: 0, phase: 0, want: "d" });
      assertTells(await stage.end(waiting), says("a: down."));
    },
    oursOnly,
  );

  story(
    39,
    "-x: runsv ends too",
    async (stage) => {
      const runsv = await agedService(stage, "a", { run: sleeper });
      const { pid } = stage.status("a");
      assertTells(await run(stage, "-x", "-v", stage.at("a")), says(`${stage.at("a")}: runsv not running.`));
      assert.ok(!stage.isLiving(pid));
      assert.equal((await stage.end(runsv)).code, 0);
      const again = await run(stage, "-xv", stage.at("a"));
      assertTells(again, says(`${stage.at("a")}: runsv not running.`));
      assertTook(again, 0, 0.95);
    },
    oursOnly,
  );

  story(
    "39 (down)",
    "-x: a service that is down is not enough",
    async (stage) => {
      stage.service("c", { run: sleeper, down: "", "log/run": "exec cat" });
      const runsv = await stage.supervise("c");
      await stage.running("c/log");
      assertTells(await run(stage, "-x", "c"), "");
      assert.equal((await stage.end(runsv)).code, 0);
      await stage.until("all have ended", () => stage.processes().length === 0);
    },
    oursOnly,
  );

  story(
    40,
    "a service that somebody sends up meanwhile is told to go down again",
    async (stage) => {
      await slowService(stage, "s", 1);
      const { pid } = stage.status("s");
      const waiting = stage.start("svwaitdown", ["-v", "s"]);
      await stage.until("it is told to go down", () => stage.status("s").want === "d");
      stage.tell("s", "u");
      assertTells(await stage.end(waiting), says("s: down."));
      assert.deepEqual([stage.status("s").pid, stage.status("s").want], [0, "d"]);
      assert.ok(!stage.isLiving(pid));
    },
    oursOnly,
  );

  for (const [number, args, bytes] of [
    ["40 (bytes)", [], "d"],
    ["40 (bytes, -x)", ["-x"], "dx"],
  ] as const) {
    story(
      number,
      `${bytes} is what is sent, and sent again only where it is not wanted down`,
      async (stage) => {
        const scene = new HandMade(stage, "a", { pid: 7, phase: 1, want: "u" });
        const waiting = stage.start("svwaitdown", [...args, "-v", "a"]);
        let heard = "";
        const hears = (text: string) =>
          stage.becomes(() => {
            heard += scene.heard();
            return heard.slice(0, text.length);
          }, text);
        await hears(bytes);
        scene.setStatus({ pid: 7, phase: 1, want: "d" });
        // It may have looked before that; from now on it has nothing to send.
        await stage.span(1500);
        heard += scene.heard();
        assert.equal(heard.replaceAll(bytes, ""), "", heard);
        heard = "";
        await stage.span(1500);
        assert.equal(scene.heard(), "");
        scene.setStatus({ pid: 8, phase: 1, want: "u" });
        await hears(bytes);
        scene.setStatus({ pid: 0, phase: 0, want: "d" });
        if (bytes === "dx") {
          await stage.span(1500);
          assert.ok(waiting.isAlive, "runsv is there still");
          scene.leave();
        }
        assertTells(await stage.end(waiting), says(bytes === "dx" ? "a: runsv not running." : "a: down."));
      },
      oursOnly,
    );
  }

  story(
    "40 (all at once)",
    "all are told at the beginning, and end side by side",
    async (stage) => {
      const names = ["s1", "s2", "s3"];
      for (const name of names) await slowService(stage, name, 1.5);
      const outcome = await run(stage, "-v", ...names);
      assertTells(outcome, names.map((name) => says(`${name}: down.`)).join(""));
      assertTook(outcome, 0, 4);
    },
    oursOnly,
  );

  story(
    41,
    "a status of 18 bytes is one, of 19 none",
    async (stage) => {
      const scene = new HandMade(stage, "a", {});
      const down = encodeStatus({ pid: 0, phase: 0, want: "d" });
      for (const length of [18, 20]) {
        scene.setStatus(down.slice(0, length));
        assertTells(await run(stage, "-v", "a"), says("a: down."));
      }
      for (const length of [0, 17, 19]) {
        scene.setStatus(down.slice(0, length));
        const bad = warns("a: unable to read supervise/status: bad format.");
        assertTells(await run(stage, "-v", "a"), bad, 1);
      }
    },
    oursOnly,
  );

  story(
    "41 (Q5)",
    "a status that is missing or a directory",
    async (stage) => {
      new HandMade(stage, "a", {});
      fs.unlinkSync(stage.at("a/supervise/status"));
      assertTells(await run(stage, "a"), warns("a: unable to open supervise/status: file does not exist"), 1);
      fs.mkdirSync(stage.at("a/supervise/status"));
      assertTells(await run(stage, "a"), warns("a: unable to read supervise/status: is a directory"), 1);
    },
    { ...oursOnly, differs: "legacy-colon" },
  );

  story(
    "W",
    "a control pipe that is full, once it is to be written again",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1, want: "u" });
      const fd = fs.openSync(stage.at("a/supervise/control"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
      stage.atEnd(() => fs.closeSync(fd));
      assert.throws(() => {
        for (;;) fs.writeSync(fd, Buffer.alloc(4096, "."));
      }, /EAGAIN/);
      assertTells(
        await run(stage, "-t", "3", "a"),
        warns("a: unable to write to supervise/control: temporary failure"),
        1,
      );
      assert.match(scene.heard(), /^\.+$/);
    },
    oursOnly,
  );

  story(
    "C",
    "with closed descriptors it ends as ever, and sends nothing but the command",
    async (stage) => {
      await downService(stage, "b", { run: sleeper });
      for (const close of [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"]) {
        const via = { via: shell(`exec ${close}`) };
        assert.equal((await stage.run("svwaitdown", ["-v", "b"], via)).code, 0, close);
        assert.equal((await stage.run("svwaitdown", ["-v", "b", "nonexist"], via)).code, 1, close);
        const name = `d${close.replaceAll(/\W/g, "-")}`;
        const scene = new HandMade(stage, name, { pid: 7, phase: 1, want: "d" });
        assert.equal((await stage.run("svwaitdown", ["-vkt1", name], via)).code, 111, close);
        assert.equal(scene.heard(), "dk", close);
      }
    },
    oursOnly,
  );

  story(
    "D",
    "the directory it was started in may be renamed meanwhile",
    async (stage) => {
      await slowService(stage, "here/s", 1);
      await agedService(stage, "here/a", { run: sleeper });
      const waiting = stage.start("svwaitdown", ["-v", "s", "a"], { cwd: stage.at("here") });
      await stage.until("it is told to go down", () => stage.status("here/s").want === "d");
      fs.renameSync(stage.at("here"), stage.at("there"));
      assertTells(await stage.end(waiting), says("s: down.") + says("a: down."));
    },
    oursOnly,
  );

  story(
    "P",
    "an ordinary user may not",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const { pid } = stage.status("a");
      const { err, code } = await stage.run("svwaitdown", ["-xkt1", "a"], nobody);
      assert.deepEqual([err, code], [warns("a: unable to open supervise/ok: access denied"), 1]);
      assert.equal(stage.status("a").pid, pid);
      // One who may look, but not control.
      fs.chmodSync(stage.at("a/supervise"), 0o711);
      fs.chmodSync(stage.at("a/supervise/ok"), 0o622);
      fs.chmodSync(stage.at("a/supervise/status"), 0o644);
      assertTells(
        await stage.run("svwaitdown", ["-t1", "a"], nobody),
        warns("a: unable to open supervise/control: access denied"),
        1,
      );
      assert.equal(stage.status("a").pid, pid);
    },
    asUser,
  );

  story(
    "F",
    "a starting directory that cannot be opened is fatal",
    (stage) => assertFatalWithoutDirectory(stage, "svwaitdown", ["a"], nobody),
    asUser,
  );

  story(
    "S",
    "a service that is down and wanted up is told to stay down",
    async (stage) => {
      stage.service("z", { run: "exit 1", finish: "exit 0" });
      await stage.supervise("z");
      await stage.until("z was there", () => stage.exists("z/supervise/status"));
      assertTells(await run(stage, "-v", "z"), says("z: down."));
      await stage.becomes(() => stage.status("z").want, "d");
      await stage.becomes(() => stage.status("z").pid, 0);
      await agedService(stage, "a", { run: sleeper });
      await sleeping(stage, "a");
      assertTells(await run(stage, "a", "a", "./a"), "");
    },
    oursOnly,
  );
});
