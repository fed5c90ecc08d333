// The runsv processes of one scan directory, one for each service: started, taken over from a runsvdir that was killed,
// told to end. runsvdir(8), and the tree of a user's services.

import type { Entry, Known } from "../core/supervise/scan.ts";
import { planScan } from "../core/supervise/scan.ts";
import { decodeFields, encodeFields } from "../core/text/fields.ts";
import { describeFatal, describeWarning } from "../core/text/messages.ts";
import { findChildren, findSupervisor } from "../directories/child-record.ts";
import { ownChild } from "../directories/own-program.ts";
import { ScanDirectory } from "../directories/scan.ts";
import { makeStateRoot } from "../directories/state-root.ts";
import { StateRootWatch } from "../directories/state-root-watch.ts";
import { SystemError } from "../system/errors.ts";
import type { Happening } from "../system/happenings.ts";
import type { Polled, SpawnPlan, System } from "../system/system.ts";
import { plainChild } from "../system/system.ts";

const pollMilliseconds = 5000;
const retryMilliseconds = 1000;
/** How often a state root is looked for of whose end there may be no word. */
const rootMilliseconds = 4000;
/** What was taken out of a state root is made again after this time. */
const goneMilliseconds = 250;
/** One that does not end is told to again after this time. */
const leaveMilliseconds = 3000;
/** One that is younger may not hear signals yet; how long it is waited for at the end, and how often it is looked. */
const youngMilliseconds = 1000;
const lookMilliseconds = 2;
const childExitCode = 100;
const hangupSignal = 1;
const termSignal = 15;
const noSuchProcess = 3;

/** How they are run; what runsvdir does is the default. */
export class RunsvPlan {
  /** Beginning of every message. */
  readonly program: string;
  /** The scan directory. */
  readonly directory: string;
  inOwnSessions = false;
  /** Where state is kept that is kept apart; "": nowhere in particular. */
  root = "";
  /** Options of runsv. */
  options: readonly string[] = [];
  /** As in a SpawnPlan. */
  variables: readonly string[] = [];
  /** Those that are not wanted any more are looked after until they have ended. */
  endsAll = false;
  /** They are this very program, not what PATH says. */
  areOwn = false;
  /** Whether no service can be called so. */
  isReserved: ((name: string) => boolean) | undefined = undefined;
  /** Called before the directory is read. */
  prepareScan: (() => void) | undefined = undefined;
  /** Called when the root has gone: it answers where it is now. Throws SystemError. */
  findRoot: (() => string) | undefined = undefined;

  constructor(program: string, directory: string) {
    this.program = program;
    this.directory = directory;
  }

  /** Whoever is asked holds us, and would otherwise be held for ever. */
  forget(): void {
    this.isReserved = undefined;
    this.prepareScan = undefined;
    this.findRoot = undefined;
  }
}

export class Runsvs {
  readonly #system: System;
  readonly #plan: RunsvPlan;
  readonly #scanDirectory: ScanDirectory;
  #known: readonly Known[] = [];
  /** Descriptors of those that another one started, by pid. */
  readonly #adopted = new Map<number, number>();
  readonly #rootWatch: StateRootWatch;
  /** Nothing is started any more. */
  #isEnding = false;
  /** What is kept for a restart in place is true. */
  isKept = false;
  /** When to scan next, monotonic clock; negative: when something happens. */
  #scanAt = 0;
  /** When to look whether something has changed without word. */
  #pollAt = -1;
  #rootAt = -1;
  /** Names of what was taken out of the state root, and when that is dealt with. */
  readonly #gone = new Set<string>();
  #goneAt = -1;
  /** Pids of those that were told to end, and when they are told again. */
  readonly #leaving = new Set<number>();
  #leaveAt = -1;
  #rootComplaint = "";
  #reservedComplaint = "";
  #hasScanned = false;

  /** @param origin the open directory to which a relative path relates */
  constructor(system: System, plan: RunsvPlan, origin: number) {
    this.#system = system;
    this.#plan = plan;
    this.#scanDirectory = new ScanDirectory(system, plan.directory, origin, (text, errno) => this.#warn(text, errno));
    this.#rootWatch = new StateRootWatch(system);
    if (plan.root !== "") this.#watchRoot();
  }

