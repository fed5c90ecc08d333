// kill -9 of runsv and runsvdir at any moment: whoever comes next takes over. No second copy, no line lost or doubled.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Running, Stage } from "../conformance/stage.ts";
import { assertComplete, assertSame, openFiles, randomFrom, releaseBuild, staged, writes } from "./scenes.ts";

const kills = Number(process.env["KILLS"] ?? "200");
const busy = ["busy1", "busy2"];
const brief = ["brief1", "brief2", "brief3", "brief4"];
const names = [...busy, ...brief, "flash1", "flash2"];

function at(name: string): string {
  return `scan/${name}`;
}
function layOut(stage: Stage): void {
  // 1000 lines a second each; lives of 50 ms to 1.2 s; lives of a moment.
  for (const name of busy) {
    stage.service(at(name), { run: writes(stage, name, { microseconds: 10_000, together: 10 }) });
  }
  for (const [index, name] of brief.entries()) {
    const livesOnMilliseconds = [50, 300, 1010, 1200][index] ?? 0;
    stage.service(at(name), { run: writes(stage, name, { microseconds: 1000, lines: 20, livesOnMilliseconds }) });
  }
  for (const name of ["flash1", "flash2"]) {
    stage.service(at(name), { run: writes(stage, name, { microseconds: 0, lines: 3 }), finish: "exit 0" });
  }
  for (const name of names) stage.service(at(name), { "log/run": "exec cat >>lines" });
}
/** Whether somebody listens, and what the status says is so. */
function isTrue(stage: Stage, name: string): boolean {
  if (!stage.isListening(at(name))) return false;
  const { pid, phase } = stage.status(at(name));
  return phase === 0 ? pid === 0 : stage.isLiving(pid);
}
/** The runsv processes, also such as have only just been started. */
function supervisors(stage: Stage): { readonly pid: number; readonly name: string }[] {
  const found: { readonly pid: number; readonly name: string }[] = [];
  for (const pid of stage.processes("runsv ")) {
    try {
      const words = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      if (words[0] === "runsv") found.push({ pid, name: words[1] ?? "" });
    } catch {
      // it has ended meanwhile
    }
  }
  return found;
}

