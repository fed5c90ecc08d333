// Whole files, as bytes and as byte strings.

import { textAt } from "../core/text/bytes.ts";
import type { System, Text } from "../system/system.ts";
import { openNonblocking, openRead } from "../system/system.ts";

const newline = 10;

/** Holds one file after the other, in a buffer that grows with the largest. */
export class FileContent {
  readonly #system: System;
  bytes: Uint8Array;
  length = 0;

  constructor(system: System, roomBytes: number) {
    this.#system = system;
    this.bytes = new Uint8Array(roomBytes);
  }

  /** 0, or why it could not be read; then it is empty. A pipe without data is empty: nobody waits for it. */
  read(path: string): number {
    this.length = 0;
    const fd = this.#system.open(path, openRead + openNonblocking, 0);
    if (fd < 0) return -fd;
    let result = this.#system.read(fd, this.bytes);
    while (result > 0) {
      this.length += result;
      if (this.length === this.bytes.length) this.#grow();
      result = this.#system.read(fd, this.bytes.subarray(this.length));
    }
    this.#system.close(fd);
    if (result < 0) this.length = 0;
    return -result;
  }

  /** Where the line begins that a place is in. */
  lineStart(at: number): number {
    return this.#system.findLast(this.bytes, 0, at, newline) + 1;
  }
  /** Where it ends: at its newline, or with the file. */
  lineEnd(from: number): number {
    const end = this.#system.find(this.bytes, from, this.length, newline);
    return end < 0 ? this.length : end;
  }

  #grow(): void {
    const more = new Uint8Array(this.bytes.length * 2);
    more.set(this.bytes);
    this.bytes = more;
  }
}

export function readText(system: System, path: string): Text {
  const file = new FileContent(system, 900);
  const errno = file.read(path);
  return { errno, text: textAt(file.bytes, 0, file.length) };
}

/** What one read of so many bytes gives; "" if it cannot be read. */
export function readStart(system: System, path: string, maxBytes: number): string {
  const fd = system.open(path, openRead + openNonblocking, 0);
  if (fd < 0) return "";
  const bytes = new Uint8Array(maxBytes);
  const length = system.read(fd, bytes);
  system.close(fd);
  return textAt(bytes, 0, length);
}
