// setlock(8): runs a program that holds a lock.

import { baseName, toolName } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { takeLock } from "../directories/lock-file.ts";
import { SystemError } from "../system/errors.ts";
import { becomeProgram } from "../system/execute.ts";
import type { System } from "../system/system.ts";

export function setlock(args: readonly string[], system: System): number {
  const called = String(args[0] ?? "");
  const options = parseOptions(args.slice(1), "nNxX", []);
  const [file, program] = options.rest;
  if (options.complaint !== "") system.writeText(2, `${baseName(called)}: ${options.complaint}\n`);
  if (file === undefined || program === undefined) {
    system.writeText(2, `usage: ${toolName(called)} [ -nNxX ] file program [ arg ... ]\n\n`);
    return 100;
  }
  let waits = false; // the other way round than in daemontools, as it has always been here
  let isSilent = false;
  for (const { letter } of options.given) {
    if (letter === "n" || letter === "N") waits = letter === "n";
    else isSilent = letter === "x";
  }
  try {
    takeLock(system, file, waits);
    return becomeProgram(system, args, args.length - options.rest.length + 1);
  } catch (error: unknown) {
    if (isSilent && error instanceof SystemError) return 0;
    throw error;
  }
}
