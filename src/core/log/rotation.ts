// Saved files of a log directory: what they are called, where a file ends, which of them goes. svlogd(8).
//
//    @4000000065a1b2c3075bcbf4.s     `@`, the label of the moment it was rotated, and its state:
//                                    s  saved, complete
//                                    u  unprocessed: waits for the processor, or was found after a crash
//                                    t  the processor's unfinished output

import type { Timestamp } from "../supervise/service.ts";
import { describeTai64n } from "../text/tai64n.ts";

export const savedNameLength = 27;

/** Whether a name in a log directory is one of these files, whatever its state. */
export function isSavedName(name: string): boolean {
  return name.length === savedNameLength && name.startsWith("@");
}

/** A saved name's label, with its `@`. */
export function labelOf(name: string): string {
  return name.slice(0, 25);
}

/** The label for a file rotated now: behind every other, whatever the clock does. `newest`: "" if there is none. */
export function nextLabel(now: Timestamp, newest: string): string {
  const label = describeTai64n(now);
  if (label > newest) return label;
  return increased(newest);
}

/** The label a nanosecond later. */
function increased(label: string): string {
  const digits = "0123456789abcdef";
  let at = label.length - 1;
  let carried = "";
  while (at > 0 && label.charAt(at) === "f") {
    carried += "0";
    at--;
  }
  const digit = digits.indexOf(label.charAt(at));
  return `${label.slice(0, at)}${digits.charAt(digit + 1)}${carried}`;
}

/** Whether a text is a label that another one can be counted up from. */
export function isLabel(text: string): boolean {
  if (text.length !== 25 || !text.startsWith("@4")) return false;
  for (let i = 2; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}

/**
 * Where in the output a file becomes full enough to be rotated at the next end of a line.
 * @returns bytes that may still be written before that; negative: never, lines are cut instead
 */
export function bytesToLineEnd(maxBytes: number, lineBytes: number, bytes: number): number {
  return maxBytes < lineBytes ? -1 : Math.max(0, maxBytes - lineBytes - bytes);
}
