// What the stories of runit and runit-init have in common: a small machine whose process 1 is the program under test.
//
// The machine is a PID namespace and a mount namespace below a root directory of the stage (`root/` there): its own /etc,
// /run, /dev, /sbin, /out; /usr and the builds read-only. reboot(2) there ends the namespace and nothing else. Files are
// looked at from outside, below `root/`; signals go to process 1 by its pid out here; `inside` is a `docker exec`.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions } from "../stage.ts";
import { missing, referenceRoot } from "../stage.ts";

// ── where it can be told ──

/** For `skip`: why no process 1 can be had here, if so. */
export const cannotBoot: string | false =
  missing("unshare", "mount", "chroot", "timeout", "nsenter", "setpriv", "awk") ||
  (spawnSync("unshare", ["--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "true"], { stdio: "ignore" })
    .status !== 0 &&
    "needs the right to make PID and mount namespaces");
export const onMachine = { skip: cannotBoot } as const;
/** A terminal for /dev/console: script(1) of util-linux lends one. */
export const onTerminal = { skip: cannotBoot || missing("script", "setsid", "stty") } as const;
export const traced = { skip: cannotBoot || missing("strace") } as const;
/** For `skip`: why no file can be made immutable here, if so. */
export function cannotFreeze(): string | false {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "freeze-")), "file");
  fs.writeFileSync(file, "");
  const frozen = spawnSync("chattr", ["+i", file], { stdio: "ignore" }).status === 0;
  if (frozen) spawnSync("chattr", ["-i", file]);
  fs.rmSync(path.dirname(file), { recursive: true });
  return !frozen && "needs chattr +i";
}

// ── the names ──

/** The container mode of ours: forbidden in the classic stories, since every PID namespace looks like a container. */
const modeVariable = "RUNIT_CONTAINER";
export const classic = { [modeVariable]: "0" } as const;
export const container = { [modeVariable]: "1" } as const;

export type Script = "1" | "2" | "3" | "ctrlaltdel";
export type Flag = "stopit" | "reboot";
/** Where a flag is on the machine. */
export function flag(stage: Stage, name: Flag): string {
  return stage.isOurs ? `/etc/runit/${name}` : `/run/runit.${name}`;
}

// ── what process 1 says ──

const script = (name: string | number) => `/etc/runit/${name}`;
const warning = (text: string) => `- runit: warning: ${text}`;
/** The first line, whatever the program calls itself. */
export const booting = "- runit: booting.";
export const noConsole = warning("unable to open /dev/console: file does not exist");
export const enter = (name: string | number) => `- runit: enter stage: ${script(name)}`;
export const leave = (name: string | number) => `- runit: leave stage: ${script(name)}`;
export const failed = (name: string | number) => warning(`child failed: ${script(name)}`);
export const crashed = (name: string | number) => warning(`child crashed: ${script(name)}`);
export const cannotStart = (name: string | number, reason: string) =>
  `- runit: fatal: unable to start child: ${script(name)}: ${reason}`;
export const skipping = warning("skipping stage 2...");
export const killingStage2 = warning("killing all processes in stage 2...");
export const restarting = warning("restarting.");
export const onlyInStage2 = warning("signals only work in stage 2.");
export const notTerminated = warning("stage 2 not terminated, sending sigkill...");
export const keysPressed = "- runit: ctrl-alt-del request...";
export const killingAll = "- runit: sending KILL signal to all processes...";
export const powerOff = "- runit: power off...";
export const systemHalt = "- runit: system halt.";
export const systemReboot = "- runit: system reboot.";

/** The beginning of every life without a console. */
export const birth = [booting, noConsole] as const;
/** What follows stage 3. */
export const death = [killingAll, powerOff] as const;
/** A life up to stage 2, with the scripts of `std`. */
export const upToStage2 = [...birth, enter(1), "one", leave(1), enter(2), "two"] as const;
/** From the end of stage 2 on. */
export const shutdown = [leave(2), enter(3), "three", leave(3), ...death] as const;

// ── laying out ──

