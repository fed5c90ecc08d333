// The files of examples/user, on a machine that people really log in to: see logins.ts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { cannotBoot, layBusybox, layPrograms } from "../boot/machine.ts";
import type { Build } from "../conformance/stage.ts";
import { missing, Stage } from "../conformance/stage.ts";
import { ordinary, User } from "../conformance/sv-user/scenes.ts";
import { cannotFetchInits, layOpenrc, link, Namespaces, openrcIsUp, root, script, write } from "../etc/systems.ts";
import { account, cannotLogIn, cannotSsh, examples, Machine } from "./logins.ts";

const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };
const example = (name: string) => fs.readFileSync(path.join(examples, name), "utf8");
const noOpenrc = cannotLogIn || cannotBoot() || cannotFetchInits();

/** What is told, on a stage of its own. */
function story(title: string, skip: string | false, act: (stage: Stage) => Promise<void>): void {
  test(title, { skip, timeout: 90_000 }, async () => {
    const stage = new Stage(ours);
    try {
      await act(stage);
    } finally {
      await stage.clear();
    }
  });
}
/** The service of the seed: it runs as another user where there is a doas, which here only does what follows. */
function defineMyserver(machine: Machine): void {
  machine.write(".local/bin/doas", '#!/bin/sh\nshift 2\nexec "$@"\n');
  machine.write(".local/bin/myserver", '#!/bin/sh\necho "listening on $PORT"\nexec sleep 1000\n');
  machine.write(".config/sv/myserver/conf", "export PORT=8080\n");
  machine.write(
    ".config/sv/myserver/run",
    '#!/bin/sh\nexec 2>&1\n[ -r ./conf ] && . ./conf\nexec doas -u srv "$HOME/.local/bin/myserver"\n',
  );
}

