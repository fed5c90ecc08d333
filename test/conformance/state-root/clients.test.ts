// How the clients find a state that is not beside the definition: spec/user-services.md, section D3 and cases
// 36, 38, 39 and 45.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { assertSays, HandMade, withoutNumbers } from "../sv/scenes.ts";
import {
  byRoot,
  enable,
  give,
  isListening,
  lay,
  nobody,
  one,
  ours,
  pidIn,
  root,
  run,
  scan,
  sleeper,
  start,
  statusIn,
  sv,
  tree,
} from "./scenes.ts";

const stubborn = 'trap "" TERM\nexec sleep 1000';

stories("state root", (story) => {
  story(
    36,
    "two links to one definition are two services",
    async (stage) => {
      lay(stage, { foo: { run: sleeper, "log/run": "exec cat >/dev/null" } });
      fs.unlinkSync(stage.at(scan, "foo"));
      enable(stage, "foo", "a");
      enable(stage, "foo", "b");
      const runsvdir = await tree(stage, ["a", "a.log", "b", "b.log"]);
      const [a, b] = [await pidIn(stage, `${root}/a`), await pidIn(stage, `${root}/b`)];
      assert.notEqual(a, b);
      const log = "; run: log: (pid N) Ns\n";
      assertSays(await sv(stage, ["status", "a", "b"]), `run: a: (pid N) Ns${log}run: b: (pid N) Ns${log}`);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, a);
      assert.equal(await pidIn(stage, `${root}/b`), b);

      const definition = stage.at("sv/foo");
      const several = `fail: ${definition}: several services have this definition: a b\n`;
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await sv(stage, ["status", definition], { env }), several, 1);
      assertSays(await sv(stage, ["down", definition], { env }), several, 1);
      assertSays(await sv(stage, ["status", definition, definition], { env }), several + several, 2);
      assert.equal(await pidIn(stage, `${root}/b`), b);
      assert.equal(runsvdir.err, "");
    },
    ours,
  );

  story(
    "36 (name/log)",
    "the log service of an entry is found by its name",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": sleeper } });
      await tree(stage, ["a", "a.log"]);
      const [service, log] = [await pidIn(stage, `${root}/a`), await pidIn(stage, `${root}/a.log`)];
      assertSays(await sv(stage, ["status", "a/log"]), "run: a/log: (pid N) Ns\n");
      assertSays(await sv(stage, ["restart", "a/log"]), "ok: run: a/log: (pid N) Ns\n");
      const next = await pidIn(stage, `${root}/a.log`, log);
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await run(stage, "runsvctrl", ["down", `${scan}/a/log`], { env }), "");
      await stage.becomes(() => statusIn(stage, `${root}/a.log`).pid, 0);
      assert.notEqual(next, log);
      assert.equal(await pidIn(stage, `${root}/a`), service);
    },
    ours,
  );

  story(
    "36 (through the scan directory)",
    "the state root of the scan directory is known where a definition is asked for",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      enable(stage, "foo", "b");
      await tree(stage, ["foo", "b"]);
      await pidIn(stage, `${root}/foo`);
      await pidIn(stage, `${root}/b`);
      const definition = stage.at("sv/foo");
      // state/foo, whose definition this is, comes first.
      assertSays(await sv(stage, ["status", definition]), `run: ${definition}: (pid N) Ns\n`);
      await sv(stage, ["down", definition]);
      assert.deepEqual([statusIn(stage, `${root}/foo`).phase, statusIn(stage, `${root}/b`).phase], [0, 1]);
    },
    ours,
  );

  story(
    "36 (one of them)",
    "a definition is found by its name in the state root, or else by the links there",
    async (stage) => {
      lay(stage, { foo: { run: sleeper }, bar: { run: sleeper } });
      fs.unlinkSync(stage.at(scan, "foo"));
      fs.unlinkSync(stage.at(scan, "bar"));
      // The service of foo's name has another definition.
      enable(stage, "bar", "foo");
      enable(stage, "foo", "web");
      await tree(stage, ["foo", "web"]);
      const env = { SVRUNDIR: stage.at(root) };
      for (const [definition, state] of [
        ["foo", "web"],
        ["bar", "foo"],
      ] as const) {
        const pid = await pidIn(stage, `${root}/${state}`);
        const at = stage.at("sv", definition);
        for (const [name, cwd] of [
          [at, "/"],
          [`./${definition}`, stage.at("sv")],
          [`${at}/`, "/"],
          [".", at],
        ] as const) {
          const { out, code } = await sv(stage, ["status", name], { env, cwd });
          assert.deepEqual([withoutNumbers(out), code], [`run: ${name}: (pid N) Ns\n`, 0]);
          assert.ok(out.includes(`(pid ${pid})`), out);
        }
      }
    },
    ours,
  );

  story(
    39,
    "sv needs nothing but the scan directory",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": sleeper } });
      await tree(stage, ["a", "a.log"]);
      await pidIn(stage, `${root}/a`);
      const said = (name: string) => `run: ${name}: (pid N) Ns; run: log: (pid N) Ns\n`;
      assertSays(await sv(stage, ["status", "a"]), said("a"));
      const elsewhere = { env: { SVDIR: "/nonexistent" } };
      for (const name of [stage.at(scan, "a"), `${stage.at(scan, "a")}/`])
        assertSays(await sv(stage, ["status", name], elsewhere), said(name));
      assertSays(await sv(stage, ["status", "./a"], { ...elsewhere, cwd: stage.at(scan) }), said("./a"));
      assertSays(await sv(stage, ["down", "a"]), "ok: down: a: Ns, normally up\n");
      assertSays(await sv(stage, ["start", "a"]), "ok: run: a: (pid N) Ns\n");
      const { out, code } = await sv(stage, ["--json", "status", "a"]);
      const object = JSON.parse(out) as { pid?: number; log?: { pid?: number } };
      assert.deepEqual([object.pid, code], [await pidIn(stage, `${root}/a`), 0]);
      assert.equal(object.log?.pid, statusIn(stage, `${root}/a.log`).pid);
    },
    ours,
  );

  story(
    "39 (all)",
    "without a name sv tells of all services, and of nothing else in the scan directory",
    async (stage) => {
      lay(stage, { b: { run: sleeper }, a: { run: sleeper } });
      stage.file(`${scan}/.b.down`, "");
      await tree(stage, ["a", "b"]);
      await pidIn(stage, `${root}/a`);
      assertSays(await sv(stage, ["status"]), "run: a: (pid N) Ns\ndown: b: Ns\n");
    },
    ours,
  );

  story(
    "39 (another tree)",
    "the same name in another scan directory is another service",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      const pid = await pidIn(stage, `${root}/a`);
      stage.service("other/a", { run: sleeper });
      const other = start(stage, "runsvdir", ["-s", stage.at("state2"), stage.at("other")]);
      const second = await pidIn(stage, "state2/a");
      const { out } = await sv(stage, ["status", "a"], { env: { SVDIR: stage.at("other") } });
      assert.ok(out.startsWith(`run: a: (pid ${second}) `), out);
      assert.ok((await sv(stage, ["status", "a"])).out.startsWith(`run: a: (pid ${pid}) `));
      assert.equal(other.err, "");
    },
    ours,
  );

  story(
    "D3 (commands)",
    "all that sv can send comes to a state that is elsewhere",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, s: { run: stubborn } });
      await tree(stage, ["a", "s"]);
      const pid = await pidIn(stage, `${root}/a`);
      await pidIn(stage, `${root}/s`);
      assertSays(await sv(stage, ["-v", "pause", "a"]), "ok: run: a: (pid N) Ns, paused\n");
      assertSays(await sv(stage, ["-v", "cont", "a"]), "ok: run: a: (pid N) Ns\n");
      assertSays(await sv(stage, ["-v", "kill", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      const stopped = await run(stage, "sv", ["-w", "1", "force-stop", "s"]);
      assert.match(stopped.out, /^kill: run: s: \(pid \d+\) \d+s, want down, got TERM\n$/);
      await stage.becomes(() => statusIn(stage, `${root}/s`).phase, 0);
      assertSays(await sv(stage, ["-v", "once", "s"]), "ok: run: s: (pid N) Ns, want down\n");
    },
    ours,
  );

  story(
    "D3 (the old clients)",
    "runsvstat, runsvctrl, svwaitup and svwaitdown find the state",
    async (stage) => {
      lay(stage, { a: { run: sleeper, "log/run": sleeper } });
      await tree(stage, ["a", "a.log"]);
      const pid = await pidIn(stage, `${root}/a`);
      const service = stage.at(scan, "a");
      const status = await run(stage, "runsvstat", [service]);
      assert.equal(status.code, 0, status.out + status.err);
      assert.ok(status.out.startsWith(`${service}: run (pid ${pid}) `), status.out);
      const both = await run(stage, "runsvstat", ["-l", service]);
      assert.deepEqual([both.code, both.out.split("\n").length], [0, 3], both.out + both.err);
      const up = await run(stage, "svwaitup", ["-v", "-s", "1", service]);
      assert.equal(up.code, 0, up.err);
      assert.equal((await run(stage, "runsvctrl", ["d", service])).code, 0);
      const down = await run(stage, "svwaitdown", ["-v", "-t", "30", service]);
      assert.equal(down.code, 0, down.err);
      assert.equal(statusIn(stage, `${root}/a`).phase, 0);
      assert.equal((await run(stage, "runsvctrl", ["u", service])).code, 0);
      await pidIn(stage, `${root}/a`, pid);
    },
    ours,
  );

  story(
    "D3 (the old clients, without runsv)",
    "and say that runsv is not running where it is not",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      fs.mkdirSync(stage.at(root), { mode: 0o700 });
      fs.symlinkSync(stage.at(root), stage.at(scan, ".run"));
      const service = stage.at(scan, "a");
      for (const [client, ...words] of [
        ["runsvstat"],
        ["runsvctrl", "d"],
        ["svwaitup", "-v"],
        ["svwaitdown", "-v"],
      ] as const) {
        const { out, err } = await run(stage, client, [...words, service]);
        assert.match(out + err, /runsv not running/, client);
      }
    },
    ours,
  );

  story(
    "D3 (not running)",
    "where a state root is known and no state is found, runsv is not running",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const notRunning = "fail: a: runsv not running\n";
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await sv(stage, ["status", "a"], { env }), notRunning, 1);
      assertSays(await sv(stage, ["up", "a"], { env }), notRunning, 1);
      assertSays(
        await sv(stage, ["status", stage.at("sv/a")], { env }),
        `fail: ${stage.at("sv/a")}: runsv not running\n`,
        1,
      );
      assertSays(await sv(stage, ["exit", "a"], { env }), "ok: a: runsv not running\n");
      const runsv = await one(stage, "a");
      await pidIn(stage, `${root}/a`);
      runsv.kill("SIGTERM");
      await stage.end(runsv);
      assertSays(await sv(stage, ["status", "a"], { env }), notRunning, 1);
      assert.ok(!stage.exists("sv/a/supervise"));
    },
    { ...ours, differs: "sv-runsv-not-running" },
  );

  story(
    "D3 (not running, classic)",
    "where none is known, the message is as it was",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      const said = "warning: a: unable to open supervise/ok: file does not exist\n";
      assertSays(await sv(stage, ["status", "a"]), said, 1);
    },
    ours,
  );

  story(
    "D3 (the log service)",
    "a log service that is not supervised is told of",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      stage.service("sv/a", { "log/run": sleeper });
      const { out, code } = await sv(stage, ["status", "a"]);
      assert.equal(withoutNumbers(out), "run: a: (pid N) Ns; fail: a/log: runsv not running\n");
      assert.equal(code, 1);
    },
    ours,
  );

  story(
    38,
    "a marker beside the link keeps a service down, and its definition is untouched",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      stage.file(`${scan}/.a.down`, "");
      const runsvdir = await tree(stage, ["a", "b"]);
      await pidIn(stage, `${root}/b`);
      assertSays(await sv(stage, ["status", "a"]), "down: a: Ns\n");
      assertSays(await sv(stage, ["up", "a"]), "ok: run: a: (pid N) Ns, normally down\n");
      const pid = await pidIn(stage, `${root}/a`);
      assertSays(await sv(stage, ["status", "a", "b"]), "run: a: (pid N) Ns, normally down\nrun: b: (pid N) Ns\n");
      fs.unlinkSync(stage.at(scan, ".a.down"));
      assertSays(await sv(stage, ["status", "a"]), "run: a: (pid N) Ns\n");
      assert.equal((await sv(stage, ["exit", "a"])).code, 0);
      await pidIn(stage, `${root}/a`, pid);
      stage.file(`${scan}/.a.down`, "");
      assert.equal((await sv(stage, ["exit", "a"])).code, 0);
      await stage.until(
        "it is down under a new runsv",
        () =>
          isListening(stage, `${root}/a`) &&
          statusIn(stage, `${root}/a`).phase === 0 &&
          stage.read(`${root}/a/stat`) === "down\n",
      );
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
      assert.equal(runsvdir.err, "");
    },
    ours,
  );

  story(
    "38 (volatile)",
    "a marker in the state root does too",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, b: { run: sleeper } });
      fs.mkdirSync(stage.at(root), { mode: 0o700 });
      stage.file(`${root}/a.down`, "");
      await tree(stage, ["a", "b"]);
      await pidIn(stage, `${root}/b`);
      assertSays(await sv(stage, ["status", "a"]), "down: a: Ns\n");
      assertSays(await sv(stage, ["start", "a"]), "ok: run: a: (pid N) Ns, normally down\n");
      fs.unlinkSync(stage.at(root, "a.down"));
      assertSays(await sv(stage, ["down", "a"]), "ok: down: a: Ns, normally up\n");
    },
    ours,
  );

  story(
    "38 (two of one)",
    "a marker is of one service, not of its definition; a file down is of all",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      enable(stage, "foo", "b");
      stage.file(`${scan}/.b.down`, "");
      await tree(stage, ["foo", "b"]);
      await pidIn(stage, `${root}/foo`);
      assertSays(await sv(stage, ["status", "foo", "b"]), "run: foo: (pid N) Ns\ndown: b: Ns\n");
      stage.file("sv/foo/down", "");
      fs.unlinkSync(stage.at(scan, ".b.down"));
      assertSays(await sv(stage, ["status", "foo", "b"]), "run: foo: (pid N) Ns, normally down\ndown: b: Ns\n");
    },
    ours,
  );

  story(
    "38 (a name like a marker)",
    "a service that is called like the marker of another is none",
    async (stage) => {
      lay(stage, { a: { run: sleeper }, "a.down": { run: sleeper } });
      await tree(stage, ["a", "a.down"]);
      const pid = await pidIn(stage, `${root}/a`);
      await pidIn(stage, `${root}/a.down`);
      assertSays(await sv(stage, ["status", "a", "a.down"]), "run: a: (pid N) Ns\nrun: a.down: (pid N) Ns\n");
      assert.equal((await sv(stage, ["exit", "a"])).code, 0);
      await pidIn(stage, `${root}/a`, pid);
    },
    ours,
  );

  story(
    "36 (odd names)",
    "a name may have blanks and other letters than those of ASCII",
    async (stage) => {
      const names = ["a b", "né", "x:y", "%s", "-s"];
      lay(stage, Object.fromEntries(names.map((name) => [name, { run: sleeper }])));
      await tree(stage, names);
      for (const name of names) {
        await pidIn(stage, `${root}/${name}`);
        const { code } = await sv(stage, ["--", "status", name]);
        assert.equal(code, 0, name);
        const path = stage.at("sv", name);
        assert.equal((await sv(stage, ["status", path], { env: { SVRUNDIR: stage.at(root) } })).code, 0, path);
      }
    },
    ours,
  );

  story(
    "36 (through a link)",
    "a definition is found by a path through links too",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      fs.unlinkSync(stage.at(scan, "foo"));
      enable(stage, "foo", "web");
      fs.symlinkSync("sv", stage.at("link"));
      await tree(stage, ["web"]);
      await pidIn(stage, `${root}/web`);
      const name = stage.at("link/foo");
      const env = { SVRUNDIR: stage.at(root) };
      assertSays(await sv(stage, ["status", name], { env }), `run: ${name}: (pid N) Ns\n`);
    },
    ours,
  );

  story(
    45,
    "a path is never joined to the state root",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      // What would be found beside the state root, had the name been joined to it.
      const decoy = new HandMade(stage, "made", { pid: 4711, phase: 1, want: "u" });
      fs.renameSync(stage.at("made/supervise"), stage.at("x"));
      stage.service("far/x", { run: sleeper });
      stage.service("svc/b/x", { run: sleeper });
      const env = { SVRUNDIR: stage.at(root) };
      for (const [name, cwd] of [
        ["../x", stage.at("far/x")],
        ["./x", stage.at("far")],
        [stage.at("far/x"), "/"],
        ["b/x", "/"],
      ] as const) {
        const { out, code } = await sv(stage, ["status", name], { env, cwd });
        assert.deepEqual([out, code], [`fail: ${name}: runsv not running\n`, 1]);
      }
      for (const name of ["../x", "a/../../x", "..", "a/.."]) {
        const { out, code } = await sv(stage, ["down", name], { env, cwd: stage.at(scan) });
        assert.equal(code, 1, out);
        assert.match(out, /^(fail|warning): /, name);
      }
      assert.equal(decoy.heard(), "");
      assert.equal(statusIn(stage, `${root}/a`).want, "u");
    },
    ours,
  );

  story(
    "45 (a service in the root)",
    "the name of a path is asked for in the state root only if its definition is there",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      // Another service of the same name, elsewhere; it is not the one in the state root.
      stage.service("far/a", { run: sleeper });
      const env = { SVRUNDIR: stage.at(root) };
      const name = stage.at("far/a");
      assertSays(await sv(stage, ["status", name], { env }), `fail: ${name}: runsv not running\n`, 1);
      assertSays(await sv(stage, ["down", name], { env }), `fail: ${name}: runsv not running\n`, 1);
      assert.equal(statusIn(stage, `${root}/a`).want, "u");
    },
    ours,
  );

  story(
    "D3 (who may not)",
    "an ordinary user may not look into the state root of root",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      const { out, code } = await sv(stage, ["status", "a"], nobody);
      assert.deepEqual([/^(warning|fail): a: .*access denied\n$/.test(out), code], [true, 1], out);
    },
    byRoot,
  );

  story(
    "D3 (root looks)",
    "root controls the service of an ordinary user through the user's scan directory",
    async (stage) => {
      lay(stage, { a: { run: sleeper } });
      give(stage, scan, nobody);
      fs.mkdirSync(stage.at(root), { mode: 0o700 });
      give(stage, root, nobody);
      await tree(stage, ["a"], ["-s", stage.at(root)], nobody);
      const pid = await pidIn(stage, `${root}/a`);
      assertSays(await sv(stage, ["restart", "a"]), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
    },
    byRoot,
  );
});
