// What POSIX offers, as one value that is passed around: the real one is in posix.ts, tests play another. Types only.
//
// A result that is negative is -errno (Linux numbers, core/text/errors.ts). Text is byte strings: one character
// (0 to 255) per byte. Positions in buffers are checked: out of range is -EINVAL.

import type { Timestamp } from "../core/supervise/service.ts";
import type { Word } from "../core/text/numbers.ts";

/** Signals that can be awaited. */
export type WatchedSignal =
  | "TERM"
  | "CHLD"
  | "HUP"
  | "ALRM"
  | "INT"
  | "CONT"
  | "USR1"
  | "USR2"
  | "QUIT"
  | "WINCH"
  | "PWR"
  | "RTMIN+3"
  | "TSTP"
  | "TTIN"
  | "TTOU";

/** The bit of each is its place in this list (posix.c has the same list). */
export function watchableSignals(): readonly WatchedSignal[] {
  return [
    "TERM",
    "CHLD",
    "HUP",
    "ALRM",
    "INT",
    "CONT",
    "USR1",
    "USR2",
    "QUIT",
    "WINCH",
    "PWR",
    "RTMIN+3",
    "TSTP",
    "TTIN",
    "TTOU",
  ];
}

export type FileKind = "file" | "directory" | "fifo" | "link" | "other";

export interface FileStat {
  /** 0, or why nothing else here is true. */
  readonly errno: number;
  readonly kind: FileKind;
  /** Permission bits. */
  readonly mode: number;
  readonly bytes: number;
  readonly inode: number;
  readonly uid: number;
  /** How many names it has. */
  readonly links: number;
}

/** Which file it is, and whether it has changed. */
export interface FileIdentity {
  readonly errno: number;
  readonly kind: FileKind;
  /** Device, inode and birth: the same text, the same file. */
  readonly identity: string;
  /** Inode number alone. */
  readonly inode: string;
  /** Changes whenever the file is replaced or written. */
  readonly version: string;
  /** Seconds since 1970, with fraction: the later of modification and change of the inode. */
  readonly changedSeconds: number;
}

export interface Text {
  /** 0, or why there is no text. */
  readonly errno: number;
  readonly text: string;
}

export interface Pipe {
  readonly errno: number;
  readonly read: number;
  readonly write: number;
}

/** An ended child; pid 0: none has ended. */
export interface EndedChild {
  readonly pid: number;
  /** As waitpid(2) gives it. */
  readonly waitStatus: number;
}

/** What a child does between its birth and its program, in this order. */
export interface SpawnPlan {
  /** Path that is executed, or with `searchPath` the name looked up along PATH. */
  readonly program: string;
  readonly argv: readonly string[];
  readonly searchPath: boolean;
  /** Exit code of a child that cannot get as far as its program. */
  readonly exitCode: number;
  readonly newSession: boolean;
  /** Descriptors for 0, 1 and 2; -1: inherited. */
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Descriptors 4 and 5 of a processor; -1: none. */
  readonly state: number;
  readonly newState: number;
  /** Directory to enter (before `program` is looked up); "": none. */
  readonly directory: string;
  /** Descriptor of the record the child writes itself into, and the phase it writes; -1: none. */
  readonly record: number;
  readonly phase: number;
  /** Its argv is that of this process from this argument on; 0: it is `argv`. */
  readonly ownArguments: number;
  /** A process group of its own, that of the terminal if descriptor 0 is one. */
  readonly inForeground: boolean;
  /** What its environment has more than ours ("NAME=value") or less ("NAME"; "" as the first: all of it). */
  readonly variables: readonly string[];
}

/** One for all. */
export const noVariables: readonly string[] = [];

/** A child that is given nothing: fields of it are replaced. */
export function plainChild(program: string, argv: readonly string[], exitCode: number): SpawnPlan {
  return {
    program,
    argv,
    searchPath: false,
    exitCode,
    newSession: false,
    stdin: -1,
    stdout: -1,
    stderr: -1,
    state: -1,
    newState: -1,
    directory: "",
    record: -1,
    phase: 0,
    ownArguments: 0,
    inForeground: false,
    variables: noVariables,
  };
}

export type SpawnStep =
  | "foreground"
  | "session"
  | "stdin"
  | "stdout"
  | "stderr"
  | "state"
  | "newState"
  | "directory"
  | "exec";

