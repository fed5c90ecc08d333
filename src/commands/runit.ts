// runit(8): process 1. Runs three stages, one after the other, and ends the machine.

import { decodeBoot, encodeBoot } from "../core/boot/handover.ts";
import type { Boot, BootAction, BootHappening, Stage } from "../core/boot/stages.ts";
import { askScript, newBoot, reactBoot, scriptOf } from "../core/boot/stages.ts";
import { parseSeconds } from "../core/container/options.ts";
import { describeVersion } from "../core/process/names.ts";
import { signalNumber } from "../core/process/signals.ts";
import { describeError, ENOENT, ESRCH } from "../core/text/errors.ts";
import { isArmed, isExecutable, readExitCode, tryDisarm, wantsSync } from "../directories/boot.ts";
import { fillStandardDescriptors } from "../directories/container.ts";
import { hasRest, listDescendants, listParents, nameOf, signalRest } from "../directories/processes.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { RebootCommand, System, WatchedSignal } from "../system/system.ts";
import {
  openNonblocking,
  openNoTerminal,
  openReadWrite,
  openWrite,
  plainChild,
  watchableSignals,
} from "../system/system.ts";

const consolePath = "/dev/console";
const termSignal = 15;
const killSignal = 9;
const contSignal = 18;
const haltMilliseconds = 2000;
/** In a container: for stage 2 and the services together, if there is no stage 3; then for what is left. */
const allowanceMilliseconds = 7000;
const sweepMilliseconds = 2000;
/** Of the time a stop may take, what a stage has that is told to end; stage 3 has the rest. */
const stageShare = 0.75;
/** While processes that are not our children are waited for: milliseconds between two looks. */
const shortestPause = 2;
const longestPause = 100;
/** INT: unless there is a script to be run on it. */
const stopSignals = "TERM PWR RTMIN+3 INT";
/** What a container engine reports of a namespace that was rebooted. */
const rebootCode = 129;

export function runit(args: readonly string[], system: System): number {
  const asked = system.environment("RUNIT_CONTAINER") ?? "";
  const wantsContainer = args[1] === "-c" || (asked !== "" && asked !== "0");
  if (system.pid !== 1 && !wantsContainer) {
    system.writeText(2, "- runit: fatal: must be run as process no 1.\n");
    return 111;
  }
  // Of the whole machine, not of a namespace: who may turn off ctrl-alt-del may turn off the machine.
  const isOfMachine = system.pid === 1 && system.reboot("keep ctrl-alt-del") >= 0;
  const isContained = wantsContainer || (asked !== "0" && !isOfMachine);
  // Those that mean nothing are watched as well: what is watched neither ends process 1 nor stays blocked in its stages.
  system.watchSignals(isContained ? watchableSignals() : ["CHLD", "CONT", "INT", "TERM", "HUP", "ALRM"]);
  if (isContained) fillStandardDescriptors(system);
  const machine = new ProcessOne(system, isOfMachine, isContained);
  if (!machine.resume()) machine.begin();
  machine.live();
  return isContained ? machine.leave() : machine.end();
}

class ProcessOne {
  readonly #system: System;
  readonly #isOfMachine: boolean;
  readonly #isContained: boolean;
  #boot: Boot;
  /** It has been started, at least. */
  #hasStage3 = false;

  constructor(system: System, isOfMachine: boolean, isContained: boolean) {
    this.#system = system;
    this.#isOfMachine = isOfMachine;
    this.#isContained = isContained;
    this.#boot = { ...newBoot(), isContained };
  }

  begin(): void {
    const system = this.#system;
    if (system.pid === 1)
      system.newSession(); // it may be the leader of one already
    else if (system.becomeSubreaper() < 0) this.#say("warning: unable to become a subreaper: orphans are not reaped");
    for (const fd of [0, 1, 2]) this.#putConsole(fd);
    this.#say(`${describeVersion("runit").trimEnd()}: booting${this.#isContained ? " in a container" : ""}.`);
    const grace = system.environment("RUNIT_GRACE") ?? "";
    if (this.#isContained && grace !== "" && parseSeconds(grace) === undefined) {
      this.#say(`warning: RUNIT_GRACE is no number of seconds: ${grace}`);
    }
    this.#keep();
    system.guardState("- runit:");
    this.#start(1);
  }

