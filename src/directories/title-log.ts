// runsvdir's log argument: descriptor 2 becomes a pipe into the process listing. The first five bytes of the argument
// stay; the rest is a window onto the bytes that came last. A dot a quarter of an hour lets old ones scroll out.

import { describeWarning } from "../core/text/messages.ts";
import type { System } from "../system/system.ts";

const minBytes = 7;
const fixedBytes = 5;
const dotMilliseconds = 900_000;

export class TitleLog {
  readonly #system: System;
  readonly #program: string;
  #argument = 0;
  #text = "";
  #fd = -1;
  #dotAt = -1;

  /** `program`: the beginning of its messages. */
  constructor(system: System, program: string) {
    this.#system = system;
    this.#program = program;
  }

  /** Readable when somebody has written; negative: there is no log. */
  get fd(): number {
    return this.#fd;
  }
  /** Monotonic clock, milliseconds; negative: never. */
  get due(): number {
    return this.#dotAt;
  }

  /** `argument`: its index; `kept`: descriptor of an earlier instance of this process, which wrote into it already. */
  open(argument: number, text: string, kept: number): void {
    if (kept >= 0) {
      // Those who were started before write into this pipe.
      this.#begin(argument, text, kept, dotMilliseconds);
      return;
    }
    if (text.length < minBytes) {
      this.#refuse("log must have at least seven characters.");
      return;
    }
    const pipe = this.#system.pipe();
    if (pipe.errno !== 0) {
      this.#refuse("unable to create pipe for log.");
      return;
    }
    // Writers never wait for the title: with a full pipe their messages are lost.
    this.#system.setNonblocking(pipe.write);
    this.#system.setNonblocking(pipe.read);
    if (this.#system.moveFd(pipe.write, 2) < 0) {
      this.#refuse("unable to set filedescriptor for log.");
      return;
    }
    this.#begin(argument, text, pipe.read, 0);
  }

  #begin(argument: number, text: string, fd: number, untilDot: number): void {
    this.#system.keepFd(fd, true);
    this.#argument = argument;
    this.#text = text;
    this.#fd = fd;
    this.#dotAt = this.#system.monotonic() + untilDot;
  }

  #refuse(reason: string): void {
    this.#system.writeText(2, describeWarning(this.#program, reason, 0));
    this.#system.writeText(2, describeWarning(this.#program, "log service disabled.", 0));
  }

  onTime(now: number): void {
    if (this.#dotAt < 0 || now < this.#dotAt) return;
    this.#dotAt = now + dotMilliseconds;
    this.#system.writeText(2, "."); // behind what was said before
  }

  /** Takes what has been written into the title. */
  read(): void {
    const bytes = new Uint8Array(1024);
    for (;;) {
      const length = this.#system.read(this.#fd, bytes);
      if (length <= 0) return;
      let text = "";
      for (let i = 0; i < length; i++) if (bytes[i] !== 0) text += String.fromCharCode(bytes[i] ?? 0);
      this.#push(text);
    }
  }

  #push(text: string): void {
    const room = this.#text.length - fixedBytes;
    const window = (this.#text.slice(fixedBytes) + text).slice(-room);
    this.#text = this.#text.slice(0, fixedBytes) + window;
    this.#system.setTitle(this.#argument, this.#text);
  }
}
