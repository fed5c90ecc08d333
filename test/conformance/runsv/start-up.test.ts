// The command line, locks, and what runsv makes of the files it finds when it starts (runsv.md sections 1 to 3).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Running, Stage } from "../stage.ts";
import { missing, stories } from "../stage.ts";
import { essence, exits, lines, now, refuses, says, since, sleeper } from "./scripts.ts";

const alreadyLocked = "unable to lock supervise/lock: temporary failure";

/** Starts a shell command that says "held" when it holds what it is to hold. */
async function holder(stage: Stage, command: string): Promise<Running> {
  const running = stage.start("/bin/sh", ["-c", command]);
  await stage.until("the lock is held", () => running.out.includes("held"));
  return running;
}

stories("runsv", (story) => {
  story(1, "anything but one argument is a usage error", async (stage) => {
    for (const args of [[], ["a", "b"], ["a", "b", "c"]]) {
      const { out, err, code } = await stage.end(stage.start("runsv", args, { argv0: "./some/runsv" }));
      assert.deepEqual({ out, err, code }, { out: "", err: "usage: ./some/runsv dir\n\n", code: 1 });
    }
  });

  story(2, "an empty argument is a directory that does not exist", (stage) =>
    refuses(stage, "", "unable to change to directory: file does not exist"),
  );

  story(3, "there are no options", async (stage) => {
    for (const name of ["-V", "-h", "--"]) {
      await refuses(stage, name, "unable to change to directory: file does not exist");
    }
  });

  story(4, "a missing directory and a plain file are refused", async (stage) => {
    await refuses(stage, "nope", "unable to change to directory: file does not exist");
    stage.file("plain", "");
    await refuses(stage, "plain", "unable to change to directory: not a directory");
  });

  story(10, "a second runsv on the same directory is refused", async (stage) => {
    stage.service("svc", { run: sleeper });
    const first = await stage.supervise("svc");
    const pid = await stage.running("svc");
    const before = stage.version("svc/supervise/status");
    fs.symlinkSync("svc", stage.at("link"));

    await refuses(stage, "svc", alreadyLocked);
    await refuses(stage, "link", alreadyLocked);
    await refuses(stage, "./svc/", alreadyLocked);

    assert.equal(stage.version("svc/supervise/status"), before);
    assert.ok(stage.isLiving(pid));
    assert.ok(first.isAlive);
    assert.equal(first.err, "");
  });

  story(
    11,
    "somebody else's shared flock on the lock is a refusal",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      fs.mkdirSync(stage.at("svc/supervise"));
      await holder(stage, "exec flock -s svc/supervise/lock sh -c 'echo held; exec sleep 1000'");
      await refuses(stage, "svc", alreadyLocked);
    },
    { skip: missing("flock") },
  );

  story(
    12,
    "a POSIX record lock does not matter",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      fs.mkdirSync(stage.at("svc/supervise"));
      stage.file(
        "hold.py",
        [
          "import fcntl, time",
          "lock = open('svc/supervise/lock', 'w')",
          "fcntl.lockf(lock, fcntl.LOCK_EX)",
          "print('held', flush=True)",
          "time.sleep(1000)",
        ].join("\n"),
      );
      await holder(stage, "exec python3 hold.py");
      await stage.supervise("svc");
      await stage.running("svc");
    },
    { skip: missing("python3") },
  );

  story(
    13,
    "a locked log directory is waited for",
    async (stage) => {
      stage.service("svc", { run: sleeper, finish: 'echo "$*" >>ends', "log/run": "exec cat" });
      fs.mkdirSync(stage.at("svc/log/supervise"));
      const other = await holder(stage, "exec flock svc/log/supervise/lock sh -c 'echo held; exec sleep 1000'");
      const files = () => [fs.readdirSync(stage.at("svc/supervise")), fs.readdirSync(stage.at("svc/log/supervise"))];

      const runsv = stage.start("runsv", ["svc"]);
      await stage.until("runsv has its own lock", () => stage.exists("svc/supervise/lock"));
      await stage.span(400);
      assert.ok(runsv.isAlive);
      assert.deepEqual(files(), [["lock"], ["lock"]]);

      runsv.kill("SIGTERM");
      if (stage.isOurs) {
        await exits(stage, runsv);
        assert.deepEqual(files(), [["lock"], ["lock"]]);
        return;
      }
      await stage.span(400);
      assert.ok(runsv.isAlive);
      assert.deepEqual(files(), [["lock"], ["lock"]]);

      for (const pid of [other.pid, ...stage.processes("sleep 1000")]) process.kill(pid, "SIGKILL");
      await exits(stage, runsv);
      assert.deepEqual(lines(stage, "svc/ends"), ["-1 15"]);
      assert.deepEqual(essence(stage.status("svc")), { pid: 0, want: "d", phase: 0 });
      assert.deepEqual(essence(stage.status("svc/log")), { pid: 0, want: "d", phase: 0 });
    },
    { differs: "runsv-log-lock-can-be-stopped", skip: missing("flock") },
  );

  story(14, "a dangling supervise link gets its directory, beside the run script", async (stage) => {
    stage.service("svc", { run: sleeper });
    fs.symlinkSync("sup2", stage.at("svc/supervise"));
    await stage.supervise("svc");
    await stage.running("svc");
    assert.ok(fs.lstatSync(stage.at("svc/sup2")).isDirectory());
    assert.equal(stage.mode("svc/sup2"), 0o700);
    assert.ok(stage.exists("svc/sup2/status"));
  });

  story(15, "a supervise link may be absolute", async (stage) => {
    stage.service("svc", { run: sleeper });
    fs.mkdirSync(stage.at("elsewhere"));
    fs.symlinkSync(stage.at("elsewhere/svc"), stage.at("svc/supervise"));
    await stage.supervise("svc");
    await stage.running("svc");
    assert.equal(stage.mode("elsewhere/svc"), 0o700);
    assert.ok(stage.exists("elsewhere/svc/status"));
  });

  story(
    16,
    "only the last component of a supervise link is made",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      fs.symlinkSync(stage.at("elsewhere/svc"), stage.at("svc/supervise"));
      const clearer = `unable to create state directory ${stage.at("elsewhere/svc")}: file does not exist`;
      await refuses(stage, "svc", stage.isOurs ? clearer : "unable to open supervise/lock: file does not exist");
      assert.ok(!stage.exists("elsewhere"));
    },
    { differs: "runsv-state-apart" },
  );

  story(17, "a supervise link of up to 255 bytes works", async (stage) => {
    const nameTooLong = "unable to readlink ./supervise: name too long";
    for (const length of [255, 256, 300]) {
      const name = `svc${length}`;
      stage.service(name, { run: sleeper });
      fs.symlinkSync(`${"./".repeat(50)}${"s".repeat(length - 100)}`, stage.at(name, "supervise"));
      if (length > 255) {
        await refuses(stage, name, nameTooLong);
        continue;
      }
      await stage.supervise(name);
      await stage.running(name);
      assert.ok(stage.exists(`${name}/${"s".repeat(length - 100)}/status`));
    }
  });

  story(18, "a plain file named supervise is refused", async (stage) => {
    stage.service("svc", { run: sleeper, supervise: "" });
    await refuses(stage, "svc", "unable to open supervise/lock: not a directory");
  });

  story(19, "a link log/supervise is relative to log", async (stage) => {
    stage.service("svc", { run: sleeper, "log/run": "exec cat" });
    fs.symlinkSync("sup3", stage.at("svc/log/supervise"));
    await stage.supervise("svc");
    await stage.running("svc");
    await stage.running("svc/log");
    assert.equal(stage.mode("svc/log/sup3"), 0o700);
    assert.ok(!stage.exists("svc/sup3"));
  });

  story(20, "log/supervise is refused for the same reasons as supervise", async (stage) => {
    stage.service("long", { run: sleeper, "log/run": "exec cat" });
    fs.symlinkSync(`${"./".repeat(50)}${"s".repeat(156)}`, stage.at("long/log/supervise"));
    await refuses(stage, "long", "unable to readlink ./log/supervise: name too long");

    stage.service("plain", { run: sleeper, "log/run": "exec cat", "log/supervise": "" });
    await refuses(stage, "plain", "unable to open log/supervise/lock: not a directory");
  });

  story(21, "supervise/control has to be a fifo", async (stage) => {
    stage.service("plain", { run: sleeper, "supervise/control": "" });
    await refuses(stage, "plain", "supervise/control exists but is not a fifo");
    stage.service("directory", { run: sleeper });
    fs.mkdirSync(stage.at("directory/supervise/control"), { recursive: true });
    await refuses(stage, "directory", "supervise/control exists but is not a fifo");
  });

  // A bug up to runit 2.2.0, which makes the reference spin; 2.3.0 is what we follow.
  story(22, "log/supervise/control has to be a fifo (2.3.0)", async (stage) => {
    stage.service("svc", { run: sleeper, "log/run": "exec cat", "log/supervise/control": "" });
    if (stage.isOurs) return refuses(stage, "svc", "log/supervise/control exists but is not a fifo");
    const runsv = await stage.supervise("svc");
    await stage.running("svc");
    await stage.running("svc/log");
    assert.ok(runsv.isAlive);
  });

  story(23, "supervise/ok is opened, whatever it is", async (stage) => {
    stage.service("plain", { run: sleeper, "supervise/ok": "" });
    const runsv = stage.start("runsv", ["plain"]);
    await stage.running("plain");
    assert.ok(runsv.isAlive);
    assert.equal(runsv.err, "");

    stage.service("dangling", { run: sleeper });
    fs.mkdirSync(stage.at("dangling/supervise"));
    fs.symlinkSync("nowhere", stage.at("dangling/supervise/ok"));
    await refuses(stage, "dangling", "unable to read supervise/ok: file does not exist");
  });

  story(24, "a directory named supervise/lock is refused", async (stage) => {
    stage.service("svc", { run: sleeper });
    fs.mkdirSync(stage.at("svc/supervise/lock"), { recursive: true });
    await refuses(stage, "svc", "unable to open supervise/lock: is a directory");
  });

  story(27, "a log that is no directory means no log service", async (stage) => {
    stage.service("plain", { run: sleeper, log: "" });
    stage.service("loop", { run: sleeper });
    fs.symlinkSync("log", stage.at("loop/log"));
    stage.service("dangling", { run: sleeper });
    fs.symlinkSync("nowhere", stage.at("dangling/log"));
    const warnings: [string, string[]][] = [
      ["plain", ["warning: ./log: not a directory."]],
      ["loop", ["warning: unable to stat() ./log: : symbolic link loop"]],
      ["dangling", []],
    ];
    for (const [name, messages] of warnings) {
      const runsv = await stage.supervise(name);
      const pid = await stage.running(name);
      await says(stage, runsv, name, ...messages);
      assert.equal(stage.descriptor(pid, 1), stage.descriptor(runsv.pid, 1));
    }
    assert.ok(!stage.exists("nowhere") && !stage.exists("dangling/nowhere"));
  });

  story(28, "log may be a link to a directory elsewhere", async (stage) => {
    stage.service("svc", { run: sleeper });
    stage.file("elsewhere/run", "#!/bin/sh\nexec cat\n");
    fs.symlinkSync("../elsewhere", stage.at("svc/log"));
    await stage.supervise("svc");
    const pid = await stage.running("svc/log");
    assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), stage.at("elsewhere"));
    assert.ok(stage.exists("elsewhere/supervise/status"));
  });

  story(29, "anything named down keeps the service down, but for a dangling link", async (stage) => {
    stage.service("plain", { run: "echo >>starts\nexec sleep 1000", down: "" });
    stage.service("directory", { run: "echo >>starts\nexec sleep 1000", "down/file": "" });
    stage.service("dangling", { run: sleeper });
    fs.symlinkSync("nowhere", stage.at("dangling/down"));
    const before = now();
    for (const name of ["plain", "directory", "dangling"]) await stage.supervise(name);

    await stage.running("dangling");
    for (const name of ["plain", "directory"]) {
      assert.deepEqual(essence(stage.status(name)), { pid: 0, want: "d", phase: 0 });
      assert.equal(stage.stat(name), "down");
      assert.ok(since(stage.status(name)) >= before - 0.01);
      stage.tell(name, "p"); // acted on after the place in the loop where ./run would have been started
      await stage.becomes(() => stage.stat(name), "down, paused");
      assert.ok(!stage.exists(`${name}/starts`));
      stage.tell(name, "u");
      await stage.running(name);
    }
  });
});
