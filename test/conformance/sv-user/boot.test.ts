// A tree that starts at boot: spec/user-services.md, B6, cases 15, 26, 30.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Running, Stage } from "../stage.ts";
import { isRoot, stories } from "../stage.ts";
import { nobody, noting, ordinary, ownMounts, Realm, showsEnvironment, sleeper, User } from "./scenes.ts";

/** A machine with one account, and a home for it. */
class Machine {
  readonly stage: Stage;
  readonly user: User;
  readonly account: string;
  readonly realm: Realm;

  private constructor(stage: Stage, user: User, account: string, realm: Realm) {
    this.stage = stage;
    this.user = user;
    this.account = account;
    this.realm = realm;
  }
  static async open(stage: Stage, account: string, uid: number, groups = ""): Promise<Machine> {
    const user = new User(stage, uid, { home: "far/from/home", hasNoRuntime: true });
    fs.mkdirSync(stage.at("service"));
    const passwd = `${account}:x:${uid}:${uid}:somebody:${user.home}:/bin/sh\n`;
    const realm = await Realm.open(stage, passwd, `${account}:x:${uid}:\n${groups}`);
    user.view = realm.view;
    return new Machine(stage, user, account, realm);
  }

  /** A command of root's, in a login shell's environment. */
  root(program: string, ...args: readonly string[]): Promise<Outcome> {
    return this.stage.end(this.starts(program, ...args), 60_000);
  }
  starts(program: string, ...args: readonly string[]): Running {
    const env = { PATH: this.stage.env["PATH"] ?? "", HOME: "/root", USER: "root", SVDIR: this.stage.at("service") };
    return this.stage.start(program, args, { onlyEnv: env, via: this.realm.via });
  }
  /** The system service of the tree, as somebody writes it by hand. */
  layService(): void {
    this.stage.service(`service/user@${this.account}`, {
      run: `PATH='${this.stage.env["PATH"]}'\nname=\${PWD##*/}\nexec 2>&1\nexec sv-user boot run "\${name#*@}"`,
    });
  }
  get service(): string {
    return this.stage.at("service", `user@${this.account}`);
  }
}

