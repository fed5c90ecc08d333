// How a container ends: one deadline, and steps each of which is over as soon as there is nothing left to wait for.
//
//    request  D              max(G - 2 s, G/2)   G - 1 s                 G     G + 1 s
//    ├────────┼──────────────┼───────────────────┼───────────────────────┼─────┤
//     drain    mains           services            killed      end hook    sweep  output
//
// A grace time below 4 s is divided: the KILL comes at three quarters of it.

import type { ContainerOptions } from "./options.ts";

export type StopStep = "drain" | "mains" | "services" | "killed" | "hook" | "sweep" | "swept" | "output" | "over";

export interface Stop {
  readonly step: StopStep;
  /** Monotonic clock, milliseconds. */
  readonly requestedAt: number;
  readonly graceMilliseconds: number;
  readonly mainsFirst: boolean;
  /** When the step is over at the latest. */
  readonly dueAt: number;
}

/** What there still is; main services are among the services. */
export interface Remaining {
  readonly hasMains: boolean;
  readonly hasServices: boolean;
  readonly hasHook: boolean;
  readonly hasProcesses: boolean;
  readonly hasOutput: boolean;
}

/** What is to be done on entering a step. */
export type StopAction =
  | "stop mains"
  | "stop services"
  | "kill services"
  | "run hook"
  | "kill hook"
  | "terminate rest"
  | "kill rest"
  | "say why";

export interface StopReaction {
  readonly next: Stop;
  readonly actions: readonly StopAction[];
}

/** What comes after the last KILL takes no longer. */
const lateMilliseconds = 1000;
const sweepMilliseconds = 500;
const outputMilliseconds = 500;
const hookMilliseconds = 1000;
/** A killed process is gone at once, unless the system holds it. */
const killedMilliseconds = 500;

export function requestStop(
  graceMilliseconds: number,
  drainMilliseconds: number,
  mainsFirst: boolean,
  now: number,
): Stop {
  const drain = Math.min(drainMilliseconds, graceMilliseconds);
  return { step: "drain", requestedAt: now, graceMilliseconds, mainsFirst, dueAt: now + drain };
}

function killTime(stop: Stop): number {
  const grace = stop.graceMilliseconds;
  return stop.requestedAt + (grace < 4000 ? grace * 0.75 : grace - 1000);
}

/** The plan in words, for who wants to know beforehand. */
export function describePlan(options: ContainerOptions): readonly string[] {
  const { graceMilliseconds, drainMilliseconds, mainsFirst } = options;
  const stop = requestStop(graceMilliseconds, drainMilliseconds, mainsFirst, 0);
  const lines: string[] = [];
  if (drainMilliseconds > 0) lines.push(`plan: on a stop request not ready, but untouched for ${stop.dueAt / 1000}s`);
  if (mainsFirst) lines.push(`plan: main services stop first, the others at ${mainsTime(stop) / 1000}s at the latest`);
  lines.push(
    `plan: what is left at ${killTime(stop) / 1000}s is killed; all is over by ${graceMilliseconds / 1000 + 1}s`,
  );
  return lines;
}

function mainsTime(stop: Stop): number {
  return stop.requestedAt + Math.max(stop.graceMilliseconds - 2000, stop.graceMilliseconds / 2);
}

/** Goes on from step to step, as far as nothing is left to wait for. */
export function reactStop(now: Stop, remaining: Remaining, clock: number): StopReaction {
  const actions: StopAction[] = [];
  let next = now;
  for (;;) {
    if (clock < next.dueAt && isLeft(next.step, remaining)) return { next, actions };
    const following = follow(next, remaining, clock);
    if (following.step === next.step) return { next, actions };
    next = following;
    const action = actionOf(next.step);
    if (action === "") continue;
    // What it does is yet to be done: whether something is left is seen afterwards.
    actions.push(action);
    return { next, actions };
  }
}

/** Everything that is left is killed at once. */
export function hurry(stop: Stop, clock: number): StopReaction {
  if (stop.step !== "drain" && stop.step !== "mains" && stop.step !== "services") return { next: stop, actions: [] };
  return { next: enterKilled(stop, clock), actions: ["kill services"] };
}

function isLeft(step: StopStep, remaining: Remaining): boolean {
  switch (step) {
    case "mains":
      return remaining.hasMains;
    case "drain":
    case "services":
    case "killed":
      return remaining.hasServices;
    case "hook":
      return remaining.hasHook;
    case "sweep":
    case "swept":
      return remaining.hasProcesses;
    case "output":
      return remaining.hasOutput;
    case "over":
      return false;
  }
}

function follow(stop: Stop, remaining: Remaining, clock: number): Stop {
  const end = stop.requestedAt + stop.graceMilliseconds;
  const limit = end + lateMilliseconds;
  switch (stop.step) {
    case "drain":
      if (stop.mainsFirst && remaining.hasMains) return enter(stop, "mains", mainsTime(stop));
      return enter(stop, "services", killTime(stop));
    case "mains":
      return enter(stop, "services", killTime(stop));
    case "services":
      // Nobody had to be killed: it is the same step without a deed.
      return remaining.hasServices
        ? enterKilled(stop, clock)
        : enter(stop, "hook", Math.min(Math.max(end, clock + hookMilliseconds), limit));
    case "killed":
      return enter(stop, "hook", Math.min(Math.max(end, clock + hookMilliseconds), limit));
    case "hook":
      return enter(stop, "sweep", Math.min(clock, end) + sweepMilliseconds);
    case "sweep":
      return remaining.hasProcesses
        ? enter(stop, "swept", Math.min(clock + killedMilliseconds, limit))
        : enter(stop, "output", Math.min(clock + outputMilliseconds, limit));
    case "swept":
      return enter(stop, "output", Math.min(clock + outputMilliseconds, limit));
    case "output":
    case "over":
      return enter(stop, "over", -1);
  }
}

function enterKilled(stop: Stop, clock: number): Stop {
  const end = stop.requestedAt + stop.graceMilliseconds;
  return enter(stop, "killed", Math.min(clock + killedMilliseconds, Math.max(end, clock)));
}

function enter(stop: Stop, step: StopStep, dueAt: number): Stop {
  return { ...stop, step, dueAt };
}

function actionOf(step: StopStep): StopAction | "" {
  switch (step) {
    case "mains":
      return "stop mains";
    case "services":
      return "stop services";
    case "killed":
      return "kill services";
    case "hook":
      return "run hook";
    case "sweep":
      return "terminate rest";
    case "swept":
      return "kill rest";
    case "output":
      return "say why";
    default:
      return "";
  }
}
