// make site: build/site/, the documents as pages: the guides, the README's tour, what is in docs/, and the manual pages by
// mandoc. Links between documents become links between pages; one that leads nowhere is an error.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Marked } from "marked";

const out = process.argv[2] ?? "build/site";
/** Page, its document, and how it is called in the navigation; "" is not in it. */
const pages = [
  ["index.html", "docs/guides/index.md", "Start"],
  ["tour.html", "README.md#a-tour-of-five-minutes", "Tour"],
  ["from-runit.html", "docs/guides/from-runit.md", "From runit"],
  ["from-systemd.html", "docs/guides/from-systemd.md", "From systemd"],
  ["from-supervisord.html", "docs/guides/from-supervisord.md", "From supervisord"],
  ["from-pm2.html", "docs/guides/from-pm2.md", "From pm2"],
  ["containers.html", "docs/guides/containers.md", "Containers"],
  ["user-services.html", "docs/guides/user-services.md", "User services"],
  ["logs.html", "docs/guides/logs.md", "Logs"],
  ["trouble.html", "docs/guides/trouble.md", "Trouble"],
  ["run-scripts.html", "examples/services/README.md", "Run scripts"],
  ["client.html", "client/README.md", "From Node"],
  ["differences.html", "docs/differences.md", "Differences"],
  ["benchmarks.html", "docs/benchmarks.md", "Benchmarks"],
  ["reliability.html", "docs/reliability.md", "Reliability"],
  ["security.html", "SECURITY.md", "Security"],
  ["manuals.html", "", "Manuals"],
  ["changes.html", "CHANGELOG.md", "Changes"],
  ["container-images.html", "examples/container/README.md", ""],
  ["user-examples.html", "examples/user/README.md", ""],
  ["stages.html", "etc/README.md", ""],
  ["compiler.html", "docs/compiler.md", ""],
  ["readme.html", "README.md", ""],
  ["architecture.html", "ARCHITECTURE.md", ""],
  ["contributing.html", "CONTRIBUTING.md", ""],
  ...readdirSync("docs/programs").map((name) => [
    `program-${name.replace(/md$/, "html")}`,
    `docs/programs/${name}`,
    "",
  ]),
  ...readdirSync("docs/decisions").map((name) => [
    `decision-${name.replace(/md$/, "html")}`,
    `docs/decisions/${name}`,
    "",
  ]),
];
const manuals = readdirSync("man")
  .filter((name) => name.endsWith(".8"))
  .sort();
const pageOf = new Map(pages.map(([page, document]) => [document, page]));
for (const name of manuals) pageOf.set(`man/${name}`, `${name}.html`);
const repository = `${JSON.parse(readFileSync(`${import.meta.dirname}/../package.json`, "utf8")).homepage}/blob/main`;
const wrong = [];
const plots = existsSync("docs/plots") ? readdirSync("docs/plots") : [];

const style = `
:root { color-scheme: light dark; --line: #8884; --quiet: #888; --link: light-dark(#0550ae, #6cb6ff); --code: #8881; }
* { box-sizing: border-box; }
body { font: 17px/1.55 system-ui, sans-serif; margin: 0; display: grid; grid-template-columns: 13rem minmax(0, 48rem); gap: 2.5rem; padding: 0 1.5rem 4rem; }
nav { padding-top: 1.6rem; font-size: .9rem; }
nav a { display: block; padding: .12rem 0; color: inherit; text-decoration: none; }
nav a[aria-current] { font-weight: 650; }
a { color: var(--link); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1.4rem 0 .8rem; }
h2 { margin-top: 2.2rem; } h2, h3 { line-height: 1.25; }
code, pre, kbd { font: .88em ui-monospace, monospace; }
code { background: var(--code); padding: .1em .25em; border-radius: 3px; }
pre { background: var(--code); padding: .8rem 1rem; overflow-x: auto; border-radius: 5px; line-height: 1.4; }
pre code { background: none; padding: 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top; }
td[align=right], th[align=right] { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; background: #fff; border-radius: 5px; }
footer { color: var(--quiet); font-size: .85rem; margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
.manual-text table.head, .manual-text table.foot { display: none; }
.manual-text dt { margin-top: .5rem; } .manual-text dd { margin-left: 2rem; } .manual-text .Nd, .manual-text .Nm { font-style: normal; }
@media (max-width: 60rem) { body { display: block; } nav { columns: 2; } }
`;

function navigation(current) {
  const links = pages
    .filter(([, , title]) => title !== "")
    .map(([page, , title]) => `<a href="${page}"${page === current ? ' aria-current="page"' : ""}>${title}</a>`);
  return `<nav aria-label="Pages">${links.join("\n")}</nav>`;
}

