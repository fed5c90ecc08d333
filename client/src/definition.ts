// What a service is: as a value, and as the files of its service directory.

import { parseLogConfig } from "../../src/core/log/config.ts";
import { parseAccount } from "../../src/core/process/accounts.ts";
import { whyNoName } from "../../src/core/supervise/names.ts";
import { quoteForShell } from "../../src/core/text/shell.ts";
import { ServiceError } from "./error.ts";

/** A word of a command: text, or bytes if it is no UTF-8. Neither may have a NUL. */
export type Word = string | Uint8Array;

/** A program and its arguments, which no shell takes apart; or the text of a script, for sh(1) unless it begins with `#!`. */
export type Script = readonly [Word, ...Word[]] | string;

/** Bounds of chpst(8); a number that is higher than the hard limit means the hard limit. */
export interface Limits {
  /** Data segment, stack, locked memory and address space, each. */
  readonly memoryBytes?: number;
  readonly dataBytes?: number;
  readonly openFiles?: number;
  /** Of the same user. */
  readonly processes?: number;
  readonly fileBytes?: number;
  readonly coreBytes?: number;
  readonly residentBytes?: number;
  readonly cpuSeconds?: number;
}

export interface LogDefinition {
  /** Log directory, absolute, which is made if it is missing; `log/main` of the service directory unless given. */
  readonly directory?: string;
  /** In front of each line; "underscore" (`2001-09-09_01:46:40.12345`) unless given. */
  readonly stamp?: "none" | "tai" | "underscore" | "T";
  /** When `current` is rotated; 0: never. */
  readonly maxBytes?: number;
  readonly maxSeconds?: number;
  /** Old files that are kept; 0: all. */
  readonly maxFiles?: number;
  /** Command for a finished file. */
  readonly processor?: string;
  readonly prefix?: string;
  /** Which lines are logged: `-PATTERN`, `+PATTERN`, as svlogd(8) says. */
  readonly select?: readonly (`+${string}` | `-${string}`)[];
}

/** Bytes of the control pipe that a script can stand for: `control/t` and so on. */
export type ControlByte = "u" | "d" | "t" | "k" | "p" | "c" | "x" | "o" | "a" | "h" | "i" | "q" | "1" | "2";

interface Rest {
  /** Run when `run` has ended. */
  readonly finish?: Script;
  /** Asked whether the service is ready. */
  readonly check?: Script;
  readonly control?: Partial<Readonly<Record<ControlByte, Script>>>;
  /** It is not started when its `runsv` is. */
  readonly down?: boolean;
  readonly log?: boolean | LogDefinition;
}

export interface CommandDefinition extends Rest {
  readonly run: readonly [Word, ...Word[]];
  /** Added to the environment; undefined: taken out of it. Then only its owner may read `run`. */
  readonly environment?: Readonly<Record<string, Word | undefined>>;
  /** As chpst(8) reads it: `user`, `user:group:…`, `:uid:gid:…`. */
  readonly user?: string;
  readonly limits?: Limits;
  /** Working directory; the service directory unless given. */
  readonly directory?: string;
}

export interface ScriptDefinition extends Rest {
  readonly run: string;
  readonly environment?: never;
  readonly user?: never;
  readonly limits?: never;
  readonly directory?: never;
}

export type ServiceDefinition = CommandDefinition | ScriptDefinition;

/** A file of a service directory; or a directory, without content. */
export interface DefinedFile {
  readonly path: string;
  /** undefined: it is a directory. */
  readonly content: Buffer | undefined;
  readonly mode: number;
}

/** Files of a service, in the order in which they are put into place: `run` is the last. Throws ServiceError. */
export function filesOf(name: string, definition: ServiceDefinition): readonly DefinedFile[] {
  const writer = new Writer(name);
  writer.know("a definition", definition, namesInDefinition);
  const { finish, check, control, down, log } = definition;
  if (log !== undefined && log !== false) writer.log(log === true ? {} : log);
  if (finish !== undefined) writer.script("finish", finish);
  if (check !== undefined) writer.script("check", check);
  for (const [byte, script] of Object.entries(control ?? {})) {
    if (byte.length !== 1 || !controlBytes.includes(byte)) writer.refuse(`control: no such byte: ${byte}`);
    if (script !== undefined) writer.script(`control/${byte}`, script);
  }
  if (down === true) writer.add("down", "", 0o644);
  writer.run(definition);
  return writer.files;
}

const controlBytes = "udtkpcxoahiq12";
/** For those who write no TypeScript. */
const namesInDefinition = "run environment user limits directory finish check control down log";
const namesInLog = "directory stamp maxBytes maxSeconds maxFiles processor prefix select";
const namesInLimits = "memoryBytes dataBytes openFiles processes fileBytes coreBytes residentBytes cpuSeconds";

class Writer {
  readonly #name: string;
  readonly files: DefinedFile[] = [];

  constructor(name: string) {
    this.#name = name;
    const wrong = whyNoName(name);
    if (wrong !== "") this.refuse(wrong);
  }

