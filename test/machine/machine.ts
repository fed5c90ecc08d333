// The in-memory machine: a System with files, fifos, pipes, processes and a clock that the test moves. Descriptors and
// processes can run out, the disk can fill, and the n-th call of any kind can be told to fail. It is a product of its
// own, with tests of its own (machine.test.ts).
//
// Time passes only in `poll`: when nothing is ready, the clock jumps to the next thing that will happen. When nothing
// ever will, the play is over (Idle).

import { randomUUID } from "node:crypto";
import type { Timestamp } from "../../src/core/supervise/service.ts";
import type { Word } from "../../src/core/text/numbers.ts";
import type {
  Account,
  EndedChild,
  FileIdentity,
  FileStat,
  Limit,
  LineCopy,
  Pipe,
  Polled,
  RebootCommand,
  Spawned,
  SpawnPlan,
  Text,
  WatchedSignal,
} from "../../src/system/system.ts";
import { System } from "../../src/system/system.ts";

const EPERM = 1;
const ENOENT = 2;
const ESRCH = 3;
const ENXIO = 6;
const EBADF = 9;
const EAGAIN = 11;
const EACCES = 13;
const EEXIST = 17;
const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;
const EMFILE = 24;
const ENOSPC = 28;
const ELOOP = 40;
const ENOSYS = 38;

/** Thrown out of `poll` when nothing will ever happen again. */
export class Idle extends Error {}
/** Thrown out of the call at which the program is killed. */
export class Killed extends Error {}

function describeWord(word: Word): string {
  return `${BigInt(word.high) * 4294967296n + BigInt(word.low)}`;
}

class Node {
  kind: "file" | "directory" | "fifo" | "link" | "socket";
  mode: number;
  content = "";
  target = "";
  readonly inode: number;
  version = 0;
  readers = 0;
  writers = 0;
  lockedBy: OpenFile | undefined;
  uid = 0;
  /** Of a socket: who waits to be connected. */
  readonly callers: Caller[] = [];
  capacity = 65536;

  constructor(kind: "file" | "directory" | "fifo" | "link" | "socket", mode: number, inode: number) {
    this.kind = kind;
    this.mode = mode;
    this.inode = inode;
  }
}

/** Another program at a local socket: what it asks, and what it is answered. */
export class Caller {
  readonly question: string;
  readonly uid: number;
  answer = "";
  /** What it was asked itself. */
  asked = "";
  isOver = false;

  constructor(question: string, uid: number) {
    this.question = question;
    this.uid = uid;
  }
}

class OpenFile {
  readonly node: Node;
  readonly reads: boolean;
  readonly writes: boolean;
  position = 0;
  holders = 1;
  caller: Caller | undefined;

  constructor(node: Node, reads: boolean, writes: boolean) {
    this.node = node;
    this.reads = reads;
    this.writes = writes;
    if (reads) node.readers++;
    if (writes) node.writers++;
  }
  /** What there is behind its position, which moves to the end. */
  readOn(): string {
    const text = this.node.content.slice(this.position);
    this.position += text.length;
    return text;
  }
  release(): void {
    if (--this.holders > 0) return;
    if (this.caller !== undefined) this.caller.isOver = true;
    if (this.reads) this.node.readers--;
    if (this.writes) this.node.writers--;
    if (this.node.lockedBy === this) this.node.lockedBy = undefined;
  }
}

/** What another program writes into a pipe that is descriptor 0. */
export class PipeInput {
  readonly #writer: OpenFile;
  #isOpen = true;

  constructor(writer: OpenFile) {
    this.#writer = writer;
  }
  write(text: string): void {
    this.#writer.node.content += text;
  }
  /** Nobody will write any more. */
  end(): void {
    if (this.#isOpen) this.#writer.release();
    this.#isOpen = false;
  }
  /** What waits. */
  get waiting(): string {
    return this.#writer.node.content;
  }
}

/** Thrown where this program becomes another one: it does not come back. */
export class Became extends Error {
  readonly file: string;
  readonly argv: readonly string[];
  readonly environment: readonly string[];

  constructor(file: string, argv: readonly string[], environment: readonly string[]) {
    super(`became ${file}`);
    this.file = file;
    this.argv = argv;
    this.environment = environment;
  }
}

/** What a program does. Signals default to their usual effect. */
export interface Program {
  /** Called at its start. */
  readonly begins?: (process: Process) => void;
  /** Answers whether the signal was dealt with. */
  readonly hears?: (process: Process, signal: number) => boolean;
}

export class Process {
  readonly machine: Machine;
  readonly pid: number;
  /** What the log of the machine calls it: its arguments, with "log " in front for a log service. */
  readonly name: string;
  readonly program: Program;
  readonly files: ReadonlyMap<number, OpenFile>;
  isLiving = true;
  isStopped = false;
  /** Whoever started it has gone: nobody hears of its end. */
  isOrphan = false;

