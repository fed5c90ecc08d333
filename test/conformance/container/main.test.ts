// The main service, COMMAND, and the exit code: spec/container.md, D5; cases 4 to 9, 33, 36, 38.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { End } from "./scenes.ts";
import {
  assertSeconds,
  contain,
  crash,
  endsAtGate,
  endsWithMain,
  good,
  layGate,
  messages,
  onSignals,
  openGate,
  quick,
  run,
  seg,
  serve,
  stub,
  told,
} from "./scenes.ts";

/** A service that is ready, with its `check`, when its traps are set; so -w waits for just that. */
const checkedGood = { run: good.run.replace("echo up", "echo up >up; echo up"), check: "test -e up" } as const;

/** The end of a container with two main services: the first ends by itself with one code, the other when stopped. */
async function endTwoMains(stage: Stage, first: number, second: number): Promise<End> {
  layGate(stage);
  const marked = { main: "" };
  serve(stage, {
    a: { ...endsAtGate(first), ...marked },
    b: { run: onSignals({ TERM: `exit ${second}` }), ...marked },
  });
  const container = await contain(stage);
  await container.says("[b] up");
  await openGate(stage);
  return container.end();
}

stories("runit-container", (story) => {
  story(
    4,
    "the end of the main service is the end of the container, with its code; the others end in order",
    (stage) => endsWithMain(stage),
    told,
  );

  for (const [number, title, files, args] of [
    [
      "5",
      "a main service that dies of a signal is code 128 and the signal, and the signal is named",
      {},
      ["-m", "seg"],
    ],
    ["5 (file)", "a service is a main service also by a file in its directory", { main: "" }, []],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { seg: { ...seg, ...files }, quick });
        const end = await run(stage, { args });
        assert.equal(end.code, 139);
        assert.match(messages(end).join("\n"), /main service seg died of signal 11 \(SEGV\) after \d+s/);
      },
      told,
    );

  story(
    "6",
    "a main service is not started again",
    async (stage) => {
      serve(stage, { crash });
      const { code, out } = await run(stage, { args: ["-m", "crash"] });
      assert.equal(code, 3);
      assert.equal(out, "[crash] started\n");
    },
    told,
  );

  story(
    "6 (not main)",
    "any other service is started again about once a second",
    async (stage) => {
      serve(stage, { crash });
      const container = await contain(stage);
      await container.says("[crash] started", 4);
      const starts = container.noted().map(({ at }) => at);
      const [first = 0, , , fourth = 0] = starts;
      assertSeconds(fourth - first, 2.7, 8);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  for (const [number, title, setting, expected] of [
    ["7", "a main service that dies of TERM is code 143", {}, 143],
    ["7 (-e)", "an expected code is turned into 0", { args: ["-e", "143"] }, 0],
    ["7 (several)", "several codes may be expected", { args: ["-e", "7", "-e", "143"] }, 0],
    ["7 (other)", "an expected code that did not come changes nothing", { args: ["-e", "7"] }, 143],
    ["7 (RUNIT_EXPECT)", "the expected code may come from the environment", { env: { RUNIT_EXPECT: "143" } }, 0],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { web: { run: "echo up\nexec sleep 1000", main: "" } });
        const container = await contain(stage, setting);
        await container.says("[web] up");
        assert.equal((await container.stop()).code, expected);
      },
      told,
    );

  story(
    "7 (KILL)",
    "a main service that had to be killed is code 137",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-m", "stub", "-g", "2"] });
      await container.says("[stub] up");
      assert.equal((await container.stop()).code, 137);
    },
    told,
  );

  for (const [number, title, first, second, expected] of [
    ["8", "of two main services, if the first to end ends with 0, the code is the other's", 0, 5, 5],
    ["8 (first)", "of two main services the first to end decides, if it is not 0", 3, 5, 3],
    ["8 (zero)", "two main services that end with 0 are code 0", 0, 0, 0],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        assert.equal((await endTwoMains(stage, first, second)).code, expected);
      },
      told,
    );

  for (const [number, title, command, expected] of [
    ["9", "the end of a command is the end of the container, with its code", ["sh", "-c", "exit 9"], 9],
    ["9 (signal)", "a command that dies of a signal is code 128 and the signal", ["sh", "-c", "kill -USR2 $$"], 140],
    ["9 (not found)", "a command that does not exist is code 127", ["/nonexistent"], 127],
    ["9 (not in PATH)", "a command that is not in PATH is code 127", ["nonexistent"], 127],
    ["9 (not executable)", "a command that cannot be executed is code 126", ["/etc/passwd"], 126],
  ] as const)
    story(
      number,
      `${title}, and the services are stopped in order`,
      async (stage) => {
        stage.file("root/etc/passwd", "");
        serve(stage, { good: checkedGood });
        const container = await contain(stage, { args: ["-w", "60", "--", ...command] });
        assert.equal((await container.end()).code, expected);
        await container.says("[good] bye");
      },
      told,
    );

  story(
    "9 (alone)",
    "a command needs no services",
    async (stage) => {
      assert.equal((await run(stage, { args: ["--", "sh", "-c", "exit 9"] })).code, 9);
    },
    told,
  );

  story(
    "9 (stop)",
    "a command is told to end first, and gives the code",
    async (stage) => {
      serve(stage, { good });
      const command = onSignals({ TERM: "note command TERM; sleep 0.5; note command gone; exit 6" });
      const container = await contain(stage, { args: ["--", "sh", "-c", command] });
      await container.says("up");
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 6);
      assert.deepEqual(
        container.noted().map(({ text }) => text),
        ["command TERM", "command gone", "TERM", "gone"],
      );
    },
    told,
  );

  story(
    "9 (-w)",
    "the command is started when the services are ready",
    async (stage) => {
      serve(stage, { a: { ...quick, check: "echo checked >/out/checked; test -e /out/ready" } });
      const container = await contain(stage, { args: ["-w", "60", "--", "sh", "-c", "test -e /out/ready"] });
      await stage.until("its check is asked", () => stage.exists("root/out/checked"));
      stage.file("root/out/ready", "");
      assert.equal((await container.end()).code, 0);
    },
    told,
  );

  story(
    "9 (-w, never)",
    "services that do not become ready are waited for so long only",
    async (stage) => {
      serve(stage, { a: { ...quick, check: "exit 1" } });
      const { code, milliseconds } = await run(stage, { args: ["-w", "1.5", "--", "sh", "-c", "exit 9"] });
      assert.equal(code, 9);
      assertSeconds(milliseconds, 1.5, 10);
    },
    told,
  );

  story(
    "9 (-w, stop)",
    "a stop request while the services are waited for is honoured, and the command not started",
    async (stage) => {
      serve(stage, { a: { ...quick, check: "echo checked >/out/checked; exit 1" } });
      const container = await contain(stage, { args: ["-w", "80", "-g", "40", "--", "echo", "command"] });
      await stage.until("its check is asked", () => stage.exists("root/out/checked"));
      const { out, milliseconds } = await container.stop();
      assert.equal(out, "");
      assertSeconds(milliseconds, 0, 6);
    },
    told,
  );

  for (const [number, title, code, expected] of [
    ["33", "a service that fails too often ends the container, with its code", 3, 3],
    ["33 (zero)", "a service that ends with 0 too often ends the container with 1", 0, 1],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { a: { run: `echo started\nexit ${code}` }, good });
        const end = await run(stage, { args: ["-x", "3/60"] });
        assert.equal(end.code, expected);
        assert.equal(end.out.match(/^\[a\] started$/gm)?.length, 3);
        assert.match(end.out, /^\[good\] bye$/m);
      },
      told,
    );

  story(
    "33 (slowly)",
    "failures that are further apart do not count together",
    async (stage) => {
      serve(stage, { crash });
      const container = await contain(stage, { args: ["-x", "3/1.5"] });
      await container.says("[crash] started", 5);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "36",
    "the reason of the end is in the termination log, in one line, and the same on standard error",
    async (stage) => {
      stage.file("root/dev/termination-log", "");
      serve(stage, { seg, quick });
      const end = await run(stage, { args: ["-m", "seg"] });
      const text = stage.read("root/dev/termination-log");
      assert.match(text, /^main service seg died of signal 11 \(SEGV\) after \d+s; .*1 service.* stopped.*\n?$/);
      assert.ok(text.length <= 4096);
      assert.ok(messages(end).includes(text.trimEnd()), end.err);
    },
    told,
  );

  story(
    "36 (stop)",
    "the termination log tells of a stop request as well",
    async (stage) => {
      stage.file("root/dev/termination-log", "");
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-g", "1"] });
      await container.says("[stub] up");
      const end = await container.stop();
      const text = stage.read("root/dev/termination-log");
      assert.match(text, /^.*1 killed.*\n?$/);
      assert.ok(messages(end).includes(text.trimEnd()), end.err);
    },
    told,
  );

  for (const [number, title, words, expected] of [
    ["38", "it can be stopped from inside, with a code", "stop 42", 42],
    ["38 (no code)", "it can be stopped from inside, and says itself how that went", "stop", 0],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good });
        const container = await contain(stage);
        await container.says("[good] up");
        const { code, err } = await container.inside(`runit-container ${words}`);
        assert.equal(code, 0, err);
        assert.equal((await container.end()).code, expected);
        await container.says("[good] bye");
      },
      told,
    );

  for (const [number, title, script, expected] of [
    ["D5 (finish)", "the finish script of a main service gets its code", "exit 7", "7 0\n"],
    ["D5 (finish, signal)", "the finish script of a main service gets its signal", seg.run, "-1 11\n"],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { web: { run: script, finish: 'echo "$1 $2" >/out/finish\nexit 99', main: "" } });
        const { code } = await run(stage);
        assert.equal(code, script === seg.run ? 139 : 7);
        assert.equal(stage.read("root/out/finish"), expected);
      },
      told,
    );

  for (const [number, title, files] of [
    ["D1 (-m, unknown)", "a main service that does not exist is trouble at start", undefined],
    ["D1 (-m, no run)", "a main service without a run script is trouble at start", { other: "" }],
    ["D1 (-m, not executable)", "a main service that cannot be executed is the end", { "not-run": "" }],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { quick, ...(files === undefined ? {} : { web: { ...files } }) });
        if (files !== undefined && "not-run" in files) stage.file("root/etc/service/web/run", "#!/bin/sh\n", 0o644);
        const { code, err } = await run(stage, { args: ["-m", "web"] });
        assert.equal(code, 111);
        assert.match(err, /web/);
      },
      told,
    );

  for (const [number, title, setting] of [
    ["D1 (-m)", "several main services can be named", { args: ["-m", "a", "-m", "b"] }],
    ["D1 (RUNIT_MAIN)", "the main service can be named by a variable", { env: { RUNIT_MAIN: "a" } }],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { a: { run: "exit 7" }, b: quick });
        assert.equal((await run(stage, setting)).code, 7);
      },
      told,
    );
});