  /** Goes on where a crashed instance was; false: there was none. */
  resume(): boolean {
    const system = this.#system;
    const kept = system.kept();
    if (kept === undefined) return false;
    // Without a word from it stage 2 is the likeliest, and the one that does no harm.
    const likely: Boot = { ...newBoot(), isContained: this.#isContained, stage: 2, pid: system.lastSpawned };
    this.#boot = decodeBoot(kept, system.lastSpawned) ?? likely;
    system.guardState("- runit:");
    this.#keep();
    this.#hasStage3 = this.#boot.stage === 3 && (this.#boot.pid !== 0 || this.#boot.phase === "over");
    const { stage, phase, pid } = this.#boot;
    if (pid !== 0 && system.kill(pid, 0) < 0) {
      const waitStatus = system.watchedEnd;
      // If even that has been lost: what does no harm.
      this.#hear({ kind: "ended", waitStatus: waitStatus >= 0 ? waitStatus : stage === 2 ? killSignal : 0 });
    } else if (pid === 0 && phase === "running" && this.#boot.dueAt < 0) this.#start(stage);
    return true;
  }

  /** Until stage 3 is over. */
  live(): void {
    const system = this.#system;
    let isFirst = true; // what ended before a restart in place is heard at once
    while (this.#boot.phase !== "over") {
      const dueAt = this.#due();
      const milliseconds = isFirst ? 0 : dueAt < 0 ? -1 : Math.max(0, dueAt - system.monotonic());
      isFirst = false;
      const happenings = awaitHappenings(system, { fds: [], milliseconds });
      this.#putConsole(2); // it may have been taken from us, or come only now
      let hasComplained = false;
      for (const happening of happenings) {
        if (happening.kind === "signal" && this.#isContained) this.#hearContained(happening.signal);
        else if (happening.kind === "signal" && (happening.signal === "CONT" || happening.signal === "INT")) {
          if (!hasComplained && happening.signal === "CONT") this.#hearContinued();
          else if (!hasComplained) this.#hearInterrupted();
          hasComplained = this.#boot.stage !== 2; // once for all that came together
        } else if (happening.kind === "ended") this.#hearEnded(happening.pid, happening.waitStatus);
      }
      if (this.#boot.dueAt >= 0 && system.monotonic() >= this.#boot.dueAt) this.#hear({ kind: "due" });
      this.#watchBudget();
    }
  }

  #due(): number {
    const { dueAt } = this.#boot;
    const end = this.#budgetEnd();
    return end >= 0 && (dueAt < 0 || end < dueAt) ? end : dueAt;
  }

  #hearContinued(): void {
    this.#hear({ kind: "continued", isArmed: isArmed(this.#system, "stop") });
  }
  #hearInterrupted(): void {
    this.#hear({ kind: "interrupted", hasScript: isExecutable(this.#system, askScript) });
  }
  #hearContained(signal: WatchedSignal): void {
    const hasScript = isExecutable(this.#system, askScript);
    if (signal === "CONT") this.#hearContinued();
    else if (signal === "INT" && hasScript && this.#boot.stage === 2) this.#hearInterrupted();
    else if (isListed(this.#system, "RUNIT_STOP_SIGNALS", stopSignals, signal)) this.#hear({ kind: "told", signal });
    else if (this.#boot.stage === 2 && isListed(this.#system, "RUNIT_FORWARD_SIGNALS", "ALRM", signal)) {
      if (this.#boot.pid !== 0) this.#system.kill(this.#boot.pid, signalNumber(signal));
    }
  }
  /** All others are orphans: reaped, and that is all. */
  #hearEnded(pid: number, waitStatus: number): void {
    if (pid === this.#boot.pid) this.#hear({ kind: "ended", waitStatus });
    else if (pid === this.#boot.askingPid) {
      this.#hear({ kind: "asked", waitStatus, isArmed: isArmed(this.#system, "stop") });
    }
  }

  #hear(heard: BootHappening): void {
    const { next, actions } = reactBoot(this.#boot, heard, this.#system.monotonic());
    this.#boot = next;
    this.#keep();
    for (const action of actions) this.#carryOut(action);
  }

  #carryOut(action: BootAction): void {
    const system = this.#system;
    switch (action.kind) {
      case "say":
        this.#say(action.text);
        break;
      case "warn":
        this.#say(`warning: ${action.text}`);
        break;
      case "start":
        this.#start(action.stage);
        break;
      case "ask":
        this.#ask();
        break;
      case "disarm":
        tryDisarm(system, "stop"); // on a read-only disk it works all the same, once
        break;
      case "terminate":
        this.#tell(action.pid, this.#stageSignal());
        break;
      case "kill":
        this.#tell(action.pid, killSignal);
        break;
      case "killGroup":
        system.killGroup(action.pid, killSignal);
        break;
      case "look":
        if (this.#boot.wasContinued) this.#hearContinued();
        if (this.#boot.wasInterrupted) this.#hearInterrupted();
        break;
    }
  }

  /** Sends it to the stage; one that is gone has ended. */
  #tell(pid: number, signal: number): void {
    if (this.#system.kill(pid, signal) === -ESRCH) this.#hear({ kind: "ended", waitStatus: 0 });
  }

  /** By which stage 2 is told to end. */
  #stageSignal(): number {
    const asked = this.#isContained ? signalNumber(this.#system.environment("RUNIT_STAGE2_SIGNAL") ?? "") : 0;
    return asked === 0 ? termSignal : asked;
  }

  // ── children ──

  #start(stage: Stage): void {
    const system = this.#system;
    const script = scriptOf(stage);
    if (stage === 3 && this.#isContained && !isExecutable(system, script)) {
      this.#boot = { ...this.#boot, phase: "over" }; // what it would do is done without it
      return;
    }
    let stdin = -1;
    if (stage === 1 && !this.#isContained) {
      stdin = system.open(consolePath, openReadWrite + openNoTerminal, 0);
      if (stdin < 0) this.#say(`warning: unable to open ${consolePath}: ${describeError(-stdin)}`);
    }
    this.#say(`enter stage: ${script}`);
    // Stage 1 stays in our session, as it always did; the others get their own, by which shutdown scripts tell them apart.
    const spawned = system.spawn({ ...plainChild(script, [script], 0), newSession: stage !== 1, stdin });
    if (stdin >= 0) system.close(stdin);
    if (spawned.pid < 0) {
      this.#say(`fatal: unable to fork for "${script}" pausing: ${describeError(-spawned.pid)}`);
      this.#hear({ kind: "unforkable" });
    } else if (spawned.errno !== 0) {
      this.#say(`fatal: unable to start child: ${script}: ${describeError(spawned.errno)}`);
      this.#hear({ kind: "unrunnable", code: spawned.errno === ENOENT ? 127 : 126 });
    } else {
      system.watchEnd(spawned.pid);
      if (stage === 3) this.#hasStage3 = true;
      this.#hear({ kind: "started", pid: spawned.pid });
    }
  }

  /** Runs the ctrl-alt-del script: stage 2 goes on meanwhile, and is looked after. */
  #ask(): void {
    this.#say(`enter stage: ${askScript}`);
    const spawned = this.#system.spawn(plainChild(askScript, [askScript], 0));
    if (spawned.pid < 0) {
      this.#say(`fatal: unable to fork for "${askScript}": ${describeError(-spawned.pid)}`);
      return;
    }
    if (spawned.errno !== 0) this.#say(`fatal: unable to start child: ${askScript}: ${describeError(spawned.errno)}`);
    this.#hear({ kind: "asking", pid: spawned.pid });
  }

  // ── the end of a container ──

  /**
   * When the time is used up that a stop, or the stage that is told to end, may take (monotonic clock, milliseconds);
   * negative: it may take any.
   */
  #budgetEnd(): number {
    const budget = parseSeconds(this.#system.environment("RUNIT_GRACE") ?? "");
    const { stoppedAt, stage, phase } = this.#boot;
    if (budget === undefined || stoppedAt < 0) return -1;
    if (stage === 3) return stoppedAt + budget;
    return phase === "stopping" ? stoppedAt + budget * stageShare : -1;
  }
  /** Kills a stage that takes longer. */
  #watchBudget(): void {
    const { stage, pid } = this.#boot;
    const end = this.#isContained && pid !== 0 ? this.#budgetEnd() : -1;
    if (end < 0 || this.#system.monotonic() < end) return;
    if (stage !== 3) {
      this.#hear({ kind: "due" });
      return;
    }
    this.#system.killGroup(pid, killSignal);
    this.#system.kill(pid, killSignal);
  }

  /** Ends everything in order, and answers the exit code. */
  leave(): number {
    const system = this.#system;
    const since = this.#boot.stoppedAt < 0 ? system.monotonic() : this.#boot.stoppedAt;
    const budgetEnd = this.#budgetEnd();
    const limit = budgetEnd < 0 ? Number.POSITIVE_INFINITY : budgetEnd;
    if (!this.#hasStage3) this.#takeDown(Math.min(since + allowanceMilliseconds, limit));
    if (hasRest(system)) {
      signalRest(system, termSignal);
      signalRest(system, contSignal);
      this.#await(Math.min(system.monotonic() + sweepMilliseconds, limit), () => !hasRest(system));
    }
    if (hasRest(system)) {
      this.#say("warning: processes are left, sending KILL signal...");
      signalRest(system, killSignal);
      this.#await(system.monotonic() + sweepMilliseconds, () => !hasRest(system));
    }
    let { code } = this.#boot;
    if (code === 0 && isArmed(system, "reboot")) code = rebootCode;
    if (code === 0) code = readExitCode(system);
    this.#say(`exit with code ${code}.`);
    system.endGuard();
    return code;
  }

  /**
   * In place of a stage 3: each runsv ends its service, then its log service, then itself. Orphans are told as well: what a
   * service left behind may hold the pipe of its log service.
   */
  #takeDown(until: number): void {
    const system = this.#system;
    const told = new Set<number>();
    this.#await(until, () => {
      let isEmpty = true;
      const parents = listParents(system);
      for (const pid of listDescendants(system, system.pid)) {
        const isRunsv = nameOf(system, pid) === "runsv";
        if (isRunsv) isEmpty = false;
        if (told.has(pid) || (!isRunsv && parents.get(pid) !== system.pid)) continue;
        told.add(pid);
        system.kill(pid, termSignal);
        if (!isRunsv) system.kill(pid, contSignal);
      }
      return isEmpty;
    });
  }

  /** Reaps until it is done, at most so long. */
  #await(until: number, isDone: () => boolean): void {
    const system = this.#system;
    let pause = shortestPause; // an end of a child of ours is heard at once
    while (!isDone()) {
      const left = until - system.monotonic();
      if (left <= 0) return;
      awaitHappenings(system, { fds: [], milliseconds: Math.min(left, pause) });
      pause = Math.min(pause * 2, longestPause);
    }
  }

