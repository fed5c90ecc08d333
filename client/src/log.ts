// The lines of a log directory, through its rotations.
//
//    @4000…01.s   @4000…02.s   @4000…03.u   current          oldest ──▶ newest
//
// Files are read in this order, as one stream: svlogd may cut a line at the end of a file. When `current` is another file
// than before, the one that was is complete: it is read to its end, then what was saved after it, then the new `current`.
// Each file is opened as soon as it is heard of, so that it can be renamed, processed or deleted meanwhile.

import * as fs from "node:fs";
import { basename } from "node:path";
import { parseLogConfig } from "../../src/core/log/config.ts";
import { isSavedName, labelOf } from "../../src/core/log/rotation.ts";
import { describeError, EACCES, EINVAL, EISDIR, ENOENT } from "../../src/core/text/errors.ts";
import { Bell } from "./bell.ts";
import { attempt, ServiceError } from "./error.ts";
import { identify, list, readStart } from "./files.ts";

export interface LogOptions {
  /** How many of the lines that are there already come first; Infinity: all. 10 unless given. */
  readonly lines?: number | undefined;
  /** Goes on with what is written from now on, until the signal is aborted or the loop is left. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The log directory; it is looked for unless given. */
  readonly directory?: string | undefined;
}

const newline = 10;
const blockBytes = 65_536;
/** Files beyond that many are opened when it is their turn, if they are still there. */
const maxOpen = 100;
/** The directory is looked at so often whatever is heard. */
const glanceMilliseconds = 1000;
/** Where nothing is heard. */
const pollMilliseconds = 100;
const defaultLines = 10;

/** Decodes UTF-8. Throws ServiceError. */
export async function* readLog(
  service: string,
  directory: string,
  { lines = defaultLines, follow = false }: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const bell = new Bell();
  const files = new LogFiles(service, directory);
  let watcher: fs.FSWatcher | undefined;
  try {
    const onWord = (isRename: boolean): void => {
      if (isRename) files.lookIfThere();
      bell.ring();
    };
    if (follow) watcher = hear(directory, onWord);
    files.look();
    files.skipTo(lines);
    while (!signal.aborted) {
      const line = files.nextLine();
      if (line !== undefined) {
        yield line;
        continue;
      }
      if (!follow) {
        const rest = files.takeRest();
        if (rest !== "") yield rest;
        return;
      }
      await bell.wait(watcher === undefined ? pollMilliseconds : glanceMilliseconds, signal);
      files.look();
    }
  } finally {
    watcher?.close();
    files.close();
  }
}

/** undefined: nothing can be heard. */
function hear(directory: string, onWord: (isRename: boolean) => void): fs.FSWatcher | undefined {
  try {
    const watcher = fs.watch(directory, (event) => onWord(event === "rename"));
    watcher.unref();
    return watcher.on("error", () => {});
  } catch {
    return undefined;
  }
}

interface LogFile {
  /** Path of a saved file; "": it is, or was, `current`. */
  readonly path: string;
  /** -1: not open yet. */
  fd: number;
  readonly identity: string;
}

/** The files of a log directory that are still to be read. */
class LogFiles {
  readonly #service: string;
  readonly #directory: string;
  /** The last one is `current`. */
  readonly #files: LogFile[] = [];
  /** Of all saved files that were there at the last look, processed or not: what is known is not new again. */
  #labels: ReadonlySet<string> = new Set();
  #hasProcessor = false;
  /** The beginning of a line, in pieces: what was read and not handed out yet, and has no newline. */
  #begun: Buffer[] = [];
  /** What was read after that. */
  #bytes: Buffer = Buffer.alloc(0);
  /** Where in the first file the next read begins. */
  #offset = 0;

  constructor(service: string, directory: string) {
    this.#service = service;
    this.#directory = directory;
  }

  /** When it is heard of a new file: what is wrong is found at the next look. */
  lookIfThere(): void {
    try {
      this.look();
    } catch (error: unknown) {
      if (!(error instanceof ServiceError)) throw error;
    }
  }

  /** Learns of files that are new. Throws ServiceError. */
  look(): void {
    for (;;) {
      const current = this.#openCurrent();
      const last = this.#files.at(-1);
      if (current !== undefined && current.identity === last?.identity) {
        fs.closeSync(current.fd);
        return;
      }
      let isRotated = false;
      try {
        isRotated = this.#addSaved(last, current);
      } catch (error: unknown) {
        if (current !== undefined) fs.closeSync(current.fd);
        throw error;
      }
      if (current === undefined) return; // it is about to be made
      if (isRotated || this.#identityOfCurrent() !== current.identity) {
        fs.closeSync(current.fd);
        continue; // rotated in between: a file may be missing
      }
      this.#files.push(current);
      return;
    }
  }

