// What services do, as it happens.

import * as fs from "node:fs";
import { Bell } from "./bell.ts";
import { ServiceError } from "./error.ts";
import { StateWatch } from "./state-watch.ts";
import type { Report } from "./status.ts";
import type { ScanDirectory } from "./supervised.ts";

/** For a service directory as a whole: the kernel tells of its changes, and this is looked at as well. */
const glanceMilliseconds = 5000;

/** What there is to tell of a service whatever happens. */
export function reportOn(scan: ScanDirectory, service: string): { readonly report: Report; readonly state: string } {
  try {
    const reading = scan.read(service);
    const found = scan.describe(reading);
    return { report: found instanceof ServiceError ? inTrouble(service, found) : found, state: reading.place.state };
  } catch (error: unknown) {
    if (!(error instanceof ServiceError)) throw error;
    return { report: inTrouble(service, error), state: "" };
  }
}

function inTrouble(service: string, error: ServiceError): Report {
  return { service, state: null, error, line: error.message };
}

/** Whether two reports say the same, but for the time that has passed. */
function isSame(one: Report | undefined, other: Report): boolean {
  if (one === undefined || one.state === null || other.state === null) return one?.line === other.line;
  return JSON.stringify({ ...one, seconds: 0, line: "" }) === JSON.stringify({ ...other, seconds: 0, line: "" });
}

/** @param named undefined: whatever is in the service directory */
export async function* watchAll(
  scan: ScanDirectory,
  named: readonly string[] | undefined,
  signal: AbortSignal,
): AsyncGenerator<Report, void, undefined> {
  const bell = new Bell();
  const due = new Set<string>();
  const watches = new Map<string, StateWatch>();
  const last = new Map<string, Report>();
  const add = (service: string): void => {
    if (watches.has(service)) return;
    const ring = (): void => {
      due.add(service);
      bell.ring();
    };
    watches.set(service, new StateWatch(ring));
    due.add(service);
  };
  const directory = named === undefined ? new DirectoryWatch(scan, () => bell.ring()) : undefined;
  try {
    for (const service of named ?? []) add(service);
    while (!signal.aborted) {
      const found = directory?.take();
      for (const service of found ?? []) add(service);
      if (found !== undefined) for (const service of watches.keys()) if (!found.includes(service)) due.add(service);
      const [service] = due;
      if (service === undefined) {
        await bell.wait(Number.POSITIVE_INFINITY, signal);
        continue;
      }
      due.delete(service);
      const { report, state } = reportOn(scan, service);
      const watch = watches.get(service);
      watch?.follow(state); // a new watch makes it due once more: nothing is missed
      if (directory !== undefined && report.state === null && report.error.code === "no such service") {
        watch?.close();
        watches.delete(service);
        due.delete(service);
      }
      if (isSame(last.get(service), report)) continue;
      last.set(service, report);
      yield report;
    }
  } finally {
    directory?.close();
    for (const watch of watches.values()) watch.close();
  }
}

/** Names of a service directory as they come. */
class DirectoryWatch {
  readonly #scan: ScanDirectory;
  readonly #watcher: fs.FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;
  #isDue = true;

  /** Throws ServiceError. */
  constructor(scan: ScanDirectory, onWord: () => void) {
    this.#scan = scan;
    scan.list();
    const ring = (): void => {
      this.#isDue = true;
      onWord();
    };
    this.#timer = setInterval(ring, glanceMilliseconds);
    try {
      this.#watcher = fs.watch(scan.path, ring);
      this.#watcher.on("error", () => {});
      this.#watcher.unref();
    } catch {
      this.#watcher = undefined;
    }
  }

  /** undefined: nothing new. */
  take(): readonly string[] | undefined {
    if (!this.#isDue) return undefined;
    this.#isDue = false;
    try {
      return this.#scan.list();
    } catch (error: unknown) {
      if (error instanceof ServiceError) return undefined; // it is away for now
      throw error;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
  }
}
