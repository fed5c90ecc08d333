// What the stories of sv have in common: typical services, hand-made supervise directories, sv's lines.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions, Status } from "../stage.ts";
import { encodeStatus } from "../stage.ts";

// ── run scripts ──

export const sleeper = "exec sleep 1000";
/** Ignores TERM. */
export const stubborn = 'trap "" TERM\nexec sleep 1000';
/** Survives every signal that sv can send and that is not meant to stop it. */
export const unmoved = 'trap "" ALRM HUP INT QUIT USR1 USR2\nexec sleep 1000';
/** Ends the instant it starts: the service spends nearly all its time in the throttle second. */
export const crashing = "#!/bin/false\n";

export const usage = "usage: sv [-v] [-w sec] command service ...\n\n";
/** An ordinary user: nobody. */
export const nobody = { uid: 65534, gid: 65534 } as const;

// ── services under runsv ──

/** A service under a live runsv whose process was started more than a second ago. */
export async function agedService(stage: Stage, name: string, files: Record<string, string>): Promise<Running> {
  stage.service(name, files);
  const runsv = await stage.supervise(name);
  await sleeping(stage, name);
  await aged(stage, name);
  return runsv;
}
/** Awaits that ./run has come as far as its exec, so that its traps are in place; answers its pid. */
export async function sleeping(stage: Stage, name: string): Promise<number> {
  let pid = 0;
  await stage.until(`${name} sleeps`, () => {
    const status = stage.status(name);
    pid = status.pid;
    return status.phase === 1 && fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep\0");
  });
  return pid;
}
/** Awaits that the last change of a service lies more than a second back, also when counted in whole seconds. */
export async function aged(stage: Stage, name: string): Promise<void> {
  await stage.until(`${name} is older than a second`, () => {
    const { seconds, nanoseconds } = stage.status(name);
    return Date.now() / 1000 - seconds - nanoseconds / 1e9 > 1.05;
  });
}
/** A service under a live runsv that has been down for more than a second. */
export async function downService(stage: Stage, name: string, files: Record<string, string>): Promise<Running> {
  const runsv = await agedService(stage, name, files);
  await stopped(stage, name);
  await aged(stage, name);
  return runsv;
}
/** Tells it to go down and awaits it. */
export async function stopped(stage: Stage, name: string): Promise<void> {
  stage.tell(name, "d");
  await stage.until(`${name} is down`, () => stage.status(name).phase === 0 && stage.status(name).want === "d");
}
/** A service whose runsv has been there and is gone. */
export async function abandonedService(stage: Stage, name: string): Promise<void> {
  stage.service(name, { run: sleeper });
  const runsv = await stage.supervise(name);
  await sleeping(stage, name);
  stage.tell(name, "x");
  await runsv.ended;
}
/** Freezes a process, and awaits that it stands. */
export async function freeze(stage: Stage, running: Running): Promise<void> {
  running.kill("SIGSTOP");
  await stage.until("it stands still", () =>
    /^State:\s*T/m.test(fs.readFileSync(`/proc/${running.pid}/status`, "latin1")),
  );
}
/** Awaits a fresh second of throttle of a crashing service. */
export async function justCrashed(stage: Stage, name: string): Promise<void> {
  const before = stage.status(name);
  await stage.until(`${name} has ended anew`, () => {
    const now = stage.status(name);
    return now.phase === 0 && `${now.seconds}.${now.nanoseconds}` !== `${before.seconds}.${before.nanoseconds}`;
  });
}

// ── hand-made supervise directories: the story plays runsv ──

export class HandMade {
  readonly #stage: Stage;
  readonly #name: string;
  #ok: number;
  readonly #control: number;

  constructor(stage: Stage, name: string, status: Partial<Status> | Uint8Array) {
    this.#stage = stage;
    this.#name = name;
    stage.service(name, { run: sleeper });
    fs.mkdirSync(stage.at(name, "supervise"));
    makeFifo(stage.at(name, "supervise/ok"));
    makeFifo(stage.at(name, "supervise/control"));
    this.setStatus(status);
    this.#ok = fs.openSync(stage.at(name, "supervise/ok"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    this.#control = fs.openSync(stage.at(name, "supervise/control"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    stage.atEnd(() => {
      this.leave();
      fs.closeSync(this.#control);
    });
  }
  /** Replaces supervise/status the way runsv does. */
  setStatus(status: Partial<Status> | Uint8Array): void {
    const bytes = status instanceof Uint8Array ? status : encodeStatus(status);
    this.#stage.file(`${this.#name}/supervise/status.new`, bytes);
    fs.renameSync(this.#stage.at(this.#name, "supervise/status.new"), this.#stage.at(this.#name, "supervise/status"));
  }
  /** Nobody reads supervise/ok any more. */
  leave(): void {
    if (this.#ok >= 0) fs.closeSync(this.#ok);
    this.#ok = -1;
  }
  /** Bytes that came through supervise/control since the last look. */
  heard(): string {
    const buffer = Buffer.alloc(100);
    try {
      return buffer.toString("latin1", 0, fs.readSync(this.#control, buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "";
      throw error;
    }
  }
}

export function makeFifo(file: string): void {
  execFileSync("mkfifo", [file]);
}

// ── sv and its lines ──

/** Runs sv under another name, through a link. */
export function runAs(stage: Stage, name: string, args: readonly string[], options?: StartOptions): Promise<Outcome> {
  const link = stage.at(".bin", name);
  if (!stage.exists(`.bin/${name}`)) {
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(stage.program("sv"), link);
  }
  return stage.run(link, args, options);
}
/** `(pid N)` for the pids and ` Ns` for the ages of sv's lines. */
export function withoutNumbers(text: string): string {
  return text.replace(/\(pid \d+\)/g, "(pid N)").replace(/ \d+s(?=[,;\n]|$)/g, " Ns");
}
/** The first pid in sv's lines. */
export function pidIn(text: string): number {
  return Number(/\(pid (\d+)\)/.exec(text)?.[1] ?? assert.fail(`no pid in ${JSON.stringify(text)}`));
}
/** sv says exactly this (numbers as in `withoutNumbers`), complains about nothing, and exits with `code`. */
export function assertSays(outcome: Outcome, out: string, code = 0, err = ""): void {
  assert.deepEqual({ out: withoutNumbers(outcome.out), err: outcome.err, code: outcome.code }, { out, err, code });
}
/** The same, and the pid is this one. */
export function assertSaysOf(pid: number, outcome: Outcome, out: string, code = 0): void {
  assertSays(outcome, out, code);
  assert.equal(pidIn(outcome.out), pid);
}
/** Repeats what depends on an instant that may be missed, until it says `out`; the last try has to. */
export async function assertSaysInTime(ask: () => Promise<Outcome>, out: string, code = 0, err = ""): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    const outcome = await ask();
    if (withoutNumbers(outcome.out) === out && outcome.code === code) return;
  }
  assertSays(await ask(), out, code, err);
}
