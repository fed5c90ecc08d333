// Opening log directories, and those that cannot be opened: spec/svlogd.md, sections 3 and 7.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { missing, stories } from "../stage.ts";
import {
  assertHeldUp,
  assertRefused,
  count,
  everyLine,
  files,
  Input,
  Logging,
  labelled,
  logDirectory,
  logging,
  logs,
  longerThanAPause,
  nobody,
  noDirectories,
  ofKind,
  refused,
  rootOnly,
  texts,
} from "./scenes.ts";

const opened = (verb: string) => `svlogd: info: ${verb}: l/current\nsvlogd: info: close: l\n`;
/** What has been waiting is said in the log. */
const holdsUp = { differs: "svlogd-full-disk" } as const;
const endsAtOnce = { differs: "svlogd-ends-at-once" } as const;

/** A svlogd that is pausing, told TERM: ours ends, the original does not. */
async function isToldTerm(stage: Stage, log: Logging): Promise<void> {
  log.svlogd.kill("SIGTERM");
  if (stage.isOurs) assert.equal((await stage.end(log.svlogd, 2500)).code, 0);
  else {
    await stage.span(longerThanAPause);
    assert.ok(log.svlogd.isAlive);
  }
}
/** A directory that belongs to an ordinary user. */
function givenAway(stage: Stage, name: string, mode: number): void {
  logDirectory(stage, undefined, name);
  fs.chownSync(stage.at(name), nobody.uid, nobody.gid);
  fs.chmodSync(stage.at(name), mode);
}

