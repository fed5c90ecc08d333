// svwaitdown(8): the client of old that tells services to go down, and waits until they are.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { shortStatusBytes, statusBytes } from "../core/supervise/status.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { StateWatch } from "../directories/state-watch.ts";
import type { Trouble } from "../directories/supervised.ts";
import { readStatus, tell } from "../directories/supervised.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

const defaultSeconds = 600;
const maxSeconds = 6000;
/** How long killed services may take to be gone, all together; and how long one is given to take up what it was told. */
const moment = 1000;

export function svwaitdown(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "t:xkvV", []);
  let seconds = defaultSeconds;
  let untilGone = false;
  let kills = false;
  let isVerbose = false;
  for (const { letter, value } of options.given) {
    if (letter === "t") seconds = leadingNumber(value);
    if (letter === "x") untilGone = true;
    if (letter === "k") kills = true;
    if (letter === "v") isVerbose = true;
  }
  const called = String(args[0] ?? "");
  const usage = `usage: ${called} [-v] [-t 1..6000] service ...\n\n`;
  const isWrong = seconds < 1 || seconds > maxSeconds;
  const misuse = isWrong ? usage : describeMisuse(options, "svwaitdown", called, usage);
  if (misuse !== "") {
    system.writeText(2, misuse);
    return 1;
  }
  const visits = new Visits(system, "svwaitdown");
  const waiting = new Waiting(system, visits, untilGone, system.monotonic() + seconds * 1000);
  // Complaints come below, where those that could not be told are told again.
  const told = options.rest.map((name) => visits.tryEnter(name) === 0 && waiting.tell() === undefined);
  const killed: string[] = [];
  let code = -1;
  for (let i = 0; i < options.rest.length; i++) {
    const name = String(options.rest[i] ?? "");
    const outcome = waiting.awaitEnd(name, told[i] === true);
    if (isVerbose && outcome !== "in trouble") visits.say(describe(outcome, name));
    code = -1;
    if (outcome !== "late") continue;
    if (!kills) return 111;
    if (!waiting.kill(name)) continue;
    killed.push(name);
    code = 111; // if it was the last
  }
  waiting.deadline = system.monotonic() + moment;
  for (const name of killed) waiting.awaitEnd(name, true);
  return code >= 0 ? code : visits.exitCode;
}

type Outcome = "down" | "gone" | "late" | "in trouble";

function describe(outcome: Outcome, name: string): string {
  switch (outcome) {
    case "down":
      return `${name}: down.`;
    case "gone":
      return `${name}: runsv not running.`;
    case "late":
      return "timeout.";
    case "in trouble":
      return "";
  }
}

class Waiting {
  readonly #system: System;
  readonly #visits: Visits;
  /** Until its runsv is gone, not only the service down. */
  readonly #untilGone: boolean;
  /** Monotonic clock, milliseconds; for all services together. */
  deadline: number;

  constructor(system: System, visits: Visits, untilGone: boolean, deadline: number) {
    this.#system = system;
    this.#visits = visits;
    this.#untilGone = untilGone;
    this.deadline = deadline;
  }

  /** Tells the service whose directory is the working directory to end. */
  tell(): Trouble | undefined {
    return tell(this.#system, this.#untilGone ? "dx" : "d");
  }

  awaitEnd(name: string, wasTold: boolean): Outcome {
    const watch = new StateWatch(this.#system);
    let tellAt = this.#system.monotonic() + (wasTold ? moment : 0);
    try {
      for (;;) {
        const outcome = this.#look(name);
        const now = this.#system.monotonic();
        if (outcome !== "wants up" && outcome !== "wants down") return outcome;
        if (now >= this.deadline) return "late";
        // It was told something else meanwhile, or could not be told at first.
        if (outcome === "wants up" && now >= tellAt) {
          const obstacle = this.tell();
          if (obstacle !== undefined && !obstacle.isGone) {
            this.#visits.failFor(name, obstacle);
            return "in trouble";
          }
          tellAt = now + moment;
        }
        watch.await((outcome === "wants down" ? this.deadline : Math.min(this.deadline, tellAt)) - now);
      }
    } finally {
      watch.close();
    }
  }

  #look(name: string): Outcome | "wants up" | "wants down" {
    if (!this.#visits.enter(name)) return "in trouble";
    const { status, trouble } = readStatus(this.#system, isRecord);
    if (trouble?.isGone === true) return "gone";
    if (status === undefined) {
      this.#visits.failFor(name, trouble);
      return "in trouble";
    }
    // Without a process, but about to run finish: not yet.
    if (status.pid === 0 && status.phase !== "finish" && !this.#untilGone) return "down";
    return status.want === "d" ? "wants down" : "wants up";
  }

  /** False: it could not be told. */
  kill(name: string): boolean {
    if (!this.#visits.enter(name)) return false;
    const obstacle = tell(this.#system, "k");
    if (obstacle !== undefined && !obstacle.isGone) {
      this.#visits.failFor(name, obstacle);
      return false;
    }
    this.#visits.say(`${name}: killed.`);
    return true;
  }
}

function isRecord(bytes: number): boolean {
  return bytes === shortStatusBytes || bytes >= statusBytes;
}
