// The tree of a user's services: a runsv for each enabled one, as runsvdir has it, that ends when it is told to, or when
// the logins it was started for are over; its end takes every service with it, in a time that is known. sv-user(8).

import { bootIdName, environmentName, isReserved } from "../core/supervise/names.ts";
import { statusBytes } from "../core/supervise/status.ts";
import { describeError, ESRCH } from "../core/text/errors.ts";
import { decodeFields, encodeFields } from "../core/text/fields.ts";
import { describeWarning } from "../core/text/messages.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { findChild, findSupervisor } from "../directories/child-record.ts";
import type { Question } from "../directories/control-socket.ts";
import { ControlSocket } from "../directories/control-socket.ts";
import { inotifyEvents } from "../directories/inotify.ts";
import { isLiving, readBootId } from "../directories/processes.ts";
import { removeBelow } from "../directories/remove.ts";
import { makeAbove, makeStateRoot, namedStateRoot, nameStateRoot, whyNotOurs } from "../directories/state-root.ts";
import { readStatus, tell } from "../directories/supervised.ts";
import { readStart } from "../directories/text.ts";
import type { Person, UserPlaces } from "../directories/user-places.ts";
import { findRun, runtimeDirectory } from "../directories/user-places.ts";
import { endingWord, isLogOf, leasesName, lockPath, pidName, socketIn } from "../directories/user-session.ts";
import { orFail, SystemError } from "../system/errors.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import { openAppend, openCreate, openDirectory, openRead, openTruncate, openWrite } from "../system/system.ts";
import { RunsvPlan, Runsvs } from "./runsvs.ts";

/** A service has so long to end, unless its file `stop-timeout` says otherwise; all of them together so long. */
const stopSeconds = 7;
export const longestStopSeconds = 30;
/** What is left of a service after it was killed has so long. */
const killMilliseconds = 1500;
/** The messages of a detached tree, and those of its runsv: how often they are looked at where there is no word of them, and how much they may take up. */
const messagesMilliseconds = 60_000;
const maxMessageBytes = 262_144;
const inModify = 0x2;
const tailBytes = 65_536;
/** The same for what it has left behind when it has ended, before that is told to end; and how often it is looked at. */
const restMilliseconds = 500;
const lookMilliseconds = 50;
const lockMilliseconds = 2000;
const killSignal = 9;
const termSignal = 15;
const contSignal = 18;
const standardPath = "/usr/local/bin:/usr/bin:/bin";

export type Mode = "demand" | "login" | "boot";

export interface SessionPlan {
  readonly mode: Mode;
  /** Processes for as long as which it is to run. */
  readonly leases: readonly number[];
  /** Its messages go to a file of its own. */
  readonly isDetached: boolean;
  readonly stopSeconds: number;
}

/** What services begin with: nothing of whoever called. */
export function baseVariables(system: System, person: Person, home: string): string[] {
  const name = person.name === "" ? `${person.uid}` : person.name;
  const own = `${home}/.local/bin`;
  const variables = [
    "",
    `HOME=${home}`,
    `USER=${name}`,
    `LOGNAME=${name}`,
    `SHELL=${person.shell === "" ? "/bin/sh" : person.shell}`,
    `PATH=${system.stat(own, true).kind === "directory" ? `${own}:` : ""}${standardPath}`,
  ];
  const runtime = runtimeDirectory(system);
  if (runtime !== "") variables.push(`XDG_RUNTIME_DIR=${runtime}`);
  const language = system.environment("LANG") ?? "";
  if (language !== "") variables.push(`LANG=${language}`);
  return variables;
}

/** A service that is to end. */
class Ending {
  readonly pid: number;
  readonly name: string;
  /** When it is killed (monotonic clock, milliseconds). */
  killAt: number;
  isKilled: boolean;
  /** When what it has left behind is told to end: that may keep its log open; negative: not known yet. */
  tellRestAt = -1;
  /** Its runsv is no more, and it was told itself. */
  isToldItself = false;
  /** When it was told to end. */
  readonly startedAt: number;

  constructor(pid: number, name: string, startedAt: number, killAt: number, isKilled: boolean) {
    this.startedAt = startedAt;
    this.pid = pid;
    this.name = name;
    this.killAt = killAt;
    this.isKilled = isKilled;
  }
}

/** Descriptors of leased processes, by pid, and when each was leased (boot clock, milliseconds). */
class Lease {
  readonly pid: number;
  readonly fd: number;
  readonly since: number;

