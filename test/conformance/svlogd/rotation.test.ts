// Rotation by size, and which old files go: spec/svlogd.md, sections 9 and 10.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  everyLine,
  files,
  future,
  labelled,
  logDirectory,
  logged,
  logging,
  logs,
  ofKind,
  old,
  save,
  secondsOf,
  texts,
  unlabelled,
} from "./scenes.ts";

/** How long the saved files are, oldest first, and `current`. */
function lengths(stage: Stage): readonly number[] {
  return [...texts(stage).map((text) => text.length), stage.read("l/current").length];
}
const lines = (count: number, length: number) => `${"x".repeat(length - 1)}\n`.repeat(count);

interface Rotation {
  readonly number: number | string;
  readonly title: string;
  readonly config?: string;
  readonly words?: string;
  readonly input: string;
  readonly lengths: readonly number[];
}
const rotations: readonly Rotation[] = [
  {
    number: 37,
    title: "cuts lines where size is less than -l",
    config: "s100\n",
    input: lines(4, 60),
    lengths: [100, 100, 40],
  },
  {
    number: 38,
    title: "rotates at the last line end that leaves no room for a line of -l bytes",
    config: "s2000\n",
    words: "-l100 l",
    input: lines(25, 100),
    lengths: [1900, 600],
  },
  {
    number: 39,
    title: "takes k for 1024",
    config: "s2k\n",
    words: "-l100 l",
    input: lines(25, 100),
    lengths: [2000, 500],
  },
  {
    number: "39b",
    title: "takes m for 1024 k",
    config: "s1m\n",
    input: lines(1025, 1024),
    lengths: [1024 * 1024, 1024],
  },
  {
    number: 41,
    title: "cuts a line that does not fit into a file",
    config: "s2000\n",
    words: "-l10 l",
    input: `${"L".repeat(5000)}\nnext\n`,
    lengths: [2000, 2000, 1006],
  },
  {
    number: "41b",
    title: "rotates a file that is full without a line end only with the next line",
    config: "s2000\n",
    words: "-l10 l",
    input: `${"L".repeat(1999)}\n${"M".repeat(1000)}\n${"N".repeat(1000)}`,
    lengths: [2000, 2000, 2],
  },
  {
    number: 113,
    title: "rotates at a million bytes without a config",
    input: lines(980, 1024),
    lengths: [999424, 4096],
  },
];

