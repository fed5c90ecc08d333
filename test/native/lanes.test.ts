// What Node alone cannot show: the same sources compiled. Idioms and rules print the same natively as under Node; under
// the sanitizers and the reference-count audit they are silent; a whole life of the programs is, too.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { Stage } from "../conformance/stage.ts";
import { Input, labelled, logDirectory, logged, logging, ofKind } from "../conformance/svlogd/scenes.ts";

const root = path.resolve(import.meta.dirname, "../..");
const bin = path.join(root, "build/bin");

/** Compiles a program without bindings; answers its path. */
function compile(name: string): string {
  const out = path.join(root, "build/test", name);
  execFileSync("scriptc", ["build", `test/native/${name}.ts`, "--strip", "--no-keep-c", "-o", out], {
    cwd: root,
    env: {
      ...process.env,
      SCRIPTC_LINKER: path.join(root, "scripts/link"),
      LINK_WRAP: "",
      ...(hasMusl() ? { SCRIPTC_TARGET: "x86_64-linux-musl" } : { LINK_CC: "gcc", LINK_FLAGS: "" }),
    },
    stdio: "pipe",
  });
  return out;
}

function hasMusl(): boolean {
  return spawnSync("sh", ["-c", "command -v musl-gcc"]).status === 0;
}

function output(command: string, args: readonly string[]): string {
  const run = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(run.stderr.replaceAll(/.*ExperimentalWarning.*\n|.*--trace-warnings.*\n/g, ""), "");
  assert.equal(run.status, 0);
  return run.stdout;
}

suite("native and Node", () => {
  for (const name of ["idioms", "core"]) {
    test(`print the same: ${name}`, () => {
      const native = output(compile(name), []);
      assert.ok(native.length > 100);
      assert.equal(native, output(process.execPath, [`test/native/${name}.ts`]));
    });
  }
});

