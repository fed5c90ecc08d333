import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Rule } from "../../../../src/core/log/pattern.ts";
import { matches, Selection } from "../../../../src/core/log/pattern.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

function isMatch(pattern: string, line: string): boolean {
  const all = bytes(`xx${pattern}yy`);
  const text = bytes(`**${line}aa`);
  return matches(all, 2, 2 + pattern.length, text, 2, 2 + line.length);
}

/** Pattern, lines that match, lines that do not: the table of svlogd's specification. */
const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["", [""], ["x"]],
  ["*", ["", "x", "*"], []],
  ["a", ["a"], ["ab", "b", ""]],
  ["a*", ["a", "ab"], ["b", ""]],
  ["*a", ["a", "ba"], ["baa", "ab", ""]],
  ["*ab", ["ab", "xab"], ["aab", "xaab"]],
  ["*ab*", ["xaby"], ["aab"]],
  ["*pid*", ["pid x"], ["2005-12-18_09:13:50.97618 tcpsvd: info: pid 1977"]],
  ["*: *: pid *", ["tcpsvd: info: pid 1977"], ["pid 1", "2005-12-18_09:13:50.97618 tcpsvd: info: pid 1977"]],
  ["+a", ["a", "aaa"], ["aab", "b", ""]],
  ["+ab", ["ab", "aaab", "a", "aaa"], ["b", "abb", ""]],
  ["x+ab", ["xab", "xaaa"], ["xb", "x"]],
  ["++", ["+", "++"], ["+a", "a"]],
  ["+*", ["*", "**"], ["*a", "a"]],
  ["**", ["a*b", "*"], ["abc", ""]],
  ["*+", [], ["a+", "+", "abc"]],
  ["*++", ["a+", "a++"], ["abc", "+x"]],
  ["a?c", ["a?c"], ["abc"]],
  [" a", [" a"], ["a"]],
  ["\xff\x00", ["\xff\x00"], ["\xff", "\x00"]],
];

suite("a pattern", () => {
  for (const [pattern, yes, no] of table) {
    test(`"${pattern}" matches ${yes.length} of ${yes.length + no.length} lines`, () => {
      for (const line of yes) assert.equal(isMatch(pattern, line), true, line);
      for (const line of no) assert.equal(isMatch(pattern, line), false, line);
    });
  }
  test("is never compared with what stands behind the line", () => {
    assert.equal(isMatch("+a", ""), false);
    assert.equal(isMatch("x+ab", "x"), false);
    assert.equal(isMatch("aa", "a"), false);
  });
});

function rules(...lines: string[]): Rule[] {
  return lines.map((line) => ({ kind: line.charAt(0) as Rule["kind"], pattern: line.slice(1) }));
}
function kept(selection: Selection, ...lines: string[]): string[] {
  const all = bytes(`xx${lines.map((line) => `${line}\n`).join("")}`);
  const found: string[] = [];
  const runs = selection.findRuns(all, 2, all.length, 1000);
  for (let run = 0; run < runs; run++) {
    const text = Buffer.from(all)
      .toString("latin1")
      .slice(2 + selection.runStart(run), 2 + selection.runEnd(run));
    found.push(...text.split("\n").slice(0, -1));
  }
  const one = lines.filter((line) => selection.selects(bytes(`x${line}x`), 1, 1 + line.length));
  assert.deepEqual(found, one);
  return found;
}

suite("a list of rules", () => {
  const writing = (...lines: string[]) => new Selection(rules(...lines), "+", "-", true);

  test("without rules everything is selected, or nothing", () => {
    assert.deepEqual(kept(writing(), "a", ""), ["a", ""]);
    assert.deepEqual(kept(new Selection([], "e", "E", false), "a", ""), []);
    assert.equal(writing().takesAll, true);
    assert.equal(writing("-a", "-*").takesNone, true);
  });
  test("the last one that matches decides", () => {
    assert.deepEqual(kept(writing("-*", "+*b*", "-*c*"), "a", "ab", "abc", "cb"), ["ab"]);
    assert.deepEqual(kept(writing("-*", "+"), "a", ""), [""]);
    assert.deepEqual(kept(writing("-"), "", "x", ""), ["x"]);
  });
  test("those about another destination do not count", () => {
    assert.deepEqual(kept(writing("e*", "Eok*"), "a", "ok"), ["a", "ok"]);
    assert.deepEqual(kept(new Selection(rules("-*", "e*", "Eok*"), "e", "E", false), "a", "ok"), ["a"]);
  });
  test("a thousand of them are tried one by one", () => {
    const many = Array.from({ length: 1000 }, (_, index) => `-${index}`);
    assert.deepEqual(kept(writing("+*", ...many), "0", "999", "1000", "x"), ["1000", "x"]);
  });
  test("decides as trying every rule would, on 20,000 random lists", () => {
    const letters = "ab*+";
    let seed = 1;
    const roll = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor(seed / 65536) % below;
    };
    const word = (from: string) => Array.from({ length: roll(5) }, () => from.charAt(roll(from.length))).join("");
    for (let turn = 0; turn < 20_000; turn++) {
      const list = Array.from({ length: roll(6) }, () => `${"+-eE".charAt(roll(4))}${word(letters)}`);
      const lines = [word("abc*+"), word("abc*+"), word("abc*+")];
      const expected = lines.filter((line) => {
        let selected = true;
        for (const rule of list) {
          if ("+-".includes(rule.charAt(0)) && isMatch(rule.slice(1), line)) selected = rule.startsWith("+");
        }
        return selected;
      });
      assert.deepEqual(kept(writing(...list), ...lines), expected, `${list.join(" ")} on "${lines.join("|")}"`);
    }
  });
});
