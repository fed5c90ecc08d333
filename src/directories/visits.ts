// One service directory after the other, as the old clients go through them: names are relative to the directory they
// were started in; what cannot be done is warned about and counted, and the next one has its turn.

import { describeWarning } from "../core/text/messages.ts";
import { orFail } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";
import type { Trouble } from "./supervised.ts";

const maxFailures = 100;

export class Visits {
  readonly #system: System;
  readonly #program: string;
  readonly #origin: number;
  #failures = 0;

  /** Throws SystemError. */
  constructor(system: System, program: string) {
    this.#system = system;
    this.#program = program;
    let origin = 0;
    // Closed standard descriptors are taken up by it: no message may go into a file that is opened later.
    while (origin <= 2)
      origin = orFail(system.open(".", openRead + openDirectory, 0), "unable to open current directory");
    this.#origin = origin;
  }

  /** Makes its directory the working directory; 0, or why not. Throws SystemError. */
  tryEnter(name: string): number {
    orFail(this.#system.fchdir(this.#origin), "unable to change to starting directory");
    return -Math.min(this.#system.chdir(name), 0);
  }
  /** The same, complaining. */
  enter(name: string): boolean {
    const errno = this.tryEnter(name);
    if (errno !== 0) this.fail(`${name}: unable to change directory`, errno);
    return errno === 0;
  }

  fail(text: string, errno: number): void {
    this.#failures++;
    this.#system.writeText(2, describeWarning(this.#program, text, errno));
  }
  failFor(name: string, trouble: Trouble | undefined): void {
    if (trouble === undefined || trouble.isGone) this.fail(`${name}: runsv not running.`, 0);
    else this.fail(`${name}: ${trouble.doing}${trouble.errno === 0 ? "." : ""}`, trouble.errno);
  }
  /** `program: name: text` on standard error. */
  say(text: string): void {
    this.#system.writeText(2, `${this.#program}: ${text}\n`);
  }

  get exitCode(): number {
    return Math.min(this.#failures, maxFailures);
  }
}
