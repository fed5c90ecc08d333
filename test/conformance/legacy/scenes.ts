// What the stories of the four old clients have in common. Debian ships none of them: the stories are told to ours alone.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions } from "../stage.ts";
import { referenceRoot } from "../stage.ts";

export { nobody } from "../sv/scenes.ts";

export const clients = ["runsvstat", "runsvctrl", "svwaitdown", "svwaitup"] as const;
export type Client = (typeof clients)[number];
export const oursOnly = { only: "ours" } as const;

const usages: Readonly<Record<Client, string>> = {
  runsvstat: " [ -l ] service ...",
  runsvctrl: " u|d|o|p|c|h|a|i|q|1|2|t|k|x|e service ...",
  svwaitdown: " [-v] [-t 1..6000] service ...",
  svwaitup: " [-v] [-s 1..600] service ...",
};
export function usage(client: Client, calledAs: string = client): string {
  return `usage: ${calledAs}${usages[client]}\n\n`;
}
/** It prints its usage, after `complaint` if there is one, and exits 1. */
export async function assertUsage(
  stage: Stage,
  client: Client,
  args: readonly string[],
  complaint = "",
): Promise<void> {
  const { out, err, code } = await stage.run(client, args);
  const expected = `${complaint === "" ? "" : `${client}: ${complaint}\n`}${usage(client)}`;
  assert.deepEqual({ out, err, code }, { out: "", err: expected, code: 1 }, args.join(" "));
}
/** The stories of an option that is not known, and of -V. */
export async function assertOptions(stage: Stage, client: Client): Promise<void> {
  await assertUsage(stage, client, ["-q", "a"], "illegal option -- q");
  await assertUsage(stage, client, ["-qv", "-V"], "illegal option -- q");
  const called = stage.program(client);
  const { err, code } = await stage.run(called, ["-q"]);
  assert.deepEqual([err, code], [`${called}: illegal option -- q\n${usage(client, called)}`, 1]);
}
export async function assertVersion(stage: Stage, client: Client): Promise<void> {
  for (const args of [["-V"], ["-V", "a"]]) {
    const { out, err, code } = await stage.run(client, args);
    const expected = { out: "", err: `$Id: ${client}, runit-ts 0.1.0 $\n${usage(client)}`, code: 1 };
    assert.deepEqual({ out, err, code }, expected);
  }
}
/** Where the starting directory may not be read, it can do nothing. */
export async function assertFatalWithoutDirectory(
  stage: Stage,
  client: Client,
  args: readonly string[],
  user: StartOptions,
): Promise<void> {
  fs.mkdirSync(stage.at("closed"), { mode: 0o711 });
  fs.chmodSync(stage.at("closed"), 0o711);
  const { out, err, code } = await stage.run(client, args, { ...user, cwd: stage.at("closed") });
  assert.match(err, new RegExp(`^${client}: fatal: [a-z ]+: access denied\\n$`));
  assert.deepEqual([out, code], ["", 111]);
}

// ── what they say ──

/** `(pid N)` for the pids and ` S seconds` for the ages. */
export function withoutNumbers(text: string): string {
  return text.replace(/\(pid \d+\)/g, "(pid N)").replace(/\b\d+ seconds/g, "S seconds");
}
export function assertSays(outcome: Outcome, out: string, code = 0, err = ""): void {
  assert.deepEqual({ out: withoutNumbers(outcome.out), err: outcome.err, code: outcome.code }, { out, err, code });
}
/** Nothing on standard output; on standard error what a program says, and its warnings. */
export function assertTells(outcome: Outcome, err: string, code = 0): void {
  assert.deepEqual({ out: outcome.out, err: withoutNumbers(outcome.err), code: outcome.code }, { out: "", err, code });
}
export function warning(client: Client, text: string): string {
  return `${client}: warning: ${text}\n`;
}

/** It took at least `from` and less than `below` seconds. */
export function assertTook({ milliseconds }: Outcome, from: number, below: number): void {
  const seconds = milliseconds / 1000;
  assert.ok(from <= seconds && seconds < below, `took ${seconds.toFixed(2)} s, expected ${from} to ${below}`);
}

// ── services ──

/** A service that takes this long to end on TERM; it runs, and its trap is in place. */
export async function slowService(stage: Stage, name: string, seconds: number): Promise<void> {
  stage.service(name, { run: `trap 'sleep ${seconds}; exit 0' TERM\n>ready\nwhile :; do sleep 0.05; done` });
  await stage.supervise(name);
  await stage.until(`${name} is ready`, () => stage.exists(`${name}/ready`) && stage.status(name).phase === 1);
}
/** A finish script that takes so long. */
export function finishes(seconds: number): string {
  return `sleep ${seconds}`;
}
/** A service that was started this instant, under a runsv that is told to only now. */
export async function justStarted(stage: Stage, name: string, files: Record<string, string>): Promise<number> {
  stage.service(name, { ...files, down: "" });
  await stage.supervise(name);
  stage.tell(name, "u");
  return stage.running(name);
}

// ── under whose runsv ──

/** A tree of supervision: our runsvdir and runsv, or Debian's; our clients work with either. */
export type Supervisors = "ours" | "Debian's";
export const everySupervisors: readonly Supervisors[] = ["ours", "Debian's"];
const references = path.join(referenceRoot, "usr/bin");

/** For `skip`. */
export function lacks(supervisors: Supervisors): string | false {
  return (
    supervisors === "Debian's" && !fs.existsSync(path.join(references, "runsv")) && "needs Debian's runsv unpacked"
  );
}
/** Starts runsv or runsvdir of these; what it starts in its turn is of these too. */
export function startOf(
  stage: Stage,
  supervisors: Supervisors,
  program: "runsv" | "runsvdir",
  args: readonly string[],
): Running {
  if (supervisors === "ours") return stage.start(program, args);
  return stage.start(path.join(references, program), args, {
    argv0: program,
    env: { PATH: `${references}:${stage.env["PATH"]}` },
  });
}
/** Starts runsvdir on a directory of services, and awaits all of their runsv. */
export async function startTree(
  stage: Stage,
  supervisors: Supervisors,
  scan: string,
  names: readonly string[],
): Promise<Running> {
  const runsvdir = startOf(stage, supervisors, "runsvdir", [scan]);
  for (const name of names) {
    await stage.until(`${name} is supervised`, () => stage.isListening(`${scan}/${name}`));
    assert.ok(runsvdir.isAlive, runsvdir.err);
  }
  return runsvdir;
}
