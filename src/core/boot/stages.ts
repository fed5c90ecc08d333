// The life of process 1: three stages, one after the other. What follows from what. runit(8).
//
//                      ┌── 100, killed ────────────────────────────┐
//    ──▶ 1 ── 0, other ┴──▶ 2 ── 0, other ──────────────────────┬──┴▶ 3 ──▶ the end
//                           │▲                                  │
//              111, killed  ▼│ 5 s                              │
//                         resting                               │
//                           │ stop request: TERM, 5 s, KILL     │
//                           └──▶ stopping ──▶ killed ───────────┘
//
// A script that cannot be executed has failed: of stage 1 the next one follows, stage 2 is tried again after 5 s.
//
// In a container a stop signal is a stop request in stage 1 too, a stage that cannot be executed leads to stage 3, and
// there is an exit code: that of the earliest failure.

export type Stage = 1 | 2 | 3;
export type BootPhase = "running" | "resting" | "stopping" | "killed" | "over";

export interface Boot {
  readonly stage: Stage;
  readonly phase: BootPhase;
  /** Of the stage; 0: it does not run. */
  readonly pid: number;
  /** Of the ctrl-alt-del script; 0: it does not run. */
  readonly askingPid: number;
  /** When something is due (monotonic clock, milliseconds); negative: never. */
  readonly dueAt: number;
  /** Requests that came while they could not be dealt with: they are, as soon as stage 2 runs. */
  readonly wasContinued: boolean;
  readonly wasInterrupted: boolean;
  readonly isContained: boolean;
  /** Exit code of a container: of the earliest failure so far, or 0. */
  readonly code: number;
  /** When it was told to stop (monotonic clock, milliseconds); negative: not yet. */
  readonly stoppedAt: number;
}

export type BootHappening =
  | { readonly kind: "started"; readonly pid: number }
  /** No process could be made. */
  | { readonly kind: "unforkable" }
  /** The script could not be executed; its process has ended, or will. Code as a shell has it: 127 there is none, 126. */
  | { readonly kind: "unrunnable"; readonly code: number }
  /** A stop signal, in a container. */
  | { readonly kind: "told"; readonly signal: string }
  | { readonly kind: "ended"; readonly waitStatus: number }
  | { readonly kind: "asking"; readonly pid: number }
  | { readonly kind: "asked"; readonly waitStatus: number; readonly isArmed: boolean }
  /** CONT; `isArmed`: the stop flag is set. */
  | { readonly kind: "continued"; readonly isArmed: boolean }
  /** INT; `hasScript`: there is something to be done on ctrl-alt-del. */
  | { readonly kind: "interrupted"; readonly hasScript: boolean }
  | { readonly kind: "due" };

export type BootAction =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "warn"; readonly text: string }
  | { readonly kind: "start"; readonly stage: Stage }
  /** Runs the ctrl-alt-del script. */
  | { readonly kind: "ask" }
  | { readonly kind: "disarm" }
  | { readonly kind: "terminate"; readonly pid: number }
  | { readonly kind: "kill"; readonly pid: number }
  | { readonly kind: "killGroup"; readonly pid: number }
  /** Looks again at the requests that are kept. */
  | { readonly kind: "look" };

export interface BootReaction {
  readonly next: Boot;
  readonly actions: readonly BootAction[];
}

const restMilliseconds = 5000;
const stopMilliseconds = 5000;
export const askScript = "/etc/runit/ctrlaltdel";

export function scriptOf(stage: Stage): string {
  return `/etc/runit/${stage}`;
}

/** At the very beginning: stage 1 is to be started. */
export function newBoot(): Boot {
  return {
    stage: 1,
    phase: "running",
    pid: 0,
    askingPid: 0,
    dueAt: -1,
    wasContinued: false,
    wasInterrupted: false,
    isContained: false,
    code: 0,
    stoppedAt: -1,
  };
}

function beginning(boot: Boot, stage: Stage): Boot {
  return {
    ...boot,
    stage,
    phase: "running",
    pid: 0,
    askingPid: 0,
    dueAt: -1,
    wasContinued: false,
    wasInterrupted: false,
  };
}

