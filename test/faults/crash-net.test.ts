// The crash net: whatever happens inside runsv or runsvdir, the process stays, and what it supervises notices nothing.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite } from "node:test";
import { facts, lines, recorder, sleeper } from "../conformance/runsv/scripts.ts";
import type { Running, Stage, StartOptions } from "../conformance/stage.ts";
import { assertComplete, compiled, faultyBuild, openFiles, releaseBuild, restarts, staged, writes } from "./scenes.ts";

const kinds = ["trap", "segv", "stack", "memory", "abort"] as const;
const reasons = {
  trap: "injected trap",
  segv: "memory fault",
  stack: "memory fault",
  memory: "internal error",
  abort: "internal error",
} as const;

/** For the start of a faulty program: where it looks for the order to fail. */
function faulty(stage: Stage): StartOptions {
  return { env: { RUNIT_TS_FAULT_FILE: stage.at("fault") } };
}
/** The next wait of that program will fail. */
function orderFault(stage: Stage, program: string, kind: string): void {
  fs.writeFileSync(stage.at("order"), kind);
  fs.renameSync(stage.at("order"), stage.at(`fault.${program}`));
}
const fatalSignals = 0x4e8n; // ILL, ABRT, BUS, FPE, SEGV

/** Whether it waits with its crash net hung up: a new instance is complete then. */
function isWaiting(stage: Stage, pid: number): boolean {
  const isGuarded = (stage.signals(pid, "SigCgt") & fatalSignals) === fatalSignals;
  // Other calls block too, for a moment.
  return isGuarded && /^271 /.test(fs.readFileSync(`/proc/${pid}/syscall`, "latin1")); // ppoll, of x86-64
}

/** Awaits that the program has restarted in place so often, and waits again. */
async function restarted(stage: Stage, running: Running, times: number): Promise<void> {
  await stage.until(`restart ${times}`, () => restarts(running) === times || !running.isAlive);
  await stage.until("it waits again", () => !running.isAlive || isWaiting(stage, running.pid));
  assert.ok(running.isAlive, `ended: ${running.code} ${running.signal} ${running.err}`);
}

/** A service that writes lines, and a log service that writes them down. */
async function superviseWriter(stage: Stage, options: StartOptions): Promise<Running> {
  stage.service("svc", { run: writes(stage, "svc", { microseconds: 10_000 }), "log/run": "exec cat >>lines" });
  const runsv = await stage.supervise("svc", options);
  await stage.running("svc");
  await stage.running("svc/log");
  await stage.until("lines arrive", () => lines(stage, "svc/log/lines").length > 3);
  return runsv;
}
/** What has to be the same after a crash as before. */
function livingState(stage: Stage): unknown {
  return { service: facts(stage.status("svc")), log: facts(stage.status("svc/log")), stat: stage.stat("svc") };
}
async function linesGoOn(stage: Stage): Promise<void> {
  const before = lines(stage, "svc/log/lines").length;
  await stage.until("lines go on", () => lines(stage, "svc/log/lines").length > before + 3);
}
async function endsWell(stage: Stage, runsv: Running): Promise<void> {
  stage.tell("svc", "x");
  const { code, signal } = await stage.end(runsv);
  assert.deepEqual([code, signal], [0, null], runsv.err);
  assertComplete(stage.read("svc/log/lines"), "log");
  assert.ok(!stage.exists("double"), "there were two of it");
}

