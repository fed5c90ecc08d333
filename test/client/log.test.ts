// The lines of a log: once each, in their order, through rotation.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { ServiceError, Services } from "../../client/src/index.ts";
import type { Running, Stage } from "../conformance/stage.ts";
import { stories } from "../conformance/stage.ts";

const patience = { timeout: 60_000 };

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** A svlogd that is fed by the test, on a log directory with this config. */
function startLogger(stage: Stage, config: string): Running {
  stage.file("log/config", config);
  return stage.start("svlogd", ["log"], { stdin: "pipe" });
}

/** Writes all of it, as fast as it is taken. */
async function feed(logger: Running, text: string): Promise<void> {
  const { stdin } = logger.child;
  assert.ok(stdin);
  await new Promise<void>((resolve, reject) => stdin.write(text, (error) => (error ? reject(error) : resolve())));
}

async function collect(lines: AsyncIterable<string>, count: number): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) if (found.push(line) >= count) break;
  return found;
}

/** Ends what is read when the story is over, however it ends. */
function endOf(stage: Stage): AbortSignal {
  const abort = new AbortController();
  stage.atEnd(() => abort.abort());
  return abort.signal;
}

/** Feeds it only when all was read that it got: never more than a file at once. */
async function readAsItIsFed(stage: Stage, logger: Running, last: number): Promise<void> {
  await stage.until("started", () => stage.exists("log/current"));
  const lines = services.log("web", { directory: stage.at("log"), follow: true, signal: endOf(stage), lines: 0 });
  const first = lines.next();
  let expected = 1;
  let fed = 40;
  await feed(logger, textOf(numbered(1, fed)));
  for (let next = await first; next.done !== true; next = await lines.next()) {
    assert.equal(next.value, `line ${expected}`);
    if (expected === last) break;
    if (expected === fed) {
      await feed(logger, textOf(numbered(fed + 1, fed + 40)));
      fed += 40;
    }
    expected++;
  }
  await lines.return();
}

const services = new Services({ directory: "/nonexistent" });
const count = 5000;

