// The patterns of a log directory's + - e E lines, and what a list of such lines decides. svlogd(8).
//
// A pattern is compared from the left and both it and the line must be used up together; nothing is tried twice:
//
//    c    itself
//    *c   everything up to the first c, which is then compared with its usual role; at the end of a pattern: everything
//    +c   one or more c

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

/** Rules about one destination. The last one that matches decides, so they are tried from the last to the first. */
export class Selection {
  /** All patterns, one behind the other. */
  readonly #patterns: Uint8Array;
  /** By rule: where its pattern ends. */
  readonly #ends: Int32Array;
  /** By rule: 1 when a match selects. */
  readonly #selects: Uint8Array;
  /** By rule: the byte a line must begin with, or 256: any. */
  readonly #firsts: Int32Array;
  readonly #byDefault: boolean;

  /** `selecting`, `deselecting`: the kinds of the rules that concern it; without a match `byDefault` holds. */
  constructor(rules: readonly Rule[], selecting: string, deselecting: string, byDefault: boolean) {
    const mine = rules.filter((rule) => rule.kind === selecting || rule.kind === deselecting).reverse();
    let length = 0;
    for (const rule of mine) length += rule.pattern.length;
    this.#patterns = new Uint8Array(length);
    this.#ends = new Int32Array(mine.length);
    this.#selects = new Uint8Array(mine.length);
    this.#firsts = new Int32Array(mine.length);
    this.#byDefault = byDefault;
    let index = 0;
    let at = 0;
    for (const { kind, pattern } of mine) {
      for (let i = 0; i < pattern.length; i++) if (at < length) this.#patterns[at++] = pattern.charCodeAt(i) % 256;
      const first = pattern === "" ? star : pattern.charCodeAt(0);
      this.#firsts[index] = first === star || first === plus ? 256 : first;
      this.#selects[index] = kind === selecting ? 1 : 0;
      this.#ends[index] = at;
      index++;
    }
  }

  /** There is nothing to decide. */
  get isConstant(): boolean {
    return this.#ends.length === 0;
  }

  /** Whether it selects the line [from, to) of `bytes`. */
  selects(bytes: Uint8Array, from: number, to: number): boolean {
    const first = from < to && from < bytes.length ? (bytes[from] ?? 0) : -1;
    let start = 0;
    for (let i = 0; i < this.#ends.length; i++) {
      const wanted = this.#firsts[i] ?? 0;
      const stop = this.#ends[i] ?? 0;
      if (wanted === 256 || wanted === first) {
        if (matches(this.#patterns, start, stop, bytes, from, to)) return this.#selects[i] === 1;
      }
      start = stop;
    }
    return this.#byDefault;
  }
}
