// What services know, and where they are found: spec/container.md, D1, D2 and D6; case 23.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Setting } from "./scenes.ts";
import { contain, env, quick, run, serve, told } from "./scenes.ts";

/** The environment of a service named `a`, without what the shell adds. */
async function environmentOf(
  stage: Stage,
  setting: Setting,
  files: Record<string, string> = {},
): Promise<Record<string, string>> {
  serve(stage, { a: { run: "env\nexit 0", main: "", ...files } });
  const { out, code } = await run(stage, { ...setting, args: ["-p", "none", ...(setting.args ?? [])] });
  assert.equal(code, 0);
  const shellAdds = ["PWD", "OLDPWD", "SHLVL", "_"];
  const pairs = out
    .split("\n")
    .slice(0, -1)
    .map((line) => /^([^=]*)=(.*)$/.exec(line) ?? assert.fail(line));
  return Object.fromEntries(
    pairs.map(([, name = "", value = ""]) => [name, value]).filter(([name = ""]) => !shellAdds.includes(name)),
  );
}
const sayName = (name: string) => ({ [name]: { run: `echo ${name}\nexec sleep 1000` } });

stories("runit-container", (story) => {
  for (const [number, title, args, expected] of [
    ["23", "the environment of the container reaches the services", [], "[env] FOO=bar"],
    ["23 (-c)", "if wanted the services have a clean environment", ["-c"], "[env] FOO="],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { env });
        const container = await contain(stage, { args, env: { FOO: "bar" } });
        await container.says(expected);
        assert.equal((await container.stop()).code, 0);
      },
      told,
    );

  story(
    "D6",
    "the environment is that of the container without its own variables, and says where the service is",
    async (stage) => {
      const given = { FOO: "bar baz", EMPTY: "", RUNIT_GRACE: "9", RUNIT_PREFIX: "none" };
      const { PATH, STAGE, SV_NAME, SV_STATE, SV_LOGDIR, ...rest } = await environmentOf(stage, { env: given });
      assert.deepEqual(rest, { FOO: "bar baz", EMPTY: "" });
      assert.equal(PATH, stage.env["PATH"]);
      assert.equal(STAGE, stage.mark);
      assert.equal(SV_NAME, "a");
      assert.match(SV_STATE ?? "", /^\/.*\/a\/supervise$/);
      assert.match(SV_LOGDIR ?? "", /^\/.*\/a$/);
    },
    told,
  );

  story(
    "D6 (env)",
    "the env directory of a service comes on top",
    async (stage) => {
      const files = { "env/BAR": "from the file\nsecond line\n", "env/FOO": "", "env/BAZ": "new \t\n" };
      const { BAR, FOO, BAZ, QUX } = await environmentOf(stage, { env: { FOO: "1", BAR: "2", QUX: "3" } }, files);
      assert.deepEqual([BAR, FOO, BAZ, QUX], ["from the file", undefined, "new", "3"]);
    },
    told,
  );

  story(
    "D6 (-c, env)",
    "a clean environment is PATH, and the env directory on top",
    async (stage) => {
      const { PATH, SV_NAME, SV_STATE, SV_LOGDIR, ...rest } = await environmentOf(
        stage,
        { args: ["-c"], env: { FOO: "1" } },
        { "env/BAR": "2\n" },
      );
      assert.notEqual(PATH ?? "", "");
      assert.deepEqual(rest, { BAR: "2" });
    },
    told,
  );

  story(
    "D6 (command)",
    "the command has the environment of the container",
    async (stage) => {
      serve(stage, { quick });
      const { out } = await run(stage, { env: { FOO: "bar" }, args: ["--", "sh", "-c", 'echo "FOO=$FOO"'] });
      assert.match(out, /^FOO=bar$/m);
    },
    told,
  );

  for (const [number, title, setting, directory] of [
    ["D1 (default)", "services are looked for in /etc/service", {}, "/etc/service"],
    ["D1 (/service)", "where there is no /etc/service, they are looked for in /service", {}, "/service"],
    ["D1 (/etc/sv)", "where there is neither, they are looked for in /etc/sv", {}, "/etc/sv"],
    ["D1 (SVDIR)", "SVDIR names their directory", { env: { SVDIR: "/srv/a" } }, "/srv/a"],
    ["D1 (-d)", "-d names their directory, whatever SVDIR says", { args: ["-d", "/b"], env: { SVDIR: "/c" } }, "/b"],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, sayName("here"), directory);
        const container = await contain(stage, setting);
        await container.says("[here] here");
        assert.equal((await container.stop()).code, 0);
      },
      told,
    );

  story(
    "D1 (links)",
    "the services may be links to their definitions, and what begins with a dot is none",
    async (stage) => {
      serve(stage, sayName("here"), "/etc/sv");
      serve(stage, sayName(".hidden"));
      fs.symlinkSync("/etc/sv/here", stage.at("root/etc/service/linked"));
      const container = await contain(stage);
      await container.says("[linked] here");
      assert.equal((await container.inside("sv status linked", "env SVDIR=/etc/service")).code, 0);
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(container.lines, ["[linked] here"]);
    },
    told,
  );

  story(
    "D1 (options)",
    "options override variables",
    async (stage) => {
      serve(stage, { a: { run: "echo a\nexit 5" }, quick });
      const variables = { RUNIT_MAIN: "quick", RUNIT_PREFIX: "json", RUNIT_EXPECT: "5" };
      const end = await run(stage, { args: ["-m", "a", "-p", "name", "-e", "6"], env: variables });
      assert.equal(end.code, 5);
      assert.equal(end.out, "[a] a\n");
    },
    told,
  );

  story(
    "D2.3",
    "a service with a file down is not started, until somebody wants it",
    async (stage) => {
      serve(stage, { ...sayName("on"), off: { run: "echo off\nexec sleep 1000", down: "" } });
      const container = await contain(stage);
      await container.says("[on] on");
      const before = await container.inside("sv status off", "env SVDIR=/etc/service");
      assert.match(before.out, /^down: off: /);
      assert.deepEqual(container.lines, ["[on] on"]);
      assert.equal((await container.inside("sv up off", "env SVDIR=/etc/service")).code, 0);
      await container.says("[off] off");
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "D2.5 (-d)",
    "a directory that is named may be empty: services are added later",
    async (stage) => {
      serve(stage, {}, "/srv/services");
      const container = await contain(stage, { args: ["-d", "/srv/services"] });
      stage.service("new", { run: "echo up\nexec sleep 1000" });
      await stage.sh("mv new root/srv/services/new");
      container.signal("SIGHUP");
      await container.says("[new] up");
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "D2.5 (missing)",
    "a named directory that does not exist is trouble at start",
    async (stage) => {
      const { code, err } = await run(stage, { args: ["-d", "/srv/services"] });
      assert.equal(code, 111);
      assert.match(err, /\/srv\/services/);
    },
    told,
  );
});
