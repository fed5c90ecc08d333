// The output of many services on two descriptors: whole lines, marked with whose they are. When a reader of ours does not
// read, the services that write to it wait, and nobody else does.

import type { StreamName } from "../core/container/lines.ts";
import { describeHead, describeObjectHead, maxEscape, objectTail, putEscaped } from "../core/container/lines.ts";
import type { Prefix } from "../core/container/options.ts";
import { bytesOf, putText, textAt } from "../core/text/bytes.ts";
import { EAGAIN, EIO, ENOSPC } from "../core/text/errors.ts";
import { decodeFields, encodeFields } from "../core/text/fields.ts";
import { SystemError } from "../system/errors.ts";
import type { Polled, System } from "../system/system.ts";
import { LineCopy } from "../system/system.ts";

/** Longest part of a line, and how much is read at once. */
const maxLineBytes = 16384;
/** So much may wait for a reader; then nothing more is taken in. */
const maxWaitingBytes = 65536;
/** The beginning of a line is written when nothing more has come for so long. */
const silenceMilliseconds = 1000;
const retryMilliseconds = 1000;
const newline = 10;
/** After so many there was more than a pipe can hold. */
const readsOfPipe = 8;

/** What a service writes to one of its descriptors. */
export class OutputStream {
  readonly service: string;
  readonly name: StreamName;
  /** Given to the service. */
  readonly writeFd: number;
  readonly fd: number;
  /** Of the process that writes. */
  pid = 0;
  /** Taken in, not written yet: the beginning of a line. */
  rest: Uint8Array = nothing;
  /** The beginning of the line has been written: what follows is a further part. */
  isFurther = false;
  silentAt = 0;

  constructor(service: string, name: StreamName, fd: number, writeFd: number) {
    this.service = service;
    this.name = name;
    this.fd = fd;
    this.writeFd = writeFd;
  }
}

const nothing = new Uint8Array(0);

/** One of our own descriptors, and what waits for its reader. */
class Sink {
  readonly fd: number;
  bytes: Uint8Array = nothing;
  from = 0;
  to = 0;
  /** Nobody reads it any more. */
  isGone = false;
  /** When to try again what could not be written: a disk is full, say (monotonic clock, milliseconds); negative: now. */
  retryAt = -1;

  constructor(fd: number) {
    this.fd = fd;
  }
  get waiting(): number {
    return this.to - this.from;
  }
  /** Room for so many bytes more. */
  reserve(count: number): void {
    if (this.from === this.to) {
      this.from = 0;
      this.to = 0;
    }
    if (this.to + count <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(maxLineBytes, (this.waiting + count) * 2));
    bytes.set(this.bytes.subarray(this.from, this.to));
    this.bytes = bytes;
    this.to -= this.from;
    this.from = 0;
  }
}

export class Output {
  readonly #system: System;
  readonly #prefix: Prefix;
  readonly #out = new Sink(1);
  readonly #err = new Sink(2);
  #streams: OutputStream[] = [];
  /** A line of full length, and the byte that tells whether it ends there. */
  readonly #room = new Uint8Array(maxLineBytes + 1);

  constructor(system: System, prefix: Prefix) {
    this.#system = system;
    this.#prefix = prefix;
  }

