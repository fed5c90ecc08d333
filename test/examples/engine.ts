// A container engine for tests, as far as our process 1 can tell: namespaces for processes, mounts, host name, network and
// IPC around the root file system of an image; its environment, user, entry point and command; Docker's capabilities.
//
// Output goes through pipes, as with an engine. Two PID namespaces, one in the other: whatever happens to us, the outer one
// ends, and all that is in it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { Output } from "../conformance/container/scenes.ts";
import type { Outcome, Running, Stage } from "../conformance/stage.ts";
import { isRoot, missing } from "../conformance/stage.ts";
import type { Image } from "./dockerfile.ts";
import { carry, userlandMounts } from "./dockerfile.ts";

const ownNamespaces = ["--pid", "--fork", "--mount", "--uts", "--net", "--ipc"];
const outerNamespaces = ["--pid", "--fork", "--kill-child"];
const canContain = () =>
  spawnSync("unshare", [...outerNamespaces, "unshare", ...ownNamespaces, "mount", "-t", "proc", "proc", "/proc"], {
    stdio: "ignore",
  }).status === 0;
/** For `skip`: why there can be no containers here, if so. */
export const cannotContain: string | false =
  missing("unshare", "mount", "nsenter", "setpriv", "timeout", "ip", "hostname") ||
  (!isRoot && "only root can start containers for other users") ||
  (!canContain() && "needs the right to make namespaces");

/** What Docker leaves to root. */
const dockerCapabilities = [
  ...["chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"],
  ...["net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"],
];
const longestLifeSeconds = 100;

export interface Setting {
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the image's. */
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  /** In place of the image's, after the entry point. */
  readonly command?: readonly string[];
  readonly isReadOnly?: boolean;
  /** Directories in memory, as runc has them: of root, with the mode of the directory in the image; not executable. */
  readonly tmpfs?: readonly string[];
  /** Empty directories for everybody, as Kubernetes has them. */
  readonly volumes?: readonly string[];
  readonly hasNoNewPrivileges?: boolean;
  readonly hasTerminationLog?: boolean;
  /** What stops it, if that is not said by the image. */
  readonly stopSignal?: NodeJS.Signals;
}

/** Starts a container of an image, with its name in the stage; it hears signals when this is done, or it has ended. */
export async function start(stage: Stage, name: string, image: Image, setting: Setting = {}): Promise<Container> {
  fs.mkdirSync(stage.at(name));
  carry(`${image.root}/.`, stage.at(name), ",ownership");
  const container = new Container(stage, name, image, setting);
  await container.start();
  return container;
}

export interface End {
  readonly code: number;
  /** It had to be killed. */
  readonly wasKilled: boolean;
  /** From the stop signal. */
  readonly milliseconds: number;
}

export class Container {
  /** Of process 1, out here. */
  pid = 0;
  readonly image: Image;
  readonly setting: Setting;
  readonly #stage: Stage;
  readonly #name: string;
  #running: Running | undefined;
  #out: Output | undefined;
  #err: Output | undefined;
  #starts = 0;

  constructor(stage: Stage, name: string, image: Image, setting: Setting) {
    this.#stage = stage;
    this.#name = name;
    this.image = image;
    this.setting = setting;
  }

