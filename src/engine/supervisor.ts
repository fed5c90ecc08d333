// One service with its log service, supervised: hears what happens to them, asks core what follows, and does it.
// The engine holds any number of these (engine.ts).

import { numberOf } from "../core/process/signals.ts";
import { decodeService, encodeService } from "../core/supervise/handover.ts";
import type { ChildRecord } from "../core/supervise/record.ts";
import type { Happening, Role, Service, SignalName } from "../core/supervise/service.ts";
import { isOver as isServiceOver, maxSteps, newService } from "../core/supervise/service.ts";
import { sinceOf } from "../core/supervise/status.ts";
import type { Deed, Supervision } from "../core/supervise/supervision.ts";
import { isOver, react } from "../core/supervise/supervision.ts";
import { EPERM } from "../core/text/errors.ts";
import { describeFatal, describeWarning } from "../core/text/messages.ts";
import { ownChild } from "../directories/own-program.ts";
import { isLiving, readBootId, reopenPipe } from "../directories/processes.ts";
import {
  hasControlScript,
  hasFinish,
  hasLogService,
  readSignalPrefix,
  readStopSignal,
  startsDown,
} from "../directories/service.ts";
import type { Sharing } from "../directories/sharing.ts";
import { makeAbove } from "../directories/state-root.ts";
import { SuperviseDirectory } from "../directories/supervise.ts";
import { SystemError } from "../system/errors.ts";
import type { Pipe, Polled, Spawned, SpawnPlan, SpawnStep, System } from "../system/system.ts";
import { noVariables, plainChild } from "../system/system.ts";

const noSuchProcess = 3;
/** Control byte: the environment of services has changed. */
export const environmentByte = "e";

/** A life shorter than this is followed by a rest. */
const youngMilliseconds = 1000;
/** A control script that takes longer has failed. */
const scriptMilliseconds = 60_000;
/** State files that could not be written are tried again so often. */
const publishMilliseconds = 1000;
/** A busy log lock is tried again so often. */
export const lockMilliseconds = 250;
/** The kernel tells how a process that is not our child ended only once its parent has reaped it. */
const statusMilliseconds = 20;
const childExitCode = 111;
const never = -1;

/** What the engine knows of one of the two processes besides its Service. */
class Child {
  readonly role: Role;
  readonly directory: SuperviseDirectory;
  /** Monotonic clock, milliseconds. */
  startedAt = 0;
  restUntil = never;
  /** Of a process that an earlier runsv started; -1: it is our child. */
  pidfd = -1;
  /** When to ask for the last time how it ended. */
  askUntil = never;
  publishAt = never;

  constructor(role: Role, directory: SuperviseDirectory) {
    this.role = role;
    this.directory = directory;
  }
}

/** What there is more of a service whose state is kept apart from its definition. (Most have none of it, nor the memory.) */
export class ApartSetting {
  /** Who may reach the state directories; undefined: that one is beside the definition after all. */
  sharing: Sharing | undefined = undefined;
  logSharing: Sharing | undefined = undefined;
  /** A service without log service is logged here by svlogd; "": it is not. */
  builtInLog = "";
  /** Names of variables that its start waits for; `prepare` says so. */
  waits = "";
  /** How often to look whether the state directories are still there; negative: when asked. */
  checkMilliseconds = never;
  /** When that is next (monotonic clock, milliseconds). */
  checkAt = never;
  /** What was wrong the last time. */
  complaint = "";
  /** Called when the state directories are looked for: it sets where they are now. Throws SystemError. */
  locate: (() => void) | undefined = undefined;

  /** The next look, for those who are not told when. */
  checkLater(now: number): void {
    this.checkAt = this.checkMilliseconds < 0 ? never : now + this.checkMilliseconds;
  }
}

/** A process that sends a signal in our place. */
class Sender {
  readonly pid: number;
  readonly signal: SignalName;
  readonly to: Role;

  constructor(pid: number, signal: SignalName, to: Role) {
    this.pid = pid;
    this.signal = signal;
    this.to = to;
  }
}

