// No descriptors, no disk, no processes, and rubbish where commands and states are read.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { suite } from "node:test";
import { exits, facts, isGone, lines, sleeper, stat } from "../conformance/runsv/scripts.ts";
import { cannotMount, encodeStatus, isRoot, missing } from "../conformance/stage.ts";
import { randomFrom, releaseBuild, resident, staged, writes } from "./scenes.ts";

const needsPrlimit = missing("prlimit");

/** As which user: who may not change the limits of others may change their own. */
function limit(pid: number, what: string, uid?: number): void {
  const as = uid === undefined ? {} : { uid, gid: uid };
  const { status, stderr } = spawnSync("prlimit", [`--pid=${pid}`, `--${what}`], { encoding: "latin1", ...as });
  assert.equal(status, 0, stderr);
}

suite("limits", { concurrency: 10 }, () => {
  staged(
    "without descriptors at the start, runsv says so and ends with 111, or works",
    releaseBuild,
    async (stage, context) => {
      stage.service("svc", { run: sleeper, "log/run": "exec cat" });
      let refused = 0;
      for (let most = 3; most <= 24; most++) {
        const runsv = stage.start("runsv", ["svc"], { via: ["prlimit", `--nofile=${most}:64`] });
        await stage.until("it listens or ends", () => !runsv.isAlive || stage.isListening("svc/log"));
        if (runsv.isAlive) {
          limit(runsv.pid, "nofile=64:64");
          await stage.running("svc");
          await stage.running("svc/log");
          stage.tell("svc", "x");
          await exits(stage, runsv);
        } else {
          refused++;
          assert.equal(runsv.code, 111, `${most}: ${runsv.err}`);
          await stage.until("it has said why", () => runsv.err !== "");
          assert.match(
            runsv.err,
            /^(runsv svc: warning: .*\n)*runsv svc: fatal: unable to .*: process cannot open more files\n$|error while loading/,
          );
          assert.equal(stage.processes("sleep").length, 0);
        }
      }
      context.diagnostic(`${refused} of 22 limits are too low to begin with`);
      assert.ok(refused > 5 && refused < 20);
    },
    { skip: needsPrlimit },
  );

  staged(
    "without descriptors while it runs, commands are obeyed, and the state is true when there are some again",
    releaseBuild,
    async (stage) => {
      stage.service("svc", { run: sleeper, finish: "echo finish >>finishes", "log/run": "exec cat" });
      const runsv = await stage.supervise("svc");
      const first = await stage.running("svc");
      await stage.running("svc/log");
      await stat(stage, "svc", "run");
      // All numbers it may use are in use; a child, which has three of them, finds room.
      const free = stage.descriptors(runsv.pid).findIndex((fd, index) => fd !== index);
      limit(runsv.pid, `nofile=${free < 0 ? stage.descriptors(runsv.pid).length : free}:64`);
      stage.tell("svc", "p");
      await stage.becomes(() => stage.state(first), "T");
      stage.tell("svc", "t");
      stage.tell("svc", "c");
      await isGone(stage, first);
      await stage.until("it is started again", () => stage.processes("sleep").some((pid) => pid !== first));
      assert.match(runsv.err, /unable to open supervise\/stat.new: process cannot open more files/);
      limit(runsv.pid, "nofile=64:64");
      await stage.until("the status is true", () => stage.processes("sleep")[0] === stage.status("svc").pid);
      await stat(stage, "svc", "run");
      stage.tell("svc", "x");
      await exits(stage, runsv);
    },
    { skip: needsPrlimit },
  );

  staged(
    "without descriptors, runsvdir keeps what it has, and goes on when there are some",
    releaseBuild,
    async (stage) => {
      stage.service("scan/a", { run: sleeper });
      const runsvdir = stage.start("runsvdir", ["scan"]);
      const service = await stage.running("scan/a");
      limit(runsvdir.pid, "nofile=3:64");
      stage.service("scan/b", { run: sleeper });
      await stage.until("it complains", () => /process cannot open more files/.test(runsvdir.err));
      assert.ok(stage.isLiving(service) && stage.isListening("scan/a"));
      limit(runsvdir.pid, "nofile=64:64");
      await stage.running("scan/b");
      assert.equal(stage.status("scan/a").pid, service);
    },
    { skip: needsPrlimit },
  );

  staged(
    "on a full disk from the start: a whole life is obeyed, and the state is true once there is room",
    releaseBuild,
    async (stage, context) => {
      for (const directory of ["svc/supervise", "svc/log/supervise"]) stage.mount(directory, "size=64k");
      stage.service("svc", {
        run: writes(stage, "svc", { microseconds: 1000, lines: 50, livesOnMilliseconds: 1_000_000 }),
        "log/run": "exec cat >>lines",
      });
      const fill = () => {
        for (const directory of ["svc/supervise", "svc/log/supervise"]) {
          // What is needed to listen is there, and not a byte more.
          const fd = fs.openSync(stage.at(directory, "filler"), "a");
          try {
            for (;;) fs.writeSync(fd, new Uint8Array(4096));
          } catch (error) {
            assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
          } finally {
            fs.closeSync(fd);
          }
        }
      };
      const empty = () => {
        for (const directory of ["svc/supervise", "svc/log/supervise"]) fs.rmSync(stage.at(directory, "filler"));
      };
      fill();
      const runsv = await stage.supervise("svc");
      const writers = () => stage.processes("writer");
      await stage.until("it runs", () => writers().length === 1);
      const [first = 0] = writers();
      await stage.until("its lines arrive", () => lines(stage, "svc/log/lines").length === 50);
      process.kill(first, "SIGKILL"); // a crash
      await stage.until("it is started again", () => writers().length === 1 && !writers().includes(first));
      const [second = 0] = writers();
      await stage.until("its lines arrive", () => lines(stage, "svc/log/lines").length === 100);
      stage.tell("svc", "t");
      await stage.until("it is restarted", () => writers().length === 1 && !writers().includes(second));
      empty();
      await stage.until("the status is true", () => stage.status("svc").pid === writers()[0]);
      await stage.until(
        "all of it",
        () => stage.stat("svc") === "run" && stage.read("svc/supervise/pid") === `${writers()[0]}\n`,
      );
      await stage.running("svc/log");
      fill();
      stage.tell("svc", "d");
      await stage.until("it is stopped", () => writers().length === 0);
      empty();
      await stat(stage, "svc", "down");
      assert.deepEqual(facts(stage.status("svc")), { pid: 0, paused: 0, want: "d", term: 0, phase: 0 });
      fill();
      stage.tell("svc", "u");
      await stage.until("it runs again", () => writers().length === 1);
      stage.tell("svc", "x");
      await exits(stage, runsv);
      assert.equal(writers().length, 0);
      const files = fs.readdirSync(stage.at("svc/supervise")).filter((name) => name.endsWith(".new"));
      assert.deepEqual(files, []);
      const said = new Set(runsv.err.split("\n"));
      context.diagnostic([...said].join(" | "));
      assert.ok(!/fatal/.test(runsv.err), runsv.err);
      assert.ok(!stage.exists("double"));
    },
    { skip: cannotMount },
  );

  staged(
    "without room for a process while it runs, a service that has ended is started when there is room",
    releaseBuild,
    async (stage) => {
      const uid = 200_000 + process.pid; // of its own: the limit counts per user
      stage.service("svc", { run: sleeper });
      fs.chownSync(stage.at("svc"), uid, uid);
      const runsv = await stage.supervise("svc", {
        via: ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
      });
      const first = await stage.running("svc");
      limit(runsv.pid, "nproc=1:100", uid);
      stage.tell("svc", "t");
      await isGone(stage, first);
      await stage.until("it says why", () => /unable to fork, sleeping: temporary failure/.test(runsv.err));
      assert.deepEqual(facts(stage.status("svc")), { pid: 0, paused: 0, want: "u", term: 0, phase: 0 });
      stage.tell("svc", "d"); // is heard meanwhile
      await stage.becomes(() => stage.status("svc").want, "d");
      stage.tell("svc", "u");
      limit(runsv.pid, "nproc=100:100", uid);
      await stage.running("svc");
      stage.tell("svc", "x");
      await exits(stage, runsv);
    },
    { skip: (!isRoot && "needs root") || needsPrlimit || missing("setpriv") },
  );

  staged("100,000 random bytes into control", releaseBuild, async (stage, context) => {
    const random = randomFrom(context);
    stage.service("svc", { run: writes(stage, "svc", { microseconds: 1_000_000 }), "log/run": "exec cat >>lines" });
    const runsv = await stage.supervise("svc");
    await stage.running("svc");
    const control = fs.openSync(stage.at("svc/supervise/control"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    const log = fs.openSync(stage.at("svc/log/supervise/control"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    let written = 0;
    let atFirst = 0;
    const start = performance.now();
    // x would end it, and k and t the log service: the bytes in question, and any other.
    const known = "udopcthaiq12k";
    while (written < 100_000) {
      const bytes = Buffer.alloc(1000);
      for (let i = 0; i < bytes.length; i++) {
        const any = Math.floor(random() * 256);
        bytes[i] = random() < 0.5 ? known.charCodeAt(Math.floor(random() * known.length)) : any === 0x78 ? 0 : any;
      }
      for (let from = 0; from < bytes.length; ) {
        try {
          // Most of it to the service, some to the log service.
          from += fs.writeSync(random() < 0.9 ? control : log, bytes, from, Math.min(250, bytes.length - from));
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
          await stage.span(2); // the pipe is full
          assert.ok(runsv.isAlive);
        }
      }
      written += bytes.length;
      if (written === 20_000) atFirst = resident(runsv.pid);
    }
    fs.closeSync(control);
    fs.closeSync(log);
    // What is told behind them is obeyed behind them.
    for (const name of ["svc", "svc/log"]) {
      await stage.until(`${name} runs`, () => {
        stage.tell(name, "cu");
        return stage.status(name).phase === 1 && stage.status(name).want === "u" && stage.status(name).paused === 0;
      });
    }
    const seconds = (performance.now() - start) / 1000;
    const atLast = resident(runsv.pid);
    // The state may have been such a one on the way; in the end it stays so.
    await stage.until("there is one writer", () => stage.processes("writer").length === 1);
    assert.ok(!stage.exists("double"), "there were two of it");
    assert.ok(atLast <= atFirst + 64, `${atFirst} KiB, then ${atLast} KiB`);
    assert.equal(runsv.err, "");
    context.diagnostic(`${seconds.toFixed(1)} s; resident ${atFirst} KiB after 20,000 bytes, ${atLast} KiB at the end`);
    stage.tell("svc", "x");
    await stage.until("it ends", () => {
      if (runsv.isAlive) stage.tell("svc", "x");
      return !runsv.isAlive;
    });
  });

  staged("2000 truncated and random status records, read by sv", releaseBuild, async (stage, context) => {
    const random = randomFrom(context);
    const names: string[] = [];
    const short: string[] = [];
    const well = new Map<string, { readonly phase: number; readonly pid: number }>();
    const ok = stage.fifo("ok");
    const reader = fs.openSync(ok, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    for (let index = 0; index < 2000; index++) {
      const name = `s${String(index).padStart(4, "0")}`;
      const supervise = stage.at(name, "supervise");
      fs.mkdirSync(supervise, { recursive: true });
      fs.linkSync(ok, `${supervise}/ok`); // one reader for all
      const bytes = Buffer.alloc(Math.floor(random() * 41));
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
      // Random phases are rarely valid ones.
      if (bytes.length >= 20 && random() < 0.5) bytes[19] = Math.floor(random() * 3);
      if (random() < 0.05) Buffer.from(encodeStatus({ pid: 77, phase: 1 })).copy(bytes);
      fs.writeFileSync(`${supervise}/status`, bytes);
      names.push(name);
      if (bytes.length < 20) short.push(name);
      else well.set(name, { phase: bytes[19] ?? 0, pid: bytes.readUInt32LE(12) });
    }
    let seen = 0;
    for (let from = 0; from < names.length; from += 100) {
      const some = names.slice(from, from + 100);
      const { out, err, code, signal } = await stage.run("sv", ["status", ...some]);
      const troubled = some.filter((name) => short.includes(name));
      assert.deepEqual({ err, code, signal }, { err: "", code: Math.min(99, troubled.length), signal: null });
      const said = out.split("\n").slice(0, -1);
      assert.equal(said.length, some.length);
      for (const [index, name] of some.entries()) {
        const line = said[index] ?? "";
        const record = well.get(name);
        if (record === undefined) {
          assert.equal(line, `warning: ${name}: unable to read supervise/status: bad format`);
          continue;
        }
        const word = ["down: ", "run: ", "finish: "][record.phase] ?? "";
        const pid = record.phase === 0 ? "" : `\\(pid ${record.pid}\\) `;
        const flags = "(, normally (up|down))?(, paused)?(, want up)?(, want down)?(, got TERM)?";
        assert.match(line, new RegExp(`^${word}${name}: ${pid}\\d+s${flags}$`));
        seen++;
      }
      const json = await stage.run("sv", ["--json", "status", ...some]);
      assert.deepEqual({ err: json.err, code: json.code }, { err: "", code: Math.min(99, troubled.length) });
      const objects = json.out.split("\n").slice(0, -1);
      assert.equal(objects.length, some.length);
      for (const object of objects) JSON.parse(object);
    }
    fs.closeSync(reader);
    context.diagnostic(`${seen} readable records, ${short.length} too short`);
  });
});
