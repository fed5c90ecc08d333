// What the stories of chpst have in common: its usage, its other names, accounts and roots of their own, ways to look
// at the program that it became.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Outcome, Running, Stage, StartOptions, StoryOptions } from "../stage.ts";
import { cannotMount, isRoot, missing, referenceRoot, shell } from "../stage.ts";

/** An ordinary user: nobody. */
export const nobody = { uid: 65534, gid: 65534 } as const;
export const rootOnly: StoryOptions = { skip: isRoot ? false : "only root can become another user" };
export const needsTracing: StoryOptions = { skip: rootOnly.skip || missing("strace") };
/** For stories with accounts or a root directory of their own. */
export const ownMounts: StoryOptions = { skip: rootOnly.skip || missing("unshare", "setpriv") || cannotMount };

// ── chpst and its other names ──

const optionsBeforeC = " [-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root]";
const optionsAfterC = " [-n nice] [-l|-L lock] [-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog";

/** chpst's usage; an alias prints it too for a bad number. */
export function usageOf(stage: Stage, name = "chpst"): string {
  return `usage: ${name}${optionsBeforeC}${stage.isOurs ? " [-C pwd]" : ""}${optionsAfterC}\n\n`;
}
/** For stories that show chpst's usage. */
export const showsUsage: StoryOptions = { differs: "chpst-usage-230" };
export const softlimitUsage =
  "usage: softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] [-m membytes] " +
  "[-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] [-t cpusecs] child\n\n";
export const setlockUsage = "usage: setlock [ -nNxX ] file program [ arg ... ]\n\n";

/** A PATH that everybody may search, for stories in which a program is not found. */
export const plainPath = { PATH: "/usr/bin:/bin" } as const;

export type Alias = "envdir" | "envuidgid" | "pgrphack" | "setlock" | "setuidgid" | "softlimit";

/** Starts chpst. */
export function starts(stage: Stage, words: string | readonly string[], options: StartOptions = {}): Running {
  return stage.start("chpst", wordsOf(words), { ...options, env: { ...plainPath, ...options.env } });
}
/** Runs chpst, and what it becomes, to the end. */
export function chpst(stage: Stage, words: string | readonly string[], options: StartOptions = {}): Promise<Outcome> {
  return stage.end(starts(stage, words, options));
}
/** Starts chpst under another name, through a link. */
export function startsAs(
  stage: Stage,
  name: string,
  words: string | readonly string[],
  options: StartOptions = {},
): Running {
  const link = linkTo(stage, name);
  return stage.start(link, wordsOf(words), { ...options, env: { ...plainPath, ...options.env } });
}
export function runAs(
  stage: Stage,
  name: string,
  words: string | readonly string[],
  options: StartOptions = {},
): Promise<Outcome> {
  return stage.end(startsAs(stage, name, words, options));
}
/** A link to chpst with this name, outside of PATH; its absolute path. */
export function linkTo(stage: Stage, name: string): string {
  const link = stage.at(".bin", name);
  if (fs.lstatSync(link, { throwIfNoEntry: false }) === undefined) {
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(stage.program("chpst"), link);
  }
  return link;
}
/** daemontools' own program. */
export function daemontools(name: Alias): string {
  return path.join(referenceRoot, "usr/bin", name);
}
function wordsOf(words: string | readonly string[]): readonly string[] {
  return typeof words === "string" ? words.split(" ") : words;
}

// ── what it says ──

export function essence({ out, err, code, signal }: Outcome): Pick<Outcome, "out" | "err" | "code" | "signal"> {
  return { out, err, code, signal };
}
/** The program ran, printed this, and nobody complained. */
export function assertPrints(outcome: Outcome, out: string): void {
  assert.deepEqual(essence(outcome), { out, err: "", code: 0, signal: null });
}
/** chpst gave up with this reason. */
export function assertFails(outcome: Outcome, reason: string): void {
  assert.deepEqual(essence(outcome), { out: "", err: `chpst: fatal: ${reason}\n`, code: 111, signal: null });
}
/** Wrong usage: this on standard error, nothing done. */
export function assertUsage(outcome: Outcome, err: string): void {
  assert.deepEqual(essence(outcome), { out: "", err, code: 100, signal: null });
}

// ── accounts ──

const passwd = `root:x:0:0:root:/root:/bin/sh
alice:x:1001:1001::/:/bin/sh
bob:x:1002:1003::/:/bin/sh
4242:x:1003:1004::/:/bin/sh
`;
const group = `root:x:0:
alice:x:1001:
grp:x:1002:bob
bob:x:1003:
crew:x:1005:alice,bob
others:x:1006:alice
${Array.from({ length: 61 }, (_, index) => `g${index + 1}:x:${2001 + index}:\n`).join("")}`;

