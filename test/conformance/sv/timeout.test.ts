// Timeouts, and the commands that kill after them: spec/sv.md, sections 2, 8 and 10.
import assert from "node:assert/strict";
import type { Outcome, Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  agedService,
  assertSays,
  assertSaysInTime,
  assertSaysOf,
  crashing,
  HandMade,
  sleeper,
  stubborn,
} from "./scenes.ts";

/** The least milliseconds a wait takes: the original looks every 420 ms, and pauses once more after the timeout. */
function assertWaited(stage: Stage, outcome: Outcome, seconds: number): void {
  const least = stage.isOurs ? seconds * 1000 : (Math.floor(seconds / 0.42) + 2) * 420;
  // Our watch starts a little after sv does.
  assert.ok(outcome.milliseconds >= least - 100, `${outcome.milliseconds} ms, at least ${least}`);
  assert.ok(outcome.milliseconds < least + 15_000, `${outcome.milliseconds} ms, about ${least}`);
}
const differs = "sv-waits-for-events";
const stopped = "run: a: (pid N) Ns, want down, got TERM\n";

stories("sv", (story) => {
  story(
    62,
    "stop of a stubborn service times out",
    async (stage) => {
      await agedService(stage, "a", { run: stubborn });
      const outcome = await stage.run("sv", ["-w", "1", "stop", "a"]);
      assertSaysOf(stage.status("a").pid, outcome, `timeout: ${stopped}`, 1);
      assertWaited(stage, outcome, 1);
    },
    { differs },
  );

  story(
    63,
    "what is not a number is no time to wait",
    async (stage) => {
      const ways = [
        { args: ["-w", "0"], env: {} },
        { args: ["-w", "x"], env: {} },
        { args: ["-w", "-3"], env: {} },
        { args: [], env: { SVWAIT: "" } },
        { args: [], env: { SVWAIT: "abc" } },
      ];
      await agedService(stage, "a", { run: stubborn });
      for (const { args, env } of ways) {
        const outcome = await stage.run("sv", [...args, "stop", "a"], { env });
        assertSays(outcome, `timeout: ${stopped}`, 1);
        assertWaited(stage, outcome, 0);
      }
    },
    { differs },
  );

  story(
    64,
    "-w takes leading digits, and wins over SVWAIT",
    async (stage) => {
      const ways = [
        { args: ["-w", "1.9"], env: {} },
        { args: ["-w", "1v"], env: {} },
        { args: [], env: { SVWAIT: "1" } },
        { args: ["-w", "1"], env: { SVWAIT: "60" } },
      ];
      await agedService(stage, "a", { run: stubborn });
      await Promise.all(
        ways.map(async ({ args, env }) => {
          const outcome = await stage.run("sv", [...args, "stop", "a"], { env });
          assertSays(outcome, `timeout: ${stopped}`, 1);
          assertWaited(stage, outcome, 1);
        }),
      );
    },
    { differs },
  );

  story(
    65,
    "the wait lasts seven seconds unless told otherwise",
    async (stage) => {
      await agedService(stage, "a", { run: stubborn });
      const outcome = await stage.run("sv", ["stop", "a"]);
      assertSays(outcome, `timeout: ${stopped}`, 1);
      assertWaited(stage, outcome, 7);
    },
    { differs },
  );

  story(66, "restart of a stubborn service times out", async (stage) => {
    await Promise.all(
      ["restart", "t", "try-restart"].map(async (word) => {
        await agedService(stage, word, { run: stubborn });
        const outcome = await stage.run("sv", ["-w", "1", word, word]);
        assertSays(outcome, `timeout: run: ${word}: (pid N) Ns, got TERM\n`, 1);
      }),
    );
  });

  story(68, "force-stop kills what is too stubborn to stop", async (stage) => {
    await Promise.all(
      ["force-stop", "D"].map(async (word) => {
        await agedService(stage, word, { run: stubborn });
        const { pid } = stage.status(word);
        const outcome = await stage.run("sv", ["-w", "1", word, word]);
        assertSaysOf(pid, outcome, `kill: run: ${word}: (pid N) Ns, want down, got TERM\n`, 1);
        await stage.until(`${word} is down`, () => stage.status(word).phase === 0 && stage.status(word).pid === 0);
        assert.ok(!stage.isLiving(pid));
      }),
    );
  });

  story(69, "force-restart kills what is too stubborn to restart", async (stage) => {
    await Promise.all(
      ["force-restart", "force-reload", "T"].map(async (word) => {
        await agedService(stage, word, { run: stubborn });
        const { pid } = stage.status(word);
        const outcome = await stage.run("sv", ["-w", "1", word, word]);
        assertSaysOf(pid, outcome, `kill: run: ${word}: (pid N) Ns, got TERM\n`, 1);
        await stage.until(`${word} runs anew`, () => {
          const now = stage.status(word);
          return now.phase === 1 && now.pid !== pid && stage.isLiving(now.pid);
        });
      }),
    );
  });

  story(70, "force-shutdown kills, and runsv exits", async (stage) => {
    await Promise.all(
      ["force-shutdown", "X"].map(async (word) => {
        const runsv = await agedService(stage, word, { run: stubborn });
        const { pid } = stage.status(word);
        const outcome = await stage.run("sv", ["-w", "1", word, word]);
        assertSaysOf(pid, outcome, `kill: run: ${word}: (pid N) Ns, want down, got TERM\n`, 1);
        assert.equal((await runsv.ended).code, 0);
        await stage.until(`${word} has ended`, () => !stage.isLiving(pid));
        assertSays(await stage.run("sv", ["status", word]), `fail: ${word}: runsv not running\n`, 1);
      }),
    );
  });

  story(71, "stop does not take back an exit", async (stage) => {
    await agedService(stage, "a", { run: stubborn });
    assertSays(await stage.run("sv", ["exit", "a"]), "");
    await stage.until("a is to exit", () => stage.stat("a") === "run, got TERM, want exit");
    assertSays(await stage.run("sv", ["-w", "0", "stop", "a"]), `timeout: ${stopped}`, 1);
    assert.equal(stage.stat("a"), "run, got TERM, want exit");
  });

  story(72, "those that time out are reported last", async (stage) => {
    await Promise.all([
      agedService(stage, "a", { run: sleeper }),
      agedService(stage, "b", { run: stubborn }),
      agedService(stage, "c", { run: sleeper }),
    ]);
    const outcome = await stage.run("sv", ["-w", "1", "stop", "a", "b", "c"]);
    const lines = outcome.out.split("\n");
    const ordered = [...lines.slice(0, 2).sort(), ...lines.slice(2)].join("\n");
    assertSays(
      { ...outcome, out: ordered },
      "ok: down: a: Ns, normally up\nok: down: c: Ns, normally up\ntimeout: run: b: (pid N) Ns, want down, got TERM\n",
      1,
    );
  });

  story(75, "start of a crashing service times out", async (stage) => {
    await Promise.all(
      ["start", "try-restart"].map(async (word) => {
        stage.service(word, { run: crashing });
        await stage.supervise(word);
        await assertSaysInTime(
          () => stage.run("sv", ["-w", "1", word, word]),
          `timeout: down: ${word}: Ns, normally up, want up\n`,
          1,
        );
      }),
    );
  });

  story(
    91,
    "a state that cannot be read any more when the time is over",
    async (stage) => {
      const warning = "warning: a: unable to open supervise/ok: file does not exist\n";
      const words = [
        { word: "start", line: `timeout: ${warning}\n`, code: 1 },
        { word: "force-restart", line: `kill: ${warning}\n${warning}`, code: 2 },
      ];
      for (const { word, line, code } of words) {
        const where = { env: { SVDIR: stage.at(word) } };
        if (stage.isOurs) {
          // Seen as soon as it happens, be it before the time is over or not.
          const check = "rm -f supervise/ok\nexec sleep 1000";
          await agedService(stage, `${word}/a`, { run: sleeper, check });
          const outcome = await stage.run("sv", ["-w", "3", word, "a"], where);
          if (outcome.out === warning) assertSays(outcome, warning, 1);
          else assertSays(outcome, line, code);
        } else {
          // Started in the future, it is new; the first round is before the timeout, the second after it.
          const seconds = Math.floor(Date.now() / 1000) + 1000;
          new HandMade(stage, `${word}/a`, { seconds, pid: 7, phase: 1, want: "u" });
          stage.service(`${word}/a`, { check: "test ! -e second || rm -f supervise/ok\n: >second\nexit 1" });
          assertSays(await stage.run("sv", ["-w", "0", word, "a"], where), line, code);
        }
      }
    },
    { differs },
  );
});
