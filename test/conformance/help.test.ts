// `--help`, alone: the short text of the manual page on standard output; standard error and exit code stay the original's.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { pageNames } from "../docs/pages.ts";
import { stories } from "./stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
const onlyOurs = { only: "ours", differs: "help" } as const;
/** What these say and answer to --help, the name they are called by aside. */
const originals: readonly (readonly [program: string, code: number, says: RegExp])[] = [
  ["chpst", 100, /^chpst: illegal option -- help\nusage: chpst /],
  ["envdir", 100, /^usage: envdir dir child\n/],
  ["envuidgid", 100, /^usage: envuidgid account child\n/],
  ["pgrphack", 111, /^chpst: fatal: unable to run: --help: file does not exist\n$/],
  ["runit", 111, /^- runit: fatal: must be run as process no 1\.\n$/],
  ["runit-init", 0, /^usage: \S*runit-init 0\|6\n\n$/],
  ["runsv", 111, /^runsv --help: fatal: unable to change to directory: file does not exist\n$/],
  ["runsvctrl", 1, /^usage: \S*runsvctrl /],
  ["runsvdir", 1, /^usage: \S*runsvdir \[-P\] dir\n/],
  ["runsvstat", 1, /^usage: \S*runsvstat /],
  ["setlock", 100, /^usage: setlock /],
  ["setuidgid", 100, /^usage: setuidgid account child\n/],
  ["softlimit", 100, /^usage: softlimit /],
  ["sv", 100, /^usage: sv \[-v\] \[-w sec\] command service \.\.\.\n\n$/],
  ["svlogd", 111, /^usage: \S*svlogd /],
  ["svwaitdown", 1, /^usage: \S*svwaitdown /],
  ["svwaitup", 1, /^usage: \S*svwaitup /],
  ["utmpset", 1, /^usage: \S*utmpset \[-w\] line\n\n$/],
];
const newPrograms = ["runit-container", "sv-add", "sv-remove", "sv-user"];

stories("help", (story) => {
  story(
    1,
    "each program prints what it is, how it is called, and each of its options",
    async (stage) => {
      for (const name of pageNames()) {
        const { out } = await stage.run(name, ["--help"]);
        const page = fs.readFileSync(path.join(root, `man/${name}.8`), "latin1");
        assert.match(out, new RegExp(`^${name}\\b.* - .`), name);
        assert.match(out, new RegExp(`\n\nMore: man ${name}\n$`), name);
        assert.ok(
          out.split("\n").every((line) => line.length <= 80),
          name,
        );
        const synopsis = page.slice(page.indexOf(".Sh SYNOPSIS"), page.indexOf(".Sh DESCRIPTION"));
        for (const [, option = ""] of synopsis.matchAll(/^\.Op Fl ((?:-[a-z-]+|\w))\b/gm)) {
          for (const letter of option.startsWith("-") ? [option] : option) {
            assert.match(out, new RegExp(`[-,[]${letter}`), `${name} -${letter}`);
          }
        }
      }
    },
    onlyOurs,
  );

  story(
    2,
    "usage and exit code stay as they are",
    async (stage) => {
      for (const [name, code, says] of originals) {
        const outcome = await stage.run(name, ["--help"]);
        assert.equal(outcome.code, code, name);
        assert.match(outcome.err, says, name);
      }
    },
    onlyOurs,
  );

  story(
    3,
    "the programs that are new exit 0 and write no error",
    async (stage) => {
      for (const name of newPrograms) {
        const { err, code } = await stage.run(name, ["--help"]);
        assert.deepEqual([err, code], ["", 0], name);
      }
      const { out } = await stage.run("sv-del", ["--help"]);
      assert.match(out, /^sv-remove, sv-del, sv-disable - /);
    },
    onlyOurs,
  );

  story(
    4,
    "with anything else beside it, or where a directory has that name, it is no question",
    async (stage) => {
      assert.equal(
        (await stage.run("sv", ["--help", "status", "x"])).out,
        "fail: x: unable to change to service directory: file does not exist\n",
      );
      stage.service("--help", { run: "#!/bin/sh\nexec sleep 1000\n" });
      const runsv = stage.start("runsv", ["--help"]);
      await stage.becomes(() => fs.existsSync(stage.at("--help/supervise/pid")) && runsv.out, "");
      assert.equal(runsv.err, "");
    },
    onlyOurs,
  );

  const mandoc = spawnSync("mandoc", ["-T", "ascii"], { input: "" }).status === 0;
  story(
    5,
    "the text in the binary is that of the manual pages",
    () => {
      execFileSync(process.execPath, ["scripts/help.mjs", "--check"], { cwd: root });
    },
    { ...onlyOurs, skip: !mandoc && "needs mandoc" },
  );
});