  // ── the end of a machine ──

  /** Kills everything and ends the machine. Answers the exit code where there is no machine to end. */
  end(): number {
    const system = this.#system;
    this.#putConsole(2);
    this.#say("sending KILL signal to all processes...");
    system.killAll(killSignal);
    const wantsReboot = isArmed(system, "reboot");
    if (wantsReboot) this.#endBy("restart", "system reboot.");
    else {
      this.#endBy("power off", "power off...");
      const until = system.monotonic() + haltMilliseconds;
      for (let now = system.monotonic(); now < until; now = system.monotonic()) {
        awaitHappenings(system, { fds: [], milliseconds: until - now });
      }
      this.#endBy("halt", "system halt.");
    }
    while (this.#isOfMachine) awaitHappenings(system, { fds: [], milliseconds: -1 });
    return wantsReboot ? rebootCode : 0;
  }

  #endBy(what: RebootCommand, text: string): void {
    this.#say(text);
    if (wantsSync(this.#system)) this.#system.syncAll();
    this.#system.reboot(what);
  }

  // ── small things ──

  #say(text: string): void {
    this.#system.complain(`- runit: ${text}\n`);
  }

  /** Makes the console this descriptor, if there is one. */
  #putConsole(fd: number): void {
    if (this.#isContained) return; // what is written goes to the container's log
    const opened = this.#system.open(consolePath, openWrite + openNonblocking + openNoTerminal, 0);
    if (opened >= 0 && opened !== fd) this.#system.moveFd(opened, fd);
  }

  #keep(): void {
    this.#system.keep(encodeBoot(this.#boot, this.#system.lastSpawned));
  }
}

/** Whether a signal is in the list that a variable holds; without the variable, in the usual one. */
function isListed(system: System, variable: string, usual: string, signal: WatchedSignal): boolean {
  const list = system.environment(variable) ?? usual;
  return list.split(" ").some((word) => signalNumber(word) === signalNumber(signal));
}
