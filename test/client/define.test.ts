// Service directories that defineServices writes.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { ServiceDefinition } from "../../client/src/index.ts";
import { defineServices, ServiceError } from "../../client/src/index.ts";
import { missing, stories } from "../conformance/stage.ts";

const patience = { timeout: 60_000 };

/** In a directory of its own. */
function written(title: string, act: (directory: string) => Promise<void>, skip: string | false = false): void {
  test(title, { skip, timeout: 60_000 }, async () => {
    const directory = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "define-"));
    try {
      await act(directory);
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  });
}

/** What stands in a directory: path → mode and content. */
function tree(directory: string, below = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of fs.readdirSync(path.join(directory, below), { withFileTypes: true })) {
    const name = path.join(below, entry.name);
    const file = path.join(directory, name);
    if (entry.isDirectory()) Object.assign(found, { [`${name}/`]: "" }, tree(directory, name));
    else if (entry.isSymbolicLink()) found[name] = `-> ${fs.readlinkSync(file)}`;
    else found[name] = `${(fs.statSync(file).mode % 0o1000).toString(8)} ${fs.readFileSync(file, "latin1")}`;
  }
  return found;
}

async function refused(definition: ServiceDefinition, message: RegExp, name = "web"): Promise<void> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "define-"));
  try {
    const defining = defineServices({ fine: { run: ["true"] }, [name]: definition }, { directory });
    await assert.rejects(defining, (error) => {
      assert.ok(error instanceof ServiceError, String(error));
      assert.equal(error.code, "bad definition");
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(fs.readdirSync(directory), [], "nothing was written");
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

suite("defineServices", () => {
  written("writes scripts that people would write", async (directory) => {
    await defineServices(
      {
        web: {
          run: ["node", "server.js", "--title", "it's"],
          directory: "/srv/web",
          environment: { NODE_ENV: "production", DEBUG: undefined },
          user: "www-data",
          limits: { openFiles: 1024, memoryBytes: 500_000_000 },
          log: { maxBytes: 1000, maxFiles: 5, stamp: "T", select: ["-*debug*"] },
          finish: ["./clean-up", "now"],
          check: "test -e ready",
          control: { t: "#!/bin/bash\nkill -QUIT $(cat supervise/pid)\n" },
          down: true,
        },
        plain: { run: "exec sleep 1\n", log: true },
      },
      { directory },
    );
    assert.deepEqual(tree(directory), {
      "web/": "",
      "web/.defined": "644 check\ncontrol/t\ndown\nfinish\nlog/main\nlog/main/config\nlog/run\nrun\n",
      "web/check": "755 #!/bin/sh\ntest -e ready\n",
      "web/control/": "",
      "web/control/t": "755 #!/bin/bash\nkill -QUIT $(cat supervise/pid)\n",
      "web/down": "644 ",
      "web/finish": "755 #!/bin/sh\nexec ./clean-up now\n",
      "web/log/": "",
      "web/log/main/": "",
      "web/log/main/config": "644 s1000\nn5\n-*debug*\n",
      "web/log/run": "755 #!/bin/sh\nexec svlogd -ttt ./main\n",
      "web/run":
        "700 #!/bin/sh\nexec 2>&1\ncd /srv/web || exit 111\nexport NODE_ENV=production\nunset DEBUG\n" +
        "exec chpst -u www-data -m 500000000 -o 1024 -- node server.js --title 'it'\\''s'\n",
      "plain/": "",
      "plain/.defined": "644 log/main\nlog/run\nrun\n",
      "plain/log/": "",
      "plain/log/main/": "",
      "plain/log/run": "755 #!/bin/sh\nexec svlogd -tt ./main\n",
      "plain/run": "755 #!/bin/sh\nexec sleep 1\n",
    });
  });

  written("says what is new, changed and unchanged, and touches nothing that is as it should be", async (directory) => {
    const first = { web: { run: ["sleep", "1"] }, worker: { run: ["sleep", "1"], finish: "true", log: true } } as const;
    const { created, changed, unchanged } = await defineServices(first, { directory });
    assert.deepEqual({ created, changed, unchanged }, { created: ["web", "worker"], changed: [], unchanged: [] });
    const inode = fs.statSync(`${directory}/web/run`).ino;
    const before = tree(directory);
    assert.deepEqual((await defineServices(first, { directory })).unchanged, ["web", "worker"]);
    assert.deepEqual(tree(directory), before);
    fs.writeFileSync(`${directory}/worker/log/main/current`, "a log\n");
    const second = { ...first, worker: { run: ["sleep", "2"] } } as const;
    const again = await defineServices(second, { directory });
    assert.deepEqual([again.created, again.changed, again.unchanged], [[], ["worker"], ["web"]]);
    assert.equal(fs.statSync(`${directory}/web/run`).ino, inode);
    assert.deepEqual(Object.keys(tree(`${directory}/worker`)).sort(), [
      ".defined",
      "log/",
      "log/main/",
      "log/main/current", // somebody else's
      "log/run", // a runsv that has `log` would start nothing without it
      "run",
    ]);
    assert.deepEqual((await defineServices(second, { directory })).unchanged, ["web", "worker"]);
  });

  written("what was defined and then changed by hand is made good", async (directory) => {
    const definition = { web: { run: ["sleep", "1"], down: true } } as const;
    await defineServices(definition, { directory });
    fs.appendFileSync(`${directory}/web/run`, "# by hand\n");
    fs.unlinkSync(`${directory}/web/down`);
    const before = fs.statSync(`${directory}/web/run`).ino;
    assert.deepEqual((await defineServices(definition, { directory })).changed, ["web"]);
    assert.equal(fs.readFileSync(`${directory}/web/run`, "utf8"), "#!/bin/sh\nexec 2>&1\nexec sleep 1\n");
    assert.notEqual(fs.statSync(`${directory}/web/run`).ino, before, "replaced, not written into");
    assert.ok(fs.existsSync(`${directory}/web/down`));
  });

  written("leaves no directory behind in which nothing is left", async (directory) => {
    const web = { run: ["true"], control: { t: "true" }, log: { maxBytes: 5 } } as const;
    await defineServices({ web }, { directory });
    await defineServices({ web: { run: ["true"] } }, { directory });
    assert.deepEqual(Object.keys(tree(`${directory}/web`)).sort(), [".defined", "log/", "log/run", "run"]);
    await defineServices({ web }, { directory });
    assert.match(fs.readFileSync(`${directory}/web/log/run`, "utf8"), /exec svlogd/);
  });

  test("a misspelt name is found by the compiler", () => {
    // @ts-expect-error: environment is meant
    void (() => defineServices({ web: { run: ["true"], enviroment: {} } }, { directory: "/" }));
    // @ts-expect-error: maxBytes is meant
    void (() => defineServices({ web: { run: ["true"], log: { maxByte: 1 } } }, { directory: "/" }));
  });

  test("a directory that cannot be made is said", async () => {
    const defining = defineServices({ web: { run: ["true"] } }, { directory: "/proc/runit-ts/none" });
    await assert.rejects(
      defining,
      /^ServiceError: fail: unable to create directory \/proc\/runit-ts\/none: file does not exist$/,
    );
  });

  written("does not write through a link into another service", async (directory) => {
    await defineServices({ other: { run: ["true"], log: true } }, { directory });
    fs.mkdirSync(`${directory}/shared`);
    fs.symlinkSync("../other/log", `${directory}/shared/log`);
    const before = tree(directory);
    const defining = defineServices({ shared: { run: ["true"], log: { maxBytes: 1 } } }, { directory });
    await assert.rejects(
      defining,
      /^ServiceError: fail: shared: .*\/shared\/log: is there already, and somebody else's$/,
    );
    assert.deepEqual(tree(directory), before);
  });

  written("may be called by two at once, and nobody ever sees half a file", async (directory) => {
    const run = (version: number): string => `# ${version}\n${"# a long script\n".repeat(20_000)}true\n`;
    const children = [1, 2].map((version) => {
      const script = `
        import { defineServices } from ${JSON.stringify(path.resolve(import.meta.dirname, "../../client/src/index.ts"))};
        const web = { run: "# ${version}\\n" + "# a long script\\n".repeat(20_000) + "true\\n" };
        for (let round = 0; round < 200; round++)
          await defineServices({ web, ["web" + round]: web }, { directory: ${JSON.stringify(directory)} });`;
      return spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "ignore", "pipe"] });
    });
    let errors = "";
    for (const { stderr } of children) stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const ends = children.map((child) => new Promise<number | null>((resolve) => child.on("close", resolve)));
    const whole = [1, 2].map((version) => `#!/bin/sh\n${run(version)}`);
    let looks = 0;
    while (children.some(({ exitCode }) => exitCode === null)) {
      const file = `${directory}/web/run`;
      if (fs.existsSync(file)) {
        const fd = fs.openSync(file, "r");
        assert.ok(whole.includes(fs.readFileSync(fd, "utf8")), "half a file");
        assert.equal(fs.fstatSync(fd).mode & 0o777, 0o755);
        fs.closeSync(fd);
        looks++;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.deepEqual([errors, await Promise.all(ends)], ["", [0, 0]]);
    assert.ok(looks > 20, `${looks}`);
    assert.deepEqual(fs.readdirSync(`${directory}/web`).sort(), [".defined", "run"]);
  });

  written("leaves the files of others alone", async (directory) => {
    fs.mkdirSync(`${directory}/web/supervise`, { recursive: true });
    fs.writeFileSync(`${directory}/web/notes`, "mine\n");
    fs.writeFileSync(`${directory}/web/down`, "");
    assert.deepEqual((await defineServices({ web: { run: ["true"] } }, { directory })).changed, ["web"]);
    await defineServices({ web: { run: ["false"] } }, { directory });
    assert.deepEqual(Object.keys(tree(directory)).sort(), [
      "web/",
      "web/.defined",
      "web/down",
      "web/notes",
      "web/run",
      "web/supervise/",
    ]);
    fs.mkdirSync(`${directory}/old`);
    fs.writeFileSync(`${directory}/old/run`, "#!/bin/sh\n", { mode: 0o755 });
    const before = tree(directory);
    await assert.rejects(
      defineServices({ web: { run: ["changed"] }, old: { run: ["true"] } }, { directory }),
      /^ServiceError: fail: old: .*\/old\/run: is there already, and somebody else's$/,
    );
    assert.deepEqual(tree(directory), before);
  });

  written("enables services by links, and refuses another one's", async (directory) => {
    const options = { directory: `${directory}/definitions`, enable: `${directory}/service` };
    const { services } = await defineServices({ web: { run: ["true"] } }, options);
    assert.equal(services.directory, `${directory}/service`);
    assert.deepEqual(await services.list(), ["web"]);
    assert.equal(fs.readlinkSync(`${directory}/service/web`), `${directory}/definitions/web`);
    fs.unlinkSync(`${directory}/service/web`);
    fs.symlinkSync("../definitions/web", `${directory}/service/web`);
    assert.deepEqual((await defineServices({ web: { run: ["true"] } }, options)).unchanged, ["web"]);
    fs.symlinkSync("/elsewhere", `${directory}/service/other`);
    await assert.rejects(defineServices({ other: { run: ["true"] } }, options), /somebody else's/);
    assert.ok(!fs.existsSync(`${directory}/definitions/other`));
    assert.deepEqual((await defineServices({ web: { run: ["true"] } }, options)).unchanged, ["web"]);
  });

  test("refuses what cannot be, and then writes nothing", async () => {
    const fine = { run: ["true"] } as const;
    for (const name of ["", ".web", "a/b", "env", "boot-id", "web.log", "a\0b"]) {
      await refused(fine, /^fail: .*(name must not|no service can be called)/s, name);
    }
    await refused({ run: [""] }, /run: there is no command/);
    await refused({ run: ["-x"] }, /must not begin with a dash/);
    await refused({ run: ["echo", "a\0b"] }, /a NUL cannot be in a word/);
    await refused({ run: "echo a\0b" }, /a NUL cannot be in a script/);
    await refused({ run: ["true"], environment: { "A-B": "1" } }, /no name of a variable: A-B/);
    await refused({ run: ["true"], user: ":x:y" }, /not an account/);
    await refused({ run: ["true"], limits: { openFiles: -1 } }, /not a whole number: -1/);
    await refused({ run: ["true"], directory: "srv" }, /not an absolute path: srv/);
    await refused({ run: ["true"], log: { maxBytes: 1.5 } }, /not a whole number/);
    await refused({ run: ["true"], log: { prefix: "a\nb" } }, /not to be configured/);
    await refused({ run: ["true"], log: { directory: "/var/log/web", maxBytes: 1 } }, /leave out directory/);
    await refused({ run: ["true"], control: { z: "true" } as object }, /no such byte: z/);
    await refused({ run: "true", user: "bob" } as unknown as ServiceDefinition, /run is a script/);
    await refused({} as unknown as ServiceDefinition, /run: there is no command/);
    await refused({ run: ["true"], enviroment: {} } as ServiceDefinition, /no "enviroment" is known in a definition/);
    await refused({ run: ["true"], log: { maxByte: 1 } as object }, /no "maxByte" is known in log/);
    await refused({ run: ["true"], limits: { files: 1 } as object }, /no "files" is known in limits/);
  });

  for (const shell of ["sh", "dash", "bash"]) {
    const title = `every byte there is goes through ${shell} as it is: arguments, environment, working directory`;
    const act = async (directory: string): Promise<void> => {
      const bytes = Uint8Array.from({ length: 255 }, (_, index) => index + 1);
      const printer = 'printf "%s|" "$@" "$VALUE" "$PWD"';
      const words = [bytes, "", "'", "''", "a b", "$(x)", "`x`", "\\", "\n", "-n", "é", "!", "~", "*", "#"];
      const cwd = `${directory}/it's a "$place"\n`;
      fs.mkdirSync(cwd);
      const command = [`/bin/sh`, "-c", printer, "sh", ...words] as const;
      await defineServices({ web: { run: command, environment: { VALUE: bytes }, directory: cwd } }, { directory });
      const { stdout, stderr, status } = spawnSync(shell, [`${directory}/web/run`], {
        env: { PATH: process.env["PATH"] ?? "" },
      });
      assert.equal(stderr.toString(), "");
      assert.equal(status, 0);
      const expected = [...words, bytes, cwd].flatMap((word) => [Buffer.from(word as string), Buffer.from("|")]);
      assert.deepEqual(stdout, Buffer.concat(expected));
    };
    written(title, act, missing(shell));
  }
});

stories("client-define", (story) => {
  story(1, "what is defined runs, is logged, and is restarted where it has changed", async (stage) => {
    const options = { directory: stage.at("definitions"), enable: stage.at("service") };
    fs.mkdirSync(options.enable);
    stage.start("runsvdir", ["service"]);
    const web = {
      run: ["/bin/sh", "-c", 'echo "$GREETING"; exec sleep 1000'],
      environment: { GREETING: "hello" },
      log: true,
    } as const;
    const idle = { run: ["sleep", "1000"], down: true } as const;
    const { services, created } = await defineServices({ web, idle }, options);
    assert.deepEqual(created, ["web", "idle"]);
    await services.wait(["web", "web/log"], "ready", patience);
    await services.wait("idle", "down", patience);
    await stage.until("its svlogd has begun", () => stage.exists("definitions/web/log/main/current"));
    const lines = services.log("web", { follow: true });
    assert.match(String((await lines.next()).value), /^\d{4}-\d\d-\d\d_[\d:.]+ hello$/);
    const { changed } = await defineServices({ web: { ...web, environment: { GREETING: "good day" } }, idle }, options);
    assert.deepEqual(changed, ["web"]);
    await services.restart(changed, patience);
    assert.match(String((await lines.next()).value), / good day$/);
    await lines.return();
  });

  story(2, "a service whose log is not defined any more goes on", async (stage) => {
    const options = { directory: stage.at("service") };
    fs.mkdirSync(options.directory);
    const run = `while :; do printf '%08000d\\n' 1; echo x >>'${stage.at("beats")}'; sleep 0.01; done\n`;
    await defineServices({ web: { run, log: true } }, options);
    const { services, changed } = await defineServices({ web: { run } }, options);
    assert.deepEqual(changed, ["web"]);
    const runsv = stage.start("runsv", ["service/web"]);
    await services.wait("web", "up", patience);
    // More than a pipe holds.
    await stage.until("it goes on", () => stage.exists("beats") && fs.statSync(stage.at("beats")).size > 100);
    assert.ok(runsv.out.length > 65_536, "what it says is not lost");
    await services.stop("web", patience);
  });
});
