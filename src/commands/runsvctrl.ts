// runsvctrl(8): the client of old that controls services.

import { Visits } from "../directories/visits.ts";
import type { System } from "../system/system.ts";

/** The first letter of the command is the control byte; `exit` is x. */
const commands = "udopchaiq12tkxe";

export function runsvctrl(args: readonly string[], system: System): number {
  const byte = String(args[1] ?? "").slice(0, 1);
  const services = args.slice(2);
  if (byte === "" || !commands.includes(byte) || services.length === 0) {
    system.writeText(2, `usage: ${String(args[0] ?? "")} u|d|o|p|c|h|a|i|q|1|2|t|k|x|e service ...\n\n`);
    return 1;
  }
  const visits = new Visits(system, "runsvctrl");
  for (const name of services) {
    if (!visits.enter(name)) continue;
    const trouble = visits.tell(byte === "e" ? "x" : byte);
    if (trouble !== undefined) visits.failFor(name, trouble);
  }
  return visits.exitCode;
}
