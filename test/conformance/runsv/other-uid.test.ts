// A service that becomes another user, whom its runsv may not signal: spec/user-services.md, section B8, cases 24
// and 25. What doas would do, a small setuid program does (become.c).
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Outcome, Running, Stage } from "../stage.ts";
import { isRoot, missing, stories } from "../stage.ts";
import { assertSays } from "../sv/scenes.ts";

/** Who supervises, and who the service becomes: one who has an account, and one who has none. */
const owner = { uid: 54001, gid: 54001 } as const;
const server = { uid: 1, name: accountOf(1) } as const;
const stranger = 54002;

/** The program, setuid root; compiled when first needed. */
let compiled: string | undefined;
function become(): string {
  if (compiled === undefined) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "become-"));
    fs.chmodSync(directory, 0o755);
    process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
    compiled = path.join(directory, "become");
    execFileSync("cc", ["-static", "-Os", "-Wall", "-o", compiled, path.join(import.meta.dirname, "become.c")]);
    // For nobody else on this machine.
    fs.chownSync(compiled, 0, owner.gid);
    fs.chmodSync(compiled, 0o4750);
  }
  return compiled;
}
/** For `skip`: why nobody can become another user here, if so. */
function cannotBecome(): string | false {
  if (!isRoot) return "only root can make a program setuid";
  const lacking = missing("cc", "kill");
  if (lacking) return lacking;
  const tried = spawnSync(become(), [`${server.uid}`, "true"], owner);
  return tried.status !== 0 && "setuid programs are not heeded here";
}
const told = { only: "ours", differs: "sv-not-permitted", skip: cannotBecome() } as const;

function accountOf(uid: number): string {
  const lines = fs.readFileSync("/etc/passwd", "latin1").split("\n");
  return lines.find((line) => line.split(":")[2] === `${uid}`)?.split(":")[0] ?? `${uid}`;
}

const permitted = "exec sleep 1000";
const run = (uid: number = server.uid) => `exec ${become()} ${uid} sleep 1000`;
/** What was told to the service is not permitted. */
function fails(outcome: Outcome, pid: number, who: string = server.name): void {
  const err = "";
  const out = `fail: svc: not permitted to signal pid ${pid} (uid ${who}); see signal-with\n`;
  assert.deepEqual({ out: outcome.out, err: outcome.err, code: outcome.code }, { out, err, code: 1 });
  // At once: the wait that it would otherwise have is longer.
  assert.ok(outcome.milliseconds < 10_000, `${outcome.milliseconds} ms`);
}
const warning = (pid: number) => `runsv svc: warning: unable to signal pid ${pid}: permission denied\n`;

/** A service of the owner, which has become the other user. */
async function supervise(
  stage: Stage,
  files: Record<string, string>,
  args: readonly string[] = [],
): Promise<{ readonly runsv: Running; readonly pid: number }> {
  stage.service("svc", files);
  spawnSync("chown", ["-R", `${owner.uid}:${owner.gid}`, stage.dir]);
  const runsv = stage.start("runsv", [...args, "svc"], owner);
  return { runsv, pid: await other(stage, 0) };
}
/** The directory of its state: beside it, or in a state root. */
function state(stage: Stage): string {
  return stage.exists("state/svc") ? "state/svc" : "svc/supervise";
}
/** Awaits a process, another than this one, that is the sleep. */
async function other(stage: Stage, pid: number): Promise<number> {
  let found = 0;
  await stage.until("another process sleeps", () => {
    found = Number(stage.peek(`${state(stage)}/pid`));
    return found !== 0 && found !== pid && fs.readFileSync(`/proc/${found}/cmdline`, "latin1").startsWith("sleep\0");
  });
  return found;
}
function sv(stage: Stage, ...words: string[]): Promise<Outcome> {
  return stage.run("sv", ["-w", "30", ...words], owner);
}
function stat(stage: Stage): string {
  return stage.read(`${state(stage)}/stat`).trimEnd();
}