  /** Adds saved files behind the last one. Answers whether `current` is among them. */
  #addSaved(last: LogFile | undefined, current: LogFile | undefined): boolean {
    let isRotated = false;
    for (const path of this.#saved()) {
      // What was there in the beginning is opened in its turn, if at all.
      const mayOpen = last !== undefined && this.#files.length < maxOpen;
      const opened = mayOpen ? openLog(path) : undefined;
      if (opened === -ENOENT) continue; // deleted
      // What cannot be opened now is tried again in its turn.
      const file = typeof opened === "object" ? opened : { path, fd: -1, identity: identify(path) };
      if (file.identity === current?.identity) isRotated = true;
      if (file.identity !== "" && file.identity === last?.identity) {
        if (file.fd >= 0) fs.closeSync(file.fd);
      } else this.#files.push(file);
    }
    return isRotated;
  }

  /** Paths of saved files that are new, oldest first, as svlogd wrote them. */
  #saved(): string[] {
    const names = list(this.#directory);
    if (typeof names === "number") throw this.#unable("unable to read directory", -names);
    // Then what is saved is the processor's output, and not lines of the service. Somebody may be replacing the file.
    if (names.includes("config"))
      this.#hasProcessor = parseLogConfig(readStart(`${this.#directory}/config`, 65_536)).processor !== "";
    const found = new Map<string, string>();
    const labels = new Set<string>();
    for (const name of names.sort()) {
      if (!isSavedName(name)) continue;
      labels.add(labelOf(name));
      if (name.endsWith(".u") || (name.endsWith(".s") && !this.#hasProcessor)) found.set(labelOf(name), name);
    }
    const known = this.#labels;
    this.#labels = labels;
    return [...found].filter(([label]) => !known.has(label)).map(([, name]) => `${this.#directory}/${name}`);
  }

  /** undefined: there is none at the moment. */
  #openCurrent(): LogFile | undefined {
    const path = `${this.#directory}/current`;
    const file = openLog(path);
    if (file === -ENOENT) return undefined;
    if (typeof file === "number") throw this.#unable("unable to open current in", -file);
    return { ...file, path: "" };
  }

  #identityOfCurrent(): string {
    return identify(`${this.#directory}/current`);
  }

  /** Passes over all but so many of the last lines. */
  skipTo(lines: number): void {
    if (lines === Number.POSITIVE_INFINITY) return;
    let left = lines + 1; // the line before ends where the first one begins
    let isAtEnd = true;
    for (let index = this.#files.length - 1; index >= 0; index--) {
      const file = this.#files[index];
      if (file === undefined || !this.#open(file)) continue;
      const { size } = fs.fstatSync(file.fd);
      // An unfinished line is one of them; with 0 it is the first that is read.
      if (isAtEnd && lines > 0 && size > 0 && this.#read(file, size - 1, 1)[0] !== newline) left--;
      if (size > 0) isAtEnd = false;
      for (let end = size; end > 0 && left > 0; end -= Math.min(end, blockBytes)) {
        const start = end - Math.min(end, blockBytes);
        const block = this.#read(file, start, end - start);
        for (let at = block.length; at > 0 && left > 0; ) {
          at = block.lastIndexOf(newline, at - 1);
          if (at < 0) break;
          left--;
          this.#offset = start + at + 1;
        }
      }
      if (left > 0) continue;
      for (const passed of this.#files.splice(0, index)) if (passed.fd >= 0) fs.closeSync(passed.fd);
      return;
    }
    this.#offset = 0;
  }

  #read(file: LogFile, start: number, length: number): Buffer {
    const block = Buffer.alloc(length);
    const got = attempt(() => fs.readSync(file.fd, block, 0, length, start));
    if (got < 0) throw this.#unable("unable to read in", -got);
    return block.subarray(0, got);
  }

  /** false: it has been deleted. */
  #open(file: LogFile): boolean {
    if (file.fd >= 0) return true;
    const opened = openLog(file.path);
    if (opened === -ENOENT) return false;
    if (typeof opened === "number") throw this.#unable(`unable to open ${basename(file.path)} in`, -opened);
    file.fd = opened.fd;
    return true;
  }

  /** The next whole line; undefined: there is none yet. */
  nextLine(): string | undefined {
    for (;;) {
      const at = this.#bytes.indexOf(newline);
      if (at >= 0) {
        const end = this.#bytes.subarray(0, at);
        this.#bytes = this.#bytes.subarray(at + 1);
        return this.#take(end);
      }
      if (this.#bytes.length > 0) this.#begun.push(this.#bytes);
      this.#bytes = Buffer.alloc(0);
      if (!this.#readMore()) return undefined;
    }
  }

  /** What has begun, and this. */
  #take(end: Buffer): string {
    const line = this.#begun.length === 0 ? end : Buffer.concat([...this.#begun, end]);
    this.#begun = [];
    return line.toString("utf8");
  }

  /** The beginning of a line that is not finished. */
  takeRest(): string {
    return this.#take(Buffer.alloc(0));
  }

  #readMore(): boolean {
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) return false;
      if (this.#open(file)) {
        this.#giveBack(file);
        const block = this.#read(file, this.#offset, blockBytes);
        if (block.length > 0) {
          this.#offset += block.length;
          this.#bytes = block;
          return true;
        }
      }
      if (this.#files.length === 1) return false;
      this.#files.shift();
      if (file.fd >= 0) fs.closeSync(file.fd);
      this.#offset = 0;
    }
  }

  /** On a full disk svlogd takes a part of a line back, and writes the line anew later. */
  #giveBack({ fd }: LogFile): void {
    const { size } = fs.fstatSync(fd);
    if (size >= this.#offset) return;
    const begun = Buffer.concat(this.#begun);
    this.#begun = [begun.subarray(0, Math.max(0, begun.length - (this.#offset - size)))];
    this.#offset = size;
  }

  #unable(doing: string, errno: number): ServiceError {
    const code = errno === EACCES ? "not permitted" : "failed";
    const text = `fail: ${this.#service}: ${doing} ${this.#directory}: ${describeError(errno)}`;
    return new ServiceError(code, this.#service, text);
  }

  close(): void {
    for (const { fd } of this.#files) if (fd >= 0) fs.closeSync(fd);
    this.#files.length = 0;
  }
}

/** -errno if it cannot be opened; what is no regular file is no log. */
function openLog(path: string): LogFile | number {
  const fd = attempt(() => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  if (fd < 0) return fd;
  const stats = fs.fstatSync(fd, { bigint: true });
  if (stats.isFile()) return { path, fd, identity: `${stats.dev} ${stats.ino}` };
  fs.closeSync(fd);
  return stats.isDirectory() ? -EISDIR : -EINVAL;
}
