// Every mixture of our and the original runsvdir, runsv and sv, and daemontools' clients: all speak the same files.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { sleeper, stat, staysDown } from "../conformance/runsv/scripts.ts";
import { age } from "../conformance/runsvdir/scenes.ts";
import type { Build, Outcome, Running } from "../conformance/stage.ts";
import { builds, referenceRoot, Stage } from "../conformance/stage.ts";

type Maker = "ours" | "reference";
const makers: readonly Maker[] = ["ours", "reference"];
const programs = ["runsvdir", "runsv", "sv"] as const;
type Program = (typeof programs)[number];

const original = (name: string) => path.join(referenceRoot, "usr/bin", name);
const absent = builds.length < 2 || programs.some((name) => !fs.existsSync(original(name)));
const skip = absent && "needs the reference programs (scripts/fetch-reference)";

function fileOf(maker: Maker, program: Program): string {
  const directories = builds.find((build) => build.name === maker)?.path ?? [];
  const found = directories.map((directory) => path.join(directory, program)).find((file) => fs.existsSync(file));
  return found ?? assert.fail(`no ${program} of ${maker}`);
}

/** A stage whose PATH begins with a directory of links to these programs. */
function mixedStage(makerOf: Readonly<Record<Program, Maker>>): Stage {
  const paths: string[] = [];
  const build: Build = { name: makerOf.runsv, path: paths };
  const stage = new Stage(build);
  paths.push(stage.at("programs"));
  fs.mkdirSync(stage.at("programs"));
  for (const program of programs) {
    fs.symlinkSync(fs.realpathSync(fileOf(makerOf[program], program)), stage.at("programs", program));
  }
  stage.env["PATH"] = `${stage.at("programs")}:${stage.env["PATH"]}`;
  stage.env["SVDIR"] = stage.at("service");
  return stage;
}

/** Prints a line and writes down the signals it gets; ends on TERM. */
const run = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the shell
  'for s in HUP USR1; do trap "echo ${s} >>signals" $s; done',
  "trap 'exit 0' TERM",
  'echo "I am $$"',
  "for (( ; ; )); do sleep 1000 >/dev/null 2>&1 & wait $!; done",
].join("\n");

