import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeStop, encodeStop } from "../../../../src/core/container/handover.ts";
import type { Remaining, Stop } from "../../../../src/core/container/stop.ts";
import { hurry, reactStop, requestStop } from "../../../../src/core/container/stop.ts";

/** Everything that can still be there: main services are among the services. */
function remainders(): Remaining[] {
  const all: Remaining[] = [];
  for (let bits = 0; bits < 32; bits++) {
    const [hasMains, hasServices, hasHook] = [(bits & 1) !== 0, (bits & 3) !== 0, (bits & 4) !== 0];
    all.push({ hasMains, hasServices, hasHook, hasProcesses: (bits & 8) !== 0, hasOutput: (bits & 16) !== 0 });
  }
  return all;
}

test("every reachable state of a stop ends within the grace time and a second, whatever remains", (context) => {
  const seen = new Set<string>();
  let steps = 0;
  for (const grace of [0, 1000, 3999, 8000]) {
    for (const drain of [0, 500, 9000]) {
      for (const mainsFirst of [true, false]) {
        const end = grace + 1000;
        const work: { readonly stop: Stop; readonly clock: number }[] = [
          { stop: requestStop(grace, drain, mainsFirst, 0), clock: 0 },
        ];
        for (let one = work.pop(); one !== undefined; one = work.pop()) {
          const { stop, clock } = one;
          const key = `${encodeStop(stop)} ${clock}`;
          if (seen.has(key)) continue;
          seen.add(key);
          assert.deepEqual(decodeStop(encodeStop(stop)), stop, "it survives a restart in place");
          if (stop.step === "over") continue;
          assert.ok(
            clock <= end && stop.dueAt <= end,
            `${stop.step} at ${clock} until ${stop.dueAt}, the end is ${end}`,
          );
          for (const remaining of remainders()) {
            // At once, and when the step is over at the latest.
            for (const at of [clock, Math.max(clock, stop.dueAt)]) {
              steps++;
              const { next, actions } = reactStop(stop, remaining, at);
              assert.ok(actions.length <= 1, "one deed at a time");
              assert.ok(at < stop.dueAt || next.step !== stop.step, `stuck in ${stop.step}`);
              work.push({ stop: next, clock: at });
            }
          }
          work.push({ stop: hurry(stop, clock).next, clock });
        }
      }
    }
  }
  context.diagnostic(`counts: explored states=${seen.size} steps=${steps}`);
  assert.ok(seen.size > 100);
});
