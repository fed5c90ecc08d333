// What the stories of sv-user have in common: a user with a home, and a way to end all that runs there.
//
// The services of a user do not inherit the environment of whoever called, so the stage's mark is not in it; they are known
// by their HOME, which is a directory of the stage.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions, Story, StoryOptions } from "../stage.ts";
import { cannotMount, isRoot, missing } from "../stage.ts";

export const sleeper = "exec sleep 1000";
/** Notes its pid at every start. */
export const noting = 'echo $$ >>"$HOME/starts-$SV_NAME"\nexec sleep 1000';
export const ignoresTerm = 'trap "" TERM\nexec sleep 1000';
/** Prints its environment, a variable a line, into a file of the home. */
export const showsEnvironment =
  'env >"$HOME/.new-$SV_NAME"\nmv "$HOME/.new-$SV_NAME" "$HOME/env-$SV_NAME"\nexec sleep 1000';

/** An account without a home, and a number without an account. */
export const nobody = 65534;
export const stranger = 40123;
/** The one other user there is, if we are not root. */
export const ordinary = isRoot ? stranger : (process.getuid?.() ?? assert.fail());

export const rootOnly: StoryOptions = { only: "ours", skip: isRoot ? false : "only root can become another user" };
/** For stories with accounts and a /run of their own. */
export const ownMounts: StoryOptions = {
  only: "ours",
  skip: rootOnly.skip || missing("unshare", "nsenter", "mount") || cannotMount,
};

/** A story of any user: told as root, as far as we are, and as an ordinary user. */
export function eachUser(
  story: Story,
  number: number | string,
  title: string,
  act: (user: User, stage: Stage) => Promise<void>,
  options: StoryOptions = {},
): void {
  if (isRoot) story(number, `${title} (root)`, (stage) => act(new User(stage, 0), stage), { only: "ours", ...options });
  anyUser(story, number, title, act, options);
}
/** A story of a user who is not root. */
export function anyUser(
  story: Story,
  number: number | string,
  title: string,
  act: (user: User, stage: Stage) => Promise<void>,
  options: StoryOptions = {},
): void {
  const tell = (stage: Stage) => act(new User(stage, ordinary), stage);
  story(number, `${title} (a user)`, tell, { only: "ours", ...options });
}

// ── a user ──

export interface UserOptions {
  /** Below the stage; "h" if not said. */
  readonly home?: string;
  /** No directory for what lives as long as the login. */
  readonly hasNoRuntime?: boolean;
}

/** Somebody with a home of their own, who types commands. */
export class User {
  readonly stage: Stage;
  readonly uid: number;
  readonly home: string;
  readonly runtime: string;
  /** All that a command gets, but for the stage's mark. */
  readonly env: Readonly<Record<string, string>>;
  /** Directories that begin like the letters of the specification. */
  readonly conf: string;
  readonly scan: string;
  readonly log: string;
  /** What to put in front of a path below the user's /run, if that is not ours. */
  view = "";

  constructor(stage: Stage, uid: number, options: UserOptions = {}) {
    this.stage = stage;
    this.uid = uid;
    this.home = stage.at(options.home ?? "h");
    this.runtime = stage.at("x");
    this.conf = path.join(this.home, ".config/sv");
    this.scan = path.join(this.home, ".local/state/sv/service");
    this.log = path.join(this.home, ".local/state/sv/log");
    fs.mkdirSync(this.home, { recursive: true });
    if (!options.hasNoRuntime) fs.mkdirSync(this.runtime, { mode: 0o700 });
    for (const directory of [this.home, this.runtime]) if (fs.existsSync(directory)) fs.chownSync(directory, uid, uid);
    this.env = {
      PATH: `${stage.build.path.join(":")}:/usr/local/bin:/usr/bin:/bin`,
      HOME: this.home,
      LC_ALL: "C",
      ...(options.hasNoRuntime ? {} : { XDG_RUNTIME_DIR: this.runtime }),
    };
    stage.atEnd(() => this.endAll());
  }

  // ── laying out ──

  at(...names: string[]): string {
    return path.join(this.home, ...names);
  }
  /** Writes a file of the user's; mode 0755 if it is a script. */
  write(name: string, content: string, mode?: number): string {
    const file = this.stage.file(path.relative(this.stage.dir, this.at(name)), content, mode);
    this.own();
    return file;
  }
  /** Makes a service directory, below CONF or elsewhere in the home; see `Stage.service`. */
  define(name: string, files: Readonly<Record<string, string>> = { run: sleeper }, below = ".config/sv"): string {
    const directory = this.stage.service(path.relative(this.stage.dir, this.at(below, name)), files);
    this.own();
    return directory;
  }
  /** All below the home becomes the user's. */
  own(): void {
    if (isRoot) execFileSync("chown", ["-hR", `${this.uid}:${this.uid}`, this.home]);
  }

  // ── doing ──

  start(program: string, args: readonly string[], options: StartOptions = {}): Running {
    return this.stage.start(program, args, {
      cwd: this.home,
      ...options,
      onlyEnv: { ...(options.onlyEnv ?? this.env), ...options.env },
      ...(isRoot && this.uid !== 0 ? { uid: this.uid, gid: this.uid } : {}),
    });
  }
  /** Runs a program to its end. */
  run(program: string, args: readonly string[], options: StartOptions = {}): Promise<Outcome> {
    return this.stage.end(this.start(program, args, options), 60_000);
  }
  /** `sv-user` with these words. */
  sv(words: string | readonly string[], options: StartOptions = {}): Promise<Outcome> {
    return this.run("sv-user", typeof words === "string" ? words.split(" ") : words, options);
  }
  /** `sv-user`, which has to succeed; what it printed. */
  async does(words: string | readonly string[], options: StartOptions = {}): Promise<string> {
    const outcome = await this.sv(words, options);
    assert.equal(outcome.code, 0, `sv-user ${words}: ${outcome.out}${outcome.err}`);
    return outcome.out;
  }
  /** `sv-add`, which has to succeed; what it printed. */
  async add(...words: string[]): Promise<string> {
    const outcome = await this.run("sv-add", words);
    assert.equal(outcome.code, 0, `sv-add ${words}: ${outcome.out}${outcome.err}`);
    return outcome.out;
  }
  /** A shell command, our programs in its PATH. */
  sh(command: string, options: StartOptions = {}): Promise<Outcome> {
    return this.run("/bin/sh", ["-c", command], options);
  }

