// A service as sv finds it: its directory, where its state is, its status, its control pipe.

import * as fs from "node:fs";
import { describeState } from "../../src/core/supervise/report.ts";
import type { StatusRecord } from "../../src/core/supervise/status.ts";
import { decodeStatus, describeAge, sinceOf, statusBytes } from "../../src/core/supervise/status.ts";
import { describeError, EACCES, ENOENT, ENXIO, EROFS } from "../../src/core/text/errors.ts";
import { parentOf } from "../../src/core/text/paths.ts";
import { attempt, noSupervisor, ServiceError, trouble } from "./error.ts";
import * as files from "./files.ts";
import { namedStateRoot, stateRoots } from "./places.ts";
import type { Status } from "./status.ts";

/** Of one service, or log service. */
export interface Place {
  readonly service: string;
  /** Its directory; where its state is if its definition is not there. */
  readonly directory: string;
  /** State directory. */
  readonly state: string;
  /** It is in a state root. */
  readonly isApart: boolean;
  readonly isOrphan: boolean;
}

/** What was read of a service: its record, or why there is none. */
export interface Reading {
  readonly place: Place;
  readonly record: StatusRecord | undefined;
  readonly error: ServiceError | undefined;
  /** The state directory in a state root is away: it may be made again in a moment. */
  readonly isAway: boolean;
}

const logSuffix = "/log";

export class ScanDirectory {
  /** Absolute. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Names of its services, sorted. Throws ServiceError. */
  list(): string[] {
    const entries = files.list(this.path);
    if (typeof entries === "number") {
      const code = entries === -EACCES ? "not permitted" : "failed";
      throw new ServiceError(code, "", `fail: unable to read directory ${this.path}: ${describeError(-entries)}`);
    }
    const isService = (name: string): boolean =>
      !name.startsWith(".") && fs.statSync(`${this.path}/${name}`, { throwIfNoEntry: false })?.isDirectory() === true;
    return entries
      .filter((name) => {
        let found = false;
        attempt(() => {
          found = isService(name);
        });
        return found;
      })
      .sort();
  }

  /** Where its state is looked for, and what is there. Throws ServiceError `no such service`. */
  read(service: string): Reading {
    const { name, isLog } = split(service);
    const directory = isLog ? `${this.path}/${name}${logSuffix}` : `${this.path}/${name}`;
    const key = isLog ? `${name}.log` : name;
    const entered = files.exists(`${directory}/.`);
    if (entered < 0) return this.#readOrphan(service, key, entered);
    const beside = { service, directory, state: `${directory}/supervise`, isApart: false, isOrphan: false };
    const reading = readState(beside);
    if (reading.record !== undefined) return reading;
    const named = this.#named();
    const roots = stateRoots(files.ground(), named);
    const state = this.#find(roots, named, key);
    if (state !== "") return readState({ service, directory, state, isApart: true, isOrphan: false });
    const isKnown = named.length > 0 || isReadOnly(directory) || roots.some((root) => isDead(`${root}/${key}`));
    return isKnown && !isDead(beside.state) ? { ...reading, error: noSupervisor(service) } : reading;
  }