export interface Spawned {
  /** Pid, or -errno when there is no child. */
  readonly pid: number;
  /** 0, or why the child did not get as far as its program; it is there all the same, and ends with the exit code. */
  readonly errno: number;
  readonly failedStep: SpawnStep;
}

/**
 * Lines to be copied, each behind the first `headLength` bytes of `head`. System.copyLines goes on with both positions
 * until all of [from, to) is copied or `out` has no room for the next line.
 */
export class LineCopy {
  head: Uint8Array = new Uint8Array(0);
  headLength = 0;
  from = 0;
  to = 0;
  out: Uint8Array = new Uint8Array(0);
  outLength = 0;
}

/** An account of this system; `found` is false where there is none of that name. */
export interface Account {
  /** 0, or why it cannot be told. */
  readonly errno: number;
  readonly found: boolean;
  readonly uid: number;
  readonly gid: number;
}

/** The limits of a resource, as setrlimit(2) has them. */
export interface Limit {
  readonly errno: number;
  readonly soft: Word;
  readonly hard: Word;
}

export type RebootCommand = "keep ctrl-alt-del" | "restart" | "power off" | "halt";

/** A descriptor, and what of it to wait for; its end or an error always counts. */
export interface Polled {
  readonly fd: number;
  readonly awaits: "data" | "end" | "room";
}

export abstract class System {
  /** argv of this process as it was given. */
  abstract get argv(): readonly string[];
  /** Forgets argv[0]: from now on the next one is it. */
  abstract dropArgument(): void;
  /** Path by which this program was executed; "": unknown. */
  abstract get executedPath(): string;
  /** Forgets the arguments from this one on. */
  abstract cutArguments(count: number): void;
  /** Another text for an argument. */
  abstract setArgument(index: number, text: string): void;
  abstract environment(name: string): string | undefined;
  /** Takes the first entry of that name out; the last entry takes its place. */
  abstract unsetEnvironment(name: string): void;
  /** Appends an entry, its value the first `length` bytes; 0 or -errno. */
  abstract addEnvironment(name: string, value: Uint8Array, length: number): number;
  /** Where sv looks for services: a constant of the build. */
  abstract get serviceDirectory(): string;
  /** The flags by which process 1 is told to stop, and to reboot then: constants of the build as well. */
  abstract get stopFlag(): string;
  abstract get rebootFlag(): string;

