// Where the state of services is kept when it cannot, or shall not, stand beside their definitions: a state root holds a
// directory for each service, by its name. sv(8), runsv(8), runit-container(8).
//
// Of a service N whose definition is D:  1. D/supervise, where there is anything of that name;  2. R/N, where a root R is
// named (an option, $SVRUNDIR, the link .run of the scan directory);  3. D/supervise, where it can be made;  4. R/N in the
// default root.

import { baseName } from "../core/process/names.ts";
import { EACCES, EEXIST, ENOENT, EPERM, EROFS } from "../core/text/errors.ts";
import { isAbsolute, parentOf } from "../core/text/paths.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openAppend, openCreate, openNonblocking, openWrite } from "../system/system.ts";
import { findPerson, findRun, UserPlaces } from "./user-places.ts";

const systemRoot = "/run/runit/supervise";

/** A service, as whoever started its supervisor called it. */
export interface Called {
  /** Absolute path of the directory its entry stands in. */
  readonly scan: string;
  readonly name: string;
}

/** A path that relates to the working directory, for good. */
export function absolutePath(system: System, path: string): string {
  return isAbsolute(path) ? path : `${system.currentDirectory().text}/${path}`;
}

/** `path` as seen from the working directory: where it stands, and its last component. */
export function callOf(system: System, path: string): Called {
  let at = path;
  while (at.length > 1 && at.endsWith("/")) at = at.slice(0, -1);
  const here = isAbsolute(at) ? "" : system.currentDirectory().text;
  const name = baseName(at);
  if (name === "" || name === "." || name === "..") {
    // No name of an entry: what it leads to has one.
    const origin = system.open(".", 0, 0);
    system.chdir(at);
    const real = system.currentDirectory().text;
    system.fchdir(origin);
    system.close(origin);
    return { scan: parentOf(real), name: baseName(real) };
  }
  const slash = at.lastIndexOf("/");
  if (slash === 0) return { scan: "/", name };
  if (slash < 0) return { scan: here, name };
  return { scan: isAbsolute(at) ? at.slice(0, slash) : `${here}/${at.slice(0, slash)}`, name };
}

/** The root that the environment, or a scan directory, names; "": none. */
export function namedStateRoot(system: System, scanDirectory: string): string {
  const variable = system.environment("SVRUNDIR") ?? "";
  if (isAbsolute(variable)) return variable;
  const link = system.readlink(`${scanDirectory}/.run`);
  if (link.errno !== 0 || link.text === "") return "";
  if (isAbsolute(link.text)) return link.text;
  return `${isAbsolute(scanDirectory) ? "" : `${system.currentDirectory().text}/`}${scanDirectory}/${link.text}`;
}

/** What is used where none is named and the definition cannot be written to. Throws SystemError. */
export function defaultStateRoot(system: System): string {
  return system.uid === 0 ? systemRoot : findRun(system);
}

/** Where processes in a container look, and where clients look for what those have made, in this order. */
export function listStateRoots(system: System): readonly string[] {
  const uid = `${system.uid}`;
  const roots: string[] = [];
  const add = (base: string, name: string): void => {
    if (isAbsolute(base)) roots.push(`${base}${name}`);
  };
  add(system.environment("SVRUNDIR") ?? "", "");
  add(systemRoot, "");
  add("/run", `/sv-${uid}`);
  add(system.environment("XDG_RUNTIME_DIR") ?? "", "/sv");
  add(system.environment("TMPDIR") ?? "", `/sv-${uid}`);
  add("/tmp", `/sv-${uid}`);
  add("/dev/shm", `/sv-${uid}`);
  return roots;
}

/**
 * Makes a directory with all that leads to it, unless it is there. Throws SystemError: it cannot be had, or it is not
 * ours alone. (Its group may look into it: sharing.)
 * @param wanted what it is needed for, as messages name it
 */
export function makeStateRoot(system: System, path: string, wanted: string): void {
  const above = makeAbove(system, path);
  const made = system.mkdir(path, 0o700);
  const found = system.stat(path, false);
  if (found.errno !== 0) {
    const errno = above < 0 ? -above : made < 0 ? -made : found.errno;
    throw new SystemError(`unable to create state directory ${wanted}`, errno);
  }
  const why = whyNotOurs(system, path);
  if (why !== "") throw new SystemError(`unable to use state directory ${path}: ${why}`, 0);
}

/** "": it is a directory of ours in which nobody else can write. */
export function whyNotOurs(system: System, path: string): string {
  const found = system.stat(path, false);
  if (found.errno !== 0 || found.kind !== "directory") return "not a directory";
  if (found.uid !== system.uid) return `owned by uid ${found.uid}`;
  return mayOthersWrite(found.mode) ? "writable by others" : "";
}

/** Group or all. */
export function mayOthersWrite(mode: number): boolean {
  return Math.floor(mode / 0o20) % 2 === 1 || Math.floor(mode / 0o2) % 2 === 1;
}

/** The directories that lead to it: below /run for all to pass, elsewhere for us alone. Answers 0, or the first -errno. */
export function makeAbove(system: System, path: string): number {
  const mode = path.startsWith("/run/") ? 0o755 : 0o700;
  const missing: string[] = [];
  for (let at = parentOf(path); at !== "/" && system.stat(at, true).errno === ENOENT; at = parentOf(at)) {
    missing.unshift(at);
  }
  for (const directory of missing) {
    const made = system.mkdir(directory, mode);
    if (made < 0 && made !== -EEXIST) return made;
  }
  return 0;
}

/** The same for processes in a container: whether it can be had, and files be made in it. */
export function openStateRoot(system: System, path: string): boolean {
  if (path.startsWith("/run/")) makeAbove(system, path);
  system.mkdir(path, 0o700);
  return whyNotOurs(system, path) === "" && isWritable(system, path);
}

