// How a service is started, ends, is finished and started again (runsv.md section 6).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import {
  awaitsFile,
  essence,
  exits,
  facts,
  inOneOfSeveralAttempts,
  isGone,
  isStopped,
  lines,
  now,
  recorder,
  says,
  signals,
  since,
  sleeper,
  stat,
  staysDown,
  superviseRecorder,
  throttled,
} from "./scripts.ts";

const stamps = (file: string) => `date +%s.%N >>${file}`;
const countsAndSleeps = "echo start >>starts\nexec sleep 1000";
const endsOnce = "echo start >>starts\ntest $(wc -l <starts) -gt 1 && exec sleep 1000\nexit 0";
const endsAtOnce = "echo start >>starts\nexit 1";

const cannotDumpCore: string | false =
  (spawnSync("/bin/sh", ["-c", "ulimit -c unlimited"], { stdio: "ignore" }).status !== 0 ||
    fs.readFileSync("/proc/sys/kernel/core_pattern", "latin1").trim() === "") &&
  "needs core dumps";

/** A service whose finish records signals until the file `over` is there; answers once finish is ready. */
async function superviseFinishing(stage: Stage) {
  stage.service("svc", { run: countsAndSleeps, finish: recorder({ end: "over" }) });
  const runsv = await stage.supervise("svc");
  const pid = await stage.running("svc");
  await stage.becomes(() => lines(stage, "svc/starts").length, 1);
  return {
    runsv,
    end: async (byte: string): Promise<void> => {
      stage.tell("svc", byte);
      await isGone(stage, pid);
      await signals(stage, "svc", "");
      await stage.until("finish is known", () => stage.status("svc").phase === 2 && stage.status("svc").pid !== 0);
    },
    letFinishEnd: (): void => {
      stage.file("svc/over", "");
    },
  };
}
const starts = (stage: Stage, name = "svc") => lines(stage, `${name}/starts`).length;