  // ── looking ──

  read(name: string): string {
    return fs.readFileSync(this.at(name), "utf8");
  }
  exists(name: string): boolean {
    return fs.existsSync(this.at(name));
  }
  /** RUN: where the state is, as a client finds it. */
  get state(): string {
    return this.view + fs.readlinkSync(path.join(this.scan, ".run"));
  }
  /** The service's process; 0 if there is none. */
  pid(name: string): number {
    return Number(fs.readFileSync(path.join(this.state, name, "pid"), "latin1"));
  }
  /** The tree's process. */
  treePid(): number {
    const pid = Number(fs.readFileSync(path.join(this.state, ".pid"), "latin1"));
    assert.ok(pid > 1);
    return pid;
  }
  hasTree(): boolean {
    try {
      return this.stage.isLiving(this.treePid());
    } catch {
      return false;
    }
  }
  /** Whether SCAN has a service of this name. */
  isEnabled(name: string): boolean {
    return fs.lstatSync(path.join(this.scan, name), { throwIfNoEntry: false }) !== undefined;
  }
  /** Variables that the service printed, see `showsEnvironment`. */
  environment(name: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.read(`env-${name}`)
        .trimEnd()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }
  /** Pids that a service noted, see `noting`. */
  starts(name: string): readonly number[] {
    return this.read(`starts-${name}`).trimEnd().split("\n").map(Number);
  }
  /** Processes at this home whose command line contains `text`. */
  processes(text = ""): readonly number[] {
    const found: number[] = [];
    for (const entry of fs.readdirSync("/proc")) {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
      try {
        if (!fs.readFileSync(`/proc/${entry}/environ`, "latin1").split("\0").includes(`HOME=${this.home}`)) continue;
        if (commandLine(Number(entry)).includes(text)) found.push(Number(entry));
      } catch {
        // it has ended meanwhile
      }
    }
    return found;
  }

  // ── waiting ──

  /** Awaits that the service runs; its pid. */
  async running(name: string): Promise<number> {
    await this.stage.until(`${name} runs`, () => this.pid(name) > 0);
    return this.pid(name);
  }
  /** Awaits that all processes at this home have ended. */
  async isQuiet(milliseconds?: number): Promise<void> {
    await this.stage.until("nothing is left", () => this.processes().length === 0, milliseconds);
  }

  /** Ends every process at this home. */
  endAll(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let round = 0; round < 200; round++) {
      const left = this.processes();
      if (left.length === 0) return;
      for (const pid of left) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // already gone
        }
      }
      Atomics.wait(pause, 0, 0, 5);
    }
  }
}

/** Words of a command line, with spaces between. */
export function commandLine(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trimEnd();
}
/** The pid in `ok: run: NAME: (pid N) 0s`. */
export function pidIn(text: string, name: string): number {
  const [, pid] = new RegExp(`^ok: run: ${name}: \\(pid (\\d+)\\) \\d+s`).exec(text) ?? assert.fail(`says "${text}"`);
  return Number(pid);
}
/** It failed in this way: nothing on standard output, one message on standard error. */
export function assertFails(outcome: Outcome, message: RegExp, code: number): void {
  assert.match(outcome.err, message);
  assert.deepEqual({ out: outcome.out, code: outcome.code }, { out: "", code }, outcome.err);
  assert.equal(outcome.err.split("\n").length, 2, `one line: ${outcome.err}`);
}
/** Changes when anything below a directory does. */
export function checksum(directory: string): string {
  return execFileSync(
    "/bin/sh",
    ["-c", 'cd "$0" && find . -printf "%p %y %m %T@ %l\\n" | sort && cat $(find . -type f | sort)', directory],
    {
      encoding: "latin1",
    },
  );
}

// ── a machine's accounts ──

/** Accounts and a /run of the story's own, in a mount namespace that lives as long as the stage. */
export class Realm {
  /** For `via`: what follows is done there, by root. */
  readonly via: readonly string[];
  /** Its root directory, as it can be seen from here. */
  readonly view: string;

  private constructor(pid: number) {
    this.via = ["/usr/bin/nsenter", `--mount=/proc/${pid}/ns/mnt`, "--"];
    this.view = `/proc/${pid}/root`;
  }
  static async open(stage: Stage, accounts: string, groups: string): Promise<Realm> {
    stage.file(".etc/passwd", `root:x:0:0:root:/root:/bin/sh\n${accounts}`);
    stage.file(".etc/group", `root:x:0:\n${groups}`);
    const commands = [
      "set -e",
      "mount -t tmpfs -o mode=755,size=4m tmpfs /run",
      `mount --bind '${stage.at(".etc/passwd")}' /etc/passwd`,
      `mount --bind '${stage.at(".etc/group")}' /etc/group`,
      "echo open",
      "exec sleep 1000",
    ];
    const holder = stage.start("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", commands.join("\n")]);
    await stage.until(`the mounts are there ${holder.err}`, () => holder.out === "open\n");
    return new Realm(holder.pid);
  }
}
