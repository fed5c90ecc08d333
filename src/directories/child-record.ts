// Whom the record in a state directory names, for those who did not write it: a supervisor and its child that still live.

import type { ChildRecord } from "../core/supervise/record.ts";
import { decodeRecord, recordBytes } from "../core/supervise/record.ts";
import { ELOOP } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { openCreate, openExclusive, openNoFollow, openNonblocking, openRead, openReadWrite } from "../system/system.ts";
import { isLiving, readBootId } from "./processes.ts";

/**
 * Whose supervise directory it is may put a file there that names any process, or a link of either kind: only what we have
 * written, and here, is believed.
 */
function isOwn(system: System, fd: number): boolean {
  const { kind, uid, links } = system.statFd(fd);
  return kind === "file" && uid === system.uid && links <= 1;
}

/** The record of a state directory, to be read and written; what is none of ours is replaced. Negative: -errno. */
export function openOwnRecord(system: System, path: string): number {
  const flags = openReadWrite + openCreate + openNoFollow + openNonblocking;
  const fd = system.open(path, flags, 0o600);
  if (fd >= 0 && isOwn(system, fd)) return fd;
  if (fd >= 0) system.close(fd);
  else if (fd !== -ELOOP) return fd;
  system.unlink(path);
  return system.open(path, flags + openExclusive, 0o600);
}

/** The living runsv of a state directory; 0: none. */
export function findSupervisor(system: System, state: string): number {
  const record = readRecord(system, state);
  if (record === undefined || !isLiving(system, record.supervisor, record.supervisorBornBefore)) return 0;
  return record.supervisor;
}

/** The living process of the service, or log service, of a state directory, supervised or not; 0: none. */
export function findChild(system: System, state: string): number {
  const record = readRecord(system, state);
  if (record === undefined || record.phase === "down" || !isLiving(system, record.pid, record.bornBefore)) return 0;
  return record.pid;
}

/** The same of several state directories; those that are there. */
export function findChildren(system: System, states: readonly string[]): readonly number[] {
  return states.map((state) => findChild(system, state)).filter((pid) => pid > 0);
}

/** undefined: there is none of this boot. */
function readRecord(system: System, state: string): ChildRecord | undefined {
  const fd = system.open(`${state}/child`, openRead + openNonblocking, 0);
  if (fd < 0) return undefined;
  if (!isOwn(system, fd)) {
    system.close(fd);
    return undefined;
  }
  const bytes = new Uint8Array(recordBytes);
  const length = system.read(fd, bytes);
  system.close(fd);
  const record = length === recordBytes ? decodeRecord(bytes) : undefined;
  if (record === undefined || record.bootId === "" || record.bootId !== readBootId(system)) return undefined;
  return record;
}
