// runit-init(8): as process 1 becomes runit; otherwise tells process 1 to halt (0) or to reboot (6) the machine.

import { describeVersion } from "../core/process/names.ts";
import { describeError } from "../core/text/errors.ts";
import { arm, disarm, isInContainer, tryDisarm } from "../directories/boot.ts";
import type { System } from "../system/system.ts";

const runitPath = "/sbin/runit";
const contSignal = 18;
const termSignal = 15;

export function runitInit(args: readonly string[], system: System): number {
  if (system.pid === 1) return becomeRunit(system);
  const level = String(args[1] ?? "").slice(0, 1);
  if (args.length < 2 && (system.environment("RUNIT_CONTAINER") ?? "0") !== "0") return becomeRunit(system);
  if (level !== "0" && level !== "6") {
    if (String(args[1] ?? "").startsWith("-V")) system.writeText(2, `${describeVersion("runit-init")}\n`);
    system.writeText(2, `usage: ${String(args[0] ?? "")} 0|6\n\n`);
    return 0;
  }
  try {
    arm(system, "stop");
  } catch (error: unknown) {
    // In a container with a read-only root: process 1 there knows another word for it, as long as no flag is needed.
    if (level === "6" || !isInContainer(system) || system.kill(1, termSignal) < 0) throw error;
    return 0;
  }
  try {
    if (level === "6") arm(system, "reboot");
    else disarm(system, "reboot");
  } catch (error: unknown) {
    tryDisarm(system, "stop"); // or the next CONT, whoever it comes from, would halt instead of rebooting
    throw error;
  }
  system.kill(1, contSignal); // who may not, has set the flag at least, and hears nothing of it
  return 0;
}

function becomeRunit(system: System): number {
  system.setArgument(0, "runit");
  system.cutArguments(1);
  const errno = -system.execute(runitPath, 0);
  system.writeText(2, `init: fatal: unable to start runit: ${describeError(errno)}\n`);
  return 111;
}