  constructor(pid: number, fd: number, since: number) {
    this.pid = pid;
    this.fd = fd;
    this.since = since;
  }
}

export class Session {
  readonly #system: System;
  readonly #person: Person;
  readonly #places: UserPlaces;
  #mode: Mode;
  #stopSeconds: number;
  #run = "";
  #origin = -1;
  #lock = -1;
  #socket: ControlSocket;
  #runsvs: Runsvs | undefined;
  #leases: Lease[] = [];
  readonly #startedAt: number;
  /** Word of our messages; negative: they are looked at from time to time. */
  #messages = -1;
  #messagesAt = -1;
  #hasAskedOrphans = false;
  /** Those that still end; undefined: it goes on. */
  #ending: Ending[] | undefined = undefined;
  #endAt = -1;
  #hasKilled = false;
  #survivorsAt = -1;
  /** Connections that wait for the end. */
  readonly #waiting: number[] = [];
  #isKept = false;

  constructor(system: System, person: Person, places: UserPlaces, plan: SessionPlan) {
    this.#system = system;
    this.#person = person;
    this.#places = places;
    this.#mode = plan.mode;
    this.#stopSeconds = plan.stopSeconds;
    this.#socket = new ControlSocket(system, socketIn(""));
    this.#startedAt = system.monotonic();
    if (plan.isDetached) this.#watchMessages();
    for (const pid of plan.leases) this.#lease(pid);
  }

