// An environment directory: each file is a variable. chpst(8) -e, envdir(8).

import { exchangeNul, valueLength } from "../core/process/environment.ts";
import { bytesOf } from "../core/text/bytes.ts";
import { EISDIR, ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";
import { FileContent } from "./text.ts";

/** Most values are shorter. */
const roomBytes = 1024;

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

  const file = new FileContent(system, roomBytes);
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

/**
 * An empty file removes the variable; so does one that is gone, or a link to nothing. The variable of a file `k=v` is
 * `k`, and its value begins with `v`: then there is no such thing as an empty file.
 */
function setVariable(system: System, name: string, file: FileContent): void {
  const equals = name.indexOf("=");
  system.unsetEnvironment(equals < 0 ? name : name.slice(0, equals));
  if (file.length === 0) {
    if (equals < 0) return;
    const value = bytesOf(name.slice(equals + 1));
    orFail(system.addEnvironment(name.slice(0, equals), value, value.length), "out of memory");
    return;
  }
  const length = valueLength(file.bytes, file.lineEnd(0));
  exchangeNul(file.bytes.subarray(0, length));
  orFail(system.addEnvironment(name, file.bytes, length), "out of memory");
}

function isOpenable(system: System): boolean {
  const fd = system.open(".", openRead + openDirectory, 0);
  if (fd >= 0) system.close(fd);
  return fd >= 0;
}
