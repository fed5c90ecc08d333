// native.ts → FFI manifest for scriptc and header for posix.c, so that a mismatch is a compile error.
// Usage: bindings.mjs NATIVE.ts HEADER MANIFEST OBJECT…
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [source, header, manifest, ...objects] = process.argv.slice(2);
const classOf = { number: "f64", string: "string", Uint8Array: "bytes" };
const inC = { f64: (n) => `double ${n}`, string: (n) => `const uint8_t *${n}, size_t ${n}_length` };
inC.bytes = inC.string;

const functions = [];
for (const match of readFileSync(source, "utf8").matchAll(/declare function (\w+)\(([^)]*)\): number;/g)) {
  const parameters = match[2]
    .split(",")
    .map((p) => p.trim().split(": "))
    .filter(([name]) => name !== "");
  functions.push({ name: match[1], parameters: parameters.map(([name, type]) => [snake(name), classOf[type]]) });
}
function snake(name) {
  return name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}

const prototypes = functions.map(
  (f) => `double ${f.name}(${f.parameters.map(([n, c]) => inC[c](n)).join(", ") || "void"});`,
);
writeFileSync(
  header,
  `/* Made by scripts/bindings.mjs from src/system/native.ts. */\n#include <stddef.h>\n#include <stdint.h>\n\n${prototypes.join("\n")}\n`,
);
writeFileSync(
  manifest,
  `${JSON.stringify(
    {
      ffi_format: 1,
      functions: functions.map((f) => ({
        name: f.name,
        symbol: f.name,
        params: f.parameters.map(([, c]) => c),
        returns: "f64",
      })),
      libraries: objects.map((object) => path.relative(path.dirname(manifest), object)),
    },
    null,
    1,
  )}\n`,
);
