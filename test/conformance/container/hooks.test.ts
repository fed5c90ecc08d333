// What runs before the services and after them: spec/container.md, D2 and D4; cases 15, 17, 18.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import { assertSeconds, contain, good, onSignals, run, serve, told } from "./scenes.ts";

const hooks = ["-i", "/etc/before", "-f", "/etc/after"];
const script = (text: string) => `#!/bin/sh\n${text}\n`;
const after = script("echo after; cat /out/log");

stories("runit-container", (story) => {
  story(
    "D2.2",
    "the start hook has the output and the environment of the container, and is over before a service starts",
    async (stage) => {
      stage.file("root/etc/before", script('echo "before $FOO"; echo complaint >&2; sleep 0.2; echo done'));
      serve(stage, { good });
      const container = await contain(stage, { args: hooks.slice(0, 2), env: { FOO: "bar" } });
      await container.says("[good] up");
      assert.deepEqual(container.lines, ["before bar", "done", "[good] up"]);
      const { code, err } = await container.stop();
      assert.equal(code, 0);
      assert.match(err, /^complaint$/m);
    },
    told,
  );

  for (const [number, title, hook, expected] of [
    ["15", "TERM during the start hook goes to the hook, and nothing is started", undefined, [143]],
    [
      "15 (own code)",
      "TERM during a start hook that handles it is awaited",
      onSignals({ TERM: "sleep 0.3; exit 6" }),
      [143, 6],
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        stage.file("root/etc/before", script(hook ?? "echo up\nexec sleep 500"));
        stage.file("root/etc/after", after);
        serve(stage, { good });
        const container = await contain(stage, { args: [...hooks, "-g", "40"] });
        await container.says("up");
        const { code, milliseconds, out } = await container.stop();
        assert.ok((expected as readonly number[]).includes(code), `code ${code}`);
        assert.equal(out, "up\n");
        assertSeconds(milliseconds, 0, 6);
      },
      told,
    );

  story(
    "15 (stubborn)",
    "a start hook that ignores TERM is killed when the grace time is over",
    async (stage) => {
      stage.file("root/etc/before", script('trap "" TERM\necho up\nexec sleep 500'));
      serve(stage, { good });
      const container = await contain(stage, { args: ["-i", "/etc/before", "-g", "2"] });
      await container.says("up");
      const { code, milliseconds, out } = await container.stop();
      assert.equal(code, 137);
      assert.equal(out, "up\n");
      assertSeconds(milliseconds, 1, 6);
    },
    told,
  );

  for (const [number, title, text, expected] of [
    ["17", "a start hook that fails is the end, and nothing is started", "echo before\nexit 4", 4],
    ["17 (signal)", "a start hook that dies of a signal is the end", "echo before\nkill -KILL $$", 137],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        stage.file("root/etc/before", script(text));
        stage.file("root/etc/after", after);
        serve(stage, { good });
        const { code, out } = await run(stage, { args: hooks });
        assert.equal(code, expected);
        assert.equal(out, "before\n");
      },
      told,
    );

  story(
    18,
    "the end hook runs when all services are gone",
    async (stage) => {
      stage.file("root/etc/after", after);
      serve(stage, { good });
      const container = await contain(stage, { args: hooks.slice(2) });
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      const [up, bye, said, ...log] = container.lines;
      assert.deepEqual([up, bye, said], ["[good] up", "[good] bye", "after"]);
      assert.deepEqual(
        log.map((line) => line.split(" ")[1]),
        ["TERM", "gone"],
      );
    },
    told,
  );

  story(
    "18 (TERM)",
    "a second TERM does not disturb the end hook",
    async (stage) => {
      const hook = "trap 'echo disturbed' TERM\necho after\nuntil [ -e /out/go ]; do sleep 0.05; done\necho done";
      stage.file("root/etc/after", script(hook));
      serve(stage, { good });
      const container = await contain(stage, { args: [...hooks.slice(2), "-g", "60"] });
      await container.says("[good] up");
      container.signal("SIGTERM");
      await container.says("after");
      container.signal("SIGTERM");
      await container.heard(15);
      stage.file("root/out/go", "");
      assert.equal((await container.end()).code, 0);
      assert.deepEqual(container.lines, ["[good] up", "[good] bye", "after", "done"]);
    },
    told,
  );

  story(
    "18 (long)",
    "an end hook that takes too long is cut off",
    async (stage) => {
      stage.file("root/etc/after", script("echo after\nexec sleep 500"));
      serve(stage, { good });
      const container = await contain(stage, { args: [...hooks.slice(2), "-g", "4"] });
      await container.says("[good] up");
      const { milliseconds, out } = await container.stop();
      assert.match(out, /^after$/m);
      assertSeconds(milliseconds, 2, 9);
    },
    told,
  );

  story(
    "18 (--stages)",
    "stages of runit can be the hooks",
    async (stage) => {
      stage.file("root/etc/runit/1", script("echo one"));
      stage.file("root/etc/runit/2", script("echo two"));
      stage.file("root/etc/runit/3", script("echo three"));
      serve(stage, { good });
      const container = await contain(stage, { args: ["--stages", "/etc/runit"] });
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(container.lines, ["one", "[good] up", "[good] bye", "three"]);
    },
    told,
  );

  story(
    "18 (--stages, none)",
    "stages that are missing or cannot be executed are left out",
    async (stage) => {
      stage.file("root/etc/runit/1", script("echo one"), 0o644);
      serve(stage, { good });
      const container = await contain(stage, { args: ["--stages", "/etc/runit"] });
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(container.lines, ["[good] up", "[good] bye"]);
    },
    told,
  );
});
