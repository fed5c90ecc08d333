// The command line of runit-container(8), and the variables that stand for its options.

import { signalNamed, signalNumber } from "../process/signals.ts";
import type { SignalName } from "../supervise/service.ts";
import { leadingNumber } from "../text/numbers.ts";

/** How the output of services is marked: not at all, with the service's name, with time and name, as JSON objects. */
export type Prefix = "none" | "name" | "time" | "json";

/** A signal that is taken for another one; `to` 0: for none. */
export interface Rewrite {
  readonly from: number;
  readonly to: number;
}

export class ContainerOptions {
  directory = "";
  /** It was named: that it is missing is worth a word. */
  isDirectoryWanted = true;
  /** Names of main services. */
  mains: string[] = [];
  /** From the stop request to the last KILL. */
  graceMilliseconds = 8000;
  /** Not ready, but untouched, for so long at first. */
  drainMilliseconds = 0;
  /** Main services are stopped before the others. */
  mainsFirst = true;
  /** Exit codes that count as 0. */
  expected: number[] = [];
  stopSignal: SignalName = "TERM";
  rewrites: Rewrite[] = [];
  prefix: Prefix = "name";
  isClean = false;
  /** So many failures of a service within this time end the container; 0: no number does. */
  maxFailures = 0;
  failureMilliseconds = 0;
  startHook = "";
  endHook = "";
  stages = "";
  /** There is one, to which standard input belongs. */
  hasCommand = false;
  /** The command waits so long for the services to be ready. */
  waitMilliseconds = 0;
  /** -1 quiet, 1 verbose. */
  loudness = 0;
}

/** Variables by which options can be given; they are not passed on to services. */
export function optionVariables(): readonly string[] {
  return ["RUNIT_MAIN", "RUNIT_GRACE", "RUNIT_DRAIN", "RUNIT_EXPECT", "RUNIT_PREFIX", "RUNIT_MAXFAIL"];
}

/** With these letters the value of a variable is read. */
export function letterOf(variable: string): string {
  switch (variable) {
    case "RUNIT_MAIN":
      return "m";
    case "RUNIT_GRACE":
      return "g";
    case "RUNIT_DRAIN":
      return "D";
    case "RUNIT_EXPECT":
      return "e";
    case "RUNIT_PREFIX":
      return "p";
    default:
      return "x";
  }
}

/** Sets one option; answers what is wrong with it, "" if nothing is. */
export function setOption(options: ContainerOptions, letter: string, value: string): string {
  const wrong = `wrong value for -${letter}: ${value}`;
  switch (letter) {
    case "d":
      options.directory = value;
      return value === "" ? wrong : "";
    case "m":
      for (const name of value.split(" ")) if (name !== "") options.mains.push(name);
      return value.includes("/") ? wrong : "";
    case "g":
    case "D":
    case "w": {
      const milliseconds = parseSeconds(value);
      if (milliseconds === undefined) return wrong;
      if (letter === "g") options.graceMilliseconds = milliseconds;
      else if (letter === "D") options.drainMilliseconds = milliseconds;
      else options.waitMilliseconds = milliseconds;
      return "";
    }
    case "o":
      options.mainsFirst = value !== "all";
      return value === "all" || value === "main" ? "" : wrong;
    case "e":
      for (const word of value.split(" ")) {
        if (word === "") continue;
        const code = parseCode(word);
        if (code === undefined) return wrong;
        options.expected.push(code);
      }
      return "";
    case "s": {
      const signal = signalNamed(value.startsWith("SIG") ? value.slice(3) : value);
      if (signal !== undefined) options.stopSignal = signal;
      return signal === undefined || signal === "STOP" || signal === "CONT" || signal === "KILL" ? wrong : "";
    }
    case "r": {
      const rewrite = parseRewrite(value);
      if (rewrite === undefined) return wrong;
      options.rewrites.push(rewrite);
      return "";
    }
    case "p":
      if (value !== "none" && value !== "name" && value !== "time" && value !== "json") return wrong;
      options.prefix = value;
      return "";
    case "x": {
      const slash = value.indexOf("/");
      const count = parseCode(value.slice(0, Math.max(slash, 0)));
      const milliseconds = parseSeconds(value.slice(slash + 1));
      if (count === undefined || count === 0 || milliseconds === undefined) return wrong;
      options.maxFailures = count;
      options.failureMilliseconds = milliseconds;
      return "";
    }
    case "i":
      options.startHook = value;
      return value === "" ? wrong : "";
    case "f":
      options.endHook = value;
      return value === "" ? wrong : "";
    case "--stages":
      options.stages = value;
      return value === "" ? wrong : "";
    case "c":
      options.isClean = true;
      return "";
    case "q":
      options.loudness = -1;
      return "";
    case "v":
      options.loudness = 1;
      return "";
    default:
      return wrong;
  }
}

/** Seconds with decimals or without, as milliseconds. undefined: something else. */
export function parseSeconds(text: string): number | undefined {
  const point = text.indexOf(".");
  const whole = point < 0 ? text : text.slice(0, point);
  const fraction = point < 0 ? "" : text.slice(point + 1);
  if (whole === "" && fraction === "") return undefined;
  if (!isDigits(whole) || !isDigits(fraction)) return undefined;
  return Math.min(leadingNumber(whole), 1e9) * 1000 + leadingNumber(`${fraction}000`.slice(0, 3));
}

/** An exit code. undefined: something else. */
export function parseCode(text: string): number | undefined {
  if (text === "" || !isDigits(text)) return undefined;
  const code = leadingNumber(text);
  return code <= 255 ? code : undefined;
}

function parseRewrite(text: string): Rewrite | undefined {
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  const from = signalNumber(text.slice(0, colon));
  const target = text.slice(colon + 1);
  const to = target === "0" ? 0 : signalNumber(target);
  return from === 0 || (to === 0 && target !== "0") ? undefined : { from, to };
}

function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}
