// What the stories of state roots have in common: spec/user-services.md, part D.
//
// A stage has its definitions below sv/, its scan directory svc/ with links to them, and its state root state/. Where /run,
// /etc or /var/log matter, a World is a mount namespace in which directories of the stage stand in their places.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Outcome, Running, Stage, Status } from "../stage.ts";
import { cannotMount, decodeStatus, isRoot, missing, shell } from "../stage.ts";

// ── where it can be told ──

export const ours = { only: "ours" } as const;
export const byRoot = { only: "ours", skip: !isRoot && "only root can become another user" } as const;
export const mounted = { only: "ours", skip: cannotMount || missing("unshare", "nsenter", "setpriv") } as const;
export const asRootMounted = { only: "ours", skip: mounted.skip || byRoot.skip } as const;

export const nobody = { uid: 65534, gid: 65534 } as const;

// ── laying out ──

export const sleeper = "exec sleep 1000";
export const scan = "svc";
export const root = "state";
/** The six files of a supervise directory. */
export const classicFiles = ["control", "lock", "ok", "pid", "stat", "status"] as const;

export type Files = Readonly<Record<string, string>>;

/** Definitions below sv/, and a link of the same name in the scan directory for each. */
export function lay(stage: Stage, definitions: Readonly<Record<string, Files>>): void {
  fs.mkdirSync(stage.at(scan), { recursive: true });
  for (const [name, files] of Object.entries(definitions)) {
    stage.service(`sv/${name}`, files);
    enable(stage, name);
  }
}
export function enable(stage: Stage, definition: string, name = definition): void {
  fs.symlinkSync(stage.at("sv", definition), stage.at(scan, name));
}
/** Definitions on a file system that is then made read-only. */
export function layReadOnly(stage: Stage, definitions: Readonly<Record<string, Files>>): void {
  stage.mount("sv", "mode=755");
  lay(stage, definitions);
  makeReadOnly(stage, "sv");
}
/** What has been mounted. */
export function makeReadOnly(stage: Stage, directory: string): void {
  const { status, stderr } = spawnSync("mount", ["-o", "remount,ro", stage.at(directory)]);
  assert.equal(status, 0, `remount: ${stderr}`);
}
/** All files below a directory, sorted. */
export function listing(stage: Stage, directory: string): readonly string[] {
  return fs.readdirSync(stage.at(directory), { recursive: true, encoding: "utf8" }).sort();
}
/** Gives a directory and everything in it to a user. */
export function give(stage: Stage, directory: string, user: { readonly uid: number; readonly gid: number }): void {
  spawnSync("chown", ["-Rh", `${user.uid}:${user.gid}`, stage.at(directory)]);
}

// ── running ──

interface Options {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly via?: readonly string[];
}

/** Nothing in the environment but what a story says: no SVRUNDIR, no XDG_RUNTIME_DIR. */
function environment(stage: Stage, env: Record<string, string> = {}): Record<string, string> {
  return { PATH: stage.env["PATH"] ?? "", LC_ALL: "C", SVDIR: stage.at(scan), ...env };
}
export function start(stage: Stage, program: string, args: readonly string[], options: Options = {}): Running {
  return stage.start(program, args, { ...options, onlyEnv: environment(stage, options.env) });
}
export function run(stage: Stage, program: string, args: readonly string[], options: Options = {}): Promise<Outcome> {
  return start(stage, program, args, options).ended;
}
/** sv on the scan directory, which is all it is told. */
export function sv(stage: Stage, args: readonly string[], options: Options = {}): Promise<Outcome> {
  return run(stage, "sv", ["-w", "30", ...args], options);
}
/** Starts runsvdir on the scan directory with the state root, and awaits that these are supervised. */
export async function tree(
  stage: Stage,
  names: readonly string[],
  args: readonly string[] = ["-s", stage.at(root)],
  options: Options = {},
): Promise<Running> {
  const runsvdir = start(stage, "runsvdir", [...args, stage.at(scan)], options);
  for (const name of names) await supervised(stage, name, runsvdir);
  return runsvdir;
}
/** Starts one runsv in the scan directory with the state root, and awaits that it listens. */
export async function one(
  stage: Stage,
  name: string,
  args: readonly string[] = ["-s", stage.at(root)],
  options: Options = {},
): Promise<Running> {
  const runsv = start(stage, "runsv", [...args, name], { cwd: stage.at(scan), ...options });
  await supervised(stage, name, runsv);
  return runsv;
}
async function supervised(stage: Stage, name: string, supervisor: Running): Promise<void> {
  await stage.until(
    `${name} is supervised: ${supervisor.err}`,
    () => !supervisor.isAlive || isListening(stage, `${root}/${name}`),
  );
  assert.ok(supervisor.isAlive, `it ended: ${supervisor.err}`);
}
/** What a runsv that cannot begin says; it ends with 111. */
export async function refused(stage: Stage, running: Running): Promise<string> {
  const { err, code } = await stage.end(running);
  assert.equal(code, 111, err);
  return err;
}

// ── states, by their directories ──

/** Whether a runsv reads `ok` in this state directory. */
export function isListening(stage: Stage, state: string): boolean {
  try {
    fs.closeSync(fs.openSync(stage.at(state, "ok"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}
export function statusIn(stage: Stage, state: string): Status {
  return decodeStatus(fs.readFileSync(stage.at(state, "status")));
}
/** Awaits a process, another than `old`, that has come as far as its exec of sleep; answers its pid. */
export async function pidIn(stage: Stage, state: string, old = 0): Promise<number> {
  let pid = 0;
  await stage.until(`${state} sleeps`, () => {
    const status = statusIn(stage, state);
    pid = status.pid;
    return status.phase === 1 && pid !== old && fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep\0");
  });
  return pid;
}
/** The line of its file stat. */
export function statIn(stage: Stage, state: string): string {
  return stage.read(`${state}/stat`).trimEnd();
}
export function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

// ── worlds ──

/** A mount namespace in which directories of the stage stand elsewhere: stage/run on /run, and so on. */
export class World {
  readonly #stage: Stage;
  readonly #keeper: Running;

  constructor(stage: Stage, keeper: Running) {
    this.#stage = stage;
    this.#keeper = keeper;
  }
  /** For `via`: in this world, in the stage's directory or another, perhaps through words that become somebody else. */
  via(cwd = this.#stage.dir, become: readonly string[] = []): readonly string[] {
    const enter = ["nsenter", "-t", `${this.#keeper.pid}`, "-m", "/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd];
    return [...enter, ...become];
  }
}
/** `places`: a directory of the stage (made if missing) for each directory it covers; `after`: shell commands. */
export async function world(stage: Stage, places: Readonly<Record<string, string>>, after = ""): Promise<World> {
  const commands = ["set -e"];
  for (const [directory, place] of Object.entries(places)) {
    fs.mkdirSync(stage.at(directory), { recursive: true });
    commands.push(`mount --bind '${stage.at(directory)}' ${place}`);
  }
  commands.push(after, `: >'${stage.at("world")}'`);
  const keeper = stage.start("/bin/sleep", ["1000"], { via: ["unshare", "-m", ...shell(commands.join("\n"))] });
  await stage.until(`the world is there: ${keeper.err}`, () => !keeper.isAlive || stage.exists("world"));
  assert.ok(keeper.isAlive, keeper.err);
  return new World(stage, keeper);
}
export const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
