// What /proc tells of processes, and ending those that we started: always by pid and start time, never by name.

import * as fs from "node:fs";

export interface Process {
  readonly pid: number;
  /** Ticks since boot: together with the pid it names a process for good. */
  readonly startTime: string;
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** undefined: there is none, or it has ended already and is only to be reaped. */
export function findProcess(pid: number): Process | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (stat === "" || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, startTime: fields[19] ?? "" };
}

export function isAlive(process: Process): boolean {
  return findProcess(process.pid)?.startTime === process.startTime;
}

export function childrenOf(pid: number): readonly number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim();
  return children === "" ? [] : children.split(" ").map(Number);
}

export interface Memory {
  readonly pss: number;
  readonly own: number;
  /** Pages that it has written. */
  readonly written: number;
  readonly resident: number;
}

/** Bytes: the proportional share, and what is mapped by this process alone. */
export function memoryOf(pid: number): Memory {
  const text = read(`/proc/${pid}/smaps_rollup`);
  const field = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN);
  return {
    pss: field("Pss") * 1024,
    own: (field("Private_Clean") + field("Private_Dirty")) * 1024,
    written: field("Private_Dirty") * 1024,
    resident: field("Rss") * 1024,
  };
}

/** Milliseconds on a processor so far, to the nanosecond: the ticks in /proc/PID/stat are too coarse for this. */
export function processorTimeOf(pid: number): number {
  return Number(read(`/proc/${pid}/schedstat`).split(" ")[0] ?? "0") / 1e6;
}

/** How often it has gone to sleep, and so been woken. */
export function sleepsOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? "0");
}

export function tell(process: Process, signal: NodeJS.Signals): void {
  if (!isAlive(process)) return;
  try {
    globalThis.process.kill(process.pid, signal);
  } catch {
    // ended between the two
  }
}
