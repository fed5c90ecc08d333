// svlogd(8): writes the lines of its standard input to log directories, which it rotates.

import { Progress } from "../core/log/progress.ts";
import { Replacement } from "../core/log/replacement.ts";
import type { StampForm } from "../core/log/stamp.ts";
import { describeVersion } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { LogDirectory } from "../directories/log.ts";
import { isAbout, readProgress } from "../directories/log-record.ts";
import { LogScene } from "../directories/log-scene.ts";
import { readBootId } from "../directories/processes.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { Happening } from "../system/happenings.ts";
import { awaitHappenings } from "../system/happenings.ts";
import { LogInput } from "../system/input.ts";
import type { System, WatchedSignal } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";

const standardLineBytes = 1000;
const standardBufferBytes = 1024;
const newline = 10;
/** How long a processor may take to end when svlogd is told to end. */
const farewellMilliseconds = 5000;
/** How long nothing comes before a wait counts as a long one. */
const quietMilliseconds = 100;
/** How often the others look for lines while a directory is held. */
const heldLookMilliseconds = 100;

interface Invocation {
  readonly directories: readonly string[];
  readonly lineBytes: number;
  readonly stamp: StampForm;
  readonly isVerbose: boolean;
  readonly replaces: boolean;
  readonly replaceBy: string;
  readonly replaceMore: string;
}

export function svlogd(args: readonly string[], system: System): number {
  const invocation = parseInvocation(args, system);
  if (invocation === undefined) {
    const name = String(args[0] ?? "svlogd");
    system.writeText(2, `usage: ${name} [-ttv] [-r c] [-R abc] [-l len] [-b buflen] dir ...\n\n`);
    return 111;
  }
  const home = orFail(system.open(".", openRead + openDirectory, 0), "unable to open current working directory");
  system.setNonblocking(0);
  system.watchSignals(["TERM", "CHLD", "ALRM", "HUP"]);
  const logger = new Logger(system, invocation, home);
  logger.open();
  logger.work();
  logger.close();
  return 0;
}

function parseInvocation(args: readonly string[], system: System): Invocation | undefined {
  const options = parseOptions(args.slice(1), "r:R:l:b:tvV", []);
  let stamps = 0;
  let isVerbose = false;
  let lineBytes = standardLineBytes;
  let bufferBytes = standardBufferBytes;
  let replaces = false;
  let replaceBy = "_";
  let replaceMore = "";
  for (const { letter, value } of options.given) {
    if (letter === "t") stamps++;
    else if (letter === "v") isVerbose = true;
    else if (letter === "l") lineBytes = leadingNumber(value) || standardLineBytes;
    else if (letter === "b") bufferBytes = leadingNumber(value) || standardBufferBytes;
    else if (letter === "R") {
      replaces = true;
      replaceMore = value;
    } else if (letter === "r") {
      if (value.length !== 1) return undefined;
      replaces = true;
      replaceBy = value;
    } else if (letter === "V") {
      system.writeText(2, describeVersion("svlogd"));
      return undefined;
    }
  }
  if (options.complaint !== "") {
    const called = String(args[0] ?? "svlogd");
    system.writeText(2, `${called.slice(called.lastIndexOf("/") + 1)}: ${options.complaint}\n`);
    return undefined;
  }
  if (options.rest.length === 0 || bufferBytes <= lineBytes) return undefined;
  const stamp: StampForm = stamps === 0 ? "none" : stamps === 1 ? "tai" : stamps === 2 ? "underscore" : "T";
  return { directories: options.rest, lineBytes, stamp, isVerbose, replaces, replaceBy, replaceMore };
}

/** How much of the input has been taken, as a record says. */
function headOf(record: Progress): number {
  return record.isTaken ? record.to : record.from;
}

class Logger {
  readonly #system: System;
  readonly #scene: LogScene;
  readonly #input: LogInput;
  readonly #lineBytes: number;
  readonly #replacement: Replacement | undefined;
  readonly #directories: LogDirectory[] = [];
  #leader: LogDirectory | undefined;
  /** Up to here lines have been copied to descriptor 2. */
  #printed = 0;
  #isPrintedLine = false;
  #isTold = false;
  #mustReopen = false;
  #mustRotate = false;
  #isOver = false;

