// envuidgid(8): runs a program that finds the ids of an account in its environment, to change to them itself.

import { toolName } from "../core/process/names.ts";
import { announce, findAccount } from "../directories/accounts.ts";
import { becomeProgram } from "../system/execute.ts";
import type { System } from "../system/system.ts";

export function envuidgid(args: readonly string[], system: System): number {
  const [called, account, program] = args;
  if (account === undefined || program === undefined) {
    system.writeText(2, `usage: ${toolName(called ?? "")} account child\n\n`);
    return 100;
  }
  announce(system, findAccount(system, account));
  return becomeProgram(system, args, 2);
}
