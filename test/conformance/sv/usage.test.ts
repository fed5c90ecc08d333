// sv's options and wrong usage: spec/sv.md, sections 1 and 2.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { agedService, assertSays, assertSaysOf, nobody, runAs, sleeper, usage } from "./scenes.ts";

stories("sv", (story) => {
  story(
    1,
    "without a command or a service prints its usage",
    async (stage) => {
      const wordsThatDoNotSuffice = [[], ["-v"], ["-w", "5"], ["up"]];
      // Ours shows all services instead.
      if (!stage.isOurs) wordsThatDoNotSuffice.push(["status"]);
      for (const args of wordsThatDoNotSuffice) assertSays(await stage.run("sv", args), "", 100, usage);
    },
    { differs: "sv-status-of-all" },
  );

  story(2, "wants a value for -w", async (stage) => {
    assertSays(await stage.run("sv", ["-w"]), "", 100, `sv: option requires an argument -- w\n${usage}`);
  });

  story(3, "complains about an unknown option", async (stage) => {
    assertSays(await stage.run("sv", ["-q", "status", "a"]), "", 100, `sv: illegal option -- q\n${usage}`);
    assertSays(await stage.run("sv", ["-x"]), "", 100, `sv: illegal option -- x\n${usage}`);
  });

  story(4, "prints its version for -V, then its usage", async (stage) => {
    const { out, err, code } = await stage.run("sv", ["-V"]);
    assert.equal(out, "");
    assert.match(err, /^\$Id: [^\n]* \$\nusage: /);
    assert.ok(err.endsWith(`$\n${usage}`), err);
    assert.equal(code, 100);
  });

  story(5, "does not know every word", async (stage) => {
    for (const word of ["bogus", "r", "reboot", "f", "force", "g", "", "-"]) {
      assertSays(await stage.run("sv", [word, "a"]), "", 100, usage);
    }
  });

  story(6, "takes its options in every arrangement, and swallows words that begin with --", async (stage) => {
    const missing = "fail: x: unable to change to service directory: file does not exist\n";
    for (const words of ["-- status x", "--foo status x", "-vw 1 status x", "-w1 -v status x", "-vw1 status x"]) {
      assertSays(await stage.run("sv", words.split(" ")), missing, 1);
    }
  });

  story(7, "says its usage to --help", async (stage) => {
    const { err, code } = await stage.run("sv", ["--help"]);
    assert.deepEqual([err, code], [usage, 100]);
  });

  story(8, "takes options after the command as names of services", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    assertSays(
      await stage.run("sv", ["status", "-v", "a"]),
      "fail: -v: unable to change to service directory: file does not exist\nrun: a: (pid N) Ns\n",
      1,
    );
  });

  story(9, "fails when the current directory cannot be read", async (stage) => {
    const unreadable = stage.at("unreadable");
    fs.mkdirSync(unreadable);
    fs.chownSync(unreadable, nobody.uid, nobody.gid);
    fs.chmodSync(unreadable, 0o300);
    const there = { cwd: unreadable, ...nobody };
    const complaint = "fatal: unable to open current directory: access denied\n";
    assertSays(await stage.run("sv", ["status", "a"], there), "", 100, complaint);
    assertSays(await runAs(stage, "a", ["status"], there), "", 151, complaint);
  });

  story(
    "A1",
    "status and list without a service show every service, sorted by name",
    async (stage) => {
      const names = ["c", "a", "b"];
      const pids = new Map<string, number>();
      await Promise.all(
        names.map(async (name) => {
          await agedService(stage, `services/${name}`, { run: sleeper });
          pids.set(name, stage.status(`services/${name}`).pid);
        }),
      );
      stage.service("services/.hidden", { run: sleeper });
      stage.file("services/README", "no service");
      for (const word of ["status", "list"]) {
        const outcome = await stage.run("sv", [word], { env: { SVDIR: stage.at("services") } });
        assertSays(outcome, "run: a: (pid N) Ns\nrun: b: (pid N) Ns\nrun: c: (pid N) Ns\n");
        assert.equal(
          outcome.out.match(/pid (\d+)/g)?.join(),
          `pid ${pids.get("a")},pid ${pids.get("b")},pid ${pids.get("c")}`,
        );
      }
      assertSaysOf(
        pids.get("b") ?? 0,
        await stage.run("sv", ["list", "b"], { env: { SVDIR: stage.at("services") } }),
        "run: b: (pid N) Ns\n",
      );
    },
    { only: "ours", differs: "sv-status-of-all" },
  );

  story(
    "A2",
    "--json prints the status for programs",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const { out, err, code } = await stage.run("sv", ["--json", "status", "a"]);
      assert.deepEqual({ err, code }, { err: "", code: 0 });
      const text = JSON.stringify(JSON.parse(out));
      assert.ok(text.includes('"a"'), out);
      assert.ok(text.includes('"run"'), out);
      assert.ok(text.includes(`${stage.status("a").pid}`), out);
    },
    { only: "ours", differs: "sv-status-of-all" },
  );
});
