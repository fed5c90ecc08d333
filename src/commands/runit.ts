// runit(8): process 1. Runs three stages, one after the other, and ends the machine.

import { decodeBoot, encodeBoot } from "../core/boot/handover.ts";
import type { Boot, BootAction, BootHappening, Stage } from "../core/boot/stages.ts";
import { askScript, newBoot, reactBoot, scriptOf } from "../core/boot/stages.ts";
import { describeVersion } from "../core/process/names.ts";
import { describeError, ESRCH } from "../core/text/errors.ts";
import { isExecutable, wantsSync } from "../directories/boot.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { RebootCommand, System } from "../system/system.ts";
import { openNonblocking, openNoTerminal, openReadWrite, openWrite, plainChild } from "../system/system.ts";

const consolePath = "/dev/console";
const termSignal = 15;
const killSignal = 9;
const haltMilliseconds = 2000;
/** What a container engine reports of a namespace that was rebooted. */
const rebootCode = 129;

export function runit(_args: readonly string[], system: System): number {
  if (system.pid !== 1) {
    system.writeText(2, "- runit: fatal: must be run as process no 1.\n");
    return 111;
  }
  // Those that mean nothing are watched as well: what is watched neither ends process 1 nor stays blocked in its stages.
  system.watchSignals(["CHLD", "CONT", "INT", "TERM", "HUP", "ALRM"]);
  const machine = new ProcessOne(system);
  if (!machine.resume()) machine.begin();
  machine.live();
  return machine.end();
}

class ProcessOne {
  readonly #system: System;
  /** Of the whole machine, not of a namespace: who may turn off ctrl-alt-del may turn off the machine. */
  readonly #isOfMachine: boolean;
  #boot: Boot = newBoot();

  constructor(system: System) {
    this.#system = system;
    this.#isOfMachine = system.reboot("keep ctrl-alt-del") >= 0;
  }

  begin(): void {
    this.#system.newSession(); // it may be the leader of one already
    for (const fd of [0, 1, 2]) this.#putConsole(fd);
    this.#say(`${describeVersion("runit").trimEnd()}: booting.`);
    this.#keep();
    this.#system.guard();
    this.#start(1);
  }

  /** Goes on where a crashed instance was; false: there was none. */
  resume(): boolean {
    const system = this.#system;
    const kept = system.kept();
    if (kept === undefined) return false;
    // Without a word from it stage 2 is the likeliest, and the one that does no harm.
    this.#boot = decodeBoot(kept, system.lastSpawned) ?? { ...newBoot(), stage: 2, pid: system.lastSpawned };
    system.guard();
    this.#keep();
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
      const { dueAt } = this.#boot;
      const milliseconds = isFirst ? 0 : dueAt < 0 ? -1 : Math.max(0, dueAt - system.monotonic());
      isFirst = false;
      const happenings = awaitHappenings(system, { fds: [], milliseconds });
      this.#putConsole(2); // it may have been taken from us, or come only now
      let hasComplained = false;
      for (const happening of happenings) {
        if (happening.kind === "signal" && (happening.signal === "CONT" || happening.signal === "INT")) {
          if (!hasComplained && happening.signal === "CONT") this.#hearContinued();
          else if (!hasComplained) this.#hearInterrupted();
          hasComplained = this.#boot.stage !== 2; // once for all that came together
        } else if (happening.kind === "ended") this.#hearEnded(happening.pid, happening.waitStatus);
      }
      if (this.#boot.dueAt >= 0 && system.monotonic() >= this.#boot.dueAt) this.#hear({ kind: "due" });
    }
  }

  #hearContinued(): void {
    this.#hear({ kind: "continued", isArmed: isExecutable(this.#system, this.#system.stopFlag) });
  }
  #hearInterrupted(): void {
    this.#hear({ kind: "interrupted", hasScript: isExecutable(this.#system, askScript) });
  }
  /** All others are orphans: reaped, and that is all. */
  #hearEnded(pid: number, waitStatus: number): void {
    if (pid === this.#boot.pid) this.#hear({ kind: "ended", waitStatus });
    else if (pid === this.#boot.askingPid) {
      this.#hear({ kind: "asked", waitStatus, isArmed: isExecutable(this.#system, this.#system.stopFlag) });
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
        system.chmod(system.stopFlag, 0); // on a read-only disk it works all the same, once
        break;
      case "terminate":
        this.#tell(action.pid, termSignal);
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

  // ── children ──

  #start(stage: Stage): void {
    const system = this.#system;
    const script = scriptOf(stage);
    let stdin = -1;
    if (stage === 1) {
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
      this.#hear({ kind: "unrunnable" });
    } else {
      system.watchEnd(spawned.pid);
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

  // ── the end ──

  /** Kills everything and ends the machine. Answers the exit code where there is no machine to end. */
  end(): number {
    const system = this.#system;
    this.#putConsole(2);
    this.#say("sending KILL signal to all processes...");
    system.killAll(killSignal);
    const wantsReboot = isExecutable(system, system.rebootFlag);
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
    const opened = this.#system.open(consolePath, openWrite + openNonblocking + openNoTerminal, 0);
    if (opened >= 0 && opened !== fd) this.#system.moveFd(opened, fd);
  }

  #keep(): void {
    this.#system.keep(encodeBoot(this.#boot, this.#system.lastSpawned));
  }
}
