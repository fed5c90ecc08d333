// The log service: its pipe, its life, and how it ends after its service (runsv.md sections 9 and 10).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Running, Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  awaitsFile,
  essence,
  exits,
  isGone,
  lines,
  recorder,
  says,
  signals,
  sleeper,
  stat,
  superviseRecorder,
} from "./scripts.ts";

const collects = "exec cat >>got";
/** Reads to the end of its input, tells so, and takes its time until the file `over` is there. */
const slowToEnd = recorder({ first: "cat >>got\necho EOF >>signals", end: "over" });
/** A pipe holds 64 KiB: fills it, tells so, then blocks until somebody reads. */
const fillsPipe = "dd if=/dev/zero bs=65536 count=1 2>/dev/null\n: >full\necho more\n: >done\nexec sleep 1000";

/** A service whose log is ending: x was told, the service has ended, log has seen the end of its input. */
async function superviseEndingLog(stage: Stage, files: Record<string, string> = {}): Promise<Running> {
  stage.service("svc", { run: `echo "start $$"\n${sleeper}`, "log/run": slowToEnd, ...files });
  const runsv = await stage.supervise("svc");
  await stage.running("svc");
  await stage.running("svc/log");
  await stage.until("the service has started", () => lines(stage, "svc/log/got").includes(`start ${pidOf(stage)}`));
  stage.tell("svc", "x");
  await signals(stage, "svc/log", "EOF");
  await stat(stage, "svc", "down");
  await stat(stage, "svc/log", "run, want exit");
  return runsv;
}
const pidOf = (stage: Stage) => stage.status("svc").pid;
const countOf = (text: string, part: string) => text.split(part).length - 1;

const closeWarnings = [
  "warning: unable to close logpipe[1]: file descriptor not open",
  "warning: unable to close logpipe[0]: file descriptor not open",
];

