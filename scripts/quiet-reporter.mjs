// Reporter of Node's test runner for long runs: what failed (whole), what was skipped (with its reason), what a test
// has to say (diagnostics); of what passed, only the number.
export default async function* quiet(source) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const { type, data } of source) {
    if (type === "test:pass") {
      if (data.skip !== undefined) {
        skipped++;
        yield `   skipped: ${data.name}: ${data.skip === true ? "" : data.skip}\n`;
      } else if (data.details?.type !== "suite") passed++;
    } else if (type === "test:fail" && data.details?.error?.failureType !== "subtestsFailed") {
      failed++;
      const error = data.details.error?.cause ?? data.details.error;
      yield `   FAILED: ${data.name} (${data.file}:${data.line})\n${String(error?.stack ?? error).replaceAll(/^/gm, "      ")}\n`;
    } else if (type === "test:diagnostic" && data.nesting > 0) {
      yield `   ${data.message}\n`;
    }
  }
  yield `   ${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}
