// The files by which process 1 is told what to do: of the flags only the owner's right to execute counts.

import { parseCode } from "../core/container/options.ts";
import { ENOENT } from "../core/text/errors.ts";
import { orFail } from "../system/errors.ts";
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

/** Sets a flag; the file is made if need be. Throws SystemError. */
export function arm(system: System, path: string): void {
  const fd = orFail(
    system.open(path, openWrite + openNonblocking + openCreate + openTruncate, 0o644),
    `unable to create ${path}`,
  );
  system.close(fd);
  orFail(system.chmod(path, armed), `unable to chmod ${path}`);
}

/** Takes a flag back; without the file there is none. Throws SystemError. */
export function disarm(system: System, path: string): void {
  const result = system.chmod(path, 0);
  if (result !== -ENOENT) orFail(result, `unable to chmod ${path}`);
}
