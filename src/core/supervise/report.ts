// A status record in sv's words: the line for people, the object for programs. sv(8).

import { isUtf8 } from "../text/utf8.ts";
import type { StatusRecord } from "./status.ts";
import { describeAge, sinceOf } from "./status.ts";

/** What a status record has no room for. */
export interface Remark {
  /** Names of the variables without which it is not started; "": none. */
  readonly waitsFor: string;
  /** Its supervisor may not signal it. */
  readonly isRefused: boolean;
}

export function noRemark(): Remark {
  return { waitsFor: "", isRefused: false };
}

/**
 * `run: web: (pid 42) 9s, want down, got TERM`, without newline.
 * @param isNormallyUp there is no file `down`
 */
export function describeState(
  name: string,
  status: StatusRecord,
  isNormallyUp: boolean,
  nowSeconds: number,
  remark: Remark,
): string {
  let line = status.phase === undefined ? "" : `${status.phase}: `;
  line += `${name}: `;
  if (status.phase !== "down") line += `(pid ${status.pid}) `;
  return `${line}${describeAge(status, nowSeconds)}s${describeFurther(status, isNormallyUp, remark)}`;
}

/** The same as runsvstat(8) puts it: `web: run (pid 42) 9 seconds, want down, got TERM`. */
export function describeOldState(name: string, status: StatusRecord, isNormallyUp: boolean, now: number): string {
  let line = `${name}: `;
  if (status.pid === 0) line += "down ";
  else if (status.phase === "run" || status.phase === "finish") line += `${status.phase} (pid ${status.pid}) `;
  else line += `(pid ${status.pid}) `;
  return `${line}${describeAge(status, now)} seconds${describeFurther(status, isNormallyUp, noRemark())}`;
}

function describeFurther(status: StatusRecord, isNormallyUp: boolean, remark: Remark): string {
  const hasProcess = status.pid !== 0;
  let line = "";
  if (hasProcess && !isNormallyUp) line += ", normally down";
  if (!hasProcess && isNormallyUp) line += ", normally up";
  if (hasProcess && status.paused) line += ", paused";
  if (!hasProcess && remark.waitsFor !== "") line += `, waits for ${remark.waitsFor}`;
  else if (!hasProcess && status.want === "u") line += ", want up";
  if (hasProcess && status.want === "d") line += ", want down";
  if (hasProcess && status.gotTerm) line += ", got TERM";
  if (hasProcess && remark.isRefused) line += ", not permitted";
  return line;
}

/** The members of one service's object, without braces: what `sv --json` documents. */
export function describeMembers(name: string, status: StatusRecord, isNormallyUp: boolean, nowSeconds: number): string {
  const members = [
    `"service":${quote(name)}`,
    `"state":${status.phase === undefined ? "null" : quote(status.phase)}`,
    `"pid":${status.pid === 0 ? "null" : `${status.pid}`}`,
    `"seconds":${describeAge(status, nowSeconds)}`,
    `"since":${sinceOf(status).seconds}`,
    `"normally":${isNormallyUp ? '"up"' : '"down"'}`,
    `"want":${status.want === "u" ? '"up"' : '"down"'}`,
    `"paused":${status.paused ? "true" : "false"}`,
    `"got_term":${status.gotTerm ? "true" : "false"}`,
  ];
  return members.join(",");
}

/** The members for a service whose state cannot be told. */
export function describeTrouble(name: string, error: string): string {
  return `"service":${quote(name)},"state":null,"error":${quote(error)}`;
}

const hexDigits = "0123456789abcdef";

/** A byte string as JSON text: UTF-8 as it is; in a name that is no UTF-8 each byte from 128 on as \u00XX. */
export function quote(bytes: string): string {
  const isText = isUtf8(bytes);
  let text = '"';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    if (code === 34 || code === 92) text += `\\${bytes.charAt(i)}`;
    else if (code < 32 || code === 127 || (code > 127 && !isText)) {
      text += `\\u00${hexDigits.charAt(Math.floor(code / 16))}${hexDigits.charAt(code % 16)}`;
    } else text += bytes.charAt(i);
  }
  return `${text}"`;
}
