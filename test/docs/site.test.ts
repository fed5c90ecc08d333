// make site: every page is whole, every link within it leads to a page, or to a part of one, that is there, and every page is
// found by following links from the first one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";
import { pageNames } from "./pages.ts";

const root = path.resolve(import.meta.dirname, "../..");

suite("the site", { skip: missing("mandoc", "xmllint") }, () => {
  test("is made of all documents and manual pages, and its links lead somewhere", () => {
    const at = fs.mkdtempSync(path.join(os.tmpdir(), "site."));
    try {
      const made = spawnSync(process.execPath, ["scripts/site.mjs", at], { cwd: root, encoding: "utf8" });
      assert.equal(made.status, 0, made.stderr);
      const pages = fs.readdirSync(at).filter((name) => name.endsWith(".html"));
      for (const name of pageNames()) assert.ok(pages.includes(`${name}.8.html`), name);
      const texts = new Map(pages.map((name) => [name, fs.readFileSync(path.join(at, name), "utf8")]));
      const reached = new Set(["index.html"]);
      for (const page of reached) {
        for (const [, to = ""] of texts.get(page)?.matchAll(/ href="([^"#]+)/g) ?? [])
          if (texts.has(to)) reached.add(to);
      }
      assert.deepEqual(
        pages.filter((page) => !reached.has(page)),
        [],
      );
      let links = 0;
      for (const [name, text] of texts) {
        for (const [, reference = ""] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
          if (/^https?:/.test(reference)) continue;
          const [file = "", anchor = ""] = reference.split("#");
          const page = file === "" ? name : file;
          assert.ok(fs.existsSync(path.join(at, page)), `${name}: ${reference}`);
          if (anchor !== "")
            assert.ok(texts.get(page)?.includes(`id="${decodeURIComponent(anchor)}"`), `${name}: ${reference}`);
          links++;
        }
      }
      assert.ok(links > 500, `${links}`);
      // It knows no tags that are younger than HTML 4.
      const broken = spawnSync("xmllint", ["--html", "--noout", ...pages], { cwd: at, encoding: "utf8" });
      const errors = broken.stderr
        .split("\n")
        .filter((line) => /error/.test(line) && !/Tag (nav|main|footer|section) invalid/.test(line));
      assert.deepEqual(errors, []);
    } finally {
      fs.rmSync(at, { recursive: true, force: true });
    }
  });
});
