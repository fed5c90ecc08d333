// runsv(8): starts and supervises one service, and its log service where there is one.

import { parseOptions } from "../core/process/options.ts";
import { describeWarning } from "../core/text/messages.ts";
import { isMarker } from "../directories/service.ts";
import { absolutePath, callOf } from "../directories/state-root.ts";
import { supervise } from "../engine/engine.ts";
import type { Apart } from "../engine/kept-apart.ts";
import { KeptApart } from "../engine/kept-apart.ts";
import { lockMilliseconds, Setting, Supervisor } from "../engine/supervisor.ts";
import { SystemError } from "../system/errors.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { System } from "../system/system.ts";

export function runsv(args: readonly string[], system: System): number {
  const directory = directoryOf(args);
  if (directory === undefined) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsv")} dir\n\n`);
    return 1;
  }
  // From here on TERM is never lost: blocked, except while waiting.
  system.watchSignals(["TERM", "CHLD"]);
  const setting = new Setting("");
  const supervisor = claim(args, directory, setting, system);
  if (supervisor !== undefined) {
    system.guard();
    supervisor.begin();
    supervise(system, [supervisor]);
  }
  setting.forget();
  return 0;
}

/** Ready to begin; undefined: told to end before. What is only needed on the way there takes no memory afterwards. */
function claim(args: readonly string[], directory: string, setting: Setting, system: System): Supervisor | undefined {
  const program = `runsv ${directory}`;
  const called = callOf(system, directory);
  const warn = (text: string): void => system.complain(describeWarning(program, text, 0));
  const apart = new KeptApart(system, setting, called, parseApart(args, system), warn);
  const kept = system.kept();
  let ofSupervisor = kept ?? "";
  if (kept === undefined) {
    const changed = system.chdir(directory);
    if (changed < 0) throw new SystemError("unable to change to directory", -changed);
    setting.isMarkedDown = isMarker(system, `${called.scan}/.${called.name}.down`);
    apart.place();
  } else if (kept === "") {
    // It is lost, and so is where we were started: whoever did, does it again.
    const isBeside = args.length === 2 && system.stat("supervise", false).errno === 0;
    if (!isBeside) throw new SystemError("the state is lost", 0);
    apart.place();
  } else {
    const resumed = apart.resume(kept);
    if (resumed !== "") ofSupervisor = resumed;
  }
  const supervisor = new Supervisor(system, program, setting);
  if (apart.isApart) {
    system.watchSignals(["TERM", "CHLD", "HUP"]);
    setting.changed = () => system.keep(apart.describe(supervisor.describe()));
    apart.follow();
  }
  if (ofSupervisor !== "" && supervisor.resume(ofSupervisor)) return supervisor;
  supervisor.claim();
  let isSaid = !apart.isApart; // beside their definitions, services share a log service one after the other
  while (!supervisor.claimLog()) {
    if (!isSaid) warn(`${setting.logState}: another runsv has it, waiting`);
    isSaid = true;
    if (isToldToEnd(system)) return undefined;
  }
  apart.sign();
  supervisor.open();
  return supervisor;
}

/** undefined: wrong usage. A single word is the directory, whatever it looks like. */
function directoryOf(args: readonly string[]): string | undefined {
  if (args.length === 2) return String(args[1] ?? "");
  const options = parseOptions(args.slice(1), "s:g:G:e:l:w", []);
  if (options.given.some(({ letter, value }) => (letter === "s" || letter === "l") && value === "")) return undefined;
  const isRight =
    options.complaint === "" &&
    (options.endedBy === "" || (options.endedBy === "--" && options.given.length > 0)) &&
    options.rest.length === 1;
  return isRight ? options.rest[0] : undefined;
}

/** The options. Relative paths of `-e` are below the service directory. */
function parseApart(args: readonly string[], system: System): Apart {
  let root = "";
  let controlGroup = "";
  let queryGroup = "";
  const environments: string[] = [];
  let logs = "";
  let isTold = false;
  const given = args.length === 2 ? [] : parseOptions(args.slice(1), "s:g:G:e:l:w", []).given;
  for (const { letter, value } of given) {
    if (letter === "s") root = absolutePath(system, value);
    if (letter === "g") controlGroup = value;
    if (letter === "G") queryGroup = value;
    if (letter === "e") environments.push(value);
    if (letter === "l") logs = absolutePath(system, value);
    if (letter === "w") isTold = true;
  }
  return { root, controlGroup, queryGroup, environments, logs, isTold };
}

/** Waits a moment for a log lock that another runsv holds. */
function isToldToEnd(system: System): boolean {
  return awaitHappenings(system, { fds: [], milliseconds: lockMilliseconds }).some((heard) => heard.kind === "signal");
}
