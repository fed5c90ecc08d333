// Soft limits of this process, as chpst and softlimit set them.

import type { Resource } from "../core/process/limits.ts";
import { placeOf, softLimit } from "../core/process/limits.ts";
import type { Word } from "../core/text/numbers.ts";
import { SystemError } from "./errors.ts";
import type { System } from "./system.ts";

/** What a resource is to be bound to; undefined: its hard limit. */
export interface Bound {
  readonly resource: Resource;
  readonly wanted: Word | undefined;
}

/** What it takes to begin a program, or to say why it cannot be begun, when there is no more to be had. */
const reserveBytes = 32768;

/** Sets soft limits, resource by resource in a fixed order; of several for one resource the last counts. */
export function setLimits(system: System, bounds: readonly Bound[]): void {
  if (bounds.length === 0) return;
  system.reserveMemory(reserveBytes);
  for (let place = 0; ; ) {
    let next: Bound | undefined;
    for (const bound of bounds) {
      const its = placeOf(bound.resource);
      if (its >= place && (next === undefined || its <= placeOf(next.resource))) next = bound;
    }
    if (next === undefined) return;
    setLimit(system, next);
    place = placeOf(next.resource) + 1;
  }
}

function setLimit(system: System, bound: Bound): void {
  const limit = system.limit(bound.resource);
  if (limit.errno !== 0) throw new SystemError("unable to getrlimit()", limit.errno);
  const soft = bound.wanted === undefined ? limit.hard : softLimit(bound.wanted, limit.hard);
  if (soft === undefined) return;
  const result = system.setLimit(bound.resource, soft, limit.hard);
  if (result < 0) throw new SystemError("unable to setrlimit()", -result);
}
