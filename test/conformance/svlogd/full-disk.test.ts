// A full disk: spec/svlogd.md, section 11.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { cannotMount, stories } from "../stage.ts";
import type { Logging } from "./scenes.ts";
import {
  assertHeldUp,
  count,
  everyLine,
  labelled,
  logDirectory,
  logging,
  longerThanAPause,
  noDirectories,
  old,
  save,
  texts,
} from "./scenes.ts";

const mounts = { skip: cannotMount };
const fullDisk = { ...mounts, differs: "svlogd-full-disk" };
const page = 4096;
const pausing = "svlogd: pausing: unable to write to current: l: out of disk space\n";

/** Makes the log directory a disk of its own, with a config, and so many old files. */
function onDisk(stage: Stage, config: string, oldFiles = 0): void {
  stage.mount("l", "size=128k");
  logDirectory(stage, config);
  save(
    stage,
    Array.from({ length: oldFiles }, (_, index) => old(index + 1, "s")),
  );
}
/** Fills the disk of the log directory, but for so many pages. */
function fill(stage: Stage, freePages = 0): void {
  const file = stage.at("l/filler");
  const block = Buffer.alloc(page);
  assert.throws(() => {
    for (;;) fs.appendFileSync(file, block);
  }, /ENOSPC/);
  fs.truncateSync(file, fs.statSync(file).size - freePages * page);
}
function makeRoom(stage: Stage): void {
  fs.unlinkSync(stage.at("l/filler"));
}
/** A svlogd whose disk has become full. */
async function onFullDisk(stage: Stage, config: string, oldFiles = 0): Promise<Logging> {
  onDisk(stage, config, oldFiles);
  const log = await logging(stage, "-v l");
  fill(stage);
  return log;
}
stories("svlogd", (story) => {
  story(
    73,
    "a full disk: old files go, as far as N allows",
    async (stage) => {
      const log = await onFullDisk(stage, "n5\nN2\n", 4);
      await log.send("a\n");
      assert.ok(log.err.endsWith(`svlogd: warning: out of disk space, delete: l/${old(1, "s")}\n`), log.err);
      assert.equal(stage.read("l/current"), "a\n");
      assert.deepEqual(
        labelled(stage),
        [2, 3, 4].map((number) => old(number, "s")),
      );
      await log.ends();
    },
    mounts,
  );

  story(
    "73b",
    "a disk that is full from the start",
    async (stage) => {
      onDisk(stage, "n5\nN2\n", 4);
      fill(stage);
      const log = await logging(stage, "l");
      await log.send("a\n");
      assert.equal(log.err, `svlogd: warning: out of disk space, delete: l/${old(1, "s")}\n`);
      assert.equal(stage.read("l/current"), "a\n");
      await log.ends();
    },
    mounts,
  );

  story(
    74,
    "a full disk: without N, ten old files are left",
    async (stage) => {
      const log = await onFullDisk(stage, "n20\n", 11);
      await log.send("a\n");
      assert.ok(log.err.endsWith(`svlogd: warning: out of disk space, delete: l/${old(1, "s")}\n`), log.err);
      assert.deepEqual([labelled(stage).length, stage.read("l/current")], [10, "a\n"]);
      await log.ends();
    },
    mounts,
  );

  story(
    "74b",
    "a full disk: with as few old files as there shall be, it pauses",
    async (stage) => {
      const log = await onFullDisk(stage, "n20\n", 9);
      await log.input.write("a\n");
      await log.says(pausing, 2);
      assert.deepEqual([labelled(stage).length, stage.read("l/current")], [9, ""]);
      assert.equal(count(log.err, "delete"), 0);
    },
    mounts,
  );

  story(
    75,
    "a full disk that has room again",
    async (stage) => {
      const log = await onFullDisk(stage, "");
      await log.input.write("a\nb\n");
      await log.says(pausing, 2);
      makeRoom(stage);
      const start = performance.now();
      await stage.until("it is written", () => stage.read("l/current").includes("a\n"));
      assert.ok(performance.now() - start < 3500);
      await log.send("c\n");
      await log.ends();
      assertHeldUp(stage, stage.read("l/current"), "a\nb\nc\n");
    },
    fullDisk,
  );

  story(
    "75c",
    "a full disk at the end of the input: it waits for room",
    async (stage) => {
      const log = await onFullDisk(stage, "");
      await log.input.write("a\nb\n");
      log.input.close();
      await log.says(pausing, 2);
      assert.ok(log.svlogd.isAlive);
      makeRoom(stage);
      await log.ends();
      assertHeldUp(stage, stage.read("l/current"), "a\nb\n");
      assert.equal(stage.mode("l/current"), 0o744);
    },
    fullDisk,
  );

  story(
    "75b",
    "what is said of lines held up has stamp and prefix, and counts bytes and seconds",
    async (stage) => {
      const log = await onFullDisk(stage, "p[x] \n");
      await log.terminates();
      const next = await logging(stage, "-tt l", { input: log.input });
      await next.input.write("a\n");
      await next.says(pausing, 2);
      makeRoom(stage);
      await stage.until("it is written", () => stage.read("l/current").includes("held up"));
      await next.ends();
      const line = /^\d{4}-\d\d-\d\d_[\d:.]{14} \[x\] svlogd: warning: (\d+) bytes held up for (\d+) seconds: (.*)$/m;
      const [, bytes, seconds, reason] = line.exec(stage.read("l/current")) ?? assert.fail(stage.read("l/current"));
      assert.ok(Number(bytes) >= 2 && Number(bytes) < 100, bytes);
      assert.ok(Number(seconds) >= 2 && Number(seconds) < 30, seconds);
      assert.equal(reason, "out of disk space");
    },
    { ...fullDisk, only: "ours" },
  );

  story(
    76,
    "told TERM while it pauses",
    async (stage) => {
      const log = await onFullDisk(stage, "");
      await log.input.write("a\n");
      await log.says(pausing);
      log.svlogd.kill("SIGTERM");
      if (stage.isOurs) {
        assert.equal((await stage.end(log.svlogd, 2500)).code, 0);
        assert.equal(stage.read("l/current") + log.input.left(), "a\n");
        return;
      }
      await log.says(pausing, 2);
      assert.equal(count(log.err, "sigterm"), 0);
      makeRoom(stage);
      await log.says("sigterm received.");
      await stage.span(300);
      assert.ok(log.svlogd.isAlive);
      await log.ends();
      assert.equal(stage.read("l/current"), "a\n");
    },
    { ...mounts, differs: "svlogd-ends-at-once" },
  );

  story(
    "76b",
    "told TERM while it pauses: the next svlogd writes what was held up",
    async (stage) => {
      const log = await onFullDisk(stage, "");
      const lines = Array.from({ length: 300 }, (_, index) => `line ${index}\n`).join("");
      await log.input.write(lines);
      await log.says(pausing);
      log.svlogd.kill("SIGTERM");
      assert.equal((await stage.end(log.svlogd)).code, 0);
      makeRoom(stage);
      const next = await logging(stage, "l", { input: log.input });
      await next.ends();
      assert.equal(stage.read("l/current"), lines);
    },
    { ...mounts, differs: "svlogd-ends-at-once", only: "ours" },
  );

  story(
    "76c",
    "a full disk keeps no other directory from being written",
    async (stage) => {
      onDisk(stage, "");
      logDirectory(stage, undefined, "k");
      logDirectory(stage, everyLine, "m");
      const log = await logging(stage, "k l m");
      fill(stage);
      await log.input.write("a\n");
      await log.says(pausing);
      await log.input.write("b\n");
      if (!stage.isOurs) {
        await stage.span(longerThanAPause);
        assert.equal(stage.read("k/current"), "a\n");
        makeRoom(stage);
      }
      await stage.becomes(() => stage.read("k/current"), "a\nb\n");
      await stage.becomes(() => texts(stage, "s", "m"), ["a\n", "b\n"]);
      if (stage.isOurs) {
        assert.equal(stage.read("l/current"), "");
        makeRoom(stage);
      }
      await stage.until("it is written", () => stage.read("l/current").includes("b\n"));
      await log.ends();
      assertHeldUp(stage, stage.read("l/current"), "a\nb\n");
    },
    fullDisk,
  );

  story(
    101,
    "a disk that becomes full in the middle of a line",
    async (stage) => {
      onDisk(stage, "");
      const log = await logging(stage, "l");
      fill(stage, 3);
      const lines = Array.from({ length: 200 }, (_, index) => `${String(index).padStart(99, "x")}\n`).join("");
      await log.input.write(lines);
      await log.says(pausing);
      if (!stage.isOurs) assert.equal(stage.read("l/current"), lines.slice(0, 3 * page));
      assert.ok(lines.startsWith(stage.read("l/current")));
      makeRoom(stage);
      await stage.until("all is written", () => stage.read("l/current").length >= lines.length);
      await log.ends();
      assertHeldUp(stage, stage.read("l/current"), lines);
    },
    fullDisk,
  );

  story(
    115,
    "HUP after a full disk has room again",
    async (stage) => {
      const log = await onFullDisk(stage, "n5\nN2\n");
      await log.input.write("a\n");
      await log.says(pausing);
      makeRoom(stage);
      await stage.until("it is written", () => stage.read("l/current").includes("a\n"));
      await log.idle();
      log.svlogd.kill("SIGHUP");
      if (stage.isOurs) {
        await log.says("append: l/current");
        await log.send("b\n");
        await log.ends();
        assertHeldUp(stage, stage.read("l/current"), "a\nb\n");
        return;
      }
      const { code, err } = await stage.end(log.svlogd);
      assert.equal(code, 111);
      const warning = "svlogd: warning: unable to open log directory: l: file does not exist\n";
      assert.ok(err.endsWith(warning + noDirectories), err);
    },
    fullDisk,
  );
});
