// The supervisors of the field, one after the other, with the same services: how soon all run, what they cost while nothing
// happens, and how soon one is started again, restarted, enabled.
//
// A service notes each of its beginnings (beat.c), so that none is asked how it sees itself.

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Summary } from "./numbers.ts";
import { describe, describeRatio, layOutTable, summarize } from "./numbers.ts";
import { childrenOf, findProcess, isAlive, memoryOf, sleepsOf, tell } from "./processes.ts";
import type { Places } from "./tools.ts";
import { pause, sleep } from "./tree.ts";

const patienceMilliseconds = 180_000;
const matureMilliseconds = 1100;

interface Beat {
  /** Milliseconds on the monotonic clock, which is that of performance.now() and hrtime. */
  readonly at: number;
  readonly pid: number;
}

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A supervisor with services, in a directory of its own. */
abstract class Peer {
  readonly root: string;
  readonly places: Places;
  readonly names: string[] = [];
  protected supervisor: ChildProcess | undefined;

  constructor(places: Places, trees: string) {
    this.places = places;
    this.root = fs.mkdtempSync(path.join(trees, "peer-"));
    fs.mkdirSync(path.join(this.root, "service"));
    fs.copyFileSync(path.join(places.build, "bench/beat"), path.join(this.root, "beat"));
    fs.chmodSync(path.join(this.root, "beat"), 0o755);
  }

  abstract get environment(): Record<string, string>;
  /** Makes the supervisor know it at its start. */
  abstract add(name: string): void;
  abstract start(): void;
  /** The command of an administrator, and its arguments. */
  abstract restartCommand(name: string): readonly string[];
  abstract statusCommand(name: string): readonly string[];
  /** Adds a service to what runs; the commands that this takes. */
  abstract enable(name: string): void;
  /** All processes but the services. */
  abstract supervisors(): readonly number[];

  at(...parts: readonly string[]): string {
    return path.join(this.root, ...parts);
  }
  home(name: string): string {
    return this.at("sv", name);
  }
  /** A directory with the program `run`. */
  protected define(name: string): void {
    fs.mkdirSync(this.home(name), { recursive: true });
    fs.linkSync(this.at("beat"), path.join(this.home(name), "run"));
    const hourAgo = Date.now() / 1000 - 3600;
    fs.utimesSync(this.home(name), hourAgo, hourAgo);
    this.names.push(name);
  }
  protected link(name: string): void {
    fs.symlinkSync(`../sv/${name}`, this.at("service", name));
  }
  protected run(words: readonly string[]): void {
    const [program = "", ...args] = words;
    const { status, stderr, stdout } = spawnSync(program, args, {
      env: this.environment,
      cwd: this.root,
      encoding: "latin1",
    });
    if (status !== 0) throw new Error(`${words.join(" ")} exits ${status}: ${stdout}${stderr}`);
  }
  protected spawn(words: readonly string[]): void {
    const [program = "", ...args] = words;
    this.supervisor = spawn(program, args, { env: this.environment, cwd: this.root, stdio: "ignore" });
  }

  beats(name: string): readonly Beat[] {
    try {
      const lines = fs
        .readFileSync(path.join(this.home(name), "beats"), "latin1")
        .trim()
        .split("\n");
      return lines.map((line) => ({ at: Number(line.split(" ")[0]) / 1e6, pid: Number(line.split(" ")[1]) }));
    } catch {
      return [];
    }
  }
  /** Its beginning number `count`. */
  awaitBeat(name: string, count: number, everyMilliseconds: number): Beat {
    const end = now() + patienceMilliseconds;
    for (;;) {
      const beat = this.beats(name)[count - 1];
      if (beat !== undefined) return beat;
      if (now() > end) throw new Error(`${this.constructor.name}: ${name} does not begin`);
      pause(everyMilliseconds);
    }
  }
  command(words: readonly string[]): number {
    const start = now();
    this.run(words);
    return now() - start;
  }
  services(): readonly number[] {
    return this.names.map((name) => this.beats(name).at(-1)?.pid ?? 0).filter((pid) => pid > 0);
  }

