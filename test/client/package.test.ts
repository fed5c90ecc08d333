// The package as it is published: packed, installed elsewhere without a network, used by plain Node and by tsc. The blocks
// of its README are run, and say what the page shows, numbers aside.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";
import { Services } from "../../client/src/index.ts";
import type { Build, Outcome } from "../conformance/stage.ts";
import { missing, Stage } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };
const page = fs.readFileSync(path.join(root, "client/README.md"), "utf8");
const blocks = [...page.matchAll(/^<!-- run: (\S+) -->\n```ts\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
const patience = { timeout: 60_000 };
const tsc = path.join(root, "node_modules/typescript/bin/tsc");

/** A project that has installed it. Made when first needed. */
let project = "";
function install(): string {
  if (project !== "") return project;
  project = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "client-"));
  execFileSync(path.join(root, "client/build"), [path.join(project, "package")], { stdio: "pipe" });
  const npm = (...words: string[]): string =>
    execFileSync("npm", [...words, "--offline", "--no-audit", "--no-fund", "--no-update-notifier"], {
      cwd: project,
      encoding: "utf8",
      env: { ...process.env, npm_config_cache: path.join(project, "cache") },
    });
  const packed = npm("pack", "./package").trim().split("\n").at(-1) ?? "";
  fs.writeFileSync(path.join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  npm("install", `./${packed}`);
  return project;
}
after(() => {
  if (project !== "") fs.rmSync(project, { recursive: true, force: true });
});

/** Runs a script of the project to its end: it must come by itself. */
function script(stage: Stage, name: string, text: string): Promise<Outcome> {
  fs.writeFileSync(path.join(install(), name), text);
  return stage.end(stage.start(process.execPath, [name], { cwd: install(), env: { SVDIR: stage.at("sv") } }));
}

/** With two services that are supervised and logged. */
async function withServices(act: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = new Stage(ours);
  try {
    for (const name of ["web", "worker"]) {
      const run = `trap '' HUP\necho hello\ntouch ready\nsleep 1000 &\ntrap 'kill $!; exit' TERM\nwhile :; do wait; done`;
      stage.service(`sv/${name}`, {
        run,
        check: "exec test -e ready",
        "log/run": "#!/bin/sh\nexec svlogd -tt ./main\n",
      });
      fs.mkdirSync(stage.at(`sv/${name}/log/main`));
    }
    stage.start("runsvdir", ["sv"]);
    const services = new Services({ directory: stage.at("sv") });
    await services.wait(["web", "worker", "web/log", "worker/log"], "ready", patience);
    await stage.until("logged", () => stage.peek("sv/web/log/main/current").includes("hello"));
    await act(stage);
  } finally {
    await stage.clear();
  }
}

const options = { skip: missing("npm"), timeout: 120_000 };

suite("runit-ts-client", () => {
  test("has the version of the suite, and no dependencies", options, () => {
    const read = (file: string): Record<string, unknown> => JSON.parse(fs.readFileSync(file, "utf8"));
    const own = read(path.join(install(), "node_modules/runit-ts-client/package.json"));
    assert.equal(own["version"], read(path.join(root, "package.json"))["version"]);
    assert.deepEqual([own["dependencies"], own["private"]], [undefined, undefined]);
    const installed = fs.readdirSync(path.join(install(), "node_modules")).filter((name) => !name.startsWith("."));
    assert.deepEqual(installed, ["runit-ts-client"]);
    const files = fs.readdirSync(path.join(install(), "node_modules/runit-ts-client"), { recursive: true }).map(String);
    assert.ok(files.includes("README.md") && files.includes("LICENSE"));
    assert.ok(!files.some((file) => file.endsWith(".ts") && !file.endsWith(".d.ts")), "no sources");
    const foreign = files.filter((file) => file.endsWith(".js") && !/^dist\/(client\/src|src\/core)\//.test(file));
    assert.deepEqual(foreign, [], "nothing but itself and the core");
  });

  for (const [, name = "", text = "", shown] of blocks) {
    if (name === "define") continue;
    test(`README: ${name}`, options, async () => {
      await withServices(async (stage) => {
        const { out, err, code } = await script(stage, name === "restart-all" ? "restart-all.js" : `${name}.ts`, text);
        assert.equal(err, "");
        assert.equal(code, 0);
        const withoutNumbers = (lines: string): string => lines.replaceAll(/\d+/g, "N");
        if (shown !== undefined) assert.equal(withoutNumbers(out), withoutNumbers(shown));
        if (name === "log") assert.match(out, /^\d{4}-\d\d-\d\dT[\d:.]+Z hello$/m);
        if (name === "watch") assert.match(out, /^run: web: .*\nrun: worker: /);
        if (name === "ask")
          assert.match(
            out,
            /^run \d+ \S+Z up\nrun: web: \(pid \d+\) \d+s\nweb run \d+ seconds\nworker run \d+ seconds\nrun\n$/,
          );
      });
    });
  }

  test(
    "README: restart-all is no longer than twenty lines, and tells why a service is not ready",
    options,
    async () => {
      const [, , text = ""] = blocks.find(([, name]) => name === "restart-all") ?? [];
      assert.ok(text.split("\n").filter((line) => line !== "").length <= 20);
      await withServices(async (stage) => {
        stage.file("sv/worker/check", "#!/bin/sh\nexit 1\n");
        const { err, code } = await script(stage, "late.js", text.replace("30_000", "1_500"));
        assert.equal(code, 1);
        assert.match(
          err,
          /^timeout: run: worker: \(pid \d+\) \d+s\nThe last of what worker has said:\n {2}\S+ hello\n/,
        );
      });
    },
  );

  test("README: define", options, async () => {
    const [, , text = ""] = blocks.find(([, name]) => name === "define") ?? [];
    await withServices(async (stage) => {
      const here = text
        .replaceAll("/srv", stage.at("srv"))
        .replaceAll("/etc/service", stage.at("sv"))
        .replaceAll("node", process.execPath);
      stage.file("srv/api/server.js", 'require("fs").writeFileSync("listening", ""); setInterval(() => {}, 1e6);\n');
      for (let round = 0; round < 2; round++) {
        const { err, code } = await script(stage, "define.js", here);
        assert.equal(err, "");
        assert.equal(code, 0);
      }
      assert.ok(stage.exists("srv/api/listening"));
      assert.equal(stage.status("sv/nightly").phase, 0);
    });
  });

  test("every block of the README, and wrong names, as tsc sees them", options, () => {
    const directory = install();
    for (const [, name = "", text = ""] of blocks) fs.writeFileSync(path.join(directory, `${name}.ts`), text);
    const config = {
      compilerOptions: {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        target: "es2024",
        module: "nodenext",
        types: ["node"],
        typeRoots: [path.join(root, "node_modules/@types")],
      },
      include: ["*.ts"],
    };
    fs.writeFileSync(path.join(directory, "tsconfig.json"), JSON.stringify(config));
    fs.writeFileSync(
      path.join(directory, "types.ts"),
      `import { defineServices, Services } from "runit-ts-client";
const services = new Services<"web" | "worker">();
await services.start(["web", "worker/log"]);
// @ts-expect-error no such service
await services.start("typo");
// @ts-expect-error no such command
await services.control("web", "typo");
const { created } = await defineServices({ a: { run: ["true"] }, b: { run: "true" } }, { directory: "/tmp" });
const names: readonly ("a" | "b")[] = created;
// @ts-expect-error a script has no user
await defineServices({ a: { run: "true", user: "bob" } }, { directory: "/tmp" });
const [report] = await services.statuses();
if (report?.state === null) console.log(report.error.code satisfies string);
else console.log(report?.pid, names);
`,
    );
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", directory], { encoding: "utf8" });
    assert.equal(stdout, "");
    assert.equal(status, 0);
  });

  test("an aborted wait leaves nothing behind: the process ends by itself", options, async () => {
    await withServices(async (stage) => {
      stage.file("sv/worker/check", "#!/bin/sh\nexec sleep 1000\n");
      const { out, err, code } = await script(
        stage,
        "abort.js",
        `import { Services } from "runit-ts-client";
const services = new Services();
const isAborted = (error) => { if (error !== reason) throw error; };
const abort = new AbortController();
const reason = new Error("enough");
const { signal } = abort;
const all = [
  services.wait("web", "down", { signal }).catch(isAborted),
  services.wait("web", "gone", { signal }).catch(isAborted),
  services.wait("worker", "ready", { signal }).catch(isAborted),
  services.restart("worker", { signal }).catch(isAborted),
  (async () => { for await (const _ of services.watch("web", { signal })); })(),
  (async () => { for await (const _ of services.watch(undefined, { signal })); })(),
  (async () => { for await (const _ of services.log("web", { follow: true, signal })); })(),
];
for await (const _ of services.watch("web")) break;
for await (const _ of services.log("web", { follow: true })) break;
setTimeout(() => abort.abort(reason), 300);
await Promise.all(all);
const left = process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap" || name === "Timeout");
console.log("left:", left.join(" "));
`,
      );
      assert.equal(err, "");
      assert.equal(code, 0);
      assert.equal(out, "left: \n");
    });
  });
});