stories("sv-user", (story) => {
  for (const way of ["by hand", "by boot on"] as const) {
    story(
      `15 ${way}`,
      "a system service stops with all that the user runs, and starts it again",
      async (stage) => {
        const machine = await Machine.open(stage, "nobody", nobody);
        const { user } = machine;
        user.define("web", { run: noting });
        user.define("own", { run: noting, "log/run": "exec cat >/dev/null" });
        fs.mkdirSync(user.scan, { recursive: true });
        for (const name of ["web", "own"]) fs.symlinkSync(user.at(".config/sv", name), `${user.scan}/${name}`);
        user.own();
        if (way === "by hand") machine.layService();
        const system = machine.starts("runsvdir", "-P", stage.at("service"));
        if (way === "by boot on") {
          const { out, err, code } = await machine.root("sv-user", "boot", "on", "nobody");
          assert.equal(code, 0, out + err);
        }
        for (let round = 1; round <= 3; round++) {
          await stage.until("both run", () =>
            ["web", "own"].every((name) => user.starts(name).filter((pid) => stage.isLiving(pid)).length === 1),
          );
          const down = await machine.root("sv", "-w", "20", "down", machine.service);
          assert.equal(down.code, 0, down.out);
          assert.deepEqual(user.processes(), []);
          assert.equal((await machine.root("sv", "up", machine.service)).code, 0);
        }
        assert.deepEqual([user.starts("web").length >= 3, user.starts("web").length <= 4], [true, true]);
        assert.doesNotMatch(system.err, /lock/);
        if (way === "by boot on") {
          assert.equal((await machine.root("sv-user", "boot", "status", "nobody")).code, 0);
          const { out, err, code } = await machine.root("sv-user", "boot", "off", "nobody");
          assert.equal(code, 0, out + err);
          assert.deepEqual(user.processes(), []);
          assert.equal(fs.existsSync(machine.service), false);
        }
      },
      ownMounts,
    );
  }

  story(
    "15 killed",
    "a tree of the system that is killed comes back, and all that it had",
    async (stage) => {
      const machine = await Machine.open(stage, "nobody", nobody);
      const { user } = machine;
      user.define("web", { run: noting });
      fs.mkdirSync(user.scan, { recursive: true });
      fs.symlinkSync(user.at(".config/sv/web"), `${user.scan}/web`);
      user.own();
      machine.layService();
      const system = machine.starts("runsvdir", "-P", stage.at("service"));
      const runsOnce = () => user.starts("web").filter((pid) => stage.isLiving(pid)).length === 1;
      await stage.until("it runs", () => user.hasTree() && runsOnce());
      for (const _ of [1, 2]) {
        const killed = user.treePid();
        process.kill(killed, "SIGKILL");
        await stage.until("there is another tree", () => user.hasTree() && user.treePid() !== killed);
        await stage.until("it runs", () => runsOnce() && user.pid("web") === user.starts("web").at(-1));
      }
      assert.equal((await machine.root("sv", "-w", "20", "down", machine.service)).code, 0);
      assert.deepEqual(user.processes(), []);
      assert.equal(system.out + system.err, "");
    },
    ownMounts,
  );

  story(
    26,
    "home, name and groups are those of the account",
    async (stage) => {
      const groups = "staff:x:6001:web-app\nothers:x:6002:somebody,web-app\nstrange:x:6003:somebody\n";
      const machine = await Machine.open(stage, "web-app", 6000, groups);
      const { user } = machine;
      user.define("web", { run: `id -G >"$HOME/groups"\n${showsEnvironment}` });
      user.define("other", { run: sleeper });
      machine.starts("runsvdir", "-P", stage.at("service"));
      const on = await machine.root("sv-user", "boot", "on", "web-app");
      assert.equal(on.code, 0, on.out + on.err);
      const added = await machine.root("sv-user", "-u", "web-app", "status");
      assert.equal(added.code, 0, added.err);
      const start = ["--reuid=6000", "--regid=6000", "--init-groups"];
      const env = ["env", "-i", `HOME=${user.home}`, `PATH=${stage.env["PATH"]}`];
      await stage.until("there is a tree", () => user.hasTree());
      const outcome = await machine.root("/usr/bin/setpriv", ...start, ...env, "sv-add", "web");
      assert.match(outcome.out, /^ok: run: web: /, outcome.err);
      await stage.until("it says", () => user.exists("env-web"));
      const seen = user.environment("web");
      assert.deepEqual([seen["HOME"], seen["USER"], seen["LOGNAME"]], [user.home, "web-app", "web-app"]);
      assert.equal(user.read("groups"), "6000 6001 6002\n");
      assert.equal(user.state, `${user.view}/run/sv-user/6000`);
      assert.match((await machine.root("sv-user", "-u", "web-app", "status", "web")).out, /^run: web: \(pid \d+\)/);
    },
    ownMounts,
  );
  story(
    "26 over",
    "a tree that was started on demand is handed over",
    async (stage) => {
      const machine = await Machine.open(stage, "web-app", 6000);
      const { user } = machine;
      user.define("web", { run: noting });
      const env = ["env", "-i", `HOME=${user.home}`, `PATH=${stage.env["PATH"]}`];
      const become = ["--reuid=6000", "--regid=6000", "--init-groups", ...env];
      assert.equal((await machine.root("/usr/bin/setpriv", ...become, "sv-add", "web")).code, 0);
      machine.starts("runsvdir", "-P", stage.at("service"));
      assert.equal((await machine.root("sv-user", "boot", "on", "web-app")).code, 0);
      await stage.until("it is started again", () => user.starts("web").length === 2);
      assert.equal(user.starts("web").filter((pid) => stage.isLiving(pid)).length, 1);
      assert.equal((await machine.root("sv", "-w", "20", "down", machine.service)).code, 0);
      assert.deepEqual(user.processes(), []);
    },
    ownMounts,
  );

  story(
    30,
    "who may not switch it on is told who may",
    async (stage) => {
      const user = new User(stage, isRoot ? nobody : ordinary);
      const refused = await user.sv(isRoot ? "boot on" : "boot on root"); // whoever has no account has no name
      assert.equal(refused.code, 100);
      assert.match(refused.out, /^\S*sv-user boot on \w+\n$/);
      const [program = ""] = refused.out.split(" ");
      assert.ok(fs.existsSync(program), "it can be typed as it is");
      assert.match((await user.sv("boot off root")).out, /^\S*sv-user boot off root\n$/);
    },
    { only: "ours" },
  );
});
