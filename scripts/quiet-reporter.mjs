// Reporter of Node's test runner for long runs: what failed (whole), what was skipped (with its reason), what a test
// has to say (diagnostics); of what passed, only the number. A file that ended before its tests did has failed, and so has
// a run in which there was no test.
//
// FAILED names a file in which the first round of a lane leaves what failed, and which makes a second round of it:
//
//   120 passed, 3 skipped in the other files
//   test/unit/one.test.ts<TAB>a title, or the file again when it failed as a whole
//
// The second round, of those files alone, says what passes only now, and its closing line is that of both.
import * as fs from "node:fs";
import * as path from "node:path";

/** What a first round has left in the file; undefined if this is the first. */
function readFirstRound(record) {
  if (!record || !fs.existsSync(record)) return undefined;
  const [others = "", ...lines] = fs.readFileSync(record, "utf8").trimEnd().split("\n");
  const [, passed, skipped] = /^(\d+) passed, (\d+) skipped/.exec(others) ?? [];
  return { passed: Number(passed), skipped: Number(skipped), failures: [...new Set(lines)] };
}

function writeFirstRound(record, files) {
  const others = [...files.values()].filter(({ failed }) => failed.length === 0);
  const sum = (of) => others.reduce((total, file) => total + of(file), 0);
  const lines = [...files].flatMap(([name, { failed }]) => failed.map((title) => `${name}\t${title}`));
  const first = `${sum(({ passed }) => passed.length)} passed, ${sum(({ skipped }) => skipped)} skipped in the other files`;
  fs.writeFileSync(record, `${[first, ...lines].join("\n")}\n`);
}

/** Of the failures of the first round those that are none any more. */
function mended(failures, files) {
  return failures.filter((line) => {
    const [name = "", title = ""] = line.split("\t");
    const now = files.get(name);
    return now !== undefined && (title === name ? now.failed.length === 0 : now.passed.includes(title));
  });
}

/** What stands for a whole file of which no test was heard. */
const isFile = ({ name, file, entryFile }) => entryFile === undefined && path.resolve(name) === file;

export default async function* quiet(source) {
  const record = process.env["FAILED"];
  const first = readFirstRound(record);
  const files = new Map();
  const of = (data) => {
    const name = path.relative(".", data.entryFile ?? data.file);
    if (!files.has(name)) files.set(name, { passed: [], failed: [], skipped: 0, hasEnded: false });
    return files.get(name);
  };
  const title = (data) => data.name.replaceAll(/\s/g, " ");
  for await (const { type, data } of source) {
    if (type === "test:pass") {
      if (data.skip !== undefined) {
        of(data).skipped++;
        yield `   skipped: ${data.name}: ${data.skip === true ? "" : data.skip}\n`;
      } else if (isFile(data)) of(data);
      else if (data.details?.type !== "suite") of(data).passed.push(title(data));
    } else if (type === "test:fail" && data.details?.error?.failureType !== "subtestsFailed") {
      of(data).failed.push(title(data));
      const error = data.details.error?.cause ?? data.details.error;
      yield `   FAILED: ${data.name} (${data.file}:${data.line})\n${String(error?.stack ?? error).replaceAll(/^/gm, "      ")}\n`;
    } else if (type === "test:diagnostic" && data.nesting > 0) {
      yield `   ${data.message}\n`;
    } else if (type === "test:summary" && data.file !== undefined) of(data).hasEnded = true;
  }
  for (const [name, { failed, hasEnded }] of files) {
    if (hasEnded || failed.length > 0) continue;
    failed.push(name);
    yield `   FAILED: ${name}: the process ended before its tests, or it has none\n`;
  }
  if (first)
    for (const line of mended(first.failures, files)) yield `   passed only the second time: ${line.split("\t")[1]}\n`;
  let [passed, failed, skipped] = [first?.passed ?? 0, 0, first?.skipped ?? 0];
  for (const file of files.values()) {
    passed += file.passed.length;
    failed += file.failed.length;
    skipped += file.skipped;
  }
  if (record && !first && failed > 0) writeFirstRound(record, files);
  if (passed + failed + skipped === 0) {
    failed = 1;
    yield "   FAILED: there was no test\n";
  }
  if (failed > 0) process.exitCode = 1;
  yield `   ${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