  /** A stream of a service. Throws SystemError. */
  open(service: string, name: StreamName): OutputStream {
    const system = this.#system;
    const pipe = system.pipe();
    if (pipe.errno !== 0) throw new SystemError("unable to create output pipe", pipe.errno);
    system.setNonblocking(pipe.read);
    return this.#add(service, name, pipe.read, pipe.write);
  }
  #add(service: string, name: StreamName, fd: number, writeFd: number): OutputStream {
    const stream = new OutputStream(service, name, fd, writeFd);
    for (const one of [fd, writeFd]) this.#system.keepFd(one, true);
    this.#streams.push(stream);
    return stream;
  }
  /** What is left in it is written. */
  close(stream: OutputStream): void {
    this.finish(stream);
    for (const fd of [stream.fd, stream.writeFd]) {
      this.#system.keepFd(fd, false);
      this.#system.close(fd);
    }
    this.#streams = this.#streams.filter((one) => one !== stream);
  }

  /** A line of our own on standard error. */
  say(text: string): void {
    const bytes = bytesOf(text);
    const sink = this.#err;
    sink.reserve(bytes.length);
    sink.bytes.set(bytes, sink.to);
    sink.to += bytes.length;
    this.#flush(sink);
  }

  addPolled(fds: Polled[]): void {
    for (const stream of this.#streams) {
      if (this.#sinkOf(stream).waiting < maxWaitingBytes) fds.push({ fd: stream.fd, awaits: "data" });
    }
    for (const { fd, waiting, retryAt } of [this.#out, this.#err]) {
      if (waiting > 0 && retryAt < 0) fds.push({ fd, awaits: "room" });
    }
  }

  /** Whether the descriptor is one of ours; if so, what came is passed on. */
  onReadable(fd: number): boolean {
    for (const sink of [this.#out, this.#err]) {
      if (fd !== sink.fd) continue;
      this.#flush(sink);
      return true;
    }
    for (const stream of this.#streams) {
      if (fd !== stream.fd) continue;
      if (this.#sinkOf(stream).waiting < maxWaitingBytes) this.#take(stream);
      return true;
    }
    return false;
  }

  /** When `onTime` is due (monotonic clock, milliseconds); negative: never. */
  get due(): number {
    let due = -1;
    for (const stream of this.#streams) {
      if (stream.rest.length > 0 && (due < 0 || stream.silentAt < due)) due = stream.silentAt;
    }
    for (const { retryAt } of [this.#out, this.#err]) if (retryAt >= 0 && (due < 0 || retryAt < due)) due = retryAt;
    return due;
  }
  onTime(now: number): void {
    for (const sink of [this.#out, this.#err]) {
      if (sink.retryAt < 0 || now < sink.retryAt) continue;
      sink.retryAt = -1;
      this.#flush(sink);
    }
    for (const stream of this.#streams) {
      if (stream.rest.length === 0 || now < stream.silentAt) continue;
      // Silence is an empty pipe, not that nobody has looked into it.
      if (this.#sinkOf(stream).waiting >= maxWaitingBytes) stream.silentAt = now + silenceMilliseconds;
      else if (this.#take(stream) === 0) this.#end(stream);
    }
  }

  /**
   * The process that wrote has ended: what it wrote is passed on, the last line even if it has no end. What our reader does
   * not take, and what others write meanwhile, comes later.
   */
  finish(stream: OutputStream): void {
    const sink = this.#sinkOf(stream);
    for (let i = 0; i < readsOfPipe; i++) {
      if (sink.waiting >= maxWaitingBytes) return;
      if (this.#take(stream) > 0) continue;
      if (stream.rest.length > 0) this.#end(stream);
      return;
    }
  }

  /** The beginning of a line, or what waits for a reader, is only in our memory. */
  get holdsAnything(): boolean {
    return this.isWaiting || this.#streams.some((stream) => stream.rest.length > 0);
  }
  /** Something waits for a reader. */
  get isWaiting(): boolean {
    return this.#out.waiting > 0 || this.#err.waiting > 0;
  }
  /** Passes on what there is in all streams. */
  drain(): void {
    for (const stream of this.#streams) this.finish(stream);
    for (const sink of [this.#out, this.#err]) this.#flush(sink);
  }

  #sinkOf(stream: OutputStream): Sink {
    return stream.name === "stdout" ? this.#out : this.#err;
  }

  /** Reads once; how much there was to deal with. */
  #take(stream: OutputStream): number {
    const room = this.#room;
    const before = stream.rest.length;
    room.set(stream.rest);
    const count = this.#system.read(stream.fd, room.subarray(before));
    if (count <= 0) return 0;
    const total = before + count;
    const lines = this.#system.findLast(room, 0, total, newline) + 1;
    if (lines > 0) this.#pass(stream, lines);
    let left = lines;
    if (total - left > maxLineBytes) {
      this.#put(stream, 0, maxLineBytes);
      stream.isFurther = true;
      left = maxLineBytes;
    }
    stream.rest = left === total ? nothing : room.slice(left, total);
    stream.silentAt = this.#system.monotonic() + silenceMilliseconds;
    this.#flush(this.#sinkOf(stream));
    return total;
  }

  /** The beginning of a line, as a line. */
  #end(stream: OutputStream): void {
    this.#room.set(stream.rest);
    this.#put(stream, 0, stream.rest.length);
    stream.rest = nothing;
    stream.isFurther = false;
    this.#flush(this.#sinkOf(stream));
  }

  /** The lines [0, to) of what was read. */
  #pass(stream: OutputStream, to: number): void {
    let from = 0;
    if (stream.isFurther || this.#prefix === "json") {
      while (from < to) {
        const end = this.#system.find(this.#room, from, to, newline) + 1;
        this.#put(stream, from, end - 1);
        stream.isFurther = false;
        from = end;
        if (this.#prefix !== "json") break;
      }
    }
    if (from < to) this.#copy(stream, from, to);
  }

  /** Whole lines, each with the same head. */
  #copy(stream: OutputStream, from: number, to: number): void {
    const sink = this.#sinkOf(stream);
    if (sink.isGone) return;
    const job = new LineCopy();
    job.head = bytesOf(describeHead(this.#prefix, stream.service, this.#system.now(), false));
    job.headLength = job.head.length;
    job.from = from;
    job.to = to;
    let room = to - from + 8 * job.headLength;
    while (job.from < to) {
      sink.reserve(room);
      job.out = sink.bytes;
      job.outLength = sink.to;
      this.#system.copyLines(this.#room, job);
      sink.to = job.outLength;
      room *= 2;
    }
  }

  /** One line, or a part of one, with its head and an end. */
  #put(stream: OutputStream, from: number, to: number): void {
    const sink = this.#sinkOf(stream);
    if (sink.isGone) return;
    const time = this.#system.now();
    const isObject = this.#prefix === "json";
    const head = isObject
      ? describeObjectHead(stream.service, time, stream.name, stream.pid)
      : describeHead(this.#prefix, stream.service, time, stream.isFurther);
    const length = to - from;
    sink.reserve(head.length + (isObject ? length * maxEscape : length) + objectTail.length);
    sink.to = putText(sink.bytes, sink.to, head);
    if (isObject) {
      sink.to = putEscaped(sink.bytes, sink.to, this.#room, from, to);
      sink.to = putText(sink.bytes, sink.to, objectTail);
      return;
    }
    sink.bytes.set(this.#room.subarray(from, to), sink.to);
    sink.to += length;
    sink.to = putText(sink.bytes, sink.to, "\n");
  }

  /** Writes what there is room for. A reader that has gone is written to no more. */
  #flush(sink: Sink): void {
    if (sink.retryAt >= 0) return;
    while (sink.from < sink.to) {
      const written = this.#system.writeNow(sink.fd, sink.bytes, sink.from, sink.to);
      if (written === -EAGAIN) return;
      if (written === 0 || written === -ENOSPC || written === -EIO) {
        sink.retryAt = this.#system.monotonic() + retryMilliseconds;
        return;
      }
      if (written < 0) {
        sink.isGone = true;
        break;
      }
      sink.from += written;
    }
    sink.from = 0;
    sink.to = 0;
    if (sink.bytes.length > maxWaitingBytes) sink.bytes = nothing;
  }

  // ── a restart in place ──

  /** What waits for our readers; "": nothing. */
  describe(): string {
    if (!this.isWaiting) return "";
    const waiting = [this.#out, this.#err].map(({ bytes, from, to }) => textAt(bytes, from, to));
    return encodeFields(waiting);
  }
  resumeWaiting(text: string): void {
    const waiting = decodeFields(text) ?? [];
    let index = 0;
    for (const sink of [this.#out, this.#err]) {
      const bytes = bytesOf(String(waiting[index++] ?? ""));
      sink.bytes = bytes;
      sink.to = bytes.length;
    }
  }
  describeStream(stream: OutputStream): string {
    const { fd, writeFd, isFurther, rest } = stream;
    return encodeFields([`${fd}`, `${writeFd}`, isFurther ? "1" : "0", textAt(rest, 0, rest.length)]);
  }
  /** undefined: not such a text. */
  resume(service: string, name: StreamName, text: string): OutputStream | undefined {
    const fields = decodeFields(text);
    if (fields === undefined || fields.length !== 4) return undefined;
    const stream = this.#add(service, name, Number(fields[0] ?? "-1"), Number(fields[1] ?? "-1"));
    stream.isFurther = fields[2] === "1";
    stream.rest = bytesOf(String(fields[3] ?? ""));
    return stream;
  }
}
