// argv in, exit code out, and the fatal message in between.

import { SystemError } from "./errors.ts";
import type { System } from "./system.ts";

/** A program of the suite. */
export interface Command {
  readonly run: (args: readonly string[], system: System) => number;
  /** Exit code when a call fails that it cannot do without. */
  readonly failure: number;
}

/** Runs it and answers its exit code. Messages begin with what `args` begin with, as the originals' do. */
export function launch(command: Command, program: string, args: readonly string[], system: System): number {
  try {
    return command.run(args, system);
  } catch (error: unknown) {
    if (!(error instanceof SystemError)) throw error;
    system.writeText(2, `${program}: fatal: ${error.message}\n`);
    return command.failure;
  }
}
