// runsvdir(8): starts and watches one runsv for each service directory of a scan directory.

import { decodeRecord, recordBytes } from "../core/supervise/record.ts";
import type { Entry, Known } from "../core/supervise/scan.ts";
import { planScan } from "../core/supervise/scan.ts";
import { describeFatal, describeWarning } from "../core/text/messages.ts";
import { describeTai64n } from "../core/text/tai64n.ts";
import { isLiving, readBootId } from "../directories/processes.ts";
import { ScanDirectory } from "../directories/scan.ts";
import { TitleLog } from "../directories/title-log.ts";
import type { Happening } from "../system/happenings.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import {
  openCreate,
  openDirectory,
  openNonblocking,
  openRead,
  openTruncate,
  openWrite,
  plainChild,
} from "../system/system.ts";

const pollMilliseconds = 5000;
const retryMilliseconds = 1000;
const childExitCode = 100;
const termSignal = 15;
const noSuchProcess = 3;

interface Invocation {
  readonly inOwnSessions: boolean;
  readonly termIsHangup: boolean;
  readonly directory: string;
  /** Index of the log argument; 0: none. */
  readonly log: number;
}

/** undefined: wrong usage. Words are read in their places: the first that is no option is the directory. */
function parse(args: readonly string[]): Invocation | undefined {
  let inOwnSessions = false;
  let termIsHangup = false;
  let index = 1;
  for (; index < args.length; index++) {
    const word = String(args[index] ?? "");
    if (word.startsWith("-P")) inOwnSessions = true;
    else if (word === "-H") termIsHangup = true;
    else if (!word.startsWith("--")) break;
  }
  const directory = args[index];
  if (directory === undefined) return undefined;
  return { inOwnSessions, termIsHangup, directory, log: index + 1 < args.length ? index + 1 : 0 };
}

export function runsvdir(args: readonly string[], system: System): number {
  const invocation = parse(args);
  if (invocation === undefined) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsvdir")} [-P] dir\n\n`);
    return 1;
  }
  system.watchSignals(["TERM", "HUP", "ALRM", "CHLD"]);
  const kept = system.kept();
  const log = new TitleLog(system, `runsvdir ${invocation.directory}`);
  if (invocation.log > 0) log.open(invocation.log, String(args[invocation.log] ?? ""), keptLog(kept));
  const origin = system.open(".", openRead + openDirectory, 0);
  if (origin < 0) {
    system.writeText(2, describeFatal(`runsvdir ${invocation.directory}`, "unable to open current directory", -origin));
    return childExitCode;
  }
  const tree = new Tree(system, invocation, origin, log);
  if (kept !== undefined) tree.resume(kept);
  system.guard();
  return tree.watch();
}

/** Descriptor of the log before a restart in place; negative: none. */
function keptLog(kept: string | undefined): number {
  if (kept === undefined) return -1;
  const end = kept.indexOf("\0");
  return end > 0 ? Number(kept.slice(0, end)) : -1;
}

/** The runsv processes of one scan directory. */
class Tree {
  readonly #system: System;
  readonly #invocation: Invocation;
  readonly #program: string;
  readonly #scanDirectory: ScanDirectory;
  readonly #log: TitleLog;
  #known: readonly Known[] = [];
  /** Descriptors of those that another runsvdir started, by pid. */
  readonly #adopted = new Map<number, number>();
  #bootId = "";
  /** What is kept for a restart in place is true. */
  #isKept = false;
  /** When to scan next, monotonic clock; negative: when something happens. */
  #scanAt = 0;
  /** When to look whether something has changed without word. */
  #pollAt = -1;

