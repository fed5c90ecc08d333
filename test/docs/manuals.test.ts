// The examples of the manual pages, and those of other documents whose mark names this file: each is carried out in a scene
// laid out for it, and something is seen. Directories of the machine become directories of the stage.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { Outcome, Running, Stage } from "../conformance/stage.ts";
import { cannotMount, missing } from "../conformance/stage.ts";
import { ownMounts, Realm, sleeper } from "../conformance/sv-user/scenes.ts";
import { blocksOf, documentsOf, onStage, root } from "./blocks.ts";
import { pageNames } from "./pages.ts";

interface Scene {
  /** A manual page, or a document, from the top of the checkout. */
  readonly of: string;
  readonly example: string;
  readonly skip?: string | false;
  /** @param example as it is typed on the stage */
  readonly act: (stage: Stage, example: string) => Promise<void>;
}

const ownFiles = missing("unshare", "mount") || cannotMount;

// ── what the scenes have in common ──

const places = ["/var/service", "/etc/service", "/var/log", "/etc/runit/runsvdir", "/service"];
const here = (stage: Stage, text: string) =>
  text.replaceAll(new RegExp(`(?<=^|[\\s'])(${places.join("|")})(?=[/\\s'])`, "gm"), `${stage.dir}$1`);

/** PATH with programs that the example wants: stand-ins, each a script. */
function standIns(stage: Stage, programs: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, script] of Object.entries(programs)) stage.file(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  return { PATH: `${stage.env["PATH"]}:${stage.at("bin")}` };
}
const serves = (name: string) => `echo "${name} serves"\nexec sleep 1000`;

/** Services below DIRECTORY that run. */
async function running(stage: Stage, directory: string, ...names: string[]): Promise<readonly Running[]> {
  const supervisors: Running[] = [];
  for (const name of names) {
    stage.service(path.join(directory, name), { run: sleeper });
    supervisors.push(await stage.supervise(path.join(directory, name)));
    await stage.running(path.join(directory, name));
  }
  return supervisors;
}
function assertSays(outcome: Outcome, out: RegExp): void {
  assert.match(outcome.out, out);
  assert.deepEqual([outcome.err, outcome.code], ["", 0]);
}

/** Of somebody with a home on the stage. */
function atHome(stage: Stage): Record<string, string> {
  fs.mkdirSync(stage.at("runtime"), { mode: 0o700 });
  fs.mkdirSync(stage.at("home/.local/bin"), { recursive: true });
  const { XDG_CONFIG_HOME: _c, XDG_STATE_HOME: _s, SVRUNDIR: _r, ...inherited } = stage.env;
  return { ...inherited, HOME: stage.at("home"), XDG_RUNTIME_DIR: stage.at("runtime") };
}

async function fromNothingToALog(stage: Stage, example: string): Promise<void> {
  const onlyEnv = atHome(stage);
  stage.file("home/.local/bin/python3", `#!/bin/sh\necho "python3 $* serves"\nexec sleep 1000\n`);
  const typed = stage.start("/bin/sh", ["-euc", example], { onlyEnv });
  await stage.until(`its log is followed ${typed.err}`, () => typed.out.includes("python3 -m http.server 8000 serves"));
  assert.match(typed.out, /^ok: run: web: \(pid \d+\) \d+s$/m);
  const { code } = await stage.run("sv-user", ["session", "stop"], { onlyEnv });
  assert.equal(code, 0);
}

async function waitsForPortmap(stage: Stage, example: string): Promise<void> {
  const env = standIns(stage, { mountd: serves("mountd") });
  const portmap = path.relative(stage.dir, /\S+(?=\/portmap)/.exec(example)?.[0] ?? "");
  stage.service(path.join(portmap, "portmap"), { run: sleeper, down: "" });
  await stage.supervise(path.join(portmap, "portmap"));
  stage.service("mountd", { run: example });
  const supervisor = await stage.supervise("mountd", { env });
  await stage.until("it has looked for the other one", () => supervisor.err.includes("portmap"));
  assert.equal(supervisor.out, "");
  stage.tell(path.join(portmap, "portmap"), "u");
  await stage.until("it serves", () => supervisor.out === "mountd serves\n");
}

