// Root directory and current directory: spec/chpst.md, section 3.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  assertFails,
  assertPrints,
  assertUsage,
  chpst,
  environment,
  nobody,
  ownMounts,
  ownRoot,
  rootOnly,
  usageOf,
} from "./scenes.ts";

/** -C is younger than the original. */
const withC = { differs: "chpst-usage-230" } as const;
function assertPrintsWithC(stage: Stage, outcome: Outcome, out: string): void {
  if (stage.isOurs) assertPrints(outcome, out);
  else assertUsage(outcome, `chpst: illegal option -- C\n${usageOf(stage)}`);
}
function assertFailsWithC(stage: Stage, outcome: Outcome, reason: string): void {
  if (stage.isOurs) assertFails(outcome, reason);
  else assertUsage(outcome, `chpst: illegal option -- C\n${usageOf(stage)}`);
}
function ownAccounts(stage: Stage): void {
  stage.file("R/etc/passwd", "root:x:0:0::/:/bin/sh\ninroot:x:777:778::/:/bin/sh\n");
  stage.file("R/etc/group", "root:x:0:\ninroot:x:778:\ninside:x:779:inroot\n");
}

stories("chpst", (story) => {
  story(
    54,
    "accounts are those of the new root",
    async (stage) => {
      ownAccounts(stage);
      const via = ownRoot(stage);
      const who = ["sh", "-c", "id -u; id -g; id -G"];
      assertPrints(await chpst(stage, ["-/", "R", "-u", "inroot", ...who], { via }), "777\n778\n778\n");
      assertPrints(await chpst(stage, ["-u", "inroot:inside", "-/", "R", ...who], { via }), "777\n779\n779\n");
      assertPrints(await chpst(stage, ["-/", "R", "-U", "inroot", "sh", "-c", "echo $UID"], { via }), "777\n");
      assertFails(await chpst(stage, "-/ R -u nobody id", { via }), "unknown user/group: nobody");
    },
    ownMounts,
  );

  story(
    55,
    "a root without a passwd file is no place to look for accounts",
    async (stage) => {
      fs.mkdirSync(stage.at("R"));
      const reason = "unable to get password/group file entry: file does not exist";
      for (const option of ["-u", "-U"]) {
        assertFails(await chpst(stage, ["-/", "R", option, "x", "true"]), reason);
        assertFails(await chpst(stage, ["-/", "R", option, "root", "true"]), reason);
      }
      assertFails(await chpst(stage, "-/ R -u :1:2 true"), "unable to run: true: file does not exist");
    },
    rootOnly,
  );

  story(
    "55b",
    "a root without a group file is no place to look for groups",
    async (stage) => {
      ownAccounts(stage);
      fs.rmSync(stage.at("R/etc/group"));
      const reason = "unable to get password/group file entry: file does not exist";
      assertFails(await chpst(stage, "-/ R -u inroot:inside true"), reason);
      assertFails(await chpst(stage, "-/ R -u inroot true"), "unable to run: true: file does not exist");
      assertFails(await chpst(stage, "-/ R -u nosuch true"), "unknown user/group: nosuch");
    },
    rootOnly,
  );

  story(
    56,
    "-/ begins at the top of the new root",
    async (stage) => {
      ownAccounts(stage);
      const via = ownRoot(stage);
      assertPrints(await chpst(stage, "-/ R /bin/pwd", { via }), "/\n");
      assertPrints(await chpst(stage, "-/ R ls /etc", { via }), "group\npasswd\n");
      assertPrints(await chpst(stage, ["-/", stage.at("R"), "/bin/pwd"], { via }), "/\n");
    },
    ownMounts,
  );

  story(57, "-/ wants a directory that exists", async (stage) => {
    stage.file("afile", "");
    assertFails(await chpst(stage, "-/ nodir true"), "unable to change directory: nodir: file does not exist");
    assertFails(await chpst(stage, "-/ afile true"), "unable to change directory: afile: not a directory");
    assertFails(await chpst(stage, ["-/", "", "true"]), "unable to change directory: : file does not exist");
  });

  story(
    58,
    "an ordinary user may not change the root",
    async (stage) => {
      assertFails(await chpst(stage, "-/ / true", nobody), "unable to change root directory: permission denied");
      fs.mkdirSync(stage.at("R"), { mode: 0o700 });
      assertFails(await chpst(stage, "-/ R true", nobody), "unable to change directory: R: access denied");
    },
    rootOnly,
  );

  story(
    59,
    "-e is read before the root is changed",
    async (stage) => {
      ownAccounts(stage);
      const via = ownRoot(stage);
      environment(stage, { K: "host's" });
      environment(stage, { K: "root's" }, "R/E");
      const look = ["sh", "-c", "echo $K"];
      assertPrints(await chpst(stage, ["-/", "R", "-e", "E", ...look], { via }), "host's\n");
      assertPrints(await chpst(stage, ["-e", stage.at("E"), "-/", "R", ...look], { via }), "host's\n");
    },
    ownMounts,
  );

  story(
    60,
    "-C is about the new root",
    async (stage) => {
      ownAccounts(stage);
      fs.mkdirSync(stage.at("R/sub"));
      const via = ownRoot(stage);
      assertPrintsWithC(stage, await chpst(stage, "-/ R -C sub /bin/pwd", { via }), "/sub\n");
      assertPrintsWithC(stage, await chpst(stage, "-/ R -C /sub /bin/pwd", { via }), "/sub\n");
      assertPrintsWithC(stage, await chpst(stage, "-C / -/ R /bin/pwd", { via }), "/\n");
      assertPrintsWithC(stage, await chpst(stage, "-/ R -C .. /bin/pwd", { via }), "/\n");
    },
    { ...ownMounts, ...withC },
  );

  story(
    61,
    "-C wants a directory that exists",
    async (stage) => {
      const missed = await chpst(stage, ["-C", "", "pwd"]);
      assertFailsWithC(stage, missed, "unable to change directory: : file does not exist");
      const absent = await chpst(stage, "-C nodir pwd");
      assertFailsWithC(stage, absent, "unable to change directory: nodir: file does not exist");
      const file = await chpst(stage, "-C /etc/passwd pwd");
      assertFailsWithC(stage, file, "unable to change directory: /etc/passwd: not a directory");
    },
    withC,
  );

  story(
    "61b",
    "-C changes the directory, and nothing but the directory",
    async (stage) => {
      fs.mkdirSync(stage.at("d/e"), { recursive: true });
      assertPrintsWithC(stage, await chpst(stage, "-C d /bin/pwd -P"), `${stage.at("d")}\n`);
      assertPrintsWithC(stage, await chpst(stage, "-C d -C d/e /bin/pwd -P"), `${stage.at("d/e")}\n`);
      const variables = await chpst(stage, "-C d sh -c :", { env: { PWD: "/x", OLDPWD: "/y" } });
      assertPrintsWithC(stage, variables, "");
      const { out } = await chpst(stage, "-C d env", { env: { PWD: "/x", OLDPWD: "/y" } });
      if (stage.isOurs) assert.match(out, /^PWD=\/x$/m);
    },
    withC,
  );

  story(
    62,
    "a lock is made in the directory of -C",
    async (stage) => {
      fs.mkdirSync(stage.at("d"));
      assertPrintsWithC(stage, await chpst(stage, "-l lk -C d echo hi"), "hi\n");
      assert.equal(stage.exists("d/lk"), stage.isOurs);
      assert.equal(stage.exists("lk"), false);
    },
    withC,
  );

  story(
    "62b",
    "a directory that only the old user may enter is entered before -u",
    async (stage) => {
      fs.mkdirSync(stage.at("d"), { mode: 0o700 });
      const outcome = await chpst(stage, "-u :1001:1001 -C d readlink /proc/self/cwd");
      if (stage.isOurs) assert.equal(outcome.out, `${stage.at("d")}\n`);
      assert.equal(outcome.code, stage.isOurs ? 0 : 100);
      const lock = await chpst(stage, "-u :1001:1001 -C d -l lk true");
      assertFailsWithC(stage, lock, "unable to open lock: lk: access denied");
    },
    { ...rootOnly, ...withC },
  );

  story(
    "62c",
    "a lock is made in the new root, as the new user",
    async (stage) => {
      ownAccounts(stage);
      fs.chmodSync(stage.at("R"), 0o777);
      const via = ownRoot(stage);
      assertPrints(await chpst(stage, "-/ R -u inroot -l lk echo hi", { via }), "hi\n");
      const { uid, gid } = fs.statSync(stage.at("R/lk"));
      assert.deepEqual({ uid, gid }, { uid: 777, gid: 778 });
      assert.equal(stage.exists("lk"), false);
    },
    ownMounts,
  );
});
