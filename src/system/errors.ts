// Failures that end a program: thrown where a call fails, caught once, by the launcher.

import { describeError } from "../core/text/errors.ts";

/** `doing: reason`, e.g. "unable to open supervise/lock: access denied". */
export class SystemError extends Error {
  readonly errno: number;

  constructor(doing: string, errno: number) {
    super(errno === 0 ? doing : `${doing}: ${describeError(errno)}`);
    this.errno = errno;
  }
}

/** Passes a result through; throws a SystemError when it is -errno. */
export function orFail(result: number, doing: string): number {
  if (result < 0) throw new SystemError(doing, -result);
  return result;
}
