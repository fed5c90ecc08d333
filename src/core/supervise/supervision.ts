// A service and its log service together: who may end when. The log service outlives its service; it is never
// signalled to end but reads the end of its pipe.

import type { Action, Happening, Role, Service, Want } from "./service.ts";
import { isOver as isServiceOver, react as reactAlone } from "./service.ts";

export interface Supervision {
  readonly service: Service;
  readonly log: Service | undefined;
  /** The log pipe is closed: the log service ends when it has read everything. */
  readonly closed: boolean;
}

// A class: the compiler would copy a union into a record.
export class Deed {
  readonly of: Role;
  readonly action: Action;

  constructor(of: Role, action: Action) {
    this.of = of;
    this.action = action;
  }
}

export interface Reaction {
  readonly next: Supervision;
  readonly deeds: readonly Deed[];
}

export function react(now: Supervision, of: Role, happening: Happening): Reaction {
  const deeds: Deed[] = [];
  const next = settle(apply(now, of, happening, deeds), deeds);
  return { next, deeds };
}

/** Whether there is nothing left to supervise. */
export function isOver(now: Supervision): boolean {
  if (!isServiceOver(now.service)) return false;
  const log = now.log;
  if (log === undefined) return true;
  if (log.pid !== 0 || log.starting) return false;
  // What is left in the pipe is not lost: a log service that is only resting is started once more to read it.
  return now.closed || log.want !== "up";
}

function apply(now: Supervision, of: Role, happening: Happening, deeds: Deed[]): Supervision {
  const subject = of === "service" ? now.service : now.log;
  if (subject === undefined) return now;
  const reaction = reactAlone(subject, happening);
  for (const action of reaction.actions) deeds.push(new Deed(of, action));
  return of === "service" ? { ...now, service: reaction.next } : { ...now, log: reaction.next };
}

function settle(now: Supervision, deeds: Deed[]): Supervision {
  const log = now.log;
  if (log === undefined) return now;
  if (!now.closed && isServiceOver(now.service) && log.pid !== 0) {
    deeds.push(new Deed("log", { kind: "close pipe" }));
    deeds.push(new Deed("log", { kind: "publish" }));
    return { service: { ...now.service, held: true }, log: wanting(log, "exit"), closed: true };
  }
  // Wanted again while the log service was ending: both begin anew, with a new pipe.
  if (now.closed && log.phase === "down" && !isServiceOver(now.service)) {
    deeds.push(new Deed("log", { kind: "open pipe" }));
    const reopened: Supervision = {
      service: { ...now.service, held: false },
      log: wanting(log, "up"),
      closed: false,
    };
    return apply(apply(reopened, "log", { kind: "begin" }, deeds), "service", { kind: "begin" }, deeds);
  }
  return now;
}

// A function of its own: the compiler spreads a parameter, not a narrowed local.
function wanting(log: Service, want: Want): Service {
  return { ...log, want };
}
