// What the scripts of a service with a state root are told, environment directories, and logs without a log service:
// spec/user-services.md, sections B5, B7, D3 and case 41.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { assertSays } from "../sv/scenes.ts";
import {
  asRootMounted,
  byRoot,
  give,
  lay,
  layReadOnly,
  listing,
  nobody,
  one,
  ours,
  parentOf,
  pidIn,
  root,
  scan,
  sleeper,
  start,
  statusIn,
  sv,
  tree,
  world,
} from "./scenes.ts";

/** Appends what a script was told to a file of the stage. */
function telling(stage: Stage, script: string, then = ""): string {
  const words = ["SV_NAME", "SV_INSTANCE", "SV_STATE", "SV_LOGDIR"].map((name) => `${name}=\${${name}-unset}`);
  return `echo "${script} ${words.join(" ")}" >>${stage.at("told")}\n${then}`;
}
/** The last that a script was told. */
function lastTold(stage: Stage, script: string): Record<string, string> {
  const line = stage
    .peek("told")
    .split("\n")
    .findLast((text) => text.startsWith(`${script} `));
  const words = (line ?? "").split(" ").slice(1);
  return Object.fromEntries(words.map((word) => word.split("=") as [string, string]));
}
/** Prints a variable, or that there is none. */
const printing = (...names: string[]) =>
  `echo "${names.map((name) => `${name}=\${${name}-unset}`).join(" ")}" >>../../seen\nexec sleep 1000`;
const seen = (stage: Stage) => stage.peek("seen").split("\n").slice(0, -1);
/** The lines of a log, without the stamps they must have. */
function logged(stage: Stage, file: string): readonly string[] {
  const lines = stage.peek(file).split("\n").slice(0, -1);
  return lines.map((line) => /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} (.*)$/.exec(line)?.[1] ?? assert.fail(line));
}

