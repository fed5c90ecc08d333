// Black-box stories: each is told to our build and to the reference programs, in a fresh directory of its own.
//
// A story gets a Stage: it lays out service directories, starts programs from the build under test, awaits conditions
// (never sleeps for luck) and looks at files, output and exit codes. When it is over, every process that carries the
// stage's mark in its environment is ended, orphans included.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

export interface Build {
  readonly name: "ours" | "reference";
  /** Directories put in front of PATH, first wins. */
  readonly path: readonly string[];
}

const root = path.resolve(import.meta.dirname, "../..");
/** Debian's binaries, unpacked by scripts/fetch-reference (never installed). */
export const referenceRoot = path.join(root, "build/reference");

const everyBuild: readonly Build[] = [
  { name: "ours", path: [path.resolve(root, process.env["PROGRAMS"] ?? "build/bin")] },
  {
    name: "reference",
    path: [path.join(referenceRoot, "usr/bin"), path.join(referenceRoot, "usr/sbin"), path.join(referenceRoot, "sbin")],
  },
];
const wanted = (process.env["CONFORMANCE"] ?? "ours,reference").split(",");
export const builds = everyBuild.filter((build) => wanted.includes(build.name));
export const isRoot = process.getuid?.() === 0;
/** Signals 32 to 34: the C library's own, which whoever started the test may have blocked. */
export const cLibrarySignals = 0b111n << 31n;
/** How long a condition may take before the story fails. Generous: the machines are shared. */
const patienceMilliseconds = 30_000;

export interface StoryOptions {
  /** Only for one build, e.g. what the original never had. */
  readonly only?: "ours" | "reference";
  /** Ours differs on purpose: the heading of its entry in docs/differences.md. */
  readonly differs?: string;
  /** Why this story cannot be told here. */
  readonly skip?: string | false;
  readonly timeoutMilliseconds?: number;
}

/** Stories of one program; they run side by side, since most of their time is waiting. */
export function stories(program: string, tell: (story: Story) => void): void {
  suite(program, { concurrency: Number(process.env["STORIES_AT_ONCE"] ?? "8") }, () => {
    tell((number, title, act, options = {}) => {
      for (const build of builds) {
        if (options.only !== undefined && options.only !== build.name) continue;
        const differs = options.differs === undefined ? "" : ` (differs: ${options.differs})`;
        test(`${program} ${number} [${build.name}] ${title}${differs}`, {
          skip: options.skip ?? false,
          timeout: options.timeoutMilliseconds ?? 90_000,
        }, async () => {
          const stage = new Stage(build);
          try {
            await act(stage);
          } finally {
            await stage.clear();
          }
        });
      }
    });
  });
}
export type Story = (
  number: number | string,
  title: string,
  act: (stage: Stage) => void | Promise<void>,
  options?: StoryOptions,
) => void;

export interface Status {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly pid: number;
  readonly paused: number;
  readonly want: string;
  readonly term: number;
  readonly phase: number;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Added to the stage's environment. */
  readonly env?: Record<string, string>;
  /** Replaces the whole environment (the stage's mark is kept). */
  readonly onlyEnv?: Record<string, string>;
  readonly argv0?: string;
  /** Per descriptor: "pipe" (default for 1, 2), "ignore", "close" is not possible here: use a shell. */
  readonly stdin?: "ignore" | "pipe" | number;
  readonly uid?: number;
  readonly gid?: number;
  /** A program and arguments in front that will exec what follows it, e.g. `["env", "--ignore-signal=HUP"]`. */
  readonly via?: readonly string[];
}

/** For `via`: shell commands carried out in the process that then becomes the program. */
export function shell(commands: string): readonly string[] {
  return ["/bin/sh", "-c", `${commands}\nexec "$@"`, "sh"];
}

/** For `skip`: which of these programs are not installed here. */
export function missing(...programs: string[]): string | false {
  const directories = (process.env["PATH"] ?? "").split(":");
  const absent = programs.filter((name) => !directories.some((directory) => fs.existsSync(path.join(directory, name))));
  return absent.length > 0 && `needs ${absent.join(", ")}`;
}
/** For `skip`: why nothing can be mounted here, if so. */
export const cannotMount: string | false =
  spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" }).status !== 0 &&
  "needs the right to mount";