suite("under AddressSanitizer, UndefinedBehaviorSanitizer and the reference-count audit", () => {
  const skip = fs.existsSync(path.join(root, "build/sanitize/core")) ? false : "scripts/sanitize has not been run";

  test("the rules and formats run clean", { skip }, () => {
    process.env["ASAN_OPTIONS"] = "detect_leaks=0"; // the audit counts what is left
    assert.equal(output("build/sanitize/core", []), output(process.execPath, ["test/native/core.ts"]));
  });

  test("a life of runsvdir, runsv and sv runs clean", { skip }, async () => {
    const stage = new Stage({ name: "ours", path: [path.join(root, "build/sanitize/bin"), bin] });
    try {
      stage.service("svc/web", { run: "exec sleep 1000", finish: "echo $1 $2", "log/run": "exec cat >>lines" });
      stage.service("svc/crash", { run: "exit 1", "control/t": "exit 0", "control/u": "true" });
      const env = { ASAN_OPTIONS: "detect_leaks=0", SVDIR: stage.at("svc") };
      const runsvdir = stage.start("runsvdir", ["svc", "log: ............."], { env });
      await stage.running("svc/web");
      for (const args of [
        ["-w", "30", "restart", "web"],
        ["status"],
        ["--json", "list"],
        ["-v", "-w", "30", "pause", "web"],
        ["-v", "-w", "30", "cont", "web"],
        ["-v", "-w", "30", "once", "web"],
        ["-w", "30", "stop", "web", "crash"],
        ["-w", "30", "start", "web"],
        ["-w", "1", "check", "web"],
        ["-w", "30", "force-stop", "web"],
      ]) {
        const { code, err } = await stage.run("sv", args, { env });
        assert.equal(`${err}${code}`, "0", args.join(" "));
      }
      stage.service("svc/late", { run: "exec sleep 1000" });
      await stage.running("svc/late");
      fs.rmSync(stage.at("svc/crash"), { recursive: true, force: true });
      const status = await stage.run("sv", ["-w", "30", "shutdown", "late"], { env });
      assert.equal(status.code, 0);
      runsvdir.kill("SIGHUP");
      const { code } = await runsvdir.ended;
      assert.equal(code, 111);
      await stage.until("all have ended", () => stage.processes("runsv").length === 0, 60_000);
    } finally {
      await stage.clear();
    }
  });

  test("a life of a user's tree runs clean, and one of runsv with its state apart", { skip }, async () => {
    const stage = new Stage({ name: "ours", path: [path.join(root, "build/sanitize/bin"), bin] });
    try {
      stage.service("sv/web", { run: "exec sleep 1000", "log/run": "exec cat >>lines" });
      const env = { ASAN_OPTIONS: "detect_leaks=0", SVDIR: stage.at("sv"), SVRUNDIR: stage.at("state") };
      const runsv = stage.start("runsv", ["-s", stage.at("state"), "sv/web"], { env });
      await stage.until("web runs", () => stage.peek("state/web/stat") === "run\n", 60_000);
      fs.renameSync(stage.at("state"), stage.at("away"));
      await stage.until("its state is there again", () => stage.peek("state/web/stat") === "run\n", 60_000);
      for (const words of [
        ["-w", "30", "restart", "web"],
        ["status", stage.at("sv/web")],
        ["-w", "30", "shutdown", "web"],
      ])
        assert.equal((await stage.run("sv", words, { env })).code, 0, words.join(" "));
      const { err, code } = await stage.end(runsv);
      assert.deepEqual([err, code], ["", 0]);

      fs.mkdirSync(stage.at("home"), { mode: 0o700 });
      const home = { ASAN_OPTIONS: "detect_leaks=0", HOME: stage.at("home"), PATH: stage.env["PATH"] ?? "" };
      const session = stage.start("sv-user", ["session", "run"], { onlyEnv: home });
      await stage.until("there is a tree", () => stage.exists("home/.local/state/sv/run/.pid"), 60_000);
      for (const [program, ...words] of [
        ["sv-user", "new", "ticker", "--", "sh", "-c", "while echo tick; do sleep 5; done"],
        ["sv-add", "-w", "30", "ticker"],
        ["sv-add", stage.at("home/.config/sv/ticker"), "again"],
        ["sv-add", "-d", stage.at("home/.config/sv/ticker"), "down"],
        ["sv-user", "env", "A=1", "B=2"],
        ["sv-user", "env", "-d", "A"],
        ["sv-user", "-w", "30", "restart", "ticker"],
        ["sv-user", "status"],
        ["sv-user", "list", "--json"],
        ["sv-user", "log", "-n", "1", "ticker"],
        ["sv-user", "session", "status"],
        ["sv-user", "doctor"],
        ["sv-remove", "-w", "30", "again"],
        ["sv-user", "session", "stop"],
      ] as const) {
        const outcome = await stage.run(program, words, { onlyEnv: home });
        assert.equal(`${outcome.err}${outcome.code}`, "0", `${program} ${words.join(" ")}: ${outcome.out}`);
      }
      const ended = await stage.end(session);
      assert.deepEqual([ended.err, ended.code], ["", 0]);
    } finally {
      await stage.clear();
    }
  });

  test("chpst and its other names, utmpset and the old clients run clean", { skip }, async () => {
    const stage = new Stage({ name: "ours", path: [path.join(root, "build/sanitize/bin"), bin] });
    try {
      const env = { ASAN_OPTIONS: "detect_leaks=0", B: "inherited" };
      for (const [name, value] of Object.entries({
        A: "one \nmore",
        B: "",
        C: "x\0y",
        D: "z".repeat(20_000),
        "e=f": "g",
      }))
        stage.file(`env/${name}`, value);
      const me = `:${process.getuid?.()}:${process.getgid?.()}`;
      const runs: readonly (readonly [string, readonly string[], number])[] = [
        ["chpst", [], 100],
        ["chpst", ["-V"], 100],
        ["chpst", ["--drop-caps=all,x", "true"], 100],
        [
          "chpst",
          ["-e", "env", "-n", "1", "-o", "200", "-f", "99999999", "-l", "lock", "-U", "root", "-P", "-0", "true"],
          0,
        ],
        ["chpst", ["-e", "env", "nosuch"], 111],
        ["chpst", ["-u", ":x:y", "true"], 111],
        ["chpst", ["-u", "nosuch:+", "true"], 111],
        [
          "chpst",
          ["-U", "root:root:+", "-b", "other", "-C", "env", "--oom-score-adj=1000", "--no-new-privs", "true"],
          0,
        ],
        ["chpst", ["-u", me, "--drop-caps", "net_raw", "true"], process.getuid?.() === 0 ? 0 : 111],
        ["envdir", ["env", "false"], 1],
        ["envuidgid", ["root", "true"], 0],
        ["setuidgid", ["nosuch", "true"], 111],
        ["pgrphack", ["./nosuch"], 111],
        ["setlock", ["-x", "env", "true"], 0],
        ["softlimit", ["-o", "=", "-c", "18446744073709551615", "true"], 0],
        ["utmpset", ["x".repeat(40)], 111],
        ["utmpset", ["-wV"], 1],
        ["runsvchdir", ["nosuch"], 111],
      ];
      for (const [program, args, code] of runs) {
        const outcome = await stage.run(program, args, { env });
        assert.equal(outcome.code, code, `${program} ${args.join(" ")}: ${outcome.err}`);
        assert.doesNotMatch(outcome.err, /Sanitizer|runtime error/);
      }
      stage.service("a", { run: "exec sleep 1000", "log/run": "exec cat" });
      const runsv = await stage.supervise("a", { env });
      await stage.running("a");
      const clients: readonly (readonly [string, readonly string[], number])[] = [
        ["svwaitup", ["-v", "-s", "1", "a", "none"], 1],
        ["runsvstat", ["-l", "a", "none"], 1],
        ["runsvctrl", ["c", "a/log", "a"], 0],
        ["svwaitup", ["-s", "1", "a"], 0],
        ["svwaitdown", ["-v", "a"], 0],
        ["svwaitdown", ["-xv", "a"], 0],
      ];
      for (const [program, args, code] of clients) {
        const outcome = await stage.run(program, args, { env });
        assert.equal(outcome.code, code, `${program} ${args.join(" ")}: ${outcome.err}`);
        assert.doesNotMatch(outcome.err, /Sanitizer|runtime error/);
      }
      assert.equal((await stage.end(runsv)).code, 0);
    } finally {
      await stage.clear();
    }
  });

  test("a life of svlogd runs clean: rotations, a processor, HUP, TERM, and on the same pipe after a kill", {
    skip,
  }, async () => {
    const stage = new Stage({ name: "ours", path: [path.join(root, "build/sanitize/bin"), bin] });
    try {
      const env = { ASAN_OPTIONS: "detect_leaks=0" };
      const input = new Input(stage);
      logDirectory(stage, "s2000\nn0\n!tr a-z A-Z\n", "l");
      logDirectory(stage, "s100k\nS1m\nm0640\nz\np> \n-*5*\n+*7*\ne*99*\nu127.0.0.1:9\n", "k");
      const words = "-v -tt -r . -R y l k";
      let number = 0;
      const lines = (count: number) => Array.from({ length: count }, () => `line ${number++} xyz\n`).join("");
      const killed = await logging(stage, words, { input, env });
      await killed.send(`${lines(100)}${"long ".repeat(5000)}\nunfin`);
      await killed.killed();
      const told = await logging(stage, words, { input, env });
      await told.send(`ished\n${lines(300)}`);
      await told.signal("SIGHUP");
      await told.send(`${lines(2000)}beg`);
      await told.signal("SIGALRM");
      told.svlogd.kill("SIGTERM");
      assert.equal((await stage.end(told.svlogd)).code, 0, told.err);
      const last = await logging(stage, words, { input, env });
      await last.send(`un\n${lines(50)}without end`);
      assert.equal((await last.ends()).code, 0, last.err);
      for (const one of [killed, told, last]) assert.doesNotMatch(one.err, /Sanitizer|runtime error|audit|pausing/);
      assert.deepEqual(ofKind(stage, "u"), []);
      assert.ok(labelled(stage).length > 40);
      const text = logged(stage)
        .replaceAll(/^\d{4}-\d\d-\d\d_[\d:.]+ /gim, "")
        .toLowerCase();
      const numbers = [...text.matchAll(/^line (\d+) x\.z$/gm)].map(([, found]) => Number(found));
      assert.deepEqual(
        numbers,
        Array.from({ length: number }, (_, index) => index),
      );
      for (const line of ["unfinished", "begun", "without end"])
        assert.equal(text.split(`\n${line}\n`).length, 2, line);
    } finally {
      await stage.clear();
    }
  });
});

suite("without musl", () => {
  test("the dynamic fall-back builds and supervises", async () => {
    const build = "build/test/gnu";
    execFileSync("make", ["LIBC=gnu", `BUILD=${build}`], { cwd: root, stdio: "pipe" });
    const libraries = spawnSync("ldd", [path.join(root, build, "runit-ts")], { encoding: "utf8" }).stdout;
    assert.match(libraries, /libc\.so/);
    const stage = new Stage({ name: "ours", path: [path.join(root, build, "bin")] });
    try {
      stage.service("svc/web", { run: "exec sleep 1000", "log/run": "exec cat >lines" });
      const env = { SVDIR: stage.at("svc") };
      const runsvdir = stage.start("runsvdir", ["-H", "svc"], { env });
      const pid = await stage.running("svc/web");
      const restarted = await stage.run("sv", ["-w", "30", "restart", "web"], { env });
      assert.match(restarted.out, /^ok: run: web: /);
      assert.notEqual(stage.status("svc/web").pid, pid);
      runsvdir.kill("SIGTERM");
      assert.equal((await runsvdir.ended).code, 111);
      await stage.until("all have ended", () => stage.processes("sleep").length === 0);
    } finally {
      await stage.clear();
    }
  });
});
