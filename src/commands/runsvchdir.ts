// runsvchdir(8): makes another set of services the current one, by exchanging the link that runsvdir follows.

import { EINVAL, ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";

const defaultDirectory = "/etc/runit/runsvdir";

export function runsvchdir(args: readonly string[], system: System): number {
  const wanted = args[1];
  if (wanted === undefined) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsvchdir")} dir\n\n`);
    return 1;
  }
  if (wanted.startsWith(".")) throw new SystemError(`${wanted}: must not start with a dot.`, 0);
  const directory = system.environment("RUNSVDIR") ?? defaultDirectory;
  orFail(system.chdir(directory), `unable to chdir: ${directory}`);

  const found = system.identify(wanted, true);
  if (found.errno !== 0) {
    throw new SystemError(found.errno === ENOENT ? wanted : `unable to stat: ${wanted}`, found.errno);
  }
  if (found.kind !== "directory") throw new SystemError(`${wanted}: not a directory.`, 0);
  const current = system.identify("current", true);
  if (current.errno !== 0) throw new SystemError("unable to stat: current", current.errno);
  if (current.identity === found.identity) {
    system.writeText(1, `runsvchdir: ${wanted}: current.\n`);
    return 0;
  }
  exchange(system, textFor(system, wanted), wanted);
  system.writeText(1, `runsvchdir: ${wanted}: now current.\n`);
  return 0;
}

/** What the link is to say: the name as given; for "previous", which is about to mean another set, what that says. */
function textFor(system: System, wanted: string): string {
  const link = wanted === "previous" ? system.readlink(wanted) : { errno: EINVAL, text: "" };
  return link.errno === 0 ? link.text : wanted;
}

/** In the end `current` says `text`, and `previous` is what `current` was. */
function exchange(system: System, text: string, wanted: string): void {
  remove(system, "current.new");
  orFail(system.symlink(text, "current.new"), `unable to create: current.new -> ${wanted}`);
  const old = system.readlink("current");
  if (old.errno !== 0) {
    replaceDirectory(system);
    return;
  }
  remove(system, "previous.new");
  orFail(system.symlink(old.text, "previous.new"), "unable to copy: current to previous");
  const moved = system.rename("previous.new", "previous");
  if (moved < 0) {
    system.unlink("previous.new");
    throw new SystemError("unable to unlink: previous", -moved);
  }
  orFail(system.rename("current.new", "current"), "unable to move: current.new to current");
}

/** `current` is a directory: it cannot be copied, so it is moved. */
function replaceDirectory(system: System): void {
  remove(system, "previous");
  orFail(system.rename("current", "previous"), "unable to copy: current to previous");
  const moved = system.rename("current.new", "current");
  if (moved >= 0) return;
  system.rename("previous", "current");
  throw new SystemError("unable to move: current.new to current", -moved);
}

function remove(system: System, path: string): void {
  const result = system.unlink(path);
  if (result !== -ENOENT) orFail(result, `unable to unlink: ${path}`);
}
