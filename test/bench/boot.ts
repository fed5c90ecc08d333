// Process 1, of a container or with stages: how soon what it runs runs, how soon all is over, what orphans and memory cost.
// Beside Debian's runit, and the small process 1s that Debian has: tini, dumb-init, s6-svscan, the init of busybox.

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Summary } from "./numbers.ts";
import { describeRatio, layOutTable, short, summarize } from "./numbers.ts";
import { childrenOf, memoryOf, processorTimeOf } from "./processes.ts";
import type { Places } from "./tools.ts";
import { pause } from "./tree.ts";

const peers = ["ours", "runit", "tini", "dumb-init", "s6", "busybox"] as const;
type Peer = (typeof peers)[number];
const titles: Readonly<Record<Peer, string>> = {
  ours: "runit-ts",
  runit: "Debian's runit",
  tini: "tini",
  "dumb-init": "dumb-init",
  s6: "s6-svscan",
  busybox: "busybox init",
};

export interface BootRow {
  readonly title: string;
  readonly values: Partial<Record<Peer, Summary>>;
}

const term = 15;
const cont = 18;
const orphanCount = 1000;
const patienceMilliseconds = 20_000;
const lookMilliseconds = 0.2;
const idleMilliseconds = 500;

interface Begun {
  readonly argv: readonly string[];
  readonly signal?: number;
  readonly env?: Record<string, string>;
  readonly mounts?: readonly string[];
}

/** A process 1 that has been started in a root directory of its own. */
class Life {
  readonly #child: ChildProcess;
  readonly #root: string;
  #out = "";

  constructor(bench: Bench, root: string, begun: Begun) {
    this.#root = root;
    const mounts = [
      "/usr:/usr",
      `${path.join(bench.places.build, "bench")}:/bench`,
      `${bench.places.reference}:/reference`,
      "/dev/null:/dev/null",
      ...(begun.mounts ?? []),
    ];
    const args = [root, `${begun.signal ?? term}`, ...mounts, "--", ...begun.argv];
    const env = { PATH: "/bench/bin:/reference/usr/bin:/usr/bin:/bin", ...begun.env };
    this.#child = spawn(path.join(bench.places.build, "bench/namespace"), args, {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      this.#out += text;
    });
  }

  #said(word: string): number | undefined {
    const found = new RegExp(`^${word} (\\d+)`, "m").exec(this.#out)?.[1];
    return found === undefined ? undefined : Number(found);
  }
  async #heard(word: string): Promise<number> {
    await until(`"${word}" in ${this.#out}`, () => this.#said(word) !== undefined);
    return this.#said(word) ?? Number.NaN;
  }
  get pid(): Promise<number> {
    return this.#heard("pid");
  }
  /** Nanoseconds that moments note so far, of all places. */
  moments(places: readonly string[], word: "begin" | "end"): readonly number[] {
    return places.flatMap((place) => {
      const file = path.join(this.#root, place, "moments");
      const text = fs.existsSync(file) ? fs.readFileSync(file, "latin1") : "";
      return [...text.matchAll(new RegExp(`^${word} (\\d+)\\n`, "gm"))].map((match) => Number(match[1]));
    });
  }
  /** Milliseconds from the beginning until the last of them runs. */
  async running(places: readonly string[]): Promise<number> {
    await until(`${places} run: ${this.#out}`, () => this.moments(places, "begin").length >= places.length);
    return (Math.max(...this.moments(places, "begin")) - (await this.#heard("begin"))) / 1e6;
  }
  /** Tells it to end; milliseconds between the end of the last of them and its own. */
  async stop(places: readonly string[]): Promise<number> {
    this.#child.stdin?.write("x");
    const end = await this.#heard("end");
    const ends = this.moments(places, "end");
    if (ends.length < places.length) return Number.NaN; // they were killed
    return (end - Math.max(...ends)) / 1e6;
  }
  async kill(): Promise<void> {
    this.#child.stdin?.end();
    process.kill(await this.pid, "SIGKILL");
    await this.#heard("end");
  }
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = performance.now() + patienceMilliseconds;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, lookMilliseconds));
  }
}

class Bench {
  readonly places: Places;
  readonly #trees: string;
  readonly rows = new Map<string, Map<Peer, number[]>>();
  #count = 0;

  constructor(places: Places, trees: string) {
    this.places = places;
    this.#trees = trees;
  }

  note(title: string, peer: Peer, value: number): void {
    const row = this.rows.get(title) ?? new Map<Peer, number[]>();
    this.rows.set(title, row.set(peer, [...(row.get(peer) ?? []), value]));
  }
  has(program: string): boolean {
    return fs.existsSync(path.join(this.places.reference, program));
  }