suite("the crash net", { concurrency: 3 }, () => {
  suite("runsv (differs: runsv-restarts-in-place)", { concurrency: 12 }, () => {
    for (const kind of kinds) {
      staged(`${kind}: service, log service, pipe, state and queued commands survive`, faultyBuild, async (stage) => {
        const runsv = await superviseWriter(stage, faulty(stage));
        const before = livingState(stage);
        const { pid } = stage.status("svc");
        const log = stage.status("svc/log").pid;

        // Lines that are in the pipe while it happens: the log service is stopped.
        stage.tell("svc/log", "p");
        await stage.becomes(() => stage.state(log), "T");
        const atStop = lines(stage, "svc/log/lines").length;
        const inPipe = () => fs.readFileSync(`/proc/${pid}/io`, "latin1").match(/^syscw: (\d+)/m)?.[1] ?? "";
        const writtenBefore = Number(inPipe());
        await stage.until("lines are in the pipe", () => Number(inPipe()) > writtenBefore + 5);

        // More bytes than are taken at once: the rest is still in the control pipe when it fails.
        runsv.kill("SIGSTOP");
        await stage.becomes(() => stage.state(runsv.pid), "T");
        orderFault(stage, "runsv", kind);
        stage.tell("svc", "hhhhhhhhhhhhp");
        runsv.kill("SIGCONT");
        await restarted(stage, runsv, 1);
        assert.equal(runsv.err, `runsv svc: warning: ${reasons[kind]}, restarting in place.\n`);
        await stage.becomes(() => stage.state(pid), "T"); // the p behind it
        await stage.becomes(() => stage.status("svc").paused, 1);
        stage.tell("svc", "c");
        assert.equal(lines(stage, "svc/log/lines").length, atStop);
        stage.tell("svc/log", "c");
        await stage.becomes(() => livingState(stage), before);
        await linesGoOn(stage);

        const sv = await stage.run("sv", ["status", "svc"]);
        assert.match(sv.out, new RegExp(`^run: svc: \\(pid ${pid}\\) \\d+s; run: log: \\(pid ${log}\\) \\d+s\\n$`));
        const restart = await stage.run("sv", ["-w", "30", "restart", "svc"]);
        const next = stage.status("svc").pid;
        assert.match(restart.out, new RegExp(`^ok: run: svc: \\(pid ${next}\\) \\d+s\\n$`));
        assert.notEqual(next, pid);
        await linesGoOn(stage);
        await endsWell(stage, runsv);
        assert.equal(restarts(runsv), 1);
      });
    }

    staged("no descriptor leaks to what is started after a crash, nor within runsv", faultyBuild, async (stage) => {
      stage.service("svc", { run: sleeper, "log/run": "exec cat" });
      const runsv = await stage.supervise("svc", faulty(stage));
      let service = await stage.running("svc");
      let log = await stage.running("svc/log");
      const ofService = openFiles(stage, service);
      const ofLog = openFiles(stage, log);
      let ofRunsv: readonly string[] = [];
      const own = () => openFiles(stage, runsv.pid).filter((file) => !file.includes("memfd"));
      const atFirst = own();
      for (let round = 1; round <= 6; round++) {
        orderFault(stage, "runsv", kinds[round % kinds.length] ?? "trap");
        stage.tell("svc", "c");
        await restarted(stage, runsv, round);
        for (const name of ["svc", "svc/log"]) {
          const before = stage.status(name).pid;
          stage.tell(name, "k");
          await stage.until(`${name} is started again`, () => ![0, before].includes(stage.status(name).pid));
        }
        service = await stage.running("svc");
        log = await stage.running("svc/log");
        await stage.becomes(() => openFiles(stage, service), ofService);
        await stage.becomes(() => openFiles(stage, log), ofLog);
        if (round === 3) assert.deepEqual(own(), atFirst); // all were handed over
        if (round === 3) ofRunsv = openFiles(stage, runsv.pid);
      }
      assert.ok(openFiles(stage, runsv.pid).length <= ofRunsv.length, openFiles(stage, runsv.pid).join("\n"));
      stage.tell("svc", "x");
      assert.equal((await stage.end(runsv)).code, 0);
    });

    staged("twenty crashes in a row do not lose it", faultyBuild, async (stage, context) => {
      const runsv = await superviseWriter(stage, faulty(stage));
      const before = livingState(stage);
      const start = performance.now();
      for (let round = 1; round <= 20; round++) {
        orderFault(stage, "runsv", kinds[round % kinds.length] ?? "trap");
        stage.tell("svc", "c");
        await restarted(stage, runsv, round);
        await stage.becomes(() => livingState(stage), before);
      }
      context.diagnostic("counts: crash-net faults=20");
      context.diagnostic(
        `${((performance.now() - start) / 1000).toFixed(1)} s, with a pause after each from the fourth on`,
      );
      await linesGoOn(stage);
      await endsWell(stage, runsv);
    });

    for (const when of [1, 2, 3]) {
      staged(
        `every instance crashes at its wait number ${when}: the service is left alone`,
        faultyBuild,
        async (stage) => {
          stage.service("svc", { run: writes(stage, "svc", { microseconds: 10_000 }), "log/run": "exec cat >>lines" });
          const runsv = stage.start("runsv", ["svc"], { env: { RUNIT_TS_FAULT: `segv@${when}` } });
          await stage.until("five restarts", () => {
            // Later waits need something to happen.
            if (when > 1 && stage.isListening("svc")) stage.tell("svc", "c");
            return restarts(runsv) >= 5 || !runsv.isAlive;
          });
          assert.ok(runsv.isAlive, runsv.err);
          const pid = await stage.running("svc");
          await stage.running("svc/log");
          await linesGoOn(stage);
          assert.equal(stage.status("svc").pid, pid);
          assert.ok(!stage.exists("double"), "there were two of it");
          assert.ok(!/fatal/.test(runsv.err), runsv.err);
        },
      );
    }

    staged("SEGV, ABRT, BUS, ILL and FPE sent from outside to the release build", releaseBuild, async (stage) => {
      const runsv = await superviseWriter(stage, {});
      const before = livingState(stage);
      for (const [index, signal] of (["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"] as const).entries()) {
        runsv.kill(signal);
        await restarted(stage, runsv, index + 1);
        await stage.becomes(() => livingState(stage), before);
        await linesGoOn(stage);
      }
      await endsWell(stage, runsv);
    });

    staged("SIGTERM that comes while it restarts is not lost", faultyBuild, async (stage) => {
      const runsv = await superviseWriter(stage, faulty(stage));
      runsv.kill("SIGSTOP");
      await stage.becomes(() => stage.state(runsv.pid), "T");
      orderFault(stage, "runsv", "segv");
      stage.tell("svc", "c");
      runsv.kill("SIGTERM");
      runsv.kill("SIGCONT");
      const { code, signal } = await stage.end(runsv);
      assert.deepEqual([code, signal], [0, null], runsv.err);
      assertComplete(stage.read("svc/log/lines"), "log");
    });
  });

  suite("a crash between any two calls of runsv", { concurrency: 16 }, () => {
    const most = 90;
    const apart = 2;
    for (let first = 1; first <= apart; first++) {
      for (let call = first; call <= most; call += apart) {
        staged(`call ${call}: one copy, no line lost, and it can be stopped`, faultyBuild, async (stage) => {
          stage.service("svc", {
            run: writes(stage, "svc", { microseconds: 0, lines: 5, livesOnMilliseconds: 1_000_000 }),
            finish: "echo finish >>finishes",
            "log/run": "exec cat >>lines",
          });
          const runsv = stage.start("runsv", ["svc"], { env: { RUNIT_TS_FAULT: `segv#${call}` } });
          // A byte that had been read when it crashed is lost: who wants something asks until it is so.
          const ask = async (byte: string, isSo: () => boolean) => {
            for (let attempt = 0; ; attempt++) {
              if (stage.isListening("svc")) stage.tell("svc", byte);
              try {
                await stage.until(`"${byte}" is obeyed: ${runsv.err}`, isSo, attempt < 5 ? 2500 : 15_000);
                return;
              } catch (error) {
                if (attempt >= 5) throw error;
              }
            }
          };
          await stage.until("it listens", () => stage.isListening("svc") || !runsv.isAlive);
          await ask("u", () => stage.status("svc").phase === 1);
          const pid = await stage.running("svc");
          await ask("t", () => ![0, pid].includes(stage.status("svc").pid) && stage.status("svc").phase === 1);
          await ask("d", () => stage.status("svc").phase === 0);
          await ask("x", () => !runsv.isAlive);
          assert.equal(runsv.code, 0, runsv.err);
          assert.ok(!stage.exists("double"), `there were two of it: ${stage.peek("double")} ${runsv.err}`);
          const { writers } = assertComplete(stage.read("svc/log/lines"), "log");
          assert.ok(writers >= 1); // who is told to end at birth writes nothing
          assert.equal(stage.processes(compiled("writer")).length, 0, runsv.err);
        });
      }
    }
  });

  suite("runsvdir", { concurrency: 12 }, () => {
    async function superviseTree(stage: Stage, options: StartOptions): Promise<Running> {
      for (const name of ["a", "b"]) stage.service(`scan/${name}`, { run: recorder() });
      const runsvdir = stage.start("runsvdir", ["scan"], options);
      for (const name of ["a", "b"]) {
        await stage.running(`scan/${name}`);
        await stage.until("it is ready", () => lines(stage, `scan/${name}/signals`).length === 1);
      }
      return runsvdir;
    }
    const tree = (stage: Stage) => ({
      services: ["a", "b"].map((name) => facts(stage.status(`scan/${name}`))),
      supervisors: stage.processes("runsv ").sort(),
    });
    const parent = (pid: number) =>
      Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);

    for (const kind of kinds) {
      staged(`${kind}: every runsv survives, and is watched as before`, faultyBuild, async (stage) => {
        const runsvdir = await superviseTree(stage, faulty(stage));
        const before = tree(stage);
        const supervisor = parent(stage.status("scan/a").pid);
        const descriptors = openFiles(stage, supervisor).length;

        for (let round = 1; round <= 3; round++) {
          orderFault(stage, "runsvdir", kind);
          fs.mkdirSync(stage.at(`scan/.change${round}`));
          await restarted(stage, runsvdir, round);
          assert.deepEqual(tree(stage), before);
        }
        assert.equal(runsvdir.err, `runsvdir scan: warning: ${reasons[kind]}, restarting in place.\n`.repeat(3));

        // A new one is seen, a dead one restarted, a removed one ended.
        stage.service("scan/c", { run: sleeper });
        const third = await stage.running("scan/c");
        assert.equal(openFiles(stage, parent(third)).length, descriptors);
        const service = stage.status("scan/a").pid;
        process.kill(supervisor, "SIGKILL");
        await stage.until("there is another runsv", () => ![0, 1, supervisor].includes(parentOfRunsv(stage, "a")));
        assert.equal(stage.status("scan/a").pid, service);
        assert.ok(stage.isLiving(service));
        fs.renameSync(stage.at("scan/b"), stage.at("scan/.b"));
        stage.file("scan/.b/end", "");
        stage.file("scan/a/end", "");
        await stage.until("b is ended", () => stage.processes("runsv b").length === 0);
        runsvdir.kill("SIGHUP");
        assert.equal((await stage.end(runsvdir)).code, 111);
        await stage.until("all have ended", () => stage.processes("runsv").length === 0);
      });
    }
    /** The process that listens for a service; 0: none. */
    function parentOfRunsv(stage: Stage, name: string): number {
      return stage.isListening(`scan/${name}`) ? (stage.processes(`runsv ${name}`)[0] ?? 0) : 0;
    }

    staged("twenty crashes in a row do not lose it", faultyBuild, async (stage) => {
      const runsvdir = await superviseTree(stage, faulty(stage));
      const before = tree(stage);
      for (let round = 1; round <= 20; round++) {
        orderFault(stage, "runsvdir", kinds[round % kinds.length] ?? "trap");
        fs.mkdirSync(stage.at(`scan/.change${round}`));
        await restarted(stage, runsvdir, round);
        assert.deepEqual(tree(stage), before);
      }
      stage.service("scan/c", { run: sleeper });
      await stage.running("scan/c");
      const [a = 0] = stage.processes("runsv a");
      process.kill(a, "SIGKILL");
      await stage.until("runsv is restarted", () => ![0, a].includes(parentOfRunsv(stage, "a")));
      assert.equal(stage.status("scan/a").pid, before.services[0]?.pid);
      assert.equal(stage.processes("runsv a").length, 1);
    });

    staged(
      "what it has adopted from an earlier runsvdir is still watched after a crash",
      faultyBuild,
      async (stage) => {
        const first = await superviseTree(stage, faulty(stage));
        const before = tree(stage);
        first.kill("SIGKILL");
        await stage.end(first);
        const runsvdir = stage.start("runsvdir", ["scan"], faulty(stage));
        // It has done its scan when it has started what is new.
        stage.service("scan/c", { run: sleeper });
        await stage.running("scan/c");
        orderFault(stage, "runsvdir", "segv");
        fs.mkdirSync(stage.at("scan/.change"));
        await restarted(stage, runsvdir, 1);
        assert.deepEqual(tree(stage).services, before.services);
        const [a = 0] = stage.processes("runsv a");
        process.kill(a, "SIGKILL");
        await stage.until("runsv is restarted", () => ![0, a].includes(parentOfRunsv(stage, "a")));
        assert.equal(stage.status("scan/a").pid, before.services[0]?.pid);
      },
    );

    staged("with a log argument: a runsv that warns after the crash lives on", faultyBuild, async (stage) => {
      stage.service("scan/a", { run: sleeper });
      const title = `log: ${".".repeat(200)}`;
      const runsvdir = stage.start("runsvdir", ["scan", title], faulty(stage));
      const service = await stage.running("scan/a");
      const [supervisor = 0] = stage.processes("runsv a");
      const shown = () => fs.readFileSync(`/proc/${runsvdir.pid}/cmdline`, "latin1");
      orderFault(stage, "runsvdir", "segv");
      fs.mkdirSync(stage.at("scan/.change"));
      await stage.until("it has restarted", () => !stage.exists("fault.runsvdir") && isWaiting(stage, runsvdir.pid));
      // runsv has something to say: its state cannot be written.
      fs.renameSync(stage.at("scan/a/supervise"), stage.at("scan/a/moved"));
      stage.writeTo("scan/a/moved/control", "p");
      await stage.becomes(() => stage.state(service), "T");
      await stage.until("the warning is shown", () => shown().includes("unable to open supervise/stat.new"));
      assert.ok(stage.isLiving(supervisor), "runsv has ended");
    });

    staged("SEGV and ABRT sent from outside to the release build", releaseBuild, async (stage) => {
      const runsvdir = await superviseTree(stage, {});
      const before = tree(stage);
      for (const [index, signal] of (["SIGSEGV", "SIGABRT", "SIGSEGV", "SIGABRT", "SIGSEGV"] as const).entries()) {
        runsvdir.kill(signal);
        await restarted(stage, runsvdir, index + 1);
        assert.deepEqual(tree(stage), before);
      }
    });
  });
});
