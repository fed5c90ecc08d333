// svlogd's options and wrong usage: spec/svlogd.md, section 2.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import { assertRefused, essence, logDirectory, logs, refused, usage } from "./scenes.ts";

stories("svlogd", (story) => {
  story(1, "without a directory prints its usage", async (stage) => {
    for (const words of [[], ["-t"], ["-ttv", "--"]]) assertRefused(await refused(stage, words), usage);
  });

  story(
    2,
    "prints its version for -V, then its usage",
    async (stage) => {
      const version = stage.isOurs
        ? "$Id: svlogd, runit-ts 0.1.0 $\n"
        : "$Id: 5e55a90e0a1b35ec47fed3021453c50675ea1117 $\n";
      for (const words of ["-V", "-tV l", "-V -x"]) assertRefused(await refused(stage, words), version + usage);
      assertRefused(await refused(stage, "-x -V"), `svlogd: illegal option -- x\n${usage}`);
    },
    { differs: "svlogd-version" },
  );

  story(3, "complains about an unknown option", async (stage) => {
    assertRefused(await refused(stage, "-x d"), `svlogd: illegal option -- x\n${usage}`);
    assertRefused(await refused(stage, "-tx d"), `svlogd: illegal option -- x\n${usage}`);
  });

  story("3b", "names itself as it was called in its usage, by its last part in complaints", async (stage) => {
    const outcome = await refused(stage, "-x d", { argv0: "./some/svlogd" });
    assertRefused(outcome, `svlogd: illegal option -- x\n${usage.replace("svlogd", "./some/svlogd")}`);
  });

  story(4, "wants a value for -r, -R, -l and -b", async (stage) => {
    for (const letter of ["r", "R", "l", "b"]) {
      const complaint = `svlogd: option requires an argument -- ${letter}\n${usage}`;
      assertRefused(await refused(stage, `-${letter}`), complaint);
      assertRefused(await refused(stage, `-tv${letter}`), complaint);
    }
  });

  story(5, "takes exactly one byte for -r", async (stage) => {
    logDirectory(stage);
    for (const value of ["ab", "", "é"]) assertRefused(await refused(stage, ["-r", value, "l"]), usage);
  });

  story(6, "wants a buffer greater than the longest line", async (stage) => {
    logDirectory(stage);
    for (const words of ["-l 1024 l", "-b 1000 l", "-l20 -b20 l", "-b10 l"]) {
      assertRefused(await refused(stage, words), usage);
    }
    for (const words of ["-l 1023 l", "-b 1001 l", "-l20 -b21 l"]) {
      assert.deepEqual(essence(await refused(stage, words)), { out: "", err: "", code: 0 }, words);
    }
  });

  story(7, "takes the defaults for numbers that are 0 or none", async (stage) => {
    logDirectory(stage);
    const line = `${"x".repeat(999)}\n`;
    for (const words of ["-l 0 l", "-b 0 -l x l", "-l 1000x l", "-b 1024k l"]) {
      assert.equal((await refused(stage, words)).code, 0, words);
    }
    stage.file("l/config", "e*");
    assert.equal((await logs(stage, "-l 0 -b 0 l", line + line)).err, line + line);
  });

  story("7b", "takes options in clusters and up to the first word that is none", async (stage) => {
    for (const name of ["l", "-", "-v"]) logDirectory(stage, undefined, name);
    const names = ["l", "-", "-v"];
    const words = [
      ["-vt", ...names],
      ["-v", "-t", "--", ...names],
      ["-vtl5", ...names],
      ["-vtl", "5", ...names],
      ["-tvr", "-", ...names],
    ];
    for (const [index, some] of words.entries()) {
      const { err } = await refused(stage, some);
      const verb = index === 0 ? "new" : "append";
      const opened = names.map((name) => `svlogd: info: ${verb}: ${name}/current\n`);
      assert.equal(err, [...opened, ...names.map((name) => `svlogd: info: close: ${name}\n`)].join(""));
    }
  });

  story("7c", "takes a lone - as a directory, and with it the options end", async (stage) => {
    logDirectory(stage, undefined, "-");
    logDirectory(stage, undefined, "-v");
    assert.equal((await refused(stage, "- -v")).err, "");
    assert.ok(stage.exists("-/current"));
    assert.ok(stage.exists("-v/current"));
  });

  story(116, "joins the name of a directory with / literally", async (stage) => {
    logDirectory(stage);
    const { err } = await refused(stage, "-v l/");
    assert.equal(err, "svlogd: info: new: l//current\nsvlogd: info: close: l/\n");
  });
});
