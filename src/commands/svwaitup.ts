// svwaitup(8): the client of old that waits until services have been up for a while.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { describeAge, shortStatusBytes } from "../core/supervise/status.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { readStatus } from "../directories/supervised.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

const defaultSeconds = 2;
const maxSeconds = 600;

export function svwaitup(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "s:vV", []);
  let seconds = defaultSeconds;
  let isVerbose = false;
  for (const { letter, value } of options.given) {
    if (letter === "s") seconds = leadingNumber(value);
    if (letter === "v") isVerbose = true;
  }
  const called = String(args[0] ?? "");
  const usage = `usage: ${called} [-v] [-s 1..600] service ...\n\n`;
  const isWrong = seconds < 1 || seconds > maxSeconds;
  const misuse = isWrong ? usage : describeMisuse(options, "svwaitup", called, usage);
  if (misuse !== "") {
    system.writeText(2, misuse);
    return 1;
  }
  const visits = new Visits(system, "svwaitup");
  for (const name of options.rest) {
    const age = awaitAge(name, seconds, system, visits);
    if (age !== "" && isVerbose) visits.say(`${name}: is up (${age} seconds)`);
  }
  return visits.exitCode;
}

/** How old it is in the end, seconds; "": it is not up, and that was complained about. */
function awaitAge(name: string, seconds: number, system: System, visits: Visits): string {
  for (;;) {
    if (!visits.enter(name)) return "";
    const { status, trouble } = readStatus(system, (bytes) => bytes >= shortStatusBytes);
    if (status === undefined) {
      visits.failFor(name, trouble);
      return "";
    }
    if (status.pid === 0) {
      visits.fail(`${name}: is down.`, 0);
      return "";
    }
    const now = system.now();
    const age = describeAge(status, now.seconds);
    if (Number(age) >= seconds) return age;
    system.poll([], (seconds - Number(age)) * 1000 - Math.floor(now.nanoseconds / 1000000));
  }
}
