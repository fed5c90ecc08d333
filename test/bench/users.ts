// Services of a user: from the command to the first instruction of the service. Beside it, what one does with Debian's
// runit: a link into the scan directory of a runsvdir of one's own.

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Row } from "./numbers.ts";
import { summarize } from "./numbers.ts";
import type { Places } from "./tools.ts";
import { sleep } from "./tree.ts";

const patienceMilliseconds = 20_000;

/** A home with a definition that notes the moment in which it begins. */
class Home {
  readonly directory: string;
  readonly definition: string;
  readonly #bin: string;

  constructor(places: Places, trees: string) {
    this.directory = fs.mkdtempSync(path.join(trees, "home-"));
    this.definition = path.join(this.directory, ".config/sv/web");
    this.#bin = path.join(places.build, "bench/bin");
    fs.mkdirSync(this.definition, { recursive: true });
    fs.copyFileSync(path.join(places.build, "bench/moment"), path.join(this.definition, "run"));
    fs.chmodSync(path.join(this.definition, "run"), 0o755);
  }

  /** A program from start to end: milliseconds. */
  run(program: string, ...words: string[]): number {
    const start = process.hrtime.bigint();
    const { status, stderr } = spawnSync(path.join(this.#bin, program), words, {
      env: { HOME: this.directory, PATH: "/usr/bin:/bin" },
      encoding: "latin1",
    });
    const wall = Number(process.hrtime.bigint() - start) / 1e6;
    if (status !== 0) throw new Error(`${program} ${words.join(" ")} exits ${status}: ${stderr}`);
    return wall;
  }
  /** When the service began, on the clock of hrtime; undefined: not yet. */
  get began(): bigint | undefined {
    try {
      const [, moment] = /^begin (\d+)$/m.exec(fs.readFileSync(path.join(this.definition, "moments"), "latin1")) ?? [];
      return moment === undefined ? undefined : BigInt(moment);
    } catch {
      return undefined;
    }
  }
  async awaitBegin(): Promise<bigint> {
    const end = performance.now() + patienceMilliseconds;
    for (;;) {
      const { began } = this;
      if (began !== undefined) return began;
      if (performance.now() > end) throw new Error("the service does not begin");
      await sleep(1);
    }
  }
  forget(): void {
    fs.rmSync(path.join(this.definition, "moments"));
  }
  clear(): void {
    fs.rmSync(this.directory, { recursive: true });
  }
}

const since = (start: bigint, moment: bigint): number => Number(moment - start) / 1e6;

/** Debian's runsvdir on a directory of the user. */
function startTheirs(places: Places, scan: string): ChildProcess {
  const bin = path.join(places.reference, "usr/bin");
  return spawn(path.join(bin, "runsvdir"), ["-P", scan], {
    env: { PATH: `${bin}:/usr/bin:/bin` },
    stdio: "ignore",
    detached: true,
  });
}

export async function measureUsers(places: Places, trees: string): Promise<readonly Row[]> {
  const fromNothing: number[] = [];
  const withTree: number[] = [];
  const wholeFromNothing: number[] = [];
  const wholeWithTree: number[] = [];
  const theirs: number[] = [];
  const times = places.isQuick ? 3 : 30;
  for (let i = 0; i < times; i++) {
    const home = new Home(places, trees);
    let start = process.hrtime.bigint();
    wholeFromNothing.push(home.run("sv-add", "web"));
    fromNothing.push(since(start, await home.awaitBegin()));
    home.run("sv-remove", "web");
    home.forget();
    start = process.hrtime.bigint();
    wholeWithTree.push(home.run("sv-add", "web"));
    withTree.push(since(start, await home.awaitBegin()));
    home.run("sv-user", "session", "stop");
    home.clear();
  }
  if (fs.existsSync(path.join(places.reference, "usr/bin/runsvdir"))) {
    // Side by side, each in a phase of its own: nearly all of it is waiting.
    const one = async (): Promise<void> => {
      const home = new Home(places, trees);
      const scan = path.join(home.directory, "service");
      fs.mkdirSync(scan);
      await sleep(Math.random() * 1000);
      const runsvdir = startTheirs(places, scan);
      await sleep(6000 + Math.random() * 5000);
      const start = process.hrtime.bigint();
      fs.symlinkSync(home.definition, path.join(scan, "web"));
      theirs.push(since(start, await home.awaitBegin()));
      const ended = new Promise((resolve) => runsvdir.once("exit", resolve));
      runsvdir.kill("SIGHUP");
      await ended;
      const stat = path.join(home.definition, "supervise/stat");
      while (fs.readFileSync(stat, "latin1") !== "down\n") await sleep(5);
      home.clear();
    };
    await Promise.all(Array.from({ length: places.isQuick ? 4 : 20 }, one));
  }
  const row = (title: string, ours: readonly number[], other: readonly number[]): Row => ({
    title,
    unit: "ms",
    ours: summarize(ours),
    theirs: other.length === 0 ? undefined : summarize(other),
  });
  return [
    row("sv-add → the service's first instruction, no tree runs", fromNothing, []),
    row("sv-add → the service's first instruction, the tree runs (theirs: ln -s)", withTree, theirs),
    row("sv-add, the whole command, no tree runs", wholeFromNothing, []),
    row("sv-add, the whole command, the tree runs", wholeWithTree, []),
  ];
}
