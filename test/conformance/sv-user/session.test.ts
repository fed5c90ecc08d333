// The tree of a user: spec/user-services.md, B2 and B4, cases 2, 12 to 14, 16 to 19.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stage } from "../stage.ts";
import { isRoot, missing, stories } from "../stage.ts";
import {
  anyUser,
  assertFails,
  commandLine,
  eachUser,
  ignoresTerm,
  nobody,
  noting,
  pidIn,
  rootOnly,
  User,
} from "./scenes.ts";

const nobodyOrSelf = isRoot ? nobody : (process.getuid?.() ?? 0);
const bootId = fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1");
const needsTerminal = missing("script");

/** Awaits that its standard output and error have no writer any more, as ssh does. */
async function closes(child: ChildProcess, milliseconds: number): Promise<void> {
  const late = AbortSignal.timeout(milliseconds);
  await Promise.all(
    [child.stdout, child.stderr].map((stream) => stream?.closed || once(stream ?? child, "close", { signal: late })),
  );
}
/** Removes a directory: out of sight first, or while others see what is left of it. */
function removed(stage: Stage, directory: string, way: "at once" | "piece by piece"): void {
  const gone = way === "at once" ? stage.at("gone") : directory;
  if (gone !== directory) fs.renameSync(directory, gone);
  assert.equal(spawnSync("rm", ["-rf", gone]).status, 0);
}
/** Controlling terminal, 0 if there is none, and session. */
function terminalOf(pid: number): { readonly terminal: number; readonly session: number } {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /s, "").split(" ");
  return { terminal: Number(fields[4]), session: Number(fields[3]) };
}

