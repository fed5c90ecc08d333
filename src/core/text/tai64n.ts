// TAI64N timestamps: "@", 2^62 + 10 + Unix seconds in 16 hexadecimal digits, nanoseconds in 8.

import type { Timestamp } from "../supervise/service.ts";

const digits = "0123456789abcdef";

export function describeTai64n(time: Timestamp): string {
  return `@4${hex(time.seconds + 10, 15)}${hex(time.nanoseconds, 8)}`;
}

/** The number (below 2^53) in so many lower-case hexadecimal digits. */
function hex(number: number, width: number): string {
  let text = "";
  let left = number;
  for (let i = 0; i < width; i++) {
    text = digits.charAt(left % 16) + text;
    left = Math.floor(left / 16);
  }
  return text;
}
