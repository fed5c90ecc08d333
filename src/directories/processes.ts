// What /proc tells of processes that are not our children: who they are, and what their pipes are.

import { isSameProcess, startTicksOf } from "../core/supervise/record.ts";
import { ESRCH } from "../core/text/errors.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import type { Pipe, System } from "../system/system.ts";
import { openRead, openReadWrite, openWrite } from "../system/system.ts";
import { readStart } from "./text.ts";

/** Identity of this boot; "": unknown. */
export function readBootId(system: System): string {
  return readStart(system, "/proc/sys/kernel/random/boot_id", 37).slice(0, 36);
}

/** Whether `pid` is the living process that read the boot clock as `bornBefore` (milliseconds) after its birth. */
export function isLiving(system: System, pid: number, bornBefore: number): boolean {
  if (pid === 0) return false;
  const stat = readStart(system, `/proc/${pid}/stat`, 1024);
  return stat !== "" && isSameProcess(startTicksOf(stat), system.ticksPerSecond, bornBefore);
}

/** All living processes that `pid` started, and those that they started, as far as /proc tells. */
export function listDescendants(system: System, pid: number): readonly number[] {
  const parents = listParents(system);
  const found: number[] = [];
  const among = new Set<number>();
  among.add(pid);
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (const [child, parent] of parents) {
      if (!among.has(parent) || among.has(child)) continue;
      among.add(child);
      found.push(child);
      isMore = true;
    }
  }
  return found;
}

/** Of each living process its parent. */
export function listParents(system: System): Map<number, number> {
  const names: string[] = [];
  system.list("/proc", names);
  const parents = new Map<number, number>();
  for (const name of names) {
    const number = leadingNumber(name);
    if (number === 0) continue;
    const stat = readStart(system, `/proc/${name}/stat`, 400);
    const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (words.length > 1 && words[0] !== "Z") parents.set(number, leadingNumber(String(words[1] ?? "")));
  }
  return parents;
}

/** Everything else: as process 1 all processes there are, otherwise those below us; others are none of ours. */
export function signalRest(system: System, signal: number): void {
  if (system.pid === 1) system.killAll(signal);
  else for (const pid of listDescendants(system, system.pid)) system.kill(pid, signal);
}
export function hasRest(system: System): boolean {
  if (system.pid === 1) return system.killAll(0) !== -ESRCH;
  return listDescendants(system, system.pid).length > 0;
}

/** Name of a process, as the kernel knows it; "": it cannot be told. */
export function nameOf(system: System, pid: number): string {
  const name = readStart(system, `/proc/${pid}/comm`, 20);
  return name.endsWith("\n") ? name.slice(0, -1) : name;
}

/** Both ends of the pipe with this inode that one of the processes holds as one of its first descriptors. */
export function reopenPipe(system: System, pids: readonly number[], inode: string): Pipe | undefined {
  for (const pid of pids) {
    for (const fd of [0, 1, 2]) {
      const path = `/proc/${pid}/fd/${fd}`;
      const found = system.identify(path, true);
      if (found.errno !== 0 || found.kind !== "fifo" || found.inode !== inode) continue;
      // Opened for both first: neither of the others can then block.
      const both = system.open(path, openReadWrite, 0);
      if (both < 0) continue;
      const read = system.open(path, openRead, 0);
      const write = system.open(path, openWrite, 0);
      system.close(both);
      if (read >= 0 && write >= 0) return { errno: 0, read, write };
      if (read >= 0) system.close(read);
      if (write >= 0) system.close(write);
    }
  }
  return undefined;
}
