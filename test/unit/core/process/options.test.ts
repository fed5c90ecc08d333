import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../../../src/core/process/options.ts";

test("options as the field's programs read them", () => {
  const table: readonly (readonly [string, string, string, string])[] = [
    ["-v up a", "v=", "up a", ""],
    ["-vw5 up", "v= w=5", "up", ""],
    ["-w 5 -v up", "w=5 v=", "up", ""],
    ["-w", "", "", "option requires an argument -- w"],
    ["-q up", "", "", "illegal option -- q"],
    ["-vq", "v=", "", "illegal option -- q"],
    ["-: up", "", "", "illegal option -- :"],
    ["-- -v", "", "-v", ""],
    ["--foo -v", "", "-v", ""],
    ["- -v", "", "- -v", ""],
    ["up -v", "", "up -v", ""],
    ["--json -v up", "--json= v=", "up", ""],
    ["-v --json up", "v= --json=", "up", ""],
    ["--json=1 -v up", "", "-v up", ""],
    ["--level=5 -v up", "--level=5 v=", "up", ""],
    ["--level -v up", "--level=-v", "up", ""],
    ["--level= up", "--level=", "up", ""],
    ["--level", "", "", "option requires an argument -- level"],
    ["--level: up", "", "up", ""],
  ];
  for (const [line, given, rest, complaint] of table) {
    const options = parseOptions(line.split(" "), "vw:", ["--json", "--level:"]);
    const found = options.given.map((option) => `${option.letter}=${option.value}`).join(" ");
    assert.deepEqual([found, options.rest.join(" "), options.complaint], [given, rest, complaint], line);
  }
});
