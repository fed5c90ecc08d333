// The lines of a log directory, through its rotations.
//
//    @4000…01.s   @4000…02.s   @4000…03.u   current          oldest ──▶ newest
//
// Files are read in this order, as one stream: svlogd may cut a line at the end of a file. When `current` is another file
// than before, the one that was is complete: it is read to its end, then what was saved after it, then the new `current`.
// Each file is opened as soon as it is heard of, so that it can be renamed, processed or deleted meanwhile.

import * as fs from "node:fs";
import { parseLogConfig } from "../../src/core/log/config.ts";
import { isSavedName, labelOf } from "../../src/core/log/rotation.ts";
import { describeError, EACCES } from "../../src/core/text/errors.ts";
import { Bell } from "./bell.ts";
import { attempt, ServiceError } from "./error.ts";
import { list, readStart } from "./files.ts";

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
  { lines = defaultLines, follow = false, signal }: LogOptions,
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
    while (signal?.aborted !== true) {
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
  /** Of the saved files that were there at the last look. */
  #labels: ReadonlySet<string> = new Set();
  /** What was read and not handed out yet. */
  #bytes: Buffer = Buffer.alloc(0);
  /** How far it has been searched for a newline. */
  #searched = 0;
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
      const isRotated = this.#addSaved(last, current);
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
      const file = mayOpen ? openLog(path) : { path, fd: -1, identity: identityOf(path) };
      if (file === undefined) continue; // deleted
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
    const isProcessed = this.#hasProcessor();
    const found = new Map<string, string>();
    for (const name of names.sort()) {
      if (!isSavedName(name)) continue;
      if (name.endsWith(".u") || (name.endsWith(".s") && !isProcessed)) found.set(labelOf(name), name);
    }
    const known = this.#labels;
    this.#labels = new Set(found.keys());
    return [...found].filter(([label]) => !known.has(label)).map(([, name]) => `${this.#directory}/${name}`);
  }

  /** Then what is saved is the processor's output, and not lines of the service. */
  #hasProcessor(): boolean {
    return parseLogConfig(readStart(`${this.#directory}/config`, 65_536)).processor !== "";
  }

  #openCurrent(): LogFile | undefined {
    const file = openLog(`${this.#directory}/current`);
    return file === undefined ? undefined : { ...file, path: "" };
  }

  #identityOfCurrent(): string {
    return identityOf(`${this.#directory}/current`);
  }

  /** Passes over all but so many of the last lines. */
  skipTo(lines: number): void {
    if (lines === Number.POSITIVE_INFINITY) return;
    let left = lines + 1; // the line before ends where the first one begins
    let isAtEnd = true;
    for (let index = this.#files.length - 1; index >= 0; index--) {
      const file = this.#files[index];
      const bytes = file === undefined ? undefined : this.#readAll(file);
      if (bytes === undefined) continue;
      let end = bytes.length;
      // An unfinished line is one of them; with 0 it is the first that is read.
      if (isAtEnd && lines > 0 && end > 0 && bytes[end - 1] !== newline) left--;
      if (end > 0) isAtEnd = false;
      while (left > 0) {
        const at = end <= 0 ? -1 : bytes.lastIndexOf(newline, end - 1);
        if (at < 0) break;
        left--;
        end = at;
      }
      if (left > 0) continue;
      for (const passed of this.#files.splice(0, index)) if (passed.fd >= 0) fs.closeSync(passed.fd);
      this.#offset = end + 1;
      return;
    }
  }

  #readAll(file: LogFile): Buffer | undefined {
    if (!this.#open(file)) return undefined;
    const bytes = Buffer.alloc(fs.fstatSync(file.fd).size);
    let length = 0;
    for (;;) {
      const got = fs.readSync(file.fd, bytes, length, bytes.length - length, length);
      length += got;
      if (got <= 0 || length >= bytes.length) return bytes.subarray(0, length);
    }
  }

  #open(file: LogFile): boolean {
    if (file.fd >= 0) return true;
    file.fd = openLog(file.path)?.fd ?? -1;
    return file.fd >= 0;
  }

  /** The next whole line; undefined: there is none yet. */
  nextLine(): string | undefined {
    for (;;) {
      const at = this.#bytes.indexOf(newline, this.#searched);
      if (at >= 0) {
        const line = this.#bytes.toString("utf8", 0, at);
        this.#bytes = this.#bytes.subarray(at + 1);
        this.#searched = 0;
        return line;
      }
      this.#searched = this.#bytes.length;
      if (!this.#readMore()) return undefined;
    }
  }

  /** The beginning of a line that is not finished. */
  takeRest(): string {
    const rest = this.#bytes.toString("utf8");
    this.#bytes = Buffer.alloc(0);
    this.#searched = 0;
    return rest;
  }

  #readMore(): boolean {
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) return false;
      if (this.#open(file)) {
        this.#giveBack(file);
        const block = Buffer.alloc(blockBytes);
        const length = fs.readSync(file.fd, block, 0, blockBytes, this.#offset);
        if (length > 0) {
          this.#offset += length;
          this.#bytes = Buffer.concat([this.#bytes, block.subarray(0, length)]);
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
    this.#bytes = this.#bytes.subarray(0, Math.max(0, this.#bytes.length - (this.#offset - size)));
    this.#searched = 0;
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

/** undefined: it is not there, or not to be read. */
function openLog(path: string): LogFile | undefined {
  const fd = attempt(() => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  if (fd < 0) return undefined;
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  return { path, fd, identity: `${dev} ${ino}` };
}

function identityOf(path: string): string {
  let identity = "";
  attempt(() => {
    const { dev, ino } = fs.statSync(path, { bigint: true });
    identity = `${dev} ${ino}`;
  });
  return identity;
}
