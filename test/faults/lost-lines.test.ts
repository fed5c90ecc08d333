// Numbered lines through a log service that is killed, ended and told to rotate at random moments: every line arrives,
// once, whole, and in its place. LOSS_LINES and LOSS_SIGNALS make it a run of any length, SEED replays one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { gzipSync } from "node:zlib";
import type { Build, Stage } from "../conformance/stage.ts";
import { builds, missing, referenceRoot } from "../conformance/stage.ts";
import { compiled, directoryInMemory, randomFrom, releaseBuild, staged } from "./scenes.ts";

const lines = Number(process.env["LOSS_LINES"] ?? 400_000);
const signals = Number(process.env["LOSS_SIGNALS"] ?? 200);
const stampLength = 26;
/** A test has so long, and a third of a millisecond for each line. */
const patienceMilliseconds = 120_000;

interface Flood {
  readonly lines: number;
  readonly signals: number;
  /** Letters of those that are sent: KILL, TERM, HUP, ALRM. */
  readonly names: string;
  /** The most letters of a line, and the most bytes of one write. */
  readonly longest: number;
  readonly piece: number;
  readonly options: readonly string[];
  /** Each log directory: its configuration, and of which numbers it has no multiple. */
  readonly logs: readonly { readonly config: string; readonly dropped?: number }[];
}

const packing = "s100000\nn0\n!gzip -1\n";
const usual: Flood = {
  lines,
  signals,
  names: "KTHA",
  longest: 60,
  piece: 2048,
  options: ["-tt"],
  logs: [{ config: packing }],
};

/** What has become of the lines. */
interface Count {
  readonly lines: number;
  readonly missing: number;
  readonly doubled: number;
  readonly torn: number;
  readonly misplaced: number;
  readonly unwanted: number;
}
const nothingWrong = { missing: 0, doubled: 0, torn: 0, misplaced: 0, unwanted: 0 };

/** All lines, undamaged. */
function print(flood: Flood): string {
  return spawnSync(compiled("lines"), ["print", `${flood.lines}`, `${flood.longest}`], { encoding: "latin1" }).stdout;
}

/** The count, and in words which lines are meant. */
function check(directory: string, flood: Flood, dropped = 0): { readonly count: Count; readonly which: string[] } {
  const stamp = flood.options.length > 0 ? stampLength : 0;
  const numbers = [flood.lines, flood.longest, stamp, dropped].map(String);
  const { status, stdout, stderr } = spawnSync(compiled("lines"), ["check", ...numbers, directory], {
    encoding: "latin1",
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "", "every file can be read");
  const [numbersFound = "", ...which] = stdout.trimEnd().split("\n");
  const [all = -1, lost = -1, doubled = -1, torn = -1, misplaced = -1, unwanted = -1] = numbersFound
    .split(" ")
    .map(Number);
  return { count: { lines: all, missing: lost, doubled, torn, misplaced, unwanted }, which };
}

/** Makes the log directories. */
function layOutLogs(root: string, flood: Flood): readonly string[] {
  return flood.logs.map(({ config }, index) => {
    const directory = path.join(root, `log${index}`);
    fs.mkdirSync(directory);
    fs.writeFileSync(path.join(directory, "config"), config);
    return directory;
  });
}

/** What has been said, each line once, with how often. */
function summarize(text: string): readonly string[] {
  const times = new Map<string, number>();
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const kind = line.replaceAll(/@[0-9a-f]{24}/g, "@…");
    times.set(kind, (times.get(kind) ?? 0) + 1);
  }
  return [...times].map(([line, count]) => `${count} × ${line}`);
}

/** Drives the log service; answers what each log directory holds in the end, and says what has happened. */
async function pour(stage: Stage, context: TestContext, flood: Flood): Promise<readonly Count[]> {
  const root = directoryInMemory(stage);
  const directories = layOutLogs(root, flood);
  const seed = Math.floor(randomFrom(context)() * 2 ** 32);
  const numbers = [seed, flood.lines, flood.longest, flood.piece, flood.signals].map(String);
  const args = ["drive", ...numbers, flood.names, stage.program("svlogd"), ...flood.options, ...directories];
  const { code, out, err } = await stage.run(compiled("lines"), args, { cwd: root });
  context.diagnostic(out.trim());
  for (const line of summarize(err.replaceAll(root, "…"))) context.diagnostic(line);
  assert.equal(code, 0, `${out}${err.slice(-2000)}`);
  return flood.logs.map(({ dropped }, index) => {
    const { count, which } = check(directories[index] ?? "", flood, dropped);
    for (const line of [describe(count), ...which]) context.diagnostic(line);
    return count;
  });
}

function describe({ lines: all, missing: lost, doubled, torn, misplaced, unwanted }: Count): string {
  return `${all} lines; ${lost} missing, ${doubled} doubled, ${torn} torn, ${misplaced} misplaced, ${unwanted} unwanted`;
}

// ── ours ──

