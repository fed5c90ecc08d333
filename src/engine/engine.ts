// The supervising engine: any number of services in one loop. runsv is the engine with one.

import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import type { Supervisor } from "./supervisor.ts";

/** Supervises until all of them are over. SIGTERM tells each of them to exit, SIGHUP to look for its state directory. */
export function supervise(system: System, supervisors: readonly Supervisor[]): void {
  let milliseconds = 0; // what ended before the first wait is heard at once
  for (;;) {
    const fds: Polled[] = [];
    for (const supervisor of supervisors) if (!supervisor.isOver) supervisor.addPolled(fds);
    for (const happening of awaitHappenings(system, { fds, milliseconds })) {
      switch (happening.kind) {
        case "signal":
          for (const supervisor of supervisors) {
            if (happening.signal === "HUP") supervisor.checkState();
            else supervisor.terminate();
          }
          break;
        case "ended":
          // Nobody's: a child from before our exec, or of a process 1 or subreaper. It is reaped, and that is all.
          for (const supervisor of supervisors) {
            if (supervisor.onEnded(happening.pid, happening.waitStatus)) break;
          }
          break;
        case "readable":
          for (const supervisor of supervisors) if (supervisor.onReadable(happening.fd)) break;
          break;
        case "deadline":
          break;
      }
    }
    const now = system.monotonic();
    let due = -1;
    let areOver = true;
    for (const supervisor of supervisors) {
      supervisor.onTime(now);
      const time = supervisor.due;
      if (time >= 0 && (due < 0 || time < due)) due = time;
      if (!supervisor.isOver) areOver = false;
    }
    if (areOver) {
      for (const supervisor of supervisors) supervisor.end();
      return;
    }
    milliseconds = due < 0 ? -1 : Math.max(0, due - now);
  }
}
