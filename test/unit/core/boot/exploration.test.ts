import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBoot, encodeBoot } from "../../../../src/core/boot/handover.ts";
import type { Boot, BootAction, BootHappening } from "../../../../src/core/boot/stages.ts";
import { newBoot, reactBoot } from "../../../../src/core/boot/stages.ts";

/** What can happen to process 1 in this state. */
function happeningsOf(boot: Boot): BootHappening[] {
  const all: BootHappening[] = [
    { kind: "continued", isArmed: true },
    { kind: "continued", isArmed: false },
    { kind: "interrupted", hasScript: true },
    { kind: "interrupted", hasScript: false },
  ];
  if (boot.isContained) all.push({ kind: "told", signal: "TERM" });
  if (boot.dueAt >= 0) all.push({ kind: "due" });
  if (boot.askingPid !== 0) {
    all.push({ kind: "asked", waitStatus: 0, isArmed: true }, { kind: "asked", waitStatus: 0, isArmed: false });
  }
  if (boot.pid !== 0) {
    for (const waitStatus of [0, 256, 111 * 256, 100 * 256, 9]) all.push({ kind: "ended", waitStatus });
  }
  return all;
}

/** Does what is asked for, as the command would: what is started has a pid, or cannot be started. */
function follow(boot: Boot, actions: readonly BootAction[], canStart: boolean): Boot {
  let now = boot;
  for (const action of actions) {
    if (action.kind === "start") {
      const heard: BootHappening = canStart ? { kind: "started", pid: 7 } : { kind: "unforkable" };
      now = reactBoot(now, heard, 1000).next;
    } else if (action.kind === "ask" && canStart) now = reactBoot(now, { kind: "asking", pid: 8 }, 1000).next;
  }
  return now;
}

for (const isContained of [false, true]) {
  test(`every reachable state of process 1${isContained ? " in a container" : ""} leads to the end`, (context) => {
    const seen = new Map<string, Boot>();
    const from = new Map<string, string[]>();
    const work: Boot[] = [{ ...newBoot(), isContained, pid: 7 }];
    let steps = 0;
    for (let boot = work.pop(); boot !== undefined; boot = work.pop()) {
      const key = encodeBoot(boot, 0);
      if (seen.has(key)) continue;
      seen.set(key, boot);
      assert.deepEqual(decodeBoot(key, 0), boot, "it survives a restart in place");
      assert.ok(boot.phase !== "over" || boot.pid === 0, "over, and a stage runs");
      if (boot.phase === "over") continue;
      assert.ok(boot.pid !== 0 || boot.dueAt >= 0, `nothing will ever happen: ${key}`);
      for (const happening of happeningsOf(boot)) {
        for (const canStart of [true, false]) {
          steps++;
          const { next, actions } = reactBoot(boot, happening, 1000);
          assert.ok(next.stage >= boot.stage, `back from stage ${boot.stage} to ${next.stage}`);
          const after = follow(next, actions, canStart);
          const to = encodeBoot(after, 0);
          from.set(to, [...(from.get(to) ?? []), key]);
          work.push(after);
        }
      }
    }
    const ends = new Set([...seen].filter(([, boot]) => boot.phase === "over").map(([key]) => key));
    assert.ok(ends.size > 0, "there is an end");
    const back = [...ends];
    for (let key = back.pop(); key !== undefined; key = back.pop()) {
      for (const before of from.get(key) ?? []) {
        if (ends.has(before)) continue;
        ends.add(before);
        back.push(before);
      }
    }
    assert.equal(ends.size, seen.size, "the end can be reached from everywhere");
    context.diagnostic(`counts: explored states=${seen.size} steps=${steps}`);
    assert.ok(seen.size > 20);
  });
}
