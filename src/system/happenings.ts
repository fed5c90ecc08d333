// The one event loop: wait once, then a list of what happened, always in this order: signals, ended children, readable
// descriptors (in the order asked), deadline. Signals are blocked at every other moment, so no step is interrupted.

import type { Polled, System, WatchedSignal } from "./system.ts";
import { watchableSignals } from "./system.ts";

export type Happening =
  | { readonly kind: "signal"; readonly signal: WatchedSignal }
  | { readonly kind: "ended"; readonly pid: number; readonly waitStatus: number }
  | { readonly kind: "readable"; readonly fd: number }
  | { readonly kind: "deadline" };

export interface Awaited {
  readonly fds: readonly Polled[];
  /** Negative: for ever. */
  readonly milliseconds: number;
}

export function awaitHappenings(system: System, awaited: Awaited): readonly Happening[] {
  const happenings: Happening[] = [];
  const ready = system.poll(awaited.fds, awaited.milliseconds);
  const signals = system.takeSignals();
  if (signals !== 0) addSignals(signals, happenings);
  for (let child = system.reap(); child.pid !== 0; child = system.reap()) {
    happenings.push({ kind: "ended", pid: child.pid, waitStatus: child.waitStatus });
  }
  let index = 0;
  for (const polled of awaited.fds) {
    if (ready > 0 && system.isReady(index)) happenings.push({ kind: "readable", fd: polled.fd });
    index++;
  }
  if (ready === 0) happenings.push({ kind: "deadline" });
  return happenings;
}

/** Bits of takeSignals. CHLD only wakes: the children themselves are the happenings. */
function addSignals(signals: number, happenings: Happening[]): void {
  let bit = 1;
  for (const signal of watchableSignals()) {
    if (signal !== "CHLD" && Math.floor(signals / bit) % 2 === 1) happenings.push({ kind: "signal", signal });
    bit *= 2;
  }
}
