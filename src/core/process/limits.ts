// Which option bounds which resource, and how its number reads. chpst(8), softlimit(8).

import type { Word } from "../text/numbers.ts";
import { isAbove } from "../text/numbers.ts";

/** Its number in setrlimit(2) on Linux. */
export type Resource = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
const cpu = 0;
const fileSize = 1;
const data = 2;
const stack = 3;
const core = 4;
const resident = 5;
const processes = 6;
const openFiles = 7;
const lockedMemory = 8;
const addressSpace = 9;

/** The resources a letter bounds; it means the same in chpst and softlimit, as far as both have it. */
export function resourcesOf(letter: string): readonly Resource[] {
  switch (letter) {
    case "m":
      return [data, stack, lockedMemory, addressSpace];
    case "a":
      return [addressSpace];
    case "c":
      return [core];
    case "d":
      return [data];
    case "f":
      return [fileSize];
    case "l":
      return [lockedMemory];
    case "o":
      return [openFiles];
    case "p":
      return [processes];
    case "r":
      return [resident];
    case "s":
      return [stack];
    case "t":
      return [cpu];
    default:
      return [];
  }
}

/** Its place in the order in which they are set. */
export function placeOf(resource: Resource): number {
  switch (resource) {
    case data:
      return 0;
    case stack:
      return 1;
    case lockedMemory:
      return 2;
    case addressSpace:
      return 3;
    case openFiles:
      return 4;
    case processes:
      return 5;
    case fileSize:
      return 6;
    case core:
      return 7;
    case resident:
      return 8;
    case cpu:
      return 9;
  }
}

/**
 * The soft limit that a number asks for: no higher than the hard one. undefined: none. From 2^63 on the numbers are
 * beyond what a limit can be: they change nothing, but for the highest of all, which means the hard limit.
 */
export function softLimit(wanted: Word, hard: Word): Word | undefined {
  const isHighest = wanted.high === 0xffffffff && wanted.low === 0xffffffff;
  if (wanted.high >= 0x80000000 && !isHighest) return undefined;
  return isAbove(wanted, hard) ? hard : wanted;
}
