// What the stories of runsv share: scripts to supervise, and ways to look at what became of them.
import assert from "node:assert/strict";
import type { Outcome, Running, Stage, StartOptions, Status } from "../stage.ts";

/** A run script that does nothing for long and ends on TERM. */
export const sleeper = "exec sleep 1000";
/** A run script that ignores TERM; see `isStubborn`. */
export const stubborn = "trap '' TERM\nexec sleep 1000";
/** Shell text that goes on when the file is there. */
export function awaitsFile(name: string): string {
  return `until test -e ${name}; do sleep 0.1; done`;
}
/** A script that appends "ready" and the name of each signal it gets to the file `signals`, until `end` is there. */
export function recorder({ first = "", end = "end", last = "" } = {}): string {
  return [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the shell
    'for s in HUP INT QUIT USR1 USR2 ALRM TERM CONT; do trap "echo ${s} >>signals" $s; done',
    "echo ready >>signals",
    first,
    `until test -e ${end}; do sleep 0.1 & wait $!; done`,
    last,
  ].join("\n");
}

/** The lines of a file so far. */
export function lines(stage: Stage, file: string): string[] {
  return stage
    .peek(file)
    .split("\n")
    .filter((line) => line !== "");
}
/** Awaits that a recorder has noted exactly this since it was ready, e.g. "TERM CONT". */
export function signals(stage: Stage, name: string, expected: string): Promise<void> {
  return stage.becomes(() => lines(stage, `${name}/signals`).join(" "), `ready ${expected}`.trimEnd());
}
/** Awaits the line of supervise/stat, and the status record, which is written after it, to say the same. */
export function stat(stage: Stage, name: string, expected: string): Promise<void> {
  const inRecord = expected.replace("want exit", "want down"); // which knows no difference
  return stage.becomes(() => [stage.stat(name), describe(stage.status(name))], [expected, inRecord]);
}
function describe(status: Status): string {
  const words = [["down", "run", "finish"][status.phase]];
  if (status.paused !== 0) words.push("paused");
  if (status.term !== 0) words.push("got TERM");
  if (status.phase !== 0 && status.want !== "u") words.push("want down");
  return words.join(", ");
}
/** Starts runsv and awaits the pid of a recorder that is ready. */
export async function superviseRecorder(
  stage: Stage,
  name: string,
  options: StartOptions = {},
): Promise<{ runsv: Running; pid: number }> {
  const runsv = await stage.supervise(name, options);
  const pid = await stage.running(name);
  await signals(stage, name, "");
  return { runsv, pid };
}
/** Awaits that a stubborn process ignores TERM. */
export function isStubborn(stage: Stage, pid: number): Promise<void> {
  return stage.until("TERM is ignored", () => (stage.signals(pid, "SigIgn") & signalBit(15)) !== 0n);
}
export function signalBit(...numbers: number[]): bigint {
  return numbers.reduce((mask, number) => mask | (1n << BigInt(number - 1)), 0n);
}
/** Awaits that a process is stopped. */
export function isStopped(stage: Stage, pid: number): Promise<void> {
  return stage.becomes(() => stage.state(pid), "T");
}
/** Awaits that a process is gone (or only a zombie of somebody). */
export function isGone(stage: Stage, pid: number): Promise<void> {
  return stage.until(`process ${pid} is gone`, () => !stage.isLiving(pid));
}

/** Pid, want and phase of a status: what most rules are about. */
export function essence({ pid, want, phase }: Status): { pid: number; want: string; phase: number } {
  return { pid, want, phase };
}
/** All of a status but its timestamp. */
export function facts({ pid, paused, want, term, phase }: Status): Omit<Status, "seconds" | "nanoseconds"> {
  return { pid, paused, want, term, phase };
}
/** The timestamp of a status in Unix seconds. */
export function since(status: Status): number {
  return status.seconds + status.nanoseconds / 1e9;
}
export const now = (): number => Date.now() / 1000;

/** Awaits that the service is down, and that it is so for longer than the throttle would delay a restart. */
export async function staysDown(stage: Stage, name: string): Promise<void> {
  await stage.until(`${name} is down`, () => stage.status(name).phase === 0);
  const ended = since(stage.status(name));
  await stage.until("the throttle is over", () => now() > ended + 1.3);
  const status = stage.status(name);
  assert.deepEqual({ since: since(status), ...essence(status) }, { since: ended, pid: 0, want: "d", phase: 0 });
}
/** Awaits the very beginning of a throttle second, which is not over yet when the caller goes on; answers `since`. */
export async function throttled(stage: Stage, name: string): Promise<number> {
  let ended = 0;
  await stage.until(`${name} has just ended`, () => {
    const status = stage.status(name);
    ended = since(status);
    return status.phase === 0 && status.pid === 0 && lines(stage, `${name}/starts`).length > 0 && now() < ended + 0.3;
  });
  return ended;
}
/** A machine under load may be late: what should be quick needs to be so in one of several attempts. */
export async function inOneOfSeveralAttempts(
  what: string,
  attempt: (index: number) => Promise<boolean>,
): Promise<void> {
  for (let index = 0; index < 6; index++) if (await attempt(index)) return;
  assert.fail(`never in several attempts: ${what}`);
}

/** Starts runsv, which has to refuse with this fatal message and exit code 111. */
export async function refuses(stage: Stage, name: string, text: string, options: StartOptions = {}): Promise<void> {
  const { out, err, code } = await stage.end(stage.start("runsv", [name], options));
  assert.deepEqual({ out, err, code }, { out: "", err: `runsv ${name}: fatal: ${text}\n`, code: 111 });
}
/** Awaits exactly these messages, each given without `runsv DIR: ` and newline. */
export function says(stage: Stage, runsv: Running, name: string, ...messages: string[]): Promise<void> {
  return stage.becomes(() => runsv.err, messages.map((message) => `runsv ${name}: ${message}\n`).join(""));
}
/** Awaits that runsv exits with 0. */
export async function exits(stage: Stage, runsv: Running): Promise<Outcome> {
  const outcome = await stage.end(runsv);
  assert.deepEqual([outcome.code, outcome.signal], [0, null]);
  return outcome;
}
