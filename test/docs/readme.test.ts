// The README's tour: its marked blocks, run one after the other by one shell in an empty directory, print what the page
// shows, numbers aside.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { Build } from "../conformance/stage.ts";
import { Stage } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
const page = fs.readFileSync(path.join(root, "README.md"), "utf8");
const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };

/** A block that is marked, and what stands in the block of text behind it. */
const blocks = [...page.matchAll(/^<!-- tour -->\n```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
const separator = "──";

function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, "N");
}

suite("README", () => {
  test("every command of the tour does what the page says", { timeout: 60_000 }, async () => {
    assert.ok(blocks.length >= 5);
    const stage = new Stage(ours);
    try {
      const script = blocks.map(([, commands]) => `${commands}echo ${separator}\n`).join("");
      const shell = stage.start("/bin/sh", ["-eu", stage.file("tour", script)], { cwd: stage.dir });
      const { out, err, code } = await shell.ended;
      assert.equal(err, "");
      const printed = Buffer.from(out, "latin1").toString("utf8").split(`${separator}\n`);
      for (const [index, [, commands, shown = ""]] of blocks.entries()) {
        assert.equal(withoutNumbers(printed[index] ?? ""), withoutNumbers(shown), commands);
      }
      assert.equal(code, 0);
    } finally {
      await stage.clear();
    }
  });

  test("links of the documents lead somewhere", () => {
    const documents = ["", "docs", "docs/programs", "docs/decisions"].flatMap((directory) =>
      fs.readdirSync(path.join(root, directory)).map((file) => path.join(directory, file)),
    );
    for (const file of documents.filter((name) => name.endsWith(".md"))) {
      const text = fs.readFileSync(path.join(root, file), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (target.includes(":")) continue;
        assert.ok(fs.existsSync(path.join(root, path.dirname(file), target)), `${file}: ${target}`);
      }
    }
  });
});