stories("sv-user", (story) => {
  eachUser(
    story,
    2,
    "what is started on a terminal goes on without it",
    async (user, stage) => {
      user.define("web", { run: noting });
      const login = user.start("/usr/bin/script", ["-q", "-e", "-c", "exec /bin/sh", "/dev/null"], {
        stdin: "pipe",
      });
      const types = (line: string) => login.child.stdin?.write(`${line}\n`);
      types("sv-add web && sv-user restart web && echo 'all 'done");
      await stage.until("the service is restarted", () => login.out.includes("all done\r\n"));
      const [, second] = [...login.out.matchAll(/ok: run: web: \(pid (\d+)\)/g)].map(([, pid]) => Number(pid));
      const before = performance.now();
      types("exit");
      await stage.end(login);
      assert.ok(performance.now() - before < 5000, "the shell returns at once");
      await stage.span(2000);
      assert.equal(user.pid("web"), second);
      for (const pid of user.processes()) {
        assert.equal(terminalOf(pid).terminal, 0, commandLine(pid));
        for (const fd of stage.descriptors(pid)) assert.doesNotMatch(stage.descriptor(pid, fd), /^\/dev\/(pts|tty)/);
      }
      assert.equal(fs.readlinkSync(`/proc/${user.treePid()}/cwd`), "/");
      assert.equal(terminalOf(user.treePid()).session, user.treePid());
    },
    { skip: needsTerminal },
  );
  eachUser(story, "2 pipe", "who waits for the end of the output does not wait for the service", async (user) => {
    user.define("web");
    const adding = user.start("sv-add", ["web"]);
    const { code } = await adding.ended;
    assert.equal(code, 0);
    await closes(adding.child, 10_000);
    assert.ok(user.pid("web") > 0);
  });

  eachUser(story, 12, "many starts make one tree", async (user, stage) => {
    user.define("web", { run: noting });
    await user.add("-n", "web");
    const all = await Promise.all(Array.from({ length: 20 }, () => user.sv("session start")));
    assert.deepEqual(
      all.map(({ out, err, code }) => `${out}${err}${code}`),
      all.map(() => "0"),
    );
    const pid = await user.running("web");
    await stage.until("it has started", () => user.starts("web").length > 0);
    assert.deepEqual(user.starts("web"), [pid]);
    const sessions = user.processes("session").filter((each) => terminalOf(each).session === each);
    assert.deepEqual(sessions, [user.treePid()]);
    const second = await user.sv("session run");
    assert.match(second.out + second.err, new RegExp(`\\b${user.treePid()}\\b`));
    assert.equal(second.code, 1);
  });

  eachUser(story, 13, "what a killed tree leaves behind is taken over", async (user, stage) => {
    for (const name of ["a", "b"]) {
      user.define(name, { run: noting });
      await user.add(name);
    }
    const supervisors = user.processes("runsv").filter((pid) => pid !== user.treePid());
    const killed = user.treePid();
    process.kill(killed, "SIGKILL");
    await stage.until("the tree is gone", () => !stage.isLiving(killed));
    for (const pid of supervisors) assert.ok(stage.isLiving(pid), "runsv goes on");
    await user.does("session start");
    for (const name of ["a", "b"]) {
      await user.running(name);
      await user.does(`status ${name}`);
    }
    await stage.until("each runs once", () =>
      ["a", "b"].every((name) => {
        const living = user.starts(name).filter((pid) => stage.isLiving(pid));
        return living.length === 1 && living[0] === user.pid(name);
      }),
    );
    assert.notEqual(user.treePid(), killed);
    const told = path.join(user.log, ".session/current");
    assert.doesNotMatch(fs.existsSync(told) ? fs.readFileSync(told, "utf8") : "", /unable to lock/);
    const { code } = await user.sv("session stop");
    assert.equal(code, 0);
    await user.isQuiet();
  });

  eachUser(story, "13 at once", "another tree can be had in the moment in which one is killed", async (user, stage) => {
    user.define("web", { run: noting });
    await user.add("web");
    const killed = user.treePid();
    process.kill(killed, "SIGKILL");
    await user.does("session start");
    await stage.until("there is another tree", () => user.hasTree() && user.treePid() !== killed);
    assert.match(await user.does("session status"), /^run: /);
  });

  eachUser(story, 14, "all services are stopped with the tree", async (user) => {
    for (const name of ["a", "b"]) user.define(name, { run: noting, "log/run": "exec cat >/dev/null" });
    for (const name of ["a", "b"]) await user.add(name);
    const { code } = await user.sv("session stop");
    assert.equal(code, 0);
    assert.deepEqual(user.processes(), []);
    const { out, code: status } = await user.sv("session status");
    assert.match(out, /^down/);
    assert.equal(status, 1);
  });
  eachUser(story, "14 stubborn", "a service that does not hear TERM is killed, and it is said", async (user, stage) => {
    user.define("a");
    user.define("stubborn", { run: ignoresTerm, "stop-timeout": "1\n" });
    await user.add("a");
    const pid = pidIn(await user.add("stubborn"), "stubborn");
    await stage.until("it ignores TERM", () => commandLine(pid) === "sleep 1000");
    const { code, milliseconds } = await user.sv("session stop");
    assert.equal(code, 1);
    assert.deepEqual(user.processes(), []);
    assert.ok(milliseconds >= 900 && milliseconds < 7000, `its own second, not the usual seven: ${milliseconds} ms`);
  });
  eachUser(story, "14 signals", "TERM, INT and HUP end a tree in the foreground, in order", async (user, stage) => {
    user.define("web", { run: noting });
    await user.add("-n", "web");
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      const tree = user.start("sv-user", ["session", "run"]);
      const pid = await user.running("web");
      assert.equal(user.treePid(), tree.pid);
      tree.kill(signal);
      const { code } = await stage.end(tree);
      assert.equal(code, 0, signal);
      assert.equal(stage.isLiving(pid), false);
      await user.isQuiet();
    }
  });

  eachUser(story, 16, "a tree that is held ends when the last holder has ended", async (user, stage) => {
    user.define("web");
    await user.add("-n", "web");
    const holders = [user.start("/bin/sleep", ["1000"]), user.start("/bin/sleep", ["1000"])] as const;
    for (const { pid } of holders) await user.does(`session start --hold ${pid}`);
    const web = await user.running("web");
    const status = await user.does("session status");
    for (const { pid } of holders) assert.match(status, new RegExp(`\\b${pid}\\b`));
    holders[0].kill("SIGKILL");
    await holders[0].ended;
    await stage.span(1500);
    assert.ok(stage.isLiving(web));
    assert.doesNotMatch(await user.does("session status"), new RegExp(`\\b${holders[0].pid}\\b`));
    holders[1].kill("SIGKILL");
    await stage.until("the tree ends", () => !stage.isLiving(web) && !user.hasTree());
  });
  eachUser(story, "16 keep", "a tree that is to stay is not ended by those who hold it", async (user, stage) => {
    user.define("web");
    const holder = user.start("/bin/sleep", ["1000"]);
    await user.does(`session start --hold ${holder.pid}`);
    const web = pidIn(await user.add("web"), "web");
    await user.does("session start --keep");
    holder.kill("SIGKILL");
    await holder.ended;
    await stage.span(2000);
    assert.ok(stage.isLiving(web));
  });
  eachUser(
    story,
    "16 demand",
    "a tree that was there before does not end with those who hold it",
    async (user, stage) => {
      user.define("web");
      const web = pidIn(await user.add("web"), "web");
      const holder = user.start("/bin/sleep", ["1000"]);
      await user.does(`session start --hold ${holder.pid}`);
      holder.kill("SIGKILL");
      await holder.ended;
      await stage.span(2000);
      assert.ok(stage.isLiving(web));
    },
  );
  for (const way of ["hold", "keep", "add"] as const) {
    eachUser(
      story,
      `16 again ${way}`,
      `who comes while the tree still ends has one all the same (${way})`,
      async (user, stage) => {
        user.define("slow", { run: "trap 'sleep 2; exit 0' TERM\necho up >\"$HOME/up\"\nwhile :; do sleep 0.1; done" });
        user.define("web");
        for (const name of ["slow", ...(way === "add" ? [] : ["web"])]) await user.add("-n", name);
        const [first, second] = [user.start("/bin/sleep", ["1000"]), user.start("/bin/sleep", ["1000"])];
        await user.does(`session start --hold ${first.pid}`);
        const tree = user.treePid();
        await stage.until("the slow one is up", () => user.exists("up"));
        first.kill("SIGKILL");
        await stage.until("the tree ends", () =>
          /, want /.test(fs.readFileSync(path.join(user.state, "slow/stat"), "latin1")),
        );
        if (way === "add") await user.add("web");
        else await user.does(way === "hold" ? `session start --hold ${second.pid}` : "session start --keep");
        await user.running("web");
        await stage.until("it is another tree", () => user.hasTree() && user.treePid() !== tree);
        assert.ok(stage.isLiving(await user.running("slow")));
      },
    );
  }
  eachUser(story, "16 killed", "who holds a tree holds the next one too, if it is killed", async (user, stage) => {
    user.define("web");
    await user.add("-n", "web");
    const [first, second] = [user.start("/bin/sleep", ["1000"]), user.start("/bin/sleep", ["1000"])];
    await user.does(`session start --hold ${first.pid}`);
    const killed = user.treePid();
    process.kill(killed, "SIGKILL");
    await stage.until("the tree is gone", () => !stage.isLiving(killed));
    await user.does(`session start --hold ${second.pid}`);
    const status = await user.does("session status");
    for (const { pid } of [first, second]) assert.match(status, new RegExp(`\\b${pid}\\b`));
    second.kill("SIGKILL");
    await second.ended;
    await stage.span(1000);
    assert.ok(stage.isLiving(await user.running("web")));
    first.kill("SIGKILL");
    await stage.until("the tree ends", () => !user.hasTree());
  });
  eachUser(story, "16 over", "who holds a tree and has ended already holds nothing", async (user, stage) => {
    user.define("web");
    await user.add("-n", "web");
    const holder = user.start("/bin/sleep", ["0"]);
    await stage.end(holder);
    for (const _ of [1, 2]) {
      const { milliseconds } = await user.sv(`session start --hold ${holder.pid}`);
      assert.ok(milliseconds < 5000, "it is known at once");
    }
    await stage.until("there is no tree", () => !user.hasTree());
  });

  for (const way of ["at once", "piece by piece"] as const) {
    eachUser(
      story,
      `17 ${way}`,
      `the state is made again where it was, when it is removed ${way}`,
      async (user, stage) => {
        user.define("web", { run: noting });
        const pid = pidIn(await user.add("web"), "web");
        const tree = user.treePid();
        removed(stage, user.state, way);
        await stage.until("the state is there again", () => user.pid("web") === pid && user.treePid() === tree);
        assert.match(await user.does("status web"), new RegExp(`^run: web: \\(pid ${pid}\\)`));
        await user.does("session status");
        assert.notEqual(pidIn(await user.does("restart web"), "web"), pid);
        await user.does("session stop");
        await user.isQuiet();
      },
    );
    eachUser(
      story,
      `17 logout ${way}`,
      `the state moves when the directory of the login is removed ${way}`,
      async (user, stage) => {
        user.define("web", { run: noting });
        const pid = pidIn(await user.add("web"), "web");
        const tree = user.treePid();
        removed(stage, user.runtime, way);
        await stage.until("the state is elsewhere", () => user.pid("web") === pid && user.treePid() === tree);
        assert.equal(fs.realpathSync(user.state), user.at(".local/state/sv/run"));
        assert.match(await user.does("status web"), new RegExp(`^run: web: \\(pid ${pid}\\)`));
        await user.does("session stop");
        await user.isQuiet();
      },
    );
  }

  for (const kind of ["foreign", "own"] as const) {
    const title = kind === "foreign" ? "state of another boot is removed" : "state of this boot is kept";
    anyUser(story, `18 ${kind}`, title, async (_, stage) => {
      const user = new User(stage, nobodyOrSelf, { home: "n", hasNoRuntime: true });
      user.write(".local/state/sv/run/boot-id", kind === "foreign" ? "11111111-2222-3333-4444-555555555555\n" : bootId);
      user.write(".local/state/sv/run/env/OLD", "1");
      for (const name of ["", "env"]) fs.chmodSync(user.at(".local/state/sv/run", name), 0o700);
      user.define("web");
      pidIn(await user.add("web"), "web");
      assert.equal(fs.realpathSync(user.state), user.at(".local/state/sv/run"));
      assert.equal(user.exists(".local/state/sv/run/env/OLD"), kind === "own");
      assert.equal(user.read(".local/state/sv/run/boot-id").trim(), bootId.trim());
    });
  }

  eachUser(story, 19, "a state directory that others could change is refused", async (user, stage) => {
    user.define("web");
    const bad = stage.at("bad");
    fs.mkdirSync(bad);
    fs.chownSync(bad, user.uid, user.uid);
    fs.chmodSync(bad, 0o777);
    for (const [env, named] of [[{ SVRUNDIR: bad }, bad] as const, [{}, path.join(user.runtime, "sv")] as const]) {
      fs.mkdirSync(named, { recursive: true });
      fs.chownSync(named, user.uid, user.uid);
      fs.chmodSync(named, 0o777);
      const refused = await user.run("sv-add", ["web"], { env });
      assertFails(refused, new RegExp(`^sv-add: fatal: .*${named}.*writable by others`), 111);
    }
    assert.deepEqual(user.processes(), []);
  });
  story(
    "19 owner",
    "a state directory of somebody else is refused, and a link to one",
    async (stage) => {
      const user = new User(stage, nobody);
      user.define("web");
      fs.mkdirSync(stage.at("bad"), { mode: 0o755 });
      fs.symlinkSync(stage.at("bad"), path.join(user.runtime, "sv"));
      for (const [env, named] of [[{ SVRUNDIR: stage.at("bad") }, "bad"] as const, [{}, "x/sv"] as const]) {
        assertFails(
          await user.run("sv-add", ["web"], { env }),
          new RegExp(`^sv-add: fatal: .*${stage.at(named)}`),
          111,
        );
      }
      assert.deepEqual(user.processes(), []);
    },
    rootOnly,
  );
});
