// Another user owns the supervise directory of a service of root, or prepares a state root: what runsv of root, and sv,
// may be made to do by that.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../conformance/stage.ts";
import { encodeStatus, stories } from "../conformance/stage.ts";
import {
  asMallory,
  forgeRecord,
  giveDirectory,
  layShared,
  mallory,
  superviseShared,
  Treasure,
  told,
  toldOfUs,
  trickMilliseconds,
} from "./tricks.ts";

const files = ["lock", "control", "ok", "pid", "stat", "status", "child", "pid.new", "stat.new", "status.new", "waits"];
/** The original opens them with O_TRUNC wherever they lead. */
const truncatedByOriginal = ["pid.new", "stat.new", "status.new"];

stories("supervise directory of another user", (story) => {
  for (const file of files) {
    story(
      `fifo ${file}`,
      `a fifo in place of ${file} does not stop runsv for ever`,
      async (stage) => {
        layShared(stage);
        await asMallory(stage, `mkfifo s/supervise/${file}`);
        const runsv = await superviseShared(stage);
        if (!runsv.isAlive) return;
        runsv.kill("SIGTERM");
        await stage.end(runsv, trickMilliseconds);
      },
      told,
    );
    story(
      `link ${file}`,
      `a link in place of ${file} does not lead runsv to a file of root`,
      async (stage) => {
        const treasure = new Treasure(stage);
        layShared(stage);
        await asMallory(stage, `ln -s ${treasure.path} s/supervise/${file}`);
        const runsv = await superviseShared(stage);
        if (runsv.isAlive) {
          runsv.kill("SIGTERM");
          await stage.end(runsv);
        }
        if (stage.isOurs || !truncatedByOriginal.includes(file)) treasure.assertUntouched();
        else assert.equal(treasure.isUntouched, false, "the original writes there");
      },
      told,
    );
  }
  for (const file of ["pid", "stat", "status", "pid.new", "stat.new", "status.new", "child"]) {
    story(
      `hard link ${file}`,
      `another name of a file of root in place of ${file} does not have runsv write there`,
      async (stage) => {
        layShared(stage);
        const treasure = stage.file("treasure", "Only root writes here.\n", 0o600);
        // As somebody else could, where the kernel protects no hard links.
        fs.linkSync(treasure, stage.at(`s/supervise/${file}`));
        const runsv = await superviseShared(stage);
        runsv.kill("SIGTERM");
        await stage.end(runsv);
        assert.equal(fs.readFileSync(treasure, "latin1"), "Only root writes here.\n");
      },
      toldOfUs,
    );
  }
  for (const file of ["pid", "stat", "status", "pid.new", "stat.new", "status.new", "child", "ok"]) {
    story(
      `directory ${file}`,
      `a directory in place of ${file} does not keep the service from running, or runsv says why`,
      async (stage) => {
        layShared(stage);
        await asMallory(stage, `mkdir s/supervise/${file} s/supervise/${file}/full`);
        await superviseShared(stage);
      },
      told,
    );
  }
  story(
    "huge",
    "huge files in place of its own are not read as a whole",
    async (stage) => {
      layShared(stage);
      await asMallory(stage, "for file in lock pid stat status child; do truncate -s 8T s/supervise/$file; done");
      const runsv = await superviseShared(stage);
      assert.ok(runsv.isAlive);
      await stage.becomes(() => fs.statSync(stage.at("s/supervise/status")).size, 20);
    },
    told,
  );
  story(
    "link to nothing",
    "a link to nothing in place of lock is followed: the file is made, and stays empty, as by the original",
    async (stage) => {
      fs.mkdirSync(stage.at("treasury"));
      layShared(stage);
      await asMallory(stage, `ln -s ${stage.at("treasury/new")} s/supervise/lock`);
      const runsv = await superviseShared(stage);
      assert.ok(runsv.isAlive);
      assert.equal(stage.read("treasury/new"), "");
      assert.equal(fs.statSync(stage.at("treasury/new")).mode & 0o777, 0o600);
    },
    told,
  );
  story(
    "forged record",
    "a record that somebody else has written does not give runsv a process to signal",
    async (stage) => {
      const innocent = stage.start("/bin/sleep", ["1000"]);
      layShared(stage);
      forge(stage, "s/supervise/child", innocent.pid, 0);
      await asMallory(stage, "mkfifo s/supervise/control");
      const runsv = stage.start("runsv", ["s"]);
      await stage.until("runsv is ready", () => stage.isListening("s"));
      await asMallory(stage, "echo dxk >s/supervise/control");
      await stage.until("one of them has ended", () => !runsv.isAlive || !innocent.isAlive, trickMilliseconds);
      assert.ok(innocent.isAlive, "a process of root that has nothing to do with the service lives");
      assert.ok(stage.exists("ups"), "the service itself was started");
    },
    told,
  );
  story(
    "forged supervisor",
    "a record that somebody else has written does not give runsvdir a process to signal",
    async (stage) => {
      const innocent = stage.start("/bin/sleep", ["1000"]);
      stage.service("scan/s", { run: "echo up >>../../ups\nexec sleep 1000" });
      giveDirectory(stage, "scan/s/supervise");
      forge(stage, "scan/s/supervise/child", 0, innocent.pid);
      stage.service("scan/t", { run: "echo up >>../../other\nexec sleep 1000" });
      const runsvdir = stage.start("runsvdir", ["scan"]);
      await stage.until("the scan is over", () => stage.exists("other"));
      runsvdir.kill("SIGHUP");
      await stage.end(runsvdir);
      await stage.until("the runsv have ended", () => stage.processes("runsv").length === 0);
      assert.ok(innocent.isAlive, "a process of root that has nothing to do with the service lives");
    },
    told,
  );
  story(
    "replaced while it runs",
    "files exchanged while runsv runs: nothing of root is written to, and the service can be stopped",
    async (stage) => {
      const treasure = new Treasure(stage);
      layShared(stage);
      const runsv = await superviseShared(stage);
      const names = "stat status pid stat.new status.new pid.new child lock";
      await asMallory(stage, `cd s/supervise; for f in ${names}; do ln -sf ${treasure.path} $f; done`);
      stage.tell("s", "tx");
      await stage.end(runsv);
      treasure.assertUntouched();
    },
    toldOfUs,
  );
});

