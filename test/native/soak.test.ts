// A million events through a real runsv, three million lines through a real svlogd: they forget nothing, and their memory
// does not grow.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { stat } from "../conformance/runsv/scripts.ts";
import type { Stage } from "../conformance/stage.ts";
import { logging } from "../conformance/svlogd/scenes.ts";
import { directoryInMemory, openFiles, releaseBuild, resident, staged } from "../faults/scenes.ts";

const events = Number(process.env["SOAK_EVENTS"] ?? "1000000");
const lines = Number(process.env["SOAK_LINES"] ?? "3000000");
const batch = 4000;

/** Bytes written; 0 after a moment if the pipe is full. */
async function writeSome(stage: Stage, fd: number, bytes: Uint8Array): Promise<number> {
  try {
    return fs.writeSync(fd, bytes);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
    await stage.span(1);
    return 0;
  }
}

staged(
  "a million control bytes: the memory stays what it was, and the service runs on",
  releaseBuild,
  async (stage, context) => {
    const services = ["one", "two"];
    for (const name of services) {
      stage.service(name, { run: "trap '' HUP INT QUIT USR1 USR2\nexec sleep 1000", "log/run": "exec cat >>lines" });
    }
    const daemons = await Promise.all(services.map((name) => stage.supervise(name)));
    const first = await Promise.all(services.map((name) => stage.running(name)));
    for (const pid of first) await stage.until("signals are ignored", () => (stage.signals(pid, "SigIgn") & 7n) === 7n);
    const files = daemons.map((runsv) => openFiles(stage, runsv.pid).length);
    const pipes = services.map((name) =>
      fs.openSync(stage.at(name, "supervise/control"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK),
    );
    // Signals, which cost the service nothing; two of 32 bytes make the state be written.
    const bytes = Buffer.from("hhph1hhqh2hhihh1h2h1hchqh2hhihh1".repeat(batch / 32));

    const share = events / services.length;
    const memory = services.map((): number[] => []);
    const start = performance.now();
    await Promise.all(
      services.map(async (_, index) => {
        const fd = pipes[index] ?? -1;
        const pid = daemons[index]?.pid ?? 0;
        for (let told = 0; told < share; told += batch) {
          for (let from = 0; from < batch; ) from += await writeSome(stage, fd, bytes.subarray(from));
          if (told % (share / 10) < batch) memory[index]?.push(resident(pid));
        }
        // Obeyed behind all the others.
        stage.tell(services[index] ?? "", "p");
        await stage.until("all are obeyed", () => stage.status(services[index] ?? "").paused === 1, 120_000);
        stage.tell(services[index] ?? "", "c");
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    for (const [index, name] of services.entries()) {
      await stat(stage, name, "run");
      assert.equal(stage.status(name).pid, first[index]);
      const [, afterWarmUp = 0] = memory[index] ?? [];
      const atLast = resident(daemons[index]?.pid ?? 0);
      context.diagnostic(`${name}: resident ${memory[index]?.join(" ")} KiB`);
      assert.ok(atLast <= afterWarmUp + 32, `${afterWarmUp} KiB, then ${atLast} KiB`);
      const pid = daemons[index]?.pid ?? 0;
      await stage.until("no more descriptors are open", () => openFiles(stage, pid).length === files[index]);
      assert.equal(daemons[index]?.err, "");
    }
    context.diagnostic(`counts: soak commands=${events}`);
    context.diagnostic(`${events} control bytes in ${seconds.toFixed(1)} s: ${(events / seconds).toFixed(0)} a second`);
    for (const fd of pipes) fs.closeSync(fd);
  },
  { timeoutMilliseconds: 180_000 + (events + lines) / 10 },
);

const lineBatch = 10_000;

staged(
  "three million lines into two logs with rotations, HUP and ALRM: the memory stays what it was, and every line is there",
  releaseBuild,
  async (stage, context) => {
    const root = directoryInMemory(stage);
    const logs = ["all", "some"].map((name) => path.join(root, name));
    for (const log of logs) fs.mkdirSync(log);
    fs.writeFileSync(path.join(logs[0] ?? "", "config"), "s1m\nn0\n");
    fs.writeFileSync(path.join(logs[1] ?? "", "config"), "s50k\nS500k\n-*7*\np> \n");
    const log = await logging(stage, logs);
    const files = openFiles(stage, log.pid).length;
    const idle: number[] = [];
    let busiest = 0;
    const start = performance.now();
    for (let first = 0; first < lines; first += lineBatch) {
      let text = "";
      for (let number = first; number < first + lineBatch; number++) text += `${number}\n`;
      await log.input.write(text);
      busiest = Math.max(busiest, resident(log.pid));
      if (first % (lines / 100) < lineBatch) log.svlogd.kill(first % (lines / 50) < lineBatch ? "SIGHUP" : "SIGALRM");
      if (first % (lines / 10) >= lineBatch) continue;
      await log.idle();
      await stage.span(300); // a quiet moment, in which memory is given back
      idle.push(resident(log.pid));
    }
    const seconds = (performance.now() - start) / 1000;
    await log.idle();
    assert.equal(openFiles(stage, log.pid).length, files);
    context.diagnostic(`resident ${idle.join(" ")} KiB between, ${busiest} KiB at most`);
    context.diagnostic(`counts: soak lines=${lines} lost=0`);
    context.diagnostic(`${lines} lines in ${seconds.toFixed(1)} s: ${(lines / seconds).toFixed(0)} a second`);
    const [, afterWarmUp = 0] = idle;
    assert.ok(Math.max(...idle.slice(1)) <= afterWarmUp + 64, idle.join(" "));
    assert.equal((await log.ends()).err, "");
    const saved = (directory: string) =>
      fs
        .readdirSync(directory)
        .filter((name) => name.startsWith("@"))
        .sort();
    const bytes = (directory: string) => saved(directory).map((name) => fs.statSync(path.join(directory, name)).size);
    const all = logs[0] ?? "";
    let expected = 0;
    for (const name of [...saved(all), "current"]) {
      for (const line of fs.readFileSync(path.join(all, name), "latin1").split("\n").slice(0, -1)) {
        if (line !== `${expected++}`) assert.fail(`${line} instead of ${expected - 1}`);
      }
    }
    assert.equal(expected, lines);
    const total = bytes(logs[1] ?? "").reduce((sum, one) => sum + one, 0);
    assert.ok(total > 250_000 && total <= 500 * 1024 - 50 * 1024, `${total} bytes`);
  },
  { timeoutMilliseconds: 180_000 + (events + lines) / 10 },
);
