// Locks: spec/chpst.md, section 4.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { shell, stories } from "../stage.ts";
import {
  assertFails,
  assertPrints,
  assertUsage,
  became,
  chpst,
  descriptorsOf,
  holder,
  isLocked,
  nobody,
  release,
  rootOnly,
  runAs,
  showsUsage,
  starts,
  usageOf,
  waitsForLock,
} from "./scenes.ts";

stories("chpst", (story) => {
  story(
    "87 on standard error",
    "no message is written into the lock file, though descriptor 2 was free",
    async (stage) => {
      const { code } = await chpst(stage, "-l lk nosuch", { via: shell("exec 2>&-") });
      assert.equal(code, 111);
      const message = "chpst: fatal: unable to run: nosuch: file does not exist\n";
      assert.equal(stage.read("lk"), stage.isOurs ? "" : message);
    },
    { differs: "chpst-lock-on-stderr" },
  );

  story(87, "a lock is a file of its owner's, open in the program", async (stage) => {
    for (const option of ["-l", "-L"]) {
      const running = starts(stage, `${option} lk sleep 1000`);
      await became(stage, running, "sleep");
      assert.equal(stage.mode("lk"), 0o600);
      assert.equal(stage.descriptor(running.pid, 3), stage.at("lk"));
      await stage.becomes(() => descriptorsOf(stage, running.pid), [0, 1, 2, 3]);
      assert.ok(isLocked(stage));
      running.kill("SIGKILL");
      await stage.end(running);
      assert.equal(isLocked(stage), false);
      assert.ok(stage.exists("lk"));
    }
  });

  story("87b", "the mask may take rights from a new lock file, and an old one stays as it is", async (stage) => {
    assertPrints(await chpst(stage, "-l new true", { via: shell("umask 0277") }), "");
    assert.equal(stage.mode("new"), 0o400);
    stage.file("old", "content\n", 0o644);
    assertPrints(await chpst(stage, "-L old true"), "");
    assert.equal(stage.read("old"), "content\n");
    assert.equal(stage.mode("old"), 0o644);
  });

  story("87c", "the lock's descriptor is the lowest that is free, and appends", async (stage) => {
    const look = ["sh", "-c", "readlink /proc/self/fd/5; grep flags /proc/self/fdinfo/5"];
    const { out } = await chpst(stage, ["-l", "lk", ...look], {
      via: shell("exec 3</dev/null 4</dev/null 7</dev/null"),
    });
    const [file, flags = ""] = out.split("\n");
    assert.equal(file, stage.at("lk"));
    const number = Number.parseInt(flags.replace(/\D/g, ""), 8);
    assert.ok(number & fs.constants.O_APPEND && number & fs.constants.O_WRONLY, flags);
  });

  story(88, "-L fails while another has the lock, -l waits for it", async (stage) => {
    const other = await holder(stage);
    assertFails(await chpst(stage, "-L lk echo got"), "unable to lock: lk: temporary failure");
    const waiting = starts(stage, "-l lk echo got");
    await stage.until("it waits for the lock", () => !waiting.isAlive || waitsForLock(waiting.pid));
    assert.ok(waiting.isAlive, waiting.err);
    assert.equal(waiting.out, "");
    await release(stage, other);
    assertPrints(await stage.end(waiting), "got\n");
    assertPrints(await chpst(stage, "-L lk echo got"), "got\n");
  });

  story("88b", "a signal ends chpst while it waits for a lock", async (stage) => {
    const other = await holder(stage);
    const waiting = starts(stage, "-l lk echo got");
    await stage.until("it waits for the lock", () => !waiting.isAlive || waitsForLock(waiting.pid));
    waiting.kill("SIGTERM");
    assert.equal((await stage.end(waiting)).signal, "SIGTERM");
    await release(stage, other);
  });

  story(
    89,
    "there is one lock at most",
    async (stage) => {
      for (const words of ["-l a -l b", "-l a -L b", "-L a -l b", "-L a -L a"]) {
        assertUsage(await chpst(stage, `${words} true`), usageOf(stage));
      }
      assert.equal(stage.exists("a"), false);
    },
    showsUsage,
  );

  story(90, "reports a lock that cannot be opened", async (stage) => {
    assertFails(await chpst(stage, "-L . true"), "unable to open lock: .: is a directory");
    assertFails(await chpst(stage, "-l . true"), "unable to open lock: .: is a directory");
    assertFails(await chpst(stage, "-l /nodir/x true"), "unable to open lock: /nodir/x: file does not exist");
    assertFails(await chpst(stage, ["-l", "", "true"]), "unable to open lock: : file does not exist");
  });

  story("90b", "a pipe that nobody reads is no lock", async (stage) => {
    stage.fifo("pipe");
    for (const option of ["-l", "-L"]) {
      assertFails(await chpst(stage, [option, "pipe", "true"]), "unable to open lock: pipe: device not configured");
    }
    const reason = "unable to open lock: pipe: device not configured";
    assertFails(await runAs(stage, "setlock", "pipe true"), reason);
    assertFails(await runAs(stage, "setlock", "-n pipe true"), reason);
  });

  story("90c", "a link to nowhere makes the file it leads to, a device is a lock like any other", async (stage) => {
    fs.symlinkSync("target", stage.at("lk"));
    assertPrints(await chpst(stage, "-l lk echo hi"), "hi\n");
    assert.equal(stage.mode("target"), 0o600);
    assertPrints(await chpst(stage, "-l /dev/null echo hi"), "hi\n");
  });

  story(
    91,
    "a lock is opened as the new user",
    async (stage) => {
      stage.file("lk", "", 0o600);
      assertFails(await chpst(stage, "-u :1001:1001 -L lk true"), "unable to open lock: lk: access denied");
      assertFails(await chpst(stage, "-L lk true", nobody), "unable to open lock: lk: access denied");
      fs.chmodSync(stage.dir, 0o777);
      assertPrints(await chpst(stage, "-L his -u :1001:1002 true"), "");
      const { uid, gid } = fs.statSync(stage.at("his"));
      assert.deepEqual({ uid, gid }, { uid: 1001, gid: 1002 });
    },
    rootOnly,
  );

  story(92, "the lock lasts as long as any process that inherited it", async (stage) => {
    stage.fifo("end");
    const outcome = await chpst(stage, ["-l", "lk", "sh", "-c", "{ read line <end; } & exit 0"]);
    assert.equal(outcome.code, 0);
    assertFails(await chpst(stage, "-L lk true"), "unable to lock: lk: temporary failure");
    await stage.until("the child reads", () => {
      stage.writeTo("end", "now\n");
      return true;
    });
    await stage.until("the lock is free", () => !isLocked(stage));
    assertPrints(await chpst(stage, "-L lk echo got"), "got\n");
  });

  story(93, "-0 closes the lock when it took the place of a closed stdin", async (stage) => {
    const running = starts(stage, "-l lk -0 sleep 1000", { via: shell("exec <&-") });
    await became(stage, running, "sleep");
    await stage.becomes(() => descriptorsOf(stage, running.pid), [1, 2]);
    assert.equal(isLocked(stage), false);
    running.kill("SIGKILL");
    const kept = starts(stage, "-l lk sleep 1000", { via: shell("exec <&-") });
    await became(stage, kept, "sleep");
    assert.equal(stage.descriptor(kept.pid, 0), stage.at("lk"));
    kept.kill("SIGKILL");
  });
});
