// What the log directories of one svlogd share: its options, its input, a buffer for output, and its voice.

import type { StampForm } from "../core/log/stamp.ts";
import { describeStamp, utc } from "../core/log/stamp.ts";
import type { Timestamp } from "../core/supervise/service.ts";
import { putText } from "../core/text/bytes.ts";
import { describeError } from "../core/text/errors.ts";
import { describeWarning } from "../core/text/messages.ts";
import type { LogInput } from "../system/input.ts";
import type { System } from "../system/system.ts";
import { LineCopy } from "../system/system.ts";

const program = "svlogd";
/** With a larger one there is so much to do that memory does not count. */
const largeWindow = 4096;

export interface LogOptions {
  /** Bytes of a line that are looked at, replaced and copied; more makes it a long line. */
  readonly lineBytes: number;
  readonly stamp: StampForm;
  readonly isVerbose: boolean;
  /** Everything else that shapes the output, for the checksum of progress records. */
  readonly shape: string;
}

export class LogScene {
  readonly system: System;
  readonly options: LogOptions;
  readonly input: LogInput;
  /** Identity of this boot; "": unknown. */
  readonly boot: string;
  /** Where relative log directories begin. */
  readonly home: number;
  /** When the window was looked at. */
  time: Timestamp = { seconds: 0, nanoseconds: 0 };
  readonly copy = new LineCopy();
  #head = "";

  constructor(system: System, options: LogOptions, input: LogInput, boot: string, home: number) {
    this.system = system;
    this.options = options;
    this.input = input;
    this.boot = boot;
    this.home = home;
  }

  /** When the line at a place of the window came: an unfinished one that was carried in has the time of its beginning. */
  timeOf(from: number): Timestamp {
    return from === 0 && this.input.carried > 0 ? this.input.carriedSince : this.time;
  }

  info(text: string): void {
    if (this.options.isVerbose) this.system.complain(`${program}: info: ${text}\n`);
  }
  warn(text: string, errno: number): void {
    this.system.complain(describeWarning(program, text, errno));
  }
  /** Something failed that will be tried again. */
  pause(text: string, errno: number): void {
    this.system.complain(`${program}: pausing: ${text}: ${describeError(errno)}\n`);
  }

  /** Begins lines of a directory: stamp and prefix become the head of what is copied; the output is empty. */
  beginLines(time: Timestamp, prefix: string, isLocal: boolean): void {
    const zone = isLocal && this.options.stamp !== "none" ? this.system.zoneSeconds(time.seconds) : utc;
    this.#setHead(describeStamp(this.options.stamp, time, zone) + prefix);
    const copy = this.copy;
    const length = this.input.window.length;
    const room = Math.max(length > largeWindow ? 131072 : 0, length + copy.headLength + 16);
    if (copy.out.length < room) copy.out = new Uint8Array(room);
    copy.outLength = 0;
  }

  /** Adds the head, the bytes [from, to) of the input, and an end. */
  addText(from: number, to: number, end: string): void {
    const { copy } = this;
    copy.from = from;
    copy.to = to;
    if (from < to) this.system.copyLines(this.input.window, copy);
    else for (let i = 0; i < copy.headLength; i++) copy.out[copy.outLength++] = copy.head[i] ?? 0;
    copy.outLength = putText(copy.out, copy.outLength, end);
  }

  #setHead(text: string): void {
    const copy = this.copy;
    if (text === this.#head) return;
    this.#head = text;
    if (copy.head.length < text.length) copy.head = new Uint8Array(text.length);
    copy.headLength = putText(copy.head, 0, text);
  }

  /** Gives back memory: before a long wait. */
  shrink(): void {
    if (this.copy.out.length > largeWindow) this.copy.out = new Uint8Array(0);
    this.input.shrink();
  }
}
