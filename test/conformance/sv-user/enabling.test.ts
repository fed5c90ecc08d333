// sv-add and sv-remove: spec/user-services.md, B3, cases 1, 4 to 9, 29.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { referenceRoot, stories } from "../stage.ts";
import {
  assertFails,
  checksum,
  commandLine,
  eachUser,
  ignoresTerm,
  noting,
  ordinary,
  pidIn,
  sleeper,
  User,
} from "./scenes.ts";

/** The service of the seed; doas does nothing but what follows. */
function defineMyserver(user: User): void {
  user.write(".local/bin/doas", '#!/bin/sh\nshift 2\nexec "$@"\n');
  user.write(".local/bin/myserver", "#!/bin/sh\nexec sleep 1000\n");
  user.define("myserver", { run: "exec 2>&1\n[ -r ./conf ] && . ./conf\nexec doas -u srv $HOME/.local/bin/myserver" });
}
const originalSv = path.join(referenceRoot, "usr/bin/sv");

stories("sv-user", (story) => {
  eachUser(story, 1, "a service is added and restarted, and nothing had to be prepared", async (user) => {
    defineMyserver(user);
    const first = pidIn(await user.add("myserver"), "myserver");
    assert.equal(user.pid("myserver"), first);
    const second = pidIn(await user.does("restart myserver"), "myserver");
    assert.notEqual(second, first);
    assert.ok(user.stage.isLiving(second) && !user.stage.isLiving(first));
  });

  eachUser(story, "another's", "what another runsv supervises is not taken into the tree", async (user, stage) => {
    const directory = user.define("web", { run: sleeper }, "elsewhere");
    const runsv = user.start("runsv", ["web"], { cwd: path.dirname(directory) });
    await stage.until("it is supervised", () => fs.existsSync(path.join(directory, "supervise/ok")) && runsv.isAlive);
    await stage.until("it runs", () => fs.existsSync(path.join(directory, "supervise/pid")));
    const { err, code } = await user.run("sv-add", [directory, "mine"]);
    assert.match(err, /^sv-add: mine: .*\/web is supervised already, not by your tree \(sv status .*\/web\)\n$/);
    assert.equal(code, 1);
    assert.ok(!user.isEnabled("mine"));
    runsv.kill("SIGTERM");
    assert.equal((await stage.end(runsv)).code, 0);
  });

  story(
    "1 long",
    "a home may be far down",
    async (stage) => {
      const home = "a".repeat(60);
      const user = new User(stage, ordinary, { home: path.join(home, "b".repeat(150 - stage.at(home).length - 1)) });
      assert.equal(user.home.length, 150);
      user.define("web");
      const first = pidIn(await user.add("web"), "web");
      const second = pidIn(await user.does("restart web"), "web");
      assert.notEqual(second, first);
      await user.does("session status");
      await user.does("session stop");
      await user.isQuiet();
    },
    { only: "ours" },
  );
  story(
    "1 far",
    "a home may be far down, and all state may have to be there",
    async (stage) => {
      const home = "a".repeat(60);
      const user = new User(stage, ordinary, {
        home: path.join(home, "b".repeat(150 - stage.at(home).length - 1)),
        hasNoRuntime: true,
      });
      user.define("web");
      pidIn(await user.add("web"), "web");
      await user.does("session start --keep");
      await user.does("session stop");
      await user.isQuiet();
    },
    { only: "ours" },
  );

  eachUser(story, 4, "what is added already is left alone", async (user) => {
    user.define("web");
    const pid = pidIn(await user.add("web"), "web");
    const again = await user.run("sv-add", ["web"]);
    assert.deepEqual([again.out + again.err, again.code], ["web: already added\n", 0]);
    assert.equal(user.pid("web"), pid);
  });

  eachUser(story, 5, "what is no service is not added, and it is said why", async (user) => {
    assertFails(await user.run("sv-add", ["nosuch"]), /^sv-add: nosuch: no such service: not in .*\.config\/sv/, 1);
    user.define("web");
    fs.chmodSync(user.at(".config/sv/web/run"), 0o644);
    const asked = await user.run("sv-add", ["web"]);
    assertFails(asked, /^sv-add: web: run is not executable \(chmod \+x .*\/web\/run\)\n$/, 1);
    const [, advice = ""] = /\((chmod .*)\)/.exec(asked.err) ?? [];
    assert.equal(user.isEnabled("nosuch") || user.isEnabled("web"), false);
    await user.sh(advice);
    pidIn(await user.add("web"), "web");
  });
  eachUser(story, "5 names", "names that are none, and names that are taken", async (user) => {
    user.define("web");
    user.define("other");
    user.define("env");
    for (const name of ["", ".web", "env", "boot-id"]) {
      const { out, code } = await user.run("sv-add", [name]);
      assert.ok(out === "" && code !== 0, `"${name}"`);
    }
    await user.add("-n", "web");
    fs.mkdirSync(path.join(user.scan, "real"));
    // Two names of definitions are two services: by its path it is one, and the name it is to have.
    for (const [definition, name] of [[user.at(".config/sv/other"), "web"] as const, ["other", "real"] as const]) {
      const { out, code } = await user.run("sv-add", ["-n", definition, name]);
      assert.deepEqual([out, code], ["", 1], `${definition} as ${name}`);
    }
    assert.equal(fs.realpathSync(path.join(user.scan, "web")), fs.realpathSync(path.join(user.conf, "web")));
  });

  eachUser(story, 6, "added down, it stays down until it is told up", async (user) => {
    user.define("web", { run: noting });
    const before = checksum(user.at(".config/sv/web"));
    assert.match(await user.add("-d", "web"), /^ok: down: web: \d+s/);
    assert.equal(user.pid("web"), 0);
    await user.does("session stop");
    await user.does("session start");
    assert.match(await user.does("status web"), /^down: web: \d+s/);
    assert.equal(user.exists("starts-web"), false);
    await user.does("up web");
    const pid = await user.running("web");
    await user.stage.becomes(() => user.starts("web"), [pid]);
    assert.equal(checksum(user.at(".config/sv/web")), before);
  });

  eachUser(story, 7, "one definition can be several services", async (user) => {
    const definition = user.define("any", { run: noting }, "elsewhere");
    const other = pidIn(await user.add(definition, "other"), "other");
    const another = pidIn(await user.add(definition, "another"), "another");
    assert.notEqual(other, another);
    await user.stage.until(
      "both have said so",
      () => user.starts("other").length + user.starts("another").length === 2,
    );
    assert.deepEqual([user.starts("other"), user.starts("another")], [[other], [another]]);
    await user.does("restart other");
    assert.equal(user.pid("another"), another);
    await user.does("stop another");
    assert.ok(user.pid("other") > 0 && user.pid("other") !== other);
    assert.equal(user.pid("another"), 0);
  });

  eachUser(story, 8, "what is removed is gone, but not its definition", async (user) => {
    user.define("web", { run: sleeper, "log/run": "exec cat >/dev/null" });
    user.define("other");
    const before = checksum(user.at(".config/sv/web"));
    await user.does("session start --keep");
    const idle = user.processes();
    await user.add("web");
    const other = pidIn(await user.add("other"), "other");
    assert.equal((await user.run("sv-remove", ["web"])).code, 0);
    assert.equal(user.isEnabled("web"), false);
    assert.equal(user.pid("other"), other);
    assert.equal((await user.run("sv-remove", ["other"])).code, 0);
    assert.deepEqual(user.processes().map(commandLine), idle.map(commandLine));
    assert.equal(checksum(user.at(".config/sv/web")), before);
    const again = await user.run("sv-del", ["web"]);
    assert.equal(again.code, 0);
    assert.match(again.out + again.err, /^(sv-del: )?web: not enabled\n$/);
  });

  eachUser(story, 9, "what does not hear TERM is removed all the same", async (user) => {
    user.define("web", { run: ignoresTerm });
    const pid = pidIn(await user.add("web"), "web");
    await user.stage.until("it ignores TERM", () => commandLine(pid) === "sleep 1000");
    const { code, milliseconds } = await user.run("sv-remove", ["-w", "2", "web"]);
    assert.ok(milliseconds < 6500, `its two seconds, not the usual seven: ${milliseconds} ms`);
    assert.equal(code, 0);
    assert.equal(user.stage.isLiving(pid), false);
    assert.equal(user.isEnabled("web"), false);
  });

  eachUser(story, 29, "a link made by hand is as good", async (user, stage) => {
    user.define("web", { run: noting });
    await user.does("session start");
    fs.symlinkSync(user.at(".config/sv/web"), path.join(user.scan, "web"));
    await stage.until("it runs", () => user.pid("web") > 0);
    const pid = user.pid("web");
    fs.rmSync(path.join(user.scan, "web"));
    await stage.until("it is stopped", () => !stage.isLiving(pid));
  });
  eachUser(
    story,
    "29 sv",
    "the original's sv controls what has its state beside it",
    async (user, stage) => {
      user.define("web", { run: noting });
      fs.mkdirSync(user.at(".config/sv/web/supervise"), { mode: 0o700 });
      user.own();
      const added = pidIn(await user.add("web"), "web");
      const sv = (word: string) => user.run(originalSv, [word, "web"], { env: { SVDIR: user.scan } });
      assert.match((await sv("status")).out, new RegExp(`^run: web: \\(pid ${added}\\)`));
      // The original counts in whole seconds: of what has just been started it says at once that it was restarted.
      await stage.span(2100);
      assert.match((await sv("stop")).out, /^ok: down: web: /);
      const pid = pidIn((await sv("start")).out, "web");
      assert.notEqual(pid, added);
      assert.equal(stage.isLiving(added), false);
    },
    { skip: !fs.existsSync(originalSv) && "needs the original's sv" },
  );
});
