// sv-user(8): services of a user without root: every command of sv, and what else there is to do with them.

import { describeVersion } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { whyNoName } from "../core/supervise/names.ts";
import { isStatusWord, isWholeWord, parseRequest } from "../core/supervise/requests.ts";
import type { System } from "../system/system.ts";
import { userBoot } from "./user/boot.ts";
import { userDoctor } from "./user/doctor.ts";
import { userEnv } from "./user/env.ts";
import { userList } from "./user/list.ts";
import { describeLastLine, userLog } from "./user/log.ts";
import { userNew } from "./user/new.ts";
import { userSession } from "./user/session.ts";
import { becomeUser, callSv, parseSeconds, User, usageCode } from "./user/user.ts";

const maxErrors = 99;
const supervisedMilliseconds = 7000;

const usage = `usage: sv-user [-u USER] [-w SEC] [-v] COMMAND [NAME ...]
commands of sv: status up down once start stop restart reload check force-stop ...
  list [--json]                every service, enabled or not
  log [-f] [-n LINES] NAME     what it has said
  new NAME [--] CMD [ARG ...]  a definition for a command
  path NAME                    directory of its definition
  env [VAR[=VALUE] ...]        variables of all services; -d deletes, -p keeps
  session start|stop|run|status
  boot on|off|status [USER]    start with the machine
  doctor                       what is wrong
sv-add NAME enables a service, sv-remove NAME disables it.
`;

export function svUser(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "u:w:vV", []);
  let account = "";
  let isWrong = false;
  const forSv: string[] = [];
  for (const { letter, value } of options.given) {
    if (letter === "u") account = value;
    if (letter === "w") forSv.push("-w", value);
    if (letter === "w" && parseSeconds(value) < 0) isWrong = true;
    if (letter === "v") forSv.push("-v");
    if (letter === "V") {
      system.writeText(2, describeVersion("sv-user"));
      return usageCode;
    }
  }
  const command = String(options.rest[0] ?? "");
  const words = options.rest.slice(1);
  if (options.complaint !== "" || options.endedBy !== "" || command === "" || isWrong) {
    if (options.complaint !== "") system.writeText(2, `sv-user: ${options.complaint}\n`);
    system.writeText(2, usage);
    return usageCode;
  }
  if (command === "boot") return userBoot(words, account, system);
  if (account !== "") becomeUser(system, account);
  switch (command) {
    case "list":
      return userList(words, system);
    case "log":
      return userLog(words, system);
    case "env":
      return userEnv(words, system);
    case "new":
      return userNew(words, system);
    case "path":
      return userPath(words, system);
    case "session":
      return userSession([...forSv.filter((word) => word !== "-v"), ...words], system);
    case "doctor":
      return userDoctor(words, system);
    default:
      return control(command, words, forSv, system);
  }
}

function userPath(words: readonly string[], system: System): number {
  const name = words[0];
  if (name === undefined || words.length !== 1) {
    system.writeText(2, "usage: sv-user path NAME\n");
    return usageCode;
  }
  const user = new User(system);
  const link = system.readlink(`${user.places.scan}/${name}`);
  const isName = whyNoName(name) === "";
  const path = !isName ? "" : link.errno === 0 ? link.text : user.findDefinition(name);
  if (path === "") {
    user.complain(`sv-user: ${name}: no such service\n`);
    return 1;
  }
  user.say(`${path}\n`);
  return 0;
}

/** A command of sv, for services that are enabled. */
function control(command: string, names: readonly string[], forSv: readonly string[], system: System): number {
  const isReport = isStatusWord(command, false);
  const request = isReport ? undefined : parseRequest(command);
  const isKnown = isWholeWord(command) && (isReport || request !== undefined);
  if (!isKnown || (!isReport && names.length === 0)) {
    // For sv, `disable` is `down`: what somebody means by it here is another thing.
    if (!isKnown) system.writeText(2, `sv-user: ${command}: no such command${hintOf(command)}\n`);
    system.writeText(2, usage);
    return usageCode;
  }
  const user = new User(system);
  let errors = 0;
  const enabled: string[] = [];
  for (const name of isReport && names.length === 0 ? user.enabled : names) {
    const service = name.endsWith("/log") ? name.slice(0, -4) : name;
    const wrong = whyNoName(service);
    if (wrong === "" && user.isEnabled(service)) enabled.push(name);
    else if (wrong !== "") {
      errors++;
      user.complain(`sv-user: ${wrong}\n`);
    } else {
      errors++;
      if (user.findDefinition(name) !== "") user.complain(`sv-user: ${name}: not enabled (run: sv-add ${name})\n`);
      else user.complain(`sv-user: ${name}: no such service\n`);
    }
  }
  if (enabled.length === 0) return Math.min(errors, maxErrors);
  const starts = request !== undefined && (request.bytes.includes("u") || request.bytes === "o");
  if (starts) startAll(user, enabled);
  const there: string[] = [];
  for (const name of enabled) {
    if (user.isSupervised(name) || user.facts !== undefined) there.push(name);
    else {
      const pid = user.childrenOf(name)[0];
      user.say(pid === undefined ? `down: ${name}: no supervisor\n` : `run: ${name}: (pid ${pid}) no supervisor\n`);
    }
  }
  if (there.length > 0) errors += callSv(user, [...forSv, command, ...there]);
  if (starts && errors > 0) {
    for (const name of there) {
      const line = user.isFailing(name) ? describeLastLine(user, name) : "";
      if (line !== "") user.complain(`sv-user: ${name}: the last line of its log: ${line}\n`);
    }
  }
  return Math.min(errors, maxErrors);
}

/** What is meant by words of other tools. */
function hintOf(command: string): string {
  if (command === "enable" || command === "add") return " (sv-add NAME)";
  if (command === "disable" || command === "remove" || command === "delete") return " (sv-remove NAME)";
  if (command === "logs" || command === "tail") return " (sv-user log NAME)";
  return "";
}

/** Starts the tree, unless there is one; what is to be told something is supervised then. */
function startAll(user: User, names: readonly string[]): void {
  user.startTree([], false);
  user.awaitSupervised(names, supervisedMilliseconds);
}