/** Whether files can be made in this directory. */
function isWritable(system: System, directory: string): boolean {
  const path = `${directory}/.new`;
  const fd = system.open(path, openWrite + openCreate, 0o600);
  if (fd < 0) return false;
  system.close(fd);
  system.unlink(path);
  return true;
}

/** The first of the places listed that can be had; "": none. */
export function findStateRoot(system: System): string {
  for (const path of listStateRoots(system)) if (openStateRoot(system, path)) return path;
  return "";
}

/** Decides for each service of a container where its state is. */
export class ContainerPlaces {
  readonly #system: System;
  readonly #isNamed: boolean;
  /** Where what cannot stand beside its definition is; "": nowhere. */
  readonly root: string;

  constructor(system: System, scanDirectory: string) {
    this.#system = system;
    const named = namedStateRoot(system, scanDirectory);
    this.#isNamed = named !== "" && openStateRoot(system, named);
    this.root = this.#isNamed ? named : findStateRoot(system);
  }

  /**
   * State directory of a service; "": none can be had.
   * @param base path of the service directory (or of its log/), ending in a slash
   * @param name of the service; a log service's ends in .log
   */
  placeOf(base: string, name: string): string {
    const classic = `${base}supervise`;
    const isThere = this.#system.stat(classic, false).errno === 0;
    if (isThere ? isUsable(this.#system, classic) : !this.#isNamed && canMake(this.#system, classic)) return classic;
    return this.root === "" ? "" : `${this.root}/${name}`;
  }
}

function isUsable(system: System, classic: string): boolean {
  if (makeLinkParents(system, classic)) return true;
  return isWritable(system, classic); // a read-only one is left over from the making of an image
}

/** Whether it is a link; the directories that lead to its target are made if that is below /run, or in a RUN of ours. */
function makeLinkParents(system: System, classic: string): boolean {
  const link = system.readlink(classic);
  if (link.errno !== 0) return false;
  const isOurs = link.text.startsWith("/run/") || link.text.startsWith(`${runOf(system)}/`);
  if (isOurs) makeAbove(system, link.text);
  return true;
}

/** The RUN of a user; "none": it cannot be told. */
function runOf(system: System): string {
  try {
    return findRun(system);
  } catch (error: unknown) {
    if (!(error instanceof SystemError)) throw error;
    return "none";
  }
}

/** Makes D/supervise; false: the definition is not to be written to. */
function canMake(system: System, classic: string): boolean {
  const made = system.mkdir(classic, 0o700);
  return made >= 0 || made === -EEXIST || !isForbidden(-made);
}

function isForbidden(errno: number): boolean {
  return errno === EROFS || errno === EACCES || errno === EPERM || errno === ENOENT;
}

/** Decides where the state of a service is, for its runsv. The working directory is the service directory. */
export class StatePlaces {
  readonly #system: System;
  /** A root is named: "" if not. */
  readonly named: string;
  /** The scan directory, which cannot be its own state root. */
  readonly #scan: string;

  constructor(system: System, named: string, scan: string) {
    this.#system = system;
    this.named = named;
    this.#scan = scan;
  }

  /**
   * State directory of a service; its root is there then. Throws SystemError.
   * @param base "", or "log/"
   * @param key its name in a root
   */
  placeOf(base: string, key: string): string {
    const classic = `${base}supervise`;
    const isThere = this.#system.stat(classic, false).errno === 0;
    if (isThere ? !this.#isLeftOver(classic) : this.named === "" && canMake(this.#system, classic)) return classic;
    const root = this.named === "" ? defaultStateRoot(this.#system) : this.named;
    const place = `${root}/${key}`;
    makeStateRoot(this.#system, root, place);
    if (this.#system.identify(root, true).identity === this.#system.identify(this.#scan, true).identity) {
      throw new SystemError(`unable to use state directory ${root}: it is the scan directory`, 0);
    }
    return place;
  }

  /** A directory on a read-only file system: nothing can be done there. */
  #isLeftOver(classic: string): boolean {
    if (makeLinkParents(this.#system, classic)) return false;
    const fd = this.#system.open(`${classic}/lock`, openWrite + openAppend + openCreate + openNonblocking, 0o600);
    if (fd >= 0) this.#system.close(fd);
    return fd === -EROFS;
  }
}

/** What a service without another place for its logs is told. */
export function defaultLogDirectory(system: System, name: string): string {
  if (system.uid === 0) return `/var/log/sv/${name}`;
  try {
    return `${new UserPlaces(system, findPerson(system, system.uid)).log}/${name}`;
  } catch (error: unknown) {
    if (!(error instanceof SystemError)) throw error;
    return "";
  }
}

/**
 * Says in a state directory whose it is: `definition` leads to the working directory (or to what `below` it is the
 * definition), `scan` to the scan directory.
 */
export function signState(system: System, state: string, called: Called, below: string): void {
  replaceLink(system, `${state}/definition`, `${system.currentDirectory().text}${below}`);
  replaceLink(system, `${state}/scan`, called.scan);
}

/** Makes a link lead somewhere else, in one step; 0 or -errno. */
export function replaceLink(system: System, path: string, target: string): number {
  if (system.readlink(path).text === target) return 0;
  const temporary = `${path}.new`;
  system.unlink(temporary);
  const made = system.symlink(target, temporary);
  const moved = made < 0 ? made : system.rename(temporary, path);
  if (moved < 0) system.unlink(temporary);
  return moved;
}

/** The link by which whoever looks into a scan directory finds its state root. Throws SystemError. */
export function nameStateRoot(system: System, scanDirectory: string, root: string): void {
  orFail(replaceLink(system, `${scanDirectory}/.run`, root), `unable to link ${scanDirectory}/.run`);
}
