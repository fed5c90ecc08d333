// Ours beside Debian's runit: one run, one table. docs/benchmarks.md says for every row how it is measured.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describeBoot, measureBoot } from "./boot.ts";
import { describeLogs, measureLogs } from "./logs.ts";
import type { Row, Summary } from "./numbers.ts";
import { describeTable, quantile, summarize } from "./numbers.ts";
import { describePeers, measurePeers } from "./peers.ts";
import { memoryOf, processorTimeOf, sleepsOf } from "./processes.ts";
import { measureTools } from "./tools.ts";
import type { Build } from "./tree.ts";
import { pause, sleep, stopAll, Tree } from "./tree.ts";
import { measureUsers } from "./users.ts";

const isQuick = (process.env["BENCH_QUICK"] ?? "") !== "";
/** "trees", "users", "peers", "tools", "boot" or "logs": only those. */
const only = process.env["BENCH_ONLY"] ?? "";
const root = path.resolve(import.meta.dirname, "../..");
const build = path.resolve(root, process.argv[2] ?? "build");
const pauseProgram = path.join(build, "bench/pause");
const stopwatch = path.join(build, "bench/stopwatch");

const ours: Build = { name: "ours", bin: path.join(build, "bench/bin") };
const theirs: Build = { name: "theirs", bin: path.join(root, "build/reference/usr/bin") };
const builds = fs.existsSync(path.join(theirs.bin, "runsv")) ? [ours, theirs] : [ours];

/** Services in a tree, and how often it is brought up. */
const sizes: readonly { readonly count: number; readonly times: number }[] = isQuick
  ? [
      { count: 1, times: 2 },
      { count: 100, times: 2 },
    ]
  : [
      { count: 1, times: 20 },
      { count: 100, times: 7 },
      { count: 1000, times: 5 },
    ];
const killPasses = isQuick ? 1 : 5;
const restarts = isQuick ? 4 : 25;
const enableTrees = isQuick ? 4 : 20;
const statusTimes = isQuick ? 3 : 15;
const idleMilliseconds = isQuick ? 3000 : 30_000;
/** A service that has run for more than a second is restarted without a pause. */
const matureMilliseconds = 1100;
/** Nothing in a scan directory is to be news when runsvdir is started. */
const settleMilliseconds = 1100;
/** So often a single service is looked at. Without a pause we would take the processor from those we measure. */
const lookMilliseconds = 0.05;

type Samples = Map<string, number[]>;
const samples: Record<Build["name"], Samples> = { ours: new Map(), theirs: new Map() };

function note(build: Build, what: string, value: number): void {
  const list = samples[build.name].get(what) ?? [];
  list.push(value);
  samples[build.name].set(what, list);
}

interface Timing {
  readonly wall: number;
  readonly processor: number;
}

/** One program from start to end, by a clock in C: milliseconds. */
function time(tree: Tree, program: string, args: readonly string[]): Timing {
  const result = spawnSync(stopwatch, [path.join(tree.build.bin, program), ...args], {
    env: tree.environment,
    cwd: tree.root,
    encoding: "latin1",
  });
  const [wall = Number.NaN, user = 0, system = 0, code] = result.stdout.trim().split(" ").map(Number);
  if (code !== 0) throw new Error(`${tree.build.name}: ${program} ${args[0] ?? ""} exits ${code}`);
  return { wall: wall / 1000, processor: (user + system) / 1000 };
}

async function bringUp(build: Build, count: number, isLast: boolean): Promise<void> {
  const tree = new Tree(build, pauseProgram);
  tree.fill(count);
  pause(settleMilliseconds);
  const start = performance.now();
  tree.start();
  tree.awaitAllRunning(count === 1 ? lookMilliseconds : 1);
  note(build, `up ${count} wall`, performance.now() - start);
  pause(50); // the last of them publish, and go to sleep
  let processor = 0;
  const supervisors = tree.supervisors();
  for (const pid of [...supervisors, ...tree.services()]) processor += processorTimeOf(pid);
  note(build, `up ${count} processor`, processor);
  if (isLast) await inspect(tree, count, supervisors);
  await tree.stop();
}

