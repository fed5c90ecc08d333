// Writers of logs beside each other: Debian's svlogd, multilog, s6-log and ours, in one run, each in turn. What they are
// fed with goes through a pipe, and their log directories stand in memory. docs/benchmarks.md says how it is measured.

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import type { Summary } from "./numbers.ts";
import { describeRatio, layOutTable, quantile, short, summarize } from "./numbers.ts";
import { memoryOf, sleepsOf } from "./processes.ts";
import { sleep } from "./tree.ts";

export interface LogBench {
  readonly build: string;
  readonly reference: string;
  readonly isQuick: boolean;
}

const writerNames = ["ours", "svlogd", "multilog", "s6-log"] as const;
type WriterName = (typeof writerNames)[number];

/** What a log writer is told to do. */
interface Setting {
  readonly title: string;
  readonly stamp: "" | "t" | "tt";
  readonly selects: boolean;
  readonly fileBytes: number;
  /** Of svlogd, in place of its 1024. */
  readonly bufferBytes?: number;
}
interface Writer {
  readonly name: WriterName;
  readonly program: string;
  /** Makes what it needs in an empty directory; answers its arguments, or undefined when it has no such setting. */
  readonly prepare: (setting: Setting, directory: string) => readonly string[] | undefined;
}

/** The greatest file that all of them take. */
const largestFile = 16_777_215;
const keptFiles = 10;
/** For one feeding, however slow the machine. */
const patienceMilliseconds = 300_000;
const plain: Setting = { title: "", stamp: "", selects: false, fileBytes: largestFile };
/** Ten files of 16 MB and the next. */
const keptBytes = 180_000_000;
const settings: readonly Setting[] = [
  plain,
  { ...plain, title: ", -t", stamp: "t" },
  { ...plain, title: ", -tt", stamp: "tt" },
  { ...plain, title: ", 10 patterns", selects: true },
  { ...plain, title: ", files of 1 MB", fileBytes: 1_000_000 },
  { ...plain, title: ", -b 65536", bufferBytes: 65_536 },
];

/** Ten patterns as svlogd and multilog read them, and as regular expressions. One line of eight is dropped, by the first. */
const patterns: readonly (readonly [string, string])[] = [
  ["-debug: *", "-^debug: "],
  ["-trace: *", "-^trace: "],
  ["-notice: *", "-^notice: "],
  ["-cron[*]: *", "-^cron\\[[^]]*]: "],
  ["-*: pid *", "-^[^:]*: pid "],
  ["-*healthcheck*", "-^[^h]*healthcheck"],
  ["-*keepalive*", "-^[^k]*keepalive"],
  ["-*GET /metrics*", "-^[^G]*GET /metrics"],
  ["-*/favicon.ico *", "-^[^/]*/favicon\\.ico "],
  ["+*!*", "+^[^!]*!"],
];

function prepareSvlogd(setting: Setting, directory: string): readonly string[] {
  const selection = setting.selects ? patterns.map(([pattern]) => pattern) : [];
  const lines = [`s${setting.fileBytes}`, `n${keptFiles}`, ...selection];
  fs.writeFileSync(path.join(directory, "config"), `${lines.join("\n")}\n`);
  const stamp = setting.stamp === "" ? [] : [`-${setting.stamp}`];
  const buffer = setting.bufferBytes === undefined ? [] : ["-b", `${setting.bufferBytes}`];
  return [...stamp, ...buffer, directory];
}
function prepareMultilog(setting: Setting, directory: string): readonly string[] | undefined {
  if (setting.stamp === "tt" || setting.bufferBytes !== undefined) return undefined;
  const selection = setting.selects ? patterns.map(([pattern]) => pattern) : [];
  return [...setting.stamp, ...selection, `s${setting.fileBytes}`, `n${keptFiles}`, directory];
}
function prepareS6Log(setting: Setting, directory: string): readonly string[] | undefined {
  if (setting.bufferBytes !== undefined) return undefined;
  const selection = setting.selects ? patterns.map(([, expression]) => expression) : [];
  const stamp = { "": [], t: ["t"], tt: ["T"] }[setting.stamp];
  return ["--", ...selection, ...stamp, `s${setting.fileBytes}`, `n${keptFiles}`, directory];
}

function writersOf({ build, reference }: LogBench): readonly Writer[] {
  const all: readonly Writer[] = [
    { name: "ours", program: path.join(build, "bench/bin/svlogd"), prepare: prepareSvlogd },
    { name: "svlogd", program: path.join(reference, "usr/bin/svlogd"), prepare: prepareSvlogd },
    { name: "multilog", program: path.join(reference, "usr/bin/multilog"), prepare: prepareMultilog },
    { name: "s6-log", program: path.join(reference, "usr/bin/s6-log"), prepare: prepareS6Log },
  ];
  return all.filter(({ program }) => fs.existsSync(program));
}

