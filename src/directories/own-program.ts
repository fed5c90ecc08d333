// Programs of this suite, started by one of it: the same binary, whatever PATH says and wherever it is installed.

import type { SpawnPlan, System } from "../system/system.ts";
import { plainChild } from "../system/system.ts";

const ownPath = "/proc/self/exe";

/** A child that is the program `name`; looked up along PATH where the system does not tell who we are. */
export function ownChild(system: System, name: string, argv: readonly string[], exitCode: number): SpawnPlan {
  if (system.readlink(ownPath).errno === 0) return plainChild(ownPath, argv, exitCode);
  return { ...plainChild(name, argv, exitCode), searchPath: true };
}
