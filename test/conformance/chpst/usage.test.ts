// chpst's options, its usage and the names it goes by: spec/chpst.md, sections 1 and 2.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { stories } from "../stage.ts";
import type { Alias } from "./scenes.ts";
import {
  assertFails,
  assertPrints,
  assertUsage,
  chpst,
  environment,
  linkTo,
  nobody,
  rootOnly,
  runAs,
  setlockUsage,
  showsUsage,
  softlimitUsage,
  usageOf,
} from "./scenes.ts";

stories("chpst", (story) => {
  story(
    1,
    "without a program prints its usage and an empty line",
    async (stage) => {
      assertUsage(await chpst(stage, []), usageOf(stage));
    },
    showsUsage,
  );

  story(
    2,
    "prints its version for -V, then its usage",
    async (stage) => {
      const version = stage.isOurs
        ? "$Id: chpst, runit-ts 0.1.0 $\n"
        : "$Id: f279d44141c981dd7535a12260efcf1ef7beed26 $\n";
      for (const words of ["-V", "-vV true", "-V -x", "-V -n x true"]) {
        assertUsage(await chpst(stage, words), version + usageOf(stage));
      }
      assertUsage(await chpst(stage, "-x -V"), `chpst: illegal option -- x\n${usageOf(stage)}`);
      assertUsage(await chpst(stage, "-n x -V true"), usageOf(stage));
    },
    { differs: "chpst-version" },
  );

  story(
    3,
    "complains about an unknown option",
    async (stage) => {
      for (const letter of ["x", "s", "a", "h", "3", ":", "?", "="]) {
        const complaint = `chpst: illegal option -- ${letter}\n${usageOf(stage)}`;
        assertUsage(await chpst(stage, [`-${letter}`]), complaint);
        assertUsage(await chpst(stage, [`-vP${letter}v`, "true"]), complaint);
      }
    },
    showsUsage,
  );

  story(
    4,
    "wants an argument for every option that takes one",
    async (stage) => {
      for (const letter of ["u", "U", "b", "e", "/", "n", "l", "L", "m", "d", "o", "p", "f", "c", "r", "t"]) {
        const complaint = `chpst: option requires an argument -- ${letter}\n${usageOf(stage)}`;
        assertUsage(await chpst(stage, [`-${letter}`]), complaint);
        assertUsage(await chpst(stage, ["-v", `-P${letter}`]), complaint);
      }
    },
    showsUsage,
  );

  story(
    5,
    "changes the directory for -C, an option the original does not have yet",
    async (stage) => {
      const outcome = await chpst(stage, "-C / pwd");
      if (stage.isOurs) assertPrints(outcome, "/\n");
      else assertUsage(outcome, `chpst: illegal option -- C\n${usageOf(stage)}`);
    },
    { differs: "chpst-usage-230" },
  );

  story(
    "5b",
    "wants an argument for -C",
    async (stage) => {
      assertUsage(await chpst(stage, "-C"), `chpst: option requires an argument -- C\n${usageOf(stage)}`);
    },
    { only: "ours" },
  );

  story(
    6,
    "prints its usage when options are all there is",
    async (stage) => {
      for (const words of ["-vP0", "--", "-v --", "-n 1", "-b a"]) {
        assertUsage(await chpst(stage, words), usageOf(stage));
      }
    },
    showsUsage,
  );

  story(7, "ends its options at --", async (stage) => {
    assertPrints(await chpst(stage, "-v -- echo hi"), "hi\n");
    assertPrints(await chpst(stage, "-v -- echo --"), "--\n");
    assertFails(await chpst(stage, "-- -v true"), "unable to run: -v: file does not exist");
    assertFails(await chpst(stage, "-- -- true"), "unable to run: --: file does not exist");
  });

  story("7b", "leaves the program's own options alone", async (stage) => {
    assertPrints(await chpst(stage, "echo -v -x -- hi"), "-v -x -- hi\n");
    assertPrints(await chpst(stage, "-v echo -V"), "-V\n");
  });

  story(
    "7c",
    "takes an option's argument from its own word or from the next, whatever it looks like",
    async (stage) => {
      const name = ["sh", "-c", "echo $0"];
      for (const words of [["-bx"], ["-b", "x"], ["-vPbx"], ["-vPb", "x"]]) {
        assertPrints(await chpst(stage, [...words, ...name]), "x\n");
      }
      assertPrints(await chpst(stage, ["-b", "-v", ...name]), "-v\n");
      assertPrints(await chpst(stage, ["-b", "--", ...name]), "--\n");
      assertPrints(await chpst(stage, ["-b-", ...name]), "-\n");
    },
  );

  story(
    "7d",
    "understands all options before it does anything",
    async (stage) => {
      assertUsage(await chpst(stage, "-l lk -x true"), `chpst: illegal option -- x\n${usageOf(stage)}`);
      assertUsage(await chpst(stage, "-e nodir -o x true"), usageOf(stage));
      assert.equal(stage.exists("lk"), false);
    },
    showsUsage,
  );

  story(8, "takes a lone - for the program", async (stage) => {
    assertFails(await chpst(stage, "-"), "unable to run: -: file does not exist");
    assertFails(await chpst(stage, "-v - -v"), "unable to run: -: file does not exist");
    stage.file("-", "#!/bin/sh\necho dash $1");
    assertPrints(await chpst(stage, "- -v", { env: { PATH: `${stage.dir}:/bin` } }), "dash -v\n");
  });

  story(
    112,
    "called daemon it is chpst, and calls itself aemon",
    async (stage) => {
      assertUsage(await runAs(stage, "daemon", []), usageOf(stage, "aemon"));
      assertUsage(await runAs(stage, "daemon", "-x"), `daemon: illegal option -- x\n${usageOf(stage, "aemon")}`);
      assertFails(await runAs(stage, "daemon", "nosuch"), "unable to run: nosuch: file does not exist");
      assertUsage(await runAs(stage, "dchpst", []), usageOf(stage, "chpst"));
    },
    showsUsage,
  );

  story(
    "113b",
    "what it is under a name of nobody's",
    async (stage) => {
      environment(stage, { K: "v" });
      // The reference is chpst under every name that it does not know.
      fs.symlinkSync(stage.program("envdir"), stage.at("mine"));
      assertPrints(await stage.run(stage.at("mine"), ["E", "sh", "-c", "echo $K"]), "v\n");
      fs.symlinkSync(fs.realpathSync(stage.program("chpst")), stage.at("denvdir"));
      assertPrints(await stage.run(stage.at("denvdir"), ["E", "sh", "-c", "echo $K"]), "v\n");
    },
    { only: "ours", differs: "chpst-tool-names" },
  );

  story(113, "called denvdir it is envdir", async (stage) => {
    environment(stage, { K: "v" });
    assertPrints(await runAs(stage, "denvdir", ["E", "sh", "-c", "echo $K"]), "v\n");
    assertUsage(await runAs(stage, "denvdir", []), "usage: envdir dir child\n\n");
    assertUsage(await runAs(stage, "dsetlock", "-z"), `dsetlock: illegal option -- z\n${setlockUsage}`);
  });

  story(114, "goes by the last part of its name", async (stage) => {
    const showLimit = ["-o", "30", "sh", "-c", "ulimit -n"];
    assertPrints(await chpst(stage, showLimit, { argv0: "/a/b/softlimit" }), "30\n");
    assertUsage(await chpst(stage, [], { argv0: "/a/b/softlimit" }), softlimitUsage);
    assertUsage(await chpst(stage, [], { argv0: "envdir" }), "usage: envdir dir child\n\n");
    assertUsage(await chpst(stage, [], { argv0: "chpst/denvdir" }), "usage: envdir dir child\n\n");
  });

  story(
    "114b",
    "is chpst under any name that is none of its others, also an empty one",
    async (stage) => {
      const names = [
        ["/a/b/", ""],
        ["envdir/", ""],
        ["d", ""],
        ["envdirs", "envdirs"],
        ["ddenvdir", "denvdir"],
        ["Envdir", "Envdir"],
        ["-chpst", "-chpst"],
      ] as const;
      for (const [argv0, name] of names) {
        assertUsage(await chpst(stage, [], { argv0 }), usageOf(stage, name));
        const called = argv0.replace(/^.*\//, "");
        const complaint = `${called}: illegal option -- x\n${usageOf(stage, name)}`;
        assertUsage(await chpst(stage, "-x", { argv0 }), complaint);
      }
    },
    showsUsage,
  );

  story(
    "114c",
    "is installed under its seven names",
    async (stage) => {
      environment(stage, { K: "v" });
      const calls: readonly [Alias | "chpst", readonly string[]][] = [
        ["chpst", ["-e", "E", "/bin/sh", "-c", "echo $K"]],
        ["envdir", ["E", "/bin/sh", "-c", "echo $K"]],
        ["envuidgid", ["root", "/bin/sh", "-c", "[ $UID$GID = 00 ] && echo v"]],
        ["pgrphack", ["/bin/echo", "v"]],
        ["setlock", ["lk", "/bin/echo", "v"]],
        ["softlimit", ["-o", "30", "/bin/sh", "-c", "[ $(ulimit -n) = 30 ] && echo v"]],
      ];
      for (const [name, words] of calls) {
        const program = stage.program(name);
        assert.equal(path.dirname(program), stage.build.path[0]);
        assert.equal(fs.realpathSync(program), fs.realpathSync(stage.program("chpst")));
        assertPrints(await stage.run(program, words), "v\n");
      }
      assertUsage(await stage.run("setuidgid", []), "usage: setuidgid account child\n\n");
    },
    { only: "ours" },
  );

  story(
    "115b",
    "the last of several -u and -U wins, also with numbers",
    async (stage) => {
      assertPrints(await chpst(stage, "-u nosuch -u :1001:1001 id -u"), "1001\n");
      assertPrints(await chpst(stage, ["-U", "nosuch", "-U", ":1:2", "sh", "-c", "echo $UID $GID"]), "1 2\n");
      assertFails(await chpst(stage, "-u :1001:1001 -u nosuch id -u"), "unknown user/group: nosuch");
    },
    rootOnly,
  );

  story(
    "1b",
    "an ordinary user gets the same words",
    async (stage) => {
      linkTo(stage, "softlimit");
      assertUsage(await chpst(stage, [], nobody), usageOf(stage));
      assertUsage(await runAs(stage, "softlimit", [], nobody), softlimitUsage);
    },
    { ...showsUsage, ...rootOnly },
  );

  story(
    "118",
    "takes a word that begins with -- for the end of the options; ours knows long options, and no others",
    async (stage) => {
      for (const word of ["help", "version", "no-new-priv", "no-new-privsx", "drop-cap=all", "-", "=", "u"]) {
        const outcome = await chpst(stage, [`--${word}`, "echo", "hi"]);
        if (stage.isOurs) assertUsage(outcome, `chpst: illegal option -- ${word}\n${usageOf(stage)}`);
        else assertPrints(outcome, "hi\n");
      }
      if (stage.isOurs) {
        const complaint = `chpst: option takes no argument -- no-new-privs\n${usageOf(stage)}`;
        assertUsage(await chpst(stage, ["--no-new-privs=1", "echo", "hi"]), complaint);
      }
      assertPrints(await chpst(stage, ["printf", "%s", "--help"]), "--help");
      assertPrints(await chpst(stage, ["--", "printf", "%s", "--help"]), "--help");
      assertPrints(await chpst(stage, ["-b", "--help", "echo", "hi"]), "hi\n");
    },
    { differs: "chpst-long-options" },
  );

  story("118b", "setlock and softlimit take a word that begins with -- for the end of the options", async (stage) => {
    assertPrints(await runAs(stage, "setlock", "-x --help lk echo hi"), "hi\n");
    assertPrints(await runAs(stage, "softlimit", "-o 30 --no-new-privs echo hi"), "hi\n");
    assertPrints(await runAs(stage, "softlimit", "-- echo hi"), "hi\n");
  });
});
