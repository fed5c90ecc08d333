// utmpset(8): marks the login on a line as ended. For the finish script of a getty service.

import { baseName } from "../core/process/names.ts";
import { describeMisuse, parseOptions } from "../core/process/options.ts";
import { ENOENT } from "../core/text/errors.ts";
import { describeWarning } from "../core/text/messages.ts";
import { endLogin, recordLogout } from "../directories/utmp.ts";
import type { System } from "../system/system.ts";

export function utmpset(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "wV", []);
  const called = String(args[0] ?? "");
  const misuse = describeMisuse(options, "utmpset", baseName(called), `usage: ${called} [-w] line\n\n`);
  if (misuse !== "") {
    system.writeText(2, misuse);
    return 1;
  }
  const line = String(options.rest[0] ?? "");
  const nowSeconds = system.now().seconds;
  const ended = endLogin(system, line, nowSeconds);
  if (ended === -ENOENT) return warn(system, `unable to logout line ${line} in utmp: no such entry`, 0);
  if (ended < 0) return warn(system, `unable to logout line ${line} in utmp`, -ended);
  if (options.given.length === 0) return 0;
  const recorded = recordLogout(system, line, nowSeconds);
  return recorded < 0 ? warn(system, `unable to logout line ${line} in wtmp`, -recorded) : 0;
}

function warn(system: System, text: string, errno: number): number {
  system.writeText(2, describeWarning("utmpset", text, errno));
  return 111;
}
