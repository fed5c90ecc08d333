// Last scan + this scan → start these, stop those. runsvdir(8).

/** A service of the scan directory. */
export interface Entry {
  readonly name: string;
  /** By what it is known: the directory it resolves to; where its state is kept apart, its name. */
  readonly key: string;
  /** Device, inode and birth of the directory; "": its definition is away for now. */
  readonly identity: string;
}

/** An entry with the runsv that was started for it. */
export interface Known {
  readonly name: string;
  readonly key: string;
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
  /** Those of them whose definition is another one now. */
  readonly replaced: readonly Known[];
  /** When the next runsv that ended may be started again; negative: none waits. */
  readonly due: number;
}

/** A runsv is started at most so often. */
export const restartMilliseconds = 1000;

/** Two names of one directory are one service, under the name that comes first. */
export function planScan(known: readonly Known[], found: readonly Entry[], now: number): ScanPlan {
  const knownAt = new Map<string, number>();
  for (let i = 0; i < known.length; i++) knownAt.set(String(known[i]?.key ?? ""), i);
  const seen = new Set<string>();
  const start: Entry[] = [];
  const keep: Known[] = [];
  const replaced: Known[] = [];
  let due = -1;
  for (const entry of found) {
    if (seen.has(entry.key)) continue;
    seen.add(entry.key);
    const old = known[knownAt.get(entry.key) ?? -1];
    if (old === undefined) {
      start.push(entry);
    } else if (old.pid !== 0 && entry.identity !== old.identity && entry.identity !== "") {
      const other: Known = withIdentity(old, entry.identity);
      keep.push(other);
      replaced.push(other);
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
  for (const old of known) if (!seen.has(old.key)) stop.push(old);
  return { start, stop, keep, replaced, due };
}

function withIdentity({ name, key, pid, startedAt }: Known, identity: string): Known {
  return { name, key, identity, pid, startedAt };
}