/** @param now monotonic clock, milliseconds */
export function reactBoot(boot: Boot, heard: BootHappening, now: number): BootReaction {
  switch (heard.kind) {
    case "started":
      return { next: { ...boot, pid: heard.pid, dueAt: -1 }, actions: [{ kind: "look" }] };
    case "unforkable":
      return { next: { ...boot, dueAt: now + restMilliseconds }, actions: [] };
    case "unrunnable":
      return endUnrunnable(boot, heard.code, now);
    case "told":
      return hearTold(boot, heard.signal, now);
    case "ended":
      return end(boot, heard.waitStatus, now);
    case "asking":
      return { next: { ...boot, askingPid: heard.pid }, actions: [] };
    case "asked":
      return endAsking(boot, heard.waitStatus, heard.isArmed, now);
    case "continued":
      return hearContinued(boot, heard.isArmed, now);
    case "interrupted":
      return hearInterrupted(boot, heard.hasScript);
    case "due":
      return hearDue(boot);
  }
}

// ── the end of a stage ──

function endUnrunnable(boot: Boot, code: number, now: number): BootReaction {
  if (boot.isContained) return leave(failing(boot, code), [], boot.stage === 3 ? "the end" : 3);
  return boot.stage === 2 ? rest(boot, [], now) : leave(boot, [], nextOf(boot.stage));
}

/** The earliest failure is the one that counts. */
function failing(boot: Boot, code: number): Boot {
  return boot.code === 0 ? { ...boot, code } : boot;
}

function end(ended: Boot, waitStatus: number, now: number): BootReaction {
  if (isStopping(ended)) return leave(ended, [], 3);
  const hasCrashed = waitStatus % 128 !== 0;
  const code = Math.floor(waitStatus / 256) % 256;
  const counts = ended.stage === 3 || (ended.stage === 1 ? hasCrashed || code === 100 : !hasCrashed && code !== 111);
  const boot = counts ? failing(ended, hasCrashed ? 128 + (waitStatus % 128) : code) : ended;
  if (!hasCrashed && code === 0) return leave(boot, [], nextOf(boot.stage));
  const complaint = hasCrashed ? crashed(scriptOf(boot.stage)) : failed(boot);
  if (boot.stage === 1 && (hasCrashed || code === 100)) return leave(boot, [complaint], 3);
  if (boot.stage === 2 && (hasCrashed || code === 111)) return rest(boot, [complaint], now);
  return leave(boot, [complaint], nextOf(boot.stage));
}

type Following = Stage | "the end";

function nextOf(stage: Stage): Following {
  return stage === 1 ? 2 : stage === 2 ? 3 : "the end";
}

function leave(boot: Boot, complaints: readonly BootAction[], next: Following): BootReaction {
  const actions: BootAction[] = [...complaints, { kind: "say", text: `leave stage: ${scriptOf(boot.stage)}` }];
  if (boot.stage === 1 && next === 3) actions.push({ kind: "warn", text: "skipping stage 2..." });
  if (next === "the end") return { next: { ...boot, phase: "over", pid: 0, dueAt: -1 }, actions };
  actions.push({ kind: "start", stage: next });
  return { next: beginning(boot, next), actions };
}

/** Stage 2 is started again after a while. */
function rest(boot: Boot, complaints: readonly BootAction[], now: number): BootReaction {
  const actions: BootAction[] = [...complaints, { kind: "warn", text: "killing all processes in stage 2..." }];
  if (boot.pid !== 0) actions.push({ kind: "killGroup", pid: boot.pid });
  return { next: { ...boot, phase: "resting", pid: 0, dueAt: now + restMilliseconds }, actions };
}

function failed(boot: Boot): BootAction {
  return { kind: "warn", text: `child failed: ${scriptOf(boot.stage)}` };
}

function crashed(script: string): BootAction {
  return { kind: "warn", text: `child crashed: ${script}` };
}

// ── requests ──

