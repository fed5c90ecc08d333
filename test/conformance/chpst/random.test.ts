// Random argument lists, told to our build and to the reference: both say and do the same.
//
// A fixed seed, or the one in SEED, decides the lists. One shell for each build runs them all, as an ordinary user in a
// directory of its own, and prints after each a line with its number and the exit code.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite, test } from "node:test";
import type { Running } from "../stage.ts";
import { builds, isRoot, missing, Stage } from "../stage.ts";
import { environment, holder, linkTo, nobody } from "./scenes.ts";

const seed = Number(process.env["SEED"] ?? "20240607");
type Words = readonly string[];

/** Mulberry32: numbers from 0 to below 1. */
function randomNumbers(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// ── words ──

const counts = ["", "0", "5", "50", "007", "1000000000", "2000000000", "9223372036854775807"];
const odd = ["9223372036854775808", "18446744073709551614", "18446744073709551615", "18446744073709551666"];
const malformed = ["12x", "-1", "=", "10k", " 5", "+5", "x", "1e3", "5 ", "\xd9\xa3", "\xb2"];
const increments = ["0", "1", "5", "+3", "19", "100", "+", "-", "-0", "", "-1", "-20"];
const wideIncrements = ["2147483647", "2147483648", "4294967296", "4294967301", "-4294967297", "18446744073709551621"];
const badIncrements = ["x", "++5", "-+5", "5x", "+-1"];
const accounts = ["root", "nobody", "nosuch", "nobody:nogroup", "root:nosuch", "root:", "", ":", "::", ":5", ":5:6"];
const moreAccounts = [
  ":5:",
  "::7",
  ":5:6:7",
  ":5:x",
  ":x",
  ":4294967297:4294967298",
  "0",
  ":-1:5",
  `:1${":9".repeat(61)}`,
];
const directories = ["E", "E2", "./E", "nodir", "afile", "", "E/sub", "/"];
const locks = ["lk", "lk2", "", ".", "nodir/x", "E", "afile"];
const names = ["foo", "", "-sh", "a b", "\xe9\xff"];
const shows = 'echo ran "$0" "$UID" "$GID" "$K"; ulimit -Sa; nice';
const programs: readonly Words[] = [
  ["/bin/true"],
  ["true", "-x"],
  ["false"],
  ["nosuch"],
  ["./nosuch", "--", "-v"],
  [""],
  ["E"],
  ["./plain"],
  ["afile"],
  ["/bin/sh", "-c", "exit 3"],
  ["sh", "-c", "kill -TERM $$"],
];

/** Chooses from lists, with the probabilities that each asks for. */
class Chance {
  readonly #next: () => number;
  constructor(start: number) {
    this.#next = randomNumbers(start);
  }
  in(percent: number): boolean {
    return this.#next() * 100 < percent;
  }
  upTo(count: number): number {
    return Math.floor(this.#next() * (count + 1));
  }
  of<T>(...lists: readonly (readonly T[])[]): T {
    const all = lists.flat();
    return all[this.upTo(all.length - 1)] ?? assert.fail("nothing to choose from");
  }
  number(): string {
    return this.in(85) ? this.of(counts) : this.of(odd, malformed);
  }
  /** A limit in whose way nothing comes that the story does not know: how many processes, how much time. */
  spacious(): string {
    return this.in(85) ? this.of(["100000", "1000000000", "9223372036854775807"]) : this.of(malformed);
  }
  /** A list of options: clusters, arguments in their own word or the next, and at times none where one is due. */
  options(count: number, flags: string, withArgument: Readonly<Record<string, () => string>>): Words {
    const words: string[] = [];
    for (let made = 0; made < count; made++) {
      let cluster = "-";
      while (flags !== "" && this.in(30)) cluster += this.of([...flags]);
      if (this.in(2)) cluster += this.of([..."xsah3:?=-\xe9"].filter((letter) => letter !== "-" || cluster !== "-"));
      const letter = this.of(Object.keys(withArgument));
      const argument = withArgument[letter]?.() ?? "";
      if (cluster !== "-" && this.in(30)) words.push(cluster);
      else if (this.in(40)) words.push(`${cluster}${letter}${argument}`);
      else words.push(`${cluster}${letter}`, ...(this.in(99) ? [argument] : []));
    }
    if (this.in(15)) words.push("--");
    if (this.in(2)) words.push("-");
    return words;
  }
  /** The program and its arguments, seldom none. */
  program(): Words {
    if (this.in(4)) return [];
    return this.in(50) ? ["sh", "-c", shows] : this.of(programs);
  }
}

function chpstWords(chance: Chance): Words {
  const number = () => chance.number();
  const spacious = () => chance.spacious();
  const limits = { ...Object.fromEntries([..."mdofcr"].map((letter) => [letter, number])), p: spacious, t: spacious };
  return [
    ...chance.options(chance.upTo(4), "vP012v", {
      ...(chance.in(60) ? limits : {}),
      n: () => (chance.in(80) ? chance.of(increments) : chance.of(wideIncrements, badIncrements)),
      U: () => chance.of(accounts, moreAccounts),
      b: () => chance.of(names),
      e: () => (chance.in(60) ? "E" : chance.of(directories)),
      ...(chance.in(20) ? { u: () => chance.of(accounts, moreAccounts), "/": () => chance.of(directories) } : {}),
      ...(chance.in(30) ? { l: () => chance.of(locks), L: () => chance.of(locks, ["held"]) } : {}),
    }),
    ...chance.program(),
  ];
}
function setlockWords(chance: Chance): Words {
  const flags = [..."nNxX"].slice(chance.in(50) ? 1 : 0);
  const words: string[] = [];
  while (chance.in(60)) {
    let cluster = "-";
    do cluster += chance.of(flags);
    while (chance.in(40));
    words.push(chance.in(4) ? `${cluster}${chance.of([..."zV=-"])}` : cluster);
  }
  if (chance.in(20)) words.push(chance.of(["--", "-"]));
  const waits = words.join("").includes("n");
  if (chance.in(96)) words.push(waits ? chance.of(locks) : chance.of(locks, ["held", "held"]));
  return [...words, ...chance.program()];
}
function softlimitWords(chance: Chance): Words {
  const number = () => (chance.in(20) ? "=" : chance.number());
  const spacious = () => chance.spacious();
  const limits = {
    ...Object.fromEntries([..."acdflmors"].map((letter) => [letter, number])),
    p: spacious,
    t: spacious,
  };
  return [...chance.options(chance.upTo(3), "", limits), ...chance.program()];
}

// ── running them ──

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
const nextRecord = /\n=== (\d+) (\d+)\n/;

/** Output and exit code of each list, as one build has it. */
async function records(stage: Stage, program: string, lists: readonly Words[]): Promise<readonly string[]> {
  const link = `.bin/${program}`;
  linkTo(stage, program);
  const lines = lists.map((words, number) => {
    const call = [link, ...words].map(quoted).join(" ");
    return `${call} </dev/null 2>&1\nprintf '\\n=== %d %d\\n' ${number} $?`;
  });
  stage.file("script", Buffer.from(`exec 2>&1\n${lines.join("\n")}\n`, "latin1"));
  const running: Running = stage.start("/bin/sh", ["script"], {
    onlyEnv: { PATH: "/usr/bin:/bin", UID: "u", K: "old" },
    ...(isRoot ? nobody : {}),
  });
  const outcome = await stage.end(running, 60_000);
  const found = outcome.out.split(nextRecord);
  const texts: string[] = [];
  for (let at = 0; at + 2 < found.length; at += 3) {
    assert.equal(found[at + 1], `${texts.length}`, "records in order");
    texts.push(`${found[at]}exit ${found[at + 2]}`);
  }
  assert.equal(texts.length, lists.length, outcome.out.slice(-300));
  return texts;
}
/** What nobody else has: the usage's -C. */
function comparable(text: string): string {
  return text.replaceAll(" [-C pwd]", "");
}
/** What to print when the builds disagree; empty when they do not. */
function difference(words: Words, one: string, other: string): string {
  if (comparable(one) === comparable(other)) return "";
  const lines = [one, other].map((text, index) => `  ${builds[index]?.name}: ${JSON.stringify(text)}\n`);
  return `${words.map(quoted).join(" ")}\n${lines.join("")}`;
}
async function prepared(stage: Stage): Promise<void> {
  environment(stage, { K: "v \t\nsecond", EMPTY: "", "a b": "c" });
  environment(stage, { K: "w", GID: "9" }, "E2");
  fs.mkdirSync(stage.at("E2/sub"));
  stage.file("afile", "");
  stage.file("plain", "no script\n", 0o755);
  fs.chmodSync(stage.dir, 0o777);
  if (missing("flock") === false) await holder(stage, "held");
  else stage.file("held", "");
  fs.chmodSync(stage.at("held"), 0o666);
}

const absent = builds.length < 2 && "needs our build and the reference";

suite("chpst at random", { concurrency: 1 }, () => {
  const kinds: readonly [string, number, (chance: Chance) => Words][] = [
    ["chpst", 1500, chpstWords],
    ["setlock", 300, setlockWords],
    ["softlimit", 300, softlimitWords],
  ];
  for (const [program, count, make] of kinds) {
    test(`${program} agrees with the reference about ${count} random argument lists`, {
      skip: absent,
      timeout: 120_000,
    }, async () => {
      const chance = new Chance(seed);
      const lists = Array.from({ length: count }, () => make(chance));
      const stages = builds.map((build) => new Stage(build));
      try {
        const [one = [], other = []] = await Promise.all(
          stages.map(async (stage) => {
            await prepared(stage);
            return records(stage, program, lists);
          }),
        );
        const different = lists
          .map((words, number) => difference([program, ...words], one[number] ?? "", other[number] ?? ""))
          .filter((text) => text !== "");
        assert.equal(different.slice(0, 20).join(""), "", `SEED=${seed}: ${different.length} of ${count} differ`);
        // The lists are not all alike: many programs ran, many did not.
        const codes = new Set(one.map((text) => /exit (\d+)$/.exec(text)?.[1]));
        assert.ok(
          ["0", "100", "111"].every((code) => codes.has(code)),
          [...codes].join(" "),
        );
      } finally {
        for (const stage of stages) await stage.clear();
      }
    });
  }
});
