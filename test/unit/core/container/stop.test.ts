import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ContainerOptions } from "../../../../src/core/container/options.ts";
import type { Remaining, Stop, StopAction } from "../../../../src/core/container/stop.ts";
import { describePlan, hurry, reactStop, requestStop } from "../../../../src/core/container/stop.ts";

const nothing: Remaining = {
  hasMains: false,
  hasServices: false,
  hasHook: false,
  hasProcesses: false,
  hasOutput: false,
};
const services: Remaining = { ...nothing, hasServices: true };
const mains: Remaining = { ...services, hasMains: true };
const everything: Remaining = { hasMains: true, hasServices: true, hasHook: true, hasProcesses: true, hasOutput: true };

/** Plays a stop in which nothing ever ends by itself; what was done, and when (milliseconds after the request). */
function timeline(stop: Stop, remaining: Remaining): string[] {
  const done: string[] = [];
  let now = stop;
  let clock = stop.requestedAt;
  for (let turn = 0; turn < 1000 && now.step !== "over"; turn++) {
    const { next, actions } = reactStop(now, remaining, clock);
    for (const action of actions) done.push(`${clock - stop.requestedAt} ${action}`);
    now = next;
    if (actions.length === 0 && now.step !== "over") clock = Math.max(clock, now.dueAt);
  }
  done.push(`${clock - stop.requestedAt} ${now.step}`);
  return done;
}
/** The deeds of a stop in which everything is gone at once. */
function deeds(stop: Stop): readonly StopAction[] {
  const done: StopAction[] = [];
  let now = stop;
  while (now.step !== "over") {
    const { next, actions } = reactStop(now, nothing, 5000);
    for (const action of actions) done.push(action);
    now = next;
  }
  return done;
}

suite("a stop", () => {
  test("in which nothing ends by itself keeps to one deadline", () => {
    assert.deepEqual(timeline(requestStop(8000, 0, true, 5000), everything), [
      "0 stop mains",
      "6000 stop services",
      "7000 kill services",
      "7500 run hook",
      "8500 terminate rest",
      "8500 kill rest",
      "9000 say why",
      "9000 over",
    ]);
  });

  test("never takes longer than the grace time and a second", () => {
    for (const grace of [0, 100, 1000, 2000, 3999, 4000, 5000, 8000, 30_000]) {
      for (const drain of [0, grace / 2, grace, grace * 2]) {
        for (const mainsFirst of [true, false]) {
          const last = timeline(requestStop(grace, drain, mainsFirst, 0), everything).at(-1);
          assert.ok(Number.parseFloat(last ?? "") <= grace + 1000, `${grace} ${drain}: ${last}`);
        }
      }
    }
  });

  test("in which everything ends at once takes no time", () => {
    assert.deepEqual(deeds(requestStop(8000, 0, true, 5000)), [
      "stop services",
      "run hook",
      "terminate rest",
      "say why",
    ]);
  });

  test("stops all at once where main services come not first, or there is none", () => {
    assert.deepEqual(reactStop(requestStop(8000, 0, false, 0), mains, 0).actions, ["stop services"]);
    assert.deepEqual(reactStop(requestStop(8000, 0, true, 0), services, 0).actions, ["stop services"]);
    assert.deepEqual(reactStop(requestStop(8000, 0, true, 0), mains, 0).actions, ["stop mains"]);
  });

  test("leaves everything alone while it drains, unless there is nothing left", () => {
    const stop = requestStop(8000, 2000, true, 0);
    assert.deepEqual(reactStop(stop, services, 1999).actions, []);
    assert.deepEqual(reactStop(stop, services, 2000).actions, ["stop services"]);
    assert.deepEqual(reactStop(stop, nothing, 1).actions, ["stop services"]);
  });

  test("with a short grace time kills at three quarters of it", () => {
    const killedAt = (grace: number) =>
      timeline(requestStop(grace, 0, false, 0), services).find((line) => line.endsWith("kill services"));
    assert.equal(killedAt(2000), "1500 kill services");
    assert.equal(killedAt(4000), "3000 kill services");
    assert.equal(killedAt(0), "0 kill services");
  });

  test("in a hurry kills at once, but only once", () => {
    const stop = requestStop(8000, 0, true, 0);
    const hurried = hurry(stop, 10);
    assert.deepEqual(hurried.actions, ["kill services"]);
    assert.deepEqual(hurry(hurried.next, 20).actions, []);
  });

  test("is described beforehand", () => {
    const options = new ContainerOptions();
    options.drainMilliseconds = 2000;
    assert.deepEqual(describePlan(options), [
      "plan: on a stop request not ready, but untouched for 2s",
      "plan: main services stop first, the others at 6s at the latest",
      "plan: what is left at 7s is killed; all is over by 9s",
    ]);
  });
});