  /** A new root directory; services named s0, s1 … are programs that note their moments. */
  root(services: number, directory = "etc/service"): string {
    const root = path.join(this.#trees, `root${this.#count++}`);
    for (const name of ["usr", "bench", "reference", "machine", "proc", "dev", "run", "tmp", "etc/runit", directory])
      fs.mkdirSync(path.join(root, name), { recursive: true });
    for (const name of ["bin", "lib", "lib64", "sbin"]) {
      if (fs.existsSync(`/${name}`)) fs.symlinkSync(`usr/${name}`, path.join(root, name));
    }
    fs.writeFileSync(path.join(root, "dev/null"), "");
    fs.writeFileSync(path.join(root, "etc/inittab"), "::once:/bench/moment\n"); // busybox's
    for (let i = 0; i < services; i++) {
      const service = path.join(root, directory, `s${i}`);
      fs.mkdirSync(service, { recursive: true });
      fs.copyFileSync(this.#moment, path.join(service, "run"));
    }
    return root;
  }
  get #moment(): string {
    return path.join(this.places.build, "bench/moment");
  }
  /** A root with stages: 2 notes its moments. */
  staged(): string {
    const root = this.root(0);
    const stages = path.join(root, "etc/runit");
    for (const name of ["1", "3"])
      fs.copyFileSync(path.join(this.places.build, "bench/nothing"), path.join(stages, name));
    fs.copyFileSync(this.#moment, path.join(stages, "2"));
    fs.writeFileSync(path.join(stages, "nosync"), "");
    return root;
  }
  /** The stop flag, where Debian's runit looks for it. */
  arm(root: string): void {
    fs.writeFileSync(path.join(root, "run/runit.stopit"), "", { mode: 0o100 });
  }
  begin(root: string, begun: Begun): Life {
    return new Life(this, root, begun);
  }
}

const services = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `etc/service/s${i}`);
/** s6 knows its programs by their paths, and finds its libraries nowhere else. */
const s6 = { LD_LIBRARY_PATH: "/reference/usr/lib/x86_64-linux-gnu:/reference/lib/x86_64-linux-gnu" };
const settleMilliseconds = 60;

/** How each of them supervises a directory, or runs one program. */
function supervising(bench: Bench): readonly (readonly [Peer, Begun])[] {
  const all: (readonly [Peer, Begun, string])[] = [
    ["ours", { argv: ["/bench/bin/runit-container", "-p", "none", "-d", "/etc/service"] }, ""],
    ["runit", { argv: ["/reference/usr/bin/runsvdir", "-P", "/etc/service"] }, "usr/bin/runsvdir"],
    [
      "s6",
      {
        argv: ["/reference/usr/bin/s6-svscan", "/etc/service"],
        env: s6,
        mounts: [`${bench.places.reference}/usr/bin:/usr/bin`],
      },
      "usr/bin/s6-svscan",
    ],
  ];
  return all.filter(([, , needs]) => needs === "" || bench.has(needs)).map(([peer, begun]) => [peer, begun]);
}
function running(bench: Bench, program: string): readonly (readonly [Peer, Begun])[] {
  const all: (readonly [Peer, Begun, string])[] = [
    ["ours", { argv: ["/bench/bin/runit-container", "--", program] }, ""],
    ["tini", { argv: ["/reference/usr/bin/tini", "--", program] }, "usr/bin/tini"],
    ["dumb-init", { argv: ["/reference/usr/bin/dumb-init", program] }, "usr/bin/dumb-init"],
  ];
  const found = all.filter(([, , needs]) => needs === "" || bench.has(needs));
  // A program of its own is in its inittab; TERM means reboot.
  const machine = path.join(bench.places.build, "machine/bin");
  if (program === "/bench/moment" && fs.existsSync(path.join(machine, "busybox")))
    found.push(["busybox", { argv: ["/machine/busybox", "init"], mounts: [`${machine}:/machine`] }, ""]);
  return found.map(([peer, begun]) => [peer, begun]);
}
function staging(bench: Bench): readonly (readonly [Peer, Begun])[] {
  const all: (readonly [Peer, Begun, string])[] = [
    ["ours", { argv: ["/bench/bin/runit"] }, ""],
    ["runit", { argv: ["/reference/sbin/runit"], signal: cont }, "sbin/runit"],
  ];
  return all.filter(([, , needs]) => needs === "" || bench.has(needs)).map(([peer, begun]) => [peer, begun]);
}

async function measureLives(bench: Bench): Promise<void> {
  for (const [peer, begun] of staging(bench)) {
    const root = bench.staged();
    const life = bench.begin(root, begun);
    bench.note("runit: exec to stage 2 running, ms", peer, await life.running(["."]));
    bench.arm(root);
    bench.note("runit: end of stage 2 to the end of all, ms", peer, await life.stop(["."]));
  }
  for (const count of [1, 10]) {
    const places = services(count);
    for (const [peer, begun] of supervising(bench)) {
      const root = bench.root(count);
      pause(settleMilliseconds); // nothing is to be news
      const life = bench.begin(root, begun);
      bench.note(
        `exec to ${count === 1 ? "a service" : `${count} services`} running, ms`,
        peer,
        await life.running(places),
      );
      bench.note(
        `end of ${count === 1 ? "a service" : `the last of ${count}`} to the end of all, ms`,
        peer,
        await life.stop(places),
      );
    }
  }
  for (const [peer, begun] of running(bench, "/bench/moment")) {
    const root = bench.root(0);
    fs.mkdirSync(path.join(root, "work"));
    const life = bench.begin(root, begun);
    bench.note("exec to one command running, ms", peer, await life.running(["."]));
    bench.note("end of the command to the end of all, ms", peer, await life.stop(["."]));
  }
}

/** Processor time for orphans, and memory. */
async function measureRest(bench: Bench): Promise<void> {
  const lives: (readonly [string, readonly (readonly [Peer, Begun])[], () => string, readonly string[]])[] = [
    ["runit", staging(bench), () => bench.staged(), ["."]],
    ["a service", supervising(bench), () => bench.root(1), services(1)],
    ["one command", running(bench, "/bench/moment"), () => bench.root(0), ["."]],
  ];
  for (const [title, begun, makeRoot, places] of lives) {
    for (const [peer, how] of begun) {
      const root = makeRoot();
      pause(settleMilliseconds);
      const life = bench.begin(root, how);
      await life.running(places);
      const pid = await life.pid;
      await new Promise((resolve) => setTimeout(resolve, idleMilliseconds));
      bench.note(`${title}: memory written by process 1, KiB`, peer, memoryOf(pid).written / 1024);
      bench.note(`${title}: resident memory of process 1, KiB`, peer, memoryOf(pid).resident / 1024);
      const before = processorTimeOf(pid);
      const children = childrenOf(pid).length;
      const orphans = ["-t", `${pid}`, "-p", path.join(bench.places.build, "bench/orphans"), `${orphanCount}`];
      const made = spawnSync("nsenter", orphans, { encoding: "latin1" });
      if (made.status !== 0) throw new Error(`orphans: ${made.stderr}`);
      await until("orphans are reaped", () => childrenOf(pid).length <= children);
      bench.note(`${title}: reaping ${orphanCount} orphans, processor ms`, peer, processorTimeOf(pid) - before);
      await life.kill();
    }
  }
  for (const [peer, how] of supervising(bench)) {
    const root = bench.root(100);
    pause(settleMilliseconds);
    const life = bench.begin(root, how);
    await life.running(services(100));
    const pid = await life.pid;
    await new Promise((resolve) => setTimeout(resolve, idleMilliseconds));
    // Those in between belong to it; services have no children.
    const between = childrenOf(pid).filter((child) => childrenOf(child).length > 0);
    const all = [pid, ...between].reduce((sum, one) => sum + memoryOf(one).written, 0);
    bench.note("100 services: memory written by all supervisors, KiB", peer, all / 1024);
    await life.kill();
  }
}

/** Needs the right to make namespaces: without it there are no rows. */
export async function measureBoot(places: Places, trees: string): Promise<readonly BootRow[]> {
  const probe = spawnSync("unshare", ["--pid", "--fork", "--mount", "--mount-proc", "true"], { stdio: "ignore" });
  if (probe.status !== 0) return [];
  const bench = new Bench(places, trees);
  for (let i = 0; i < (places.isQuick ? 2 : 30); i++) await measureLives(bench);
  for (let i = 0; i < (places.isQuick ? 1 : 5); i++) await measureRest(bench);
  return [...bench.rows].map(([title, samples]) => {
    const values: Partial<Record<Peer, Summary>> = {};
    for (const [peer, list] of samples) if (!list.some(Number.isNaN)) values[peer] = summarize(list);
    return { title, values };
  });
}

/** Medians; – where it does not apply, or its services were killed instead of ended. */
export function describeBoot(rows: readonly BootRow[]): string {
  const lines = rows.map(({ title, values }) => {
    const others = peers.slice(1).flatMap((peer) => values[peer]?.median ?? []);
    const best = others.length > 0 ? Math.min(...others) : undefined;
    const cells = peers.map((peer) => (values[peer] === undefined ? "–" : short(values[peer].median)));
    return [title, ...cells, describeRatio(values.ours?.median, best)];
  });
  return layOutTable([["process 1 (less is better)", ...peers.map((peer) => titles[peer]), "ours/best"], ...lines]);
}
