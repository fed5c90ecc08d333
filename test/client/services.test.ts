// Services asked and told from Node, under our runsvdir and under Debian's.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Report, Status } from "../../client/src/index.ts";
import { ServiceError, Services } from "../../client/src/index.ts";
import type { Stage } from "../conformance/stage.ts";
import { isRoot, missing, stories } from "../conformance/stage.ts";

const sleeps = "exec sleep 1000";
/** Milliseconds; generous, since the machines are shared. */
const patience = { timeout: 60_000 };

/** Starts runsvdir on the services of a stage, below `sv`. */
function supervise(stage: Stage, services: Record<string, Record<string, string>>): Services {
  fs.mkdirSync(stage.at("sv"));
  for (const [name, files] of Object.entries(services)) stage.service(`sv/${name}`, files);
  stage.start("runsvdir", ["sv"]);
  return new Services({ directory: stage.at("sv") });
}

const setpriv = "/usr/bin/setpriv";
/** Who supervises what has become another user. */
const owner = { uid: 54001, gid: 54001 };

function ofCode(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ServiceError, String(error));
    assert.equal(error.code, code);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

function statusOf(report: Report | undefined): Status {
  assert.ok(report !== undefined && report.state !== null, report?.line ?? "no report");
  return report;
}

stories("client", (story) => {
  story(1, "a status says what sv says", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps }, idle: { run: sleeps, down: "" } });
    await services.wait("web", "up", patience);
    await services.wait("idle", "down", patience);
    assert.deepEqual(await services.list(), ["idle", "web"]);
    const web = await services.status("web");
    assert.equal(web.pid, stage.status("sv/web").pid);
    assert.equal(web.normally, "up");
    assert.equal(web.want, "up");
    assert.equal(web.since.getTime(), Math.floor(stage.status("sv/web").seconds * 1000 + web.since.getMilliseconds()));
    for (const { service } of await services.statuses()) {
      const { out } = await stage.run("sv", ["status", service], { env: { SVDIR: stage.at("sv") } });
      const { line } = await services.status(service);
      assert.equal(line.replaceAll(/\d+s/g, "Ns"), out.trimEnd().replaceAll(/\d+s/g, "Ns"));
    }
  });

  story(2, "control sends a byte and does not wait", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps } });
    await services.wait("web", "up", patience);
    await services.control("web", "pause");
    await stage.until("paused", () => stage.status("sv/web").paused === 1);
    assert.equal((await services.status("web")).paused, true);
    await services.control(["web"], "cont");
    await services.control("web", "down");
    await services.wait("web", "down", patience);
    await services.control("web", "once");
    await stage.until("runs once", () => stage.status("sv/web").phase === 1);
    assert.equal((await services.status("web")).want, "down");
  });

  story(3, "restart answers when a new process runs and its check script agrees", async (stage) => {
    const services = supervise(stage, {
      web: { run: `rm -f ready\n( sleep 0.3; touch ready ) &\n${sleeps}`, check: "exec test -e ready" },
      plain: { run: sleeps },
    });
    await services.wait(["web", "plain"], "ready", patience);
    const before = [await services.status("web"), await services.status("plain")].map(({ pid }) => pid);
    const after = (await services.restart(["web", "plain"], patience)).map((report) => statusOf(report).pid);
    assert.ok(stage.exists("sv/web/ready"));
    assert.ok(before.every((pid, index) => pid !== after[index]));
  });

  story(4, "a service whose check script never agrees is up, but not ready", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps, check: "touch asked\nexec false" } });
    await services.wait("web", "up", patience);
    const late = services.wait("web", "ready", { timeout: 300 });
    await assert.rejects(late, ofCode("timed out", /^timeout: run: web: \(pid \d+\) \d+s$/));
    assert.ok(stage.exists("sv/web/asked"));
  });

  story(
    20,
    "for want of descriptors nothing counts as ready: the check script is asked later",
    async (stage) => {
      const services = supervise(stage, { web: { run: sleeps, check: "exit 1" } });
      await services.wait("web", "up", patience);
      const script = path.resolve(import.meta.dirname, "few-descriptors.ts");
      const words = [
        "-c",
        'ulimit -n 80; exec "$@"',
        "sh",
        process.execPath,
        script,
        "ready",
        services.directory,
        "web",
      ];
      const { stdout, stderr } = spawnSync("/bin/sh", words, { encoding: "utf8", timeout: 60_000 });
      assert.equal(stderr, "");
      assert.match(stdout, /^timed out: timeout: run: web: /);
    },
    { only: "ours" },
  );

  story(
    21,
    "words that are none are refused, whatever they begin with",
    async (stage) => {
      const services = supervise(stage, { web: { run: sleeps } });
      const [{ state } = assert.fail()] = await services.wait("web", "up", patience);
      assert.equal(state, "run");
      const { pid } = await services.status("web");
      await assert.rejects(services.control("web", "enable" as "exit"), /^TypeError: no such command: enable$/);
      await assert.rejects(services.wait("web", "running" as "up"), /^TypeError: no such condition: running$/);
      assert.throws(() => new Services("/etc/service" as unknown as object), TypeError);
      assert.equal((await services.status("web")).pid, pid);
    },
    { only: "ours" },
  );

  story(5, "a check script that hangs is ended with the waiting", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps, check: "echo $$ >asking\nexec sleep 3000" } });
    await services.wait("web", "up", patience);
    const abort = new AbortController();
    const waiting = services.wait("web", "ready", { signal: abort.signal });
    const pid = (): number => Number(stage.peek("sv/web/asking"));
    await stage.until("asked", () => pid() > 0);
    abort.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await stage.until("the check script ended", () => !stage.isLiving(pid()));
  });

  story(6, "stop waits until it is down; what does not end in time is reported, or killed", async (stage) => {
    const services = supervise(stage, {
      web: { run: sleeps },
      deaf: { run: "trap '' TERM\ntouch ready\nwhile :; do sleep 0.05; done", check: "exec test -e ready" },
    });
    await services.wait(["web", "deaf"], "ready", patience);
    const [web] = await services.stop("web", patience);
    assert.equal(statusOf(web).state, "down");
    await assert.rejects(
      services.stop("deaf", { timeout: 100 }),
      ofCode("timed out", /^timeout: run: deaf: .*, want down, got TERM$/),
    );
    await assert.rejects(
      services.request("deaf", "force-stop", { timeout: 100 }),
      ofCode("timed out", /^kill: run: deaf/),
    );
    await services.wait("deaf", "down", patience);
  });

  story(7, "shutdown answers when runsv is gone", async (stage) => {
    const services = supervise(stage, {});
    stage.service("web", { run: sleeps });
    fs.symlinkSync(stage.at("web"), stage.at("sv/web"));
    await services.wait("web", "up", patience);
    fs.unlinkSync(stage.at("sv/web"));
    await assert.rejects(
      services.status("web"),
      ofCode("no such service", /^fail: web: unable to change to service directory: file does not exist$/),
    );
    stage.service("alone", { run: sleeps });
    const runsv = await stage.supervise("alone");
    const alone = new Services({ directory: stage.dir });
    await alone.wait("alone", "up", patience);
    const gone = alone.wait("alone", "gone", patience);
    const [report] = await alone.request("alone", "shutdown", patience);
    assert.equal(report?.line, "fail: alone: runsv not running");
    await gone;
    assert.equal((await stage.end(runsv)).code, 0);
    await assert.rejects(alone.status("alone"), ofCode("runsv not running"));
    await assert.rejects(alone.start("alone", patience), ofCode("runsv not running"));
  });

  story(8, "of several services all are told; the error has those of all that failed", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps }, worker: { run: sleeps } });
    await services.wait(["web", "worker"], "up", patience);
    fs.mkdirSync(stage.at("sv/.hidden"));
    await assert.rejects(services.stop(["typo", "web", "other", "worker"], patience), (error) => {
      assert.ok(error instanceof ServiceError);
      assert.deepEqual(
        error.errors.map(({ code, service }) => [code, service]),
        [
          ["no such service", "typo"],
          ["no such service", "other"],
        ],
      );
      return true;
    });
    assert.deepEqual(
      (await services.statuses()).map((report) => statusOf(report).state),
      ["down", "down"],
    );
    for (const name of ["", ".hidden", "../sv/web", "/etc"])
      await assert.rejects(services.status(name), ofCode("no such service"));
  });

  story(9, "a service that runsv does not know yet is waited for", async (stage) => {
    const services = supervise(stage, {});
    stage.service("web", { run: sleeps });
    fs.symlinkSync(stage.at("web"), stage.at("sv/web"));
    const [web] = await services.wait("web", "ready", patience);
    assert.equal(statusOf(web).state, "run");
  });

  story(10, "one that crashes does not count as up", async (stage) => {
    const services = supervise(stage, { bad: { run: "#!/bin/sh\n: >tried\nexit 1\n" }, good: { run: sleeps } });
    await services.wait("good", "up", patience);
    // Told between two tries, a second apart: one that just runs would not count as crashing.
    await stage.until("bad has ended once", () => stage.exists("sv/bad/tried"));
    for (let pid: number | undefined = 1; pid !== undefined; ) pid = statusOf(await services.status("bad")).pid;
    await assert.rejects(services.restart("bad", { timeout: 1500 }), ofCode("timed out"));
  });

  story(11, "the log service is NAME/log", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps, "log/run": "#!/bin/sh\nexec svlogd -tt .\n" } });
    await services.wait(["web", "web/log"], "up", patience);
    assert.notEqual((await services.status("web/log")).pid, (await services.status("web")).pid);
    const [log] = await services.restart("web/log", patience);
    assert.equal(log?.service, "web/log");
  });

  story(
    12,
    "without the right to ask it is not permitted",
    async (stage) => {
      const services = supervise(stage, { web: { run: sleeps } });
      await services.wait("web", "up", patience);
      fs.chmodSync(stage.at("sv"), 0o755);
      process.seteuid?.(65534);
      const asked = services.status("web"); // it has looked when it answers with a promise
      process.seteuid?.(0);
      await assert.rejects(
        asked,
        ofCode("not permitted", /^warning: web: unable to open supervise\/ok: access denied$/),
      );
    },
    { skip: !isRoot && "needs root" },
  );

  story(13, "every waiting call ends with its signal", async (stage) => {
    const services = supervise(stage, { web: { run: sleeps } });
    await services.wait("web", "up", patience);
    const late = AbortSignal.abort(new Error("before"));
    await assert.rejects(services.restart("web", { signal: late }), /before/);
    for (const condition of ["down", "gone"] as const) {
      const abort = new AbortController();
      const waiting = services.wait("web", condition, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error("enough")), 20);
      await assert.rejects(waiting, /enough/);
    }
  });

  story(
    14,
    "state in a state root is found as sv finds it",
    async (stage) => {
      stage.service("definitions/web", {
        run: sleeps,
        "log/run": "#!/bin/sh\nexec cat >/dev/null\n",
        check: 'test "$SV_NAME" = web && test -e "$SV_STATE/status"',
      });
      fs.mkdirSync(stage.at("sv"));
      for (const name of ["web", "other"]) fs.symlinkSync(stage.at("definitions/web"), stage.at("sv", name));
      fs.mkdirSync(stage.at("run"), { mode: 0o700 });
      stage.start("runsvdir", ["-s", stage.at("run"), "sv"]);
      const services = new Services({ directory: stage.at("sv") });
      await services.wait(["web/log", "other"], "up", patience);
      await services.wait("web", "ready", patience);
      assert.ok(!stage.exists("definitions/web/supervise"));
      assert.notEqual((await services.status("web")).pid, (await services.status("other")).pid);
      assert.equal(`${(await services.status("web/log")).pid}\n`, stage.read("run/web.log/pid"));
      assert.equal(`${(await services.status("other")).pid}\n`, stage.read("run/other/pid"));
      // The check script is told whose question it is.
      await assert.rejects(services.wait("other", "ready", { timeout: 200 }), ofCode("timed out"));
      stage.file("run/other.down", "");
      assert.equal((await services.status("other")).normally, "down");
      assert.equal((await services.status("web")).normally, "up");
      // Its state is taken away, and made again: the service goes on, and so does whoever waits.
      const waiting = services.wait("other", "down", patience);
      fs.rmSync(stage.at("run/other"), { recursive: true });
      await stage.until("made again", () => stage.exists("run/other/status"));
      await services.control("other", "down");
      await waiting;
    },
    { only: "ours" },
  );

  story(
    15,
    "a service whose definition is away can still be asked and told",
    async (stage) => {
      stage.service("definitions/web", { run: sleeps });
      fs.mkdirSync(stage.at("sv"));
      fs.symlinkSync(stage.at("definitions/web"), stage.at("sv/web"));
      stage.start("runsvdir", ["-s", stage.at("run"), "sv"]);
      const services = new Services({ directory: stage.at("sv") });
      await services.wait("web", "up", patience);
      fs.renameSync(stage.at("definitions/web"), stage.at("definitions/away"));
      const [web] = await services.stop("web", patience);
      assert.equal(statusOf(web).state, "down");
    },
    { only: "ours" },
  );

  story(
    16,
    "a supervisor that may not signal the service says so at once",
    async (stage) => {
      const become = stage.at("become");
      fs.copyFileSync(setpriv, become);
      fs.chownSync(become, 0, owner.gid);
      fs.chmodSync(become, 0o4750);
      stage.service("web", { run: `exec ${become} --reuid 1 --clear-groups sleep 1000` });
      fs.chownSync(stage.at("web"), owner.uid, owner.gid);
      await stage.supervise("web", owner);
      const services = new Services({ directory: stage.dir });
      await stage.until("it is another user's", () => fs.statSync(`/proc/${stage.status("web").pid}`).uid === 1);
      await assert.rejects(
        services.stop("web", patience),
        ofCode("not permitted", /^fail: web: not permitted to signal pid \d+ \(uid daemon\); see signal-with$/),
      );
      assert.equal((await services.status("web")).notPermitted, true);
    },
    { only: "ours", skip: !isRoot ? "needs root" : missing("setpriv") },
  );
});
