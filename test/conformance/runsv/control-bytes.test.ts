// What each byte written to supervise/control does (runsv.md section 7).
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  awaitsFile,
  essence,
  exits,
  facts,
  isGone,
  isStopped,
  isStubborn,
  lines,
  recorder,
  signals,
  sleeper,
  stat,
  staysDown,
  stubborn,
  superviseRecorder,
} from "./scripts.ts";

const files = ["pid", "stat", "status"] as const;
const versions = (stage: Stage) => files.map((name) => stage.version(`svc/supervise/${name}`));
/** A recorder that notes who it is. */
const countedRecorder = recorder({ first: "echo $$ >>starts" });

stories("runsv", (story) => {
  story(53, "h, i, q, 1, 2 and a send a signal and write nothing", async (stage) => {
    stage.service("svc", { run: recorder() });
    await superviseRecorder(stage, "svc");
    await stat(stage, "svc", "run");
    const before = versions(stage);
    const sent = { h: "HUP", i: "INT", q: "QUIT", "1": "USR1", "2": "USR2", a: "ALRM" };
    const expected: string[] = [];
    for (const byte of ["h", "i", "q", "1", "2", "a"] as const) {
      stage.tell("svc", byte);
      expected.push(sent[byte]);
      await signals(stage, "svc", expected.join(" "));
    }
    assert.deepEqual(versions(stage), before);
  });

  story(54, "t sends TERM alone", async (stage) => {
    stage.service("svc", { run: recorder() });
    const { pid } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "t");
    await signals(stage, "svc", "TERM");
    await stat(stage, "svc", "run, got TERM");
    assert.deepEqual(facts(stage.status("svc")), { pid, paused: 0, want: "u", term: 1, phase: 1 });
    stage.tell("svc", "h");
    await signals(stage, "svc", "TERM HUP");
  });

  story(55, "p pauses, c continues", async (stage) => {
    stage.service("svc", { run: recorder() });
    const { pid } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "p");
    await stat(stage, "svc", "run, paused");
    assert.equal(stage.status("svc").paused, 1);
    await isStopped(stage, pid);

    stage.tell("svc", "c");
    await stat(stage, "svc", "run");
    assert.equal(stage.status("svc").paused, 0);
    await signals(stage, "svc", "CONT");
    assert.notEqual(stage.state(pid), "T");
  });

  story(56, "d on a paused service sends TERM and CONT, and it counts as paused", async (stage) => {
    stage.service("svc", { run: recorder() });
    const { pid } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "p");
    await isStopped(stage, pid);
    stage.tell("svc", "d");
    await signals(stage, "svc", "TERM CONT");
    await stat(stage, "svc", "run, paused, got TERM, want down");
  });

  story(57, "t on a paused service has its effect when it is continued", async (stage) => {
    stage.service("svc", { run: sleeper });
    await stage.supervise("svc");
    const pid = await stage.running("svc");
    stage.tell("svc", "p");
    await isStopped(stage, pid);
    stage.tell("svc", "t");
    await stat(stage, "svc", "run, paused, got TERM");
    const before = stage.version("svc/supervise/status");
    stage.tell("svc", "u");
    await stage.until("u is acted on", () => stage.version("svc/supervise/status") !== before);
    assert.equal(stage.stat("svc"), "run, paused, got TERM");
    assert.equal(stage.state(pid), "T");

    stage.tell("svc", "c");
    await isGone(stage, pid);
    await stage.until("it is started again", () => stage.status("svc").phase === 1 && stage.status("svc").pid !== pid);
    await stat(stage, "svc", "run");
  });

  story(58, "o on a running service sends nothing, and a t behind it TERM and CONT", async (stage) => {
    stage.service("svc", { run: recorder() });
    await superviseRecorder(stage, "svc");
    stage.tell("svc", "o");
    await stat(stage, "svc", "run, want down");
    stage.tell("svc", "h");
    await signals(stage, "svc", "HUP");
    stage.tell("svc", "t");
    await signals(stage, "svc", "HUP TERM CONT");
    await stat(stage, "svc", "run, got TERM, want down");
  });

  story(59, "u takes back x", async (stage) => {
    stage.service("svc", { run: countedRecorder });
    const { runsv } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "x");
    await stat(stage, "svc", "run, got TERM, want exit");
    assert.equal(stage.status("svc").want, "d");
    stage.tell("svc", "u");
    await stat(stage, "svc", "run, got TERM");
    assert.equal(stage.status("svc").want, "u");
    await signals(stage, "svc", "TERM CONT");

    stage.file("svc/end", "");
    await stage.until("it is started again", () => lines(stage, "svc/starts").length > 1);
    assert.ok(runsv.isAlive);
  });

  story(60, "the paused flag outlives the process", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = await stage.supervise("svc");
    const pid = await stage.running("svc");
    stage.tell("svc", "p");
    await isStopped(stage, pid);
    stage.tell("svc", "o");
    await stat(stage, "svc", "run, paused, want down");
    stage.tell("svc", "k");
    await isGone(stage, pid);
    await stat(stage, "svc", "down, paused");
    stage.tell("svc", "c");
    await stat(stage, "svc", "down");
    stage.tell("svc", "p");
    await stat(stage, "svc", "down, paused");

    const before = versions(stage);
    stage.tell("svc", "ta");
    await stage.span(200);
    assert.deepEqual(versions(stage), before);
    stage.tell("svc", "c");
    await stat(stage, "svc", "down");
    assert.equal(runsv.err, "");
  });

  story(61, "other bytes are ignored", async (stage) => {
    stage.service("svc", { run: sleeper, down: "" });
    const runsv = await stage.supervise("svc");
    const before = versions(stage);
    stage.tell("svc", "zZ\neE\0\xff");
    await stage.span(200);
    assert.deepEqual(versions(stage), before);
    assert.equal(stage.stat("svc"), "down");
    stage.tell("svc", "p");
    await stat(stage, "svc", "down, paused");
    assert.ok(runsv.isAlive);
    assert.equal(runsv.err, "");
  });

  story(
    79,
    "k whose control script succeeded",
    async (stage) => {
      stage.service("svc", { run: recorder(), "control/k": "echo k >>scripts" });
      const { pid } = await superviseRecorder(stage, "svc");
      stage.tell("svc", "k");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["k"]);
      stage.tell("svc", "t");
      if (stage.isOurs) {
        await signals(stage, "svc", "TERM");
        await stat(stage, "svc", "run, got TERM");
        stage.tell("svc", "p");
        await isStopped(stage, pid);
        await stat(stage, "svc", "run, paused, got TERM");
        stage.tell("svc", "d");
        await signals(stage, "svc", "TERM TERM CONT");
        await stat(stage, "svc", "run, paused, got TERM, want down");
        stage.file("svc/end", "");
        await staysDown(stage, "svc");
        return;
      }
      stage.tell("svc", "p");
      await stat(stage, "svc", "down, paused");
      assert.deepEqual(essence(stage.status("svc")), { pid, want: "u", phase: 0 });
      assert.notEqual(stage.state(pid), "T");
      stage.tell("svc", "d");
      await stage.becomes(() => essence(stage.status("svc")), { pid, want: "d", phase: 0 });
      await signals(stage, "svc", "");
      assert.ok(stage.isLiving(pid));
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(
    80,
    "x after k whose control script succeeded",
    async (stage) => {
      stage.service("svc", { run: recorder(), "control/k": "echo k >>scripts" });
      const { runsv, pid } = await superviseRecorder(stage, "svc");
      stage.tell("svc", "k");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["k"]);
      stage.tell("svc", "x");
      if (stage.isOurs) {
        await signals(stage, "svc", "TERM CONT");
        assert.ok(runsv.isAlive);
        stage.file("svc/end", "");
        await exits(stage, runsv);
        assert.ok(!stage.isLiving(pid));
        assert.deepEqual(essence(stage.status("svc")), { pid: 0, want: "d", phase: 0 });
        assert.equal(stage.stat("svc"), "down");
        return;
      }
      await exits(stage, runsv);
      assert.ok(stage.isLiving(pid));
      assert.equal(stage.status("svc").pid, pid);
      await signals(stage, "svc", "");
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(
    81,
    "u after k whose control script succeeded",
    async (stage) => {
      stage.service("svc", { run: `echo $$ >>starts\n${stubborn}`, "control/k": "echo k >>scripts" });
      await stage.supervise("svc");
      const pid = await stage.running("svc");
      await isStubborn(stage, pid);
      stage.tell("svc", "k");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["k"]);
      stage.tell("svc", "u");
      if (stage.isOurs) {
        stage.tell("svc", "p"); // acted on after u
        await stat(stage, "svc", "run, paused");
        assert.equal(stage.status("svc").pid, pid);
        assert.deepEqual(lines(stage, "svc/starts"), [`${pid}`]);
        return;
      }
      await stage.until("two are started", () => lines(stage, "svc/starts").length === 2);
      for (const started of lines(stage, "svc/starts")) assert.ok(stage.isLiving(Number(started)), started);
      await stage.becomes(() => `${stage.status("svc").pid}`, lines(stage, "svc/starts")[1]);
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(
    82,
    "k during finish",
    async (stage) => {
      const finish = `echo "$1 $2" >>ends\n${awaitsFile("over")}\nexit 7`;
      stage.service("svc", { run: sleeper, finish });
      await stage.supervise("svc");
      await stage.running("svc");
      stage.tell("svc", "d");
      await stage.becomes(() => lines(stage, "svc/ends"), ["-1 15"]);
      await stage.until("finish is known", () => stage.status("svc").phase === 2 && stage.status("svc").pid !== 0);
      const { pid } = stage.status("svc");
      stage.tell("svc", "kp");
      await stat(stage, "svc", stage.isOurs ? "finish, paused, want down" : "down, paused");
      assert.ok(stage.isLiving(pid));
      stage.file("svc/over", "");
      await isGone(stage, pid);
      const ends = stage.isOurs ? ["-1 15"] : ["-1 15", "7 0"];
      await stage.becomes(() => lines(stage, "svc/ends"), ends);
      await stage.until("no process is left", () => stage.status("svc").phase === 0 && stage.status("svc").pid === 0);
      await staysDown(stage, "svc");
      assert.deepEqual(lines(stage, "svc/ends"), ends);
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(
    83,
    "x, then k on a service that ignores TERM",
    async (stage) => {
      stage.service("svc", { run: stubborn, finish: 'echo "$1 $2" >>ends' });
      const runsv = await stage.supervise("svc");
      const pid = await stage.running("svc");
      await isStubborn(stage, pid);
      stage.tell("svc", "x");
      await stat(stage, "svc", "run, got TERM, want exit");
      assert.ok(stage.isLiving(pid));
      const before = stage.status("svc");

      stage.tell("svc", "k");
      await exits(stage, runsv);
      await isGone(stage, pid);
      if (stage.isOurs) {
        assert.deepEqual(lines(stage, "svc/ends"), ["-1 9"]);
        assert.equal(stage.stat("svc"), "down");
        assert.deepEqual(essence(stage.status("svc")), { pid: 0, want: "d", phase: 0 });
        return;
      }
      assert.deepEqual(lines(stage, "svc/ends"), []);
      assert.deepEqual(stage.status("svc"), before);
      assert.deepEqual(facts(before), { pid, paused: 0, want: "d", term: 1, phase: 1 });
      assert.equal(stage.stat("svc"), "run, got TERM, want exit");
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(
    "stop-signal",
    "a stop-signal that names no signal is warned about, and the service gets TERM",
    async (stage) => {
      stage.service("svc", { run: sleeper, "stop-signal": "SIGFOO\n" });
      const runsv = await stage.supervise("svc");
      await stage.running("svc");
      stage.tell("svc", "d");
      await staysDown(stage, "svc");
      assert.equal(runsv.err, "runsv svc: warning: stop-signal: no signal to stop it by: SIGFOO\n");
      stage.tell("svc", "x");
      await exits(stage, runsv);
    },
    { only: "ours" },
  );
});