stories("runsv", (story) => {
  story(
    30,
    "log/down keeps the log service down",
    async (stage) => {
      stage.service("svc", { run: sleeper, "log/run": collects, "log/down": "" });
      await stage.supervise("svc");
      await stage.running("svc");
      assert.equal(stage.stat("svc/log"), "down");
      assert.deepEqual(essence(stage.status("svc/log")), { pid: 0, want: "d", phase: 0 });
      assert.equal(stage.exists("svc/log/supervise/pid"), stage.isOurs);
      assert.equal(stage.peek("svc/log/supervise/pid"), "");

      stage.tell("svc/log", "u");
      const pid = await stage.running("svc/log");
      assert.equal(stage.read("svc/log/supervise/pid"), `${pid}\n`);
    },
    { differs: "runsv-log-pid-file" },
  );

  story(84, "told x, the service ends first, and its log at the end of its input", async (stage) => {
    const log = recorder({ first: "cat >/dev/null\necho EOF >>signals", end: "over" });
    stage.service("svc", { run: recorder(), "log/run": log });
    const { runsv } = await superviseRecorder(stage, "svc");
    const pid = await stage.running("svc/log");
    await signals(stage, "svc/log", "");
    stage.tell("svc", "x");
    await signals(stage, "svc", "TERM CONT");
    await stat(stage, "svc", "run, got TERM, want exit");
    await stat(stage, "svc/log", "run");

    stage.file("svc/end", "");
    await signals(stage, "svc/log", "EOF"); // and no signal
    await stat(stage, "svc", "down");
    await stat(stage, "svc/log", "run, want exit");
    assert.deepEqual(essence(stage.status("svc/log")), { pid, want: "d", phase: 1 });
    assert.ok(runsv.isAlive);

    stage.file("svc/log/over", "");
    await exits(stage, runsv);
    await signals(stage, "svc/log", "EOF");
    await stat(stage, "svc/log", "down");
    assert.deepEqual(essence(stage.status("svc/log")), { pid: 0, want: "d", phase: 0 });
    assert.equal(runsv.err, "");
  });

  story(
    85,
    "a log service that is ending is told u and d",
    async (stage) => {
      const runsv = await superviseEndingLog(stage);
      stage.tell("svc/log", "u");
      stage.tell("svc/log", "a"); // acted on after u
      await signals(stage, "svc/log", "EOF ALRM");
      await says(stage, runsv, "svc", ...(stage.isOurs ? [] : closeWarnings));
      await stat(stage, "svc/log", "run, want exit");

      stage.tell("svc/log", "d");
      await signals(stage, "svc/log", "EOF ALRM TERM CONT");
      await stat(stage, "svc/log", "run, got TERM, want exit");
      await says(stage, runsv, "svc", ...(stage.isOurs ? [] : [...closeWarnings, ...closeWarnings]));

      assert.ok(runsv.isAlive);
      stage.file("svc/log/over", "");
      await exits(stage, runsv);
    },
    { differs: "runsv-restart-while-log-ends" },
  );

  const noDescriptor = "fatal: unable to setup filedescriptor for ./run: file descriptor not open";

  story(
    86,
    "a service whose log is ending is told u",
    async (stage) => {
      const runsv = await superviseEndingLog(stage);
      const before = stage.status("svc/log").pid;
      stage.tell("svc", "u");
      if (stage.isOurs) {
        await stage.becomes(() => stage.status("svc").want, "u");
        stage.file("svc/log/over", "");
        await stage.until("log runs again", () => {
          const { pid, phase } = stage.status("svc/log");
          return phase === 1 && pid !== before;
        });
        const pid = await stage.running("svc");
        await stage.until("log reads it", () => lines(stage, "svc/log/got").includes(`start ${pid}`));
        await stat(stage, "svc", "run");
        await stat(stage, "svc/log", "run");
        assert.equal(runsv.err, "");
        stage.tell("svc", "x");
        await exits(stage, runsv);
        assert.equal(runsv.err, "");
        return;
      }
      await stage.until("starting fails", () => countOf(runsv.err, noDescriptor) >= 2);
      stage.file("svc/log/over", "");
      await isGone(stage, before);
      const tries = countOf(runsv.err, noDescriptor);
      await stage.until("starting fails still", () => countOf(runsv.err, noDescriptor) > tries);
      assert.ok(runsv.isAlive);
      stage.tell("svc", "x");
      await exits(stage, runsv);
    },
    { differs: "runsv-restart-while-log-ends" },
  );

  story(87, "the log service lives as long as anybody holds its pipe", async (stage) => {
    const run = `{ ${awaitsFile("over")}; echo last; } &\n: >begun\nexec sleep 1000`;
    stage.service("svc", { run, "log/run": collects });
    const runsv = await stage.supervise("svc");
    await stage.running("svc");
    await stage.running("svc/log");
    await stage.until("its child is there", () => stage.exists("svc/begun"));
    stage.tell("svc", "x");
    await stat(stage, "svc", "down");
    await stat(stage, "svc/log", "run, want exit");
    await stage.span(300);
    assert.ok(runsv.isAlive);
    assert.equal(stage.stat("svc/log"), "run, want exit");

    stage.file("svc/over", "");
    await exits(stage, runsv);
    assert.equal(stage.read("svc/log/got"), "last\n");
  });

  story(88, "a log service obeys the same bytes, but not x, and has neither finish nor scripts", async (stage) => {
    stage.service("svc", {
      run: sleeper,
      "log/run": recorder(),
      "log/finish": "echo finish >>scripts",
      "log/control/t": "echo t >>scripts",
      "log/control/u": "echo u >>scripts",
    });
    const runsv = await stage.supervise("svc");
    await stage.running("svc");
    const pid = await stage.running("svc/log");
    await signals(stage, "svc/log", "");

    stage.tell("svc/log", "t");
    await signals(stage, "svc/log", "TERM");
    await stat(stage, "svc/log", "run, got TERM");
    stage.tell("svc/log", "d");
    await signals(stage, "svc/log", "TERM TERM CONT");
    await stat(stage, "svc/log", "run, got TERM, want down");
    stage.tell("svc/log", "o");
    stage.tell("svc/log", "h");
    await signals(stage, "svc/log", "TERM TERM CONT HUP");
    await stat(stage, "svc/log", "run, got TERM, want down");
    stage.tell("svc/log", "u");
    await stat(stage, "svc/log", "run, got TERM");

    const before = stage.version("svc/log/supervise/status");
    stage.tell("svc/log", "x");
    stage.tell("svc/log", "a");
    await signals(stage, "svc/log", "TERM TERM CONT HUP ALRM");
    assert.equal(stage.version("svc/log/supervise/status"), before);

    stage.tell("svc/log", "k");
    await isGone(stage, pid);
    await signals(stage, "svc/log", "TERM TERM CONT HUP ALRM ready");
    await stat(stage, "svc/log", "run");
    assert.ok(!stage.exists("svc/log/scripts"));
    assert.ok(runsv.isAlive);
    assert.equal(runsv.err, "");
    assert.equal(stage.stat("svc"), "run");
  });

  story(89, "nothing is lost while either side is restarted", async (stage) => {
    stage.service("svc", { run: "echo start $$ | tee -a starts\nexec sleep 1000", "log/run": collects });
    const runsv = await stage.supervise("svc");
    const pid = await stage.running("svc");
    const log = await stage.running("svc/log");
    await stage.becomes(() => lines(stage, "svc/log/got").length, 1);

    stage.tell("svc/log", "d");
    await stat(stage, "svc/log", "down");
    assert.ok(!stage.isLiving(log));
    stage.tell("svc", "t");
    await stage.until("it is started again", () => lines(stage, "svc/starts").length === 2);
    assert.ok(!stage.isLiving(pid));
    assert.equal(lines(stage, "svc/log/got").length, 1);

    stage.tell("svc/log", "u");
    await stage.until("log runs", () => lines(stage, "svc/log/got").length === 2);
    assert.deepEqual(lines(stage, "svc/log/got"), lines(stage, "svc/starts"));
    assert.equal(runsv.err, "");
  });

  story(90, "a service blocks while its pipe is full and nobody reads", async (stage) => {
    stage.service("svc", { run: fillsPipe, "log/run": collects, "log/down": "" });
    await stage.supervise("svc");
    const pid = await stage.running("svc");
    await stage.until("the pipe is full", () => stage.exists("svc/full"));
    await stage.span(300);
    assert.ok(!stage.exists("svc/done"));

    stage.tell("svc/log", "u");
    await stage.until("it goes on", () => stage.exists("svc/done"));
    await stage.becomes(() => stage.peek("svc/log/got").length, 65536 + "more\n".length);
    assert.equal(stage.status("svc").pid, pid);
  });

  story(
    91,
    "a control script hangs in a full pipe",
    async (stage) => {
      stage.service("svc", {
        run: fillsPipe,
        "log/run": collects,
        "log/down": "",
        "control/i": "echo $$ >script\necho hello\n: >said",
      });
      await stage.supervise("svc");
      await stage.running("svc");
      await stage.until("the pipe is full", () => stage.exists("svc/full"));
      stage.tell("svc", "i");
      await stage.until("the script hangs", () => stage.peek("svc/script").endsWith("\n"));
      stage.tell("svc/log", "u");
      if (!stage.isOurs) {
        await stage.span(500);
        assert.equal(stage.stat("svc/log"), "down");
        process.kill(Number(stage.read("svc/script")), "SIGKILL");
      }
      await stage.running("svc/log");
      await stage.until("it goes on", () => stage.exists("svc/done"));
      if (stage.isOurs) {
        await stage.until("the script goes on", () => stage.exists("svc/said"));
        await stage.until("log has it", () => lines(stage, "svc/log/got").some((line) => line.endsWith("hello")));
      }
    },
    { differs: "runsv-scripts-beside-the-loop" },
  );

  story(92, "a log directory that appears later is no log service", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = await stage.supervise("svc");
    const pid = await stage.running("svc");
    stage.service("svc", { "log/run": collects });
    stage.tell("svc", "t");
    await isGone(stage, pid);
    await stage.until("it is started again", () => stage.status("svc").phase === 1 && stage.status("svc").pid !== pid);
    assert.ok(!stage.exists("svc/log/supervise"));
    assert.equal(stage.descriptor(stage.status("svc").pid, 1), stage.descriptor(runsv.pid, 1));
  });

  story(93, "a log directory may disappear and come back", async (stage) => {
    stage.service("svc", { run: sleeper, "log/run": collects });
    const runsv = await stage.supervise("svc");
    const main = await stage.running("svc");
    const log = await stage.running("svc/log");
    fs.renameSync(stage.at("svc/log"), stage.at("svc/away"));
    process.kill(log, "SIGKILL");
    const warning = "runsv svc: warning: unable to open log/supervise/pid.new: file does not exist\n";
    const fatal = "runsv svc: fatal: unable to change directory to ./log: file does not exist\n";
    await stage.until("complaints", () => runsv.err.includes(warning) && countOf(runsv.err, fatal) >= 2);
    assert.equal(runsv.err.replaceAll(warning, "").replaceAll(fatal, ""), "");

    fs.renameSync(stage.at("svc/away"), stage.at("svc/log"));
    await stage.until("log runs again", () => {
      const { pid, phase } = stage.status("svc/log");
      return phase === 1 && pid !== log && stage.isLiving(pid);
    });
    assert.equal(stage.status("svc").pid, main);
    assert.ok(stage.isLiving(main));
  });

  story(94, "the second of two services with one log directory waits for it", async (stage) => {
    stage.service("first", { run: sleeper, "log/run": collects });
    stage.service("second", { run: sleeper });
    fs.symlinkSync("../first/log", stage.at("second/log"));
    const first = await stage.supervise("first");
    await stage.running("first");
    await stage.running("first/log");

    const second = stage.start("runsv", ["second"]);
    await stage.until("it has its own lock", () => stage.exists("second/supervise/lock"));
    await stage.span(300);
    assert.deepEqual(fs.readdirSync(stage.at("second/supervise")), ["lock"]);
    assert.ok(second.isAlive);

    first.kill("SIGTERM");
    await exits(stage, first);
    const pid = await stage.running("second");
    const log = await stage.running("second/log");
    assert.equal(stage.descriptor(pid, 1), stage.descriptor(log, 0));
    assert.equal(second.err, "");
  });

  story(95, "finish writes to the log service, too", async (stage) => {
    stage.service("svc", { run: "echo run\nexit 0", finish: "echo finish", "log/run": collects });
    await stage.supervise("svc");
    await stage.until("both have written", () => lines(stage, "svc/log/got").length >= 2);
    assert.deepEqual(lines(stage, "svc/log/got").slice(0, 2), ["run", "finish"]);
  });

  story(
    111,
    "a service with control/u whose log is ending is told u",
    async (stage) => {
      const runsv = await superviseEndingLog(stage, { "control/u": "echo u\n: >>script-ran" });
      const before = stage.status("svc/log").pid;
      assert.ok(lines(stage, "svc/log/got").includes("u"));
      fs.rmSync(stage.at("svc/script-ran"));
      stage.tell("svc", "u");
      if (stage.isOurs) {
        await stage.becomes(() => stage.status("svc").want, "u");
        stage.file("svc/log/over", "");
        await stage.until(
          "log runs again",
          () => stage.status("svc/log").pid !== before && stage.status("svc/log").phase === 1,
        );
        const pid = await stage.running("svc");
        await stage.until("log reads it", () => lines(stage, "svc/log/got").includes(`start ${pid}`));
        assert.equal(lines(stage, "svc/log/got").filter((line) => line === "u").length, 2);
        assert.equal(runsv.out, "");
      } else {
        await stage.until("starting fails", () => runsv.err.includes(noDescriptor));
        const warning = "warning: unable to setup stdout for control/u: file descriptor not open";
        assert.ok(runsv.err.startsWith(`runsv svc: ${warning}\nrunsv svc: ${noDescriptor}\n`), runsv.err);
        assert.ok(stage.exists("svc/script-ran"));
        await stage.until("its output arrives", () => runsv.out.startsWith("u\n"));
        stage.file("svc/log/over", "");
      }
      stage.tell("svc", "x");
      await exits(stage, runsv);
      if (stage.isOurs) assert.equal(runsv.err, "");
    },
    { differs: "runsv-restart-while-log-ends" },
  );
});