function isReady(boot: Boot): boolean {
  return boot.stage === 2 && boot.phase === "running" && boot.pid !== 0 && boot.askingPid === 0;
}

/** Another request comes too late. */
function isStopping(boot: Boot): boolean {
  return boot.phase === "stopping" || boot.phase === "killed";
}

function tooEarlyOrLate(boot: Boot): BootReaction {
  return { next: boot, actions: [{ kind: "warn", text: "signals only work in stage 2." }] };
}

function hearContinued(boot: Boot, isArmed: boolean, now: number): BootReaction {
  if (boot.isContained) return isArmed ? hearTold(boot, "CONT", now) : { next: boot, actions: [] };
  if (boot.stage !== 2) return tooEarlyOrLate(boot);
  if (isReady(boot)) return isArmed ? stop(boot, [], now) : { next: { ...boot, wasContinued: false }, actions: [] };
  return { next: isStopping(boot) ? boot : { ...boot, wasContinued: true }, actions: [] };
}

/** In a container: in stage 3 it comes too late, otherwise it is never lost. */
function hearTold(boot: Boot, signal: string, now: number): BootReaction {
  if (boot.stage === 3 || isStopping(boot)) return { next: boot, actions: [] };
  const said: BootAction = { kind: "say", text: `stop request (${signal})...` };
  if (boot.pid === 0) return leave({ ...boot, stoppedAt: now }, [said], 3);
  return stop(boot, [said], now);
}

function hearInterrupted(boot: Boot, hasScript: boolean): BootReaction {
  if (boot.stage !== 2) return tooEarlyOrLate(boot);
  if (isReady(boot)) {
    const next: Boot = { ...boot, wasInterrupted: false };
    if (!hasScript) return { next, actions: [] };
    return { next, actions: [{ kind: "say", text: "ctrl-alt-del request..." }, { kind: "ask" }] };
  }
  return { next: isStopping(boot) ? boot : { ...boot, wasInterrupted: true }, actions: [] };
}

function endAsking(boot: Boot, waitStatus: number, isArmed: boolean, now: number): BootReaction {
  const actions: BootAction[] = [];
  if (waitStatus % 128 !== 0) actions.push(crashed(askScript));
  actions.push({ kind: "say", text: `leave stage: ${askScript}` });
  const next: Boot = { ...boot, askingPid: 0 };
  if (!isArmed) return { next, actions: [...actions, { kind: "look" }] };
  if (isReady(next)) return stop(next, actions, now);
  // Stage 2 has ended meanwhile: while it rests the request is kept.
  return { next: next.stage === 2 ? { ...next, wasContinued: true } : next, actions };
}

function stop(boot: Boot, before: readonly BootAction[], now: number): BootReaction {
  const dueAt = now + stopMilliseconds;
  return {
    next: { ...boot, phase: "stopping", dueAt, wasContinued: false, wasInterrupted: false, stoppedAt: now },
    actions: [...before, { kind: "disarm" }, { kind: "terminate", pid: boot.pid }],
  };
}

// ── time ──

function hearDue(boot: Boot): BootReaction {
  if (boot.phase === "resting") {
    return {
      next: { ...boot, phase: "running", pid: 0, dueAt: -1 },
      actions: [
        { kind: "warn", text: "restarting." },
        { kind: "start", stage: 2 },
      ],
    };
  }
  if (boot.phase === "stopping") {
    return {
      next: { ...boot, phase: "killed", dueAt: -1 },
      actions: [
        { kind: "warn", text: `stage ${boot.stage} not terminated, sending sigkill...` },
        { kind: "kill", pid: boot.pid },
      ],
    };
  }
  const actions: BootAction[] = [];
  if (boot.isContained && boot.stage === 3 && boot.pid === 0) {
    // There is no process to be had: a container ends all the same.
    return { next: { ...boot, phase: "over" }, actions: [{ kind: "warn", text: "going on without stage 3." }] };
  }
  if (boot.phase === "running" && boot.pid === 0) actions.push({ kind: "start", stage: boot.stage });
  return { next: { ...boot, dueAt: -1 }, actions };
}
