// chpst on its way to another program, beside Debian's: how long it takes, and what it spends.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Row } from "./numbers.ts";
import { summarize } from "./numbers.ts";

const changes = ["-u", "nobody:daemon", "-e", "env", "-o", "64", "-P"];

export interface Places {
  readonly build: string;
  readonly reference: string;
  readonly isQuick: boolean;
}

interface Samples {
  readonly program: string;
  readonly wall: number[];
  readonly processor: number[];
  cost: readonly number[];
}

export function measureTools({ build, reference, isQuick }: Places): readonly Row[] {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "bench-"));
  fs.chmodSync(directory, 0o755);
  fs.mkdirSync(path.join(directory, "env"));
  for (const name of ["HOME", "LANG", "PORT", "TZ", "USER"])
    fs.writeFileSync(path.join(directory, "env", name), `${name}\n`);
  // An ordinary user may not change to another one.
  const words = process.getuid?.() === 0 ? changes : changes.slice(2);
  const programs = [path.join(build, "bench/bin/chpst"), path.join(reference, "usr/bin/chpst")];
  const all = programs
    .filter((program) => fs.existsSync(program))
    .map((program): Samples => ({ program, wall: [], processor: [], cost: [] }));
  const run = (tool: string, program: string): readonly number[] => {
    const args = [program, ...words, path.join(build, "bench/nothing")];
    const result = spawnSync(path.join(build, "bench", tool), args, {
      cwd: directory,
      env: { PATH: "/usr/bin:/bin" },
      encoding: "latin1",
    });
    if (result.status !== 0) throw new Error(`${tool} ${args.join(" ")} exits ${result.status}`);
    return result.stdout.trim().split(" ").map(Number);
  };
  const times = isQuick ? 20 : 400;
  for (let i = 0; i < times; i++) {
    for (const one of all) {
      const [wall = Number.NaN, user = 0, system = 0, code] = run("stopwatch", one.program);
      if (code !== 0) throw new Error(`${one.program} exits ${code}`);
      one.wall.push(wall);
      one.processor.push(user + system);
    }
  }
  for (const one of all) one.cost = run("exec-cost", one.program);
  fs.rmSync(directory, { recursive: true });

  const [ours, theirs] = all;
  const title = `chpst ${words.join(" ")}`;
  const row = (what: string, unit: string, of: (samples: Samples) => readonly number[]): Row => ({
    title: `${title}, ${what}`,
    unit,
    ours: ours === undefined ? undefined : summarize(of(ours)),
    theirs: theirs === undefined ? undefined : summarize(of(theirs)),
  });
  return [
    row("start to end of what it executes", "µs", (samples) => samples.wall),
    row("processor", "µs", (samples) => samples.processor),
    row("instructions until the exec", "", (samples) => samples.cost.slice(0, 1)),
    row("system calls until the exec", "", (samples) => samples.cost.slice(1, 2)),
    row("memory written by then", "KiB", (samples) => samples.cost.slice(2, 3)),
    row("resident memory at the exec", "KiB", (samples) => samples.cost.slice(3, 4)),
  ];
}
