// envdir(8): runs a program with the variables of an environment directory.

import { toolName } from "../core/process/names.ts";
import { loadEnvironment } from "../directories/environment.ts";
import { candidates, execute } from "../system/execute.ts";
import type { System } from "../system/system.ts";

export function envdir(args: readonly string[], system: System): number {
  const [called, directory, program] = args;
  if (directory === undefined || program === undefined) {
    system.writeText(2, `usage: ${toolName(called ?? "")} dir child\n\n`);
    return 100;
  }
  const files = candidates(program, system.environment("PATH"));
  loadEnvironment(system, directory, undefined);
  return execute(system, files, 2, program);
}