stories("svlogd", (story) => {
  story(36, "rotates after every line where size is -l", async (stage) => {
    logDirectory(stage, everyLine);
    const { err } = await logs(stage, "-v l", "one\ntwo\n");
    assert.deepEqual(files(stage), { "@1.s": "one\n", "@2.s": "two\n", current: "" });
    for (const name of [...labelled(stage), "current"]) assert.equal(stage.mode(`l/${name}`), 0o744);
    const rename = "svlogd: info: rename: l/current @T.s 4\n";
    const opened = "svlogd: info: read: l/config\nsvlogd: info: new: l/current\n";
    assert.equal(unlabelled(err), `${opened}${rename}${rename}svlogd: info: close: l\n`);
    for (const name of labelled(stage)) assert.ok(err.includes(`rename: l/current ${name} 4\n`));
  });

  story("36b", "a saved file has the time of its rotation", async (stage) => {
    logDirectory(stage, everyLine);
    const log = await logging(stage, "-t l");
    const before = Date.now() / 1000;
    await log.send("one\n");
    const after = Date.now() / 1000 + 0.002;
    const [name = ""] = labelled(stage);
    const rotated = secondsOf(name);
    assert.ok(before <= rotated && rotated <= after, `${before} ${rotated} ${after}`);
    assert.ok(stage.read(`l/${name}`) < name);
    await log.ends();
  });

  for (const { number, title, config, words = "l", input, lengths: expected } of rotations) {
    story(number, title, async (stage) => {
      logDirectory(stage, config);
      await logs(stage, words, input);
      assert.deepEqual(lengths(stage), expected);
      assert.ok(logged(stage) === (input.endsWith("\n") ? input : `${input}\n`));
    });
  }

  story(
    40,
    "a blank before a size is not understood",
    async (stage) => {
      logDirectory(stage, "s 1000\n");
      const { err } = await logs(stage, "l", lines(50, 100));
      assert.deepEqual(lengths(stage), [5000]);
      const complaint = "svlogd: warning: unable to understand config: l: line 1: s 1000\n";
      assert.equal(err, stage.isOurs ? complaint : "");
    },
    { differs: "svlogd-config-reported" },
  );

  story("40b", "s0 never rotates", async (stage) => {
    logDirectory(stage, "s0\n");
    await logs(stage, "l", lines(1100, 1024));
    assert.deepEqual(lengths(stage), [1100 * 1024]);
  });

  story(42, "keeps as many old files as n says, and deletes the oldest", async (stage) => {
    logDirectory(stage, `${everyLine}n2\n`);
    const { err } = await logs(stage, "-v l", "1\n2\n3\n4\n5\n");
    assert.deepEqual(files(stage), { "@1.s": "4\n", "@2.s": "5\n", current: "" });
    const named = (verb: string) => [...err.matchAll(new RegExp(`${verb}.*(@.*s)`, "g"))].map(([, name]) => name);
    assert.equal(named("rename: l/current").length, 5);
    assert.deepEqual(named("delete: "), named("rename: l/current").slice(0, 3));
    assert.equal(unlabelled(err).split("svlogd: info: delete: l/@T.s\n").length, 4);
  });

  story(43, "n0 keeps every old file", async (stage) => {
    logDirectory(stage, `${everyLine}n0\n`);
    const input = "1 2 3 4 5 6 7 8 9 a b c d".replaceAll(" ", "\n");
    await logs(stage, "l", `${input}\n`);
    assert.equal(texts(stage).join(""), `${input}\n`);
    assert.equal(texts(stage).length, 13);
  });

  story("43b", "keeps ten old files without a word about it", async (stage) => {
    logDirectory(stage, everyLine);
    await logs(stage, "l", "1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\n");
    assert.equal(texts(stage).join(""), "4\n5\n6\n7\n8\n9\na\nb\nc\nd\n");
  });

  story(44, "counts what current holds already", async (stage) => {
    logDirectory(stage, "s1100\n");
    stage.file("l/current", lines(1, 100), 0o744);
    await logs(stage, "l", "ab\ncd\n");
    assert.deepEqual(files(stage), { "@1.s": `${lines(1, 100)}ab\n`, current: "cd\n" });
  });

  story(114, "rotates a current that is too long already at the first write", async (stage) => {
    logDirectory(stage, "s50\n");
    stage.file("l/current", lines(1, 100), 0o744);
    const log = await logging(stage);
    assert.deepEqual(labelled(stage), []);
    await log.send("ab\ncd\n");
    await log.ends();
    assert.deepEqual(files(stage), { "@1.s": lines(1, 100), current: "ab\ncd\n" });
  });

  for (const [number, names, ofOriginal, ofOurs] of [
    [49, [old(1, "u"), old(2, "s"), old(3, "s")], ["old1.u", "old3.s"], ["old2.s", "old3.s"]],
    [50, [old(1, "u"), old(2, "s")], ["old1.u", "old2.s"], ["old2.s"]],
  ] as const) {
    story(
      number,
      `prunes ${names.join(" ")}`,
      async (stage) => {
        logDirectory(stage, `${everyLine}n2\n`);
        save(stage, names);
        await logs(stage, "l", "new\n");
        // Debian's neither counts nor deletes files that wait for a processor; 2.3.0 does.
        const expected = [...(stage.isOurs ? ofOurs : ofOriginal), "@1.s", "current"];
        assert.deepEqual(Object.keys(files(stage)).sort(), expected.sort());
      },
      { differs: "svlogd-prunes-as-2.3.0" },
    );
  }

  story(
    51,
    "old files of the future",
    async (stage) => {
      logDirectory(stage, `${everyLine}n2\n`);
      save(stage, [future(1, "s"), future(2, "s"), future(3, "s")]);
      await logs(stage, "l", "new\n");
      const left = Object.keys(files(stage)).sort();
      // One goes for one that comes: the surplus stays.
      if (stage.isOurs) assert.deepEqual(left, ["@1.s", "current", "future2.s", "future3.s"]);
      else assert.deepEqual(left, ["current", "future1.s", "future2.s", "future3.s"]);
      if (stage.isOurs) assert.ok((labelled(stage).at(-1) ?? "") > future(3, "s"));
    },
    { differs: "svlogd-names-sort" },
  );

  story(
    "51b",
    "with a clock that is behind the old files, the oldest line goes first",
    async (stage) => {
      logDirectory(stage, `${everyLine}n3\n`);
      save(stage, [future(1, "s")]);
      await logs(stage, "l", "1\n2\n3\n4\n5\n");
      assert.deepEqual(texts(stage), ["3\n", "4\n", "5\n"]);
    },
    { differs: "svlogd-names-sort", only: "ours" },
  );

  story(52, "deletes unfinished output, counts names of 27 bytes, and knows no others", async (stage) => {
    logDirectory(stage, `${everyLine}n2\n`);
    const odd = `@${"z".repeat(26)}`;
    const short = "@short";
    const long = `${old(1, "s")}x`;
    save(stage, [old(1, "t"), old(2, "s"), short, odd, long]);
    await logs(stage, "l", "new\n");
    const left = labelled(stage);
    // The new one, old2, and the odd one make three.
    assert.deepEqual([left.length, left.includes(old(1, "t")), left.includes(old(2, "s"))], [4, false, false]);
    for (const name of [short, odd, long]) assert.ok(left.includes(name), name);
    assert.equal(ofKind(stage, "s").length, 1);
  });

  story("52b", "deletes one old file for one that comes, also after n was made smaller", async (stage) => {
    logDirectory(stage, `${everyLine}n2\n`);
    save(
      stage,
      [1, 2, 3, 4, 5].map((number) => old(number, "s")),
    );
    await logs(stage, "l", "a\nb\n");
    assert.deepEqual(Object.keys(files(stage)).sort(), ["@1.s", "@2.s", "current", "old3.s", "old4.s", "old5.s"]);
  });
});