  /** However it is ended best: here every process is told, then killed. */
  async stop(): Promise<void> {
    const all = [...this.supervisors(), ...this.services()].map(findProcess).filter((one) => one !== undefined);
    this.tellToEnd();
    const end = now() + 5000;
    while (all.some(isAlive) && now() < end) await sleep(20);
    for (const one of all) tell(one, "SIGKILL");
    fs.rmSync(this.root, { recursive: true, force: true });
  }
  protected tellToEnd(): void {
    this.supervisor?.kill("SIGTERM");
  }
}

/** runsvdir, or svscan, or s6-svscan, on a directory of links. */
abstract class Scanner extends Peer {
  abstract get scanner(): readonly string[];
  override add(name: string): void {
    this.define(name);
    this.link(name);
  }
  override start(): void {
    this.spawn(this.scanner);
  }
  override enable(name: string): void {
    this.add(name);
  }
  override supervisors(): readonly number[] {
    const pid = this.supervisor?.pid ?? 0;
    return [pid, ...childrenOf(pid)];
  }
}

class Runit extends Scanner {
  get bin(): string {
    return path.join(this.places.reference, "usr/bin");
  }
  override get environment(): Record<string, string> {
    return { PATH: this.bin, SVDIR: this.at("service") };
  }
  override get scanner(): readonly string[] {
    return [path.join(this.bin, "runsvdir"), this.at("service")];
  }
  override restartCommand(name: string): readonly string[] {
    return [path.join(this.bin, "sv"), "restart", name];
  }
  override statusCommand(name: string): readonly string[] {
    return [path.join(this.bin, "sv"), "status", name];
  }
  protected override tellToEnd(): void {
    this.supervisor?.kill("SIGHUP");
  }
}

class RunitTs extends Runit {
  override get bin(): string {
    return path.join(this.places.build, "bench/bin");
  }
}

