// What the stories of runit-container have in common: a container without an engine.
//
// The container is a PID namespace and a mount namespace below a root directory of the stage (`root/` there): its own
// /etc (with no account in it), /run, /dev, /tmp, /out; /usr and the build read-only. Files are looked at from outside,
// below `root/`; signals go to runit-container by its pid out here, as an engine sends them; `inside` is a `docker exec`.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { Socket } from "node:net";
import * as path from "node:path";
import type { Outcome, Running, Stage } from "../stage.ts";
import { isRoot, missing, referenceRoot } from "../stage.ts";

// ── where it can be told ──

/** Without root there is a user namespace in front, in which we are root. */
const ownUsers = ["--user", "--map-root-user"];
const canHave = (...namespaces: string[]) =>
  spawnSync("unshare", [...namespaces, "--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "true"], {
    stdio: "ignore",
  }).status === 0;
const cannotContain: string | false =
  missing("unshare", "mount", "chroot", "timeout", "nsenter", "setpriv") ||
  (!canHave(...(isRoot ? [] : ownUsers)) && "needs the right to make PID and mount namespaces");
export const told = { only: "ours", skip: cannotContain } as const;
export const toldToRoot = {
  only: "ours",
  skip: cannotContain || (!isRoot && "only root can become another user"),
} as const;
export const toldWithUsers = {
  only: "ours",
  skip: cannotContain || (!canHave(...ownUsers) && "needs user namespaces"),
} as const;
/** script(1) of util-linux lends a terminal. */
export const toldOnTerminal = {
  only: "ours",
  skip: cannotContain || missing("script", "setsid") || (!isRoot && "only root can take a terminal over"),
} as const;

// ── services ──

/** For scripts: notes a word in /out/log, with the time since boot. */
const noting = 'note() { read -r now rest </proc/uptime; echo "$now $*" >>/out/log; }';
/** A script that says "up", or does something else, and then does these shell commands when signals come. */
export function onSignals(traps: Readonly<Record<string, string>>, first = "echo up"): string {
  const lines = Object.entries(traps).map(([signal, commands]) => `trap '${commands}' ${signal}`);
  // What is left behind holds no output of the service.
  return [noting, ...lines, `sleep 1000 >/dev/null 2>&1 & ${first}`, "while :; do wait; done"].join("\n");
}
/** On TERM says "bye" and exits 0 a second later. */
export const good = { run: onSignals({ TERM: "note TERM; echo bye; sleep 1; note gone; exit 0" }) } as const;
/** Ignores TERM. */
export const stub = { run: 'trap "" TERM\necho up\nexec sleep 1000' } as const;
/** Exits 3 after 0.3 s. */
export const crash = { run: `${noting}\nnote start\necho started\nsleep 0.3\nexit 3` } as const;
/** Kills itself. */
export const seg = { run: "ulimit -c 0\nkill -SEGV $$" } as const;
/** Has a child that leaves its session and its parents, and notes its pid and its TERM. */
export const fork = {
  run: '[ -e /out/orphan ] || (setsid ./orphan &)\necho up "$$"\nexec sleep 1000',
  orphan: `#!/bin/sh\n${onSignals({ TERM: "note orphan TERM; exit 0" }, "echo $$ >/out/orphan")}\n`,
} as const;
/** Prints FOO. */
export const env = { run: 'echo "FOO=$FOO"\nexec sleep 1000' } as const;
/** To be the main service: says which signals it gets, and ends on TERM, after some seconds, with this code. */
export function web(seconds = 0, code = 0): Record<string, string> {
  const term = `note web TERM; sleep ${seconds}; note web gone; exit ${code}`;
  return { run: onSignals({ HUP: "echo HUP", USR1: "echo USR1", QUIT: "echo QUIT", TERM: term }) };
}
/** Ends with this code when `open` has been called. */
export function endsAtGate(code: number): Record<string, string> {
  return { run: `echo up\n: </out/gate\nexit ${code}` };
}
/** Ends at once when it is told to. */
export const quick = { run: "exec sleep 1000" } as const;

