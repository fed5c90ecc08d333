// Whether a process that has just been started has lived for a moment: one that cannot even be executed is not up. A
// service that was crashing when it was told must live as long as runsv asks of one that is not. sv(8).

import type { StatusRecord } from "./status.ts";

const settleMilliseconds = 5;
const crashMilliseconds = 1000;

/** A start that was seen, and when (monotonic clock, milliseconds). */
export interface Start {
  readonly seen: string;
  readonly at: number;
}

export const noStart: Start = { seen: "", at: 0 };

/** The start a record tells of; the one known already keeps its time. */
export function startOf(record: StatusRecord, known: Start, now: number): Start {
  const seen = `${record.sinceHigh} ${record.sinceLow} ${record.sinceNanoseconds}`;
  return seen === known.seen ? known : { seen, at: now };
}

/** When it counts as up (monotonic clock, milliseconds), as a service with this record was told. */
export function settlesAt(start: Start, before: StatusRecord): number {
  const wasCrashing = before.pid === 0 && before.want === "u";
  return start.at + (wasCrashing ? crashMilliseconds : settleMilliseconds);
}

/** Whether since has changed after the service was told. */
export function isNewer(record: StatusRecord, before: StatusRecord): boolean {
  return (
    record.sinceHigh !== before.sinceHigh ||
    record.sinceLow !== before.sinceLow ||
    record.sinceNanoseconds !== before.sinceNanoseconds
  );
}
