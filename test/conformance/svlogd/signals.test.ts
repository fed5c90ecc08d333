// Age, ALRM and HUP: spec/svlogd.md, section 14.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Logging } from "./scenes.ts";
import {
  files,
  Input,
  labelled,
  logDirectory,
  logging,
  needsTracing,
  noDirectories,
  secondsOf,
  texts,
  unlabelled,
} from "./scenes.ts";

/** How much later than told something may happen here. */
const slack = 1;
/** A svlogd with a config, and the span within which it was opened. */
async function timed(stage: Stage, config: string): Promise<{ log: Logging; earliest: number; latest: number }> {
  logDirectory(stage, config);
  const earliest = now();
  const log = await logging(stage);
  return { log, earliest, latest: now() };
}
const now = () => Date.now() / 1000;
/** Awaits the saved file of this number, and asserts that it was saved between two moments. */
async function savedBetween(stage: Stage, number: number, earliest: number, latest: number): Promise<void> {
  await stage.until(`${number} are saved`, () => texts(stage).length >= number);
  const moment = secondsOf(labelled(stage)[number - 1] ?? "");
  assert.ok(earliest <= moment && moment <= latest + slack, `${earliest} <= ${moment} <= ${latest}`);
}

stories("svlogd", (story) => {
  story(53, "saves current when it is too old", async (stage) => {
    const { log, earliest, latest } = await timed(stage, "t2\n");
    await log.send("a\n");
    await savedBetween(stage, 1, earliest + 2, latest + 2);
    await stage.span(1000);
    await log.send("b\n");
    await savedBetween(stage, 2, earliest + 4, latest + 4);
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": "a\n", "@2.s": "b\n", current: "" });
  });

  story(54, "ALRM does not move the end of an age", async (stage) => {
    const { log, earliest, latest } = await timed(stage, "t3\n");
    await log.send("a\n");
    await stage.span(1500);
    await log.signal("SIGALRM");
    await savedBetween(stage, 1, earliest + 1.5, latest + 1.5);
    await log.send("b\n");
    await savedBetween(stage, 2, earliest + 3, latest + 3);
    await log.ends();
    assert.deepEqual(texts(stage), ["a\n", "b\n"]);
  });

  story(55, "HUP begins the age anew", async (stage) => {
    const { log } = await timed(stage, "t2\n");
    await log.send("a\n");
    await stage.span(1500);
    const earliest = now();
    await log.signal("SIGHUP");
    await savedBetween(stage, 1, earliest + 2, now() + 2);
    assert.deepEqual(texts(stage), ["a\n"]);
    await log.ends();
  });

  story(56, "an empty current does not get too old", async (stage) => {
    const { log } = await timed(stage, "t1\n");
    await stage.span(2500);
    assert.deepEqual(labelled(stage), []);
    await log.send("a\n");
    await stage.becomes(() => texts(stage), ["a\n"]);
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": "a\n", current: "" });
  });

  story(57, "ALRM with an empty current does nothing", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-v l");
    await log.signal("SIGALRM");
    const { err } = await log.ends();
    const expected = ["new: l/current", "sigalarm received.", "close: l"];
    assert.equal(err, expected.map((text) => `svlogd: info: ${text}\n`).join(""));
    assert.deepEqual(files(stage), { current: "" });
  });

  story(58, "ALRM saves complete lines; one that is unfinished comes later", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage);
    await log.send("a\npart");
    await log.signal("SIGALRM");
    assert.deepEqual(texts(stage), ["a\n"]);
    await log.send("ial\n");
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": "a\n", current: "partial\n" });
  });

  story("58b", "ALRM in the middle of a long line cuts it there", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-l5 l");
    await log.send("a\nlong line");
    await log.signal("SIGALRM");
    assert.deepEqual(texts(stage), ["a\nlong line"]);
    await log.send(" goes on\nb\n");
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": "a\nlong line", current: " goes on\nb\n" });
  });

  story("58c", "ALRM saves every directory that has something", async (stage) => {
    logDirectory(stage, undefined, "k");
    logDirectory(stage, "-*\n");
    const log = await logging(stage, "-v k l");
    await log.send("a\n");
    await log.signal("SIGALRM");
    await log.send("b\n");
    await log.ends();
    assert.deepEqual(files(stage, "k"), { "@1.s": "a\n", current: "b\n" });
    assert.deepEqual(files(stage), { current: "" });
  });

  story(59, "HUP reads the config anew, and goes on in the same current", async (stage) => {
    logDirectory(stage, "p1 \n");
    const log = await logging(stage);
    await log.send("a\n");
    stage.file("l/config", "p2 \n");
    await log.send("b\n");
    await log.signal("SIGHUP");
    await log.send("c\n");
    await log.ends();
    assert.deepEqual(files(stage), { current: "1 a\n1 b\n2 c\n" });
  });

  story(60, "HUP in the middle of a line: it is written as the new config says", async (stage) => {
    logDirectory(stage, "p1 \n");
    const log = await logging(stage, "-t l");
    await log.send("par");
    const latest = now();
    stage.file("l/config", "p2 \n");
    await log.signal("SIGHUP");
    await stage.span(300);
    await log.send("tial\n");
    await log.ends();
    const line = stage.read("l/current");
    assert.equal(line.slice(26), "2 partial\n");
    assert.ok(secondsOf(line) <= latest + 0.002, "the stamp is that of its first byte");
  });

  story("60b", "HUP in the middle of a long line: it goes on", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-l5 l");
    await log.send("a\nlong line");
    await log.signal("SIGHUP");
    await log.send(" goes on\nb\n");
    await log.ends();
    assert.deepEqual(files(stage), { current: "a\nlong line goes on\nb\n" });
  });

  story("60c", "HUP closes and opens, one directory after the other", async (stage) => {
    logDirectory(stage, "", "k");
    logDirectory(stage);
    const log = await logging(stage, "-v k l");
    await log.signal("SIGHUP");
    await log.terminates();
    const expected = ["read: k/config", "new: k/current", "new: l/current", "sighangup received."];
    expected.push("close: k", "read: k/config", "append: k/current", "close: l", "append: l/current");
    expected.push("sigterm received.", "close: k", "close: l");
    assert.equal(log.err, expected.map((text) => `svlogd: info: ${text}\n`).join(""));
  });

  story(61, "a directory that is missing is tried again with HUP", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "l m");
    assert.equal(log.err, "svlogd: warning: unable to open log directory: m: file does not exist\n");
    await log.send("a\n");
    logDirectory(stage, undefined, "m");
    await log.signal("SIGHUP");
    await log.send("b\n");
    await log.ends();
    assert.equal(stage.read("l/current"), "a\nb\n");
    assert.equal(stage.read("m/current"), "b\n");
  });

  story("61b", "a directory that is gone with HUP is left out", async (stage) => {
    logDirectory(stage);
    logDirectory(stage, undefined, "m");
    const log = await logging(stage, "-v l m");
    await log.send("a\n");
    fs.renameSync(stage.at("m"), stage.at("gone"));
    await log.signal("SIGHUP");
    await log.send("b\n");
    await log.ends();
    assert.equal(stage.read("l/current"), "a\nb\n");
    assert.equal(stage.read("gone/current"), "a\n");
    assert.ok(log.err.includes("close: m\nsvlogd: warning: unable to open log directory: m: file does not exist\n"));
  });

  story(62, "without any directory after HUP it ends", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage);
    fs.renameSync(stage.at("l"), stage.at("gone"));
    log.svlogd.kill("SIGHUP");
    const { code, err } = await stage.end(log.svlogd);
    const warning = "svlogd: warning: unable to open log directory: l: file does not exist\n";
    assert.deepEqual({ code, err }, { code: 111, err: warning + noDirectories });
  });

  story(66, "TERM, HUP and ALRM together: current is saved, and it ends", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-v l");
    await log.send("a\n");
    await log.stop();
    for (const signal of ["SIGHUP", "SIGTERM", "SIGALRM", "SIGCONT"] as const) log.svlogd.kill(signal);
    const { code, err } = await stage.end(log.svlogd);
    assert.equal(code, 0);
    const [opened, ...others] = unlabelled(err).split("\n");
    assert.equal(opened, "svlogd: info: new: l/current");
    const rename = "svlogd: info: rename: l/current @T.s 2";
    const received = ["sigalarm", "sighangup", "sigterm"].map((name) => `svlogd: info: ${name} received.`);
    assert.deepEqual(others.toSorted(), ["", "svlogd: info: close: l", rename, ...received].toSorted());
    assert.deepEqual(files(stage), { "@1.s": "a\n", current: "" });
  });

  story(
    94,
    "HUP with a config without rules, after a line that went to stderr",
    async (stage) => {
      logDirectory(stage, "e*\n");
      const log = await logging(stage);
      await log.send("a\n");
      stage.file("l/config", "");
      await log.signal("SIGHUP");
      await log.send("b\n");
      await log.ends();
      assert.equal(log.err, stage.isOurs ? "a\n" : "a\nb\n");
      assert.equal(stage.read("l/current"), "a\nb\n");
    },
    { differs: "svlogd-stderr-after-hup" },
  );

  story(102, "INT kills it, and leaves current unclean", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage);
    await log.send("a\n");
    log.svlogd.kill("SIGINT");
    const { signal } = await stage.end(log.svlogd);
    assert.equal(signal, "SIGINT");
    assert.equal(stage.read("l/current"), "a\n");
    assert.equal(stage.mode("l/current"), 0o644);
  });

  story(
    112,
    "the age of a config says how long it waits",
    async (stage) => {
      logDirectory(stage);
      const ages = { t1m: 60, t1h: 3600, t1d: 1, "t5 m": 5, t: 0, "t30\nt5": 5, "t5\nt30": 30 };
      for (const [config, seconds] of Object.entries(ages)) {
        stage.file("l/config", `${config}\n`);
        stage.file("l/current", "a\n", 0o744); // what is empty does not age
        const waited = await firstWait(stage, new Input(stage));
        // The original never waits for longer than a thousand seconds.
        if (seconds === 0 && stage.isOurs) assert.equal(waited, Number.POSITIVE_INFINITY, config);
        else if (seconds === 0 || seconds > 1000) assert.ok(waited >= 1000, `${config}: ${waited}`);
        else assert.ok(Math.abs(waited - seconds) < slack, `${config}: ${waited}`);
      }
    },
    { ...needsTracing, differs: "svlogd-sleeps" },
  );
});

/** How long svlogd waits for input when it has just been started, in seconds. */
async function firstWait(stage: Stage, input: Input): Promise<number> {
  stage.file("trace", "");
  const tracer = ["strace", "-o", stage.at("trace"), "-e", "trace=poll,ppoll"];
  const svlogd = stage.start("svlogd", ["l"], { via: tracer, stdin: input.reader });
  const unfinished =
    /^p?poll\(\[.*\], \d+, (?:(?<milliseconds>\d+)|\{tv_sec=(?<seconds>\d+), tv_nsec=(?<nanoseconds>\d+)|NULL)(?!.* = )/m;
  let waited = 0;
  await stage.until("it waits", () => {
    const { groups } = unfinished.exec(stage.read("trace").split("\n").at(-1) ?? "") ?? {};
    if (groups === undefined) return false;
    const { milliseconds, seconds, nanoseconds } = groups;
    if (milliseconds !== undefined) waited = Number(milliseconds) / 1000;
    else waited = seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) + Number(nanoseconds) / 1e9;
    return waited > 0.1; // ours gives itself a moment before a long wait
  });
  input.close();
  assert.equal((await stage.end(svlogd)).code, 0);
  return waited;
}
