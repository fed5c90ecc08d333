// The one binary. The basename of argv[0] says which program it is; `runit-ts PROGRAM args…` says so too. Under any other
// name it is what the link it was executed by leads to, and sv as an init script if that says nothing either.

import { chpst } from "../commands/chpst.ts";
import { envdir } from "../commands/envdir.ts";
import { envuidgid } from "../commands/envuidgid.ts";
import { helpOf } from "../commands/help.ts";
import { pgrphack } from "../commands/pgrphack.ts";
import { runit } from "../commands/runit.ts";
import { runitContainer } from "../commands/runit-container.ts";
import { runitInit } from "../commands/runit-init.ts";
import { runsv } from "../commands/runsv.ts";
import { runsvchdir } from "../commands/runsvchdir.ts";
import { runsvctrl } from "../commands/runsvctrl.ts";
import { runsvdir } from "../commands/runsvdir.ts";
import { runsvstat } from "../commands/runsvstat.ts";
import { setlock } from "../commands/setlock.ts";
import { setuidgid } from "../commands/setuidgid.ts";
import { softlimit } from "../commands/softlimit.ts";
import { sv } from "../commands/sv.ts";
import { svUser } from "../commands/sv-user.ts";
import { svlogd } from "../commands/svlogd.ts";
import { svwaitdown } from "../commands/svwaitdown.ts";
import { svwaitup } from "../commands/svwaitup.ts";
import { svAdd } from "../commands/user/add.ts";
import { svRemove } from "../commands/user/remove.ts";
import { utmpset } from "../commands/utmpset.ts";
import { baseName, toolName } from "../core/process/names.ts";
import { launch } from "../system/launch.ts";
import { PosixSystem } from "../system/posix.ts";
import type { System } from "../system/system.ts";

const self = "runit-ts";
const programs =
  "chpst envdir envuidgid init pgrphack runit runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat setlock setuidgid " +
  "softlimit sv sv-add sv-del sv-disable sv-enable sv-remove sv-user svlogd svwaitdown svwaitup utmpset";
/** What chpst is too, by these names. */
const chpstNames = "envdir envuidgid pgrphack setlock setuidgid softlimit";
/** Pages of programs that runit does not have. */
const newPages = "runit-container sv-add sv-remove sv-user";
const longestChain = 40;

function main(): void {
  const system = new PosixSystem();
  const argv = system.argv;
  const name = baseName(String(argv[0] ?? ""));
  if (name !== self) {
    process.exitCode = run(programOf(name, system), argv, system);
    return;
  }
  if (asksForHelp(argv, system)) {
    system.writeText(1, helpOf(self));
    return;
  }
  const args = argv.slice(1);
  const asked = baseName(String(args[0] ?? ""));
  if (isProgram(asked) || isTool(toolName(asked))) {
    system.dropArgument();
    process.exitCode = run(programOf(asked, system), args, system);
    return;
  }
  system.writeText(2, `usage: ${self} PROGRAM args ...\nprograms: ${programs}\n`);
  process.exitCode = 100;
}

/** What a name stands for: itself, one of chpst's with a `d` in front, or what the links say. */
function programOf(name: string, system: System): string {
  if (isProgram(name)) return name;
  return isTool(toolName(name)) ? toolName(name) : nameByLinks(system);
}

function isTool(name: string): boolean {
  return isAmong(chpstNames, name);
}

function isProgram(name: string): boolean {
  return isAmong(programs, name);
}

function isAmong(names: string, name: string): boolean {
  return ` ${names} `.includes(` ${name} `) && name !== "";
}

/** The first program's name on the chain of links by which this was executed; "": none. */
function nameByLinks(system: System): string {
  let path = system.executedPath;
  for (let i = 0; i < longestChain; i++) {
    if (isProgram(baseName(path))) return baseName(path);
    const link = system.readlink(path);
    if (link.errno !== 0) return "";
    path = link.text.startsWith("/") ? link.text : `${path.slice(0, path.lastIndexOf("/") + 1)}${link.text}`;
  }
  return "";
}

