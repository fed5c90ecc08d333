// What process 1 of a container tells of its services, as text, and what health(8) makes of it.
//
// Fields end with NUL: phase, number of services, then for each one from the asked place on: name, path, state, want, pid,
// milliseconds since its start, ends of late, how it ended last, whether it starts up.

import { quote } from "../supervise/report.ts";
import { describeWaitStatus } from "./ending.ts";

export type ContainerPhase = "starting" | "running" | "stopping";

export interface ServiceFact {
  readonly name: string;
  /** Of its directory, ending in a slash. */
  readonly path: string;
  /** down, run, finish. */
  readonly state: string;
  /** up, down, exit. */
  readonly want: string;
  readonly pid: number;
  readonly upMilliseconds: number;
  /** How often it has ended by itself in the last ten seconds. */
  readonly endsOfLate: number;
  /** As waitpid(2) has it; negative: unknown. */
  readonly lastEnd: number;
}

export interface Report {
  readonly phase: ContainerPhase;
  /** Of all services. */
  readonly count: number;
  readonly services: readonly ServiceFact[];
}

const fieldsOfService = 8;
/** So many in one answer. */
export const reportedAtOnce = 200;

export function describeReport(phase: ContainerPhase, facts: readonly ServiceFact[], from: number): string {
  const fields: string[] = [phase, `${facts.length}`];
  for (const fact of facts.slice(from, from + reportedAtOnce)) {
    fields.push(fact.name, fact.path, fact.state, fact.want, `${fact.pid}`);
    fields.push(`${fact.upMilliseconds}`, `${fact.endsOfLate}`, `${fact.lastEnd}`);
  }
  return `${fields.join("\0")}\0`;
}

/** undefined: not such a text, or not all of it. */
export function parseReport(text: string): Report | undefined {
  const fields = text.split("\0");
  const phase = fields[0];
  if (phase !== "starting" && phase !== "running" && phase !== "stopping") return undefined;
  if ((fields.length - 3) % fieldsOfService !== 0) return undefined;
  const services: ServiceFact[] = [];
  for (let at = 2; at + fieldsOfService < fields.length; at += fieldsOfService) {
    const field = (index: number): string => String(fields[at + index] ?? "");
    services.push({
      name: field(0),
      path: field(1),
      state: field(2),
      want: field(3),
      pid: Number(field(4)),
      upMilliseconds: Number(field(5)),
      endsOfLate: Number(field(6)),
      lastEnd: Number(field(7)),
    });
  }
  return { phase, count: Number(fields[1] ?? "0"), services };
}

const failingEnds = 3;
const readyMilliseconds = 1000;

/** What is wrong with a service that is to be alive; "": nothing. */
export function findIllness(fact: ServiceFact): string {
  if (fact.want !== "up") return "";
  const last = `last ${describeWaitStatus(fact.lastEnd)}`;
  if (fact.endsOfLate >= failingEnds) return `restarting (${fact.endsOfLate} times in 10s, ${last})`;
  if (fact.state === "run") return "";
  return fact.endsOfLate > 0 ? `not running (${last})` : "not running";
}

/** Why a service that is well is not ready all the same; "": it is. `isChecked`: its check has succeeded. */
export function findUnreadiness(fact: ServiceFact, isChecked: boolean): string {
  if (fact.want !== "up" || isChecked || fact.upMilliseconds >= readyMilliseconds) return "";
  return "not ready yet";
}

/** The members of its JSON object, without braces. */
export function describeFact(fact: ServiceFact, problem: string): string {
  const members = [
    `"service":${quote(fact.name)}`,
    `"state":${quote(fact.state)}`,
    `"want":${quote(fact.want)}`,
    `"pid":${fact.pid === 0 ? "null" : `${fact.pid}`}`,
    `"seconds":${Math.floor(fact.upMilliseconds / 1000)}`,
    `"ends":${fact.endsOfLate}`,
    `"problem":${problem === "" ? "null" : quote(problem)}`,
  ];
  return members.join(",");
}