/** What a program that ended left behind. */
export interface Outcome {
  readonly out: string;
  readonly err: string;
  /** Exit code, or -1 if a signal ended it. */
  readonly code: number;
  readonly signal: string | null;
  readonly milliseconds: number;
}

/** A started program: its output so far, and its end. */
export class Running {
  out = "";
  err = "";
  code: number | undefined;
  signal: string | null = null;
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;

  constructor(child: ChildProcess) {
    this.child = child;
    const start = performance.now();
    child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      this.out += text;
    });
    child.stderr?.setEncoding("latin1").on("data", (text: string) => {
      this.err += text;
    });
    let ending: { code: number; signal: string | null } = { code: -1, signal: null };
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      // Not "close": orphans may hold the pipes for as long as they live.
      child.on("exit", (code, signal) => {
        this.code = code ?? -1;
        this.signal = signal;
        ending = { code: code ?? -1, signal };
        const milliseconds = performance.now() - start;
        const finish = () => resolve({ out: this.out, err: this.err, ...ending, milliseconds });
        let open = 0;
        for (const stream of [child.stdout, child.stderr]) if (stream && !stream.readableEnded) open++;
        if (open === 0) finish();
        else {
          // What was written before the end is in the pipe already: give the loop turns to read it.
          let quiet = 0;
          let seen = -1;
          const look = () => {
            const length = this.out.length + this.err.length;
            quiet = length === seen ? quiet + 1 : 0;
            seen = length;
            if (quiet >= 3) finish();
            else setTimeout(look, 5);
          };
          look();
        }
      });
    });
    this.ended.catch(() => {});
  }

  get pid(): number {
    return this.child.pid ?? assert.fail("not started");
  }
  get isAlive(): boolean {
    return this.code === undefined && this.signal === null;
  }
  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }
}

let stagesMade = 0;

export class Stage {
  readonly build: Build;
  readonly dir: string;
  readonly mark: string;
  readonly env: Record<string, string>;
  #undo: (() => void)[] = [];

