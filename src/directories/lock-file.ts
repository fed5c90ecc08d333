// A lock file: held for as long as this process, the program it becomes, and all that inherits from them live.

import { orFail } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openAppend, openCreate, openNonblocking, openWrite } from "../system/system.ts";

const flags = openWrite + openAppend + openCreate + openNonblocking; // a pipe that nobody reads is an error

/** Takes the lock, made if missing. Throws SystemError: also when another holds it, unless it `waits`. */
export function takeLock(system: System, file: string, waits: boolean): void {
  let fd = orFail(system.open(file, flags, 0o600), `unable to open lock: ${file}`);
  if (fd === 2) fd = orFail(system.raiseFd(fd, 3), `unable to open lock: ${file}`); // no message goes into it
  orFail(waits ? system.awaitLock(fd) : system.lock(fd), `unable to lock: ${file}`);
  orFail(system.passOn(fd), `unable to lock: ${file}`);
}
