// A log directory in other hands: killed and started again on the same input, from the original to ours and back.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage, StoryOptions } from "../stage.ts";
import { stories } from "../stage.ts";
import type { LoggingOptions } from "./scenes.ts";
import {
  everyLine,
  files,
  Input,
  labelled,
  logDirectory,
  logged,
  logging,
  logs,
  ofKind,
  old,
  original,
  save,
  texts,
} from "./scenes.ts";

const goesOn: StoryOptions = { only: "ours", differs: "svlogd-goes-on-after-kill" };
const mixes: StoryOptions = {
  only: "ours",
  skip: fs.existsSync(original) ? false : "needs the reference programs (scripts/fetch-reference)",
};
const byOriginal: LoggingOptions = { program: original };
const blocked = "!: >busy; until [ -e go ]; do sleep .02; done; tr a-z A-Z\n";

/** A svlogd writes this and is killed; answers its input. */
async function killedAfter(stage: Stage, text: string, options: LoggingOptions = {}, words = "l"): Promise<Input> {
  const log = await logging(stage, words, options);
  await log.send(text);
  await log.killed();
  return log.input;
}
/** A svlogd is killed while its processor works on `text`. */
async function killedWhileProcessing(stage: Stage, text: string, options: LoggingOptions = {}): Promise<Input> {
  logDirectory(stage, everyLine + blocked);
  const log = await logging(stage, "l", options);
  await log.input.write(text);
  await stage.until("the processor runs", () => stage.exists("l/busy"));
  await log.idle();
  await log.killed();
  for (const pid of stage.processes("until [")) process.kill(pid, "SIGKILL");
  await stage.becomes(() => stage.processes("until [").length, 0);
  stage.file("l/go", "");
  return log.input;
}
/** What files are there, but for those that the processor above makes. */
function results(stage: Stage): Record<string, string> {
  const { busy: _, go: _go, state: _state, ...others } = files(stage);
  return others;
}

interface State {
  readonly title: string;
  readonly config?: string;
  /** Files of the directory with their modes. */
  readonly files: Readonly<Record<string, readonly [text: string, mode: number]>>;
  readonly expected: Readonly<Record<string, string>>;
}
const upper = `${everyLine}!tr a-z A-Z\n`;
const states: readonly State[] = [
  { title: "nothing at all", files: {}, expected: { current: "new\n" } },
  { title: "a lock", files: { lock: ["", 0o600] }, expected: { current: "new\n" } },
  {
    title: "a lock with something in it that is no record",
    files: { lock: [`svlogd1\n${"x".repeat(300)}`, 0o600], current: ["old\n", 0o744] },
    expected: { current: "old\nnew\n" },
  },
  {
    title: "a lock cut in its middle",
    files: { lock: ["svlogd1\n", 0o600], current: ["old\n", 0o644] },
    expected: { "@1.u": "old\n", current: "new\n" },
  },
  {
    title: "a current made ready for its rotation",
    files: { current: ["old\n", 0o744], [old(1, "s")]: ["one\n", 0o744] },
    expected: { current: "old\nnew\n", "old1.s": "one\n" },
  },
  {
    title: "no current, since the rotation ended there",
    files: { [old(1, "s")]: ["one\n", 0o744] },
    expected: { current: "new\n", "old1.s": "one\n" },
  },
  {
    title: "an unclean current without its last newline",
    files: { current: ["one\ntw", 0o644] },
    expected: { "@1.u": "one\ntw", current: "new\n" },
  },
  {
    title: "a file for the processor, and its unfinished output",
    config: upper,
    files: { [old(1, "u")]: ["one\n", 0o744], [old(1, "t")]: ["O", 0o644], newstate: ["half", 0o644] },
    expected: { "@1.s": "NEW\n", current: "", "old1.s": "ONE\n", state: "" },
  },
  {
    title: "a processed file whose source is not yet deleted",
    config: upper,
    files: { [old(1, "u")]: ["one\n", 0o744], [old(1, "s")]: ["ONE\n", 0o744], newstate: ["", 0o644] },
    expected: { "@1.s": "NEW\n", current: "", "old1.s": "ONE\n", state: "" },
  },
  {
    title: "a processed file whose state is not yet in its place",
    config: `${everyLine}!cat <&4; cat >/dev/null; echo new >&5\n`,
    files: { [old(1, "s")]: ["ONE\n", 0o744], newstate: ["half", 0o644], state: ["kept\n", 0o644] },
    expected: { "@1.s": "kept\n", current: "", "old1.s": "ONE\n", state: "new\n" },
  },
  {
    title: "unfinished output alone",
    config: everyLine,
    files: { [old(1, "t")]: ["O", 0o644] },
    expected: { "@1.s": "new\n", current: "" },
  },
];

