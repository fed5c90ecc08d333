// The files by which process 1 is told what to do: of the flags only the owner's right to execute counts.

import { parseCode } from "../core/container/options.ts";
import { ENOENT, EROFS } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openCreate, openNonblocking, openTruncate, openWrite } from "../system/system.ts";
import { readStart } from "./text.ts";

/** The name of the first of all PID namespaces. */
const firstNamespace = "pid:[4026531836]";

/** Whether this is a container, as far as can be told from inside; RUNIT_CONTAINER=1 says so, 0 forbids it. */
export function isInContainer(system: System): boolean {
  const asked = system.environment("RUNIT_CONTAINER") ?? "";
  if (asked !== "") return asked !== "0";
  const namespace = system.readlink("/proc/self/ns/pid");
  if (namespace.errno === 0) return namespace.text !== firstNamespace;
  return (system.environment("container") ?? "") !== "";
}

const noSync = "/etc/runit/nosync";
const armed = 0o100;

/** Whether its owner may execute it, whatever it is; links are followed. */
export function isExecutable(system: System, path: string): boolean {
  const { errno, mode } = system.stat(path, true);
  return errno === 0 && Math.floor(mode / armed) % 2 === 1;
}

export function wantsSync(system: System): boolean {
  return system.stat(noSync, true).errno !== 0;
}

/** What scripts and services want a container to end with, by a number in a file; 0: nothing else. */
export function readExitCode(system: System): number {
  const path = system.environment("RUNIT_EXIT_FILE") ?? "/run/runit/exit-code";
  return parseCode(readStart(system, path, 8).trim()) ?? 0;
}

/** The flags of process 1: to stop, and then to reboot. */
export type Flag = "stop" | "reboot";

/** Where it may be: where it can be written though /etc is read-only, and where this build has it. */
function placesOf(system: System, flag: Flag): readonly string[] {
  return flag === "stop" ? ["/run/runit/stopit", system.stopFlag] : ["/run/runit/reboot", system.rebootFlag];
}

export function isArmed(system: System, flag: Flag): boolean {
  return placesOf(system, flag).some((path) => isExecutable(system, path));
}

/** Sets a flag: the file that is there, or else the one that can be made. Throws SystemError. */
export function arm(system: System, flag: Flag): void {
  const places = placesOf(system, flag);
  const first = String(places[0] ?? "");
  const usual = String(places[1] ?? "");
  if (system.stat(first, true).errno === 0) {
    armAt(system, first);
    return;
  }
  try {
    armAt(system, usual);
  } catch (error: unknown) {
    if (!(error instanceof SystemError) || error.errno !== EROFS) throw error;
    system.mkdir("/run/runit", 0o755);
    const fd = system.open(first, openWrite + openCreate, 0);
    if (fd < 0) throw error;
    system.close(fd);
    armAt(system, first);
  }
}

function armAt(system: System, path: string): void {
  const fd = orFail(
    system.open(path, openWrite + openNonblocking + openCreate + openTruncate, 0o644),
    `unable to create ${path}`,
  );
  system.close(fd);
  orFail(system.chmod(path, armed), `unable to chmod ${path}`);
}

/** Takes a flag back; without a file there is none. Throws SystemError: one that is set could not be taken back. */
export function disarm(system: System, flag: Flag): void {
  for (const path of placesOf(system, flag)) {
    const result = system.chmod(path, 0);
    if (result === -EROFS && !isExecutable(system, path)) continue;
    if (result !== -ENOENT) orFail(result, `unable to chmod ${path}`);
  }
}

/** The same, as far as it can be done. */
export function tryDisarm(system: System, flag: Flag): void {
  for (const path of placesOf(system, flag)) system.chmod(path, 0);
}