/** s6-log has shared libraries of its own. */
function environmentOf({ reference }: LogBench): Record<string, string> {
  const libraries = path.join(reference, "usr/lib");
  const found = fs.existsSync(libraries) ? fs.readdirSync(libraries).filter((name) => name.includes("-linux-")) : [];
  return { LD_LIBRARY_PATH: found.map((name) => path.join(libraries, name)).join(":") };
}

const typeOfTmpfs = 0x01021994;
/** In memory, where that is possible: see scripts/bench. */
function makeDirectory(): string {
  const candidates = [process.env["BENCH_TREES"] ?? "", "/dev/shm"];
  const inMemory = candidates.find((name) => fs.existsSync(name) && fs.statfsSync(name).type === typeOfTmpfs);
  return fs.mkdtempSync(path.join(inMemory ?? os.tmpdir(), "logs-"));
}

/**
 * The memory that a log takes is fetched before: a virtual machine has given what is free back to its host, and waits for each
 * page that it wants again.
 */
function fetchMemory(directory: string, bytes: number): void {
  const file = path.join(directory, "memory");
  const fd = fs.openSync(file, "w");
  const block = new Uint8Array(1_000_000);
  for (let left = Math.min(bytes, keptBytes); left > 0; left -= block.length) fs.writeSync(fd, block);
  fs.closeSync(fd);
  fs.unlinkSync(file);
}

interface Feeding {
  readonly seconds: number;
  readonly processorSeconds: number;
}

/** The rows of the table: their samples by writer. */
class Samples {
  readonly rows = new Map<string, Map<WriterName, number[]>>();
  note(row: string, writer: WriterName, value: number): void {
    const writers = this.rows.get(row) ?? new Map<WriterName, number[]>();
    const list = writers.get(writer) ?? [];
    list.push(value);
    writers.set(writer, list);
    this.rows.set(row, writers);
  }
}

class Run {
  readonly #bench: LogBench;
  readonly #environment: Record<string, string>;
  readonly #writers: readonly Writer[];
  readonly throughput = new Samples();
  readonly processor = new Samples();
  readonly latency = new Samples();
  readonly idle = new Samples();

  constructor(bench: LogBench) {
    this.#bench = bench;
    this.#environment = environmentOf(bench);
    this.#writers = writersOf(bench);
  }

  /** Feeds all writers with lines of this length; undefined: it has no such setting. */
  #feed(writer: Writer, setting: Setting, length: number, bytes: number, inspect?: (directory: string) => void) {
    const directory = makeDirectory();
    try {
      const args = writer.prepare(setting, directory);
      if (args === undefined) return undefined;
      const feed = path.join(this.#bench.build, "bench/feed");
      const numbers = [`${length}`, `${bytes}`];
      const env = this.#environment;
      fetchMemory(directory, bytes);
      const result = spawnSync(feed, [...numbers, writer.program, ...args], {
        env,
        encoding: "latin1",
        timeout: patienceMilliseconds,
      });
      const [wall = Number.NaN, user = 0, system = 0, code] = result.stdout.trim().split(" ").map(Number);
      if (code !== 0)
        throw new Error(`${writer.name}${setting.title} exits ${code}: ${result.stderr}${result.error ?? ""}`);
      inspect?.(directory);
      return { seconds: wall / 1e6, processorSeconds: (user + system) / 1e6 } satisfies Feeding;
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }

  /** All of them keep the same lines, else their numbers say nothing. */
  check(): void {
    for (const setting of settings)
      for (const writer of this.#writers)
        this.#feed(writer, setting, 100, 800_000, (directory) => {
          const kept = fs.readFileSync(path.join(directory, "current"), "latin1").split("\n").length - 1;
          const expected = setting.selects ? 7000 : 8000;
          // Of files of a megabyte this is one, with stamps too.
          if (kept !== expected) throw new Error(`${writer.name}${setting.title} keeps ${kept} lines of ${expected}`);
        });
  }

  feedAll(length: number, bytes: number, rounds: number): void {
    for (const setting of settings)
      for (let round = 0; round < rounds; round++)
        for (const writer of this.#writers) {
          const feeding = this.#feed(writer, setting, length, bytes);
          if (feeding === undefined) continue;
          const row = `lines of ${length.toLocaleString("en")} bytes${setting.title}`;
          this.throughput.note(row, writer.name, bytes / 1e6 / feeding.seconds);
          this.processor.note(row, writer.name, feeding.processorSeconds / (bytes / 1e9));
        }
  }

