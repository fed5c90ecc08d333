// Becoming another program, found along PATH as the field's programs do.

import { EACCES, EISDIR, ENOENT, EPERM } from "../core/text/errors.ts";
import { SystemError } from "./errors.ts";
import type { System } from "./system.ts";

/** Where a program is looked for, in order. `path`: the variable PATH; undefined: it is not set. */
export function candidates(program: string, path: string | undefined): readonly string[] {
  if (program.includes("/")) return [program];
  const found: string[] = [];
  for (const directory of (path ?? "/bin:/usr/bin").split(":")) {
    found.push(`${directory === "" ? "." : directory}/${program}`);
  }
  return found;
}

/**
 * Becomes the first of `files` that can be executed, with this process's arguments from `argument` on. What does not
 * exist or is not permitted is passed over, anything else ends the search. Answers only by a SystemError about `name`.
 * Whoever has little memory left calls it with all prepared: until there is an error nothing is allocated.
 */
export function execute(system: System, files: readonly string[], argument: number, name: string): number {
  let why = ENOENT;
  for (const file of files) {
    const errno = -system.execute(file, argument);
    if (errno !== ENOENT) why = errno;
    if (errno !== ENOENT && errno !== EACCES && errno !== EPERM && errno !== EISDIR) break;
  }
  throw new SystemError(`unable to run: ${name}`, why);
}

/** Becomes the program that `args` name at a place, with what follows it there. Answers only by a SystemError. */
export function becomeProgram(system: System, args: readonly string[], argument: number): number {
  const program = String(args[argument] ?? "");
  return execute(system, candidates(program, system.environment("PATH")), argument, program);
}