stories("client-log", (story) => {
  for (const [number, bytes] of [
    [1, 2000],
    [2, 300], // shorter than svlogd's line buffer: lines are cut at the end of a file
  ] as const) {
    story(
      number,
      `while files of ${bytes} bytes are rotated, every line comes once and in order`,
      async (stage) => {
        const logger = startLogger(stage, `s${bytes}\nn0\n`);
        await feed(logger, textOf(numbered(1, 10)));
        await stage.until("written", () => stage.peek("log/current").endsWith("line 10\n"));
        const lines = services.log("web", { directory: stage.at("log"), follow: true, signal: endOf(stage), lines: 3 });
        const reading = collect(lines, count - 7);
        for (let from = 11; from <= count; from += 97) {
          await feed(logger, textOf(numbered(from, Math.min(from + 96, count))));
        }
        assert.deepEqual(await reading, numbered(8, count));
        assert.ok(fs.readdirSync(stage.at("log")).length > count / 500, "it was rotated");
      },
      { timeoutMilliseconds: 120_000 },
    );
  }

  story(3, "files that are deleted behind the reader do not matter", async (stage) => {
    const logger = startLogger(stage, "s2000\nn2\n");
    await readAsItIsFed(stage, logger, 4000);
    assert.ok(fs.readdirSync(stage.at("log")).filter((name) => name.startsWith("@")).length <= 3);
  });

  story(4, "with a processor, lines are those that came, not what it made of them", async (stage) => {
    const logger = startLogger(stage, "s2000\nn0\n!tr a-z A-Z\n");
    await readAsItIsFed(stage, logger, 2000);
    const isProcessed = (name: string): boolean => name.endsWith(".s") && stage.read(`log/${name}`).startsWith("LINE");
    await stage.until("processed", () => fs.readdirSync(stage.at("log")).filter(isProcessed).length > 5);
  });

  story(5, "the last lines are there at once, however many files they are in", async (stage) => {
    const logger = startLogger(stage, "s2000\nn0\n");
    await feed(logger, textOf(numbered(1, 999)));
    await stage.until("written", () => stage.peek("log/current").endsWith("line 999\n"));
    fs.appendFileSync(stage.at("log/current"), "line 1000"); // svlogd does so when its buffer is full
    const directory = stage.at("log");
    for (const lines of [1, 2, 10, 600, 999, 1000, 1001, Number.POSITIVE_INFINITY]) {
      const found: string[] = [];
      for await (const line of services.log("web", { directory, lines })) found.push(line);
      assert.deepEqual(found, numbered(Math.max(1, 1001 - lines), 1000), `${lines} lines`);
    }
    for await (const line of services.log("web", { directory, lines: 0 }))
      assert.equal(line, "line 1000", "the unfinished one");
    const next = collect(services.log("web", { directory, lines: 0, follow: true, signal: endOf(stage) }), 2);
    fs.appendFileSync(stage.at("log/current"), " is finished\nanother\n");
    assert.deepEqual(await next, ["line 1000 is finished", "another"]);
  });

  story(
    8,
    "a line that is cut at the end of a file is one line",
    async (stage) => {
      stage.file(`log/@4${"0".repeat(22)}1.s`, "one\ntwo ");
      stage.file("log/current", "halves\nthree\n");
      const read = async (lines: number): Promise<string[]> => {
        const found: string[] = [];
        for await (const line of services.log("web", { directory: stage.at("log"), lines })) found.push(line);
        return found;
      };
      assert.deepEqual(await read(2), ["two halves", "three"]);
      assert.deepEqual(await read(10), ["one", "two halves", "three"]);
      stage.file("log/current", "");
      assert.deepEqual(await read(1), ["two "]);
      assert.deepEqual(await read(2), ["one", "two "]);
      stage.file("log/current", "tail");
      assert.deepEqual(await read(1), ["two tail"]);
    },
    { only: "ours" },
  );

  story(
    9,
    "a part of a line that svlogd takes back on a full disk is not read twice",
    async (stage) => {
      stage.file("log/current", "one\ntw");
      const lines = services.log("web", { directory: stage.at("log"), follow: true, signal: endOf(stage) });
      assert.equal((await lines.next()).value, "one");
      const next = lines.next();
      await stage.span(50); // it has read what there is
      fs.truncateSync(stage.at("log/current"), 4);
      await stage.span(50);
      fs.appendFileSync(stage.at("log/current"), "twenty\n");
      assert.equal((await next).value, "twenty");
      await lines.return();
    },
    { only: "ours" },
  );

  story(6, "following ends with the signal", async (stage) => {
    const logger = startLogger(stage, "");
    await feed(logger, "one\n");
    await stage.until("written", () => stage.peek("log/current") === "one\n");
    const abort = new AbortController();
    const lines = services.log("web", { directory: stage.at("log"), follow: true, signal: abort.signal });
    assert.equal((await lines.next()).value, "one");
    const next = lines.next();
    abort.abort();
    assert.equal((await next).done, true);
  });

  story(7, "the log directory of a service is found", async (stage) => {
    stage.service("sv/main", { run: "echo from main\nexec sleep 1000", "log/run": "#!/bin/sh\nexec svlogd ./main\n" });
    fs.mkdirSync(stage.at("sv/main/log/main"));
    stage.service("sv/plain", { run: "echo from plain\nexec sleep 1000", "log/run": "#!/bin/sh\nexec svlogd .\n" });
    stage.service("sv/far", {
      run: "echo from far\nexec sleep 1000",
      "log/run": `#!/bin/sh\nexec svlogd ${stage.at("logs/far")}\n`,
    });
    fs.mkdirSync(stage.at("logs/far"), { recursive: true });
    stage.service("sv/none", { run: "exec sleep 1000" });
    stage.start("runsvdir", ["sv"]);
    const found = new Services({ directory: stage.at("sv") });
    await found.wait(["main", "main/log", "plain/log", "far/log", "none"], "up", patience);
    for (const name of ["main", "plain", "far"]) {
      await stage.until("its svlogd has begun", () =>
        ["sv/main/log/main", "sv/plain/log", "logs/far"].every((path) => stage.exists(`${path}/current`)),
      );
      const lines = found.log(name, { follow: true, signal: endOf(stage) });
      assert.equal((await lines.next()).value, `from ${name}`);
      await lines.return();
    }
    await assert.rejects(found.log("none").next(), (error) => error instanceof ServiceError && error.code === "no log");
  });

  story(
    10,
    "a log that runsv makes for a service without log service is found",
    async (stage) => {
      stage.service("web", { run: "echo from web\nexec sleep 1000" });
      fs.symlinkSync(stage.at("run"), stage.at(".run"));
      stage.start("runsv", ["-l", stage.at("logs"), "web"]);
      const found = new Services({ directory: stage.dir });
      await found.wait("web", "up", patience);
      await stage.until("its svlogd has begun", () => stage.exists("logs/web/current"));
      const lines = found.log("web", { follow: true, signal: endOf(stage) });
      assert.match(String((await lines.next()).value), /^\S+ from web$/);
      await lines.return();
    },
    { only: "ours" },
  );

  story(11, "a processor that is taken out of config repeats nothing", async (stage) => {
    const logger = startLogger(stage, "s2000\nn0\n!tr a-z A-Z\n");
    await readAsItIsFed(stage, logger, 600);
    const isProcessed = (): boolean => fs.readdirSync(stage.at("log")).filter((name) => name.endsWith(".s")).length > 3;
    await stage.until("processed", isProcessed);
    const lines = services.log("web", { directory: stage.at("log"), follow: true, signal: endOf(stage), lines: 1 });
    await lines.next();
    const reading = collect(lines, 200);
    stage.file("log/config", "s2000\nn0\n");
    logger.child.kill("SIGHUP");
    for (let from = 1001; from <= 1200; from += 40) {
      await feed(logger, textOf(numbered(from, from + 39)));
      await stage.until("written", () => stage.peek("log/current").endsWith(`line ${from + 39}\n`));
    }
    const found = await reading;
    assert.deepEqual(found.slice(-200), numbered(1001, 1200));
  });

  story(
    12,
    "the last lines of a file of 5 GB are there at once",
    async (stage) => {
      fs.mkdirSync(stage.at("log"));
      const fd = fs.openSync(stage.at("log/current"), "w");
      fs.ftruncateSync(fd, 5_000_000_000);
      fs.writeSync(fd, "\none\ntwo\n", 5_000_000_000);
      fs.closeSync(fd);
      assert.deepEqual(await collect(services.log("web", { directory: stage.at("log"), lines: 2 }), 3), ["one", "two"]);
      // And a line of 100 MB is no trouble.
      stage.file("log/current", `${"x".repeat(100_000_000)}\nthree\n`);
      const [long, three] = await collect(services.log("web", { directory: stage.at("log"), lines: 2 }), 2);
      assert.deepEqual([long?.length, three], [100_000_000, "three"]);
    },
    { only: "ours" },
  );

  story(
    13,
    "what cannot be read is said, and is not passed over",
    async (stage) => {
      const said = async (lines: AsyncGenerator<string>): Promise<string> => {
        const error: unknown = await lines.next().catch((caught: unknown) => caught);
        return error instanceof ServiceError ? error.message.replaceAll(stage.dir, "") : String(error);
      };
      const directory = stage.at("log");
      fs.mkdirSync(stage.at("log/current"), { recursive: true });
      assert.equal(
        await said(services.log("web", { directory })),
        "fail: web: unable to open current in /log: is a directory",
      );
      fs.rmdirSync(stage.at("log/current"));
      spawnSync("mkfifo", [stage.at("log/current")]);
      assert.match(await said(services.log("web", { directory })), /unable to open current in/);
      fs.unlinkSync(stage.at("log/current"));
      stage.file("log/current", "one\n");
      const lines = services.log("web", { directory, follow: true, signal: endOf(stage) });
      assert.equal((await lines.next()).value, "one");
      const name = `@4${"0".repeat(22)}1.s`;
      fs.mkdirSync(stage.at(`log/${name}`));
      fs.renameSync(stage.at("log/current"), stage.at("log/old"));
      stage.file("log/current", "two\n");
      assert.equal(await said(lines), `fail: web: unable to open ${name} in /log: is a directory`);
    },
    { only: "ours" },
  );

  story(
    14,
    "where there are no descriptors left, following ends with that error, and loses nothing in silence",
    async (stage) => {
      stage.file("log/current", "one\n");
      const script = path.resolve(import.meta.dirname, "few-descriptors.ts");
      const words = ["-c", 'ulimit -n 80; exec "$@"', "sh", process.execPath, script, "log", stage.at("log"), "old"];
      const { stdout, stderr } = spawnSync("/bin/sh", words, { encoding: "utf8", timeout: 60_000 });
      assert.equal(stderr, "");
      assert.match(stdout, /^one\nfailed: fail: web: .*: process cannot open more files.*\n$/);
    },
    { only: "ours" },
  );
});