  refuse(why: string): never {
    const prefix = why.startsWith(`${this.#name}: `) || this.#name === "" ? "" : `${this.#name}: `;
    throw new ServiceError("bad definition", this.#name, `fail: ${prefix}${why}`);
  }

  /** A name that is misspelt would have no effect. */
  know(what: string, given: object, names: string): void {
    if (typeof given !== "object" || given === null) this.refuse(`${what} is an object`);
    for (const name of Object.keys(given))
      if (!names.split(" ").includes(name)) this.refuse(`no "${name}" is known in ${what}`);
  }

  /** @param text a byte string */
  add(path: string, text: string, mode: number): void {
    this.files.push({ path, content: Buffer.from(text, "latin1"), mode });
  }

  run(definition: ServiceDefinition): void {
    if (typeof definition.run === "string") {
      const { environment, user, limits, directory } = definition;
      if ([environment, user, limits, directory].some((field) => field !== undefined)) {
        this.refuse("run is a script: environment, user, limits and directory are its own affair");
      }
      this.script("run", definition.run);
      return;
    }
    const { environment, user, limits, directory } = definition;
    const lines = ["#!/bin/sh", "exec 2>&1"];
    if (directory !== undefined) lines.push(`cd ${this.#path(directory)} || exit 111`);
    for (const [variable, value] of Object.entries(environment ?? {})) {
      if (!/^[A-Za-z_]\w*$/.test(variable)) this.refuse(`environment: no name of a variable: ${variable}`);
      lines.push(value === undefined ? `unset ${variable}` : `export ${variable}=${this.#word(value)}`);
    }
    const command = this.#command("run", definition.run);
    lines.push(`exec ${[...this.#state(user, limits), command].join(" ")}`);
    this.add("run", `${lines.join("\n")}\n`, environment === undefined ? 0o755 : 0o700);
  }

  /** What chpst is told. */
  #state(user: string | undefined, limits: Limits = {}): string[] {
    this.know("limits", limits, namesInLimits);
    const words: string[] = [];
    if (user !== undefined) {
      if (user === "" || parseAccount(user).kind === "malformed") this.refuse(`user: not an account: ${user}`);
      words.push("-u", this.#word(user));
    }
    const options: readonly (readonly [string, number | undefined])[] = [
      ["-m", limits.memoryBytes],
      ["-d", limits.dataBytes],
      ["-o", limits.openFiles],
      ["-p", limits.processes],
      ["-f", limits.fileBytes],
      ["-c", limits.coreBytes],
      ["-r", limits.residentBytes],
      ["-t", limits.cpuSeconds],
    ];
    for (const [option, value] of options) {
      if (value !== undefined) words.push(option, this.#number("limits", value));
    }
    return words.length === 0 ? [] : ["chpst", ...words, "--"];
  }

  script(path: string, script: Script): void {
    if (typeof script === "string") {
      if (script.includes("\0")) this.refuse(`${path}: a NUL cannot be in a script`);
      const text = script.startsWith("#!") ? script : `#!/bin/sh\n${script}`;
      this.add(path, toBytes(text.endsWith("\n") ? text : `${text}\n`), 0o755);
    } else this.add(path, `#!/bin/sh\nexec ${this.#command(path, script)}\n`, 0o755);
  }

  log(log: LogDefinition): void {
    this.know("log", log, namesInLog);
    const own = log.directory === undefined ? "./main" : this.#path(log.directory);
    const config = this.#config(log);
    if (log.directory === undefined) this.files.push({ path: "log/main", content: undefined, mode: 0o755 });
    if (config !== "" && log.directory !== undefined) {
      this.refuse("log: what is configured stands in a file of the log directory: leave out directory, or the rest");
    }
    if (config !== "") this.add("log/main/config", config, 0o644);
    const stamp = { none: "", tai: "-t ", underscore: "-tt ", T: "-ttt " }[log.stamp ?? "underscore"];
    if (stamp === undefined) this.refuse(`log: no such stamp: ${log.stamp}`);
    const make = log.directory === undefined ? "" : `mkdir -p ${own}\n`;
    this.add("log/run", `#!/bin/sh\n${make}exec svlogd ${stamp}${own}\n`, 0o755);
  }

  #config({ maxBytes, maxSeconds, maxFiles, processor, prefix, select = [] }: LogDefinition): string {
    const lines: string[] = [];
    if (maxBytes !== undefined) lines.push(`s${this.#number("log", maxBytes)}`);
    if (maxFiles !== undefined) lines.push(`n${this.#number("log", maxFiles)}`);
    if (maxSeconds !== undefined) lines.push(`t${this.#number("log", maxSeconds)}`);
    if (processor !== undefined) lines.push(`!${processor}`);
    if (prefix !== undefined) lines.push(`p${prefix}`);
    lines.push(...select);
    if (lines.length === 0) return "";
    const text = toBytes(`${lines.join("\n")}\n`);
    const [complaint] = parseLogConfig(text).complaints;
    const isOneLineEach = lines.every((line) => line.length > 1 && !line.includes("\n"));
    if (complaint !== undefined || !isOneLineEach)
      this.refuse(`log: not to be configured: ${complaint ?? "a newline"}`);
    return text;
  }

  #command(path: string, words: readonly Word[]): string {
    const first = Array.isArray(words) ? words[0] : undefined;
    if (first === undefined || first.length === 0) this.refuse(`${path}: there is no command`);
    const quoted = words.map((word) => this.#word(word));
    if (quoted[0]?.startsWith("-")) this.refuse(`${path}: a command must not begin with a dash`);
    return quoted.join(" ");
  }

  #path(path: string): string {
    if (!path.startsWith("/")) this.refuse(`directory: not an absolute path: ${path}`);
    return this.#word(path);
  }

  #number(what: string, value: number): string {
    if (!Number.isSafeInteger(value) || value < 0) this.refuse(`${what}: not a whole number: ${value}`);
    return `${value}`;
  }

  #word(word: Word): string {
    const bytes = toBytes(word);
    if (bytes.includes("\0")) this.refuse("a NUL cannot be in a word");
    return quoteForShell(bytes);
  }
}

/** As a byte string: one character for each byte. */
function toBytes(word: Word): string {
  return Buffer.from(typeof word === "string" ? Buffer.from(word, "utf8") : word).toString("latin1");
}
