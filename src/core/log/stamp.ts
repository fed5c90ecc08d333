// Timestamps in front of log lines. svlogd(8), -t -tt -ttt.

import type { Timestamp } from "../supervise/service.ts";
import { describeTai64n } from "../text/tai64n.ts";

/** none, TAI64N, `2001-09-09_01:46:40.12345`, and the same with a T. */
export type StampForm = "none" | "tai" | "underscore" | "T";

/** In place of an offset from UTC: UTC itself, which is printed without one. */
export const utc = 1_000_000;

/**
 * The stamp with the blank behind it.
 * @param zoneSeconds offset of local time from UTC, which is then printed; or `utc`
 */
export function describeStamp(form: StampForm, time: Timestamp, zoneSeconds: number): string {
  switch (form) {
    case "none":
      return "";
    case "tai":
      // Microseconds, in the middle of which it lies.
      return `${describeTai64n({ seconds: time.seconds, nanoseconds: toMicroseconds(time) * 1000 + 500 })} `;
    case "underscore":
      return `${describeDate(time, zoneSeconds, "_")} `;
    case "T":
      return `${describeDate(time, zoneSeconds, "T")} `;
  }
}

function toMicroseconds(time: Timestamp): number {
  return Math.floor(time.nanoseconds / 1000);
}

/** `2001-09-09T01:46:40.123Z`: RFC 3339 in UTC. */
export function describeMoment(time: Timestamp): string {
  return `${describeDate(time, utc, "T").slice(0, 19)}.${padded(Math.floor(time.nanoseconds / 1000000), 3)}Z`;
}

function describeDate(time: Timestamp, zoneSeconds: number, separator: string): string {
  const isLocal = zoneSeconds !== utc;
  const seconds = time.seconds + (isLocal ? zoneSeconds : 0);
  const days = Math.floor(seconds / 86400);
  const second = seconds - days * 86400;
  const clock = `${two(second / 3600)}:${two((second / 60) % 60)}:${two(second % 60)}`;
  const fraction = padded(Math.floor(time.nanoseconds / 10000), 5);
  return `${describeDay(days)}${separator}${clock}.${fraction}${isLocal ? describeZone(zoneSeconds) : ""}`;
}

/** Days since 1970 as year-month-day: years begin in March, so that the leap day is the last. */
function describeDay(days: number): string {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const day = shifted - era * 146097;
  const leaps = Math.floor(day / 1460) - Math.floor(day / 36524) + Math.floor(day / 146096);
  const year = Math.floor((day - leaps) / 365);
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return `${padded(year + era * 400 + (month <= 2 ? 1 : 0), 4)}-${two(month)}-${two(dayOfMonth)}`;
}

function describeZone(zoneSeconds: number): string {
  const minutes = Math.floor(Math.abs(zoneSeconds) / 60);
  return `${zoneSeconds < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

function two(number: number): string {
  return padded(Math.floor(number), 2);
}

function padded(number: number, width: number): string {
  return `${number}`.padStart(width, "0");
}
