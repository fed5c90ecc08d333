// supervise/child: who the supervisor and its child are, so that the next runsv adopts a living child instead of
// starting a second copy. The first 32 bytes are written by the child itself just before its exec (posix.c).
//
//    0     4       8             16         24        32           36 40           48            56        92
//    ┌─────┬───────┬─────────────┬──────────┬─────────┬────────────┬──┬────────────┬─────────────┬─────────┐
//    │ pid │ phase │ boot clock, │ wall, s  │ wall, ns│ supervisor │ 0│ its boot   │ inode of    │ boot id │
//    │     │ 1, 2  │ ms          │          │         │ pid        │  │ clock, ms  │ the log pipe│ (text)  │
//    └─────┴───────┴─────────────┴──────────┴─────────┴────────────┴──┴────────────┴─────────────┴─────────┘
//    all numbers little-endian

import { putText, textAt } from "../text/bytes.ts";
import type { Phase, Timestamp } from "./service.ts";

export const recordBytes = 92;
/** Where the supervisor's own part begins. */
export const supervisorOffset = 32;

const half = 4294967296;
const bootIdLength = 36;

export interface ChildRecord {
  readonly pid: number;
  readonly phase: Phase;
  /** Milliseconds since boot, taken by the child after its birth. */
  readonly bornBefore: number;
  readonly since: Timestamp;
  readonly supervisor: number;
  readonly supervisorBornBefore: number;
  /** As FileIdentity.inode; "" if there is no log pipe. */
  readonly pipe: string;
  readonly bootId: string;
}

/** undefined: not a record. */
export function decodeRecord(bytes: Uint8Array): ChildRecord | undefined {
  if (bytes.length < recordBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pid = view.getUint32(0, true);
  const phase = view.getUint32(4, true);
  const bootId = textAt(bytes, 56, 56 + bootIdLength);
  const pipe = `${view.getUint32(52, true)}:${view.getUint32(48, true)}`;
  return {
    pid,
    phase: phase === 1 ? "run" : phase === 2 ? "finish" : "down",
    bornBefore: wide(view, 8),
    since: { seconds: wide(view, 16), nanoseconds: wide(view, 24) },
    supervisor: view.getUint32(32, true),
    supervisorBornBefore: wide(view, 40),
    pipe: pipe === "0:0" ? "" : pipe,
    bootId,
  };
}

/** The supervisor's part, to be written at `supervisorOffset`. */
export function encodeSupervisor(pid: number, bornBefore: number, pipe: string, bootId: string): Uint8Array {
  const bytes = new Uint8Array(recordBytes - supervisorOffset);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, pid, true);
  view.setUint32(8, bornBefore % half, true);
  view.setUint32(12, Math.floor(bornBefore / half), true);
  const colon = pipe.indexOf(":");
  if (colon > 0) {
    view.setUint32(16, Number(pipe.slice(colon + 1)), true);
    view.setUint32(20, Number(pipe.slice(0, colon)), true);
  }
  putText(bytes, 24, bootId.slice(0, bootIdLength));
  return bytes;
}

function wide(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * half;
}

/** Start time of a process from /proc/PID/stat, in ticks since boot; -1: it is no such text, or a zombie. */
export function startTicksOf(stat: string): number {
  // The second field is the program's name in parentheses, and may itself contain blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = String(fields[0] ?? "");
  const ticks = String(fields[19] ?? "");
  return ticks === "" || state === "Z" || state === "X" ? -1 : Number(ticks);
}

/**
 * Whether a process that began `ticks` after boot can be the one that read the boot clock as `bornBefore` after its
 * birth: a later owner of the same pid began later.
 */
export function isSameProcess(ticks: number, ticksPerSecond: number, bornBefore: number): boolean {
  return ticks >= 0 && (ticks * 1000) / ticksPerSecond <= bornBefore + 1000 / ticksPerSecond;
}
