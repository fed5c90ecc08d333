// What the tests of etc run: the stages of each distribution on a small root directory, in qemu or in namespaces.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { copyProgram } from "../boot/machine.ts";

export const root = path.resolve(import.meta.dirname, "../..");
export const etc = path.join(root, "etc");
const inits = path.join(root, "build/inits");

export type Distribution = "debian" | "void" | "alpine";
/** Answers where a path of a machine is out here. */
export type At = (name: string) => string;

/** For `skip`: why the other inits and udev cannot be had, if so. */
export function cannotFetchInits(): string | false {
  const fetched = spawnSync(path.join(root, "scripts/fetch-inits"), { encoding: "latin1" });
  return fetched.status !== 0 && fetched.stderr.trim();
}

export function write(at: At, name: string, text: string): void {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), text);
  fs.chmodSync(at(name), text.startsWith("#!") ? 0o755 : 0o644);
}
export function script(at: At, name: string, text: string): void {
  write(at, name, `#!/bin/sh\n${text}\n`);
}
export function link(at: At, name: string, target: string): void {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.rmSync(at(name), { force: true });
  fs.symlinkSync(target, at(name));
}

/** Runs the commands of etc/README.md that install the programs, or a distribution's files, with these directories of a machine. */
export function install(
  at: At,
  name: Distribution | "programs",
  directories: readonly string[] = ["etc", "var"],
): void {
  const page = fs.readFileSync(path.join(etc, "README.md"), "utf8");
  const commands = new RegExp(`<!-- install ${name} -->\n\`\`\`sh\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
  assert.ok(commands, `etc/README.md tells how to install ${name}`);
  for (const directory of directories) fs.mkdirSync(at(directory), { recursive: true });
  const mounts = directories.map((directory) => `mount --bind '${at(directory)}' /${directory}\n`).join("");
  const done = spawnSync("unshare", ["--mount", "sh", "-euc", mounts + commands], { cwd: root, encoding: "latin1" });
  assert.equal(done.stderr, "");
  assert.equal(done.status, 0, commands);
}

/** A service that prints a line a second, which its log service keeps. */
export function layBeat(at: At): void {
  script(at, "etc/sv/beat/run", "n=0\nwhile sleep 1; do n=$((n + 1)); echo beat $n; done");
  fs.mkdirSync(at("etc/sv/beat/log"), { recursive: true });
  fs.copyFileSync(path.join(etc, "shared/log-run"), at("etc/sv/beat/log/run"));
}
export function layProfile(at: At, services: string): void {
  const profile = `PATH=/sbin:/bin\nSVDIR=${services}\nNO_COLOR=1\nexport PATH SVDIR NO_COLOR\nPS1='ready> '\n`;
  write(at, "etc/profile", profile);
}

/** Debian's own programs in place of those of busybox. */
export function layDebianPrograms(at: At): void {
  copyProgram("/bin/dash", at, "bin/sh");
  const wanted = "agetty dmesg fsck hwclock ip mount setsid sulogin swapoff swapon sysctl timeout umount";
  for (const name of wanted.split(" ")) {
    const file = ["/sbin", "/bin"].map((directory) => path.join(directory, name)).find((each) => fs.existsSync(each));
    if (file) copyProgram(fs.realpathSync(file), at, `sbin/${name}`);
  }
}
export function layUdev(at: At): void {
  copyProgram(path.join(inits, "bin/udevadm"), at, "bin/udevadm");
  link(at, "lib/systemd/systemd-udevd", "/bin/udevadm");
  fs.cpSync(path.join(inits, "lib/udev/rules.d"), at("lib/udev/rules.d"), { recursive: true });
}

/** OpenRC, with services that it wants to be there. */
export function layOpenrc(at: At): void {
  for (const name of ["sbin/openrc-run", "sbin/rc-service", "sbin/supervise-daemon"]) {
    copyProgram(path.join(inits, name), at, name);
  }
  for (const name of fs.readdirSync(path.join(inits, "lib/rc/bin"))) {
    copyProgram(path.join(inits, "lib/rc/bin", name), at, `lib/rc/bin/${name}`);
  }
  for (const name of ["lib/rc/sh", "lib/rc/sbin", "lib/rc/version", "etc/rc.conf"]) {
    fs.cpSync(path.join(inits, name), at(name), { recursive: true });
  }
  write(at, "etc/insserv.conf", ""); // Debian's OpenRC asks for it
  write(at, "etc/init.d/localmount", "#!/sbin/openrc-run\nstart() { :; }\n");
}
/** What `openrc sysinit` does that its services need, for a shell. */
export const openrcIsUp = `for each in starting started stopping inactive wasinactive failed hotplugged daemons options exclusive tmp; do
  mkdir -p /run/openrc/$each
done
: >/run/openrc/softlevel
`;
export function laySysvinit(at: At): void {
  copyProgram(path.join(inits, "sbin/init"), at, "sbin/init");
  link(at, "sbin/telinit", "init");
}

/** A machine in namespaces: its own processes, mounts, host name and network; /run and /dev are empty at first. */
export class Namespaces {
  /** All that its processes print. */
  console = "";
  readonly at: At;
  readonly #directory = fs.mkdtempSync(path.join(os.tmpdir(), "namespaces-"));
  #child: ChildProcess | undefined;
  #ended: Promise<string> | undefined;

  constructor() {
    this.at = (name) => path.join(this.#directory, name);
  }
  /** Starts process 1, with this environment; the directories `bound` are the host's, not to be written. */
  boot(program: string, env: Record<string, string> = {}, bound: readonly string[] = []): void {
    const binds = bound.map((each) => `mount --bind ${each} $root${each}; mount -o remount,bind,ro $root${each}`);
    const launcher = `set -e
      root=${this.#directory}
      mount --make-rprivate /
      mount --bind $root $root
      mkdir -p $root/proc $root/dev $root/run
      mount -t proc proc $root/proc
      mount --bind /dev/null $root/proc/swaps # whatever a stage does, it is not the host's swap
      mount -t tmpfs -o mode=755 dev $root/dev
      mknod -m 666 $root/dev/null c 1 3
      mount -t tmpfs -o mode=755 run $root/run
      ${binds.join("\n")}
      cd $root
      exec chroot . ${program} 2>&1`;
    const words = ["-k", "1", "60", "unshare", "--pid", "--fork", "--mount", "--uts", "--net", "--ipc", "--kill-child"];
    const child = spawn("timeout", [...words, "sh", "-c", launcher], {
      env: { PATH: process.env["PATH"] ?? "", RUNIT_CONTAINER: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("latin1").on("data", (text: string) => {
        this.console += text;
      });
    }
    this.#child = child;
    this.#ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(`${signal ?? code}`)));
  }
  /** Awaits a condition. */
  async until(what: string, isTrue: () => boolean): Promise<void> {
    for (const end = performance.now() + 30_000; !isTrue(); ) {
      assert.ok(performance.now() < end, `never true: ${what}\n${this.console}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  read(name: string): string {
    return fs.readFileSync(this.at(name), { encoding: "latin1", flag: "a+" });
  }
  /** Awaits its end: the code of unshare, or the signal. */
  async ended(): Promise<string> {
    return (await this.#ended) ?? assert.fail("not booted");
  }
  async clear(): Promise<void> {
    this.#child?.kill("SIGTERM"); // to timeout, which passes it on; unshare takes process 1 along, and that all others
    await this.#ended;
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}
