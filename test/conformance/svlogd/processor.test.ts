// The processor of saved files: spec/svlogd.md, section 13.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import type { Logging } from "./scenes.ts";
import {
  count,
  everyLine,
  files,
  future,
  labelled,
  logDirectory,
  logged,
  logging,
  logs,
  longerThanAPause,
  ofKind,
  old,
  orderlyEnd,
  save,
  texts,
  unlabelled,
} from "./scenes.ts";

const retries = { differs: "svlogd-processor-retries" } as const;
const queues = { differs: "svlogd-processor-queue" } as const;
const failed = "svlogd: warning: processor failed, restart: l\n";
/** For a processor: waits until a file is there. */
const awaits = (file: string) => `until [ -e ${file} ]; do sleep .02; done`;

/** A log directory that hands every line to a processor. */
function processes(stage: Stage, processor: string): void {
  logDirectory(stage, `${everyLine}!${processor}\n`);
}
/** Awaits that nothing is left to be processed. */
async function processed(stage: Stage, ...expected: readonly string[]): Promise<void> {
  await stage.becomes(() => texts(stage), expected);
  await stage.becomes(() => labelled(stage).length, expected.length);
}
/** A line is saved, and its processor runs until the file `go` is there. */
async function startBusy(stage: Stage, rest: string, words = "l"): Promise<Logging> {
  processes(stage, `: >busy; ${awaits("go")}; ${rest}`);
  const log = await logging(stage, words);
  await log.send("a\n");
  await stage.until("the processor runs", () => stage.exists("l/busy"));
  return log;
}

