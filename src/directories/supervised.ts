// A service directory as sv finds it: whether a runsv is there, its status, and its control pipe. The service directory is
// the working directory; its state is in `supervise`, or in a state root.

import { baseName } from "../core/process/names.ts";
import type { Remark } from "../core/supervise/report.ts";
import { noRemark } from "../core/supervise/report.ts";
import type { StatusRecord } from "../core/supervise/status.ts";
import { decodeStatus, statusBytes } from "../core/supervise/status.ts";
import { EACCES, ENOENT, ENXIO, EROFS } from "../core/text/errors.ts";
import { isAbsolute, parentOf } from "../core/text/paths.ts";
import { SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead, openWrite } from "../system/system.ts";
import { isMarker } from "./service.ts";
import type { Called } from "./state-root.ts";
import { defaultStateRoot, listStateRoots, mayOthersWrite, namedStateRoot } from "./state-root.ts";
import { readStart } from "./text.ts";

/** What stands in the way; `doing` "" with errno ENXIO: no runsv. */
export interface Trouble {
  readonly isGone: boolean;

  readonly doing: string;
  readonly errno: number;
}

export interface Reading {
  readonly status: StatusRecord | undefined;
  readonly trouble: Trouble | undefined;
}

/** Where the state of most services is, as seen from their directories. */
export const besideIt = "supervise";

/** What was asked for, and where its state was looked for. */
export interface Place {
  /** State directory, as seen from the service directory or absolute. */
  readonly state: string;
  /** Names of the services whose definition this is, where there are several: then none is meant. */
  readonly several: readonly string[];
  /** It is known where the state would be, and there is no supervisor. */
  readonly isGone: boolean;
}

/** Looks for the state of services that is not beside them. */
export class StateFinder {
  readonly #system: System;
  readonly #serviceDirectory: string;

  /** @param serviceDirectory absolute path of the scan directory that is asked about; "": none */
  constructor(system: System, serviceDirectory: string) {
    this.#system = system;
    this.#serviceDirectory = serviceDirectory;
  }

  /**
   * Of the service, or log service, whose directory is the working directory.
   * @param key its name in a state root
   * @param isEntry it is an entry of the scan directory, not the path of a definition
   */
  find(called: Called, key: string, isEntry: boolean): Place {
    const named = this.#named(called);
    const roots = this.#roots(named);
    const found = this.#entry(roots, called, key, named) || this.#logOf(roots, called, named);
    if (found !== "") return { state: found, several: [], isGone: false };
    const several: string[] = [];
    if (!isEntry) {
      const states = this.#withDefinition(roots, key);
      const state = states[0];
      if (state !== undefined && states.length === 1) return { state, several, isGone: false };
      for (const one of states) several.push(baseName(one));
    }
    // What is not there cannot be removed; on a read-only file system that is not why.
    const isKnown = named.length > 0 || this.#system.rmdir(".none") === -EROFS;
    return { state: besideIt, several, isGone: isKnown || this.#hasDead(roots, key) };
  }

  /** The state of an entry whose definition is not there; "": none. */
  findOrphan(called: Called): string {
    const named = this.#named(called);
    const roots = this.#roots(named);
    return this.#entry(roots, called, called.name, []) || this.#logOf(roots, called, []);
  }

  /** What was called `web/log` is an entry `log` of web, or else the log service of web. */
  #logOf(roots: readonly string[], called: Called, named: readonly string[]): string {
    if (called.name !== "log") return "";
    const owner = { scan: parentOf(called.scan), name: baseName(called.scan) };
    return this.#entry(roots, owner, `${owner.name}.log`, named);
  }

