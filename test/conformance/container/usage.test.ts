// The command line: spec/container.md, D1. Nothing is contained here: none of these gets as far as that.
import assert from "node:assert/strict";
import type { StartOptions } from "../stage.ts";
import { stories } from "../stage.ts";

const only = { only: "ours" } as const;

stories("runit-container", (story) => {
  for (const words of [
    "-Z",
    "--nonsense",
    "-d",
    "-g",
    "-g soon",
    "-g -1",
    "-D soon",
    "-o some",
    "-e many",
    "-e 256",
    "-s NONSENSE",
    "-r TERM",
    "-r TERM:NONSENSE",
    "-r NONSENSE:TERM",
    "-p pretty",
    "-x 3",
    "-x 0/5",
    "-x 3/soon",
    "-w soon",
    "--stages",
    "stop 256",
    "stop now",
    "stop 1 2",
  ])
    story(
      `D1 (${words})`,
      "wrong usage is code 100, and said",
      async (stage) => {
        const given: StartOptions = { env: { SVDIR: stage.at("services"), SVRUNDIR: stage.at("state") } };
        const running = stage.start("runit-container", words.split(" "), given);
        const { code, out, err } = await stage.end(running);
        assert.equal(code, 100, err);
        assert.equal(out, "");
        assert.match(err, /usage: runit-container/i);
      },
      only,
    );

  for (const [name, value] of [
    ["RUNIT_GRACE", "soon"],
    ["RUNIT_DRAIN", "soon"],
    ["RUNIT_PREFIX", "pretty"],
    ["RUNIT_EXPECT", "many"],
  ] as const)
    story(
      `D1 (${name})`,
      "a variable that makes no sense is wrong usage, and is named",
      async (stage) => {
        const env = { SVDIR: stage.at("services"), SVRUNDIR: stage.at("state"), [name]: value };
        const { code, err } = await stage.end(stage.start("runit-container", [], { env }));
        assert.equal(code, 100, err);
        assert.ok(err.includes(name), err);
      },
      only,
    );

  for (const [words, expected] of [
    ["-h", /usage: runit-container[\s\S]*health[\s\S]*stop/i],
    ["-V", /\d/],
  ] as const)
    story(
      `D1 (${words})`,
      "it tells about itself",
      async (stage) => {
        const { code, out, err } = await stage.end(stage.start("runit-container", [words]));
        assert.equal(code, 0);
        assert.match(out + err, expected);
      },
      only,
    );
});
