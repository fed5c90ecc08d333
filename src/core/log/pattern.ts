// The patterns of a log directory's + - e E lines, and what a list of such lines decides. svlogd(8).
//
// A pattern is compared from the left and both it and the line must be used up together; nothing is tried twice:
//
//    c    itself
//    *c   everything up to the first c, which is then compared with its usual role; at the end of a pattern: everything
//    +c   one or more c

import { putText } from "../text/bytes.ts";

const star = 42;
const plus = 43;

/** Whether the pattern [start, stop) of `patterns` matches the bytes [from, to) of `bytes`. */
export function matches(
  patterns: Uint8Array,
  start: number,
  stop: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  const end = Math.min(to, bytes.length);
  const last = Math.min(stop, patterns.length);
  let at = from;
  let p = start;
  while (p < last) {
    const c = patterns[p] ?? 0;
    p++;
    if (c === star) {
      if (p >= last) return true;
      const next = patterns[p] ?? 0;
      while (at < end && bytes[at] !== next) at++;
      if (at >= end) return false;
    } else if (c === plus) {
      // At the end of a pattern it stands for nothing, and nothing follows the end of a line.
      if (p >= last) return false;
      const next = patterns[p] ?? 0;
      p++;
      if (at >= end || bytes[at] !== next) return false;
      while (at < end && bytes[at] === next) at++;
      if (at >= end) return true; // whatever the pattern still asks for: configurations rely on it
    } else {
      if (at >= end || bytes[at] !== c) return false;
      at++;
    }
  }
  return at >= end;
}

/** One line of a config: `+` and `-` decide about the log, `e` and `E` about descriptor 2. */
export interface Rule {
  readonly kind: "+" | "-" | "e" | "E";
  readonly pattern: string;
}

const newline = 10;
/** What a rule wants a line to begin with, besides a byte. */
const anything = 256;
/** Nothing: the pattern begins with a star, and the byte behind it must be somewhere. */
const starred = 257;

/**
 * Rules about one destination. The last one that matches decides, so they are tried from the last to the first; most of
 * them are passed over for most lines, because the line begins otherwise or does not have the byte behind a leading star.
 */
export class Selection {
  /** All patterns, one behind the other. */
  readonly #patterns: Uint8Array;
  /** By rule: where its pattern ends. */
  readonly #ends: Int32Array;
  /** By rule: 1 when a match selects. */
  readonly #selects: Uint8Array;
  /** By rule: the byte a line must begin with, `anything`, or `starred`. */
  readonly #firsts: Int32Array;
  /** By rule: the byte behind its star, and the one that must follow it; 256: another may. */
  readonly #behind: Uint8Array;
  readonly #following: Int32Array;
  /** By byte: 1 when some rule wants lines to begin with it. */
  readonly #wanted: Uint8Array;
  /** By byte: 1 for a newline, 2 when it stands behind some star. */
  readonly #roles: Uint8Array;
  /** By byte with role 2: where it was seen first in a line. */
  readonly #seen: Int32Array;
  readonly #hasAnything: boolean;
  readonly #byDefault: boolean;
  #runs: Int32Array = new Int32Array(0);
  #runCount = 0;

  /** `selecting`, `deselecting`: the kinds of the rules that concern it; without a match `byDefault` holds. */
  constructor(rules: readonly Rule[], selecting: string, deselecting: string, byDefault: boolean) {
    let mine: Rule[] = [];
    let otherwise = byDefault;
    for (const rule of rules) {
      if (rule.kind !== selecting && rule.kind !== deselecting) continue;
      if (rule.pattern !== "*") mine.push(rule);
      else {
        mine = []; // what stands before it does not count
        otherwise = rule.kind === selecting;
      }
    }
    mine.reverse();
    let length = 0;
    for (const rule of mine) length += rule.pattern.length;
    const room = mine.length === 0 ? 0 : 256;
    this.#byDefault = otherwise;
    this.#hasAnything = mine.some((rule) => rule.pattern === "" || rule.pattern.startsWith("+"));
    this.#patterns = new Uint8Array(length);
    this.#ends = new Int32Array(mine.length);
    this.#selects = new Uint8Array(mine.length);
    this.#firsts = new Int32Array(mine.length);
    this.#behind = new Uint8Array(mine.length);
    this.#following = new Int32Array(mine.length);
    this.#wanted = new Uint8Array(room);
    this.#roles = new Uint8Array(room);
    this.#seen = new Int32Array(room);
    if (room > newline) this.#roles[newline] = 1;
    let index = 0;
    let at = 0;
    for (const { kind, pattern } of mine) {
      at = putText(this.#patterns, at, pattern);
      this.#selects[index] = kind === selecting ? 1 : 0;
      this.#ends[index] = at;
      this.#classify(index, pattern);
      index++;
    }
  }

  #classify(rule: number, pattern: string): void {
    const first = pattern === "" ? plus : pattern.charCodeAt(0) % 256;
    this.#firsts[rule] = first === plus ? anything : first === star ? starred : first;
    if (first !== plus && first !== star) this.#wanted[first] = 1;
    if (first !== star) return;
    const behind = pattern.charCodeAt(1) % 256;
    this.#behind[rule] = behind;
    const following = pattern.length > 2 ? pattern.charCodeAt(2) % 256 : star;
    const isPlain = behind !== star && behind !== plus && following !== star && following !== plus;
    this.#following[rule] = isPlain ? following : anything;
    this.#roles[behind] = 2;
  }