staged(
  `${kills} kills at random moments under load (differs: runsv-adopts, runsvdir-adopts)`,
  releaseBuild,
  async (stage, context) => {
    const random = randomFrom(context);
    layOut(stage);
    let runsvdir: Running = stage.start("runsvdir", ["scan"]);
    const writers = new Map<string, number>();
    for (const name of names) {
      await stage.until(`${name} is there`, () => isTrue(stage, name));
      if (busy.includes(name)) writers.set(name, await stage.running(at(name)));
    }
    const firstFiles = busy.map((name) => openFiles(stage, writers.get(name) ?? 0));

    let worst = 0;
    let worstStatus = 0;
    let ofRunsvdir = 0;
    const victims = new Map<string, number>();
    const restorations: Promise<void>[] = [];
    const restore = async (name: string, killed: number, killedPid: number) => {
      const count = victims.get(name);
      await stage.until(`${name} has another runsv`, () => !stage.isLiving(killedPid) && stage.isListening(at(name)));
      const listening = performance.now();
      await stage.until(`the status of ${name} is true`, () => isTrue(stage, name));
      // Unless it was killed again meanwhile.
      if (victims.get(name) === count) worstStatus = Math.max(worstStatus, performance.now() - listening);
      worst = Math.max(worst, performance.now() - killed);
      const writer = writers.get(name);
      if (writer === undefined) return;
      const { out, code } = await stage.run("sv", ["-w", "5", "status", name], { env: { SVDIR: stage.at("scan") } });
      // It may have been killed again.
      if (code === 0) assert.match(out, new RegExp(`^run: ${name}: \\(pid ${writer}\\) `), `after ${killedPid}`);
    };
    for (let kill = 0; kill < kills; kill++) {
      await stage.span(random() * 150);
      const living = supervisors(stage);
      const victim = random() < 0.2 ? undefined : living[Math.floor(random() * living.length)];
      if (victim === undefined) {
        ofRunsvdir++;
        runsvdir.kill("SIGKILL");
        await stage.end(runsvdir);
        // Now and then the tree is without it for a while.
        if (random() < 0.3) await stage.span(random() * 200);
        runsvdir = stage.start("runsvdir", ["scan"]);
        continue;
      }
      try {
        process.kill(victim.pid, "SIGKILL");
      } catch {
        continue; // it was one too many, which has given up
      }
      victims.set(victim.name, (victims.get(victim.name) ?? 0) + 1);
      const restoration = restore(victim.name, performance.now(), victim.pid);
      restoration.catch(() => {});
      restorations.push(restoration);
    }
    await Promise.all(restorations);
    for (const name of names) await stage.until(`${name} is true at last`, () => isTrue(stage, name));
    await stage.until("every service has one runsv", () => {
      const found = supervisors(stage).map((one) => one.name);
      return found.length === names.length && new Set(found).size === names.length;
    });
    for (const [name, pid] of writers) assert.equal(stage.status(at(name)).pid, pid, `${name} has run all the time`);
    assert.deepEqual(
      busy.map((name) => openFiles(stage, writers.get(name) ?? 0)),
      firstFiles,
    );
    assert.ok(!stage.exists("double"), `there were two of one: ${stage.peek("double")}`);

    runsvdir.kill("SIGHUP");
    assert.equal((await stage.end(runsvdir)).code, 111);
    await stage.until("all have ended", () => stage.processes().length === 0);
    assert.ok(!stage.exists("double"), `there were two of one: ${stage.peek("double")}`);
    let lines = 0;
    let lives = 0;
    for (const name of names) {
      const text = stage.read(`${at(name)}/log/lines`);
      lines += assertComplete(text, name).lines;
      lives += assertSame(stage, name, text);
      assert.equal(stage.stat(at(name)), "down");
    }
    const ofRunsv = [...victims.values()].reduce((sum, count) => sum + count, 0);
    context.diagnostic(`${ofRunsv} runsv and ${ofRunsvdir} runsvdir killed; ${lines} lines of ${lives} lives`);
    context.diagnostic(`counts: killed kills=${ofRunsv + ofRunsvdir} lines=${lines} lost=0`);
    context.diagnostic(`worst: ${worst.toFixed(0)} ms from kill to true status (a restart waits up to a second)`);
    context.diagnostic(`worst: ${worstStatus.toFixed(0)} ms from the new runsv's ok to true status`);
  },
  { timeoutMilliseconds: 180_000 + kills * 900 },
);

staged(
  "the end of runsvdir reaches services whose runsv was killed a moment before it",
  releaseBuild,
  async (stage, context) => {
    const random = randomFrom(context);
    for (let round = 0; round < 20; round++) {
      const scan = `scan${round}`;
      stage.service(`${scan}/s`, { run: "exec sleep 1000", "log/run": "exec cat" });
      const runsvdir = stage.start("runsvdir", [scan]);
      await stage.running(`${scan}/s`);
      // One that has lived for less than a second gets its successor later, an older one at once.
      if (round % 4 === 0) await stage.span(1000);
      for (const { pid } of supervisors(stage)) {
        process.kill(pid, "SIGKILL");
        await stage.until("it has ended", () => !stage.isLiving(pid));
      }
      await stage.span(random() * 30);
      runsvdir.kill("SIGHUP");
      assert.equal((await stage.end(runsvdir)).code, 111);
      await stage.until("all have ended", () => stage.processes().length === 0);
    }
  },
);

staged(
  "who stands in the record of an earlier boot is a stranger, for the second runsv of this boot too",
  releaseBuild,
  async (stage) => {
    const stranger = stage.start("/bin/sleep", ["1000"]);
    stage.service("svc", { run: "exec sleep 1000", down: "" });
    const record = Buffer.alloc(92);
    record.writeUInt32LE(stranger.pid, 0);
    record.writeUInt32LE(1, 4);
    record.writeUIntLE(2 ** 40, 8, 6); // that boot had lasted longer
    record.write("01234567-89ab-cdef-0123-456789abcdef", 56, "latin1");
    fs.mkdirSync(stage.at("svc/supervise"));
    fs.writeFileSync(stage.at("svc/supervise/child"), record);
    const first = await stage.supervise("svc");
    assert.equal(stage.stat("svc"), "down");
    first.kill("SIGKILL");
    await stage.end(first);
    const second = await stage.supervise("svc");
    assert.equal(stage.stat("svc"), "down");
    stage.tell("svc", "dkx");
    assert.equal((await stage.end(second)).code, 0);
    assert.ok(stage.isLiving(stranger.pid));
  },
);
