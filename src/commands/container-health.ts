// runit-container health: whether the services of a container live, or are ready. 0 or 1, never anything else: engines
// reserve the other codes.

import { describeWaitStatus } from "../core/container/ending.ts";
import { parseSeconds } from "../core/container/options.ts";
import type { ServiceFact } from "../core/container/report.ts";
import { describeFact, findIllness, findUnreadiness, parseReport } from "../core/container/report.ts";
import { parseOptions } from "../core/process/options.ts";
import { isExecutable } from "../directories/boot.ts";
import { ask, placesInContainer } from "../directories/control-socket.ts";
import { listEnvironment } from "../directories/environment.ts";
import { SystemError } from "../system/errors.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { System } from "../system/system.ts";
import { openReadWrite, plainChild } from "../system/system.ts";

const defaultMilliseconds = 5000;
const againMilliseconds = 100;
const maxOutputBytes = 4000;
const killSignal = 9;

interface Invocation {
  readonly wantsReady: boolean;
  readonly isJson: boolean;
  readonly milliseconds: number;
  /** How long it is asked again and again until all is well. */
  readonly waitMilliseconds: number;
  readonly names: readonly string[];
}

export function health(words: readonly string[], system: System): number {
  const invocation = parse(words);
  if (invocation === undefined) {
    system.writeText(2, "usage: runit-container health [--ready] [--json] [--wait SEC] [-t SEC] [NAME...]\n");
    return 1;
  }
  system.watchSignals(["CHLD"]);
  const end = system.monotonic() + invocation.waitMilliseconds;
  for (;;) {
    const verdict = new Examination(system, invocation).examine();
    if (verdict.isWell || system.monotonic() >= end) {
      system.writeText(1, verdict.text);
      return verdict.isWell ? 0 : 1;
    }
    awaitHappenings(system, { fds: [], milliseconds: againMilliseconds });
  }
}

function parse(words: readonly string[]): Invocation | undefined {
  const parsed = parseOptions(words, "t:", ["--ready", "--json", "--wait:"]);
  let milliseconds: number | undefined = defaultMilliseconds;
  let waitMilliseconds: number | undefined = 0;
  for (const { letter, value } of parsed.given) {
    if (letter === "t") milliseconds = parseSeconds(value);
    if (letter === "--wait") waitMilliseconds = parseSeconds(value);
  }
  const isWrong = parsed.complaint !== "" || (parsed.endedBy !== "" && parsed.endedBy !== "--");
  if (isWrong || milliseconds === undefined || waitMilliseconds === undefined) return undefined;
  return {
    wantsReady: parsed.given.some(({ letter }) => letter === "--ready"),
    isJson: parsed.given.some(({ letter }) => letter === "--json"),
    milliseconds,
    waitMilliseconds,
    names: parsed.rest,
  };
}

interface Verdict {
  readonly isWell: boolean;
  readonly text: string;
}

/** A check script that runs, or has ended. */
class Check {
  readonly service: string;
  readonly pid: number;
  waitStatus = -1;
  hasEnded = false;

  constructor(service: string, pid: number) {
    this.service = service;
    this.pid = pid;
  }
}

class Examination {
  readonly #system: System;
  readonly #invocation: Invocation;
  readonly #until: number;
  #phase = "";
  readonly #facts: ServiceFact[] = [];
  readonly #checks: Check[] = [];

  constructor(system: System, invocation: Invocation) {
    this.#system = system;
    this.#invocation = invocation;
    this.#until = system.monotonic() + invocation.milliseconds;
  }

