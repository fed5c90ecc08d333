// What every runsv gets, and what happens when it ends: spec/runsvdir.md, sections 6 and 7.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { isRoot, stories } from "../stage.ts";
import { commandLine, compiled, count, Notes, processOf, services } from "./scenes.ts";

const fatal = (reason: string) => `runsvdir svc: fatal: unable to start runsv a: ${reason}`;

stories("runsvdir", (story) => {
  story(7, "a runsv gets what runsvdir got", async (stage) => {
    services(stage, "svc", ["a", "b"]);
    const notes = new Notes(stage);
    const environment = { ...notes.env, PWD: "/old", SOME: "thing", STAGE: stage.mark };
    const settings = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    const words = [...settings, stage.program("runsvdir"), "svc"];
    const runsvdir = stage.start("/bin/sh", ["-c", 'exec 9</dev/null; exec env -i "$@"', "sh", ...words]);
    for (const name of ["a", "b"]) {
      const pid = await notes.started(name);
      assert.deepEqual(commandLine(pid), ["runsv", name]);
      assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), stage.at("svc"));
      const { parent, group, session } = processOf(pid);
      const own = processOf(runsvdir.pid);
      assert.deepEqual({ parent, group, session }, { parent: runsvdir.pid, group: own.group, session: own.session });
      // The noting runsv keeps its own file at a number above 99.
      const fds = fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) < 100);
      assert.deepEqual(fds.sort(), ["0", "1", "2", "9"]);
      const entries = fs.readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").slice(0, -1);
      assert.deepEqual(entries.sort(), settings.toSorted());
    }
    assert.deepEqual(notes.names(), ["a", "b"]);
    assert.equal(runsvdir.err, "");
  });

  story(12, "a runsv that ends is started again", async (stage) => {
    services(stage, "svc", ["a", "b"]);
    const runsvdir = stage.start("runsvdir", ["svc"]);
    const service = await stage.running("svc/a");
    await stage.running("svc/b");
    const runsv = processOf(service).parent;
    process.kill(runsv, "SIGKILL");
    await stage.until("there is a new runsv", () => {
      const anew = stage.processes("runsv a").find((pid) => processOf(pid).parent === runsvdir.pid);
      return anew !== undefined && anew !== runsv && stage.isListening("svc/a");
    });
    // The service is left alone by all this.
    assert.ok(stage.isLiving(service));
    assert.equal(runsvdir.err, "");
  });

  story(
    13,
    "a runsv that cannot be found is tried for ever, no more than once a second",
    async (stage) => {
      services(stage, "svc", ["a"]);
      const runsvdir = stage.start("runsvdir", ["svc"], { env: { PATH: "/nonexistent" } });
      const line = fatal("file does not exist");
      await stage.until("it complains", () => count(runsvdir.err, line) >= 1);
      const start = performance.now();
      // The original: after 1 second, and then every 5.
      const expected = stage.isOurs ? 4 : 5;
      await stage.until("it complains again", () => count(runsvdir.err, line) >= expected);
      const passed = performance.now() - start;
      assert.ok(passed >= (stage.isOurs ? 2500 : 14_500), `${passed} ms`);
      assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
    },
    { differs: "runsvdir-instant" },
  );

  story(14, "a runsv without permission to be executed", async (stage) => {
    services(stage, "svc", ["a"]);
    stage.file("bin/runsv", "#!/bin/sh\n", 0o644);
    const runsvdir = stage.start("runsvdir", ["svc"], { env: { PATH: stage.at("bin") } });
    await stage.until("it complains", () => runsvdir.err.startsWith(`${fatal("access denied")}\n`));
  });

  story(15, "an empty PATH means the services directory", async (stage) => {
    services(stage, "svc", ["a"]);
    fs.copyFileSync(path.join(compiled(), "runsv"), stage.at("svc/runsv"));
    const notes = new Notes(stage, { path: "" });
    const runsvdir = stage.start("runsvdir", ["svc"], { env: notes.env });
    const pid = await notes.started("a");
    assert.equal(fs.readlinkSync(`/proc/${pid}/exe`), stage.at("svc/runsv"));
    assert.equal(runsvdir.err, "");
  });

  story(16, "a directory called runsv in PATH is passed over", async (stage) => {
    services(stage, "svc", ["a"]);
    fs.mkdirSync(stage.at("bin/runsv"), { recursive: true });
    const notes = new Notes(stage, { path: `${stage.at("bin")}:${compiled()}` });
    const runsvdir = stage.start("runsvdir", ["svc"], { env: notes.env });
    const pid = await notes.started("a");
    assert.equal(fs.readlinkSync(`/proc/${pid}/exe`), path.join(compiled(), "runsv"));
    assert.equal(runsvdir.err, "");
  });

  story("16a", "a plain file in PATH ends the search", async (stage) => {
    services(stage, "svc", ["a"]);
    const notes = new Notes(stage, { path: `${stage.file("file", "")}:${compiled()}` });
    const runsvdir = stage.start("runsvdir", ["svc"], { env: notes.env });
    const line = fatal("not a directory");
    await stage.until("it complains, and again", () => count(runsvdir.err, line) >= 2);
    assert.deepEqual(notes.starts(), []);
    assert.equal(runsvdir.err.replaceAll(`${line}\n`, ""), "");
  });

  story(
    32,
    "no process can be created",
    async (stage) => {
      services(stage, "svc", ["a", "b"]);
      // Users of their own: the limit counts all processes of a user.
      const user = stage.isOurs ? "54321" : "54322";
      const become = ["--reuid", user, "--regid", user, "--clear-groups", "prlimit", "--nproc=1"];
      const runsvdir = stage.start("/usr/bin/env", ["setpriv", ...become, stage.program("runsvdir"), "svc"]);
      const lines = ["a", "b"].map((name) => `runsvdir svc: warning: unable to fork for ${name}: temporary failure`);
      await stage.until("it warns", () => lines.every((line) => count(runsvdir.err, line) >= 2));
      let rest = runsvdir.err;
      for (const line of lines) rest = rest.replaceAll(`${line}\n`, "");
      const failed = "runsvdir svc: warning: unable to read directory svc: temporary failure\n";
      if (stage.isOurs) assert.equal(rest, "");
      else {
        assert.ok(rest.startsWith(failed), rest);
        assert.equal(rest.replaceAll(failed, ""), "");
      }
      assert.ok(runsvdir.isAlive);
    },
    { skip: isRoot ? false : "only root can become another user", differs: "runsvdir-no-limit" },
  );
});