const floods: readonly (readonly [string, Flood])[] = [
  ["with stamps, each file packed", usual],
  [
    "without stamps, into two logs of which one drops every seventh line",
    {
      ...usual,
      options: [],
      logs: [{ config: packing }, { config: "s70000\nn0\n-* a*\n", dropped: 7 }],
    },
  ],
  ["in pieces of one to seven bytes", { ...usual, lines: Math.ceil(lines / 10), piece: 7 }],
  [
    "of which many are longer than svlogd's len",
    { ...usual, lines: Math.ceil(lines / 25), longest: 3000, logs: [{ config: "s100000\nn0\n!gzip -1\n" }] },
  ],
];
const time = patienceMilliseconds + lines / 3;

for (const [title, flood] of floods) {
  staged(
    `no line is lost, doubled or torn: lines ${title}`,
    releaseBuild,
    async (stage, context) => {
      const counts = await pour(stage, context, flood);
      for (const { lines: all, missing: lost, doubled, torn } of counts)
        context.diagnostic(`counts: flood lines=${all} missing=${lost} doubled=${doubled} torn=${torn}`);
      context.diagnostic(`counts: flood signals=${flood.signals}`);
      for (const { lines: _, ...wrong } of counts) assert.deepEqual(wrong, nothingWrong);
    },
    { timeoutMilliseconds: time, skip: missing("gzip") },
  );
}

/** A pipe that holds these bytes and then ends: its read end. */
function filledPipe(stage: Stage, name: string, text: string): number {
  const fifo = stage.fifo(name);
  const both = fs.openSync(fifo, "r+");
  const readEnd = fs.openSync(fifo, "r");
  fs.writeSync(both, text, null, "latin1");
  fs.closeSync(both);
  return readEnd;
}

/** One life under strace, which kills it before the n-th such call, then another; answers what is wrong with the logs. */
async function twoLives(stage: Stage, text: string, flood: Flood, call: string, n: number): Promise<string> {
  const name = `${call}-${n}`;
  const root = directoryInMemory(stage);
  const directories = layOutLogs(root, flood);
  const stdin = filledPipe(stage, name, text);
  const words = [stage.program("svlogd"), ...flood.options, ...directories];
  const traced = ["strace", "-qq", "-o", stage.at(`${name}.calls`), "-e", `inject=${call}:signal=KILL:when=${n}`];
  await stage.run("/usr/bin/env", [...traced, ...words], { stdin });
  const { code, err } = await stage.run(words[0] ?? "", words.slice(1), { stdin });
  fs.closeSync(stdin);
  const found = flood.logs.map(({ dropped }, index) => check(directories[index] ?? "", flood, dropped));
  fs.rmSync(root, { recursive: true });
  const isRight = found.every(({ count: { lines: _, ...wrong } }) => isDeepStrictEqual(wrong, nothingWrong));
  if (isRight && code === 0) return "";
  const before = stage.read(`${name}.calls`).trimEnd().split("\n").slice(-4, -1);
  const logs = found.map(({ count, which }) => [describe(count), ...which].join(", "));
  return [`killed before ${call} ${n}: exit code ${code}; ${err}`, ...logs, ...before].join("\n   ");
}

/** How often it makes each system call when nothing is in its way. */
async function countCalls(stage: Stage, text: string, flood: Flood): Promise<Map<string, number>> {
  const directories = layOutLogs(directoryInMemory(stage), flood);
  const stdin = filledPipe(stage, "whole", text);
  const words = [stage.program("svlogd"), ...flood.options, ...directories];
  const { code } = await stage.run("/usr/bin/env", ["strace", "-qq", "-o", stage.at("calls"), ...words], { stdin });
  assert.equal(code, 0);
  fs.closeSync(stdin);
  const calls = new Map<string, number>();
  for (const [, name = ""] of stage.read("calls").matchAll(/^(\w+)\(/gm)) calls.set(name, (calls.get(name) ?? 0) + 1);
  return calls;
}

/** Calls that change nothing that another process could see: a kill before them is a kill before what follows. */
const quietCalls =
  /^(execve|exit_group|arch_prctl|set_tid_address|rt_.*|sigaltstack|m(map|unmap|advise)|fcntl|getdents64)$/;

staged(
  "no line is lost, doubled or torn: killed before each of its system calls",
  releaseBuild,
  async (stage, context) => {
    const flood: Flood = {
      ...usual,
      lines: 100,
      logs: [{ config: "s3000\nn0\n!cat\n" }, { config: "s4000\nn0\n-* a*\n", dropped: 7 }],
    };
    const text = print(flood);
    const tries: (readonly [string, number])[] = [];
    for (const [call, times] of await countCalls(stage, text, flood))
      if (!quietCalls.test(call)) for (let n = 1; n <= times; n++) tries.push([call, n]);
    const wrong: string[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let one = tries[next++]; one !== undefined; one = tries[next++]) {
        const found = await twoLives(stage, text, flood, ...one);
        if (found !== "") wrong.push(found);
      }
    };
    await Promise.all([work(), work()]);
    context.diagnostic(`counts: lost-lines kills=${tries.length}`);
    assert.equal(wrong.length, 0, `${wrong.length} of ${tries.length} kills:\n${wrong.slice(0, 10).join("\n")}`);
  },
  { timeoutMilliseconds: patienceMilliseconds, skip: missing("strace") },
);

