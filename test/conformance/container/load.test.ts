// Many services, and requests at every moment: spec/container.md, cases 16 and 44.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { assertSeconds, contain, quick, serve, told } from "./scenes.ts";

const patient = ["-g", "40"];
const memoryLimitKiB = 16 * 1024;

function statusNumber(pid: number, field: string): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(text)?.[1]);
}

stories("runit-container", (story) => {
  story(
    16,
    "TERM within the first moments is never lost, and never hangs",
    async (stage) => {
      const inOneGo = 5;
      const each = Array.from({ length: inOneGo }, (_, index) => index);
      for (const index of each) serve(stage, { a: quick, b: quick, c: quick }, `/etc/services${index}`);
      for (let round = 0; round < 100 / inOneGo; round++)
        await Promise.all(
          each.map(async (index) => {
            const container = await contain(stage, { args: [...patient, "-d", `/etc/services${index}`] });
            await stage.span((round * inOneGo + index) * 2);
            const { code, milliseconds, out, err } = await container.stop();
            assert.equal(code, 0, out + err);
            assertSeconds(milliseconds, 0, 10);
          }),
        );
    },
    { ...told, timeoutMilliseconds: 300_000 },
  );

  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a${index}`, quick]));

  story(
    44,
    "a hundred services are stopped side by side",
    async (stage) => {
      serve(stage, many);
      const container = await contain(stage, { args: patient });
      await stage.until("all run", () => container.processes("sleep 1000").length === 100);
      assert.ok(statusNumber(container.pid, "VmRSS") < memoryLimitKiB, `${statusNumber(container.pid, "VmRSS")} KiB`);
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 0);
      assertSeconds(milliseconds, 0, 8);
    },
    told,
  );

  story(
    "44 (limit)",
    "a limit of open files that is too low for it is raised, and the services have it as it was",
    async (stage) => {
      serve(stage, { ...many, limit: { run: "ulimit -n\nexec sleep 1000" } });
      const container = await contain(stage, { args: patient, as: 'ulimit -Sn 200\nexec "$@"' });
      await container.says("[limit] 200");
      await stage.until("all run", () => container.processes("sleep 1000").length === 101);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "44 (idle)",
    "when nothing happens it sleeps",
    async (stage) => {
      serve(stage, many);
      const container = await contain(stage, { args: patient });
      await stage.until("all run", () => container.processes("sleep 1000").length === 100);
      const seconds = 5;
      let wakeUps = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < 5 && wakeUps > seconds; attempt++) {
        const before = statusNumber(container.pid, "voluntary_ctxt_switches");
        await stage.span(seconds * 1000);
        wakeUps = statusNumber(container.pid, "voluntary_ctxt_switches") - before;
      }
      assert.ok(wakeUps <= seconds, `${wakeUps} wake-ups in ${seconds} s`);
    },
    told,
  );
});