  /** Roots that are named: only what stands in them can be meant. */
  #named(called: Called): string[] {
    const named: string[] = [];
    for (const scan of [called.scan, this.#serviceDirectory]) {
      const root = scan === "" ? "" : namedStateRoot(this.#system, scan);
      if (root !== "" && !named.includes(root)) named.push(root);
    }
    return named;
  }

  /** Those that are named, and others that only we or root can have made: in /tmp anybody makes directories. */
  #roots(named: readonly string[]): readonly string[] {
    const roots = [...named];
    const others = [...listStateRoots(this.#system)];
    try {
      others.push(defaultStateRoot(this.#system));
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error; // no home: then nothing is there
    }
    for (const root of others) if (!roots.includes(root) && isTrusted(this.#system, root)) roots.push(root);
    return roots;
  }

  #entry(roots: readonly string[], called: Called, key: string, named: readonly string[]): string {
    const scan = this.#system.identify(called.scan, true).identity;
    let closed = "";
    for (const root of roots) {
      const state = `${root}/${key}`;
      const ok = openOk(this.#system, state);
      if (ok === -EACCES && named.includes(root)) closed = state;
      if (ok < 0) continue;
      this.#system.close(ok);
      const signed = this.#system.identify(`${state}/scan`, true);
      if (signed.errno !== 0 || signed.identity === scan) return state;
    }
    return closed;
  }

  /** States of living services whose definition is the working directory; only the one that is called so, if it is among them. */
  #withDefinition(roots: readonly string[], key: string): readonly string[] {
    const own = this.#system.identify(".", true).identity;
    const states: string[] = [];
    for (const root of roots) {
      const names: string[] = [];
      if (this.#system.list(root, names) < 0) continue;
      names.sort();
      for (const name of names) {
        const state = `${root}/${name}`;
        if (name.startsWith(".") || this.#system.identify(`${state}/definition`, true).identity !== own) continue;
        if (!isListenedTo(this.#system, state)) continue;
        if (name === key) return [state];
        states.push(state);
      }
    }
    return states;
  }

  #hasDead(roots: readonly string[], key: string): boolean {
    return roots.some((root) => this.#system.stat(`${root}/${key}/ok`, true).errno === 0);
  }
}

/** Whether the directory is ours, or root's, and nobody else writes there. */
function isTrusted(system: System, directory: string): boolean {
  const { errno, kind, uid, mode } = system.stat(directory, false);
  return errno === 0 && kind === "directory" && (uid === 0 || uid === system.uid) && !mayOthersWrite(mode);
}

/** Whether a supervisor is there, and we may ask it. */
export function isListenedTo(system: System, state: string): boolean {
  const ok = openOk(system, state);
  if (ok < 0) return false;
  system.close(ok);
  return true;
}

/** Whether so many bytes are taken for a status record. */
export type IsRecord = (bytes: number) => boolean;

/** Reads the status of a service that has a runsv. */
export function readStatus(system: System, state: string, isRecord: IsRecord): Reading {
  const ok = openOk(system, state);
  if (ok < 0) {
    if (ok === -ENXIO) return { status: undefined, trouble: noSupervisor() };
    return inTrouble("unable to open supervise/ok", -ok);
  }
  system.close(ok);
  const fd = system.open(`${state}/status`, openRead + openNonblocking, 0);
  if (fd < 0) return inTrouble("unable to open supervise/status", -fd);
  const bytes = new Uint8Array(statusBytes + 1); // one more: whether there are more
  const length = system.read(fd, bytes);
  system.close(fd);
  if (length < 0) return inTrouble("unable to read supervise/status", -length);
  const status = isRecord(length) ? decodeStatus(bytes.subarray(0, length)) : undefined;
  if (status === undefined) return inTrouble("unable to read supervise/status: bad format", 0);
  return { status, trouble: undefined };
}

/** A write end of supervise/ok, or -errno; its reader is runsv, so it ends when runsv does. */
export function openOk(system: System, state: string): number {
  return system.open(`${state}/ok`, openWrite + openNonblocking, 0);
}

/** Writes control bytes in one write; undefined: done. */
export function tell(system: System, state: string, bytes: string): Trouble | undefined {
  const fd = system.open(`${state}/control`, openWrite + openNonblocking, 0);
  if (fd === -ENXIO) return noSupervisor();
  if (fd < 0) return { isGone: false, doing: "unable to open supervise/control", errno: -fd };
  if (system.statFd(fd).kind !== "fifo") {
    system.close(fd);
    return { isGone: false, doing: "supervise/control is not a fifo", errno: 0 };
  }
  const written = system.writeText(fd, bytes);
  system.close(fd);
  return written < 0 ? { isGone: false, doing: "unable to write to supervise/control", errno: -written } : undefined;
}

/** What the state directory says beyond its status record: only where there may be something. */
export function readRemark(system: System, state: string, status: StatusRecord): Remark {
  if (status.phase === "down" && status.pid === 0 && status.want === "u") {
    return { waitsFor: readStart(system, `${state}/waits`, 1024).trim(), isRefused: false };
  }
  if (status.pid === 0 || status.want !== "d") return noRemark();
  return { waitsFor: "", isRefused: readRefusal(system, state) !== "" };
}

/** Which refusal of a signal the state directory speaks of: another text for each; "": none. */
export function readRefusal(system: System, state: string): string {
  const { version } = system.identify(`${state}/stat`, true);
  return readStart(system, `${state}/stat`, 80).includes("not permitted") ? version : "";
}

/** What counts like a file `down` in the service directory. */
export function downMarkers(scanDirectory: string, name: string, state: string): readonly string[] {
  const markers = [`${scanDirectory}/.${name}.down`];
  if (isAbsolute(state)) markers.push(`${parentOf(state)}/${name}.down`);
  return markers;
}

/**
 * Whether nothing keeps the service, whose directory is the working directory, from starting: no file `down`, and none of
 * these in its place; negative: -errno, it cannot be told.
 */
export function normallyUp(system: System, markers: readonly string[]): number {
  const { errno } = system.stat("down", true);
  if (errno !== ENOENT) return errno === 0 ? 0 : -errno;
  for (const marker of markers) if (isMarker(system, marker)) return 0;
  return 1;
}

export function noSupervisor(): Trouble {
  return { isGone: true, doing: "", errno: ENXIO };
}

function inTrouble(doing: string, errno: number): Reading {
  return { status: undefined, trouble: { isGone: false, doing, errno } };
}