  examine(): Verdict {
    if (!this.#ask()) return { isWell: false, text: this.#describeUnknown() };
    this.#runChecks();
    const { wantsReady, isJson, names } = this.#invocation;
    const problems: string[] = [];
    if (wantsReady && this.#phase !== "running") problems.push(`not ready: ${this.#phase}`);
    const objects: string[] = [];
    let count = 0;
    for (const fact of this.#facts) {
      if (!this.#isAsked(fact)) continue;
      count++;
      const { word, problem } = this.#judge(fact);
      if (problem !== "") problems.push(`${word}: ${fact.name}: ${problem}`);
      if (isJson) objects.push(`{${describeFact(fact, problem)}}`);
    }
    for (const name of names) {
      if (!this.#facts.some((fact) => fact.name === name)) problems.push(`unhealthy: ${name}: no such service`);
    }
    const isWell = problems.length === 0;
    if (isJson) {
      const head = `{"healthy":${isWell ? "true" : "false"},"phase":"${this.#phase}"`;
      return { isWell, text: `${head},"services":[${objects.join(",")}]}\n` };
    }
    return { isWell, text: isWell ? describeWell(wantsReady, count) : joined(problems) };
  }

  #describeUnknown(): string {
    return this.#invocation.isJson ? '{"healthy":null,"services":[]}\n' : "unknown: no runit-container answers\n";
  }

  #judge(fact: ServiceFact): { readonly word: string; readonly problem: string } {
    const illness = findIllness(fact);
    if (illness !== "") return { word: "unhealthy", problem: illness };
    const check = this.#checks.find((one) => one.service === fact.name);
    const isChecked = check?.waitStatus === 0;
    if (check !== undefined && !check.hasEnded) return { word: "unhealthy", problem: "check takes too long" };
    if (check !== undefined && !isChecked) {
      return { word: "unhealthy", problem: `check ${describeWaitStatus(check.waitStatus)}` };
    }
    const unreadiness = this.#invocation.wantsReady ? findUnreadiness(fact, isChecked) : "";
    return { word: "not ready", problem: unreadiness };
  }

  /** A log service goes with its service. */
  #isAsked(fact: ServiceFact): boolean {
    const { names } = this.#invocation;
    return names.length === 0 || names.some((name) => fact.name === name || fact.name === `${name}/log`);
  }

  /** Those of its directory `env`, as the service has them. */
  #variablesOf(fact: ServiceFact): readonly string[] {
    const directory = `${fact.path}env`;
    if (this.#system.stat(directory, true).kind !== "directory") return [];
    try {
      return listEnvironment(this.#system, directory);
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      return []; // the service has none either
    }
  }

  /** All that is known of the services; false: nobody tells. */
  #ask(): boolean {
    for (;;) {
      const answer = ask(this.#system, placesInContainer(this.#system), `report ${this.#facts.length}`, this.#until);
      const report = answer === undefined ? undefined : parseReport(answer);
      if (report === undefined) return false;
      this.#phase = report.phase;
      for (const fact of report.services) this.#facts.push(fact);
      if (report.services.length === 0 || this.#facts.length >= report.count) return true;
    }
  }

  /** Runs the check scripts of those that run, side by side, until the time is over. */
  #runChecks(): void {
    const system = this.#system;
    const nowhere = system.open("/dev/null", openReadWrite, 0);
    for (const fact of this.#facts) {
      if (fact.want !== "up" || fact.state !== "run" || !this.#isAsked(fact)) continue;
      if (!isExecutable(system, `${fact.path}check`)) continue;
      const spawned = system.spawn({
        ...plainChild("./check", ["./check"], 111),
        directory: fact.path,
        variables: this.#variablesOf(fact),
        newSession: true,
        stdin: nowhere,
        stdout: nowhere,
        stderr: nowhere,
      });
      if (spawned.pid > 0) this.#checks.push(new Check(fact.name, spawned.pid));
    }
    if (nowhere >= 0) system.close(nowhere);
    while (this.#checks.some((check) => !check.hasEnded)) {
      const left = this.#until - system.monotonic();
      if (left <= 0) break;
      for (const happening of awaitHappenings(system, { fds: [], milliseconds: left })) {
        if (happening.kind !== "ended") continue;
        const check = this.#checks.find((one) => one.pid === happening.pid);
        if (check === undefined) continue;
        check.hasEnded = true;
        check.waitStatus = happening.waitStatus;
      }
    }
    for (const { pid, hasEnded } of this.#checks) if (!hasEnded) system.killGroup(pid, killSignal);
  }
}

function describeWell(isReady: boolean, count: number): string {
  return `${isReady ? "ready" : "healthy"}: ${count} ${count === 1 ? "service" : "services"}\n`;
}

/** One line each, as many as engines keep. */
function joined(lines: readonly string[]): string {
  let text = "";
  let count = 0;
  for (const line of lines) {
    if (text.length + line.length > maxOutputBytes) break;
    text += `${line}\n`;
    count++;
  }
  return count === lines.length ? text : `${text}and ${lines.length - count} more\n`;
}