  constructor(machine: Machine, pid: number, plan: SpawnPlan, program: Program, files: ReadonlyMap<number, OpenFile>) {
    this.machine = machine;
    this.pid = pid;
    this.name = `${plan.directory.endsWith("log") ? "log " : ""}${plan.argv.join(" ")}`;
    this.program = program;
    this.files = files;
  }
  /** Ends with an exit code. */
  exit(code: number): void {
    this.end(code * 256);
  }
  end(waitStatus: number): void {
    if (!this.isLiving) return;
    this.isLiving = false;
    for (const file of this.files.values()) file.release();
    this.machine.note(`${this.name} ends ${waitStatus}`);
    if (this.isOrphan) return;
    this.machine.ended.push({ pid: this.pid, waitStatus });
    this.machine.raise("CHLD");
  }
  /** Writes to a descriptor, if that is a pipe or file of the machine. */
  print(text: string, fd = 1): void {
    const out = this.files.get(fd);
    if (out !== undefined) out.node.content += text;
  }
  /** Reads all that waits in a descriptor. */
  readAll(fd = 0): string {
    const input = this.files.get(fd);
    if (input === undefined) return "";
    if (input.node.kind === "file") return input.readOn();
    const text = input.node.content;
    input.node.content = "";
    return text;
  }
}

const bits: Readonly<Record<WatchedSignal, number>> = {
  TERM: 1,
  CHLD: 2,
  HUP: 4,
  ALRM: 8,
  INT: 16,
  CONT: 32,
  USR1: 64,
  USR2: 128,
  QUIT: 256,
  WINCH: 512,
  PWR: 1024,
  "RTMIN+3": 2048,
  TSTP: 4096,
  TTIN: 8192,
  TTOU: 16384,
};

export class Machine extends System {
  arguments: readonly string[] = [];
  executed = "";
  /** The environment: a list, in which a name can stand twice. */
  readonly entries: string[] = [];
  /** What was changed of this process, in order. */
  readonly changes: string[] = [];
  readonly passedOn: number[] = [];
  readonly hardLimits = new Map<number, Word>();
  /** What happened, in order: starts, signals, ends. */
  readonly log: string[] = [];
  stdout = "";
  stderr = "";
  milliseconds = 1_000_000;
  /** Seconds that the wall clock is ahead of the monotonic one. */
  wallSeconds = 1_700_000_000;
  readonly processes = new Map<number, Process>();
  readonly ended: EndedChild[] = [];
  /** Limits; ordinary machines have enough of everything. */
  maxFds = 1024;
  maxProcesses = 1000;
  isDiskFull = false;
  /** A directory on a disk of its own, which is full; "": none. */
  fullBelow = "";
  /** What write() may still put into files. */
  freeBytes = Number.POSITIVE_INFINITY;
  /** Offset of local time from UTC. */
  zone = 0;
  readonly datagrams: string[] = [];
  /** What sendDatagram answers instead of sending; 0: it sends. */
  datagramResult = 0;
  /** What the n-th call that can fail (counted from 1) fails with; 0: none does. */
  failAt = 0;
  failWith = 5;
  /** In which of these calls the program is killed, which then is not carried out; 0: in none. */
  killAt = 0;
  /** What calls of these names ("write", "open current") fail with instead of being carried out; 0: they are. */
  refuses: (call: string) => number = () => 0;
  calls = 0;
  failed = "";
  /** How often it was waited; more than so often is no play but an endless loop. */
  polls = 0;
  maxPolls = Number.POSITIVE_INFINITY;
  hasTerminal = false;
  ownPid = 77;
  ownUid = 0;
  /** No socket can be had. */
  hasSockets = true;
  /** What writeNow may still write; then it would wait. */
  outputRoom = Number.POSITIVE_INFINITY;
  /** Whether it is a machine of its own, which reboot(2) can end. */
  mayReboot = false;
  keptText: string | undefined;
  readonly #listeners = new Map<string, { readonly uid: number; readonly answer: string }>();
  readonly #programs = new Map<string, Program>();
  readonly #root: Map<string, Node> = new Map();
  readonly #fds = new Map<number, OpenFile>();
  readonly #bootId = randomUUID();
  #cwd = "/";
  #nextInode = 100;
  #nextPid = 1000;
  #signals = 0;
  #mark: { readonly node: Node; readonly offset: number } | undefined;
  #ready: boolean[] = [];
  #agenda: { readonly at: number; readonly act: () => void }[] = [];

  constructor() {
    super();
    this.#root.set("/", new Node("directory", 0o755, 1));
    this.file("/proc/sys/kernel/random/boot_id", `${this.#bootId}\n`);
  }

  // ── for the test: laying out ──

