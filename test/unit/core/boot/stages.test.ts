import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decodeBoot, encodeBoot } from "../../../../src/core/boot/handover.ts";
import type { Boot, BootAction, BootHappening } from "../../../../src/core/boot/stages.ts";
import { newBoot, reactBoot } from "../../../../src/core/boot/stages.ts";

const killed = 9;
const exit = (code: number): number => code * 256;
const running = (stage: 1 | 2 | 3): Boot => ({ ...newBoot(), stage, pid: 40 });

function describe(action: BootAction): string {
  switch (action.kind) {
    case "say":
      return action.text;
    case "warn":
      return `! ${action.text}`;
    case "start":
      return `start ${action.stage}`;
    case "terminate":
    case "kill":
    case "killGroup":
      return `${action.kind} ${action.pid}`;
    default:
      return action.kind;
  }
}
function hear(boot: Boot, ...happenings: BootHappening[]): { readonly next: Boot; readonly did: readonly string[] } {
  let next = boot;
  const did: string[] = [];
  for (const happening of happenings) {
    const reaction = reactBoot(next, happening, 1000);
    next = reaction.next;
    did.push(...reaction.actions.map(describe));
  }
  return { next, did };
}

suite("the end of a stage", () => {
  const rest = ["! killing all processes in stage 2...", "killGroup 40"];
  const table: readonly (readonly [1 | 2 | 3, number, readonly string[], string])[] = [
    [1, exit(0), ["leave stage: /etc/runit/1", "start 2"], "2 running"],
    [
      1,
      exit(100),
      ["! child failed: /etc/runit/1", "leave stage: /etc/runit/1", "! skipping stage 2...", "start 3"],
      "3 running",
    ],
    [
      1,
      killed,
      ["! child crashed: /etc/runit/1", "leave stage: /etc/runit/1", "! skipping stage 2...", "start 3"],
      "3 running",
    ],
    [1, exit(111), ["! child failed: /etc/runit/1", "leave stage: /etc/runit/1", "start 2"], "2 running"],
    [1, exit(3), ["! child failed: /etc/runit/1", "leave stage: /etc/runit/1", "start 2"], "2 running"],
    [2, exit(0), ["leave stage: /etc/runit/2", "start 3"], "3 running"],
    [2, exit(111), ["! child failed: /etc/runit/2", ...rest], "2 resting"],
    [2, killed + 128, ["! child crashed: /etc/runit/2", ...rest], "2 resting"],
    [2, exit(100), ["! child failed: /etc/runit/2", "leave stage: /etc/runit/2", "start 3"], "3 running"],
    [3, exit(0), ["leave stage: /etc/runit/3"], "3 over"],
    [3, exit(1), ["! child failed: /etc/runit/3", "leave stage: /etc/runit/3"], "3 over"],
    [3, killed, ["! child crashed: /etc/runit/3", "leave stage: /etc/runit/3"], "3 over"],
  ];
  for (const [stage, waitStatus, expected, after] of table) {
    test(`${stage}, wait status ${waitStatus}`, () => {
      const { next, did } = hear(running(stage), { kind: "ended", waitStatus });
      assert.deepEqual(did, expected);
      assert.equal(`${next.stage} ${next.phase}`, after);
      assert.equal(next.pid, 0);
    });
  }

  test("a script that cannot be executed: the next stage, but stage 2 is tried again", () => {
    assert.deepEqual(hear(running(1), { kind: "unrunnable", code: 127 }).did, ["leave stage: /etc/runit/1", "start 2"]);
    const second = hear({ ...newBoot(), stage: 2 }, { kind: "unrunnable", code: 127 });
    assert.deepEqual([second.did, second.next.dueAt], [["! killing all processes in stage 2..."], 6000]);
    assert.deepEqual(hear(second.next, { kind: "due" }).did, ["! restarting.", "start 2"]);
    assert.equal(hear(running(3), { kind: "unrunnable", code: 127 }).next.phase, "over");
  });

  test("no process can be made: again in five seconds", () => {
    const { next, did } = hear(newBoot(), { kind: "unforkable" });
    assert.deepEqual([did, next.dueAt], [[], 6000]);
    assert.deepEqual(hear(next, { kind: "due" }).did, ["start 1"]);
  });
});

