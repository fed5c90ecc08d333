// svwaitdown(8): the client of old that tells services to go down, and waits until they are.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import type { Outcome } from "../directories/take-down.ts";
import { TakeDown } from "../directories/take-down.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

const defaultSeconds = 600;
const maxSeconds = 6000;
/** How long killed services may take to be gone, all together. */
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
  const waiting = new TakeDown(system, visits, untilGone, system.monotonic() + seconds * 1000);
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
