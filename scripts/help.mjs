// man/*.8 → src/commands/help.ts: what `PROGRAM --help` prints. Of each page the name, the synopsis, and of each option and
// command its first sentence, rendered by mandoc. `node scripts/help.mjs` writes it; with `--check` it says whether it is
// as it would be written.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const file = "src/commands/help.ts";
const width = 80;

/** The lines of a section, up to its first subsection. */
function section(page, name) {
  const lines = page.split("\n");
  const start = lines.indexOf(`.Sh ${name}`) + 1;
  if (start === 0) return [];
  const end = lines.findIndex((line, i) => i >= start && /^\.S[hs] /.test(line));
  return lines.slice(start, end === -1 ? lines.length : end);
}

/** Of every list with tags of its own: the tags, and of their text the first sentence. */
function lists(lines) {
  const kept = [];
  let depth = 0;
  let open = false;
  for (const line of lines) {
    if (line.startsWith(".Bl ")) {
      depth++;
      open = false;
      if (depth === 1) kept.push(".Bl -tag -width Ds -compact");
    } else if (line === ".El") {
      if (depth === 1) kept.push(line, ".Pp");
      depth--;
    } else if (depth === 1 && line.startsWith(".It ")) {
      kept.push(line);
      open = true;
    } else if (open && /^\.(Pp|Bd|Dl)/.test(line)) {
      open = false;
    } else if (open && depth === 1) {
      kept.push(line.replace(/[:;]$/, "."));
      if (/[.:;]$/.test(line)) open = false;
    }
  }
  return kept;
}

function helpOf(name) {
  const page = readFileSync(`man/${name}.8`, "utf8");
  const about = [
    ".Dd $Mdocdate$",
    `.Dt ${name.toUpperCase()} 8`,
    ".Os",
    ".Sh NAME",
    ...section(page, "NAME"),
    ".Sh SYNOPSIS",
    ...section(page, "SYNOPSIS"),
    ".Sh DESCRIPTION",
    ...lists(section(page, "DESCRIPTION")),
    ...lists(section(page, "COMMANDS")),
  ].join("\n");
  const text = execFileSync("mandoc", ["-T", "ascii", "-O", `width=${width},indent=2`], {
    input: about,
    encoding: "utf8",
  })
    .replace(/.\u0008/g, "")
    .split("\n")
    .slice(1, -2)
    .map((line) => line.trimEnd())
    .filter((line) => !/^(NAME|SYNOPSIS|DESCRIPTION)$/.test(line))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
  return `${text.replaceAll("\t", "        ")}\n\nMore: man ${name}\n`;
}

const names = readdirSync("man")
  .filter((name) => name.endsWith(".8"))
  .map((name) => name.slice(0, -2))
  .sort();
const literal = (text) => `\`${text.replace(/[`\\]|\$\{/g, "\\$&")}\``;
const cases = names.map((name) => `    case "${name}":\n      return ${literal(helpOf(name))};`);
const source = `// Made from man/*.8 by scripts/help.mjs: not to be edited.

/** What \`program --help\` prints; "" where there is no page of that name. */
export function helpOf(program: string): string {
  switch (program) {
${cases.join("\n")}
    default:
      return "";
  }
}
`;
if (process.argv[2] === "--check") {
  if (readFileSync(file, "utf8") === source) process.exit(0);
  console.error(`${file} is not what the manual pages say: run node scripts/help.mjs`);
  process.exit(1);
}
writeFileSync(file, source);
