// Where the state of a service is: spec/user-services.md, section D3 and cases 31 to 35, 43 and 45.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stage } from "../stage.ts";
import { cannotMount, missing, referenceRoot, stories } from "../stage.ts";
import { assertSays } from "../sv/scenes.ts";
import {
  asNobody,
  asRootMounted,
  byRoot,
  classicFiles,
  enable,
  give,
  isListening,
  lay,
  layReadOnly,
  listing,
  makeReadOnly,
  mounted,
  nobody,
  one,
  ours,
  pidIn,
  refused,
  root,
  run,
  scan,
  sleeper,
  start,
  statIn,
  sv,
  tree,
  world,
} from "./scenes.ts";

const reference = path.join(referenceRoot, "usr/bin");
/** What is known of the run of a service: nothing of a state root. */
const printsVariables = 'echo "name=$SV_NAME state=$SV_STATE log=$SV_LOGDIR" >variables\nexec sleep 1000';

/** Whether a state directory has what it should have, and nothing else. */
function assertWhole(stage: Stage, state: string, definition: string): void {
  const names = fs.readdirSync(stage.at(state)).filter((name) => name !== "child");
  assert.deepEqual(names.sort(), [...classicFiles, "definition", "scan"].sort());
  assert.equal(fs.readlinkSync(stage.at(state, "definition")), definition);
  assert.equal(fs.realpathSync(stage.at(state, "scan")), stage.at(scan));
  assert.ok(path.isAbsolute(fs.readlinkSync(stage.at(state, "scan"))));
  assert.equal(stage.mode(state), 0o700);
  for (const name of ["ok", "control", "lock"]) assert.equal(stage.mode(`${state}/${name}`), 0o600, name);
}

