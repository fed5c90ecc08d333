// Every message is one sentence of one form: `PROGRAM: SEVERITY: TEXT` with `: REASON` behind it where there is one.

import { describeError } from "./errors.ts";

/** `runsv web: warning: unable to open …: access denied`, newline included; errno 0: without a reason. */
export function describeWarning(program: string, text: string, errno: number): string {
  return errno === 0 ? `${program}: warning: ${text}\n` : `${program}: warning: ${text}: ${describeError(errno)}\n`;
}

/** The sentence with which a program, or a child before its exec, ends. */
export function describeFatal(program: string, text: string, errno: number): string {
  return errno === 0 ? `${program}: fatal: ${text}\n` : `${program}: fatal: ${text}: ${describeError(errno)}\n`;
}
