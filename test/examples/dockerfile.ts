// Makes root file systems of Dockerfiles without an engine: of those instructions that the examples use, and of no others.
//
// `FROM scratch` is an empty directory. No image can be pulled here, so `FROM debian` is the userland of this machine: its
// /usr (but for /usr/local) and /etc/alternatives, mounted read-only whenever something runs; the rest belongs to the image.
// What RUN does has no network.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

export interface Image {
  /** Its root file system, without the userland. */
  readonly root: string;
  readonly hasUserland: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** Numbers; "": root. */
  readonly user: string;
  readonly stopSignal: NodeJS.Signals;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly health: HealthCheck | undefined;
}
export interface HealthCheck {
  readonly command: readonly string[];
  readonly timeoutSeconds: number;
}

interface Instruction {
  readonly name: string;
  readonly rest: string;
}
/** What is being made, by one FROM and what follows it. */
interface Making {
  image: Image;
  readonly name: string;
  directory: string;
}

const debianPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const runMilliseconds = 60_000;

/**
 * Builds the last image of a Dockerfile below a directory that is empty.
 * @param context where COPY finds its sources
 */
export function build(file: string, context: string, directory: string): Image {
  assert.ok(!fs.existsSync(path.join(context, ".dockerignore")), "what .dockerignore means is not known here");
  const made: Making[] = [];
  for (const { name, rest } of parse(fs.readFileSync(file, "utf8"))) {
    if (name === "FROM") {
      made.push(begin(rest, path.join(directory, `${made.length}`)));
      continue;
    }
    const making = made.at(-1) ?? assert.fail("a Dockerfile begins with FROM");
    carryOut(making, name, rest, (from) => {
      if (from === undefined) return context;
      return made.find((stage) => stage.name === from)?.image.root ?? assert.fail(`no stage ${from}`);
    });
  }
  return made.at(-1)?.image ?? assert.fail("an empty Dockerfile");
}

/** Shell commands that mount the userland on a root directory, `$root`, in a mount namespace of its own. */
export function userlandMounts(): string[] {
  const bind = (directory: string) => [
    `mount --bind ${directory} $root${directory}`,
    `mount -o remount,bind,ro $root${directory}`,
  ];
  return [...usrDirectories().map((name) => `/usr/${name}`), "/etc/alternatives"].flatMap(bind);
}

/** Instructions, with continued lines joined and comments left out. */
function parse(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  const joined = lines.join("\n").replaceAll(/\\\n/g, "");
  return joined
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", rest = ""] =
        /^([A-Z]+) +(.*)$/.exec(line.trimEnd()) ?? assert.fail(`not understood: ${line}`);
      return { name, rest };
    });
}

function begin(rest: string, root: string): Making {
  const [, base = "", name = ""] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? assert.fail(`FROM ${rest}`);
  assert.ok(base === "scratch" || base === "debian:stable-slim", `this base cannot be had: ${base}`);
  const hasUserland = base !== "scratch";
  fs.mkdirSync(root, { recursive: true });
  fs.chmodSync(root, 0o755);
  if (hasUserland) layUserland(root);
  const image: Image = {
    root,
    hasUserland,
    env: { PATH: debianPath },
    user: "",
    stopSignal: "SIGTERM",
    entrypoint: [],
    command: [],
    health: undefined,
  };
  return { image, name, directory: "/" };
}

function carryOut(making: Making, name: string, rest: string, sourceOf: (stage?: string) => string): void {
  const { image } = making;
  const change = (changed: Partial<Image>) => {
    making.image = { ...image, ...changed };
  };
  switch (name) {
    case "COPY": {
      const [, stage, words = ""] = /^(?:--from=(\S+) )?([^-].*)$/.exec(rest) ?? assert.fail(`COPY ${rest}`);
      copy(making, sourceOf(stage), words.split(/ +/));
      break;
    }
    case "RUN":
      runInside(making, rest);
      break;
    case "WORKDIR":
      assert.match(rest, /^\/[\w./-]*$/);
      making.directory = rest;
      fs.mkdirSync(path.join(image.root, rest), { recursive: true });
      break;
    case "ENV":
      change({ env: { ...image.env, ...parseVariables(rest) } });
      break;
    case "USER":
      assert.match(rest, /^\d+:\d+$/, "a user by numbers");
      change({ user: rest });
      break;
    case "STOPSIGNAL":
      assert.match(rest, /^SIG[A-Z]+$/);
      change({ stopSignal: rest as NodeJS.Signals });
      break;
    case "EXPOSE":
      assert.match(rest, /^\d+$/);
      break;
    case "ENTRYPOINT":
      change({ entrypoint: parseWords(rest), command: [] });
      break;
    case "CMD":
      change({ command: parseWords(rest) });
      break;
    case "HEALTHCHECK":
      change({ health: parseHealthCheck(rest) });
      break;
    default:
      assert.fail(`this instruction is not known here: ${name}`);
  }
}

