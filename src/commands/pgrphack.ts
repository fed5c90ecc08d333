// pgrphack(8): runs a program in a session of its own.

import { toolName } from "../core/process/names.ts";
import { becomeProgram } from "../system/execute.ts";
import type { System } from "../system/system.ts";

export function pgrphack(args: readonly string[], system: System): number {
  const [called, program] = args;
  if (program === undefined) {
    system.writeText(2, `usage: ${toolName(called ?? "")} child\n\n`);
    return 100;
  }
  system.newSession(); // who leads a process group already, stays as it is
  return becomeProgram(system, args, 1);
}