  file(path: string, content: string, mode = 0o644): void {
    this.#makeParents(path);
    const node = this.#make("file", mode);
    node.content = content;
    this.#root.set(path, node);
  }
  directory(path: string): void {
    this.#makeParents(`${path}/x`);
  }
  link(path: string, target: string): void {
    this.#makeParents(path);
    const node = this.#make("link", 0o777);
    node.target = target;
    this.#root.set(path, node);
  }
  /** An executable file, and what it does. */
  program(path: string, program: Program): void {
    this.file(path, "", 0o755);
    this.#programs.set(path, program);
  }
  remove(path: string): void {
    for (const name of [...this.#root.keys()])
      if (name === path || name.startsWith(`${path}/`)) this.#root.delete(name);
  }
  content(path: string): string | undefined {
    return this.#root.get(path)?.content;
  }
  exists(path: string): boolean {
    return this.#root.has(path);
  }
  /** Writes into a fifo, as another program would. */
  tell(path: string, bytes: string): void {
    const node = this.#root.get(path);
    if (node === undefined) throw new Error(`no ${path}`);
    node.content += bytes;
  }
  /** Takes out what waits in a fifo, as its reader would. */
  drain(path: string): string {
    const node = this.#root.get(path);
    const content = node?.content ?? "";
    if (node !== undefined) node.content = "";
    return content;
  }
  /** Changes the modification time of a file or directory. */
  touch(path: string): void {
    const node = this.#root.get(path);
    if (node !== undefined) node.version++;
  }
  /** A pipe as descriptor 0. */
  input(): PipeInput {
    const node = this.#make("fifo", 0o600);
    this.#fds.set(0, new OpenFile(node, true, false));
    return new PipeInput(new OpenFile(node, false, true));
  }
  /** The program has ended: what the system does then, so that another one can be played on the same machine. */
  bury(): void {
    for (const fd of [...this.#fds.keys()]) if (fd > 2) this.close(fd);
    for (const process of this.living()) process.isOrphan = true;
    this.ended.length = 0;
    this.#signals = 0;
    this.#mark = undefined;
    this.#cwd = "/";
    this.killAt = 0;
  }
  /** Does it so many milliseconds from now. */
  after(milliseconds: number, act: () => void): void {
    this.#agenda.push({ at: this.milliseconds + milliseconds, act });
    this.#agenda.sort((a, b) => a.at - b.at);
  }
  raise(signal: WatchedSignal): void {
    this.#signals |= bits[signal];
  }
  note(what: string): void {
    this.log.push(what);
  }
  living(): Process[] {
    return [...this.processes.values()].filter((process) => process.isLiving);
  }
  /** Names of the entries of a directory. */
  names(path: string): string[] {
    const below = [...this.#root.keys()].filter((name) => name.startsWith(`${path}/`));
    return below.map((name) => name.slice(path.length + 1)).filter((name) => !name.includes("/"));
  }
  mode(path: string): number | undefined {
    return this.#root.get(path)?.mode;
  }
  get openFds(): number {
    return this.#fds.size;
  }

  // ── arguments ──

  override get argv(): readonly string[] {
    return this.arguments;
  }
  override dropArgument(): void {
    this.arguments = this.arguments.slice(1);
  }
  override get executedPath(): string {
    return this.executed;
  }
  override cutArguments(count: number): void {
    this.arguments = this.arguments.slice(0, count);
  }
  override setArgument(index: number, text: string): void {
    this.arguments = this.arguments.with(index, text);
  }
  override environment(name: string): string | undefined {
    return this.entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  }
  override unsetEnvironment(name: string): void {
    const place = this.entries.findIndex((entry) => entry.startsWith(`${name}=`));
    const last = this.entries.at(-1);
    if (place < 0 || last === undefined) return;
    this.entries[place] = last;
    this.entries.pop();
  }
  override addEnvironment(name: string, value: Uint8Array, length: number): number {
    const fault = this.#fault("environment");
    if (fault !== 0) return -fault;
    this.entries.push(`${name}=${latin(value.subarray(0, length))}`);
    return 0;
  }
  override get serviceDirectory(): string {
    return "/service/";
  }
  override get stopFlag(): string {
    return "/etc/runit/stopit";
  }
  override get rebootFlag(): string {
    return "/etc/runit/reboot";
  }

  // ── files ──

  /** Counts a call that can fail; the errno when it is the one that must, else 0. */
  #fault(call: string): number {
    this.calls++;
    if (this.calls === this.failAt || this.calls === this.killAt) this.failed = call;
    if (this.calls === this.killAt) throw new Killed(call);
    return this.calls === this.failAt ? this.failWith : this.refuses(call);
  }

  /** Whether there is no room for more of this file or directory. */
  #isFull(node: Node): boolean {
    if (this.isDiskFull || this.fullBelow === "") return this.isDiskFull;
    for (const [path, found] of this.#root) if (found === node) return `${path}/`.startsWith(`${this.fullBelow}/`);
    return false;
  }

  #make(kind: "file" | "directory" | "fifo" | "link" | "socket", mode: number): Node {
    return new Node(kind, mode, this.#nextInode++);
  }
  #makeParents(path: string): void {
    const parts = path.split("/").slice(1, -1);
    let at = "";
    for (const part of parts) {
      at += `/${part}`;
      if (!this.#root.has(at)) this.#root.set(at, this.#make("directory", 0o755));
    }
  }
  /** Absolute path with links followed (the last one only if asked); a number is -errno. */
  #resolve(path: string, follow: boolean, hops = 0): string | number {
    if (path === "") return -ENOENT;
    if (hops > 20) return -ELOOP;
    const parts = (path.startsWith("/") ? path : `${this.#cwd}/${path}`).split("/");
    let at = "";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at = at.slice(0, at.lastIndexOf("/"));
        continue;
      }
      const parent = this.#root.get(at === "" ? "/" : at);
      if (parent !== undefined && parent.kind !== "directory") return -ENOTDIR;
      const here = `${at}/${part}`;
      const node = this.#root.get(here);
      const rest = parts.slice(i + 1).join("/");
      if (node?.kind === "link" && (follow || rest !== "")) {
        const target = node.target.startsWith("/") ? node.target : `${at}/${node.target}`;
        return this.#resolve(rest === "" ? target : `${target}/${rest}`, follow, hops + 1);
      }
      if (node === undefined && rest.replaceAll(/[/.]/g, "") !== "") return -ENOENT;
      at = here;
    }
    return at === "" ? "/" : at;
  }
  #find(path: string, follow: boolean): Node | number {
    const resolved = this.#resolve(path, follow);
    if (typeof resolved === "number") return resolved;
    return this.#root.get(resolved) ?? this.#procFile(resolved) ?? -ENOENT;
  }
  /** /proc/PID/stat of a living process. */
  #procFile(path: string): Node | undefined {
    const match = /^\/proc\/(\d+)\/stat$/.exec(path);
    const process = match === null ? undefined : this.processes.get(Number(match[1]));
    if (process === undefined || !process.isLiving) return undefined;
    const node = this.#make("file", 0o444);
    const zeros = new Array(17).fill("0").join(" ");
    node.content = `${process.pid} (run) S ${zeros} 0 ${Math.floor(this.milliseconds / 10)} 0`;
    return node;
  }
  #install(file: OpenFile): number {
    if (this.#fds.size + 3 >= this.maxFds) {
      file.release();
      return -EMFILE;
    }
    for (let fd = 3; ; fd++) {
      if (this.#fds.has(fd)) continue;
      this.#fds.set(fd, file);
      return fd;
    }
  }

