// A log directory's `config`: one directive a line, its first byte says which. svlogd(8).

import { leadingNumber } from "../text/numbers.ts";
import type { Rule } from "./pattern.ts";

export interface UdpTarget {
  /** Four bytes, the first one highest. */
  readonly address: number;
  /** 0: there is no target. */
  readonly port: number;
}

export interface LogConfig {
  /** Size of `current`; 0: without limit. */
  readonly maxBytes: number;
  /** Old files that are kept; 0: all. */
  readonly maxFiles: number;
  /** Old files that are kept on a full disk; not less than maxFiles: all. */
  readonly minFiles: number;
  /** Age after which `current` is rotated; 0: none. */
  readonly maxSeconds: number;
  /** Size of old files and a full `current` together; 0: without limit. */
  readonly totalBytes: number;
  /** Of `current` while it is written; the owner's execute bit is added when it is complete. */
  readonly mode: number;
  /** Stamps are local time, with the offset from UTC. */
  readonly localTime: boolean;
  /** Command for a finished file; "": none. */
  readonly processor: string;
  readonly prefix: string;
  readonly udp: UdpTarget;
  /** Lines go to the UDP target instead of the log. */
  readonly udpOnly: boolean;
  readonly rules: readonly Rule[];
  /** Sentences about lines that mean nothing, in order. */
  readonly complaints: readonly string[];
}

const noTarget: UdpTarget = { address: 0, port: 0 };

/** Reads all lines; what cannot be understood is left out and complained about. */
export function parseLogConfig(text: string): LogConfig {
  const reading = new Reading();
  const lines = text.split("\n");
  const last = lines.length - 1;
  for (let i = 0; i <= last; i++) {
    const line = String(lines[i] ?? "");
    // The last line needs no newline, unless it is a single byte.
    if (i === last && line.length === 1) reading.complain(i, line);
    else if (line !== "") reading.line(i, line);
  }
  return reading.result();
}

class Reading {
  #maxBytes = 1_000_000;
  #maxFiles = 10;
  #minFiles = 10;
  #maxSeconds = 0;
  #totalBytes = 0;
  #mode = 0o644;
  #localTime = false;
  #processor = "";
  #prefix = "";
  #udp: UdpTarget = noTarget;
  #udpOnly = false;
  readonly #rules: Rule[] = [];
  readonly #complaints: string[] = [];

  line(index: number, line: string): void {
    const letter = line.charAt(0);
    if (letter === "#") return;
    const nul = line.indexOf("\0");
    if (nul >= 0) this.complain(index, line.slice(0, nul));
    const value = nul >= 0 ? line.slice(1, nul) : line.slice(1);
    switch (letter) {
      case "s":
        this.#maxBytes = this.#number(index, line, value, "km", this.#maxBytes);
        break;
      case "n":
        this.#maxFiles = this.#number(index, line, value, "", this.#maxFiles);
        break;
      case "N":
        this.#minFiles = this.#number(index, line, value, "", this.#minFiles);
        break;
      case "t":
        this.#maxSeconds = this.#number(index, line, value, "mh", this.#maxSeconds);
        break;
      case "S":
        this.#totalBytes = this.#number(index, line, value, "km", this.#totalBytes);
        break;
      case "m":
        this.#readMode(index, line, value);
        break;
      case "z":
        if (value === "") this.#localTime = true;
        else this.complain(index, line);
        break;
      case "!":
        if (value !== "") this.#processor = value;
        break;
      case "p":
        if (value !== "") this.#prefix = value;
        break;
      case "u":
      case "U":
        this.#readTarget(value, letter === "U");
        break;
      case "+":
        this.#rules.push({ kind: "+", pattern: value });
        break;
      case "-":
        this.#rules.push({ kind: "-", pattern: value });
        break;
      case "e":
        this.#rules.push({ kind: "e", pattern: value });
        break;
      case "E":
        this.#rules.push({ kind: "E", pattern: value });
        break;
      default:
        this.complain(index, line);
    }
  }

  complain(index: number, line: string): void {
    this.#complaints.push(`line ${index + 1}: ${line}`);
  }

  /** Digits and one of the suffixes: k and m for bytes, m and h for seconds. The letter alone means 0. */
  #number(index: number, line: string, value: string, suffixes: string, before: number): number {
    if (value === "") return 0;
    let digits = 0;
    while (digits < value.length && isDigit(value.charCodeAt(digits))) digits++;
    if (digits === 0) {
      this.complain(index, line);
      return before;
    }
    const suffix = value.charAt(digits);
    const isKnown = suffix !== "" && suffixes.includes(suffix);
    if (value.length > digits + (isKnown ? 1 : 0)) this.complain(index, line);
    const number = leadingNumber(value);
    if (!isKnown) return number;
    if (suffixes === "km") return number * (suffix === "k" ? 1024 : 1048576);
    return number * (suffix === "m" ? 60 : 3600);
  }

  #readMode(index: number, line: string, value: string): void {
    let mode = 0;
    for (let i = 0; i < value.length; i++) {
      const digit = value.charCodeAt(i) - 48;
      if (digit < 0 || digit > 7 || mode > 0o777) mode = 0o10000;
      mode = mode * 8 + digit;
    }
    if (value === "" || mode > 0o777) {
      this.complain(index, line);
      return;
    }
    // Owner: may read and write, and "execute" says that the file is complete.
    this.#mode = 0o600 + (mode % 0o100);
  }

  #readTarget(value: string, only: boolean): void {
    let address = 0;
    let at = 0;
    for (let part = 0; part < 4; part++) {
      const start = at;
      while (at < value.length && isDigit(value.charCodeAt(at))) at++;
      if (at === start || (part < 3 && value.charAt(at) !== ".")) {
        this.#complaints.push(`unable to scan ip address: ${value}`);
        return;
      }
      address = address * 256 + (leadingNumber(value.slice(start, at)) % 256);
      if (part < 3) at++;
    }
    const port = value.charAt(at) === ":" ? leadingNumber(value.slice(at + 1)) % 65536 : 514;
    if (port === 0) {
      this.#complaints.push(`unable to scan port number: ${value.slice(at + 1)}`);
      return;
    }
    this.#udp = { address, port };
    if (only) this.#udpOnly = true;
  }

  result(): LogConfig {
    return {
      maxBytes: this.#maxBytes,
      maxFiles: this.#maxFiles,
      minFiles: this.#minFiles,
      maxSeconds: this.#maxSeconds,
      totalBytes: this.#totalBytes,
      mode: this.#mode,
      localTime: this.#localTime,
      processor: this.#processor,
      prefix: this.#prefix,
      udp: this.#udp,
      udpOnly: this.#udpOnly,
      rules: this.#rules,
      complaints: this.#complaints,
    };
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
