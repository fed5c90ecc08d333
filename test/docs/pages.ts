// Which manual pages there are.
import * as fs from "node:fs";
import * as path from "node:path";

/** Names of the pages in man/, without section. */
export function pageNames(): readonly string[] {
  const pages = fs.readdirSync(path.resolve(import.meta.dirname, "../../man"));
  return pages.filter((name) => name.endsWith(".8")).map((name) => name.slice(0, -2));
}
