// A log directory: `current`, its rotation into saved files, its processor, and how far it has got with the input.
// svlogd(8).
//
// Input comes in blocks. A block's output is the same whenever it is made: it is known by its place in the input, its
// stamp and the configuration. So a block that was interrupted, by a full disk or by the end of the process, is simply
// made once more, and as many bytes of it as were written before are left out (`#done`).
//
// A rotation is a list of steps. One that fails is tried again three seconds later, and nothing but this directory waits.
//
//    sync ▸ seal ▸ rename ▸ create ▸ unseal ▸ prune          salvage ▸ create ▸ … at the opening after a crash

import type { LogConfig } from "../core/log/config.ts";
import { parseLogConfig } from "../core/log/config.ts";
import { Selection } from "../core/log/pattern.ts";
import type { Progress } from "../core/log/progress.ts";
import { checksumOf } from "../core/log/progress.ts";
import { bytesToLineEnd } from "../core/log/rotation.ts";
import { putText } from "../core/text/bytes.ts";
import { describeError, EAGAIN, ELOOP, ENOENT, ENOSPC } from "../core/text/errors.ts";
import type { FileStat } from "../system/system.ts";
import {
  openAppend,
  openCreate,
  openNoFollow,
  openNonblocking,
  openRead,
  openReadWrite,
  openWrite,
} from "../system/system.ts";
import { LogProcessor } from "./log-processor.ts";
import { isAbout, LogRecord } from "./log-record.ts";
import type { LogScene } from "./log-scene.ts";
import { SavedFiles } from "./saved-files.ts";
import { readText } from "./text.ts";

const newline = 10;
const lockFlags = openReadWrite + openCreate + openNonblocking;
const pauseMilliseconds = 3000;
const lockTries = 20;
const lockMilliseconds = 5;

type Step = "none" | "salvage" | "sync" | "seal" | "rename" | "create" | "unseal" | "prune";

/** The line at a position of the input: it begins there, or a long one goes on, which is selected or not. */
const lineBegins = 0;
const lineGoesOn = 1;
const lineIsDropped = 2;

export class LogDirectory {
  readonly name: string;
  readonly #scene: LogScene;
  readonly #processor: LogProcessor;
  readonly #files: SavedFiles;
  #configText = "";
  #config: LogConfig = parseLogConfig("");
  #selection = new Selection([], "+", "-", true);
  #printing = new Selection([], "e", "E", false);
  #wasOpened = false;
  #directory = -1;
  #lock = -1;
  #current = -1;
  /** Where it is: position in the input, the block that has been begun, and how much of that is written. */
  readonly #work: Progress;
  readonly #record: LogRecord;
  /** Current may end within a line of a block that is made anew, because the configuration has changed. */
  #mustEndLine = false;
  /** Bytes of the block that are written already, and that the making of its output has not come to yet. */
  #toSkip = 0;

  #step: Step = "none";
  /** Of the file that is being rotated. */
  #label = "";
  #state = "s";
  /** What opening it will have been; "": it is open. */
  #opening: "" | "new" | "append" = "";
  #rotateAt = -1;
  #heldUntil = -1;
  #heldSince = -1;
  #heldErrno = 0;
  #heldAt = 0;

  constructor(scene: LogScene, name: string) {
    this.#scene = scene;
    this.name = name;
    this.#processor = new LogProcessor(scene, name);
    this.#files = new SavedFiles(scene, name, this.#processor);
    this.#record = new LogRecord(scene);
    this.#work = this.#record.work;
  }

