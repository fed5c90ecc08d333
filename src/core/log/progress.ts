// How far a log directory has got with the input, as it stands in its `lock` file while svlogd runs: enough for the next
// svlogd on the same pipe to go on at the very byte, whenever this one is killed. svlogd(8).
//
// The input is written block by block: the record is stored, the block's output is written to `current`, then the block
// is taken out of the pipe. That last call also stores the byte `taken`: together, or not at all.
//
//      0  "svlogd1\n"
//      8  identity of the boot, 36 bytes
//     44  checksum of everything that shapes the output, 4 bytes
//     48  eight-byte floating point numbers, little endian: inodes of the input and of current; position of the block
//         and of its end; seconds and nanoseconds of its stamp; bytes of its output that are in files before this one;
//         length of current before the rest; how much of the input is taken, before and after; since when the first
//         byte of the line has been there that is carried before, and after (seconds, nanoseconds)
//    160  state of the line at the block's beginning, and at its end (0 complete, 1 long, 2 long and not selected)
//    162  1: what there is of the block's output is all of it
//    163  1: this directory's record is the one that has the byte `taken`, and all that comes here
//    164  `taken`: equal to the next one once the input has been taken
//    165  the first byte of the input to be taken
//    166  how many of the next bytes count (2 bytes)
//    168  the first bytes of the input to be taken, up to 40
//    208  length of what is carried before, and after (4 bytes each); then both: the beginning of a line, which has been
//         taken out of the pipe but waits for its end

import type { Timestamp } from "../supervise/service.ts";
import { putText, textAt } from "../text/bytes.ts";

export const progressBytes = 216;
/** Offset of `taken`. */
export const takenOffset = 164;
const sampleOffset = 168;
const sampleRoom = 40;
const carriedOffset = 208;
const magic = "svlogd1\n";
const bootLength = 36;

/** One record; a field of it is changed as the work goes on. */
export class Progress {
  boot = "";
  checksum = 0;
  input = 0;
  current = 0;
  position = 0;
  end = 0;
  time: Timestamp = { seconds: 0, nanoseconds: 0 };
  done = 0;
  bytes = 0;
  from = 0;
  to = 0;
  sinceBefore: Timestamp = { seconds: 0, nanoseconds: 0 };
  sinceAfter: Timestamp = { seconds: 0, nanoseconds: 0 };
  line = 0;
  lineAfter = 0;
  isWhole = false;
  isLeading = false;
  isTaken = false;
  /** Not part of the record: another program has written to the directory since. */
  isStale = false;
  sample: Uint8Array = new Uint8Array(0);
  carriedBefore: Uint8Array = new Uint8Array(0);
  carriedAfter: Uint8Array = new Uint8Array(0);
}

/** Bytes of an encoded record. */
export function lengthOf(one: Progress): number {
  return progressBytes + one.carriedBefore.length + one.carriedAfter.length;
}

/** Lays the record out in `into`, which is long enough; of `isTaken`, that it is not. */
export function encodeProgress(one: Progress, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  putText(into, 0, magic);
  putText(into, 8, one.boot);
  view.setUint32(44, one.checksum, true);
  view.setFloat64(48, one.input, true);
  view.setFloat64(56, one.current, true);
  view.setFloat64(64, one.position, true);
  view.setFloat64(72, one.end, true);
  putTime(view, 80, one.time);
  view.setFloat64(96, one.done, true);
  view.setFloat64(104, one.bytes, true);
  view.setFloat64(112, one.from, true);
  view.setFloat64(120, one.to, true);
  putTime(view, 128, one.sinceBefore);
  putTime(view, 144, one.sinceAfter);
  view.setUint8(160, one.line);
  view.setUint8(161, one.lineAfter);
  view.setUint8(162, one.isWhole ? 1 : 0);
  view.setUint8(163, one.isLeading ? 1 : 0);
  const sample = Math.min(one.sample.length, sampleRoom);
  const first = sample > 0 ? (one.sample[0] ?? 0) : 0;
  view.setUint8(takenOffset, 255 - first);
  view.setUint8(takenOffset + 1, first);
  view.setUint16(takenOffset + 2, sample, true);
  for (let i = 0; i < sample; i++) view.setUint8(sampleOffset + i, one.sample[i] ?? 0);
  view.setUint32(carriedOffset, one.carriedBefore.length, true);
  view.setUint32(carriedOffset + 4, one.carriedAfter.length, true);
  putBytes(into, progressBytes, one.carriedBefore);
  putBytes(into, progressBytes + one.carriedBefore.length, one.carriedAfter);
}

/** undefined: it is no record. */
export function decodeProgress(bytes: Uint8Array): Progress | undefined {
  if (bytes.length < progressBytes || textAt(bytes, 0, magic.length) !== magic) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const before = view.getUint32(carriedOffset, true);
  const after = view.getUint32(carriedOffset + 4, true);
  if (bytes.length < progressBytes + before + after) return undefined;
  const one = new Progress();
  one.boot = textAt(bytes, 8, 8 + bootLength);
  one.checksum = view.getUint32(44, true);
  one.input = view.getFloat64(48, true);
  one.current = view.getFloat64(56, true);
  one.position = view.getFloat64(64, true);
  one.end = view.getFloat64(72, true);
  one.time = timeAt(view, 80);
  one.done = view.getFloat64(96, true);
  one.bytes = view.getFloat64(104, true);
  one.from = view.getFloat64(112, true);
  one.to = view.getFloat64(120, true);
  one.sinceBefore = timeAt(view, 128);
  one.sinceAfter = timeAt(view, 144);
  one.line = view.getUint8(160);
  one.lineAfter = view.getUint8(161);
  one.isWhole = view.getUint8(162) === 1;
  one.isLeading = view.getUint8(163) === 1;
  one.isTaken = view.getUint8(takenOffset) === view.getUint8(takenOffset + 1);
  one.sample = bytes.slice(sampleOffset, sampleOffset + Math.min(sampleRoom, view.getUint16(takenOffset + 2, true)));
  one.carriedBefore = bytes.slice(progressBytes, progressBytes + before);
  one.carriedAfter = bytes.slice(progressBytes + before, progressBytes + before + after);
  return one;
}

function putTime(view: DataView, at: number, time: Timestamp): void {
  view.setFloat64(at, time.seconds, true);
  view.setFloat64(at + 8, time.nanoseconds, true);
}

function timeAt(view: DataView, at: number): Timestamp {
  return { seconds: view.getFloat64(at, true), nanoseconds: view.getFloat64(at + 8, true) };
}

function putBytes(into: Uint8Array, at: number, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) if (at + i < into.length) into[at + i] = bytes[i] ?? 0;
}

/** A checksum (FNV-1a) of a text, below 2^32. */
export function checksumOf(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    sum = (sum ^ (text.charCodeAt(i) % 256)) >>> 0;
    // × 16777619, which is 2^24 + 403, without leaving the exact numbers
    sum = ((sum % 256) * 16777216 + sum * 403) % 4294967296;
  }
  return sum;
}
