// sv's command words: which bytes they send, and when they are satisfied. sv(8).

import type { StatusRecord } from "./status.ts";

export interface Request {
  /** Control bytes; "": none, it only asks. */
  readonly bytes: string;
  /** What must be true of each of these for the request to be satisfied: the bytes, or "C" for `check`. */
  readonly awaits: string;
  readonly waits: "always" | "verbosely" | "never";
  /** On timeout: k is sent. */
  readonly kills: boolean;
}

interface Word {
  /** The whole word, or with `begins` what it begins with. */
  readonly word: string;
  readonly begins?: boolean;
  readonly bytes: string;
  readonly waits?: "always" | "verbosely" | "never";
  readonly kills?: boolean;
  readonly awaits?: string;
}

/** The first row that fits, counts. (A function: a list at the top would be built in every process of the suite.) */
function words(): readonly Word[] {
  return [
    { word: "start", bytes: "u", waits: "always" },
    { word: "stop", bytes: "d", waits: "always" },
    { word: "shutdown", bytes: "x", waits: "always" },
    { word: "restart", bytes: "tcu", waits: "always" },
    { word: "reload", bytes: "h", waits: "always" },
    { word: "try-restart", bytes: "tc", waits: "always" },
    { word: "check", bytes: "", waits: "always", awaits: "C" },
    { word: "force-stop", bytes: "d", waits: "always", kills: true },
    { word: "force-reload", bytes: "tc", waits: "always", kills: true },
    { word: "force-restart", bytes: "tcu", waits: "always", kills: true },
    { word: "force-shutdown", bytes: "x", waits: "always", kills: true },
    { word: "D", begins: true, bytes: "d", waits: "always", kills: true },
    { word: "T", begins: true, bytes: "tc", waits: "always", kills: true },
    { word: "X", begins: true, bytes: "x", waits: "always", kills: true },
    { word: "E", begins: true, bytes: "x", waits: "always", kills: true },
    { word: "e", begins: true, bytes: "x" },
    { word: "u", begins: true, bytes: "u" },
    { word: "d", begins: true, bytes: "d" },
    { word: "o", begins: true, bytes: "o" },
    { word: "x", begins: true, bytes: "x" },
    { word: "t", begins: true, bytes: "t" },
    { word: "k", begins: true, bytes: "k" },
    { word: "p", begins: true, bytes: "p" },
    { word: "c", begins: true, bytes: "c" },
    { word: "h", begins: true, bytes: "h" },
    { word: "a", begins: true, bytes: "a" },
    { word: "i", begins: true, bytes: "i" },
    { word: "q", begins: true, bytes: "q" },
    { word: "1", begins: true, bytes: "1" },
    { word: "2", begins: true, bytes: "2" },
  ];
}

/** undefined: no such command. `status` and `list` are none of these: they only report. */
export function parseRequest(word: string): Request | undefined {
  for (const row of words()) {
    if (row.begins === true ? !word.startsWith(row.word) : word !== row.word) continue;
    return {
      bytes: row.bytes,
      awaits: row.awaits ?? row.bytes,
      waits: row.waits ?? "verbosely",
      kills: row.kills === true,
    };
  }
  return undefined;
}

const namesOfLetters = "up down once pause cont hup alarm interrupt quit term kill exit status list";

/** Whether it is a command as the manual has it, in full or as its letter; parseRequest takes whatever begins with the letter. */
export function isWholeWord(word: string): boolean {
  if (word.length === 1) return isStatusWord(word, false) || parseRequest(word) !== undefined;
  return namesOfLetters.split(" ").includes(word) || words().some((row) => row.word === word);
}

/** Whether the word asks for the status report. As an init script only the whole word does. */
export function isStatusWord(word: string, isInitScript: boolean): boolean {
  if (isInitScript) return word === "status";
  return word.startsWith("s") && word !== "start" && word !== "stop" && word !== "shutdown";
}

/** Whether there is anything to tell: a service that already wants up (or is being stopped) is left alone. */
export function mustSend(bytes: string, status: StatusRecord): boolean {
  if (bytes.startsWith("u") && status.want === "u") return false;
  if (bytes.startsWith("d") && status.want === "d" && status.gotTerm) return false;
  return bytes !== "";
}

/** "ask": only if the check script agrees. */
export type Verdict = "yes" | "no" | "ask";

/** Whether a request is satisfied by `status`; `isNew`: since has changed after the request was sent. */
export function judge(awaits: string, status: StatusRecord, isNew: boolean): Verdict {
  let verdict: Verdict = "yes";
  for (const byte of awaits) {
    const one = judgeByte(byte, status, isNew);
    if (one === "no") return "no";
    if (one === "ask") verdict = "ask";
  }
  return verdict;
}

// What the service wants is part of it: a state from before the command is no answer to it.
function judgeByte(byte: string, status: StatusRecord, isNew: boolean): Verdict {
  const hasProcess = status.pid !== 0;
  switch (byte) {
    case "u":
      return hasProcess && status.phase === "run" && status.want === "u" ? "ask" : "no";
    case "d":
      return !hasProcess && status.phase === "down" && status.want === "d" ? "yes" : "no";
    case "t":
    case "k":
      if (!hasProcess && status.want === "d") return "yes";
      return isNew && hasProcess && !status.gotTerm ? "ask" : "no";
    case "o":
      return status.want === "d" && (hasProcess || isNew) ? "yes" : "no";
    case "p":
      return !hasProcess || status.paused ? "yes" : "no";
    case "c":
      return !hasProcess || !status.paused ? "yes" : "no";
    case "x":
      return "no"; // satisfied only by runsv being gone
    case "C":
      return judgeByte(status.want === "d" ? "d" : "u", status, isNew);
    default:
      return "yes";
  }
}