  abstract open(path: string, flags: number, mode: number): number;
  abstract close(fd: number): number;
  abstract read(fd: number, into: Uint8Array): number;
  abstract readAt(fd: number, into: Uint8Array, offset: number): number;
  abstract write(fd: number, bytes: Uint8Array, from: number, to: number): number;
  abstract writeText(fd: number, text: string): number;
  /** Writes as much as there is room for, and waits for none; -EAGAIN: there is no room. */
  abstract writeNow(fd: number, bytes: Uint8Array, from: number, to: number): number;
  /** Writes to descriptor 2, unless that would wait: no message is worth a supervisor that hangs. */
  abstract complain(text: string): void;
  abstract writeAt(fd: number, bytes: Uint8Array, offset: number): number;
  /**
   * Writes `bytes` to `temporary`, renames it to `path`. 0, or -errno with 1000 × the step added: 1 open, 2 write (errno
   * 0: short; the temporary file is removed), 3 rename.
   */
  abstract replace(temporary: string, path: string, bytes: Uint8Array, mode: number): number;
  abstract replaceText(temporary: string, path: string, text: string, mode: number): number;
  abstract stat(path: string, follow: boolean): FileStat;
  abstract statFd(fd: number): FileStat;
  /** Follows links. */
  abstract chmod(path: string, mode: number): number;
  abstract chmodFd(fd: number, mode: number): number;
  /** Negative: that is left alone. Links are not followed. */
  abstract setOwner(path: string, uid: number, gid: number): number;
  abstract truncate(fd: number, bytes: number): number;
  /** Waits until the file is on the disk. */
  abstract sync(fd: number): number;
  abstract identify(path: string, follow: boolean): FileIdentity;
  abstract identifyFd(fd: number): FileIdentity;
  /** Magic number of the file system, or -errno. */
  abstract fileSystem(path: string): number;
  abstract mkdir(path: string, mode: number): number;
  abstract mkfifo(path: string, mode: number): number;
  abstract readlink(path: string): Text;
  /** Absolute path of the working directory, without links. */
  abstract currentDirectory(): Text;
  abstract symlink(target: string, path: string): number;
  abstract rename(from: string, to: string): number;
  /** The two change places in one step; -errno where the file system cannot. */
  abstract exchange(one: string, other: string): number;
  abstract unlink(path: string): number;
  abstract rmdir(path: string): number;
  abstract chdir(path: string): number;
  abstract fchdir(fd: number): number;
  /** Fills `into` with the names in a directory ("." and ".." included); 0 or -errno. */
  abstract list(path: string, into: string[]): number;
  abstract pipe(): Pipe;
  /** Copies what waits in a pipe into another one without taking it, and without waiting. */
  abstract tee(from: number, to: number, maxBytes: number): number;
  /** Takes bytes out of a pipe that are in [from, to) of `window` already; see markTaking. */
  abstract take(fd: number, window: Uint8Array, from: number, to: number): number;
  /** From now on the first byte taken is stored at this offset of a file as well, in the same call; fd -1: no longer. */
  abstract markTaking(fd: number, offset: number): number;
  /** Capacity of a pipe; with bytes > 0 it is changed first. */
  abstract pipeCapacity(fd: number, bytes: number): number;
  /** Moves a descriptor to the lowest free number that is not below `lowest`. */
  abstract raiseFd(fd: number, lowest: number): number;
  /** Makes `to` the open file of `from`, for children too, and closes `from`. */
  abstract moveFd(from: number, to: number): number;
  abstract setNonblocking(fd: number): number;
  /** Exclusive flock(2) without waiting. */
  abstract lock(fd: number): number;
  /** The same, waiting. */
  abstract awaitLock(fd: number): number;
  /** Waits for the other kind of lock: fcntl(2), of the whole file, as login and its like take it. */
  abstract awaitRecordLock(fd: number): number;
  /** From now on the descriptor goes to other programs as well. */
  abstract passOn(fd: number): number;
  abstract isTerminal(fd: number): boolean;

  /** Where `value` first stands in [from, to); -1: nowhere. */
  abstract find(bytes: Uint8Array, from: number, to: number, value: number): number;
  /** Where the text first begins, all of it in [from, to); -1: nowhere, or it is empty. */
  abstract findText(bytes: Uint8Array, from: number, to: number, text: string): number;
  abstract findLast(bytes: Uint8Array, from: number, to: number, value: number): number;
  abstract copyLines(source: Uint8Array, job: LineCopy): void;
  /** One datagram from a socket of its own; -errno, with 1000 added when there is no socket. */
  abstract sendDatagram(address: number, port: number, bytes: Uint8Array, from: number, to: number): number;

  abstract now(): Timestamp;
  /** Offset of local time from UTC at that moment, seconds. */
  abstract zoneSeconds(seconds: number): number;
  /** Monotonic clock, milliseconds. */
  abstract monotonic(): number;
  /** Clock since boot, sleep included, milliseconds: the clock of start times in /proc. */
  abstract bootClock(): number;
  /** Unit of start times in /proc, per second. */
  abstract get ticksPerSecond(): number;
  /** Of a record of utmp, on this kind of machine. */
  abstract get utmpRecordBytes(): number;

  abstract get pid(): number;
  abstract kill(pid: number, signal: number): number;
  /** The process group that this process leads. */
  abstract killGroup(pid: number, signal: number): number;
  /** Everybody else, as process 1. */
  abstract killAll(signal: number): number;
  /** Of files we make, and of what we may do. */
  abstract get uid(): number;
  /** Permissions that files we and our children make do not get; answers those so far. */
  abstract setUmask(mode: number): number;
  /** Orphans below us become our children, though we are not process 1. */
  abstract becomeSubreaper(): number;
  /** From now on children begin with no signal ignored or blocked. */
  abstract freshenChildren(): void;
  /** What is open above this descriptor does not go to other programs. */
  abstract keepAbove(fd: number): void;
  /** Takes as many descriptors as are allowed; children get the limit that was found. */
  abstract raiseFdLimit(): void;
  abstract pidfd(pid: number): number;
  abstract pidfdKill(fd: number, signal: number): number;
  /** Wait status of an ended process that was no child, by its pidfd; -errno where the system does not tell. */
  abstract pidfdStatus(fd: number): number;
  abstract reap(): EndedChild;
  abstract spawn(plan: SpawnPlan): Spawned;
  /** Pid of the last one, also after a restart in place; 0: none. */
  abstract get lastSpawned(): number;
  /** The end of this child is not lost to a restart in place, though it may have been reaped before. */
  abstract watchEnd(pid: number): void;
  /** Wait status of the child that was watched last; negative: it has not been reaped. */
  abstract get watchedEnd(): number;
  /** Only process 1 may: reboot(2), in a child where that may end the caller. */
  abstract reboot(command: RebootCommand): number;
  /** Waits until all files are on their disks. */
  abstract syncAll(): void;