stories("svlogd", (story) => {
  story(45, "an unclean current is set aside", async (stage) => {
    stage.file("l/current", "old\n", 0o644);
    const { err } = await logs(stage, "-v l", "new\n");
    assert.deepEqual(files(stage), { "@1.u": "old\n", current: "new\n" });
    assert.equal(stage.mode(`l/${labelled(stage)[0]}`), 0o644);
    assert.equal(err, opened("new"));
  });

  for (const mode of [0o744, 0o100, 0o755, 0o700]) {
    story(46, `a clean current is gone on with: mode ${mode.toString(8)}`, async (stage) => {
      stage.file("l/current", "old\n", mode);
      const { err } = await logs(stage, "-v l", "new\n");
      assert.deepEqual(files(stage), { current: "old\nnew\n" });
      assert.equal(stage.mode("l/current"), 0o744);
      assert.equal(err, opened("append"));
    });
  }

  for (const mode of [0o611, 0o000, 0o655]) {
    story("45b", `current without u+x is unclean: mode ${mode.toString(8)}`, async (stage) => {
      stage.file("l/current", "old\n", mode);
      await logs(stage, "l", "new\n");
      assert.deepEqual(files(stage), { "@1.u": "old\n", current: "new\n" });
      assert.equal(stage.mode(`l/${labelled(stage)[0]}`), mode);
    });
  }

  for (const mode of [0o644, 0o744]) {
    story(47, `an empty current is gone on with: mode ${mode.toString(8)}`, async (stage) => {
      stage.file("l/current", "", mode);
      const { err } = await logs(stage, "-v l", "new\n");
      assert.deepEqual(files(stage), { current: "new\n" });
      assert.equal(err, opened("append"));
    });
  }

  story(
    48,
    "what a killed svlogd left in current is set aside where the input is another",
    async (stage) => {
      logDirectory(stage);
      const first = await logging(stage);
      await first.send("a\npar");
      await first.killed();
      const { err } = await logs(stage, "-v l", "new\n", { input: new Input(stage) });
      // An unfinished line whose input has gone is a line all the same; the original loses it.
      const unfinished = stage.isOurs ? "par\n" : "";
      assert.deepEqual(files(stage), { "@1.u": "a\n", current: `${unfinished}new\n` });
      assert.equal(err, opened("new"));
    },
    { differs: "svlogd-keeps-every-line" },
  );

  story(67, "a directory has one svlogd only", async (stage) => {
    logDirectory(stage);
    await logging(stage);
    const locked = "svlogd: warning: unable to lock directory: l: temporary failure\n";
    assertRefused(await refused(stage, "l"), locked + noDirectories);
    assertRefused(await refused(stage, "-v l"), `svlogd: info: close: \n${locked}${noDirectories}`);
  });

  story(
    "67b",
    "the lock is one of flock, and is given back at the end",
    async (stage) => {
      logDirectory(stage);
      const isFree = () => spawnSync("flock", ["-n", stage.at("l/lock"), "true"]).status === 0;
      const log = await logging(stage);
      assert.ok(!isFree());
      await log.signal("SIGHUP");
      assert.ok(!isFree());
      await log.ends();
      assert.ok(isFree());
    },
    { skip: missing("flock") },
  );

  story(68, "a directory named twice is opened once", async (stage) => {
    logDirectory(stage);
    const { err } = await logs(stage, "l l", "x\n");
    assert.equal(err, "svlogd: warning: unable to lock directory: l: temporary failure\n");
    assert.deepEqual(files(stage), { current: "x\n" });
  });

  story(69, "what is no directory, or missing, is refused", async (stage) => {
    stage.file("l", "");
    const warning = "svlogd: warning: unable to change directory: l: not a directory\n";
    assertRefused(await refused(stage, "l"), warning + noDirectories);
    assertRefused(await refused(stage, "-v l"), `svlogd: info: close: \n${warning}${noDirectories}`);
    assertRefused(
      await refused(stage, ["m", ""]),
      `svlogd: warning: unable to open log directory: m: file does not exist\n` +
        `svlogd: warning: unable to open log directory: : file does not exist\n${noDirectories}`,
    );
  });

  story("69b", "one directory that works is enough", async (stage) => {
    logDirectory(stage);
    stage.file("file", "");
    const { err } = await logs(stage, "file l none", "x\n");
    const warning = "svlogd: warning: unable to";
    assert.equal(
      err,
      `${warning} change directory: file: not a directory\n${warning} open log directory: none: file does not exist\n`,
    );
    assert.deepEqual(files(stage), { current: "x\n" });
  });

  story(70, "a config that is a directory is as good as none", async (stage) => {
    logDirectory(stage, undefined, "l/config");
    const { err } = await logs(stage, "-v l", "x\n");
    const warning = "svlogd: warning: unable to read config: l: is a directory\n";
    assert.equal(err, `${warning}svlogd: info: read: l/config\n${opened("new")}`);
    assert.equal(stage.read("l/current"), "x\n");
  });

  story(
    71,
    "a current that is a directory: it pauses",
    async (stage) => {
      logDirectory(stage, undefined, "l/current");
      const log = new Logging(stage, "l", {});
      const pausing = "svlogd: pausing: unable to open current: l: is a directory\n";
      const start = performance.now();
      await log.says(pausing);
      await log.says(pausing, 2);
      assert.ok(performance.now() - start > 2900);
      await isToldTerm(stage, log);
      assert.equal(log.err, pausing.repeat(count(log.err, pausing)));
    },
    endsAtOnce,
  );

  story(
    "71b",
    "a current that is a directory no more",
    async (stage) => {
      logDirectory(stage, undefined, "l/current");
      const log = new Logging(stage, "l", {});
      await log.says("pausing");
      await log.input.write("a\n");
      fs.rmdirSync(stage.at("l/current"));
      await stage.until("it is written", () => stage.read("l/current").includes("a\n"));
      await log.ends();
      assert.deepEqual(labelled(stage), []);
      assertHeldUp(stage, stage.read("l/current"), "a\n", "is a directory");
    },
    holdsUp,
  );

  story(
    72,
    "a current that is removed while it runs: it pauses until there is one to be saved",
    async (stage) => {
      logDirectory(stage, everyLine);
      const log = await logging(stage);
      await log.send("a\n");
      fs.unlinkSync(stage.at("l/current"));
      await log.input.write("b\n");
      await log.says("svlogd: pausing: unable to rename current: l: file does not exist\n", 2);
      stage.file("l/current", "mine\n");
      await stage.until("it is saved", () => ofKind(stage, "s").length >= 2);
      await log.send("c\n");
      await log.ends();
      const [first, second, ...others] = texts(stage);
      assert.deepEqual([first, second, stage.read("l/current")], ["a\n", "mine\n", ""]);
      assertHeldUp(stage, others.join(""), "c\n", "file does not exist");
    },
    holdsUp,
  );

  story(
    "72b",
    "told TERM while it waits for current to be there",
    async (stage) => {
      logDirectory(stage, everyLine);
      const log = await logging(stage);
      fs.unlinkSync(stage.at("l/current"));
      await log.input.write("b\n");
      await log.says("pausing: unable to rename current: l: file does not exist");
      await isToldTerm(stage, log);
    },
    endsAtOnce,
  );

  story(
    95,
    "a config that cannot be read",
    async (stage) => {
      givenAway(stage, "k", 0o755);
      givenAway(stage, "l", 0o755);
      stage.file("k/config", "pZZ \n");
      stage.file("l/config", "pYY \n", 0o000);
      const { err } = await logs(stage, "k l", "x\n", nobody);
      assert.equal(err, "svlogd: warning: unable to read config: l: access denied\n");
      assert.equal(stage.read("k/current"), "ZZ x\n");
      // The original goes by what it has read for the directory before.
      assert.equal(stage.read("l/current"), stage.isOurs ? "x\n" : "ZZ x\n");
    },
    { ...rootOnly, differs: "svlogd-config-unreadable" },
  );

  story(
    117,
    "a current that belongs to somebody else: it pauses",
    async (stage) => {
      givenAway(stage, "l", 0o755);
      stage.file("l/current", "", 0o766);
      const log = new Logging(stage, "l", nobody);
      await log.says("svlogd: pausing: unable to set mode of current: l: permission denied\n");
      await isToldTerm(stage, log);
    },
    { ...rootOnly, ...endsAtOnce },
  );

  story(
    118,
    "a directory that may not be entered, or not read, is refused",
    async (stage) => {
      const warning = "svlogd: warning: unable to";
      for (const [mode, text] of [
        [0o444, "change directory: l: access denied"],
        [0o000, "open log directory: l: access denied"],
        [0o555, "lock directory: l: access denied"],
      ] as const) {
        givenAway(stage, "l", mode);
        assertRefused(await refused(stage, "l", nobody), `${warning} ${text}\n${noDirectories}`);
      }
    },
    rootOnly,
  );

  story(
    "118b",
    "a lock that belongs to somebody else is refused",
    async (stage) => {
      givenAway(stage, "l", 0o755);
      stage.file("l/lock", "", 0o600);
      const warning = "svlogd: warning: unable to lock directory: l: access denied\n";
      assertRefused(await refused(stage, "l", nobody), warning + noDirectories);
    },
    rootOnly,
  );

  story("118c", "a directory is found whatever the working directory is, also after HUP", async (stage) => {
    logDirectory(stage, undefined, "below/l");
    logDirectory(stage);
    const log = await logging(stage, [stage.at("l"), "../below/l", "./l"], { cwd: stage.at("below") });
    await log.send("a\n");
    await log.signal("SIGHUP");
    await log.send("b\n");
    await log.ends();
    assert.equal(stage.read("l/current"), "a\nb\n");
    assert.equal(stage.read("below/l/current"), "a\nb\n");
    assert.equal(log.err, "svlogd: warning: unable to lock directory: ./l: temporary failure\n".repeat(2));
  });
});
