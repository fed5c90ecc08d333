// What the stories of runsvdir have in common: service directories, a runsv that only notes what happens to it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Running, Stage, StartOptions, StoryOptions } from "../stage.ts";
import { isRoot } from "../stage.ts";

export const sleeper = "exec sleep 1000";
/** An ordinary user: nobody. */
export const nobody = { uid: 65534, gid: 65534 } as const;
export const rootOnly: StoryOptions = { skip: isRoot ? false : "only root can become another user" };

/** Longer than the original takes to notice anything: its poll and its pause. Ours is told at once. */
export function longEnoughToNotice(stage: Stage): number {
  return stage.isOurs ? 2000 : 6500;
}

// ── service directories ──

/** Makes service directories below `directory`, and puts its last change into the past. */
export function services(stage: Stage, directory: string, names: readonly string[]): void {
  fs.mkdirSync(stage.at(directory), { recursive: true });
  for (const name of names) stage.service(path.join(directory, name), { run: sleeper });
  age(stage, directory);
}
/** A directory with links to service directories below sv/. */
export function linkedServices(stage: Stage, directory: string, names: readonly string[]): void {
  fs.mkdirSync(stage.at(directory), { recursive: true });
  for (const name of names) {
    stage.service(`sv/${name}`, { run: sleeper });
    fs.symlinkSync(stage.at("sv", name), stage.at(directory, name));
  }
  age(stage, directory);
}
/** Puts the last change of a directory into the past, so that no change of this second is to be feared. */
export function age(stage: Stage, directory: string): void {
  const past = Date.now() / 1000 - 100;
  fs.utimesSync(stage.at(directory), past, past);
}
export function touch(stage: Stage, directory: string): void {
  fs.utimesSync(stage.at(directory), new Date(), new Date());
}

// ── the noting runsv ──

export interface Note {
  readonly what: "start" | "TERM" | "HUP";
  readonly pid: number;
  readonly name: string;
}

/** A directory with a `runsv` in it that notes its starts and signals, to be put in front of PATH. */
export class Notes {
  readonly #stage: Stage;
  readonly env: Record<string, string>;

  constructor(stage: Stage, options: { readonly isStubborn?: boolean; readonly path?: string } = {}) {
    this.#stage = stage;
    stage.file("notes", "", 0o666);
    this.env = {
      PATH: options.path ?? `${compiled()}:${stage.env["PATH"]}`,
      RECORD: stage.at("notes"),
      ...(options.isStubborn ? { STUBBORN: "1" } : {}),
    };
  }
  all(): readonly Note[] {
    const notes: Note[] = [];
    for (const line of this.#stage.read("notes").split("\n").slice(0, -1)) {
      const [, what, pid, name] = /^(\w+) (\d+) (.*)$/.exec(line) ?? assert.fail(line);
      notes.push({ what: what as Note["what"], pid: Number(pid), name: name ?? "" });
    }
    return notes;
  }
  starts(name?: string): readonly Note[] {
    return this.all().filter((note) => note.what === "start" && (name === undefined || note.name === name));
  }
  terms(name?: string): readonly Note[] {
    return this.all().filter((note) => note.what === "TERM" && (name === undefined || note.name === name));
  }
  /** Names whose runsv was started, sorted, as often as it was. */
  names(): readonly string[] {
    return this.starts()
      .map((note) => note.name)
      .sort();
  }
  /** Awaits the first start for a name, or a later one; answers its pid. */
  async started(name: string, count = 1): Promise<number> {
    await this.#stage.until(`runsv ${name} is started (${count})`, () => this.starts(name).length >= count);
    return this.starts(name)[count - 1]?.pid ?? assert.fail();
  }
  /** Awaits that this process got TERM. */
  async gotTerm(pid: number): Promise<void> {
    await this.#stage.until(`runsv ${pid} gets TERM`, () => this.terms().some((note) => note.pid === pid));
  }
}

/** Starts runsvdir with a noting runsv, and awaits its first services. */
export async function startNoted(
  stage: Stage,
  args: readonly string[],
  expected: readonly string[],
  options: StartOptions & { readonly isStubborn?: boolean } = {},
): Promise<{ readonly runsvdir: Running; readonly notes: Notes; readonly pids: ReadonlyMap<string, number> }> {
  const notes = new Notes(stage, options);
  const runsvdir = stage.start("runsvdir", args, { ...options, env: { ...notes.env, ...options.env } });
  const pids = new Map<string, number>();
  for (const name of expected) pids.set(name, await notes.started(name));
  return { runsvdir, notes, pids };
}

let directoryOfCompiled: string | undefined;
/** The directory of the noting runsv, which is compiled when first needed. */
export function compiled(): string {
  if (directoryOfCompiled === undefined) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "compiled-"));
    fs.chmodSync(directory, 0o755);
    process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
    const source = path.join(import.meta.dirname, "fake-runsv.c");
    execFileSync("cc", ["-static", "-Os", "-Wall", "-o", path.join(directory, "runsv"), source]);
    directoryOfCompiled = directory;
  }
  return directoryOfCompiled;
}
/** A library that moves the wall clock of a dynamic program by the seconds in the file `MOVED_CLOCK`. */
export function movedClock(stage: Stage): Record<string, string> {
  const library = stage.at("moved-clock.so");
  const source = path.join(import.meta.dirname, "moved-clock.c");
  execFileSync("cc", ["-shared", "-fPIC", "-Os", "-Wall", "-o", library, source]);
  return { LD_PRELOAD: library, MOVED_CLOCK: stage.file("seconds", "0") };
}

// ── processes ──

/** Fields of /proc/PID/stat, from the state on. */
function statFields(pid: number): readonly string[] {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
export function processOf(pid: number): { readonly parent: number; readonly group: number; readonly session: number } {
  const fields = statFields(pid);
  return { parent: Number(fields[1]), group: Number(fields[2]), session: Number(fields[3]) };
}
/** Processor time it has used, in hundredths of a second. */
export function processorTicks(pid: number): number {
  const fields = statFields(pid);
  return Number(fields[11]) + Number(fields[12]);
}
export function commandLine(pid: number): readonly string[] {
  return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").slice(0, -1);
}
/** How often a line was printed. */
export function count(text: string, line: string): number {
  return text.split("\n").filter((one) => one === line).length;
}