/** How a service is supervised; what runsv does is the default. */
export class Setting {
  /** Path of the service directory, "" or ending in a slash. */
  readonly base: string;
  /** State directories of the service and of its log service; "": nowhere, it is only in memory. */
  state: string;
  logState: string;
  /** Each process leads a session, and so a process group. */
  inOwnSessions = false;
  /** What a service reads; where one without log service, and a log service, write; standard error; -1: inherited. */
  stdin = -1;
  stdout = -1;
  stderr = -1;
  /** As in a SpawnPlan. */
  variables: readonly string[] = noVariables;
  stopSignal: SignalName = "TERM";
  /** The state directory of the service has just been made. */
  isStateMade = false;
  /** It is kept down from outside its directory as by a file `down` there. */
  isMarkedDown = false;
  /** undefined: its state is beside its definition, or in memory. */
  apart: ApartSetting | undefined = undefined;
  /** Called before each start of ./run or ./finish: what it sets here counts already. Answers whether it can be started. */
  prepare: ((role: Role, phase: number) => boolean) | undefined = undefined;
  /** It is told when the state has changed, and keeps it; otherwise we keep it for a restart in place of our own. */
  changed: (() => void) | undefined = undefined;
  /** Told of every end of a ./run (as waitpid(2) has it; negative: unknown), answers whether it was the last. */
  ended: ((role: Role, waitStatus: number) => boolean) | undefined = undefined;
  /** Where messages go, newline included; otherwise to standard error. */
  say: ((message: string) => void) | undefined = undefined;

  constructor(base: string) {
    this.base = base;
    this.state = `${base}supervise`;
    this.logState = `${base}log/supervise`;
  }

  /** Nobody is told anything any more: who is told holds us, and would otherwise be held for ever. */
  forget(): void {
    this.prepare = undefined;
    if (this.apart !== undefined) this.apart.locate = undefined;
    this.changed = undefined;
    this.ended = undefined;
    this.say = undefined;
  }
}

export class Supervisor {
  readonly #system: System;
  /** Beginning of every message, e.g. "runsv web". */
  readonly #program: string;
  readonly #setting: Setting;
  readonly #main: Child;
  readonly #log: Child | undefined;
  /** Both. */
  readonly #children: readonly Child[];
  #pipe: Pipe = { errno: 0, read: -1, write: -1 };
  #state: Supervision;
  #scriptPid = 0;
  #scriptUntil = never;
  /** Who has ended, while what was said before is heard; else 0. */
  #endedPid = 0;
  readonly #heard: { readonly of: Role; readonly happening: Happening }[] = [];
  #isActing = false;
  /** Told to end for good: nothing starts it any more. */
  #isFinal = false;
  #isKilled = false;
  #sender: Sender | undefined = undefined;

  constructor(system: System, program: string, setting: Setting) {
    this.#system = system;
    this.#program = program;
    this.#setting = setting;
    const warn = (text: string, errno: number): void => this.#warn(text, errno);
    const { base, state, logState, apart } = setting;
    const now = system.now();
    this.#main = new Child("service", new SuperviseDirectory(system, state, nameOf(state, base), warn, apart?.sharing));
    const isDown = startsDown(system, base) || setting.isMarkedDown;
    const service = newService("service", isDown ? "down" : "up", now);
    let log: Child | undefined;
    let logService: Service | undefined;
    if (this.#builtIn !== "" || hasLogService(system, base, warn)) {
      log = new Child("log", new SuperviseDirectory(system, logState, nameOf(logState, base), warn, apart?.logSharing));
      logService = newService("log", startsDown(system, `${base}log/`) ? "down" : "up", now);
    }
    this.#log = log;
    this.#children = log === undefined ? [this.#main] : [this.#main, log];
    this.#state = { service, log: logService, closed: false };
  }

