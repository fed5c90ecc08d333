// runsvchdir(8): makes another set of services the current one, by exchanging the link that runsvdir follows.

import { EINVAL, ENOENT, ENOSYS } from "../core/text/errors.ts";
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
  finishMove(system);
  const current = system.identify("current", true);
  if (current.errno !== 0) throw new SystemError("unable to stat: current", current.errno);
  let text = textFor(system, wanted);
  if (current.identity === found.identity) {
    text = wanted === "previous" ? system.readlink("current.new").text : "";
    if (text === "") {
      system.writeText(1, `runsvchdir: ${wanted}: current.\n`);
      return 0;
    }
  }
  exchange(system, text, wanted);
  system.writeText(1, `runsvchdir: ${wanted}: now current.\n`);
  return 0;
}

/** What the link is to say: the name as given; for "previous", which is about to mean another set, what that says. */
function textFor(system: System, wanted: string): string {
  const link = wanted === "previous" ? system.readlink(wanted) : { errno: EINVAL, text: "" };
  return link.errno === 0 ? link.text : wanted;
}

/**
 * In the end `current` says `text`, and `previous` is what `current` was; there is a current set at every moment. Killed
 * in between, the same command completes it: only the last step makes the new set current. When it is interrupted on the
 * way back, `previous` says the current set already, and `current.new` what it said.
 */
function exchange(system: System, text: string, wanted: string): void {
  if (system.readlink("current.new").text !== text) {
    remove(system, "current.new");
    orFail(system.symlink(text, "current.new"), `unable to create: current.new -> ${wanted}`);
  }
  const old = system.readlink("current");
  if (old.errno === EINVAL) {
    replaceDirectory(system);
    return;
  }
  if (old.errno !== 0) throw new SystemError("unable to readlink: current", old.errno);
  remove(system, "previous.new");
  orFail(system.symlink(old.text, "previous.new"), "unable to copy: current to previous");
  const moved = system.rename("previous.new", "previous");
  if (moved < 0) {
    system.unlink("previous.new");
    throw new SystemError("unable to unlink: previous", -moved);
  }
  orFail(system.rename("current.new", "current"), "unable to move: current.new to current");
}

/** `current` is a directory: it cannot be copied, so it changes places with the link, by a name that says so. */
function replaceDirectory(system: System): void {
  remove(system, "previous");
  orFail(system.rename("current.new", "previous.new"), "unable to move: current.new to previous.new");
  const exchanged = system.exchange("previous.new", "current");
  if (exchanged !== -EINVAL && exchanged !== -ENOSYS) {
    orFail(exchanged, "unable to move: previous.new to current");
    finishMove(system);
    return;
  }
  // Not every file system can: then there is a moment without a current set.
  orFail(system.rename("current", "previous"), "unable to copy: current to previous");
  const moved = system.rename("previous.new", "current");
  if (moved >= 0) return;
  system.rename("previous", "current");
  throw new SystemError("unable to move: current.new to current", -moved);
}

/** A directory that was current and has changed places becomes the previous set: also one left by a run that was killed. */
function finishMove(system: System): void {
  const { errno, kind } = system.stat("previous.new", false);
  if (errno !== 0 && errno !== ENOENT) throw new SystemError("unable to stat: previous.new", errno);
  if (errno !== 0 || kind !== "directory") return;
  remove(system, "previous");
  orFail(system.rename("previous.new", "previous"), "unable to move: previous.new to previous");
}

function remove(system: System, path: string): void {
  const result = system.unlink(path);
  if (result !== -ENOENT) orFail(result, `unable to unlink: ${path}`);
}
