// A service directory as sv finds it: whether a runsv is there, its status, and its control pipe. Paths are relative
// to the service directory, which is the working directory.

import type { StatusRecord } from "../core/supervise/status.ts";
import { decodeStatus, statusBytes } from "../core/supervise/status.ts";
import { ENOENT, ENXIO } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead, openWrite } from "../system/system.ts";

/** What stands in the way; `doing` "" with errno ENXIO: no runsv. */
export interface Trouble {
  readonly isGone: boolean;
  readonly doing: string;
  readonly errno: number;
}

export interface Reading {
  readonly status: StatusRecord | undefined;
  readonly trouble: Trouble | undefined;
}

/** Whether so many bytes are taken for a status record. */
export type IsRecord = (bytes: number) => boolean;

/** Reads the status of a service that has a runsv. */
export function readStatus(system: System, isRecord: IsRecord): Reading {
  const ok = openOk(system);
  if (ok < 0) {
    if (ok === -ENXIO) return { status: undefined, trouble: { isGone: true, doing: "", errno: ENXIO } };
    return inTrouble("unable to open supervise/ok", -ok);
  }
  system.close(ok);
  const fd = system.open("supervise/status", openRead + openNonblocking, 0);
  if (fd < 0) return inTrouble("unable to open supervise/status", -fd);
  const bytes = new Uint8Array(statusBytes + 1); // one more: whether there are more
  const length = system.read(fd, bytes);
  system.close(fd);
  if (length < 0) return inTrouble("unable to read supervise/status", -length);
  const status = isRecord(length) ? decodeStatus(bytes.subarray(0, length)) : undefined;
  if (status === undefined) return inTrouble("unable to read supervise/status: bad format", 0);
  return { status, trouble: undefined };
}

/** A write end of supervise/ok, or -errno; its reader is runsv, so it ends when runsv does. */
export function openOk(system: System): number {
  return system.open("supervise/ok", openWrite + openNonblocking, 0);
}

/** Writes control bytes in one write; undefined: done. */
export function tell(system: System, bytes: string): Trouble | undefined {
  const fd = system.open("supervise/control", openWrite + openNonblocking, 0);
  if (fd === -ENXIO) return { isGone: true, doing: "", errno: ENXIO };
  if (fd < 0) return { isGone: false, doing: "unable to open supervise/control", errno: -fd };
  const written = system.writeText(fd, bytes);
  system.close(fd);
  return written < 0 ? { isGone: false, doing: "unable to write to supervise/control", errno: -written } : undefined;
}

/** Whether there is no file `down`; negative: -errno, it cannot be told. */
export function normallyUp(system: System): number {
  const { errno } = system.stat("down", true);
  return errno === 0 ? 0 : errno === ENOENT ? 1 : -errno;
}

function inTrouble(doing: string, errno: number): Reading {
  return { status: undefined, trouble: { isGone: false, doing, errno } };
}
