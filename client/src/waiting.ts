// Telling services something and awaiting their answer, as sv does: core/supervise/requests.ts says what is an answer.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Request } from "../../src/core/supervise/requests.ts";
import { judge, mustSend } from "../../src/core/supervise/requests.ts";
import type { Start } from "../../src/core/supervise/settling.ts";
import { isNewer, noStart, settlesAt, startOf } from "../../src/core/supervise/settling.ts";
import type { StatusRecord } from "../../src/core/supervise/status.ts";
import { serviceVariables } from "../../src/core/supervise/variables.ts";
import { EAGAIN, EMFILE, ENFILE, ENOENT, ENOMEM } from "../../src/core/text/errors.ts";
import { Bell } from "./bell.ts";
import { errnoOf, failTogether, ServiceError } from "./error.ts";
import { exists, ground, ownerOf } from "./files.ts";
import { joined } from "./leaving.ts";
import { defaultLogDirectory } from "./places.ts";
import { StateWatch } from "./state-watch.ts";
import type { Report } from "./status.ts";
import type { Place, Reading, ScanDirectory } from "./supervised.ts";
import { refusalOf, split, tell } from "./supervised.ts";

export interface WaitOptions {
  /** Milliseconds; what has not come true by then is a ServiceError `timed out`. */
  readonly timeout?: number | undefined;
  /** Ends the waiting: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What is awaited of a service. */
export interface Wish {
  readonly request: Request;
  /** Its check script is asked as well. */
  readonly isAsked: boolean;
  /** That nobody supervises it: what is wanted; to be waited for as well; a failure. */
  readonly unsupervised: "wanted" | "patient" | "failure";
}

/** State that has been taken away is made again a moment later. */
const awayMilliseconds = 1000;
const shortestPause = 50;
const longestPause = 420;
/** For want of which no process is made at the moment, whatever the check script is. */
const wants: readonly number[] = [EAGAIN, EMFILE, ENFILE, ENOMEM];

/** Tells all of them, then waits for all of them. Answers in the order of the names; throws ServiceError. */
export async function ask(
  scan: ScanDirectory,
  services: readonly string[],
  wish: Wish,
  { timeout = Number.POSITIVE_INFINITY, signal }: WaitOptions,
): Promise<Report[]> {
  if (Number.isNaN(timeout)) throw new TypeError("timeout: not a number of milliseconds");
  signal?.throwIfAborted();
  const ended = signal === undefined ? undefined : joined(signal);
  const deadline = performance.now() + timeout;
  const bell = new Bell();
  const pending = services.map((service) => new Pending(scan, service, wish, bell));
  try {
    for (const one of pending) one.begin();
    for (;;) {
      for (const one of pending) one.look();
      const open = pending.filter((one) => one.result === undefined);
      if (open.length === 0) break;
      const now = performance.now();
      if (now >= deadline) {
        for (const one of open) one.giveUp();
        break;
      }
      const next = Math.min(deadline, ...open.map((one) => one.lookAt));
      await bell.wait(next - now, ended);
      signal?.throwIfAborted();
    }
  } finally {
    for (const one of pending) one.close();
  }
  const errors: ServiceError[] = [];
  const reports: Report[] = [];
  for (const { result } of pending) {
    if (result instanceof ServiceError) errors.push(result);
    else if (result !== undefined) reports.push(result);
  }
  failTogether(errors);
  return reports;
}

/** A check script that cannot be executed agrees. */
function hasNoSay(error: unknown): boolean {
  return !wants.includes(errnoOf(error));
}

/** One service that has not answered yet. */
class Pending {
  readonly #scan: ScanDirectory;
  readonly #service: string;
  readonly #wish: Wish;
  readonly #bell: Bell;
  #watch: StateWatch | undefined;
  /** There was word of it. */
  #isDue = true;
  /** Not to be looked at again before (monotonic clock, milliseconds), whatever there is word of; infinite: only then. */
  lookAt = Number.POSITIVE_INFINITY;
  /** Status before it was told. */
  #before: StatusRecord | undefined;
  /** It was there. */
  #isTold = false;
  #refusal = "";
  #start: Start = noStart;
  #awaySince = -1;
  #check: ChildProcess | undefined;
  #hasAgreed = false;
  #pause = shortestPause;
  result: Report | ServiceError | undefined;

  constructor(scan: ScanDirectory, service: string, wish: Wish, bell: Bell) {
    this.#scan = scan;
    this.#service = service;
    this.#wish = wish;
    this.#bell = bell;
  }

  /** Sends what is to be sent. */
  begin(): void {
    this.#try(() => {
      split(this.#service);
      const reading = this.#scan.read(this.#service);
      this.#isTold = true;
      this.#tell(reading);
      if (this.result === undefined) this.#watch = new StateWatch(() => this.#ring());
    });
  }

