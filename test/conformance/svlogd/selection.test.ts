// What a config selects, and what it cannot say: spec/svlogd.md, sections 4.2, 6 and 8.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { logDirectory, logged, logging, logs } from "./scenes.ts";

interface Selection {
  readonly number: number | string;
  readonly title: string;
  readonly config: string;
  readonly words?: string;
  readonly lines: readonly string[];
  readonly kept: readonly string[];
}

const tcpsvd = "2005-12-18_09:13:50.97618 tcpsvd: info: pid 1977";
const selections: readonly Selection[] = [
  {
    number: 21,
    title: "bytes are replaced before patterns are tried",
    config: "-*_x\n",
    words: "-R  l",
    lines: ["a\tx", "b"],
    kept: ["b"],
  },
  {
    number: 26,
    title: "a star skips to the first byte that follows it",
    config: "-*pid*\n",
    lines: [tcpsvd, "pid x"],
    kept: [tcpsvd],
  },
  {
    number: "26b",
    title: "more stars lead to a later one",
    config: "-*: *: pid *\n",
    lines: [tcpsvd, "tcpsvd: info: pid 1977", "a: pid c"],
    kept: [tcpsvd, "a: pid c"],
  },
  {
    number: 27,
    title: "a star does not go back",
    config: "-*ab\n",
    lines: ["ab", "xab", "aab", "xaab"],
    kept: ["aab", "xaab"],
  },
  {
    number: 28,
    title: "a plus at the end of the line matches whatever follows in the pattern",
    config: "-+ab\n",
    lines: ["ab", "aaab", "aaa", "a", "b", "abb"],
    kept: ["b", "abb"],
  },
  {
    number: 29,
    title: "two stars want a star",
    config: "-**\n",
    lines: ["abc", "a*b", "*", ""],
    kept: ["abc", ""],
  },
  {
    number: 30,
    title: "a star and two pluses want a plus",
    config: "-*++\n",
    lines: ["abc", "a+", "a++", "+x"],
    kept: ["abc", "+x"],
  },
  {
    number: 31,
    title: "the last match decides",
    config: "-*\n+*b*\n-*c*\n",
    lines: ["a", "ab", "abc", "cb"],
    kept: ["ab"],
  },
  {
    number: 32,
    title: "the empty pattern matches the empty line",
    config: "-\n",
    lines: ["", "x", ""],
    kept: ["x"],
  },
  {
    number: "33b",
    title: "a last line of one byte that ends in a newline counts",
    config: "-*\n+\n",
    lines: ["a", ""],
    kept: [""],
  },
  {
    number: 35,
    title: "only the first -l bytes of a line are looked at",
    config: "-abcde\n",
    words: "-l5 l",
    lines: ["abcdeXXX", "abcde", "abc"],
    kept: ["abc"],
  },
  {
    number: "35b",
    title: "every byte but star and plus means itself",
    config: "-a?c\n- a\n-[x]\n-\\*\n-\xe9\n-A\n-#\n",
    lines: ["a?c", "abc", " a", "a", "[x]", "x", "\\x", "\xe9", "\xe8", "#", "A"],
    kept: ["abc", "a", "x", "\xe8"],
  },
  {
    number: "35c",
    title: "a pattern without operators must be the whole line",
    config: "-*\n+a\n+b*\n+*c\n",
    lines: ["a", "ab", "b", "ba", "", "c", "xc", "xcc", "xcd"],
    kept: ["a", "b", "ba", "c", "xc"],
  },
  {
    number: "35d",
    title: "a plus takes one or more, and a literal operator after it",
    config: "-*\n+++\n++*\n+x+ab\n",
    lines: ["+", "++", "+a", "*", "**", "*a", "xab", "xaaa", "xb"],
    kept: ["+", "++", "*", "**", "xab", "xaaa"],
  },
  {
    number: "35e",
    title: "a plus at the end of a pattern matches nothing",
    config: "-*+\n-a+\n",
    lines: ["a+", "+", "abc", "a", "aa"],
    kept: ["a+", "+", "abc", "a", "aa"],
  },
  {
    number: "35f",
    title: "blanks, and a carriage return, belong to the pattern",
    config: "-a \r\n-b\r\n",
    lines: ["a", "a \r", "b", "b\r", "b "],
    kept: ["a", "b", "b "],
  },
];

