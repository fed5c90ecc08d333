// The exit code of a container, and the sentence that says why.

import { describeSignal } from "../process/signals.ts";

/** Why it ended. */
export type Cause =
  /** A main service, or the command. */
  | { readonly kind: "main"; readonly name: string; readonly waitStatus: number; readonly seconds: number }
  | { readonly kind: "signal"; readonly signal: string }
  /** `runit-container stop CODE`; negative: without a code. */
  | { readonly kind: "told"; readonly code: number }
  | { readonly kind: "gave up"; readonly name: string; readonly count: number; readonly waitStatus: number }
  | { readonly kind: "start hook"; readonly waitStatus: number }
  /** The command could not be executed. */
  | { readonly kind: "no command"; readonly name: string; readonly code: number; readonly reason: string };

/** How each main service ended, in that order; as waitpid(2) has it, negative: unknown. */
export interface Course {
  readonly cause: Cause;
  readonly mainEnds: readonly number[];
  /** Services that were stopped, and those of them that had to be killed. */
  readonly stopped: number;
  readonly killed: number;
  readonly isOutOfMemory: boolean;
}

/** Of a wait status: the exit code, or 128 and the signal; 1 where it is unknown. */
export function codeOf(waitStatus: number): number {
  if (waitStatus < 0) return 1;
  const signal = waitStatus % 128;
  return signal === 0 ? Math.floor(waitStatus / 256) % 256 : 128 + signal;
}

/** @param expected codes that count as 0 */
export function exitCodeOf(course: Course, expected: readonly number[]): number {
  const code = rawCodeOf(course);
  return expected.includes(code) ? 0 : code;
}

function rawCodeOf(course: Course): number {
  const { cause } = course;
  switch (cause.kind) {
    case "start hook":
      return codeOf(cause.waitStatus);
    case "no command":
      return cause.code;
    case "gave up":
      return codeOf(cause.waitStatus) === 0 ? 1 : codeOf(cause.waitStatus);
    case "told":
      if (cause.code >= 0) return cause.code;
      break;
    case "main":
    case "signal":
      break;
  }
  for (const waitStatus of course.mainEnds) if (codeOf(waitStatus) !== 0) return codeOf(waitStatus);
  if (course.mainEnds.length > 0) return 0;
  return course.killed > 0 ? 137 : 0;
}

/** One line, without newline. */
export function describeEnding(course: Course): string {
  const { stopped, killed } = course;
  const services = stopped === 1 ? "service" : "services";
  const others = killed === 0 ? `${stopped} ${services} stopped` : `${stopped} ${services} stopped, ${killed} killed`;
  return `${describeCause(course.cause)}; ${others}${course.isOutOfMemory ? " (killed by the kernel: out of memory)" : ""}`;
}

function describeCause(cause: Cause): string {
  switch (cause.kind) {
    case "main":
      return `${cause.name} ${describeWaitStatus(cause.waitStatus)} after ${cause.seconds}s`;
    case "signal":
      return `stopped by ${cause.signal}`;
    case "told":
      return cause.code < 0 ? "stopped by request" : `stopped by request with code ${cause.code}`;
    case "gave up":
      return `gave up: service ${cause.name} failed ${cause.count} times, at last it ${describeWaitStatus(cause.waitStatus)}`;
    case "start hook":
      return `start hook ${describeWaitStatus(cause.waitStatus)}`;
    case "no command":
      return `unable to run ${cause.name}: ${cause.reason}`;
  }
}

/** `exited 7`, `died of signal 11 (SEGV)`. */
export function describeWaitStatus(waitStatus: number): string {
  if (waitStatus < 0) return "ended, nobody knows how";
  const signal = waitStatus % 128;
  if (signal === 0) return `exited ${codeOf(waitStatus)}`;
  const name = describeSignal(signal);
  return `died of signal ${signal}${name === "" ? "" : ` (${name})`}`;
}