  #tell(reading: Reading): void {
    const { record, place } = reading;
    const { bytes } = this.#wish.request;
    if (record === undefined) {
      this.#withoutRecord(reading);
      return;
    }
    this.#before = record;
    if (record.pid !== 0) this.#refusal = refusalOf(place.state);
    if (mustSend(bytes, record)) tell(place, bytes);
  }

  /** Looks whether it is satisfied. */
  look(): void {
    const now = performance.now();
    if (this.result !== undefined || (!this.#isDue && now < this.lookAt)) return;
    this.#isDue = false;
    this.lookAt = Number.POSITIVE_INFINITY;
    this.#try(() => {
      const reading = this.#scan.read(this.#service);
      this.#watch?.follow(reading.place.state);
      const { record, place } = reading;
      if (record === undefined) {
        this.#withoutRecord(reading);
        return;
      }
      this.#awaySince = -1;
      if (this.#before === undefined) this.#tell(reading); // it was away, or not supervised
      const before = this.#before ?? record;
      if (this.#wish.unsupervised === "wanted") {
        this.#failIfRefused(place, record);
        return;
      }
      const isNew = isNewer(record, before);
      const verdict = judge(this.#wish.request.awaits, record, isNew);
      if (verdict === "no") {
        this.#hasAgreed = false;
        this.#failIfRefused(place, record);
        return;
      }
      if (isNew && record.pid !== 0) {
        this.#start = startOf(record, this.#start, now);
        const settled = settlesAt(this.#start, before);
        if (now < settled) {
          this.lookAt = settled;
          return;
        }
      }
      if (verdict === "ask" && this.#wish.isAsked && !this.#agrees(place)) return;
      this.#report(reading);
    });
  }

  #withoutRecord({ isAway, error }: Reading): void {
    const now = performance.now();
    const isUnsupervised = error?.code === "runsv not running";
    const { unsupervised } = this.#wish;
    if (isUnsupervised && unsupervised === "wanted") {
      this.result = { service: this.#service, state: null, error, line: error.message };
    } else if (isAway && unsupervised !== "patient") {
      if (this.#awaySince < 0) this.#awaySince = now;
      if (now - this.#awaySince > awayMilliseconds) this.result = error;
      else this.lookAt = now + shortestPause;
    } else if (!isUnsupervised || unsupervised !== "patient") {
      this.result = error;
    }
  }

  #report(reading: Reading): void {
    this.result = this.#scan.describe(reading);
  }

  /** Its supervisor may not signal it: then there is nothing to wait for. */
  #failIfRefused({ state }: Place, { pid }: StatusRecord): void {
    if (pid === 0 || this.#wish.request.bytes === "") return;
    const refusal = refusalOf(state);
    if (refusal === "" || refusal === this.#refusal) return;
    const text = `fail: ${this.#service}: not permitted to signal pid ${pid} (uid ${ownerOf(pid)}); see signal-with`;
    this.result = new ServiceError("not permitted", this.#service, text);
  }

  /** Whether there is nothing to ask, or it has agreed; else the check script is started, and its end decides. */
  #agrees(place: Place): boolean {
    if (this.#hasAgreed) return true;
    if (this.#check !== undefined) return false;
    if (place.isOrphan) return true;
    const found = exists(`${place.directory}/check`);
    if (found === -ENOENT) return true;
    if (found < 0) {
      this.#askLater();
      return false;
    }
    const env = { ...process.env };
    if (place.isApart) {
      const logs = defaultLogDirectory(ground(), place.service);
      for (const entry of serviceVariables(place.service, place.state, logs)) {
        const equals = entry.indexOf("=");
        if (equals < 0) delete env[entry];
        else env[entry.slice(0, equals)] = entry.slice(equals + 1);
      }
    }
    let check: ChildProcess;
    try {
      check = spawn("./check", [], { cwd: place.directory, env, stdio: "ignore" });
    } catch (error: unknown) {
      if (hasNoSay(error)) return true;
      this.#askLater();
      return false;
    }
    this.#check = check;
    const ended = (hasAgreed: boolean): void => {
      if (this.#check !== check) return;
      this.#check = undefined;
      this.#hasAgreed = hasAgreed;
      if (hasAgreed) this.#isDue = true;
      else this.#askLater();
      this.#bell.ring();
    };
    check.on("error", (error) => ended(hasNoSay(error)));
    check.on("exit", (code) => ended(code === 0));
    return false;
  }

  #askLater(): void {
    this.lookAt = performance.now() + this.#pause;
    this.#pause = Math.min(this.#pause * 2, longestPause);
  }

  giveUp(): void {
    const { kills } = this.#wish.request;
    this.#try(() => {
      const reading = this.#scan.read(this.#service);
      const report = this.#scan.describe(reading);
      const line = report instanceof ServiceError ? report.message : report.line;
      if (kills && reading.record !== undefined) tell(reading.place, "k");
      this.result = new ServiceError("timed out", this.#service, `${kills ? "kill" : "timeout"}: ${line}`);
    });
  }

  close(): void {
    this.#watch?.close();
    const check = this.#check;
    this.#check = undefined;
    check?.kill("SIGKILL");
    check?.unref();
  }

  #ring(): void {
    this.#isDue = true;
    this.#bell.ring();
  }

  #try(step: () => void): void {
    try {
      step();
    } catch (error: unknown) {
      if (!(error instanceof ServiceError)) throw error;
      const isGone = error.code === "runsv not running" || error.code === "no such service";
      const isWanted = isGone && this.#isTold && this.#wish.unsupervised === "wanted";
      this.result = isWanted ? { service: this.#service, state: null, error, line: error.message } : error;
    }
  }
}
