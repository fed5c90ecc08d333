// What a service with a state root survives: spec/user-services.md, section D3 and cases 37 and 42.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Running, Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { assertSays } from "../sv/scenes.ts";
import {
  classicFiles,
  enable,
  isListening,
  lay,
  mounted,
  one,
  ours,
  parentOf,
  pidIn,
  root,
  scan,
  sleeper,
  start,
  statusIn,
  sv,
  tree,
} from "./scenes.ts";

/** What is supervised now; a service says which definition it is of. */
const saying = (word: string) => `echo ${word} >>${"../../said"}\nexec sleep 1000`;
const said = (stage: Stage) => stage.peek("said").split("\n").slice(0, -1);
/** Lets runsvdir look at its directory, and awaits that it has. */
async function rescan(stage: Stage, name: string): Promise<void> {
  stage.service(`sv/${name}`, { run: sleeper });
  enable(stage, name);
  await pidIn(stage, `${root}/${name}`);
}
/** Awaits a whole state directory that tells of this process. */
async function recreated(stage: Stage, state: string, pid: number): Promise<void> {
  await stage.until(`${state} is there again`, () => {
    return isListening(stage, state) && statusIn(stage, state).pid === pid && stage.exists(`${state}/lock`);
  });
  for (const name of classicFiles) assert.ok(stage.exists(`${state}/${name}`), name);
  assert.equal(stage.read(`${state}/pid`), `${pid}\n`);
  assert.equal(stage.read(`${state}/stat`), "run\n");
}
async function kill(stage: Stage, victim: Running): Promise<void> {
  victim.kill("SIGKILL");
  await stage.end(victim);
}
const runs = (name: string) => `run: ${name}: (pid N) Ns\n`;