async function sv(stage: Stage, ...args: string[]): Promise<Outcome> {
  const outcome = await stage.end(stage.start("sv", ["-w", "30", ...args]));
  assert.deepEqual(
    { err: outcome.err, code: outcome.code },
    { err: "", code: 0 },
    `sv ${args.join(" ")}: ${outcome.out}`,
  );
  return outcome;
}
/** What sv's first line says of the service: the word, and the pid. */
function saying(outcome: Outcome): string {
  return outcome.out.replace(/\d+s\b/g, "Ns").trimEnd();
}
/** The original compares whole seconds: what is to count as new must not have begun in the second of the old. */
function isOlderThanItsSecond(stage: Stage, name: string): Promise<void> {
  return stage.until(`${name} began in an earlier second`, () => Date.now() / 1000 > stage.status(name).seconds + 1.1);
}
function parentOf(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

suite("runsvdir × runsv × sv", { concurrency: 8 }, () => {
  for (const runsvdir of makers) {
    for (const runsv of makers) {
      for (const client of makers) {
        const title = `${runsvdir} runsvdir, ${runsv} runsv, ${client} sv`;
        test(title, { skip, timeout: 120_000 }, async () => {
          const stage = mixedStage({ runsvdir, runsv, sv: client });
          try {
            await play(stage);
          } finally {
            await stage.clear();
          }
        });
      }
    }
  }
});

async function play(stage: Stage): Promise<void> {
  stage.service("service/web", { run: `#!/bin/bash\n${run}\n`, "log/run": "exec cat >>lines" });
  stage.service("definitions/linked", { run: sleeper });
  fs.mkdirSync(stage.at("state"));
  fs.symlinkSync("../../state/linked", stage.at("definitions/linked/supervise"));
  fs.symlinkSync("../definitions/linked", stage.at("service/linked"));
  age(stage, "service");
  const web = "service/web";
  const printed = (pid: number) =>
    stage
      .peek(`${web}/log/lines`)
      .split("\n")
      .filter((line) => line === `I am ${pid}`).length;

  const runsvdir = stage.start("runsvdir", [stage.at("service")]);
  const first = await stage.running(web);
  const log = await stage.running(`${web}/log`);
  const runsv = parentOf(first);
  assert.equal(parentOf(runsv), runsvdir.pid);

  // start (of what runs already), and the line in the log
  assert.equal(saying(await sv(stage, "start", "web")), `ok: run: web: (pid ${first}) Ns`);
  await stage.becomes(() => printed(first), 1);
  assert.equal(saying(await sv(stage, "status", "web")), `run: web: (pid ${first}) Ns; run: log: (pid ${log}) Ns`);

  // stop
  assert.match(saying(await sv(stage, "stop", "web")), /^ok: down: web: Ns, normally up$/);
  await staysDown(stage, web);
  assert.ok(!stage.isLiving(first));

  // start
  await sv(stage, "start", "web");
  const second = await stage.running(web);
  assert.notEqual(second, first);
  await stage.becomes(() => printed(second), 1);

  // restart
  await isOlderThanItsSecond(stage, web);
  const restarted = saying(await sv(stage, "restart", "web"));
  const third = stage.status(web).pid;
  assert.equal(restarted, `ok: run: web: (pid ${third}) Ns`);
  assert.notEqual(third, second);
  assert.ok(!stage.isLiving(second));
  await stage.becomes(() => printed(third), 1);

  // pause, cont
  assert.equal(saying(await sv(stage, "pause", "web")), `ok: run: web: (pid ${third}) Ns, paused`);
  await stage.becomes(() => stage.state(third), "T");
  assert.equal(saying(await sv(stage, "cont", "web")), `ok: run: web: (pid ${third}) Ns`);
  await stage.becomes(() => stage.state(third), "S");

  // signals
  await sv(stage, "hup", "web");
  await sv(stage, "1", "web");
  await stage.becomes(() => stage.peek(`${web}/signals`).split("\n").sort().join(" ").trim(), "HUP USR1");

  // once
  await isOlderThanItsSecond(stage, web);
  await sv(stage, "stop", "web");
  await staysDown(stage, web);
  assert.match(saying(await sv(stage, "once", "web")), /^ok: (run|down): web: /);
  const fourth = await stage.running(web);
  await stat(stage, web, "run, want down");
  await stage.becomes(() => printed(fourth), 1);
  await sv(stage, "term", "web");
  await staysDown(stage, web);

  // exit: runsvdir starts another runsv, and that the service
  assert.equal((await stage.end(stage.start("sv", ["exit", "web"]))).code, 0);
  await stage.until("runsv is gone", () => !stage.isLiving(runsv));
  await stage.until("the log service is gone", () => !stage.isLiving(log));
  await stage.until(
    "the service runs again",
    () => stage.status(web).phase === 1 && stage.isLiving(stage.status(web).pid),
  );
  const fifth = stage.status(web).pid;
  assert.equal(parentOf(parentOf(fifth)), runsvdir.pid);
  await stage.becomes(() => printed(fifth), 1);
  await stage.until("log runs again", () => stage.isLiving(stage.status(`${web}/log`).pid));
  assert.match(
    saying(await sv(stage, "status", "web")),
    new RegExp(`^run: web: \\(pid ${fifth}\\) Ns; run: log: \\(pid \\d+\\) Ns$`),
  );

  // a dangling supervise link into another directory, and a service that is removed
  const linked = await stage.running("service/linked");
  assert.ok(fs.statSync(stage.at("state/linked")).isDirectory());
  assert.equal(saying(await sv(stage, "status", "linked")), `run: linked: (pid ${linked}) Ns`);
  assert.match(saying(await sv(stage, "stop", "linked")), /^ok: down: linked: Ns, normally up$/);
  await sv(stage, "start", "linked");
  const again = await stage.running("service/linked");
  const itsRunsv = parentOf(again);
  fs.rmSync(stage.at("service/linked"));
  await stage.until("runsv of a removed service ends it", () => !stage.isLiving(again) && !stage.isLiving(itsRunsv));
  assert.equal(stage.read("state/linked/stat"), "down\n");

  await ends(stage, runsvdir);
}

/** HUP ends runsvdir and what it started; no process is left. */
async function ends(stage: Stage, runsvdir: Running): Promise<void> {
  runsvdir.kill("SIGHUP");
  const { code } = await stage.end(runsvdir);
  assert.equal(code, 111);
  await stage.until("all are gone", () => stage.processes("runsv").length === 0 && stage.processes("cat").length === 0);
}

suite("daemontools' clients and our runsv", { concurrency: 8 }, () => {
  const needsClients =
    ["svc", "svstat", "svok"].some((name) => !fs.existsSync(original(name))) &&
    "needs daemontools (scripts/fetch-reference)";
  const ours = builds.find((build) => build.name === "ours");
  const skipped = needsClients || (ours === undefined && "not in CONFORMANCE");

  async function ask(stage: Stage, program: string, ...args: string[]): Promise<string> {
    const { out, err, code } = await stage.end(stage.start(original(program), args));
    assert.deepEqual({ err, code }, { err: "", code: 0 }, `${program} ${args.join(" ")}`);
    return out;
  }

  for (const name of ["web", "web/log"]) {
    test(`svc, svstat and svok with ${name === "web" ? "a service" : "its log service"}`, {
      skip: skipped,
    }, async () => {
      const stage = new Stage(ours ?? assert.fail());
      try {
        stage.service("web", { run: sleeper, "log/run": "exec sleep 1000" });
        const runsv = await stage.supervise("web");
        const says = (pattern: string) =>
          ask(stage, "svstat", name).then((out) => assert.match(out, new RegExp(`^${name}: ${pattern}\\n$`)));
        const first = await stage.running(name);
        await ask(stage, "svok", name);
        await says(`up \\(pid ${first}\\) \\d+ seconds`);

        await ask(stage, "svc", "-p", name);
        await stage.becomes(() => stage.state(first), "T");
        await stat(stage, name, "run, paused");
        await says(`up \\(pid ${first}\\) \\d+ seconds, paused`);
        await ask(stage, "svc", "-c", name);
        await stage.becomes(() => stage.state(first), "S");
        await stat(stage, name, "run");

        await ask(stage, "svc", "-t", name);
        await stage.until("it is restarted", () => ![0, first].includes(stage.status(name).pid));
        const second = await stage.running(name);
        await says(`up \\(pid ${second}\\) \\d+ seconds`);

        await ask(stage, "svc", "-k", name);
        await stage.until("it is restarted", () => ![0, second].includes(stage.status(name).pid));
        await ask(stage, "svc", "-d", name);
        await staysDown(stage, name);
        await says("down \\d+ seconds, normally up");
        await ask(stage, "svc", "-o", name);
        const third = await stage.running(name);
        await says(`up \\(pid ${third}\\) \\d+ seconds, want down`);
        await ask(stage, "svc", "-u", name);
        await stat(stage, name, "run");
        await says(`up \\(pid ${third}\\) \\d+ seconds`);
        await ask(stage, "svc", "-h", name);
        await stage.until("HUP ends it", () => ![0, third].includes(stage.status(name).pid));
        await stage.running(name);

        stage.file(`${name}/down`, "");
        await says("up \\(pid \\d+\\) \\d+ seconds, normally down");
        fs.rmSync(stage.at(name, "down"));
        if (name !== "web") await ask(stage, "svc", "-t", name);
        else {
          // A log service that does not read its input has to be told.
          await ask(stage, "svc", "-x", "web");
          await stage.becomes(() => stage.stat("web"), "down");
          await stage.running("web/log");
          await ask(stage, "svc", "-t", "web/log");
          assert.equal((await stage.end(runsv)).code, 0);
          const gone = await stage.end(stage.start(original("svok"), ["web"]));
          assert.equal(gone.code, 100);
          const out = await stage.end(stage.start(original("svstat"), ["web"]));
          assert.deepEqual([out.out, out.code], ["web: supervise not running\n", 0]);
        }
      } finally {
        await stage.clear();
      }
    });
  }
});
