// package-links.mjs DIRECTORY: the documents of a package, which lie below DIRECTORY as in the checkout: a link to what the
// package does not have leads into the repository instead.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const top = process.argv[2];
const repository = `${JSON.parse(readFileSync(`${import.meta.dirname}/../package.json`, "utf8")).homepage}/blob/main`;

for (const name of readdirSync(top, { recursive: true })) {
  if (!name.endsWith(".md")) continue;
  const file = path.join(top, name);
  const text = readFileSync(file, "utf8");
  const told = text.replace(/\]\(([^)#\s:]+)(#[^)\s]*)?\)/g, (link, target, anchor = "") => {
    const to = path.join(path.dirname(name), target);
    return existsSync(path.join(top, to)) ? link : `](${repository}/${to}${anchor})`;
  });
  if (told !== text) writeFileSync(file, told);
}
