// One service directory after the other, as the old clients go through them: names are relative to the directory they
// were started in; what cannot be done is warned about and counted, and the next one has its turn.

import { ENOENT } from "../core/text/errors.ts";
import { describeWarning } from "../core/text/messages.ts";
import { orFail } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";
import type { Called } from "./state-root.ts";
import { callOf } from "./state-root.ts";
import type { IsRecord, Reading, Trouble } from "./supervised.ts";
import { besideIt, downMarkers, noSupervisor, readStatus, StateFinder, tell } from "./supervised.ts";

const maxFailures = 100;

export class Visits {
  readonly #system: System;
  readonly #program: string;
  readonly #origin: number;
  #failures = 0;
  #called: Called = { scan: "", name: "" };
  /** State directory of the service that was entered last, or of its log service. */
  state = besideIt;
  #isGone = false;

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
    this.#called = callOf(this.#system, name);
    const entered = this.#system.chdir(name);
    if (entered >= 0) this.#find(this.#called.name);
    return -Math.min(entered, 0);
  }
  /** From there, that of its log service; the same answer. */
  tryEnterLog(): number {
    const entered = this.#system.chdir("log");
    if (entered >= 0) this.#find(`${this.#called.name}.log`);
    return -Math.min(entered, 0);
  }

  #find(key: string): void {
    this.state = besideIt;
    this.#isGone = false;
    if (this.#system.stat(besideIt, false).errno !== ENOENT) return;
    const place = new StateFinder(this.#system, "").find(this.#called, key, false);
    this.state = place.state;
    this.#isGone = place.isGone;
  }
  read(isRecord: IsRecord): Reading {
    const reading = readStatus(this.#system, this.state, isRecord);
    return this.#isGone && reading.status === undefined ? { status: undefined, trouble: noSupervisor() } : reading;
  }
  /** Writes control bytes in one write; undefined: done. */
  tell(bytes: string): Trouble | undefined {
    const obstacle = tell(this.#system, this.state, bytes);
    return this.#isGone && obstacle !== undefined ? noSupervisor() : obstacle;
  }

  /** Files that keep the service down without being in its directory. */
  get markers(): readonly string[] {
    const { scan, name } = this.#called;
    return downMarkers(scan, name, this.state);
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
