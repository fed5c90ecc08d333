// How the output of a service is marked: a head in front of each line, or each line as a JSON object.

import { describeMoment } from "../log/stamp.ts";
import { quote } from "../supervise/report.ts";
import type { Timestamp } from "../supervise/service.ts";
import { putText } from "../text/bytes.ts";
import { sequenceLength } from "../text/utf8.ts";
import type { Prefix } from "./options.ts";

/** What stands in front of a line; `isFurther`: of a further part of a line that is too long. */
export function describeHead(prefix: Prefix, name: string, time: Timestamp, isFurther: boolean): string {
  const mark = isFurther ? `[${name}]+ ` : `[${name}] `;
  return prefix === "time" ? `${describeMoment(time)} ${mark}` : mark;
}

export type StreamName = "stdout" | "stderr";

/** What stands in front of the text of a line in its object, and what behind it. */
export function describeObjectHead(name: string, time: Timestamp, stream: StreamName, pid: number): string {
  return `{"time":"${describeMoment(time)}","service":${quote(name)},"stream":"${stream}","pid":${pid},"line":"`;
}
export const objectTail = '"}\n';

const hexDigits = "0123456789abcdef";
/** Bytes that one byte can become. */
export const maxEscape = 6;

/** Puts bytes as the inside of a JSON text; what is no UTF-8 becomes U+FFFD. There must be room; answers the place behind. */
export function putEscaped(into: Uint8Array, at: number, bytes: Uint8Array, from: number, to: number): number {
  let place = at;
  let i = from;
  while (i < to) {
    const code = bytes[i] ?? 0;
    if (code >= 128) {
      const length = sequenceLength(bytes, i, to);
      if (length === 0) {
        into[place] = 0xef;
        into[place + 1] = 0xbf;
        into[place + 2] = 0xbd;
        place += 3;
        i++;
      } else {
        for (let k = 0; k < length; k++) into[place + k] = bytes[i + k] ?? 0;
        place += length;
        i += length;
      }
      continue;
    }
    if (code < 32 || code === 127) {
      place = putText(into, place, `\\u00${hexDigits.charAt(Math.floor(code / 16))}${hexDigits.charAt(code % 16)}`);
    } else {
      if (code === 34 || code === 92) into[place++] = 92;
      into[place++] = code;
    }
    i++;
  }
  return place;
}