  get known(): readonly Known[] {
    return this.#known;
  }
  /** Whether one of them is there, or one that is to end. */
  get isAlive(): boolean {
    return this.#leaving.size > 0 || this.#known.some((one) => one.pid !== 0);
  }
  /** Whether the directory has been read. */
  get hasScanned(): boolean {
    return this.#hasScanned;
  }
  /** The directory is read as soon as possible. */
  scanSoon(): void {
    this.#scanAt = this.#system.monotonic();
  }

  // ── hearing ──

  addPolled(fds: Polled[]): void {
    if (this.#scanDirectory.inotify >= 0) fds.push({ fd: this.#scanDirectory.inotify, awaits: "data" });
    if (this.#plan.root !== "") this.#rootWatch.addPolled(fds);
    for (const fd of this.#adopted.values()) fds.push({ fd, awaits: "data" });
  }

  hear(happening: Happening): void {
    if (happening.kind === "ended") this.#ended(happening.pid);
    if (happening.kind !== "readable") return;
    if (happening.fd === this.#scanDirectory.inotify) {
      if (this.#scanDirectory.hearChanges()) this.scanSoon();
      return;
    }
    const gone = this.#rootWatch.onReadable(happening.fd);
    if (gone !== undefined) {
      // Not at once: whoever removes it all is to succeed.
      for (const name of gone) this.#gone.add(name);
      this.#goneAt = this.#system.monotonic() + goneMilliseconds;
      return;
    }
    for (const [pid, fd] of this.#adopted) {
      if (fd !== happening.fd) continue;
      this.#system.close(fd);
      this.#adopted.delete(pid);
      this.#ended(pid);
      break;
    }
  }

  onTime(now: number): void {
    if (this.#goneAt >= 0 && now >= this.#goneAt) this.#lookForGone(now);
    if (this.#leaveAt >= 0 && now >= this.#leaveAt) this.#tellLeaving(now);
    if (this.#rootAt >= 0 && now >= this.#rootAt) this.#lookForRoot(now);
    if (this.#isEnding) return;
    if (this.#pollAt >= 0 && now >= this.#pollAt) {
      this.#pollAt = now + pollMilliseconds;
      if (this.#scanDirectory.hasChanged()) this.#scanAt = now;
    }
    if (this.#scanAt >= 0 && now >= this.#scanAt) this.scan(now);
  }
  /** When `onTime` is due (monotonic clock, milliseconds); negative: never. */
  get due(): number {
    const rootDue = soonest(soonest(this.#rootAt, this.#goneAt), this.#leaveAt);
    return this.#isEnding ? rootDue : soonest(soonest(this.#scanAt, this.#pollAt), rootDue);
  }

  /** A child has ended; one that is no current runsv (a dropped one, an orphan) is reaped, and that is all. */
  #ended(pid: number): void {
    this.#leaving.delete(pid);
    if (!this.#known.some((one) => one.pid === pid)) return;
    this.#known = this.#known.map((one) => (one.pid === pid ? ended(one) : one));
    this.scanSoon();
    this.isKept = false;
  }

  // ── the scan directory ──

  scan(now: number): void {
    this.#plan.prepareScan?.();
    const keys = new Set<string>();
    for (const one of this.#known) keys.add(one.key);
    const scan = this.#scanDirectory.scan(keys, this.#plan.root !== "");
    this.#pollAt = this.#scanDirectory.needsPolling ? now + pollMilliseconds : -1;
    this.#scanAt = -1;
    if (scan.entries === undefined) {
      this.#scanAt = now + retryMilliseconds;
      return;
    }
    const plan = planScan(this.#known, this.#allowed(scan.entries), now);
    const known: Known[] = [...plan.keep];
    let due = plan.due;
    if (scan.againMilliseconds >= 0) due = soonest(due, now + scan.againMilliseconds);
    for (const { name, key, identity } of plan.start) {
      const pid = this.#start({ name, key, identity });
      known.push({ name, key, identity, pid, startedAt: now });
      if (pid === 0) due = soonest(due, now + retryMilliseconds);
    }
    for (const old of plan.stop) this.#stop(old);
    for (const one of plan.replaced) this.#system.kill(one.pid, hangupSignal);
    this.#known = known;
    this.#hasScanned = true;
    this.#scanAt = due;
    this.isKept = false;
  }

  #allowed(entries: readonly Entry[]): readonly Entry[] {
    const isReserved = this.#plan.isReserved;
    if (isReserved === undefined) return entries;
    const names: string[] = [];
    const allowed: Entry[] = [];
    for (const entry of entries) {
      if (isReserved(entry.name)) names.push(entry.name);
      else allowed.push(entry);
    }
    const complaint = names.join(" ");
    if (complaint !== this.#reservedComplaint && complaint !== "")
      this.#warn(`no service can be called ${complaint}.`, 0);
    this.#reservedComplaint = complaint;
    return allowed;
  }

  /** Pid of its runsv, 0: none could be started. One that an earlier runsvdir left behind is taken over. */
  #start(entry: Entry): number {
    const survivor = this.#adopt(entry.name);
    if (survivor !== 0) return survivor;
    const { options, areOwn, inOwnSessions, directory, variables } = this.#plan;
    const words = entry.name.startsWith("-") && options.length > 0 ? [...options, "--"] : options;
    const argv = ["runsv", ...words, entry.name];
    const child = areOwn ? ownChild(this.#system, "runsv", argv, childExitCode) : searched(argv);
    const spawned = this.#system.spawn({
      ...child,
      newSession: inOwnSessions,
      directory,
      variables,
    });
    if (spawned.pid < 0) {
      this.#warn(`unable to fork for ${entry.name}`, -spawned.pid);
      return 0;
    }
    if (spawned.errno !== 0) {
      this.#system.complain(describeFatal(this.#plan.program, `unable to start runsv ${entry.name}`, spawned.errno));
    }
    return spawned.pid;
  }

  /** Takes over living ones of these names, though nobody may have enabled them. */
  adoptAll(names: readonly string[]): void {
    const known: Known[] = [...this.#known];
    for (const name of names) {
      const pid = this.#adopt(name);
      if (pid !== 0) known.push(orphan(name, pid, this.#system.monotonic()));
    }
    this.#known = known;
  }

  #adopt(name: string): number {
    const pid = this.#adoptBy(`${this.#plan.directory}/${name}/supervise`);
    return pid !== 0 || this.#plan.root === "" ? pid : this.#adoptBy(`${this.#plan.root}/${name}`);
  }
  #adoptBy(state: string): number {
    const supervisor = findSupervisor(this.#system, state);
    const isKnown = this.#adopted.has(supervisor) || this.#leaving.has(supervisor);
    if (supervisor !== 0 && isKnown) return supervisor; // ours, or watched already
    const pidfd = supervisor === 0 ? -1 : this.#system.pidfd(supervisor);
    if (pidfd < 0) return 0;
    this.#adopted.set(supervisor, pidfd);
    return supervisor;
  }

  // ── the end ──

  #stop(old: Known): void {
    if (old.pid === 0) return;
    this.#system.kill(old.pid, termSignal);
    if (this.#plan.endsAll) {
      this.#leaving.add(old.pid);
      this.#leaveAt = this.#system.monotonic() + leaveMilliseconds;
      return;
    }
    const fd = this.#adopted.get(old.pid);
    if (fd === undefined) return;
    this.#system.close(fd);
    this.#adopted.delete(old.pid);
  }

  /**
   * Tells each of them to end. A service whose runsv was killed gets one that ends it; one that has only just been started
   * is told as soon as it can hear.
   */
  stopAll(): void {
    this.#isEnding = true;
    const now = this.#system.monotonic();
    const known: Known[] = [];
    for (const one of this.#known) {
      const { name, key, identity } = one;
      let { pid, startedAt } = one;
      if (pid === 0 && this.#hasChild(name)) {
        pid = this.#start({ name, key, identity });
        startedAt = now;
      }
      if (pid !== 0 && now - startedAt >= youngMilliseconds) this.#system.kill(pid, termSignal);
      known.push({ name, key, identity, pid, startedAt });
    }
    this.#known = known;
    for (const { name, pid, startedAt } of known) {
      if (pid === 0 || now - startedAt >= youngMilliseconds) continue;
      while (this.#system.monotonic() - now < youngMilliseconds && !this.#supervises(pid, name)) {
        this.#system.poll([], lookMilliseconds);
      }
      this.#system.kill(pid, termSignal);
    }
  }

  /** Whether that runsv has taken its place: it hears signals by then. The original's leaves no word of it. */
  #supervises(pid: number, name: string): boolean {
    return this.#statesOf(name).some((state) => findSupervisor(this.#system, state) === pid);
  }
  /** Where the state of a service may be. */
  #statesOf(name: string): readonly string[] {
    const { directory, root } = this.#plan;
    const beside = `${directory}/${name}/supervise`;
    return root === "" ? [beside] : [beside, `${root}/${name}`];
  }

  /** Whether a process of it lives, or of its log service. */
  #hasChild(name: string): boolean {
    const { directory, root } = this.#plan;
    const logs = root === "" ? [] : [`${root}/${name}.log`];
    return (
      findChildren(this.#system, [...this.#statesOf(name), `${directory}/${name}/log/supervise`, ...logs]).length > 0
    );
  }

  // ── the state root ──

  #watchRoot(): void {
    this.#rootWatch.open(this.#plan.root);
    this.#rootAt = this.#rootWatch.needsPolling ? this.#system.monotonic() + rootMilliseconds : -1;
  }

  /** It may have gone: then it is made anew, and each runsv told to look for its state. */
  #lookForRoot(now: number): void {
    this.#rootAt = this.#rootWatch.needsPolling ? now + rootMilliseconds : -1;
    if (this.#rootWatch.isThere) return;
    try {
      if (this.#plan.findRoot !== undefined) this.#plan.root = this.#plan.findRoot();
      makeStateRoot(this.#system, this.#plan.root, this.#plan.root);
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      if (this.#rootComplaint !== error.message) this.#warn(error.message, 0);
      this.#rootComplaint = error.message;
      this.#rootAt = now + retryMilliseconds;
      return;
    }
    this.#rootComplaint = "";
    this.#watchRoot();
    for (const one of this.#known) if (one.pid !== 0) this.#system.kill(one.pid, hangupSignal);
  }

  #lookForGone(now: number): void {
    this.#goneAt = -1;
    if (this.#rootWatch.isThere) for (const name of this.#gone) this.#tellToLook(name);
    else this.#rootAt = now;
    this.#gone.clear();
  }

  #tellToLook(name: string): void {
    const service = name.endsWith(".log") ? name.slice(0, -4) : name;
    for (const one of this.#known) {
      if (one.pid !== 0 && (one.name === name || one.name === service)) this.#system.kill(one.pid, hangupSignal);
    }
  }

  /** Those that were told to end and have been told something else since: told again. */
  #tellLeaving(now: number): void {
    this.#leaveAt = -1;
    for (const pid of this.#leaving) {
      if (this.#known.some((one) => one.pid === pid))
        this.#leaving.delete(pid); // wanted again meanwhile
      else this.#system.kill(pid, termSignal);
    }
    if (this.#leaving.size > 0) this.#leaveAt = now + leaveMilliseconds;
  }

  /** They are left as they are. */
  leave(): void {
    this.#plan.forget();
    this.#rootWatch.close();
  }

  // ── a restart in place ──

  describe(): string {
    const known = this.#known.map((one) =>
      encodeFields([`${one.pid} ${one.startedAt}`, one.name, one.key, one.identity]),
    );
    return encodeFields(known);
  }
  resume(kept: string): void {
    const known: Known[] = [];
    for (const text of decodeFields(kept) ?? []) {
      const fields = decodeFields(text) ?? [];
      if (fields.length !== 4) continue;
      const numbers = String(fields[0] ?? "").split(" ");
      known.push({
        name: String(fields[1] ?? ""),
        key: String(fields[2] ?? ""),
        identity: String(fields[3] ?? ""),
        pid: this.#stillThere(Number(numbers[0] ?? "0")),
        startedAt: Number(numbers[1] ?? "0"),
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

  #warn(text: string, errno: number): void {
    this.#system.complain(describeWarning(this.#plan.program, text, errno));
  }
}

function orphan(name: string, pid: number, startedAt: number): Known {
  return { name, key: name, identity: "", pid, startedAt };
}

function ended({ name, key, identity, startedAt }: Known): Known {
  return { name, key, identity, pid: 0, startedAt };
}

function searched(argv: readonly string[]): SpawnPlan {
  return { ...plainChild("runsv", argv, childExitCode), searchPath: true };
}

function soonest(due: number, time: number): number {
  return due < 0 || (time >= 0 && time < due) ? time : due;
}
