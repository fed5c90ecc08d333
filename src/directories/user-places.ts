// Where a user's services are: definitions, scan directory, logs, and the directory of their state. sv-user(8).

import { fieldsOf, parsePasswd } from "../core/process/account-lines.ts";
import { isAbsolute, parentOf } from "../core/text/paths.ts";
import { SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { readText } from "./text.ts";

/** What the account database says of a user; a user without entry has no name, home or shell. */
export interface Person {
  readonly uid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** The account with that number. */
export function findPerson(system: System, uid: number): Person {
  for (const line of readText(system, "/etc/passwd").text.split("\n")) {
    const fields = fieldsOf(line);
    const account = parsePasswd(fields);
    if (account === undefined || account.uid !== uid) continue;
    return { uid, name: String(fields[0] ?? ""), home: String(fields[5] ?? ""), shell: String(fields[6] ?? "") };
  }
  return { uid, name: "", home: "", shell: "" };
}

/**
 * Where the user is at home: what HOME says, if that is a directory of theirs (after sudo, say, it may be somebody
 * else's), else what the account says. Throws SystemError.
 */
export function findHome(system: System, person: Person): string {
  const said = system.environment("HOME") ?? "";
  if (isAbsolute(said)) {
    const found = system.stat(said, true);
    if (found.errno === 0 && found.uid === person.uid) return withoutSlash(said);
  }
  if (isAbsolute(person.home)) return withoutSlash(person.home);
  if (isAbsolute(said)) return withoutSlash(said);
  throw new SystemError(`unable to find a home directory for uid ${person.uid}: HOME is not set`, 0);
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** A base directory that may be named by a variable; one that is not absolute, or somebody else's, counts as unset. */
function baseOf(system: System, variable: string, otherwise: string): string {
  const value = system.environment(variable) ?? "";
  return isAbsolute(value) && mayBeOurs(system, value) ? withoutSlash(value) : otherwise;
}

/** Whether what there is of a path is ours or root's: after su or sudo, say, it may be somebody else's. */
function mayBeOurs(system: System, path: string): boolean {
  for (let at = withoutSlash(path); ; at = parentOf(at)) {
    const found = system.stat(at, true);
    if (found.errno === 0) return found.uid === system.uid || found.uid === 0;
    if (at === "/") return true;
  }
}

/** The directories of one user. */
export class UserPlaces {
  readonly home: string;
  /** Definitions. */
  readonly conf: string;
  /** Enabled services, as links to definitions. */
  readonly scan: string;
  readonly log: string;
  /** What of theirs is no definition. */
  readonly state: string;

  /** Throws SystemError. */
  constructor(system: System, person: Person) {
    this.home = findHome(system, person);
    this.conf = `${baseOf(system, "XDG_CONFIG_HOME", `${this.home}/.config`)}/sv`;
    this.state = `${baseOf(system, "XDG_STATE_HOME", `${this.home}/.local/state`)}/sv`;
    this.scan = `${this.state}/service`;
    this.log = `${this.state}/log`;
  }

  /** Where their state is if there is no better place: it survives a reboot. */
  get fallbackRun(): string {
    return `${this.state}/run`;
  }
}

/** The directory of a user's state: the first that applies. Throws SystemError. */
export function findRun(system: System): string {
  const uid = system.uid;
  const named = system.environment("SVRUNDIR") ?? "";
  if (isAbsolute(named)) return named;
  const prepared = `/run/sv-user/${uid}`;
  const found = system.stat(prepared, false);
  if (found.errno === 0 && found.kind === "directory" && found.uid === uid) return prepared;
  const runtime = runtimeDirectory(system);
  if (runtime !== "") return `${runtime}/sv`;
  return new UserPlaces(system, findPerson(system, uid)).fallbackRun;
}

/** XDG_RUNTIME_DIR, if it is what it has to be: there, ours, and for nobody else; "": not. */
export function runtimeDirectory(system: System): string {
  const path = system.environment("XDG_RUNTIME_DIR") ?? "";
  if (!isAbsolute(path)) return "";
  const { errno, kind, uid, mode } = system.stat(path, true);
  return errno === 0 && kind === "directory" && uid === system.uid && mode % 0o100 === 0 ? withoutSlash(path) : "";
}
