// An environment directory: each file is a variable. chpst(8) -e, envdir(8).

import { exchangeNul, valueLength } from "../core/process/environment.ts";
import { bytesOf, textAt } from "../core/text/bytes.ts";
import { EISDIR, ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";
import { FileContent } from "./text.ts";

/** Most values are shorter. */
const roomBytes = 1024;

/** What is done about a variable: it gets the first `length` bytes as value; negative: it is removed. */
type Change = (name: string, value: Uint8Array, length: number) => void;

/**
 * Changes the environment by what is in `directory`; the working directory stays. Throws SystemError.
 * @param skips what to do about a directory in it, given its path; undefined: it is an error
 */
export function loadEnvironment(system: System, directory: string, skips: ((path: string) => void) | undefined): void {
  readEnvironment(system, directory, skips, (name, value, length) => {
    const equals = name.indexOf("=");
    system.unsetEnvironment(equals < 0 ? name : name.slice(0, equals));
    if (length >= 0) orFail(system.addEnvironment(name, value, length), "out of memory");
  });
}

/** Gives a variable another value. Throws SystemError. */
export function setVariable(system: System, name: string, value: string): void {
  const bytes = bytesOf(value);
  system.unsetEnvironment(name);
  orFail(system.addEnvironment(name, bytes, bytes.length), "out of memory");
}

/** The same changes as entries of a SpawnPlan. Throws SystemError. */
export function listEnvironment(system: System, directory: string): string[] {
  const entries: string[] = [];
  const skip = (_path: string): void => {};
  readEnvironment(system, directory, skip, (name, value, length) => {
    if (name !== "") entries.push(length < 0 ? name : `${name}=${textAt(value, 0, length)}`);
  });
  return entries;
}

function readEnvironment(
  system: System,
  directory: string,
  skips: ((path: string) => void) | undefined,
  change: Change,
): void {
  const origin = orFail(system.open(".", openRead + openDirectory, 0), "unable to open current working directory");
  try {
    readFiles(system, directory, skips, change);
  } finally {
    const left = system.fchdir(origin);
    system.close(origin);
    orFail(left, "unable to switch to starting directory");
  }
}

function readFiles(
  system: System,
  directory: string,
  skips: ((path: string) => void) | undefined,
  change: Change,
): void {
  orFail(system.chdir(directory), `unable to switch to directory: ${directory}`);
  const names: string[] = [];
  const listed = system.list(".", names);
  if (listed < 0)
    throw new SystemError(`unable to ${isOpenable(system) ? "read" : "open"} directory: ${directory}`, -listed);

  const file = new FileContent(system, roomBytes);
  for (const name of names) {
    if (name.startsWith(".")) continue;
    const errno = file.read(name);
    if (errno === EISDIR && skips !== undefined) skips(`${directory}/${name}`);
    else if (errno === 0 || errno === ENOENT) changeByFile(name, file, change);
    else throw new SystemError(`unable to read ${directory}/${name}`, errno);
  }
}

/**
 * An empty file removes the variable; so does one that is gone, or a link to nothing. The variable of a file `k=v` is
 * `k`, and its value begins with `v`: then there is no such thing as an empty file.
 */
function changeByFile(name: string, file: FileContent, change: Change): void {
  const equals = name.indexOf("=");
  if (file.length === 0) {
    const value = bytesOf(equals < 0 ? "" : name.slice(equals + 1));
    if (equals < 0) change(name, value, -1);
    else change(name.slice(0, equals), value, value.length);
    return;
  }
  const length = valueLength(file.bytes, file.lineEnd(0));
  exchangeNul(file.bytes.subarray(0, length));
  change(name, file.bytes, length);
}

function isOpenable(system: System): boolean {
  const fd = system.open(".", openRead + openDirectory, 0);
  if (fd >= 0) system.close(fd);
  return fd >= 0;
}
