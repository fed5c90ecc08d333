// A container's life: start hook, services and command, stop request, stop, exit code. runit-container(8).
//
// Hears what happened, and goes on; how it ends, step by step, is decided in core/container/stop.ts.

import type { Cause, Course } from "../core/container/ending.ts";
import { describeEnding, describeWaitStatus, exitCodeOf } from "../core/container/ending.ts";
import type { Life, LifePhase } from "../core/container/handover.ts";
import {
  decodeCause,
  decodeLife,
  decodeStop,
  encodeCause,
  encodeLife,
  encodeStop,
} from "../core/container/handover.ts";
import type { ContainerOptions } from "../core/container/options.ts";
import { optionVariables } from "../core/container/options.ts";
import { describeReport } from "../core/container/report.ts";
import type { Stop, StopAction } from "../core/container/stop.ts";
import { describePlan, hurry, reactStop, requestStop } from "../core/container/stop.ts";
import { describeSignal, numberOf, signalNumber } from "../core/process/signals.ts";
import type { Role } from "../core/supervise/service.ts";
import { describeError, ENOENT, ESRCH } from "../core/text/errors.ts";
import { describeWarning } from "../core/text/messages.ts";
import { isExecutable } from "../directories/boot.ts";
import { countMemoryKills, writeReason } from "../directories/container.ts";
import { ControlSocket, placeInContainer } from "../directories/control-socket.ts";
import { hasRest, signalRest } from "../directories/processes.ts";
import { orFail } from "../system/errors.ts";
import type { Happening } from "../system/happenings.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, SpawnPlan, System } from "../system/system.ts";
import { openDirectory, openRead, openReadWrite, plainChild, watchableSignals } from "../system/system.ts";
import { Output } from "./output.ts";
import type { TreeService } from "./tree.ts";
import { Tree, TreeOwner } from "./tree.ts";

/** While processes that are not our children are waited for. */
const glanceMilliseconds = 10;
const notFound = 127;
const notExecutable = 126;
const term = 15;
const kill = 9;
const cont = 18;
const alarm = 14;

export class Container extends TreeOwner {
  readonly #system: System;
  readonly #options: ContainerOptions;
  /** Index of the command among our arguments; 0: there is none. */
  readonly #command: number;
  readonly #output: Output;
  readonly #tree: Tree;
  readonly #socket: ControlSocket;
  #phase: LifePhase = "hook";
  #stop: Stop | undefined = undefined;
  #cause: Cause | undefined = undefined;
  #mainEnds: number[] = [];
  #commandPid = 0;
  #commandAt = 0;
  /** The start hook, what waits for the services to be ready, and the end hook: never two at a time. */
  #hookPid = 0;
  #hasStarted = false;
  #interrupts = 0;
  #running = 0;
  #killed = 0;
  #memoryKills = 0;
  #isOutOfMemory = false;
  /** What is kept for a restart in place is no longer true. */
  #hasChanged = true;
  /** Output that waits is part of what is kept. */
  #holds = false;

  constructor(system: System, options: ContainerOptions, command: number) {
    super();
    this.#system = system;
    this.#options = options;
    this.#command = command;
    this.#output = new Output(system, options.prefix);
    const origin = orFail(system.open(".", openRead + openDirectory, 0), "unable to open current directory");
    this.#tree = new Tree(system, options, this, this.#output, origin);
    this.#socket = new ControlSocket(system, placeInContainer(system));
  }

