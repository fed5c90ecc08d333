// How svlogd ends, and what becomes of the input it has not written: spec/svlogd.md, section 15.
import assert from "node:assert/strict";
import type { Outcome, Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import type { Logging } from "./scenes.ts";
import { essence, files, Input, logDirectory, logged, logging, logs } from "./scenes.ts";

const keepsEveryLine = { differs: "svlogd-keeps-every-line" } as const;

/** All that is there when it is told TERM; awaits its end. */
async function toldWithWaiting(stage: Stage, log: Logging, waiting: string): Promise<Outcome> {
  await log.stop();
  await log.input.write(waiting);
  log.svlogd.kill("SIGTERM");
  log.svlogd.kill("SIGCONT");
  const outcome = await stage.end(log.svlogd);
  assert.equal(outcome.code, 0);
  return outcome;
}
/** What ours has not written when it ends is written by the next svlogd on the same pipe, here with the end of input. */
async function next(stage: Stage, log: Logging, rest = "", words = "l"): Promise<void> {
  await logs(stage, words, rest, { input: log.input });
}
/** Told TERM within a line, ours ends at once, and keeps it for the next one. */
async function endsWithin(stage: Stage, log: Logging): Promise<void> {
  await log.idle();
  log.svlogd.kill("SIGTERM");
  assert.equal((await stage.end(log.svlogd)).code, 0);
}
/** The original, told TERM within a line, waits for its end; then this comes. */
async function originalWaitsFor(stage: Stage, log: Logging, rest: string): Promise<void> {
  await log.signal("SIGTERM");
  await stage.span(300);
  assert.ok(log.svlogd.isAlive);
  await log.input.write(rest);
  assert.equal((await stage.end(log.svlogd)).code, 0);
}

stories("svlogd", (story) => {
  story(
    63,
    "TERM with complete lines waiting",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage);
      await toldWithWaiting(stage, log, "a\nb\nc\n");
      assert.equal(stage.mode("l/current"), 0o744);
      if (stage.isOurs) {
        await next(stage, log);
        assert.deepEqual(files(stage), { current: "a\nb\nc\n" });
      } else assert.deepEqual([stage.read("l/current"), log.input.left()], ["a\nb\n", ""]);
    },
    keepsEveryLine,
  );

  story(
    64,
    "TERM in the middle of a line",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage);
      await log.send("x\npart");
      if (stage.isOurs) {
        await endsWithin(stage, log);
        assert.deepEqual(files(stage), { current: "x\n" });
        await next(stage, log, "ial\nnext\n");
        assert.deepEqual(files(stage), { current: "x\npartial\nnext\n" });
        return;
      }
      await originalWaitsFor(stage, log, "ial\nnext\n");
      assert.deepEqual(files(stage), { current: "x\n" });
      assert.equal(log.input.left(), "next\n");
    },
    keepsEveryLine,
  );

  story(
    65,
    "TERM in the middle of a long line",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage, "-l5 l");
      await log.send("x\npartpart");
      if (stage.isOurs) {
        await endsWithin(stage, log);
        assert.deepEqual(files(stage), { current: "x\npartpart" });
        await next(stage, log, "ial\nnext\n", "-l5 l");
        assert.deepEqual(files(stage), { current: "x\npartpartial\nnext\n" });
        return;
      }
      await originalWaitsFor(stage, log, "ial\nnext\n");
      assert.deepEqual(files(stage), { current: "x\npartpartial\n" });
      assert.equal(log.input.left(), "next\n");
    },
    keepsEveryLine,
  );

  story(
    103,
    "TERM with a long line waiting",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage, "-l5 l");
      await toldWithWaiting(stage, log, "x\nlonglong\n");
      if (stage.isOurs) await next(stage, log, "", "-l5 l");
      assert.deepEqual(files(stage), { current: "x\nlonglong\n" });
    },
    keepsEveryLine,
  );

  story(
    105,
    "TERM with more waiting than the buffer takes",
    async (stage) => {
      const lines = Array.from({ length: 100 }, (_, index) => `${String(index).padStart(64, "x")}\n`);
      logDirectory(stage);
      const log = await logging(stage);
      await toldWithWaiting(stage, log, lines.join(""));
      if (stage.isOurs) {
        await next(stage, log);
        assert.equal(stage.read("l/current"), lines.join(""));
        return;
      }
      assert.equal(stage.read("l/current"), lines.slice(0, 15).join(""));
      assert.equal(log.input.left(), lines.slice(16).join(""));
    },
    keepsEveryLine,
  );

  story("63b", "TERM between lines ends it", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-v l");
    await log.send("a\n");
    const { err } = await log.terminates();
    const expected = ["new: l/current", "sigterm received.", "close: l"];
    assert.equal(err, expected.map((text) => `svlogd: info: ${text}\n`).join(""));
    assert.deepEqual(files(stage), { current: "a\n" });
    assert.equal(stage.mode("l/current"), 0o744);
  });

  story(96, "an input that cannot be read is said, and is its end", async (stage) => {
    logDirectory(stage);
    const { code, err, out } = await stage.run("svlogd", ["-v", "l"], { via: shell("exec <&-") });
    assert.equal(code, 0);
    assert.equal(out, "");
    const [opened, warning, ...rest] = err.split("\n");
    assert.equal(opened, "svlogd: info: new: l/current");
    assert.match(warning ?? "", /^svlogd: warning: unable to read standard input: [a-z ]+$/);
    if (!stage.isOurs) assert.match(warning ?? "", /: is a directory$/);
    assert.deepEqual(rest, ["svlogd: info: close: l", ""]);
  });

  story("96b", "an input that is a directory, or open for writing only, is said", async (stage) => {
    logDirectory(stage);
    for (const [redirection, reason] of [
      ["<.", "is a directory"],
      ["0>>file", "file descriptor not open"],
    ]) {
      const outcome = await stage.run("svlogd", ["l"], { via: shell(`exec ${redirection}`) });
      const err = `svlogd: warning: unable to read standard input: ${reason}\n`;
      assert.deepEqual(essence(outcome), { out: "", err, code: 0 });
    }
  });

  for (const [name, redirection] of [
    ["a file", "<text"],
    ["a file from its middle on", "<text; read -r _"],
    ["/dev/null", "</dev/null"],
  ] as const) {
    story("96c", `the input may be ${name}`, async (stage) => {
      const text = `first\n${"line\n".repeat(5000)}last\n`;
      stage.file("text", text);
      logDirectory(stage);
      const outcome = await stage.run("svlogd", ["l"], { via: shell(`exec ${redirection}`) });
      assert.deepEqual(essence(outcome), { out: "", err: "", code: 0 });
      const expected = redirection === "</dev/null" ? "" : redirection === "<text" ? text : text.slice(6);
      assert.ok(stage.read("l/current") === expected);
    });
  }

  story("96d", "the input may be a socket", async (stage) => {
    logDirectory(stage);
    const svlogd = stage.start("svlogd", ["l"], { stdin: "pipe" });
    svlogd.child.stdin?.write("a\nb\n");
    await stage.becomes(() => stage.peek("l/current"), "a\nb\n");
    svlogd.child.stdin?.end("c\n");
    assert.equal((await stage.end(svlogd)).code, 0);
    assert.equal(stage.read("l/current"), "a\nb\nc\n");
  });

  story(97, "it is killed when nobody reads its stderr any more", async (stage) => {
    logDirectory(stage, "e*\n");
    const log = await logging(stage);
    log.svlogd.child.stderr?.destroy();
    await log.input.write("x\n");
    const { signal } = await stage.end(log.svlogd);
    assert.equal(signal, "SIGPIPE");
    assert.equal(stage.read("l/current"), "");
  });

  story("97b", "where SIGPIPE is ignored, it goes on when nobody reads its stderr any more", async (stage) => {
    logDirectory(stage, "e*\n");
    const log = await logging(stage, "l", { via: shell("trap '' PIPE") });
    log.svlogd.child.stderr?.destroy();
    await log.send("x\n");
    await log.ends();
    assert.equal(stage.read("l/current"), "x\n");
  });

  story(98, "it leaves its input non-blocking", async (stage) => {
    const input = new Input(stage);
    logDirectory(stage);
    assert.ok(!input.isNonBlocking);
    await logs(stage, "l", "a\n", { input });
    assert.ok(input.isNonBlocking);
  });

  story(
    "64b",
    "TERM again and again on one input: every line is written once",
    async (stage) => {
      logDirectory(stage, "s5000\nn0\n");
      const input = new Input(stage);
      const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`);
      const written = input.write(lines.join(""));
      for (let round = 0; round < 20; round++) {
        const log = await logging(stage, "l", { input });
        log.svlogd.kill("SIGTERM");
        assert.equal((await stage.end(log.svlogd)).code, 0);
      }
      await written;
      await logs(stage, "l", "end\n", { input });
      assert.equal(logged(stage), `${lines.join("")}end\n`);
    },
    { ...keepsEveryLine, only: "ours" },
  );
});