stories("svlogd", (story) => {
  story(77, "a processor makes the saved file", async (stage) => {
    processes(stage, "tr a-z A-Z");
    const log = await logging(stage, "-v l");
    await log.send("foo\n");
    await processed(stage, "FOO\n");
    await log.says("processed");
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": "FOO\n", current: "", state: "" });
    assert.equal(stage.mode(`l/${labelled(stage)[0]}`), 0o744);
    assert.equal(stage.mode("l/state"), 0o644);
    const expected = ["read: l/config", "new: l/current", "rename: l/current @T.u 4", "processing: l/@T.u"];
    expected.push("processed: l/@T.s", "close: l");
    // A child's end is told whenever it is delivered.
    const lines = unlabelled(log.err).replace("svlogd: info: sigchild received.\n", "");
    assert.equal(lines, expected.map((text) => `svlogd: info: ${text}\n`).join(""));
    assert.equal(count(log.err, "sigchild received."), 1);
  });

  story("77b", "a processor has its directory, two states, and svlogd's environment", async (stage) => {
    const shows = 'pwd; echo "$GREETING"; for n in 0 1 2 4 5; do readlink /proc/$$/fd/$n; done; : $(cat >/dev/null)';
    processes(stage, shows);
    const log = await logging(stage, "l", { env: { GREETING: "hello" } });
    const stderr = stage.descriptor(log.pid, 2);
    await log.send("foo\n");
    await stage.becomes(() => ofKind(stage, "s").length, 1);
    const name = labelled(stage)[0]?.slice(0, -2);
    const inside = (file: string) => stage.at("l", file);
    const descriptors = [inside(`${name}.u`), inside(`${name}.t`), stderr, inside("state"), inside("newstate")];
    assert.deepEqual(texts(stage), [`${[stage.at("l"), "hello", ...descriptors].join("\n")}\n`]);
    await log.ends();
  });

  story(
    "77c",
    "a processor is a shell command with the default signals",
    async (stage) => {
      // Before it starts anything: a shell that waits for a child unblocks CHLD.
      const masks = 'while read -r line; do case $line in SigBlk*|SigIgn*) echo "$line"; esac; done </proc/$$/status';
      processes(stage, `${masks}; readlink /proc/$$/exe; tr '\\0' ' ' </proc/$$/cmdline`);
      await logs(stage, "l", "foo\n");
      const [blocked = "", ignored = "", program, command = ""] = (texts(stage)[0] ?? "").split("\n");
      assert.match(command, /^sh -c while .*cmdline $/);
      const mask = (line: string) => BigInt(`0x${line.split("\t")[1]}`) & ~(0b111n << 31n);
      // The original leaves CHLD blocked.
      assert.equal(mask(blocked), stage.isOurs ? 0n : 1n << 16n);
      assert.equal(mask(ignored), 0n);
      assert.equal(program, fs.realpathSync("/bin/sh"));
    },
    { differs: "svlogd-processor-signal-mask" },
  );

  story("77e", "a processor has the descriptors that svlogd was given, and none that it has opened", async (stage) => {
    processes(stage, "exec ls /proc/self/fd");
    const via = shell("exec 7</dev/null");
    await logs(stage, "l", "foo\n", { via });
    const given = (await stage.run("/bin/ls", ["/proc/self/fd"], { via })).out.split("\n");
    assert.deepEqual(texts(stage)[0]?.split("\n").toSorted(), [...given, "4", "5"].toSorted());
  });

  story("77d", "an output of any length is saved, also none", async (stage) => {
    processes(stage, "read x; [ $x = none ] || head -c 1000000 /dev/zero");
    const log = await logging(stage);
    await log.send("much\n");
    await stage.becomes(() => texts(stage).length, 1);
    await log.send("none\n");
    await stage.becomes(() => texts(stage).map((text) => text.length), [1_000_000, 0]);
    await log.ends();
    assert.deepEqual(labelled(stage).length, 2);
  });

  story(78, "processors of one directory run one after the other, and the end waits for them", async (stage) => {
    // Two at once would be seen by the directory that each makes.
    processes(stage, "mkdir alone || exit 1; sleep .3; tr a-z A-Z; rmdir alone");
    const { err, milliseconds } = await logs(stage, "l", "foo\nbar\nbaz\n");
    assert.equal(err, "");
    assert.ok(milliseconds > 850, `${milliseconds}`);
    assert.deepEqual(files(stage), { "@1.s": "FOO\n", "@2.s": "BAR\n", "@3.s": "BAZ\n", current: "", state: "" });
  });

  story(
    "78b",
    "lines are written while a processor runs, and files saved",
    async (stage) => {
      const log = await startBusy(stage, "cat");
      await log.input.write("b\nc\n");
      if (stage.isOurs) await stage.becomes(() => texts(stage, "u"), ["a\n", "b\n", "c\n"]);
      else {
        await stage.span(300);
        assert.deepEqual([texts(stage, "u"), stage.read("l/current")], [["a\n"], "b\n"]);
      }
      stage.file("l/go", "");
      await processed(stage, "a\n", "b\n", "c\n");
      await log.ends();
    },
    queues,
  );

  story("78c", "another directory does not wait for a processor that has nothing to do with it", async (stage) => {
    processes(stage, awaits("go"));
    logDirectory(stage, undefined, "k");
    const log = await logging(stage, "k l");
    await log.send("a\n");
    await log.send("");
    assert.deepEqual(files(stage, "k"), { current: "a\n" });
    stage.file("l/go", "");
    await log.ends();
  });

  story(79, "what a processor writes to descriptor 5 the next one reads from 4", async (stage) => {
    processes(stage, "cat <&4; echo X >&5");
    const log = await logging(stage);
    await log.send("a\n");
    await processed(stage, "");
    await log.send("b\n");
    await processed(stage, "", "X\n");
    await log.ends();
    assert.equal(stage.read("l/state"), "X\n");
    assert.ok(!stage.exists("l/newstate"));
  });

  story(80, "a processor that fails is run again with the same state", async (stage) => {
    processes(
      stage,
      "cat <&4 >>seen; [ -e once ] || { : >once; echo lost; echo lost >&5; exit 3; }; cat; echo new >&5",
    );
    stage.file("l/state", "old\n");
    const log = await logging(stage);
    await log.send("a\n");
    await processed(stage, "a\n");
    const { err } = await log.ends();
    assert.equal(err, failed);
    assert.equal(stage.read("l/seen"), "old\nold\n");
    assert.equal(stage.read("l/state"), "new\n");
  });

  story(
    81,
    "a processor that always fails",
    async (stage) => {
      processes(stage, "exit 1");
      const log = await logging(stage);
      await log.input.write("a\n");
      if (!stage.isOurs) await log.says(failed, 500);
      else await log.says(failed, 2);
      log.svlogd.kill("SIGTERM");
      if (stage.isOurs) {
        await orderlyEnd(stage, log.svlogd);
        assert.deepEqual(texts(stage, "u"), ["a\n"]);
        return;
      }
      await log.says(failed, count(log.err, failed) + 100);
      assert.ok(log.svlogd.isAlive);
    },
    { differs: "svlogd-processor-retries, svlogd-ends-at-once" },
  );

  story(
    "81b",
    "a processor that fails is tried again at once, then after growing pauses",
    async (stage) => {
      processes(stage, "date +%s.%N >>runs; exit 1");
      const log = await logging(stage);
      await log.send("a\n");
      await stage.until("four runs", () => stage.peek("l/runs").split("\n").length > 4);
      const runs = stage.read("l/runs").split("\n").map(Number);
      const pauses = runs.slice(1, 4).map((moment, index) => moment - (runs[index] ?? 0));
      for (const [index, [least, most]] of [
        [0, 0.9],
        [0.95, 1.9],
        [1.95, 3.5],
      ].entries()) {
        const pause = pauses[index] ?? 0;
        assert.ok((least ?? 0) <= pause && pause < (most ?? 0), pauses.join(" "));
      }
      assert.equal(log.err, failed.repeat(count(log.err, failed)));
    },
    { ...retries, only: "ours" },
  );

  story(
    "81c",
    "the end of input tries a failing processor, and leaves the file to be processed",
    async (stage) => {
      processes(stage, "exit 1");
      const { err } = await logs(stage, "l", "a\nb\n");
      assert.ok(err.startsWith(failed), err);
      assert.deepEqual(texts(stage, "u"), ["a\n", "b\n"]);
      assert.deepEqual(texts(stage, "t"), []);
    },
    { differs: "svlogd-ends-at-once", only: "ours" },
  );

  for (const [number, title, processor, output] of [
    [82, "kills itself", "echo partial; kill -9 $$", "partial\n"],
    ["82b", "is ended with TERM", "echo partial; kill $$", "partial\n"],
  ] as const) {
    story(
      number,
      `a processor that ${title}`,
      async (stage) => {
        processes(stage, processor);
        const log = await logging(stage);
        await log.send("a\n");
        if (stage.isOurs) {
          await log.says(failed, 2);
          await log.terminates();
          assert.deepEqual([texts(stage), texts(stage, "u")], [[], ["a\n"]]);
        } else {
          await processed(stage, output);
          assert.equal((await log.ends()).err, "");
        }
      },
      retries,
    );
  }

  story(
    83,
    "HUP while a processor runs",
    async (stage) => {
      const log = await startBusy(stage, "cat; echo s >&5");
      await log.signal("SIGHUP");
      const [runs = 0] = stage.processes("until [");
      stage.file("l/go", "");
      if (stage.isOurs) {
        await processed(stage, "a\n");
        await log.ends();
        assert.deepEqual(files(stage), { "@1.s": "a\n", busy: "", current: "", go: "", state: "s\n" });
        return;
      }
      await stage.until("it has ended", () => !stage.isLiving(runs));
      await log.idle();
      const left = { busy: "", current: "", go: "", newstate: "s\n", state: "" };
      assert.deepEqual(files(stage), { "@1.t": "a\n", "@1.u": "a\n", ...left });
      await log.send("b\n");
      await log.ends();
      const { newstate: _, ...others } = left;
      assert.deepEqual(files(stage), { "@1.u": "a\n", "@2.s": "b\n", ...others, state: "s\n" });
    },
    queues,
  );

  story(
    "83b",
    "HUP again and again while processors are started",
    async (stage) => {
      // In the original a child that is not yet the processor holds the lock, and svlogd may find its directory locked.
      logDirectory(stage, `${everyLine}n0\n!cat\n`);
      const log = await logging(stage);
      const lines = Array.from({ length: 200 }, (_, index) => `${index}\n`);
      for (const line of lines) {
        await log.input.write(line);
        assert.ok(log.svlogd.isAlive, log.err);
        log.svlogd.kill("SIGHUP");
        await stage.span(1);
      }
      const { err } = await log.ends();
      assert.equal(err, "");
      assert.equal(logged(stage), lines.join(""));
      assert.deepEqual([ofKind(stage, "u"), ofKind(stage, "t")], [[], []]);
    },
    { ...queues, only: "ours" },
  );

  story(84, "TERM waits for a processor that runs", async (stage) => {
    const log = await startBusy(stage, "cat");
    log.svlogd.kill("SIGTERM");
    await stage.span(300);
    assert.ok(log.svlogd.isAlive);
    stage.file("l/go", "");
    await orderlyEnd(stage, log.svlogd);
    assert.deepEqual(files(stage), { "@1.s": "a\n", busy: "", current: "", go: "", state: "" });
  });

  story(
    "84b",
    "TERM leaves a processor that does not end, after five seconds, and the next svlogd runs it again",
    async (stage) => {
      const log = await startBusy(stage, "cat");
      const start = performance.now();
      log.svlogd.kill("SIGTERM");
      await orderlyEnd(stage, log.svlogd);
      assert.ok(performance.now() - start > 4900);
      assert.deepEqual(texts(stage, "u"), ["a\n"]);
      stage.file("l/go", "");
      await logs(stage, "l", "b\n", { input: log.input });
      assert.deepEqual(texts(stage), ["a\n", "b\n"]);
      assert.equal(labelled(stage).length, 2);
    },
    { differs: "svlogd-ends-at-once", only: "ours" },
  );

  story(
    85,
    "a processor that removes its output",
    async (stage) => {
      processes(stage, "rm -f *.t; echo >>runs");
      const log = await logging(stage);
      await log.input.write("a\n");
      const pausing = "svlogd: pausing: unable to rename processed: l: file does not exist\n";
      await log.says(pausing);
      if (stage.isOurs) {
        await log.terminates();
        assert.deepEqual(texts(stage, "u"), ["a\n"]);
        return;
      }
      await log.says(pausing, 2);
      log.svlogd.kill("SIGTERM");
      await stage.span(longerThanAPause);
      assert.ok(log.svlogd.isAlive);
      assert.equal(stage.read("l/runs"), "\n");
    },
    { differs: "svlogd-ends-at-once" },
  );

  story(86, "the umask counts for lock and state alone", async (stage) => {
    processes(stage, "cat; echo s >&5");
    await logs(stage, "l", "a\n", { via: shell("umask 077") });
    const modes = ["current", ...labelled(stage), "state", "lock"].map((name) => stage.mode(`l/${name}`).toString(8));
    assert.deepEqual(modes, ["744", "744", "600", "600"]);
    assert.deepEqual(texts(stage), ["a\n"]);
  });

  story(
    100,
    "svlogd was killed while a processor ran",
    async (stage) => {
      processes(stage, "[ -e go ] || { echo half; : >busy; exec sleep 1000; }; cat");
      const log = await logging(stage);
      await log.send("a\n");
      await stage.until("the processor runs", () => stage.exists("l/busy"));
      await log.killed();
      for (const pid of stage.processes("sleep 1000")) process.kill(pid);
      assert.deepEqual([texts(stage, "u"), texts(stage, "t")], [["a\n"], ["half\n"]]);
      stage.file("l/go", "");
      await logs(stage, "l", "b\n", { input: log.input });
      const left = stage.isOurs ? { "@1.s": "a\n", "@2.s": "b\n" } : { "@1.u": "a\n", "@2.s": "b\n" };
      assert.deepEqual(files(stage), { ...left, busy: "", current: "", go: "", state: "" });
    },
    queues,
  );

  story(
    "100b",
    "svlogd was killed, and its processor goes on while the next svlogd processes the file",
    async (stage) => {
      processes(
        stage,
        `if mkdir first; then ${awaits("go")}; echo orphan; echo orphan >&5; else cat; echo next >&5; fi`,
      );
      const log = await logging(stage);
      await log.send("a\n");
      await stage.until("the processor runs", () => stage.exists("l/first"));
      await log.killed();
      const [orphan = 0] = stage.processes("until [");
      const next = await logging(stage, "l", { input: log.input });
      await processed(stage, "a\n");
      stage.file("l/go", "");
      await stage.until("the old processor has ended", () => !stage.isLiving(orphan));
      await next.ends();
      assert.deepEqual(texts(stage), ["a\n"]);
      assert.equal(stage.read("l/state"), "next\n");
    },
    { ...queues, only: "ours" },
  );

  story(
    "100c",
    "an unclean current is processed at start",
    async (stage) => {
      processes(stage, "tr a-z A-Z");
      stage.file("l/current", "old\n", 0o644);
      save(stage, [old(1, "u"), old(2, "s")]);
      await logs(stage, "l", "new\n");
      const expected = stage.isOurs
        ? { "@1.s": "OLD\n", "@2.s": "NEW\n", "old1.s": "@400000001000000000010000.U\n" }
        : { "@1.u": "old\n", "@2.s": "NEW\n", "old1.u": `${old(1, "u")}\n` };
      assert.deepEqual(files(stage), { ...expected, "old2.s": `${old(2, "s")}\n`, current: "", state: "" });
    },
    queues,
  );

  story(
    104,
    "old files of the future, and a processor",
    async (stage) => {
      logDirectory(stage, `${everyLine}n2\n!cat\n`);
      save(stage, [future(1, "s"), future(2, "s"), future(3, "s")]);
      const { err } = await logs(stage, "l", "a\n");
      assert.equal(err, "");
      // One goes for one that comes: the surplus stays.
      const left = Object.keys(files(stage)).sort();
      assert.deepEqual(left, ["@1.s", "current", "future2.s", "future3.s", "state"]);
      if (stage.isOurs) assert.ok((labelled(stage).at(-1) ?? "") > future(3, "s"));
    },
    { differs: "svlogd-names-sort" },
  );

  story(
    108,
    "a processor that somebody else ends",
    async (stage) => {
      processes(stage, "exec sleep 5000");
      const log = await logging(stage);
      await log.send("a\n");
      await stage.until("the processor runs", () => stage.processes("sleep 5000").length === 1);
      for (const pid of stage.processes("sleep 5000")) process.kill(pid, "SIGTERM");
      if (!stage.isOurs) {
        await processed(stage, "");
        await log.ends();
        return;
      }
      await log.says(failed);
      await stage.until("it runs again", () => stage.processes("sleep 5000").length === 1);
      assert.deepEqual([texts(stage), texts(stage, "u")], [[], ["a\n"]]);
    },
    retries,
  );

  story(
    109,
    "a processor that always fails is stopped by HUP with a config without it",
    async (stage) => {
      processes(stage, `echo half; echo >>runs; ${awaits("go")}; exit 1`);
      const log = await logging(stage);
      await log.send("a\n");
      await stage.becomes(() => stage.peek("l/runs"), "\n");
      stage.file("l/config", everyLine);
      await log.signal("SIGHUP");
      const [runs = 0] = stage.processes("until [");
      stage.file("l/go", "");
      await stage.until("it has ended", () => !stage.isLiving(runs));
      await log.send("b\n");
      await log.ends();
      assert.equal(stage.read("l/runs"), "\n");
      const left = { current: "", go: "", newstate: "", runs: "\n", state: "" };
      assert.deepEqual(files(stage), { "@1.u": "a\n", "@2.s": "b\n", ...left });
    },
    retries,
  );

  story(
    "111b",
    "what is saved faster than it is processed is processed, however few files may be kept",
    async (stage) => {
      logDirectory(stage, `${everyLine}n2\n!sleep .1; tee -a all\n`);
      const input = "1\n2\n3\n4\n5\n6\n";
      const { err } = await logs(stage, "l", input);
      assert.equal(err, "");
      assert.equal(stage.read("l/all"), input);
      assert.deepEqual(texts(stage).slice(-2), ["5\n", "6\n"]);
    },
  );

  story(
    111,
    "n1 with a processor that takes its time",
    async (stage) => {
      logDirectory(stage, `${everyLine}n1\n!sleep .5; cat\n`);
      await logs(stage, "l", "1\n2\n3\n");
      // Debian's does not count the file that waits for its processor; 2.3.0 does.
      assert.deepEqual(texts(stage), stage.isOurs ? ["3\n"] : ["2\n", "3\n"]);
      assert.deepEqual(labelled(stage).length, texts(stage).length);
    },
    { differs: "svlogd-prunes-as-2.3.0" },
  );
});
