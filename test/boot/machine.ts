// A whole machine in qemu, without acceleration: Debian's kernel, an initramfs with busybox and our programs, its console.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createConnection } from "node:net";
import * as os from "node:os";
import * as path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const parts = path.join(root, "build/machine");
const libraries = ["machine/usr/lib", "inits/lib", "inits/usr/lib"]
  .map((directory) => path.join(root, "build", directory, "x86_64-linux-gnu"))
  .join(":");

/** For `skip`: why no machine can be had here, if so. */
export function cannotBoot(): string | false {
  if (process.getuid?.() !== 0) return "needs root, to make device nodes";
  if (spawnSync("qemu-system-x86_64", ["--version"], { stdio: "ignore" }).status !== 0)
    return "needs qemu-system-x86_64";
  const fetched = spawnSync(path.join(root, "scripts/fetch-machine"), { encoding: "latin1" });
  return fetched.status !== 0 && fetched.stderr.trim();
}

/** Lays out what is on a machine beside busybox and our programs; `at` answers where a path of it is out here. */
export type Layout = (at: (name: string) => string) => void;

/** Lays out the root directory of the machine, and packs it; answers the path of the initramfs. */
function makeInitramfs(directory: string, layOut: Layout): string {
  const at = (name: string): string => path.join(directory, "root", name);
  layBusybox(at);
  layPrograms(at, "sbin");
  for (const name of ["null", "console"]) {
    const [major, minor] = name === "null" ? ["1", "3"] : ["5", "1"];
    assert.equal(spawnSync("mknod", ["-m", "666", at(`dev/${name}`), "c", major, minor]).status, 0);
  }
  fs.writeFileSync(at("etc/passwd"), "root::0:0:root:/root:/bin/sh\n");
  fs.writeFileSync(at("etc/group"), "root:x:0:\ntty:x:5:\n");
  fs.writeFileSync(at("etc/hostname"), "small\n");
  layOut(at);

  const image = path.join(directory, "initramfs");
  const packed = spawnSync("sh", [
    "-c",
    `cd "$1" && find . | "$2" cpio -o -H newc | gzip -1 >"$3"`,
    "sh",
    at("."),
    at("bin/busybox"),
    image,
  ]);
  assert.equal(packed.status, 0, packed.stderr.toString());
  return image;
}
/** The directories of a system, and in /bin all of busybox but its own runit programs and its init. */
export function layBusybox(at: (name: string) => string): void {
  for (const name of "bin sbin dev etc/runit proc sys run tmp var/log lib lib64 root".split(" ")) {
    fs.mkdirSync(at(name), { recursive: true });
  }
  copy(path.join(parts, "bin/busybox"), at("bin/busybox"));
  const applets = spawnSync(at("bin/busybox"), ["--list"], { encoding: "latin1" }).stdout.trim().split("\n");
  const others = [...ourPrograms(), "init", "busybox"];
  for (const name of applets) if (!others.includes(name)) fs.symlinkSync("/bin/busybox", at(`bin/${name}`));
}
/** Our programs in this directory, and process 1 in /sbin. */
export function layPrograms(at: (name: string) => string, directory: string): void {
  copy(path.join(root, "build/runit-ts"), at("sbin/runit-ts"));
  fs.mkdirSync(at(directory), { recursive: true });
  for (const name of ourPrograms()) fs.symlinkSync("/sbin/runit-ts", at(path.join(directory, name)));
  fs.symlinkSync("runit-ts", at("sbin/init")); // its name is what counts
}
function ourPrograms(): string[] {
  return spawnSync("make", ["--no-print-directory", "programs"], { cwd: root, encoding: "latin1" })
    .stdout.trim()
    .split(" ");
}
/** The system of etc/minimal, with a service of Debian's. */
const minimal: Layout = (at) => {
  for (const name of ["etc/dropbear", "var/spool/cron/crontabs", "service"]) {
    fs.mkdirSync(at(name), { recursive: true });
  }
  copyProgram(path.join(parts, "usr/sbin/dropbear"), at, "sbin/dropbear");
  fs.cpSync(path.join(root, "etc/minimal"), at("etc/runit"), { recursive: true });
  fs.renameSync(at("etc/runit/services"), at("etc/sv"));
  const service = (name: string, text: string): void => {
    fs.mkdirSync(at(`etc/sv/${name}`), { recursive: true });
    fs.writeFileSync(at(`etc/sv/${name}/run`), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  };
  service("dropbear", "exec 2>&1\nexec dropbear -F -E -R -p 127.0.0.1:22");
  service("beat", "n=0\nwhile sleep 1; do n=$((n + 1)); echo beat $n; done");
  for (const name of ["beat", "dropbear"])
    service(`${name}/log`, `mkdir -p /var/log/${name}\nexec svlogd /var/log/${name}`);
  for (const name of ["getty-ttyS0", "crond", "dropbear", "beat"])
    fs.symlinkSync(`/etc/sv/${name}`, at(`service/${name}`));
  fs.writeFileSync(
    at("etc/profile"),
    "PATH=/sbin:/bin\nSVDIR=/service\nNO_COLOR=1\nexport PATH SVDIR NO_COLOR\nPS1='ready> '\n",
  );
  fs.writeFileSync(at("var/spool/cron/crontabs/root"), "* * * * * echo cron >/run/cron\n");
};

/** A program of Debian's, with its libraries, installed here or unpacked. */
export function copyProgram(file: string, at: (name: string) => string, name: string): void {
  copy(file, at(name));
  const needed = spawnSync("ldd", [file], { encoding: "latin1", env: { ...process.env, LD_LIBRARY_PATH: libraries } });
  for (const [, library = ""] of needed.stdout.matchAll(/(?:=> )?(\/\S+) \(/g)) {
    copy(library, at(library.startsWith("/lib64/") ? library : path.join("lib", path.basename(library))));
  }
}
function copy(from: string, to: string): void {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.rmSync(to, { force: true }); // not through a link, which may lead out here
  fs.copyFileSync(from, to);
  fs.chmodSync(to, 0o755);
}

export class Qemu {
  /** The console, carriage returns left out. */
  console = "";
  code: number | undefined;
  readonly directory: string;
  readonly #child: ChildProcess;
  #seen = 0;

  /** Words of the kernel command line beside those that it needs to get that far, and of qemu's. */
  constructor(layOut: Layout = minimal, kernelWords = "single ro word=5", ...options: string[]) {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), "machine-"));
    const image = makeInitramfs(this.directory, layOut);
    const monitor = `unix:${path.join(this.directory, "monitor")},server=on,wait=off`;
    const words = [
      "-m",
      "256",
      "-display",
      "none",
      "-serial",
      "stdio",
      "-monitor",
      monitor,
      "-nic",
      "none",
      ...options,
    ];
    const kernel = ["-kernel", path.join(parts, "vmlinuz"), "-initrd", image];
    const line = `console=ttyS0 rdinit=/sbin/init quiet panic=1 ${kernelWords}`;
    this.#child = spawn("timeout", ["-k", "5", "300", "qemu-system-x86_64", ...words, ...kernel, "-append", line], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      this.console += text.replaceAll("\r", "");
    });
    this.#child.on("exit", (code) => {
      this.code = code ?? -1;
    });
  }

  /** Awaits a text on the console, behind what was awaited before; answers what stands in front of it. */
  async says(text: string): Promise<string> {
    const end = performance.now() + 60_000;
    for (;;) {
      const at = this.console.indexOf(text, this.#seen);
      if (at >= 0) {
        const before = this.console.slice(this.#seen, at);
        this.#seen = at + text.length;
        return before;
      }
      if (this.code !== undefined || performance.now() > end) assert.fail(`never said: ${text}\n${this.console}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  type(text: string): void {
    this.#child.stdin?.write(text);
  }
  /** Types a command at the prompt; answers what it prints. */
  async run(command: string): Promise<string> {
    this.type(`${command}\n`);
    await this.says(`${command}\n`);
    return this.says("ready> ");
  }
  pressCtrlAltDel(): void {
    const monitor = createConnection(path.join(this.directory, "monitor"));
    monitor.on("error", () => {}).write("sendkey ctrl-alt-delete\n");
    monitor.resume().unref();
  }
  async ended(): Promise<void> {
    const end = performance.now() + 60_000;
    while (this.code === undefined) {
      if (performance.now() > end) assert.fail(`it does not end\n${this.console}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  clear(): void {
    this.#child.kill("SIGTERM"); // timeout passes it on
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
