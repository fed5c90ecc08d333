// What plays of svlogd on the in-memory machine have in common.

import { svlogd } from "../../src/commands/svlogd.ts";
import type { Machine, Process, Program } from "./machine.ts";
import { Idle, Killed } from "./machine.ts";

/** How a play ended: with an exit code, or not. */
export type Ending = number | "idle" | "killed";

/** Plays svlogd to its end, until nothing more happens, or until it is killed; then another one can be played. */
export function playLogger(machine: Machine, ...words: string[]): Ending {
  try {
    const code = svlogd(["svlogd", ...words], machine);
    machine.bury();
    return code;
  } catch (error) {
    machine.bury();
    if (error instanceof Idle) return "idle";
    if (error instanceof Killed) return "killed";
    throw error;
  }
}

/** A log directory with its config. */
export function logDirectory(machine: Machine, config: string, path = "/log"): void {
  machine.directory(path);
  machine.file(`${path}/config`, config);
}

/** Names of the saved and unfinished files of a log directory, oldest first. */
export function labelled(machine: Machine, path = "/log"): string[] {
  return machine
    .names(path)
    .filter((name) => name.startsWith("@"))
    .sort();
}
/** What the saved files hold, oldest first. */
export function saved(machine: Machine, path = "/log"): string[] {
  return labelled(machine, path).map((name) => machine.content(`${path}/${name}`) ?? "");
}
export function current(machine: Machine, path = "/log"): string {
  return machine.content(`${path}/current`) ?? "";
}
/** All that was logged. What the processor has put into its place counts for what it was made from. */
export function logged(machine: Machine, path = "/log"): string {
  const names = labelled(machine, path);
  const isCounted = (name: string) =>
    name.endsWith("s") || (name.endsWith("u") && !names.includes(name.replace(/u$/, "s")));
  const counted = names.filter(isCounted);
  return counted.map((name) => machine.content(`${path}/${name}`) ?? "").join("") + current(machine, path);
}

/** A processor that after so many milliseconds has copied its input, and counts its successes in its state. */
export function copies(milliseconds: number, code: () => number = () => 0): Program {
  const work = (process: Process): void => {
    process.print(process.readAll());
    process.print(`${Number(process.readAll(4)) + 1}`, 5);
    process.exit(code());
  };
  return { begins: (process) => process.machine.after(milliseconds, () => process.isLiving && work(process)) };
}