stories("runsv", (story) => {
  for (const [title, uid, who] of [
    ["with an account", server.uid, server.name],
    ["without one", stranger, `${stranger}`],
  ] as const)
    story(
      "24",
      `a service that has become a user ${title} cannot be restarted, and sv says why at once`,
      async (stage) => {
        const { runsv, pid } = await supervise(stage, { run: run(uid) });
        fails(await sv(stage, "restart", "svc"), pid, who);
        assert.match(stat(stage), /^run(, want \w+)?, not permitted$/);
        assert.ok(stage.isLiving(pid));
        await stage.until("it is warned", () => runsv.err.startsWith(warning(pid)));
        assert.equal(runsv.err.replaceAll(warning(pid), ""), "");
        const { out, code } = await sv(stage, "status", "svc");
        assert.ok(out.startsWith(`run: svc: (pid ${pid}) `) && !out.includes("TERM"), out);
        assert.equal(code, 0);
      },
      told,
    );

  for (const command of ["down", "stop", "force-stop", "force-restart", "force-shutdown", "exit", "shutdown"])
    story(
      `24 (${command})`,
      `neither with sv ${command}`,
      async (stage) => {
        const { pid } = await supervise(stage, { run: run() });
        fails(await sv(stage, command, "svc"), pid);
        assert.ok(stage.isLiving(pid));
        assert.doesNotMatch(stat(stage), /got TERM/);
      },
      told,
    );

  story(
    "24 (want down)",
    "what was wanted is remembered",
    async (stage) => {
      const { pid } = await supervise(stage, { run: run() });
      fails(await sv(stage, "down", "svc"), pid);
      assert.equal(stat(stage), "run, want down, not permitted");
      assert.equal(stage.status("svc").term, 0);
      // Root may, and then it is down.
      process.kill(pid, "SIGTERM");
      await stage.until("it is down", () => stage.status("svc").phase === 0);
      assert.equal(stat(stage), "down");
      assertSays(await sv(stage, "status", "svc"), "down: svc: Ns, normally up\n");
    },
    told,
  );

  story(
    "24 (other signals)",
    "no other signal comes either, and nothing is claimed of them",
    async (stage) => {
      const { runsv, pid } = await supervise(stage, { run: run() });
      let warnings = 0;
      for (const command of ["hup", "alarm", "interrupt", "quit", "1", "2", "pause", "kill", "term"]) {
        await sv(stage, command, "svc");
        warnings++;
        await stage.until(`it is warned of ${command}`, () => runsv.err.split(warning(pid)).length > warnings);
        assert.doesNotMatch(stat(stage), /got TERM|paused/, command);
        assert.equal(stage.status("svc").paused, 0);
      }
      assert.ok(stage.isLiving(pid));
    },
    told,
  );

  story(
    "24 (once more)",
    "the next process has a clean state",
    async (stage) => {
      const { pid } = await supervise(stage, { run: `[ -e once ] && ${permitted}\n>once\n${run()}` });
      fails(await sv(stage, "restart", "svc"), pid);
      process.kill(pid, "SIGTERM");
      const next = await other(stage, pid);
      assert.equal(stat(stage), "run");
      assertSays(await sv(stage, "restart", "svc"), "ok: run: svc: (pid N) Ns\n");
      await other(stage, next);
    },
    told,
  );

  story(
    "24 (signal-with)",
    "after a signal-with has been added it is restarted, stopped and killed",
    async (stage) => {
      const { runsv, pid } = await supervise(stage, { run: run() });
      fails(await sv(stage, "restart", "svc"), pid);
      stage.file("svc/signal-with", `${become()} ${server.uid}\n`);
      assertSays(await sv(stage, "restart", "svc"), "ok: run: svc: (pid N) Ns\n");
      const second = await other(stage, pid);
      assert.ok(!stage.isLiving(pid));
      assert.equal(stat(stage), "run");
      assertSays(await sv(stage, "-v", "kill", "svc"), "ok: run: svc: (pid N) Ns\n");
      const third = await other(stage, second);
      assertSays(await sv(stage, "down", "svc"), "ok: down: svc: Ns, normally up\n");
      assert.ok(!stage.isLiving(third));
      assertSays(await sv(stage, "exit", "svc"), "ok: svc: runsv not running\n");
      assert.equal((await stage.end(runsv)).code, 0);
    },
    told,
  );

  story(
    "24 (signal-with, TERM)",
    "runsv itself ends its service with it",
    async (stage) => {
      const { runsv, pid } = await supervise(stage, { run: run(), "signal-with": `${become()} ${server.uid}` });
      runsv.kill("SIGTERM");
      assert.equal((await stage.end(runsv)).code, 0);
      assert.ok(!stage.isLiving(pid));
    },
    told,
  );

  story(
    "24 (signal-with, paused)",
    "pause and cont come through it, and are told of as always",
    async (stage) => {
      const { pid } = await supervise(stage, { run: run(), "signal-with": `${become()} ${server.uid}\n` });
      assertSays(await sv(stage, "-v", "pause", "svc"), "ok: run: svc: (pid N) Ns, paused\n");
      await stage.becomes(() => stage.state(pid), "T");
      assertSays(await sv(stage, "-v", "cont", "svc"), "ok: run: svc: (pid N) Ns\n");
      await stage.becomes(() => stage.state(pid), "S");
    },
    told,
  );

  story(
    "24 (signal-with in vain)",
    "a signal-with that cannot is no better than none",
    async (stage) => {
      const { pid } = await supervise(stage, { run: run(), "signal-with": "false\n" });
      const { out, code } = await sv(stage, "-w", "3", "restart", "svc");
      assert.equal(code, 1);
      assert.ok(stage.isLiving(pid));
      assert.doesNotMatch(out, /^ok/);
    },
    told,
  );

  story(
    "24 (permitted)",
    "where kill is permitted, signal-with is not used",
    async (stage) => {
      const { pid } = await supervise(stage, { run: permitted, "signal-with": "touch used\n" });
      assertSays(await sv(stage, "restart", "svc"), "ok: run: svc: (pid N) Ns\n");
      await other(stage, pid);
      assert.ok(!stage.exists("svc/used"));
    },
    told,
  );

  story(
    "25",
    "a control/t that may signals it through SV_STATE",
    async (stage) => {
      const handled = `exec ${become()} ${server.uid} kill -TERM "$(cat "$SV_STATE/pid")"`;
      fs.mkdirSync(stage.at("state"), { mode: 0o700 });
      const files = { run: run(), "control/t": handled };
      const { runsv, pid } = await supervise(stage, files, ["-s", stage.at("state")]);
      const env = { SVRUNDIR: stage.at("state") };
      const { out, code } = await stage.run("sv", ["-w", "30", "restart", "svc"], { ...owner, env });
      assert.deepEqual([out.startsWith("ok: run: svc: (pid "), code], [true, 0], out);
      await other(stage, pid);
      assert.equal(runsv.err, "");
    },
    told,
  );

  story(
    "25 (classic)",
    "a control/t that may, beside its definition",
    async (stage) => {
      const handled = `exec ${become()} ${server.uid} kill -TERM "$(cat supervise/pid)"`;
      const { runsv, pid } = await supervise(stage, { run: run(), "control/t": handled });
      assertSays(await sv(stage, "restart", "svc"), "ok: run: svc: (pid N) Ns\n");
      await other(stage, pid);
      assert.equal(runsv.err, "");
    },
    told,
  );
});
