// Another user owns a log directory of svlogd of root: what it may be made to do by that, and what the other directories
// suffer from it. Whoever writes a log directory writes its config, and so names a command: the first story.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Running, Stage } from "../conformance/stage.ts";
import { stories } from "../conformance/stage.ts";
import { asMallory, giveDirectory, Treasure, told, toldOfUs, trickMilliseconds } from "./tricks.ts";

const line = "a line of the log\n";
const label = "@400000006553f10000000000";

/** Two log directories, one of them theirs; all that is written goes to both. */
async function beginLog(stage: Stage, commands: string, config = ""): Promise<Running> {
  fs.mkdirSync(stage.at("good"), { recursive: true });
  stage.file("lines", line.repeat(50));
  giveDirectory(stage, "evil");
  await asMallory(stage, `cd evil; ${config === "" ? "" : `echo '${config}' >config; `}${commands}`);
  return stage.start("/bin/sh", ["-c", "cat lines | exec svlogd evil good"]);
}
async function logTo(stage: Stage, commands: string, config = ""): Promise<Outcome> {
  return await stage.end(await beginLog(stage, commands, config), trickMilliseconds);
}
/** The original waits for ever there. */
const stopsOriginal = ["current", "newstate"];

stories("log directory of another user", (story) => {
  story(
    "config",
    "who writes the config of a log directory has commands executed with the rights of svlogd, as in the original",
    async (stage) => {
      await logTo(stage, ":", "s100\n!id -u >who; cat");
      assert.equal(stage.read("evil/who"), "0\n");
    },
    told,
  );
  for (const file of [
    "current",
    "lock",
    "config",
    "state",
    "newstate",
    "previous",
    `${label}.u`,
    `${label}.t`,
    `${label}.s`,
  ]) {
    story(
      `fifo ${file}`,
      `a fifo in place of ${file} does not stop the other directory`,
      async (stage) => {
        await beginLog(stage, `mkfifo '${file}'`, file === "config" ? "" : "s100\n!cat");
        await stage.becomes(() => stage.peek("good/current"), line.repeat(50), trickMilliseconds);
      },
      stopsOriginal.includes(file) ? toldOfUs : told,
    );
  }
  for (const file of ["lock", "config", "state", "newstate", `${label}.u`, `${label}.t`, `${label}.s`]) {
    story(
      `link ${file}`,
      `a link in place of ${file} does not lead svlogd to write into a file of root`,
      async (stage) => {
        const treasure = new Treasure(stage);
        await logTo(stage, `ln -s ${treasure.path} '${file}'`, file === "config" ? "" : "s100\n!cat");
        assert.equal(stage.read("good/current"), line.repeat(50));
        const isTrusted = !stage.isOurs && file === "newstate"; // the original writes there
        if (!isTrusted) treasure.assertUntouched();
      },
      told,
    );
  }
  story(
    "link current",
    "a link in place of current is followed, as by the original: whose directory it is, says where the log goes",
    async (stage) => {
      fs.mkdirSync(stage.at("treasury"));
      const file = stage.file("treasury/treasure", "");
      await logTo(stage, `ln -s ${file} current`);
      assert.equal(fs.readFileSync(file, "latin1"), line.repeat(50));
    },
    told,
  );
  story(
    "directories",
    "directories in place of its files are complained about, and the other directory gets all",
    async (stage) => {
      const svlogd = await logTo(stage, `mkdir lock config state newstate ${label}.u ${label}.s`);
      assert.match(svlogd.err, /evil/);
      assert.equal(stage.read("good/current"), line.repeat(50));
    },
    told,
  );
  story(
    "huge lock",
    "a huge lock file is not read as a whole",
    async (stage) => {
      await logTo(stage, "truncate -s 8T lock");
      assert.equal(stage.read("evil/current"), line.repeat(50));
    },
    told,
  );
  story(
    "odd record",
    "a lock file full of nonsense that begins like a record does not keep a line from either directory",
    async (stage) => {
      const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1");
      const record = Buffer.concat([Buffer.from(`svlogd1\n${boot}`), Buffer.alloc(300, 0xff)]);
      const file = stage.file("record", record);
      await logTo(stage, `cp ${file} lock`);
      for (const name of ["evil", "good"]) assert.equal(stage.read(`${name}/current`), line.repeat(50), name);
    },
    toldOfUs,
  );
  story(
    "endless config",
    "a rule in a config that only root reads is not shown to the log's owner",
    async (stage) => {
      fs.mkdirSync(stage.at("treasury"));
      const secret = stage.file("treasury/secret", "s3cret=hunter2\n", 0o600);
      await logTo(stage, `ln -s ${secret} config`);
      for (const name of fs.readdirSync(stage.at("evil"))) {
        if (name !== "config") assert.doesNotMatch(stage.read(`evil/${name}`), /hunter2/);
      }
    },
    told,
  );
});

stories("log directory of the log's own user", (story) => {
  story(
    "modes",
    "what svlogd makes is readable as its umask and config say, and its lock only for itself",
    async (stage) => {
      fs.mkdirSync(stage.at("main"));
      stage.file("main/config", "s100\nn3\nm640\n");
      const svlogd = stage.start("svlogd", ["main"], { stdin: "pipe" });
      svlogd.child.stdin?.end(line.repeat(20));
      await stage.end(svlogd);
      assert.equal(stage.mode("main/lock"), 0o600);
      for (const name of fs.readdirSync(stage.at("main"))) {
        if (name !== "config") assert.equal(stage.mode(`main/${name}`) & 0o027, 0, name);
      }
    },
    toldOfUs,
  );
});
