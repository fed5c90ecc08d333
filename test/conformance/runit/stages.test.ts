// What the end of a stage means, and the restart of stage 2: spec/runit.md, sections 4 to 7. Machines as in scenes.ts.
// Deaths by signal are those of 2.3.0 in ours; the reference takes them for success.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import {
  arm,
  assertSeconds,
  birth,
  boot,
  cannotBoot,
  cannotStart,
  crashed,
  death,
  enter,
  failed,
  killingStage2,
  layScripts,
  leave,
  onMachine,
  parentOf,
  restarting,
  shutdown,
  skipping,
  std,
  traced,
} from "./scenes.ts";

const brief = { ...std, 2: "echo two" } as const;
const crash = "kill -KILL $$";
const crashes = { skip: cannotBoot, differs: "runit-2.3.0" } as const;
const missingScript = { skip: cannotBoot, differs: "runit-missing-script" } as const;
const two = [enter(2), "two"] as const;
const three = shutdown.slice(1);

/** Starts a process in a session of its own, and goes on when it is there. */
const inOwnSession = (command: string) =>
  `setsid sh -c ': >/out/own; exec ${command}' &\nuntil [ -e /out/own ]; do sleep 0.02; done`;
/** A stage 2 that fails the first time and stays the second. */
const failingOnce = (first: string, code: number) =>
  `if [ -e /out/again ]; then echo two; exec sleep 1000; fi\n: >/out/again\n${first}\nexit ${code}`;