async function allGo(stage: Stage, example: string): Promise<void> {
  const directory = path.relative(stage.dir, /\S+(?=\/\*)/.exec(example)?.[0] ?? "");
  const supervisors = await running(stage, directory, "web", "db");
  assertSays(await stage.sh(example), /^$/);
  for (const supervisor of supervisors) assert.equal((await stage.end(supervisor)).code, 0);
}

// ── the scenes ──

const scenes: readonly Scene[] = [
  {
    of: "man/chpst.8",
    example: "#!/bin/sh\nexec 2>&1\nexec chpst -e ./env -u www:www:+ -o 4096 --no-new-privs httpd\n",
    skip: ownMounts.skip ?? false,
    async act(stage, example) {
      const realm = await Realm.open(stage, "www:x:6000:6000::/:/bin/sh\n", "www:x:6000:\nmedia:x:6001:www\n");
      const asks = 'echo "$(id -u) $(id -g) $(id -G) $(ulimit -n) $GREETING"\ngrep NoNewPrivs: /proc/self/status';
      const env = standIns(stage, { httpd: `${asks}\nexec sleep 1000` });
      stage.service("web", { run: example, "env/GREETING": "hello\n" });
      const supervisor = stage.start("runsv", [stage.at("web")], { env, via: realm.via });
      await stage.until("it serves", () => supervisor.out.includes("NoNewPrivs"));
      assert.equal(supervisor.out, "6000 6000 6000 6001 4096 hello\nNoNewPrivs:\t1\n");
    },
  },
  {
    of: "man/envdir.8",
    example: "envdir ./env env",
    async act(stage, example) {
      stage.file("env/GREETING", "hello\n");
      assertSays(await stage.sh(example), /^GREETING=hello$/m);
    },
  },
  {
    of: "man/runit-ts.8",
    example: "runit-ts sv status",
    async act(stage, example) {
      await running(stage, "service", "web");
      const PATH = `${path.join(root, "build")}:${stage.env["PATH"]}`;
      const outcome = await stage.sh(example, { env: { PATH, SVDIR: stage.at("service") } });
      assertSays(outcome, /^run: web: \(pid \d+\) \d+s\n$/);
    },
  },
  {
    of: "man/runsvdir.8",
    example: "runsvdir -P /etc/service 'log: ..................................'",
    async act(stage, example) {
      stage.service("etc/service/web", { run: "echo it serves >&2\nexec sleep 1000" });
      const supervisor = stage.start("/bin/sh", ["-c", `exec ${example}`]);
      const listed = () => fs.readFileSync(`/proc/${supervisor.pid}/cmdline`, "latin1");
      await stage.until("the process listing shows it", () => /log: .*it serves/s.test(listed()));
    },
  },
  {
    of: "man/runsvstat.8",
    example:
      "web: run (pid 4711) 98 seconds\n  log: run (pid 4710) 98 seconds\ndb: down 3 seconds, normally up, want up\n",
    async act(stage, example) {
      stage.service("web", { run: sleeper, "log/run": sleeper });
      stage.service("db", { run: "exit 1" });
      for (const name of ["web", "db"]) await stage.supervise(name);
      const essence = (text: string) => text.replaceAll(/\d+/g, "N");
      let out = "";
      for (let tries = 0; essence(out) !== essence(example) && tries < 100; tries++) {
        ({ out } = await stage.sh("runsvstat -l web db"));
        await stage.span(50); // db is between two attempts for a second
      }
      assert.equal(essence(out), essence(example));
    },
  },
  {
    of: "man/sv-user.8",
    example: "sv-user new web -- python3 -m http.server 8000\nsv-add web\nsv-user log -f web\n",
    act: fromNothingToALog,
  },
  {
    of: "man/sv.8",
    example: "sv status",
    async act(stage, example) {
      await running(stage, "service", "web", "db");
      const outcome = await stage.sh(example, { env: { SVDIR: stage.at("service") } });
      assertSays(outcome, /^run: db: \(pid \d+\) \d+s\nrun: web: \(pid \d+\) \d+s\n$/);
    },
  },
  {
    of: "man/sv.8",
    example: "sv -w 30 restart web",
    async act(stage, example) {
      await running(stage, ".", "web");
      const before = stage.status("web").pid;
      assertSays(await stage.sh(example), /^ok: run: web: \(pid \d+\) \d+s\n$/);
      assert.notEqual(stage.status("web").pid, before);
    },
  },
  {
    of: "man/sv.8",
    example: "sv status web/log",
    async act(stage, example) {
      stage.service("web", { run: sleeper, "log/run": sleeper });
      await stage.supervise("web");
      await stage.running("web/log");
      assertSays(await stage.sh(example), /^run: web\/log: \(pid \d+\) \d+s\n$/);
    },
  },
  {
    of: "man/svlogd.8",
    example: "sh -c Ar command",
    async act(stage) {
      stage.file("log/config", "!tr '\\0' ' ' </proc/$$/cmdline; echo; pwd; cat\n");
      const logger = stage.start("svlogd", ["log"], { stdin: "pipe" });
      logger.child.stdin?.write("hello\n");
      await stage.until("the line is there", () => stage.peek("log/current") === "hello\n");
      logger.kill("SIGALRM");
      const old = () => fs.readdirSync(stage.at("log")).find((name) => /^@.*\.s$/.test(name));
      await stage.until("the file is processed", () => old() !== undefined);
      const processed = stage.read(`log/${old()}`);
      assert.ok(processed.startsWith("sh -c tr "), processed);
      assert.ok(processed.endsWith(`\n${stage.at("log")}\nhello\n`), processed);
    },
  },
  {
    of: "man/svlogd.8",
    example: "#!/bin/sh\nexec svlogd -tt /var/log/web\n",
    async act(stage, example) {
      fs.mkdirSync(stage.at("var/log/web"), { recursive: true });
      stage.service("web", { run: serves("web"), "log/run": example });
      await stage.supervise("web");
      const line = /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} web serves\n$/;
      await stage.until("it is logged", () => line.test(stage.peek("var/log/web/current")));
    },
  },
  {
    of: "man/svlogd.8",
    example: "s5m\nS50m\nn0\n!gzip\n-*GET /health*\nm0640\n",
    async act(stage, example) {
      stage.file("log/config", example);
      assertSays(await stage.sh("{ echo GET /health 200; seq 900000; } | svlogd log"), /^$/);
      const files = fs.readdirSync(stage.at("log"));
      assert.deepEqual(files.map((name) => name.replace(/^@\w+/, "@")).sort(), [
        "@.s",
        "config",
        "current",
        "lock",
        "state",
      ]);
      for (const name of files.filter((each) => /^(@.*|current)$/.test(each))) {
        assert.equal(stage.mode(`log/${name}`) & 0o077, 0o040, name);
      }
      assert.ok(fs.statSync(stage.at("log/current")).size < 2_000_000);
      assertSays(await stage.sh("seq 900000 >all; { gzip -dc log/@*.s; cat log/current; } | cmp - all"), /^$/);
    },
  },
  {
    of: "man/svlogd.8",
    example: "svlogd: pausing: unable to write to current: /var/log/web: out of disk space",
    skip: cannotMount,
    async act(stage, example) {
      stage.mount("var/log/web", "size=64k");
      const logger = stage.start("svlogd", [stage.at("var/log/web")], { stdin: "pipe" });
      logger.child.stdin?.write("hello\n");
      await stage.until("the line is there", () => stage.peek("var/log/web/current") === "hello\n");
      assert.throws(() => fs.writeFileSync(stage.at("var/log/web/filler"), Buffer.alloc(100_000)), { code: "ENOSPC" });
      logger.child.stdin?.write(`${"x".repeat(8000)}\n`);
      await stage.until("it waits", () => logger.err !== "");
      assert.equal(logger.err.split("\n")[0], example);
      fs.rmSync(stage.at("var/log/web/filler"));
      await stage.until("it goes on", () => stage.read("var/log/web/current").includes("x\n"));
    },
  },
  { of: "man/svwaitdown.8", example: "svwaitdown -xk -t 350 /var/service/*", act: allGo },
  {
    of: "man/svwaitup.8",
    example: "#!/bin/sh\nsvwaitup -s 2 /var/service/portmap || exit 1\nexec mountd\n",
    act: waitsForPortmap,
  },
  {
    of: "man/utmpset.8",
    example: "exec utmpset -w tty5",
    skip: ownFiles,
    async act(stage, example) {
      // A record of utmp(5): type (7: a user's), terminal, user.
      const login = Buffer.alloc(384);
      login.writeInt16LE(7, 0);
      login.write("tty5", 8);
      login.write("bob", 44);
      stage.file("run/utmp", login);
      stage.file("log/.keep", "");
      stage.service("getty", { run: "exit 0", finish: `${example}\n`, down: "" });
      const binds = 'mount --bind "$0/run" "$(readlink -f /var/run)" && mount --bind "$0/log" /var/log && exec "$@"';
      await stage.supervise("getty", { via: ["/usr/bin/unshare", "-m", "/bin/sh", "-c", binds, stage.dir] });
      stage.tell("getty", "o");
      await stage.until("the logout is noted", () => fs.statSync(stage.at("log/wtmp")).size === login.length);
      const after = fs.readFileSync(stage.at("run/utmp"));
      assert.deepEqual([after.readInt16LE(0), after.toString("latin1", 8, 12), after[44]], [8, "tty5", 0]);
    },
  },
  {
    of: "docs/programs/old-clients.md",
    example: "#!/bin/sh\nsvwaitup -s 2 /service/portmap || exit 1\nexec mountd\n",
    act: waitsForPortmap,
  },
  {
    of: "docs/programs/old-clients.md",
    example: `runsvchdir single
svwaitdown -x -t 30 /etc/runit/runsvdir/previous/httpd /etc/runit/runsvdir/previous/db
`,
    async act(stage, example) {
      const sets = "etc/runit/runsvdir";
      for (const name of ["httpd", "db", "getty"]) stage.service(`sv/${name}`, { run: sleeper });
      for (const entry of ["default/httpd", "default/db", "default/getty", "single/getty"]) {
        fs.mkdirSync(stage.at(sets, path.dirname(entry)), { recursive: true });
        fs.symlinkSync(stage.at("sv", path.basename(entry)), stage.at(sets, entry));
      }
      fs.symlinkSync("default", stage.at(sets, "current"));
      stage.start("runsvdir", ["-P", stage.at(sets, "current")]);
      for (const name of ["httpd", "db", "getty"]) await stage.running(`sv/${name}`);
      const { pid } = stage.status("sv/getty");
      const outcome = await stage.sh(example, { env: { RUNSVDIR: stage.at(sets) } });
      assertSays(outcome, /^runsvchdir: single: now current\.\n$/);
      for (const name of ["httpd", "db"]) assert.equal(stage.isListening(`sv/${name}`), false);
      assert.equal(stage.status("sv/getty").pid, pid);
    },
  },
  { of: "docs/programs/old-clients.md", example: "svwaitdown -xk -t 350 /service/*\n", act: allGo },
  {
    of: "docs/programs/sv-user.md",
    example: `sv-user new web -- python3 -m http.server 8000   # a definition: ~/.config/sv/web/run
sv-add web                                       # it runs, and is logged
sv-user log -f web
`,
    act: fromNothingToALog,
  },
  {
    of: "docs/programs/sv-user.md",
    example: "echo 'doas -u srv' >~/.config/sv/myserver/signal-with\n",
    async act(stage, example) {
      const onlyEnv = atHome(stage);
      stage.service("home/.config/sv/myserver", { run: sleeper });
      assertSays(await stage.sh(example, { onlyEnv }), /^$/);
      assert.equal(stage.read("home/.config/sv/myserver/signal-with"), "doas -u srv\n");
    },
  },
  {
    of: "examples/user/README.md",
    example: `#!/bin/sh
exec 2>&1
[ -r ./conf ] && . ./conf
exec "$HOME/.local/bin/myserver" --port "\${PORT:-8080}"
`,
    async act(stage, example) {
      const onlyEnv = atHome(stage);
      stage.file("home/.local/bin/myserver", '#!/bin/sh\necho "myserver $*" >&2\nexec sleep 1000\n');
      stage.service("home/.config/sv/myserver", { run: example });
      const log = () => stage.peek("home/.local/state/sv/log/myserver/current");
      assertSays(await stage.run("sv-add", ["myserver"], { onlyEnv }), /^ok: run: myserver: /);
      await stage.until("it is logged", () => log().endsWith(" myserver --port 8080\n"));
      stage.file("home/.config/sv/myserver/conf", "PORT=9090\n");
      assertSays(await stage.run("sv-user", ["restart", "myserver"], { onlyEnv }), /^ok: run: myserver: /);
      await stage.until("its settings are read", () => log().endsWith(" myserver --port 9090\n"));
      assertSays(await stage.run("sv-user", ["session", "stop"], { onlyEnv }), /^$/);
    },
  },
];