  /** It selects every line. */
  get takesAll(): boolean {
    return this.#ends.length === 0 && this.#byDefault;
  }
  /** It selects no line. */
  get takesNone(): boolean {
    return this.#ends.length === 0 && !this.#byDefault;
  }

  /** Whether it selects the line [from, to) of `bytes`. */
  selects(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.#ends.length === 0) return this.#byDefault;
    this.#scan(bytes.subarray(from, to), to - from);
    return this.#runCount > 0;
  }

  /**
   * Finds the lines of [from, to) that it selects, as runs of them (`runStart`, `runEnd`): how many there are.
   * @param lineBytes how much of a line is looked at
   * Not to be asked of a selection that takes all or none.
   */
  findRuns(bytes: Uint8Array, from: number, to: number, lineBytes: number): number {
    this.#scan(bytes.subarray(from, to), lineBytes);
    return this.#runCount;
  }
  /** Counted from `from`. */
  runStart(run: number): number {
    return this.#runs[run * 2] ?? 0;
  }
  runEnd(run: number): number {
    return this.#runs[run * 2 + 1] ?? 0;
  }

  #scan(lines: Uint8Array, lineBytes: number): void {
    const roles = this.#roles;
    const seen = this.#seen;
    const wanted = this.#wanted;
    const isQuick = !this.#hasAnything;
    for (let i = 0; i < seen.length; i++) seen[i] = -1;
    this.#runCount = 0;
    let start = 0;
    let run = -1; // where the lines begin that are selected
    let hasSeen = false;
    for (let i = 0; i < lines.length; i++) {
      const byte = lines[i] ?? 0;
      const role = roles[byte] ?? 0;
      if (role === 0) continue;
      if (role === 2) {
        hasSeen = true;
        if ((seen[byte] ?? 0) < start) seen[byte] = i;
        continue;
      }
      const mayMatch = hasSeen || !isQuick || wanted[lines[start] ?? 0] === 1;
      const isSelected = mayMatch ? this.#decide(lines, start, Math.min(i, start + lineBytes)) : this.#byDefault;
      if (isSelected) {
        if (run < 0) run = start;
      } else if (run >= 0) {
        this.#addRun(run, start);
        run = -1;
      }
      start = i + 1;
      hasSeen = false;
    }
    // What has no newline is the beginning of a long line; an empty text is a line all the same.
    if (start < lines.length || lines.length === 0) {
      const isSelected = this.#decide(lines, start, Math.min(lines.length, start + lineBytes));
      if (run < 0 && isSelected) run = start;
      else if (run >= 0 && !isSelected) {
        this.#addRun(run, start);
        run = -1;
      }
    }
    if (run >= 0) this.#addRun(run, lines.length);
  }

  #addRun(from: number, to: number): void {
    const at = this.#runCount * 2;
    if (at + 2 > this.#runs.length) {
      const more = new Int32Array(Math.max(64, at * 2));
      more.set(this.#runs);
      this.#runs = more;
    }
    this.#runs[at] = from;
    this.#runs[at + 1] = to;
    this.#runCount++;
  }

  /** The line [from, to), of which #seen knows the bytes behind stars. */
  #decide(lines: Uint8Array, from: number, to: number): boolean {
    const firsts = this.#firsts;
    const ends = this.#ends;
    const first = from < to && from < lines.length ? (lines[from] ?? 0) : -1;
    for (let i = 0; i < firsts.length; i++) {
      const wanted = firsts[i] ?? 0;
      if (wanted < anything && wanted !== first) continue;
      const start = i === 0 ? 0 : (ends[i - 1] ?? 0);
      if (wanted === starred) {
        const at = this.#seen[this.#behind[i] ?? 0] ?? 0;
        if (at < from || at >= to) continue;
        const following = this.#following[i] ?? 0;
        if (following !== anything && (at + 1 >= to || at + 1 >= lines.length || lines[at + 1] !== following)) continue;
        if (matches(this.#patterns, start + 1, ends[i] ?? 0, lines, at, to)) return this.#selects[i] === 1;
      } else if (matches(this.#patterns, start, ends[i] ?? 0, lines, from, to)) return this.#selects[i] === 1;
    }
    return this.#byDefault;
  }
}
