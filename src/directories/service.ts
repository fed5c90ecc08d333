// A service directory: run, finish, down, log, control/.

import { parseStopSignal } from "../core/process/signals.ts";
import type { SignalName } from "../core/supervise/service.ts";
import { ENOENT } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead } from "../system/system.ts";
import { readStart } from "./text.ts";

type Warn = (text: string, errno: number) => void;

/** Whether a file `down` (of whatever kind) keeps it from starting; `directory` is "" or ends in a slash. */
export function startsDown(system: System, directory: string): boolean {
  return system.stat(`${directory}down`, true).errno === 0;
}

/** Whether there is a file outside the service directory that counts like `down`: a directory is somebody's state. */
export function isMarker(system: System, path: string): boolean {
  const found = system.stat(path, true);
  return found.errno === 0 && found.kind !== "directory";
}

/** Whether there is a log service; what stands in its place but is none is warned about. */
export function hasLogService(system: System, directory: string, warn: Warn): boolean {
  const log = system.stat(`${directory}log`, true);
  if (log.errno === ENOENT) return false;
  if (log.errno !== 0) warn("unable to stat() ./log: ", log.errno);
  else if (log.kind !== "directory") warn("./log: not a directory.", 0);
  return log.errno === 0 && log.kind === "directory";
}

/** Whether ./finish is to be run: it can be opened for reading. */
export function hasFinish(system: System, directory: string): boolean {
  const fd = system.open(`${directory}finish`, openRead + openNonblocking, 0);
  if (fd < 0) return false;
  system.close(fd);
  return true;
}

/** What the file `stop-signal` says instead of TERM; undefined: there is none, or it names no signal that could end it. */
export function readStopSignal(system: System, directory: string, warn: Warn): SignalName | undefined {
  const text = readStart(system, `${directory}stop-signal`, 32);
  const signal = parseStopSignal(text);
  const word = String(text.split("\n")[0] ?? "").trim();
  if (signal === undefined && word !== "") warn(`stop-signal: no signal to stop it by: ${word}`, 0);
  return signal;
}

/** The words of the file `signal-with`: what to put before kill(1), for a service that has become another user. */
export function readSignalPrefix(system: System, directory: string): readonly string[] {
  const line = String(readStart(system, `${directory}signal-with`, 1024).split("\n")[0] ?? "");
  return line.split(" ").filter((word) => word !== "");
}

/** Whether control/BYTE is there and its owner may execute it. */
export function hasControlScript(system: System, directory: string, byte: string, warn: Warn): boolean {
  const script = system.stat(`${directory}control/${byte}`, true);
  if (script.errno !== 0) {
    if (script.errno !== ENOENT) warn(`unable to stat control/${byte}`, script.errno);
    return false;
  }
  return Math.floor(script.mode / 0o100) % 2 === 1;
}