/** What svlogd says of a line of a config that it skips; the original says nothing. */
function notUnderstood(stage: Stage, lines: Record<number, string>): string {
  if (!stage.isOurs) return "";
  const complaint = (line: string, text: string) =>
    `svlogd: warning: unable to understand config: l: line ${line}: ${text}\n`;
  return Object.entries(lines)
    .map(([line, text]) => complaint(line, text))
    .join("");
}
const reported = { differs: "svlogd-config-reported" } as const;

/** Asserts which lines are kept, and what is printed. */
async function keeps(stage: Stage, config: string, lines: readonly string[], kept: readonly string[], err = "") {
  logDirectory(stage, config);
  const outcome = await logs(stage, "l", lines.map((line) => `${line}\n`).join(""));
  assert.deepEqual({ err: outcome.err, kept: stage.read("l/current").split("\n").slice(0, -1) }, { err, kept });
}

stories("svlogd", (story) => {
  for (const { number, title, config, words = "l", lines, kept } of selections) {
    story(number, title, async (stage) => {
      stage.file("l/config", Buffer.from(config, "latin1"));
      const { err } = await logs(stage, words.split(" "), lines.map((line) => `${line}\n`).join(""));
      assert.deepEqual({ err, kept: stage.read("l/current").split("\n").slice(0, -1) }, { err: "", kept });
    });
  }

  story(22, "e copies lines to stderr, long ones cut and marked", async (stage) => {
    logDirectory(stage, "eerr*\n");
    const input = "err1\nok\nerr45678\nerr456789\n";
    const { err } = await logs(stage, "-l8 l", input);
    assert.equal(err, "err1\nerr45678...\nerr45678...\n");
    assert.equal(stage.read("l/current"), input);
  });

  story("22b", "a long line is on stderr as soon as its first -l bytes are there", async (stage) => {
    logDirectory(stage, "e*\n");
    const log = await logging(stage, "-l8 l");
    await log.send("1234567");
    assert.equal(log.err, "");
    await log.send("8");
    await stage.becomes(() => log.err, "12345678...\n");
    await log.send("9\nx\n");
    assert.equal((await log.ends()).err, "12345678...\nx\n");
    assert.equal(stage.read("l/current"), "123456789\nx\n");
  });

  story(23, "what is not selected can still be copied to stderr", async (stage) => {
    logDirectory(stage, "-*\neerr*\n");
    const { err } = await logs(stage, "l", "err1\nok\n");
    assert.equal(err, "err1\n");
    assert.equal(stage.read("l/current"), "");
  });

  story(24, "stamp and prefix are in front on stderr too", async (stage) => {
    logDirectory(stage, "e*\nEok*\np[X] \n");
    const { err } = await logs(stage, "-tt l", "err1\nok\n");
    assert.match(err, /^[-0-9_:.]{25} \[X\] err1\n$/);
    assert.match(stage.read("l/current"), /^[-0-9_:.]{25} \[X\] err1\n[-0-9_:.]{25} \[X\] ok\n$/);
    assert.ok(stage.read("l/current").startsWith(err));
  });

  story(25, "every directory copies for itself", async (stage) => {
    logDirectory(stage, "e*\np1 \n", "k");
    logDirectory(stage, "e*\np2 \n", "l");
    const { err } = await logs(stage, "k l", "a\nb\n");
    assert.equal(err, "1 a\n2 a\n1 b\n2 b\n");
  });

  story(
    33,
    "a last line of one byte without newline is ignored",
    async (stage) => {
      await keeps(stage, "-*\n+", ["a", ""], [], notUnderstood(stage, { 2: "+" }));
    },
    reported,
  );

  story(
    "33c",
    "a config of one byte is ignored",
    async (stage) => {
      await keeps(stage, "-", ["a", ""], ["a", ""], notUnderstood(stage, { 1: "-" }));
    },
    reported,
  );

  story("33d", "a longer last line needs no newline", async (stage) => {
    await keeps(stage, "-*\n+a", ["a", "b"], ["a"]);
  });

  story(
    34,
    "a line that begins with a blank is ignored",
    async (stage) => {
      await keeps(stage, " -*\n", ["abc"], ["abc"], notUnderstood(stage, { 1: " -*" }));
    },
    reported,
  );

  story(
    "34b",
    "lines that mean nothing are skipped, comments and empty lines in silence",
    async (stage) => {
      const config = "# a comment\n\n#\n\t-*\nxyz\ns 100\nQ5\n-b\nn-5\n!\np\n";
      const expected = { 4: "\t-*", 5: "xyz", 6: "s 100", 7: "Q5", 9: "n-5" };
      await keeps(stage, config, ["a", "b", "c"], ["a", "c"], notUnderstood(stage, expected));
    },
    reported,
  );

  story(
    "34c",
    "what follows a number is ignored",
    async (stage) => {
      const config = "s2kb\nn3 old files\nt1d\nN1x\n-b\n";
      const expected = { 1: "s2kb", 2: "n3 old files", 3: "t1d", 4: "N1x" };
      await keeps(stage, config, ["a", "b"], ["a"], notUnderstood(stage, expected));
    },
    reported,
  );

  story("34d", "numbers with their suffixes, and letters alone, are understood", async (stage) => {
    await keeps(stage, "s2k\ns3m\ns\nn\nN\nt\nt1m\nt5h\nn10\nt3\n", ["a"], ["a"]);
  });

  story(
    "Q4",
    "a pattern that goes on behind the end of the line",
    async (stage) => {
      // The original compares it with what is left of an earlier line in its buffer.
      const kept = stage.isOurs ? ["ya", "x", ""] : ["ya"];
      await keeps(stage, "-x+ab\n-+y\n", ["xab", "ya", "x", "yyy", "", "xaaa"], kept);
    },
    { differs: "svlogd-pattern-past-end" },
  );

  story("35g", "two thousand rules are tried for every line", async (stage) => {
    const rules = Array.from({ length: 2000 }, (_, index) => `${index % 2 ? "+" : "-"}*${index} *`);
    const lines = ["0 x", "1 x", "777 x", "778 x", "1998 x", "1999 x", "2000 x"];
    await keeps(stage, `-*\n${rules.join("\n")}\n`, lines, ["1 x", "777 x", "1999 x"]);
  });

  story("35h", "ten directories with configs of their own each take what they want", async (stage) => {
    const lines = Array.from({ length: 300 }, (_, index) => `${index % 7} line ${index}`);
    const wants = [
      { config: "-*\n+0*\n", takes: (line: string) => line.startsWith("0") },
      { config: "-0*\n", takes: (line: string) => !line.startsWith("0") },
      { config: "-*\n+*line 1*\n", takes: (line: string) => line.slice(2).startsWith("line 1") },
      { config: "-*\n", takes: () => false },
      { config: "pX: \n", prefix: "X: " },
      { config: "s1000\nn0\n" },
      { config: "s2000\nn0\np>\n", prefix: ">" },
      { config: "s3k\nn0\n!cat\n" },
      { config: "-*\n+3*\n+4*\ns1100\nn0\n", takes: (line: string) => /^[34]/.test(line) },
      { config: "" },
    ];
    const names = wants.map((want, index) => {
      logDirectory(stage, want.config, `l${index}`);
      return `l${index}`;
    });
    const { err } = await logs(stage, names, lines.map((line) => `${line}\n`).join(""));
    assert.equal(err, "");
    for (const [index, { takes = () => true, prefix = "" }] of wants.entries()) {
      const expected = lines.filter(takes).map((line) => `${prefix}${line}\n`);
      assert.equal(logged(stage, `l${index}`), expected.join(""), wants[index]?.config);
    }
  });
});