/** For `via`: alice, bob and the account 4242 exist, for this process and what it becomes; optionally become `uid`. */
export function accounts(stage: Stage, uid?: number): readonly string[] {
  return accountFiles(stage, passwd, group, uid);
}
/** The same, with passwd and group files of the story's own. */
export function accountFiles(stage: Stage, users: string, groups: string, uid?: number): readonly string[] {
  if (!stage.exists(".etc/passwd")) stage.file(".etc/passwd", Buffer.from(users, "latin1"));
  if (!stage.exists(".etc/group")) stage.file(".etc/group", Buffer.from(groups, "latin1"));
  stage.file(".etc/nsswitch.conf", "passwd: files\ngroup: files\n"); // the original asks whom this names
  const names = ["passwd", "group", "nsswitch.conf"].filter((name) => fs.existsSync(`/etc/${name}`));
  const mounts = names.map((name) => `mount --bind '${stage.at(".etc", name)}' /etc/${name}`);
  const commands = `${mounts.join(" && ")} || exit 99`;
  const become =
    uid === undefined ? [] : ["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
  return ["/usr/bin/unshare", "-m", ...shell(commands), ...become];
}
/** For `via`: the directory R of the stage holds the system's programs and only the accounts that the story put there. */
export function ownRoot(stage: Stage): readonly string[] {
  fs.mkdirSync(stage.at("R/etc"), { recursive: true });
  const commands = `for name in usr bin lib lib64; do
  if [ -L /$name ]; then [ -L R/$name ] || ln -s "$(readlink /$name)" R/$name
  elif [ -d /$name ]; then mkdir -p R/$name && mount --bind /$name R/$name || exit 99
  fi
done`;
  return ["/usr/bin/unshare", "-m", ...shell(commands)];
}

/** A program that prints who it is, for `identity` and `assertIs`. */
export const showStatus: readonly string[] = ["cat", "/proc/self/status"];
/** The lines Uid and Gid (real, effective, saved, file system) and Groups of /proc/PID/status. */
export function identity(status: string): { uid: string; gid: string; groups: string } {
  const field = (name: string) =>
    (new RegExp(`^${name}:(.*)$`, "m").exec(status)?.[1] ?? assert.fail(`no ${name} in ${status}`))
      .trim()
      .replaceAll("\t", " ");
  return { uid: field("Uid"), gid: field("Gid"), groups: field("Groups") };
}
/** All four user ids, all four group ids, and the supplementary groups (which the kernel sorts). */
export function assertIs(outcome: Outcome, uid: number, gid: number, groups: readonly number[]): void {
  assert.equal(outcome.err, "");
  assert.equal(outcome.code, 0);
  const sorted = [...groups].sort((a, b) => a - b);
  assert.deepEqual(identity(outcome.out), {
    uid: Array(4).fill(uid).join(" "),
    gid: Array(4).fill(gid).join(" "),
    groups: sorted.join(" "),
  });
}

// ── limits ──

export const showLimits: readonly string[] = ["cat", "/proc/self/limits"];
const limitNames = {
  DATA: "Max data size",
  STACK: "Max stack size",
  MEMLOCK: "Max locked memory",
  AS: "Max address space",
  NOFILE: "Max open files",
  NPROC: "Max processes",
  FSIZE: "Max file size",
  CORE: "Max core file size",
  RSS: "Max resident set",
  CPU: "Max cpu time",
} as const;
export type LimitName = keyof typeof limitNames;
export const everyLimit = Object.keys(limitNames) as LimitName[];

/** "unlimited" or a number, soft and hard, as in /proc/PID/limits. */
export function limit(text: string, name: LimitName): { soft: string; hard: string } {
  const [, soft = "", hard = ""] =
    new RegExp(`^${limitNames[name]}\\s+(\\S+)\\s+(\\S+)`, "m").exec(text) ?? assert.fail(`no ${name} in ${text}`);
  return { soft, hard };
}
export function softLimits(text: string, ...names: readonly LimitName[]): Partial<Record<LimitName, string>> {
  return Object.fromEntries(names.map((name) => [name, limit(text, name).soft]));
}
export function hardLimits(text: string): readonly string[] {
  return everyLimit.map((name) => limit(text, name).hard);
}
/** This process' own hard limit, which the program inherits. */
export function ownHardLimit(name: LimitName): string {
  return limit(fs.readFileSync("/proc/self/limits", "latin1"), name).hard;
}
/** The smaller of the two; "unlimited" is the greatest. */
export function atMost(value: number, hard: string): string {
  return hard === "unlimited" ? `${value}` : `${Math.min(value, Number(hard))}`;
}

// ── environments ──

/** An environment directory: each entry a file of it, taken as bytes. */
export function environment(stage: Stage, files: Record<string, string | Uint8Array>, name = "E"): string {
  fs.mkdirSync(stage.at(name), { recursive: true });
  for (const [key, content] of Object.entries(files)) {
    fs.writeFileSync(stage.at(name, key), typeof content === "string" ? Buffer.from(content, "latin1") : content);
  }
  return stage.at(name);
}
/** For `via`: exactly these variables, in this order. */
export function onlyVariables(...variables: readonly string[]): readonly string[] {
  return ["/usr/bin/env", "-i", ...variables];
}
/** The entries that `env -0` printed. */
export function entries(out: string): readonly string[] {
  assert.ok(out === "" || out.endsWith("\0"), out);
  return out.split("\0").slice(0, -1);
}
/** Runs chpst with an empty environment but for `inherited`, and answers what env shows of the program's. */
export async function becoming(
  stage: Stage,
  words: string | readonly string[],
  inherited: readonly string[] = [],
): Promise<readonly string[]> {
  const outcome = await chpst(stage, [...wordsOf(words), "/usr/bin/env", "-0"], { via: onlyVariables(...inherited) });
  assert.equal(outcome.err, "");
  assert.equal(outcome.code, 0);
  return entries(outcome.out);
}
/** Names of a directory in the order in which it lists them. */
export function listed(directory: string): readonly string[] {
  const names: string[] = [];
  const open = fs.opendirSync(directory);
  for (let entry = open.readSync(); entry !== null; entry = open.readSync()) names.push(entry.name);
  open.closeSync();
  return names;
}
/** For `skip`: why no helper can be compiled. */
export const needsCompiler: StoryOptions = { skip: missing("cc") };
/** Compiles exec-with.c: it runs a program with any environment whatsoever. */
export function execWith(stage: Stage): string {
  const source = path.join(import.meta.dirname, "exec-with.c");
  execFileSync("cc", ["-Os", "-Wall", "-o", stage.at(".exec-with"), source]);
  return stage.at(".exec-with");
}

// ── processes and locks ──

/** Awaits that it has become a program. */
export async function became(stage: Stage, running: Running, program: string): Promise<void> {
  await stage.until(`it becomes ${program}`, () => {
    if (!running.isAlive) return true;
    return fs.readFileSync(`/proc/${running.pid}/cmdline`, "latin1").startsWith(`${program}\0`);
  });
  assert.ok(running.isAlive, running.err);
}
/** Holds the lock `lk` (or another) until it is killed. */
export async function holder(stage: Stage, file = "lk"): Promise<Running> {
  const running = stage.start("/usr/bin/flock", [file, "sleep", "1000"]);
  await stage.until("the lock is held", () => !running.isAlive || isLocked(stage, file));
  assert.ok(running.isAlive, running.err);
  return running;
}
/** Ends whoever holds the lock, and the programs that inherited it. */
export async function release(stage: Stage, held: Running): Promise<void> {
  for (const pid of stage.processes("sleep 1000")) process.kill(pid, "SIGKILL");
  await stage.end(held);
}
/** Whether somebody has a lock on the file. */
export function isLocked(stage: Stage, file = "lk"): boolean {
  const inode = fs.statSync(stage.at(file)).ino;
  return new RegExp(`^\\d+: FLOCK .*:${inode} `, "m").test(fs.readFileSync("/proc/locks", "latin1"));
}
/** Whether a process waits for a lock. */
export function waitsForLock(pid: number): boolean {
  return new RegExp(`^\\d+: +-> FLOCK +ADVISORY +WRITE ${pid} `, "m").test(fs.readFileSync("/proc/locks", "latin1"));
}
/** What this test itself was given, and hands on, beyond the standard descriptors. */
const inherited = execFileSync("ls", ["/proc/self/fd"], { encoding: "latin1" })
  .split("\n")
  .map(Number)
  .filter((number) => number > 9);
/** Open descriptors of a process, ascending, without those that it could not help. */
export function descriptorsOf(stage: Stage, pid: number): readonly number[] {
  return stage.descriptors(pid).filter((number) => !inherited.includes(number));
}
/** Session and process group of a process. */
export function session(pid: number): { group: number; session: number } {
  const [, , , , group, id] = fs
    .readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/\(.*\)/s, "()")
    .split(" ");
  return { group: Number(group), session: Number(id) };
}
