// The commands of sv-user that no numbered case tells of: spec/user-services.md, B3.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { stories } from "../stage.ts";
import { anyUser, eachUser, nobody, ordinary, pidIn, rootOnly, sleeper, User } from "./scenes.ts";

stories("sv-user", (story) => {
  eachUser(story, "new", "a new service runs the words that were given", async (user, stage) => {
    await user.does(["new", "web", "--", "printf", "<%s>\\n", "two words", "it's", "$HOME", ""]);
    const run = user.read(".config/sv/web/run");
    assert.equal(fs.statSync(user.at(".config/sv/web/run")).mode & 0o111, 0o111);
    await user.run("sv-add", ["web"]);
    for (const word of ["two words", "it's", "$HOME", ""]) {
      const has = () => user.read(".local/state/sv/log/web/current").includes(` <${word}>\n`);
      await stage.until(`it has said ${word}`, has);
    }
    const again = await user.sv("new web true");
    assert.deepEqual([again.out, again.code], ["", 1]);
    assert.equal(user.read(".config/sv/web/run"), run);
  });

  eachUser(story, "path", "the path of a definition is told", async (user) => {
    user.define("web");
    assert.equal(await user.does("path web"), `${path.join(user.conf, "web")}\n`);
    const elsewhere = user.define("any", { run: sleeper }, "elsewhere");
    await user.add("-n", elsewhere, "other");
    assert.equal(await user.does("path other"), `${elsewhere}\n`);
    const unknown = await user.sv("path nosuch");
    assert.deepEqual([unknown.out, unknown.code], ["", 1]);
  });

  eachUser(story, "doctor", "what is wrong is found, and counted", async (user) => {
    user.define("good");
    await user.add("good");
    assert.equal(await user.does("doctor"), "nothing is wrong\n");
    user.define("mode");
    fs.chmodSync(user.at(".config/sv/mode/run"), 0o644);
    fs.symlinkSync("/nonexistent", path.join(user.scan, "dangling"));
    const { out, err, code } = await user.sv("doctor");
    assert.equal(code, 2, out + err);
    for (const name of ["mode", "dangling"]) assert.match(out + err, new RegExp(`\\b${name}\\b`));
  });

  eachUser(story, "failing", "why a service does not run is told by whoever is asked for it", async (user, stage) => {
    user.define("web", { run: "exec 2>&1\nexec /nonexistent/server" });
    const added = await user.run("sv-add", ["-w", "1", "web"]);
    assert.match(added.err, /^sv-add: web: the last line of its log: .*\/nonexistent\/server: not found\n$/m);
    const restarted = await user.sv("-w 1 restart web");
    assert.match(restarted.err, /^sv-user: web: the last line of its log: .*\/nonexistent\/server: not found\n$/);
    // It has a process for a moment, once a second.
    let examined = await user.sv("doctor");
    for (let round = 0; round < 20 && examined.code === 0; round++) {
      await stage.span(50);
      examined = await user.sv("doctor");
    }
    assert.match(examined.out, /^web: is to run, and ends again and again: .* not found \(sv-user log web\)\n$/);
    assert.equal(examined.code, 1);
  });

  anyUser(story, "words", "words of other tools are no abbreviations", async (user) => {
    user.define("web");
    const pid = pidIn(await user.add("web"), "web");
    for (const [word, hint] of [
      ["enable", " (sv-add NAME)"],
      ["disable", " (sv-remove NAME)"],
      ["delete", " (sv-remove NAME)"],
      ["logs", " (sv-user log NAME)"],
      ["pid", ""],
      ["strat", ""],
      ["kil", ""],
    ]) {
      const { out, err, code } = await user.sv([`${word}`, "web"]);
      assert.deepEqual([out, err.split("\n")[0], code], ["", `sv-user: ${word}: no such command${hint}`, 100]);
    }
    assert.match(await user.does("status web"), new RegExp(`^run: web: \\(pid ${pid}\\) \\d+s\n$`));
    for (const word of ["u", "up", "s", "status", "check"]) assert.equal((await user.sv([word, "web"])).code, 0, word);
  });

  anyUser(story, "usage", "wrong usage is told apart from failure", async (user) => {
    for (const words of [
      [],
      ["nonesuch", "web"],
      ["session"],
      ["session", "nonesuch"],
      ["new"],
      ["-w", "x", "status"],
    ]) {
      const { out, code } = await user.sv(words);
      assert.deepEqual([out, code], ["", 100], words.join(" "));
    }
    for (const program of ["sv-add", "sv-remove"]) assert.equal((await user.run(program, [])).code, 100, program);
    assert.deepEqual(user.processes(), []);
  });

  eachUser(story, "names", "the other names are the same programs", async (user) => {
    user.define("web");
    pidIn((await user.run("sv-enable", ["web"])).out, "web");
    assert.equal((await user.run("sv-disable", ["web"])).code, 0);
    assert.equal(user.isEnabled("web"), false);
  });

  story(
    "-u",
    "root can look after the services of others, and others cannot",
    async (stage) => {
      const [user, somebody] = [new User(stage, nobody), new User(stage, ordinary, { home: "o", hasNoRuntime: true })];
      user.define("web");
      await user.add("web");
      const refused = await somebody.sv("-u nobody status");
      assert.notEqual(refused.code, 0);
      assert.equal(refused.out, "");
    },
    rootOnly,
  );
});
