// Who else may ask about services and control them: spec/user-services.md, section D3 and case 40.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Stage } from "../stage.ts";
import { isRoot, missing, stories } from "../stage.ts";
import { assertSays } from "../sv/scenes.ts";
import { byRoot, lay, nobody, one, pidIn, refused, root, scan, sleeper, start, statusIn, sv, tree } from "./scenes.ts";

/** Two groups of this machine other than nobody's: who controls, and who looks. */
const [operators, watchers] = fs
  .readFileSync("/etc/group", "latin1")
  .split("\n")
  .map((line) => ({ name: line.split(":")[0] ?? "", gid: Number(line.split(":")[2]) }))
  .filter(({ name, gid }) => /^[a-z]+$/.test(name) && gid > 0 && gid < 100);
const told = {
  ...byRoot,
  skip: (!isRoot && byRoot.skip) || missing("setpriv") || (watchers === undefined && "needs two groups"),
} as const;
const control = operators ?? { name: "root", gid: 0 };
const query = watchers ?? { name: "root", gid: 0 };

/** sv by nobody, as a member of these groups. */
function as(stage: Stage, groups: readonly { gid: number }[], args: readonly string[]): Promise<Outcome> {
  const supplementary = groups.length > 0 ? `--groups=${groups.map(({ gid }) => gid).join(",")}` : "--clear-groups";
  return sv(stage, args, { via: ["setpriv", `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, supplementary] });
}
/** Mode and group of each. */
function modes(stage: Stage, state: string): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const name of [".", "ok", "control", "status", "stat", "pid", "lock"]) {
    const { mode, gid } = fs.statSync(stage.at(root, state, name));
    shown[name] = `${(mode & 0o777).toString(8)} ${gid}`;
  }
  return shown;
}
const shared = (look: number, send: number, controlMode: string) => ({
  ".": `750 ${look}`,
  ok: `660 ${look}`,
  control: `${controlMode} ${send}`,
  status: `640 ${look}`,
  stat: `640 ${look}`,
  pid: `640 ${look}`,
});
/** The same without the lock, which is of no interest to others; its mode must be no wider than it was. */
function assertShared(stage: Stage, state: string, expected: Record<string, string>): void {
  const { lock = "", ...rest } = modes(stage, state);
  assert.deepEqual(rest, expected);
  assert.ok(lock.startsWith("600 "), lock);
}
const denied = /^(warning|fail): a: .*access denied\n$/;

stories("state root", (story) => {
  for (const [number, args, prepare] of [
    ["40 (-g)", ["-g", control.name], () => {}],
    [
      "40 (.group)",
      [],
      (stage: Stage) => {
        fs.mkdirSync(stage.at(root), { mode: 0o700 });
        stage.file(`${root}/.group`, `${control.name}\n`);
      },
    ],
  ] as const)
    story(
      number,
      "members of the group ask and control, a stranger does not",
      async (stage) => {
        lay(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" } });
        prepare(stage);
        await tree(stage, ["a", "a.log"], ["-s", stage.at(root), ...args]);
        const pid = await pidIn(stage, `${root}/a`);
        for (const state of ["a", "a.log"]) assertShared(stage, state, shared(control.gid, control.gid, "660"));
        const both = "run: a: (pid N) Ns; run: log: (pid N) Ns\n";
        assertSays(await as(stage, [control], ["status", "a"]), both);
        assertSays(await as(stage, [control], ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
        const restarted = await pidIn(stage, `${root}/a`, pid);
        // What has been written anew is as it was.
        for (const state of ["a", "a.log"]) assertShared(stage, state, shared(control.gid, control.gid, "660"));
        for (const groups of [[], [query]]) {
          for (const command of ["status", "restart"]) {
            const { out, code } = await as(stage, groups, [command, "a"]);
            assert.match(out, /access denied/);
            assert.equal(code, 1);
          }
        }
        assert.equal(await pidIn(stage, `${root}/a`), restarted);
      },
      told,
    );

  story(
    "40 (-G)",
    "members of the group of -G only ask",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"], ["-s", stage.at(root), "-G", query.name]);
      const pid = await pidIn(stage, `${root}/a`);
      const { control: file = "", ...rest } = modes(stage, "a");
      assert.match(file, /^600 /);
      const { control: _, ...expected } = shared(query.gid, 0, "600");
      assert.deepEqual({ ...rest, lock: "" }, { ...expected, lock: "" });
      assertSays(await as(stage, [query], ["status", "a"]), "run: a: (pid N) Ns\n");
      const { out, code } = await as(stage, [query], ["restart", "a"]);
      assert.match(out, denied);
      assert.equal(code, 1);
      assert.match((await as(stage, [control], ["status", "a"])).out, denied);
      assert.equal(await pidIn(stage, `${root}/a`), pid);
    },
    told,
  );

  story(
    "40 (both)",
    "one group asks, another controls",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"], ["-s", stage.at(root), "-g", control.name, "-G", query.name]);
      const pid = await pidIn(stage, `${root}/a`);
      assertShared(stage, "a", shared(query.gid, control.gid, "660"));
      assertSays(await as(stage, [query], ["status", "a"]), "run: a: (pid N) Ns\n");
      assert.match((await as(stage, [query], ["restart", "a"])).out, denied);
      assertSays(await as(stage, [query, control], ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assertShared(stage, "a", shared(query.gid, control.gid, "660"));
    },
    told,
  );

  story(
    "40 (runsv)",
    "the options of runsv are those of runsvdir",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await one(stage, "a", ["-s", stage.at(root), "-g", control.name]);
      await pidIn(stage, `${root}/a`);
      assertShared(stage, "a", shared(control.gid, control.gid, "660"));
      fs.symlinkSync(stage.at(root), stage.at(scan, ".run"));
      assertSays(await as(stage, [control], ["status", "a"]), "run: a: (pid N) Ns\n");
    },
    told,
  );

  story(
    "40 (umask)",
    "a narrow umask takes nothing from the group",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const via = ["/bin/sh", "-c", 'umask 077; exec "$@"', "sh"];
      await one(stage, "a", ["-s", stage.at(root), "-g", control.name], { via });
      const pid = await pidIn(stage, `${root}/a`);
      assertShared(stage, "a", shared(control.gid, control.gid, "660"));
      process.kill(pid, "SIGKILL");
      await pidIn(stage, `${root}/a`, pid);
      assertShared(stage, "a", shared(control.gid, control.gid, "660"));
    },
    told,
  );

  story(
    "40 (from before)",
    "a state directory that was nobody else's becomes the group's, and the other way round",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const once = async (args: readonly string[], expected: (stage: Stage) => void) => {
        const runsv = await one(stage, "a", ["-s", stage.at(root), ...args]);
        await pidIn(stage, `${root}/a`);
        expected(stage);
        runsv.kill("SIGTERM");
        await stage.end(runsv);
      };
      await once([], () => assert.equal(stage.mode(`${root}/a`), 0o700));
      await once(["-g", control.name], () => assertShared(stage, "a", shared(control.gid, control.gid, "660")));
      await once(["-G", query.name], () => {
        const { control: file = "", ok = "" } = modes(stage, "a");
        assert.deepEqual([file.split(" ")[0], ok], ["600", `660 ${query.gid}`]);
      });
      await once([], () => {
        assert.equal(stage.mode(`${root}/a`), 0o700);
        assert.equal(stage.mode(`${root}/a/control`), 0o600);
        assert.equal(stage.mode(`${root}/a/ok`), 0o600);
      });
    },
    told,
  );

  story(
    "40 (no such group)",
    "a group that does not exist is named",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      for (const option of ["-g", "-G"]) {
        const words = ["-s", stage.at(root), option, "nosuchgroup", "a"];
        const err = await refused(stage, start(stage, "runsv", words, { cwd: stage.at(scan) }));
        assert.match(err, /^runsv a: fatal: .*nosuchgroup/);
      }
    },
    told,
  );

  story(
    "40 (not a member)",
    "who is no member of a group cannot share with it, and shares with nobody else instead",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.mkdirSync(stage.at(root), { mode: 0o700 });
      fs.chownSync(stage.at(root), nobody.uid, nobody.gid);
      for (const option of ["-g", "-G"]) {
        const words = ["-s", stage.at(root), option, control.name, "a"];
        const runsv = start(stage, "runsv", words, { ...nobody, cwd: stage.at(scan) });
        assert.match(await refused(stage, runsv), /^runsv a: fatal: .*: permission denied\n$/);
        const isOpen = (name: string) => {
          const stats = fs.statSync(stage.at(root, name), { throwIfNoEntry: false });
          return stats !== undefined && (stats.mode & 0o77) !== 0 && stats.gid === nobody.gid;
        };
        assert.deepEqual(["a", "a/ok", "a/control"].filter(isOpen), []);
      }
    },
    told,
  );

  story(
    "40 (classic)",
    "a state beside its definition is shared with nobody",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.mkdirSync(stage.at("sv/a/supervise"), { mode: 0o700 });
      const words = ["-s", stage.at(root), "-g", control.name, "a"];
      const runsv = start(stage, "runsv", words, { cwd: stage.at(scan) });
      await pidIn(stage, "sv/a/supervise");
      assert.equal(stage.mode("sv/a/supervise"), 0o700);
      assert.equal(stage.mode("sv/a/supervise/control"), 0o600);
      assert.equal(runsv.err, "");
    },
    told,
  );

  story(
    "40 (a member's stop)",
    "a member stops a service and starts it",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"], ["-s", stage.at(root), "-g", control.name]);
      await pidIn(stage, `${root}/a`);
      assertSays(await as(stage, [control], ["down", "a"]), "ok: down: a: Ns, normally up\n");
      assert.equal(statusIn(stage, `${root}/a`).phase, 0);
      assertSays(await as(stage, [control], ["start", "a"]), "ok: run: a: (pid N) Ns\n");
    },
    told,
  );
});