  constructor(system: System, invocation: Invocation, origin: number, log: TitleLog) {
    this.#system = system;
    this.#invocation = invocation;
    this.#program = `runsvdir ${invocation.directory}`;
    this.#log = log;
    this.#scanDirectory = new ScanDirectory(system, invocation.directory, origin, (text, errno) =>
      this.#say(describeWarning(this.#program, text, errno)),
    );
  }

  /** Until told to end; answers the exit code. */
  watch(): number {
    let milliseconds = 0;
    for (;;) {
      const happenings = awaitHappenings(this.#system, { fds: this.#polled(), milliseconds });
      let isTerm = false;
      let isHangup = false;
      for (const happening of happenings) {
        if (happening.kind === "signal") {
          if (happening.signal === "TERM") isTerm = true;
          if (happening.signal === "HUP") isHangup = true;
          if (happening.signal === "ALRM") this.#rescan();
        } else this.#hear(happening);
      }
      const isFirst = this.#system.pid === 1;
      if (isHangup || (isTerm && (this.#invocation.termIsHangup || isFirst))) {
        this.#stopAll();
        if (isFirst) this.#awaitAll();
        return isTerm && !isHangup && !this.#invocation.termIsHangup ? 0 : 111;
      }
      if (isTerm) return 0;

      const now = this.#system.monotonic();
      if (this.#pollAt >= 0 && now >= this.#pollAt) {
        this.#pollAt = now + pollMilliseconds;
        if (this.#scanDirectory.hasChanged()) this.#scanAt = now;
      }
      if (this.#scanAt >= 0 && now >= this.#scanAt) this.#scan(now);
      this.#log.onTime(now);
      this.#keep();
      milliseconds = this.#until(this.#system.monotonic());
    }
  }

  #until(now: number): number {
    let due = this.#scanAt;
    for (const time of [this.#pollAt, this.#log.due]) if (time >= 0 && (due < 0 || time < due)) due = time;
    return due < 0 ? -1 : Math.max(0, due - now);
  }

  #polled(): readonly Polled[] {
    const fds: Polled[] = [];
    if (this.#scanDirectory.inotify >= 0) fds.push({ fd: this.#scanDirectory.inotify, awaits: "data" });
    if (this.#log.fd >= 0) fds.push({ fd: this.#log.fd, awaits: "data" });
    for (const fd of this.#adopted.values()) fds.push({ fd, awaits: "data" });
    return fds;
  }

  #hear(happening: Happening): void {
    if (happening.kind === "ended") this.#ended(happening.pid);
    if (happening.kind !== "readable") return;
    if (happening.fd === this.#scanDirectory.inotify) {
      if (this.#scanDirectory.hearChanges()) this.#scanAt = this.#system.monotonic();
    } else if (happening.fd === this.#log.fd) this.#log.read();
    else {
      for (const [pid, fd] of this.#adopted) {
        if (fd !== happening.fd) continue;
        this.#system.close(fd);
        this.#adopted.delete(pid);
        this.#ended(pid);
        break;
      }
    }
  }

  /** A child has ended; one that is no current runsv (a dropped one, an orphan) is reaped, and that is all. */
  #ended(pid: number): void {
    if (!this.#known.some((one) => one.pid === pid)) return;
    this.#known = this.#known.map((one) => (one.pid === pid ? withPid(one, 0) : one));
    this.#scanAt = this.#system.monotonic();
    this.#isKept = false;
  }

  #scan(now: number): void {
    const identities = new Set<string>();
    for (const one of this.#known) identities.add(one.identity);
    const scan = this.#scanDirectory.scan(identities);
    this.#pollAt = this.#scanDirectory.needsPolling ? now + pollMilliseconds : -1;
    this.#scanAt = -1;
    if (scan.entries === undefined) {
      this.#scanAt = now + retryMilliseconds;
      return;
    }
    const plan = planScan(this.#known, scan.entries, now);
    const known: Known[] = [...plan.keep];
    let due = plan.due;
    if (scan.againMilliseconds >= 0) due = soonest(due, now + scan.againMilliseconds);
    for (const entry of plan.start) {
      const pid = this.#start(entry);
      known.push({ name: entry.name, identity: entry.identity, pid, startedAt: now });
      if (pid === 0) due = soonest(due, now + retryMilliseconds);
    }
    for (const old of plan.stop) this.#stop(old);
    this.#known = known;
    this.#scanAt = due;
    this.#isKept = false;
  }

  /** Pid of its runsv, 0: none could be started. One that an earlier runsvdir left behind is taken over. */
  #start(entry: Entry): number {
    const survivor = this.#adopt(entry);
    if (survivor !== 0) return survivor;
    const spawned = this.#system.spawn({
      ...plainChild("runsv", ["runsv", entry.name], childExitCode),
      searchPath: true,
      newSession: this.#invocation.inOwnSessions,
      directory: this.#invocation.directory,
    });
    if (spawned.pid < 0) {
      this.#say(describeWarning(this.#program, `unable to fork for ${entry.name}`, -spawned.pid));
      return 0;
    }
    if (spawned.errno !== 0) {
      this.#say(describeFatal(this.#program, `unable to start runsv ${entry.name}`, spawned.errno));
    }
    return spawned.pid;
  }

  #adopt(entry: Entry): number {
    const path = `${this.#invocation.directory}/${entry.name}/supervise/child`;
    const fd = this.#system.open(path, openRead + openNonblocking, 0);
    if (fd < 0) return 0;
    const bytes = new Uint8Array(recordBytes);
    const length = this.#system.read(fd, bytes);
    this.#system.close(fd);
    const record = length === recordBytes ? decodeRecord(bytes) : undefined;
    if (record === undefined) return 0;
    if (this.#bootId === "") this.#bootId = readBootId(this.#system);
    if (record.bootId !== this.#bootId || this.#bootId === "") return 0;
    if (!isLiving(this.#system, record.supervisor, record.supervisorBornBefore)) return 0;
    const pidfd = this.#system.pidfd(record.supervisor);
    if (pidfd < 0) return 0;
    this.#adopted.set(record.supervisor, pidfd);
    return record.supervisor;
  }

  #stop(old: Known): void {
    if (old.pid === 0) return;
    this.#system.kill(old.pid, termSignal);
    const fd = this.#adopted.get(old.pid);
    if (fd === undefined) return;
    this.#system.close(fd);
    this.#adopted.delete(old.pid);
  }

  #stopAll(): void {
    for (const one of this.#known) if (one.pid !== 0) this.#system.kill(one.pid, termSignal);
  }

  /** As process 1: the system would kill them all when we end. */
  #awaitAll(): void {
    while (this.#known.some((one) => one.pid !== 0)) {
      for (const happening of awaitHappenings(this.#system, { fds: this.#polled(), milliseconds: -1 })) {
        if (happening.kind !== "signal") this.#hear(happening);
      }
    }
  }

  /** Debian's runsvdir scans at once on ALRM, and leaves a mark when it has. */
  #rescan(): void {
    this.#scan(this.#system.monotonic());
    const path = `${this.#invocation.directory}/.forced-rescan`;
    const fd = this.#system.open(path, openWrite + openCreate + openTruncate, 0o644);
    if (fd < 0) {
      this.#say(describeWarning(this.#program, `unable to open ${path}`, -fd));
      return;
    }
    this.#system.writeText(fd, describeTai64n(this.#system.now()));
    this.#system.close(fd);
  }

  // ── a restart in place ──

  #keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
    const known = this.#known.map((one) => `${one.pid} ${one.startedAt} ${one.identity} ${one.name}\0`).join("");
    this.#system.keep(`${this.#log.fd}\0${known}`);
  }

  resume(kept: string): void {
    const known: Known[] = [];
    for (const line of kept.split("\0")) {
      const words = line.split(" ");
      if (words.length < 4) continue;
      const identity = String(words[2] ?? "");
      const name = words.slice(3).join(" ");
      known.push({
        name,
        identity,
        pid: this.#stillThere(Number(words[0] ?? "0")),
        startedAt: Number(words[1] ?? "0"),
      });
    }
    this.#known = known;
  }

  /** Watches a process again, our child or not; 0: it has gone. */
  #stillThere(pid: number): number {
    if (pid === 0) return 0;
    const pidfd = this.#system.pidfd(pid);
    if (pidfd === -noSuchProcess) return 0;
    if (pidfd >= 0) this.#adopted.set(pid, pidfd);
    return pid;
  }

  #say(message: string): void {
    this.#system.complain(message);
  }
}

function withPid(known: Known, pid: number): Known {
  return { name: known.name, identity: known.identity, pid, startedAt: known.startedAt };
}

function soonest(due: number, time: number): number {
  return due < 0 || time < due ? time : due;
}