  get isOpen(): boolean {
    return this.#directory >= 0;
  }
  get position(): number {
    return this.#work.position;
  }
  get isInLongLine(): boolean {
    return this.#work.line !== lineBegins;
  }
  /** Something failed and is waited for. */
  get isHeld(): boolean {
    return this.#heldSince >= 0;
  }
  get printing(): Selection {
    return this.#printing;
  }
  get prefix(): string {
    return this.#config.prefix;
  }
  get isLocal(): boolean {
    return this.#config.localTime;
  }
  get processor(): LogProcessor {
    return this.#processor;
  }
  get record(): LogRecord {
    return this.#record;
  }
  /** A block has been begun. */
  get #hasBlock(): boolean {
    return this.#work.end > this.#work.position;
  }

  // ── opening and closing ──

  /**
   * Opens it, at the start and after a hangup; false: it cannot be used until the next one.
   * @param at position in the input of the first byte that has not been taken
   * @param mayResume a progress record in it speaks of this input
   */
  open(at: number, mayResume: boolean): boolean {
    const { system } = this.#scene;
    this.#forget(at);
    system.fchdir(this.#scene.home);
    this.#directory = system.open(this.name, openRead + openNonblocking, 0);
    if (this.#directory < 0) return this.#refuse("unable to open log directory", this.#directory, false);
    const entered = system.fchdir(this.#directory);
    if (entered < 0) return this.#refuse("unable to change directory", entered, true);
    this.#lock = system.open("lock", lockFlags + openNoFollow, 0o600);
    const isLink = this.#lock === -ELOOP || (this.#lock >= 0 && system.statFd(this.#lock).links > 1);
    if (this.#lock === -ELOOP) this.#lock = system.open("lock", lockFlags, 0o600);
    const locked = this.#lock < 0 ? this.#lock : this.#takeLock();
    if (locked < 0) return this.#refuse("unable to lock directory", locked, true);
    this.#record.use(isLink ? -1 : this.#lock); // where it leads is nothing of ours
    this.#readConfig();
    const current = system.stat("current", true);
    if (current.errno !== 0 && current.errno !== ENOENT) {
      return this.#refuse("unable to stat current", -current.errno, false);
    }
    this.#wasOpened = true;
    const isResumed = mayResume && this.#resume(at, current);
    const isUnclean = current.bytes > 0 && (current.mode & 0o100) === 0 && !isResumed;
    this.#opening = current.errno === ENOENT || isUnclean ? "new" : "append";
    this.#files.survey(this.#config);
    this.#step = isUnclean ? "salvage" : "create";
    if (isUnclean) this.#chooseLabel("u");
    this.#carryOn();
    return true;
  }

  #forget(at: number): void {
    this.#work.position = at;
    this.#work.line = lineBegins;
    this.#work.end = at;
    this.#work.lineAfter = lineBegins;
    this.#work.done = 0;
    this.#work.bytes = 0;
    this.#step = "none";
    this.#label = "";
    this.#mustEndLine = false;
    this.#heldUntil = -1;
    this.#heldSince = -1;
  }

  /** A child that has only just begun its program may hold the lock for a moment. */
  #takeLock(): number {
    const { system } = this.#scene;
    let locked = system.lock(this.#lock);
    for (let tries = 0; locked === -EAGAIN && tries < lockTries; tries++) {
      system.poll([], lockMilliseconds);
      locked = system.lock(this.#lock);
    }
    return locked;
  }

  #refuse(text: string, result: number, says: boolean): boolean {
    if (says) this.#scene.info(`close: ${this.#wasOpened ? this.name : ""}`);
    this.#scene.warn(`${text}: ${this.name}`, -result);
    this.#release();
    return false;
  }

  #release(): void {
    const { system } = this.#scene;
    this.#record.use(-1);
    for (const fd of [this.#current, this.#lock, this.#directory]) if (fd >= 0) system.close(fd);
    this.#current = -1;
    this.#lock = -1;
    this.#directory = -1;
  }

  #readConfig(): void {
    const scene = this.#scene;
    const config = readText(scene.system, "config");
    const isReadable = config.errno === 0 || config.errno === ENOENT;
    if (!isReadable) scene.warn(`unable to read config: ${this.name}`, config.errno);
    // What it said before counts for more than nothing: it may say that all files are kept.
    const text = isReadable ? config.text : this.#configText;
    this.#configText = text;
    this.#config = parseLogConfig(text);
    this.#selection = new Selection(this.#config.rules, "+", "-", true);
    this.#printing = new Selection(this.#config.rules, "e", "E", false);
    this.#work.checksum = checksumOf(`${scene.options.shape}\n${text}`);
    this.#work.isWhole = this.#config.udp.port !== 0;
    this.#rotateAt = this.#config.maxSeconds > 0 ? scene.system.monotonic() + this.#config.maxSeconds * 1000 : -1;
    for (const complaint of this.#config.complaints) {
      scene.warn(
        complaint.startsWith("line ") ? `unable to understand config: ${this.name}: ${complaint}` : complaint,
        0,
      );
    }
    if (config.errno !== ENOENT) scene.info(`read: ${this.name}/config`);
  }

  /** Goes on where the record in the lock file says, if that is about this input and this current. */
  #resume(at: number, current: FileStat): boolean {
    const { boot, input } = this.#scene;
    const record = this.#record.read();
    if (record === undefined || !isAbout(record, boot, input.inode)) return false;
    const isSame = current.errno === 0 && current.inode === record.current;
    if (current.bytes > 0 && !isSame) return false;
    // Sealed for a rotation, or by another program, which then has added to it.
    const isSealed = current.bytes > 0 && (current.mode & 0o100) !== 0;
    if (isSealed && at < record.end && current.bytes !== record.bytes) return false;
    const written = isSame ? Math.max(0, current.bytes - record.bytes) : 0;
    const hasBlock = record.position < record.end;
    const work = this.#work;
    if (at >= record.end || !hasBlock || (record.isWhole && written > 0)) {
      work.position = Math.max(at, record.end);
      work.end = work.position;
      work.line = at > record.end ? lineBegins : record.lineAfter;
      work.lineAfter = work.line;
      return true;
    }
    work.position = Math.max(at, record.position);
    work.end = work.position;
    if (at > record.position) return true;
    work.line = record.line;
    work.lineAfter = record.line;
    if (record.checksum === work.checksum) {
      work.end = record.end;
      work.time = record.time;
      work.lineAfter = record.lineAfter;
      work.done = record.done + written;
    } else if (written > 0 && work.line === lineBegins) this.#mustEndLine = true;
    return true;
  }

  /** `isFinished`: no other directory still needs to know how far this one has got. */
  close(isFinished: boolean): void {
    if (!this.isOpen) return;
    const { system } = this.#scene;
    if (this.#record.isLeading && this.isFinished && !isFinished) this.#record.plan(0, this.#scene.input.carried);
    this.#scene.info(`close: ${this.name}`);
    if (this.#current >= 0) {
      const synced = system.sync(this.#current);
      if (synced < 0) this.#scene.warn(`unable to fsync current logfile: ${this.name}`, -synced);
      const isClean = synced === 0 && this.isFinished;
      const moded = isClean ? system.chmodFd(this.#current, this.#closedMode) : 0;
      if (moded < 0) this.#scene.warn(`unable to set mode of current: ${this.name}`, -moded);
      if (this.isFinished && isFinished) this.#record.clear();
    }
    this.#release();
  }

  /** It has all that was taken from the input, and nothing is under way. */
  get isFinished(): boolean {
    return (
      this.#step === "none" &&
      !this.#hasBlock &&
      this.#work.line === lineBegins &&
      this.#work.position <= this.#scene.input.position
    );
  }

  get #closedMode(): number {
    return this.#config.mode + 0o100;
  }

  // ── taking lines ──

  /** Writes all that it can of what the input shows. */
  take(now: number): void {
    if (!this.isOpen || this.#heldUntil > now) return;
    this.#heldUntil = -1;
    if (!this.#carryOn()) return;
    const { input } = this.#scene;
    if (this.#mustEndLine) this.#endLine();
    if (this.#work.bytes === 0) this.#skipPeriods(now);
    if (!this.#hasBlock && !this.#endHold(now)) return;
    for (;;) {
      const from = this.#work.position - input.position;
      const to = this.#reach(from);
      if (to <= from) return;
      if (!this.#takeBlock(from, to)) return;
      if (!this.#endHold(now)) return;
    }
  }

  #endLine(): void {
    const { system } = this.#scene;
    const last = new Uint8Array(1);
    const fd = system.open("current", openRead + openNonblocking, 0);
    if (fd >= 0) system.readAt(fd, last, this.#work.bytes - 1);
    if (fd >= 0) system.close(fd);
    const isEnded = fd < 0 || last[0] === newline;
    last[0] = newline;
    const work = this.#work;
    if (!isEnded && system.write(this.#current, last, 0, 1) === 1) work.bytes += 1;
    this.#mustEndLine = false;
  }

  /** How far the block that begins at `from` goes: whole lines, or what there is of a long one. */
  #reach(from: number): number {
    const { input, system, options } = this.#scene;
    const { window, length } = input;
    if (from < 0 || from >= length) return from;
    if (this.#hasBlock) return Math.min(length, this.#work.end - input.position);
    // A line of its own: it is a datagram, or has a stamp of its own, that of its beginning.
    if (this.#config.udp.port !== 0 || (from === 0 && input.carried > 0 && options.stamp !== "none")) {
      const end = system.find(window, from, length, newline);
      if (end >= 0) return end + 1;
    }
    return this.#reachAll(from);
  }

  #reachAll(from: number): number {
    const { input, system, options } = this.#scene;
    const last = system.findLast(input.window, from, input.length, newline);
    const unfinished = last < 0 ? from : last + 1;
    const isLong = (last < 0 && this.#work.line !== lineBegins) || input.length - unfinished >= options.lineBytes;
    return isLong ? input.length : unfinished;
  }

  #takeBlock(from: number, to: number): boolean {
    const { input } = this.#scene;
    if (!this.#hasBlock) {
      this.#work.end = input.position + to;
      this.#work.time = this.#scene.timeOf(from);
      this.#work.lineAfter = this.#lineAt(from, to);
      this.#work.done = 0;
    }
    const count = this.#reachAll(from);
    this.#record.begin(count, input.length - count);
    this.#toSkip = this.#work.done;
    this.#scene.beginLines(this.#work.time, this.#config.prefix, this.#config.localTime);
    if (!this.#write(from, to)) return false;
    this.#work.line = this.#work.lineAfter;
    this.#work.position = input.position + to;
    this.#work.end = this.#work.position;
    this.#work.done = 0;
    return true;
  }

  /** What the line at the end of the block is. */
  #lineAt(from: number, to: number): number {
    const { input, system, options } = this.#scene;
    const last = system.findLast(input.window, from, to, newline);
    if (last === to - 1) return lineBegins;
    if (last < 0 && this.#work.line !== lineBegins) return this.#work.line;
    const start = last < 0 ? from : last + 1;
    const isSelected = this.#selection.selects(input.window, start, Math.min(to, start + options.lineBytes));
    return isSelected && !this.#config.udpOnly ? lineGoesOn : lineIsDropped;
  }

  /** Makes the output of [from, to); false: it was interrupted. */
  #write(from: number, to: number): boolean {
    const { system, input, copy } = this.#scene;
    let at = from;
    if (this.#work.line !== lineBegins) {
      const end = system.find(input.window, from, to, newline);
      at = end < 0 ? to : end + 1;
      if (this.#work.line === lineGoesOn && !this.#deliver(input.window, from, at)) return false;
    }
    if (at >= to) return true;
    if (this.#config.udp.port !== 0) return this.#send(at, to);
    if (this.#selection.takesNone) return true;
    if (!this.#selection.takesAll) return this.#writeSelected(at, to);
    if (copy.headLength === 0) return this.#deliver(input.window, at, to);
    return this.#copyLines(at, to) && this.#flush();
  }

  #writeSelected(from: number, to: number): boolean {
    const { input, options } = this.#scene;
    const selection = this.#selection;
    const runs = selection.findRuns(input.window, from, to, options.lineBytes);
    for (let run = 0; run < runs; run++) {
      if (!this.#copyLines(from + selection.runStart(run), from + selection.runEnd(run))) return false;
    }
    return this.#flush();
  }

  /** Puts lines of the window, with their head, into the output, which is delivered when it is full. */
  #copyLines(from: number, to: number): boolean {
    const { system, input, copy } = this.#scene;
    copy.from = from;
    copy.to = to;
    for (;;) {
      system.copyLines(input.window, copy);
      if (copy.from >= to) return true;
      if (!this.#flush()) return false;
    }
  }

  #flush(): boolean {
    const { copy } = this.#scene;
    const length = copy.outLength;
    copy.outLength = 0;
    return length === 0 || this.#deliver(copy.out, 0, length);
  }

  /** One line as a datagram, and what the log gets of it. */
  #send(from: number, to: number): boolean {
    const { system, input, options, copy } = this.#scene;
    const { window } = input;
    const isComplete = window[to - 1] === newline;
    const end = isComplete ? to - 1 : to;
    const looked = Math.min(end, from + options.lineBytes);
    if (!this.#selection.selects(window, from, looked)) return true;
    const isLong = looked - from === options.lineBytes;
    this.#scene.addText(from, looked, isLong ? "...\n" : "\n");
    const { address, port } = this.#config.udp;
    const length = copy.outLength;
    const sent = system.sendDatagram(address, port, copy.out, 0, length);
    const hasSocket = sent > -1000;
    if (sent < 0) {
      const why = hasSocket ? "warning: failure sending through udp: " : "warning: no udp socket available: ";
      const text = new Uint8Array(why.length + length);
      putText(text, 0, why);
      text.set(copy.out.subarray(0, length), why.length);
      const shorter = !hasSocket && isLong ? 3 : 0;
      if (shorter > 0) text[text.length - 4] = newline;
      if (!this.#deliver(text, 0, text.length - shorter)) return false;
    }
    copy.outLength = 0;
    return this.#config.udpOnly || (this.#copyLines(from, to) && this.#flush());
  }

  /** Writes output to current, rotating where the configuration says; false: interrupted. */
  #deliver(bytes: Uint8Array, from: number, to: number): boolean {
    const { system, options } = this.#scene;
    const { maxBytes } = this.#config;
    const skipped = Math.min(this.#toSkip, to - from);
    this.#toSkip -= skipped;
    let at = from + skipped;
    while (at < to) {
      let end = to;
      let isFull = false;
      if (maxBytes > 0) {
        if (this.#work.bytes >= maxBytes && !this.rotate()) return false;
        end = Math.min(to, at + maxBytes - this.#work.bytes);
        const before = bytesToLineEnd(maxBytes, options.lineBytes, this.#work.bytes);
        const search = at + Math.max(0, before - 1);
        const found = before >= 0 && search < end ? system.find(bytes, search, end, newline) : -1;
        isFull = found >= 0;
        if (isFull) end = found + 1;
      }
      const written = system.write(this.#current, bytes, at, end);
      if (written <= 0) {
        if (!this.#makeRoom(written === 0 ? ENOSPC : -written)) return false;
        continue;
      }
      at += written;
      const work = this.#work;
      work.bytes += written;
      work.done += written;
      if (isFull && at === end && !this.rotate()) return false;
    }
    return true;
  }

  // ── waiting for what failed ──

  /** Says so, and that it will be tried again. */
  #hold(text: string, errno: number): boolean {
    this.#scene.pause(`${text}: ${this.name}`, errno);
    const now = this.#scene.system.monotonic();
    if (this.#heldSince < 0) {
      this.#heldSince = now;
      this.#heldAt = this.#work.position;
      this.#heldErrno = errno;
    }
    this.#heldUntil = now + pauseMilliseconds;
    return false;
  }

  /** A line in the log says how long and how much was held up; false: it could not be written. */
  #endHold(now: number): boolean {
    if (this.#heldSince < 0 || this.#work.line !== lineBegins) return true;
    const { input, copy, time } = this.#scene;
    const seconds = Math.max(1, Math.round((now - this.#heldSince) / 1000));
    const waited = input.position + input.length - this.#heldAt;
    const text = `svlogd: warning: ${waited} bytes held up for ${seconds} seconds: ${describeError(this.#heldErrno)}\n`;
    this.#scene.beginLines(time, this.#config.prefix, this.#config.localTime);
    const line = new Uint8Array(copy.headLength + text.length);
    line.set(copy.head.subarray(0, copy.headLength));
    putText(line, copy.headLength, text);
    this.#toSkip = 0;
    this.#work.done = 0;
    const isWritten = this.#deliver(line, 0, line.length);
    // It is there as well if only the rotation that it brought about has failed: its length is in the record.
    if (isWritten || this.#step !== "none") this.#heldSince = -1;
    else this.#takeBack(this.#work.done);
    this.#work.done = 0;
    return isWritten;
  }

  /** A part of a line that is written anew later. */
  #takeBack(bytes: number): void {
    if (bytes === 0 || bytes > this.#work.bytes) return;
    const work = this.#work;
    if (this.#scene.system.truncate(this.#current, work.bytes - bytes) >= 0) work.bytes -= bytes;
  }

  /** After a failed write. False: current is held. */
  #makeRoom(errno: number): boolean {
    const mayDelete = errno === ENOSPC && this.#scene.system.fchdir(this.#directory) === 0;
    if (mayDelete && this.#files.makeRoom(this.#config)) return true;
    return this.#hold("unable to write to current", errno);
  }

  /** When something is to be done without input (monotonic clock, milliseconds); negative: nothing is. */
  get due(): number {
    if (!this.isOpen) return -1;
    const processing = this.#processor.due;
    const due = this.#heldUntil >= 0 ? this.#heldUntil : this.#work.bytes > 0 ? this.#rotateAt : -1;
    return due < 0 || (processing >= 0 && processing < due) ? processing : due;
  }

  /** An empty file does not age: periods that have passed meanwhile are over. */
  #skipPeriods(now: number): void {
    if (this.#rotateAt < 0 || this.#rotateAt > now) return;
    const period = this.#config.maxSeconds * 1000;
    this.#rotateAt += Math.ceil((now - this.#rotateAt + 1) / period) * period;
  }

  /** What is due. */
  onTime(now: number): void {
    if (!this.isOpen) return;
    if (this.#heldUntil >= 0 && this.#heldUntil <= now) this.take(now);
    if (this.#rotateAt >= 0 && now >= this.#rotateAt && this.#heldUntil < 0 && this.#work.bytes > 0) {
      this.#rotateAt = now + this.#config.maxSeconds * 1000;
      this.rotate();
    }
    this.process(now);
  }

  // ── rotation ──

  /** Rotates current unless it is empty; false: a step failed. */
  rotate(): boolean {
    if (this.#step === "none") {
      if (this.#work.bytes === 0) return true;
      this.#step = "sync";
      this.#chooseLabel(this.#config.processor === "" ? "s" : "u");
    }
    return this.#carryOn();
  }

  #chooseLabel(state: string): void {
    this.#label = this.#files.nextLabel();
    this.#state = state;
  }

  /** Goes on with what has been begun, from the step that failed. */
  #carryOn(): boolean {
    if (this.#step === "none") return true;
    const { system } = this.#scene;
    const entered = system.fchdir(this.#directory);
    if (entered < 0) return this.#hold("unable to change directory, want rotate", -entered);
    for (;;) {
      const step: Step = this.#step;
      if (step === "none") return true;
      const next: Step = this.#carryOut(step);
      if (next === step) return false;
      this.#step = next;
    }
  }

  /** The step that comes next; the same one when it failed. */
  #carryOut(step: Step): Step {
    const { system } = this.#scene;
    switch (step) {
      case "none":
        return "none";
      case "salvage": {
        const renamed = system.rename("current", `${this.#label}.u`);
        if (renamed < 0) return this.#stay(step, "unable to rename current", renamed);
        if (this.#config.processor !== "") this.#processor.add(this.#label);
        return "create";
      }
      case "sync": {
        const synced = system.sync(this.#current);
        if (synced < 0) return this.#stay(step, "unable to fsync current logfile", synced);
        this.#record.write();
        return "seal";
      }
      case "seal": {
        const moded = system.chmodFd(this.#current, this.#closedMode);
        if (moded < 0) return this.#stay(step, "unable to set mode of current", moded);
        this.#scene.info(`rename: ${this.name}/current ${this.#label}.${this.#state} ${this.#work.bytes}`);
        return "rename";
      }
      case "rename": {
        const saved = `${this.#label}.${this.#state}`;
        const renamed = system.stat(saved, false).errno === ENOENT ? system.rename("current", saved) : -17;
        if (renamed === -17) this.#chooseLabel(this.#state); // somebody has put a file there
        if (renamed < 0) return this.#stay(step, "unable to rename current", renamed);
        system.close(this.#current);
        this.#current = -1;
        if (this.#state === "u") this.#processor.add(this.#label);
        return "create";
      }
      case "create": {
        this.#current = system.open("current", openWrite + openAppend + openCreate + openNonblocking, 0o644);
        const isOpening = this.#opening !== "";
        if (this.#current < 0) {
          return this.#stay(step, isOpening ? "unable to open current" : "unable to create new current", this.#current);
        }
        const found = system.statFd(this.#current);
        this.#work.bytes = found.bytes;
        this.#work.current = found.inode;
        return "unseal";
      }
      case "unseal": {
        const moded = system.chmodFd(this.#current, this.#config.mode);
        if (moded < 0) return this.#stay(step, "unable to set mode of current", moded);
        const opening = this.#opening;
        this.#opening = "";
        if (opening === "") this.#record.write();
        else this.#scene.info(`${opening}: ${this.name}/current`);
        return opening === "append" || (opening === "new" && this.#label === "") ? "none" : "prune";
      }
      case "prune":
        this.#label = "";
        this.#files.prune(this.#config);
        this.#heldUntil = -1;
        return "none";
    }
  }

  #stay(step: Step, text: string, result: number): Step {
    this.#hold(text, -result);
    return step;
  }

  // ── processor ──

  /** Whether that was the processor's child. */
  ended(pid: number, waitStatus: number, now: number): boolean {
    const isThere = this.#scene.system.fchdir(this.#directory) >= 0;
    return this.#processor.ended(pid, waitStatus, now, isThere);
  }

  /** Lets the processor go on. */
  process(now: number): void {
    const due = this.#processor.due;
    if (!this.isOpen || due < 0 || due > now) return;
    if (this.#scene.system.fchdir(this.#directory) < 0) return;
    if (!this.#processor.goOn(this.#config.processor, this.#closedMode, now)) return;
    this.#files.pruneOwed(this.#config);
    this.#processor.goOn(this.#config.processor, this.#closedMode, now);
  }
}
