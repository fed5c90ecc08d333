// sv as an init script: spec/sv.md, sections 1 and 11.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import {
  abandonedService,
  agedService,
  assertSays,
  downService,
  HandMade,
  runAs,
  sleeper,
  sleeping,
  stubborn,
  usage,
} from "./scenes.ts";

const ownUsage = "usage: a [-w sec] command\n\n";

stories("sv", (story) => {
  story(100, "status of the service with its name, as exit code", async (stage) => {
    await agedService(stage, "a", { run: sleeper, finish: "test ! -e lasting || exec sleep 1000" });
    assertSays(await runAs(stage, "a", ["status"]), "run: a: (pid N) Ns\n");
    stage.tell("a", "d");
    await stage.until("a is down", () => stage.status("a").phase === 0);
    assertSays(await runAs(stage, "a", ["status"]), "down: a: Ns, normally up\n", 3);
    stage.file("a/lasting", "");
    stage.tell("a", "u");
    await sleeping(stage, "a");
    stage.tell("a", "t");
    await stage.until("a is in finish", () => stage.status("a").phase === 2 && stage.status("a").pid !== 0);
    assertSays(await runAs(stage, "a", ["status"]), "finish: a: (pid N) Ns\n");
  });

  story(101, "wrong usage", async (stage) => {
    for (const args of [[], ["bogus"], ["s"], ["stat"], ["statusx"], ["r"]]) {
      assertSays(await runAs(stage, "a", args), "", 2, ownUsage);
    }
    assertSays(await runAs(stage, "a", ["-x"]), "", 2, `a: illegal option -- x\n${ownUsage}`);
  });

  story(102, "a service that is missing", async (stage) => {
    for (const word of ["status", "start", "exit"]) {
      assertSays(
        await runAs(stage, "a", [word]),
        "fail: a: unable to change to service directory: file does not exist\n",
        1,
      );
    }
  });

  story(103, "a service that never had a runsv", async (stage) => {
    stage.service("a", { run: sleeper });
    const warning = "warning: a: unable to open supervise/ok: file does not exist\n";
    assertSays(await runAs(stage, "a", ["status"]), warning, 4);
    assertSays(await runAs(stage, "a", ["start"]), warning, 1);
  });

  story(104, "a service whose runsv is gone", async (stage) => {
    await abandonedService(stage, "a");
    for (const word of ["status", "start"]) {
      assertSays(await runAs(stage, "a", [word]), "fail: a: runsv not running\n", 1);
    }
    for (const word of ["exit", "shutdown"]) {
      assertSays(await runAs(stage, "a", [word]), "ok: a: runsv not running\n");
    }
  });

  story(105, "a status that is short or missing", async (stage) => {
    new HandMade(stage, "a", new Uint8Array(3));
    assertSays(await runAs(stage, "a", ["status"]), "warning: a: unable to read supervise/status: bad format\n", 4);
    fs.unlinkSync(stage.at("a/supervise/status"));
    assertSays(
      await runAs(stage, "a", ["status"]),
      "warning: a: unable to open supervise/status: file does not exist\n",
      4,
    );
  });

  story(106, "a down file that cannot be examined", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    fs.symlinkSync("down", stage.at("a/down"));
    assertSays(await runAs(stage, "a", ["status"]), "\n", 4, "warning: unable to stat a/down: symbolic link loop\n");
  });

  story(107, "the exit code is that of the main service", async (stage) => {
    await downService(stage, "a", { run: sleeper, "log/run": sleeper });
    await sleeping(stage, "a/log");
    // Before 2.3.0 the log service decided.
    assertSays(
      await runAs(stage, "a", ["status"]),
      "down: a: Ns, normally up; run: log: (pid N) Ns\n",
      stage.isOurs ? 3 : 0,
    );
    await agedService(stage, "b", { run: sleeper, "log/run": sleeper, "log/down": "" });
    assertSays(await runAs(stage, "b", ["status"]), "run: b: (pid N) Ns; down: log: Ns\n", stage.isOurs ? 0 : 3);
  });

  story(
    108,
    "a log directory without a supervise directory is no error",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      stage.service("a/log", { run: sleeper });
      const warning = "run: a: (pid N) Ns; warning: a/log: unable to open supervise/ok: file does not exist\n";
      assertSays(await runAs(stage, "a", ["status"]), stage.isOurs ? warning : `${warning}run: log: (pid N) Ns\n`);
    },
    { differs: "sv-log-line" },
  );

  story(109, "a stubborn service", async (stage) => {
    await agedService(stage, "a", { run: stubborn });
    const line = "run: a: (pid N) Ns, want down, got TERM\n";
    assertSays(await runAs(stage, "a", ["-w", "1", "stop"]), `timeout: ${line}`, 1);
    assertSays(await runAs(stage, "a", ["-w", "1", "force-stop"]), `kill: ${line}`, 1);
    await stage.until("a is down", () => stage.status("a").phase === 0 && stage.status("a").pid === 0);
  });

  story(110, "further words are ignored", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    assertSays(await runAs(stage, "a", ["status", "extra", "args"]), "run: a: (pid N) Ns\n");
  });

  story(111, "only the last part of its own name counts", async (stage) => {
    await Promise.all(["svx", "S20a"].map((name) => agedService(stage, name, { run: sleeper })));
    const asSv = { argv0: "/usr/bin/sv" };
    assertSays(await stage.run("sv", ["up"], asSv), "", 100, usage);
    if (!stage.isOurs) assertSays(await stage.run("sv", ["status"], asSv), "", 100, usage);
    assertSays(await stage.run("sv", ["status", "svx"], asSv), "run: svx: (pid N) Ns\n");
    for (const name of ["svx", "S20a"]) {
      const outcome = await runAs(stage, name, ["status"]);
      assertSays(outcome, `run: ${name}: (pid N) Ns\n`);
      assert.ok(outcome.out.includes(`(pid ${stage.status(name).pid})`));
    }
  });
});