suite("a request", () => {
  test("in stages 1 and 3 comes too early or too late", () => {
    for (const stage of [1, 3] as const) {
      const { next, did } = hear(
        running(stage),
        { kind: "continued", isArmed: true },
        { kind: "interrupted", hasScript: true },
      );
      assert.deepEqual(did, ["! signals only work in stage 2.", "! signals only work in stage 2."]);
      assert.deepEqual(next, running(stage));
    }
  });

  test("to stop: TERM, then whatever stage 2 ends with is its end", () => {
    const { next, did } = hear(running(2), { kind: "continued", isArmed: true });
    assert.deepEqual([did, next.phase, next.dueAt], [["disarm", "terminate 40"], "stopping", 6000]);
    for (const waitStatus of [exit(0), exit(7), exit(111), killed]) {
      assert.deepEqual(hear(next, { kind: "ended", waitStatus }).did, ["leave stage: /etc/runit/2", "start 3"]);
    }
    assert.deepEqual(
      hear(next, { kind: "continued", isArmed: true }, { kind: "interrupted", hasScript: true }).did,
      [],
    );
    const late = hear(next, { kind: "due" });
    assert.deepEqual(late.did, ["! stage 2 not terminated, sending sigkill...", "kill 40"]);
    assert.deepEqual(hear(late.next, { kind: "ended", waitStatus: killed }).did, [
      "leave stage: /etc/runit/2",
      "start 3",
    ]);
  });

  test("without its file does nothing", () => {
    const heard: BootHappening[] = [
      { kind: "continued", isArmed: false },
      { kind: "interrupted", hasScript: false },
    ];
    assert.deepEqual(hear(running(2), ...heard), { next: running(2), did: [] });
  });

  test("in the pause is kept until stage 2 runs again", () => {
    const resting = hear(running(2), { kind: "ended", waitStatus: killed }).next;
    const asked = hear(resting, { kind: "continued", isArmed: true }, { kind: "interrupted", hasScript: true });
    assert.deepEqual(asked.did, []);
    const again = hear(asked.next, { kind: "due" }, { kind: "started", pid: 50 });
    assert.deepEqual(again.did, ["! restarting.", "start 2", "look"]);
    assert.deepEqual([again.next.wasContinued, again.next.wasInterrupted], [true, true]);
    assert.deepEqual(hear(again.next, { kind: "continued", isArmed: true }).did, ["disarm", "terminate 50"]);
  });

  test("of ctrl-alt-del runs the script, and stops if that has armed the flag", () => {
    const asking = hear(running(2), { kind: "interrupted", hasScript: true }, { kind: "asking", pid: 60 });
    assert.deepEqual(asking.did, ["ctrl-alt-del request...", "ask"]);
    const leave = "leave stage: /etc/runit/ctrlaltdel";
    assert.deepEqual(hear(asking.next, { kind: "asked", waitStatus: 0, isArmed: true }).did, [
      leave,
      "disarm",
      "terminate 40",
    ]);
    assert.deepEqual(hear(asking.next, { kind: "asked", waitStatus: exit(1), isArmed: false }).did, [leave, "look"]);
    assert.deepEqual(hear(asking.next, { kind: "asked", waitStatus: killed, isArmed: false }).did, [
      "! child crashed: /etc/runit/ctrlaltdel",
      leave,
      "look",
    ]);
    const meanwhile = hear(asking.next, { kind: "continued", isArmed: true });
    assert.deepEqual([meanwhile.did, meanwhile.next.wasContinued], [[], true], "another one waits for the script");
  });

  test("of ctrl-alt-del, stage 2 ends meanwhile: the stop waits for the next one", () => {
    const asking = hear(running(2), { kind: "interrupted", hasScript: true }, { kind: "asking", pid: 60 }).next;
    const resting = hear(
      asking,
      { kind: "ended", waitStatus: killed },
      { kind: "asked", waitStatus: 0, isArmed: true },
    );
    assert.deepEqual([resting.next.phase, resting.next.wasContinued, resting.next.askingPid], ["resting", true, 0]);
  });
});

