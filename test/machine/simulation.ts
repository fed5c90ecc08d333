// Days of simulated time on the in-memory machine: programs with services that end at random, random commands, failing
// calls, disks that are full for a while and a wall clock that steps. Whatever the seed: no second copy of a service, a
// status that is true, a wanted service that is up, every line once, and nothing that grows.

import assert from "node:assert/strict";
import { runsv } from "../../src/commands/runsv.ts";
import { runsvdir } from "../../src/commands/runsvdir.ts";
import { decodeStatus } from "../../src/core/supervise/status.ts";
import type { Polled } from "../../src/system/system.ts";
import { copies, labelled, logDirectory, playLogger } from "./logs.ts";
import type { Process } from "./machine.ts";
import { Machine } from "./machine.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** 0 to below - 1. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  }
  pick<T>(from: readonly T[]): T {
    const one = from[this.roll(from.length)];
    assert.ok(one !== undefined);
    return one;
  }
}

/** What has happened in a simulation. */
export interface Course {
  readonly hours: number;
  /** Times at which everything was looked at. */
  checks: number;
  starts: number;
  commands: number;
  faults: number;
  clockSteps: number;
  kills: number;
  lines: number;
}

/** A machine that is looked at whenever the program waits, and on which calls fail from time to time. */
class Weather extends Machine {
  readonly dice: Dice;
  readonly course: Course;
  /** What must hold while the program waits. */
  check: (isCalm: boolean) => void = () => {};
  hourly: () => void = () => {};
  #nextHour: number;
  /** Until then the weather is calm. */
  #stormFrom = Number.POSITIVE_INFINITY;
  #stormUntil = 0;

  constructor(seed: number, hours: number) {
    super();
    this.#nextHour = this.milliseconds + hour;
    this.dice = new Dice(seed);
    this.course = { hours, checks: 0, starts: 0, commands: 0, faults: 0, clockSteps: 0, kills: 0, lines: 0 };
  }