/** Makes service directories below /etc/service, or elsewhere. */
export function serve(
  stage: Stage,
  services: Readonly<Record<string, Readonly<Record<string, string>>>>,
  directory = "/etc/service",
): void {
  fs.mkdirSync(stage.at(`root${directory}`), { recursive: true });
  for (const [name, files] of Object.entries(services)) stage.service(`root${directory}/${name}`, files);
}
export function layGate(stage: Stage): void {
  fs.mkdirSync(stage.at("root/out"), { recursive: true });
  stage.fifo("root/out/gate", 0o666);
}
/** Lets go whoever waits at the gate; throws when nobody does. */
export function tryGate(stage: Stage): void {
  fs.closeSync(fs.openSync(stage.at("root/out/gate"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
}
/** Lets go whoever waits at the gate, or the first to come to it. */
export async function openGate(stage: Stage): Promise<void> {
  await stage.until("somebody waits at the gate", () => {
    tryGate(stage);
    return true;
  });
}

// ── laying out ──

/** Where the builds are, the same path in the container as out here. */
const buildDirectory = path.dirname(referenceRoot);
/** Top directories that are links on a machine with a merged /usr, and directories elsewhere. */
const libraryDirectories = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/** Makes the root directory; answers the mounts it needs, as shell commands. */
function layRoot(stage: Stage, isReadOnlyForUs: boolean): string[] {
  const mounts: string[] = [];
  const bind = (directory: string) => {
    fs.mkdirSync(stage.at(`root${directory}`), { recursive: true });
    mounts.push(`mount --bind ${directory} $root${directory}`);
    if (isReadOnlyForUs) mounts.push(`mount -o remount,bind,ro $root${directory}`);
  };
  for (const name of ["etc", "run", "proc", "dev"]) fs.mkdirSync(stage.at("root", name), { recursive: true });
  for (const [name, mode] of [["tmp", 0o1777] as const, ["out", 0o777] as const]) {
    fs.mkdirSync(stage.at("root", name), { recursive: true });
    fs.chmodSync(stage.at("root", name), mode);
  }
  for (const name of ["null", "zero", "tty"]) {
    if (!stage.exists(`root/dev/${name}`)) stage.file(`root/dev/${name}`, "");
    mounts.push(`mount --bind /dev/${name} $root/dev/${name}`);
  }
  for (const name of libraryDirectories) {
    const stats = fs.lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (stats?.isDirectory()) bind(`/${name}`);
    else if (stats && !fs.lstatSync(stage.at("root", name), { throwIfNoEntry: false }))
      fs.symlinkSync(fs.readlinkSync(`/${name}`), stage.at("root", name));
  }
  bind("/usr");
  bind(buildDirectory);
  return mounts;
}

// ── starting ──

export interface Setting {
  /** Arguments of runit-container. */
  readonly args?: readonly string[];
  /** The environment, but for PATH. */
  readonly env?: Record<string, string>;
  /** Words in front of whatever runs inside, e.g. setpriv with its arguments. */
  readonly via?: string;
  /** What process 1 does, a shell script; `"$@"` is runit-container with its arguments. By default it becomes that. */
  readonly as?: string;
  /** Shell commands before, in the container's mount namespace, with $root. */
  readonly before?: string;
  readonly isReadOnly?: boolean;
  readonly hasOwnUsers?: boolean;
  readonly hasNoProc?: boolean;
  /** A terminal for standard input, output and error; the output is what the terminal shows. */
  readonly hasTerminal?: boolean;
  /** Whatever happens to us, the container is gone then. */
  readonly longestLifeSeconds?: number;
}

export const below: Setting = { as: '"$@"; exit $?' };
export const oddUser = 18848190;
export const asOddUser = `setpriv --reuid=${oddUser} --regid=0 --clear-groups`;
export const withoutCapabilities = "setpriv --bounding-set=-all --inh-caps=-all";

let containersMade = 0;

/** Starts a container; its runit-container hears signals when this is done, or it has ended already. */
export async function contain(stage: Stage, setting: Setting = {}): Promise<Container> {
  const hasOwnUsers = setting.hasOwnUsers || !isRoot;
  const mounts = layRoot(stage, !hasOwnUsers);
  const number = ++containersMade;
  const program = [stage.program("runit-container"), ...(setting.args ?? [])].map(quote).join(" ");
  const launcher = [
    "set -e",
    `readlink /proc/self/ns/pid >${stage.at(`namespace${number}`)}`,
    `root='${stage.at("root")}'`,
    "mount --bind $root $root",
    "cd $root",
    ...mounts,
    setting.hasNoProc ? "" : "mount -t proc proc $root/proc",
    setting.before ?? "",
    setting.isReadOnly ? "mount -o remount,bind,ro $root" : "",
    `exec chroot . ${setting.hasTerminal ? "setsid --ctty" : ""} ${setting.via ?? ""} ` +
      `/bin/sh -c ${quote(setting.as ?? 'exec "$@"')} sh ${program}`,
  ];
  const words = [
    ...["timeout", "--foreground", "-s", "KILL", `${setting.longestLifeSeconds ?? 100}`],
    ...["unshare", ...(hasOwnUsers ? ownUsers : []), "--pid", "--fork", "--mount", "--kill-child"],
    ...["/bin/sh", stage.file(`launcher${number}`, launcher.join("\n"))],
  ];
  const terminal = ["script", "-q", "-e", "-f", "-c", `exec ${words.join(" ")}`, "/dev/null"];
  const [out, err] = [new Output(stage, `out${number}`), new Output(stage, `err${number}`)];
  const starting = ["-c", 'exec >"$0" 2>"$1"; shift; exec "$@"', out.fifo, err.fifo];
  const onlyEnv = { PATH: stage.env["PATH"] ?? "", ...setting.env };
  const running = stage.start("/bin/sh", [...starting, ...(setting.hasTerminal ? terminal : words)], {
    onlyEnv,
    stdin: setting.hasTerminal ? "pipe" : "ignore",
  });
  const container = new Container(stage, running, out, err, {
    hasOwnUsers,
    env: onlyEnv,
    namespaceFile: `namespace${number}`,
  });
  await stage.until("runit-container hears signals", () => !container.isAlive || container.find());
  for (const output of [out, err]) output.leaveToContainer();
  return container;
}
/** Runs a container to its end. */
export async function run(stage: Stage, setting: Setting = {}): Promise<End> {
  return (await contain(stage, setting)).end();
}

/** One end of a pipe, as an engine holds it. */
export class Output {
  text = "";
  readonly fifo: string;
  readonly #stage: Stage;
  readonly #socket: Socket;
  #writer: number;
  #isOver = false;

  constructor(stage: Stage, name: string, encoding: BufferEncoding = "latin1") {
    this.#stage = stage;
    this.fifo = stage.fifo(name);
    // A writer of our own, for as long as the container has not opened it yet.
    this.#writer = fs.openSync(this.fifo, fs.constants.O_RDWR);
    const fd = fs.openSync(this.fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.setEncoding(encoding);
    this.#socket.on("data", (text: string) => {
      this.text += text;
    });
    this.#socket.on("close", () => {
      this.#isOver = true;
    });
    stage.atEnd(() => {
      this.leaveToContainer();
      this.#socket.destroy();
    });
  }
  leaveToContainer(): void {
    if (this.#writer >= 0) fs.closeSync(this.#writer);
    this.#writer = -1;
  }
  stopReading(): void {
    this.#socket.pause();
  }
  readOn(): void {
    this.#socket.resume();
  }
  close(): void {
    this.#socket.destroy();
  }
  /** Awaits that everything is read, of a container that has ended. */
  async allRead(): Promise<void> {
    this.readOn();
    await this.#stage.until("the output is read to its end", () => this.#isOver);
  }
}

export interface End {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** From the signal that was to end it, or else from its start. */
  readonly milliseconds: number;
}
interface Making {
  readonly hasOwnUsers: boolean;
  readonly env: Record<string, string>;
  /** A file of the stage with the name of its PID namespace. */
  readonly namespaceFile: string;
}
export interface Noted {
  readonly text: string;
  /** Milliseconds since boot. */
  readonly at: number;
}

export class Container {
  /** Of runit-container, out here. */
  pid = 0;
  readonly running: Running;
  readonly #stage: Stage;
  readonly #out: Output;
  readonly #err: Output;
  readonly #made: Making;
  #asked = performance.now();
  #ended = 0;

  constructor(stage: Stage, running: Running, out: Output, err: Output, made: Making) {
    this.#stage = stage;
    this.running = running;
    this.#out = out;
    this.#err = err;
    this.#made = made;
    running.child.once("exit", () => {
      this.#ended = performance.now();
    });
  }

  get isAlive(): boolean {
    return this.running.isAlive;
  }
  get out(): string {
    return this.#out.text;
  }
  get err(): string {
    return this.#err.text;
  }
  /** Whole lines of its standard output. */
  get lines(): string[] {
    return this.out.split("\n").slice(0, -1);
  }

  // ── processes ──

  /** Finds runit-container; whether it hears TERM by now. */
  find(): boolean {
    const candidates = this.processes().filter(({ pid }) => commandLine(pid)[0]?.endsWith("/runit-container"));
    candidates.sort((a, b) => a.inner - b.inner);
    this.pid = candidates[0]?.pid ?? 0;
    const hears = (field: "SigBlk" | "SigCgt") => ((this.#stage.signals(this.pid, field) >> 14n) & 1n) === 1n;
    return this.pid !== 0 && (hears("SigBlk") || hears("SigCgt"));
  }
  /** Its living processes whose command line contains `text`: the pid out here, and the one they know themselves. */
  processes(text = ""): { pid: number; inner: number }[] {
    const namespace = this.#stage.peek(this.#made.namespaceFile).trimEnd();
    const found: { pid: number; inner: number }[] = [];
    for (const pid of this.#stage.processes(text)) {
      const inner = innerPid(pid);
      if (inner !== undefined && namespaceOf(pid) === namespace) found.push({ pid, inner });
    }
    return found;
  }
  /** The pid out here of the process that calls itself `inner`. */
  outer(inner: number): number {
    return this.processes().find((process) => process.inner === inner)?.pid ?? assert.fail(`no process ${inner}`);
  }
  /** Signals the process of a service that said "up" and its pid. */
  async signalService(name: string, signal: NodeJS.Signals): Promise<void> {
    const find = () => new RegExp(`^\\[${name}\\] up (\\d+)$`, "m").exec(this.out)?.[1];
    await this.#stage.until(`${name} is up`, () => find() !== undefined);
    process.kill(this.outer(Number(find())), signal);
  }
  /** Awaits the only process with this text in its command line, and answers its pid out here. */
  async process(text: string): Promise<number> {
    await this.#stage.until(`one process of ${text}`, () => this.processes(text).length === 1);
    return this.processes(text)[0]?.pid ?? assert.fail();
  }
  /** How many of its processes are dead and not waited for. */
  zombies(): number {
    const parents = new Set(this.processes().map(({ pid }) => pid));
    return fs.readdirSync("/proc").filter((entry) => {
      const pid = Number(entry);
      return Number.isInteger(pid) && this.#stage.state(pid) === "Z" && parents.has(parentOf(pid));
    }).length;
  }
  /** To runit-container, unless another pid (out here) is given. */
  signal(name: NodeJS.Signals | number, pid = this.pid): void {
    // Of a container that has ended the pid may be 0 by now, which is our own group, or another's.
    assert.ok(this.isAlive && pid > 1, `the container has ended:\n${this.out}${this.err}`);
    this.#asked = performance.now();
    process.kill(pid, name);
  }
  /** Awaits that it has taken this signal and is asleep again. */
  async heard(signal: number): Promise<void> {
    await this.#stage.until(`signal ${signal} is dealt with`, () => {
      const pending = /^ShdPnd:\s*(\w+)/m.exec(fs.readFileSync(`/proc/${this.pid}/status`, "latin1"))?.[1] ?? "0";
      const isPending = (BigInt(`0x${pending}`) >> BigInt(signal - 1)) & 1n;
      return isPending === 0n && this.#stage.state(this.pid) === "S";
    });
  }
  /** Runs a shell command in it, as `docker exec` does; `via` are words in front, e.g. setpriv with its arguments. */
  inside(command: string, via = ""): Promise<Outcome> {
    const users = this.#made.hasOwnUsers ? "-U --preserve-credentials" : "";
    const words = `nsenter -t ${this.pid} ${users} -p -m -r chroot / ${via} /bin/sh -c ${quote(command)}`;
    return this.#stage.sh(`exec ${words}`, { onlyEnv: this.#made.env });
  }
  /** Types at its terminal. */
  type(keys: string): void {
    this.running.child.stdin?.write(keys);
  }

  // ── what it says ──

  /** Awaits that a line has come as often as this. */
  async says(line: string, times = 1): Promise<void> {
    const count = () => this.lines.filter((text) => text.replace(/\r$/, "") === line).length;
    try {
      await this.#stage.until("", () => count() >= times || !this.isAlive);
      if (!this.isAlive) await this.#allRead();
      assert.ok(count() >= times);
    } catch {
      assert.fail(`never said ${times} times: ${line}\n${this.out}${this.err}`);
    }
  }
  /** What was noted in /out/log. */
  noted(): Noted[] {
    const lines = this.#stage.peek("root/out/log").split("\n").slice(0, -1);
    return lines.map((line) => {
      const [, seconds = "", text = ""] = /^([\d.]+) (.*)$/.exec(line) ?? assert.fail(line);
      return { text, at: Math.round(Number(seconds) * 1000) };
    });
  }
  /** When this was noted first. */
  notedAt(text: string): number {
    return this.noted().find((noted) => noted.text === text)?.at ?? assert.fail(`never noted: ${text}`);
  }
  stopReading(): void {
    this.#out.stopReading();
    this.#err.stopReading();
  }
  readOn(): void {
    this.#out.readOn();
    this.#err.readOn();
  }
  closeOutput(): void {
    this.#out.close();
    this.#err.close();
  }

  // ── the end ──

  async #allRead(): Promise<void> {
    await this.#out.allRead();
    await this.#err.allRead();
  }
  /** Awaits its end. */
  async end(): Promise<End> {
    const { code } = await this.#stage.end(this.running, 60_000);
    await this.#allRead();
    return { code, out: this.out, err: this.err, milliseconds: this.#ended - this.#asked };
  }
  /** What an engine does; its KILL would be a failure of the story. */
  stop(signal: NodeJS.Signals | number = "SIGTERM"): Promise<End> {
    this.signal(signal);
    return this.end();
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
function commandLine(pid: number): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  } catch {
    return [];
  }
}
function namespaceOf(pid: number): string {
  try {
    return fs.readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return "";
  }
}
function innerPid(pid: number): number | undefined {
  try {
    const inner = /^NSpid:\s+\d+\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return inner === undefined ? undefined : Number(inner);
  } catch {
    return undefined;
  }
}
/** -1 if there is no such process. */
export function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
  } catch {
    return -1;
  }
}
/** Milliseconds since boot, as the notes have them. */
export function now(): number {
  return Math.round(Number(fs.readFileSync("/proc/uptime", "latin1").split(" ")[0]) * 1000);
}

