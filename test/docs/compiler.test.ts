// docs/compiler.md: every program in it does what its first line says.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");
const page = fs.readFileSync(path.join(root, "docs/compiler.md"), "utf8");
const programs = [...page.matchAll(/^```ts\n\/\/ (\w+): (.*)\n([\s\S]*?)^```$/gm)];

const work = fs.mkdtempSync(path.join(os.tmpdir(), "compiler-"));
fs.copyFileSync(path.join(root, "tsconfig.json"), path.join(work, "tsconfig.json"));
fs.writeFileSync(path.join(work, "package.json"), '{ "type": "module" }\n');
after(() => fs.rmSync(work, { recursive: true }));

const hasMusl = spawnSync("sh", ["-c", "command -v musl-gcc"]).status === 0;
const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
const environment = {
  ...inherited,
  PATH: `${path.join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
  SCRIPTC_LINKER: path.join(root, "scripts/link"),
  SCRIPTC_CACHE_DIR: path.join(root, "build/cache"),
  LINK_WRAP: "",
  ...(hasMusl ? { SCRIPTC_TARGET: "x86_64-linux-musl" } : { LINK_CC: "gcc", LINK_FLAGS: "" }),
};

function run(
  command: string,
  args: readonly string[],
): { readonly out: string; readonly err: string; readonly ok: boolean } {
  const result = spawnSync(command, args, { cwd: work, env: environment, encoding: "utf8" });
  return { out: result.stdout.trim(), err: result.stderr, ok: result.status === 0 };
}

suite("docs/compiler.md", () => {
  test("has programs", () => assert.ok(programs.length >= 15));
  for (const [index, [, verdict = "", text = "", source = ""]] of programs.entries()) {
    test(`program ${index + 1}: ${verdict}: ${text}`, () => {
      const file = `p${index}.ts`;
      fs.writeFileSync(path.join(work, file), source);
      const build = run("scriptc", ["build", file, "--strip", "--no-keep-c", "-o", `p${index}`]);
      const node = run("node", [file]);
      assert.ok(node.ok, node.err);
      if (verdict === "refused") {
        assert.ok(!build.ok, "it compiles now");
        assert.match(build.out + build.err, new RegExp(`error ${text}:`));
        return;
      }
      assert.ok(build.ok, build.out + build.err);
      const native = run(path.join(work, `p${index}`), []);
      switch (verdict) {
        case "same":
          assert.deepEqual([node.out, native.out], [text, text]);
          break;
        case "differs":
          assert.equal(`${node.out}, ${native.out}`, text);
          break;
        case "aborts":
          assert.ok(!native.ok && native.err.includes(text), native.err);
          break;
        default:
          assert.fail(`no such verdict: ${verdict}`);
      }
    });
  }
});
