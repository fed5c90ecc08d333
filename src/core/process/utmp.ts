// The record of utmp and wtmp on x86-64 and 32-bit Linux, native byte order. utmpset(8). Where a record has 400 bytes (arm64), the
// seconds are 8 bytes from 344 on.
//
//    0      4     8       40   44      76       332       340       344             384
//    ┌──────┬─────┬───────┬────┬───────┬────────┬─────────┬─────────┬───────────────┐
//    │ type │ pid │ line  │ id │ user  │ host   │ exit,   │ seconds │ microseconds, │
//    │ 2+2  │ 4   │ 32    │ 4  │ 32    │ 256    │ session │ 4       │ address, rest │
//    └──────┴─────┴───────┴────┴───────┴────────┴─────────┴─────────┴───────────────┘

import { putText } from "../text/bytes.ts";

export const utmpBytes = 384;
/** Where times have 64 bits in it, as on arm64. */
export const wideUtmpBytes = 400;
/** The longest line: it fills its field, without a NUL behind it. */
export const maxLineBytes = 32;

const deadProcess = 8;
const lineAt = 8;
const userAt = 44;
const hostAt = 76;
const hostBytes = 256;
const secondsAt = 340;
const wideSecondsAt = 344;

/** Whether a record says that somebody is logged in on this line. */
export function isLoginOn(record: Uint8Array, line: string): boolean {
  if (record.length < utmpBytes || record[userAt] === 0) return false;
  for (let i = 0; i < line.length && i < maxLineBytes; i++) {
    if (record[lineAt + i] !== line.charCodeAt(i)) return false;
  }
  return line.length >= maxLineBytes || record[lineAt + line.length] === 0; // what is behind the NUL does not count
}

/** Turns a login record into that of a logout; everything not named here stays. */
export function markLogout(record: Uint8Array, nowSeconds: number): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  view.setUint16(0, deadProcess, true);
  for (let i = 0; i < maxLineBytes; i++) view.setUint8(userAt + i, 0);
  for (let i = 0; i < hostBytes; i++) view.setUint8(hostAt + i, 0);
  if (record.length >= wideUtmpBytes) {
    view.setUint32(wideSecondsAt, nowSeconds % 4294967296, true);
    view.setUint32(wideSecondsAt + 4, Math.floor(nowSeconds / 4294967296), true);
  } else view.setUint32(secondsAt, nowSeconds % 4294967296, true);
}

/** What wtmp gets: the line, the time, nothing else. */
export function encodeLogout(line: string, nowSeconds: number, recordBytes: number): Uint8Array {
  const record = new Uint8Array(recordBytes);
  markLogout(record, nowSeconds);
  putText(record, lineAt, line.slice(0, maxLineBytes));
  return record;
}