// ── judging ──

/** What the supervisors said, without their prefix. */
export function messages({ err }: { readonly err: string }): string[] {
  return err
    .split("\n")
    .filter((line) => line.startsWith("[runit] "))
    .map((line) => line.slice("[runit] ".length));
}
/** The machine is shared, so later than expected is no failure yet; earlier is. */
export function assertSeconds(milliseconds: number, least: number, below: number): void {
  assert.ok(milliseconds >= least * 1000 - 100, `${milliseconds} ms, at least ${least} s`);
  assert.ok(milliseconds < below * 1000, `${milliseconds} ms, less than ${below} s`);
}

// ── stories that are told again in other places ──

/** Case 1: an orderly stop that takes as long as its service. */
export async function stopsOrderly(stage: Stage, setting: Setting = {}): Promise<void> {
  serve(stage, { good });
  const container = await contain(stage, { ...setting, args: ["-g", "40", ...(setting.args ?? [])] });
  await container.says("[good] up");
  const { code, milliseconds } = await container.stop();
  await container.says("[good] bye");
  assert.equal(code, 0);
  assertSeconds(milliseconds, 1, 6);
}
/** Case 4: the end of the main service is the end of the container, and the others have their time. */
export async function endsWithMain(stage: Stage, setting: Setting = {}): Promise<void> {
  layGate(stage);
  serve(stage, { good, web: endsAtGate(7) });
  const container = await contain(stage, { ...setting, args: ["-m", "web", ...(setting.args ?? [])] });
  await container.says("[good] up");
  await container.says("[web] up");
  await openGate(stage);
  assert.equal((await container.end()).code, 7);
  await container.says("[good] bye");
}
/** Case 12: whoever loses its parent comes to runit-container, which waits for it and ends it. */
export async function adoptsOrphans(stage: Stage, setting: Setting = {}): Promise<void> {
  serve(stage, { fork });
  const container = await contain(stage, setting);
  await stage.until("there is an orphan", () => stage.peek("root/out/orphan") !== "");
  const orphan = container.outer(Number(stage.read("root/out/orphan")));
  await container.signalService("fork", "SIGKILL");
  await stage.until("fork is there again", () => container.lines.length === 2);
  await stage.becomes(() => container.zombies(), 0);
  assert.ok(stage.isLiving(orphan));
  assert.equal(parentOf(orphan), container.pid);
  assert.equal((await container.stop()).code, 0);
  container.notedAt("orphan TERM");
}