  /** Makes the state directories and locks the service. Throws SystemError. */
  claim(): void {
    if (this.#log !== undefined) this.#openPipe();
    this.#main.directory.create(this.#setting.isStateMade);
    if (!this.#main.directory.tryLock()) this.#main.directory.complainAboutLock();
    this.#log?.directory.create(false);
  }

  /** Whether the log service is ours alone (or there is none): two services may share one, one after the other. */
  claimLog(): boolean {
    return this.#log === undefined || this.#log.directory.tryLock();
  }

  /** Opens the pipes, takes over whom an earlier runsv left behind, publishes the first state. Throws SystemError. */
  open(): void {
    this.#adopt();
    for (const child of this.#children) {
      child.directory.openControl();
      this.#publish(child, true);
    }
    for (const child of this.#children) child.directory.openOk();
    for (const child of this.#children) child.directory.keep();
    this.#setting.apart?.checkLater(this.#system.monotonic());
    this.#keep();
  }

  /** Starts what is wanted: the log service first. */
  begin(): void {
    if (this.#log !== undefined) this.hear("log", { kind: "begin" });
    this.hear("service", { kind: "begin" });
  }

  get isOver(): boolean {
    return isOver(this.#state);
  }
  get service(): Service {
    return this.#state.service;
  }
  get log(): Service | undefined {
    return this.#state.log;
  }

  /** What to wait for. A service with much still to do is not listened to: its control bytes keep in the pipe. */
  addPolled(fds: Polled[]): void {
    for (const child of this.#children) {
      const service = this.#serviceOf(child);
      const { control } = child.directory;
      if (service.steps.length < maxSteps && control >= 0) fds.push({ fd: control, awaits: "data" });
      if (child.pidfd >= 0 && child.askUntil === never) fds.push({ fd: child.pidfd, awaits: "data" });
    }
  }

  /** When `onTime` is next due (monotonic clock, milliseconds); negative: never. */
  get due(): number {
    let due = this.#scriptUntil;
    const checkAt = this.#setting.apart?.checkAt ?? never;
    if (checkAt >= 0 && (due < 0 || checkAt < due)) due = checkAt;
    for (const child of this.#children) {
      for (const time of [child.restUntil, child.publishAt, child.askUntil]) {
        if (time >= 0 && (due < 0 || time < due)) due = time;
      }
    }
    return due;
  }

  onTime(now: number): void {
    const checkAt = this.#setting.apart?.checkAt ?? never;
    if (checkAt >= 0 && now >= checkAt) this.checkState();
    if (this.#scriptUntil >= 0 && now >= this.#scriptUntil) {
      this.#warn(`control/${this.#state.service.script} takes too long, killed.`, 0);
      this.#scriptUntil = never;
      this.#system.kill(this.#scriptPid, numberOf("KILL"));
    }
    for (const child of this.#children) {
      if (child.restUntil >= 0 && now >= child.restUntil) {
        child.restUntil = never;
        this.hear(child.role, { kind: "rested" });
      }
      if (child.publishAt >= 0 && now >= child.publishAt) this.#publish(child, false);
      if (child.askUntil >= 0 && now >= child.askUntil) this.#endAdopted(child);
    }
  }

  /** Whether the descriptor is one of this service's; if so, what came is dealt with. */
  onReadable(fd: number): boolean {
    for (const child of this.#children) {
      if (fd === child.directory.control) {
        this.#obey(child);
        return true;
      }
      if (fd === child.pidfd) {
        if (this.#system.pidfdStatus(fd) >= 0) this.#endAdopted(child);
        else child.askUntil = this.#system.monotonic() + statusMilliseconds;
        return true;
      }
    }
    return false;
  }

  /** Whether the ended child is one of this service's; if so, what follows is done. */
  onEnded(pid: number, waitStatus: number): boolean {
    if (pid === this.#scriptPid) {
      this.#scriptPid = 0;
      this.#scriptUntil = never;
      this.hear("service", { kind: "scripted", worked: waitStatus === 0 });
      return true;
    }
    const sender = this.#sender;
    if (sender !== undefined && pid === sender.pid) {
      this.#sender = undefined;
      if (waitStatus !== 0) this.hear(sender.to, { kind: "refused", signal: sender.signal, isForbidden: true });
      return true;
    }
    for (const child of this.#children) {
      if (pid !== this.#serviceOf(child).pid) continue;
      if (child.pidfd >= 0) {
        // Adopted, and our child all the same: this instance was restarted in place without its memory.
        this.#system.close(child.pidfd);
        child.pidfd = -1;
        child.askUntil = never;
      }
      this.#end(child, waitStatus);
      return true;
    }
    return false;
  }

  /** Looks whether the state directories are still those that we hold, and makes them anew if they are not. */
  checkState(): void {
    const setting = this.#setting;
    const { apart } = setting;
    if (apart === undefined) return;
    apart.checkLater(this.#system.monotonic());
    if (this.#children.every((child) => child.directory.isWhole)) return;
    try {
      apart.locate?.();
      for (const child of this.#children) {
        const state = child.role === "log" ? setting.logState : setting.state;
        if (!child.directory.isWhole) child.directory.renew(state, nameOf(state, setting.base), this.#serviceOf(child));
      }
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      if (apart.complaint !== error.message) this.#warn(error.message, 0);
      apart.complaint = error.message;
      apart.checkAt = this.#system.monotonic() + publishMilliseconds;
      return;
    }
    apart.complaint = "";
    this.#writeSupervisor(readBootId(this.#system));
    for (const child of this.#children) this.#publish(child, true);
    this.#keep();
  }

  /** The last word: state files that could not be written so far. */
  end(): void {
    for (const child of this.#children) if (child.publishAt >= 0) this.#publish(child, false);
  }

  /** Gives everything back. */
  close(): void {
    this.#closePipe();
    for (const child of this.#children) child.directory.close();
  }

  /** SIGTERM: as the control byte x. */
  terminate(): void {
    this.#hearControl("service", "x");
  }

  /** Told to end, whatever it is told by others from now on. */
  stop(): void {
    this.#isFinal = true;
    this.#hearControl("service", "d"); // control/d is asked: to whoever wrote it this is a stop like any other
    this.hear("service", { kind: "last" });
  }
  /** The same after a restart in place: it has been told. */
  stayStopped(): void {
    this.#isFinal = true;
  }
  /** A log service that has not ended with its input. */
  stopLog(): void {
    if (this.#log !== undefined && this.#serviceOf(this.#log).pid !== 0) this.#send(this.#log, "TERM");
  }
  /**
   * Kills the service with its process group, or else its log service, which by then had a chance to read what is left;
   * nothing starts any more. Answers whether there was a service to be killed.
   */
  kill(): boolean {
    this.#isFinal = true;
    this.#isKilled = true;
    if (this.#scriptPid > 0) this.#system.kill(this.#scriptPid, numberOf("KILL"));
    const isServiceThere = this.#state.service.pid !== 0;
    const child = isServiceThere || this.#log === undefined ? this.#main : this.#log;
    const { pid } = this.#serviceOf(child);
    if (pid !== 0) {
      if (this.#setting.inOwnSessions) this.#system.killGroup(pid, numberOf("KILL"));
      this.#system.kill(pid, numberOf("KILL"));
    }
    if (!this.isServiceOver) this.hear("service", { kind: "control", byte: "x" });
    return isServiceThere;
  }
  /** Sends it to what runs, as it is: no control script is asked. */
  signal(number: number): void {
    const { pid } = this.#state.service;
    if (pid !== 0) this.#system.kill(pid, number);
  }
  /** The same to the log service. */
  signalLog(number: number): void {
    const pid = this.#state.log?.pid ?? 0;
    if (pid !== 0) this.#system.kill(pid, number);
  }
  get hasProcess(): boolean {
    return this.#state.service.pid !== 0;
  }
  /** When ./run was started last (monotonic clock, milliseconds). */
  get startedAt(): number {
    return this.#main.startedAt;
  }
  get logStartedAt(): number {
    return this.#log?.startedAt ?? 0;
  }
  /** Whether there is a process of the service, the log service aside. */
  get isServiceOver(): boolean {
    return isServiceOver(this.#state.service);
  }

  hear(of: Role, happening: Happening): void {
    this.#heard.push({ of, happening });
    if (this.#isActing) return;
    this.#isActing = true;
    for (;;) {
      const heard = this.#heard.shift();
      if (heard === undefined) break;
      const { next, deeds } = react(this.#state, heard.of, heard.happening);
      this.#state = next;
      for (const deed of deeds) this.#do(deed);
    }
    this.#isActing = false;
    this.#keep();
  }

  #keep(): void {
    if (this.#setting.changed === undefined) this.#system.keep(this.describe());
    else this.#setting.changed();
  }

  #hearControl(of: Role, byte: string): void {
    if (of === "service" && "dtx".includes(byte)) this.#learnStopSignal();
    this.hear(of, { kind: "control", byte });
  }
  /** Its file may have been changed since the last time. */
  #learnStopSignal(): void {
    const warn = (text: string, errno: number): void => this.#warn(text, errno);
    const signal = readStopSignal(this.#system, this.#setting.base, warn) ?? this.#setting.stopSignal;
    if (signal !== this.#state.service.stopSignal) this.hear("service", { kind: "stop signal", signal });
  }

  #obey(child: Child): void {
    const bytes = new Uint8Array(8);
    const length = this.#system.read(child.directory.control, bytes);
    for (let i = 0; i < length; i++) {
      const byte = String.fromCharCode(bytes[i] ?? 0);
      if (byte === environmentByte) this.#tryAgain();
      if (!this.#isFinal || !"udo".includes(byte)) this.#hearControl(child.role, byte);
    }
  }

  /** What the service waits for may be there now. */
  #tryAgain(): void {
    if (this.#waits === "" || this.#main.restUntil < 0) return;
    this.#main.restUntil = never;
    this.hear("service", { kind: "rested" });
  }

  #do(deed: Deed): void {
    const child = deed.of === "log" && this.#log !== undefined ? this.#log : this.#main;
    const action = deed.action;
    switch (action.kind) {
      case "publish":
        this.#publish(child, true);
        break;
      case "run":
        this.#start(child, ["./run"], 1);
        break;
      case "finish":
        this.#start(child, ["./finish", `${action.exitCode}`, `${action.waitStatus}`], 2);
        break;
      case "script":
        this.#startScript(action.byte);
        break;
      case "drop script":
        if (this.#scriptPid > 0) this.#system.kill(this.#scriptPid, numberOf("KILL"));
        this.#scriptPid = 0;
        this.#scriptUntil = never;
        break;
      case "signal":
        this.#send(child, action.signal);
        break;
      case "rest":
        child.restUntil = this.#system.monotonic() + action.milliseconds;
        break;
      case "close pipe":
        this.#closePipe();
        break;
      case "open pipe":
        this.#reopenPipe();
        break;
    }
  }

  #start(child: Child, argv: readonly string[], phase: number): void {
    const isLog = child.role === "log";
    const isReady = this.#setting.prepare?.(child.role, phase) !== false;
    if (!isLog) child.directory.publishWaits(this.#waits);
    if (!isReady) {
      this.hear(child.role, { kind: "unstartable" });
      return;
    }
    const isBuiltIn = isLog && this.#builtIn !== "";
    const plan = isBuiltIn ? this.#builtInLog() : this.#plan(argv);
    const spawned = this.#system.spawn({
      ...plan,
      stdin: isLog ? this.#pipe.read : this.#setting.stdin,
      stdout: isLog || this.#log === undefined ? this.#setting.stdout : this.#pipe.write,
      stderr: isLog ? this.#setting.stderr : plan.stderr,
      directory: isLog && !isBuiltIn ? `${this.#setting.base}log` : this.#setting.base,
      record: child.directory.record,
      phase,
    });
    if (spawned.pid < 0) {
      this.#warn("unable to fork, sleeping", -spawned.pid);
      this.hear(child.role, { kind: "unstartable" });
      return;
    }
    this.#complain(spawned, isLog ? "log/./run" : (argv[0] ?? ""), isLog ? "./log/run" : "./run");
    if (phase === 1) child.startedAt = this.#system.monotonic();
    this.hear(child.role, { kind: "started", pid: spawned.pid, at: this.#system.now() });
  }

  #startScript(byte: string): void {
    const warn = (text: string, errno: number): void => this.#warn(text, errno);
    if (this.#isKilled || !hasControlScript(this.#system, this.#setting.base, byte, warn)) {
      this.hear("service", { kind: "scripted", worked: false });
      return;
    }
    const stdout = this.#log === undefined ? this.#setting.stdout : this.#pipe.write;
    const spawned = this.#system.spawn({ ...this.#plan([`control/${byte}`]), stdout });
    if (spawned.pid < 0) {
      this.#warn(`unable to fork for control/${byte}`, -spawned.pid);
      this.hear("service", { kind: "scripted", worked: false });
      return;
    }
    if (spawned.errno !== 0) this.#say(describeFatal(this.#program, "unable to run control/?", spawned.errno));
    this.#scriptPid = spawned.pid;
    this.#scriptUntil = this.#system.monotonic() + scriptMilliseconds;
  }

  #plan(argv: readonly string[]): SpawnPlan {
    const { base, inOwnSessions, stderr, variables } = this.#setting;
    return {
      ...plainChild(argv[0] ?? "", argv, childExitCode),
      directory: base,
      newSession: inOwnSessions,
      stderr: this.#builtIn === "" ? stderr : this.#pipe.write,
      variables,
    };
  }
  #builtInLog(): SpawnPlan {
    const { inOwnSessions, variables } = this.#setting;
    makeAbove(this.#system, `${this.#builtIn}/current`);
    const own = ownChild(this.#system, "svlogd", ["svlogd", "-tt", this.#builtIn], childExitCode);
    return { ...own, newSession: inOwnSessions, variables };
  }
  get #builtIn(): string {
    return this.#setting.apart?.builtInLog ?? "";
  }
  get #waits(): string {
    return this.#setting.apart?.waits ?? "";
  }

  /** Says for a child why it did not get as far as its program. */
  #complain(spawned: Spawned, program: string, forPipe: string): void {
    if (spawned.errno === 0) return;
    this.#say(describeFatal(this.#program, describeStep(spawned.failedStep, program, forPipe), spawned.errno));
  }

  #send(child: Child, signal: SignalName): void {
    const pid = this.#serviceOf(child).pid;
    if (pid === this.#endedPid) return; // it is nobody's any more
    const number = numberOf(signal);
    const result = child.pidfd >= 0 ? this.#system.pidfdKill(child.pidfd, number) : this.#system.kill(pid, number);
    if (result >= 0 || result === -noSuchProcess) return; // ended a moment ago: that is heard next
    const isForbidden = result === -EPERM;
    if (isForbidden && this.#sendByOther(child.role, signal, pid)) return;
    const name = child.role === "log" ? "./log/run" : "./run";
    if (isForbidden) this.#warn(`unable to signal pid ${pid}`, EPERM);
    else this.#warn(`unable to send SIG${signal} to ${name} (pid ${pid})`, -result);
    // At once: that it got the signal is not to be published.
    const { next } = react(this.#state, child.role, { kind: "refused", signal, isForbidden });
    this.#state = next;
    this.#publish(child, true);
  }

  /** The service has become another user, and its file `signal-with` says who may signal it: whether that is so. */
  #sendByOther(role: Role, signal: SignalName, pid: number): boolean {
    const prefix = role === "service" ? readSignalPrefix(this.#system, this.#setting.base) : [];
    const first = prefix[0];
    if (first === undefined) return false;
    const spawned = this.#system.spawn({
      ...this.#plan([...prefix, "kill", `-${signal}`, `${pid}`]),
      program: first,
      searchPath: true,
    });
    if (spawned.pid < 0 || spawned.errno !== 0) {
      this.#warn(`unable to run ${first}`, spawned.pid < 0 ? -spawned.pid : spawned.errno);
      return false;
    }
    this.#sender = new Sender(spawned.pid, signal, role);
    return true;
  }

  #end(child: Child, waitStatus: number): void {
    const signal = waitStatus % 256;
    this.#ended(child, signal === 0 ? Math.floor(waitStatus / 256) % 256 : -1, signal);
  }

  #ended(child: Child, exitCode: number, waitStatus: number): void {
    // What was written before it ended comes first: `sv down` may be the last that a run or a finish does.
    this.#endedPid = this.#serviceOf(child).pid;
    this.#obey(child);
    this.#endedPid = 0;
    const service = this.#serviceOf(child);
    const tell = service.phase === "run" ? this.#setting.ended : undefined;
    if (tell?.(child.role, exitCode >= 0 ? exitCode * 256 : waitStatus === 0 ? -1 : waitStatus) === true) {
      this.hear(child.role, { kind: "last" });
    }
    this.hear(child.role, {
      kind: "ended",
      at: this.#system.now(),
      exitCode,
      waitStatus,
      young: this.#system.monotonic() - child.startedAt < youngMilliseconds,
      hasFinish:
        child.role === "service" &&
        service.phase === "run" &&
        !this.#isKilled &&
        hasFinish(this.#system, this.#setting.base),
    });
  }

  #publish(child: Child, isNew: boolean): void {
    const service = this.#serviceOf(child);
    const isTrue = isNew ? child.directory.publish(service) : child.directory.publishAgain(service);
    child.publishAt = isTrue ? never : this.#system.monotonic() + publishMilliseconds;
  }

  // ── the log pipe ──

  #openPipe(): void {
    const pipe = this.#system.pipe();
    if (pipe.errno !== 0) throw new SystemError("unable to create log pipe", pipe.errno);
    this.#keepPipe(pipe);
  }

  #keepPipe(pipe: Pipe): void {
    this.#pipe = pipe;
    this.#system.keepFd(pipe.read, true);
    this.#system.keepFd(pipe.write, true);
  }

  #closePipe(): void {
    for (const fd of [this.#pipe.read, this.#pipe.write]) {
      if (fd < 0) continue;
      this.#system.keepFd(fd, false);
      this.#system.close(fd);
    }
    this.#pipe = { errno: 0, read: -1, write: -1 };
  }

  #reopenPipe(): void {
    const pipe = this.#system.pipe();
    if (pipe.errno === 0) this.#keepPipe(pipe);
    else this.#warn("unable to create log pipe", pipe.errno);
    this.#writeSupervisor(readBootId(this.#system));
  }

  #writeSupervisor(bootId: string): void {
    const inode = this.#pipe.read < 0 ? "" : this.#system.identifyFd(this.#pipe.read).inode;
    for (const child of this.#children) child.directory.writeSupervisor(inode, bootId);
  }

  // ── processes that an earlier runsv left behind ──

  #adopt(): void {
    const bootId = readBootId(this.#system);
    let pipe = "";
    const pids: number[] = [];
    for (const child of this.#children) {
      const record = child.directory.openRecord();
      if (record === undefined) continue;
      if (record.bootId !== bootId || bootId === "" || !this.#adoptChild(child, record)) {
        child.directory.clearRecord();
        continue;
      }
      pids.push(record.pid);
      pipe = record.pipe;
    }
    if (pipe !== "" && this.#log !== undefined) {
      const found = reopenPipe(this.#system, pids, pipe);
      if (found !== undefined) {
        this.#closePipe();
        this.#keepPipe(found);
      } else this.#warn("unable to reopen the log pipe of the running service.", 0);
    }
    this.#writeSupervisor(bootId);
  }

  #adoptChild(child: Child, record: ChildRecord): boolean {
    if (record.phase === "down" || !isLiving(this.#system, record.pid, record.bornBefore)) return false;
    const pidfd = this.#system.pidfd(record.pid);
    if (pidfd < 0) return false;
    if (!isLiving(this.#system, record.pid, record.bornBefore)) {
      this.#system.close(pidfd);
      return false;
    }
    child.pidfd = pidfd;
    child.startedAt = this.#system.monotonic() - (this.#system.bootClock() - record.bornBefore);
    const before = this.#serviceOf(child);
    const status = child.directory.lastStatus();
    let adopted: Service = { ...before, phase: record.phase, pid: record.pid, since: record.since };
    if (status !== undefined && status.pid === record.pid) {
      const toStay = status.want === "u" || child.directory.lastWantedExit();
      adopted = {
        ...adopted,
        want: toStay ? before.want : "down",
        paused: status.paused,
        gotTerm: status.gotTerm,
        since: sinceOf(status),
      };
    }
    this.#setService(child, adopted);
    return true;
  }

  /** An adopted process has ended; how, the system may tell. */
  #endAdopted(child: Child): void {
    const waitStatus = this.#system.pidfdStatus(child.pidfd);
    const { pid, phase } = this.#serviceOf(child);
    this.#system.close(child.pidfd);
    child.pidfd = -1;
    child.askUntil = never;
    if (waitStatus >= 0) {
      this.#end(child, waitStatus);
      return;
    }
    const name = child.role === "log" ? "./log/run" : `./${phase}`;
    this.#warn(`exit status of ${name} (pid ${pid}) is unknown: an earlier runsv started it.`, 0);
    this.#ended(child, -1, 0);
  }

  // ── a restart in place ──

  /** What the next instance needs, kept after every change. */
  describe(): string {
    const lines = [`${this.#pipe.read} ${this.#pipe.write} ${this.#state.closed ? 1 : 0} ${this.#scriptPid}`];
    for (const child of this.#children) {
      lines.push(encodeService(this.#serviceOf(child)));
      lines.push(child.directory.handover().join(" "));
      lines.push(`${child.startedAt} ${child.restUntil} ${child.pidfd}`);
    }
    return lines.join("\n");
  }

  /** Takes over from the instance that crashed; false: its words make no sense, so begin as usual. */
  resume(kept: string): boolean {
    const lines = kept.split("\n");
    const children = this.#children;
    if (lines.length !== 1 + 3 * children.length) return false;
    const services: Service[] = [];
    let index = 1;
    for (const _child of children) {
      const service = decodeService(String(lines[index] ?? ""));
      if (service === undefined) return false;
      services.push(service);
      index += 3;
    }
    const first = numbersOf(String(lines[0] ?? ""));
    const read = first[0] ?? -1;
    const write = first[1] ?? -1;
    if (read >= 0 && write >= 0) this.#keepPipe({ errno: 0, read, write });
    this.#state = { ...this.#state, closed: first[2] === 1 };
    this.#scriptPid = first[3] ?? 0;
    if (this.#scriptPid > 0) this.#scriptUntil = this.#system.monotonic() + scriptMilliseconds;
    index = 1;
    for (const child of children) {
      const service = services.shift();
      if (service !== undefined) this.#setService(child, service);
      child.directory.resume(numbersOf(String(lines[index + 1] ?? "")));
      const times = numbersOf(String(lines[index + 2] ?? ""));
      child.startedAt = times[0] ?? 0;
      child.restUntil = times[1] ?? never;
      if ((times[2] ?? -1) >= 0) {
        const pidfd = this.#system.pidfd(this.#serviceOf(child).pid);
        if (pidfd >= 0) child.pidfd = pidfd;
        else this.#ended(child, -1, 0);
      }
      this.#catchUp(child);
      this.#publish(child, true);
      index += 3;
    }
    if (this.#scriptPid > 0 && this.#isGone(this.#scriptPid)) this.onEnded(this.#scriptPid, -1);
    this.#setting.apart?.checkLater(this.#system.monotonic());
    return true;
  }

  /** What the crashed instance did after its last words: it may have started a process, or reaped one. */
  #catchUp(child: Child): void {
    const service = this.#serviceOf(child);
    const record = child.directory.lastRecord();
    if (
      record !== undefined &&
      record.phase !== "down" &&
      record.pid !== service.pid &&
      isLiving(this.#system, record.pid, record.bornBefore)
    ) {
      child.startedAt = this.#system.monotonic() - (this.#system.bootClock() - record.bornBefore);
      child.restUntil = never;
      this.#setService(child, {
        ...service,
        phase: record.phase,
        pid: record.pid,
        paused: false,
        gotTerm: false,
        once: false,
        resting: false,
        since: record.phase === "run" ? record.since : service.since,
      });
    } else if (service.pid !== 0 && child.pidfd < 0 && this.#isGone(service.pid)) this.#ended(child, -1, 0);
  }

  /** Reaped, that is: a child that has only ended is still there. */
  #isGone(pid: number): boolean {
    return this.#system.kill(pid, 0) === -noSuchProcess;
  }

  // ── small things ──

  #serviceOf(child: Child): Service {
    return child.role === "log" ? (this.#state.log ?? this.#state.service) : this.#state.service;
  }
  #setService(child: Child, service: Service): void {
    this.#state = child.role === "log" ? { ...this.#state, log: service } : { ...this.#state, service };
  }
  #warn(text: string, errno: number): void {
    this.#say(describeWarning(this.#program, text, errno));
  }
  #say(message: string): void {
    if (this.#setting.say === undefined) this.#system.complain(message);
    else this.#setting.say(message);
  }
}

/** `supervise` of `web/supervise` with base `web/`: messages name it as seen from the service directory. */
function nameOf(state: string, base: string): string {
  return state.startsWith(base) ? state.slice(base.length) : state;
}

function numbersOf(line: string): number[] {
  return line.split(" ").map((word) => Number(word));
}

/** Why a child did not get as far as its program. */
function describeStep(step: SpawnStep, program: string, forPipe: string): string {
  if (step === "session") return "unable to create session";
  if (step === "directory") return "unable to change directory to ./log";
  if (step === "exec") return `unable to start ${program}`;
  return `unable to setup filedescriptor for ${forPipe}`;
}
