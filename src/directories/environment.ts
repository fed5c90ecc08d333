// An environment directory: each file is a variable. chpst(8) -e, envdir(8).

import { exchangeNul, valueLength } from "../core/process/environment.ts";
import { EISDIR, ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openNonblocking, openRead } from "../system/system.ts";

const newline = 10;

/**
 * Changes the environment by what is in `directory`; the working directory stays. Throws SystemError.
 * @param skips what to do about a directory in it, given its path; undefined: it is an error
 */
export function loadEnvironment(system: System, directory: string, skips: ((path: string) => void) | undefined): void {
  const origin = orFail(system.open(".", openRead + openDirectory, 0), "unable to open current working directory");
  orFail(system.chdir(directory), `unable to switch to directory: ${directory}`);
  const names: string[] = [];
  const listed = system.list(".", names);
  if (listed < 0)
    throw new SystemError(`unable to ${isOpenable(system) ? "read" : "open"} directory: ${directory}`, -listed);

  const file = new Content(system);
  for (const name of names) {
    if (name.startsWith(".")) continue;
    const errno = file.read(name);
    if (errno === EISDIR && skips !== undefined) skips(`${directory}/${name}`);
    else if (errno === 0 || errno === ENOENT) setVariable(system, name, file);
    else throw new SystemError(`unable to read ${directory}/${name}`, errno);
  }
  orFail(system.fchdir(origin), "unable to switch to starting directory");
  system.close(origin);
}

/** An empty file removes the variable; so does one that is gone, or a link to nothing. */
function setVariable(system: System, name: string, file: Content): void {
  system.unsetEnvironment(name);
  if (file.length === 0) return;
  const end = system.find(file.bytes, 0, file.length, newline);
  const length = valueLength(file.bytes, end < 0 ? file.length : end);
  exchangeNul(file.bytes.subarray(0, length));
  orFail(system.addEnvironment(name, file.bytes, length), "out of memory");
}

/** A whole file at a time. */
class Content {
  readonly #system: System;
  bytes = new Uint8Array(4096);
  length = 0;

  constructor(system: System) {
    this.#system = system;
  }

  /** 0, or why it could not be read; then it is empty. A pipe without data is empty: nobody waits for it. */
  read(path: string): number {
    this.length = 0;
    const fd = this.#system.open(path, openRead + openNonblocking, 0);
    if (fd < 0) return -fd;
    let result = this.#system.readAfter(fd, this.bytes, 0);
    while (result > 0) {
      this.length += result;
      if (this.length === this.bytes.length) this.#grow();
      result = this.#system.readAfter(fd, this.bytes, this.length);
    }
    this.#system.close(fd);
    if (result < 0) this.length = 0;
    return -result;
  }

  #grow(): void {
    const more = new Uint8Array(this.bytes.length * 2);
    more.set(this.bytes);
    this.bytes = more;
  }
}

function isOpenable(system: System): boolean {
  const fd = system.open(".", openRead + openDirectory, 0);
  if (fd >= 0) system.close(fd);
  return fd >= 0;
}
