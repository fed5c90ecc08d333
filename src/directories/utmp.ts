// utmp and wtmp: who is logged in where, and the history of it. utmpset(8).

import { encodeLogout, isLoginOn, markLogout, maxLineBytes } from "../core/process/utmp.ts";
import { ENOENT, ENOSPC } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openAppend, openCreate, openNonblocking, openReadWrite, openWrite } from "../system/system.ts";

const utmp = "/var/run/utmp";
const wtmp = "/var/log/wtmp";
const wtmpFlags = openWrite + openAppend + openCreate + openNonblocking;

/** Ends the first login on the line. 0, -ENOENT: there is none, or -errno: it could not be written. Throws SystemError. */
export function endLogin(system: System, line: string, nowSeconds: number): number {
  if (line.length > maxLineBytes) throw new SystemError(`unable to logout line ${line} in utmp: name too long`, 0);
  const fd = orFail(system.open(utmp, openReadWrite + openNonblocking, 0), `unable to open ${utmp}`);
  lock(system, fd, `unable to lock: ${utmp}`);
  const recordBytes = system.utmpRecordBytes;
  const record = new Uint8Array(recordBytes);
  for (let offset = 0; ; offset += recordBytes) {
    if (system.readAt(fd, record, offset) !== recordBytes) break;
    if (!isLoginOn(record, line)) continue;
    markLogout(record, nowSeconds);
    const written = system.writeAt(fd, record, offset);
    system.close(fd);
    return written === recordBytes ? 0 : written < 0 ? written : -ENOSPC;
  }
  system.close(fd);
  return -ENOENT;
}

/** Appends the logout to the history. 0, or -errno: then the history is as it was. Throws SystemError. */
export function recordLogout(system: System, line: string, nowSeconds: number): number {
  const fd = orFail(system.open(wtmp, wtmpFlags, 0o600), `unable to open ${wtmp}`);
  lock(system, fd, `unable to lock ${wtmp}`);
  const before = system.statFd(fd).bytes;
  const record = encodeLogout(line, nowSeconds, system.utmpRecordBytes);
  const written = system.write(fd, record, 0, record.length);
  let result = written === record.length ? 0 : written < 0 ? written : -ENOSPC;
  if (result !== 0) {
    const cut = system.truncate(fd, before);
    if (cut < 0) result = cut;
  }
  system.close(fd);
  return result;
}

/** The lock of the original, and that of login and its like. */
function lock(system: System, fd: number, doing: string): void {
  orFail(system.awaitLock(fd), doing);
  orFail(system.awaitRecordLock(fd), doing);
}
