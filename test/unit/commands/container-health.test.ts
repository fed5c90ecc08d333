import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runitContainer } from "../../../src/commands/runit-container.ts";
import type { ServiceFact } from "../../../src/core/container/report.ts";
import { describeReport } from "../../../src/core/container/report.ts";
import { endsAfter, Machine, stubborn } from "../../machine/machine.ts";

const web: ServiceFact = {
  name: "web",
  path: "/etc/service/web/",
  state: "run",
  want: "up",
  pid: 42,
  upMilliseconds: 5000,
  endsOfLate: 0,
  lastEnd: -1,
};
const socket = "/run/runit/supervise/.container";

/** What `runit-container health` says to these facts, and its code; they come from this user. */
function examine(
  facts: readonly ServiceFact[],
  args: readonly string[] = [],
  machine = new Machine(),
  uid = 0,
): { readonly code: number; readonly out: string } {
  machine.listener(socket, uid, describeReport("running", facts, 0));
  const code = runitContainer(["runit-container", "health", ...args], machine);
  return { code, out: machine.stdout };
}

suite("runit-container health", () => {
  test("says what is wrong, a line each", () => {
    assert.deepEqual(examine([web]), { code: 0, out: "healthy: 1 service\n" });
    const crashing: ServiceFact = { ...web, name: "api", endsOfLate: 4, lastEnd: 256 };
    assert.deepEqual(examine([web, crashing, { ...web, name: "off", state: "down" }]), {
      code: 1,
      out: "unhealthy: api: restarting (4 times in 10s, last exited 1)\nunhealthy: off: not running\n",
    });
  });

  test("looks at those that are named, and their log services", () => {
    const facts = [web, { ...web, name: "web/log", state: "down" }, { ...web, name: "api", state: "down" }];
    assert.deepEqual(examine(facts, ["web"]), { code: 1, out: "unhealthy: web/log: not running\n" });
    assert.equal(examine([web], ["nobody"]).out, "unhealthy: nobody: no such service\n");
  });

  test("asks the check scripts, as long as there is time", () => {
    for (const [program, args, expected] of [
      [endsAfter(100, 0), [], "healthy: 1 service\n"],
      [endsAfter(100, 3), [], "unhealthy: web: check exited 3\n"],
      [stubborn, ["-t", "2"], "unhealthy: web: check takes too long\n"],
    ] as const) {
      const machine = new Machine();
      machine.program("/etc/service/web/check", program);
      const begin = machine.milliseconds;
      assert.equal(examine([web], args, machine).out, expected);
      assert.ok(machine.milliseconds - begin <= 2000);
      assert.equal(machine.living().length, 0);
    }
  });

  test("wants readiness if it is told to", () => {
    const young = { ...web, upMilliseconds: 10 };
    assert.equal(examine([young]).code, 0);
    assert.deepEqual(examine([young], ["--ready"]), { code: 1, out: "not ready: web: not ready yet\n" });
  });

  test("is an object for programs", () => {
    const { code, out } = examine([web], ["--json"]);
    assert.deepEqual([code, JSON.parse(out).healthy, JSON.parse(out).services[0].service], [0, true, "web"]);
  });

  test("has room for many lines, but not for all", () => {
    const { out } = examine(Array.from({ length: 150 }, (_, i) => ({ ...web, name: `service${i}`, state: "down" })));
    assert.ok(out.length < 4096);
    assert.match(out, /and \d+ more\n$/);
  });

  test("believes root, its own user, and nobody else", () => {
    const stranger = new Machine();
    assert.deepEqual(examine([web], [], stranger, 1000), { code: 1, out: "unknown: no runit-container answers\n" });
    const own = new Machine();
    own.ownUid = 1000;
    assert.equal(examine([web], [], own, 1000).code, 0);
    assert.equal(examine([web], ["-z"]).code, 1, "wrong usage is 1 as well: engines reserve the others");
  });
});