stories("runsv", (story) => {
  story(38, "finish learns how run ended", async (stage) => {
    const endings = { "exit 0": "2 0 0", "exit 3": "2 3 0", "kill -TERM $$": "2 -1 15", "kill -KILL $$": "2 -1 9" };
    const expected = Object.entries(endings);
    for (const [index, [ending]] of expected.entries()) {
      stage.service(`svc${index}`, { run: ending, finish: 'echo "$# $1 $2" >>ends' });
      await stage.supervise(`svc${index}`);
    }
    for (const [index, [, line]] of expected.entries()) {
      await stage.becomes(() => lines(stage, `svc${index}/ends`)[0], line);
    }
  });

  story(
    39,
    "finish learns of a core dump",
    async (stage) => {
      stage.service("svc", { run: "kill -ABRT $$", finish: 'echo "$# $1 $2" >>ends' });
      await stage.supervise("svc", { via: shell("ulimit -c unlimited") });
      await stage.becomes(() => lines(stage, "svc/ends")[0], "2 -1 134");
    },
    { skip: cannotDumpCore },
  );

  story(40, "a missing run script counts as exit code 111", async (stage) => {
    stage.service("svc", { finish: 'echo "$1 $2" >>ends' });
    const runsv = await stage.supervise("svc");
    await stage.becomes(() => lines(stage, "svc/ends").slice(0, 2), ["111 0", "111 0"]);
    const line = "runsv svc: fatal: unable to start ./run: file does not exist\n";
    await stage.until("it is tried again", () => runsv.err.length >= 2 * line.length);
    assert.equal(runsv.err.replaceAll(line, ""), "");
  });

  story(41, "a run script that cannot be executed is tried again once a second", async (stage) => {
    stage.file("mode/run", "#!/bin/sh\n", 0o644);
    fs.mkdirSync(stage.at("directory/run"), { recursive: true });
    stage.file("text/run", "exec sleep 1000\n", 0o755);
    stage.file("interpreter/run", "#!/nope\n", 0o755);
    const reasons = {
      mode: "access denied",
      directory: "access denied",
      text: "exec format error",
      interpreter: "file does not exist",
    };
    const before = performance.now();
    const all = Object.entries(reasons).map(([name, reason]) => {
      const line = `runsv ${name}: fatal: unable to start ./run: ${reason}\n`;
      return { line, runsv: stage.start("runsv", [name]) };
    });
    for (const { line, runsv } of all) {
      await stage.until(`three times ${line}`, () => runsv.err.length >= 3 * line.length);
      assert.equal(runsv.err.replaceAll(line, ""), "");
      assert.ok(performance.now() - before >= 1950, "there is a second between two tries");
    }
  });

  story(42, "a missing log/run is tried again once a second", async (stage) => {
    stage.service("svc", { run: sleeper, "log/other": "" });
    const before = performance.now();
    const runsv = await stage.supervise("svc");
    const line = "runsv svc: fatal: unable to start log/./run: file does not exist\n";
    await stage.until("three tries", () => runsv.err.length >= 3 * line.length);
    assert.equal(runsv.err.replaceAll(line, ""), "");
    assert.ok(performance.now() - before >= 1950, "there is a second between two tries");
    assert.equal(stage.status("svc").phase, 1);
  });

  story(43, "a service that ends at once is started once a second", async (stage) => {
    stage.service("svc", { run: `${stamps("starts")}\nexit 1` });
    const before = now();
    await stage.supervise("svc");
    await throttled(stage, "svc");
    // At rest for a second, which a slow machine may miss: then in the next rest.
    const state = () => [facts(stage.status("svc")), stage.stat("svc"), stage.read("svc/supervise/pid")];
    await stage.becomes(state, [{ pid: 0, paused: 0, want: "u", term: 0, phase: 0 }, "down", ""]);

    await stage.until("it is started four times", () => starts(stage) >= 4);
    for (const [index, start] of lines(stage, "svc/starts").entries()) {
      assert.ok(Number(start) >= before + index - 0.05, `start ${index} at ${Number(start) - before}`);
    }
  });

  story(44, "finish follows run at once, the next run a second after finish", async (stage) => {
    stage.service("svc", { run: `${stamps("starts")}\nexit 1`, finish: stamps("ends") });
    await stage.supervise("svc");
    await stage.until("it is started four times", () => starts(stage) >= 4);
    const started = lines(stage, "svc/starts").map(Number);
    const finished = lines(stage, "svc/ends").map(Number);
    const rounds = [0, 1, 2].map((round) => {
      const [start = 0, finish = 0, next = 0] = [started[round], finished[round], started[round + 1]];
      assert.ok(next - finish >= 0.95, `${next - finish} s from finish to the next run`);
      return finish - start;
    });
    assert.ok(Math.min(...rounds) < 0.9, `${Math.min(...rounds)} s from run to finish`);
  });

  story(45, "run and finish of more than a second together are not throttled", async (stage) => {
    stage.service("svc", { run: `${stamps("starts")}\nsleep 0.8`, finish: "sleep 0.5" });
    await stage.supervise("svc");
    await stage.until("it is started four times", () => starts(stage) >= 4);
    const started = lines(stage, "svc/starts").map(Number);
    const periods = [0, 1, 2].map((round) => (started[round + 1] ?? 0) - (started[round] ?? 0));
    assert.ok(Math.min(...periods) < 2.2, `period of ${Math.min(...periods)} s`);
    assert.ok(Math.max(...periods) >= 1.25, `period of ${Math.max(...periods)} s`);
  });

  story(46, "during finish the status tells so, since when run was started", async (stage) => {
    stage.service("svc", { run: sleeper, finish: "echo $$ >>finishing\nexec sleep 1000" });
    await stage.supervise("svc");
    await stage.running("svc");
    const before = stage.status("svc");
    stage.tell("svc", "t");
    await stage.until("finish runs", () => stage.status("svc").phase === 2 && lines(stage, "svc/finishing").length > 0);
    const pid = Number(lines(stage, "svc/finishing")[0]);
    await stage.becomes(() => stage.status("svc"), { ...before, pid, phase: 2 });
    assert.equal(stage.stat("svc"), "finish");
    assert.equal(stage.read("svc/supervise/pid"), `${pid}\n`);
  });

  story("47 (by itself)", "what finish, or run, does last is to say d: it is not started once more", async (stage) => {
    const names = Array.from({ length: 8 }, (_, index) => `svc${index}`);
    const job = "echo $$ >>starts\nsleep 1.2\n"; // so long that nothing rests before the next start
    const says = "printf d >supervise/control";
    for (const [index, name] of names.entries()) {
      stage.service(name, index % 2 === 0 ? { run: job, finish: says } : { run: `${job}${says}` });
      await stage.supervise(name);
    }
    for (const name of names) {
      await stage.until(`${name} is down`, () => stage.stat(name) === "down" && starts(stage, name) > 0);
      assert.equal(starts(stage, name), 1, name);
    }
  });

  story(47, "told d during finish, a service stays down afterwards", async (stage) => {
    const { runsv, end, letFinishEnd } = await superviseFinishing(stage);
    await end("t");
    stage.tell("svc", "d");
    await stat(stage, "svc", "finish, want down");
    await signals(stage, "svc", "");
    letFinishEnd();
    await staysDown(stage, "svc");
    assert.equal(stage.stat("svc"), "down");
    await signals(stage, "svc", "");
    assert.equal(starts(stage), 1);
    assert.equal(runsv.err, "");
  });

  story(
    48,
    "told o during finish",
    async (stage) => {
      const { end, letFinishEnd } = await superviseFinishing(stage);
      await end("d");
      const before = stage.version("svc/supervise/status");
      stage.tell("svc", "o");
      await stage.until("o is acted on", () => stage.version("svc/supervise/status") !== before);
      assert.equal(stage.stat("svc"), "finish, want down");
      letFinishEnd();
      if (stage.isOurs) {
        const pid = await stage.running("svc");
        await stage.becomes(() => starts(stage), 2);
        await stat(stage, "svc", "run, want down");
        stage.tell("svc", "t");
        await isGone(stage, pid);
      }
      await staysDown(stage, "svc");
      assert.equal(starts(stage), stage.isOurs ? 2 : 1);
    },
    { differs: "runsv-once-during-finish" },
  );

  story(49, "told x during finish, runsv exits when finish ends", async (stage) => {
    const { runsv, end, letFinishEnd } = await superviseFinishing(stage);
    await end("t");
    stage.tell("svc", "x");
    await stat(stage, "svc", "finish, want exit");
    assert.equal(stage.status("svc").want, "d");
    assert.ok(runsv.isAlive);
    letFinishEnd();
    await exits(stage, runsv);
    await signals(stage, "svc", "");
    assert.equal(stage.stat("svc"), "down");
    assert.equal(starts(stage), 1);
  });

  story(50, "told p during finish, the flag is set and nothing is stopped", async (stage) => {
    const { end, letFinishEnd } = await superviseFinishing(stage);
    await end("t");
    stage.tell("svc", "p");
    await stat(stage, "svc", "finish, paused");
    assert.equal(stage.status("svc").paused, 1);
    assert.notEqual(stage.state(stage.status("svc").pid), "T");
    letFinishEnd();
    await stat(stage, "svc", "run");
    assert.equal(stage.status("svc").paused, 0);
  });

  story(51, "a finish script that cannot be executed is reported, and that is all", async (stage) => {
    stage.service("mode", { run: endsOnce });
    stage.file("mode/finish", "#!/bin/sh\n", 0o644);
    stage.service("directory", { run: endsOnce });
    fs.mkdirSync(stage.at("directory/finish"));
    stage.service("dangling", { run: endsOnce });
    fs.symlinkSync("nowhere", stage.at("dangling/finish"));
    const running = new Map<string, Awaited<ReturnType<Stage["supervise"]>>>();
    for (const name of ["mode", "directory", "dangling"]) running.set(name, await stage.supervise(name));
    for (const [name, runsv] of running) {
      await stage.becomes(() => starts(stage, name), 2);
      await stat(stage, name, "run");
      const messages = name === "dangling" ? [] : ["fatal: unable to start ./finish: access denied"];
      await says(stage, runsv, name, ...messages);
    }
  });

  story(52, "finish is run once per run, however it ends", async (stage) => {
    stage.service("svc", { run: "echo run >>steps\nexit 0", finish: "echo finish >>steps\nexit 1" });
    await stage.supervise("svc");
    await stage.until("a few rounds", () => lines(stage, "svc/steps").length >= 5);
    assert.deepEqual(lines(stage, "svc/steps").slice(0, 5), ["run", "finish", "run", "finish", "run"]);
  });

  story(62, "told u and d in one write, a service starts and ends", async (stage) => {
    stage.service("svc", { run: sleeper, finish: 'echo "$*" >>ends', down: "" });
    await stage.supervise("svc");
    stage.tell("svc", "ud");
    await stage.becomes(() => lines(stage, "svc/ends"), ["-1 15"]);
    await staysDown(stage, "svc");
    assert.equal(stage.stat("svc"), "down");
    assert.deepEqual(lines(stage, "svc/ends"), ["-1 15"]);
  });

  story(63, "told t within its first second, a service is started again a second after its end", (stage) =>
    inOneOfSeveralAttempts("t comes early enough", async (index) => {
      const name = `svc${index}`;
      stage.service(name, { run: sleeper });
      await stage.supervise(name);
      const pid = await stage.running(name);
      const started = since(stage.status(name));
      stage.tell(name, "t");
      const told = now();
      await isGone(stage, pid);
      const ended = now();
      await stage.until("it runs again", () => stage.status(name).phase === 1 && stage.status(name).pid !== pid);
      const delay = since(stage.status(name)) - told;
      if (ended - started > 0.8) return false; // no throttle then
      assert.ok(delay >= 0.95, `started again after ${delay} s`);
      return true;
    }),
  );

  story(
    64,
    "told d during the throttle",
    async (stage) => {
      const attempt = async (index: number) => {
        const name = `svc${index}`;
        stage.service(name, { run: endsAtOnce });
        await stage.supervise(name);
        const ended = await throttled(stage, name);
        const before = starts(stage, name);
        stage.tell(name, "d");
        await stage.until("d is acted on", () => stage.status(name).want === "d");
        const seen = now();
        await staysDown(stage, name);
        assert.equal(starts(stage, name), before);
        if (!stage.isOurs) assert.ok(seen >= ended + 0.95, `seen after ${seen - ended} s`);
        return !stage.isOurs || seen < ended + 0.9;
      };
      await inOneOfSeveralAttempts("d is acted on at once", attempt);
    },
    { differs: "runsv-throttle-does-not-block" },
  );

  story(
    65,
    "told x during the throttle",
    async (stage) => {
      const attempt = async (index: number) => {
        const name = `svc${index}`;
        stage.service(name, { run: endsAtOnce });
        const runsv = await stage.supervise(name);
        const ended = await throttled(stage, name);
        const before = starts(stage, name);
        stage.tell(name, "x");
        await exits(stage, runsv);
        const seen = now();
        assert.equal(starts(stage, name), before);
        if (!stage.isOurs) assert.ok(seen >= ended + 0.95, `exited after ${seen - ended} s`);
        return !stage.isOurs || seen < ended + 0.9;
      };
      await inOneOfSeveralAttempts("runsv exits at once", attempt);
    },
    { differs: "runsv-throttle-does-not-block" },
  );

  story(
    66,
    "SIGTERM during the throttle",
    async (stage) => {
      const attempt = async (index: number) => {
        const name = `svc${index}`;
        // Starts are counted by finish: TERM may end the last one before it gets anything done.
        stage.service(name, { run: endsAtOnce, finish: 'echo "$*" >>ends' });
        const runsv = await stage.supervise(name);
        // The state from before the first start looks like the one after it.
        await stage.until("the first life is over", () => lines(stage, `${name}/ends`).length > 0);
        const ended = await throttled(stage, name);
        const before = lines(stage, `${name}/ends`).length;
        runsv.kill("SIGTERM");
        await exits(stage, runsv);
        const seen = now();
        const more = lines(stage, `${name}/ends`).length - before;
        assert.equal(more, stage.isOurs ? 0 : 1);
        assert.deepEqual(essence(stage.status(name)), { pid: 0, want: "d", phase: 0 });
        if (!stage.isOurs) assert.ok(seen >= ended + 0.95, `exited after ${seen - ended} s`);
        return !stage.isOurs || seen < ended + 0.9;
      };
      await inOneOfSeveralAttempts("runsv exits at once", attempt);
    },
    { differs: "runsv-throttle-does-not-block" },
  );

  story(
    67,
    "a log service that ends at once delays, at most, what its service is told",
    async (stage) => {
      stage.service("svc", { run: recorder(), "log/run": endsAtOnce });
      const { pid } = await superviseRecorder(stage, "svc");
      const attempt = async (index: number) => {
        const ended = await throttled(stage, "svc/log");
        stage.tell("svc", "h");
        await signals(stage, "svc", "HUP ".repeat(index + 1).trimEnd());
        const seen = now();
        if (!stage.isOurs) assert.ok(seen >= ended + 0.95, `arrived after ${seen - ended} s`);
        return stage.isOurs ? seen < ended + 0.9 : index === 2;
      };
      await inOneOfSeveralAttempts("h arrives at once", attempt);
      assert.equal(stage.status("svc").pid, pid);
      assert.equal(stage.stat("svc"), "run");
    },
    { differs: "runsv-throttle-does-not-block" },
  );

  story(103, "the paused flag tells what was commanded, not what is", async (stage) => {
    stage.service("svc", { run: sleeper });
    await stage.supervise("svc");
    const pid = await stage.running("svc");
    const tellsUp = async () => {
      const before = stage.version("svc/supervise/status");
      stage.tell("svc", "u"); // changes nothing, but publishes the status once more
      await stage.until("u is acted on", () => stage.version("svc/supervise/status") !== before);
    };

    process.kill(pid, "SIGSTOP");
    await isStopped(stage, pid);
    await tellsUp();
    assert.equal(stage.stat("svc"), "run");
    assert.equal(stage.status("svc").paused, 0);
    process.kill(pid, "SIGCONT");

    stage.tell("svc", "p");
    await stat(stage, "svc", "run, paused");
    await isStopped(stage, pid);
    process.kill(pid, "SIGCONT");
    await stage.until("it goes on", () => stage.state(pid) !== "T");
    await tellsUp();
    assert.equal(stage.stat("svc"), "run, paused");
    assert.equal(stage.status("svc").paused, 1);
  });

  story(104, "only the process itself is signalled, not its group", async (stage) => {
    stage.service("svc", { run: "sleep 1000 &\necho $! >other\nexec sleep 1000" });
    await stage.supervise("svc");
    const pid = await stage.running("svc");
    await stage.until("both run", () => stage.peek("svc/other").endsWith("\n"));
    stage.tell("svc", "d");
    await staysDown(stage, "svc");
    assert.ok(!stage.isLiving(pid));
    assert.ok(stage.isLiving(Number(stage.read("svc/other"))));
  });

  story(106, "a child that runsv did not start is reaped silently", async (stage) => {
    stage.service("svc", { run: sleeper });
    const runsv = await stage.supervise("svc", { via: shell(`{ ${awaitsFile("over")}; } & echo $! >other`) });
    const pid = await stage.running("svc");
    const before = stage.version("svc/supervise/status");
    const other = Number(stage.read("other"));
    assert.ok(stage.isLiving(other));
    stage.file("over", "");
    await stage.becomes(() => stage.state(other), "");
    stage.tell("svc", "h");
    await isGone(stage, pid);
    await stage.until("it runs again", () => stage.status("svc").phase === 1 && stage.status("svc").pid !== pid);
    assert.notEqual(stage.version("svc/supervise/status"), before);
    assert.equal(runsv.err, "");
  });
});
