// What is written below supervise/, when, and with which modes (runsv.md section 4).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { shell, stories } from "../stage.ts";
import { facts, recorder, signals, sleeper, stat, superviseRecorder } from "./scripts.ts";

const files = ["pid", "stat", "status"] as const;
const isFifo = (file: string) => fs.statSync(file).isFIFO();

stories("runsv", (story) => {
  story(5, "a running service has its state in seven files", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = await stage.supervise("svc", { via: shell("umask 022") });
    const pid = await stage.running("svc");
    await stat(stage, "svc", "run");

    assert.equal(stage.mode("svc/supervise"), 0o700);
    for (const name of ["control", "ok"]) {
      assert.ok(isFifo(stage.at("svc/supervise", name)), name);
      assert.equal(stage.mode(`svc/supervise/${name}`), 0o600, name);
    }
    assert.equal(stage.mode("svc/supervise/lock"), 0o600);
    assert.equal(stage.read("svc/supervise/lock"), "");
    for (const name of files) assert.equal(stage.mode(`svc/supervise/${name}`), 0o644, name);
    assert.equal(stage.read("svc/supervise/stat"), "run\n");
    assert.equal(stage.read("svc/supervise/pid"), `${pid}\n`);
    assert.deepEqual(facts(stage.status("svc")), { pid, paused: 0, want: "u", term: 0, phase: 1 });

    // Beside the files of the original there may be one of our own, from which a living service is adopted.
    const names = fs.readdirSync(stage.at("svc/supervise")).filter((name) => !(stage.isOurs && name === "child"));
    assert.deepEqual(names.sort(), ["control", "lock", "ok", "pid", "stat", "status"]);
    assert.equal(runsv.err, "");
    assert.equal(runsv.out, "");
  });

  story(6, "the umask applies", async (stage) => {
    stage.service("svc", { run: sleeper });
    await stage.supervise("svc", { via: shell("umask 027") });
    await stage.running("svc");
    for (const name of files) assert.equal(stage.mode(`svc/supervise/${name}`), 0o640, name);
    for (const name of ["control", "ok", "lock"]) assert.equal(stage.mode(`svc/supervise/${name}`), 0o600, name);
    assert.equal(stage.mode("svc/supervise"), 0o700);
  });

  story(7, "status begins with the time of the start", async (stage) => {
    stage.service("svc", { run: sleeper });
    const before = Math.floor(Date.now() / 1000);
    await stage.supervise("svc");
    const pid = await stage.running("svc");
    const after = Math.floor(Date.now() / 1000);

    const bytes = fs.readFileSync(stage.at("svc/supervise/status"));
    assert.equal(bytes.length, 20);
    const seconds = bytes.readBigUInt64BE(0) - 4611686018427387914n;
    assert.ok(seconds >= BigInt(before) && seconds <= BigInt(after), `${before} <= ${seconds} <= ${after}`);
    assert.equal(bytes.readUInt32BE(8) % 1000, 500);
    assert.ok(bytes.readUInt32BE(8) < 1e9);
    assert.equal(bytes.readUInt32LE(12), pid);
    assert.equal(bytes.subarray(16).toString("hex"), "00750001");
  });

  story(8, "existing directories, locks and fifos keep their modes", async (stage) => {
    stage.service("svc", { run: sleeper });
    fs.mkdirSync(stage.at("svc/supervise"));
    fs.chmodSync(stage.at("svc/supervise"), 0o751);
    stage.fifo("svc/supervise/control", 0o666);
    stage.fifo("svc/supervise/ok", 0o666);
    stage.file("svc/supervise/lock", "", 0o640);

    await stage.supervise("svc");
    await stage.running("svc");
    assert.equal(stage.mode("svc/supervise"), 0o751);
    assert.equal(stage.mode("svc/supervise/control"), 0o666);
    assert.equal(stage.mode("svc/supervise/ok"), 0o666);
    assert.equal(stage.mode("svc/supervise/lock"), 0o640);
  });

  story(9, "a left-over pid is replaced, a left-over stat.new is used", async (stage) => {
    stage.service("svc", { run: sleeper, down: "" });
    stage.file("svc/supervise/pid", "999", 0o600);
    stage.file("svc/supervise/stat.new", "something longer than what will be written", 0o600);

    await stage.supervise("svc", { via: shell("umask 022") });
    assert.equal(stage.read("svc/supervise/pid"), "");
    assert.equal(stage.mode("svc/supervise/pid"), 0o644);
    assert.equal(stage.read("svc/supervise/stat"), "down\n");
    assert.equal(stage.mode("svc/supervise/stat"), 0o600);
    assert.ok(!stage.exists("svc/supervise/stat.new"));
  });

  story(105, "the service directory may be renamed while it is supervised", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = await stage.supervise("svc");
    const pid = await stage.running("svc");
    fs.renameSync(stage.at("svc"), stage.at("moved"));

    stage.tell("moved", "k");
    await stage.until("another process runs", () => {
      const status = stage.status("moved");
      return status.phase === 1 && status.pid !== pid;
    });
    assert.ok(!stage.isLiving(pid));
    assert.ok(!stage.exists("svc"));
    assert.equal(runsv.err, "");
  });

  story(109, "commands replace stat and status, only another process replaces pid", async (stage) => {
    stage.service("svc", { run: recorder() });
    const { pid } = await superviseRecorder(stage, "svc");
    await stat(stage, "svc", "run");
    const versions = () => files.map((name) => stage.version(`svc/supervise/${name}`));

    let before = versions();
    const isReplaced = async (what: string) => {
      await stage.until(`stat and status are replaced after ${what}`, () => {
        const [, statNow, statusNow] = versions();
        return statNow !== before[1] && statusNow !== before[2];
      });
    };
    for (const byte of ["u", "p", "c", "t", "o", "u"]) {
      stage.tell("svc", byte);
      await isReplaced(byte);
      if (byte === "c") await signals(stage, "svc", "CONT");
      if (byte === "t") await stat(stage, "svc", "run, got TERM");
      const after = versions();
      assert.equal(after[0], before[0], `pid is left alone by ${byte}`);
      before = after;
    }

    stage.tell("svc", "k");
    await isReplaced("k");
    await stage.until("another process runs", () => {
      const status = stage.status("svc");
      return status.phase === 1 && status.pid !== pid;
    });
    assert.notEqual(versions()[0], before[0]);
  });
});
