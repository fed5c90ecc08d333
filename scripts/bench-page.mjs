// Puts a full run of `make bench` (build/bench.json) into the documents: docs/benchmarks.json, the tables of
// docs/benchmarks.md, and the plots of that page in docs/plots, which gnuplot draws. Sentences are written by people.
// `bench-page.mjs --plots`: the plots alone, of docs/benchmarks.json.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const page = "docs/benchmarks.md";
const data = "docs/benchmarks.json";
const plots = "docs/plots";

const text = readFileSync(process.argv[2] === "--plots" ? data : "build/bench.json", "utf8");
const bench = JSON.parse(text);
if (bench.isQuick && process.argv[2] !== "--try") {
  console.error("build/bench.json is of a quick run: make bench");
  process.exit(1);
}
if (process.argv[2] !== "--try") {
  writeFileSync(data, text);
  let document = readFileSync(page, "utf8");
  for (const [name, table] of Object.entries(bench.tables)) {
    const begin = `<!-- table: ${name} -->\n`;
    const at = document.indexOf(begin);
    if (at < 0) throw new Error(`${page} has no place for the table ${name}`);
    document = `${document.slice(0, at + begin.length)}${table}\n${document.slice(document.indexOf("<!-- end -->", at))}`;
  }
  writeFileSync(page, document);
}

const digest = createHash("sha256").update(text).digest("hex");
rmSync(plots, { recursive: true, force: true });
mkdirSync(plots, { recursive: true });

/** Bars beneath each other, least and greatest as a line; a logarithmic scale where they differ much. */
function plot(file, title, unit, bars) {
  const values = bars
    .flatMap(({ summary }) => [summary.median, summary.low, summary.high])
    .filter((value) => value > 0);
  if (values.length === 0) return;
  const most = Math.max(...values);
  const isWide = most / Math.min(...values) > 30;
  const from = isWide ? 10 ** (Math.floor(Math.log10(Math.min(...values))) - 1) : 0;
  const clamp = (value) => Math.max(value, from);
  const rows = bars.map(({ name, summary: { median, low, high } }, i) => {
    const colour = name === "runit-ts" ? 0x2f6fde : 0x9aa3af;
    return `${bars.length - i} ${clamp(median)} ${clamp(low)} ${clamp(high)} "${name}" "${short(median)}" ${colour} ${from}`;
  });
  const axis = isWide ? " (logarithmic scale)" : "";
  const script = `
set terminal svg size 640,${80 + bars.length * 34} dynamic font "sans-serif,13" background "#ffffff"
set output "${plots}/${file}.svg"
set title "${title}${unit === "" ? "" : `, ${unit}`}${axis}" noenhanced
set border 1
unset key
${isWide ? "set logscale x" : ""}
set xrange [${isWide ? from : 0}:${most * (isWide ? 6 : 1.25)}]
set yrange [0.4:${bars.length + 0.6}]
set xtics nomirror
set ytics nomirror scale 0 noenhanced
set style fill solid 1 noborder
$bars << EOD
${rows.join("\n")}
EOD
plot $bars using (($8+$2)/2):1:8:2:($1-0.3):($1+0.3):7:ytic(5) with boxxyerror linecolor rgb variable, \\
  $bars using 2:1:3:4 with xerrorbars linecolor rgb "#333333" pointtype 0 linewidth 1, \\
  $bars using 4:1:6 with labels left offset 1,0 noenhanced
`;
  execFileSync("gnuplot", [], { input: script, stdio: ["pipe", "inherit", "inherit"] });
  const made = `${plots}/${file}.svg`;
  const about = `<desc>${data}, sha256 ${digest}</desc>`;
  writeFileSync(made, readFileSync(made, "utf8").replace(/<desc>.*?<\/desc>/s, about));
}

function short(value) {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
const slug = (title) =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
const names = {
  ours: "runit-ts",
  runit: "Debian's runit",
  s6: "s6-svscan",
  busybox: "busybox init",
  svlogd: "Debian's svlogd",
};
const barsOf = (values, name) =>
  Object.entries(values)
    .filter(([, summary]) => Number.isFinite(summary?.median))
    .map(([key, summary]) => ({ name: name(key), summary }));

/** What can be drawn, by the name of its file. */
const pictures = new Map();
for (const { title, unit, values } of bench.peers ?? [])
  pictures.set(`peers-${slug(title)}`, [title, unit, barsOf(values, (key) => key)]);
for (const { title, values } of bench.boot ?? [])
  pictures.set(`process-1-${slug(title)}`, [title, "", barsOf(values, (key) => names[key] ?? key)]);
for (const { title, rows } of bench.logs ?? [])
  for (const row of rows)
    pictures.set(`logs-${slug(`${title} ${row.title}`)}`, [
      `${title}: ${row.title}`,
      "",
      barsOf(row.values, (key) => names[key] ?? key),
    ]);

// Those that the page shows.
for (const [, name] of readFileSync(page, "utf8").matchAll(/\(plots\/(.+?)\.svg\)/g)) {
  const picture = pictures.get(name);
  if (picture === undefined)
    throw new Error(`${page} shows ${name}, which is not among ${[...pictures.keys()].join(" ")}`);
  plot(name, ...picture);
}
console.log(`${readdirSync(plots).length} plots`);
