// A service directory as sv finds it: whether a runsv is there, its status, and its control pipe. The service directory is
// the working directory; its state is in `supervise`, or in a state root.

import type { StatusRecord } from "../core/supervise/status.ts";
import { decodeStatus, statusBytes } from "../core/supervise/status.ts";
import { ENOENT, ENXIO } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead, openWrite } from "../system/system.ts";
import { explicitStateRoot, listStateRoots } from "./state-root.ts";

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

/** Where the state of most services is, as seen from their directories. */
export const besideIt = "supervise";

/** Where else than beside it the state of a service is; if nowhere, beside it. */
export function findState(system: System, scanDirectory: string, name: string): string {
  const explicit = explicitStateRoot(system, scanDirectory);
  const places = [...listStateRoots(system)];
  if (explicit !== "") places.unshift(explicit);
  for (const root of places) if (isListenedTo(system, `${root}/${name}`)) return `${root}/${name}`;
  return besideIt;
}

/** Whether a supervisor of ours, or of root, is there. */
function isListenedTo(system: System, state: string): boolean {
  const ok = openOk(system, state);
  if (ok < 0) return false;
  system.close(ok);
  return true;
}

/** Whether so many bytes are taken for a status record. */
export type IsRecord = (bytes: number) => boolean;

/** Reads the status of a service that has a runsv. */
export function readStatus(system: System, state: string, isRecord: IsRecord): Reading {
  const ok = openOk(system, state);
  if (ok < 0) {
    if (ok === -ENXIO) return { status: undefined, trouble: { isGone: true, doing: "", errno: ENXIO } };
    return inTrouble("unable to open supervise/ok", -ok);
  }
  system.close(ok);
  const fd = system.open(`${state}/status`, openRead + openNonblocking, 0);
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
export function openOk(system: System, state: string): number {
  return system.open(`${state}/ok`, openWrite + openNonblocking, 0);
}

/** Writes control bytes in one write; undefined: done. */
export function tell(system: System, state: string, bytes: string): Trouble | undefined {
  const fd = system.open(`${state}/control`, openWrite + openNonblocking, 0);
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
