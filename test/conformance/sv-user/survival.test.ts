// What outlives whom, and what is said about it: trees and supervisors that were killed, and words that are long or many.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { stories } from "../stage.ts";
import { eachUser, noting, pidIn, sleeper } from "./scenes.ts";

/** Ends only when it is killed. */
const stubborn = "trap '' TERM\nwhile :; do sleep 1; done";

stories("sv-user", (story) => {
  eachUser(story, "R1", "after the tree was killed, session stop ends what it has left", async (user, stage) => {
    user.define("web", { run: noting });
    const pid = pidIn(await user.add("web"), "web");
    const tree = user.treePid();
    process.kill(tree, "SIGKILL");
    await stage.until("the tree is gone", () => !stage.isLiving(tree));
    assert.ok(stage.isLiving(pid));
    const { code, err } = await user.sv("session stop");
    assert.deepEqual([err, code], ["", 0]);
    assert.ok(!stage.isLiving(pid));
    await user.isQuiet();
  });

  eachUser(
    story,
    "R36",
    "so it does when their supervisors were killed too, and nobody is told otherwise",
    async (user, stage) => {
      user.define("web", { run: noting });
      const pid = pidIn(await user.add("web"), "web");
      const killed = [user.treePid(), ...user.processes("runsv")];
      for (const one of killed) process.kill(one, "SIGKILL");
      await stage.until("they are gone", () => !killed.some((one) => stage.isLiving(one)));
      assert.ok(stage.isLiving(pid));
      assert.equal(await user.does("status web"), `run: web: (pid ${pid}) no supervisor\n`);
      assert.equal((await user.sv("session stop")).code, 0);
      assert.ok(!stage.isLiving(pid));
      await user.isQuiet();
    },
  );

  eachUser(story, "R36 remove", "a service without supervisor is removed with its process", async (user, stage) => {
    user.define("web", { run: noting });
    const pid = pidIn(await user.add("web"), "web");
    const killed = [user.treePid(), ...user.processes("runsv")];
    for (const one of killed) process.kill(one, "SIGKILL");
    await stage.until("they are gone", () => !killed.some((one) => stage.isLiving(one)));
    const { out, code } = await user.run("sv-remove", ["web"]);
    assert.deepEqual([out, code], ["ok: web: removed\n", 0]);
    assert.ok(!stage.isLiving(pid));
    await user.isQuiet();
  });

  eachUser(story, "R2", "a tree that is killed while it ends does not end well", async (user, stage) => {
    user.define("web", { run: stubborn, "stop-timeout": "3\n" });
    const pid = pidIn(await user.add("web"), "web");
    const tree = user.treePid();
    const stop = user.start("sv-user", ["session", "stop"]);
    await stage.until("it ends", () =>
      stage.peek(path.relative(stage.dir, path.join(user.state, "web/stat"))).includes("want exit"),
    );
    process.kill(tree, "SIGKILL");
    const { code } = await stage.end(stop, 60_000);
    assert.equal(code, 1, "something had to be killed");
    assert.ok(!stage.isLiving(pid));
    await user.isQuiet();
  });

  eachUser(story, "R6", "a runsv that is killed while it ends its service does not save it", async (user, stage) => {
    user.define("web", { run: stubborn, "stop-timeout": "3\n" });
    const pid = pidIn(await user.add("web"), "web");
    const [runsv = 0] = user.processes("runsv");
    const stop = user.start("sv-user", ["session", "stop"]);
    await stage.until("it ends", () =>
      stage.peek(path.relative(stage.dir, path.join(user.state, "web/stat"))).includes("want exit"),
    );
    process.kill(runsv, "SIGKILL");
    const { code } = await stage.end(stop, 60_000);
    assert.equal(code, 1);
    assert.ok(!stage.isLiving(pid));
    await user.isQuiet();
  });

  eachUser(story, "R4", "while the state is away nobody makes a second tree", async (user, stage) => {
    user.define("web", { run: noting });
    user.define("other");
    const pid = pidIn(await user.add("web"), "web");
    const tree = user.treePid();
    fs.renameSync(user.state, `${user.state}.away`);
    await user.add("other");
    assert.equal(user.treePid(), tree);
    assert.deepEqual(user.starts("web"), [pid]);
    assert.ok(stage.isLiving(pid));
    assert.equal(user.processes("session run").length, 1);
  });

  eachUser(story, "R5", "a login with another directory for its state finds the same tree", async (user) => {
    user.define("web", { run: noting });
    const pid = pidIn(await user.add("web"), "web");
    const { XDG_RUNTIME_DIR: _, ...env } = user.env;
    const { code, err } = await user.sv("session run", { onlyEnv: env });
    assert.equal(code, 1);
    assert.match(err, new RegExp(`already running \\(pid ${user.treePid()}\\)`));
    assert.match(await user.does("status web", { onlyEnv: env }), new RegExp(`^run: web: \\(pid ${pid}\\)`));
  });

  eachUser(story, "R7", "variables that are set at the same time keep their values", async (user) => {
    const names = Array.from({ length: 20 }, (_, index) => `V${index}`);
    await Promise.all(names.map((name) => user.does(["env", `${name}=value of ${name}`])));
    const shown = (await user.does("env")).trimEnd().split("\n").sort();
    assert.deepEqual(shown, names.map((name) => `${name}=value of ${name}`).sort());
  });

  eachUser(story, "R27", "many who add and remove it at once leave nothing behind", async (user, stage) => {
    user.define("web");
    await user.does("session start");
    await Promise.all(
      Array.from({ length: 24 }, (_, index) => user.run(index % 2 === 0 ? "sv-add" : "sv-remove", ["-w", "2", "web"])),
    );
    const { code, out, err } = await user.run("sv-remove", ["web"]);
    assert.equal(code, 0, out + err);
    await stage.until("no supervisor is left", () => user.processes("runsv -w").length === 0);
    await stage.until("no service is left", () => user.processes("sleep").length === 0);
  });

  eachUser(story, "R31", "a long log is printed whole", async (user, stage) => {
    user.define("web", {
      run: `i=0\nwhile [ $i -lt 4000 ]; do i=$((i + 1)); echo "line $i ${"x".repeat(90)}"; done\nexec sleep 1000`,
    });
    await user.add("web");
    const current = path.join(user.log, "web/current");
    await stage.until("all is logged", () => fs.readFileSync(current, "latin1").includes("line 4000 "));
    const lines = (await user.does("log -n 4000 web")).trimEnd().split("\n");
    assert.equal(lines.length, 4000);
    assert.match(lines[0] ?? "", / line 1 x+$/);
    assert.match(lines.at(-1) ?? "", / line 4000 x+$/);
  });

  eachUser(story, "R32", "a tree that cannot be reached is not said to be none", async (user) => {
    user.define("web");
    await user.add("web");
    const tree = user.treePid();
    process.kill(tree, "SIGSTOP");
    const { state } = user;
    fs.renameSync(state, `${state}.away`);
    fs.symlinkSync("/tmp", state);
    try {
      const { code, err } = await user.sv("session stop");
      assert.equal(code, 111);
      assert.match(err, new RegExp(`the tree \\(pid ${tree}\\) does not answer`));
      const status = await user.sv("session status");
      assert.deepEqual([status.out, status.code], [`pid ${tree} does not answer\n`, 1]);
    } finally {
      fs.unlinkSync(state);
      fs.renameSync(`${state}.away`, state);
      process.kill(tree, "SIGCONT");
    }
  });

  eachUser(story, "R26", "a service cannot have the name of another one's log", async (user) => {
    user.define("web.log", { run: sleeper });
    const { code, err } = await user.run("sv-add", ["web.log"]);
    assert.equal(code, 1);
    assert.match(err, /no service can be called that/);
  });
});
