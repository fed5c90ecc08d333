// What a started process gets from runsv: directory, arguments, environment, descriptors, signals (section 12).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import { lines, signalBit, sleeper } from "./scripts.ts";

// The shell has its own script open and adds PWD: what it was started with is read before, the rest once it is sleep.
const shows = 'echo "$0 $#" >args\ncat /proc/$$/environ >environ\nexec sleep 1000';

/** Awaits that the process is sleep, and done with loading its libraries, for which it opens files. */
function isAsleep(stage: Stage, pid: number): Promise<void> {
  const isSleep = () => fs.readFileSync(`/proc/${pid}/comm`, "latin1") === "sleep\n";
  return stage.until("sleep sleeps", () => isSleep() && stage.state(pid) === "S");
}

stories("runsv", (story) => {
  story(35, "a run script gets what runsv got, and the service directory", async (stage) => {
    stage.service("svc", { run: shows });
    const opens = shell("exec 9</dev/null");
    const environment = ["A=1", "B=two words", `STAGE=${stage.mark}`];
    await stage.supervise("svc", { via: [...opens, "env", "-i", ...environment] });
    const pid = await stage.running("svc");
    await isAsleep(stage, pid);

    assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), stage.at("svc"));
    assert.deepEqual(lines(stage, "svc/args"), ["./run 0"]);
    assert.deepEqual(stage.read("svc/environ").split("\0").filter(Boolean).sort(), environment.sort());

    // The same descriptors as without runsv in between: 0, 1, 2, 9, and what the caller of the tests may have left.
    const plain = stage.start("/bin/sleep", ["1000"], { via: opens });
    await isAsleep(stage, plain.pid);
    const descriptors = stage.descriptors(pid);
    assert.deepEqual(descriptors, stage.descriptors(plain.pid));
    for (const number of [0, 1, 2, 9]) assert.ok(descriptors.includes(number), `descriptor ${number}`);
    assert.equal(stage.descriptor(pid, 9), "/dev/null");

    assert.equal(stage.signals(pid, "SigBlk"), 0n);
    assert.equal(stage.signals(pid, "SigIgn"), 0n);
  });

  story(36, "only TERM and CHLD are reset", async (stage) => {
    stage.service("svc", { run: "#!/usr/bin/tail -f\n" }); // shells change their mask
    const blocks = ["INT", "TERM", "CHLD"].map((name) => `--block-signal=${name}`);
    await stage.supervise("svc", { via: ["env", ...blocks, "--ignore-signal=HUP"] });
    const pid = await stage.running("svc");
    await stage.until("tail is there", () => fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("tail"));
    assert.equal(stage.signals(pid, "SigBlk"), signalBit(2));
    assert.equal(stage.signals(pid, "SigIgn"), signalBit(1));
  });

  story(37, "the service writes into the pipe its log service reads", async (stage) => {
    stage.service("svc", { run: sleeper, "log/run": sleeper });
    const runsv = await stage.supervise("svc");
    const main = await stage.running("svc");
    const log = await stage.running("svc/log");

    const pipe = stage.descriptor(main, 1);
    assert.match(pipe, /^pipe:/);
    assert.notEqual(pipe, stage.descriptor(runsv.pid, 1));
    assert.equal(stage.descriptor(log, 0), pipe);
    for (const number of [1, 2]) assert.equal(stage.descriptor(log, number), stage.descriptor(runsv.pid, number));
    assert.equal(stage.descriptor(main, 2), stage.descriptor(runsv.pid, 2));
    assert.equal(stage.descriptor(main, 0), stage.descriptor(runsv.pid, 0));
    // Both ends stay open in runsv, so that either side may be restarted.
    const ends = stage.descriptors(runsv.pid).filter((number) => stage.descriptor(runsv.pid, number) === pipe);
    assert.equal(ends.length, 2);
  });

  story(107, "runsv works without standard input and output, and its service has none either", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = stage.start("runsv", ["svc"], { via: shell("exec <&- >&-") });
    const pid = await stage.running("svc");
    await isAsleep(stage, pid);
    assert.deepEqual(
      [0, 1].map((number) => stage.descriptor(pid, number)),
      ["", ""],
    );
    assert.notEqual(stage.descriptor(pid, 2), "");
    assert.equal(stage.status("svc").want, "u");
    assert.ok(runsv.isAlive);
    assert.equal(runsv.err, "");
  });
});
