// runsvchdir killed: before each call that changes something, and at random moments under a running runsvdir. Debian's
// program removes `current` for a moment, so these stories are about ours (differs: runsvchdir-no-gap).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { missing, stories } from "../stage.ts";
import { linkedServices } from "./scenes.ts";

const sets = "sets";
const changing = ["unlink,unlinkat", "symlink,symlinkat", "rename,renameat,renameat2"];
const kills = 200;

/** What a link among the sets says; "directory", or "missing". */
function target(stage: Stage, name: string): string {
  const is = fs.lstatSync(stage.at(sets, name), { throwIfNoEntry: false });
  if (is === undefined) return "missing";
  return is.isSymbolicLink() ? fs.readlinkSync(stage.at(sets, name)) : "directory";
}
function lay(stage: Stage, links: Record<string, string>): void {
  fs.rmSync(stage.at(sets), { recursive: true, force: true });
  for (const set of ["default", "single", "third"]) fs.mkdirSync(stage.at(sets, set), { recursive: true });
  for (const [name, to] of Object.entries(links)) fs.symlinkSync(to, stage.at(sets, name));
}
function env(stage: Stage): Record<string, string> {
  return { RUNSVDIR: stage.at(sets) };
}

/** Runs it under strace, which kills it before the n-th call of a kind; answers whether it was. */
async function killedAt(stage: Stage, calls: string, n: number, wanted: string): Promise<boolean> {
  const inject = `--inject=${calls}:signal=KILL:when=${n}`;
  const args = ["-f", "-o", stage.at("trace"), "-e", `trace=${calls}`, inject, stage.program("runsvchdir"), wanted];
  const { code, signal, err } = await stage.run("/usr/bin/strace", args, {
    env: env(stage),
    via: ["timeout", "-k", "1", "30"],
  });
  const wasKilled = stage.read("trace").includes("+++ killed by SIGKILL +++");
  assert.ok(wasKilled || code === 0, `ended ${code} ${signal}: ${err}`);
  return wasKilled;
}

/** Switches, killed at each call of each kind in turn, until it is not any more; then once more. */
async function switchKilled(
  stage: Stage,
  before: Record<string, string>,
  wanted: string,
  after: string,
): Promise<number> {
  let killed = 0;
  for (const calls of changing) {
    for (let n = 1; ; n++) {
      assert.ok(n < 20, "it ends at some time");
      lay(stage, before);
      const wasKilled = await killedAt(stage, calls, n, wanted);
      const state = ["current", "previous", "current.new", ".previous.new"].map((name) => target(stage, name)).join();
      const where = `killed in ${calls} ${n}: ${state}`;
      assert.ok(["default", after].includes(target(stage, "current")), where);
      if (wasKilled) {
        const { code, err } = await stage.run("runsvchdir", [wanted], { env: env(stage) });
        assert.deepEqual([code, err], [0, ""], where);
      }
      const links = ["current", "previous", "current.new", ".previous.new"].map((name) => target(stage, name));
      assert.deepEqual(links, [after, "default", "missing", "missing"], where);
      if (!wasKilled) break;
      killed++;
    }
  }
  return killed;
}

const traced = { only: "ours", differs: "runsvchdir-no-gap", skip: missing("strace", "timeout") } as const;

