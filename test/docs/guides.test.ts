// docs/guides: what they tell to type is typed, and files of other tools that they show are files of those tools. And every
// block of commands of every document says who carries it out.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";
import { assertMarked, blocksOf, carryOut, documentsOf, onStage, root } from "./blocks.ts";

const guides = documentsOf("docs/guides");
const programs = documentsOf("docs/programs");
const examples = fs
  .readdirSync(path.join(root, "examples"))
  .map((name) => `examples/${name}/README.md`)
  .filter((file) => fs.existsSync(path.join(root, file)));

const read = (file: string) => fs.readFileSync(path.join(root, file), "utf8");

/** Carried out here as the guides are, but not among their links and languages. */
const others = ["packaging/npm/README.md"];
/** What test/etc, test/examples and test/client carry out under these marks. */
const elsewhere = new Map([
  ["etc/README.md", /^install \w+$/],
  ["README.md", /^tour$/],
  ...examples.map((file) => [file, /^run$/] as const),
  ["client/README.md", /^run: /],
]);
/** No engine of containers is here. */
const notRun = [
  "docker compose -f examples/container/compose.yaml up --build\nkubectl apply -f examples/container/kubernetes.yaml\n",
];

suite("the guides", { concurrency: 4 }, () => {
  for (const file of [...guides, ...programs, ...others]) {
    const chosen = blocksOf(file).filter(({ mark, language }) => mark === "run" && language === "sh");
    if (chosen.length === 0) continue;
    test(`every command of ${file} does what the page says`, { timeout: 90_000 }, () =>
      onStage(async (stage) => {
        fs.mkdirSync(stage.at("empty"));
        await carryOut(stage, chosen, stage.at("empty"));
      }),
    );
  }

  for (const file of guides) {
    for (const [index, { language, text }] of blocksOf(file).entries()) {
      if (language === "json") {
        test(`${file}: block ${index + 1} is JSON`, () => void JSON.parse(text));
      } else if (language === "ini" && text.includes("[Service]")) {
        test(`${file}: systemd reads block ${index + 1}`, { skip: missing("systemd-analyze") }, () => verify(text));
      } else if (language === "ini") {
        test(`${file}: supervisord's parser reads block ${index + 1}`, { skip: missing("python3") }, () => {
          const script = "import configparser, sys\nconfigparser.RawConfigParser(strict=True).read_file(sys.stdin)";
          const { stderr, status } = spawnSync("python3", ["-c", script], { input: text, encoding: "utf8" });
          assert.equal(status, 0, stderr);
        });
      } else {
        assert.match(language, /^(sh|text|dockerfile)$/, `${file}: nobody reads ${language}`);
      }
    }
  }

  test("what the page of trouble says one sees is seen in its examples", () => {
    const blocks = blocksOf("docs/guides/trouble.md");
    const [, table = ""] = /^## What you see\n([\s\S]*?)^## /m.exec(read("docs/guides/trouble.md")) ?? [];
    const rows = [...table.matchAll(/^\| (.*?) \| .* \| (\[below\].*)? ?\|$/gm)];
    assert.ok(rows.length > 15);
    for (const [, sees = "", shown] of rows) {
      const words = [...sees.matchAll(/`([^`]*)`/g)].map(([, each = ""]) => each);
      const messages = words.filter((each) => shown !== undefined && each.includes(" ") && !each.startsWith("sv "));
      for (const message of messages)
        assert.ok(
          blocks.some((block) => block.shown.includes(message)),
          message,
        );
    }
  });

  test("their links lead somewhere", () => {
    for (const file of guides) {
      const text = read(file);
      for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (!target.includes(":")) assert.ok(fs.existsSync(path.join(root, path.dirname(file), target)), target);
      }
    }
  });
});

suite("every block of commands", () => {
  const files = [...guides, ...programs, ...others, ...elsewhere.keys()];
  for (const file of files) {
    test(`of ${file} is carried out`, () => assertMarked(file, elsewhere.get(file) ?? /^run$/));
  }

  test("but for those that want an engine", () => {
    const left = files.flatMap((file) => blocksOf(file)).filter(({ mark }) => mark.startsWith("not run: "));
    assert.deepEqual(
      left.map(({ text }) => text),
      notRun,
    );
  });
});

/** systemd has no complaint about a unit, whose program is one of this machine. */
function verify(unit: string): Promise<void> {
  return onStage(async (stage) => {
    const here = unit.replaceAll(/^(Exec\w+|WorkingDirectory)=(\S+)/gm, (_, key: string) =>
      key.startsWith("Exec") ? `${key}=/bin/true` : `${key}=/`,
    );
    const words = ["verify", "--man=no", stage.file("web.service", here)];
    const { stdout, stderr, status } = spawnSync("systemd-analyze", words, {
      encoding: "utf8",
      env: { ...stage.env, XDG_RUNTIME_DIR: stage.dir },
    });
    assert.deepEqual([stdout + stderr, status], ["", 0]);
  });
}
