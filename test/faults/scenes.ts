// What the tests of faults share: the faulty build, a service that counts its lines, random numbers that can be had again.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { Build, Running } from "../conformance/stage.ts";
import { builds, Stage } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");

const ours = builds.find((build) => build.name === "ours");
/** For `skip`: whether our build is left out. */
export const notOurs: string | false = ours === undefined && "not in CONFORMANCE";

let faulty: Build | undefined;
/** Our programs with faults in them (see posix.c); built when first needed. */
export function faultyBuild(): Build {
  if (faulty === undefined) {
    const { status, stdout, stderr } = spawnSync(path.join(root, "scripts/build-faulty"), { encoding: "latin1" });
    assert.equal(status, 0, `scripts/build-faulty: ${stdout}${stderr}`);
    faulty = { name: "ours", path: [path.join(root, "build/faulty/bin")] };
  }
  return faulty;
}
export function releaseBuild(): Build {
  return ours ?? assert.fail("our build is not in CONFORMANCE");
}

/** A test with a stage of its own. */
export function staged(
  title: string,
  build: () => Build,
  act: (stage: Stage, context: TestContext) => Promise<void>,
  options: { readonly skip?: string | false; readonly timeoutMilliseconds?: number } = {},
): void {
  const skip = notOurs || (options.skip ?? false);
  test(title, { skip, timeout: options.timeoutMilliseconds ?? 120_000 }, async (context) => {
    const stage = new Stage(build());
    try {
      await act(stage, context);
    } finally {
      await stage.clear();
    }
  });
}

let directoryOfCompiled: string | undefined;
/** A program of this directory, compiled when first needed. */
export function compiled(name: string): string {
  if (directoryOfCompiled === undefined) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "compiled-"));
    fs.chmodSync(directory, 0o755);
    process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
    directoryOfCompiled = directory;
  }
  const file = path.join(directoryOfCompiled, name);
  if (!fs.existsSync(file)) {
    execFileSync("cc", ["-static", "-Os", "-Wall", "-o", file, path.join(import.meta.dirname, `${name}.c`)]);
  }
  return file;
}

export interface Writing {
  /** Lines are written in groups, with a pause after each. */
  readonly microseconds: number;
  readonly together?: number;
  /** Ends after so many; 0: on TERM. */
  readonly lines?: number;
  readonly livesOnMilliseconds?: number;
}
/** Text of a run script: the writer, which notes in `double` when there are two of it, in NAME.counts what it wrote. */
export function writes(stage: Stage, name: string, writing: Writing): string {
  const { microseconds, together = 1, lines = 0, livesOnMilliseconds = 0 } = writing;
  const numbers = [microseconds, together, lines, livesOnMilliseconds].join(" ");
  const counts = stage.at(`${path.basename(name)}.counts`);
  return `COUNTS=${counts} exec ${compiled("writer")} ${stage.at(`${path.basename(name)}.lock`)} ${stage.at("double")} ${numbers}`;
}
/** Checks what a log service has written down: every writer's lines from 1 on, in order; answers how many there are. */
export function assertComplete(text: string, what: string): { readonly lines: number; readonly writers: number } {
  const last = new Map<string, number>();
  const all = text.split("\n");
  assert.equal(all.pop(), "", `${what}: the last line is whole`);
  for (const line of all) {
    const [pid = "", number = ""] = line.split(" ");
    const before = last.get(pid) ?? 0;
    // A pid may come again: then its lines begin anew.
    assert.ok(Number(number) === before + 1 || number === "1", `${what}: "${line}" after "${pid} ${before}"`);
    last.set(pid, Number(number));
  }
  return { lines: all.length, writers: last.size };
}

/** Checks that exactly the lines that were written have arrived, of every writer that has ended. */
export function assertSame(stage: Stage, name: string, text: string): number {
  const arrived: string[] = [];
  let last = "";
  for (const line of text.split("\n")) {
    if (line.endsWith(" 1") || line === "") if (last !== "") arrived.push(last);
    last = line;
  }
  const written = stage
    .peek(`${path.basename(name)}.counts`)
    .split("\n")
    .slice(0, -1);
  // Who was told to end before it wrote has written "PID 0".
  const expected = written.filter((line) => !line.endsWith(" 0"));
  assert.deepEqual(arrived.sort(), expected.sort(), name);
  return arrived.length;
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). SEED in the environment replays. */
export function randomFrom(context: TestContext, fallback = Date.now() % 4294967296): () => number {
  let state = Number(process.env["SEED"] ?? fallback) | 0;
  context.diagnostic(`SEED=${state}`);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A directory in memory: a disk would be waited for at each rotation of a log. */
export function directoryInMemory(stage: Stage): string {
  const place = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
  const directory = fs.mkdtempSync(path.join(place, "logs-"));
  stage.atEnd(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What a process has open: numbers and targets. */
export function openFiles(stage: Stage, pid: number): readonly string[] {
  return stage.descriptors(pid).map((fd) => `${fd} ${stage.descriptor(pid, fd)}`);
}
/** How often a program has said that it restarts in place. */
export function restarts(running: Running): number {
  return running.err.split("restarting in place.\n").length - 1;
}
/** Resident memory in KiB. */
export function resident(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "0");
}