stories("runsvchdir", (story) => {
  story(
    "K1",
    "killed before each call that changes something, there is a current set, and again completes the switch",
    async (stage) => {
      // Four names are made, removed or moved at the least: current.new, .previous.new, previous, current.
      assert.ok((await switchKilled(stage, { current: "default", previous: "third" }, "single", "single")) >= 4);
    },
    traced,
  );

  story(
    "K2",
    "killed before each call that changes something in the very first switch, with leftovers of a killed one",
    async (stage) => {
      const before = { current: "default", "current.new": "third", ".previous.new": "third" };
      assert.ok((await switchKilled(stage, before, stage.at(sets, "single"), stage.at(sets, "single"))) >= 4);
    },
    traced,
  );

  story(
    "K3",
    "killed before each call that changes something on the way back, again goes back",
    async (stage) => {
      const before = { current: "default", previous: "single" };
      assert.ok((await switchKilled(stage, before, "previous", "single")) >= 1);
    },
    { ...traced, differs: "runsvchdir-previous" },
  );

  story(
    "K4",
    "killed while current is a directory, there is a current set, nothing is lost, and again completes the switch",
    async (stage) => {
      for (const calls of changing) {
        for (let n = 1; ; n++) {
          assert.ok(n < 20, "it ends at some time");
          lay(stage, { previous: "third" });
          stage.file(`${sets}/current/mark`, "");
          const wasKilled = await killedAt(stage, calls, n, "single");
          const where = `killed in ${calls} ${n}: ${fs.readdirSync(stage.at(sets)).join()}`;
          const places = ["current", "previous", ".previous.new"].filter((name) =>
            stage.exists(`${sets}/${name}/mark`),
          );
          assert.equal(places.length, 1, where);
          // Where the file system cannot exchange two names, it says so, and there is a moment without a current set.
          const isGap = target(stage, "current") === "missing";
          if (isGap) assert.match(stage.read("trace"), /RENAME_EXCHANGE\) = -1 E/, where);
          if (wasKilled && !isGap) {
            const { code, err } = await stage.run("runsvchdir", ["single"], { env: env(stage) });
            assert.deepEqual([code, err], [0, ""], where);
          }
          if (!isGap) {
            assert.deepEqual([target(stage, "current"), target(stage, "previous")], ["single", "directory"], where);
            assert.ok(stage.exists(`${sets}/previous/mark`), where);
          }
          if (!wasKilled) break;
        }
      }
    },
    traced,
  );

  story(
    "K5",
    `${kills} kills at random moments while it switches to and fro: what is in both sets runs on`,
    async (stage) => {
      linkedServices(stage, `${sets}/default`, ["shared", "a"]);
      linkedServices(stage, `${sets}/single`, ["shared", "b"]);
      fs.symlinkSync("default", stage.at(sets, "current"));
      fs.symlinkSync(stage.at(sets, "current"), stage.at("scan"));
      const runsvdir = stage.start("runsvdir", ["scan"]);
      const shared = await stage.running("sv/shared");
      await stage.running("sv/a");
      // Looks without a pause; what it sees missing, it says. It ends when it is told to.
      stage.file(
        "watch",
        "#!/bin/sh\nwhile [ -e looking ]; do [ -e sets/current/shared ] || echo missing >>gaps; done\n",
      );
      stage.file("looking", "");
      const watcher = stage.start(stage.at("watch"));

      // How long it takes to switch, so that the kills are spread over all of it.
      let longest = 0;
      for (const wanted of ["single", "default", "single", "default"]) {
        const { milliseconds, code } = await stage.run("runsvchdir", [wanted], { env: env(stage) });
        assert.equal(code, 0);
        longest = Math.max(longest, milliseconds);
      }
      let wanted = "single";
      let switched = 0;
      for (let kill = 0; kill < kills; kill++) {
        const old = target(stage, "current");
        wanted = old === "single" ? "default" : "single";
        const running = stage.start("runsvchdir", [wanted], { env: env(stage) });
        const end = performance.now() + Math.random() * longest;
        while (performance.now() < end);
        running.kill("SIGKILL");
        await stage.end(running);
        const now = target(stage, "current");
        assert.ok(now === old || now === wanted, `current says ${now}`);
        if (now === old) {
          assert.equal((await stage.run("runsvchdir", [wanted], { env: env(stage) })).code, 0);
        } else switched++;
        assert.deepEqual([target(stage, "current"), target(stage, "previous")], [wanted, old]);
        assert.equal(stage.status("sv/shared").pid, shared);
      }
      fs.unlinkSync(stage.at("looking"));
      assert.equal((await stage.end(watcher)).code, 0);
      assert.equal(stage.peek("gaps"), "");
      assert.ok(switched < kills, "some were killed before they were done");

      // In the end runsvdir has what the last switch said.
      const [here, gone] = wanted === "single" ? ["b", "a"] : ["a", "b"];
      await stage.running(`sv/${here}`);
      await stage.until(`${gone} has ended`, () => !stage.isListening(`sv/${gone}`));
      assert.equal(stage.status("sv/shared").pid, shared);
      assert.ok(stage.isLiving(shared));
      assert.ok(runsvdir.isAlive, runsvdir.err);
      assert.deepEqual(stage.processes("runsv ").length, 2);
      runsvdir.kill("SIGHUP");
      assert.equal((await stage.end(runsvdir)).code, 111);
      await stage.until("all have ended", () => stage.processes().length === 0);
    },
    { only: "ours", differs: "runsvchdir-no-gap", timeoutMilliseconds: 180_000 },
  );
});
