// Programs that root calls in a directory, or on a file, that another user has prepared.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../conformance/stage.ts";
import { asMallory, giveDirectory, mallory, Treasure, told, toldOfUs, trickMilliseconds } from "./tricks.ts";

stories("scan directory in which all can write", (story) => {
  story(
    "odd entries",
    "pipes, sockets, devices, loops and odd names stop runsvdir from nothing",
    async (stage) => {
      fs.mkdirSync(stage.at("scan"));
      fs.chmodSync(stage.at("scan"), 0o1777);
      await asMallory(
        stage,
        `cd scan; mkfifo pipe; ln -s loop loop; ln -s /dev/zero endless; ln -s / whole; mkdir empty; echo >file
         mkdir -- -s "$(printf 'two\\nlines')" "$(printf '\\033[31mred')" "$(printf '%0255d' 0)"
         mkdir broken; ln -s broken broken/run; mkdir piped; mkfifo piped/run; mkfifo .run .good.down`,
      );
      await stage.sh(`mknod scan/null c 1 3; mknod scan/disk b 1 0`);
      const runsvdir = stage.start("runsvdir", ["scan"]);
      stage.service("making", { run: "echo up >>../../ups\nexec sleep 1000" });
      fs.renameSync(stage.at("making"), stage.at("scan/ready"));
      await stage.until("the service was started", () => stage.exists("ups"), trickMilliseconds);
      runsvdir.kill("SIGHUP");
      await stage.end(runsvdir);
    },
    told,
  );
  story(
    "who makes an entry",
    "a directory that somebody else puts there is executed with the rights of runsvdir, as in the original",
    async (stage) => {
      fs.mkdirSync(stage.at("scan"));
      fs.chmodSync(stage.at("scan"), 0o1777);
      await asMallory(
        stage,
        "mkdir scan/.theirs; printf '#!/bin/sh\\nid -u >../../who\\nexec sleep 1000\\n' >scan/.theirs/run; chmod 755 scan/.theirs/run; mv scan/.theirs scan/theirs",
      );
      stage.start("runsvdir", ["scan"]);
      await stage.becomes(() => stage.peek("who"), "0\n");
    },
    told,
  );
  story(
    "forced rescan a fifo",
    "a fifo in place of .forced-rescan does not stop runsvdir",
    async (stage) => {
      fs.mkdirSync(stage.at("scan"));
      stage.fifo("scan/.forced-rescan");
      stage.service("scan/s", { run: "echo up >>../../ups\nexec sleep 1000" });
      const runsvdir = stage.start("runsvdir", ["scan"]);
      await stage.until("the service was started", () => stage.exists("ups"));
      runsvdir.kill("SIGALRM");
      runsvdir.kill("SIGHUP");
      await stage.end(runsvdir, trickMilliseconds);
    },
    told,
  );
  story(
    "forced rescan a link",
    "a link in place of .forced-rescan does not lead runsvdir to a file of root",
    async (stage) => {
      const treasure = new Treasure(stage);
      fs.mkdirSync(stage.at("scan"));
      fs.symlinkSync(treasure.path, stage.at("scan/.forced-rescan"));
      stage.service("scan/s", { run: "echo up >>../../ups\nexec sleep 1000" });
      const runsvdir = stage.start("runsvdir", ["scan"]);
      await stage.until("the service was started", () => stage.exists("ups"));
      runsvdir.kill("SIGALRM");
      runsvdir.kill("SIGHUP");
      await stage.end(runsvdir);
      treasure.assertUntouched();
    },
    toldOfUs,
  );
});

stories("environment directory of another user", (story) => {
  story(
    "odd files",
    "pipes, links and huge files in it stop chpst from nothing but its program",
    async (stage) => {
      giveDirectory(stage, "env");
      await asMallory(stage, "cd env; mkfifo PIPE; ln -s nowhere NOTHING; truncate -s 16M HUGE; echo said >SAID");
      const { out, code } = await stage.end(stage.start("chpst", ["-e", "env", "env"]), trickMilliseconds);
      if (code === 0) assert.match(out, /^SAID=said$/m);
      else assert.equal(code, 111);
    },
    told,
  );
  story(
    "a link to a file of root",
    "its links are followed with the rights of chpst, as by the original: the program is told what they lead to",
    async (stage) => {
      const treasure = new Treasure(stage);
      giveDirectory(stage, "env");
      await asMallory(stage, `ln -s ${treasure.path} env/TOLD`);
      const { out } = await stage.end(stage.start("chpst", ["-u", `:${mallory}:${mallory}`, "-e", "env", "env"]));
      assert.match(out, /^TOLD=Only root writes here\.$/m);
      treasure.assertUntouched();
    },
    told,
  );
});

stories("lock file of another user", (story) => {
  for (const program of ["chpst", "setlock"]) {
    const words = program === "chpst" ? ["-L", "tmp/lock", "echo", "held"] : ["-x", "tmp/lock", "echo", "held"];
    const options = program === "chpst" ? told : toldOfUs;
    story(
      `${program} fifo`,
      `${program} does not wait at a fifo`,
      async (stage) => {
        giveDirectory(stage, "tmp");
        await asMallory(stage, "mkfifo tmp/lock");
        const { out } = await stage.end(stage.start(program, words), trickMilliseconds);
        assert.equal(out, "");
      },
      options,
    );
    story(
      `${program} link`,
      `${program} locks what a link leads to, and writes nothing there`,
      async (stage) => {
        const treasure = new Treasure(stage);
        giveDirectory(stage, "tmp");
        await asMallory(stage, `ln -s ${treasure.path} tmp/lock`);
        assert.equal((await stage.end(stage.start(program, words))).out, "held\n");
        treasure.assertUntouched();
      },
      options,
    );
  }
});

stories("sets of services in a directory of another user", (story) => {
  for (const name of ["current", "previous", "current.new", ".previous.new"]) {
    for (const kind of ["mkfifo", "mkdir", "ln -s $TREASURE"]) {
      story(
        `${kind} ${name}`,
        `runsvchdir is not stopped by what is called ${name}, and changes nothing elsewhere`,
        async (stage) => {
          const treasure = new Treasure(stage);
          giveDirectory(stage, "sets");
          const links = name === "current" ? "" : "ln -s one current;";
          await asMallory(stage, `TREASURE=${treasure.path}; cd sets; mkdir one two; ${links} ${kind} ${name}`);
          const env = { RUNSVDIR: stage.at("sets") };
          const { code } = await stage.end(stage.start("runsvchdir", ["two"], { env }), trickMilliseconds);
          if (code === 0) assert.equal(fs.readlinkSync(stage.at("sets/current")), "two");
          else assert.equal(code, 111);
          treasure.assertUntouched();
        },
        toldOfUs,
      );
    }
  }
});

stories("logins of another user", (story) => {
  story(
    "a name that is too long or odd",
    "utmpset takes any name of a line, and neither reads nor writes beyond its record",
    async (stage) => {
      for (const line of ["x".repeat(5000), "../../etc/passwd", "\u001b[31m", "-"]) {
        const { code } = await stage.end(stage.start("utmpset", ["--", line]));
        assert.ok(code > 0, `${line}: ${code}`);
      }
    },
    toldOfUs,
  );
});
