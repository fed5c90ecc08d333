// Full, read-only, missing and obstructed state directories, and no room for another process (section 4.4).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { cannotMount, isRoot, missing, stories } from "../stage.ts";
import {
  exits,
  isGone,
  isStopped,
  lines,
  recorder,
  refuses,
  says,
  signals,
  sleeper,
  stat,
  superviseRecorder,
} from "./scripts.ts";

const needsRoot = !isRoot && "needs root";

/** Writes to a file until the file system has no room left. */
function fill(file: string): void {
  const fd = fs.openSync(file, "w");
  try {
    for (;;) fs.writeSync(fd, new Uint8Array(4096));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    fs.closeSync(fd);
  }
}
function newFiles(stage: Stage): string[] {
  return fs.readdirSync(stage.at("svc/supervise")).filter((name) => name.endsWith(".new"));
}
/** A non-empty directory cannot be replaced by a file. */
function obstruct(stage: Stage, name: string): void {
  stage.service("svc", { run: sleeper });
  stage.file(`svc/supervise/${name}/file`, "");
}

stories("runsv", (story) => {
  story(
    25,
    "a read-only file system is refused",
    // Ours keeps the state elsewhere: test/conformance/state-root.
    async (stage) => {
      stage.mount("disk", "size=1m");
      stage.service("disk/with", { run: sleeper });
      fs.mkdirSync(stage.at("disk/with/supervise"));
      stage.service("disk/without", { run: sleeper });
      assert.equal(spawnSync("mount", ["-o", "remount,ro", stage.at("disk")]).status, 0);
      await refuses(stage, "disk/with", "unable to open supervise/lock: read-only file system");
      await refuses(stage, "disk/without", "unable to open supervise/lock: file does not exist");
    },
    { skip: cannotMount, only: "reference", differs: "runsv-state-apart" },
  );

  story(
    26,
    "a directory without the right to write is refused",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      const nobody = { uid: 65534, gid: 65534 };
      const elsewhere = "unable to create state directory /nonexistent/.local/state/sv/run/svc: access denied";
      await refuses(
        stage,
        "svc",
        stage.isOurs ? elsewhere : "unable to open supervise/lock: file does not exist",
        nobody,
      );
      fs.mkdirSync(stage.at("svc/supervise"));
      await refuses(stage, "svc", "unable to open supervise/lock: access denied", nobody);
    },
    { skip: needsRoot, differs: "runsv-state-apart" },
  );

  story(
    96,
    "on a full disk commands are obeyed, and the state is not lost but old",
    async (stage) => {
      stage.mount("svc/supervise", "size=64k");
      stage.service("svc", { run: recorder() });
      const { runsv, pid } = await superviseRecorder(stage, "svc");
      await stat(stage, "svc", "run");
      const state = () => [stage.read("svc/supervise/stat"), stage.read("svc/supervise/status")];
      const before = state();
      fill(stage.at("svc/supervise/filler"));

      const warning = (file: string) => `runsv svc: warning: unable to write supervise/${file}.new: out of disk space`;
      const said = () => runsv.err.split("\n").slice(0, -1);
      const tell = async (byte: string, isObeyed: () => Promise<void>) => {
        const { length } = said();
        stage.tell("svc", byte);
        await isObeyed();
        if (stage.isOurs) {
          await stage.until("a file is hit", () => said().length > length);
          assert.equal(said()[length], warning("stat"));
          assert.deepEqual(state(), before);
        } else {
          await stage.until("a file is hit", () => stage.read("svc/supervise/stat") === "" || said().length > length);
        }
        await stage.becomes(() => newFiles(stage), []);
        assert.equal(fs.statSync(stage.at("svc/supervise/status")).size, 20);
      };

      await tell("p", () => isStopped(stage, pid));
      await tell("t", async () => {});
      await tell("c", () => signals(stage, "svc", "TERM CONT"));
      await tell("p", () => isStopped(stage, pid));
      await tell("p", async () => {});
      await tell("c", () => signals(stage, "svc", "TERM CONT CONT"));
      const expected = stage.isOurs ? [warning("stat"), warning("status")] : [warning("status")];
      for (const line of said()) assert.ok(expected.includes(line), line);

      const { length } = said();
      fs.rmSync(stage.at("svc/supervise/filler"));
      stage.tell("svc", "u");
      await stat(stage, "svc", "run, got TERM");
      assert.equal(stage.read("svc/supervise/pid"), `${pid}\n`);
      assert.equal(said().length, length);
      assert.deepEqual(newFiles(stage), []);
    },
    { differs: "runsv-full-disk", skip: cannotMount },
  );

  story(
    97,
    "a status that can be written in part only is not published",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      const limited = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=10:10"];
      const runsv = await stage.supervise("svc", { via: limited });
      await stage.becomes(() => stage.peek("svc/supervise/stat"), "run\n");
      const warning = "warning: unable to write supervise/status.new: partial write.";
      await says(stage, runsv, "svc", warning, warning); // for down, and for run
      assert.ok(!stage.exists("svc/supervise/status"));
      if (stage.isOurs) assert.deepEqual(newFiles(stage), []);
      else assert.equal(fs.statSync(stage.at("svc/supervise/status.new")).size, 10);
      assert.ok(runsv.isAlive);
      stage.tell("svc", "x");
      await exits(stage, runsv);
    },
    { differs: "runsv-full-disk", skip: missing("prlimit") },
  );

  story(98, "without pid, neither stat nor status is written", async (stage) => {
    obstruct(stage, "pid");
    const runsv = await stage.supervise("svc");
    await stage.until("the service runs", () => stage.processes("sleep").length === 1);
    const warning = "warning: unable to rename pid.new to supervise/pid: is a directory";
    await says(stage, runsv, "svc", warning, warning); // for down, and for run
    assert.ok(!stage.exists("svc/supervise/stat"));
    assert.ok(!stage.exists("svc/supervise/status"));
    stage.tell("svc", "x");
    await exits(stage, runsv);
    assert.equal(stage.processes("sleep").length, 0);
  });

  story(99, "without stat, status is written", async (stage) => {
    obstruct(stage, "stat");
    const runsv = await stage.supervise("svc");
    const pid = await stage.running("svc");
    const warning = "warning: unable to rename stat.new to supervise/stat: is a directory";
    await says(stage, runsv, "svc", warning, warning);
    assert.equal(stage.read("svc/supervise/pid"), `${pid}\n`);
    assert.equal(stage.status("svc").want, "u");
  });

  story(100, "without status, pid and stat are written", async (stage) => {
    stage.service("svc", { run: sleeper });
    fs.mkdirSync(stage.at("svc/supervise/status.new"), { recursive: true });
    const runsv = await stage.supervise("svc");
    await stage.becomes(() => stage.peek("svc/supervise/stat"), "run\n");
    const warning = "warning: unable to open supervise/status.new: is a directory";
    await says(stage, runsv, "svc", warning, warning);
    assert.match(stage.read("svc/supervise/pid"), /^\d+\n$/);
    assert.ok(!stage.exists("svc/supervise/status"));
  });

  story(101, "commands are obeyed when the state directory has gone elsewhere", async (stage) => {
    stage.service("svc", { run: recorder() });
    const { runsv, pid } = await superviseRecorder(stage, "svc");
    await stat(stage, "svc", "run");
    fs.renameSync(stage.at("svc/supervise"), stage.at("svc/moved"));
    const noStat = "warning: unable to open supervise/stat.new: file does not exist";
    const noPid = "warning: unable to open supervise/pid.new: file does not exist";

    stage.writeTo("svc/moved/control", "t");
    await signals(stage, "svc", "TERM");
    await says(stage, runsv, "svc", noStat);
    stage.writeTo("svc/moved/control", "x");
    await signals(stage, "svc", "TERM TERM CONT");
    await says(stage, runsv, "svc", noStat, noStat, noStat); // want, then TERM
    stage.file("svc/end", "");
    await exits(stage, runsv);
    await isGone(stage, pid);
    await says(stage, runsv, "svc", noStat, noStat, noStat, noPid);
    assert.ok(!stage.exists("svc/supervise"));
  });

  story(
    102,
    "without room for another process, starting is tried every five seconds",
    async (stage) => {
      const uid = 200_000 + 2 * process.pid + (stage.isOurs ? 1 : 0); // of its own: the limit counts per user
      stage.service("svc", { run: sleeper, "control/u": "echo u >>scripts" });
      for (const name of ["svc", "svc/control"]) fs.chownSync(stage.at(name), uid, uid);
      const before = performance.now();
      const runsv = await stage.supervise("svc", { uid, gid: uid, via: ["prlimit", "--nproc=1:100"] });
      const sleeping = "warning: unable to fork, sleeping: temporary failure";
      const messages = ["warning: unable to fork for control/u: temporary failure", sleeping, sleeping];
      await says(stage, runsv, "svc", ...messages);
      assert.ok(performance.now() - before >= 4900);
      assert.equal(stage.status("svc").pid, 0);

      const raised = spawnSync("prlimit", [`--pid=${runsv.pid}`, "--nproc=100:100"], { uid, gid: uid });
      assert.equal(raised.status, 0, String(raised.stderr));
      await stage.running("svc");
      assert.deepEqual(lines(stage, "svc/scripts"), []);
    },
    { skip: needsRoot || missing("prlimit") },
  );
});
