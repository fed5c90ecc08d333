// setuidgid(8): runs a program as another user.

import { toolName } from "../core/process/names.ts";
import { become, findAccount } from "../directories/accounts.ts";
import { becomeProgram } from "../system/execute.ts";
import type { System } from "../system/system.ts";

export function setuidgid(args: readonly string[], system: System): number {
  const [called, account, program] = args;
  if (account === undefined || program === undefined) {
    system.writeText(2, `usage: ${toolName(called ?? "")} account child\n\n`);
    return 100;
  }
  become(system, findAccount(system, account));
  return becomeProgram(system, args, 2);
}
