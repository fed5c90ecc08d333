// The environment directory of -e: spec/chpst.md, section 5.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  assertFails,
  assertPrints,
  becoming,
  chpst,
  entries,
  environment,
  execWith,
  listed,
  needsCompiler,
  nobody,
  rootOnly,
} from "./scenes.ts";

/** What becomes of one file, as an entry of the environment. */
async function assertBecomes(stage: Stage, files: Record<string, string>, expected: readonly string[]): Promise<void> {
  environment(stage, files);
  assert.deepEqual([...(await becoming(stage, "-e E"))].sort(), [...expected].sort());
}
/** Makes a directory with two entries that lists `first` before the other; the name of the other. */
function listedAfter(
  stage: Stage,
  directory: string,
  make: (file: string) => void,
  isFirst: (name: string) => boolean,
): string {
  for (let number = 0; number < 1000; number++) {
    const name = `DANG${number}`;
    make(stage.at(directory, name));
    const [first = ""] = listed(stage.at(directory)).filter((entry) => !entry.startsWith("."));
    if (isFirst(first)) return name;
    fs.rmSync(stage.at(directory, name));
  }
  return assert.fail(`no name is listed where it should be in ${directory}`);
}
const dangling = (file: string) => fs.symlinkSync("/nosuch", file);

stories("chpst", (story) => {
  story(63, "blanks and tabs at the end of a line are gone", async (stage) => {
    await assertBecomes(stage, { TRAIL: "trail \t \n", A: "a \t", B: "b\t\t\nb" }, ["TRAIL=trail", "A=a", "B=b"]);
  });

  story(64, "blanks at the beginning stay, and so does a carriage return", async (stage) => {
    const files = { LEAD: "  lead\n", CR: "cr\r\n", TAB: "\t x", CRB: "x \r\nz", VT: "v\v\f \n" };
    await assertBecomes(stage, files, ["LEAD=  lead", "CR=cr\r", "TAB=\t x", "CRB=x \r", "VT=v\v\f"]);
  });

  story(65, "NUL becomes a newline", async (stage) => {
    await assertBecomes(stage, { NUL: "a\0b\0 \n", ONE: "\0", MANY: "\0\0\0\nx" }, [
      "NUL=a\nb\n",
      "ONE=\n",
      "MANY=\n\n\n",
    ]);
  });

  story(66, "NUL protects blanks in front of it", async (stage) => {
    await assertBecomes(stage, { TN: "p q\t\0\n", TB: "x \0" }, ["TN=p q\t\n", "TB=x \n"]);
  });

  story(67, "an empty file removes the variable", async (stage) => {
    environment(stage, { EMPTY: "", NEVER: "" });
    assert.deepEqual(await becoming(stage, "-e E", ["EMPTY=set", "A=1", "EMPTYX=2"]), ["EMPTYX=2", "A=1"]);
  });

  story(68, "a file with an empty first line sets the variable to nothing", async (stage) => {
    await assertBecomes(stage, { NL: "\n", SPC: "   ", TAB: "\t\n", TWO: "\nsecond\n" }, [
      "NL=",
      "SPC=",
      "TAB=",
      "TWO=",
    ]);
  });

  story(69, "a name that begins with a dot is passed over", async (stage) => {
    environment(stage, { ".hid": "x", A: "1", "..x": "2", "...": "3" });
    fs.mkdirSync(stage.at("E/.dir"));
    fs.symlinkSync("/nosuch", stage.at("E/.link"));
    assert.deepEqual(await becoming(stage, "-v -e E", [".hid=old"]), [".hid=old", "A=1"]);
  });

  story(70, "a name with = sets the variable in front of its first =", async (stage) => {
    environment(stage, { "k=v": "c" });
    assert.deepEqual(await becoming(stage, "-e E", ["k=old", "A=1", "B=2"]), ["B=2", "A=1", "k=v=c"]);
    environment(stage, { "e=f": "" }, "E2");
    assert.deepEqual(await becoming(stage, "-e E2", ["e=old", "A=1"]), ["A=1", "e=f"]);
    environment(stage, { "k=": "c" }, "E4");
    assert.deepEqual(await becoming(stage, "-e E4", ["k=old", "A=1"]), ["A=1", "k==c"]);
    environment(stage, { "e=": "" }, "E5");
    assert.deepEqual(await becoming(stage, "-e E5", ["A=1", "e=old"]), ["A=1", "e="]);
    environment(stage, { "UID=5": "", "GID=6": "x" }, "E6");
    assert.deepEqual(await becoming(stage, "-e E6 -U :1:2"), ["GID=2", "UID=1"]);
  });

  story(
    "70b",
    "a name that begins with = sets a variable without a name",
    async (stage) => {
      const given = ["=old", "A=1", "B=2", "=x=3", "--", stage.program("chpst")];
      for (const [file, content, entry] of [
        ["=x", "c", "=x=c"],
        ["=x", "", "=x"],
        ["=", "", "="],
        ["=", "c", "==c"],
      ] as const) {
        const directory = environment(stage, { [file]: content }, `E${entry}`);
        const words = [...given, "-e", directory, "/bin/cat", "/proc/self/environ"];
        const { out } = await stage.run(execWith(stage), words);
        assert.deepEqual(entries(out), ["=x=3", "A=1", "B=2", entry]);
      }
    },
    needsCompiler,
  );

  story(71, "only the first line counts", async (stage) => {
    await assertBecomes(stage, { TWO: "v1\nv2\n", Z: "v1 \nv2\0\n" }, ["TWO=v1", "Z=v1"]);
  });

  story(72, "a large file is read to its end", async (stage) => {
    const big = "x".repeat(5000);
    const sizes = [255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097, 65_535, 65_536, 65_537, 100_000];
    const files = Object.fromEntries(sizes.map((size) => [`S${size}`, `${"y".repeat(size - 1)}z`]));
    await assertBecomes(stage, { BIG: big, ...files }, [
      `BIG=${big}`,
      ...Object.entries(files).map(([name, content]) => `${name}=${content}`),
    ]);
  });

  story(73, "a directory among the files is passed over, with a word about it for -v", async (stage) => {
    environment(stage, { K: "v" });
    fs.mkdirSync(stage.at("E/sub"));
    const look = ["sh", "-c", "echo $K $sub"];
    const env = { sub: "old" };
    assertPrints(await chpst(stage, ["-e", "E", ...look], { env }), "v old\n");
    const { out, err, code } = await chpst(stage, ["-v", "-e", "E", ...look], { env });
    const warning = "chpst: warning: unable to read E/sub: is a directory\n";
    assert.deepEqual({ out, err, code }, { out: "v old\n", err: warning, code: 0 });
    assert.equal((await chpst(stage, ["-e", "E/", "-v", ...look], { env })).err, warning.replace("E/", "E//"));
  });

  story(74, "a pipe among the files removes the variable", async (stage) => {
    environment(stage, {});
    stage.fifo("E/F");
    assert.deepEqual(await becoming(stage, "-e E", ["F=1", "A=2"]), ["A=2"]);
  });

  story(
    75,
    "a dangling link removes the variable; with the original it repeats the value that was read before",
    async (stage) => {
      environment(stage, { AA: "one two \nsecond" }, "after");
      const after = listedAfter(stage, "after", dangling, (first) => first === "AA");
      const repeated = stage.isOurs ? [] : [`${after}=one two\n`];
      assert.deepEqual(await becoming(stage, "-e after", ["X=1", `${after}=old`]), ["X=1", "AA=one two", ...repeated]);

      environment(stage, { AA: "one two \nsecond" }, "before");
      const before = listedAfter(stage, "before", dangling, (first) => first !== "AA");
      assert.deepEqual(await becoming(stage, "-e before", ["X=1", `${before}=old`]), ["X=1", "AA=one two"]);

      fs.mkdirSync(stage.at("alone"));
      dangling(stage.at("alone/K"));
      assert.deepEqual(await becoming(stage, "-e alone", ["X=1", "K=old"]), ["X=1"]);
    },
    { differs: "chpst-dangling-entry" },
  );

  story(
    76,
    "a file that may not be read is the end",
    async (stage) => {
      environment(stage, { S: "secret" });
      fs.chmodSync(stage.at("E/S"), 0);
      assertFails(await chpst(stage, "-e E true", nobody), "unable to read E/S: access denied");
      assertFails(await chpst(stage, "-v -e E true", nobody), "unable to read E/S: access denied");
    },
    rootOnly,
  );

  story(
    77,
    "a directory that may not be read, or not even entered, is the end",
    async (stage) => {
      environment(stage, { K: "v" });
      fs.chmodSync(stage.at("E"), 0o111);
      assertFails(await chpst(stage, "-e E true", nobody), "unable to open directory: E: access denied");
      fs.chmodSync(stage.at("E"), 0);
      assertFails(await chpst(stage, "-e E true", nobody), "unable to switch to directory: E: access denied");
      fs.chmodSync(stage.at("E"), 0o444);
      assertFails(await chpst(stage, "-e E true", nobody), "unable to switch to directory: E: access denied");
    },
    rootOnly,
  );

  story(
    "77b",
    "a current directory that may not be read is the end, also with a good -e",
    async (stage) => {
      const directory = environment(stage, { K: "v" });
      fs.mkdirSync(stage.at("d"), { mode: 0o111 });
      fs.chmodSync(stage.at("d"), 0o111);
      const outcome = await chpst(stage, ["-e", directory, "true"], { cwd: stage.at("d"), ...nobody });
      assertFails(outcome, "unable to open current working directory: access denied");
    },
    rootOnly,
  );

  story(78, "-e wants a directory that exists", async (stage) => {
    stage.file("afile", "");
    assertFails(await chpst(stage, "-e nodir true"), "unable to switch to directory: nodir: file does not exist");
    assertFails(await chpst(stage, "-e afile true"), "unable to switch to directory: afile: not a directory");
    assertFails(await chpst(stage, ["-e", "", "true"]), "unable to switch to directory: : file does not exist");
  });

  story("78b", "an empty directory changes nothing", async (stage) => {
    environment(stage, {});
    assert.deepEqual(await becoming(stage, "-e E", ["B=1", "A=2"]), ["B=1", "A=2"]);
    assert.deepEqual(await becoming(stage, "-e E"), []);
  });

  story(80, "-U wins over the UID and GID of -e", async (stage) => {
    environment(stage, { UID: "77", GID: "78" });
    const look = ["sh", "-c", "echo $UID $GID"];
    assertPrints(await chpst(stage, ["-e", "E", "-U", ":1001:1002", ...look]), "1001 1002\n");
    assertPrints(await chpst(stage, ["-U", ":1001:1002", "-e", "E", ...look]), "1001 1002\n");
    assertPrints(await chpst(stage, ["-e", "E", "-U", "nobody", "sh", "-c", "echo $UID"]), "65534\n");
  });

  story(81, "a variable is set by moving the last into its place and adding it at the end", async (stage) => {
    environment(stage, { B: "x" });
    assert.deepEqual(await becoming(stage, "-e E", ["A=1", "B=2", "C=3", "D=4"]), ["A=1", "D=4", "C=3", "B=x"]);
    assert.deepEqual(await becoming(stage, "-e E", ["A=1", "B=2"]), ["A=1", "B=x"]);
    assert.deepEqual(await becoming(stage, "-e E", ["B=2"]), ["B=x"]);
    assert.deepEqual(await becoming(stage, "-e E"), ["B=x"]);
  });

  story(
    82,
    "only the first of several entries of a name is replaced, and what is no variable stays",
    async (stage) => {
      environment(stage, { B: "x" });
      const inherited = ["B=1", "Z=1", "B=2", "NOEQ", "Y=1", "--"];
      const words = [...inherited, stage.program("chpst"), "-e", "E"];
      const { out } = await stage.run(execWith(stage), [...words, "/bin/cat", "/proc/self/environ"]);
      assert.deepEqual(entries(out), ["Y=1", "Z=1", "B=2", "NOEQ", "B=x"]);
    },
    needsCompiler,
  );

  story(
    "82b",
    "inherited entries of any kind stay",
    async (stage) => {
      environment(stage, { B: "x", E: "" });
      const odd = ["", "=", "=x", "B", "BB=1", "B =1", "\u00ff\u00fe=\u00e9", "E", "EE=2", "b=3", "A=\n=\n"];
      const words = [...odd, "--", stage.program("chpst"), "-e", "E"];
      const { out } = await stage.run(execWith(stage), [...words, "/bin/cat", "/proc/self/environ"]);
      const expected = [...odd, "B=x"].map((entry) => Buffer.from(entry).toString("latin1"));
      assert.deepEqual(entries(out), expected);
    },
    needsCompiler,
  );

  story(83, "the last -e is the only one that is read", async (stage) => {
    environment(stage, { A: "1", B: "1" }, "E1");
    environment(stage, { B: "2" }, "E2");
    assert.deepEqual(await becoming(stage, "-e E1 -e E2"), ["B=2"]);
    assert.deepEqual(await becoming(stage, "-e nodir -e E2"), ["B=2"]);
  });

  story("83b", "the program starts in the directory where chpst was started", async (stage) => {
    environment(stage, { A: "1" });
    assertPrints(await chpst(stage, "-e E /bin/pwd -P"), `${stage.dir}\n`);
    fs.mkdirSync(stage.at("gone"));
    const outcome = await chpst(stage, ["-e", stage.at("E"), "readlink", "/proc/self/cwd"], {
      cwd: stage.at("gone"),
      via: ["/bin/sh", "-c", 'rmdir ../gone; exec "$@"', "sh"],
    });
    assertPrints(outcome, `${stage.at("gone")} (deleted)\n`);
  });

  story("83c", "many variables at once, set and removed", async (stage) => {
    const inherited = Array.from({ length: 40 }, (_, index) => `V${index}=old`);
    const files: Record<string, string> = {};
    for (let index = 0; index < 40; index += 2) files[`V${index}`] = index % 4 === 0 ? "" : "new";
    environment(stage, files);
    // In the order in which the directory lists them.
    const expected = [...inherited];
    for (const name of listed(stage.at("E"))) {
      const at = expected.findIndex((entry) => entry.startsWith(`${name}=`));
      const last = expected.pop() ?? "";
      if (at < expected.length) expected[at] = last;
      if (files[name] !== "") expected.push(`${name}=new`);
    }
    assert.deepEqual(await becoming(stage, "-e E", inherited), expected);
  });
});
