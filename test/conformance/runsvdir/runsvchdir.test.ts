// runsvchdir: spec/runsvdir.md, part 2. The sets stand in /etc/runit/runsvdir: a directory of the stage, bound there in a
// mount namespace of its own (Debian's 2.1.2 knows no RUNSVDIR).
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { cannotMount, stories } from "../stage.ts";

const sets = "etc/runit/runsvdir";

/** The sets default and single, and the links as given. */
function lay(stage: Stage, links: Record<string, string> = { current: "default" }): void {
  for (const set of ["default", "single"]) fs.mkdirSync(stage.at(sets, set), { recursive: true });
  for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, stage.at(sets, name));
}

async function run(stage: Stage, args: readonly string[], before = "", env: Record<string, string> = {}) {
  const script = `mount --bind "$0/etc" /etc && ${before}exec runsvchdir "$@"`;
  const { out, err, code } = await stage.run("/usr/bin/unshare", ["-m", "/bin/sh", "-c", script, stage.dir, ...args], {
    env,
  });
  return { out, err, code };
}

function links(stage: Stage): string {
  return fs
    .readdirSync(stage.at(sets))
    .filter((name) => !["default", "single"].includes(name))
    .sort()
    .map((name) => {
      const is = fs.lstatSync(stage.at(sets, name));
      return `${name}${is.isSymbolicLink() ? `>${fs.readlinkSync(stage.at(sets, name))}` : is.isDirectory() ? "/" : ""}`;
    })
    .join(" ");
}

const fatal = (text: string) => ({ out: "", err: `runsvchdir: fatal: ${text}\n`, code: 111 });
const says = (text: string) => ({ out: `runsvchdir: ${text}\n`, err: "", code: 0 });

