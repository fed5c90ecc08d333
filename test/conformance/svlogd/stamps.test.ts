// Time stamps: spec/svlogd.md, section 5.
import assert from "node:assert/strict";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { logDirectory, logging, logs, secondsOf } from "./scenes.ts";

/** The moment in a stamp of the second or third form. */
function momentOf(stamp: string): number {
  const [, day, time, fraction] = /^(\d{4}-\d\d-\d\d)[_T](\d\d:\d\d:\d\d)\.(\d{5}) /.exec(stamp) ?? assert.fail(stamp);
  return Date.parse(`${day}T${time}Z`) / 1000 + Number(`0.${fraction}`);
}
const now = () => Date.now() / 1000;
/** Both clocks are cut to what they show. */
function assertBetween(earliest: number, moment: number, latest: number): void {
  assert.ok(earliest - 0.002 <= moment && moment <= latest + 0.002, `${earliest} <= ${moment} <= ${latest}`);
}
/** The line and the stamp before it. */
async function stamped(stage: Stage, words: string, env: Record<string, string> = {}): Promise<string> {
  logDirectory(stage);
  const before = now();
  await logs(stage, words, "a\n", { env });
  const line = stage.read("l/current");
  assertBetween(before, line.startsWith("@") ? secondsOf(line) : momentOf(line), now());
  return line;
}

stories("svlogd", (story) => {
  story(13, "-t puts a TAI64N label in front of every line", async (stage) => {
    logDirectory(stage);
    const before = now();
    await logs(stage, "-t l", "a\n\n");
    const lines = stage.read("l/current").split("\n");
    assert.equal(lines.length, 3);
    for (const [index, text] of ["a", ""].entries()) {
      const [, label = "", rest] = /^(@4[0-9a-f]{23}) (.*)$/.exec(lines[index] ?? "") ?? assert.fail(lines[index]);
      assert.equal(rest, text);
      assert.equal(Number(`0x${label.slice(-8)}`) % 1000, 500);
      assertBetween(before, secondsOf(label), now());
    }
  });

  story(14, "-tt tells the time in UTC, whatever the environment says", async (stage) => {
    const line = await stamped(stage, "-tt l", { TZ: "America/New_York", LC_ALL: "fr_FR.UTF-8" });
    assert.match(line, /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} a\n$/);
  });

  for (const words of ["-ttt l", "-tttt l", "-t -t -t l"]) {
    story(15, `${words} puts a T between date and time`, async (stage) => {
      assert.match(await stamped(stage, words), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{5} a\n$/);
    });
  }

  for (const [number, begun, more] of [
    [16, "par", "tial"],
    ["16b", "long line, be", "gun and ended"],
  ] as const) {
    story(number, `a line carries the time of its first byte: ${begun}`, async (stage) => {
      logDirectory(stage);
      const log = await logging(stage, "-l10 -tt l");
      await log.send(`first\n${begun}`);
      const latest = now();
      await stage.span(1200);
      await log.send(`${more}\n\n`);
      await log.ends();
      const [first = "", line = "", empty = ""] = stage.read("l/current").split("\n");
      assert.equal(line.slice(26), begun + more);
      assertBetween(momentOf(first), momentOf(line), latest);
      assertBetween(latest + 1.2, momentOf(empty), now());
    });
  }

  story("16c", "one line has one stamp in every directory and on stderr", async (stage) => {
    for (const name of ["k", "l"]) logDirectory(stage, "e*\n", name);
    const { err } = await logs(stage, "-t k l", "a\nb\n");
    const [first, second] = stage.read("k/current").split("\n");
    assert.equal(stage.read("l/current"), `${first}\n${second}\n`);
    assert.equal(err, `${first}\n${first}\n${second}\n${second}\n`);
  });
});