  override open(path: string, flags: number, mode: number): number {
    const fault = this.#fault(`open ${path}`);
    if (fault !== 0) return -fault;
    const creates = (flags & 0o100) !== 0;
    const resolved = this.#resolve(path, true);
    if (typeof resolved === "number") return resolved;
    let node = this.#root.get(resolved) ?? this.#procFile(resolved);
    if (node === undefined) {
      if (!creates) return -ENOENT;
      const parent = this.#root.get(resolved.slice(0, resolved.lastIndexOf("/")) || "/");
      if (parent === undefined) return -ENOENT;
      if (this.#isFull(parent)) return -ENOSPC;
      node = this.#make("file", mode);
      this.#root.set(resolved, node);
    }
    const access = flags & 3;
    if (node.kind === "directory" && access !== 0) return -EISDIR;
    if ((flags & 0o200000) !== 0 && node.kind !== "directory") return -ENOTDIR;
    if (node.kind === "fifo" && access === 1 && node.readers === 0) return -ENXIO;
    if ((flags & 0o1000) !== 0 && node.kind === "file") node.content = "";
    return this.#install(new OpenFile(node, access !== 1, access !== 0));
  }
  override close(fd: number): number {
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    this.#fds.delete(fd);
    file.release();
    return 0;
  }
  override read(fd: number, into: Uint8Array): number {
    const fault = this.#fault("read");
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    if (file.node.kind === "directory") return -EISDIR;
    const isPipe = file.node.kind === "fifo";
    const text = file.node.content.slice(isPipe ? 0 : file.position, (isPipe ? 0 : file.position) + into.length);
    if (isPipe) {
      if (text === "" && file.node.writers > 0) return -EAGAIN;
      file.node.content = file.node.content.slice(text.length);
    } else file.position += text.length;
    return copyText(text, into);
  }
  override readAt(fd: number, into: Uint8Array, offset: number): number {
    const fault = this.#fault("pread");
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    return copyText(file.node.content.slice(offset, offset + into.length), into);
  }
  override write(fd: number, bytes: Uint8Array, from: number, to: number): number {
    const fault = this.#fault("write");
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    const length = Math.min(to - from, file.node.kind === "file" ? this.freeBytes : Number.POSITIVE_INFINITY);
    if (this.#isFull(file.node) || (length === 0 && to > from)) return -ENOSPC;
    if (file.node.kind === "file") this.freeBytes -= length;
    file.node.content += latin(bytes.subarray(from, from + length));
    return length;
  }
  override writeNow(fd: number, bytes: Uint8Array, from: number, to: number): number {
    const fault = this.#fault("write now");
    if (fault !== 0) return -fault;
    const length = Math.min(to - from, this.outputRoom);
    if (length === 0 && to > from) return -EAGAIN;
    this.outputRoom -= length;
    const text = latin(bytes.subarray(from, from + length));
    const caller = this.#fds.get(fd)?.caller;
    if (caller === undefined) return this.writeText(fd, text);
    caller.answer += text;
    return length;
  }
  override writeText(fd: number, text: string): number {
    const file = this.#fds.get(fd);
    if (file?.caller !== undefined) file.caller.asked += text;
    else if (file !== undefined) file.node.content += text;
    else if (fd === 1) this.stdout += text;
    else if (fd === 2) this.stderr += text;
    else return -EBADF;
    return text.length;
  }
  override complain(text: string): void {
    this.writeText(2, text);
  }
  override writeAt(fd: number, bytes: Uint8Array, offset: number): number {
    const fault = this.#fault("pwrite");
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    if (this.#isFull(file.node)) return -ENOSPC;
    const text = latin(bytes);
    const old = file.node.content.padEnd(offset, "\0");
    file.node.content = old.slice(0, offset) + text + old.slice(offset + text.length);
    return bytes.length;
  }
  override replace(temporary: string, path: string, bytes: Uint8Array, mode: number): number {
    return this.replaceText(temporary, path, String.fromCharCode(...bytes), mode);
  }
  override replaceText(temporary: string, path: string, text: string, mode: number): number {
    const fault = this.#fault(`replace ${path}`);
    if (fault !== 0) return -(((this.calls % 3) + 1) * 1000 + fault);
    const from = this.#resolve(temporary, true);
    const to = this.#resolve(path, false);
    if (typeof from === "number" || typeof to === "number") return -(1000 + ENOENT);
    if (!this.#root.has(from.slice(0, from.lastIndexOf("/")) || "/")) return -(1000 + ENOENT);
    if (this.isDiskFull && text !== "") return -(2000 + ENOSPC);
    const node = this.#make("file", mode);
    node.content = text;
    if (this.#root.get(to)?.kind === "directory") return -(3000 + EISDIR);
    this.#root.set(to, node);
    return 0;
  }
  override stat(path: string, follow: boolean): FileStat {
    const fault = this.#fault(`stat ${path}`);
    const node = fault !== 0 ? -fault : this.#find(path, follow);
    return this.#describe(node);
  }
  #describe(node: Node | number): FileStat {
    if (typeof node === "number") return { errno: -node, kind: "other", mode: 0, bytes: 0, inode: 0, uid: 0, links: 0 };
    const kind = node.kind === "socket" ? "other" : node.kind;
    return { errno: 0, kind, mode: node.mode, bytes: node.content.length, inode: node.inode, uid: node.uid, links: 1 };
  }
  override statFd(fd: number): FileStat {
    return this.#describe(this.#fds.get(fd)?.node ?? -EBADF);
  }
  override chmod(path: string, mode: number): number {
    const fault = this.#fault(`chmod ${path}`);
    if (fault !== 0) return -fault;
    const node = this.#find(path, true);
    if (typeof node === "number") return node;
    node.mode = mode;
    return 0;
  }
  override chmodFd(fd: number, mode: number): number {
    return this.#change("fchmod", fd, (node) => {
      node.mode = mode;
    });
  }
  override setOwner(path: string, uid: number, _gid: number): number {
    const fault = this.#fault(`chown ${path}`);
    if (fault !== 0) return -fault;
    const node = this.#find(path, false);
    if (typeof node === "number") return node;
    if (uid >= 0) node.uid = uid;
    return 0;
  }
  override truncate(fd: number, bytes: number): number {
    return this.#change("ftruncate", fd, (node) => {
      node.content = node.content.slice(0, bytes);
    });
  }
  override sync(fd: number): number {
    return this.#change("fsync", fd, () => {});
  }
  #change(call: string, fd: number, act: (node: Node) => void): number {
    const fault = this.#fault(call);
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    act(file.node);
    return 0;
  }
  #identify(node: Node | number): FileIdentity {
    if (typeof node === "number") {
      return { errno: -node, kind: "other", identity: "", inode: "", version: "", changedSeconds: 0 };
    }
    return {
      errno: 0,
      kind: node.kind === "socket" ? "other" : node.kind,
      identity: `m/${node.inode}`,
      inode: `0:${node.inode}`,
      version: `${node.inode}/${node.version}`,
      changedSeconds: 0,
    };
  }
  override identify(path: string, follow: boolean): FileIdentity {
    const fault = this.#fault(`stat ${path}`);
    return this.#identify(fault !== 0 ? -fault : this.#find(path, follow));
  }
  override identifyFd(fd: number): FileIdentity {
    return this.#identify(this.#fds.get(fd)?.node ?? -EBADF);
  }
  override fileSystem(): number {
    return 0;
  }
  override mkdir(path: string, mode: number): number {
    return this.#add("mkdir", path, "directory", mode);
  }
  override mkfifo(path: string, mode: number): number {
    return this.#add("mkfifo", path, "fifo", mode);
  }
  #add(call: string, path: string, kind: "directory" | "fifo" | "link", mode: number): number {
    const fault = this.#fault(`${call} ${path}`);
    if (fault !== 0) return -fault;
    const resolved = this.#resolve(path, false);
    if (typeof resolved === "number") return resolved;
    if (this.#root.has(resolved)) return -EEXIST;
    if (!this.#root.has(resolved.slice(0, resolved.lastIndexOf("/")) || "/")) return -ENOENT;
    if (this.isDiskFull) return -ENOSPC;
    this.#root.set(resolved, this.#make(kind, mode));
    return 0;
  }
  override currentDirectory(): Text {
    const fault = this.#fault("getcwd");
    return fault !== 0 ? { errno: fault, text: "" } : { errno: 0, text: this.#cwd === "" ? "/" : this.#cwd };
  }
  override readlink(path: string): Text {
    const node = this.#find(path, false);
    if (typeof node === "number") return { errno: -node, text: "" };
    return node.kind === "link" ? { errno: 0, text: node.target } : { errno: EINVAL, text: "" };
  }
  override symlink(target: string, path: string): number {
    const made = this.#add("symlink", path, "link", 0o777);
    const resolved = this.#resolve(path, false);
    if (made === 0 && typeof resolved === "string") this.link(resolved, target);
    return made;
  }
  override rename(from: string, to: string): number {
    const fault = this.#fault(`rename ${from}`);
    if (fault !== 0) return -fault;
    const source = this.#resolve(from, false);
    const target = this.#resolve(to, false);
    if (typeof source === "number") return source;
    if (typeof target === "number") return target;
    const node = this.#root.get(source);
    if (node === undefined) return -ENOENT;
    if (node.kind !== "directory" && this.#root.get(target)?.kind === "directory") return -EISDIR;
    for (const [path, moved] of [...this.#root]) {
      if (path !== source && !path.startsWith(`${source}/`)) continue;
      this.#root.delete(path);
      this.#root.set(target + path.slice(source.length), moved);
    }
    return 0;
  }
  override exchange(one: string, other: string): number {
    const fault = this.#fault(`exchange ${one} ${other}`);
    if (fault !== 0) return -fault;
    const paths = [this.#resolve(one, false), this.#resolve(other, false)];
    const kept: Map<string, Node>[] = [];
    for (const path of paths) {
      if (typeof path === "number") return path;
      const nodes = [...this.#root].filter(([name]) => name === path || name.startsWith(`${path}/`));
      if (nodes.length === 0) return -ENOENT;
      kept.push(new Map(nodes.map(([name, node]) => [name.slice(path.length), node])));
    }
    for (const path of paths) this.remove(`${path}`);
    for (const [name, node] of kept[1] ?? []) this.#root.set(`${paths[0]}${name}`, node);
    for (const [name, node] of kept[0] ?? []) this.#root.set(`${paths[1]}${name}`, node);
    return 0;
  }
  override rmdir(path: string): number {
    return this.unlink(path);
  }
  override unlink(path: string): number {
    const fault = this.#fault(`unlink ${path}`);
    if (fault !== 0) return -fault;
    const resolved = this.#resolve(path, false);
    if (typeof resolved === "number") return resolved;
    return this.#root.delete(resolved) ? 0 : -ENOENT;
  }
  override chdir(path: string): number {
    const fault = this.#fault(`chdir ${path}`);
    if (fault !== 0) return -fault;
    const resolved = this.#resolve(path, true);
    if (typeof resolved === "number") return resolved;
    const node = this.#root.get(resolved);
    if (node === undefined) return -ENOENT;
    if (node.kind !== "directory") return -ENOTDIR;
    this.#cwd = resolved === "/" ? "" : resolved;
    return 0;
  }
  override fchdir(fd: number): number {
    const node = this.#fds.get(fd)?.node;
    for (const [path, found] of this.#root) {
      if (found !== node) continue;
      this.#cwd = path === "/" ? "" : path;
      return 0;
    }
    return -EBADF;
  }
  override list(path: string, into: string[]): number {
    const fault = this.#fault(`list ${path}`);
    if (fault !== 0) return -fault;
    const resolved = this.#resolve(path, true);
    if (typeof resolved === "number") return resolved;
    if (this.#root.get(resolved)?.kind !== "directory") return -ENOTDIR;
    const base = resolved === "/" ? "/" : `${resolved}/`;
    for (const name of this.#root.keys()) {
      if (name !== "/" && name.startsWith(base) && !name.slice(base.length).includes("/"))
        into.push(name.slice(base.length));
    }
    return 0;
  }
  override pipe(): Pipe {
    const fault = this.#fault("pipe");
    if (fault !== 0) return { errno: fault, read: -1, write: -1 };
    const node = this.#make("fifo", 0o600);
    const read = this.#install(new OpenFile(node, true, false));
    if (read < 0) return { errno: -read, read: -1, write: -1 };
    const write = this.#install(new OpenFile(node, false, true));
    if (write >= 0) return { errno: 0, read, write };
    this.close(read);
    return { errno: -write, read: -1, write: -1 };
  }
  override tee(from: number, to: number, maxBytes: number): number {
    const fault = this.#fault("tee");
    if (fault !== 0) return -fault;
    const source = this.#fds.get(from)?.node;
    const target = this.#fds.get(to)?.node;
    if (source?.kind !== "fifo" || target?.kind !== "fifo") return -EINVAL;
    if (source.content === "") return source.writers > 0 ? -EAGAIN : 0;
    const text = source.content.slice(0, maxBytes);
    target.content += text;
    return text.length;
  }
  override take(fd: number, window: Uint8Array, from: number, to: number): number {
    const mark = this.#mark;
    const taken = this.read(fd, window.subarray(from, to));
    if (taken > 0 && mark !== undefined && mark.node.content.length > mark.offset) {
      const old = mark.node.content;
      mark.node.content =
        old.slice(0, mark.offset) + latin(window.subarray(from, from + 1)) + old.slice(mark.offset + 1);
    }
    return taken;
  }
  override markTaking(fd: number, offset: number): number {
    this.#mark = undefined;
    const fault = fd < 0 ? 0 : this.#fault("mark");
    if (fault !== 0) return -fault;
    const node = this.#fds.get(fd)?.node;
    this.#mark = node === undefined ? undefined : { node, offset };
    return 0;
  }
  override pipeCapacity(fd: number, bytes: number): number {
    const node = this.#fds.get(fd)?.node;
    if (node?.kind !== "fifo") return -EBADF;
    if (bytes > 0) node.capacity = bytes;
    return node.capacity;
  }
  override raiseFd(fd: number, lowest: number): number {
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    this.#fds.delete(fd);
    let to = lowest;
    while (this.#fds.has(to)) to++;
    this.#fds.set(to, file);
    return to;
  }
  override moveFd(from: number, to: number): number {
    const file = this.#fds.get(from);
    if (file === undefined) return -EBADF;
    this.#fds.delete(from);
    this.#fds.set(to, file);
    return to;
  }
  override setNonblocking(): number {
    return 0;
  }
  override lock(fd: number): number {
    const fault = this.#fault("flock");
    if (fault !== 0) return -fault;
    const file = this.#fds.get(fd);
    if (file === undefined) return -EBADF;
    if (file.node.lockedBy !== undefined && file.node.lockedBy !== file) return -EAGAIN;
    file.node.lockedBy = file;
    return 0;
  }
  override awaitLock(fd: number): number {
    const locked = this.lock(fd);
    if (locked === -EAGAIN) throw new Error("it would wait for ever");
    return locked;
  }
  override awaitRecordLock(fd: number): number {
    const fault = this.#fault("fcntl");
    return fault !== 0 ? -fault : this.#fds.has(fd) ? 0 : -EBADF;
  }
  override passOn(fd: number): number {
    if (!this.#fds.has(fd)) return -EBADF;
    this.passedOn.push(fd);
    return 0;
  }
  /** Another program takes the lock of a file; answers how to give it back. */
  lockElsewhere(path: string): () => void {
    const node = this.#find(path, true);
    if (typeof node === "number") throw new Error(`no ${path}`);
    const file = new OpenFile(node, true, false);
    node.lockedBy = file;
    return () => file.release();
  }
  override isTerminal(): boolean {
    return this.hasTerminal;
  }

  // ── this process, before it becomes another program ──

  #changeSelf(what: string): number {
    const fault = this.#fault(what);
    if (fault === 0) this.changes.push(what);
    return -fault;
  }
  override get lastSpawned(): number {
    return this.#nextPid - 1 === 999 ? 0 : this.#nextPid - 1;
  }
  override watchEnd(): void {}
  override get watchedEnd(): number {
    return -1;
  }
  override killGroup(pid: number, signal: number): number {
    const process = this.processes.get(pid);
    this.note(`kill ${signal} group ${process?.name ?? pid}`);
    if (process?.isLiving === true) this.#deliver(process, signal);
    return 0;
  }
  override killAll(signal: number): number {
    const living = this.living();
    if (signal !== 0) this.note(`kill ${signal} all`);
    if (signal !== 0) for (const process of living) this.#deliver(process, signal);
    return living.length > 0 ? 0 : -ESRCH;
  }
  override reboot(command: RebootCommand): number {
    this.note(command);
    return this.mayReboot ? 0 : -EPERM;
  }
  override syncAll(): void {
    this.note("sync");
  }

  override newSession(): number {
    return this.#changeSelf("setsid");
  }
  override chroot(path: string): number {
    return this.#changeSelf(`chroot ${path}`);
  }
  override nice(increment: number): number {
    return this.#changeSelf(`nice ${increment}`);
  }
  override limit(resource: number): Limit {
    const errno = this.#fault(`getrlimit ${resource}`);
    const unlimited: Word = { high: 0xffffffff, low: 0xffffffff };
    return { errno, soft: unlimited, hard: this.hardLimits.get(resource) ?? unlimited };
  }
  override setLimit(resource: number, soft: Word, hard: Word): number {
    return this.#changeSelf(`setrlimit ${resource} ${describeWord(soft)} ${describeWord(hard)}`);
  }
  override reserveMemory(): void {}
  // Name services know what is in /services/passwd and /services/group.
  override account(name: string): Account {
    const errno = this.#fault(`account ${name}`);
    const entry = errno === 0 ? this.#serviceLines("passwd").find((fields) => fields[0] === name) : undefined;
    return { errno, found: entry !== undefined, uid: Number(entry?.[2] ?? 0), gid: Number(entry?.[3] ?? 0) };
  }
  override group(name: string): number {
    const fault = this.#fault(`group ${name}`);
    if (fault !== 0) return -fault;
    const entry = this.#serviceLines("group").find((fields) => fields[0] === name);
    return entry === undefined ? -ENOENT : Number(entry[2]);
  }
  override memberships(name: string, gid: number): readonly number[] {
    const groups = this.#serviceLines("group").filter((fields) => fields[3]?.split(",").includes(name));
    return [gid, ...groups.map((fields) => Number(fields[2]))];
  }
  #serviceLines(file: string): string[][] {
    return (this.content(`/services/${file}`) ?? "").split("\n").map((line) => line.split(":"));
  }
  override setGroups(gids: readonly number[]): number {
    return this.#changeSelf(`setgroups ${gids.join(" ")}`);
  }
  override setGid(gid: number): number {
    return this.#changeSelf(`setgid ${gid}`);
  }
  override setUid(uid: number): number {
    return this.#changeSelf(`setuid ${uid}`);
  }
  override dropBounding(capability: number): number {
    return this.#changeSelf(`bounding ${capability}`);
  }
  override dropCapabilities(capabilities: readonly number[]): number {
    return this.#changeSelf(`capabilities ${capabilities.join(" ")}`);
  }
  override setNoNewPrivileges(): number {
    return this.#changeSelf("no new privileges");
  }
  override execute(path: string, argument: number): number {
    const fault = this.#fault(`execve ${path}`);
    if (fault !== 0) return -fault;
    const node = this.#find(path, true);
    if (typeof node === "number") return node;
    if (node.kind !== "file" || (node.mode & 0o111) === 0) return -EACCES;
    throw new Became(path, this.arguments.slice(argument), [...this.entries]);
  }

  // ── buffers ──

  override find(bytes: Uint8Array, from: number, to: number, value: number): number {
    const at = bytes.subarray(from, to).indexOf(value);
    return at < 0 ? -1 : from + at;
  }
  override findText(bytes: Uint8Array, from: number, to: number, text: string): number {
    return text === "" ? -1 : latin(bytes.subarray(0, to)).indexOf(text, from);
  }
  override findLast(bytes: Uint8Array, from: number, to: number, value: number): number {
    const at = bytes.subarray(from, to).lastIndexOf(value);
    return at < 0 ? -1 : from + at;
  }
  override copyLines(source: Uint8Array, job: LineCopy): void {
    while (job.from < job.to) {
      const newline = this.find(source, job.from, job.to, 10);
      const end = newline < 0 ? job.to : newline + 1;
      if (job.out.length - job.outLength < job.headLength + end - job.from) return;
      job.out.set(job.head.subarray(0, job.headLength), job.outLength);
      job.out.set(source.subarray(job.from, end), job.outLength + job.headLength);
      job.outLength += job.headLength + end - job.from;
      job.from = end;
    }
  }
  override sendDatagram(address: number, port: number, bytes: Uint8Array, from: number, to: number): number {
    if (this.datagramResult !== 0) return this.datagramResult;
    this.datagrams.push(`${address}:${port} ${latin(bytes.subarray(from, to))}`);
    return to - from;
  }

  // ── clocks ──

  override zoneSeconds(): number {
    return this.zone;
  }
  override now(): Timestamp {
    const wall = this.wallSeconds * 1000 + this.milliseconds;
    return { seconds: Math.floor(wall / 1000), nanoseconds: (wall % 1000) * 1e6 };
  }
  override monotonic(): number {
    return this.milliseconds;
  }
  override bootClock(): number {
    return this.milliseconds;
  }
  override get utmpRecordBytes(): number {
    return 384;
  }
  override get ticksPerSecond(): number {
    return 100;
  }

  // ── processes ──

  override get pid(): number {
    return this.ownPid;
  }
  override kill(pid: number, signal: number): number {
    const fault = this.#fault(`kill ${signal}`);
    if (fault !== 0) return -fault;
    const process = this.processes.get(pid);
    if (process === undefined) return -ESRCH;
    if (!process.isLiving) return this.ended.some((one) => one.pid === pid) ? 0 : -ESRCH;
    this.note(`${process.name} hears ${signal}`);
    this.#deliver(process, signal);
    return 0;
  }
  #deliver(process: Process, signal: number): void {
    if (signal === 18) process.isStopped = false;
    if (signal === 19) process.isStopped = true;
    if (signal === 18 || signal === 19) return;
    if (signal === 9) process.end(9);
    else if (process.isStopped) {
      const wait = (): void => {
        if (!process.isLiving) return;
        if (process.isStopped) this.after(100, wait);
        else this.#deliver(process, signal);
      };
      this.after(100, wait);
    } else if (process.program.hears?.(process, signal) !== true) process.end(signal);
  }
  override setUmask(): number {
    return 0o22;
  }
  override get uid(): number {
    return this.ownUid;
  }
  override becomeSubreaper(): number {
    return this.#changeSelf("subreaper");
  }
  override freshenChildren(): void {}
  override keepAbove(): void {}
  override raiseFdLimit(): void {}
  override pidfd(): number {
    return -ENOSYS;
  }
  override pidfdKill(): number {
    return -ENOSYS;
  }
  override pidfdStatus(): number {
    return -ENOSYS;
  }
  override reap(): EndedChild {
    const first = this.ended.shift();
    if (first === undefined) return { pid: 0, waitStatus: 0 };
    return first;
  }
  override spawn(plan: SpawnPlan): Spawned {
    const fault = this.#fault(`spawn ${plan.program}`);
    if (fault !== 0) return { pid: -fault, errno: 0, failedStep: "exec" };
    if (this.living().length >= this.maxProcesses) return { pid: -EAGAIN, errno: 0, failedStep: "exec" };
    const pid = this.#nextPid++;
    const files = new Map<number, OpenFile>();
    const moves = [plan.stdin, plan.stdout, plan.stderr, -1, plan.state, plan.newState];
    for (const [to, from] of moves.entries()) {
      const file = this.#fds.get(from);
      if (file === undefined) continue;
      file.holders++;
      files.set(to, file);
    }
    const directory = plan.directory === "" ? "." : plan.directory;
    const from = plan.program.startsWith("/") ? "" : `${directory}/`;
    const path = plan.searchPath ? `/bin/${plan.program}` : this.#resolve(`${from}${plan.program}`, true);
    const program = typeof path === "number" ? undefined : this.#programs.get(path);
    const process = new Process(this, pid, plan, program ?? {}, files);
    this.processes.set(pid, process);
    this.note(`${process.name} starts`);
    if (program === undefined || typeof path === "number" || !this.#root.has(path)) {
      process.exit(plan.exitCode);
      return { pid, errno: ENOENT, failedStep: "exec" };
    }
    program.begins?.(process);
    return { pid, errno: 0, failedStep: "exec" };
  }

  // ── local sockets ──

  override listen(path: string): number {
    const fault = this.hasSockets ? this.#fault(`listen ${path}`) : EACCES;
    if (fault !== 0) return -fault;
    const resolved = path.startsWith("@") ? path : this.#resolve(path, false);
    if (typeof resolved === "number") return resolved;
    if (this.#root.has(resolved)) return -98;
    const node = this.#make("socket", 0o777);
    this.#root.set(resolved, node);
    return this.#install(new OpenFile(node, true, false));
  }
  /** Another program calls. */
  call(path: string, question: string, uid = 0): Caller {
    const node = this.#root.get(path);
    if (node === undefined) throw new Error(`no ${path}`);
    const caller = new Caller(question, uid);
    node.callers.push(caller);
    return caller;
  }
  /** Another program listens, and answers whatever it is asked. */
  listener(path: string, uid: number, answer: string): void {
    this.#listeners.set(path, { uid, answer });
  }
  override connect(path: string): number {
    const listener = this.#listeners.get(path);
    if (listener === undefined) return -ENOENT;
    const node = this.#make("fifo", 0o600);
    const file = new OpenFile(node, true, false);
    file.caller = new Caller("", listener.uid);
    node.content = listener.answer;
    return this.#install(file);
  }
  override accept(fd: number): number {
    const caller = this.#fds.get(fd)?.node.callers.shift();
    if (caller === undefined) return -EAGAIN;
    const node = this.#make("fifo", 0o600);
    node.content = caller.question;
    const file = new OpenFile(node, true, true);
    file.caller = caller;
    return this.#install(file);
  }
  override peerUid(fd: number): number {
    return this.#fds.get(fd)?.caller?.uid ?? -EBADF;
  }

  // ── waiting ──

  override watchSignals(): void {}
  override takeSignals(): number {
    const signals = this.#signals;
    this.#signals = 0;
    return signals;
  }
  override poll(fds: readonly Polled[], milliseconds: number): number {
    if (++this.polls > this.maxPolls) throw new Error("waits again and again");
    const end = milliseconds < 0 ? Number.POSITIVE_INFINITY : this.milliseconds + milliseconds;
    for (;;) {
      this.#ready = fds.map(({ fd, awaits }) => {
        const file = this.#fds.get(fd);
        if (file === undefined) return awaits === "room" ? this.outputRoom > 0 : true;
        const node = file.node;
        if (awaits === "room") return this.outputRoom > 0;
        if (node.kind === "socket") return node.callers.length > 0;
        if (node.kind !== "fifo") return awaits === "data";
        const others = file.reads ? node.writers : node.readers;
        return others === 0 || (awaits === "data" && node.content !== "");
      });
      const ready = this.#ready.filter((isReady) => isReady).length;
      if (ready > 0) return ready;
      if (this.#signals !== 0) return -4;
      const next = this.#agenda[0];
      if (next === undefined && end === Number.POSITIVE_INFINITY) throw new Idle("nothing will happen");
      if (next === undefined || next.at > end) {
        this.milliseconds = end;
        return 0;
      }
      this.milliseconds = Math.max(this.milliseconds, next.at);
      this.#agenda.shift();
      next.act();
    }
  }
  override isReady(index: number): boolean {
    return this.#ready[index] ?? false;
  }
  override inotifyOpen(): number {
    return -ENOSYS;
  }
  override inotifyAdd(): number {
    return -ENOSYS;
  }
  override inotifyRemove(): number {
    return -ENOSYS;
  }
  override setTitle(argument: number, text: string): void {
    this.arguments = this.arguments.map((old, index) => (index === argument ? text : old));
  }
  override guard(): void {}
  override guardState(): void {}
  override endGuard(): void {}
  override keep(text: string): void {
    this.keptText = text;
  }
  override keepFd(): void {}
  override kept(): string | undefined {
    return undefined;
  }
}

/** Bytes as a byte string. */
export function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
function copyText(text: string, into: Uint8Array): number {
  into.set(Buffer.from(text, "latin1"));
  return text.length;
}

// ── programs ──

/** Lives until a signal ends it. */
export const sleeper: Program = {};
/** Ignores TERM. */
export const stubborn: Program = { hears: (_process, signal) => signal === 15 };
/** Ends so many milliseconds after its start. */
export function endsAfter(milliseconds: number, code: number): Program {
  return { begins: (process) => process.machine.after(milliseconds, () => process.exit(code)) };
}
/** A log service: reads until the end of its input, into `lines`. */
export function reader(lines: string[]): Program {
  return {
    begins: (process) => {
      const read = (): void => {
        if (!process.isLiving) return;
        const text = process.readAll();
        if (text !== "") lines.push(text);
        const input = process.files.get(0);
        if (input !== undefined && input.node.writers === 0 && input.node.content === "") process.exit(0);
        else process.machine.after(50, read);
      };
      process.machine.after(50, read);
    },
  };
}
