// What the process 1 of a container keeps for the moment it is restarted in place: its own state here, those of its
// services and of its output as texts of theirs.

import { decodeFields, encodeFields } from "../text/fields.ts";
import type { Cause } from "./ending.ts";
import type { Stop, StopStep } from "./stop.ts";

/** hook: the start hook runs. waiting: the command waits for the services. */
export type LifePhase = "hook" | "waiting" | "running";

export interface Life {
  readonly phase: LifePhase;
  /** As encodeStop has it; "": none. */
  readonly stop: string;
  /** As encodeCause has it; "": none. */
  readonly cause: string;
  /** How each main service has ended, as waitpid(2) has it. */
  readonly mainEnds: readonly number[];
  readonly commandPid: number;
  /** Monotonic clock, milliseconds. */
  readonly commandAt: number;
  readonly hookPid: number;
  readonly hasStarted: boolean;
  readonly interrupts: number;
  /** Services that ran when the stop was asked for, and how many of them were killed. */
  readonly running: number;
  readonly killed: number;
  readonly memoryKills: number;
  readonly socketFd: number;
}

export function encodeLife(life: Life, output: string, services: readonly string[]): string {
  const numbers = [life.commandPid, life.commandAt, life.hookPid, life.hasStarted ? 1 : 0, life.interrupts];
  const more = [life.running, life.killed, life.memoryKills, life.socketFd];
  const fields: string[] = [
    life.phase,
    life.stop,
    life.cause,
    life.mainEnds.join(" "),
    numbers.join(" "),
    more.join(" "),
    output,
  ];
  for (const service of services) fields.push(service);
  return encodeFields(fields);
}

export class KeptLife {
  readonly life: Life;
  readonly output: string;
  readonly services: readonly string[];

  constructor(life: Life, output: string, services: readonly string[]) {
    this.life = life;
    this.output = output;
    this.services = services;
  }
}

/** undefined: not such a text. */
export function decodeLife(text: string): KeptLife | undefined {
  const fields = decodeFields(text);
  if (fields === undefined || fields.length < 7) return undefined;
  const phase = fields[0];
  if (phase !== "hook" && phase !== "waiting" && phase !== "running") return undefined;
  const numbers = numbersOf(String(fields[4] ?? ""));
  const more = numbersOf(String(fields[5] ?? ""));
  return new KeptLife(
    {
      phase,
      stop: String(fields[1] ?? ""),
      cause: String(fields[2] ?? ""),
      mainEnds: numbersOf(String(fields[3] ?? "")),
      commandPid: numberAt(numbers, 0),
      commandAt: numberAt(numbers, 1),
      hookPid: numberAt(numbers, 2),
      hasStarted: numbers[3] === 1,
      interrupts: numberAt(numbers, 4),
      running: numberAt(more, 0),
      killed: numberAt(more, 1),
      memoryKills: numberAt(more, 2),
      socketFd: numberAt(more, 3),
    },
    String(fields[6] ?? ""),
    fields.slice(7),
  );
}

export function encodeStop(stop: Stop): string {
  return `${stop.step} ${stop.requestedAt} ${stop.graceMilliseconds} ${stop.mainsFirst ? 1 : 0} ${stop.dueAt}`;
}

/** undefined: not such a text. */
export function decodeStop(text: string): Stop | undefined {
  const words = text.split(" ");
  const step = stepNamed(String(words[0] ?? ""));
  if (step === undefined || words.length !== 5) return undefined;
  return {
    step,
    requestedAt: Number(words[1] ?? "0"),
    graceMilliseconds: Number(words[2] ?? "0"),
    mainsFirst: words[3] === "1",
    dueAt: Number(words[4] ?? "0"),
  };
}

function stepNamed(text: string): StopStep | undefined {
  switch (text) {
    case "drain":
    case "mains":
    case "services":
    case "killed":
    case "hook":
    case "sweep":
    case "swept":
    case "output":
    case "over":
      return text;
    default:
      return undefined;
  }
}

export function encodeCause(cause: Cause): string {
  switch (cause.kind) {
    case "main":
      return encodeFields(["main", cause.name, `${cause.waitStatus}`, `${cause.seconds}`]);
    case "signal":
      return encodeFields(["signal", cause.signal, "0", "0"]);
    case "told":
      return encodeFields(["told", "", `${cause.code}`, "0"]);
    case "gave up":
      return encodeFields(["gave up", cause.name, `${cause.waitStatus}`, `${cause.count}`]);
    case "start hook":
      return encodeFields(["start hook", "", `${cause.waitStatus}`, "0"]);
    case "no command":
      return encodeFields(["no command", cause.name, `${cause.code}`, cause.reason]);
  }
}

/** undefined: not such a text. */
export function decodeCause(text: string): Cause | undefined {
  const fields = text === "" ? undefined : decodeFields(text);
  if (fields === undefined || fields.length !== 4) return undefined;
  const name = String(fields[1] ?? "");
  const number = Number(fields[2] ?? "0");
  const last = String(fields[3] ?? "");
  switch (fields[0]) {
    case "main":
      return { kind: "main", name, waitStatus: number, seconds: Number(last) };
    case "signal":
      return { kind: "signal", signal: name };
    case "told":
      return { kind: "told", code: number };
    case "gave up":
      return { kind: "gave up", name, waitStatus: number, count: Number(last) };
    case "start hook":
      return { kind: "start hook", waitStatus: number };
    case "no command":
      return { kind: "no command", name, code: number, reason: last };
    default:
      return undefined;
  }
}

function numberAt(numbers: readonly number[], index: number): number {
  return Number(numbers[index] ?? 0);
}

function numbersOf(text: string): number[] {
  const numbers: number[] = [];
  if (text !== "") for (const word of text.split(" ")) numbers.push(Number(word));
  return numbers;
}
