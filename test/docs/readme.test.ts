// The README's tour: its marked blocks, run one after the other by one shell in the checkout, print what the page shows,
// numbers aside. And what else it tells to do.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import { cannotMount, isRoot, missing } from "../conformance/stage.ts";
import { build } from "../examples/dockerfile.ts";
import { cannotContain, start } from "../examples/engine.ts";
import { blocksOf, carryOut, onStage, root } from "./blocks.ts";

const blocks = blocksOf("README.md");
/** The lines of a block that is carried out here, without what they say in comments. */
function commands(beginning: string): string {
  const found = blocks.find(({ text }) => text.startsWith(beginning)) ?? assert.fail(`README.md: ${beginning}`);
  return found.text;
}
const cannotLayOver = (directories: readonly string[]) =>
  (!isRoot && "only root can install") || missing("unshare", "mount") || cannotMount || cannotOverlay(directories);
const cannotOverlay = (directories: readonly string[]) =>
  spawnSync("unshare", ["-m", "/bin/sh", "-euc", overlays(directories)], { stdio: "ignore" }).status !== 0 &&
  "needs overlays";
/** What is written there is forgotten. */
function overlays(directories: readonly string[]): string {
  const upper = "mkdir /mnt/upper$n /mnt/work$n";
  const options = "lowerdir=$each,upperdir=/mnt/upper$n,workdir=/mnt/work$n";
  return `mount -t tmpfs tmpfs /mnt
n=0
for each in ${directories.join(" ")}; do n=$((n + 1)); ${upper}; mount -t overlay -o ${options} overlay $each; done
`;
}
const machine = ["/opt", "/usr/local/bin"];

suite("README", () => {
  test("every command of the tour does what the page says", { timeout: 60_000 }, async () => {
    const tour = blocks.filter(({ mark }) => mark === "tour");
    assert.ok(tour.length >= 5);
    await onStage((stage) => carryOut(stage, tour, root));
  });

  test("make builds, and make demo supervises three services", { timeout: 300_000 }, () => {
    for (const command of commands("make  ").trimEnd().split("\n")) {
      const { stdout, stderr, status } = spawnSync("/bin/sh", ["-c", command], {
        cwd: root,
        env: { ...process.env, DEMO_SECONDS: "1" },
        encoding: "utf8",
      });
      assert.equal(status, 0, stdout + stderr);
      if (command.startsWith("make demo")) assert.match(stdout, /^run: web: [\s\S]*^all stopped\.$/m);
    }
  });

  test("what is installed aside is linked in, and taken back", {
    timeout: 300_000,
    skip: cannotLayOver(machine),
  }, () => {
    const block = commands("make install PREFIX");
    const [, back = ""] = /Back: (.*)$/m.exec(block) ?? assert.fail("the way back");
    const asks = 'PATH=/usr/local/bin:/usr/bin:/bin; sv --help | head -n 1; readlink "$(command -v sv)"';
    const script = `${overlays(machine)}( ${block} ) >/dev/null\n( ${asks} )\n${back}\n[ ! -e /usr/local/bin/sv ]\n`;
    const { stdout, stderr, status } = spawnSync("unshare", ["-m", "/bin/sh", "-euc", script], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.equal(stdout, "sv - control services, and ask about them\n/opt/runit-ts/bin/sv\n");
  });

  for (const file of ["README.md", "docs/guides/containers.md"]) {
    const lines = blocksOf(file).find(({ language }) => language === "dockerfile")?.text ?? "";
    test(
      `${file}: the lines of the Dockerfile make an image that runs`,
      {
        timeout: 90_000,
        skip:
          cannotContain ||
          (!fs.existsSync("/etc/debian_version") && "the userland of the image is that of this Debian"),
      },
      () =>
        onStage(async (stage) => {
          fs.mkdirSync(stage.at("context"));
          fs.copyFileSync(path.join(root, "build/runit-ts"), stage.at("context/runit-ts"));
          fs.chmodSync(stage.at("context/runit-ts"), 0o755);
          const services = /^COPY (\w+) \/etc\/service$/m.exec(lines)?.[1] ?? assert.fail("it copies services");
          stage.service(`context/${services}/web`, { run: "echo at work\nexec sleep 1000" });
          const text = lines.startsWith("FROM ") ? lines : `FROM debian:stable-slim\n${lines}`;
          fs.mkdirSync(stage.at("image"));
          const image = build(stage.file("Dockerfile", text), stage.at("context"), stage.at("image"));
          const container = await start(stage, "web", image);
          await stage.until("it runs", () => container.out === "[web] at work\n");
          const { out } = await container.exec(image.health?.command ?? []);
          assert.match(out, /^healthy: 1 service\n$/);
          assert.equal((await container.stop()).wasKilled, false);
        }),
    );
  }

  test("the way into an empty directory is the same for the container's page", { timeout: 60_000 }, async () => {
    const way = blocksOf("examples/container/README.md").filter(({ text }) => text.startsWith("export PATH="));
    assert.equal(way.length, 1);
    const look = { mark: "run", language: "sh", text: "command -v runit-container\nls\n", shown: "" };
    const shown = `${path.join(root, "build/bin/runit-container")}\n`;
    await onStage((stage) => carryOut(stage, [...way, { ...look, shown }], root));
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
