// svwaitdown(8): the client of old that tells services to go down, and waits until they are.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { shortStatusBytes, statusBytes } from "../core/supervise/status.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { StateWatch } from "../directories/state-watch.ts";
import { readStatus, tell } from "../directories/supervised.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

const defaultSeconds = 600;
const maxSeconds = 6000;
/** How long a killed service may take to be gone; and how long one is given to take up what it was told. */
const moment = 1000;

export function svwaitdown(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "t:xkvV", []);
  let seconds = defaultSeconds;
  let bytes = "d";
  let kills = false;
  let isVerbose = false;
  for (const { letter, value } of options.given) {
    if (letter === "t") seconds = leadingNumber(value);
    if (letter === "x") bytes = "dx";
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
  // Complaints come below, where those that could not be told are told again.
  const told = options.rest.map((name) => visits.tryEnter(name) === 0 && tell(system, bytes) === undefined);
  const deadline = system.monotonic() + seconds * 1000;
  let wasKilled = false;
  for (let i = 0; i < options.rest.length; i++) {
    const name = String(options.rest[i] ?? "");
    const last = awaitDown(name, bytes, told[i] === true, deadline, system, visits);
    wasKilled = false;
    if (isVerbose && last !== "in trouble") visits.say(last === "late" ? "timeout." : `${name}: ${last}.`);
    if (last !== "late") continue;
    if (!kills) return 111;
    wasKilled = kill(name, bytes, system, visits);
  }
  return wasKilled ? 111 : visits.exitCode;
}

type Outcome = "down" | "runsv not running" | "late" | "in trouble";

/** Waits until it is down; with `x` in `bytes`, until its runsv is gone. */
function awaitDown(
  name: string,
  bytes: string,
  wasTold: boolean,
  deadline: number,
  system: System,
  visits: Visits,
): Outcome {
  const watch = new StateWatch(system);
  let tellAt = system.monotonic() + (wasTold ? moment : 0);
  try {
    for (;;) {
      if (!visits.enter(name)) return "in trouble";
      const { status, trouble } = readStatus(system, isRecord);
      if (trouble?.isGone === true) return "runsv not running";
      if (status === undefined) {
        visits.failFor(name, trouble);
        return "in trouble";
      }
      // Without a process, but about to run finish: not yet.
      if (status.pid === 0 && status.phase !== "finish" && bytes === "d") return "down";
      const now = system.monotonic();
      if (now >= deadline) return "late";
      if (status.want !== "d" && now >= tellAt) {
        const obstacle = tell(system, bytes); // it was told something else meanwhile, or could not be told at first
        if (obstacle !== undefined && !obstacle.isGone) {
          visits.failFor(name, obstacle);
          return "in trouble";
        }
        tellAt = now + moment;
      }
      watch.await((status.want === "d" ? deadline : Math.min(deadline, tellAt)) - now);
    }
  } finally {
    watch.close();
  }
}

/** Kills it and waits a moment until it is gone; false: it could not be told. */
function kill(name: string, bytes: string, system: System, visits: Visits): boolean {
  if (!visits.enter(name)) return false;
  const obstacle = tell(system, "k");
  if (obstacle !== undefined && !obstacle.isGone) {
    visits.failFor(name, obstacle);
    return false;
  }
  visits.say(`${name}: killed.`);
  awaitDown(name, bytes, true, system.monotonic() + moment, system, visits);
  return true;
}

function isRecord(bytes: number): boolean {
  return bytes === shortStatusBytes || bytes >= statusBytes;
}
