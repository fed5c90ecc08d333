// Last scan + this scan → start these, stop those. runsvdir(8).

/** A service of the scan directory, known by the directory it resolves to, never by its name. */
export interface Entry {
  readonly name: string;
  /** Device, inode and birth of the directory. */
  readonly identity: string;
}

/** An entry with the runsv that was started for it. */
export interface Known {
  readonly name: string;
  readonly identity: string;
  /** 0: it has ended. */
  readonly pid: number;
  /** Monotonic clock, milliseconds; of the last start. */
  readonly startedAt: number;
}

export interface ScanPlan {
  /** In the order of the directory. */
  readonly start: readonly Entry[];
  /** Known ones that are gone. */
  readonly stop: readonly Known[];
  /** Known ones that stay. */
  readonly keep: readonly Known[];
  /** When the next runsv that ended may be started again; negative: none waits. */
  readonly due: number;
}

/** A runsv is started at most so often. */
export const restartMilliseconds = 1000;

/** Two names of one directory are one service, under the name that comes first. */
export function planScan(known: readonly Known[], found: readonly Entry[], now: number): ScanPlan {
  const knownAt = new Map<string, number>();
  for (let i = 0; i < known.length; i++) knownAt.set(String(known[i]?.identity ?? ""), i);
  const seen = new Set<string>();
  const start: Entry[] = [];
  const keep: Known[] = [];
  let due = -1;
  for (const entry of found) {
    if (seen.has(entry.identity)) continue;
    seen.add(entry.identity);
    const old = known[knownAt.get(entry.identity) ?? -1];
    if (old === undefined) {
      start.push(entry);
    } else if (old.pid !== 0) {
      keep.push(old);
    } else if (now - old.startedAt >= restartMilliseconds) {
      start.push(entry);
    } else {
      keep.push(old);
      const time = old.startedAt + restartMilliseconds;
      if (due < 0 || time < due) due = time;
    }
  }
  const stop: Known[] = [];
  for (const old of known) if (!seen.has(old.identity)) stop.push(old);
  return { start, stop, keep, due };
}
