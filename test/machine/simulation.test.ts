// Simulated days, by seed. SIMULATION_SEEDS and SIMULATION_HOURS make them more, SEED names the first: a seed that fails is
// played again with SEED=n SIMULATION_SEEDS=1.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v8 from "node:v8";
import * as vm from "node:vm";
import type { Course } from "./simulation.ts";
import { simulateLogger, simulateScan, simulateService } from "./simulation.ts";

const first = Number(process.env["SEED"] ?? "1");
const seeds = Number(process.env["SIMULATION_SEEDS"] ?? "1");
const hours = Number(process.env["SIMULATION_HOURS"] ?? "24");

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc") as () => void;
/** Bytes of objects that are still in use. */
function used(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

const kinds: readonly (readonly [string, (seed: number, hours: number) => Course])[] = [
  ["runsv with a service and its log service", simulateService],
  ["runsvdir over a scan directory that changes", simulateScan],
  ["svlogd after svlogd on one pipe", simulateLogger],
];
for (const [name, simulate] of kinds) {
  test(`${hours} hours of ${name}: nothing is lost, doubled, stuck or left behind`, (context) => {
    const sum = { hours: 0, checks: 0, starts: 0, commands: 0, faults: 0, clockSteps: 0, kills: 0, lines: 0 };
    for (let seed = first; seed < first + seeds; seed++) {
      try {
        const course = simulate(seed, hours);
        for (const key of Object.keys(sum) as (keyof Course)[]) sum[key] += course[key];
      } catch (error) {
        throw new Error(`SEED=${seed}`, { cause: error });
      }
    }
    const words = Object.entries(sum).map(([key, count]) => `${key}=${count}`);
    context.diagnostic(`counts: simulation seeds=${seeds} ${words.join(" ")}`);
    assert.ok(sum.checks > hours * seeds * 20 && sum.starts > hours * seeds, words.join(" "));
  });
}

for (const [name, simulate] of [
  ["runsv", simulateService],
  ["svlogd", simulateLogger],
] as const) {
  test(`the memory of ${name} after ${hours} hours is what it was after one`, (context) => {
    const memory: number[] = [];
    simulate(first, hours, () => memory.push(used()));
    const [atFirst = 0, atLast = 0] = [memory[0], memory.at(-1)];
    context.diagnostic(`${Math.round(atFirst / 1024)} KiB after an hour, ${Math.round(atLast / 1024)} KiB at the end`);
    assert.ok(memory.length >= hours - 1 && atLast - atFirst < 4 * 1024 * 1024, memory.join(" "));
  });
}
