// The record of a log directory in its `lock` file: how far it has got with the input. It is what lets the next svlogd on
// the same pipe go on at the very byte; core/log/progress.ts has its layout.

import { decodeProgress, encodeProgress, lengthOf, Progress, takenOffset } from "../core/log/progress.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead } from "../system/system.ts";
import type { LogScene } from "./log-scene.ts";

/** What is longer is none of ours. */
const maxRecordBytes = 64 * 1024 * 1024;
const sampleBytes = 40;

export class LogRecord {
  readonly #scene: LogScene;
  /** What is recorded: the state of the directory itself, besides what concerns the input. */
  readonly work = new Progress();
  #fd = -1;
  #bytes = new Uint8Array(0);
  readonly #nothing = new Uint8Array(0);
  /** What is planned for the window: so much of it is used up, and so much behind that is carried. */
  #count = 0;
  #carry = 0;
  /** The kernel will store the byte `taken`; or it cannot, and we do. */
  #isMarking = false;
  #marksItself = false;

  constructor(scene: LogScene) {
    this.#scene = scene;
  }

  /** `fd`: the open lock file; -1: there is none any more. A mapping of it would keep its lock. */
  use(fd: number): void {
    this.rest();
    this.#fd = fd;
    this.work.isLeading = false;
  }
  /** What an earlier svlogd has left there. */
  read(): Progress | undefined {
    return readRecord(this.#scene.system, this.#fd);
  }
  /** Nobody needs to know any more. */
  clear(): void {
    this.#scene.system.truncate(this.#fd, 0);
  }

  get isLeading(): boolean {
    return this.work.isLeading;
  }
  /** This record says from now on what has been taken from the input. */
  lead(): void {
    this.work.isLeading = true;
    this.#marksItself = false;
  }
  /** A long wait begins. */
  rest(): void {
    if (this.#isMarking) this.#scene.system.markTaking(-1, 0);
    this.#isMarking = false;
  }

  /** A block is begun, after which `count` bytes of the window will be used up and the `carry` behind them taken. */
  begin(count: number, carry: number): void {
    this.#count = count;
    this.#carry = carry;
    this.write();
  }

  /** That is about to be done. */
  plan(count: number, carry: number): void {
    const { system, input } = this.#scene;
    if (!input.isKept || !this.work.isLeading) return;
    if (!this.#isMarking && !this.#marksItself) {
      this.#isMarking = system.markTaking(this.#fd, takenOffset) >= 0;
      this.#marksItself = !this.#isMarking;
    }
    const isPlanned = this.#count === count && this.#carry === carry;
    if (!isPlanned || input.toTake(count, carry) === 0) this.begin(count, carry);
  }

  /** That has been done; `isMarked`: and is said in the record already. */
  taken(isMarked: boolean): void {
    const { system, input } = this.#scene;
    this.#count = 0;
    this.#carry = input.carried;
    if (!isMarked) {
      this.#marksItself = true;
      this.#isMarking = false;
    }
    if (this.#marksItself)
      system.writeAt(this.#fd, this.#bytes.subarray(takenOffset + 1, takenOffset + 2), takenOffset);
  }

  /** Stores it. Where that fails, a kill at the wrong moment doubles a block, which is not worth a stop. */
  write(): void {
    const { input, boot, system } = this.#scene;
    if (!input.isKept) return;
    const { work } = this;
    work.boot = boot;
    work.input = input.inode;
    if (work.isLeading) this.#describeInput();
    const length = lengthOf(work);
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    encodeProgress(work, this.#bytes);
    system.writeAt(this.#fd, this.#bytes.subarray(0, length), 0);
    work.sample = this.#nothing; // none of them keeps the window
    work.carriedBefore = this.#nothing;
    work.carriedAfter = this.#nothing;
  }

  #describeInput(): void {
    const { input, time } = this.#scene;
    const { work } = this;
    const { window, carried } = input;
    work.from = input.head;
    work.to = input.head + input.toTake(this.#count, this.#carry);
    work.sample = window.subarray(carried, Math.min(input.length, carried + sampleBytes));
    work.sinceBefore = input.carriedSince;
    work.sinceAfter = this.#count > 0 || carried === 0 ? time : input.carriedSince;
    work.carriedBefore = window.subarray(0, carried);
    work.carriedAfter = window.subarray(this.#count, this.#count + this.#carry);
  }
}

/** Whether a record is about this input, in this boot. */
export function isAbout(record: Progress, boot: string, inode: number): boolean {
  return boot.length === 36 && record.boot === boot && inode !== 0 && record.input === inode;
}

/** The record in a log directory that is not open. */
export function readProgress(scene: LogScene, name: string): Progress | undefined {
  const { system } = scene;
  system.fchdir(scene.home);
  const lock = system.open(`${name}/lock`, openRead + openNonblocking, 0);
  if (lock < 0) return undefined;
  const record = readRecord(system, lock);
  system.close(lock);
  const current = system.stat(`${name}/current`, true);
  if (record !== undefined && current.bytes > 0) {
    const isClosed = (current.mode & 0o100) !== 0 && current.bytes !== record.bytes;
    record.isStale = isClosed || current.inode !== record.current;
  }
  return record;
}

function readRecord(system: System, fd: number): Progress | undefined {
  const length = system.statFd(fd).bytes;
  if (length === 0 || length > maxRecordBytes) return undefined;
  const bytes = new Uint8Array(length);
  return system.readAt(fd, bytes, 0) === length ? decodeProgress(bytes) : undefined;
}
