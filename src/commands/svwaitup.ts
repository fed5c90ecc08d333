// svwaitup(8): the client of old that waits until services have been up for a while.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { describeAge, shortStatusBytes, sinceOf } from "../core/supervise/status.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

const defaultSeconds = 2;
const maxSeconds = 600;
const pauseMilliseconds = 5;

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
  let label = "";
  let seenAt = 0;
  for (;;) {
    if (!visits.enter(name)) return "";
    const { status, trouble } = visits.read((bytes) => bytes >= shortStatusBytes);
    if (status === undefined) {
      visits.failFor(name, trouble);
      return "";
    }
    const now = system.now();
    const since = sinceOf(status);
    // By the clock on the wall, unless that was set back: we have seen it for so long.
    if (label !== `${since.seconds}.${since.nanoseconds}`) seenAt = system.monotonic();
    label = `${since.seconds}.${since.nanoseconds}`;
    const byLabel = (now.seconds - since.seconds) * 1000 + (now.nanoseconds - since.nanoseconds) / 1000000;
    const age = Math.max(byLabel, system.monotonic() - seenAt);
    if (status.pid === 0 && status.phase !== "finish") {
      visits.fail(`${name}: is down.`, 0);
      return "";
    }
    if (age >= seconds * 1000) return describeAge(status, now.seconds);
    // Between run and finish: a moment.
    system.poll([], status.pid === 0 ? pauseMilliseconds : Math.ceil(seconds * 1000 - age));
  }
}
