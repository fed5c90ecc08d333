// What reports on tests: that nothing which did not happen counts as passed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";

const root = path.resolve(import.meta.dirname, "../../..");
const world = fs.mkdtempSync(path.join(os.tmpdir(), "reports."));
after(() => fs.rmSync(world, { recursive: true, force: true }));

function node(words: readonly string[], variables: Record<string, string> = {}) {
  const env: Record<string, string | undefined> = { ...process.env, ...variables };
  delete env["NODE_TEST_CONTEXT"]; // of this test
  delete env["FAILED"];
  return spawnSync(process.execPath, words, { cwd: world, env, encoding: "utf8", timeout: 120_000 });
}

suite("the reporter of a lane", () => {
  const begin = 'import { suite, test } from "node:test";\n';
  const open = "test('open', () => new Promise((resolve) => setTimeout(resolve, 60_000)));\n";
  const end = "setTimeout(() => process.exit(0), 100);\n";
  for (const [name, text, sum] of [
    ["passes", "test('one', () => {});\n", "1 passed, 0 failed, 0 skipped"],
    ["is-skipped", "suite('all', { skip: 'why' }, () => {});\n", "0 passed, 0 failed, 1 skipped"],
    ["fails", "test('one', () => assert.fail());\n", "0 passed, 1 failed, 0 skipped"],
    ["ends-at-once", `${open}${end}`, "0 passed, 1 failed, 0 skipped"],
    ["ends-behind-a-test", `test('one', () => {});\n${open}${end}`, "1 passed, 1 failed, 0 skipped"],
    ["has-no-test", "", "0 passed, 1 failed, 0 skipped"],
    ["has-an-empty-suite", "suite('all', () => {});\n", "0 passed, 1 failed, 0 skipped"],
    ["is-not-there", undefined, "0 passed, 1 failed, 0 skipped"],
  ] as const)
    test(`of a file that ${name.replaceAll("-", " ")}: ${sum}`, () => {
      if (text !== undefined) fs.writeFileSync(path.join(world, `${name}.test.mjs`), begin + text);
      const reporter = path.join(root, "scripts/quiet-reporter.mjs");
      const { stdout, status } = node(["--test", `--test-reporter=${reporter}`, `${name}*.test.mjs`]);
      assert.equal(stdout.trimEnd().split("\n").at(-1)?.trim(), sum, stdout);
      assert.equal(status, sum.includes(" 0 failed") ? 0 : 1);
      const events = path.join(root, "scripts/torture-reporter.mjs");
      const told = node(["--test", `--test-reporter=${events}`, `${name}*.test.mjs`]).stdout;
      const number = (result: string) => told.split(`"result":"${result}"`).length - 1;
      // Those without any test are seen by the report: no test has passed.
      const failed = /no-test|empty|there/.test(name) && number("failed") === 0 ? 1 : number("failed");
      assert.equal(`${number("passed")} passed, ${failed} failed`, sum.replace(/, \d+ skipped/, ""), told);
    });
});

suite("the report of scripts/torture", () => {
  const lanes = ["states", "simulation", "fuzz", "mutants", "faults", "soak", "sanitizer"];
  const directory = path.join(world, "torture");
  const write = (name: string, text: string) => fs.writeFileSync(path.join(directory, name), text);
  const passed = '{"file":"x","test":"y","result":"passed"}\n';
  const eventsOf = (lane: string) => (lane === "sanitizer" ? "sanitizer1.events" : `${lane}.events`);

  /** What it says is wrong. */
  function report(variables: Record<string, string> = {}): readonly string[] {
    const [json, page] = [path.join(world, "torture.json"), path.join(world, "torture.md")];
    const { status, stderr } = node([path.join(root, "scripts/torture-report.mjs"), directory, json, page], {
      TORTURE_ONLY: "",
      ...variables,
    });
    const { wrong } = JSON.parse(fs.readFileSync(json, "utf8")) as { wrong: string[] };
    assert.equal(status, wrong.length > 0 ? 1 : 0, stderr);
    assert.equal(/\*\*Nothing failed\.\*\*/.test(fs.readFileSync(page, "utf8")), wrong.length === 0);
    return wrong;
  }
  const mutants = (killed: number) =>
    write("mutants.log", `sum ${killed} killed (3 did not end in time) of 100 tried of 5000 mutants, seed 1\n`);

  test("a lane that was to run and did not, one without a test that passed, and a count that is missing or 0 are failures", () => {
    fs.mkdirSync(directory);
    assert.deepEqual([...report()].sort(), lanes.map((lane) => `${lane} has not run`).sort());
    assert.deepEqual(report({ TORTURE_ONLY: "soak" }), ["soak has not run"]);

    for (const lane of lanes) write(`${lane}.lane`, `${lane} 0 1 abc\n`);
    const without = report();
    for (const said of ["fuzz: there is no target", "mutants: none was tried", "sanitizer: no test has passed"])
      assert.ok(without.includes(said), said);

    write("fuzz.log", "status 100 10 5 0\n");
    mutants(87);
    for (const lane of lanes) write(eventsOf(lane), passed);
    const counts = report().map(
      (said) => /^(\w+): the count of (\S+) (\S+) is missing$/.exec(said) ?? assert.fail(said),
    );
    assert.ok(counts.length > 20);
    /** Every count is 1 but one. */
    const count = (zero?: string) => {
      for (const lane of lanes) write(eventsOf(lane), passed);
      for (const [said, lane = "", of, key = ""] of counts)
        fs.appendFileSync(
          path.join(directory, `${lane}.events`),
          `${JSON.stringify({ file: "x", of, counts: { [key]: said === zero ? "0" : "1" } })}\n`,
        );
    };
    count();
    assert.deepEqual(report(), []);
    const [[one = ""] = assert.fail()] = counts;
    count(one);
    assert.deepEqual(report(), [one.replace("missing", "0")]);
    count();
    write("soak.events", fs.readFileSync(path.join(directory, "soak.events"), "utf8").replace("passed", "skipped"));
    assert.deepEqual(report(), ["soak: no test has passed"]);
    count();
    write("fuzz.log", "status 100 10 5 0\nrecord 0 10 5 0\n");
    assert.deepEqual(report(), ["fuzz: record was not executed"]);
    write("fuzz.log", "status 100 10 5 0\n");
    mutants(79);
    assert.deepEqual(report(), ["mutants: less than 80 % were killed"]);
    mutants(80);
    assert.deepEqual(report(), []);
    assert.match(fs.readFileSync(path.join(world, "torture.md"), "utf8"), /; 3 of the killed did not end in time \|/);
  });

  test("scripts/torture refuses a lane that there is not", () => {
    for (const name of ["no-such-lane", "*", "states soak"]) {
      const { stderr, status } = spawnSync(path.join(root, "scripts/torture"), {
        env: { ...process.env, TORTURE_ONLY: name },
        encoding: "utf8",
        timeout: 120_000,
      });
      assert.deepEqual([stderr, status], [`scripts/torture: TORTURE_ONLY: no such lane: ${name}\n`, 2]);
    }
  });
});