stories("runsvchdir", (story) => {
  const options = { skip: cannotMount };

  story(
    55,
    "without a directory prints its usage",
    async (stage) => {
      lay(stage);
      assert.deepEqual(await run(stage, []), { out: "", err: "usage: runsvchdir dir\n\n", code: 1 });
    },
    options,
  );

  story(
    56,
    "makes another set the current one",
    async (stage) => {
      lay(stage);
      assert.deepEqual(await run(stage, ["single"]), says("single: now current."));
      assert.equal(links(stage), "current>single previous>default");
    },
    options,
  );

  story(
    57,
    "says when a set is the current one already",
    async (stage) => {
      lay(stage, { current: "single", previous: "default" });
      assert.deepEqual(await run(stage, ["single"]), says("single: current."));
      assert.equal(links(stage), "current>single previous>default");
    },
    options,
  );

  story(
    58,
    "refuses a name that begins with a dot",
    async (stage) => {
      lay(stage);
      for (const name of [".foo", "./x", ".."]) {
        assert.deepEqual(await run(stage, [name]), fatal(`${name}: must not start with a dot.`));
      }
      assert.equal(links(stage), "current>default");
    },
    options,
  );

  story(
    59,
    "a set that is missing",
    async (stage) => {
      lay(stage);
      assert.deepEqual(await run(stage, ["nope"]), fatal("nope: file does not exist"));
    },
    options,
  );

  story(
    60,
    "a set that is a plain file",
    async (stage) => {
      lay(stage);
      stage.file(`${sets}/file`, "");
      assert.deepEqual(await run(stage, ["file"]), fatal(`file${stage.isOurs ? ": " : ""}not a directory.`));
    },
    { ...options, differs: "runsvchdir-message" },
  );

  story(
    61,
    "a missing current",
    async (stage) => {
      lay(stage, {});
      assert.deepEqual(await run(stage, ["single"]), fatal("unable to stat: current: file does not exist"));
    },
    options,
  );

  story(
    62,
    "previous is a directory",
    async (stage) => {
      lay(stage);
      fs.mkdirSync(stage.at(sets, "previous"));
      assert.deepEqual(await run(stage, ["single"]), fatal("unable to unlink: previous: is a directory"));
      assert.equal(links(stage), "current>default current.new>single previous/");
    },
    options,
  );

  story(
    63,
    "current.new is a directory",
    async (stage) => {
      lay(stage);
      fs.mkdirSync(stage.at(sets, "current.new"));
      assert.deepEqual(await run(stage, ["single"]), fatal("unable to unlink: current.new: is a directory"));
      assert.equal(links(stage), "current>default current.new/");
    },
    options,
  );

  story(
    64,
    "left-over files are replaced",
    async (stage) => {
      lay(stage);
      stage.file(`${sets}/current.new`, "");
      stage.file(`${sets}/previous`, "");
      assert.deepEqual(await run(stage, ["single"]), says("single: now current."));
      assert.equal(links(stage), "current>single previous>default");
    },
    options,
  );

  story(
    65,
    "current is a directory",
    async (stage) => {
      lay(stage, {});
      stage.file(`${sets}/current/mark`, "");
      assert.deepEqual(await run(stage, ["single"]), says("single: now current."));
      assert.equal(links(stage), "current>single previous/");
      assert.ok(stage.exists(`${sets}/previous/mark`));
    },
    options,
  );

  story(
    66,
    "previous as a name",
    async (stage) => {
      lay(stage, { current: "default", previous: "single" });
      assert.deepEqual(await run(stage, ["previous"]), says("previous: now current."));
      assert.equal(links(stage), `current>${stage.isOurs ? "single" : "previous"} previous>default`);
    },
    { ...options, differs: "runsvchdir-previous" },
  );

  story(
    67,
    "a link to itself",
    async (stage) => {
      lay(stage, { current: "default", loop: "loop" });
      assert.deepEqual(await run(stage, ["loop"]), fatal("unable to stat: loop: symbolic link loop"));
    },
    options,
  );

  for (const [number, value] of [
    [68, "/nonexistent"],
    [69, ""],
  ] as const) {
    story(
      number,
      `RUNSVDIR=${value} leads nowhere`,
      async (stage) => {
        lay(stage);
        const { err, code } = await run(stage, ["single"], "", { RUNSVDIR: value });
        if (stage.isOurs) {
          assert.deepEqual([err, code], [`runsvchdir: fatal: unable to chdir: ${value}: file does not exist\n`, 111]);
        } else assert.deepEqual([err, code], ["", 0]); // 2.1.2 does not know it
      },
      options,
    );
  }

  story(
    70,
    "an ordinary user may not",
    async (stage) => {
      lay(stage);
      const as = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
      const script = `mount --bind "$0/etc" /etc && exec ${as}"$(command -v runsvchdir)" single`;
      // The build under test need not be reachable for that user: a copy is.
      fs.copyFileSync(stage.program("runsvchdir"), stage.at("runsvchdir"));
      fs.chmodSync(stage.at("runsvchdir"), 0o755);
      const env = { PATH: `${stage.dir}:${process.env["PATH"]}` };
      const { err, code } = await stage.run("/usr/bin/unshare", ["-m", "/bin/sh", "-c", script, stage.dir], { env });
      const name = stage.at("runsvchdir");
      assert.deepEqual([err, code], [`${name}: fatal: unable to create: current.new -> single: access denied\n`, 111]);
    },
    options,
  );

  story(
    71,
    "an absolute name",
    async (stage) => {
      lay(stage);
      fs.mkdirSync(stage.at("set"));
      assert.deepEqual(await run(stage, [stage.at("set")]), says(`${stage.at("set")}: now current.`));
      assert.equal(links(stage), `current>${stage.at("set")} previous>default`);
    },
    options,
  );

  story(
    "A1",
    "there is no instant without a current set",
    async (stage) => {
      lay(stage);
      const env = { RUNSVDIR: stage.at(sets) };
      const trace = stage.at("trace");
      const { code } = await stage.run("/usr/bin/strace", ["-o", trace, stage.program("runsvchdir"), "single"], {
        env,
      });
      assert.equal(code, 0);
      const touching = fs
        .readFileSync(trace, "utf8")
        .split("\n")
        .filter((line) => /(unlink|rename)\("current"/.test(line));
      assert.deepEqual(touching, []);
    },
    { only: "ours", differs: "runsvchdir-no-gap", skip: fs.existsSync("/usr/bin/strace") ? false : "needs strace" },
  );
});