stories("svlogd takeover", (story) => {
  story(
    "48b",
    "a killed svlogd is gone on with by the next one on the same pipe",
    async (stage) => {
      logDirectory(stage);
      const input = await killedAfter(stage, "a\npar");
      assert.deepEqual([stage.read("l/current"), stage.mode("l/current")], ["a\n", 0o644]);
      const next = await logging(stage, "-v l", { input });
      await next.send("tial\nb\n");
      const { err } = await next.ends();
      assert.deepEqual(files(stage), { current: "a\npartial\nb\n" });
      assert.equal(err, "svlogd: info: append: l/current\nsvlogd: info: close: l\n");
    },
    goesOn,
  );

  story(
    "48c",
    "a svlogd killed in a long line: the next one goes on with the line",
    async (stage) => {
      logDirectory(stage, "p> \n");
      const input = await killedAfter(stage, "a\nlong line", {}, "-l5 l");
      assert.equal(stage.read("l/current"), "> a\n> long line");
      await logs(stage, "-l5 l", " goes on\nb\n", { input });
      assert.deepEqual(files(stage), { current: "> a\n> long line goes on\n> b\n" });
    },
    goesOn,
  );

  story(
    "48d",
    "a svlogd killed before it has read anything",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage);
      await log.stop();
      await log.input.write("a\nb\n");
      await log.killed();
      await logs(stage, "l", "c\n", { input: log.input });
      assert.deepEqual(files(stage), { current: "a\nb\nc\n" });
    },
    goesOn,
  );

  story(
    "48e",
    "svlogd killed again and again, with stamps, rotation and filters: every line is there once",
    async (stage) => {
      logDirectory(stage, "s4000\nn0\n", "all");
      logDirectory(stage, "s3000\nn0\n-*\n+*7*\npseven: \n", "some");
      logDirectory(stage, "s4000\nn0\n!cat\n", "processed");
      const words = "-t all some processed";
      const input = new Input(stage);
      const lines = Array.from({ length: 4000 }, (_, index) => `line ${index} ${"x".repeat(index % 90)}`);
      let isWritten = false;
      const writing = input.write(lines.map((line) => `${line}\n`).join("")).then(() => {
        isWritten = true;
      });
      for (let round = 0; round < 40 || !isWritten; round++) {
        const log = await logging(stage, words, { input });
        await stage.span(round % 7);
        await log.killed();
      }
      await writing;
      await logs(stage, words, "end\n", { input });
      const all = [...lines, "end"];
      const unstamped = (directory: string) => logged(stage, directory).replaceAll(/^@[0-9a-f]{24} /gm, "");
      assert.ok(unstamped("all") === all.map((line) => `${line}\n`).join(""));
      assert.ok(unstamped("processed") === all.map((line) => `${line}\n`).join(""));
      const sevens = all.filter((line) => line.includes("7")).map((line) => `seven: ${line}\n`);
      assert.ok(unstamped("some") === sevens.join(""));
      assert.deepEqual(ofKind(stage, "u", "processed"), []);
    },
    { ...goesOn, timeoutMilliseconds: 180_000 },
  );

  for (const words of ["-l50 l", "-t -l50 l"]) {
    story(
      "48i",
      `every signal in turn while lines come in pieces: every byte is there once (${words})`,
      async (stage) => {
        logDirectory(stage, "s700\nn0\n");
        const lines = Array.from({ length: 700 }, (_, index) => `${index} ${"y".repeat((index * 37) % 130)}\n`).join(
          "",
        );
        const signals = ["SIGKILL", "SIGHUP", "SIGALRM", "SIGTERM", "SIGALRM", "SIGKILL", "SIGTERM", "SIGHUP"] as const;
        let log = await logging(stage, words);
        const { input } = log;
        for (let at = 0, round = 0; at < lines.length; round++) {
          const end = at + 1 + ((round * 131) % 1000);
          await input.write(lines.slice(at, end));
          at = end;
          const signal = signals[round % signals.length] ?? "SIGKILL";
          log.svlogd.kill(signal);
          if (signal !== "SIGKILL" && signal !== "SIGTERM") continue;
          const { code } = await stage.end(log.svlogd);
          assert.equal(code, signal === "SIGTERM" ? 0 : -1, log.err);
          log = await logging(stage, words, { input });
        }
        await log.ends();
        assert.ok(logged(stage).replaceAll(/^@[0-9a-f]{24} /gm, "") === lines);
      },
      { ...goesOn, timeoutMilliseconds: 180_000 },
    );
  }

  story(
    "48f",
    "a directory that is new when svlogd goes on begins with what nobody has written",
    async (stage) => {
      logDirectory(stage);
      logDirectory(stage, undefined, "m");
      const input = await killedAfter(stage, "a\n");
      await logs(stage, "l m", "b\n", { input });
      assert.deepEqual([files(stage), files(stage, "m")], [{ current: "a\nb\n" }, { current: "b\n" }]);
    },
    goesOn,
  );

  story(
    "48g",
    "a killed svlogd, and another config",
    async (stage) => {
      logDirectory(stage, "pold \n");
      const input = await killedAfter(stage, "a\npar");
      stage.file("l/config", "pnew \n");
      await logs(stage, "l", "tial\nb\n", { input });
      assert.deepEqual(logged(stage), "old a\nnew partial\nnew b\n");
    },
    goesOn,
  );

  story(
    "48h",
    "a svlogd killed beside a directory that another input has written to since",
    async (stage) => {
      logDirectory(stage);
      const input = await killedAfter(stage, "a\n");
      await logs(stage, "l", "other\n");
      await logs(stage, "l", "b\n", { input });
      assert.equal(logged(stage), "a\nother\nb\n");
    },
    goesOn,
  );

  for (const { title, config, files: before, expected } of states) {
    story(
      "T1",
      `a directory left with ${title}`,
      async (stage) => {
        logDirectory(stage, config);
        for (const [name, [text, mode]] of Object.entries(before)) stage.file(`l/${name}`, text, mode);
        const { err } = await logs(stage, "l", "new\n");
        assert.equal(err, "");
        assert.deepEqual(files(stage), expected);
        assert.deepEqual(ofKind(stage, "t"), []);
      },
      { only: "ours" },
    );
  }

  for (const [title, end] of [
    ["at the end of its input", "ends"],
    ["with TERM", "terminates"],
  ] as const) {
    story(
      "T2",
      `the original ended ${title}, and ours goes on; and back`,
      async (stage) => {
        logDirectory(stage, "s1010\nn0\n");
        const input = new Input(stage);
        const letters = ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n", "g\n", "h\n"];
        for (const [index, text] of letters.entries()) {
          const isLast = index === letters.length - 1;
          const own = end === "ends" || isLast ? new Input(stage) : input;
          const log = await logging(stage, "l", { ...(index % 2 ? {} : byOriginal), input: own });
          await log.send(text);
          await log[isLast ? "ends" : end]();
        }
        assert.deepEqual(texts(stage), ["a\nb\nc\nd\ne\n"]);
        assert.equal(stage.read("l/current"), "f\ng\nh\n");
      },
      mixes,
    );
  }

  story(
    "T3",
    "the original was killed, and ours goes on: current is set aside",
    async (stage) => {
      logDirectory(stage);
      const input = await killedAfter(stage, "a\nb\n", byOriginal);
      await logs(stage, "l", "c\n", { input });
      assert.deepEqual(files(stage), { "@1.u": "a\nb\n", current: "c\n" });
    },
    mixes,
  );

  story(
    "T4",
    "the original was killed while its processor ran, and ours processes the file",
    async (stage) => {
      const input = await killedWhileProcessing(stage, "a\n", byOriginal);
      assert.deepEqual([texts(stage, "u"), texts(stage, "t")], [["a\n"], [""]]);
      await logs(stage, "l", "b\n", { input });
      assert.deepEqual(results(stage), { "@1.s": "A\n", "@2.s": "B\n", current: "" });
    },
    mixes,
  );

  story(
    "T5",
    "ours was killed, and the original goes on: nothing is lost, nothing is there twice",
    async (stage) => {
      logDirectory(stage);
      const input = await killedAfter(stage, "a\nb\n");
      assert.notEqual(stage.read("l/lock"), "");
      const next = await logging(stage, "l", { ...byOriginal, input });
      await next.send("c\n");
      input.close();
      assert.equal((await stage.end(next.svlogd)).code, 0);
      assert.deepEqual(files(stage), { "@1.u": "a\nb\n", current: "c\n" });
    },
    mixes,
  );

  story(
    "T6",
    "ours was killed while its processor ran and more waited for it, and the original goes on",
    async (stage) => {
      const input = await killedWhileProcessing(stage, "a\nb\nc\n");
      const next = await logging(stage, "l", { ...byOriginal, input });
      await next.send("d\n");
      input.close();
      assert.equal((await stage.end(next.svlogd)).code, 0);
      assert.deepEqual(results(stage), { "@1.u": "a\n", "@2.u": "b\n", "@3.u": "c\n", "@4.s": "D\n", current: "" });
      await logs(stage, "l", "e\n");
      assert.deepEqual(texts(stage), ["A\n", "B\n", "C\n", "D\n", "E\n"]);
      assert.equal(labelled(stage).length, 5);
    },
    mixes,
  );

  for (const before of ["", "a\n"]) {
    story(
      "T7",
      `ours was killed, the original read on from the same pipe and was killed, and ours goes on: ${before.length} bytes`,
      async (stage) => {
        logDirectory(stage);
        const input = await killedAfter(stage, before);
        await killedAfter(stage, "b\nc\n", { ...byOriginal, input });
        await logs(stage, "l", "d\n", { input });
        assert.equal(logged(stage), `${before}b\nc\nd\n`);
      },
      mixes,
    );
    story(
      "T8",
      `ours was killed, the original read on from the same pipe and ended, and ours goes on: ${before.length} bytes`,
      async (stage) => {
        logDirectory(stage);
        const input = await killedAfter(stage, before);
        const between = await logging(stage, "l", { ...byOriginal, input });
        await between.send("b\nc\n");
        between.svlogd.kill("SIGTERM");
        assert.equal((await stage.end(between.svlogd)).code, 0);
        await logs(stage, "l", "d\n", { input });
        assert.equal(logged(stage), `${before}b\nc\nd\n`);
      },
      mixes,
    );
  }

  story(
    "T8b",
    "ours was killed within a line, the original read on from the same pipe, and ours goes on: no line is mixed with another",
    async (stage) => {
      logDirectory(stage);
      const input = await killedAfter(stage, "a\npar");
      await killedAfter(stage, "tial\nb\n", { ...byOriginal, input });
      await logs(stage, "l", "c\nd\n", { input });
      const lines = logged(stage).split("\n");
      for (const line of ["a", "b", "c", "d"]) assert.ok(lines.includes(line), lines.join("|"));
    },
    mixes,
  );

  story(
    "T9",
    "n was made smaller, and ours goes on: one old file goes for one that comes",
    async (stage) => {
      logDirectory(stage, `${everyLine}n0\n`);
      save(stage, [old(1, "s"), old(2, "s")]);
      await logs(stage, "l", "a\nb\nc\n", byOriginal);
      stage.file("l/config", `${everyLine}n2\n`);
      await logs(stage, "l", "d\n");
      assert.deepEqual(Object.keys(files(stage)).sort(), ["@1.s", "@2.s", "@3.s", "@4.s", "current", "old2.s"]);
    },
    mixes,
  );

  story(
    "T10",
    "one holds the lock against the other",
    async (stage) => {
      logDirectory(stage);
      for (const [first, second] of [
        [{}, byOriginal],
        [byOriginal, {}],
      ]) {
        const log = await logging(stage, "l", first);
        const { program = "svlogd" } = { ...second };
        const { code, err } = await stage.run(program, ["l"]);
        const locked = "svlogd: warning: unable to lock directory: l: temporary failure\n";
        assert.deepEqual([code, err], [111, `${locked}svlogd: fatal: no functional log directories.\n`]);
        await log.send("a\n");
        await log.ends();
      }
      assert.deepEqual(files(stage), { current: "a\na\n" });
    },
    mixes,
  );
});