stories("service directory with odd files", (story) => {
  for (const odd of ["fifo", "socket", "device", "link to an endless file", "directory"]) {
    story(
      odd,
      `a ${odd} in place of files that are looked for does not stop runsv`,
      async (stage) => {
        stage.service("s", { run: "echo up >>../ups\nexec sleep 1000" });
        fs.mkdirSync(stage.at("s/control"));
        for (const file of [
          "log",
          "finish",
          "stop-signal",
          "signal-with",
          "no-log",
          "env-needs",
          "control/t",
          "control/d",
        ]) {
          if (odd === "directory" && file === "log") continue;
          await lay(stage, odd, `s/${file}`);
        }
        const runsv = await stage.supervise("s");
        const pid = await stage.running("s");
        stage.tell("s", "t");
        await stage.until("it was restarted", () => stage.status("s").pid !== pid && stage.status("s").phase === 1);
        assert.match((await stage.end(stage.start("sv", ["status", stage.at("s")]))).out, /^run: /);
        stage.tell("s", "dx");
        assert.equal((await stage.end(runsv)).code, 0);
      },
      told,
    );
  }
});

stories("state root of another user", (story) => {
  const roots: Readonly<Record<string, string>> = {
    "a link to a directory of root": "ln -s $PWD/treasury root",
    "a directory of their own": "mkdir root",
    "a directory of their own for all": "mkdir -m 777 root",
    "a fifo": "mkfifo root",
    "a file": "echo >root",
  };
  for (const [what, commands] of Object.entries(roots)) {
    story(
      what,
      `${what} in place of the state root is refused, and nothing is written there`,
      async (stage) => {
        fs.mkdirSync(stage.at("treasury"));
        stage.service("scan/s", { run: "exec sleep 1000" });
        giveDirectory(stage, "shared");
        await asMallory(stage, `cd shared; PWD=${stage.dir}; ${commands}`);
        const root = stage.at("shared/root");
        const runsv = await stage.end(stage.start("runsv", ["-s", root, "scan/s"]), trickMilliseconds);
        assert.match(runsv.err, /^runsv scan\/s: fatal: unable to use state directory /);
        const runsvdir = await stage.end(stage.start("runsvdir", ["-s", root, "scan"]), trickMilliseconds);
        assert.match(runsvdir.err, /unable to use state directory /);
        fs.symlinkSync(root, stage.at("scan/.run"));
        const named = await stage.end(stage.start("runsvdir", ["scan"]), trickMilliseconds);
        assert.match(named.err, /unable to use state directory /);
        assert.deepEqual(fs.readdirSync(stage.at("treasury")), []);
        if (fs.statSync(root).isDirectory()) assert.deepEqual(fs.readdirSync(root), []);
      },
      toldOfUs,
    );
  }
  story(
    "open to all",
    "a state root of root in which all can write is refused",
    async (stage) => {
      stage.service("scan/s", { run: "exec sleep 1000" });
      fs.mkdirSync(stage.at("root"));
      fs.chmodSync(stage.at("root"), 0o1777);
      const { err } = await stage.end(stage.start("runsv", ["-s", stage.at("root"), "scan/s"]));
      assert.match(err, /unable to use state directory .*: writable by others\n$/);
    },
    toldOfUs,
  );
  story(
    "in a directory for all",
    "where everybody makes directories, sv believes no root but its own user's",
    async (stage) => {
      stage.service("scan/web", { run: "exec sleep 1000" });
      fs.mkdirSync(stage.at("tmp"));
      fs.chmodSync(stage.at("tmp"), 0o1777);
      await asMallory(stage, "mkdir -p tmp/sv-0/web; mkfifo -m 666 tmp/sv-0/web/ok tmp/sv-0/web/control");
      fs.writeFileSync(stage.at("tmp/sv-0/web/status"), encodeStatus({ pid: 1, phase: 1 }));
      const trap = stage.start("/bin/sh", ["-c", "exec cat tmp/sv-0/web/control <>tmp/sv-0/web/ok"], {
        uid: mallory,
        gid: mallory,
      });
      const env = { SVDIR: stage.at("scan"), TMPDIR: stage.at("tmp"), SVRUNDIR: "" };
      const { out, code } = await stage.end(stage.start("sv", ["-w", "1", "restart", "web"], { env }));
      assert.match(out, /^(fail|warning): web: unable to open supervise\/ok: /);
      assert.equal(code, 1);
      assert.equal(trap.out, "");
    },
    toldOfUs,
  );
});

