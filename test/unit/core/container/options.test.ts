import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ContainerOptions, parseCode, parseSeconds, setOption } from "../../../../src/core/container/options.ts";

/** What one option makes of the defaults; a text: what is wrong with it. */
function set(letter: string, value: string): ContainerOptions | string {
  const options = new ContainerOptions();
  const complaint = setOption(options, letter, value);
  return complaint === "" ? options : complaint;
}

suite("options of a container", () => {
  for (const [letter, value, field, expected] of [
    ["d", "/srv", "directory", "/srv"],
    ["m", "web api", "mains", ["web", "api"]],
    ["g", "2.5", "graceMilliseconds", 2500],
    ["g", "0", "graceMilliseconds", 0],
    ["D", ".25", "drainMilliseconds", 250],
    ["w", "7", "waitMilliseconds", 7000],
    ["o", "all", "mainsFirst", false],
    ["e", "143 7", "expected", [143, 7]],
    ["s", "SIGQUIT", "stopSignal", "QUIT"],
    ["r", "TERM:QUIT", "rewrites", [{ from: 15, to: 3 }]],
    ["r", "1:0", "rewrites", [{ from: 1, to: 0 }]],
    ["r", "RTMIN+3:SIGTERM", "rewrites", [{ from: 37, to: 15 }]],
    ["p", "json", "prefix", "json"],
    ["c", "", "isClean", true],
    ["x", "3/5", "maxFailures", 3],
    ["x", "3/5", "failureMilliseconds", 5000],
    ["q", "", "loudness", -1],
    ["v", "", "loudness", 1],
    ["i", "/start", "startHook", "/start"],
    ["f", "/end", "endHook", "/end"],
    ["--stages", "/etc/runit", "stages", "/etc/runit"],
  ] as const)
    test(`-${letter} ${value} sets ${field}`, () => {
      const options = set(letter, value);
      assert.ok(typeof options !== "string", String(options));
      assert.deepEqual(options[field], expected);
    });

  for (const [letter, value] of [
    ["d", ""],
    ["m", "a/b"],
    ["g", ""],
    ["g", "soon"],
    ["g", "-1"],
    ["g", "1.x"],
    ["o", "some"],
    ["e", "256"],
    ["e", "x"],
    ["s", "STOP"],
    ["s", "KILL"],
    ["s", "NOTHING"],
    ["r", "TERM"],
    ["r", "TERM:"],
    ["r", "0:TERM"],
    ["r", "99:TERM"],
    ["p", "xml"],
    ["x", "3"],
    ["x", "0/5"],
    ["x", "3/"],
  ] as const)
    test(`-${letter} "${value}" is refused`, () =>
      assert.equal(set(letter, value), `wrong value for -${letter}: ${value}`));

  test("seconds and codes are numbers and nothing else", () => {
    assert.equal(parseSeconds("1.23456"), 1234);
    assert.equal(parseSeconds("."), undefined);
    assert.equal(parseSeconds("999999999999"), 1e12);
    assert.equal(parseCode("255"), 255);
    assert.equal(parseCode(""), undefined);
  });
});
