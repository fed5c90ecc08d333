// What services get: spec/user-services.md, B5, cases 3, 20 to 22, 27, 28.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { missing, shell, stories } from "../stage.ts";
import { eachUser, nobody, ordinary, pidIn, rootOnly, showsEnvironment, stranger, User } from "./scenes.ts";

const ownUsers = ["--user", "--map-user=5555", "--map-group=5555"];
const cannotMapUsers =
  missing("unshare") ||
  (spawnSync("unshare", [...ownUsers, "true"], { stdio: "ignore" }).status !== 0 && "needs user namespaces");

stories("sv-user", (story) => {
  eachUser(story, 3, "a service reads its settings beside it", async (user, stage) => {
    user.define("web", { run: '[ -r ./conf ] && . ./conf\necho "port $PORT"\nexec sleep 1000', conf: "PORT=8080\n" });
    await user.add("web");
    await stage.until("the log has it", () => /port 8080\n$/.test(user.read(".local/state/sv/log/web/current")));
  });

  eachUser(story, 20, "variables can be set, persistently and until the reboot", async (user, stage) => {
    user.define("web", { run: showsEnvironment });
    const seen = async () => {
      fs.rmSync(user.at("env-web"), { force: true });
      await user.does("restart web");
      await stage.until("it says", () => user.exists("env-web"));
      return user.environment("web");
    };
    user.write(".config/sv/.env/PERSISTENT", "p\n");
    await user.add("web");
    assert.equal((await seen())["PERSISTENT"], "p");
    await user.does(["env", "FOO=1", "BAR=two words"]);
    const set = await seen();
    assert.deepEqual([set["FOO"], set["BAR"]], ["1", "two words"]);
    await user.does("env -d FOO");
    assert.deepEqual([(await seen())["FOO"], user.environment("web")["BAR"]], [undefined, "two words"]);
    await user.does("env IMPORTED", { env: { IMPORTED: "from the caller" } });
    assert.equal((await seen())["IMPORTED"], "from the caller");
    await user.does("env PERSISTENT=volatile");
    assert.equal((await seen())["PERSISTENT"], "volatile");
    user.write(".config/sv/web/env/PERSISTENT", "its own\n");
    assert.equal((await seen())["PERSISTENT"], "its own");
    await user.does("env -p KEPT=1");
    assert.equal(user.read(".config/sv/.env/KEPT").trim(), "1");
    assert.equal((await seen())["KEPT"], "1");
  });
  eachUser(story, "20 empty", "an empty file removes a variable", async (user, stage) => {
    user.define("web", { run: showsEnvironment });
    user.write(".config/sv/.env/SHELL", "");
    await user.add("web");
    await stage.until("it says", () => user.exists("env-web"));
    assert.equal(user.environment("web")["SHELL"], undefined);
    assert.equal(user.environment("web")["HOME"], user.home);
  });

  eachUser(story, 21, "a service waits for the variables that it needs", async (user, stage) => {
    user.define("clock", { run: showsEnvironment, "env-needs": "DISPLAY\n" });
    await user.run("sv-add", ["-w", "1", "clock"]);
    await stage.until("it waits", () => fs.existsSync(path.join(user.state, "clock/stat")));
    assert.match((await user.sv("status clock")).out, /^down: clock: \d+s, normally up, waits for DISPLAY\n$/);
    assert.equal(user.exists("env-clock"), false);
    await user.does("env DISPLAY", { env: { DISPLAY: ":9" } });
    await stage.until("it runs", () => user.exists("env-clock"));
    assert.equal(user.environment("clock")["DISPLAY"], ":9");
    await user.running("clock");
    assert.match(await user.does("status clock"), /^run: clock: \(pid \d+\) \d+s\n?/);
  });
  eachUser(story, "21 restart", "who needs a variable can be restarted for it", async (user, stage) => {
    user.define("needs", { run: showsEnvironment, "env-needs": "DISPLAY\n" });
    user.define("other");
    await user.does("env DISPLAY=:1");
    const [needs, other] = [pidIn(await user.add("needs"), "needs"), pidIn(await user.add("other"), "other")];
    await user.does("env --restart DISPLAY=:2");
    await stage.until("it runs anew", () => user.environment("needs")["DISPLAY"] === ":2");
    assert.notEqual(user.pid("needs"), needs);
    assert.equal(user.pid("other"), other);
  });

  eachUser(story, 22, "what the caller has does not reach the services", async (user, stage) => {
    user.define("web", { run: `umask >"$HOME/umask"\n${showsEnvironment}` });
    const env = {
      SECRET: "s",
      PATH: `/odd:${user.env["PATH"]}`,
      LD_LIBRARY_PATH: "/odd",
      SVDIR: "/odd",
      LANG: "C.UTF-8",
    };
    const added = await user.run("sv-add", ["web"], { env, via: shell("umask 077; cd /tmp; exec <&-") });
    const pid = pidIn(added.out, "web");
    await stage.until("it says", () => user.exists("env-web"));
    const { PWD: _, SHLVL: __, OLDPWD: ___, ...seen } = user.environment("web");
    const name = user.uid === 0 ? "root" : `${user.uid}`;
    if (user.uid === 0 || user.uid === stranger) {
      assert.deepEqual([seen["USER"], seen["LOGNAME"]], [name, name]);
    }
    assert.deepEqual(
      Object.keys(seen)
        .filter((variable) => !["USER", "LOGNAME", "SHELL"].includes(variable))
        .sort(),
      ["HOME", "LANG", "PATH", "SV_LOGDIR", "SV_NAME", "SV_STATE", "XDG_RUNTIME_DIR"],
    );
    assert.equal(seen["PATH"], "/usr/local/bin:/usr/bin:/bin");
    assert.equal(seen["SV_NAME"], "web");
    assert.equal(seen["SV_LOGDIR"], path.join(user.log, "web"));
    assert.equal(Number(fs.readFileSync(path.join(seen["SV_STATE"] ?? "", "pid"), "latin1")), pid);
    assert.equal(user.read("umask").trim(), "0022");
    assert.equal(stage.descriptor(pid, 0), "/dev/null");
    assert.equal(fs.realpathSync(`/proc/${pid}/cwd`), user.at(".config/sv/web"));
    for (const each of user.processes()) {
      assert.doesNotMatch(fs.readFileSync(`/proc/${each}/environ`, "latin1"), /(^|\0)(SECRET|LD_LIBRARY_PATH|STAGE)=/);
    }
  });
  eachUser(
    story,
    "22 instance",
    "a service knows which instance it is, and programs of the user are found",
    async (user, stage) => {
      user.write(".local/bin/hello", `#!/bin/sh\n${showsEnvironment}\n`);
      user.define("web", { run: "exec hello" });
      await user.add("web", "web@one@two");
      await stage.until("it says", () => user.exists("env-web@one@two"));
      const seen = user.environment("web@one@two");
      assert.equal(seen["SV_INSTANCE"], "one@two");
      assert.equal(seen["PATH"], `${user.at(".local/bin")}:/usr/local/bin:/usr/bin:/bin`);
    },
  );

  story(
    27,
    "a user without an account has a tree",
    async (stage) => {
      const user = new User(stage, ordinary);
      user.define("web", { run: showsEnvironment });
      const added = await user.run("sv-add", ["web"], { via: ["/usr/bin/unshare", ...ownUsers] });
      pidIn(added.out, "web");
      await stage.until("it says", () => user.exists("env-web"));
      const seen = user.environment("web");
      assert.deepEqual([seen["HOME"], seen["USER"], seen["LOGNAME"]], [user.home, "5555", "5555"]);
    },
    { only: "ours", skip: cannotMapUsers },
  );
  story(
    "27 home",
    "a home that is not the caller's is not taken for it",
    async (stage) => {
      const user = new User(stage, nobody);
      stage.file("other/.config/sv/web/run", "#!/bin/sh\nexec sleep 1000\n");
      const { out, code } = await user.run("sv-add", ["web"], { env: { HOME: stage.at("other") } });
      assert.equal(out, "");
      assert.notEqual(code, 0);
      assert.equal(fs.existsSync(stage.at("other/.local")), false);
    },
    rootOnly,
  );

  eachUser(story, 28, "a relative XDG directory is none", async (user) => {
    user.define("web");
    for (const variable of ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"]) {
      const added = await user.run("sv-add", ["web"], { env: { [variable]: "relative/path" } });
      assert.equal(added.code, 0, `${variable}: ${added.err}`);
      assert.ok(user.isEnabled("web"));
    }
    assert.equal(user.exists("relative"), false);
  });
  eachUser(story, "28 absolute", "absolute XDG directories are used", async (user, stage) => {
    user.define("web", { run: showsEnvironment }, "c/sv");
    user.define("other", { run: showsEnvironment }, "c/sv");
    const env = { XDG_CONFIG_HOME: user.at("c"), XDG_STATE_HOME: user.at("s") };
    pidIn((await user.run("sv-add", ["web"], { env })).out, "web");
    assert.ok(fs.lstatSync(user.at("s/sv/service/web")).isSymbolicLink());
    await stage.until("its log is there", () => user.exists("s/sv/log/web/current"));
    assert.equal(user.exists(".local") || user.exists(".config"), false);
  });
});
