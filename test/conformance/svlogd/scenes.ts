// What the stories of svlogd have in common: log directories, a pipe that the story holds, the svlogd that reads it.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions, StoryOptions } from "../stage.ts";
import { isRoot, missing, referenceRoot } from "../stage.ts";

export const usage = "usage: svlogd [-ttv] [-r c] [-R abc] [-l len] [-b buflen] dir ...\n\n";
export const noDirectories = "svlogd: fatal: no functional log directories.\n";
/** An ordinary user: nobody. */
export const nobody = { uid: 65534, gid: 65534 } as const;
export const rootOnly: StoryOptions = { skip: isRoot ? false : "only root can become another user" };
export const needsTracing: StoryOptions = { skip: missing("strace") };
export const original = path.join(referenceRoot, "usr/bin/svlogd");
/** A config that rotates after every line, since `len` is 1000. */
export const everyLine = "s1000\n";
/** Longer than the original takes to do something about a signal: its pause. */
export const longerThanAPause = 3500;

// ── log directories ──

export function logDirectory(stage: Stage, config?: string, name = "l"): string {
  fs.mkdirSync(stage.at(name), { recursive: true });
  if (config !== undefined) stage.file(`${name}/config`, config);
  return stage.at(name);
}
/** The name of a saved file that lies far in the past; the greater the number, the younger. */
export function old(number: number, kind: string): string {
  return `@4000000010000000${String(number).padStart(4, "0")}0000.${kind}`;
}
/** The name of a saved file that lies far in the future. */
export function future(number: number, kind: string): string {
  return `@4000000200000000${String(number).padStart(4, "0")}0000.${kind}`;
}
/** Makes saved files, each with its name as its content. */
export function save(stage: Stage, names: readonly string[]): void {
  for (const name of names) stage.file(`l/${name}`, `${name}\n`, 0o744);
}
/** Names of saved and unfinished files, oldest first. */
export function labelled(stage: Stage, directory = "l"): readonly string[] {
  return fs
    .readdirSync(stage.at(directory))
    .filter((name) => name.startsWith("@"))
    .sort();
}
/** Files of one kind: `s` saved, `u` to be processed, `t` the processor's output. */
export function ofKind(stage: Stage, kind: string, directory = "l"): readonly string[] {
  return labelled(stage, directory).filter((name) => name.endsWith(`.${kind}`));
}
/** What saved files hold, oldest first. */
export function texts(stage: Stage, kind = "s", directory = "l"): readonly string[] {
  return ofKind(stage, kind, directory).map((name) => stage.read(`${directory}/${name}`));
}
/** All that was logged: what is saved or waits to be processed, then `current`. */
export function logged(stage: Stage, directory = "l"): string {
  const names = [...labelled(stage, directory).filter((name) => !name.endsWith(".t")), "current"];
  return names.map((name) => stage.peek(`${directory}/${name}`)).join("");
}
/** Every file but `config` and `lock`, with its content. Labels read old1, future1, and @1, @2 … for new ones. */
export function files(stage: Stage, directory = "l"): Record<string, string> {
  const found: Record<string, string> = {};
  const labels: string[] = [];
  for (const name of fs.readdirSync(stage.at(directory)).sort()) {
    if (name === "config" || name === "lock") continue;
    const [, label = "", rest = ""] = /^(@[0-9a-f]{24})(\..*)$/.exec(name) ?? [];
    found[`${label && short(label, labels)}${label ? rest : name}`] = stage.read(`${directory}/${name}`);
  }
  return found;
}
function short(label: string, labels: string[]): string {
  const [, age, number] = /^@4000000(010000000|200000000)(\d{4})0000$/.exec(label) ?? [];
  if (age !== undefined) return `${age.startsWith("0") ? "old" : "future"}${Number(number)}`;
  if (!labels.includes(label)) labels.push(label);
  return `@${labels.indexOf(label) + 1}`;
}
/** The moment in a stamp or in the name of a saved file, in seconds since 1970. */
export function secondsOf(label: string): number {
  const [, seconds, nanoseconds] = /^@([0-9a-f]{16})([0-9a-f]{8})/.exec(label) ?? assert.fail(label);
  return Number(BigInt(`0x${seconds}`) - 2n ** 62n - 10n) + Number(`0x${nanoseconds}`) / 1e9;
}
/** With every label replaced by `@T`. */
export function unlabelled(text: string): string {
  return text.replaceAll(/@[0-9a-f]{24}/g, "@T");
}

/** Asserts that the text holds these lines, and, with ours, where some were held up, one line that says so. */
export function assertHeldUp(stage: Stage, text: string, expected: string, reason = "out of disk space"): void {
  const notice = /^svlogd: warning: [1-9]\d* bytes held up for [1-9]\d* seconds: (.*)\n/gm;
  const reasons = [...text.matchAll(notice)].map(([, why]) => why);
  assert.deepEqual(reasons, stage.isOurs ? [reason] : [], text.slice(-300));
  assert.ok(text.replace(notice, "") === expected, text.slice(-300));
}

// ── standard input ──

/** A pipe: one end for svlogd's descriptor 0, the other for the story. */
export class Input {
  readonly reader: number;
  readonly #writer: number;
  #isOpen = true;

