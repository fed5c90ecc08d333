// Blocks of commands in documents. A comment in front of a block says what becomes of it:
//
//   <!-- run -->            carried out, and what stands in the block of text behind it is what it prints
//   <!-- tour -->           likewise (README.md)
//   <!-- tested: FILE -->   carried out by that test
//   <!-- not run: REASON -->
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Build } from "../conformance/stage.ts";
import { Stage } from "../conformance/stage.ts";

export const root = path.resolve(import.meta.dirname, "../..");
const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };

export interface Block {
  /** What the comment in front of it says; "" without one. */
  readonly mark: string;
  readonly language: string;
  readonly text: string;
  /** What it prints. */
  readonly shown: string;
}

/** @param file from the top of the checkout */
export function blocksOf(file: string): readonly Block[] {
  const page = fs.readFileSync(path.join(root, file), "utf8");
  const blocks = /(?:^<!-- (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;
  return [...page.matchAll(blocks)].map(([, mark = "", language = "", text = "", shown = ""]) => {
    return { mark, language, text, shown };
  });
}

/** Documents of a directory, from the top of the checkout. */
export function documentsOf(directory: string): readonly string[] {
  const names = fs.readdirSync(path.join(root, directory)).filter((name) => name.endsWith(".md"));
  return names.sort().map((name) => path.join(directory, name));
}

/** The stage of a document: a home of its own, and nothing of it is left afterwards. */
export async function onStage(act: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = new Stage(ours);
  try {
    await act(stage);
  } finally {
    await endTrees(stage);
    await stage.clear();
  }
}

/** Carries blocks out, one after the other, by one shell; each prints what is shown, numbers aside. */
export async function carryOut(stage: Stage, blocks: readonly Block[], cwd: string): Promise<void> {
  const separator = "──";
  const script = blocks.map(({ text }) => `${text}echo ${separator}\n`).join("");
  const home = path.dirname(stage.file("home/you/.profile", ""));
  stage.file("home/you/.local/bin/.keep", ""); // on the PATH of services
  fs.symlinkSync(process.execPath, stage.at("home/you/.local/bin/node"));
  fs.mkdirSync(stage.at("runtime"), { mode: 0o700 });
  const { SVDIR: _, XDG_CONFIG_HOME: _c, XDG_STATE_HOME: _s, SVRUNDIR: _r, ...inherited } = stage.env;
  const shell = stage.start("/bin/sh", ["-eu", stage.file("commands", script)], {
    cwd,
    onlyEnv: { ...inherited, HOME: home, TMPDIR: stage.dir, XDG_RUNTIME_DIR: stage.at("runtime") },
  });
  const { out, err, code } = await stage.end(shell, 60_000);
  const printed = Buffer.from(out, "latin1").toString("utf8").split(`${separator}\n`);
  const essence = (text: string) => text.replaceAll(stage.dir, "").replaceAll(/\d+/g, "N").replaceAll(/ +/g, " ");
  assert.equal(err, "", printed.at(-1));
  for (const [index, { text, shown }] of blocks.entries()) {
    assert.equal(essence(printed[index] ?? ""), essence(shown), text);
  }
  assert.equal(code, 0);
}

/** Every block of commands says what becomes of it. */
export function assertMarked(file: string, marks: RegExp): void {
  for (const { mark, language, text } of blocksOf(file)) {
    if (language !== "sh" || marks.test(mark)) continue;
    if (mark.startsWith("not run: ")) continue;
    const [, tested = ""] = /^tested: (\S+\.test\.ts)$/.exec(mark) ?? [];
    assert.ok(tested !== "", `${file}: nobody carries this out:\n${text}`);
    const test = fs.readFileSync(path.join(root, tested), "utf8");
    assert.ok(test.includes(path.basename(file)), `${file}: ${tested} does not know of it`);
  }
}

/** Services of users do not inherit the stage's mark: they are known by their home. */
async function endTrees(stage: Stage): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const left = fs.readdirSync("/proc").filter((entry) => {
      try {
        return (
          /^\d+$/.test(entry) && fs.readFileSync(`/proc/${entry}/environ`, "latin1").includes(`HOME=${stage.dir}/`)
        );
      } catch {
        return false; // it has ended meanwhile
      }
    });
    if (left.length === 0) return;
    for (const pid of left) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // already gone
      }
    }
    await stage.span(5);
  }
}