/** Stages that tell where they are; 2 stays there. */
export const std = { 1: "echo one", 2: "echo two\nexec sleep 1000", 3: "echo three" } as const;
/** Prints the pid of the script, its process group and session, and which signals it has blocked and ignores. */
export const printState = `#!${whereIs("awk") && fs.realpathSync(whereIs("awk"))} -f
BEGIN {
  getline stat <"/proc/self/stat"; split(stat, of); print "ids", of[1], of[5], of[6]
  while ((getline line <"/proc/self/status") > 0) if (line ~ /^Sig(Blk|Ign):/) { sub(/[ \\t]+/, " ", line); print line }
}
`; // no shell: it blocks and frees signals as it needs them
/** A stage 2 that ends `seconds` after TERM, saying so, with this code. */
export function endsAfterTerm(seconds: number, code: number): string {
  return `trap "sleep ${seconds}; echo bye; exit ${code}" TERM\nsleep 1000 & echo two\nwait`;
}

/** Scripts by name, without the #! line; what begins with a #! or with a newline is taken as it is. */
export type Scripts = Readonly<Partial<Record<Script, string>>>;

export function layScripts(stage: Stage, scripts: Scripts): void {
  for (const [name, text] of Object.entries(scripts)) {
    const whole = /^(#!|\n)/.test(text) ? text : `#!/bin/sh\n${text}\n`;
    stage.file(`root/etc/runit/${name}`, whole, 0o755);
  }
}
/** Makes a flag file of this mode. */
export function layFlag(stage: Stage, name: Flag, mode: number): void {
  stage.file(`root${flag(stage, name)}`, "", mode);
}
export function arm(stage: Stage): void {
  layFlag(stage, "stopit", 0o100);
}
/** The shell command that arms it from a script. */
export function arming(stage: Stage): string {
  return `: >${flag(stage, "stopit")}; chmod 100 ${flag(stage, "stopit")}`;
}
/** The mode of a flag; undefined if there is none. */
export function flagMode(stage: Stage, name: Flag): number | undefined {
  const stats = fs.statSync(stage.at(`root${flag(stage, name)}`), { throwIfNoEntry: false });
  return stats && stats.mode & 0o7777;
}

/** Top directories that are links on a machine with a merged /usr, and directories elsewhere. */
const libraryDirectories = ["bin", "lib", "lib32", "lib64", "libx32"];
/** Where the builds are, the same path on the machine as out here. */
const buildDirectory = path.dirname(referenceRoot);

/** Makes the root directory, once per stage; answers the mounts it needs, as shell commands. */
function layRoot(stage: Stage, isProgramLaid: boolean): string[] {
  const mounts: string[] = [];
  const bind = (directory: string) => {
    fs.mkdirSync(stage.at(`root${directory}`), { recursive: true });
    mounts.push(`mount --bind ${directory} $root${directory}`, `mount -o remount,bind,ro $root${directory}`);
  };
  for (const name of ["etc/runit", "run", "proc", "dev", "sbin", "out", "tmp"])
    fs.mkdirSync(stage.at("root", name), { recursive: true });
  for (const name of ["null", "tty"]) {
    stage.file(`root/dev/${name}`, "");
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
  mounts.push("mount -t proc proc $root/proc");
  if (isProgramLaid) return mounts;
  layProgram(stage, "runit", "runit");
  layProgram(stage, "runit-init", "init");
  layProgram(stage, "runit-init", "runit-init");
  return mounts;
}
function layProgram(stage: Stage, program: string, name: string): void {
  const target = stage.at("root/sbin", name);
  if (fs.existsSync(target)) return;
  const hidden = path.join(referenceRoot, "lib/runit", program);
  fs.copyFileSync(!stage.isOurs && fs.existsSync(hidden) ? hidden : stage.program(program), target);
  fs.chmodSync(target, 0o755);
}

// ── booting ──

export interface Boot {
  /** Words in front of process 1, which becomes runit through them, e.g. setpriv with its arguments. */
  readonly via?: string;
  /** What becomes process 1; /sbin/runit unless said otherwise. */
  readonly program?: string;
  readonly args?: string;
  readonly env?: Record<string, string>;
  /** A terminal as /dev/console; "controlling": which is also the controlling terminal of process 1. */
  readonly console?: "terminal" | "controlling";
  /** The root directory cannot be written. */
  readonly isReadOnly?: boolean;
  /** In a user namespace, in which we are root. */
  readonly hasOwnUsers?: boolean;
  /** Shell commands before, in the machine's namespaces, with $root. */
  readonly before?: string;
  /** System calls to be noted in the stage's file `trace`. */
  readonly trace?: string;
  /** Without this file of the machine every end is accompanied by a sync(2) of the disks out here. */
  readonly isSynced?: boolean;
  /** Whatever happens to us, the machine is gone then: 100 unless a story takes longer. */
  readonly longestLifeSeconds?: number;
  /** The programs are there, perhaps not as they should be. */
  readonly isProgramLaid?: boolean;
  /** Whether to speak of the container mode at all; the classic mode unless said otherwise. */
  readonly mode?: Record<string, string>;
}

/** Puts the seconds since boot in front of each line, as it comes: our own clock stands while other stories are told. */
const stamping = 'while IFS= read -r line; do read -r now rest </proc/uptime; printf "%s %s\\n" "$now" "$line"; done';
/** No capability to reboot, as in most containers. */
export const withoutReboot = "setpriv --bounding-set=-sys_boot --inh-caps=-sys_boot";
export const asNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all";

/** Starts a machine with these scripts; it has a process 1 when this is done, or has ended already. */
export async function boot(stage: Stage, scripts: Scripts, options: Boot = {}): Promise<Machine> {
  const mounts = layRoot(stage, options.isProgramLaid ?? false);
  layScripts(stage, scripts);
  if (!options.isSynced) stage.file("root/etc/runit/nosync", "");
  if (options.console) {
    stage.file("root/dev/console", "");
    mounts.push("terminal=$(tty)", "stty -echo", "mount --bind $terminal $root/dev/console");
  }
  const launcher = [
    "set -e",
    `root='${stage.at("root")}'`,
    "mount --make-rprivate /",
    "mount --bind $root $root",
    "cd $root",
    // What is mounted out here cannot be made read-only from a user namespace.
    ...mounts.filter((mount) => !options.hasOwnUsers || !mount.includes("remount")),
    options.before ?? "",
    options.isReadOnly ? "mount -o remount,bind,ro $root" : "",
    "exec 2>&1",
    `exec chroot . ${options.console === "controlling" ? "setsid --ctty" : ""} ${options.via ?? ""} ` +
      `${options.program ?? "/sbin/runit"} ${options.args ?? ""}`,
  ];
  const file = stage.file("launcher", launcher.join("\n"));
  const words = [
    ...["timeout", "-s", "KILL", `${options.longestLifeSeconds ?? 100}`],
    ...(options.trace ? ["strace", "-f", "-o", stage.at("trace"), ...options.trace.split(" ")] : []),
    ...["unshare", ...(options.hasOwnUsers ? ["--user", "--map-root-user"] : [])],
    ...["--pid", "--fork", "--mount", "--kill-child", "/bin/sh", file],
  ];
  const env = { ...(options.mode ?? classic), ...options.env };
  const terminal = ["script", "-q", "-e", "-f", "-c", `exec ${words.join(" ")}`, "/dev/null"];
  const output = nextOutput(stage);
  const starting: StartOptions = { env, ...(options.console ? { stdin: "pipe" as const } : {}) };
  const started = ["-c", `exec "$@" >${output}`, "sh", ...(options.console ? terminal : words)];
  const machine = new Machine(
    stage,
    stage.start("/bin/sh", started, starting),
    stage.start("/bin/sh", ["-c", `${stamping} <${output}`]),
  );
  await stage.until("there is a process 1", () => !machine.isAlive || machine.findProcess1());
  return machine;
}
/** A fifo for what a machine says. */
function nextOutput(stage: Stage): string {
  for (let number = 1; ; number++) if (!stage.exists(`output${number}`)) return stage.fifo(`output${number}`);
}
/** The file of a program out here; "" if there is none. */
function whereIs(program: string): string {
  const directories = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", ...(process.env["PATH"] ?? "").split(":")];
  return directories.map((directory) => path.join(directory, program)).find((file) => fs.existsSync(file)) ?? "";
}
/** A machine with the scripts of `std` in its stage 2. */
export async function bootStd(stage: Stage, options: Boot = {}, scripts: Scripts = {}): Promise<Machine> {
  const machine = await boot(stage, { ...std, ...scripts }, options);
  await machine.inStage2();
  return machine;
}

/** Runs a shell script as process 1 of a machine, a harmless one, to its end. */
export async function runAsProcess1(
  stage: Stage,
  text: string,
  options: Boot = {},
): Promise<{ readonly console: readonly string[]; readonly end: End }> {
  stage.file("root/out/script", text);
  const machine = await boot(stage, {}, { ...options, program: "/bin/sh", args: "/out/script" });
  const end = await machine.end();
  return { console: machine.console, end };
}

/** How it ended: by which reboot(2), killed, or by itself with this exit code. */
export type End = "restart" | "halt" | "killed" | number;

interface Line {
  readonly text: string;
  /** Milliseconds, of the kernel's clock. */
  readonly at: number;
}

export class Machine {
  /** What came to the console, in order: whole lines, and when. */
  readonly lines: Line[] = [];
  /** Process 1 as it is known out here. */
  pid = 0;
  readonly running: Running;
  /** The first line as it was, with the program's own name for itself. */
  identification = "";
  readonly #stage: Stage;
  readonly #stamper: Running;
  #unfinished = "";

  constructor(stage: Stage, running: Running, stamper: Running) {
    this.#stage = stage;
    this.running = running;
    this.#stamper = stamper;
    stamper.child.stdout?.on("data", (text: string) => {
      const [first = "", ...others] = text.split("\n");
      this.#unfinished += first;
      for (const next of others) {
        this.#add(this.#unfinished.replace(/\r$/, ""));
        this.#unfinished = next;
      }
    });
  }
  #add(stamped: string): void {
    const [, seconds = "", line = ""] = /^([\d.]+) (.*)$/.exec(stamped) ?? assert.fail(stamped);
    if (this.lines.length === 0) this.identification = line;
    const text = line.replace(/^- runit: \$Id: .* \$: booting\.$/, booting);
    this.lines.push({ text, at: Math.round(Number(seconds) * 1000) });
  }

  get isAlive(): boolean {
    return this.running.isAlive;
  }
  /** The console, line by line. */
  get console(): string[] {
    return this.lines.map(({ text }) => text);
  }

  // ── processes ──

  findProcess1(): boolean {
    this.pid = this.processes().find(({ inner }) => inner === 1)?.pid ?? 0;
    return this.pid !== 0;
  }
  /** Processes of the machine whose command line contains `text`: the pid out here, and the one they know themselves. */
  processes(text = ""): { pid: number; inner: number }[] {
    const found: { pid: number; inner: number }[] = [];
    for (const pid of this.#stage.processes(text)) {
      const inner = innerPid(pid);
      if (inner !== undefined) found.push({ pid, inner });
    }
    return found;
  }
  /** Awaits the only process with this text in its command line, and answers its pid out here. */
  async process(text: string): Promise<number> {
    await this.#stage.until(`one process of ${text}`, () => this.processes(text).length === 1);
    return this.processes(text)[0]?.pid ?? assert.fail();
  }
  /** To process 1, unless another pid (out here) is given. */
  signal(name: NodeJS.Signals | number, pid = this.pid): void {
    // Of a machine that has ended the pid may be 0 by now, which is our own group, or another's.
    assert.ok(this.isAlive && pid > 1, `the machine has ended: ${this.console.join("\n")}`);
    process.kill(pid, name);
  }
  /** Runs a shell command on the machine, as `docker exec` does. */
  inside(command: string, before = ""): Promise<Outcome> {
    return this.#stage.sh(
      `exec nsenter -t ${this.pid} -p -m -r chroot / ${before} /bin/sh -c "$0"`.replace('"$0"', quote(command)),
    );
  }
  /** Awaits that process 1 has dealt with these signals and is asleep again. */
  async heard(...signals: number[]): Promise<void> {
    const mask = signals.reduce((all, signal) => all | (1n << BigInt(signal - 1)), 0n);
    await this.#stage.until("the signals are dealt with", () => {
      return (pending(this.pid) & mask) === 0n && this.#stage.state(this.pid) === "S";
    });
  }

  // ── the console ──

  /** Awaits that a line has come as often as this. */
  async says(line: string, times = 1): Promise<void> {
    const count = () => this.lines.filter(({ text }) => text === line).length;
    try {
      await this.#stage.until("", () => count() >= times || !this.isAlive);
      if (!this.isAlive) await this.#allSaid();
      assert.ok(count() >= times);
    } catch {
      assert.fail(`never said ${times} times: ${line}\n${this.console.join("\n")}`);
    }
  }
  /** Awaits that stage 2 has printed "two" and sleeps, with all it wants to ignore ignored. */
  async inStage2(): Promise<void> {
    await this.says("two");
  }
  /** Milliseconds from the first line of this text to the next of that text. */
  between(from: string, to: string): number {
    const start = this.lines.findIndex(({ text }) => text === from);
    const end = this.lines.findIndex(({ text }, index) => index > start && text === to);
    const [first, last] = [this.lines[start], this.lines[end]];
    if (!first || !last) return assert.fail(`no ${from} … ${to} in\n${this.console.join("\n")}`);
    return last.at - first.at;
  }

  // ── the end ──

  /** Of a machine that has ended: awaits that we have read all it said. */
  async #allSaid(): Promise<void> {
    await this.#stage.end(this.#stamper);
  }
  /** Awaits the end of the machine. */
  async end(): Promise<End> {
    const { code, signal, err } = await this.#stage.end(this.running, 60_000);
    await this.#allSaid();
    if (signal === "SIGHUP" || (code === 129 && this.#hasTerminal)) return "restart";
    if (signal === "SIGINT" || (code === 130 && this.#hasTerminal)) return "halt";
    // unshare of util-linux 2.38 stumbles over a process 1 that was killed.
    if (signal === "SIGKILL" || err.includes("sigprocmask unblock failed")) return "killed";
    return code;
  }
  get #hasTerminal(): boolean {
    return this.running.child.stdin !== null;
  }
  /** Awaits the end, and that the whole console was this. */
  async lived(lines: readonly string[], end: End = "halt"): Promise<void> {
    const reached = await this.end();
    assert.deepEqual(this.console, lines);
    assert.equal(reached, end);
  }
  /** From outside, as an engine does when its patience is over. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    assert.equal(await this.end(), "killed");
  }
  /** Types at the terminal that is its console. */
  type(keys: string): void {
    this.running.child.stdin?.write(keys);
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
function innerPid(pid: number): number | undefined {
  try {
    const inner = /^NSpid:\s+\d+\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return inner === undefined ? undefined : Number(inner);
  } catch {
    return undefined;
  }
}
export function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}
/** Signals that wait for a process, as a mask. */
export function pending(pid: number): bigint {
  const text = fs.readFileSync(`/proc/${pid}/status`, "latin1");
  return BigInt(`0x${/^ShdPnd:\s*(\w+)/m.exec(text)?.[1] ?? "0"}`);
}
export function maskOf(...signals: number[]): bigint {
  return signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
}

/** A time in milliseconds is about this many seconds; our machine is shared, so later than expected is no failure. */
export function assertSeconds(milliseconds: number, seconds: number): void {
  assert.ok(milliseconds >= seconds * 1000 - 200, `${milliseconds} ms, at least ${seconds} s`);
  assert.ok(milliseconds < seconds * 1000 + 3000, `${milliseconds} ms, about ${seconds} s`);
}
