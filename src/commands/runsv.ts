// runsv(8): starts and supervises one service, and its log service where there is one.

import { supervise } from "../engine/engine.ts";
import { lockMilliseconds, Setting, Supervisor } from "../engine/supervisor.ts";
import { SystemError } from "../system/errors.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { System } from "../system/system.ts";

export function runsv(args: readonly string[], system: System): number {
  const directory = args[1];
  if (directory === undefined || args.length !== 2) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsv")} dir\n\n`);
    return 1;
  }
  // From here on TERM is never lost: blocked, except while waiting.
  system.watchSignals(["TERM", "CHLD"]);
  const program = `runsv ${directory}`;

  const kept = system.kept();
  if (kept === undefined) {
    const changed = system.chdir(directory);
    if (changed < 0) throw new SystemError("unable to change to directory", -changed);
  }
  const supervisor = new Supervisor(system, program, new Setting(""));
  if (kept === undefined || !supervisor.resume(kept)) {
    supervisor.claim();
    while (!supervisor.claimLog()) if (isToldToEnd(system)) return 0;
    supervisor.open();
  }
  system.guard();
  supervisor.begin();
  supervise(system, [supervisor]);
  return 0;
}

/** Waits a moment for a log lock that another runsv holds. */
function isToldToEnd(system: System): boolean {
  return awaitHappenings(system, { fds: [], milliseconds: lockMilliseconds }).some((heard) => heard.kind === "signal");
}
