// How runsv ends: told to, or killed, and what a later runsv finds then (runsv.md sections 10 and 11).
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import { exits, facts, isGone, lines, recorder, signalBit, signals, stat, superviseRecorder } from "./scripts.ts";

/** SIGTERM to runsv ends the service as x does, and leaves the files of a service that is down. */
async function endsOnTerm(stage: Stage, via: readonly string[]): Promise<void> {
  stage.service("svc", { run: recorder() });
  const { runsv, pid } = await superviseRecorder(stage, "svc", { via });
  assert.equal(stage.signals(pid, "SigIgn") & signalBit(15), 0n);
  runsv.kill("SIGTERM");
  await signals(stage, "svc", "TERM CONT");
  await stat(stage, "svc", "run, got TERM, want exit");
  assert.ok(runsv.isAlive);

  stage.file("svc/end", "");
  const { out, err } = await exits(stage, runsv);
  assert.deepEqual({ out, err }, { out: "", err: "" });
  assert.ok(!stage.isLiving(pid));
  assert.equal(stage.read("svc/supervise/stat"), "down\n");
  assert.equal(stage.read("svc/supervise/pid"), "");
  assert.deepEqual(facts(stage.status("svc")), { pid: 0, paused: 0, want: "d", term: 0, phase: 0 });
  for (const name of ["control", "ok", "lock"]) assert.ok(stage.exists(`svc/supervise/${name}`), name);
  assert.ok(!stage.isListening("svc"));
}

const counts = "echo $$ >>starts\nexec sleep 1000";
const deadly = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM"] as const;

stories("runsv", (story) => {
  story(31, "SIGTERM ends the service and runsv", (stage) => endsOnTerm(stage, []));

  story(32, "SIGTERM does so even if it was ignored before", (stage) => endsOnTerm(stage, shell("trap '' TERM")));

  story(
    33,
    "other signals kill runsv, not the service",
    async (stage) => {
      for (const signal of deadly) {
        const name = `svc-${signal}`;
        stage.service(name, { run: counts });
        const runsv = await stage.supervise(name, { via: shell("ulimit -c 0") });
        const pid = await stage.running(name);
        await stage.becomes(() => lines(stage, `${name}/starts`), [`${pid}`]);
        runsv.kill(signal);
        const { signal: endedBy } = await stage.end(runsv);
        assert.equal(endedBy, signal);
        assert.ok(stage.isLiving(pid));
        assert.equal(stage.stat(name), "run");
        assert.equal(stage.status(name).pid, pid);
        assert.ok(!stage.isListening(name));

        await stage.supervise(name);
        if (stage.isOurs) {
          stage.tell(name, "p"); // acted on after the place in the loop where ./run would have been started
          await stat(stage, name, "run, paused");
          assert.equal(stage.status(name).pid, pid);
          assert.deepEqual(lines(stage, `${name}/starts`), [`${pid}`]);
        } else {
          await stage.becomes(() => lines(stage, `${name}/starts`).length, 2);
          assert.ok(stage.isLiving(pid));
        }
      }
    },
    { differs: "runsv-adopts" },
  );

  story(
    34,
    "after SIGKILL another runsv takes over",
    async (stage) => {
      stage.service("svc", { run: `echo start $$\n${counts}`, "log/run": "echo $$ >>starts\nexec cat >>got" });
      const killed = await stage.supervise("svc");
      const main = await stage.running("svc");
      const log = await stage.running("svc/log");
      await stage.becomes(() => lines(stage, "svc/log/got"), [`start ${main}`]);
      await stage.becomes(() => lines(stage, "svc/starts"), [`${main}`]);
      const files = ["pid", "stat", "status"].flatMap((name) => [`svc/supervise/${name}`, `svc/log/supervise/${name}`]);
      const versions = () => files.map((file) => stage.version(file));
      const before = versions();

      killed.kill("SIGKILL");
      await stage.end(killed);
      assert.deepEqual(versions(), before);
      assert.ok(stage.isLiving(main) && stage.isLiving(log));

      const runsv = await stage.supervise("svc");
      if (!stage.isOurs) {
        await stage.becomes(() => lines(stage, "svc/starts").length, 2);
        await stage.becomes(() => lines(stage, "svc/log/starts").length, 2);
        assert.ok(stage.isLiving(main) && stage.isLiving(log));
        assert.equal(`${await stage.running("svc")}`, lines(stage, "svc/starts")[1]);
        return;
      }
      await stat(stage, "svc", "run");
      await stat(stage, "svc/log", "run");
      assert.equal(stage.status("svc").pid, main);
      assert.equal(stage.status("svc/log").pid, log);
      assert.deepEqual(lines(stage, "svc/starts"), [`${main}`]);
      assert.deepEqual(lines(stage, "svc/log/starts"), [`${log}`]);

      // They are supervised as if nothing had happened: restarted, connected, ended one after the other.
      stage.tell("svc", "t");
      await isGone(stage, main);
      await stage.until("it is started again", () => lines(stage, "svc/starts").length === 2);
      const again = await stage.running("svc");
      await stage.becomes(() => lines(stage, "svc/log/got"), [`start ${main}`, `start ${again}`]);
      assert.equal(stage.status("svc/log").pid, log);
      stage.tell("svc", "x");
      await exits(stage, runsv);
      assert.ok(!stage.isLiving(again) && !stage.isLiving(log));
      assert.equal(stage.stat("svc"), "down");
      assert.equal(stage.stat("svc/log"), "down");
    },
    { differs: "runsv-adopts" },
  );
});