stories("runit", (story) => {
  story(
    9,
    "after a failed stage 1 comes stage 2",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 1: "exit 3" });
      await machine.lived([...birth, enter(1), failed(1), leave(1), ...two, ...shutdown]);
    },
    onMachine,
  );

  story(
    "9 (111)",
    "also if it has failed with 111",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 1: "exit 111" });
      await machine.lived([...birth, enter(1), failed(1), leave(1), ...two, ...shutdown]);
    },
    onMachine,
  );

  story(
    10,
    "a stage 1 that exits 100 has stage 2 left out",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 1: "exit 100" });
      await machine.lived([...birth, enter(1), failed(1), leave(1), skipping, ...three]);
    },
    onMachine,
  );

  story(
    11,
    "a crashed stage 1 has stage 2 left out",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 1: crash });
      const next = stage.isOurs ? [crashed(1), leave(1), skipping, ...three] : [leave(1), ...two, ...shutdown];
      await machine.lived([...birth, enter(1), ...next]);
    },
    crashes,
  );

  story(
    12,
    "without scripts all is over",
    async (stage) => {
      const machine = await boot(stage, {});
      const missing = (name: number) => [enter(name), cannotStart(name, "file does not exist")];
      let pause: string[] = [];
      if (stage.isOurs) {
        // A stage 2 that is not there is waited for.
        await machine.says(killingStage2);
        layScripts(stage, { 2: "echo two" });
        pause = [killingStage2, restarting, ...two];
      }
      const lines = [...missing(1), leave(1), ...missing(2), ...pause, leave(2), ...missing(3), leave(3)];
      await machine.lived([...birth, ...lines, ...death]);
      if (stage.isOurs) assertSeconds(machine.between(killingStage2, restarting), 5);
    },
    missingScript,
  );

  story(
    13,
    "a script that cannot be executed is said so, and taken for one that has ended",
    async (stage) => {
      stage.file("root/etc/runit/1", "#!/bin/sh\necho one\n", 0o644);
      const machine = await boot(stage, { 2: "\necho two\n", 3: std[3] });
      let pause: string[] = [];
      if (stage.isOurs) {
        await machine.says(killingStage2);
        layScripts(stage, { 2: "echo two" });
        pause = [killingStage2, restarting, ...two];
      }
      const lines = [
        enter(1),
        cannotStart(1, "access denied"),
        leave(1),
        enter(2),
        cannotStart(2, "exec format error"),
      ];
      await machine.lived([...birth, ...lines, ...pause, ...shutdown]);
    },
    missingScript,
  );

  story(
    14,
    "after stage 2 comes stage 3",
    async (stage) => {
      const machine = await boot(stage, brief);
      await machine.lived([...birth, enter(1), "one", leave(1), ...two, ...shutdown]);
    },
    onMachine,
  );

  for (const [number, code] of [
    [15, 1],
    ["15 (100)", 100],
  ] as const)
    story(
      number,
      `after a stage 2 that exits ${code} comes stage 3`,
      async (stage) => {
        const machine = await boot(stage, { ...brief, 2: `echo two\nexit ${code}` });
        await machine.lived([...birth, enter(1), "one", leave(1), ...two, failed(2), ...shutdown]);
      },
      onMachine,
    );

  story(
    16,
    "a stage 2 that exits 111 is started again after five seconds, each time",
    async (stage) => {
      const twice = "echo two\nif [ -e /out/1 ]; then : >/out/2; fi\n: >/out/1\nexit 111";
      const machine = await boot(stage, { ...std, 2: `if [ -e /out/2 ]; then exit 0; fi\n${twice}` });
      const again = [...two, failed(2), killingStage2, restarting];
      await machine.lived([...birth, enter(1), "one", leave(1), ...again, ...again, enter(2), ...shutdown]);
      assertSeconds(machine.between(killingStage2, restarting), 5);
    },
    onMachine,
  );

  for (const [number, name] of [
    [17, "SEGV"],
    ["17 (KILL)", "KILL"],
  ] as const)
    story(
      number,
      `a stage 2 that has died of ${name} is started again`,
      async (stage) => {
        const dying = `echo two\nif [ -e /out/again ]; then exit 0; fi\n: >/out/again\nkill -${name} $$`;
        const machine = await boot(stage, { ...std, 2: dying });
        const again = [crashed(2), killingStage2, restarting, ...two];
        const upTo = [...birth, enter(1), "one", leave(1), ...two];
        await machine.lived([...upTo, ...(stage.isOurs ? again : []), ...shutdown]);
        if (stage.isOurs) assertSeconds(machine.between(killingStage2, restarting), 5);
      },
      crashes,
    );

  story(
    18,
    "before the restart what is left in the group of stage 2 is killed, and only that",
    async (stage) => {
      const leaving = `sleep 3000 &\n${inOwnSession("sleep 4000")}`;
      const machine = await boot(stage, { ...std, 2: failingOnce(leaving, 111) });
      const far = await machine.process("sleep 4000");
      await machine.says(killingStage2);
      await stage.until("the near one is gone", () => machine.processes("sleep 3000").length === 0);
      await machine.inStage2();
      assert.ok(stage.isLiving(far));
      arm(stage);
      machine.signal("SIGCONT");
      const again = [enter(2), failed(2), killingStage2, restarting];
      await machine.lived([...birth, enter(1), "one", leave(1), ...again, ...two, ...shutdown]);
    },
    onMachine,
  );

  story(
    19,
    "after a crashed stage 3 comes the end",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 3: `echo three\n${crash}` });
      const [left, entered, line, ...rest] = shutdown;
      const end = [left, entered, line, ...(stage.isOurs ? [crashed(3)] : []), ...rest];
      await machine.lived([...birth, enter(1), "one", leave(1), ...two, ...end]);
    },
    crashes,
  );

  story(
    "19 (code)",
    "after a failed stage 3 comes the end, whatever its code",
    async (stage) => {
      const machine = await boot(stage, { ...brief, 3: "echo three\nexit 111" });
      const [left, entered, line, ...rest] = shutdown;
      await machine.lived([...birth, enter(1), "one", leave(1), ...two, left, entered, line, failed(3), ...rest]);
    },
    onMachine,
  );

  story(
    43,
    "an orphan that ends in stage 2 is gone at once",
    async (stage) => {
      const machine = await boot(stage, { ...std, 2: "(sleep 5000 &)\necho two\nexec sleep 1000" });
      await machine.inStage2();
      const orphan = await machine.process("sleep 5000");
      await stage.becomes(() => parentOf(orphan), machine.pid);
      machine.signal("SIGKILL", orphan);
      const start = performance.now();
      await stage.becomes(() => stage.state(orphan), "");
      assert.ok(performance.now() - start < 1000, `${performance.now() - start} ms`);
    },
    onMachine,
  );

  story(
    44,
    "an orphan that ends in the restart pause is gone at once as well",
    async (stage) => {
      const machine = await boot(stage, { ...std, 2: failingOnce(inOwnSession("sleep 5000"), 111) });
      const orphan = await machine.process("sleep 5000");
      await machine.says(killingStage2);
      machine.signal("SIGKILL", orphan);
      await stage.becomes(() => stage.state(orphan), stage.isOurs ? "" : "Z", 3000);
      assert.ok(!machine.console.includes(restarting));
      // The original leaves it until the pause is over.
      await machine.says(restarting);
      await stage.becomes(() => stage.state(orphan), "");
    },
    { skip: cannotBoot, differs: "runit-reaps-always" },
  );

  story(
    "12 (no process)",
    "a stage for which there is no process is tried again after five seconds",
    async (stage) => {
      // Every way to make a process fails once, as if the table were full.
      const calls = ["clone", "clone3", "fork", "vfork"].map((call) => `--inject=${call}:error=EAGAIN:when=1`);
      const machine = await boot(stage, brief, { via: `strace -D -o /dev/null ${calls.join(" ")}` });
      const noProcess = '- runit: fatal: unable to fork for "/etc/runit/1" pausing: temporary failure';
      await machine.says(noProcess);
      await machine.says("one");
      assertSeconds(machine.between(noProcess, enter(1)), 5);
    },
    { ...traced },
  );
});
