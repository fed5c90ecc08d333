// The status record in supervise/status, and the words of supervise/stat. sv(8), runsv(8).
//
//    0        8           12            16     17     18     19
//    ┌────────┬───────────┬─────────────┬──────┬──────┬──────┬───────┐
//    │ since  │ since, ns │ pid         │paused│ want │ TERM │ phase │
//    │ TAI64  │ big-end.  │ little-end. │ 0, 1 │ u, d │ 0, 1 │ 0 1 2 │
//    └────────┴───────────┴─────────────┴──────┴──────┴──────┴───────┘
//
// TAI64: 2^62 + 10 + Unix seconds. Its two halves are kept apart: together they do not fit a number.

import type { Phase, Service, Timestamp } from "./service.ts";

export const statusBytes = 20;
/** The record of daemontools: without the last two. */
export const shortStatusBytes = 18;

const half = 4294967296;
const tai64High = 0x40000000;
const tai64Low = 10;

/** What is on disk, which need not be true or sensible. */
export interface StatusRecord {
  readonly sinceHigh: number;
  readonly sinceLow: number;
  readonly sinceNanoseconds: number;
  readonly pid: number;
  readonly paused: boolean;
  readonly want: "u" | "d" | "other";
  readonly gotTerm: boolean;
  /** undefined: a number nobody writes. */
  readonly phase: Phase | undefined;
}

export function encodeStatus(service: Service): Uint8Array {
  const bytes = new Uint8Array(statusBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, statusBytes);
  const seconds = service.since.seconds + tai64Low;
  view.setUint32(0, tai64High + Math.floor(seconds / half), false);
  view.setUint32(4, seconds - Math.floor(seconds / half) * half, false);
  // The original counts microseconds and adds half of one.
  view.setUint32(8, Math.floor(service.since.nanoseconds / 1000) * 1000 + 500, false);
  view.setUint32(12, service.pid, true);
  view.setUint8(16, service.paused ? 1 : 0);
  view.setUint8(17, service.want === "up" ? 117 : 100);
  view.setUint8(18, service.gotTerm ? 1 : 0);
  view.setUint8(19, service.phase === "down" ? 0 : service.phase === "run" ? 1 : 2);
  return bytes;
}

/** undefined: fewer than 18 bytes. From 20 on the record is whole; more are ignored. */
export function decodeStatus(bytes: Uint8Array): StatusRecord | undefined {
  if (bytes.length < shortStatusBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isWhole = bytes.length >= statusBytes;
  const want = view.getUint8(17);
  const phase = isWhole ? view.getUint8(19) : -1;
  return {
    sinceHigh: view.getUint32(0, false),
    sinceLow: view.getUint32(4, false),
    sinceNanoseconds: view.getUint32(8, false),
    pid: view.getUint32(12, true),
    paused: view.getUint8(16) !== 0,
    want: want === 117 ? "u" : want === 100 ? "d" : "other",
    gotTerm: isWhole && view.getUint8(18) !== 0,
    phase: phase === 0 ? "down" : phase === 1 ? "run" : phase === 2 ? "finish" : undefined,
  };
}

/** The start of a record as a wall clock time; a nonsensical one is 0. */
export function sinceOf(record: StatusRecord): Timestamp {
  const seconds = (record.sinceHigh - tai64High) * half + record.sinceLow - tai64Low;
  return seconds >= 0 && seconds < 2 ** 52
    ? { seconds, nanoseconds: record.sinceNanoseconds }
    : { seconds: 0, nanoseconds: 0 };
}

/** Whole seconds from a record's since to now, exact to the last digit; "0" where since lies ahead. */
export function describeAge(record: StatusRecord, nowSeconds: number): string {
  const now = nowSeconds + tai64Low;
  let high = tai64High + Math.floor(now / half) - record.sinceHigh;
  let low = now - Math.floor(now / half) * half - record.sinceLow;
  if (low < 0) {
    low += half;
    high -= 1;
  }
  if (high < 0) return "0";
  // high × 2^32 + low in decimal, in two pieces that stay exact: millions, and what is below.
  const million = 1000000;
  const lower = (high % million) * half + low; // < 2^52
  const upper = Math.floor(high / million) * half; // in millions
  const total = upper + Math.floor(lower / million);
  const rest = `${lower % million}`;
  return total === 0 ? rest : `${total}${rest.padStart(6, "0")}`;
}

/** The line of supervise/stat, newline included. */
export function describeStat(service: Service): string {
  let line: string = service.phase;
  if (service.paused) line += ", paused";
  if (service.gotTerm) line += ", got TERM";
  if (service.phase !== "down") {
    if (service.want === "down") line += ", want down";
    if (service.want === "exit") line += ", want exit";
  }
  if (service.refused) line += ", not permitted";
  return `${line}\n`;
}