  /** Makes itself the tree of this user. Answers "", or why it is not. Throws SystemError. */
  open(): string {
    const system = this.#system;
    system.setUmask(0o22);
    this.#origin = orFail(system.open("/", openRead + openDirectory, 0), "unable to open /");
    const before = namedStateRoot(system, this.#places.scan);
    this.#run = findRun(system);
    for (const path of [this.#places.scan, this.#places.log]) {
      const errno = makeAbove(system, `${path}/.`);
      if (errno < 0) throw new SystemError(`unable to create ${path}`, -errno);
      const { uid } = system.stat(path, true);
      if (uid !== system.uid) throw new SystemError(`unable to use ${path}: owned by uid ${uid}`, 0);
    }
    makeStateRoot(system, this.#run, this.#run);
    const other = this.#takeLock();
    if (other !== "") return `already running (pid ${other})`;
    this.#forgetLastBoot();
    this.#readLeases();
    this.#settle();
    if (before !== "" && before !== this.#run && whyNotOurs(system, before) === "") this.#endOrphans(before);
    return "";
  }

  /** "", or the pid of the tree that has it. Throws SystemError. */
  #takeLock(): string {
    const path = lockPath(this.#system, this.#places);
    const fd = orFail(this.#system.open(path, openWrite + openAppend + openCreate, 0o600), `unable to open ${path}`);
    const until = this.#system.monotonic() + lockMilliseconds;
    while (this.#system.lock(fd) < 0) {
      const other = readStart(this.#system, path, 20).trim();
      // One that has just been killed has it for a moment more.
      const isDying = this.#system.kill(leadingNumber(other), 0) === -ESRCH;
      if (!isDying || other === "" || this.#system.monotonic() >= until) {
        this.#system.close(fd);
        return other === "" ? "?" : other;
      }
      this.#system.poll([], 10);
    }
    this.#lock = fd;
    this.#system.truncate(fd, 0);
    this.#system.writeText(fd, `${this.#system.pid}\n`);
    this.#system.keepFd(fd, true);
    return "";
  }

  /** State that has survived a reboot says nothing any more. */
  #forgetLastBoot(): void {
    if (this.#run.startsWith("/run/")) return;
    const path = `${this.#run}/${bootIdName}`;
    const boot = readBootId(this.#system);
    const last = readStart(this.#system, path, 80).trim();
    if (last !== "" && boot !== "" && last !== boot) removeBelow(this.#system, this.#run);
    this.#system.replaceText(`${path}.new`, path, `${boot}\n`, 0o600);
  }

  /** Makes what is ours in the directory of the state, and says where that is. Throws SystemError. */
  #settle(): void {
    const system = this.#system;
    const run = this.#run;
    system.mkdir(`${run}/${environmentName}`, 0o700);
    system.replaceText(`${run}/${pidName}.new`, `${run}/${pidName}`, `${system.pid}\n`, 0o644);
    this.#socket.close();
    this.#socket = new ControlSocket(system, socketIn(run));
    const trouble = this.#socket.openOnly();
    if (trouble !== "") throw new SystemError(trouble, 0);
    nameStateRoot(system, this.#places.scan, run);
    this.#writeLeases();
  }

  /** Until it has ended; answers the exit code: 1 if something had to be killed. */
  watch(): number {
    const system = this.#system;
    let milliseconds = 0;
    for (;;) {
      const fds: Polled[] = [];
      this.#addPolled(fds);
      for (const happening of awaitHappenings(system, { fds, milliseconds })) {
        if (happening.kind === "signal") this.end(this.#stopSeconds);
        else if (happening.kind !== "readable") this.#tree().hear(happening);
        else if (this.#hearLease(happening.fd) || this.#hearQuestion(happening.fd)) continue;
        else if (!this.#hearMessages(happening.fd)) this.#tree().hear(happening);
      }
      const now = system.monotonic();
      this.#tree().onTime(now);
      this.#socket.onTime(now);
      if (this.#messagesAt >= 0 && now >= this.#messagesAt) this.#trimMessages();
      if (!this.#hasAskedOrphans && this.#ending === undefined) this.#askOrphans();
      if (this.#ending !== undefined) {
        this.#goOnEnding(now);
        if (!this.#tree().isAlive && !this.#hasSurvivors(now)) return this.#leave();
      }
      this.#keep();
      const due = this.#due();
      milliseconds = due < 0 ? -1 : Math.max(0, due - system.monotonic());
    }
  }

  /** The runsv processes. */
  #tree(): Runsvs {
    const tree = this.#runsvs ?? this.#newTree();
    this.#runsvs = tree;
    return tree;
  }
  #newTree(): Runsvs {
    const { scan, conf, log, home } = this.#places;
    const plan = new RunsvPlan("sv-user: session", scan);
    plan.inOwnSessions = true;
    plan.root = this.#run;
    plan.areOwn = true;
    plan.endsAll = true;
    plan.isReserved = (name) => isReserved(name);
    plan.variables = baseVariables(this.#system, this.#person, home);
    // The volatile ones by the link: it leads wherever the state has gone.
    const volatile = `${scan}/.run/${environmentName}`;
    plan.options = ["-w", "-e", `${conf}/.env`, "-e", volatile, "-e", environmentName, "-l", log];
    plan.findRoot = () => this.#move();
    plan.prepareScan = () => this.#restoreScan();
    return new Runsvs(this.#system, plan, this.#origin);
  }

  /** The scan directory may have been made anew, or taken away: then nothing is enabled, but it can be again. */
  #restoreScan(): void {
    const { scan } = this.#places;
    makeAbove(this.#system, `${scan}/.`);
    if (namedStateRoot(this.#system, scan) === this.#run) return;
    try {
      nameStateRoot(this.#system, scan, this.#run);
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      this.#warn(error.message);
    }
  }

  /** Our directory has gone: the next one. Throws SystemError. */
  #move(): string {
    this.#run = findRun(this.#system);
    makeStateRoot(this.#system, this.#run, this.#run);
    this.#forgetLastBoot();
    this.#settle();
    this.#isKept = false;
    return this.#run;
  }

  #addPolled(fds: Polled[]): void {
    this.#tree().addPolled(fds);
    this.#socket.addPolled(fds);
    for (const { fd } of this.#leases) fds.push({ fd, awaits: "data" });
    if (this.#messages >= 0) fds.push({ fd: this.#messages, awaits: "data" });
  }

  #due(): number {
    let due = -1;
    const times = [this.#tree().due, this.#socket.due, this.#messagesAt];
    if (this.#ending !== undefined) times.push(this.#survivorsAt);
    for (const { killAt, tellRestAt } of this.#ending ?? []) {
      times.push(killAt);
      if (killAt >= 0 && Number.isFinite(tellRestAt))
        times.push(Math.min(killAt, this.#system.monotonic() + lookMilliseconds));
    }
    for (const time of times) if (time >= 0 && (due < 0 || time < due)) due = time;
    return due;
  }

  // ── what it is told ──

  #hearQuestion(fd: number): boolean {
    if (!this.#socket.owns(fd)) return false;
    const question = this.#socket.onReadable(fd);
    if (question !== undefined) this.#answer(question);
    return true;
  }

  #answer(question: Question): void {
    const words = question.text.split(" ");
    const number = leadingNumber(String(words[1] ?? ""));
    if (!question.mayCommand) {
      this.#socket.answer(question.fd, "");
      return;
    }
    const word = String(words[0] ?? "");
    const isForLonger = word === "hold" || word === "keep";
    if (isForLonger && this.#ending !== undefined) this.#socket.answer(question.fd, endingWord);
    else if (word === "status") this.#socket.answer(question.fd, this.#describe());
    else if (word === "hold") {
      this.#socket.answer(question.fd, this.#lease(number));
      this.#writeLeases();
    } else if (word === "keep") {
      if (this.#mode === "login") this.#mode = "demand";
      this.#isKept = false;
      this.#writeLeases();
      this.#socket.answer(question.fd, "ok");
    } else if (word === "stop") {
      this.#socket.defer(question.fd);
      this.#waiting.push(question.fd);
      this.end(number);
    } else this.#socket.answer(question.fd, "");
  }
  #describe(): string {
    const seconds = Math.floor((this.#system.monotonic() - this.#startedAt) / 1000);
    const leases = this.#leases.map((lease) => ` ${lease.pid}`).join("");
    const mode = this.#ending === undefined ? this.#mode : endingWord;
    return `${this.#system.pid} ${seconds} ${mode}${leases}`;
  }

  // ── leases ──

  /** Runs for as long as that process does; "ok", or why not. */
  #lease(pid: number): string {
    if (this.#leases.some((lease) => lease.pid === pid)) return "ok";
    const fd = pid > 0 ? this.#system.pidfd(pid) : -ESRCH;
    if (fd < 0) return describeError(-fd);
    this.#leases.push(new Lease(pid, fd, Math.ceil(this.#system.bootClock())));
    this.#isKept = false;
    return "ok";
  }
  #hearLease(fd: number): boolean {
    const ended = this.#leases.find((lease) => lease.fd === fd);
    if (ended === undefined) return false;
    this.#system.close(fd);
    this.#leases = this.#leases.filter((lease) => lease !== ended);
    this.#writeLeases();
    this.#isKept = false;
    if (this.#leases.length === 0 && this.#mode === "login") this.end(this.#stopSeconds);
    return true;
  }
  /** For the next one, if this one is killed. */
  #writeLeases(): void {
    if (this.#run === "") return;
    const path = `${this.#run}/${leasesName}`;
    const lines = this.#leases.map((lease) => `${lease.pid} ${lease.since}\n`);
    this.#system.replaceText(`${path}.new`, path, `${this.#mode}\n${lines.join("")}`, 0o600);
  }
  #readLeases(): void {
    const text = readStart(this.#system, `${this.#run}/${leasesName}`, 8192);
    // One that was to stay, and was killed.
    if (this.#mode === "login" && text !== "" && !text.startsWith("login\n")) this.#mode = "demand";
    for (const line of text.split("\n")) {
      const words = line.split(" ");
      const pid = leadingNumber(String(words[0] ?? ""));
      if (words.length === 2 && isLiving(this.#system, pid, Number(words[1] ?? "0"))) this.#lease(pid);
    }
  }
  /** Those it was started for have ended already. */
  get isOverAlready(): boolean {
    return this.#mode === "login" && this.#leases.length === 0;
  }

  // ── those of an earlier tree ──

  /** Services that are not enabled any more, but still supervised: they are told to end, once. */
  #askOrphans(): void {
    if (!this.#tree().hasScanned) return;
    this.#hasAskedOrphans = true;
    for (const name of this.#orphansIn(this.#run)) {
      if (!this.#tree().known.some((one) => one.name === name)) tell(this.#system, `${this.#run}/${name}`, "x");
    }
  }
  #orphansIn(run: string): readonly string[] {
    const names: string[] = [];
    this.#system.list(run, names);
    return names.filter((name) => {
      if (name.startsWith(".") || (isReserved(name) && !name.endsWith(".log")) || isLogOf(name, names)) return false;
      return findSupervisor(this.#system, `${run}/${name}`) !== 0;
    });
  }
  /** The state of an earlier tree is elsewhere: its services end before ours begin. */
  #endOrphans(run: string): void {
    const system = this.#system;
    for (const name of this.#orphansIn(run)) tell(system, `${run}/${name}`, "x");
    const until = system.monotonic() + stopSeconds * 1000;
    for (let left = this.#orphansIn(run); left.length > 0; left = this.#orphansIn(run)) {
      if (system.monotonic() >= until) {
        for (const name of left) {
          const pid = findSupervisor(system, `${run}/${name}`);
          if (pid === 0) continue;
          system.killGroup(pid, killSignal);
          system.kill(pid, killSignal);
        }
        return;
      }
      system.poll([], 10);
    }
  }

  /** Ends what an earlier tree left behind, and starts nothing. */
  endOrphans(names: readonly string[], seconds: number): void {
    this.#tree().adoptAll(names);
    this.#hasAskedOrphans = true;
    this.end(seconds);
    const now = this.#system.monotonic();
    const ending = this.#ending ?? [];
    for (const name of names) {
      // Its runsv is no more, too.
      if (!ending.some((one) => one.name === name)) ending.push(new Ending(0, name, now, -1, false));
    }
    this.#ending = ending;
  }

  // ── the end ──

  /** Tells every service to end: at most so many seconds for all of them. */
  end(seconds: number): void {
    if (this.#ending !== undefined) return;
    const now = this.#system.monotonic();
    const given = Math.min(seconds, longestStopSeconds) * 1000;
    // At its end nothing is there any more.
    const isWhole = given === longestStopSeconds * 1000;
    this.#endAt = now + (isWhole ? given - killMilliseconds - lookMilliseconds : given);
    const ending: Ending[] = [];
    for (const { pid, name } of this.#tree().known) {
      if (pid !== 0)
        ending.push(new Ending(pid, name, now, Math.min(this.#endAt, now + this.#patienceOf(name)), false));
    }
    this.#ending = ending;
    this.#tree().stopAll();
    this.#isKept = false;
  }
  /** How long it has, milliseconds. */
  #patienceOf(name: string): number {
    const text = readStart(this.#system, `${this.#places.scan}/${name}/stop-timeout`, 20).trim();
    return (text === "" ? stopSeconds : Math.max(0, leadingNumber(text))) * 1000;
  }

  #goOnEnding(now: number): void {
    for (const one of this.#ending ?? []) {
      if (one.killAt < 0) continue;
      const isThere = this.#tree().known.some((known) => known.pid === one.pid);
      if (isThere) this.#tellRest(one, now);
      if (isThere && now < one.killAt) continue;
      if (!isThere) one.killAt = -1;
      else if (!one.isKilled) {
        this.#hasKilled = true;
        one.isKilled = true;
        one.killAt = now + killMilliseconds;
        this.#warn(`${one.name} has not ended, killed.`);
        tell(this.#system, this.#stateOf(one.name), "k");
      } else {
        // Something of it is left, or whatever it has told holds its log: all at once.
        one.killAt = -1;
        this.#system.killGroup(one.pid, killSignal);
        this.#system.kill(one.pid, killSignal);
      }
    }
  }
  /** Services whose runsv was killed while it was to end them: they are told, and killed when their time is over. */
  #hasSurvivors(now: number): boolean {
    let areThere = false;
    for (const one of this.#ending ?? []) {
      const pid = findChild(this.#system, this.#stateOf(one.name));
      // Its log service ends with its input.
      const logPid = findChild(this.#system, this.#logStateOf(one.name));
      if (pid === 0 && logPid === 0) continue;
      areThere = true;
      const isOver = now >= Math.min(one.startedAt + this.#patienceOf(one.name), this.#endAt);
      if (isOver) {
        this.#hasKilled = true;
        for (const left of [pid, logPid]) if (left !== 0) this.#system.kill(left, killSignal);
      } else if (!one.isToldItself && pid !== 0) {
        for (const signal of [termSignal, contSignal]) this.#system.kill(pid, signal);
      }
      one.isToldItself = true;
    }
    if (areThere) this.#survivorsAt = now + lookMilliseconds;
    return areThere;
  }

  /** The service has ended and its supervisor has not: its log service waits for an orphan that may still write. */
  #tellRest(one: Ending, now: number): void {
    if (one.tellRestAt < 0) {
      const { status } = readStatus(this.#system, this.#stateOf(one.name), (bytes) => bytes >= statusBytes);
      if (status === undefined || (status.pid === 0 && status.phase === "down"))
        one.tellRestAt = now + restMilliseconds;
    } else if (now >= one.tellRestAt && Number.isFinite(one.tellRestAt)) {
      one.tellRestAt = Number.POSITIVE_INFINITY;
      for (const signal of [termSignal, contSignal]) this.#system.killGroup(one.pid, signal);
    }
  }
  #stateOf(name: string): string {
    const classic = `${this.#places.scan}/${name}/supervise`;
    return this.#system.stat(`${classic}/ok`, true).errno === 0 ? classic : `${this.#run}/${name}`;
  }

  #logStateOf(name: string): string {
    const classic = `${this.#places.scan}/${name}/log/supervise`;
    return this.#system.stat(`${classic}/ok`, true).errno === 0 ? classic : `${this.#run}/${name}.log`;
  }

  #leave(): number {
    const code = this.#hasKilled ? 1 : 0;
    for (const fd of this.#waiting) this.#socket.answer(fd, `${code}`);
    this.#socket.close();
    for (const name of [pidName, leasesName]) this.#system.unlink(`${this.#run}/${name}`);
    this.#tree().leave();
    this.#system.endGuard();
    this.#system.keepFd(this.#lock, false);
    this.#system.close(this.#lock);
    return code;
  }

  // ── messages ──

  #watchMessages(): void {
    this.#messages = this.#system.inotifyOpen();
    if (this.#messages < 0 || this.#system.inotifyAdd(this.#messages, `${this.#places.log}/.session`, inModify) < 0) {
      this.#messagesAt = this.#startedAt;
    }
  }
  #hearMessages(fd: number): boolean {
    if (fd !== this.#messages || fd < 0) return false;
    inotifyEvents(this.#system, fd);
    this.#trimMessages();
    return true;
  }
  /** Keeps the file of our messages small: the older half goes to `previous`. */
  #trimMessages(): void {
    if (this.#messagesAt >= 0) this.#messagesAt = this.#system.monotonic() + messagesMilliseconds;
    const { bytes } = this.#system.statFd(2);
    if (bytes <= maxMessageBytes) return;
    const tail = new Uint8Array(tailBytes);
    const from = this.#system.open(`${this.#places.log}/.session/current`, openRead, 0);
    const to = this.#system.open(`${this.#places.log}/.session/previous`, openWrite + openCreate + openTruncate, 0o600);
    const length = from < 0 ? 0 : this.#system.readAt(from, tail, Math.max(0, bytes - tailBytes));
    if (to >= 0 && length > 0) this.#system.write(to, tail, 0, length);
    for (const fd of [from, to]) if (fd >= 0) this.#system.close(fd);
    this.#system.truncate(2, 0);
  }
  #warn(text: string): void {
    this.#system.complain(describeWarning("sv-user: session", text, 0));
  }

  // ── a restart in place ──

  #keep(): void {
    if (this.#isKept && this.#tree().isKept) return;
    this.#isKept = true;
    this.#tree().isKept = true;
    const ending = this.#ending?.map((one) =>
      encodeFields([`${one.pid} ${one.killAt} ${one.isKilled ? 1 : 0}`, one.name]),
    );
    this.#system.keep(
      encodeFields([
        `${this.#mode} ${this.#lock} ${this.#socket.fd} ${this.#endAt} ${this.#hasKilled ? 1 : 0}`,
        this.#run,
        this.#leases.map((lease) => `${lease.pid}`).join(" "),
        ending === undefined ? "" : encodeFields(ending),
        this.#tree().describe(),
      ]),
    );
  }
  /** Takes over from the instance that crashed. */
  resume(kept: string): void {
    const system = this.#system;
    const fields = decodeFields(kept) ?? [];
    const field = (index: number): string => String(fields[index] ?? "");
    const words = field(0).split(" ");
    const mode = words[0] ?? "";
    this.#mode = mode === "login" || mode === "boot" ? mode : "demand";
    this.#origin = system.open("/", openRead + openDirectory, 0);
    this.#lock = Number(words[1] ?? "-1");
    system.keepFd(this.#lock, true);
    this.#run = field(1);
    this.#socket = new ControlSocket(system, socketIn(this.#run));
    this.#socket.resume(Number(words[2] ?? "-1"));
    this.#endAt = Number(words[3] ?? "-1");
    this.#hasKilled = words[4] === "1";
    for (const pid of field(2).split(" ")) this.#lease(leadingNumber(pid));
    this.#tree().resume(field(4));
    if (this.#endAt < 0) return;
    const ending: Ending[] = [];
    for (const text of decodeFields(field(3)) ?? []) {
      const one = decodeFields(text) ?? [];
      const numbers = String(one[0] ?? "").split(" ");
      const pid = Number(numbers[0] ?? "0");
      ending.push(
        new Ending(pid, String(one[1] ?? ""), system.monotonic(), Number(numbers[1] ?? "-1"), numbers[2] === "1"),
      );
    }
    this.#ending = ending;
    this.#tree().stopAll();
  }
}
