// A machine that people log in to: namespaces with accounts of their own, a real sshd on loopback and the real login.
//
// The userland is that of this machine, /etc/passwd, shadow, group and pam.d are the stage's, /run is empty, and our programs
// are in /usr/local/bin, as `make install` puts them. All ends with the stage.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage } from "../conformance/stage.ts";
import { isRoot, missing } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const examples = path.join(root, "examples/user");
const unpacked = path.join(root, "build/openssh");
const ownNamespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

// ── where it can be told ──

const cannotUnshare = () =>
  spawnSync("unshare", [...ownNamespaces, "ip", "link", "set", "lo", "up"], { stdio: "ignore" }).status !== 0 &&
  "needs the right to make namespaces";
const cannotFetchOpenssh = () => {
  const fetched = spawnSync(path.join(root, "scripts/fetch-openssh"), { encoding: "latin1" });
  return fetched.status !== 0 && fetched.stderr.trim();
};
/** For `skip`. */
export const cannotLogIn: string | false =
  (!isRoot && "only root can let others log in") ||
  missing("unshare", "nsenter", "setpriv", "script", "login", "ip") ||
  (!fs.existsSync("/etc/pam.d/login") && "needs PAM") ||
  cannotUnshare();
export const cannotSsh: string | false = cannotLogIn || cannotFetchOpenssh();

// ── the machine ──

const uid = 6000;
const port = 2222;
/** Whoever logs in. */
export const account = "user";

export class Machine {
  readonly stage: Stage;
  readonly #pid: number;

  private constructor(stage: Stage, pid: number) {
    this.stage = stage;
    this.#pid = pid;
  }
  /** Boots it: there is the account, and an sshd if it is wanted; each line of PAM that is given is at the end of each service's. */
  static async boot(
    stage: Stage,
    setting: { readonly hasSsh?: boolean; readonly pam?: string } = {},
  ): Promise<Machine> {
    const home = stage.at("home");
    fs.mkdirSync(home, { mode: 0o755 });
    layAccounts(stage);
    layPam(stage, setting.pam ?? "");
    if (setting.hasSsh) layKeys(stage);
    spawnSync("chown", ["-R", `${uid}:${uid}`, home]);
    stage.file("launcher", launcher(stage, setting.hasSsh ?? false));
    const init = stage.start("/usr/bin/unshare", [...ownNamespaces, "/bin/sh", stage.at("launcher")]);
    await stage.until(`it has booted: ${init.err}`, () => stage.peek("booted").endsWith("\n") || !init.isAlive);
    assert.ok(init.isAlive, init.err);
    const machine = new Machine(stage, childOf(init.pid));
    if (setting.hasSsh) {
      await stage.until("sshd listens", () => init.err.includes("Server listening on 127.0.0.1"));
    }
    return machine;
  }

  get home(): string {
    return this.stage.at("home");
  }
  /** Writes a file of the user's home. */
  write(name: string, text: string): void {
    this.stage.file(path.join("home", name), text);
    spawnSync("chown", ["-R", `${uid}:${uid}`, this.home]);
  }
  read(name: string): string {
    return this.stage.peek(path.join("home", name));
  }