suite("examples/user", { concurrency: 4 }, () => {
  suite("on a machine without anything prepared", () => {
    for (const way of ["ssh", "login"] as const) {
      story(
        `a service that is added over ${way} goes on after exit`,
        way === "ssh" ? cannotSsh : cannotLogIn,
        async (stage) => {
          const machine = await Machine.boot(stage, { hasSsh: way === "ssh" });
          defineMyserver(machine);
          const login = machine[way]();
          const added = await login.types("sv-add myserver");
          const restarted = await login.types("sv-user restart myserver");
          const [first, second] = [added, restarted].map(
            (said) => /^ok: run: myserver: \(pid (\d+)\) \d+s\n$/m.exec(said)?.[1],
          );
          assert.ok(first && second && first !== second, `${added}${restarted}`);
          const milliseconds = await login.exits();
          assert.ok(milliseconds < 5000, `exit takes ${milliseconds} ms`);
          await stage.span(2000);
          assert.equal(await machine.pid("myserver"), Number(second));
          assert.match(machine.read(".local/state/sv/log/myserver/current"), / listening on 8080\n$/);
          const again = machine[way]();
          assert.match(await again.types("sv-user status"), new RegExp(`^run: myserver: \\(pid ${second}\\)`));
          assert.equal(await again.types("sv-remove myserver >/dev/null; echo $?"), "0\n");
          await again.exits();
        },
      );
    }
  });

  /** With a way to start the tree at login. */
  function heldByLogins(title: string, lay: (machine: Machine) => void, pam = ""): void {
    suite(title, () => {
      for (const way of ["ssh", "login"] as const) {
        story(
          `services run from the first login over ${way} until the last logout`,
          way === "ssh" ? cannotSsh : cannotLogIn,
          async (stage) => {
            const machine = await Machine.boot(stage, { hasSsh: way === "ssh", pam });
            defineMyserver(machine);
            assert.equal((await machine.user("sv-add -n myserver")).code, 0);
            assert.match((await machine.user("sv-user session status")).out, /^down/);
            lay(machine);
            const first = machine[way]();
            const pid = await machine.runs("myserver");
            const second = machine[way]();
            await second.types("true");
            await first.exits();
            await stage.span(1500);
            assert.equal(await machine.pid("myserver"), pid, "one is still here");
            await second.exits();
            await machine.isQuiet();
            const third = machine[way]();
            await machine.runs("myserver");
            await third.isCut();
            await machine.isQuiet();
          },
        );
      }
      story("whoever cannot have services is not kept out", cannotLogIn, async (stage) => {
        const machine = await Machine.boot(stage, { pam });
        lay(machine);
        machine.write(".local", "in the way");
        const login = machine.login();
        assert.match(await login.types("id -un"), new RegExp(`^${account}$`, "m"));
        await login.exits();
      });
    });
  }
  heldByLogins("with the line in ~/.profile", (machine) => machine.write(".profile", example("profile")));
  heldByLogins("with the line for PAM", () => {}, example("pam"));

  suite("README.md", () => {
    const page = example("README.md");
    const blocks = [...page.matchAll(/^<!-- run -->\n```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
    story("what it says is so", false, async (stage) => {
      assert.ok(blocks.length >= 3);
      const user = new User(stage, ordinary);
      const essence = (text: string) =>
        text.replaceAll(/\d+/g, "N").replaceAll(/ +/g, " ").replaceAll("/home/you", user.home.replaceAll(/\d+/g, "N"));
      for (const [, commands = "", shown = ""] of blocks) {
        if (commands.includes("sv-user log")) {
          await stage.until("something is in the log", () => user.read(".local/state/sv/log/clock/current") !== "");
        }
        const { out, err, code } = await user.run("/bin/sh", ["-eu", "-c", commands]);
        assert.deepEqual([essence(out), err, code], [essence(shown), "", 0], commands);
      }
      assert.equal(user.exists(".config/sv/clock"), false);
      await user.does("session stop");
      await user.isQuiet();
    });
    story("a service takes four commands at most", false, async () => {
      const commands = blocks.slice(0, 2).map(([, each = ""]) => each);
      assert.ok(commands.join("").trimEnd().split("\n").length <= 4);
      assert.match(commands[1] ?? "", /log/);
    });
    story("its links lead somewhere", false, async () => {
      for (const [, target = ""] of page.matchAll(/\]\(([^)]+)\)/g))
        assert.ok(fs.existsSync(path.join(examples, target)), target);
    });
    story("shellcheck has no complaint about the scripts", missing("shellcheck"), async () => {
      const files = ["system-service/run", "profile"].map((name) => path.join(examples, name));
      const { stdout, status } = spawnSync("shellcheck", ["-s", "sh", ...files], { encoding: "utf8" });
      assert.deepEqual([stdout, status], ["", 0]);
    });
  });

  suite("at boot", () => {
    story("the system service is what sv-user writes, and it runs", cannotLogIn, async (stage) => {
      const machine = await Machine.boot(stage);
      defineMyserver(machine);
      assert.equal((await machine.user("sv-add -n myserver")).code, 0);
      fs.mkdirSync(stage.at("service"));
      const SVDIR = `SVDIR='${stage.at("service")}'`;
      await machine.root(`setsid runsvdir -P '${stage.at("service")}' </dev/null >'${stage.at("system")}' 2>&1 &`);
      const on = await machine.root(`${SVDIR} sv-user boot on ${account}`);
      assert.equal(on.code, 0, on.out + on.err);
      assert.equal(stage.read(`service/user@${account}/run`), example("system-service/run"));
      await machine.runs("myserver");
      assert.equal((await machine.root(`${SVDIR} sv-user boot off ${account}`)).code, 0);
      await machine.isQuiet();
    });

    story("the line of cron starts the services", cannotLogIn, async (stage) => {
      const machine = await Machine.boot(stage);
      defineMyserver(machine);
      assert.equal((await machine.user("sv-add -n myserver")).code, 0);
      const [, command = ""] = /^@reboot (.*)$/m.exec(example("crontab")) ?? [];
      const cron = `env -i HOME=${machine.home} LOGNAME=${account} SHELL=/bin/sh PATH=/usr/bin:/bin`;
      const { out, err, code } = await machine.user(`${cron} /bin/sh -c '${command}'`);
      assert.deepEqual([out, err, code], ["", "", 0], "cron would send a mail");
      await stage.until("it runs", () => machine.read(".local/state/sv/log/myserver/current").includes("listening"));
      assert.equal((await machine.user("sv-user session stop")).code, 0);
      await machine.isQuiet();
    });

    for (const name of ["sv-user@.service", "sv-user.service"]) {
      const unit = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(example(name))?.[1] ?? assert.fail(key);
      story(`systemd-analyze has no complaint about ${name}`, missing("systemd-analyze"), async (stage) => {
        const file = stage.file(
          name.replace("@", `@${account}`),
          example(name).replace("ExecStart=sv-user", `ExecStart=${path.join(root, "build/bin/sv-user")}`),
        );
        const words = ["verify", name.includes("@") ? "--system" : "--user", "--man=no", file];
        const env = { ...stage.env, XDG_RUNTIME_DIR: stage.dir };
        const { stdout, stderr, status } = spawnSync("systemd-analyze", words, { encoding: "utf8", env });
        assert.deepEqual([stdout + stderr, status], ["", 0]);
      });
      story(`the commands of ${name} start, take over and stop the services`, cannotLogIn, async (stage) => {
        const machine = await Machine.boot(stage);
        defineMyserver(machine);
        assert.equal((await machine.user("sv-add -n myserver")).code, 0);
        const command = unit("ExecStart").replaceAll("%i", account);
        const does = (words: string) => (name.includes("@") ? machine.root(words) : machine.user(words));
        const start = `setsid ${command} </dev/null >>${machine.home}/said 2>&1 & echo $! >${machine.home}/main`;
        const main = () => Number(machine.read("main"));
        assert.equal((await does(start)).code, 0);
        await machine.runs("myserver");
        assert.equal(unit("KillMode"), "process");
        const killed = main();
        await machine.root(`kill -KILL ${killed}; while kill -0 ${killed} 2>/dev/null; do :; done`);
        assert.equal((await does(start)).code, 0);
        await machine.hasTree(main());
        await machine.runs("myserver");
        await machine.root(`kill -TERM ${main()}`);
        await machine.isQuiet();
      });
    }

    story("the service of OpenRC starts and stops the services", noOpenrc, async (stage) => {
      const machine = new Namespaces();
      stage.atEnd(() => void machine.clear());
      fs.chmodSync(machine.at("."), 0o755); // for everybody
      layBusybox(machine.at);
      layPrograms(machine.at, "usr/local/bin");
      layOpenrc(machine.at);
      write(machine.at, "etc/init.d/sv-user", example("sv-user.openrc"));
      fs.chmodSync(machine.at("etc/init.d/sv-user"), 0o755);
      link(machine.at, "etc/init.d/sv-user.web-app", "sv-user");
      write(machine.at, "etc/passwd", "root:x:0:0::/root:/bin/sh\nweb-app:x:6000:6000::/srv/web:/bin/sh\n");
      write(machine.at, "etc/group", "root:x:0:\nweb-app:x:6000:\n");
      const told = "trap 'echo down >>$HOME/told; exit 0' TERM; echo up >>$HOME/told; while :; do sleep 0.1; done";
      script(machine.at, "srv/web/.config/sv/web/run", told);
      link(machine.at, "srv/web/.local/state/sv/service/web", "/srv/web/.config/sv/web");
      write(machine.at, "srv/web/told", ""); // so that it is the user's
      spawnSync("chown", ["-hR", "6000:6000", machine.at("srv/web")]);
      script(
        machine.at,
        "story",
        `PATH=/usr/local/bin:/sbin:/bin; export PATH
${openrcIsUp}rc-service sv-user.web-app start
until grep -q up /srv/web/told; do sleep 0.1; done
rc-service sv-user.web-app stop
ps >/left
echo stopped >>/srv/web/told
exec sleep 100`,
      );
      machine.boot("/story");
      await machine.until("stopped", () => machine.read("srv/web/told").includes("stopped\n"));
      assert.equal(machine.read("srv/web/told"), "up\ndown\nstopped\n", machine.console);
      assert.doesNotMatch(machine.read("left"), /runsv|web/);
      await machine.clear();
    });
  });
});
