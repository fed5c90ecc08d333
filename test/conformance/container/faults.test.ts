// A fault of ours: docs/programs/runit-container.md. It starts again in place, and nobody notices.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Container, Setting } from "./scenes.ts";
import { below, contain, endsAtGate, good, layGate, onSignals, openGate, serve, told } from "./scenes.ts";

/** Makes it fail, and awaits that it is there again and hears signals. */
async function fail(stage: Stage, container: Container): Promise<void> {
  const pid = container.pid;
  container.signal("SIGSEGV");
  await stage.until("it says so", () => /restarting in place/.test(container.err));
  await container.heard(11);
  assert.ok(container.find(), "it hears signals");
  assert.equal(container.pid, pid);
}

stories("runit-container", (story) => {
  for (const [number, place, setting] of [
    ["faults", "process 1", {}],
    ["faults (below)", "an ordinary process", below],
  ] as const satisfies readonly (readonly [string, string, Setting])[])
    story(
      number,
      `as ${place} it survives its own fault: services run on, are heard, started again and stopped`,
      async (stage) => {
        serve(stage, {
          good,
          other: { run: 'echo up "$$"\nuntil [ -e /out/go ]; do sleep 0.05; done\necho went\nexit 0' },
        });
        const container = await contain(stage, { ...setting, args: ["-g", "40"] });
        await container.says("[good] up");
        const started = stage.status("root/etc/service/good").pid;
        await fail(stage, container);
        stage.file("root/out/go", "");
        await container.says("[other] went", 2);
        assert.equal(stage.status("root/etc/service/good").pid, started);
        assert.equal((await container.inside("runit-container health good")).code, 0);
        assert.equal((await container.inside("sv -v -w 20 restart /etc/service/good")).code, 0);
        await container.says("[good] up", 2);
        assert.equal((await container.stop()).code, 0);
        await container.says("[good] bye", 2);
      },
      told,
    );

  story(
    "faults (main)",
    "after a fault the code of a main service that ends is still known",
    async (stage) => {
      layGate(stage);
      serve(stage, { web: endsAtGate(7), good });
      const container = await contain(stage, { args: ["-m", "web"] });
      await container.says("[web] up");
      await container.says("[good] up");
      await fail(stage, container);
      await openGate(stage);
      assert.equal((await container.end()).code, 7);
      await container.says("[good] bye");
    },
    told,
  );

  story(
    "faults (command)",
    "after a fault the code of a command that ends is still known",
    async (stage) => {
      layGate(stage);
      serve(stage, { good });
      const command = "echo up; : </out/gate; exit 9";
      const container = await contain(stage, { args: ["--", "sh", "-c", command] });
      await container.says("up");
      await container.says("[good] up");
      await fail(stage, container);
      await openGate(stage);
      assert.equal((await container.end()).code, 9);
      await container.says("[good] bye");
    },
    told,
  );

  story(
    "faults (stop)",
    "a stop that is under way goes on after a fault",
    async (stage) => {
      const slow = onSignals({ TERM: "echo term; until [ -e /out/go ]; do sleep 0.05; done; echo bye; exit 0" });
      serve(stage, { slow: { run: slow }, good });
      const container = await contain(stage, { args: ["-g", "60"] });
      await container.says("[slow] up");
      container.signal("SIGTERM");
      await container.says("[slow] term");
      await fail(stage, container);
      stage.file("root/out/go", "");
      assert.equal((await container.end()).code, 0);
      assert.equal(container.lines.filter((line) => line === "[slow] term").length, 1);
      await container.says("[slow] bye");
    },
    told,
  );

  story(
    "faults (hook)",
    "a start hook that runs is waited for after a fault",
    async (stage) => {
      stage.file("root/etc/before", "#!/bin/sh\necho hook\nuntil [ -e /out/go ]; do sleep 0.05; done\necho hooked\n");
      serve(stage, { good });
      const container = await contain(stage, { args: ["-i", "/etc/before"] });
      await container.says("hook");
      await fail(stage, container);
      stage.file("root/out/go", "");
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(container.lines, ["hook", "hooked", "[good] up", "[good] bye"]);
    },
    told,
  );

  story(
    "faults (written)",
    "what has been written before a fault is not written again",
    async (stage) => {
      const run = "printf half\nuntil [ -e /out/go ]; do sleep 0.05; done\necho whole\nexit 0";
      serve(stage, { a: { run, main: "" } });
      const container = await contain(stage);
      await container.says("[a] half"); // after a second of silence
      await fail(stage, container);
      await stage.span(1500); // another second of silence
      stage.file("root/out/go", "");
      const { out } = await container.end();
      assert.equal(out, "[a] half\n[a] whole\n");
    },
    told,
  );

  story(
    "faults (output)",
    "half a line is continued after a fault",
    async (stage) => {
      const run = "printf 'half '\necho >/out/half\nuntil [ -e /out/go ]; do :; done\necho and half\nexit 0";
      serve(stage, { a: { run, main: "" } });
      const container = await contain(stage);
      await stage.until("half is written", () => stage.exists("root/out/half"));
      await fail(stage, container);
      stage.file("root/out/go", "");
      const { out } = await container.end();
      // A machine with too much to do may take longer than the second after which half a line is written.
      assert.match(out, /^\[a\] half (\n\[a\] )?and half\n$/);
    },
    told,
  );
});
