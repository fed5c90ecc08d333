// The scripts in control/, which run before, or instead of, a signal (runsv.md section 8).
import assert from "node:assert/strict";
import { cLibrarySignals, stories } from "../stage.ts";
import {
  awaitsFile,
  essence,
  exits,
  isGone,
  isStopped,
  lines,
  recorder,
  says,
  signalBit,
  signals,
  since,
  sleeper,
  stat,
  staysDown,
  superviseRecorder,
} from "./scripts.ts";

const sentBy = { h: "HUP", i: "INT", q: "QUIT", "1": "USR1", "2": "USR2", a: "ALRM" } as const;
const plainBytes = ["h", "i", "q", "1", "2", "a"] as const;

/** All control scripts there can be, each noting its byte and ending like this. */
function allScripts(ending: string): Record<string, string> {
  const bytes = [..."tdxupchaiq12k"];
  return Object.fromEntries(bytes.map((byte) => [`control/${byte}`, `echo ${byte} >>scripts\n${ending}`]));
}

stories("runsv", (story) => {
  story(68, "a control script that succeeds replaces the signal", async (stage) => {
    stage.service("svc", { run: recorder(), ...allScripts("exit 0") });
    const { pid } = await superviseRecorder(stage, "svc");
    const expected: string[] = ["u"];
    const tell = async (byte: string, ...scripts: string[]) => {
      stage.tell("svc", byte);
      expected.push(...scripts);
      await stage.becomes(() => lines(stage, "svc/scripts"), expected);
    };

    for (const byte of plainBytes) await tell(byte, byte);
    await tell("t", "t");
    await stat(stage, "svc", "run");
    await tell("p", "p");
    await stat(stage, "svc", "run, paused");
    assert.notEqual(stage.state(pid), "T");
    await tell("c", "c");
    await stat(stage, "svc", "run");
    await signals(stage, "svc", "");

    await tell("d", "t", "d");
    await signals(stage, "svc", "CONT");
    await stat(stage, "svc", "run, want down");
    await tell("x", "t", "x");
    await signals(stage, "svc", "CONT CONT");
    await stat(stage, "svc", "run, want exit");
    await tell("u");
    await stat(stage, "svc", "run");
    await tell("k", "k");
    await stage.span(200);
    assert.ok(stage.isLiving(pid));
    await signals(stage, "svc", "CONT CONT");
  });

  story(69, "a control script that fails precedes the signal", async (stage) => {
    stage.service("svc", { run: recorder(), ...allScripts("exit 1") });
    const { pid } = await superviseRecorder(stage, "svc");
    const scripts: string[] = ["u"];
    const sent: string[] = [];
    const tell = async (byte: string, ran: string[], arrived: string[]) => {
      stage.tell("svc", byte);
      scripts.push(...ran);
      await stage.becomes(() => lines(stage, "svc/scripts"), scripts);
      sent.push(...arrived);
      await signals(stage, "svc", sent.join(" "));
    };

    for (const byte of plainBytes) await tell(byte, [byte], [sentBy[byte]]);
    await tell("t", ["t"], ["TERM"]);
    await stat(stage, "svc", "run, got TERM");
    await tell("p", ["p"], []);
    await isStopped(stage, pid);
    await stat(stage, "svc", "run, paused, got TERM");
    await tell("c", ["c"], ["CONT"]);
    await stat(stage, "svc", "run, got TERM");
    await tell("d", ["t", "d"], ["TERM", "CONT"]);
    await stat(stage, "svc", "run, got TERM, want down");
    await tell("x", ["t", "x"], ["TERM", "CONT"]);
    await stat(stage, "svc", "run, got TERM, want exit");
    await tell("u", [], []);
    await stat(stage, "svc", "run, got TERM");
    await tell("k", ["k", "u"], ["ready"]);
    await isGone(stage, pid);
    await stat(stage, "svc", "run");
  });

  story(70, "o starts by way of control/u", async (stage) => {
    stage.service("svc", {
      run: "echo run >>scripts\nexec sleep 1000",
      down: "",
      "control/o": "echo o >>scripts",
      "control/u": "echo u >>scripts",
    });
    await stage.supervise("svc");
    assert.deepEqual(lines(stage, "svc/scripts"), []);
    stage.tell("svc", "o");
    await stage.becomes(() => lines(stage, "svc/scripts"), ["u", "run"]);
    await stat(stage, "svc", "run, want down");
    stage.tell("svc", "t");
    await staysDown(stage, "svc");
    assert.deepEqual(lines(stage, "svc/scripts"), ["u", "run"]);
  });

  story(71, "control/u runs before every start, whatever it says", async (stage) => {
    stage.service("svc", { run: "echo run >>scripts", "control/u": "echo u >>scripts\nexit 1" });
    await stage.supervise("svc");
    await stage.until("three starts", () => lines(stage, "svc/scripts").length >= 6);
    assert.deepEqual(lines(stage, "svc/scripts").slice(0, 6), ["u", "run", "u", "run", "u", "run"]);
  });

  const slowUp = `echo u >>scripts\n${awaitsFile("go")}\ndate +%s.%N >ended`;

  story(72, "while control/u runs the service is down, and runs since it ended", async (stage) => {
    stage.service("svc", { run: sleeper, "control/u": slowUp });
    await stage.supervise("svc");
    await stage.becomes(() => lines(stage, "svc/scripts"), ["u"]);
    assert.deepEqual(essence(stage.status("svc")), { pid: 0, want: "u", phase: 0 });
    assert.equal(stage.stat("svc"), "down");
    stage.file("svc/go", "");
    await stage.running("svc");
    const begun = since(stage.status("svc"));
    assert.ok(begun >= Number(stage.read("svc/ended")) - 0.001, `${begun} after ${stage.read("svc/ended")}`);
  });

  story(
    "72b",
    "told d while control/u runs, a service is not started at all",
    async (stage) => {
      stage.service("svc", { run: "echo start >>starts\nexec sleep 1000", "control/u": slowUp });
      await stage.supervise("svc");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["u"]);
      stage.tell("svc", "d");
      await stage.becomes(() => essence(stage.status("svc")), { pid: 0, want: "d", phase: 0 });
      stage.file("svc/go", "");
      await stage.until("the script has ended", () => stage.exists("svc/ended"));
      await stage.span(1200);
      await staysDown(stage, "svc");
      assert.ok(!stage.exists("svc/starts"));
      assert.deepEqual(lines(stage, "svc/scripts"), ["u"]);
    },
    { only: "ours", differs: "runsv-scripts-beside-the-loop" },
  );

  story(
    73,
    "a control script killed by a signal",
    async (stage) => {
      stage.service("svc", { run: recorder(), "control/t": "echo t >>scripts\nkill -KILL $$" });
      await superviseRecorder(stage, "svc");
      stage.tell("svc", "t");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["t"]);
      if (stage.isOurs) {
        await signals(stage, "svc", "TERM");
        await stat(stage, "svc", "run, got TERM");
        return;
      }
      stage.tell("svc", "h");
      await signals(stage, "svc", "HUP");
      await stat(stage, "svc", "run");
    },
    { differs: "runsv-script-killed-by-signal" },
  );

  story(74, "a control script that cannot be executed has failed", async (stage) => {
    stage.service("svc", { run: recorder(), "control/t": "#!/nope\n" });
    const { runsv } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "t");
    await signals(stage, "svc", "TERM");
    await stat(stage, "svc", "run, got TERM");
    await says(stage, runsv, "svc", "fatal: unable to run control/?: file does not exist");
  });

  story(75, "only the owner's execute bit makes a control script", async (stage) => {
    const script = "#!/bin/sh\necho t >>scripts\n";
    stage.service("mode644", { run: recorder() });
    stage.file("mode644/control/t", script, 0o644);
    stage.service("mode611", { run: recorder() });
    stage.file("mode611/control/t", script, 0o611);
    stage.service("directory", { run: recorder(), "control/t/file": "" });
    for (const name of ["mode644", "mode611", "directory"]) {
      const { runsv } = await superviseRecorder(stage, name);
      stage.tell(name, "t");
      await signals(stage, name, "TERM");
      await stat(stage, name, "run, got TERM");
      const messages = name === "directory" ? ["fatal: unable to run control/?: access denied"] : [];
      await says(stage, runsv, name, ...messages);
      assert.ok(!stage.exists(`${name}/scripts`));
    }
  });

  story(76, "a control that is no directory is complained about, and signals are sent", async (stage) => {
    stage.service("svc", { run: recorder(), control: "" });
    const { runsv, pid } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "t");
    await signals(stage, "svc", "TERM");
    stage.tell("svc", "k");
    await isGone(stage, pid);
    await signals(stage, "svc", "TERM ready");
    const warning = (byte: string) => `warning: unable to stat control/${byte}: not a directory`;
    await says(stage, runsv, "svc", ...["u", "t", "k", "u"].map(warning));
  });

  story(
    77,
    "what comes while a control script runs waits for its end",
    async (stage) => {
      stage.service("svc", { run: recorder(), "control/h": `echo h >>scripts\n${awaitsFile("go")}` });
      const { runsv } = await superviseRecorder(stage, "svc");
      stage.tell("svc", "hi");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["h"]);
      runsv.kill("SIGTERM");
      if (stage.isOurs) await stat(stage, "svc", "run, want exit");
      await stage.span(500);
      await signals(stage, "svc", "");
      if (!stage.isOurs) await stat(stage, "svc", "run");

      stage.file("svc/go", "");
      await signals(stage, "svc", "INT TERM CONT");
      await stat(stage, "svc", "run, got TERM, want exit");
      stage.file("svc/end", "");
      await exits(stage, runsv);
    },
    { differs: "runsv-scripts-beside-the-loop" },
  );

  story(
    "77b",
    "k ends a control script that runs, drops what waits behind it, and kills",
    async (stage) => {
      stage.service("svc", { run: recorder(), "control/h": "echo $$ >>scripts\nexec sleep 1000" });
      const { pid } = await superviseRecorder(stage, "svc");
      stage.tell("svc", "hi");
      await stage.becomes(() => lines(stage, "svc/scripts").length, 1);
      const script = Number(lines(stage, "svc/scripts")[0]);
      await stage.span(200);
      assert.ok(stage.isLiving(script));
      await signals(stage, "svc", "");

      stage.tell("svc", "k");
      await isGone(stage, script);
      await isGone(stage, pid);
      await signals(stage, "svc", "ready");
      stage.tell("svc", "q"); // nothing was left in front of it
      await signals(stage, "svc", "ready QUIT");
    },
    { only: "ours", differs: "runsv-scripts-beside-the-loop" },
  );

  story(
    78,
    "a control script writes to the log service and is in the service directory",
    async (stage) => {
      stage.service("svc", {
        run: sleeper,
        "log/run": "exec cat >>got",
        "control/h": 'pwd -P\necho "$0 $#"',
        // Shells change their signal mask, grep does not; it also gets the script's name, and finds the word there.
        "control/i": "#!/usr/bin/env -S grep SigBlk /proc/self/status\n",
      });
      await stage.supervise("svc");
      await stage.running("svc");
      await stage.running("svc/log");
      stage.tell("svc", "h");
      const expected = [stage.at("svc"), "control/h 0"];
      await stage.becomes(() => lines(stage, "svc/log/got"), expected);
      stage.tell("svc", "i");
      await stage.until("the mask is known", () => lines(stage, "svc/log/got").length >= 3);
      const mask = /^\/proc\/self\/status:SigBlk:\s*(\w+)$/.exec(lines(stage, "svc/log/got")[2] ?? "")?.[1];
      assert.equal(BigInt(`0x${mask}`) & ~cLibrarySignals, stage.isOurs ? 0n : signalBit(15, 17));
    },
    { differs: "runsv-script-signal-mask" },
  );

  story(
    112,
    "o after k whose control script succeeded",
    async (stage) => {
      const noting = { "control/k": "echo k >>scripts", "control/d": "echo d >>scripts" };
      stage.service("svc", { run: recorder({ first: "echo $$ >>starts" }), ...noting });
      const { pid } = await superviseRecorder(stage, "svc");
      await stage.becomes(() => lines(stage, "svc/starts"), [`${pid}`]);
      stage.tell("svc", "k");
      await stage.becomes(() => lines(stage, "svc/scripts"), ["k"]);
      stage.tell("svc", "o");
      await stat(stage, "svc", "run, want down");
      if (stage.isOurs) {
        stage.tell("svc", "h");
        await signals(stage, "svc", "HUP");
        assert.equal(stage.status("svc").pid, pid);
        assert.deepEqual(lines(stage, "svc/scripts"), ["k"]);
        assert.deepEqual(lines(stage, "svc/starts"), [`${pid}`]);
        return;
      }
      await stage.becomes(() => lines(stage, "svc/scripts"), ["k", "d"]);
      await stage.becomes(() => lines(stage, "svc/signals").sort(), ["CONT", "TERM", "ready", "ready"]);
      const [first, second] = lines(stage, "svc/starts").map(Number);
      assert.equal(first, pid);
      assert.ok(stage.isLiving(pid));
      assert.equal(stage.status("svc").pid, second);
    },
    { differs: "runsv-kill-keeps-phase" },
  );

  story(113, "p whose control script succeeded sets the flag only", async (stage) => {
    stage.service("svc", { run: recorder(), "control/p": "echo p >>scripts" });
    const { pid } = await superviseRecorder(stage, "svc");
    stage.tell("svc", "p");
    await stat(stage, "svc", "run, paused");
    assert.deepEqual(lines(stage, "svc/scripts"), ["p"]);
    assert.notEqual(stage.state(pid), "T");
    stage.tell("svc", "h");
    await signals(stage, "svc", "HUP");
  });
});
