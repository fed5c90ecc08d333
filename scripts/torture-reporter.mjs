// Reporter of Node's test runner for scripts/torture: one line of JSON for each file with its tests, and one for what each
// has counted (`counts: LANE name=number …`). A file that ended before its tests did has failed.
import * as path from "node:path";

export default async function* events(source) {
  const [begun, ended] = [new Set(), new Set()];
  for await (const { type, data } of source) {
    const file = path.relative(".", data?.entryFile ?? data?.file ?? "");
    if (file !== "") begun.add(file);
    if (type === "test:summary") ended.add(file);
    if (type === "test:diagnostic") {
      const [, of, rest] = /^counts: (\S+) (.*)$/.exec(data.message) ?? [];
      const seed = /^SEED=(.*)$/.exec(data.message)?.[1];
      if (seed !== undefined) yield `${JSON.stringify({ file, seed })}\n`;
      if (of === undefined) continue;
      const counts = Object.fromEntries(rest.split(" ").map((word) => word.split("=")));
      yield `${JSON.stringify({ file, of, counts })}\n`;
    } else if ((type === "test:pass" || type === "test:fail") && data.details?.type !== "suite") {
      if (data.entryFile === undefined && path.resolve(data.name) === data.file) {
        if (type === "test:pass") continue; // of a whole file: no test of it was heard
        ended.add(file);
      }
      const result = data.skip !== undefined ? "skipped" : type === "test:pass" ? "passed" : "failed";
      yield `${JSON.stringify({ file, test: data.name, result, reason: typeof data.skip === "string" ? data.skip : undefined })}\n`;
    }
  }
  for (const file of begun.difference(ended))
    yield `${JSON.stringify({ file, test: "its process ended before its tests, or it has none", result: "failed" })}\n`;
}