stories("state root", (story) => {
  story(
    31,
    "definitions on a read-only file system are supervised, and nothing is written below them",
    async (stage) => {
      layReadOnly(stage, { a: { run: sleeper }, b: { run: sleeper, "log/run": "exec cat >/dev/null" } });
      const before = listing(stage, "sv");
      const runsvdir = await tree(stage, ["a", "b", "b.log"]);
      const pid = await pidIn(stage, `${root}/a`);
      await pidIn(stage, `${root}/b`);
      assertSays(
        await sv(stage, ["status", "a", "b"]),
        "run: a: (pid N) Ns\nrun: b: (pid N) Ns; run: log: (pid N) Ns\n",
      );
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      const restarted = await pidIn(stage, `${root}/a`, pid);
      assert.equal((await sv(stage, ["exit", "b"])).code, 0);
      // Its runsv is started again, and the service with it.
      await stage.until("b is supervised again", () => isListening(stage, `${root}/b`));
      await pidIn(stage, `${root}/b`);
      assert.equal(await pidIn(stage, `${root}/a`), restarted);
      assert.deepEqual(listing(stage, "sv"), before);
      assert.equal(runsvdir.err, "");
    },
    mounted,
  );

  story(
    "31 (the scan directory too)",
    "a read-only scan directory that holds the definitions",
    async (stage) => {
      stage.mount(scan, "mode=755");
      stage.service(`${scan}/a`, { run: sleeper });
      makeReadOnly(stage, scan);
      const runsvdir = await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      assertWhole(stage, `${root}/a`, stage.at(scan, "a"));
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await sv(stage, ["restart", "a"], { env }), "ok: run: a: (pid N) Ns\n");
      assert.deepEqual(listing(stage, scan), ["a", "a/run"]);
      assert.equal(runsvdir.err, "");
    },
    mounted,
  );

  story(
    "31 (what is in it)",
    "a state directory has the six files of supervise, and links to the definition and the scan directory",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" } });
      await tree(stage, ["a", "a.log"]);
      const pid = await pidIn(stage, `${root}/a`);
      assertWhole(stage, `${root}/a`, stage.at("sv/a"));
      assert.equal(stage.mode(root), 0o700);
      assert.equal(stage.read(`${root}/a/pid`), `${pid}\n`);
      assert.equal(statIn(stage, `${root}/a`), "run");
      for (const name of classicFiles) assert.ok(stage.exists(`${root}/a.log/${name}`), name);
      assert.equal(stage.mode(`${root}/a.log`), 0o700);
      assert.deepEqual(listing(stage, "sv"), ["a", "a/log", "a/log/run", "a/run"]);
    },
    ours,
  );

  story(
    32,
    "without a state root, read-only definitions of root have theirs in /run/runit/supervise",
    async (stage) => {
      layReadOnly(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" } });
      const { via } = await worldWithRun(stage);
      const runsvdir = start(stage, "runsvdir", [stage.at(scan)], { via });
      await pidIn(stage, "run/runit/supervise/a");
      await stage.until("its log too", () => isListening(stage, "run/runit/supervise/a.log"));
      assert.equal(stage.mode("run/runit/supervise"), 0o700);
      assert.equal(stage.mode("run/runit/supervise/a"), 0o700);
      assertSays(await sv(stage, ["status", "a"], { via }), "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
      assertSays(await sv(stage, ["restart", "a"], { via }), "ok: run: a: (pid N) Ns\n");
      assert.equal(runsvdir.err, "");
      assert.ok(!fs.existsSync(stage.at(scan, ".run")));
    },
    asRootMounted,
  );

  story(
    "32 (by their definition)",
    "a service without an explicit state root is also known by the path of its definition",
    async (stage) => {
      layReadOnly(stage, { foo: { run: sleeper } });
      fs.unlinkSync(stage.at(scan, "foo"));
      enable(stage, "foo", "web");
      const { via } = await worldWithRun(stage);
      start(stage, "runsvdir", [stage.at(scan)], { via });
      await pidIn(stage, "run/runit/supervise/web");
      const definition = stage.at("sv/foo");
      assertSays(await sv(stage, ["status", definition], { via }), `run: ${definition}: (pid N) Ns\n`);
    },
    asRootMounted,
  );

  story(
    "32 (another user)",
    "those of another user have theirs in the user's home",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.mkdirSync(stage.at("home"));
      give(stage, "home", nobody);
      const options = { ...nobody, env: { HOME: stage.at("home") } };
      const runsvdir = start(stage, "runsvdir", [stage.at(scan)], options);
      const state = "home/.local/state/sv/run/a";
      await pidIn(stage, state);
      assert.equal(stage.mode(state), 0o700);
      assertSays(await sv(stage, ["status", "a"], options), "run: a: (pid N) Ns\n");
      assert.equal(runsvdir.err, "");
    },
    byRoot,
  );

  story(
    "32 (their run-time directory)",
    "those of another user have theirs in XDG_RUNTIME_DIR, if that is the user's alone",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      fs.mkdirSync(stage.at("home"));
      give(stage, "home", nobody);
      fs.mkdirSync(stage.at("xdg"), { mode: 0o700 });
      give(stage, "xdg", nobody);
      const options = { ...nobody, env: { HOME: stage.at("home"), XDG_RUNTIME_DIR: stage.at("xdg") } };
      start(stage, "runsv", ["a"], { ...options, cwd: stage.at(scan) });
      await pidIn(stage, "xdg/sv/a");
      assertSays(await sv(stage, ["status", "a"], options), "run: a: (pid N) Ns\n");
      fs.chmodSync(stage.at("xdg"), 0o755);
      start(stage, "runsv", ["b"], { ...options, cwd: stage.at(scan) });
      await pidIn(stage, "home/.local/state/sv/run/b");
      assert.ok(!stage.exists("xdg/sv/b"));
    },
    byRoot,
  );

  story(
    "32 (nowhere)",
    "where no state can be kept, the message names the directory and the reason",
    async (stage) => {
      layReadOnly(stage, { a: { run: sleeper } });
      stage.mount("home", "mode=755");
      give(stage, "home", nobody);
      makeReadOnly(stage, "home");
      const options = { ...nobody, env: { HOME: stage.at("home") }, cwd: stage.at(scan) };
      const err = await refused(stage, start(stage, "runsv", ["a"], options));
      assert.match(err, /^runsv a: fatal: unable to create state directory \S+: read-only file system\n$/);
      assert.ok(err.includes(stage.at("home/.local/state")), err);
    },
    asRootMounted,
  );

  story(
    "32 (a read-only state root)",
    "a state root on a read-only file system",
    async (stage) => {
      layReadOnly(stage, { a: { run: sleeper } });
      const { via } = await worldWithRun(stage, "mount -o remount,bind,ro /run");
      const err = await refused(stage, start(stage, "runsv", [stage.at(scan, "a")], { via }));
      const message = `runsv ${stage.at(scan, "a")}: fatal: unable to create state directory /run/runit/supervise/a: `;
      assert.equal(err, `${message}read-only file system\n`);
    },
    asRootMounted,
  );

  for (const [title, as] of [
    ["below /run", "root"],
    ["below the directory of a user", "nobody"],
  ] as const)
    story(
      `33 (${as})`,
      `missing parents of a dangling supervise are made ${title}`,
      async (stage) => {
        const place = as === "root" ? "/run/deep/er" : stage.at("xdg/sv/deep/er");
        fs.mkdirSync(stage.at("xdg"), { mode: 0o700 });
        stage.service("sv/a", { run: sleeper, "log/run": "exec cat >/dev/null" });
        fs.symlinkSync(`${place}/a`, stage.at("sv/a/supervise"));
        fs.symlinkSync(`${place}/a-log`, stage.at("sv/a/log/supervise"));
        lay(stage, {});
        enable(stage, "a");
        give(stage, "xdg", nobody);
        const { via } = await worldWithRun(stage, "", as === "root" ? [] : asNobody);
        const env = { XDG_RUNTIME_DIR: stage.at("xdg"), HOME: "/nonexistent" };
        const runsvdir = start(stage, "runsvdir", [stage.at(scan)], { via, env });
        const seen = as === "root" ? "run/deep/er" : "xdg/sv/deep/er";
        await pidIn(stage, `${seen}/a`);
        await stage.until("its log too", () => isListening(stage, `${seen}/a-log`));
        assertSays(await sv(stage, ["status", "a"], { via, env }), "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
        assert.equal(runsvdir.err, "");
      },
      asRootMounted,
    );

  story(
    "33 (elsewhere)",
    "they are not made elsewhere, and the message says which is missing",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.symlinkSync(stage.at("no/where/a"), stage.at("sv/a/supervise"));
      for (const args of [["a"], ["-s", stage.at(root), "a"]]) {
        const err = await refused(stage, start(stage, "runsv", args, { cwd: stage.at(scan) }));
        assert.match(err, /^runsv a: fatal: .*: file does not exist\n$/);
        assert.ok(err.includes(stage.at("no/where")), err);
      }
      assert.ok(!stage.exists("no"));
      assert.ok(!stage.exists(`${root}/a`));
    },
    ours,
  );

  story(34, "a supervise directory that exists is used, whatever is said of state roots", async (stage) => {
    stage.service("svc/a", { run: sleeper });
    fs.mkdirSync(stage.at("svc/a/supervise"));
    fs.symlinkSync(stage.at(root), stage.at("svc/.run"));
    const env = { SVRUNDIR: stage.at(root) };
    const runsvdir = start(stage, "runsvdir", [stage.at(scan)], { env });
    const pid = await pidIn(stage, "svc/a/supervise");
    assertSays(await sv(stage, ["status", "a"], { env }), "run: a: (pid N) Ns\n");
    assertSays(await sv(stage, ["restart", "a"], { env }), "ok: run: a: (pid N) Ns\n");
    await pidIn(stage, "svc/a/supervise", pid);
    assert.ok(!stage.exists(`${root}/a`));
    assert.ok(!stage.exists("svc/a/supervise/definition"));
    assert.equal(runsvdir.err, "");
  });

  story(
    "34 (-s)",
    "it is used with -s too, and the original's sv controls it",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      fs.mkdirSync(stage.at("sv/a/supervise"));
      await tree(stage, ["b"]);
      const pid = await pidIn(stage, "sv/a/supervise");
      assert.ok(!stage.exists(`${root}/a`));
      const original = path.join(reference, "sv");
      assertSays(await run(stage, original, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, "sv/a/supervise", pid);
      assertSays(await sv(stage, ["status", "a", "b"]), "run: a: (pid N) Ns\nrun: b: (pid N) Ns\n");
    },
    { ...ours, skip: !fs.existsSync(path.join(reference, "sv")) && "needs Debian's sv unpacked" },
  );

  story(
    "34 (beside)",
    "with a link to its state beside the definition, the original's sv controls it too",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      fs.symlinkSync(stage.at(root, "a"), stage.at("sv/a/supervise"));
      const original = path.join(reference, "sv");
      assertSays(await run(stage, original, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assertSays(await sv(stage, ["status", "a"]), "run: a: (pid N) Ns\n");
    },
    { ...ours, skip: !fs.existsSync(path.join(reference, "sv")) && "needs Debian's sv unpacked" },
  );

  for (const [distribution, main, log] of [
    ["Void's", "/run/runit/supervise.a", "/run/runit/supervise.a-log"],
    ["Debian's", "/run/runit/supervise/a", "/run/runit/supervise/a.log"],
  ] as const)
    story(
      `35 (${distribution})`,
      `${distribution} links to /run work unchanged`,
      async (stage) => {
        stage.mount("sv", "mode=755");
        lay(stage, { a: { run: sleeper, "log/run": "exec cat >/dev/null" } });
        fs.symlinkSync(main, stage.at("sv/a/supervise"));
        fs.symlinkSync(log, stage.at("sv/a/log/supervise"));
        makeReadOnly(stage, "sv");
        fs.mkdirSync(stage.at(path.dirname(main)), { recursive: true });
        const { via } = await worldWithRun(stage);
        const runsvdir = start(stage, "runsvdir", [stage.at(scan)], { via });
        const state = main.slice(1);
        const pid = await pidIn(stage, state);
        await stage.until("its log too", () => isListening(stage, log.slice(1)));
        assertSays(await sv(stage, ["status", "a"], { via }), "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
        assertSays(await sv(stage, ["restart", "a"], { via }), "ok: run: a: (pid N) Ns\n");
        await pidIn(stage, state, pid);
        assert.ok(!stage.exists(`${state}/definition`));
        assert.equal(runsvdir.err, "");
      },
      { skip: cannotMount || missing("unshare", "nsenter") },
    );

  story(
    "D3 (classic)",
    "a classic installation is as it was: nothing is new in it, nor in /run, nor in the environment",
    async (stage) => {
      lay(stage, { a: { run: printsVariables, "log/run": "exec cat >/dev/null" } });
      const { via } = await worldWithRun(stage);
      const runsvdir = start(stage, "runsvdir", [stage.at(scan)], { via });
      await pidIn(stage, "sv/a/supervise");
      await stage.until("its log too", () => isListening(stage, "sv/a/log/supervise"));
      assertSays(await sv(stage, ["status", "a"], { via }), "run: a: (pid N) Ns; run: log: (pid N) Ns\n");
      assert.equal(stage.read("sv/a/variables"), "name= state= log=\n");
      const state = [...classicFiles, "child"].sort();
      assert.deepEqual(fs.readdirSync(stage.at("sv/a/supervise")).sort(), state);
      assert.deepEqual(fs.readdirSync(stage.at("sv/a/log/supervise")).sort(), state);
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")).sort(), ["log", "run", "supervise", "variables"]);
      assert.deepEqual(fs.readdirSync(stage.at(scan)), ["a"]);
      assert.deepEqual(fs.readdirSync(stage.at("run")), []);
      assert.equal(runsvdir.err, "");
    },
    mounted,
  );

  story(
    "D3 (order)",
    "a state root is what -s says, else SVRUNDIR, else where .run leads",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper }, c: { run: sleeper } });
      for (const name of ["one", "two", "three"]) fs.mkdirSync(stage.at(name), { mode: 0o700 });
      fs.symlinkSync(stage.at("three"), stage.at(scan, ".run"));
      const cwd = stage.at(scan);
      const env = { SVRUNDIR: stage.at("two") };
      start(stage, "runsv", ["-s", stage.at("one"), "a"], { cwd, env });
      await pidIn(stage, "one/a");
      start(stage, "runsv", ["b"], { cwd, env });
      await pidIn(stage, "two/b");
      start(stage, "runsv", ["c"], { cwd });
      await pidIn(stage, "three/c");
      assertSays(await sv(stage, ["status", "c"]), "run: c: (pid N) Ns\n");
      assertSays(await sv(stage, ["status", "b"], { env }), "run: b: (pid N) Ns\n");
      assertSays(await sv(stage, ["status", "a"]), "fail: a: runsv not running\n", 1);
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
    },
    ours,
  );

  story(
    "D3 (.run)",
    "runsvdir -s leaves a link to its state root in the scan directory, also in place of another",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.symlinkSync("/nowhere", stage.at(scan, ".run"));
      // Relative to where runsvdir is started.
      const runsvdir = await tree(stage, ["a"], ["-s", root]);
      await stage.becomes(() => fs.readlinkSync(stage.at(scan, ".run")), stage.at(root));
      assertSays(await sv(stage, ["status", "a"], { cwd: "/" }), "run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`);
      runsvdir.kill("SIGHUP");
      await stage.end(runsvdir);
      await stage.until("runsv has ended", () => !isListening(stage, `${root}/a`));
      assertSays(await sv(stage, ["status", "a"]), "fail: a: runsv not running\n", 1);
      // The next one needs no telling.
      await tree(stage, ["a"], []);
    },
    ours,
  );

  story(
    "D3 (a link by hand)",
    "with a link .run made by hand, a relative one too, the split is everywhere",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.symlinkSync(`../${root}`, stage.at(scan, ".run"));
      const runsvdir = await tree(stage, ["a"], []);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      assertSays(await sv(stage, ["status", "a"], { cwd: "/" }), "run: a: (pid N) Ns\n");
      assert.equal(stage.mode(root), 0o700);
      assert.deepEqual(listing(stage, "sv"), ["a", "a/run"]);
      assert.equal(runsvdir.err, "");
    },
    ours,
  );

  story(
    "D3 (names of a directory)",
    "whatever the path of a service is, its last name is the service's",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper }, c: { run: sleeper }, d: { run: sleeper } });
      const s = ["-s", stage.at(root)];
      start(stage, "runsv", [...s, stage.at(scan, "a")], { cwd: "/" });
      start(stage, "runsv", [...s, "svc/b/"]);
      start(stage, "runsv", [...s, "."], { cwd: stage.at(scan, "c") });
      start(stage, "runsv", [...s, "../svc/./d//"], { cwd: stage.at("sv") });
      for (const name of ["a", "b", "d"]) {
        await pidIn(stage, `${root}/${name}`);
        assertWhole(stage, `${root}/${name}`, stage.at("sv", name));
      }
      // Where it has been led by a link the working directory says.
      await pidIn(stage, `${root}/c`);
      assert.equal(fs.readlinkSync(stage.at(root, "c/definition")), stage.at("sv/c"));
      assert.deepEqual(fs.readdirSync(stage.at(root)).sort(), ["a", "b", "c", "d"]);
    },
    ours,
  );

  story(
    "D3 (-s alone)",
    "a single argument is the directory, whatever it is called",
    async (stage) => {
      stage.service("-s", { run: sleeper });
      const runsv = start(stage, "runsv", ["-s"]);
      await pidIn(stage, "-s/supervise");
      assert.equal(runsv.err, "");
      const { code, err } = await run(stage, "runsv", ["-s", stage.at(root)]);
      assert.deepEqual([code, err.startsWith("usage: runsv ")], [1, true], err);
      const unknown = await run(stage, "runsv", ["-q", "a"]);
      assert.deepEqual([unknown.code, unknown.err.includes("usage: runsv ")], [1, true], unknown.err);
    },
    ours,
  );

  story(
    "D3 (one lock)",
    "a second runsv for the same name is refused",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await one(stage, "a");
      const pid = await pidIn(stage, `${root}/a`);
      const second = start(stage, "runsv", ["-s", stage.at(root), "a"], { cwd: stage.at(scan) });
      assert.match(await refused(stage, second), /^runsv a: fatal: unable to lock \S+\/lock: temporary failure\n$/);
      assert.equal(await pidIn(stage, `${root}/a`), pid);
    },
    ours,
  );

  for (const [title, prepare, reason] of [
    ["that belongs to another user", (stage: Stage) => belongsToAnother(stage), "owned by uid 65534"],
    [
      "that is a link",
      (stage: Stage) => {
        fs.mkdirSync(stage.at("real"), { mode: 0o700 });
        fs.symlinkSync(stage.at("real"), stage.at(root));
      },
      "not a directory",
    ],
    ["that is a file", (stage: Stage) => stage.file(root, ""), "not a directory"],
    ["in which others may write", (stage: Stage) => made(stage, 0o777), "writable by others"],
    ["in which others may write, like /tmp", (stage: Stage) => made(stage, 0o1777), "writable by others"],
  ] as const)
    story(
      "43",
      `a state root ${title} is refused`,
      async (stage) => {
        lay(stage, { a: { run: sleeper } });
        prepare(stage);
        const message = `runsv a: fatal: unable to use state directory ${stage.at(root)}: ${reason}\n`;
        const cwd = stage.at(scan);
        assert.equal(await refused(stage, start(stage, "runsv", ["-s", stage.at(root), "a"], { cwd })), message);
        const env = { SVRUNDIR: stage.at(root) };
        assert.equal(await refused(stage, start(stage, "runsv", ["a"], { cwd, env })), message);
        const runsvdir = start(stage, "runsvdir", ["-s", stage.at(root), stage.at(scan)]);
        await stage.until("it complains", () => runsvdir.err.includes(message.slice(message.indexOf("unable"))));
        assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
        assert.equal(stage.processes("sleep").length, 0);
      },
      byRoot,
    );

  story(
    "43 (the scan directory)",
    "the scan directory itself is refused: the state would be in the definitions",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.chmodSync(stage.at(scan), 0o700);
      for (const given of [stage.at(scan), ".", ""]) {
        const runsv = start(stage, "runsv", ["-s", given, "a"], { cwd: stage.at(scan) });
        const { code } = await stage.end(runsv);
        assert.notEqual(code, 0, given);
      }
      const runsvdir = start(stage, "runsvdir", ["-s", stage.at(scan), stage.at(scan)]);
      await stage.until("it complains", () => runsvdir.err.includes("unable to use state directory"));
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
    },
    ours,
  );

  story(
    "43 (.run)",
    "a link .run to a directory of another user is refused",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      belongsToAnother(stage);
      fs.symlinkSync(stage.at(root), stage.at(scan, ".run"));
      const err = await refused(stage, start(stage, "runsv", ["a"], { cwd: stage.at(scan) }));
      assert.equal(err, `runsv a: fatal: unable to use state directory ${stage.at(root)}: owned by uid 65534\n`);
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
    },
    byRoot,
  );

  story(
    "D3 (its owner)",
    "an ordinary user has a state root of its own",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.mkdirSync(stage.at(root), { mode: 0o700 });
      give(stage, root, nobody);
      await tree(stage, ["a"], ["-s", stage.at(root)], nobody);
      const pid = await pidIn(stage, `${root}/a`);
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await sv(stage, ["restart", "a"], { ...nobody, env }), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assert.ok(!fs.existsSync(stage.at(scan, ".run")), "the scan directory is not the user's to write in");
      const stats = fs.statSync(stage.at(root, "a/ok"));
      assert.deepEqual([stats.uid, stage.mode(`${root}/a`)], [nobody.uid, 0o700]);
    },
    byRoot,
  );
});

function made(stage: Stage, mode: number): void {
  fs.mkdirSync(stage.at(root));
  fs.chmodSync(stage.at(root), mode);
}
function belongsToAnother(stage: Stage): void {
  made(stage, 0o700);
  give(stage, root, nobody);
}
/** stage/run is /run. */
async function worldWithRun(stage: Stage, after = "", become: readonly string[] = []) {
  const around = await world(stage, { run: "/run" }, after);
  return { via: around.via(stage.dir, become) };
}