  /** Its definition is not there, but it may be supervised. */
  #readOrphan(service: string, key: string, entered: number): Reading {
    const state = entered === -ENOENT ? this.#find(stateRoots(files.ground(), this.#named()), [], key) : "";
    if (state !== "") return readState({ service, directory: state, state, isApart: true, isOrphan: true });
    const code = entered === -EACCES ? "not permitted" : "no such service";
    const text = `fail: ${service}: unable to change to service directory: ${describeError(-entered)}`;
    throw new ServiceError(code, service, text);
  }

  #named(): string[] {
    const root = namedStateRoot(files.ground(), this.path);
    return root === "" ? [] : [root];
  }

  /** State directory of that name which is this scan directory's, and listened to; or one that is closed to us; "": none. */
  #find(roots: readonly string[], named: readonly string[], key: string): string {
    const scan = files.identify(this.path);
    let closed = "";
    for (const root of roots) {
      const state = `${root}/${key}`;
      const ok = files.tryOk(state);
      if (ok === -EACCES && named.includes(root)) closed = state;
      if (ok < 0) continue;
      const signed = files.identify(`${state}/scan`);
      if (signed === "" || signed === scan) return state;
    }
    return closed;
  }

  /** Whether no file says that it is not to be started by itself. */
  isNormallyUp(place: Place): boolean {
    if (files.exists(`${place.directory}/down`) === 0) return false;
    if (place.service.endsWith(logSuffix)) return true;
    const markers = [`${this.path}/.${place.service}.down`];
    if (place.isApart) markers.push(`${parentOf(place.state)}/${place.service}.down`);
    return !markers.some((path) => isFile(path));
  }

  /** What sv reports. */
  describe(reading: Reading): Status | ServiceError {
    const { place, record, error } = reading;
    if (record === undefined) return error ?? noSupervisor(place.service);
    const { phase } = record;
    if (phase === undefined) return badFormat(place.service);
    const now = Date.now() / 1000;
    const isUp = this.isNormallyUp(place);
    const waits = record.pid === 0 && phase === "down" && record.want === "u";
    const remark = {
      waitsFor: waits ? files.readStart(`${place.state}/waits`, 1024).trim() : "",
      isRefused: record.pid !== 0 && record.want === "d" && refusalOf(place.state) !== "",
    };
    const since = sinceOf(record);
    return {
      service: place.service,
      state: phase,
      pid: record.pid === 0 ? undefined : record.pid,
      since: new Date(since.seconds * 1000 + since.nanoseconds / 1e6),
      seconds: Number(describeAge(record, Math.floor(now))),
      normally: isUp ? "up" : "down",
      want: record.want === "u" ? "up" : "down",
      paused: record.paused,
      gotTerm: record.gotTerm,
      notPermitted: remark.isRefused,
      waitsFor: remark.waitsFor.split(" ").filter((word) => word !== ""),
      line: describeState(place.service, record, isUp, Math.floor(now), remark),
    };
  }
}

/** `web/log` is the log service of `web`. Throws ServiceError: no service is called so. */
export function split(service: string): { readonly name: string; readonly isLog: boolean } {
  const isLog = service.endsWith(logSuffix);
  const name = isLog ? service.slice(0, -logSuffix.length) : service;
  if (name === "" || name.startsWith(".") || name.includes("/") || name.includes("\0")) {
    throw new ServiceError("no such service", service, `fail: ${service}: not a name in the service directory`);
  }
  return { name, isLog };
}

function readState(place: Place): Reading {
  const { service, state, isApart } = place;
  const failed = (error: ServiceError, errno: number): Reading => {
    return { place, record: undefined, error, isAway: isApart && errno === ENOENT };
  };
  const ok = files.tryOk(state);
  if (ok === -ENXIO) return failed(noSupervisor(service), ENXIO);
  if (ok < 0) return failed(trouble("warning", service, "unable to open supervise/ok", -ok), -ok);
  const bytes = files.readStatusBytes(state);
  if (typeof bytes === "number") {
    return failed(trouble("warning", service, "unable to read supervise/status", -bytes), -bytes);
  }
  const record = bytes.length < statusBytes ? undefined : decodeStatus(bytes);
  return record === undefined ? failed(badFormat(service), 0) : { place, record, error: undefined, isAway: false };
}

/** Where state cannot be made: what is not there cannot be removed, but that is not why. */
function isReadOnly(directory: string): boolean {
  return attempt(() => fs.rmdirSync(`${directory}/.none`)) === -EROFS;
}

function isDead(state: string): boolean {
  return files.exists(`${state}/ok`) === 0;
}

function badFormat(service: string): ServiceError {
  return trouble("warning", service, "unable to read supervise/status: bad format", 0);
}

function isFile(path: string): boolean {
  let found = false;
  attempt(() => {
    found = !fs.statSync(path).isDirectory();
  });
  return found;
}

/** Which refusal of a signal the state directory speaks of: another text for each; "": none. */
export function refusalOf(state: string): string {
  if (!files.readStart(`${state}/stat`, 80).includes("not permitted")) return "";
  let version = "";
  attempt(() => {
    const { ino, mtimeNs } = fs.statSync(`${state}/stat`, { bigint: true });
    version = `${ino} ${mtimeNs}`;
  });
  return version;
}

/** Writes control bytes. Throws ServiceError. */
export function tell({ service, state }: Place, bytes: string): void {
  const written = files.writeControl(state, bytes);
  if (written === "not a fifo") throw trouble("warning", service, "supervise/control is not a fifo", 0);
  if (written === -ENXIO) throw noSupervisor(service);
  if (written < 0) throw trouble("warning", service, "unable to open supervise/control", -written);
}
