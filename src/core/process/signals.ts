// Signals by name and number (Linux).

import type { SignalName } from "../supervise/service.ts";
import { leadingNumber } from "../text/numbers.ts";

const names =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG " +
  "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/** What systemd in a container is told to end with. */
const stopOfSystemd = "RTMIN+3";

/** `SEGV`; "" for one that has only a number. */
export function describeSignal(number: number): string {
  if (number === 37) return stopOfSystemd;
  return number >= 1 ? String(names.split(" ")[number - 1] ?? "") : "";
}

export function numberOf(signal: SignalName): number {
  return signalNumber(signal);
}

/** Of `TERM`, `SIGTERM`, `15` and `RTMIN+3`; 0: there is no such signal. */
export function signalNumber(text: string): number {
  const name = text.startsWith("SIG") ? text.slice(3) : text;
  if (name === stopOfSystemd) return 37;
  const number = leadingNumber(name);
  return number > 0 ? (number <= 64 ? number : 0) : name === "" ? 0 : names.split(" ").indexOf(name) + 1;
}

export function signalNamed(text: string): SignalName | undefined {
  switch (text) {
    case "HUP":
    case "INT":
    case "QUIT":
    case "KILL":
    case "USR1":
    case "USR2":
    case "ALRM":
    case "TERM":
    case "CONT":
    case "STOP":
    case "WINCH":
      return text;
    default:
      return undefined;
  }
}

/** The first word of a text that names a signal by which a service can be told to end: `QUIT`, `SIGQUIT`. */
export function parseStopSignal(text: string): SignalName | undefined {
  const end = text.indexOf("\n");
  const word = (end < 0 ? text : text.slice(0, end)).trim();
  const signal = signalNamed(word.startsWith("SIG") ? word.slice(3) : word);
  return signal === "STOP" || signal === "CONT" ? undefined : signal;
}
