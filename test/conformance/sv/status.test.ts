// The status line: spec/sv.md, sections 6 and 7.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage, Status } from "../stage.ts";
import { encodeStatus, stories, tai64Base } from "../stage.ts";
import {
  abandonedService,
  agedService,
  assertSays,
  assertSaysInTime,
  assertSaysOf,
  crashing,
  downService,
  HandMade,
  makeFifo,
  sleeper,
  sleeping,
  stubborn,
  withoutNumbers,
} from "./scenes.ts";

const status = (stage: Stage, ...names: string[]) => stage.run("sv", ["status", ...names]);
const everything: Partial<Status> = { pid: 7, paused: 1, want: "d", term: 1, phase: 1 };
const notRunning = "fail: a: runsv not running\n";

stories("sv", (story) => {
  story(17, "any word with s is status", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    for (const word of ["s", "sta", "sxyz", "status"]) {
      assertSaysOf(stage.status("a").pid, await stage.run("sv", [word, "a"]), "run: a: (pid N) Ns\n");
    }
  });

  story(18, "a directory that never had a runsv", async (stage) => {
    stage.service("a", { run: sleeper });
    for (const words of [["status"], ["up"], ["exit"], ["-v", "exit"]]) {
      assertSays(
        await stage.run("sv", [...words, "a"]),
        "warning: a: unable to open supervise/ok: file does not exist\n",
        1,
      );
    }
  });

  story(19, "a service whose runsv has exited", async (stage) => {
    await abandonedService(stage, "a");
    for (const word of ["status", "up", "start", "check"]) {
      assertSays(await stage.run("sv", [word, "a"]), notRunning, 1);
    }
  });

  story(20, "where runsv has exited, telling it to exit is no error", async (stage) => {
    await abandonedService(stage, "a");
    for (const words of [["exit"], ["-v", "x"], ["shutdown"], ["force-shutdown"], ["E"], ["X"]]) {
      assertSays(await stage.run("sv", [...words, "a"]), "ok: a: runsv not running\n");
    }
  });

  story(21, "a paused service", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    stage.tell("a", "p");
    await stage.until("a is paused", () => stage.status("a").paused === 1);
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns, paused\n");
  });

  story(22, "a paused service that is to run once", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    stage.tell("a", "po");
    await stage.until("a is paused and runs once", () => stage.status("a").want === "d");
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns, paused, want down\n");
  });

  story(23, "a running service that is normally down", async (stage) => {
    stage.service("a", { run: sleeper, down: "" });
    await stage.supervise("a");
    stage.tell("a", "u");
    await stage.running("a");
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns, normally down\n");
  });

  story(24, "a service that is down", async (stage) => {
    await downService(stage, "a", { run: sleeper });
    assertSays(await status(stage, "a"), "down: a: Ns, normally up\n");
    stage.service("b", { run: sleeper, down: "" });
    await stage.supervise("b");
    assertSays(await status(stage, "b"), "down: b: Ns\n");
  });

  story(25, "a crashing service in its throttle second", async (stage) => {
    stage.service("a", { run: crashing });
    await stage.supervise("a");
    await assertSaysInTime(() => status(stage, "a"), "down: a: Ns, normally up, want up\n");
  });

  story(26, "a stubborn service that was told to go down", async (stage) => {
    await agedService(stage, "a", { run: stubborn });
    stage.tell("a", "d");
    await stage.until("a was sent TERM", () => stage.status("a").term === 1);
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns, want down, got TERM\n");
  });

  story(27, "during finish, with the age of ./run", async (stage) => {
    await agedService(stage, "a", { run: sleeper, finish: sleeper });
    const started = stage.status("a").seconds;
    stage.tell("a", "t");
    await stage.until("a is in finish", () => stage.status("a").phase === 2 && stage.status("a").pid !== 0);
    const earliest = Math.floor(Date.now() / 1000) - started;
    const finishing = await status(stage, "a");
    const latest = Math.floor(Date.now() / 1000) - started;
    assertSaysOf(stage.status("a").pid, finishing, "finish: a: (pid N) Ns\n");
    const age = Number(/ (\d+)s/.exec(finishing.out)?.[1]);
    assert.ok(earliest <= age && age <= latest, `${earliest} <= ${age} <= ${latest}`);
    assert.ok(age >= 1);
    stage.tell("a", "p");
    await stage.until("a is paused", () => stage.status("a").paused === 1);
    assertSays(await status(stage, "a"), "finish: a: (pid N) Ns, paused\n");
  });

  story(28, "finish without a process", async (stage) => {
    new HandMade(stage, "a", { phase: 2, pid: 0, want: "u" });
    const outcome = await status(stage, "a");
    assertSays(outcome, "finish: a: (pid N) Ns, normally up, want up\n");
    assert.ok(outcome.out.includes("(pid 0)"), outcome.out);
  });

  story(29, "down with a process", async (stage) => {
    new HandMade(stage, "a", { phase: 0, pid: 5, want: "u" });
    assertSays(await status(stage, "a"), "down: a: Ns\n");
  });

  story(30, "an unknown phase has no word", async (stage) => {
    new HandMade(stage, "a", { phase: 3, pid: 7, want: "u" });
    assertSaysOf(7, await status(stage, "a"), "a: (pid N) Ns\n");
    new HandMade(stage, "b", { phase: 7, pid: 8, want: "u" });
    assertSaysOf(8, await status(stage, "b"), "b: (pid N) Ns\n");
  });

  story(31, "a start in the future is 0 seconds ago", async (stage) => {
    new HandMade(stage, "a", { seconds: Math.floor(Date.now() / 1000) + 3600, pid: 7, phase: 1 });
    assert.equal((await status(stage, "a")).out, "run: a: (pid 7) 0s\n");
  });

  story(32, "everything at once", async (stage) => {
    new HandMade(stage, "a", everything);
    stage.file("a/down", "");
    assertSaysOf(7, await status(stage, "a"), "run: a: (pid N) Ns, normally down, paused, want down, got TERM\n");
  });

  story(33, "a status that is too short", async (stage) => {
    new HandMade(stage, "a", new Uint8Array(3));
    assertSays(await status(stage, "a"), "warning: a: unable to read supervise/status: bad format\n", 1);
  });

  story(34, "a status that is longer than needed", async (stage) => {
    new HandMade(stage, "a", new Uint8Array([...encodeStatus({ pid: 7, phase: 1 }), 1, 2, 3, 4, 5]));
    assertSaysOf(7, await status(stage, "a"), "run: a: (pid N) Ns\n");
  });

  story(35, "a status that is missing or a directory", async (stage) => {
    new HandMade(stage, "a", {});
    fs.unlinkSync(stage.at("a/supervise/status"));
    assertSays(await status(stage, "a"), "warning: a: unable to open supervise/status: file does not exist\n", 1);
    fs.mkdirSync(stage.at("a/supervise/status"));
    assertSays(await status(stage, "a"), "warning: a: unable to read supervise/status: is a directory\n", 1);
  });

  story(36, "a down file that cannot be examined", async (stage) => {
    const complaint = "warning: unable to stat a/down: symbolic link loop\n";
    await agedService(stage, "a", { run: sleeper });
    fs.symlinkSync("down", stage.at("a/down"));
    assertSays(await status(stage, "a"), "\n", 0, complaint);
    assertSays(await stage.run("sv", ["start", "a"]), "ok: \n", 0, complaint);
  });

  story(37, "a service with a log service", async (stage) => {
    await agedService(stage, "a", { run: sleeper, "log/run": sleeper });
    const log = await sleeping(stage, "a/log");
    const outcome = await status(stage, "a");
    assertSaysOf(stage.status("a").pid, outcome, "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
    assert.ok(outcome.out.includes(`run: log: (pid ${log})`), outcome.out);
  });

  story(38, "a log service that is normally down", async (stage) => {
    await agedService(stage, "a", { run: sleeper, "log/run": sleeper, "log/down": "" });
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns; down: log: Ns\n");
    stage.tell("a/log", "u");
    await sleeping(stage, "a/log");
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns; run: log: (pid N) Ns, normally down\n");
  });

  story(39, "a log that is a plain file", async (stage) => {
    await agedService(stage, "a", { run: sleeper, log: "" });
    assertSays(
      await status(stage, "a"),
      "run: a: (pid N) Ns; warning: a/log: unable to change directory: not a directory\n",
      1,
    );
  });

  story(
    40,
    "a log directory that was made after runsv started",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      stage.service("a/log", { run: sleeper });
      const outcome = await status(stage, "a");
      const warning = "run: a: (pid N) Ns; warning: a/log: unable to open supervise/ok: file does not exist\n";
      // The original invents a log service with the pid of the main one.
      assertSays(outcome, stage.isOurs ? warning : `${warning}run: log: (pid N) Ns\n`, 1);
      if (!stage.isOurs) assert.ok(outcome.out.includes(`run: log: (pid ${stage.status("a").pid})`), outcome.out);
    },
    { differs: "sv-log-line" },
  );

  story(41, "a log directory with an ok pipe that nobody reads", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    fs.mkdirSync(stage.at("a/log/supervise"), { recursive: true });
    makeFifo(stage.at("a/log/supervise/ok"));
    assertSays(await status(stage, "a"), "run: a: (pid N) Ns; fail: a/log: runsv not running\n", 1);
  });

  story(42, "a log service asked for by its own name", async (stage) => {
    await agedService(stage, "a", { run: sleeper, "log/run": sleeper });
    const log = await sleeping(stage, "a/log");
    assertSaysOf(log, await status(stage, "a/log"), "run: a/log: (pid N) Ns\n");
  });

  story(43, "several services, in the order of the command line", async (stage) => {
    await Promise.all(["a", "b", "c"].map((name) => agedService(stage, name, { run: sleeper })));
    const missing = (name: string) => `fail: ${name}: unable to change to service directory: file does not exist\n`;
    const outcome = await status(stage, "a", "zz", "b", "yy", "c");
    assertSays(
      outcome,
      `run: a: (pid N) Ns\n${missing("zz")}run: b: (pid N) Ns\n${missing("yy")}run: c: (pid N) Ns\n`,
      2,
    );
    const pids = ["a", "b", "c"].map((name) => `(pid ${stage.status(name).pid})`);
    assert.deepEqual(outcome.out.match(/\(pid \d+\)/g), pids);
  });

  story(44, "no more than 99 errors are counted", async (stage) => {
    const names = Array.from({ length: 150 }, (_, index) => `x${index}`);
    const { out, code } = await status(stage, ...names);
    assert.equal(out.split("\n").length, 151);
    assert.equal(code, 99);
  });

  story(99, "an output that cannot be written changes nothing", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    assertSays(await stage.sh("exec sv status a"), "run: a: (pid N) Ns\n");
    assertSays(await stage.sh("exec sv status a >&-"), "");
    assertSays(await stage.sh("exec sv status a >/dev/full"), "");
  });

  story(113, "an age of 19 digits is exact", async (stage) => {
    const bytes = encodeStatus({ pid: 7, phase: 1 });
    bytes.fill(0, 0, 12);
    new HandMade(stage, "a", bytes);
    const earliest = tai64Base + BigInt(Math.floor(Date.now() / 1000));
    const outcome = await status(stage, "a");
    const latest = tai64Base + BigInt(Math.floor(Date.now() / 1000));
    assert.equal(withoutNumbers(outcome.out), "run: a: (pid N) Ns\n");
    const age = BigInt(/ (\d+)s/.exec(outcome.out)?.[1] ?? "0");
    assert.ok(earliest <= age && age <= latest, outcome.out);
  });
});