function write(page, title, body) {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${quoted(title)} · runit-ts</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
${navigation(page)}
<main>
${body}
<footer>runit-ts: service supervision that loses nothing. MIT licence.</footer>
</main>
</body>
</html>
`;
  writeFileSync(path.join(out, page), html);
}

const quoted = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
/** As GitHub makes them: the links in the documents are written for it. */
const slug = (text) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

/** Where a link of a document leads on the site; the page may be a part of the document only. */
function target(document, href, text) {
  if (/^[a-z]+:/.test(href)) return href;
  const isHere = [...text.matchAll(/^#+ (.*)$/gm)].some(([, words]) => `#${slug(words)}` === href);
  if (href.startsWith("#")) return isHere ? href : pageOf.get(document) + href;
  const [file = "", anchor = ""] = href.split("#");
  const to = path.normalize(path.join(path.dirname(document), file));
  const suffix = anchor === "" ? "" : `#${anchor}`;
  if (plots.includes(path.basename(to))) return path.basename(to);
  const page = pageOf.get(`${to}${suffix}`) ?? pageOf.get(to) ?? pageOf.get(path.join(to, "README.md"));
  if (page !== undefined) return pageOf.has(`${to}${suffix}`) ? page : page + suffix;
  if (/^man\/?$/.test(to)) return "manuals.html";
  if (existsSync(to)) return `${repository}/${to}${suffix}`;
  wrong.push(`${document}: ${href}`);
  return href;
}

function render(document, text) {
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text: words }) {
        return `<h${depth} id="${slug(words.replace(/[`*]/g, ""))}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, title, tokens }) {
        const about = title ? ` title="${quoted(title)}"` : "";
        return `<a href="${quoted(target(document, href, text))}"${about}>${this.parser.parseInline(tokens)}</a>`;
      },
      image({ href, text: words }) {
        return `<img src="${quoted(target(document, href, text))}" alt="${quoted(words)}" loading="lazy">`;
      },
    },
  });
  // Marks for the tests are not for readers.
  const html = marked.parse(text.replace(/^<!--.*?-->\n/gms, ""));
  return html.replaceAll("<table>", '<div class="table"><table>').replaceAll("</table>", "</table></div>");
}

function manual(name) {
  const html = execFileSync("mandoc", ["-T", "html", "-O", "fragment,man=%N.%S.html", `man/${name}`], {
    encoding: "utf8",
  });
  return html.replace(/href="([\w-]+)\.(\d)\.html"/g, (link, program, section) =>
    manuals.includes(`${program}.${section}`) ? link : `href="https://manpages.debian.org/${program}.${section}"`,
  );
}

/** The page about a program, besides its manual page: of its name, or that which refers to the manual page. */
function programPage(program) {
  const documents = pages.map(([, document]) => document).filter((document) => document.startsWith("docs/programs/"));
  const own = documents.find((document) => path.basename(document, ".md") === program);
  const other = documents.find((document) => readFileSync(document, "utf8").includes(`man/${program}.8`));
  return pageOf.get(own ?? other ?? "README.md");
}

/** The part of a document under one of its headings. */
function section(text, anchor) {
  const parts = text.split(/^(?=## )/m);
  return parts.find((part) => slug(/^## (.*)$/m.exec(part)?.[1] ?? "") === anchor)?.replace(/^## /, "# ") ?? "";
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
writeFileSync(path.join(out, "style.css"), style.trimStart());
for (const plot of plots) copyFileSync(`docs/plots/${plot}`, path.join(out, plot));
const abouts = [];
for (const name of manuals) {
  const program = name.slice(0, -2);
  const about = /^\.Nd (.*)$/m.exec(readFileSync(`man/${name}`, "utf8"))?.[1] ?? "";
  const page = programPage(program);
  const cells = [`<a href="${name}.html">${program}</a>`, quoted(about), `<a href="${page}">more</a>`];
  abouts.push(`<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`);
  const more = `<p>Tables, formats, and what is beyond the original: <a href="${page}">more about ${program}</a>.</p>`;
  write(`${name}.html`, `${program}(8)`, `<div class="manual-text">${manual(name)}</div>\n${more}`);
}
for (const [page, document, title] of pages) {
  if (document === "") {
    write(page, title, `<h1>Manual pages</h1>\n<table>${abouts.join("\n")}</table>`);
    continue;
  }
  const [file, anchor] = document.split("#");
  if (!existsSync(file)) {
    wrong.push(`${file}: not there`);
    continue;
  }
  const whole = readFileSync(file, "utf8");
  const text = anchor === undefined ? whole : section(whole, anchor);
  write(page, title || (/^# (.*)$/m.exec(text)?.[1] ?? page), render(file, text));
}
if (wrong.length > 0) {
  for (const line of wrong) console.error(`leads nowhere: ${line}`);
  process.exit(1);
}
console.log(`${out}: ${readdirSync(out).filter((name) => name.endsWith(".html")).length} pages`);
