// What svlogd puts in front of a line: `@40000000…` with -t, `2001-09-09_01:46:40.12345` with -tt, the same with a T with
// -ttt; local times have their offset behind them. svlogd(8).

import { isLabel } from "../../src/core/log/rotation.ts";

export interface StampedLine {
  /** When svlogd read it, to the millisecond; undefined: the line has no stamp. */
  readonly time: Date | undefined;
  /** The line without its stamp. */
  readonly text: string;
}

const tai64Epoch = 2n ** 62n + 10n;
const date = /^(\d{4}-\d\d-\d\d)[_T](\d\d:\d\d:\d\d\.\d{1,9})([+-]\d\d:\d\d)? /;
const taiLength = 25;

/** Takes a line of a log apart. */
export function parseStamp(line: string): StampedLine {
  if (line.charAt(taiLength) === " " && isLabel(line.slice(0, taiLength))) {
    const seconds = Number(BigInt(`0x${line.slice(1, 17)}`) - tai64Epoch);
    const nanoseconds = Number(`0x${line.slice(17, taiLength)}`);
    return stamped(new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6)), line, taiLength + 1);
  }
  const [head, day, clock = "", zone = "Z"] = date.exec(line) ?? [];
  if (head === undefined) return { time: undefined, text: line };
  return stamped(new Date(`${day}T${clock.slice(0, 12)}${zone}`), line, head.length);
}

function stamped(time: Date, line: string, length: number): StampedLine {
  return Number.isNaN(time.getTime()) ? { time: undefined, text: line } : { time, text: line.slice(length) };
}
