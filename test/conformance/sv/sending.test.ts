// What sv sends, and when it sends nothing: spec/sv.md, sections 5 and 6.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Status } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  agedService,
  assertSays,
  assertSaysOf,
  freeze,
  HandMade,
  makeFifo,
  sleeper,
  sleeping,
  stubborn,
  unmoved,
} from "./scenes.ts";

/** A command word and the bytes it sends to a service that runs and wants to be up, the `k` after the timeout included. */
const words: readonly (readonly [word: string, bytes: string])[] = [
  ["up", ""],
  ["u", ""],
  ["upgrade", ""],
  ["down", "d"],
  ["destroy", "d"],
  ["once", "o"],
  ["o", "o"],
  ["pause", "p"],
  ["p", "p"],
  ["cont", "c"],
  ["c", "c"],
  ["checks", "c"],
  ["hup", "h"],
  ["hello", "h"],
  ["alarm", "a"],
  ["interrupt", "i"],
  ["quit", "q"],
  ["1", "1"],
  ["1x", "1"],
  ["2", "2"],
  ["term", "t"],
  ["t", "t"],
  ["try", "t"],
  ["kill", "k"],
  ["exit", "x"],
  ["e", "x"],
  ["x", "x"],
  ["xyz", "x"],
  ["status", ""],
  ["D", "dk"],
  ["Down", "dk"],
  ["T", "tck"],
  ["Term", "tck"],
  ["X", "xk"],
  ["E", "xk"],
  ["Exit", "xk"],
  ["start", ""],
  ["stop", "d"],
  ["shutdown", "x"],
  ["restart", "tcu"],
  ["reload", "h"],
  ["try-restart", "tc"],
  ["check", ""],
  ["force-stop", "dk"],
  ["force-reload", "tck"],
  ["force-restart", "tcuk"],
  ["force-shutdown", "xk"],
];
const upForLong: Partial<Status> = { seconds: Math.floor(Date.now() / 1000) - 100, pid: 7, phase: 1, want: "u" };

stories("sv", (story) => {
  story(45, "every command word sends its bytes", async (stage) => {
    const heard = new Map<string, string>();
    await Promise.all(
      words.map(async ([word], index) => {
        const service = new HandMade(stage, `a${index}`, upForLong);
        await stage.run("sv", [word, `a${index}`], { env: { SVWAIT: "0" } });
        heard.set(word, service.heard());
      }),
    );
    assert.deepEqual(heard, new Map(words));
  });

  story(46, "down is not repeated to a service that was sent TERM", async (stage) => {
    const service = new HandMade(stage, "a", { ...upForLong, want: "d", term: 0 });
    assertSays(await stage.run("sv", ["down", "a"]), "");
    assert.equal(service.heard(), "d");
    service.setStatus({ ...upForLong, want: "d", term: 1 });
    assertSays(await stage.run("sv", ["down", "a"]), "");
    assert.equal(service.heard(), "");
  });

  story(47, "where down is not repeated, force-stop sends only the kill", async (stage) => {
    const service = new HandMade(stage, "a", { ...upForLong, want: "d", term: 1 });
    const outcome = await stage.run("sv", ["-w", "0", "force-stop", "a"]);
    assertSays(outcome, "kill: run: a: (pid N) Ns, want down, got TERM\n", 1);
    assert.equal(service.heard(), "k");
  });

  story(48, "without -v nothing is printed and nothing awaited", async (stage) => {
    await agedService(stage, "a", { run: 'trap "" ALRM HUP INT QUIT TERM USR1 USR2\nexec sleep 1000' });
    const names = ["up", "hup", "alarm", "interrupt", "quit", "1", "2", "pause", "cont", "once", "term", "up", "down"];
    for (const word of [...names, "kill", "exit"]) assertSays(await stage.run("sv", [word, "a"]), "");
    await agedService(stage, "b", { run: stubborn });
    assertSays(await stage.run("sv", ["down", "b"]), "");
    assert.ok(stage.status("b").pid !== 0, "b runs on, so it was not awaited");
  });

  story(49, "SVWAIT does not make it wait", async (stage) => {
    await agedService(stage, "a", { run: stubborn });
    assertSays(await stage.run("sv", ["down", "a"], { env: { SVWAIT: "5" } }), "");
    assert.ok(stage.status("a").pid !== 0, "a runs on, so it was not awaited");
  });

  story(50, "start of a running service is satisfied at once", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    const { pid } = stage.status("a");
    assertSaysOf(pid, await stage.run("sv", ["start", "a"]), "ok: run: a: (pid N) Ns\n");
    assertSaysOf(pid, await stage.run("sv", ["-v", "up", "a"]), "ok: run: a: (pid N) Ns\n");
  });

  story(55, "a signal that need not be awaited is satisfied at once", async (stage) => {
    await agedService(stage, "a", { run: unmoved });
    const { pid } = stage.status("a");
    for (const args of [["reload"], ["-v", "1"], ["-v", "hup"]]) {
      assertSaysOf(pid, await stage.run("sv", [...args, "a"]), "ok: run: a: (pid N) Ns\n");
    }
  });

  story(96, "a control pipe that is missing, or not the one runsv reads", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    fs.unlinkSync(stage.at("a/supervise/control"));
    assertSays(
      await stage.run("sv", ["t", "a"]),
      "warning: a: unable to open supervise/control: file does not exist\n",
      1,
    );
    makeFifo(stage.at("a/supervise/control"));
    assertSays(await stage.run("sv", ["t", "a"]), "fail: a: runsv not running\n", 1);
    assertSays(await stage.run("sv", ["x", "a"]), "ok: a: runsv not running\n");
  });

  story(97, "a control pipe that is full", async (stage) => {
    const runsv = await agedService(stage, "a", { run: sleeper });
    await freeze(stage, runsv);
    for (const bytes of ["z".repeat(4096), "z"]) {
      assert.throws(() => {
        for (;;) stage.tell("a", bytes);
      }, /EAGAIN/);
    }
    assertSays(
      await stage.run("sv", ["t", "a"]),
      "warning: a: unable to write to supervise/control: temporary failure\n",
      1,
    );
    assertSays(await stage.run("sv", ["start", "a"]), "ok: run: a: (pid N) Ns\n");
  });

  story(98, "a runsv that stands still obeys later", async (stage) => {
    const runsv = await agedService(stage, "a", { run: sleeper });
    const pid = await sleeping(stage, "a");
    await freeze(stage, runsv);
    assertSaysOf(pid, await stage.run("sv", ["-w", "1", "stop", "a"]), "timeout: run: a: (pid N) Ns\n", 1);
    assert.ok(stage.isLiving(pid));
    runsv.kill("SIGCONT");
    await stage.until("a is down", () => stage.status("a").phase === 0 && stage.status("a").want === "d");
  });
});
