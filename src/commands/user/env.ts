// sv-user env: the variables that all services of a user get.

import { parseOptions } from "../../core/process/options.ts";
import { environmentName } from "../../core/supervise/names.ts";
import { describeError, ENOENT } from "../../core/text/errors.ts";
import { listEnvironment } from "../../directories/environment.ts";
import { makeAbove, makeStateRoot } from "../../directories/state-root.ts";
import { tell } from "../../directories/supervised.ts";
import { readStart } from "../../directories/text.ts";
import { environmentByte } from "../../engine/supervisor.ts";
import { SystemError } from "../../system/errors.ts";
import type { System } from "../../system/system.ts";
import { callSv, User, usageCode } from "./user.ts";

const usage =
  "usage: sv-user env [-p] [--restart] VAR=VALUE ... | VAR ...\n       sv-user env [-p] [--restart] -d VAR ...\n       sv-user env\n";
const maxErrors = 99;

export function userEnv(words: readonly string[], system: System): number {
  const options = parseOptions(words, "pd", ["--restart"]);
  let isPersistent = false;
  let deletes = false;
  let restarts = false;
  for (const { letter } of options.given) {
    if (letter === "p") isPersistent = true;
    if (letter === "d") deletes = true;
    if (letter === "--restart") restarts = true;
  }
  const isRight = options.complaint === "" && (options.endedBy === "" || options.endedBy === "--");
  if (!isRight || (options.rest.length === 0 && options.given.length > 0)) {
    system.writeText(2, usage);
    return usageCode;
  }
  const user = new User(system);
  if (options.rest.length === 0) return show(user);
  const directory = directoryFor(user, isPersistent);
  let errors = 0;
  const changed: string[] = [];
  for (const word of options.rest) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const why = change(system, directory, word, name, deletes);
    if (why === "") changed.push(name);
    else {
      user.complain(`sv-user: env: ${name === "" ? word : name}: ${why}\n`);
      errors++;
    }
  }
  tellWaiting(user);
  if (restarts) errors += restart(user, changed);
  return Math.min(errors, maxErrors);
}

/** Made if need be. Throws SystemError. */
function directoryFor(user: User, isPersistent: boolean): string {
  const { system, places } = user;
  if (isPersistent) {
    const directory = `${places.conf}/.env`;
    const above = makeAbove(system, `${directory}/.`);
    if (above < 0) throw new SystemError(`unable to create ${directory}`, -above);
    return directory;
  }
  const { run } = user;
  makeStateRoot(system, run, run);
  system.mkdir(`${run}/${environmentName}`, 0o700);
  return `${run}/${environmentName}`;
}

/** "" or why not. */
function change(system: System, directory: string, word: string, name: string, deletes: boolean): string {
  if (name === "" || name.includes("/") || name.startsWith(".")) return "not a name";
  const path = `${directory}/${name}`;
  if (deletes) {
    const removed = system.unlink(path);
    return removed >= 0 || removed === -ENOENT ? "" : describeError(-removed);
  }
  const value = name === word ? system.environment(name) : word.slice(name.length + 1);
  if (value === undefined) return "not in the environment";
  // As chpst -e has it: one line, and newlines within the value as NUL.
  const line = `${value.split("\n").join("\0")}\n`;
  const written = system.replaceText(`${directory}/.${name}.${system.pid}`, path, line, 0o600);
  return written < 0 ? describeError(-written % 1000) : "";
}

function show(user: User): number {
  const { system, places, run } = user;
  let text = "";
  for (const directory of [`${places.conf}/.env`, `${run}/${environmentName}`]) {
    if (system.stat(directory, true).kind !== "directory") continue;
    for (const entry of listEnvironment(system, directory)) text += `${entry}\n`;
  }
  user.say(text);
  return 0;
}

/** Services that are not started before they have what they need: they look again. */
function tellWaiting(user: User): void {
  for (const name of user.enabled) {
    const state = user.stateOf(name);
    if (user.system.stat(`${state}/waits`, true).errno === 0) tell(user.system, state, environmentByte);
  }
}

/** Those that say they need one of these; how many could not be restarted. */
function restart(user: User, names: readonly string[]): number {
  let errors = 0;
  for (const name of user.enabled) {
    const needs = readStart(user.system, `${user.places.scan}/${name}/env-needs`, 4096).split("\n");
    if (needs.some((line) => names.includes(line.trim())) && user.isSupervised(name)) {
      errors += callSv(user, ["try-restart", name]);
    }
  }
  return errors;
}
