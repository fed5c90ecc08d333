// scripts/mutants, in its copy of the rules and of their tests.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";

const wanted = process.env["MUTANTS"] ?? "300";
const seed = Number(process.env["MUTANTS_SEED"] ?? 1);
const only = process.env["MUTANTS_IN"] ?? "";
const atOnce = Number(process.env["AT_ONCE"] ?? 2);

/** The files below a directory. */
function below(directory, end) {
  const names = fs.readdirSync(directory, { recursive: true }).filter((name) => name.endsWith(end));
  return names.map((name) => path.join(directory, name)).sort();
}

/** What a file imports, by itself. */
function importsOf(file) {
  const text = fs.readFileSync(file, "utf8");
  const names = [...text.matchAll(/^import(?! type)[^;]*? from "(\.[^"]*)";/gm)].map(([, name]) => name);
  return names.map((name) => path.join(path.dirname(file), name));
}

/** Whether a file imports the module, by itself or by way of others. */
function reaches(file, module, seen = new Set()) {
  if (file === module) return true;
  if (seen.has(file)) return false;
  seen.add(file);
  return importsOf(file).some((name) => reaches(name, module, seen));
}

/** Whether the tests pass with the mutant ("": with none); undefined: they have not ended in time. */
function passes(tests, mutant, milliseconds) {
  return new Promise((resolve) => {
    const words = ["--test", "--test-isolation=none", "--test-reporter=dot", ...tests];
    const env = { ...process.env, __STRYKER_ACTIVE_MUTANT__: mutant };
    if (mutant === "") delete env["__STRYKER_ACTIVE_MUTANT__"];
    const child = spawn(process.execPath, words, {
      stdio: "ignore",
      env,
      timeout: milliseconds,
      killSignal: "SIGKILL",
    });
    child.on("close", (code) => resolve(code === null ? undefined : code === 0));
  });
}

/** The list in an order that the seed decides. */
function shuffled(list) {
  let state = seed >>> 0;
  const keyed = list.map((one) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return { key: state, one };
  });
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
}

const modules = below("src/core", ".ts");
const unitTests = below("test/unit/core", ".test.ts");
const tests = new Map(
  modules.map((module) => {
    const own = unitTests.filter((file) => importsOf(file).includes(module));
    const others = unitTests.filter((file) => !own.includes(file) && reaches(file, module));
    return [module, [own, [...others, "test/fuzz/corpus.test.ts"]].filter((list) => list.length > 0)];
  }),
);

/** What takes long is run only for what it tests itself. */
const slowMilliseconds = 2000;

const silent = { debug() {}, info() {}, warn: console.error, isDebugEnabled: () => false };
const files = modules.map((name) => ({ name, mutate: true, content: fs.readFileSync(name, "utf8") }));
const result = await new Instrumenter(silent).instrument(files, { ignorers: [], plugins: null, excludedMutations: [] });
for (const { name, content } of result.files) fs.writeFileSync(name, `// @ts-nocheck\n${content}`);

/** How long each file takes, without a mutant. */
const durations = new Map();
for (const file of ["test/fuzz/corpus.test.ts", ...unitTests]) {
  const began = performance.now();
  if (!(await passes([file], "", 120_000))) {
    console.error(`${file} fails without a mutant`);
    process.exit(2);
  }
  durations.set(file, performance.now() - began);
}
/** Who takes longer than this does not end. */
function patience(list) {
  return Math.round(3000 + 3 * list.reduce((sum, file) => sum + durations.get(file), 0));
}

const all = result.mutants.filter(({ status, fileName }) => status === undefined && fileName.includes(only));
const sample = wanted === "all" ? all : shuffled(all).slice(0, Number(wanted));
const scores = new Map();
const survivors = [];
let late = 0;
const queue = [...sample];

async function work() {
  for (let mutant = queue.pop(); mutant !== undefined; mutant = queue.pop()) {
    const { id, fileName, mutatorName, replacement, location } = mutant;
    const score = scores.get(fileName) ?? { killed: 0, tried: 0 };
    scores.set(fileName, score);
    let isAlive = true;
    for (const [place, some] of (tests.get(fileName) ?? []).entries()) {
      const list = place === 0 ? some : some.filter((file) => durations.get(file) < slowMilliseconds);
      const passed = await passes(list, id, patience(list));
      if (passed === undefined) late++;
      isAlive = passed === true;
      if (!isAlive) break;
    }
    score.tried++;
    if (!isAlive) score.killed++;
    else {
      const { start, end } = location;
      const lines = (files.find(({ name }) => name === fileName)?.content ?? "")
        .split("\n")
        .slice(start.line, end.line + 1);
      const one = lines.length === 1 ? lines[0].slice(start.column, end.column) : `${lines[0].slice(start.column)} …`;
      survivors.push(`${fileName}:${start.line + 1}: ${mutatorName}: ${one.trim()} → ${replacement.split("\n")[0]}`);
    }
  }
}
await Promise.all(Array.from({ length: atOnce }, work));

const [killed, tried] = [...scores.values()].reduce(([k, t], one) => [k + one.killed, t + one.tried], [0, 0]);
for (const [module, score] of [...scores].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`${module} ${score.killed} ${score.tried}`);
}
for (const survivor of survivors.sort()) console.log(`survived: ${survivor}`);
console.log(
  `sum ${killed} killed (${late} did not end in time) of ${tried} tried of ${all.length} mutants, seed ${seed}`,
);
