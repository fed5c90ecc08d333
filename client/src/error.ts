// Everything that can go wrong is a ServiceError; its message is the line that sv prints.

import { describeError, EACCES, ENOENT, EPERM } from "../../src/core/text/errors.ts";

/**
 * | code | |
 * |---|---|
 * | `no such service` | the service directory cannot be entered |
 * | `runsv not running` | nobody supervises it |
 * | `not permitted` | the caller may not ask or tell it, or its supervisor may not signal it |
 * | `timed out` | it has not answered in time |
 * | `no log` | no log directory is known of it |
 * | `bad definition` | what was asked of `defineServices` cannot be written |
 * | `failed` | anything else; `message` says what |
 */
export type ServiceErrorCode =
  | "no such service"
  | "runsv not running"
  | "not permitted"
  | "timed out"
  | "no log"
  | "bad definition"
  | "failed";

export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ServiceErrorCode;
  /** Name of the service; "": it is about no single one. */
  readonly service: string;
  readonly #others: readonly ServiceError[];

  /** @param others further failures of the same call */
  constructor(code: ServiceErrorCode, service: string, message: string, others: readonly ServiceError[] = []) {
    super(message);
    this.code = code;
    this.service = service;
    this.#others = others;
  }

  /** Where several services were told: the errors of all that failed, this one first. */
  get errors(): readonly ServiceError[] {
    return [this, ...this.#others];
  }
}

/** The number of the system's error; what is none of these is thrown again. */
export function errnoOf(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number") return -error.errno;
  throw error;
}

/** A call that may fail: its number, or 0 if it has none; or the number of the error as a negative number. */
export function attempt(call: () => unknown): number {
  try {
    const result = call();
    return typeof result === "number" ? result : 0;
  } catch (error: unknown) {
    return -errnoOf(error);
  }
}

/** Every failure at once, as one error. */
export function failTogether(errors: readonly ServiceError[]): void {
  const [first, ...others] = errors;
  if (first === undefined) return;
  throw others.length === 0 ? first : new ServiceError(first.code, first.service, first.message, others);
}

/** `warning: web: unable to open supervise/ok: access denied` */
export function trouble(severity: "fail" | "warning", service: string, doing: string, errno: number): ServiceError {
  const isDenied = errno === EACCES || errno === EPERM;
  const code = isDenied ? "not permitted" : errno === ENOENT ? "runsv not running" : "failed";
  const reason = errno === 0 ? "" : `: ${describeError(errno)}`;
  return new ServiceError(code, service, `${severity}: ${service}: ${doing}${reason}`);
}

/** Nobody listens. */
export function noSupervisor(service: string): ServiceError {
  return new ServiceError("runsv not running", service, `fail: ${service}: runsv not running`);
}
