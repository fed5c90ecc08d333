// docs/benchmarks.md: its tables and its plots are those of the one run in docs/benchmarks.json.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";

const docs = path.resolve(import.meta.dirname, "../../docs");
const page = fs.readFileSync(path.join(docs, "benchmarks.md"), "utf8");
const data = fs.readFileSync(path.join(docs, "benchmarks.json"), "utf8");
const bench = JSON.parse(data) as { isQuick: boolean; tables: Record<string, string> };
const plots = fs.readdirSync(path.join(docs, "plots")).sort();

suite("docs/benchmarks.md", () => {
  test("shows the tables of one full run, each of them and as they are", () => {
    assert.equal(bench.isQuick, false);
    const shown = [...page.matchAll(/<!-- table: (.+?) -->\n([\s\S]*?)\n<!-- end -->/g)];
    assert.deepEqual(Object.fromEntries(shown.map(([, name, table]) => [name, table])), bench.tables);
  });

  test("shows all plots and no others, which were drawn of that run", () => {
    const shown = [...page.matchAll(/!\[.+?\]\(plots\/(.+?)\)/g)].map(([, name]) => name);
    assert.deepEqual([...shown].sort(), plots);
    const digest = createHash("sha256").update(data).digest("hex");
    for (const name of plots) assert.ok(fs.readFileSync(path.join(docs, "plots", name), "utf8").includes(digest), name);
  });

  test("has plots that are well-formed", { skip: missing("xmllint") }, () => {
    const { status, stderr } = spawnSync("xmllint", ["--noout", ...plots], {
      cwd: path.join(docs, "plots"),
      encoding: "utf8",
    });
    assert.deepEqual([stderr, status], ["", 0]);
  });
});