stories("state root", (story) => {
  story(
    41,
    "a log service writes to SV_LOGDIR, and its state is beside the service's",
    async (stage) => {
      layReadOnly(stage, {
        a: { run: "echo hello\nexec sleep 1000", "log/run": 'mkdir -p "$SV_LOGDIR"\nexec svlogd -tt "$SV_LOGDIR"' },
      });
      const { via: within } = await logWorld(stage);
      await tree(stage, ["a", "a.log"], ["-s", stage.at(root)], { via: within });
      await stage.until("it is logged", () => logged(stage, "log/sv/a/current").length === 1);
      assert.deepEqual(logged(stage, "log/sv/a/current"), ["hello"]);
      assert.equal(stage.read(`${root}/a.log/pid`), `${statusIn(stage, `${root}/a.log`).pid}\n`);
      const both = "run: a: (pid N) Ns; run: log: (pid N) Ns\n";
      assertSays(await sv(stage, ["status", "a"], { via: within }), both);
      assert.deepEqual(listing(stage, "sv"), ["a", "a/log", "a/log/run", "a/run"]);
    },
    asRootMounted,
  );

  story(
    "B5 (every script)",
    "each script is told the name of the service, its state and where it logs",
    async (stage) => {
      lay(stage, {
        a: {
          run: telling(stage, "run", sleeper),
          finish: telling(stage, "finish"),
          check: telling(stage, "check"),
          "control/h": telling(stage, "control"),
          "log/run": telling(stage, "log", "exec cat >/dev/null"),
        },
      });
      await tree(stage, ["a", "a.log"]);
      const pid = await pidIn(stage, `${root}/a`);
      const expected = {
        SV_NAME: "a",
        SV_INSTANCE: "unset",
        SV_STATE: stage.at(root, "a"),
        SV_LOGDIR: "/var/log/sv/a",
      };
      assert.deepEqual(lastTold(stage, "run"), expected);
      assertSays(await sv(stage, ["hup", "a"]), "ok: run: a: (pid N) Ns\n");
      await stage.until("control/h is told", () => Object.keys(lastTold(stage, "control")).length > 0);
      assert.deepEqual(lastTold(stage, "control"), expected);
      assertSays(await sv(stage, ["check", "a"]), "ok: run: a: (pid N) Ns\n");
      assert.deepEqual(lastTold(stage, "check"), expected);
      process.kill(pid, "SIGKILL");
      await pidIn(stage, `${root}/a`, pid);
      assert.deepEqual(lastTold(stage, "finish"), expected);
      const { SV_NAME, SV_LOGDIR } = lastTold(stage, "log");
      assert.deepEqual({ SV_NAME, SV_LOGDIR }, { SV_NAME: "a", SV_LOGDIR: "/var/log/sv/a" });
    },
    byRoot,
  );

  story(
    "B5 (instances)",
    "two links to one definition know themselves apart, and their instance",
    async (stage) => {
      lay(stage, { "tty@": { run: telling(stage, "run-$SV_NAME", sleeper) } });
      fs.unlinkSync(stage.at(scan, "tty@"));
      for (const name of ["tty@1", "tty@b@c", "plain"]) fs.symlinkSync(stage.at("sv/tty@"), stage.at(scan, name));
      // What is inherited, of a tree within a tree, is not its own.
      await tree(stage, ["tty@1", "tty@b@c", "plain"], undefined, { env: { SV_INSTANCE: "no", SV_NAME: "no" } });
      for (const [name, instance] of [
        ["tty@1", "1"],
        ["tty@b@c", "b@c"],
        ["plain", "unset"],
      ] as const) {
        await pidIn(stage, `${root}/${name}`);
        const { SV_NAME, SV_INSTANCE, SV_STATE } = lastTold(stage, `run-${name}`);
        assert.deepEqual([SV_NAME, SV_INSTANCE, SV_STATE], [name, instance, stage.at(root, name)]);
      }
    },
    ours,
  );

  story(
    "B5 (another user)",
    "the logs of another user are in the user's state directory",
    async (stage) => {
      fs.mkdirSync(stage.at("home"));
      give(stage, "home", nobody);
      stage.file("told", "", 0o666);
      lay(stage, { a: { run: telling(stage, "run", sleeper) } });
      const env = { HOME: stage.at("home"), XDG_STATE_HOME: stage.at("home/state") };
      start(stage, "runsvdir", [stage.at(scan)], { ...nobody, env });
      await pidIn(stage, "home/state/sv/run/a");
      assert.deepEqual(lastTold(stage, "run"), {
        SV_NAME: "a",
        SV_INSTANCE: "unset",
        SV_STATE: stage.at("home/state/sv/run/a"),
        SV_LOGDIR: stage.at("home/state/sv/log/a"),
      });
    },
    byRoot,
  );

  story(
    "B5 (the definition)",
    "the working directory of run is the definition",
    async (stage) => {
      lay(stage, {
        a: { run: '. ./conf\npwd -P >>../../seen\necho "$PORT" >>../../seen\nexec sleep 1000', conf: "PORT=8080\n" },
      });
      await tree(stage, ["a"]);
      await pidIn(stage, `${root}/a`);
      assert.deepEqual(seen(stage), [stage.at("sv/a"), "8080"]);
    },
    ours,
  );

  story(
    "B5 (-e)",
    "environment directories are read before each start; the last one wins, an empty file removes",
    async (stage) => {
      lay(stage, { a: { run: printing("ONE", "TWO", "THREE", "FOUR") } });
      stage.file("env1/ONE", "1\n");
      stage.file("env1/TWO", "1\n");
      stage.file("env2/TWO", "2\n");
      stage.file("env2/THREE", "");
      const args = ["-e", stage.at("env1"), "-e", stage.at("missing"), "-e", stage.at("env2"), "-s", stage.at(root)];
      await one(stage, "a", args, { env: { THREE: "inherited", FOUR: "inherited" } });
      const pid = await pidIn(stage, `${root}/a`);
      assert.deepEqual(seen(stage), ["ONE=1 TWO=2 THREE=unset FOUR=inherited"]);
      fs.unlinkSync(stage.at("env2/TWO"));
      stage.file("env1/ONE", "one\n");
      stage.file("missing/FOUR", "4\n");
      assertSays(await sv(stage, ["restart", "a"], { env: { SVRUNDIR: stage.at(root) } }), "ok: run: a: (pid N) Ns\n");
      await pidIn(stage, `${root}/a`, pid);
      assert.deepEqual(seen(stage).slice(1), ["ONE=one TWO=1 THREE=unset FOUR=4"]);
    },
    ours,
  );

  story(
    "B5 (-e, a log service)",
    "finish and a log service have it too",
    async (stage) => {
      const note = (script: string) => `echo "${script} $ONE" >>${stage.at("told")}`;
      lay(stage, {
        a: { run: sleeper, finish: note("finish"), "log/run": `${note("log")}\nexec cat >/dev/null` },
      });
      stage.file("env/ONE", "1\n");
      await one(stage, "a", ["-s", stage.at(root), "-e", stage.at("env")]);
      const pid = await pidIn(stage, `${root}/a`);
      process.kill(pid, "SIGKILL");
      await pidIn(stage, `${root}/a`, pid);
      await stage.becomes(() => stage.peek("told").split("\n").sort(), ["", "finish 1", "log 1"]);
    },
    ours,
  );

  story(
    "B7 (-l)",
    "with -l a service without a log service is logged, standard error too",
    async (stage) => {
      lay(stage, { a: { run: "echo out\necho err >&2\nexec sleep 1000" } });
      const runsv = await one(stage, "a", ["-s", stage.at(root), "-l", stage.at("logs")]);
      const pid = await pidIn(stage, `${root}/a`);
      await stage.becomes(() => logged(stage, "logs/a/current"), ["out", "err"]);
      // Restarts of the service, and of what logs, lose nothing.
      for (const logger of stage.processes("svlogd")) process.kill(logger, "SIGKILL");
      process.kill(pid, "SIGKILL");
      await pidIn(stage, `${root}/a`, pid);
      await stage.becomes(() => logged(stage, "logs/a/current"), ["out", "err", "out", "err"]);
      assert.deepEqual([runsv.out, runsv.err], ["", ""]);
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
      runsv.kill("SIGTERM");
      assert.equal((await stage.end(runsv)).code, 0);
      await stage.until("nobody is left", () => stage.processes().length === 0);
    },
    ours,
  );

  story(
    "B7 (relative)",
    "a relative directory of -l, like that of -s, is where runsv is started",
    async (stage) => {
      lay(stage, { a: { run: telling(stage, "run", "echo out\nexec sleep 1000") } });
      start(stage, "runsv", ["-s", root, "-l", "logs", "svc/a"]);
      await stage.becomes(() => logged(stage, "logs/a/current"), ["out"]);
      assert.equal(lastTold(stage, "run")["SV_LOGDIR"], stage.at("logs/a"));
      assert.deepEqual(fs.readdirSync(stage.at("sv/a")), ["run"]);
    },
    ours,
  );

  story(
    "B7 (its own log service)",
    "with -l a log service of its own is told where to write",
    async (stage) => {
      lay(stage, {
        a: { run: "echo out\nexec sleep 1000", "log/run": 'mkdir -p "$SV_LOGDIR"\nexec cat >>"$SV_LOGDIR/lines"' },
      });
      await one(stage, "a", ["-s", stage.at(root), "-l", stage.at("logs")]);
      await stage.becomes(() => stage.peek("logs/a/lines"), "out\n");
    },
    ours,
  );

  for (const [title, files, env] of [
    ["a file no-log", { "no-log": "" }, {}],
    ["SVLOG=none in an environment directory", {}, { SVLOG: "none\n" }],
  ] as const)
    story(
      "B7 (no log)",
      `${title} leaves a service its output`,
      async (stage) => {
        lay(stage, { a: { run: "echo out\necho err >&2\nexec sleep 1000", ...files } });
        fs.mkdirSync(stage.at("env"));
        for (const [name, value] of Object.entries(env)) stage.file(`env/${name}`, value);
        const args = ["-s", stage.at(root), "-l", stage.at("logs"), "-e", stage.at("env"), "-e", stage.at("missing")];
        const runsv = await one(stage, "a", args);
        await pidIn(stage, `${root}/a`);
        await stage.becomes(() => [runsv.out, runsv.err], ["out\n", "err\n"]);
        assert.ok(!stage.exists("logs/a"));
      },
      ours,
    );

  story(
    "B7 (config)",
    "a config in the log directory is heeded",
    async (stage) => {
      lay(stage, { a: { run: "echo keep\necho drop\necho keep\nexec sleep 1000" } });
      stage.file("logs/a/config", "-drop\n");
      await one(stage, "a", ["-s", stage.at(root), "-l", stage.at("logs")]);
      await pidIn(stage, `${root}/a`);
      await stage.becomes(() => logged(stage, "logs/a/current"), ["keep", "keep"]);
    },
    ours,
  );

  story(
    "B7 (adopted)",
    "a runsv that takes over goes on logging",
    async (stage) => {
      lay(stage, {
        a: { run: "echo first\nuntil [ -e ../../go ]; do sleep 0.05; done\necho second\nexec sleep 1000" },
      });
      const args = ["-s", stage.at(root), "-l", stage.at("logs")];
      const first = await one(stage, "a", args);
      await stage.becomes(() => logged(stage, "logs/a/current"), ["first"]);
      const { pid } = statusIn(stage, `${root}/a`);
      first.kill("SIGKILL");
      await stage.end(first);
      const second = await one(stage, "a", args);
      stage.file("go", "");
      await stage.becomes(() => logged(stage, "logs/a/current"), ["first", "second"]);
      assert.equal(await pidIn(stage, `${root}/a`), pid);
      assert.notEqual(parentOf(pid), second.pid);
      assert.equal(stage.processes("svlogd").length, 1);
    },
    ours,
  );
});

/** stage/log is /var/log. */
async function logWorld(stage: Stage) {
  const around = await world(stage, { log: "/var/log" });
  return { via: around.via() };
}