// ── the original ──

const original: Build | undefined = builds.find(
  ({ name }) => name === "reference" && fs.existsSync(path.join(referenceRoot, "usr/bin/svlogd")),
);

staged(
  "the original loses lines, and the count sees it",
  () => original ?? assert.fail("no reference"),
  async (stage, context) => {
    const half: Flood = { ...usual, lines: Math.ceil(lines / 2), signals: Math.ceil(signals / 2) };
    const [killed] = await pour(stage, context, { ...half, names: "K" });
    for (const names of ["T", "H", "A", usual.names]) await pour(stage, context, { ...half, names });
    assert.ok((killed?.missing ?? 0) > 0);
  },
  { timeoutMilliseconds: time, skip: original === undefined && "no reference" },
);

// ── the count itself ──

interface Damage {
  readonly title: string;
  readonly harm: (all: string[]) => void;
  readonly wrong: Partial<Count>;
}
const damages: readonly Damage[] = [
  { title: "nothing", harm: () => {}, wrong: {} },
  { title: "a line that is removed", harm: (all) => void all.splice(300, 1), wrong: { missing: 1 } },
  { title: "the last line removed", harm: (all) => void all.pop(), wrong: { missing: 1 } },
  {
    title: "a line that is there twice",
    harm: (all) => void all.splice(700, 0, all[700] ?? ""),
    wrong: { doubled: 1 },
  },
  {
    title: "a line that comes again much later",
    harm: (all) => void all.push(all[10] ?? ""),
    wrong: { doubled: 1 },
  },
  {
    title: "a line without its first letters",
    harm: (all) => void all.splice(5, 1, (all[5] ?? "").slice(3)),
    wrong: { torn: 1, missing: 1 },
  },
  {
    title: "a line without its last letter",
    harm: (all) => void all.splice(5, 1, (all[5] ?? "").slice(0, -1)),
    wrong: { torn: 1, missing: 1 },
  },
  {
    title: "a line cut in two",
    harm: (all) => void all.splice(5, 1, (all[5] ?? "").slice(0, 9), (all[5] ?? "").slice(9)),
    wrong: { torn: 2, missing: 1 },
  },
  {
    title: "two lines that have become one",
    harm: (all) => void all.splice(5, 2, `${all[5]}${all[6]}`),
    wrong: { torn: 1, missing: 2 },
  },
  {
    title: "a letter that is another",
    harm: (all) => void all.splice(5, 1, (all[5] ?? "").replace(/.$/, "!")),
    wrong: { torn: 1, missing: 1 },
  },
  {
    title: "two lines in the wrong order",
    harm: (all) => void all.splice(5, 2, all[6] ?? "", all[5] ?? ""),
    wrong: { misplaced: 1 },
  },
];

test("the count notices what is wrong with a log, and nothing else", async (context) => {
  const flood: Flood = { ...usual, lines: 1000, options: [] };
  const text = print(flood);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "count-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const lay = (all: readonly string[]): void => {
    const part = (from: number, to: number): string =>
      all
        .slice(from, to)
        .map((line) => `${line}\n`)
        .join("");
    fs.writeFileSync(path.join(directory, "@4000000068f00000000000aa.s"), gzipSync(part(0, 400)));
    fs.writeFileSync(path.join(directory, "@4000000068f00000000000ab.u"), part(400, 800));
    fs.writeFileSync(path.join(directory, "current"), part(800, all.length));
  };
  for (const { title, harm, wrong } of damages)
    await context.test(title, () => {
      const all = text.split("\n").slice(0, -1);
      assert.equal(all.length, 1000);
      harm(all);
      lay(all);
      assert.deepEqual(check(directory, flood).count, { ...nothingWrong, lines: all.length, ...wrong });
    });
  await context.test("a line that should have been dropped", () => {
    const all = text.split("\n").slice(0, -1);
    lay(all.filter((_, index) => (index + 1) % 7 !== 0 || index + 1 === 70));
    assert.deepEqual(check(directory, flood, 7).count, { ...nothingWrong, lines: 1000 - 142 + 1, unwanted: 1 });
  });
  await context.test("stamps that are there, and one that is torn", () => {
    const stamped = text
      .split("\n")
      .slice(0, -1)
      .map((line) => `2025-11-21_08:00:00.12345 ${line}`);
    const wanting = { ...flood, options: ["-tt"] };
    lay(stamped);
    assert.deepEqual(check(directory, wanting).count, { ...nothingWrong, lines: 1000 });
    lay(stamped.map((line, index) => (index === 500 ? line.slice(1) : line)));
    assert.deepEqual(check(directory, wanting).count, { ...nothingWrong, lines: 1000, torn: 1, missing: 1 });
  });
});
