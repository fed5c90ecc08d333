// Where the state of services is kept when it cannot, or shall not, stand beside their definitions: a state root holds a
// directory for each service, by its name.

import { EACCES, EEXIST, ENOENT, EPERM, EROFS } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { openCreate, openWrite } from "../system/system.ts";

const systemRoot = "/run/runit/supervise";

/** The places that are tried, in this order. */
export function listStateRoots(system: System): readonly string[] {
  const uid = `${system.uid}`;
  const roots: string[] = [];
  const add = (base: string, name: string): void => {
    if (base.startsWith("/")) roots.push(`${base}${name}`);
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

/** What a scan directory, or the environment, says explicitly; "": nothing. */
export function explicitStateRoot(system: System, scanDirectory: string): string {
  const variable = system.environment("SVRUNDIR") ?? "";
  if (variable.startsWith("/")) return variable;
  const link = system.readlink(`${scanDirectory}/.run`);
  return link.errno === 0 && link.text.startsWith("/") ? link.text : "";
}

/** Makes a directory ours alone; whether it is: a real directory, our own, in which nobody else can write. */
export function openStateRoot(system: System, path: string): boolean {
  makeParents(system, path);
  system.mkdir(path, 0o700);
  const found = system.stat(path, false);
  if (found.errno !== 0 || found.kind !== "directory") return false;
  const mayOthersWrite = Math.floor(found.mode / 0o20) % 2 === 1 || Math.floor(found.mode / 0o2) % 2 === 1;
  return found.uid === system.uid && !mayOthersWrite && isWritable(system, path);
}

/** Only below /run: that is empty after each boot. */
function makeParents(system: System, path: string): void {
  if (!path.startsWith("/run/")) return;
  for (let slash = path.indexOf("/", 5); slash > 0; slash = path.indexOf("/", slash + 1)) {
    system.mkdir(path.slice(0, slash), 0o755);
  }
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

/** The first of those places that can be had; "": none. */
export function findStateRoot(system: System): string {
  for (const path of listStateRoots(system)) if (openStateRoot(system, path)) return path;
  return "";
}

/** Decides for each service where its state is. */
export class StatePlaces {
  readonly #system: System;
  /** Named explicitly; "": not. */
  readonly #explicit: string;
  /** Where what cannot stand beside its definition is; "": nowhere. */
  readonly root: string;

  constructor(system: System, scanDirectory: string) {
    this.#system = system;
    this.#explicit = explicitStateRoot(system, scanDirectory);
    this.root = this.#findRoot();
  }

  #findRoot(): string {
    if (this.#explicit !== "" && openStateRoot(this.#system, this.#explicit)) return this.#explicit;
    return findStateRoot(this.#system);
  }

  /**
   * State directory of a service; "": none can be had.
   * @param base path of the service directory (or of its log/), ending in a slash
   * @param name of the service; a log service's ends in .log
   */
  placeOf(base: string, name: string): string {
    const classic = `${base}supervise`;
    const system = this.#system;
    const found = system.stat(classic, false);
    if (found.errno === 0) {
      if (found.kind === "link") {
        const target = system.readlink(classic);
        if (target.errno === 0 && target.text.startsWith("/")) makeParents(system, `${target.text}/`);
        return classic;
      }
      if (isWritable(system, classic)) return classic; // a read-only one is left over from the making of an image
    } else if (this.#explicit === "" || this.root !== this.#explicit) {
      const made = system.mkdir(classic, 0o700);
      if (made === 0 || made === -EEXIST || !isForbidden(-made)) return classic;
    }
    return this.root === "" ? "" : `${this.root}/${name}`;
  }
}

function isForbidden(errno: number): boolean {
  return errno === EROFS || errno === EACCES || errno === EPERM || errno === ENOENT;
}
