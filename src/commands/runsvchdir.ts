// runsvchdir(8): makes another set of services the current one, by exchanging the link that runsvdir follows.

import { EINVAL, ENOENT, ENOSYS, EROFS } from "../core/text/errors.ts";
import { isAbsolute } from "../core/text/paths.ts";
import { makeAbove } from "../directories/state-root.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";

const newLink = "current.new";
/** No set can be called so. */
const ownLink = ".previous.new";
const defaultDirectory = "/etc/runit/runsvdir";
/** In its place, where that is read-only. */
const writableDirectory = "/run/runit/runsvdir";

export function runsvchdir(args: readonly string[], system: System): number {
  const wanted = args[1];
  if (wanted === undefined) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsvchdir")} dir\n\n`);
    return 1;
  }
  if (wanted.startsWith(".")) throw new SystemError(`${wanted}: must not start with a dot.`, 0);
  // It would be lost on the way.
  if (wanted === newLink || wanted === `${newLink}/`) throw new SystemError(`${wanted}: must not be called so.`, 0);
  const named = system.environment("RUNSVDIR");
  const directory = named ?? placeOf(system);
  const isElsewhere = named === undefined && directory !== defaultDirectory;
  orFail(system.chdir(directory), `unable to chdir: ${directory}`);
  // One switch at a time: another one would take our links for its own.
  const lock = orFail(system.open(".", openRead + openDirectory, 0), `unable to open: ${directory}`);
  orFail(system.awaitLock(lock), `unable to lock: ${directory}`);

  const target = isElsewhere ? targetOf(system, wanted) : wanted;
  const found = system.identify(target, true);
  if (found.errno !== 0) {
    throw new SystemError(found.errno === ENOENT ? wanted : `unable to stat: ${wanted}`, found.errno);
  }
  if (found.kind !== "directory") throw new SystemError(`${wanted}: not a directory.`, 0);
  finishMove(system);
  const current = system.identify("current", true);
  if (current.errno !== 0) throw new SystemError("unable to stat: current", current.errno);
  let text = textFor(system, target);
  if (current.identity === found.identity) {
    text = wanted === "previous" ? system.readlink(newLink).text : "";
    if (text === "") {
      system.writeText(1, `runsvchdir: ${wanted}: current.\n`);
      return 0;
    }
  }
  exchange(system, text, wanted);
  system.writeText(1, `runsvchdir: ${wanted}: now current.\n`);
  return 0;
}

/** Where the links are: where they can be written. Throws SystemError. */
function placeOf(system: System): string {
  // What is not there cannot be removed, but on a read-only file system that is not why.
  if (system.rmdir(`${defaultDirectory}/.none`) !== -EROFS) return defaultDirectory;
  makeAbove(system, `${writableDirectory}/current`);
  const given = system.readlink(`${defaultDirectory}/current`);
  // The first time: what has been current so far.
  if (given.errno === 0 && system.readlink(`${writableDirectory}/current`).errno === ENOENT) {
    const text = isAbsolute(given.text) ? given.text : `${defaultDirectory}/${given.text}`;
    orFail(system.symlink(text, `${writableDirectory}/current`), `unable to create: ${writableDirectory}/current`);
  }
  return writableDirectory;
}

/** A set among the links, or one that stands where they cannot. */
function targetOf(system: System, wanted: string): string {
  if (isAbsolute(wanted) || system.stat(wanted, true).errno === 0) return wanted;
  return `${defaultDirectory}/${wanted}`;
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
  if (system.readlink(newLink).text !== text) {
    remove(system, newLink);
    orFail(system.symlink(text, newLink), `unable to create: current.new -> ${wanted}`);
  }
  const old = system.readlink("current");
  if (old.errno === EINVAL) {
    replaceDirectory(system);
    return;
  }
  if (old.errno !== 0) throw new SystemError("unable to readlink: current", old.errno);
  remove(system, ownLink);
  orFail(system.symlink(old.text, ownLink), "unable to copy: current to previous");
  const moved = system.rename(ownLink, "previous");
  if (moved < 0) {
    system.unlink(ownLink);
    throw new SystemError("unable to unlink: previous", -moved);
  }
  orFail(system.rename(newLink, "current"), "unable to move: current.new to current");
}

/** `current` is a directory: it cannot be copied, so it changes places with the link, by a name that says so. */
function replaceDirectory(system: System): void {
  remove(system, "previous");
  orFail(system.rename(newLink, ownLink), "unable to move: current.new to .previous.new");
  const exchanged = system.exchange(ownLink, "current");
  if (exchanged !== -EINVAL && exchanged !== -ENOSYS) {
    orFail(exchanged, "unable to move: .previous.new to current");
    finishMove(system);
    return;
  }
  // Not every file system can: then there is a moment without a current set.
  orFail(system.rename("current", "previous"), "unable to copy: current to previous");
  const moved = system.rename(ownLink, "current");
  if (moved >= 0) return;
  system.rename("previous", "current");
  throw new SystemError("unable to move: current.new to current", -moved);
}

/** A directory that was current and has changed places becomes the previous set: also one left by a run that was killed. */
function finishMove(system: System): void {
  const { errno, kind } = system.stat(ownLink, false);
  if (errno !== 0 && errno !== ENOENT) throw new SystemError("unable to stat: .previous.new", errno);
  if (errno !== 0 || kind !== "directory") return;
  remove(system, "previous");
  orFail(system.rename(ownLink, "previous"), "unable to move: .previous.new to previous");
}

function remove(system: System, path: string): void {
  const result = system.unlink(path);
  if (result !== -ENOENT) orFail(result, `unable to unlink: ${path}`);
}
