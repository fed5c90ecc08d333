// A scan directory with services that only wait, and the runsvdir that watches it.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Process } from "./processes.ts";
import { childrenOf, findProcess, isAlive, tell } from "./processes.ts";

export interface Build {
  readonly name: "ours" | "theirs";
  /** Where its programs are. */
  readonly bin: string;
}

/** In memory where that is possible: see scripts/bench. */
const treesDirectory = process.env["BENCH_TREES"] ?? os.tmpdir();
const patienceMilliseconds = 120_000;
const runPhase = 1;
const living = new Set<Tree>();
const ending = { hasBegun: false };

/** Blocks: while we wait for a time in which nothing is to disturb the measurement. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Whatever happens, nothing of ours is left running, and nothing new begins. */
export async function stopAll(): Promise<void> {
  ending.hasBegun = true;
  for (const tree of [...living]) await tree.stop();
}

export class Tree {
  readonly build: Build;
  readonly root: string;
  readonly names: string[] = [];
  #runsvdir: ChildProcess | undefined;

  constructor(build: Build, pauseProgram: string) {
    if (ending.hasBegun) throw new Error("interrupted");
    this.build = build;
    this.root = fs.mkdtempSync(path.join(treesDirectory, "tree-"));
    for (const directory of [this.scanDirectory, path.join(this.root, "sv")]) fs.mkdirSync(directory);
    fs.copyFileSync(pauseProgram, path.join(this.root, "pause"));
    living.add(this);
  }

  get scanDirectory(): string {
    return path.join(this.root, "service");
  }
  /** All that a program gets: the shorter the environment, the less of it is counted as memory. */
  get environment(): Record<string, string> {
    return { PATH: this.build.bin, SVDIR: this.scanDirectory };
  }
  get pid(): number {
    return this.#runsvdir?.pid ?? 0;
  }
  serviceDirectory(name: string): string {
    return path.join(this.root, "sv", name);
  }

  /** Makes a service directory; it is not enabled yet. */
  define(name: string): void {
    fs.mkdirSync(this.serviceDirectory(name));
    fs.linkSync(path.join(this.root, "pause"), path.join(this.serviceDirectory(name), "run"));
    age(this.serviceDirectory(name));
  }
  /** Links it into the scan directory. */
  enable(name: string): void {
    this.names.push(name);
    fs.symlinkSync(`../sv/${name}`, path.join(this.scanDirectory, name));
  }
  fill(count: number): void {
    for (let i = 0; i < count; i++) {
      this.define(`s${i}`);
      this.enable(`s${i}`);
    }
    age(this.scanDirectory);
  }

  start(): void {
    this.#runsvdir = spawn(path.join(this.build.bin, "runsvdir"), [this.scanDirectory], {
      env: this.environment,
      cwd: this.root,
      stdio: "ignore",
    });
  }

  /** The 20 bytes of supervise/status; undefined: not there yet. */
  status(name: string): Buffer | undefined {
    try {
      return fs.readFileSync(path.join(this.serviceDirectory(name), "supervise/status"));
    } catch {
      return undefined;
    }
  }
  /** Pid of the service once it runs, else 0. */
  runningPid(name: string): number {
    const status = this.status(name);
    return status !== undefined && status.length >= 20 && status[19] === runPhase ? status.readUInt32LE(12) : 0;
  }

  /** Looks every so many milliseconds until all run. Each that runs is not looked at again. */
  awaitAllRunning(everyMilliseconds: number): void {
    const end = performance.now() + patienceMilliseconds;
    for (const name of this.names) {
      while (this.runningPid(name) === 0) {
        if (performance.now() > end) throw new Error(`${this.build.name}: ${name} does not come up`);
        pause(everyMilliseconds);
      }
    }
  }

  /** runsvdir and every runsv. */
  supervisors(): readonly number[] {
    return [this.pid, ...childrenOf(this.pid)];
  }
  services(): readonly number[] {
    return this.names.map((name) => this.runningPid(name)).filter((pid) => pid > 0);
  }

  async stop(): Promise<void> {
    const runsvdir = this.#runsvdir;
    if (runsvdir !== undefined) {
      const all: Process[] = [];
      const note = (pid: number): void => {
        const found = pid > 0 ? findProcess(pid) : undefined;
        if (found !== undefined) all.push(found);
      };
      for (const pid of this.supervisors()) {
        note(pid);
        if (pid !== this.pid) for (const child of childrenOf(pid)) note(child);
      }
      const supervisors = all.filter((one) => one.pid === this.pid || childrenOf(this.pid).includes(one.pid));
      runsvdir.kill("SIGHUP");
      await new Promise((resolve) =>
        (runsvdir.exitCode ?? runsvdir.signalCode) === null ? runsvdir.on("exit", resolve) : resolve(0),
      );
      const end = performance.now() + 15_000;
      for (const one of supervisors) tell(one, "SIGTERM");
      for (const one of all) while (isAlive(one) && performance.now() < end) await sleep(5);
      for (const one of all) tell(one, "SIGKILL");
      this.#runsvdir = undefined;
    }
    fs.rmSync(this.root, { recursive: true, force: true });
    living.delete(this);
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** An hour old: the original waits a second when a directory has changed in the current one. */
function age(directory: string): void {
  const time = Date.now() / 1000 - 3600;
  fs.utimesSync(directory, time, time);
}