stories("state root", (story) => {
  story(
    37,
    "a definition that is renamed away and back",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const runsvdir = await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      fs.renameSync(stage.at("sv/a"), stage.at("sv/away"));
      assertSays(await sv(stage, ["status", "a"]), runs("a"));
      // Also when runsvdir has a reason to look.
      await rescan(stage, "new");
      assertSays(await sv(stage, ["status", "a"]), runs("a"));
      fs.renameSync(stage.at("sv/away"), stage.at("sv/a"));
      await rescan(stage, "newer");
      assertSays(await sv(stage, ["status", "a"]), runs("a"));
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assert.equal(runsvdir.err, "");
    },
    ours,
  );

  story(
    "37 (replaced)",
    "the next start is that of what has replaced the definition",
    async (stage) => {
      lay(stage, { a: { run: saying("old") } });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      fs.rmSync(stage.at("sv/a"), { recursive: true });
      stage.service("sv/a", { run: saying("new"), finish: "echo finish >>../../said" });
      await rescan(stage, "b");
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assertSays(await sv(stage, ["status", "a"]), runs("a"));
      process.kill(pid, "SIGKILL");
      await pidIn(stage, `${root}/a`, pid);
      assert.deepEqual(
        said(stage).filter((word) => word !== "finish"),
        ["old", "new"],
      );
    },
    ours,
  );

  story(
    "37 (relinked)",
    "an entry that leads elsewhere from now on",
    async (stage) => {
      lay(stage, { a: { run: saying("a") } });
      stage.service("sv/b", { run: saying("b") });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      fs.symlinkSync(stage.at("sv/b"), stage.at(scan, ".new"));
      fs.renameSync(stage.at(scan, ".new"), stage.at(scan, "a"));
      await rescan(stage, "c");
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assert.deepEqual(said(stage), ["a", "b"]);
      await stage.becomes(() => fs.readlinkSync(stage.at(root, "a/definition")), stage.at("sv/b"));
    },
    ours,
  );

  story(
    "37 (under another name)",
    "a service that is renamed in the scan directory is another one",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const runsvdir = await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      fs.renameSync(stage.at(scan, "a"), stage.at(scan, "b"));
      const renamed = await pidIn(stage, `${root}/b`);
      await stage.until("a has ended", () => !stage.isLiving(pid) && !isListening(stage, `${root}/a`));
      assertSays(await sv(stage, ["status", "b"]), runs("b"));
      assert.equal(await pidIn(stage, `${root}/b`), renamed);
      assert.equal((await sv(stage, ["status", "a"])).code, 1);
      assert.equal(runsvdir.err, "");
    },
    ours,
  );

  story(
    "37 (removed)",
    "a service whose link is removed is stopped, and comes again with its link",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      await tree(stage, ["a", "b"]);
      const [a, b] = [await pidIn(stage, `${root}/a`), await pidIn(stage, `${root}/b`)];
      fs.unlinkSync(stage.at(scan, "a"));
      await stage.until("a has ended", () => !stage.isLiving(a) && !isListening(stage, `${root}/a`));
      enable(stage, "a");
      await pidIn(stage, `${root}/a`, a);
      assert.equal(await pidIn(stage, `${root}/b`), b);
    },
    ours,
  );

  story(
    42,
    "a state root that is deleted is there again, and its services have gone on",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" }, b: { run: sleeper } });
      await tree(stage, ["a", "a.log", "b"]);
      const states = ["a", "a.log", "b"].map((name) => `${root}/${name}`);
      await pidIn(stage, `${root}/a`);
      await pidIn(stage, `${root}/b`);
      const pids = states.map((state) => statusIn(stage, state).pid);
      const since = performance.now();
      remove(stage, root);
      for (const [index, state] of states.entries()) await recreated(stage, state, pids[index] ?? 0);
      // Six seconds, and what a loaded machine needs.
      assert.ok(performance.now() - since < 12_000, `${performance.now() - since} ms`);
      assert.equal(stage.mode(root), 0o700);
      assert.equal(fs.readlinkSync(stage.at(root, "a/definition")), stage.at("sv/a"));
      assertSays(await sv(stage, ["status", "a", "b"]), `run: a: (pid N) Ns; run: log: (pid N) Ns\n${runs("b")}`);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pids[0]);
      assert.equal(statusIn(stage, `${root}/b`).pid, pids[2]);
    },
    ours,
  );

  for (const [title, harm] of [
    ["the state directory of a service is deleted", (stage: Stage) => remove(stage, `${root}/a`)],
    ["it is renamed", (stage: Stage) => fs.renameSync(stage.at(root, "a"), stage.at(root, "was"))],
    [
      "the state root is replaced by an empty one",
      (stage: Stage) => {
        fs.renameSync(stage.at(root), stage.at("was"));
        // It may have made another already.
        fs.mkdirSync(stage.at(root), { recursive: true, mode: 0o700 });
      },
    ],
  ] as const)
    story(
      "42",
      `${title}: it is made again, with the same process`,
      async (stage) => {
        lay(stage, { a: { run: sleeper } });
        const runsvdir = await tree(stage, ["a"]);
        const pid = await pidIn(stage, `${root}/a`);
        harm(stage);
        await recreated(stage, `${root}/a`, pid);
        assertSays(await sv(stage, ["status", "a"]), runs("a"));
        assertSays(await sv(stage, ["down", "a"]), "ok: down: a: Ns, normally up\n");
        assertSays(await sv(stage, ["start", "a"]), "ok: run: a: (pid N) Ns\n");
        // The lock is the new one's: a second runsv does not come beside it.
        const second = start(stage, "runsv", ["-s", stage.at(root), "a"], { cwd: stage.at(scan) });
        assert.equal((await stage.end(second)).code, 111);
        assert.ok(runsvdir.isAlive);
        assert.equal(stage.processes("sleep").length, 1);
      },
      ours,
    );

  story(
    "42 (unmounted)",
    "a state root whose file system is unmounted is made again below it",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      stage.mount(root, "mode=700");
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      assert.equal(spawnSync("umount", ["-l", stage.at(root)]).status, 0);
      await recreated(stage, `${root}/a`, pid);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
    },
    mounted,
  );

  story(
    "42 (hostile)",
    "a state root that is not ours any more is not used, and the service goes on",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const runsv = await one(stage, "a");
      const pid = await pidIn(stage, `${root}/a`);
      // It is stopped meanwhile, since it is quick to make one anew.
      runsv.kill("SIGSTOP");
      fs.renameSync(stage.at(root), stage.at("was"));
      fs.mkdirSync(stage.at(root));
      fs.chmodSync(stage.at(root), 0o777);
      runsv.kill("SIGCONT");
      const why = `unable to use state directory ${stage.at(root)}: writable by others\n`;
      await stage.until("it warns", () => runsv.err.endsWith(why));
      assert.deepEqual([fs.readdirSync(stage.at(root)), stage.isLiving(pid)], [[], true]);
      fs.chmodSync(stage.at(root), 0o700);
      await recreated(stage, `${root}/a`, pid);
      assert.equal(runsv.err.split("\n").length, 2, runsv.err);
    },
    ours,
  );

  story(
    "42 (adopted later)",
    "a state that was made again tells the next runsv of the process",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const first = await one(stage, "a");
      const pid = await pidIn(stage, `${root}/a`);
      remove(stage, root);
      await recreated(stage, `${root}/a`, pid);
      await kill(stage, first);
      await one(stage, "a");
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assert.equal(stage.processes("sleep").length, 1);
    },
    ours,
  );

  story(
    "D3 (runsv killed)",
    "the next runsv of a killed one takes the service over",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" } });
      await tree(stage, ["a", "a.log"]);
      const pid = await pidIn(stage, `${root}/a`);
      const log = statusIn(stage, `${root}/a.log`).pid;
      const runsv = parentOf(pid);
      process.kill(runsv, "SIGKILL");
      await stage.until("there is another", () => !stage.isLiving(runsv) && isListening(stage, `${root}/a`));
      assertSays(await sv(stage, ["status", "a"]), "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
      assert.deepEqual([await pidIn(stage, `${root}/a`), statusIn(stage, `${root}/a.log`).pid], [pid, log]);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
    },
    ours,
  );

  story(
    "D3 (runsvdir killed)",
    "the next runsvdir of a killed one takes the runsv over",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      enable(stage, "foo", "b");
      const first = await tree(stage, ["foo", "b"]);
      const pids = [await pidIn(stage, `${root}/foo`), await pidIn(stage, `${root}/b`)];
      const supervisors = pids.map((pid) => parentOf(pid));
      await kill(stage, first);
      const second = await tree(stage, ["foo", "b"]);
      await rescan(stage, "c");
      assert.deepEqual([await pidIn(stage, `${root}/foo`), await pidIn(stage, `${root}/b`)], pids);
      assert.deepEqual(
        pids.map((pid) => parentOf(pid)),
        supervisors,
      );
      assert.equal(second.err, "");
      // They are its own: what is removed is stopped, who ends is started again.
      fs.unlinkSync(stage.at(scan, "b"));
      await stage.until("b has ended", () => !stage.isLiving(pids[1] ?? 0));
      process.kill(supervisors[0] ?? 0, "SIGKILL");
      await stage.until("foo has another runsv", () => {
        return !stage.isLiving(supervisors[0] ?? 0) && isListening(stage, `${root}/foo`);
      });
      assert.equal(await pidIn(stage, `${root}/foo`), pids[0]);
      second.kill("SIGHUP");
      assert.equal((await stage.end(second)).code, 111);
      await stage.until("all have ended", () => stage.processes().length === 0);
    },
    ours,
  );

  story(
    "D3 (all killed)",
    "the services of a killed tree are taken over by the next, without -s",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      const first = await tree(stage, ["a", "b"]);
      const pids = [await pidIn(stage, `${root}/a`), await pidIn(stage, `${root}/b`)];
      for (const pid of pids) process.kill(parentOf(pid), "SIGSTOP");
      await kill(stage, first);
      for (const runsv of stage.processes("runsv ")) process.kill(runsv, "SIGKILL");
      await stage.until("they are gone", () => stage.processes("runsv ").length === 0);
      await tree(stage, ["a", "b"], []);
      assert.deepEqual([await pidIn(stage, `${root}/a`), await pidIn(stage, `${root}/b`)], pids);
      assertSays(await sv(stage, ["status", "a", "b"]), runs("a") + runs("b"));
    },
    ours,
  );

  story(
    "D3 (killed while away)",
    "a runsv that was killed while its definition was away is started again when that is back",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      const runsv = parentOf(pid);
      fs.renameSync(stage.at("sv/a"), stage.at("sv/away"));
      process.kill(runsv, "SIGKILL");
      await stage.until("it is gone", () => !stage.isLiving(runsv));
      fs.renameSync(stage.at("sv/away"), stage.at("sv/a"));
      await stage.until("there is another", () => isListening(stage, `${root}/a`));
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assert.equal(stage.processes("sleep").length, 1);
    },
    ours,
  );

  story(
    "D3 (crash net)",
    "a runsv that restarts in place keeps its state root",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      process.kill(parentOf(pid), "SIGSEGV");
      await stage.span(300);
      await stage.until("it listens", () => isListening(stage, `${root}/a`));
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      remove(stage, root);
      await recreated(stage, `${root}/a`, pid);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assert.ok(!stage.exists("sv/a/supervise"));
    },
    ours,
  );

  story(
    "D3 (runsvdir in place)",
    "a runsvdir that restarts in place keeps its state root and its names",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      enable(stage, "foo", "b");
      const runsvdir = await tree(stage, ["foo", "b"]);
      const pids = [await pidIn(stage, `${root}/foo`), await pidIn(stage, `${root}/b`)];
      runsvdir.kill("SIGSEGV");
      await stage.until("it says so", () => runsvdir.err !== "");
      await rescan(stage, "c");
      assert.ok(runsvdir.isAlive, runsvdir.err);
      assert.deepEqual([await pidIn(stage, `${root}/foo`), await pidIn(stage, `${root}/b`)], pids);
      assert.ok(!stage.exists("sv/c/supervise"));
    },
    ours,
  );
});

/** Takes a directory away at once: what is deleted file by file may be there again before it is empty. */
function remove(stage: Stage, directory: string): void {
  fs.renameSync(stage.at(directory), stage.at("removed"));
  fs.rmSync(stage.at("removed"), { recursive: true });
}