  constructor(stage: Stage) {
    let number = 1;
    while (stage.exists(`input${number}`)) number++;
    const file = stage.fifo(`input${number}`);
    const both = fs.openSync(file, "r+"); // with it, neither of the others waits for its counterpart
    this.reader = fs.openSync(file, "r");
    this.#writer = fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    fs.closeSync(both);
    stage.atEnd(() => {
      this.close();
      fs.closeSync(this.reader);
    });
  }
  /** Writes all of it, waiting for room where there is none. */
  async write(text: string | Uint8Array): Promise<void> {
    let rest = typeof text === "string" ? Buffer.from(text, "latin1") : text;
    while (rest.length > 0) {
      const count = this.#writeSome(rest);
      rest = rest.subarray(count);
      if (count === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  #writeSome(bytes: Uint8Array): number {
    try {
      return fs.writeSync(this.#writer, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      return 0;
    }
  }
  close(): void {
    if (this.#isOpen) fs.closeSync(this.#writer);
    this.#isOpen = false;
  }
  /** Ends it, and answers what nobody has read. */
  left(): string {
    this.close();
    return fs.readFileSync(this.reader, "latin1");
  }
  /** Whether somebody has set O_NONBLOCK on the descriptor that the story shares with svlogd. */
  get isNonBlocking(): boolean {
    const flags = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${this.reader}`, "latin1"))?.[1];
    return (Number.parseInt(flags ?? "", 8) & fs.constants.O_NONBLOCK) !== 0;
  }
}

// ── svlogd ──

export interface LoggingOptions extends Omit<StartOptions, "stdin"> {
  readonly input?: Input;
  /** Instead of the build's. */
  readonly program?: string;
}

/** A svlogd and the pipe it reads. */
export class Logging {
  readonly svlogd: Running;
  readonly input: Input;
  readonly #stage: Stage;

  constructor(stage: Stage, words: string | readonly string[], options: LoggingOptions) {
    const { input = new Input(stage), program = "svlogd", ...others } = options;
    this.#stage = stage;
    this.input = input;
    this.svlogd = stage.start(program, wordsOf(words), { ...others, stdin: input.reader });
  }
  get pid(): number {
    return this.svlogd.pid;
  }
  get err(): string {
    return this.svlogd.err;
  }
  /** Awaits that it waits for input, with all that was sent to it dealt with, and all that it printed read. */
  async idle(): Promise<void> {
    const isWaiting = () => this.#stage.state(this.pid) === "S" && this.#hearsSignals();
    await this.#stage.until("svlogd waits", () => !this.svlogd.isAlive || isWaiting());
    assert.ok(this.svlogd.isAlive, this.err);
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Only while it waits for input TERM is not blocked. */
  #hearsSignals(): boolean {
    const isTermIn = (field: "SigBlk" | "SigCgt") => (this.#stage.signals(this.pid, field) & (1n << 14n)) !== 0n;
    return isTermIn("SigCgt") && !isTermIn("SigBlk");
  }
  /** Sends input and awaits that it has been taken. */
  async send(text: string | Uint8Array): Promise<void> {
    await this.input.write(text);
    await this.idle();
  }
  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.idle();
    this.svlogd.kill(signal);
    await this.idle();
  }
  /** Stops it, so that all that is sent until it is continued waits for it together. */
  async stop(): Promise<void> {
    await this.idle();
    this.svlogd.kill("SIGSTOP");
    await this.#stage.until("it is stopped", () => this.#stage.state(this.pid) === "T");
  }
  /** Kills it as an accident would. */
  async killed(): Promise<void> {
    this.svlogd.kill("SIGKILL");
    await this.#stage.end(this.svlogd);
  }
  /** Ends its input and awaits its orderly end. */
  ends(): Promise<Outcome> {
    this.input.close();
    return orderlyEnd(this.#stage, this.svlogd);
  }
  /** Sends TERM while it waits for input, and awaits its orderly end. */
  async terminates(): Promise<Outcome> {
    await this.idle();
    this.svlogd.kill("SIGTERM");
    return orderlyEnd(this.#stage, this.svlogd);
  }
  /** Awaits that it has printed a text so often. */
  says(text: string, times = 1): Promise<void> {
    return this.#stage.until(`svlogd says "${text}", ${times} times`, () => count(this.err, text) >= times);
  }
}

/** Starts svlogd on a pipe of its own, and awaits that it waits for input. */
export async function logging(
  stage: Stage,
  words: string | readonly string[] = "l",
  options: LoggingOptions = {},
): Promise<Logging> {
  const log = new Logging(stage, words, options);
  await log.idle();
  return log;
}
/** The whole life of a svlogd that reads this input and ends with it, in an orderly way. */
export async function logs(
  stage: Stage,
  words: string | readonly string[],
  input: string | Uint8Array,
  options: LoggingOptions = {},
): Promise<Outcome> {
  const pipe = options.input ?? new Input(stage);
  const log = new Logging(stage, words, { ...options, input: pipe });
  await pipe.write(input);
  return log.ends();
}
/** A svlogd that is expected to refuse: its input is empty. */
export function refused(stage: Stage, words: string | readonly string[], options: StartOptions = {}): Promise<Outcome> {
  return stage.end(stage.start("svlogd", wordsOf(words), options));
}
export function assertRefused(outcome: Outcome, err: string): void {
  assert.deepEqual(essence(outcome), { out: "", err, code: 111 });
}
export function essence({ out, err, code }: Outcome): Pick<Outcome, "out" | "err" | "code"> {
  return { out, err, code };
}
/** Awaits the end with code 0, after which every lock is empty. */
export async function orderlyEnd(stage: Stage, svlogd: Running): Promise<Outcome> {
  const outcome = await stage.end(svlogd);
  assert.deepEqual({ code: outcome.code, signal: outcome.signal }, { code: 0, signal: null }, outcome.err);
  for (const directory of fs.readdirSync(stage.dir)) assert.equal(stage.peek(`${directory}/lock`), "", directory);
  return outcome;
}
function wordsOf(words: string | readonly string[]): readonly string[] {
  return typeof words === "string" ? words.split(" ") : words;
}
/** How often a text occurs. */
export function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
