// The tree of a user's services, from outside: whether one runs, and how it is told something. sv-user(8).

import { leadingNumber } from "../core/text/numbers.ts";
import type { System } from "../system/system.ts";
import { openAppend, openWrite } from "../system/system.ts";
import type { SocketPlace } from "./control-socket.ts";
import { ask, placeOf } from "./control-socket.ts";
import { namedStateRoot, whyNotOurs } from "./state-root.ts";
import { readStart } from "./text.ts";
import type { UserPlaces } from "./user-places.ts";
import { findRun } from "./user-places.ts";

const patienceMilliseconds = 5000;
/** In the directory of the state, beside those of the services: hidden. */
export const pidName = ".pid";
export const leasesName = ".leases";
const socketName = ".session";
/** What a tree that ends answers to whoever wants it to stay. */
export const endingWord = "ending";

/** The lock that there is one tree of this user on this host: not in the state, which may be elsewhere for each login. */
export function lockPath(system: System, places: UserPlaces): string {
  let host = readStart(system, "/etc/machine-id", 64).trim();
  if (host === "") host = readStart(system, "/proc/sys/kernel/hostname", 200).trim();
  return `${places.state}/.lock${host === "" ? "" : `.${host.split("/").join("")}`}`;
}

/** Whether it is the state of the log service of another of these. */
export function isLogOf(name: string, names: readonly string[]): boolean {
  return name.endsWith(".log") && names.includes(name.slice(0, -4));
}

/** Pid of the tree that has the lock, whether it answers or not; "": none. */
export function lockHolder(system: System, places: UserPlaces): string {
  const path = lockPath(system, places);
  const fd = system.open(path, openAppend + openWrite, 0);
  if (fd < 0) return "";
  const isFree = system.lock(fd) >= 0;
  system.close(fd);
  return isFree ? "" : readStart(system, path, 20).trim();
}

export function socketIn(run: string): SocketPlace {
  return placeOf(run, socketName);
}

/** Where the state of the user's services is, or would be: what the scan directory says, if that is there, else by rule. */
export function runInUse(system: System, scan: string): string {
  const named = namedStateRoot(system, scan);
  return named !== "" && whyNotOurs(system, named) === "" ? named : findRun(system);
}

/** What a tree says of itself. */
export interface SessionFacts {
  readonly pid: number;
  readonly seconds: number;
  readonly mode: string;
  /** Pids, or "": none. */
  readonly leases: string;
}

/** undefined: there is no tree. */
export function askForFacts(system: System, run: string): SessionFacts | undefined {
  const words = (tell(system, run, "status") ?? "").split(" ");
  if (words.length < 3) return undefined;
  return {
    pid: leadingNumber(String(words[0] ?? "")),
    seconds: leadingNumber(String(words[1] ?? "")),
    mode: String(words[2] ?? ""),
    leases: words.slice(3).join(" "),
  };
}

/** The answer of the tree; undefined: there is none. */
export function tell(system: System, run: string, question: string): string | undefined {
  return tellFor(system, run, question, patienceMilliseconds);
}
/** The same, for what takes its time. */
export function tellFor(system: System, run: string, question: string, milliseconds: number): string | undefined {
  return ask(system, [socketIn(run)], question, system.monotonic() + milliseconds);
}