/** A list in JSON: as a line of shell the shell would be process 1. */
function parseWords(text: string): string[] {
  const words: unknown = JSON.parse(text);
  assert.ok(Array.isArray(words) && words.every((word) => typeof word === "string") && words.length > 0, text);
  return words;
}

function parseVariables(text: string): Record<string, string> {
  assert.doesNotMatch(text, /[$\\']/, "only plain values are understood");
  const found: Record<string, string> = {};
  const left = text.replaceAll(/ *(\w+)=(?:"([^"]*)"|([^" ]+))(?= |$)/g, (_, name, quoted, plain) => {
    found[name] = quoted ?? plain;
    return "";
  });
  assert.equal(left.trim(), "", `ENV ${text}`);
  return found;
}

function parseHealthCheck(text: string): HealthCheck {
  const [, options = "", command = ""] = /^((?:--\S+ )*)CMD (.*)$/.exec(text) ?? assert.fail(`HEALTHCHECK ${text}`);
  let timeoutSeconds = 30;
  for (const option of options.split(" ").filter((word) => word !== "")) {
    const [, name = "", seconds = ""] =
      /^--(interval|timeout|start-period|retries)=(\d+)s?$/.exec(option) ?? assert.fail(option);
    if (name === "timeout") timeoutSeconds = Number(seconds);
  }
  return { command: parseWords(command), timeoutSeconds };
}

// ── files ──

/** What is copied belongs to root. Of a directory its contents are copied, and links stay links. */
function copy(making: Making, from: string, words: readonly string[]): void {
  const target = words.at(-1) ?? "";
  const sources = words.slice(0, -1);
  assert.ok(sources.length > 0, `COPY ${words.join(" ")}`);
  const to = path.join(making.image.root, target.startsWith("/") ? target : path.join(making.directory, target));
  for (const source of sources) {
    assert.doesNotMatch(source, /\.\.|[*?[]/, "within the context, and no patterns");
    const file = path.join(from, source);
    const stats = fs.lstatSync(file, { throwIfNoEntry: false }) ?? assert.fail(`there is no ${file}`);
    assert.ok(stats.isFile() || stats.isDirectory(), `${source} is neither a file nor a directory`);
    const isInto = target.endsWith("/") || sources.length > 1;
    fs.mkdirSync(stats.isDirectory() || isInto ? to : path.dirname(to), { recursive: true });
    carry(stats.isDirectory() ? `${file}/.` : file, to);
  }
}
/** Copies with modes and links. */
export function carry(file: string, to: string, keeps: "" | ",ownership" = ""): void {
  const words = ["-R", "-P", `--preserve=mode${keeps}`, file, to];
  const { status, stderr } = spawnSync("cp", words, { encoding: "latin1" });
  assert.equal(status, 0, stderr);
}

/** The directories of /usr, without what belongs to the image. */
function usrDirectories(): string[] {
  const entries = fs.readdirSync("/usr", { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && entry.name !== "local").map(({ name }) => name);
}

function layUserland(root: string): void {
  for (const name of usrDirectories()) fs.mkdirSync(path.join(root, "usr", name), { recursive: true });
  for (const name of ["bin", "lib", "lib64", "sbin"]) fs.symlinkSync(`usr/${name}`, path.join(root, name));
  const own = [
    "usr/local/bin",
    "usr/local/sbin",
    "etc/alternatives",
    "var/log",
    "run",
    "srv",
    "root",
    "home",
    "proc",
    "dev",
  ];
  for (const name of own) fs.mkdirSync(path.join(root, name), { recursive: true });
  for (const name of ["tmp", "var/tmp"]) {
    fs.mkdirSync(path.join(root, name));
    fs.chmodSync(path.join(root, name), 0o1777);
  }
  fs.writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  fs.writeFileSync(path.join(root, "etc/group"), "root:x:0:\n");
}

function runInside(making: Making, command: string): void {
  const { image, directory } = making;
  assert.ok(image.hasUserland, "RUN needs a userland");
  assert.equal(image.user, "", "RUN is for root");
  const launcher = [
    "set -e",
    ...userlandMounts(),
    "mount -t proc proc $root/proc",
    "mount -t tmpfs -o mode=755 dev $root/dev",
    ": >$root/dev/null",
    "mount --bind /dev/null $root/dev/null",
    'exec chroot $root /bin/sh -c "cd $directory; $command"',
  ];
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc"];
  const { status, stdout, stderr } = spawnSync("unshare", [...namespaces, "/bin/sh", "-c", launcher.join("\n")], {
    env: { ...image.env, root: image.root, directory, command },
    encoding: "latin1",
    timeout: runMilliseconds,
  });
  assert.equal(status, 0, `RUN ${command}\n${stdout}${stderr}`);
}
