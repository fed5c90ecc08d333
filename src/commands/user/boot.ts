// sv-user boot: the tree of a user as a service of the system, from start to shutdown.

import { parseOptions } from "../../core/process/options.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { findIdentity } from "../../directories/accounts.ts";
import { setVariable } from "../../directories/environment.ts";
import { removeTree } from "../../directories/remove.ts";
import { callOf } from "../../directories/state-root.ts";
import { isListenedTo, StateFinder } from "../../directories/supervised.ts";
import { findPerson } from "../../directories/user-places.ts";
import { longestStopSeconds } from "../../engine/session.ts";
import { orFail, SystemError } from "../../system/errors.ts";
import type { System } from "../../system/system.ts";
import { sv } from "../sv.ts";
import { runSession, stopTree } from "./session.ts";
import { becomeUser, User, usageCode } from "./user.ts";

const usage = "usage: sv-user boot on|off|status [USER]\n";
const prepared = "/run/sv-user";
/** The user is what stands behind the first @: names of users have no @. */
const script = `#!/bin/sh
# Made by sv-user boot on: the services of one user.
exec 2>&1
name=\${PWD##*/}
exec sv-user boot run "\${name#*@}"
`;
const stopMilliseconds = (longestStopSeconds + 10) * 1000;

export function userBoot(words: readonly string[], user: string, system: System): number {
  const options = parseOptions(words, "", []);
  const word = String(options.rest[0] ?? "");
  const isRight = options.complaint === "" && options.rest.length <= 2 && ["on", "off", "status", "run"].includes(word);
  const own = findPerson(system, system.uid).name;
  const name = options.rest[1] ?? (user === "" ? own : user);
  if (!isRight || name === "" || name.includes("/") || name.startsWith(".")) {
    system.writeText(2, usage);
    return usageCode;
  }
  const scan = system.environment("SVDIR") ?? system.serviceDirectory;
  const service = `${scan.endsWith("/") ? scan : `${scan}/`}user@${name}`;
  if (word === "run") return run(system, name);
  if (word === "status") return status(system, service);
  if (system.uid !== 0) {
    system.writeText(1, `${ownName(system)} boot ${word} ${name}\n`);
    return usageCode;
  }
  return word === "on" ? turnOn(system, service, name) : turnOff(system, scan, service, name);
}

/** How this program is run by whoever has another PATH. */
function ownName(system: System): string {
  const path = system.executedPath;
  if (path.endsWith("/sv-user")) return path;
  return path.endsWith("/runit-ts") ? `${path} sv-user` : "sv-user";
}

function status(system: System, service: string): number {
  const isOn = system.stat(`${service}/run`, true).errno === 0;
  system.writeText(1, isOn ? "on\n" : "off\n");
  return isOn ? 0 : 1;
}

/** Complete before runsvdir can see it. */
function turnOn(system: System, service: string, name: string): number {
  findIdentity(system, name);
  if (system.stat(service, false).errno === 0) {
    system.writeText(1, `${service}: is there already\n`);
    return 0;
  }
  const slash = service.lastIndexOf("/");
  const hidden = `${service.slice(0, slash)}/.${service.slice(slash + 1)}.new`;
  removeTree(system, hidden);
  orFail(system.mkdir(hidden, 0o755), `unable to create ${hidden}`);
  const written = system.replaceText(`${hidden}/run.new`, `${hidden}/run`, script, 0o755);
  if (written < 0) throw new SystemError(`unable to write ${hidden}/run`, -written % 1000);
  orFail(system.rename(hidden, service), `unable to create ${service}`);
  system.writeText(1, `${service}: created\n`);
  return 0;
}

function turnOff(system: System, scan: string, service: string, name: string): number {
  if (system.stat(service, false).errno !== 0) {
    system.writeText(1, `${service}: is not there\n`);
    return 0;
  }
  let code = 0;
  setVariable(system, "SVDIR", scan);
  const state = stateOf(system, service);
  if (state !== "") code = sv(["sv", "-w", `${longestStopSeconds + 5}`, "stop", `user@${name}`], system);
  const slash = service.lastIndexOf("/");
  const hidden = `${service.slice(0, slash)}/.${service.slice(slash + 1)}.gone`;
  removeTree(system, hidden);
  orFail(system.rename(service, hidden), `unable to remove ${service}`);
  const until = system.monotonic() + stopMilliseconds;
  const left = state === `${service}/supervise` ? `${hidden}/supervise` : state;
  while (left !== "" && isListenedTo(system, left) && system.monotonic() < until) system.poll([], 10);
  removeTree(system, hidden);
  if (left !== "" && isListenedTo(system, left)) throw new SystemError(`${service} does not end`, 0);
  system.writeText(1, `${service}: removed\n`);
  return code;
}

/** State directory of the living service; "": nobody supervises it. */
function stateOf(system: System, service: string): string {
  const classic = `${service}/supervise`;
  if (isListenedTo(system, classic)) return classic;
  const called = callOf(system, service);
  const { state } = new StateFinder(system, called.scan).find(called, called.name, true);
  return isAbsolute(state) ? state : "";
}

/** Prepares what only root can, and becomes the tree of that user. */
function run(system: System, name: string): number {
  if (system.uid === 0 && (system.kept() ?? "") === "") {
    prepare(system, name);
    becomeUser(system, name);
    system.unsetEnvironment("XDG_RUNTIME_DIR"); // it would be gone with the last login
  }
  if ((system.kept() ?? "") === "") {
    // One that was started on demand goes: its services are started again by this one.
    const user = new User(system);
    if (user.facts !== undefined) stopTree(user, longestStopSeconds);
  }
  return runSession([], true, false, longestStopSeconds, "boot", system);
}

function prepare(system: System, name: string): void {
  const { uid, gids } = findIdentity(system, name);
  system.setUmask(0o22);
  system.mkdir(prepared, 0o755);
  const directory = `${prepared}/${uid}`;
  const made = system.mkdir(directory, 0o700);
  const found = system.stat(directory, false);
  if (found.errno !== 0) throw new SystemError(`unable to create ${directory}`, made < 0 ? -made : found.errno);
  if (found.kind !== "directory" || (made < 0 && found.uid !== uid)) {
    throw new SystemError(`${directory} is not a directory of ${name}`, 0);
  }
  if (made >= 0) orFail(system.setOwner(directory, uid, gids[0] ?? 0), `unable to give ${directory} to ${name}`);
}
