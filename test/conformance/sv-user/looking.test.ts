// What sv-user tells: spec/user-services.md, B3 and B7, cases 10, 11, 23.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { stories } from "../stage.ts";
import { eachUser, pidIn, sleeper } from "./scenes.ts";

stories("sv-user", (story) => {
  eachUser(story, 10, "status shows all that is enabled, and what could be", async (user) => {
    for (const name of ["a", "b", "c", "d"]) user.define(name, { run: sleeper, "no-log": "" });
    for (const name of ["a", "b", "c"]) await user.add(name);
    const lines = (await user.does("status")).trimEnd().split("\n");
    assert.equal(lines.length, 3);
    for (const [index, name] of ["a", "b", "c"].entries()) {
      assert.match(lines[index] ?? "", new RegExp(`^run: ${name}: \\(pid \\d+\\) \\d+s`));
    }
    const { out, err, code } = await user.sv("status d");
    assert.deepEqual({ out, err, code }, { out: "", err: "sv-user: d: not enabled (run: sv-add d)\n", code: 1 });
    const both = await user.sv("status d a nosuch");
    assert.match(both.out, /^run: a: /);
    assert.equal(both.code, 2);
  });
  eachUser(story, "10 down", "without a tree there is no supervisor, but an answer", async (user) => {
    user.define("a");
    await user.add("-n", "a");
    const { out, err } = await user.sv("status a");
    assert.match(out + err, /^down: a: no supervisor\n$/);
    assert.equal(user.hasTree(), false);
    pidIn(await user.does("start a"), "a");
    assert.equal(user.hasTree(), true);
  });

  eachUser(story, 11, "a list for people, and one for programs", async (user) => {
    for (const name of ["a", "b"]) user.define(name);
    const pid = pidIn(await user.add("a"), "a");
    const [a = "", b = "", ...more] = (await user.does("list")).trimEnd().split("\n");
    assert.deepEqual(more, []);
    assert.match(a, new RegExp(`^a\\s+enabled\\s+run\\s+${pid}\\s+\\d+s?\\s+.*/a$`));
    assert.match(b, /^b\s+disabled\s.*\/b$/);
    const list = JSON.parse(await user.does("list --json")) as readonly Readonly<Record<string, unknown>>[];
    assert.deepEqual(
      list.map(({ name, enabled, state, pid: its }) => ({ name, enabled, state, pid: its })),
      [
        { name: "a", enabled: true, state: "run", pid },
        { name: "b", enabled: false, state: list[1]?.["state"], pid: list[1]?.["pid"] },
      ],
    );
    for (const each of list) {
      assert.deepEqual(Object.keys(each).sort(), ["definition", "enabled", "name", "pid", "state", "uptime"]);
      assert.equal(each["definition"], path.join(user.conf, String(each["name"])));
    }
    assert.equal(typeof list[0]?.["uptime"], "number");
  });

  eachUser(story, 23, "what a service writes is in its log", async (user, stage) => {
    user.define("web", { run: "echo one\necho two >&2\nexec sleep 1000" });
    await user.add("web");
    const current = path.join(user.log, "web/current");
    await stage.until("both lines are there", () => fs.readFileSync(current, "utf8").split("\n").length === 3);
    for (const [index, line] of fs.readFileSync(current, "utf8").trimEnd().split("\n").entries()) {
      assert.match(line, new RegExp(`^\\d{4}-\\d\\d-\\d\\d_\\d\\d:\\d\\d:\\d\\d\\.\\d+ ${["one", "two"][index]}$`));
    }
    assert.match(await user.does("log -n 1 web"), /^[^\n]* two\n$/);
    assert.match(await user.does("log web"), /^[^\n]* one\n[^\n]* two\n$/);
  });
  eachUser(story, "23 -f", "a log can be followed", async (user, stage) => {
    user.define("web", { run: 'echo "begin $$"\nexec sleep 1000' });
    const first = pidIn(await user.add("web"), "web");
    const following = user.start("sv-user", ["log", "-f", "web"]);
    await stage.until("the beginning is shown", () => following.out.includes(`begin ${first}\n`));
    const second = pidIn(await user.does("restart web"), "web");
    await stage.until("the rest too", () => following.out.includes(`begin ${second}\n`));
    following.kill("SIGTERM");
    await stage.end(following);
  });
  eachUser(story, "23 no-log", "who wants no log has none", async (user, stage) => {
    user.define("quiet", { run: "echo one\nexec sleep 1000", "no-log": "" });
    user.define("own", { run: "echo own\nexec sleep 1000", "log/run": 'exec cat >"$HOME/own"' });
    await user.add("quiet");
    await user.add("own");
    await stage.until("its own log has it", () => user.read("own") === "own\n");
    assert.deepEqual(
      [user.exists(".local/state/sv/log/quiet"), user.exists(".local/state/sv/log/own/current")],
      [false, false],
    );
    user.write(".config/sv/.env/SVLOG", "none\n");
    user.define("none", { run: "echo one\nexec sleep 1000" });
    await user.add("none");
    assert.equal(user.exists(".local/state/sv/log/none/current"), false);
  });
  eachUser(story, "23 own", "the log of a service with a log service of its own is found", async (user, stage) => {
    user.write(".local/bin/svlogd", `#!/bin/sh\nexec ${stage.program("svlogd")} "$@"\n`);
    user.define("own", {
      run: "echo own\nexec sleep 1000",
      "log/run": 'mkdir -p "$HOME/its"\nexec svlogd "$HOME/its"',
    });
    await user.add("own");
    await stage.until("it is written", () => user.read("its/current") === "own\n");
    assert.equal(await user.does("log -n 1 own"), "own\n");
  });
  eachUser(story, "23 config", "a config in the log directory is honoured", async (user, stage) => {
    user.write(".local/state/sv/log/web/config", "-*secret*\n");
    user.define("web", { run: "echo secret\necho public\nexec sleep 1000" });
    await user.add("web");
    const current = path.join(user.log, "web/current");
    await stage.until("it is written", () => fs.readFileSync(current, "utf8").includes("public"));
    assert.equal(fs.readFileSync(current, "utf8").includes("secret"), false);
  });
});
