// Standard input of a logger, as a window onto what waits in it. What is looked at stays in the pipe until it is taken,
// so that a logger that is killed leaves it to the next one. That works with pipes, of which tee(2) makes a copy;
// anything else is read into the window, which then is the only place where it exists.
//
//    window:  | carried: taken, not used up | waiting: still in the pipe |
//             ^ position                    ^ head                       ^ position + length

import type { Timestamp } from "../core/supervise/service.ts";
import { EAGAIN } from "../core/text/errors.ts";
import type { System } from "./system.ts";

/** What a window has room for before that has proved too little: no more memory than a quiet log needs. */
const smallBytes = 900;
/** How far a pipe is widened when something in it must wait; more needs a privilege. */
const widestBytes = 1024 * 1024;

export class LogInput {
  readonly #system: System;
  readonly #fd: number;
  #window = new Uint8Array(0);
  #length = 0;
  #carried = 0;
  #position = 0;
  #carriedSince: Timestamp = { seconds: 0, nanoseconds: 0 };
  /** The copy of what waits in the pipe goes through this one; -1: it is no pipe. */
  #copyRead = -1;
  #copyWrite = -1;
  #capacity = 65536;
  #inode = 0;
  #hasEnded = false;

  constructor(system: System, fd: number) {
    this.#system = system;
    this.#fd = fd;
    const found = system.statFd(fd);
    const capacity = found.kind === "fifo" ? system.pipeCapacity(fd, 0) : -1;
    const pipe = capacity > 0 ? system.pipe() : undefined;
    if (pipe === undefined || pipe.errno !== 0) return;
    this.#capacity = capacity;
    this.#inode = found.inode;
    this.#copyRead = pipe.read;
    this.#copyWrite = pipe.write;
    if (capacity !== system.pipeCapacity(pipe.write, 0)) system.pipeCapacity(pipe.write, capacity);
  }

  get window(): Uint8Array {
    return this.#window;
  }
  get length(): number {
    return this.#length;
  }
  get carried(): number {
    return this.#carried;
  }
  /** When the first of the carried bytes came. */
  get carriedSince(): Timestamp {
    return this.#carriedSince;
  }
  /** Of the window's first byte, in all that has ever come. */
  get position(): number {
    return this.#position;
  }
  /** How much has been taken. */
  get head(): number {
    return this.#position + this.#carried;
  }
  /** Nothing will be added to what the window holds. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }
  /** What waits is in the pipe as well. */
  get isKept(): boolean {
    return this.#copyRead >= 0;
  }
  /** The pipe, by its inode; 0: it is none. */
  get inode(): number {
    return this.isKept ? this.#inode : 0;
  }

  /** Goes on where an earlier reader of this input has got to: so much it had taken, of which it had not used `carried`. */
  continueAt(head: number, carried: Uint8Array, since: Timestamp): void {
    this.#position = head - carried.length;
    this.#window = new Uint8Array(Math.max(smallBytes, carried.length + 1));
    this.#window.set(carried);
    this.#carried = carried.length;
    this.#length = carried.length;
    this.#carriedSince = since;
  }

  /** Looks at all that waits. 0, or -errno when it cannot be read. */
  look(): number {
    if (!this.isKept) return this.#read();
    this.#reserve(smallBytes);
    let result = this.#copy();
    if (result >= this.#window.length - this.#carried - 1) {
      this.#reserve(this.#capacity);
      result = this.#copy();
    }
    if (result === 0) this.#hasEnded = true; // nothing waits, and nobody will write
    if (result < 0 && result !== -EAGAIN) {
      this.#forgetPipe(); // some sandboxes refuse tee(2)
      return this.#read();
    }
    this.#length = this.#carried + Math.max(0, result);
    return 0;
  }

  /** Room behind what is carried for so many bytes, and one more. */
  #reserve(bytes: number): void {
    if (this.#window.length - this.#carried > bytes) return;
    const larger = new Uint8Array(this.#carried + bytes + 1);
    if (this.#carried > 0) larger.set(this.#window.subarray(0, this.#carried));
    this.#window = larger;
  }

  /** Bytes copied behind what is carried, 0 at the end, or -errno. */
  #copy(): number {
    const from = this.#carried;
    const copied = this.#system.tee(this.#fd, this.#copyWrite, this.#window.length - from - 1);
    if (copied <= 0) return copied;
    let length = 0;
    while (length < copied) {
      const got = this.#system.read(this.#copyRead, this.#window.subarray(from + length, from + copied));
      if (got <= 0) return got < 0 ? got : length;
      length += got;
    }
    return length;
  }

  #forgetPipe(): void {
    this.#system.close(this.#copyRead);
    this.#system.close(this.#copyWrite);
    this.#copyRead = -1;
    this.#copyWrite = -1;
    this.#length = this.#carried;
  }

  #read(): number {
    this.#reserve(this.#carried < smallBytes ? smallBytes : this.#capacity);
    const got = this.#system.read(this.#fd, this.#window.subarray(this.#length, this.#window.length - 1));
    if (got === -EAGAIN) return 0;
    if (got < 0) return got;
    if (got === 0) this.#hasEnded = true;
    this.#length += got;
    this.#carried = this.#length;
    return 0;
  }

  /** More may wait than the window could show. */
  get isFull(): boolean {
    return this.#length > 0 && this.#length >= this.#window.length - 1;
  }

  /** Puts a byte behind what waits at the end of the input: the newline it ended without. */
  terminate(byte: number): void {
    if (this.#length >= this.#window.length) return; // there is always room for it
    this.#window[this.#length] = byte;
    this.#length++;
    this.#carried++;
  }

  /** How many bytes must be taken so that the first `count` are used up and the next `carry` are carried. */
  toTake(count: number, carry: number): number {
    return Math.max(0, count + carry - this.#carried);
  }

  /**
   * The first `count` bytes of the window are used up, the `carry` behind them are to be taken out of the pipe as well.
   * False: the mark of what is taken could not be made (System.markTaking), and is off.
   * @param now when the window was looked at
   */
  settle(count: number, carry: number, now: Timestamp): boolean {
    const toTake = this.toTake(count, carry);
    let isMarked = true;
    if (this.isKept && toTake > 0 && this.#take(toTake) < 0) {
      isMarked = false; // its place in the file is gone
      this.#system.markTaking(-1, 0);
      this.#take(toTake);
    }
    const left = this.isKept ? carry : this.#length - count;
    if (count > 0) for (let i = 0; i < left; i++) this.#window[i] = this.#window[count + i] ?? 0;
    if (count > 0 || this.#carried === 0) this.#carriedSince = now;
    this.#position += count;
    this.#carried = left;
    this.#length = left;
    return isMarked;
  }

  #take(bytes: number): number {
    return this.#system.take(this.#fd, this.#window, this.#carried, this.#carried + bytes);
  }

  /** Widens the pipe, because something in it must wait. */
  widen(): void {
    if (!this.isKept || this.#capacity >= widestBytes) return;
    const wider = this.#system.pipeCapacity(this.#fd, this.#capacity * 2);
    if (wider > this.#capacity && this.#system.pipeCapacity(this.#copyWrite, wider) >= wider) this.#capacity = wider;
  }

  /** Gives back memory: before a long wait. */
  shrink(): void {
    if (this.#carried > smallBytes || this.#window.length <= smallBytes + 1) return;
    const smaller = new Uint8Array(smallBytes + 1);
    smaller.set(this.#window.subarray(0, this.#carried));
    this.#window = smaller;
    this.#length = this.#carried;
  }
}
