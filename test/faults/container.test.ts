// runit-container cannot end: whatever happens inside, it goes on with the same services, the same command and the same stop.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite } from "node:test";
import { facts } from "../conformance/runsv/scripts.ts";
import type { Running, Stage } from "../conformance/stage.ts";
import { cannotMount } from "../conformance/stage.ts";
import { faultyBuild, restarts, staged } from "./scenes.ts";

const kinds = ["trap", "segv", "stack", "memory", "abort"] as const;
const faults = 60;
/** So many calls that change something are made by a life with two services; beyond there are none. */
const calls = 90;

/** Prints a number again and again, and what it was told at the end. */
const counter = `i=0
trap 'echo bye; exit 0' TERM
while :; do i=$((i + 1)); echo "line $i"; sleep 0.02; done`;

function orderFault(stage: Stage, kind: string): void {
  fs.writeFileSync(stage.at("order"), kind);
  fs.renameSync(stage.at("order"), stage.at("fault.runit-container"));
}
/** In a /run of its own: others would find it, and stop it. */
const via = ["unshare", "--mount", "/bin/sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"];
function contain(stage: Stage, env: Record<string, string>, ...args: string[]): Running {
  return stage.start(stage.program("runit-container"), args, { env, via });
}
const orders = (stage: Stage) => ({ RUNIT_TS_FAULT_FILE: stage.at("fault") });
/** The numbers that came out of a service so far. */
function numbersOf({ out }: Running, service: string): number[] {
  const lines = out.split("\n").filter((line) => line.startsWith(`[${service}] line `));
  return lines.map((line) => Number(line.split(" ")[2]));
}

suite("a container's process 1 (differs: runsv-restarts-in-place)", { concurrency: 2 }, () => {
  staged(
    `goes on after ${faults} faults: no line lost or doubled, the same processes`,
    faultyBuild,
    async (stage) => {
      stage.service("services/a", { run: counter });
      stage.service("services/b", { run: counter, "log/run": "exec cat >>../lines" });
      const container = contain(stage, orders(stage), "-d", stage.at("services"));
      await stage.running("services/a");
      await stage.running("services/b/log");
      await stage.until("lines", () => numbersOf(container, "a").length > 3);
      const before = ["a", "b", "b/log"].map((name) => facts(stage.status(`services/${name}`)));
      for (let n = 1; n <= faults; n++) {
        orderFault(stage, kinds[n % kinds.length] ?? "trap");
        await stage.until(`restart ${n}`, () => restarts(container) === n || !container.isAlive);
        assert.ok(container.isAlive, container.err);
      }
      assert.deepEqual(
        ["a", "b", "b/log"].map((name) => facts(stage.status(`services/${name}`))),
        before,
      );
      container.kill("SIGTERM");
      const { code, err } = await container.ended;
      assert.equal(code, 0, err);
      const numbers = numbersOf(container, "a");
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
        "a",
      );
      assert.match(container.out, /\[a\] bye\n/);
      const logged = stage.read("services/b/lines").split("\n");
      assert.deepEqual(logged.slice(-2), ["bye", ""]);
      assert.deepEqual(
        logged.slice(0, -2),
        logged.slice(0, -2).map((_, index) => `line ${index + 1}`),
        "b",
      );
    },
    { skip: cannotMount },
  );

  staged(
    "keeps the stop it is in, the command and its exit code",
    faultyBuild,
    async (stage) => {
      stage.service("services/a", { run: "trap 'sleep 0.5; echo bye; exit 0' TERM\necho up\nsleep 1000 & wait" });
      const command = "trap 'exit 7' TERM; echo here; sleep 1000 & wait";
      const container = contain(stage, orders(stage), "-d", stage.at("services"), "--", "/bin/sh", "-c", command);
      await stage.until("both run", () => container.out.includes("here") && container.out.includes("up"));
      orderFault(stage, "segv");
      container.kill("SIGWINCH"); // it looks for orders when it is woken
      await stage.until("a restart", () => restarts(container) === 1);
      container.kill("SIGTERM");
      orderFault(stage, "trap");
      const { code, err, out } = await container.ended;
      assert.equal(code, 7, err);
      assert.match(out, /\[a\] bye\n/);
    },
    { skip: cannotMount },
  );

  staged(
    `survives a fault before each of its first ${calls} calls that change something`,
    faultyBuild,
    async (stage, context) => {
      let faulted = 0;
      for (let call = 1; call <= calls; call++) {
        const name = `life${call}`;
        for (const service of ["a", "b"]) {
          stage.service(`${name}/${service}`, { run: `echo $$ >>../pids\nexec sleep 1000` });
        }
        const env = { RUNIT_TS_FAULT: `segv#${call}` };
        const container = contain(stage, env, "-d", stage.at(name), "-p", "none");
        const pids = () => (stage.exists(`${name}/pids`) ? stage.read(`${name}/pids`).split("\n").slice(0, -1) : []);
        await stage.until("both run", () => pids().length >= 2 || !container.isAlive);
        assert.ok(container.isAlive, `fault before call ${call}: ${container.err}`);
        container.kill("SIGTERM");
        const { code, err } = await container.ended;
        assert.equal(code, 0, `fault before call ${call}: ${err}`);
        faulted += restarts(container);
        assert.equal(pids().length, 2, `fault before call ${call}: each service was started once: ${err}`);
        for (const pid of pids())
          assert.ok(!fs.existsSync(`/proc/${pid}`), `fault before call ${call}: ${pid} is left`);
      }
      context.diagnostic(`counts: container faults=${faulted}`);
      assert.ok(faulted > calls / 2, `${faulted} faults`);
    },
  );
});
