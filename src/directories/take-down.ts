// Taking services down, and waiting until they are: for svwaitdown(8), which names one after the other.

import { shortStatusBytes, statusBytes } from "../core/supervise/status.ts";
import type { System } from "../system/system.ts";
import { StateWatch } from "./state-watch.ts";
import type { Trouble } from "./supervised.ts";
import type { Visits } from "./visits.ts";

/** How long a service is given to take up what it was told. */
const moment = 1000;

/** "gone": its runsv is. */
export type Outcome = "down" | "gone" | "late" | "in trouble";

export class TakeDown {
  readonly #system: System;
  readonly #visits: Visits;
  /** Until its runsv is gone, not only the service down. */
  readonly #untilGone: boolean;
  /** Monotonic clock, milliseconds; for all services together. */
  deadline: number;

  constructor(system: System, visits: Visits, untilGone: boolean, deadline: number) {
    this.#system = system;
    this.#visits = visits;
    this.#untilGone = untilGone;
    this.deadline = deadline;
  }

  /** Tells the service whose directory is the working directory to end. */
  tell(): Trouble | undefined {
    return this.#visits.tell(this.#untilGone ? "dx" : "d");
  }

  awaitEnd(name: string, wasTold: boolean): Outcome {
    const watch = new StateWatch(this.#system);
    let tellAt = this.#system.monotonic() + (wasTold ? moment : 0);
    try {
      for (;;) {
        const outcome = this.#look(name);
        const now = this.#system.monotonic();
        if (outcome !== "wants up" && outcome !== "wants down") return outcome;
        if (now >= this.deadline) return "late";
        // It was told something else meanwhile, or could not be told at first.
        if (outcome === "wants up" && now >= tellAt) {
          const obstacle = this.tell();
          if (obstacle !== undefined && !obstacle.isGone) {
            this.#visits.failFor(name, obstacle);
            return "in trouble";
          }
          tellAt = now + moment;
        }
        watch.await(
          this.#visits.state,
          (outcome === "wants down" ? this.deadline : Math.min(this.deadline, tellAt)) - now,
        );
      }
    } finally {
      watch.close();
    }
  }

  #look(name: string): Outcome | "wants up" | "wants down" {
    if (!this.#visits.enter(name)) return "in trouble";
    const { status, trouble } = this.#visits.read(isRecord);
    if (trouble?.isGone === true) return "gone";
    if (status === undefined) {
      this.#visits.failFor(name, trouble);
      return "in trouble";
    }
    // Without a process, but about to run finish: not yet.
    if (status.pid === 0 && status.phase !== "finish" && !this.#untilGone) return "down";
    return status.want === "d" ? "wants down" : "wants up";
  }

  /** False: it could not be told. */
  kill(name: string): boolean {
    if (!this.#visits.enter(name)) return false;
    const obstacle = this.#visits.tell("k");
    if (obstacle !== undefined && !obstacle.isGone) {
      this.#visits.failFor(name, obstacle);
      return false;
    }
    this.#visits.say(`${name}: killed.`);
    return true;
  }
}

function isRecord(bytes: number): boolean {
  return bytes === shortStatusBytes || bytes >= statusBytes;
}