  /** Starts it, for the first time or again. */
  async start(): Promise<void> {
    const stage = this.#stage;
    const number = `${this.#name}${++this.#starts}`;
    const launcher = stage.file(`launcher-${number}`, this.#launcher());
    const out = new Output(stage, `out-${number}`, "utf8");
    const err = new Output(stage, `err-${number}`, "utf8");
    const unshare = ["unshare", ...outerNamespaces, "unshare", ...ownNamespaces, "/bin/sh", launcher];
    const words = ["timeout", "--foreground", "-s", "KILL", `${longestLifeSeconds}`, ...unshare];
    stage.file(path.basename(this.#logFile), "", 0o666);
    const running = stage.start("/bin/sh", ["-c", 'exec >"$0" 2>"$1"; shift; exec "$@"', out.fifo, err.fifo, ...words]);
    this.#running = running;
    this.#out = out;
    this.#err = err;
    await stage.until("process 1 hears signals", () => !running.isAlive || this.#find());
    for (const output of [out, err]) output.leaveToContainer();
  }

  /** What process 1 does before it becomes the entry point, in its namespaces but with our root directory. */
  #launcher(): string {
    const { image, setting } = this;
    const mount = (directory: string, options: string) => `mount -t tmpfs -o ${options} tmpfs $root${directory}`;
    const devices = ["null", "zero", "full", "random", "urandom", "tty"];
    const [uid = "", gid = ""] = (setting.user ?? image.user).split(":");
    const command = setting.command ?? (setting.entrypoint ? [] : image.command);
    const variables = Object.entries(this.#environment()).map(([name, value]) => `${name}=${value}`);
    return [
      "set -e",
      `root='${this.at("")}'`,
      `hostname ${this.#name}`,
      "ip link set lo up",
      "mount --bind $root $root",
      "cd $root",
      "mkdir -p proc dev",
      ...[...(setting.tmpfs ?? []), ...(setting.volumes ?? [])].flatMap((each) => [
        `mode=$(stat -c %a .${each} 2>/dev/null || echo 1777)`, // one that is made for it is everybody's, but only once
        `mkdir -p .${each}`,
        mount(each, setting.tmpfs?.includes(each) ? "nosuid,nodev,noexec,mode=$mode" : "mode=777"),
      ]),
      ...(image.hasUserland ? userlandMounts() : []),
      "mount -t proc proc proc",
      "mount -t tmpfs -o mode=755,size=64k dev dev",
      ...devices.map((device) => `: >dev/${device}; mount --bind /dev/${device} dev/${device}`),
      "ln -s /proc/self/fd dev/fd; ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr",
      "mkdir dev/shm; mount -t tmpfs -o nosuid,nodev,noexec,size=64m shm dev/shm",
      setting.hasTerminationLog ? `: >dev/termination-log; mount --bind ${this.#logFile} dev/termination-log` : "",
      setting.isReadOnly ? "mount -o remount,bind,ro $root" : "",
      `exec env -i ${variables.map(quote).join(" ")} ${pathOf("setpriv")} \\`,
      `  --bounding-set=-all,${dockerCapabilities.map((name) => `+${name}`).join(",")} --inh-caps=-all \\`,
      `  ${setting.hasNoNewPrivileges ? "--no-new-privs" : ""} ${pathOf("unshare")} --root=$root --wd=/ \\`,
      `  ${uid === "" ? "" : `--setuid=${uid} --setgid=${gid}`} \\`,
      `  -- ${[...(setting.entrypoint ?? image.entrypoint), ...command].map(quote).join(" ")}`,
    ].join("\n");
  }
  #environment(): Record<string, string> {
    const { image, setting } = this;
    return { ...image.env, HOSTNAME: this.#name, ...setting.env, STAGE: this.#stage.mark };
  }

  /** Finds process 1; whether it is the entry point by now, and hears TERM. */
  #find(): boolean {
    let pid = this.#running?.pid ?? 0;
    for (let depth = 0; depth < 3; depth++) pid = childOf(pid); // timeout's unshare, its unshare, process 1
    if (pid === 0 || fs.readlinkSync(`/proc/${pid}/root`) !== this.at("")) return false;
    if (fs.readlinkSync(`/proc/${pid}/exe`).endsWith("/unshare")) return false;
    this.pid = pid;
    const hears = (field: "SigBlk" | "SigCgt") => ((this.#stage.signals(pid, field) >> 14n) & 1n) === 1n;
    return hears("SigBlk") || hears("SigCgt");
  }

  // ── what is to be seen ──

  get isAlive(): boolean {
    return this.#running?.isAlive === true;
  }
  /** A path in its root file system, out here. */
  at(file: string): string {
    return this.#stage.at(this.#name, file);
  }
  get out(): string {
    return this.#out?.text ?? "";
  }
  get err(): string {
    return this.#err?.text ?? "";
  }
  /** What Kubernetes would show as the reason of its end. */
  get terminationLog(): string {
    return fs.readFileSync(this.#logFile, "utf8");
  }
  get #logFile(): string {
    return this.#stage.at(`termination-log-${this.#name}`);
  }
  async says(text: string | RegExp): Promise<void> {
    const isThere = () => (typeof text === "string" ? this.out.includes(text) : text.test(this.out));
    await this.#stage.until(`it says ${text}`, () => isThere() || !this.isAlive).catch(() => {});
    assert.ok(isThere(), `never said: ${text}\n${this.out}${this.err}`);
  }
  /** Pids out here of its processes with this text in the command line, or all. */
  processes(text = ""): number[] {
    const namespace = fs.readlinkSync(`/proc/${this.pid}/ns/pid`);
    return this.#stage.processes(text).filter((pid) => {
      try {
        return fs.readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
      } catch {
        return false; // it has ended meanwhile
      }
    });
  }

  // ── what is done to it ──

  /** As `docker exec`. */
  exec(words: readonly string[]): Promise<Outcome> {
    const { image, setting } = this;
    const [uid = "", gid = ""] = (setting.user ?? image.user).split(":");
    const user = uid === "" ? [] : ["-S", uid, "-G", gid];
    const namespaces = ["-t", `${this.pid}`, "-p", "-m", "-u", "-i", "-n", "-r", "-w"];
    return this.#stage.run(pathOf("nsenter"), [...namespaces, ...user, "--", ...words], {
      onlyEnv: this.#environment(),
    });
  }
  /** As its engine does it; what it says must not be long in coming. */
  async health(command = this.image.health?.command ?? assert.fail("no HEALTHCHECK")): Promise<Outcome> {
    const outcome = await this.exec(command);
    const milliseconds = (this.image.health?.timeoutSeconds ?? 30) * 1000;
    assert.ok(outcome.milliseconds < milliseconds, `${outcome.milliseconds} ms, at most ${milliseconds}`);
    return outcome;
  }
  signal(signal: NodeJS.Signals): void {
    // Of a container that has ended the pid may be 0 by now, which is our own group, or another's.
    assert.ok(this.isAlive && this.pid > 1, `the container has ended:\n${this.out}${this.err}`);
    process.kill(this.pid, signal);
  }
  /** As `docker stop`: the stop signal, so many seconds, KILL. */
  async stop(graceSeconds = 10): Promise<End> {
    const asked = performance.now();
    this.signal(this.setting.stopSignal ?? this.image.stopSignal);
    let wasKilled = false;
    try {
      await this.#stage.until("it ends", () => !this.isAlive, graceSeconds * 1000);
    } catch {
      wasKilled = this.isAlive;
      if (wasKilled) this.signal("SIGKILL");
    }
    const milliseconds = performance.now() - asked;
    return { code: await this.end(), wasKilled, milliseconds };
  }
  /** As `docker wait`. */
  async end(): Promise<number> {
    const { code } = await this.#stage.end(this.#running ?? assert.fail("never started"));
    await this.#out?.allRead();
    await this.#err?.allRead();
    return code;
  }
}

/** 0: it has none yet. */
function childOf(pid: number): number {
  try {
    return pid === 0 ? 0 : Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ")[0]);
  } catch {
    return 0;
  }
}
function pathOf(program: string): string {
  const directories = (process.env["PATH"] ?? "").split(":");
  return directories.map((each) => `${each}/${program}`).find((file) => fs.existsSync(file)) ?? program;
}
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