/** What can be asked of a tree that is up. */
async function inspect(tree: Tree, count: number, supervisors: readonly number[]): Promise<void> {
  await sleep(isQuick ? 500 : 3000);
  let pss = 0;
  let own = 0;
  for (const pid of supervisors) {
    const memory = memoryOf(pid);
    pss += memory.pss;
    own += memory.own;
  }
  note(tree.build, `pss ${count}`, pss / count / 1024);
  note(tree.build, `own ${count}`, own / count / 1024);
  if (supervisors.length !== count + 1) throw new Error(`${tree.build.name}: ${supervisors.length} supervisors`);

  const largest = sizes.at(-1)?.count ?? 0;
  if (count === largest) {
    for (let i = 0; i < statusTimes; i++) {
      const timing = time(tree, "sv", ["status", ...tree.names]);
      note(tree.build, "status wall", timing.wall);
      note(tree.build, "status processor", timing.processor);
    }
  }
  if (count === 100) {
    await idle(tree, supervisors);
    for (let i = 0; i < killPasses; i++) killEach(tree);
    restart(tree);
  }
}

async function idle(tree: Tree, supervisors: readonly number[]): Promise<void> {
  const before = supervisors.map(sleepsOf);
  const start = performance.now();
  await sleep(idleMilliseconds);
  const minutes = (performance.now() - start) / 60_000;
  const woken = supervisors.map((pid, index) => sleepsOf(pid) - (before[index] ?? 0));
  note(tree.build, "wake-ups", woken.reduce((sum, one) => sum + one, 0) / minutes);
}

function killEach(tree: Tree): void {
  pause(matureMilliseconds);
  for (const name of tree.names) {
    const pid = tree.runningPid(name);
    const start = performance.now();
    process.kill(pid, "SIGKILL");
    for (;;) {
      const now = tree.runningPid(name);
      if (now !== 0 && now !== pid) break;
      pause(lookMilliseconds);
      if (performance.now() - start > 20_000) throw new Error(`${tree.build.name}: ${name} does not come back`);
    }
    note(tree.build, "kill", performance.now() - start);
  }
}

function restart(tree: Tree): void {
  pause(matureMilliseconds);
  for (const name of tree.names.slice(0, restarts))
    note(tree.build, "restart", time(tree, "sv", ["restart", name]).wall);
}

/** Several trees side by side, started at different times: each polls, if it does, in a phase of its own. */
async function enable(build: Build): Promise<void> {
  const one = async (): Promise<void> => {
    const tree = new Tree(build, pauseProgram);
    tree.define("late");
    await sleep(Math.random() * 1000);
    tree.start();
    await sleep(6000 + Math.random() * 5000);
    const start = performance.now();
    tree.enable("late");
    while (tree.runningPid("late") === 0) await sleep(1);
    note(build, "enable", performance.now() - start);
    await tree.stop();
  };
  await Promise.all(Array.from({ length: enableTrees }, one));
}

function sizeOf(build: Build): number {
  const programs = ["runsv", "runsvdir", "sv"].map((name) => fs.realpathSync(path.join(build.bin, name)));
  return [...new Set(programs)].reduce((sum, file) => sum + fs.statSync(file).size, 0);
}

