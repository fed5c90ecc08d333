// The check script: spec/sv.md, section 9.1.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { agedService, assertSays, assertSaysOf, sleeper, unmoved } from "./scenes.ts";

const running = "ok: run: a: (pid N) Ns\n";
const late = "timeout: run: a: (pid N) Ns\n";
const recording = `
pwd >cwd
echo "$0 $#" >arguments
if [ -e /proc/$$/fd/1 ]; then echo open >one; else echo closed >one; fi
readlink /proc/$$/fd/3 >three
echo run >>runs
if (echo printed) 2>/dev/null; then echo yes >prints; else echo no >prints; fi
exit 0`;

stories("sv", (story) => {
  story(
    81,
    "the check script runs in the service directory",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper, check: recording });
      const elsewhere = fs.mkdtempSync(stage.at("elsewhere-"));
      const outcome = await stage.run("sv", ["start", "a"], { cwd: elsewhere });
      // The original closes the output of the script, and leaks the directory it was started in.
      assertSays(outcome, running, 0, stage.isOurs ? "printed\n" : "");
      assert.equal(stage.read("a/cwd"), `${stage.at("a")}\n`);
      assert.equal(stage.read("a/arguments"), "check 0\n");
      assert.equal(stage.read("a/one"), stage.isOurs ? "open\n" : "closed\n");
      assert.equal(stage.read("a/three"), stage.isOurs ? "" : `${elsewhere}\n`);
      assert.equal(stage.read("a/prints"), stage.isOurs ? "yes\n" : "no\n");
    },
    { differs: "sv-check-output" },
  );

  story(
    82,
    "restart asks the check script",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper, check: recording });
      const outcome = await stage.run("sv", ["restart", "a"]);
      assertSaysOf(stage.status("a").pid, { ...outcome, err: "" }, running);
      const runs = stage.peek("a/runs").split("\n").length - 1;
      // The original asks it for `t` and for `u`.
      if (stage.isOurs) assert.ok(runs >= 1);
      else assert.equal(runs, 2);
    },
    { differs: "sv-check-output" },
  );

  story(83, "a check script that disagrees keeps it waiting", async (stage) => {
    await Promise.all(
      ["start", "check", "restart", "try-restart", "t"].map(async (word) => {
        await agedService(stage, word, { run: sleeper, check: "exit 1" });
        const outcome = await stage.run("sv", ["-w", "1", word, word]);
        assertSaysOf(stage.status(word).pid, outcome, late.replace(" a:", ` ${word}:`), 1);
      }),
    );
  });

  story(84, "the check script is not asked where nothing has to run", async (stage) => {
    await agedService(stage, "a", { run: unmoved, check: "exit 1" });
    assertSays(await stage.run("sv", ["-w", "1", "reload", "a"]), running);
    assertSays(await stage.run("sv", ["-w", "1", "once", "a"]), "ok: run: a: (pid N) Ns, want down\n");
    assertSays(await stage.run("sv", ["-w", "1", "down", "a"]), "ok: down: a: Ns, normally up\n");
  });

  story(85, "a check script that cannot be run agrees, with a warning", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    const warning = (reason: string) => `warning: unable to run a/check: ${reason}\n`;
    stage.file("a/check", "#!/bin/sh\nexit 1\n", 0o644);
    assertSays(await stage.run("sv", ["start", "a"]), running, 0, warning("access denied"));
    stage.file("a/check", "exit 1\n", 0o755);
    assertSays(await stage.run("sv", ["start", "a"]), running, 0, warning("exec format error"));
    fs.unlinkSync(stage.at("a/check"));
    fs.mkdirSync(stage.at("a/check"));
    assertSays(await stage.run("sv", ["start", "a"]), running, 0, warning("access denied"));
  });

  story(
    86,
    "a check script that was killed",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper, check: "kill -KILL $$" });
      const outcome = await stage.run("sv", ["-w", "1", "start", "a"]);
      if (stage.isOurs) assertSays(outcome, late, 1);
      else assertSays(outcome, running);
    },
    { differs: "sv-check-killed" },
  );

  story(
    87,
    "a check script that takes longer than the wait",
    async (stage) => {
      await Promise.all([
        agedService(stage, "agrees/a", { run: sleeper, check: "exec sleep 3" }),
        agedService(stage, "disagrees/a", { run: sleeper, check: "sleep 3\nexit 1" }),
      ]);
      const [agrees, disagrees] = await Promise.all(
        ["agrees", "disagrees"].map((name) =>
          stage.run("sv", ["-w", "1", "start", "a"], { env: { SVDIR: stage.at(name) } }),
        ),
      );
      assert.ok(agrees && disagrees);
      assertSays(disagrees, late, 1);
      if (stage.isOurs) {
        assertSays(agrees, late, 1);
        assert.ok(agrees.milliseconds >= 900 && disagrees.milliseconds >= 900);
        // With its "./": under an emulator a process also shows the path of its program, and any checkout may have "check" in it.
        await stage.until("the check scripts are gone", () => stage.processes("./check").length === 0);
      } else {
        assertSays(agrees, running);
        assert.ok(agrees.milliseconds >= 2900, `${agrees.milliseconds} ms`);
        assert.ok(disagrees.milliseconds >= 6700, `${disagrees.milliseconds} ms`);
      }
    },
    { differs: "sv-check-output" },
  );

  story(
    88,
    "a check script that cannot be examined disagrees, with warnings",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      fs.symlinkSync("check", stage.at("a/check"));
      const outcome = await stage.run("sv", ["-w", "1", "start", "a"]);
      const lines = outcome.err.split("\n");
      assertSays({ ...outcome, err: "" }, late, 1);
      assert.equal(lines.pop(), "");
      // The original looks four times, unless the machine is slow.
      assert.ok(lines.length >= (stage.isOurs ? 1 : 2), outcome.err);
      for (const line of lines) assert.equal(line, "warning: unable to stat a/check: symbolic link loop");
    },
    { differs: "sv-check-output" },
  );
});