  /** A line now and then, and then none: how soon it is in the file, and what remains of the writer when it has slept. */
  async drip(lines: number, idleMilliseconds: number): Promise<void> {
    for (const writer of this.#writers) {
      const directory = makeDirectory();
      const args = writer.prepare({ ...plain, stamp: "t" }, directory) ?? [];
      // A second one, as on any machine with two logs: pages of the program are then nobody's own.
      const besides = makeDirectory();
      const other = spawn(writer.program, writer.prepare({ ...plain, stamp: "t" }, besides) ?? [], {
        env: this.#environment,
        stdio: ["pipe", "ignore", "inherit"],
      });
      other.stdin?.write("a line\n".repeat(10)); // it does all that the other does
      const latency = path.join(this.#bench.build, "bench/latency");
      const child = spawn(latency, [path.join(directory, "current"), `${lines}`, "10", writer.program, ...args], {
        env: this.#environment,
        stdio: ["pipe", "pipe", "inherit"],
      });
      try {
        const { samples, pid } = await readLatencies(child);
        for (const sample of samples) this.latency.note("", writer.name, sample);
        await sleep(200);
        const before = sleepsOf(pid);
        const start = performance.now();
        await sleep(idleMilliseconds);
        const minutes = (performance.now() - start) / 60_000;
        this.idle.note("wake-ups per minute, idle", writer.name, (sleepsOf(pid) - before) / minutes);
        this.idle.note("private memory, idle, one of two, KiB", writer.name, memoryOf(pid).own / 1024);
      } finally {
        await end(child);
        await end(other);
        for (const made of [directory, besides]) fs.rmSync(made, { recursive: true, force: true });
      }
    }
  }
}

/** Microseconds, one a line, and at the end "idle PID". */
async function readLatencies(child: ChildProcess): Promise<{ samples: readonly number[]; pid: number }> {
  const samples: number[] = [];
  if (child.stdout === null) throw new Error("latency has no output");
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("idle ")) return { samples, pid: Number(line.slice(5)) };
    samples.push(Number(line));
  }
  throw new Error("latency has ended early");
}

/** Ends its input; then it ends the writer's. */
async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.stdin?.end();
  child.stdout?.resume();
  if (child.exitCode === null && child.signalCode === null) await ended;
}

type Better = "more" | "less";

interface LogRow {
  readonly title: string;
  readonly values: Partial<Record<WriterName, Summary>>;
}
export interface LogTable {
  readonly title: string;
  readonly better: Better;
  readonly rows: readonly LogRow[];
}

function rowsOf(samples: Samples, sum = summarize): readonly LogRow[] {
  return [...samples.rows].map(([title, writers]) => {
    const values: Partial<Record<WriterName, Summary>> = {};
    for (const [name, list] of writers) values[name] = sum(list);
    return { title, values };
  });
}

function latencyRows(samples: Samples): readonly LogRow[] {
  return [50, 99].flatMap((part) =>
    rowsOf(samples, (list) => summarize([quantile(list, part / 100)])).map((row) => ({
      ...row,
      title: `from write to file, p${part}, µs`,
    })),
  );
}

export async function measureLogs(bench: LogBench): Promise<readonly LogTable[]> {
  const run = new Run(bench);
  run.check();
  for (const length of [20, 100, 1000]) {
    const megabytes = bench.isQuick ? 10 : length === 20 ? 100 : 200;
    run.feedAll(length, megabytes * 1_000_000, bench.isQuick ? 1 : 3);
  }
  await run.drip(bench.isQuick ? 100 : 1000, bench.isQuick ? 1000 : 10_000);
  return [
    { title: "written, MB/s", better: "more", rows: rowsOf(run.throughput) },
    { title: "processor, seconds per GB", better: "less", rows: rowsOf(run.processor) },
    { title: "one line now and then", better: "less", rows: [...latencyRows(run.latency), ...rowsOf(run.idle)] },
  ];
}

function bestOf(row: LogRow, better: Better): number | undefined {
  const others = writerNames.filter((name) => name !== "ours").map((name) => row.values[name]?.median);
  const measured = others.filter((value) => value !== undefined);
  if (measured.length === 0) return undefined;
  return better === "more" ? Math.max(...measured) : Math.min(...measured);
}

/** Medians, and our ratio to Debian's svlogd and to the best of the three others. */
export function describeLogs({ title, better, rows }: LogTable): string {
  const head = [`${title} (${better} is better)`, "runit-ts", "Debian's svlogd", "multilog", "s6-log"];
  const lines = rows.map((row) => {
    const { ours, svlogd } = row.values;
    const cells = writerNames.map((name) => {
      const summary = row.values[name];
      return summary === undefined ? "–" : short(summary.median);
    });
    const ratios = [svlogd?.median, bestOf(row, better)].map((other) => describeRatio(ours?.median, other));
    return [row.title, ...cells, ...ratios];
  });
  return layOutTable([[...head, "ours/Debian's", "ours/best"], ...lines]);
}