  /** Until all is over; answers the exit code. */
  live(): number {
    this.#prepare();
    if (!this.#resume()) this.#begin();
    this.keep();
    let isFirst = true; // what ended before a restart in place is heard at once
    for (;;) {
      const fds: Polled[] = [];
      this.#socket.addPolled(fds); // first: it takes no time
      this.#tree.addPolled(fds);
      this.#output.addPolled(fds);
      const milliseconds = isFirst ? 0 : this.#until(this.#system.monotonic());
      isFirst = false;
      for (const happening of awaitHappenings(this.#system, { fds, milliseconds })) this.#hear(happening);
      const now = this.#system.monotonic();
      this.#tree.onTime(now);
      this.#output.onTime(now);
      this.#socket.onTime(now);
      if (this.#advance(now)) return this.#end();
      if (this.#hasChanged || this.#holds || this.#output.holdsAnything) this.keep();
    }
  }

  /** Before anything can be started, or lost. */
  #prepare(): void {
    const system = this.#system;
    system.watchSignals(watchableSignals());
    system.freshenChildren();
    system.keepAbove(2);
    system.raiseFdLimit();
    system.guardState("[runit]");
    if (system.pid !== 1) {
      const result = system.becomeSubreaper();
      if (result < 0)
        this.say(describeWarning("[runit]", "unable to become a subreaper: orphans are not seen", -result));
    }
  }

  #begin(): void {
    this.#memoryKills = countMemoryKills(this.#system);
    if (this.#tree.places.root === "") {
      this.say(
        "[runit] warning: nowhere to keep state: sv(8) will find services only where their supervise/ can be written\n",
      );
    }
    const trouble = this.#socket.open();
    if (trouble !== "") this.say(`[runit] warning: ${trouble}\n`);
    if (this.#options.loudness > 0) for (const line of describePlan(this.#options)) this.say(`[runit] ${line}\n`);
    const hook = this.#hookOf(this.#options.startHook, "1");
    if (hook === "") this.#startServices();
    else if (!this.#startHook(hook)) this.#request({ kind: "start hook", waitStatus: notFound * 256 });
  }

  /** "": there is none. */
  #hookOf(option: string, stage: string): string {
    if (option !== "") return option;
    if (this.#options.stages === "") return "";
    const path = `${this.#options.stages}/${stage}`;
    return isExecutable(this.#system, path) ? path : "";
  }

  #startHook(path: string): boolean {
    const spawned = this.#system.spawn({ ...plainChild(path, [path], notFound), newSession: true });
    if (spawned.pid < 0 || spawned.errno !== 0) {
      const errno = spawned.pid < 0 ? -spawned.pid : spawned.errno;
      this.say(describeWarning("[runit]", `unable to run ${path}`, errno));
      return false;
    }
    this.#hookPid = spawned.pid;
    this.keep();
    return true;
  }

  #startServices(): void {
    const now = this.#system.monotonic();
    this.#hasStarted = true;
    this.#tree.scan(now);
    if (this.#command > 0 && this.#options.waitMilliseconds > 0) {
      this.#phase = "waiting";
      if (this.#startWaiting()) return;
    }
    this.#phase = "running";
    this.#startCommand();
  }

  /** Another one of ours asks until all are ready. */
  #startWaiting(): boolean {
    const seconds = `${this.#options.waitMilliseconds / 1000}`;
    const words = ["runit-container", "health", "--ready", "--wait", seconds];
    const nowhere = this.#system.open("/dev/null", openReadWrite, 0);
    const plan: SpawnPlan = { ...plainChild("/proc/self/exe", words, 1), newSession: true, stdout: nowhere };
    const spawned = this.#system.spawn(plan);
    if (nowhere >= 0) this.#system.close(nowhere);
    if (spawned.pid > 0 && spawned.errno === 0) this.#hookPid = spawned.pid;
    return this.#hookPid !== 0;
  }

  #startCommand(): void {
    if (this.#command === 0) return;
    const name = String(this.#system.argv[this.#command] ?? "");
    const plan: SpawnPlan = {
      ...plainChild(name, [name], notFound),
      searchPath: true,
      ownArguments: this.#command,
      inForeground: true,
      variables: optionVariables(),
    };
    const spawned = this.#system.spawn(plan);
    const errno = spawned.pid < 0 ? -spawned.pid : spawned.errno;
    if (errno !== 0) {
      const code = errno === ENOENT ? notFound : notExecutable;
      this.#request({ kind: "no command", name, code, reason: describeError(errno) });
      return;
    }
    this.#commandPid = spawned.pid;
    this.#commandAt = this.#system.monotonic();
    this.#system.watchEnd(spawned.pid);
    this.keep();
  }

  // ── hearing ──

  #until(now: number): number {
    let due = this.#tree.due;
    const times = [this.#output.due, this.#socket.due];
    if (this.#stop !== undefined) {
      times.push(this.#stop.dueAt);
      const { step } = this.#stop;
      if (step === "sweep" || step === "swept") times.push(now + glanceMilliseconds);
    }
    for (const time of times) if (time >= 0 && (due < 0 || time < due)) due = time;
    return due < 0 ? -1 : Math.max(0, due - now);
  }

  #hear(happening: Happening): void {
    if (happening.kind === "signal") this.#hasChanged = true;
    switch (happening.kind) {
      case "signal":
        this.#hearSignal(signalNumber(happening.signal));
        break;
      case "ended":
        this.#hearEnd(happening.pid, happening.waitStatus);
        break;
      case "readable":
        if (this.#tree.onReadable(happening.fd) || this.#output.onReadable(happening.fd)) break;
        this.#hearQuestion(happening.fd);
        break;
      case "deadline":
        break;
    }
  }

  #hearSignal(came: number): void {
    let signal = came;
    for (const rewrite of this.#options.rewrites) {
      if (rewrite.from !== came) continue;
      signal = rewrite.to;
      break;
    }
    const hasMain = this.#commandPid !== 0 || this.#tree.hasMains;
    const name = describeSignal(signal);
    switch (name) {
      case "":
      case "ALRM":
      case "TSTP":
      case "TTIN":
      case "TTOU":
        break;
      case "TERM":
      case "PWR":
      case "RTMIN+3":
        this.#request({ kind: "signal", signal: name });
        break;
      case "INT":
        this.#interrupts++;
        if (this.#stop !== undefined && this.#interrupts > 1) this.#hurry();
        this.#request({ kind: "signal", signal: name });
        break;
      case "CONT":
        if (this.#isStopArmed()) this.#request({ kind: "signal", signal: name });
        break;
      case "QUIT":
        if (hasMain) this.#forward(signal);
        else this.#request({ kind: "signal", signal: name });
        break;
      default:
        if (hasMain) this.#forward(signal);
        else if (name === "HUP") this.#tree.scan(this.#system.monotonic());
        else if (name === "USR1") for (const { supervisor } of this.#tree.services) supervisor?.signalLog(alarm);
    }
  }

  /** For images whose stop signal is CONT. */
  #isStopArmed(): boolean {
    return isExecutable(this.#system, "/run/runit/stopit") || isExecutable(this.#system, "/etc/runit/stopit");
  }

  #forward(signal: number): void {
    if (this.#commandPid !== 0) this.#system.kill(this.#commandPid, signal);
    for (const { isMain, supervisor } of this.#tree.services) if (isMain) supervisor?.signal(signal);
  }

  #hearEnd(pid: number, waitStatus: number): void {
    if (pid === this.#commandPid) {
      this.#hasChanged = true;
      this.#commandPid = 0;
      const name = `command ${String(this.#system.argv[this.#command] ?? "")}`;
      this.#hearMainEnd(name, waitStatus, this.#commandAt);
    } else if (pid === this.#hookPid) this.#hearHookEnd(waitStatus);
    else this.#tree.onEnded(pid, waitStatus); // or an orphan: it is reaped, and that is all
  }

  #hearHookEnd(waitStatus: number): void {
    this.#hookPid = 0;
    this.#hasChanged = true;
    if (this.#phase === "waiting") {
      this.#phase = "running";
      if (this.#stop !== undefined) return;
      if (waitStatus !== 0)
        this.say("[runit] warning: not all services are ready; the command is started all the same\n");
      this.#startCommand();
    } else if (this.#phase === "hook") {
      if (this.#stop !== undefined) this.#mainEnds.push(waitStatus);
      else if (waitStatus === 0) this.#startServices();
      else this.#request({ kind: "start hook", waitStatus });
    }
  }

  #hearMainEnd(name: string, waitStatus: number, startedAt: number): void {
    this.#mainEnds.push(waitStatus);
    const seconds = Math.floor((this.#system.monotonic() - startedAt) / 1000);
    this.#request({ kind: "main", name, waitStatus, seconds });
  }

  // ── what the tree tells ──

  override say(message: string): void {
    if (this.#options.loudness >= 0 || message.includes(": fatal: ")) this.#output.say(message);
  }
  override hasChanged(): void {
    this.#hasChanged = true;
  }
  override hasEnded(service: TreeService, role: Role, waitStatus: number, now: number): void {
    const startedAt = service.supervisor?.startedAt ?? now;
    if (role === "service" && service.isMain) {
      const isFirst = this.#stop === undefined;
      this.#hearMainEnd(`main service ${service.name}`, waitStatus, startedAt);
      if (isFirst) this.#running--; // it was not stopped
      return;
    }
    const { maxFailures, failureMilliseconds, loudness } = this.#options;
    if (this.#stop !== undefined) return;
    const name = role === "log" ? `${service.name}/log` : service.name;
    if (waitStatus !== 0 || loudness > 0) this.say(`[runit] ${name}: ${describeWaitStatus(waitStatus)}\n`);
    if (role === "log") return;
    const count = service.ends.since(now - failureMilliseconds);
    if (maxFailures > 0 && count >= maxFailures) {
      this.#request({ kind: "gave up", name: service.name, count, waitStatus });
    }
  }

  // ── questions ──

  #hearQuestion(fd: number): void {
    const question = this.#socket.onReadable(fd);
    if (question === undefined) return;
    const words = question.text.split(" ");
    if (words[0] === "report") this.#socket.answer(question.fd, this.#report(Number(words[1] ?? "0")));
    else if (words[0] === "stop" && question.mayCommand) {
      this.#socket.answer(question.fd, "ok");
      const code = Number(words[1] ?? "-1");
      if (this.#stop !== undefined && code >= 0) this.#cause = { kind: "told", code };
      this.#request({ kind: "told", code });
    } else this.#socket.answer(question.fd, question.mayCommand ? "no such request" : "access denied");
  }

  #report(from: number): string {
    const now = this.#system.monotonic();
    const phase =
      this.#stop !== undefined ? "stopping" : this.#phase === "hook" || this.#tree.isSettling ? "starting" : "running";
    return describeReport(phase, this.#tree.facts(now), from);
  }

  // ── the stop ──

  #request(cause: Cause): void {
    if (this.#stop !== undefined) return;
    const now = this.#system.monotonic();
    const { graceMilliseconds, drainMilliseconds, mainsFirst, loudness } = this.#options;
    this.#hasChanged = true;
    this.#cause = cause;
    this.#stop = requestStop(graceMilliseconds, drainMilliseconds, mainsFirst, now);
    for (const { supervisor } of this.#tree.services) if (supervisor?.hasProcess === true) this.#running++;
    if (loudness > 0) this.say("[runit] stopping\n");
  }

  #hurry(): void {
    if (this.#stop === undefined) return;
    const { next, actions } = hurry(this.#stop, this.#system.monotonic());
    this.#stop = next;
    for (const action of actions) this.#act(action);
  }

  /** Whether all is over. */
  #advance(now: number): boolean {
    while (this.#stop !== undefined) {
      const hasHook = this.#hookPid !== 0;
      const hasServices = !this.#tree.isOver || this.#commandPid !== 0 || hasHook;
      const { step } = this.#stop;
      const remaining = {
        hasMains: this.#commandPid !== 0 || this.#tree.hasMains,
        hasServices,
        hasHook,
        hasProcesses: (step === "sweep" || step === "swept") && hasRest(this.#system),
        hasOutput: this.#output.isWaiting,
      };
      const { next, actions } = reactStop(this.#stop, remaining, now);
      if (next !== this.#stop) this.#hasChanged = true;
      this.#stop = next;
      for (const action of actions) this.#act(action);
      if (next.step === "over") return true;
      if (actions.length === 0) return false;
    }
    return false;
  }

  #act(action: StopAction): void {
    switch (action) {
      case "stop mains":
        this.#stopOwn(this.#commandPid);
        this.#tree.stop("mains");
        break;
      case "stop services":
        this.#stopOwn(this.#commandPid);
        this.#stopOwn(this.#hookPid);
        this.#tree.stop("all");
        break;
      case "kill services":
        this.#killed += this.#tree.kill();
        for (const pid of [this.#commandPid, this.#hookPid]) if (pid !== 0) this.#killOwn(pid);
        break;
      case "run hook":
        this.#runEndHook();
        break;
      case "terminate rest":
        if (this.#hookPid !== 0) this.#killOwn(this.#hookPid);
        signalRest(this.#system, term);
        signalRest(this.#system, cont);
        break;
      case "kill rest":
        signalRest(this.#system, kill);
        break;
      case "say why":
        this.#output.drain();
        this.#sayWhy();
        break;
    }
  }

  /** The command or a hook; it was told once. */
  #stopOwn(pid: number): void {
    if (pid === 0) return;
    this.#system.kill(pid, numberOf(this.#options.stopSignal));
    this.#system.kill(pid, cont);
  }
  #killOwn(pid: number): void {
    this.#system.killGroup(pid, kill);
    this.#system.kill(pid, kill);
  }

  #runEndHook(): void {
    if (!this.#hasStarted || this.#hookPid !== 0) return;
    const hook = this.#hookOf(this.#options.endHook, "3");
    this.#phase = "running";
    if (hook !== "") this.#startHook(hook);
  }

  #course(): Course {
    return {
      cause: this.#cause ?? { kind: "told", code: -1 },
      mainEnds: this.#mainEnds,
      stopped: Math.max(0, this.#running - this.#killed),
      killed: this.#killed,
      isOutOfMemory: this.#isOutOfMemory,
    };
  }

  #sayWhy(): void {
    this.#isOutOfMemory = countMemoryKills(this.#system) > this.#memoryKills;
    const line = describeEnding(this.#course());
    if (this.#options.loudness >= 0) this.#output.say(`[runit] ${line}\n`);
    writeReason(this.#system, line);
  }

  // ── a restart in place ──

  override keep(): void {
    this.#hasChanged = false;
    this.#holds = this.#output.holdsAnything;
    const life: Life = {
      phase: this.#phase,
      stop: this.#stop === undefined ? "" : encodeStop(this.#stop),
      cause: this.#cause === undefined ? "" : encodeCause(this.#cause),
      mainEnds: this.#mainEnds,
      commandPid: this.#commandPid,
      commandAt: this.#commandAt,
      hookPid: this.#hookPid,
      hasStarted: this.#hasStarted,
      interrupts: this.#interrupts,
      running: this.#running,
      killed: this.#killed,
      memoryKills: this.#memoryKills,
      socketFd: this.#socket.fd,
    };
    this.#system.keep(encodeLife(life, this.#output.describe(), this.#tree.describe()));
  }

  /** Goes on where a crashed instance was; false: there was none, or nothing is known of it. */
  #resume(): boolean {
    const system = this.#system;
    const kept = decodeLife(system.kept() ?? "");
    if (kept === undefined) return false;
    const { life } = kept;
    this.#phase = life.phase;
    this.#stop = decodeStop(life.stop);
    this.#cause = decodeCause(life.cause);
    this.#mainEnds = [...life.mainEnds];
    this.#commandPid = life.commandPid;
    this.#commandAt = life.commandAt;
    this.#hookPid = life.hookPid;
    this.#hasStarted = life.hasStarted;
    this.#interrupts = life.interrupts;
    this.#running = life.running;
    this.#killed = life.killed;
    this.#memoryKills = life.memoryKills;
    this.#socket.resume(life.socketFd);
    this.#output.resumeWaiting(kept.output);
    for (const service of kept.services) this.#tree.resume(service);
    if (this.#stop !== undefined) this.#tree.resumeStop();
    else if (this.#hasStarted) this.#tree.scan(system.monotonic());
    // What was reaped, but not yet dealt with.
    if (this.#hookPid !== 0 && system.kill(this.#hookPid, 0) === -ESRCH) this.#hearEnd(this.#hookPid, 0);
    if (this.#commandPid !== 0 && system.kill(this.#commandPid, 0) === -ESRCH) {
      this.#hearEnd(this.#commandPid, system.watchedEnd);
    }
    return true;
  }

  #end(): number {
    this.#socket.close();
    this.#system.endGuard();
    return exitCodeOf(this.#course(), this.#options.expected);
  }
}
