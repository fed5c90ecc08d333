// Reads the compiler's typed intermediate form and prints every place where an object is silently copied into another
// shape: a later write to one would not be seen in the other. Exit 1 if there is any.
// Usage: copylint.mjs PROGRAM.ir.json
import { readFileSync } from "node:fs";

const ir = JSON.parse(readFileSync(process.argv[2], "utf8"));
const texts = new Map();
const copies = new Map();
const references = new Set(["record", "array", "object", "map", "union"]);

function at(location) {
  if (!location) return "?";
  if (!texts.has(location.file)) texts.set(location.file, readFileSync(location.file, "utf8"));
  const before = texts.get(location.file).slice(0, location.start);
  return `${location.file}:${before.split("\n").length}:${before.length - before.lastIndexOf("\n")}`;
}

function walk(node) {
  if (Array.isArray(node)) {
    for (const one of node) walk(one);
    return;
  }
  if (node === null || typeof node !== "object") return;
  if (typeof node.callee === "string" && node.callee.includes(".width.")) {
    copies.set(at(node.loc), "implicit copy to another shape");
  }
  if (node.kind === "dynFrom" && references.has(node.value?.type?.kind))
    copies.set(at(node.loc), "copied into unknown");
  for (const key of Object.keys(node)) if (key !== "type" && key !== "loc") walk(node[key]);
}

for (const f of ir.functions) if (!f.name.includes(".width.") && !f.name.startsWith("%fn.adapt")) walk(f);
for (const [place, what] of copies) console.log(place, what);
process.exit(copies.size > 0 ? 1 : 0);
