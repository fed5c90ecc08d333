// The container mode of ours: spec/runit.md, section 21, cases C1 to C21. Machines as in scenes.ts, which are containers to
// whoever is process 1 there: no console, a PID namespace, capabilities as we let them.
//
// The original has no such mode, so these stories are told to ours only. The variable RUNIT_CONTAINER asks for it (1) or
// forbids it (0), RUNIT_STOP_SIGNALS lists its stop signals.
//
// Left out: C19, runsvdir as process 1, belongs to the stories of runsvdir.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Boot, End, Machine } from "./scenes.ts";
import {
  arm,
  asNobody,
  assertSeconds,
  boot,
  cannotBoot,
  cannotStart,
  classic,
  container,
  enter,
  failed,
  killingStage2,
  leave,
  onlyInStage2,
  powerOff,
  restarting,
  std,
  systemHalt,
  upToStage2,
  withoutReboot,
} from "./scenes.ts";

const wanted = {
  skip: cannotBoot,
  only: "ours",
  differs: "runit-container",
} as const;
const withoutAny = "setpriv --bounding-set=-all --inh-caps=-all";
const cannotHaveUsers =
  spawnSync("unshare", ["--user", "--map-root-user", "true"], { stdio: "ignore" }).status !== 0 &&
  "needs user namespaces";
const stopSignals = (names: string) => ({ env: { RUNIT_STOP_SIGNALS: names } });
const longEnoughMilliseconds = 300;

/** A container: nothing is allowed, the mode is asked for. */
function bootContainer(stage: Stage, scripts: Parameters<typeof boot>[1], options: Boot = {}): Promise<Machine> {
  return boot(stage, scripts, { via: withoutReboot, mode: container, ...options });
}
async function bootStdContainer(stage: Stage, options: Boot = {}, scripts = {}): Promise<Machine> {
  const machine = await bootContainer(stage, { ...std, ...scripts }, options);
  await machine.inStage2();
  return machine;
}
/** A service that says goodbye a second after it was told to end. */
const slowGoodbye = "trap 'sleep 1; echo bye; exit 0' TERM\nsleep 2000 & echo up\nwait";
const withSv = "echo three\nsv force-stop /service/*\nsv exit /service/*";

/** Stage 2 is left and stage 3 run, in this order, and this is how it all ends. */
async function assertShutDown(machine: Machine, end: End): Promise<void> {
  assert.equal(await machine.end(), end);
  const order = [leave(2), enter(3), "three", leave(3)];
  assert.deepEqual(
    machine.console.filter((line) => order.includes(line)),
    order,
  );
  for (const line of [powerOff, systemHalt]) assert.ok(!machine.console.includes(line), line);
}