  constructor(system: System, invocation: Invocation, home: number) {
    const { lineBytes, stamp, isVerbose, replaces, replaceBy, replaceMore } = invocation;
    const shape = `${lineBytes} ${stamp} ${replaces ? replaceBy + replaceMore : ""}`;
    this.#system = system;
    this.#input = new LogInput(system, 0);
    this.#lineBytes = lineBytes;
    this.#scene = new LogScene(
      system,
      { lineBytes, stamp, isVerbose, shape },
      this.#input,
      this.#input.isKept ? readBootId(system) : "",
      home,
    );
    this.#replacement = replaces ? new Replacement(replaceBy, replaceMore) : undefined;
    for (const name of invocation.directories) this.#directories.push(new LogDirectory(this.#scene, name));
  }

  // ── opening ──

  open(): void {
    const isResumed = this.#continue();
    this.#printed = this.#input.position;
    for (const directory of this.#directories) directory.open(this.#input.position, isResumed);
    this.#chooseLeader();
  }

  /**
   * Finds in the records how far an earlier svlogd has got with this input; false: it knows nothing of it. The beginning
   * of a line whose input has gone is a line all the same.
   */
  #continue(): boolean {
    const input = this.#input;
    let best: Progress | undefined;
    let orphan: Progress | undefined;
    // Where the count begins anew, it begins behind all that older records, which stay for a while, may say.
    let behind = 0;
    for (const directory of this.#directories) {
      const record = readProgress(this.#scene, directory.name);
      if (record === undefined) continue;
      const isOurs = isAbout(record, this.#scene.boot, input.inode);
      if (isOurs) behind = Math.max(behind, record.end + 1, record.to + 1);
      if (!record.isLeading) continue;
      if (record.isStale || !isOurs) orphan = record;
      else if (record.isTaken || this.#isWaiting(record.sample)) {
        if (best === undefined || headOf(record) > headOf(best)) best = record;
      }
    }
    if (best !== undefined) {
      const carried = best.isTaken ? best.carriedAfter : best.carriedBefore;
      input.continueAt(headOf(best), carried, best.isTaken ? best.sinceAfter : best.sinceBefore);
      return true;
    }
    this.#beginAnew(behind, orphan);
    return false;
  }

  #beginAnew(at: number, orphan: Progress | undefined): void {
    const one = orphan ?? new Progress();
    const carried = one.isTaken ? one.carriedAfter : one.carriedBefore;
    const line = new Uint8Array(carried.length === 0 ? 0 : carried.length + 1);
    line.set(carried);
    if (line.length > 0) line[carried.length] = newline;
    if (at + line.length === 0) return;
    this.#input.continueAt(at + line.length, line, one.isTaken ? one.sinceAfter : one.sinceBefore);
  }

  /** Whether the input begins with these bytes. */
  #isWaiting(sample: Uint8Array): boolean {
    const input = this.#input;
    if (sample.length === 0) return true;
    if (input.look() < 0 || input.length < sample.length) return false;
    for (let i = 0; i < sample.length; i++) if (sample[i] !== input.window[i]) return false;
    return true;
  }

  #chooseLeader(): void {
    this.#leader = this.#directories.find((directory) => directory.isOpen);
    if (this.#leader === undefined) throw new SystemError("no functional log directories.", 0);
    this.#leader.record.lead();
  }

  #reopen(): void {
    const isFinished = this.#areFinished();
    for (const directory of this.#directories) {
      directory.close(isFinished);
      directory.open(this.#input.position, true);
    }
    this.#chooseLeader();
  }

  #areFinished(): boolean {
    if (this.#input.carried > 0 && this.#input.isKept) return false;
    return this.#directories.every((directory) => !directory.isOpen || directory.isFinished);
  }

  // ── working ──

  /** Until the input ends or TERM comes. */
  work(): void {
    let milliseconds = 0;
    while (!this.#isOver) {
      const happenings = awaitHappenings(this.#system, { fds: this.#awaited(), milliseconds });
      this.#hear(happenings);
      const isBusy = this.#pump();
      this.#obey();
      const wait = isBusy ? 0 : this.#untilDue();
      const isQuiet = milliseconds === quietMilliseconds && happenings.every((heard) => heard.kind === "deadline");
      // Memory is given back when a moment has passed without a line, not between any two.
      milliseconds = wait >= 0 && wait <= quietMilliseconds ? wait : isQuiet ? this.#rest(wait) : quietMilliseconds;
    }
  }

  /** Before a long wait of so many milliseconds. */
  #rest(wait: number): number {
    this.#scene.shrink();
    this.#leader?.record.rest();
    return wait;
  }

  #awaited(): { readonly fd: number; readonly awaits: "data" | "end" }[] {
    // What a held directory has not taken yet is still in the pipe, which would be readable all the time.
    return this.#input.hasEnded || this.#isAnyHeld() ? [] : [{ fd: 0, awaits: "data" }];
  }

  #hear(happenings: readonly Happening[]): void {
    const now = this.#system.monotonic();
    let children = 0;
    for (const heard of happenings) {
      if (heard.kind === "signal") this.#hearSignal(heard.signal);
      if (heard.kind !== "ended") continue;
      if (children++ === 0) this.#scene.info("sigchild received.");
      for (const directory of this.#directories) if (directory.ended(heard.pid, heard.waitStatus, now)) break;
    }
  }

  #hearSignal(signal: WatchedSignal): void {
    if (signal === "TERM") {
      this.#scene.info("sigterm received.");
      this.#isTold = true;
    } else if (signal === "HUP") {
      this.#scene.info("sighangup received.");
      this.#mustReopen = true;
    } else if (signal === "ALRM") {
      this.#scene.info("sigalarm received.");
      this.#mustRotate = true;
    }
  }

  /** What signals have asked for, after the lines that came before them. */
  #obey(): void {
    if (this.#mustRotate) {
      this.#mustRotate = false;
      for (const directory of this.#directories) if (directory.isOpen) directory.rotate();
    }
    if (this.#isTold) this.#isOver = true;
    else if (this.#mustReopen) {
      this.#mustReopen = false;
      this.#reopen();
    }
  }

  /** Lets every directory take what waits. True: there may be more. */
  #pump(): boolean {
    const input = this.#input;
    const hasMore = this.#look();
    if (this.#isOver) return false;
    this.#distribute();
    // Told to end, a pipe keeps the beginning of a line for the next svlogd.
    if (input.hasEnded || (this.#isTold && !input.isKept)) this.#finishInput();
    if (this.#isAnyHeld()) input.widen();
    return hasMore && !this.#isAnyHeld();
  }

  /** Looks at the input; true: more may wait than could be seen. */
  #look(): boolean {
    const input = this.#input;
    if ((input.hasEnded || this.#isAnyHeld()) && !input.isKept) return false;
    const result = input.look();
    this.#scene.time = this.#system.now();
    if (result < 0) {
      this.#scene.warn("unable to read standard input", -result);
      this.#isOver = true;
      return false;
    }
    const isInLine = this.#directories.some((one) => one.position === input.position && one.isInLongLine);
    this.#replacement?.apply(input.window, input.length, this.#lineBytes, isInLine ? this.#lineBytes : 0);
    return input.isFull;
  }

  /** Gives the directories what is in the window, and takes out of the input what all of them have. */
  #distribute(): void {
    const now = this.#system.monotonic();
    const input = this.#input;
    if (input.length > 0) this.#print();
    let reached = -1;
    for (const directory of this.#directories) {
      if (!directory.isOpen) continue;
      directory.take(now);
      directory.onTime(now);
      if (reached < 0 || directory.position < reached) reached = directory.position;
    }
    if (this.#leader === undefined) return;
    const count = Math.max(0, reached - input.position);
    // The beginning of a line is taken as well: an empty pipe can be waited for.
    const carry = this.#isAnyHeld() ? Math.max(0, input.carried - count) : input.length - count;
    if (count === 0 && input.toTake(count, carry) === 0) return;
    this.#leader.record.plan(count, carry);
    this.#leader.record.taken(input.settle(count, carry, this.#scene.time));
  }

  /** A last line without newline is given one. */
  #finishInput(): void {
    const input = this.#input;
    const isInLine = input.length > 0 || this.#directories.some((directory) => directory.isInLongLine);
    if (!this.#isAnyHeld() && isInLine) {
      input.terminate(newline);
      this.#distribute();
    }
    if (input.hasEnded) this.#isOver = !this.#isAnyHeld();
  }

  #isAnyHeld(): boolean {
    return this.#directories.some((directory) => directory.isOpen && directory.isHeld);
  }

  #untilProcessing(now: number): number {
    let due = -1;
    for (const { processor } of this.#directories) due = earlier(due, processor.due);
    return until(due, now);
  }

  #untilDue(): number {
    let due = -1;
    for (const directory of this.#directories) due = earlier(due, directory.due);
    let wait = due < 0 ? -1 : until(due, this.#system.monotonic());
    if (this.#isAnyHeld() && !this.#input.hasEnded) wait = Math.min(wait, heldLookMilliseconds);
    return wait;
  }

  // ── copies to descriptor 2, line by line, for each directory that wants one ──

  #print(): void {
    const input = this.#input;
    if (this.#directories.every((directory) => directory.printing.takesNone)) return;
    const { window } = input;
    let at = Math.max(0, this.#printed - input.position);
    while (at < input.length) {
      const found = this.#system.find(window, at, input.length, newline);
      const end = found < 0 ? input.length : found;
      if (!this.#isPrintedLine) {
        if (found < 0 && end - at < this.#lineBytes) break;
        this.#printLine(at, Math.min(end, at + this.#lineBytes));
      }
      this.#isPrintedLine = found < 0;
      at = found < 0 ? end : end + 1;
    }
    this.#printed = input.position + at;
  }

  #printLine(from: number, to: number): void {
    const { window } = this.#input;
    const { copy } = this.#scene;
    for (const directory of this.#directories) {
      const { printing } = directory;
      if (!directory.isOpen || !printing.selects(window, from, to)) continue;
      this.#scene.beginLines(this.#scene.timeOf(from), directory.prefix, directory.isLocal);
      this.#scene.addText(from, to, to - from === this.#lineBytes ? "...\n" : "\n");
      this.#system.write(2, copy.out, 0, copy.outLength);
    }
  }

  // ── the end ──

  close(): void {
    const isFinished = this.#areFinished();
    this.#awaitProcessors();
    for (const directory of this.#directories) directory.close(isFinished);
  }

  /** At the end of the input until they have nothing to do; told to end, for a moment. */
  #awaitProcessors(): void {
    for (const { processor } of this.#directories) processor.windDown(this.#isTold);
    let until = this.#system.monotonic() + farewellMilliseconds;
    for (;;) {
      const now = this.#system.monotonic();
      for (const directory of this.#directories) directory.process(now);
      const isWorking = this.#directories.some(({ processor }) => processor.isRunning || processor.due >= 0);
      if (!isWorking || (this.#isTold && now >= until)) return;
      const wasTold = this.#isTold;
      const due = this.#untilProcessing(now);
      const wait = this.#isTold ? Math.min(until - now, due < 0 ? farewellMilliseconds : due) : due;
      this.#hear(awaitHappenings(this.#system, { fds: [], milliseconds: wait }));
      if (this.#isTold && !wasTold) {
        until = this.#system.monotonic() + farewellMilliseconds;
        for (const { processor } of this.#directories) processor.windDown(true);
      }
    }
  }
}

/** The earlier of two moments, of which a negative one is none. */
function earlier(one: number, other: number): number {
  return other >= 0 && (one < 0 || other < one) ? other : one;
}

/** Milliseconds from now to a moment; negative: to none. */
function until(due: number, now: number): number {
  return due < 0 ? -1 : Math.max(0, due - now);
}