  /** From time to time some calls of these kinds fail, for some seconds, and the wall clock steps. */
  brew(fails: RegExp): void {
    const errnos = [5, 11, 12, 13, 23, 24, 28];
    const storm = (): void => {
      this.#stormFrom = this.milliseconds;
      this.#stormUntil = this.milliseconds + 200 + this.dice.roll(20 * second);
      const often = this.dice.pick([2, 5, 30]);
      this.refuses = (call) => {
        if (this.milliseconds > this.#stormUntil || !fails.test(call) || this.dice.roll(often) !== 0) return 0;
        this.course.faults++;
        return this.dice.pick(errnos);
      };
      this.after(2 * minute + this.dice.roll(20 * minute), storm);
    };
    this.after(minute + this.dice.roll(10 * minute), storm);
    const step = (): void => {
      this.course.clockSteps++;
      this.wallSeconds += this.dice.pick([1, -1, 3600, -3600, 86_400, -86_400, 31]);
      this.after(this.dice.roll(2 * hour), step);
    };
    this.after(this.dice.roll(2 * hour), step);
  }
  /** No call has failed for so long. */
  calmFor(milliseconds: number): boolean {
    return this.milliseconds < this.#stormFrom || this.milliseconds > this.#stormUntil + milliseconds;
  }
  override poll(fds: readonly Polled[], milliseconds: number): number {
    if (this.milliseconds >= this.#nextHour) {
      this.#nextHour += hour;
      this.hourly();
    }
    this.log.length = 0;
    this.stderr = "";
    for (const { pid, isLiving } of this.processes.values()) {
      if (!isLiving && !this.ended.some((one) => one.pid === pid)) this.processes.delete(pid);
    }
    if (this.ended.length === 0) {
      this.course.checks++;
      this.check(this.calmFor(15 * second));
    }
    return super.poll(fds, milliseconds);
  }
}

const control = "/service/web/supervise/control";

/** runsv with a service and its log service, until it is told x at the end. */
export function simulateService(seed: number, hours: number, hourly: () => void = () => {}): Course {
  const machine = new Weather(seed, hours);
  machine.hourly = hourly;
  const { dice, course } = machine;
  const end = machine.milliseconds + hours * hour;
  let printed = 0;
  let read = 0;
  const print = (process: Process): void => {
    for (let i = dice.roll(4); i >= 0; i--) process.print(`${++printed}\n`);
  };
  const living = (name: string): readonly Process[] => machine.living().filter((one) => one.name.startsWith(name));
  const life = (): number => dice.pick([10, 200, 999, 1000, 1001, 5 * second, 30 * second, 2 * minute, 5 * minute]);
  const ends = (process: Process, milliseconds: number): void =>
    machine.after(milliseconds, () => {
      if (!process.isLiving) return;
      if (process.isStopped) return ends(process, second);
      print(process);
      process.end(dice.pick([0, 256, 111 * 256, 11, 6, 9]));
    });
  machine.program("/service/web/run", {
    begins: (process) => {
      course.starts++;
      assert.equal(living("./run").length, 1, "one copy of the service");
      assert.equal(living("./finish").length, 0, "its finish is over");
      print(process);
      ends(process, 1 + dice.roll(life()));
    },
    hears: (process, signal) => {
      if (signal !== 15) return dice.roll(20) !== 0;
      if (dice.roll(20) !== 0) ends(process, 1 + dice.roll(3 * second));
      return true;
    },
  });
  machine.program("/service/web/finish", { begins: (process) => ends(process, 1 + dice.roll(3 * second)) });
  machine.program("/service/web/log/run", {
    begins: (process) => {
      course.starts++;
      assert.equal(living("log ./run").length, 1, "one copy of the log service");
      const look = (): void => {
        if (!process.isLiving) return;
        for (const line of process.readAll().split("\n")) {
          if (line !== "") assert.equal(Number(line), ++read, "every line once, in order");
        }
        const input = process.files.get(0);
        if (input !== undefined && input.node.writers === 0) process.exit(0);
        else if (dice.roll(200) === 0) process.end(dice.pick([0, 256, 9, 11]));
        else machine.after(5 * second, look);
      };
      machine.after(10, look);
    },
  });
  machine.brew(/./);

  let wants = "u";
  let heardAt = 0;
  const tell = (): void => {
    if (machine.milliseconds > end) return;
    const byte = dice.pick([..."uuuuudotkpchaiq12z"]);
    if (byte === "p") machine.after(dice.roll(2 * minute), () => machine.tell(control, "c"));
    machine.tell(control, byte);
    course.commands++;
    if (byte === "u") wants = "u";
    if (byte === "d" || byte === "o") wants = "d";
    heardAt = machine.milliseconds;
    machine.after(1 + dice.roll(2 * minute), tell);
  };
  machine.after(10 * second, tell);
  const stop = (): void => {
    machine.refuses = () => 0;
    if (!machine.exists(control)) return;
    machine.tell(control, "cxk");
    machine.after(20 * second, stop);
  };
  machine.after(hours * hour, stop);

  let downSince = -1;
  let most = 0;
  machine.check = (isCalm) => {
    for (const name of ["./run", "log ./run"]) assert.ok(living(name).length <= 1, `one ${name}`);
    const bytes = machine.content("/service/web/supervise/status");
    const status = bytes === undefined ? undefined : decodeStatus(Buffer.from(bytes, "latin1"));
    if (!isCalm || status === undefined || machine.milliseconds >= end) {
      downSince = -1;
      return;
    }
    const [process] = [...living("./run"), ...living("./finish")];
    assert.equal(status.pid, process?.pid ?? 0, "the status has the pid of the process there is");
    assert.equal(status.phase === "run", living("./run").length === 1, "the status says run if and only if it runs");
    if (machine.milliseconds > heardAt) assert.equal(status.want, wants, "the last command is obeyed");
    if (status.want !== "u" || status.pid !== 0) downSince = -1;
    else if (downSince < 0) downSince = machine.milliseconds;
    else assert.ok(machine.milliseconds - downSince <= 6 * second, "a wanted service is up soon");
    if (course.checks < 200) most = Math.max(most, machine.openFds);
    else assert.ok(machine.openFds <= most + 2, `${machine.openFds} descriptors, ${most} at first`);
    assert.ok(machine.processes.size < 10, "processes are reaped");
    assert.ok(machine.names("/service/web/supervise").length < 10, "files do not pile up");
  };
  assert.equal(runsv(["runsv", "/service/web"], machine), 0);
  assert.equal(machine.living().length, 0, "nothing is left");
  assert.equal(read, printed, "every line that was written was read");
  course.lines = read;
  return course;
}

/** runsvdir over a scan directory in which services come and go. */
export function simulateScan(seed: number, hours: number): Course {
  const machine = new Weather(seed, hours);
  const { dice, course } = machine;
  machine.directory("/service");
  /** Since when each service is there, or not there. */
  const present = new Map<string, number>();
  const absent = new Map<string, number>();
  let names = 0;
  const running = (name: string): number => machine.living().filter((one) => one.name === `runsv ${name}`).length;
  machine.program("/bin/runsv", {
    begins: (process) => {
      course.starts++;
      assert.equal(running(process.name.slice(6)), 1, `one ${process.name}`);
      if (dice.roll(3) !== 0) return;
      machine.after(1 + dice.roll(dice.pick([20, second, 10 * minute])), () => process.end(dice.pick([0, 256, 9])));
    },
    hears: (process) => {
      machine.after(1 + dice.roll(second), () => process.exit(0));
      return true;
    },
  });
  machine.brew(/^(?!kill )/);
  const change = (): void => {
    const name = dice.pick([...present.keys(), `s${++names}`]);
    course.commands++;
    if (present.has(name)) {
      machine.remove(`/service/${name}`);
      present.delete(name);
      absent.set(name, machine.milliseconds);
    } else {
      machine.file(`/service/${name}/run`, "");
      present.set(name, machine.milliseconds);
      absent.delete(name);
    }
    machine.touch("/service");
    machine.after(1 + dice.roll(5 * minute), change);
  };
  machine.after(1, change);
  machine.after(hours * hour, () => {
    machine.refuses = () => 0;
    machine.raise("HUP");
  });
  let most = 0;
  const up = new Map<string, number>();
  machine.check = () => {
    const isCalm = machine.calmFor(30 * second);
    for (const name of [...present.keys(), ...absent.keys()]) {
      assert.ok(running(name) <= 1, `one runsv ${name}`);
      if (running(name) === 1 || !isCalm || !present.has(name)) up.set(name, machine.milliseconds);
      const since = Math.max(present.get(name) ?? machine.milliseconds, up.get(name) ?? 0);
      assert.ok(machine.milliseconds - since <= 10 * second, `runsv ${name} is started soon`);
      const gone = absent.get(name) ?? machine.milliseconds;
      if (isCalm) assert.ok(running(name) === 0 || machine.milliseconds - gone <= 45 * second, `runsv ${name} ends`);
      if (machine.milliseconds - gone > hour) absent.delete(name);
    }
    if (course.checks < 500) most = Math.max(most, machine.openFds);
    else assert.ok(machine.openFds <= most + 2, `${machine.openFds} descriptors, ${most} at first`);
  };
  machine.arguments = ["runsvdir", "/service"];
  assert.equal(runsvdir(machine.arguments, machine), 111);
  return course;
}

/** svlogd after svlogd on one pipe, into two directories: killed in any call, told to rotate, with full disks. */
export function simulateLogger(seed: number, hours: number, hourly: () => void = () => {}): Course {
  const machine = new Weather(seed, hours);
  machine.hourly = hourly;
  const { dice, course } = machine;
  const directories = ["/a", "/b"];
  logDirectory(machine, "s2000\nn0\n!cat\n", "/a");
  logDirectory(machine, "s3000\nt600\nn0\n", "/b");
  machine.program(
    "/bin/sh",
    copies(150, () => (dice.roll(10) === 0 ? 1 : 0)),
  );
  const input = machine.input();
  const end = machine.milliseconds + hours * hour;
  let written = 0;
  const write = (): void => {
    if (machine.milliseconds > end) {
      input.end();
      return;
    }
    for (let i = dice.roll(20); i > 0; i--) input.write(`${++written} ${"x".repeat(dice.roll(60))}\n`);
    machine.after(1 + dice.roll(20 * second), write);
  };
  machine.after(1, write);
  const tell = (): void => {
    course.commands++;
    machine.raise(dice.pick(["HUP", "ALRM", "ALRM", "TERM"]));
    machine.after(1 + dice.roll(10 * minute), tell);
  };
  machine.after(minute, tell);
  const fill = (): void => {
    if (machine.milliseconds < end) {
      machine.freeBytes = dice.roll(3000);
      course.faults++;
    }
    machine.after(1 + dice.roll(minute), () => {
      machine.freeBytes = Number.POSITIVE_INFINITY;
    });
    machine.after(2 * minute + dice.roll(hour), fill);
  };
  machine.after(minute, fill);
  machine.brew(/^(write|fsync|fchmod|rename .*)$/);
  let most = 0;
  machine.check = (isCalm) => {
    assert.ok(machine.living().length <= 2, "no more processors than directories");
    if (course.checks < 500) most = Math.max(most, machine.openFds);
    else if (isCalm) assert.ok(machine.openFds <= most + 2, `${machine.openFds} descriptors, ${most} at first`);
  };
  const next = new Map(directories.map((name) => [name, 1]));
  const begun = new Map<string, string>();
  /** Looks through the texts of a directory, in order. Where svlogd was killed a file ends within a line. */
  const take = (directory: string, text: string): void => {
    const lines = `${begun.get(directory) ?? ""}${text}`.split("\n");
    begun.set(directory, lines.pop() ?? "");
    for (const line of lines) {
      const words = line.replace(/^@[0-9a-f]{24} /, "");
      if (words === "" || words.startsWith("svlogd: warning: ")) continue;
      const wanted = next.get(directory) ?? 0;
      assert.equal(Number(words.split(" ")[0]), wanted, `${directory}: every line once, in order`);
      next.set(directory, wanted + 1);
    }
  };
  for (let isOver = false; !isOver; ) {
    machine.killAt = dice.roll(2) === 0 ? machine.calls + 1 + dice.roll(5000) : 0;
    const ending = playLogger(machine, "-t", ...directories);
    course.starts++;
    if (ending === "killed") course.kills++;
    else assert.equal(ending, 0);
    isOver = ending === 0 && machine.milliseconds > end && input.waiting === "";
    // What is saved is looked through and taken away, but for the newest and what waits for the processor.
    for (const directory of directories) {
      const names = labelled(machine, directory);
      for (const name of isOver ? names : names.slice(0, -1)) {
        const isDone = name.endsWith("s") || (directory === "/b" && name.endsWith("u"));
        const isTwice = names.filter((other) => other.startsWith(name.slice(0, 25))).length > 1;
        if (!isOver && (!isDone || isTwice)) break;
        const isCounted = name.endsWith("s") || (name.endsWith("u") && !names.includes(name.replace(/u$/, "s")));
        if (isCounted) take(directory, machine.content(`${directory}/${name}`) ?? "");
        machine.remove(`${directory}/${name}`);
      }
      if (isOver) take(directory, machine.content(`${directory}/current`) ?? "");
    }
  }
  for (const directory of directories) assert.equal((next.get(directory) ?? 0) - 1, written, `${directory}: all lines`);
  course.lines = written * directories.length;
  return course;
}
