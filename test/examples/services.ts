// A Debian with the packages of examples/services, in namespaces of its own: build/root/services under a layer in memory, our
// programs, and the examples in /etc/sv. Process 1 is runsvdir on /etc/service. All ends with the stage.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage } from "../conformance/stage.ts";
import { isRoot, missing } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const examples = path.join(root, "examples/services");
export const names: readonly string[] = fs
  .readdirSync(examples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

// ── where it can be told ──

const namespaces = ["--mount", "--net", "--pid", "--uts", "--fork", "--kill-child"];
const layers = (lower: string, at: string) =>
  `mount -t tmpfs -o mode=755 tmpfs '${at}'
mkdir '${at}/upper' '${at}/work' '${at}/root'
mount -t overlay -o 'lowerdir=${lower},upperdir=${at}/upper,workdir=${at}/work' overlay '${at}/root'`;

const cannotUnshare = () =>
  spawnSync("unshare", [...namespaces, "/bin/sh", "-euc", layers("/etc", "/mnt")], { stdio: "ignore" }).status !== 0 &&
  "needs the right to make namespaces, and overlays";
const cannotFetch = () => {
  const fetched = spawnSync(path.join(root, "scripts/fetch-services"), { encoding: "latin1" });
  return fetched.status !== 0 && fetched.stderr.trim();
};
const isAnother = () =>
  !/^VERSION_ID="12"$/m.test(fs.readFileSync(path.join(root, "build/root/services/etc/os-release"), "latin1")) &&
  "they are those of Debian 12";
/** For `skip`. */
export const cannotServe: string | false =
  (!isRoot && "only root can start the services of a machine") ||
  missing("unshare", "nsenter") ||
  cannotUnshare() ||
  cannotFetch() ||
  isAnother();

// ── the machine ──

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What the machine's administrator has done after the packages were installed. */
export interface Setting {
  /** These examples are in /etc/sv. */
  readonly installed: readonly string[];
  /** These of them are in /etc/service as well, before the machine starts. */
  readonly enabled: readonly string[];
  /** Content of files, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** A shell command in there, before the services start. */
  readonly command: string;
}

export class Machine {
  readonly stage: Stage;
  readonly #pid: number;

  private constructor(stage: Stage, pid: number) {
    this.stage = stage;
    this.#pid = pid;
  }
  static async boot(stage: Stage, setting: Setting): Promise<Machine> {
    fs.mkdirSync(stage.at("machine"));
    stage.file("launcher", launcher(stage.at("machine"), setting));
    stage.file("command", setting.command);
    for (const [name, text] of Object.entries(setting.files)) stage.file(path.join("files", name), text);
    const init = stage.start("/usr/bin/unshare", [...namespaces, "/bin/sh", stage.at("launcher")]);
    await stage.until("the machine has booted", () => !init.isAlive || isRunsvdir(childOf(init.pid)));
    assert.ok(init.isAlive, init.err);
    return new Machine(stage, childOf(init.pid));
  }

  /** A shell command in there, which may take as long as the test. */
  sh(command: string): Promise<Outcome> {
    return this.start(["/bin/sh", "-c", command]).ended;
  }
  start(words: readonly string[], stdin: "ignore" | "pipe" = "ignore"): Running {
    const enter = [`--target=${this.#pid}`, "--mount", "--net", "--pid", "--uts", "--root", "--"];
    return this.stage.start("/usr/bin/nsenter", [...enter, "env", "-i", "-C", "/", `PATH=${PATH}`, ...words], {
      onlyEnv: { PATH },
      cwd: "/",
      stdin,
    });
  }
  /** Awaits that a command succeeds, and prints what fits. */
  async does(command: string, expected: RegExp = /(?:)/): Promise<string> {
    let said = "";
    for (const end = performance.now() + 60_000; performance.now() < end; await this.stage.span(100)) {
      const { out, err, code } = await this.sh(command);
      if (code === 0 && expected.test(out)) return out;
      said = `${out}${err}${code}`;
    }
    return assert.fail(`${command}: ${said}`);
  }
  /** Content of a file in there, or ""; there must be no link with an absolute target on the way. */
  read(name: string): string {
    try {
      return fs.readFileSync(path.join(`/proc/${this.#pid}/root`, name), "latin1");
    } catch {
      return "";
    }
  }
  log(name: string): string {
    return this.read(`var/log/sv/${name}/current`);
  }
  /** 0: it has no process. */
  pid(name: string): number {
    return Number(this.read(`etc/sv/${name}/supervise/pid`));
  }
  /** Processes whose line in the list fits, apart from those that supervise and ask: "PID PPID LINE". */
  async processes(line: RegExp): Promise<readonly string[]> {
    const { out } = await this.sh("ps -ww -eo pid=,ppid=,args=");
    const found: string[] = [];
    for (const each of out.trim().split("\n")) {
      const [, pid = "", parent = "", args = ""] = /^ *(\d+) +(\d+) (.*)$/.exec(each) ?? [];
      if (line.test(args) && !/^(runsv|svlogd|sv|ps|\/bin\/(ba)?sh \.\/(check|finish)) /.test(args))
        found.push(`${pid} ${parent} ${args}`);
    }
    return found;
  }
}

const isRunsvdir = (pid: number) => fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("runsvdir\0");

/** The one child: who makes a PID namespace forks. */
function childOf(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim());
}

/** What becomes process 1. */
function launcher(machine: string, setting: Setting): string {
  const at = `${machine}/root`;
  return `set -eu
${layers(`${root}/build/root/services`, machine)}
mount -t proc proc '${at}/proc'
mount -t tmpfs -o mode=755 tmpfs '${at}/run'
mount -t tmpfs tmpfs '${at}/dev/shm'
mount -t devpts -o newinstance,ptmxmode=666 devpts '${at}/dev/pts'
ln -sf pts/ptmx '${at}/dev/ptmx'
mkdir -m 1777 '${at}/run/lock'
: >'${at}/run/utmp'
cp -P '${root}'/build/bin/* '${at}/usr/local/bin/'
cp --remove-destination '${root}/build/runit-ts' '${at}/usr/local/bin/'
for link in '${at}'/usr/local/bin/*; do [ ! -L "$link" ] || ln -sf runit-ts "$link"; done
: >'${at}/usr/local/bin/node'
mount --bind '${process.execPath}' '${at}/usr/local/bin/node'
# What the packages bring for Debian's runit.
rm -rf '${at}/etc/sv' '${at}/etc/service'
mkdir '${at}/etc/sv' '${at}/etc/service' '${at}/root/runit-ts'
mkdir '${at}/root/runit-ts/examples'
cp -R '${examples}' '${at}/root/runit-ts/examples/'
for name in ${setting.installed.join(" ")}; do cp -R '${examples}'/$name '${at}/etc/sv/'; done
for name in ${setting.enabled.join(" ")}; do ln -s /etc/sv/$name '${at}/etc/service/'; done
[ ! -e '${machine}/../files' ] || cp -R '${machine}/../files/.' '${at}/'
cp '${machine}/../command' '${at}/root/'
cd '${at}'
chroot . hostname machine
chroot . ip link set lo up
chroot . env -i PATH='${PATH}' sh -eu /root/command </dev/null >&2
exec chroot . env -i PATH='${PATH}' runsvdir -P /etc/service
`;
}
