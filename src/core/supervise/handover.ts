// What a supervisor keeps for the moment it is restarted in place: its state, as one line of words per process.

import { signalNamed } from "../process/signals.ts";
import type { Phase, Role, Service, Step, Want } from "./service.ts";

export function encodeService(service: Service): string {
  const flags = [service.paused, service.gotTerm, service.once, service.resting, service.held, service.refused];
  return [
    service.role,
    service.phase,
    service.want,
    service.pid,
    flags.map((flag) => (flag ? "1" : "0")).join(""),
    service.since.seconds,
    service.since.nanoseconds,
    service.exitCode,
    service.waitStatus,
    service.stopSignal,
    service.script === "" ? "-" : service.script,
    service.steps.length === 0 ? "-" : service.steps.map((step) => encodeStep(step)).join(","),
  ].join(" ");
}

/** undefined: not such a line. */
export function decodeService(line: string): Service | undefined {
  const words = line.split(" ");
  if (words.length !== 12) return undefined;
  const role = roleOf(word(words, 0));
  const phase = phaseOf(word(words, 1));
  const want = wantOf(word(words, 2));
  if (role === undefined || phase === undefined || want === undefined) return undefined;
  const flags = word(words, 4);
  const steps: Step[] = [];
  if (word(words, 11) !== "-") {
    for (const text of word(words, 11).split(",")) {
      const step = decodeStep(text);
      if (step !== undefined) steps.push(step);
    }
  }
  return {
    role,
    phase,
    want,
    pid: numberAt(words, 3),
    paused: flags.charAt(0) === "1",
    gotTerm: flags.charAt(1) === "1",
    once: flags.charAt(2) === "1",
    resting: flags.charAt(3) === "1",
    held: flags.charAt(4) === "1",
    refused: flags.charAt(5) === "1",
    // Starting is a call, and no call survives.
    starting: false,
    since: { seconds: numberAt(words, 5), nanoseconds: numberAt(words, 6) },
    exitCode: numberAt(words, 7),
    waitStatus: numberAt(words, 8),
    stopSignal: signalNamed(word(words, 9)) ?? "TERM",
    script: word(words, 10) === "-" ? "" : word(words, 10),
    steps,
  };
}

function encodeStep(step: Step): string {
  switch (step.kind) {
    case "script":
      return `c${step.byte}${step.signal}`;
    case "signal":
      return `s${step.signal}`;
    case "mark":
      return step.paused ? "m1" : "m0";
    case "start":
      return "r";
  }
}

function decodeStep(text: string): Step | undefined {
  switch (text.charAt(0)) {
    case "c": {
      const signal = signalNamed(text.slice(2));
      return { kind: "script", byte: text.charAt(1), signal: signal ?? "" };
    }
    case "s": {
      const signal = signalNamed(text.slice(1));
      return signal === undefined ? undefined : { kind: "signal", signal };
    }
    case "m":
      return { kind: "mark", paused: text === "m1" };
    case "r":
      return { kind: "start" };
    default:
      return undefined;
  }
}

function roleOf(text: string): Role | undefined {
  return text === "service" || text === "log" ? text : undefined;
}

function phaseOf(text: string): Phase | undefined {
  return text === "down" || text === "run" || text === "finish" ? text : undefined;
}

function wantOf(text: string): Want | undefined {
  return text === "up" || text === "down" || text === "exit" ? text : undefined;
}

function word(words: readonly string[], index: number): string {
  return String(words[index] ?? "");
}

function numberAt(words: readonly string[], index: number): number {
  return Number(word(words, index));
}
