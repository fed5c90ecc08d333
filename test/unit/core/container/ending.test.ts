import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Cause, Course } from "../../../../src/core/container/ending.ts";
import { describeEnding, exitCodeOf } from "../../../../src/core/container/ending.ts";

const told: Cause = { kind: "signal", signal: "TERM" };
function course(cause: Cause, mainEnds: readonly number[] = [], killed = 0): Course {
  return { cause, mainEnds, stopped: 2, killed, isOutOfMemory: false };
}
const exited = (code: number) => code * 256;
const main = (waitStatus: number): Cause => ({ kind: "main", name: "main service web", waitStatus, seconds: 3 });

suite("the exit code", () => {
  for (const [title, one, code] of [
    ["of the main service", course(main(exited(7)), [exited(7)]), 7],
    ["128 and the signal that ended it", course(main(11), [11]), 139],
    ["the same after a core dump", course(main(128 + 11), [128 + 11]), 139],
    ["of the first main service that failed", course(main(0), [0, exited(5), exited(6)]), 5],
    ["0 where they all ended well, whoever else was killed", course(main(0), [0, 0], 1), 0],
    ["143 after a main service that knew no TERM", course(told, [15]), 143],
    ["0 where all stopped by themselves", course(told), 0],
    ["137 where one had to be killed", course(told, [], 1), 137],
    ["what was asked for", course({ kind: "told", code: 42 }, [exited(1)], 1), 42],
    ["as after a signal where nothing was asked for", course({ kind: "told", code: -1 }, [exited(1)]), 1],
    ["of the last failure", course({ kind: "gave up", name: "x", count: 3, waitStatus: exited(3) }), 3],
    ["1 where that was none", course({ kind: "gave up", name: "x", count: 3, waitStatus: 0 }), 1],
    ["of the start hook", course({ kind: "start hook", waitStatus: exited(4) }), 4],
    ["of the command that is not there", course({ kind: "no command", name: "x", code: 127, reason: "" }), 127],
    ["1 where nobody knows how it ended", course(main(-1), [-1]), 1],
  ] as const)
    test(`is ${title}`, () => assert.equal(exitCodeOf(one, []), code));

  test("that was expected is 0", () => {
    assert.equal(exitCodeOf(course(told, [15]), [143]), 0);
    assert.equal(exitCodeOf(course(told, [15]), [7]), 143);
  });
});

suite("the reason", () => {
  for (const [one, text] of [
    [course(main(11), [], 1), "main service web died of signal 11 (SEGV) after 3s; 2 services stopped, 1 killed"],
    [course(main(exited(7))), "main service web exited 7 after 3s; 2 services stopped"],
    [course(told), "stopped by TERM; 2 services stopped"],
    [course({ kind: "told", code: 42 }), "stopped by request with code 42; 2 services stopped"],
    [course({ kind: "told", code: -1 }), "stopped by request; 2 services stopped"],
    [
      course({ kind: "gave up", name: "web", count: 3, waitStatus: exited(3) }),
      "gave up: service web failed 3 times, at last it exited 3; 2 services stopped",
    ],
    [
      { ...course(main(9)), isOutOfMemory: true },
      "main service web died of signal 9 (KILL) after 3s; 2 services stopped (killed by the kernel: out of memory)",
    ],
    [{ ...course(told), stopped: 1 }, "stopped by TERM; 1 service stopped"],
    [course(main(44)), "main service web died of signal 44 after 3s; 2 services stopped"],
    [
      course({ kind: "no command", name: "x", code: 126, reason: "access denied" }),
      "unable to run x: access denied; 2 services stopped",
    ],
    [course({ kind: "start hook", waitStatus: exited(4) }), "start hook exited 4; 2 services stopped"],
  ] as const)
    test(text, () => assert.equal(describeEnding(one), text));
});