suite("in a container", () => {
  const contained: Boot = { ...newBoot(), isContained: true };
  test("a stop signal ends stage 1 or 2, and stage 3 follows", () => {
    for (const stage of [1, 2] as const) {
      const { next, did } = hear({ ...contained, stage, pid: 40 }, { kind: "told", signal: "TERM" });
      assert.deepEqual(did, ["stop request (TERM)...", "disarm", "terminate 40"]);
      assert.deepEqual(hear(next, { kind: "told", signal: "TERM" }).did, [], "once");
      const { next: last } = hear(next, { kind: "ended", waitStatus: 15 });
      assert.deepEqual([last.stage, last.code], [3, 0]);
    }
  });

  test("a stop signal ends a pause, and means nothing to stage 3", () => {
    const { next } = hear({ ...contained, stage: 2, phase: "resting" }, { kind: "told", signal: "PWR" });
    assert.equal(next.stage, 3);
    assert.deepEqual(hear({ ...contained, stage: 3, pid: 40 }, { kind: "told", signal: "TERM" }).did, []);
  });

  test("the exit code is that of the earliest failure", () => {
    const code = (boot: Boot, heard: BootHappening) => hear(boot, heard).next.code;
    const second: Boot = { ...contained, stage: 2, pid: 40 };
    assert.equal(code(second, { kind: "ended", waitStatus: 5 * 256 }), 5);
    assert.equal(code(second, { kind: "ended", waitStatus: 111 * 256 }), 0, "it is started again");
    assert.equal(code({ ...contained, pid: 40 }, { kind: "ended", waitStatus: 9 }), 137);
    assert.equal(code({ ...contained, pid: 40 }, { kind: "ended", waitStatus: 100 * 256 }), 100);
    assert.equal(code({ ...contained, pid: 40 }, { kind: "ended", waitStatus: 256 }), 0, "stage 2 follows");
    assert.equal(code(second, { kind: "unrunnable", code: 127 }), 127);
    assert.equal(code({ ...contained, stage: 3, pid: 40 }, { kind: "ended", waitStatus: 7 * 256 }), 7);
    assert.equal(code({ ...contained, stage: 3, pid: 40, code: 5 }, { kind: "ended", waitStatus: 7 * 256 }), 5);
  });

  test("without a process for stage 3 it goes on after a while", () => {
    const { next } = hear({ ...contained, stage: 3 }, { kind: "unforkable" });
    assert.ok(next.dueAt > 0);
    assert.equal(hear(next, { kind: "due" }).next.phase, "over");
  });
});

suite("what is kept", () => {
  test("comes back as it was", () => {
    for (const stage of [1, 2, 3] as const) {
      for (const phase of ["running", "resting", "stopping", "killed", "over"] as const) {
        const boot: Boot = {
          stage,
          phase,
          pid: 40,
          askingPid: 50,
          dueAt: 123.5,
          wasContinued: stage === 1,
          wasInterrupted: stage === 2,
          isContained: stage === 3,
          code: 7,
          stoppedAt: 99.5,
        };
        assert.deepEqual(decodeBoot(encodeBoot(boot, 50), 50), boot);
      }
    }
  });
  test("finds the process that was started after it was kept", () => {
    assert.equal(decodeBoot(encodeBoot(newBoot(), 0), 41)?.pid, 41);
    assert.equal(decodeBoot(encodeBoot({ ...newBoot(), stage: 2 }, 40), 40)?.pid, 0, "that was stage 1");
    assert.deepEqual(decodeBoot(encodeBoot(running(2), 40), 41)?.askingPid, 41);
  });
  test("is not taken from another line", () => {
    for (const line of ["", "4 running 1 0 -1 00 0", "1 flying 1 0 -1 00 0", "1 running", "1 running 1 0 -1 00 0 7"]) {
      assert.equal(decodeBoot(line, 0), undefined, line);
    }
  });
});