  // What chpst changes of this process before it becomes another program.

  abstract newSession(): number;
  abstract chroot(path: string): number;
  /** Adds to the nice value. */
  abstract nice(increment: number): number;
  /** Resources by their numbers on Linux. */
  abstract limit(resource: number): Limit;
  abstract setLimit(resource: number, soft: Word, hard: Word): number;
  /** Gets hold of so much memory for what follows, in case the system gives no more then. */
  abstract reserveMemory(bytes: number): void;
  /** What the name services of the C library know, beyond the files: a static binary has none. */
  abstract account(name: string): Account;
  /** Group id; -ENOENT: no such group. */
  abstract group(name: string): number;
  /** Groups of which the user is a member; `gid` may be among them. */
  abstract memberships(name: string, gid: number): readonly number[];
  abstract setGroups(gids: readonly number[]): number;
  abstract setGid(gid: number): number;
  abstract setUid(uid: number): number;
  /** Takes a capability out of the bounding set; one that is not in it needs no right. -EINVAL: the system has none such. */
  abstract dropBounding(capability: number): number;
  /** Takes capabilities out of the process's own sets. */
  abstract dropCapabilities(capabilities: readonly number[]): number;
  abstract setNoNewPrivileges(): number;
  /** Becomes the program at `path`, with the arguments of this one from `argument` on. Answers only -errno. */
  abstract execute(path: string, argument: number): number;

  abstract watchSignals(signals: readonly WatchedSignal[]): void;
  /** Signals that came since the last call, as bits. */
  abstract takeSignals(): number;
  /** Waits for any of `fds`, a watched signal, or the time (negative: for ever); then `isReady` tells which. */
  abstract poll(fds: readonly Polled[], milliseconds: number): number;
  abstract isReady(index: number): boolean;

  /** A local socket that waits for connections; a path that begins with "@" is no file. */
  abstract listen(path: string): number;
  abstract connect(path: string): number;
  /** The next connection; -EAGAIN: none waits. */
  abstract accept(fd: number): number;
  abstract peerUid(fd: number): number;

  abstract inotifyOpen(): number;
  abstract inotifyAdd(fd: number, path: string, mask: number): number;
  abstract inotifyRemove(fd: number, watch: number): number;

  /** Overwrites an argument in the process listing, its length unchanged. */
  abstract setTitle(argument: number, text: string): void;

  /** From now on this program cannot end by accident: it restarts in place with what it last kept. */
  abstract guard(): void;
  /** The same, and however often that happens, it never begins without it. `label`: beginning of what it then says. */
  abstract guardState(label: string): void;
  /** It is to end now: whatever its exit code, that is no accident. */
  abstract endGuard(): void;
  abstract keep(text: string): void;
  /** Whether a restart in place inherits this descriptor; children never do. */
  abstract keepFd(fd: number, on: boolean): void;
  /** What the crashed instance kept; undefined for an ordinary start. */
  abstract kept(): string | undefined;
}

/** Flags of open(2) (Linux). */
export const openRead = 0;
export const openWrite = 1;
export const openReadWrite = 2;
export const openCreate = 0o100;
/** A terminal does not become the controlling one. */
export const openNoTerminal = 0o400;
export const openTruncate = 0o1000;
export const openAppend = 0o2000;
export const openNonblocking = 0o4000;
export const openExclusive = 0o200;
/** A link is an error. */
export const openNoFollow = 0o400000;
export const openDirectory = 0o200000;
