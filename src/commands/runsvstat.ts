// runsvstat(8): the client of old that reports on services.

import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { describeOldState } from "../core/supervise/report.ts";
import { statusBytes } from "../core/supervise/status.ts";
import { ENOENT } from "../core/text/errors.ts";
import { normallyUp } from "../directories/supervised.ts";
import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

export function runsvstat(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "lV", []);
  const called = String(args[0] ?? "");
  const misuse = describeMisuse(options, "runsvstat", called, `usage: ${called} [ -l ] service ...\n\n`);
  if (misuse !== "") {
    system.writeText(2, misuse);
    return 1;
  }
  const visits = new Visits(system, "runsvstat");
  const withLog = options.given.length > 0;
  for (const name of options.rest) {
    if (!visits.enter(name) || !report(name, system, visits)) continue;
    if (withLog) reportLog(system, visits);
    system.writeText(1, "\n");
  }
  return visits.exitCode;
}

/** Prints the state of the service whose directory is the working directory, without newline; false: it could not. */
function report(name: string, system: System, visits: Visits): boolean {
  const isUp = normallyUp(system, visits.markers);
  if (isUp < 0) {
    visits.fail(`${name}: unable to stat down`, -isUp);
    return false;
  }
  const { status, trouble } = visits.read((bytes) => bytes === statusBytes);
  if (status === undefined) {
    visits.failFor(name, trouble);
    return false;
  }
  system.writeText(1, describeOldState(name, status, isUp === 1, system.now().seconds));
  return true;
}

function reportLog(system: System, visits: Visits): void {
  const log = system.stat("log", true);
  if (log.errno === ENOENT) return;
  const name = "\n  log";
  if (log.errno !== 0) visits.fail(`${name}: unable to stat`, log.errno);
  else if (log.kind !== "directory") visits.fail("./log: not a directory.", 0);
  else {
    const errno = visits.tryEnterLog();
    if (errno !== 0) visits.fail(`${name}: unable to change directory`, errno);
    else report(name, system, visits);
  }
}