function rows(): readonly Row[] {
  const of = (name: Build["name"], what: string): readonly number[] | undefined => samples[name].get(what);
  const row = (title: string, unit: string, what: string, sum = summarize): Row => {
    const [mine, other] = [of("ours", what), of("theirs", what)];
    return { title, unit, ours: mine && sum(mine), theirs: other && sum(other) };
  };
  const at =
    (part: number) =>
    (list: readonly number[]): Summary => ({ ...summarize([quantile(list, part)]) });
  const services = (count: number): string => `${count.toLocaleString("en")} service${count === 1 ? "" : "s"}`;
  const table: Row[] = [row("runsv + runsvdir + sv, on disk", "bytes", "size")];
  for (const { count } of sizes) table.push(row(`PSS per service, ${services(count)}`, "KiB", `pss ${count}`));
  for (const { count } of sizes)
    table.push(row(`private memory per service, ${services(count)}`, "KiB", `own ${count}`));
  for (const { count } of sizes) table.push(row(`bring up ${services(count)}, wall`, "ms", `up ${count} wall`));
  for (const { count } of sizes)
    table.push(row(`bring up ${services(count)}, processor`, "ms", `up ${count} processor`));
  const largest = sizes.at(-1)?.count ?? 0;
  table.push(
    row("kill -9 → running again, p50", "ms", "kill", at(0.5)),
    row("kill -9 → running again, p99", "ms", "kill", at(0.99)),
    row("enable → running", "ms", "enable"),
    row("sv restart of one service", "ms", "restart"),
    row(`sv status of ${services(largest)}, wall`, "ms", "status wall"),
    row(`sv status of ${services(largest)}, processor`, "ms", "status processor"),
    row("wake-ups per minute, idle, 100 services", "", "wake-ups"),
  );
  return table;
}

async function measureTrees(): Promise<readonly Row[]> {
  const start = performance.now();
  for (const each of builds) note(each, "size", sizeOf(each));
  for (const { count, times } of sizes) {
    for (let i = 0; i < times; i++) {
      // Taking turns: what else the machine does meanwhile hits both.
      for (const each of builds) await bringUp(each, count, i === times - 1);
    }
    console.error(`${count}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  await Promise.all(builds.map(enable)); // side by side: nearly all of it is waiting
  return rows();
}

async function main(): Promise<void> {
  const start = performance.now();
  const loadBefore = os.loadavg()[0] ?? 0;
  const table = only === "" || only === "trees" ? await measureTrees() : [];
  const reference = path.join(root, "build/reference");
  const places = { build, reference, isQuick };
  const tools = only === "" || only === "tools" ? measureTools(places) : [];
  const trees = process.env["BENCH_TREES"] ?? fs.mkdtempSync(path.join(os.tmpdir(), "bench-"));
  const users = only === "" || only === "users" ? await measureUsers(places, trees) : [];
  const peers = only === "" || only === "peers" ? await measurePeers(places, trees) : [];
  const boot = only === "" || only === "boot" ? await measureBoot(places, trees) : [];
  const logs = only === "" || only === "logs" ? await measureLogs(places) : [];

  const machine = { cores: os.availableParallelism(), kernel: os.release(), node: process.version, loadBefore };
  const about = [
    `${machine.cores} cores`,
    `Linux ${machine.kernel}`,
    `load ${loadBefore.toFixed(1)} before`,
    isQuick ? "quick run" : "full run",
  ];
  const tables: Record<string, string> = {};
  if (table.length > 0) tables["trees"] = describeTable(table);
  if (users.length > 0) tables["users"] = describeTable(users);
  if (peers.length > 0) tables["peers"] = describePeers(peers);
  if (boot.length > 0) tables["boot"] = describeBoot(boot);
  if (tools.length > 0) tables["tools"] = describeTable(tools);
  for (const [index, each] of logs.entries()) tables[`logs ${index + 1}`] = describeLogs(each);
  console.log(`${about.join(", ")}; median (least–greatest)`);
  for (const text of Object.values(tables)) console.log(`\n${text}`);
  const json = {
    machine,
    isQuick,
    seconds: (performance.now() - start) / 1000,
    rows: table,
    users,
    peers,
    tools,
    boot,
    logs,
    tables,
  };
  fs.writeFileSync(path.join(build, "bench.json"), `${JSON.stringify(json, null, 2)}\n`);
}

process.on("SIGINT", () => stopAll().then(() => process.exit(130)));
process.on("SIGTERM", () => stopAll().then(() => process.exit(143)));
try {
  await main();
} finally {
  await stopAll();
}