stories("sv of root and a directory of another user", (story) => {
  /** Everything in it is theirs: a pipe that is listened to, and these files. */
  const layHostile = async (stage: Stage, commands: string) => {
    giveDirectory(stage, "evil");
    await asMallory(stage, `cd evil; mkdir supervise; cd supervise; mkfifo -m 666 ok; ${commands}`);
    const listener = stage.start("/bin/sh", ["-c", "exec sleep 1000 <>evil/supervise/ok"], {
      uid: mallory,
      gid: mallory,
    });
    await stage.until("it is listened to", () => stage.isListening("evil"));
    return listener;
  };
  const garbage: Readonly<Record<string, string>> = {
    empty: ": >status",
    "too short": "printf '%019d' 0 >status",
    "too long": "truncate -s 8T status",
    random: "head -c 20 /dev/urandom >status",
    "a fifo": "mkfifo status",
    "an endless file": "ln -s /dev/zero status",
    "a directory": "mkdir status",
    "a file that only root reads": "ln -s $OLDPWD/../treasury/treasure status",
  };
  for (const [what, commands] of Object.entries(garbage)) {
    story(
      `status ${what}`,
      `a status that is ${what} is a line of a report, whatever it says`,
      async (stage) => {
        new Treasure(stage);
        await layHostile(stage, commands);
        const { out, code, signal } = await stage.end(
          stage.start("sv", ["status", stage.at("evil")]),
          trickMilliseconds,
        );
        assert.equal(signal, null);
        assert.ok(code >= 0 && code < 100, `${code}`);
        assert.match(out, /^[^\n]*\n$/);
        assert.doesNotMatch(out, /Only root/);
      },
      told,
    );
  }
  story(
    "control a file of root",
    "a control pipe that is a link to a file of root is not written to",
    async (stage) => {
      const treasure = new Treasure(stage);
      await layHostile(stage, `ln -s ${treasure.path} control`);
      fs.writeFileSync(stage.at("evil/supervise/status"), encodeStatus({}));
      await stage.end(stage.start("sv", ["-w", "1", "up", stage.at("evil")]));
      treasure.assertUntouched();
    },
    told,
  );
  story(
    "control of another service",
    "a directory of somebody else may lead sv of root to another service, as in the original",
    async (stage) => {
      stage.service("good", { run: "exec sleep 1000" });
      await stage.supervise("good");
      const pid = await stage.running("good");
      giveDirectory(stage, "evil");
      await asMallory(stage, `ln -s ${stage.at("good/supervise")} evil/supervise`);
      await stage.end(stage.start("sv", ["-w", "5", "down", stage.at("evil")]));
      assert.equal(stage.isLiving(pid), false);
    },
    told,
  );
  story(
    "check",
    "sv check executes the check script with the rights of its caller, as in the original",
    async (stage) => {
      stage.service("s", { run: "exec sleep 1000" });
      await stage.supervise("s");
      await stage.running("s");
      fs.chownSync(stage.at("s"), mallory, mallory);
      await asMallory(stage, "printf '#!/bin/sh\\nid -u >../who\\n' >s/check; chmod 755 s/check");
      assert.equal((await stage.end(stage.start("sv", ["check", stage.at("s")]))).code, 0);
      assert.equal(stage.read("who"), "0\n");
    },
    told,
  );
});

/** As the owner of the directory could. */
function forge(stage: Stage, name: string, pid: number, supervisor: number): void {
  stage.file(name, forgeRecord(pid, supervisor), 0o666);
  fs.chownSync(stage.at(name), mallory, mallory);
}

async function lay(stage: Stage, odd: string, name: string): Promise<void> {
  const file = stage.at(name);
  if (odd === "fifo") stage.fifo(name);
  else if (odd === "directory") fs.mkdirSync(file);
  else if (odd === "link to an endless file") fs.symlinkSync("/dev/zero", file);
  else if (odd === "device") await stage.sh(`mknod ${file} c 1 5`);
  else {
    const program = `require("net").createServer().listen(${JSON.stringify(name)}, () => process.kill(process.pid, "SIGKILL"))`;
    await new Promise((resolve) => spawn(process.execPath, ["-e", program], { cwd: stage.dir }).on("exit", resolve));
  }
  assert.ok(fs.lstatSync(file), `${odd} ${name}`);
}