  constructor(build: Build) {
    this.build = build;
    this.dir = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "stage-"));
    fs.chmodSync(this.dir, 0o755);
    this.mark = `${process.pid}-${++stagesMade}`;
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env as Record<string, string>;
    this.env = {
      ...inherited,
      PATH: [...build.path, process.env["PATH"] ?? ""].join(":"),
      SVDIR: this.dir,
      LC_ALL: "C",
      STAGE: this.mark,
    };
  }

  get isOurs(): boolean {
    return this.build.name === "ours";
  }

  /** Absolute path of a program of the build under test. */
  program(name: string): string {
    for (const directory of this.build.path) {
      const file = path.join(directory, name);
      if (fs.existsSync(file)) return file;
    }
    return assert.fail(`no ${name} in build ${this.build.name}`);
  }

  // ── laying out ──

  at(...names: string[]): string {
    return path.join(this.dir, ...names);
  }
  /** Writes a file below the stage; mode 0755 when it begins with "#!", else 0644. */
  file(name: string, content: string | Uint8Array, mode?: number): string {
    const file = this.at(name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
    fs.chmodSync(file, mode ?? (typeof content === "string" && content.startsWith("#!") ? 0o755 : 0o644));
    return file;
  }
  /** A service directory: each entry a file of it (scripts get `#!/bin/sh` in front unless they have a `#!`). */
  service(name: string, files: Record<string, string>): string {
    fs.mkdirSync(this.at(name), { recursive: true });
    for (const [file, content] of Object.entries(files)) {
      const base = path.basename(file);
      const isScript =
        base === "run" || base === "finish" || base === "check" || path.dirname(file).endsWith("control");
      this.file(path.join(name, file), isScript && !content.startsWith("#!") ? `#!/bin/sh\n${content}\n` : content);
    }
    return this.at(name);
  }
  fifo(name: string, mode = 0o600): string {
    assert.equal(spawnSync("mkfifo", [this.at(name)]).status, 0, `mkfifo ${name}`);
    fs.chmodSync(this.at(name), mode);
    return this.at(name);
  }
  /** Mounts a tmpfs on a directory of the stage (made if missing); see `cannotMount`. */
  mount(name: string, options: string): void {
    fs.mkdirSync(this.at(name), { recursive: true });
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", this.at(name)]);
    assert.equal(status, 0, `mount ${name}: ${stderr}`);
    this.atEnd(() => {
      spawnSync("umount", ["-l", this.at(name)]);
    });
  }
  /** Something to be undone at the end, e.g. a mount; run in reverse order after the processes are gone. */
  atEnd(undo: () => void): void {
    this.#undo.push(undo);
  }

  // ── running ──

  /** Starts a program of the build under test (or any other by absolute path) in the stage's directory. */
  start(program: string, args: readonly string[] = [], options: StartOptions = {}): Running {
    const env = options.onlyEnv ? { ...options.onlyEnv, STAGE: this.mark } : { ...this.env, ...options.env };
    const file = path.isAbsolute(program) ? program : this.program(program);
    const [command = file, ...words] = [...(options.via ?? []), file, ...args];
    const child = spawn(command, words, {
      cwd: options.cwd ?? this.dir,
      env,
      argv0: options.argv0 ?? (options.via?.length ? command : program),
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    return new Running(child);
  }
  /** Runs it to its end. */
  run(program: string, args: readonly string[] = [], options: StartOptions = {}): Promise<Outcome> {
    return this.start(program, args, options).ended;
  }
  /** Runs a shell command to its end (build under test first in PATH). */
  sh(command: string, options: StartOptions = {}): Promise<Outcome> {
    return this.run("/bin/sh", ["-c", command], options);
  }
  /** Starts runsv on a service directory and awaits its supervise/ok. */
  async supervise(name: string, options: StartOptions = {}): Promise<Running> {
    const running = this.start("runsv", [name], options);
    await this.until(`runsv on ${name} ready`, () => !running.isAlive || this.isListening(name));
    assert.ok(running.isAlive, `runsv ${name} ended: ${running.err}`);
    return running;
  }
  /** Whether a runsv holds supervise/ok open. */
  isListening(name: string): boolean {
    try {
      fs.closeSync(fs.openSync(this.at(name, "supervise/ok"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
      return true;
    } catch {
      return false;
    }
  }
  /** Writes bytes to a control pipe in one write. */
  tell(name: string, bytes: string): void {
    this.writeTo(`${name}/supervise/control`, bytes);
  }
  /** Writes bytes to a fifo that has a reader, in one write. */
  writeTo(fifo: string, bytes: string): void {
    const fd = fs.openSync(this.at(fifo), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    try {
      fs.writeSync(fd, Buffer.from(bytes, "latin1"));
    } finally {
      fs.closeSync(fd);
    }
  }

  // ── looking ──

  read(name: string): string {
    return fs.readFileSync(this.at(name), "latin1");
  }
  /** Content, or "" while it does not exist. */
  peek(name: string): string {
    try {
      return this.read(name);
    } catch {
      return "";
    }
  }
  exists(name: string): boolean {
    return fs.existsSync(this.at(name));
  }
  mode(name: string): number {
    return fs.statSync(this.at(name)).mode & 0o7777;
  }
  /** Changes whenever a file is replaced or rewritten; "" while it does not exist. */
  version(name: string): string {
    const stats = fs.statSync(this.at(name), { bigint: true, throwIfNoEntry: false });
    return stats ? `${stats.ino} ${stats.mtimeNs} ${stats.size}` : "";
  }
  /** Decoded supervise/status of a service directory. */
  status(name: string): Status {
    return decodeStatus(fs.readFileSync(this.at(name, "supervise/status")));
  }
  /** The line of supervise/stat, without newline. */
  stat(name: string): string {
    return this.read(`${name}/supervise/stat`).trimEnd();
  }
  /** Signals a process of this stage sees as pending, blocked … from /proc/PID/status, as a hexadecimal mask. */
  signals(pid: number, field: "SigBlk" | "SigIgn" | "SigCgt"): bigint {
    const text = fs.readFileSync(`/proc/${pid}/status`, "latin1");
    const mask = BigInt(`0x${new RegExp(`^${field}:\\s*(\\w+)`, "m").exec(text)?.[1] ?? "0"}`);
    return mask & ~cLibrarySignals;
  }
  /** The letter of its state, e.g. S, T (stopped), Z; "" if there is no such process. */
  state(pid: number): string {
    try {
      return /^State:\s*(\w)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
    } catch {
      return "";
    }
  }
  /** What a descriptor of a process leads to, e.g. "pipe:[4711]"; "" if it is closed. */
  descriptor(pid: number, number: number): string {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${number}`);
    } catch {
      return "";
    }
  }
  /** Open descriptors of a process, ascending. */
  descriptors(pid: number): number[] {
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .map(Number)
      .sort((a, b) => a - b);
  }
  /** Whether a process exists and is no zombie. */
  isLiving(pid: number): boolean {
    try {
      return !/^State:\s*[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, "latin1"));
    } catch {
      return false;
    }
  }
  /** Processes of this stage (by its mark in their environment) whose command line contains `text`. */
  processes(text = ""): number[] {
    const found: number[] = [];
    for (const entry of fs.readdirSync("/proc")) {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
      try {
        if (!fs.readFileSync(`/proc/${entry}/environ`, "latin1").split("\0").includes(`STAGE=${this.mark}`)) continue;
        const line = fs.readFileSync(`/proc/${entry}/cmdline`, "latin1").replaceAll("\0", " ").trimEnd();
        if (line.includes(text) && line !== "") found.push(Number(entry));
      } catch {
        // it has ended meanwhile
      }
    }
    return found;
  }

  // ── waiting ──

  /** Awaits a condition; fails with `what` when it does not come true. */
  async until(what: string, isTrue: () => boolean, milliseconds = patienceMilliseconds): Promise<void> {
    const end = performance.now() + milliseconds;
    for (let pause = 2; ; pause = Math.min(pause * 2, 40)) {
      let error: unknown;
      try {
        if (isTrue()) return;
      } catch (caught) {
        error = caught; // e.g. a file that is not there yet
      }
      if (performance.now() > end) assert.fail(`never true: ${what}${error ? ` (${String(error)})` : ""}`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  /** Awaits a value; when it does not come, fails showing what there was instead. */
  async becomes<T>(look: () => T, expected: T, milliseconds = patienceMilliseconds): Promise<void> {
    try {
      await this.until("", () => isDeepStrictEqual(look(), expected), milliseconds);
    } catch {
      assert.deepStrictEqual(look(), expected);
    }
  }
  /** Awaits the end of a program that is to end by itself; fails when it does not. */
  async end(running: Running, milliseconds = patienceMilliseconds): Promise<Outcome> {
    await this.until("the program ends", () => !running.isAlive, milliseconds);
    return running.ended;
  }
  /** For stories about something that must NOT happen: a span that is part of the rule under test. */
  span(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
  /** Awaits phase run with a process, and answers its pid. */
  async running(name: string): Promise<number> {
    await this.until(`${name} runs`, () => this.status(name).phase === 1 && this.status(name).pid !== 0);
    return this.status(name).pid;
  }

  async clear(): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const left = this.processes();
      if (left.length === 0) break;
      for (const pid of left) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // already gone
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const undo of this.#undo.reverse()) undo();
    fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** 2^62 + 10: what is added to Unix seconds in a status record. */
export const tai64Base = 4611686018427387914n;

export function decodeStatus(bytes: Uint8Array): Status {
  assert.equal(bytes.length, 20, "status has 20 bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 20);
  return {
    seconds: Number(view.getBigUint64(0) - tai64Base),
    nanoseconds: view.getUint32(8),
    pid: view.getUint32(12, true),
    paused: view.getUint8(16),
    want: String.fromCharCode(view.getUint8(17)),
    term: view.getUint8(18),
    phase: view.getUint8(19),
  };
}

/** Bytes of a hand-made status record. */
export function encodeStatus(status: Partial<Status>): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(status.seconds ?? Math.floor(Date.now() / 1000)) + tai64Base);
  view.setUint32(8, status.nanoseconds ?? 500);
  view.setUint32(12, status.pid ?? 0, true);
  view.setUint8(16, status.paused ?? 0);
  view.setUint8(17, (status.want ?? "u").charCodeAt(0));
  view.setUint8(18, status.term ?? 0);
  view.setUint8(19, status.phase ?? 0);
  return bytes;
}