class S6 extends Scanner {
  override get environment(): Record<string, string> {
    const usr = path.join(this.places.reference, "usr");
    return { PATH: path.join(usr, "bin"), LD_LIBRARY_PATH: path.join(usr, "lib/x86_64-linux-gnu") };
  }
  #program(name: string): string {
    return path.join(this.places.reference, "usr/bin", name);
  }
  override get scanner(): readonly string[] {
    return [this.#program("s6-svscan"), "-c", "2000", this.at("service")];
  }
  override restartCommand(name: string): readonly string[] {
    return [this.#program("s6-svc"), "-wr", "-T", "20000", "-r", this.home(name)];
  }
  override statusCommand(name: string): readonly string[] {
    return [this.#program("s6-svstat"), this.home(name)];
  }
  override enable(name: string): void {
    this.add(name);
    this.run([this.#program("s6-svscanctl"), "-a", this.at("service")]);
  }
  protected override tellToEnd(): void {
    this.run([this.#program("s6-svscanctl"), "-t", this.at("service")]);
  }
}

class Daemontools extends Scanner {
  override get environment(): Record<string, string> {
    return { PATH: path.join(this.places.reference, "usr/bin") };
  }
  override get scanner(): readonly string[] {
    return [path.join(this.places.reference, "usr/bin/svscan"), this.at("service")];
  }
  override restartCommand(name: string): readonly string[] {
    return [path.join(this.places.reference, "usr/bin/svc"), "-t", this.home(name)];
  }
  override statusCommand(name: string): readonly string[] {
    return [path.join(this.places.reference, "usr/bin/svstat"), this.home(name)];
  }
  protected override tellToEnd(): void {
    this.supervisor?.kill("SIGTERM");
    for (let i = 0; i < this.names.length; i += 100) {
      const homes = this.names.slice(i, i + 100).map((name) => this.home(name));
      this.run([path.join(this.places.reference, "usr/bin/svc"), "-dx", ...homes]);
    }
  }
}

class Supervisor extends Peer {
  get #peers(): string {
    return path.join(this.places.build, "peers");
  }
  override get environment(): Record<string, string> {
    return { PATH: "/usr/bin:/bin", PYTHONPATH: path.join(this.#peers, "usr/lib/python3/dist-packages") };
  }
  #program(name: string): string {
    return path.join(this.#peers, "usr/bin", name);
  }
  #section(name: string): string {
    return `[program:${name}]\ncommand=${this.home(name)}/run\ndirectory=${this.home(name)}\nstartsecs=0\nautorestart=true\n`;
  }
  override add(name: string): void {
    this.define(name);
    fs.mkdirSync(this.at("conf"), { recursive: true });
    fs.writeFileSync(this.at("conf", `${name}.conf`), this.#section(name));
  }
  override start(): void {
    const socket = this.at("s.sock");
    fs.writeFileSync(
      this.at("supervisord.conf"),
      `[unix_http_server]\nfile=${socket}\n[supervisord]\nlogfile=${this.at("log")}\npidfile=${this.at("pid")}\nminfds=8192\nchildlogdir=${this.root}
[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]\nserverurl=unix://${socket}\n[include]\nfiles=conf/*.conf\n`,
    );
    this.spawn(["/usr/bin/python3", this.#program("supervisord"), "-n", "-c", this.at("supervisord.conf")]);
  }
  #control(...words: readonly string[]): readonly string[] {
    return ["/usr/bin/python3", this.#program("supervisorctl"), "-c", this.at("supervisord.conf"), ...words];
  }
  override restartCommand(name: string): readonly string[] {
    return this.#control("restart", name);
  }
  override statusCommand(name: string): readonly string[] {
    return this.#control("status", name);
  }
  override enable(name: string): void {
    this.add(name);
    this.run(this.#control("update"));
  }
  override supervisors(): readonly number[] {
    return [this.supervisor?.pid ?? 0];
  }
}

class Pm2 extends Peer {
  get #pm2(): readonly string[] {
    return [process.execPath, path.join(this.places.build, "peers/pm2/node_modules/pm2/bin/pm2")];
  }
  override get environment(): Record<string, string> {
    return { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, PM2_HOME: this.at("pm2"), HOME: this.root };
  }
  #app(name: string): object {
    return { name, script: `${this.home(name)}/run`, cwd: this.home(name), interpreter: "none", exec_mode: "fork" };
  }
  override add(name: string): void {
    this.define(name);
  }
  #launch(names: readonly string[]): void {
    const file = this.at(`apps-${names[0]}.json`);
    fs.writeFileSync(file, JSON.stringify({ apps: names.map((name) => this.#app(name)) }));
    this.run([...this.#pm2, "start", file]);
  }
  override start(): void {
    this.#launch(this.names);
  }
  override restartCommand(name: string): readonly string[] {
    return [...this.#pm2, "restart", name];
  }
  override statusCommand(name: string): readonly string[] {
    return [...this.#pm2, "show", name];
  }
  override enable(name: string): void {
    this.add(name);
    this.#launch([name]);
  }
  override supervisors(): readonly number[] {
    return [Number(fs.readFileSync(this.at("pm2/pm2.pid"), "latin1"))];
  }
  protected override tellToEnd(): void {
    this.run([...this.#pm2, "kill"]);
  }
}

interface Contender {
  readonly name: string;
  readonly make: (places: Places, trees: string) => Peer;
  /** Without it there is no column. */
  readonly needs: (places: Places) => string;
  /** Files that count as its own; interpreters and C libraries do not. */
  readonly files: (places: Places) => readonly string[];
  /** It takes so long, or so much, that a thousand services are not tried. */
  readonly isHeavy?: boolean;
}

const inReference = (places: Places, ...names: readonly string[]) =>
  names.map((name) => path.join(places.reference, "usr/bin", name));

const contenders: readonly Contender[] = [
  {
    name: "runit-ts",
    make: (places, trees) => new RunitTs(places, trees),
    needs: (places) => path.join(places.build, "bench/bin/runsv"),
    files: (places) => [path.join(places.build, "bench/runit-ts")],
  },
  {
    name: "runit",
    make: (places, trees) => new Runit(places, trees),
    needs: (places) => path.join(places.reference, "usr/bin/runsv"),
    files: (places) => inReference(places, "runsv", "runsvdir", "sv", "svlogd", "chpst"),
  },
  {
    name: "s6",
    make: (places, trees) => new S6(places, trees),
    needs: () => "/usr/bin/s6-supervise", // scripts/bench puts it there
    files: (places) =>
      inReference(
        places,
        ...fs.readdirSync(path.join(places.reference, "usr/bin")).filter((name) => name.startsWith("s6")),
      ),
  },
  {
    name: "daemontools",
    make: (places, trees) => new Daemontools(places, trees),
    needs: (places) => path.join(places.reference, "usr/bin/svscan"),
    files: (places) =>
      inReference(places, "svscan", "supervise", "svc", "svstat", "multilog", "setuidgid", "envdir", "softlimit"),
  },
  {
    name: "supervisor",
    make: (places, trees) => new Supervisor(places, trees),
    needs: (places) => path.join(places.build, "peers/usr/bin/supervisord"),
    files: (places) => [path.join(places.build, "peers/usr/lib/python3/dist-packages/supervisor")],
  },
  {
    name: "pm2",
    make: (places, trees) => new Pm2(places, trees),
    needs: (places) => path.join(places.build, "peers/pm2/node_modules/pm2/bin/pm2"),
    files: (places) => [path.join(places.build, "peers/pm2/node_modules")],
    isHeavy: true,
  },
];

/** Columns by name; what could not be measured is not there. */
export interface PeerRow {
  readonly title: string;
  readonly unit: string;
  readonly values: Readonly<Record<string, Summary>>;
}

export async function measurePeers(places: Places, trees: string): Promise<readonly PeerRow[]> {
  // Some of them by name, e.g. BENCH_PEERS=runit-ts,pm2.
  const wanted = process.env["BENCH_PEERS"]?.split(",");
  const found = contenders.filter(
    ({ name, needs }) => fs.existsSync(needs(places)) && (wanted?.includes(name) ?? true),
  );
  const samples = new Map<string, number[]>();
  const note = (peer: string, what: string, value: number): void => {
    const list = samples.get(`${peer} ${what}`) ?? [];
    list.push(value);
    samples.set(`${peer} ${what}`, list);
  };
  const sizes = places.isQuick ? [20] : [100, 1000];
  for (const one of found)
    note(
      one.name,
      "size",
      one.files(places).reduce((sum, file) => sum + sizeOf(file), 0),
    );
  for (const count of sizes) {
    const rounds = places.isQuick ? 1 : count === 1000 ? 3 : 5;
    for (let round = 0; round < rounds; round++) {
      for (const one of found) {
        const isPatient = one.isHeavy === true || one.name === "supervisor";
        if (isPatient && places.isQuick && wanted === undefined) continue;
        if (one.isHeavy === true && count > 100) continue;
        const isLast = round === rounds - 1;
        try {
          await live(
            one,
            places,
            trees,
            count,
            (what, value) => note(one.name, what, value),
            isLast,
            count === sizes[0],
          );
        } catch (error: unknown) {
          console.error(`${one.name}, ${count} services: ${error instanceof Error ? error.message : error}`);
        }
      }
      console.error(`peers, ${count} services, round ${round + 1} of ${rounds}`);
    }
  }
  const row = (title: string, unit: string, what: string): PeerRow => {
    const values: Record<string, Summary> = {};
    for (const { name } of contenders) {
      const list = samples.get(`${name} ${what}`);
      if (list !== undefined) values[name] = summarize(list);
    }
    return { title, unit, values };
  };
  const [few = 0] = sizes;
  return [
    row("on disk", "KiB", "size"),
    ...sizes.map((count) => row(`start of ${count.toLocaleString("en")} services`, "ms", `start ${count}`)),
    ...sizes.map((count) =>
      row(`memory of its own per service, ${count.toLocaleString("en")} services`, "KiB", `own ${count}`),
    ),
    row("kill -9 → begun again", "ms", "kill"),
    row("restart: command → begun", "ms", "restart begun"),
    row("restart: the whole command", "ms", "restart"),
    row("status of one service: the whole command", "ms", "status"),
    row("a new service → begun", "ms", "enable"),
    row(`wake-ups per minute, ${few} idle services`, "", "wake-ups"),
    row("stop: all of them ended", "ms", "stop"),
  ];
}

async function live(
  one: Contender,
  places: Places,
  trees: string,
  count: number,
  note: (what: string, value: number) => void,
  isLast: boolean,
  isSmallest: boolean,
): Promise<void> {
  const peer = one.make(places, trees);
  try {
    for (let i = 0; i < count; i++) peer.add(`s${i}`);
    pause(matureMilliseconds);
    const start = now();
    peer.start();
    let last = 0;
    for (const name of peer.names) last = Math.max(last, peer.awaitBeat(name, 1, 2).at);
    note(`start ${count}`, last - start);
    await sleep(places.isQuick ? 300 : 3000);
    const own = peer.supervisors().reduce((sum, pid) => sum + memoryOf(pid).own, 0);
    note(`own ${count}`, own / count / 1024);
    if (isSmallest && isLast) await inspect(peer, places, note);
    if (isSmallest) {
      const services = peer
        .services()
        .map(findProcess)
        .filter((found) => found !== undefined);
      const told = now();
      const ended = peer.stop();
      while (services.some(isAlive) && now() - told < 60_000) await sleep(1);
      note("stop", now() - told);
      await ended;
    }
  } finally {
    if (fs.existsSync(peer.root)) await peer.stop();
  }
}

async function inspect(peer: Peer, places: Places, note: (what: string, value: number) => void): Promise<void> {
  const supervisors = peer.supervisors();
  const before = supervisors.map(sleepsOf);
  const start = now();
  await sleep(places.isQuick ? 1000 : 30_000);
  const woken = supervisors.map((pid, index) => sleepsOf(pid) - (before[index] ?? 0));
  note("wake-ups", woken.reduce((sum, each) => sum + each, 0) / ((now() - start) / 60_000));

  const times = places.isQuick ? 3 : 20;
  for (const name of peer.names.slice(0, times)) {
    const { pid } = peer.awaitBeat(name, 1, 1);
    const killed = now();
    process.kill(pid, "SIGKILL");
    note("kill", peer.awaitBeat(name, 2, 0.2).at - killed);
  }
  await sleep(matureMilliseconds);
  for (const name of peer.names.slice(0, times)) {
    const told = now();
    const whole = peer.command(peer.restartCommand(name));
    note("restart begun", peer.awaitBeat(name, 3, 0.2).at - told);
    note("restart", whole);
    note("status", peer.command(peer.statusCommand(name)));
  }
  for (let i = 0; i < (places.isQuick ? 1 : 8); i++) {
    await sleep(places.isQuick ? 0 : Math.random() * 2000); // a poll is met in another moment each time
    const told = now();
    peer.enable(`late${i}`);
    note("enable", peer.awaitBeat(`late${i}`, 1, 0.5).at - told);
  }
}

function sizeOf(file: string): number {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSymbolicLink()) return 0;
  if (!stats.isDirectory()) return stats.size / 1024;
  return fs.readdirSync(file).reduce((sum, name) => sum + sizeOf(path.join(file, name)), 0);
}

/** Median, spread, and in the last column ours as part of the best of the others. */
export function describePeers(rows: readonly PeerRow[]): string {
  const names = contenders
    .map(({ name }) => name)
    .filter((name) => rows.some(({ values }) => values[name] !== undefined));
  const lines = [["median (least–greatest)", ...names, "ours/best"]];
  for (const { title, unit, values } of rows) {
    const others = names.slice(1).flatMap((name) => values[name]?.median ?? []);
    const best = others.length === 0 ? undefined : Math.min(...others);
    lines.push([
      unit === "" ? title : `${title}, ${unit}`,
      ...names.map((name) => describe(values[name], "")),
      describeRatio(values["runit-ts"]?.median, best),
    ]);
  }
  return layOutTable(lines);
}
