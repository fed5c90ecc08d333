// The rolling process title: spec/runsvdir.md, section 8.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { commandLine, movedClock, Notes, services, startNoted } from "./scenes.ts";

stories("runsvdir", (story) => {
  story(44, "a log argument that is too short", async (stage) => {
    services(stage, "svc", ["a"]);
    const { runsvdir } = await startNoted(stage, ["svc", "log: x"], ["a"]);
    const warnings =
      "runsvdir svc: warning: log must have at least seven characters.\n" +
      "runsvdir svc: warning: log service disabled.\n";
    await stage.until("it warns", () => runsvdir.err.length >= warnings.length);
    assert.equal(runsvdir.err, warnings);
    assert.deepEqual(commandLine(runsvdir.pid), ["runsvdir", "svc", "log: x"]);
  });

  story(45, "the shortest log argument shows two bytes", async (stage) => {
    const runsvdir = stage.start("runsvdir", ["svc", "1234567"]);
    await stage.until("the argument changes", () => commandLine(runsvdir.pid)[2] === "12345\n.");
    assert.deepEqual(commandLine(runsvdir.pid).slice(0, 2), ["runsvdir", "svc"]);
    assert.equal(runsvdir.err, "");
  });

  story(46, "a dot at the start, and one every 900 seconds", async (stage) => {
    services(stage, "svc", ["a"]);
    const clock = stage.isOurs ? {} : movedClock(stage);
    const { runsvdir } = await startNoted(stage, ["svc", "log: XXXXXXXXXX"], ["a"], { env: clock });
    await stage.until("the first dot is there", () => commandLine(runsvdir.pid)[2] === "log: XXXXXXXXX.");
    if (stage.isOurs) return;
    stage.file("seconds", "901");
    await stage.until("the second dot is there", () => commandLine(runsvdir.pid)[2] === "log: XXXXXXXX..");
  });
  story("46 later", "a dot every 900 seconds", () => {}, {
    only: "ours",
    skip: "ours: static binary, wall clock is not used; covered by test/unit",
  });

  story(47, "the log argument shows what the services wrote last", async (stage) => {
    services(stage, "svc", ["a"]);
    const notes = new Notes(stage, { path: `${stage.at("bin")}:${stage.env["PATH"]}` });
    stage.file(
      "bin/runsv",
      "#!/bin/sh\nread line <first\nprintf 'hello\\000wor\\nld' >&2\n" +
        "read line <second\nprintf 1234567890abcdefghijkl >&2\nexec sleep 1000\n",
    );
    await stage.sh("mkfifo svc/first svc/second");
    const runsvdir = stage.start("runsvdir", ["svc", `log: ${"X".repeat(20)}`], { env: notes.env });
    const shows = (text: string) =>
      stage.until(`the argument is ${JSON.stringify(text)}`, () => commandLine(runsvdir.pid)[2] === text);
    await shows(`log: ${"X".repeat(19)}.`);
    fs.writeFileSync(stage.at("svc/first"), "\n");
    await shows("log: XXXXXXXX.hellowor\nld");
    fs.writeFileSync(stage.at("svc/second"), "\n");
    await shows("log: 34567890abcdefghijkl");
    assert.deepEqual(commandLine(runsvdir.pid).slice(0, 2), ["runsvdir", "svc"]);
    assert.equal(runsvdir.err, "");
  });

  story(48, "words after the log argument are ignored and unchanged", async (stage) => {
    services(stage, "svc", ["a"]);
    const { runsvdir } = await startNoted(stage, ["-P", "svc", "log: XXXXX", "extra", "words"], ["a"]);
    await stage.until("the first dot is there", () => commandLine(runsvdir.pid)[3] === "log: XXXX.");
    assert.deepEqual(commandLine(runsvdir.pid), ["runsvdir", "-P", "svc", "log: XXXX.", "extra", "words"]);
  });

  story(49, "when runsvdir ends, who writes to its pipe is killed", async (stage) => {
    services(stage, "svc", ["a"]);
    stage.service("svc/a", { run: "(while sleep 0.1; do echo line >&2; done)\necho $? >ended\nexec sleep 1000" });
    const runsvdir = stage.start("runsvdir", ["svc", "log: XXXXXXXXXX"]);
    await stage.until("the lines are shown", () => commandLine(runsvdir.pid)[2]?.includes("line\n") === true);
    assert.equal(stage.peek("svc/a/ended"), "");
    runsvdir.kill("SIGTERM");
    assert.equal((await runsvdir.ended).code, 0);
    // 128 + SIGPIPE
    await stage.until("the writer is killed", () => stage.peek("svc/a/ended") === "141\n");
  });

  story(50, "the error output of a service is a pipe that does not block", async (stage) => {
    services(stage, "svc", ["a"]);
    stage.start("runsvdir", ["svc", "log: XXXXXXXXXX"]);
    const pid = await stage.running("svc/a");
    assert.match(fs.readlinkSync(`/proc/${pid}/fd/2`), /^pipe:/);
    const flags = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/fdinfo/2`, "latin1"))?.[1];
    const { O_WRONLY, O_RDWR, O_NONBLOCK } = fs.constants;
    assert.equal(Number.parseInt(flags ?? "", 8) & (O_WRONLY | O_RDWR | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
  });
});