  /** A shell command of root's, in there. */
  root(command: string): Promise<Outcome> {
    return this.stage.end(this.#start(["/bin/sh", "-c", command]));
  }
  /** A shell command of the user's, without a login. */
  user(command: string): Promise<Outcome> {
    const become = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--init-groups"];
    const env = ["env", "-i", `HOME=${this.home}`, "PATH=/usr/local/bin:/usr/bin:/bin"];
    return this.stage.end(this.#start([...become, ...env, "/bin/sh", "-c", command]));
  }
  /** Logs in on a terminal, as ssh does it. */
  ssh(): Login {
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
    const words = ["ssh", "-tt", "-F", "none", "-p", `${port}`, "-i", this.stage.at("key")];
    for (const option of options) words.push("-o", option);
    return new Login(this.stage, this.#start([...words, `${account}@127.0.0.1`], "pipe"));
  }
  /** Logs in at the console. */
  login(): Login {
    const command = `exec login -f ${account}`;
    return new Login(this.stage, this.#start(["script", "-q", "-e", "-c", command, "/dev/null"], "pipe"));
  }
  /** What `sv-user status NAME` tells about the user's service. */
  async status(name: string): Promise<string> {
    const { out, err } = await this.user(`sv-user status ${name}`);
    return out + err;
  }
  /** Its process, if it runs. */
  async pid(name: string): Promise<number | undefined> {
    const [, pid] = new RegExp(`^run: ${name}: \\(pid (\\d+)\\)`).exec(await this.status(name)) ?? [];
    return pid === undefined ? undefined : Number(pid);
  }
  /** Awaits that it runs; its process. */
  async runs(name: string): Promise<number> {
    for (const end = performance.now() + 30_000; performance.now() < end; await this.stage.span(50)) {
      const pid = await this.pid(name);
      if (pid !== undefined) return pid;
    }
    return assert.fail(`${name} never runs: ${await this.status(name)}`);
  }
  /** Awaits that the tree is this process. */
  async hasTree(pid: number): Promise<void> {
    for (const end = performance.now() + 30_000; performance.now() < end; await this.stage.span(50)) {
      if ((await this.user("sv-user session status")).out.startsWith(`run: pid ${pid},`)) return;
    }
    assert.fail(`there is no tree ${pid}: ${(await this.root("ps axf")).out}`);
  }
  /** Awaits that there is no process of the user's. */
  async isQuiet(): Promise<void> {
    for (const end = performance.now() + 30_000; performance.now() < end; await this.stage.span(50)) {
      if ((await this.root(`ps -o pid= -U ${uid}`)).out.trim() === "") return;
    }
    assert.fail(`there still is: ${(await this.root("ps axf")).out}`);
  }

  #start(words: readonly string[], stdin: "ignore" | "pipe" = "ignore"): Running {
    const env = {
      PATH: `${path.join(unpacked, "usr/bin")}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      TERM: "dumb",
    };
    const enter = ["--target", `${this.#pid}`, "--mount", "--net", "--pid", "--"];
    return this.stage.start("/usr/bin/nsenter", [...enter, ...words], { onlyEnv: env, stdin });
  }
}

/** A shell on a terminal. */
export class Login {
  readonly #stage: Stage;
  readonly #running: Running;
  #lines = 0;

  constructor(stage: Stage, running: Running) {
    this.#stage = stage;
    this.#running = running;
  }
  get out(): string {
    return this.#running.out.replaceAll("\r\n", "\n");
  }
  /** Types a line, and awaits that it is done; what it printed. */
  async types(line: string): Promise<string> {
    const mark = `line ${++this.#lines} is done`;
    // The mark is not in what the terminal echoes.
    this.#running.child.stdin?.write(`echo 'begin '${this.#lines}; ${line}; echo 'line '${this.#lines}' is done'\n`);
    await this.#stage.until(
      `${line} is done: ${this.out}`,
      () => this.out.includes(`\n${mark}\n`) || this.out.includes(`${mark}\n`),
    );
    const [, said] = new RegExp(`begin ${this.#lines}\\n([\\s\\S]*)${mark}\\n`).exec(this.out) ?? assert.fail(this.out);
    return said ?? "";
  }
  /** Types `exit`; milliseconds until the connection was over. */
  async exits(): Promise<number> {
    const before = performance.now();
    this.#running.child.stdin?.write("exit\n");
    await this.#stage.end(this.#running);
    return performance.now() - before;
  }
  /** The connection is lost. */
  async isCut(): Promise<void> {
    process.kill(childOf(this.#running.pid), "SIGKILL");
    await this.#running.ended;
  }
}

/** The one child: who enters a PID namespace forks. */
function childOf(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim());
}

// ── laying out ──

function layAccounts(stage: Stage): void {
  const person = `${account}:x:${uid}:${uid}::${stage.at("home")}:/bin/sh\n`;
  stage.file("etc/passwd", `root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n${person}`);
  stage.file("etc/shadow", `root:*:19000:0:99999:7:::\n${account}:*:19000:0:99999:7:::\n`, 0o600);
  const groups = { root: 0, tty: 5, utmp: 43, nogroup: 65534, [account]: uid };
  stage.file(
    "etc/group",
    Object.entries(groups)
      .map(([name, gid]) => `${name}:x:${gid}:\n`)
      .join(""),
  );
}
function layPam(stage: Stage, line: string): void {
  fs.cpSync("/etc/pam.d", stage.at("etc/pam.d"), { recursive: true });
  const sshd = path.join(unpacked, "etc/pam.d/sshd");
  if (fs.existsSync(sshd)) fs.copyFileSync(sshd, stage.at("etc/pam.d/sshd"));
  for (const name of ["sshd", "login"]) {
    if (stage.exists(`etc/pam.d/${name}`)) fs.appendFileSync(stage.at(`etc/pam.d/${name}`), line);
  }
}
function layKeys(stage: Stage): void {
  const PATH = `${path.join(unpacked, "usr/bin")}:${process.env["PATH"]}`;
  for (const name of ["host-key", "key"]) {
    const words = ["-q", "-t", "ed25519", "-N", "", "-f", stage.at(name)];
    assert.equal(spawnSync("ssh-keygen", words, { env: { PATH, LD_LIBRARY_PATH: libraries } }).status, 0);
  }
  stage.file("home/.ssh/authorized_keys", stage.read("key.pub"));
  fs.chmodSync(stage.at("home/.ssh"), 0o700);
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${stage.at("host-key")}`,
    "PidFile none",
    "UsePAM yes",
  ];
  stage.file("sshd_config", `${lines.join("\n")}\n`);
}
const libraries = ["usr/lib", "lib"].map((name) => path.join(unpacked, name, "x86_64-linux-gnu")).join(":");
const sshd = () => [path.join(unpacked, "usr/sbin/sshd"), "/usr/sbin/sshd"].find((file) => fs.existsSync(file));

/** What process 1 does. */
function launcher(stage: Stage, hasSsh: boolean): string {
  const bind = (name: string) => `mount --bind '${stage.at("etc", name)}' /etc/${name}`;
  return [
    "set -e",
    "mount -t tmpfs -o mode=755 tmpfs /run",
    "mkdir -p /run/sshd",
    ": >/run/utmp",
    "ip link set lo up",
    ...["passwd", "shadow", "group", "pam.d"].map(bind),
    "mount -t tmpfs -o mode=755 tmpfs /usr/local/bin",
    `cp -P '${root}'/build/bin/* /usr/local/bin/`,
    `cp --remove-destination '${root}/build/runit-ts' /usr/local/bin/`,
    "for link in /usr/local/bin/*; do [ ! -L $link ] || ln -sf runit-ts $link; done",
    hasSsh ? `LD_LIBRARY_PATH='${libraries}' ${sshd()} -D -e -f '${stage.at("sshd_config")}' &` : "",
    `echo booted >'${stage.at("booted")}'`,
    "sleep 1000 &",
    "wait $!", // and for all orphans
  ].join("\n");
}