// ── the examples ──

/** Lines and displays of a manual page, and what its section EXAMPLES lists. */
function examplesOf(name: string): readonly string[] {
  const lines = fs.readFileSync(path.join(root, "man", `${name}.8`), "utf8").split("\n");
  const found: string[] = [];
  let section = "";
  let display: string | undefined;
  for (const line of lines) {
    if (line === ".Ed" && display !== undefined) {
      found.push(display);
      display = undefined;
    } else if (display !== undefined) display += `${line.replace(/^\\&/, "").replaceAll("\\e", "\\")}\n`;
    else if (line.startsWith(".Sh ")) section = line.slice(4);
    else if (line.startsWith(".Bd -literal")) display = "";
    else if (line.startsWith(".Dl ")) found.push(line.slice(4));
    else if (section === "EXAMPLES" && line.startsWith(".It Li ")) found.push(line.slice(7));
  }
  return found;
}
const documents = [...documentsOf("docs/programs"), "examples/user/README.md"];
const examples = [
  ...pageNames().flatMap((name) => examplesOf(name).map((example) => ({ of: `man/${name}.8`, example }))),
  ...documents.flatMap((of) =>
    blocksOf(of)
      .filter(({ mark }) => mark === "tested: test/docs/manuals.test.ts")
      .map(({ text }) => ({ of, example: text })),
  ),
];

suite("examples of the manual pages", { concurrency: 4 }, () => {
  for (const { of, example, skip, act } of scenes) {
    const title = example.split("\n").find((line) => !line.startsWith("#!")) ?? "";
    test(`${of}: ${title}`, { skip: skip ?? false, timeout: 90_000 }, () =>
      onStage((stage) => act(stage, here(stage, example))),
    );
  }

  test("each has a scene in this file, and each scene an example", () => {
    const key = ({ of, example }: { of: string; example: string }) => `${of}: ${example}`;
    const [shown, told] = [examples.map(key), scenes.map(key)];
    for (const each of shown) assert.ok(told.includes(each), `add it to the table: ${each}`);
    for (const each of told) assert.ok(shown.includes(each), `this example is gone: ${each}`);
  });
});
