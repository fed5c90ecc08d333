// Changes of services, as they happen.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Report } from "../../client/src/index.ts";
import { Services } from "../../client/src/index.ts";
import type { Stage } from "../conformance/stage.ts";
import { stories } from "../conformance/stage.ts";

const sleeps = "exec sleep 1000";
const patience = { timeout: 60_000 };

async function supervise(stage: Stage, names: readonly string[]): Promise<Services> {
  fs.mkdirSync(stage.at("sv"));
  for (const name of names) stage.service(`sv/${name}`, { run: sleeps });
  stage.start("runsvdir", ["sv"]);
  const services = new Services({ directory: stage.at("sv") });
  await services.wait(names, "up", patience);
  return services;
}

/** Ends a watch when the story is over, however it ends. */
function endOf(stage: Stage): { readonly signal: AbortSignal } {
  const abort = new AbortController();
  stage.atEnd(() => abort.abort());
  return { signal: abort.signal };
}

/** Reads on until a report is as wanted; none is told twice. */
async function until(watch: AsyncGenerator<Report>, isWanted: (report: Report) => boolean): Promise<Report> {
  let before = "";
  for (;;) {
    const { value, done } = await watch.next();
    assert.ok(done !== true, "it goes on");
    const said = `${value.service} ${JSON.stringify({ ...value, seconds: 0, line: "" })}`;
    assert.notEqual(said, before);
    before = said;
    if (isWanted(value)) return value;
  }
}

stories("client-watch", (story) => {
  story(1, "what is now comes first, then each change", async (stage) => {
    const services = await supervise(stage, ["web"]);
    const abort = new AbortController();
    stage.atEnd(() => abort.abort());
    const watch = services.watch("web", { signal: abort.signal });
    const { value: first } = await watch.next();
    assert.equal(first?.state, "run");
    await services.control("web", "pause");
    const paused = await until(watch, (report) => report.state === "run" && report.paused);
    assert.match(paused.line, /^run: web: \(pid \d+\) \d+s, paused$/);
    await services.control("web", "cont");
    await until(watch, (report) => report.state === "run" && !report.paused);
    await services.control("web", "down");
    await until(watch, (report) => report.state === "down");
    const next = watch.next();
    abort.abort();
    assert.deepEqual(await next, { value: undefined, done: true });
  });

  story(20, "a watch is left while it waits, and twenty of them need but one signal", async (stage) => {
    const services = await supervise(stage, ["web"]);
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", onWarning);
    stage.atEnd(() => process.off("warning", onWarning));
    const { signal } = endOf(stage);
    const watches = Array.from({ length: 20 }, () => services.watch("web", { signal }));
    for (const watch of watches) {
      assert.equal((await watch.next()).value?.state, "run");
      const waiting = watch.next();
      if (watch === watches[0]) await assert.rejects(watch.throw(new Error("enough")), /enough/);
      else assert.equal((await watch.return()).done, true);
      assert.equal((await waiting).done, true);
    }
    await Promise.all(Array.from({ length: 20 }, () => services.wait("web", "up", { ...patience, signal })));
    const ends = Array.from({ length: 20 }, () => services.watch("web", { signal }));
    for (const watch of ends) await watch.next();
    const waiting = ends.map((watch) => watch.next());
    await stage.span(10);
    assert.deepEqual(warnings, []);
    for (const watch of ends) await watch.return();
    for (const { done } of await Promise.all(waiting)) assert.equal(done, true);
  });

  story(2, "who reads slowly misses what has passed, not what is now", async (stage) => {
    const services = await supervise(stage, ["web"]);
    const watch = services.watch(["web"], endOf(stage));
    await watch.next();
    for (let round = 0; round < 20; round++)
      for (const word of ["pause", "cont"] as const) await services.control("web", word);
    await services.control("web", "pause");
    await stage.until("paused", () => stage.stat("sv/web") === "run, paused");
    let last: Report | undefined;
    await until(watch, (report) => {
      last = report;
      return report.state === "run" && report.paused;
    });
    await services.control("web", "cont");
    await until(watch, (report) => report.state === "run" && !report.paused);
    assert.ok(last !== undefined);
    await watch.return();
  });

  story(3, "without names, services that come and go are seen as well", async (stage) => {
    const services = await supervise(stage, ["web"]);
    const watch = services.watch(undefined, endOf(stage));
    assert.equal((await watch.next()).value?.service, "web");
    stage.service("later", { run: sleeps });
    fs.symlinkSync(stage.at("later"), stage.at("sv/later"));
    await until(watch, ({ service, state }) => service === "later" && state === "run");
    fs.unlinkSync(stage.at("sv/later"));
    const gone = await until(watch, ({ service, state }) => service === "later" && state === null);
    assert.equal(gone.state === null && gone.error.code, "no such service");
    // And once more under the same name.
    fs.symlinkSync(stage.at("later"), stage.at("sv/later"));
    await until(watch, ({ service, state }) => service === "later" && state === "run");
    await watch.return();
  });

  story(4, "a runsv that is killed, and the next one, are seen", async (stage) => {
    stage.service("web", { run: sleeps });
    const first = await stage.supervise("web");
    const services = new Services({ directory: stage.dir });
    await services.wait("web", "up", patience);
    const watch = services.watch("web", endOf(stage));
    await watch.next();
    first.kill("SIGKILL");
    const gone = await until(watch, ({ state }) => state === null);
    assert.equal(gone.line, "fail: web: runsv not running");
    for (const pid of stage.processes("sleep 1000")) process.kill(pid, "SIGKILL");
    await stage.supervise("web");
    await until(watch, ({ state }) => state === "run");
    await watch.return();
  });

  story(5, "a service whose runsv comes later is seen", async (stage) => {
    stage.service("web", { run: sleeps });
    const watch = new Services({ directory: stage.dir }).watch("web", endOf(stage));
    assert.equal((await watch.next()).value?.state, null);
    await stage.supervise("web");
    await until(watch, ({ state }) => state === "run");
    await watch.return();
  });
});