stories("runit", (story) => {
  for (const [number, title, options] of [
    ["C1", "in a container TERM is an orderly end", {}],
    ["C1 (nobody)", "in a container of nobody, with a read-only root, as well", { via: asNobody, isReadOnly: true }],
    ["C1 (users)", "in a user namespace without any capability as well", { hasOwnUsers: true, via: withoutAny }],
    ["C15", "also where it may reboot it exits instead", { via: "" }],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        const machine = await bootStdContainer(stage, options);
        const start = performance.now();
        machine.signal("SIGTERM");
        await assertShutDown(machine, 0);
        assert.ok(performance.now() - start < 2000, "at once");
      },
      "hasOwnUsers" in options ? { ...wanted, skip: cannotBoot || cannotHaveUsers } : wanted,
    );

  for (const [number, title, three] of [
    ["C2", "services end in their own time, by sv in stage 3", withSv],
    ["C3", "services end in their own time, also without a stage 3", undefined],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        stage.service("root/service/a", { run: slowGoodbye, "log/run": "exec cat >>/out/log" });
        const scripts = { 1: std[1], 2: "exec runsvdir -P /service", ...(three ? { 3: three } : {}) };
        const machine = await bootContainer(stage, scripts);
        await stage.becomes(() => stage.peek("root/out/log"), "up\n");
        machine.signal("SIGTERM");
        assert.equal(await machine.end(), 0);
        assert.equal(stage.read("root/out/log"), "up\nbye\n");
      },
      wanted,
    );

  story(
    "C4",
    "a service that ignores TERM is killed, and that is said",
    async (stage) => {
      stage.service("root/service/a", { run: 'trap "" TERM\necho up\nexec sleep 2000' });
      const machine = await bootContainer(stage, { 1: std[1], 2: "exec runsvdir -P /service" });
      await machine.says("up");
      const start = performance.now();
      machine.signal("SIGTERM");
      assert.equal(await machine.end(), 0);
      assert.ok(performance.now() - start < 10_000, `${performance.now() - start} ms`);
      assert.match(machine.console.join("\n"), /kill/i);
    },
    wanted,
  );

  story(
    "C5",
    "the stop signals can be chosen",
    async (stage) => {
      const machine = await bootStdContainer(stage, stopSignals("QUIT"));
      machine.signal("SIGTERM");
      await stage.span(longEnoughMilliseconds);
      assert.ok(!machine.console.includes(leave(2)));
      machine.signal("SIGQUIT");
      await assertShutDown(machine, 0);
    },
    wanted,
  );

  story(
    "C6",
    "the exit code is that of stage 3",
    async (stage) => {
      const machine = await bootStdContainer(stage, {}, { 3: "echo three\nexit 7" });
      machine.signal("SIGTERM");
      await assertShutDown(machine, 7);
    },
    wanted,
  );

  story(
    "C7",
    "the exit code is that of a stage 2 that ends by itself",
    async (stage) => {
      await assertShutDown(await bootContainer(stage, { ...std, 2: "exit 5" }), 5);
    },
    wanted,
  );

  story(
    "C8",
    "a stage 1 that exits 100 has stage 2 left out, and is the exit code",
    async (stage) => {
      const machine = await bootContainer(stage, { ...std, 1: "exit 100" });
      assert.equal(await machine.end(), 100);
      assert.ok(!machine.console.includes(enter(2)));
      assert.ok(machine.console.includes("three"));
    },
    wanted,
  );

  story(
    "C9",
    "a missing stage 2 is exit code 127",
    async (stage) => {
      const machine = await bootContainer(stage, { 1: std[1], 3: std[3] });
      assert.equal(await machine.end(), 127);
      assert.ok(machine.console.includes(cannotStart(2, "file does not exist")));
      assert.ok(machine.console.includes("three"));
    },
    wanted,
  );

  story(
    "C10",
    "TERM in stage 1 ends it, and stage 2 is left out",
    async (stage) => {
      const machine = await bootContainer(stage, { ...std, 1: "echo one\nexec sleep 3600" });
      await machine.says("one");
      machine.signal("SIGTERM");
      assert.equal(await machine.end(), 0);
      for (const line of [enter(2), onlyInStage2]) assert.ok(!machine.console.includes(line), line);
      assert.ok(machine.console.includes("three"));
    },
    wanted,
  );

  story(
    "C11",
    "TERM in the restart pause ends it at once",
    async (stage) => {
      const machine = await bootContainer(stage, { ...std, 2: "exit 111" });
      await machine.says(killingStage2);
      const start = performance.now();
      machine.signal("SIGTERM");
      assert.equal(await machine.end(), 0);
      assert.ok(performance.now() - start < 3000);
      assert.ok(machine.console.includes(failed(2)) && !machine.console.includes(restarting));
      assert.ok(machine.console.includes("three"));
    },
    wanted,
  );

  story(
    "C12",
    "further TERMs do not disturb stage 3",
    async (stage) => {
      const machine = await bootStdContainer(stage, {}, { 3: "echo three\nsleep 3\necho done" });
      machine.signal("SIGTERM");
      await machine.says("three");
      machine.signal("SIGTERM");
      machine.signal("SIGTERM");
      await assertShutDown(machine, 0);
      assertSeconds(machine.between("three", "done"), 3);
    },
    wanted,
  );

  story(
    "C13",
    "what is left over gets TERM before KILL",
    async (stage) => {
      const leftover = "trap 'echo farewell; exit 0' TERM; sleep 6000 & echo there; wait";
      const machine = await bootStdContainer(stage, {}, { 2: `setsid sh -c "${leftover}" &\n${std[2]}` });
      await machine.says("there");
      machine.signal("SIGTERM");
      await assertShutDown(machine, 0);
      assert.ok(machine.console.indexOf("farewell") > machine.console.indexOf("three"));
    },
    wanted,
  );

  story(
    "C14",
    "in container mode it need not be process 1, and touches its own processes only",
    async (stage) => {
      const script = [
        "sleep 8000 & other=$!",
        "/sbin/runit &",
        "wait $!",
        'echo "code $?"',
        "kill $other && echo untouched",
      ];
      stage.file("root/out/script", script.join("\n"));
      const machine = await bootContainer(stage, std, { program: "/bin/sh", args: "/out/script" });
      await machine.inStage2();
      machine.signal("SIGTERM", await machine.process("/sbin/runit"));
      assert.equal(await machine.end(), 0);
      for (const line of ["three", "code 0", "untouched"]) assert.ok(machine.console.includes(line), line);
    },
    wanted,
  );

  story(
    "C16",
    "init 6 in a container is exit code 129",
    async (stage) => {
      const machine = await bootStdContainer(stage);
      await machine.inside("/sbin/init 6");
      await assertShutDown(machine, 129);
    },
    wanted,
  );

  story(
    "C17",
    "init 0 in a container with a read-only root falls back to a stop signal",
    async (stage) => {
      const machine = await bootStdContainer(stage, { isReadOnly: true });
      const { err } = await machine.inside("/sbin/init 0");
      assert.equal(err, "");
      await assertShutDown(machine, 0);
    },
    wanted,
  );

  story(
    "C18",
    "CONT with an armed stopit works in a container as ever",
    async (stage) => {
      const machine = await bootStdContainer(stage);
      arm(stage);
      machine.signal("SIGCONT");
      await assertShutDown(machine, 0);
    },
    wanted,
  );

  story(
    "C20",
    "services have the environment of the container, and its standard error",
    async (stage) => {
      stage.service("root/service/a", { run: 'echo "A is $A" >&2\nexec sleep 2000' });
      const scripts = { ...std, 2: "exec runsvdir -P /service" };
      const machine = await bootContainer(stage, scripts, { env: { A: "1" } });
      await machine.says("A is 1");
      machine.signal("SIGTERM");
      await assertShutDown(machine, 0);
    },
    wanted,
  );

  story(
    "C21",
    "where the container mode is forbidden TERM is nothing",
    async (stage) => {
      const machine = await bootStdContainer(stage, { mode: classic });
      arm(stage);
      machine.signal("SIGTERM");
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(machine.console, upToStage2);
    },
    wanted,
  );
});
