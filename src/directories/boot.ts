// The files by which process 1 is told what to do: of the flags only the owner's right to execute counts.

import { ENOENT } from "../core/text/errors.ts";
import { orFail } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openCreate, openNonblocking, openTruncate, openWrite } from "../system/system.ts";

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
