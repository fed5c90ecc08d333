// What is well-formed UTF-8: shortest forms, no surrogates.

import { bytesOf } from "./bytes.ts";

/** Length of the sequence of more than one byte that begins there, all of it before `to`; 0: none does. */
export function sequenceLength(bytes: Uint8Array, from: number, to: number): number {
  const lead = bytes[from] ?? 0;
  const more =
    lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
  if (more === 0 || from + more >= to) return 0;
  const second = bytes[from + 1] ?? 0;
  if (lead === 0xe0 && second < 0xa0) return 0;
  if (lead === 0xed && second > 0x9f) return 0;
  if (lead === 0xf0 && second < 0x90) return 0;
  if (lead === 0xf4 && second > 0x8f) return 0;
  for (let k = 1; k <= more; k++) {
    const next = bytes[from + k] ?? 0;
    if (next < 0x80 || next > 0xbf) return 0;
  }
  return more + 1;
}

/** Whether a byte string is all of it. */
export function isUtf8(text: string): boolean {
  const bytes = bytesOf(text);
  let at = 0;
  while (at < bytes.length) {
    const length = (bytes[at] ?? 0) < 0x80 ? 1 : sequenceLength(bytes, at, bytes.length);
    if (length === 0) return false;
    at += length;
  }
  return true;
}