/** `PROGRAM --help` and nothing else. Process 1 has no reader, and a service directory may have any name. */
function asksForHelp(args: readonly string[], system: System): boolean {
  if (args.length !== 2 || String(args[1] ?? "") !== "--help" || system.pid === 1) return false;
  return system.stat("--help", true).errno !== 0;
}

/** The short text of the manual page. The programs of runit then say what they say to `--help`: usage, or no such directory. */
function help(program: string, args: readonly string[], system: System): number {
  const page = pageOf(program);
  system.writeText(1, helpOf(page));
  return isAmong(newPages, page) ? 0 : start(program, args, system);
}

/** The manual page of a program, which may be that of another name. */
function pageOf(program: string): string {
  switch (program) {
    case "sv-enable":
      return "sv-add";
    case "sv-del":
    case "sv-disable":
      return "sv-remove";
    case "init":
      return "runit-init";
    default:
      return program === "" ? "sv" : program;
  }
}

function run(program: string, args: readonly string[], system: System): number {
  return asksForHelp(args, system) ? help(program, args, system) : start(program, args, system);
}

function start(program: string, args: readonly string[], system: System): number {
  const called = String(args[0] ?? "");
  switch (program) {
    case "chpst":
      return launch({ run: chpst, failure: 111 }, "chpst", args, system);
    case "envdir":
      return launch({ run: envdir, failure: 111 }, "chpst", args, system);
    case "envuidgid":
      return launch({ run: envuidgid, failure: 111 }, "chpst", args, system);
    case "pgrphack":
      return launch({ run: pgrphack, failure: 111 }, "chpst", args, system);
    case "runit":
      return launch({ run: runit, failure: 111 }, "- runit", args, system);
    case "runit-container":
      return launch({ run: runitContainer, failure: 111 }, "runit-container", args, system);
    case "init":
    case "runit-init":
      return launch({ run: runitInit, failure: 111 }, "init", args, system);
    case "runsv":
      return launch({ run: runsv, failure: 111 }, `runsv ${String(args[args.length - 1] ?? "")}`, args, system);
    case "runsvchdir":
      return launch({ run: runsvchdir, failure: 111 }, called, args, system);
    case "runsvctrl":
      return launch({ run: runsvctrl, failure: 111 }, "runsvctrl", args, system);
    case "runsvstat":
      return launch({ run: runsvstat, failure: 111 }, "runsvstat", args, system);
    case "svwaitdown":
      return launch({ run: svwaitdown, failure: 111 }, "svwaitdown", args, system);
    case "svwaitup":
      return launch({ run: svwaitup, failure: 111 }, "svwaitup", args, system);
    case "runsvdir":
      return launch({ run: runsvdir, failure: 100 }, baseName(called), args, system);
    case "setlock":
      return launch({ run: setlock, failure: 111 }, "chpst", args, system);
    case "setuidgid":
      return launch({ run: setuidgid, failure: 111 }, "chpst", args, system);
    case "softlimit":
      return launch({ run: softlimit, failure: 111 }, "chpst", args, system);
    case "sv-add":
    case "sv-enable":
      return launch({ run: svAdd, failure: 111 }, "sv-add", args, system);
    case "sv-remove":
    case "sv-del":
    case "sv-disable":
      return launch({ run: svRemove, failure: 111 }, "sv-remove", args, system);
    case "sv-user":
      return launch({ run: svUser, failure: 111 }, "sv-user", args, system);
    case "svlogd":
      return launch({ run: svlogd, failure: 111 }, "svlogd", args, system);
    case "utmpset":
      return launch({ run: utmpset, failure: 111 }, "utmpset", args, system);
    default:
      return launch({ run: sv, failure: 100 }, baseName(called), args, system);
  }
}

main();
