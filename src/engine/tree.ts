// All services of a scan directory, supervised by this one process: as runsvdir with a runsv for each, without the
// processes in between. What runit-container does for itself stands in container.ts.

import type { ContainerOptions } from "../core/container/options.ts";
import { optionVariables } from "../core/container/options.ts";
import type { ServiceFact } from "../core/container/report.ts";
import type { Entry } from "../core/supervise/scan.ts";
import type { Role } from "../core/supervise/service.ts";
import { serviceVariables } from "../core/supervise/variables.ts";
import { ENOENT } from "../core/text/errors.ts";
import { decodeFields, encodeFields } from "../core/text/fields.ts";
import { describeWarning } from "../core/text/messages.ts";
import { listEnvironment } from "../directories/environment.ts";
import { ScanDirectory } from "../directories/scan.ts";
import { ContainerPlaces } from "../directories/state-root.ts";
import { SystemError } from "../system/errors.ts";
import type { Polled, System } from "../system/system.ts";
import { openRead } from "../system/system.ts";
import type { Output, OutputStream } from "./output.ts";
import { lockMilliseconds, Setting, Supervisor } from "./supervisor.ts";

const retryMilliseconds = 1000;
const pollMilliseconds = 5000;
const logPatienceMilliseconds = 500;
/** Ends of a service within this time count when it is asked whether it fails again and again. */
const failingMilliseconds = 10_000;
/** So many of them are remembered, at least. */
const maxEnds = 16;
const turnMilliseconds = 20;
const termSignal = 15;
const contSignal = 18;
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How often a process has ended by itself. */
export class Ends {
  /** Monotonic clock, milliseconds; the latest last. */
  times: number[] = [];
  /** How, as waitpid(2) has it; negative: unknown. */
  last = -1;

  add(time: number, window: number, maxCount: number): void {
    const kept = this.since(time - window);
    this.times = this.times.slice(this.times.length - Math.min(kept, maxCount - 1));
    this.times.push(Math.floor(time));
  }
  since(time: number): number {
    let count = 0;
    for (const end of this.times) if (end >= time) count++;
    return count;
  }
}

/** A service of the tree. */
export class TreeService {
  readonly name: string;
  readonly identity: string;
  readonly isMain: boolean;
  readonly setting: Setting;
  stdout: OutputStream | undefined = undefined;
  stderr: OutputStream | undefined = undefined;
  /** undefined: it could not be begun with. */
  supervisor: Supervisor | undefined = undefined;
  /** When to try that again (monotonic clock, milliseconds); negative: not at all. */
  retryAt = -1;
  /** Gone from the scan directory. */
  isRemoved = false;
  /** When its log service is told to end, if its input has not told it; negative: not known yet. */
  logDueAt = -1;
  readonly ends = new Ends();
  readonly logEnds = new Ends();
  /** What is kept of it for a restart in place; "": it has changed since. */
  kept = "";

  constructor(name: string, identity: string, isMain: boolean, setting: Setting) {
    this.name = name;
    this.identity = identity;
    this.isMain = isMain;
    this.setting = setting;
  }

  /** Has nothing left that runs, its log service included. */
  get isOver(): boolean {
    return this.supervisor === undefined || this.supervisor.isOver;
  }
}

/** What the owner of a tree is told. */
export abstract class TreeOwner {
  abstract say(message: string): void;
  abstract hasChanged(): void;
  /** Everything is to be kept for a restart in place, now. */
  abstract keep(): void;
  /** ./run of a service, or of its log service, has ended. */
  abstract hasEnded(service: TreeService, role: Role, waitStatus: number, now: number): void;
}

export class Tree {
  readonly #system: System;
  readonly #options: ContainerOptions;
  readonly #owner: TreeOwner;
  readonly #output: Output;
  readonly #scanDirectory: ScanDirectory;
  /** What services read where a command has the standard input. */
  readonly #nowhere: number;
  readonly places: ContainerPlaces;
  #services: TreeService[] = [];
  /** A service is left alone for the moment it may still be copied in. */
  isSettling = false;
  #complaint = "";
  #isStopping = false;
  /** Whose turn it is. */
  #turn = 0;
  /** Monotonic clock, milliseconds; negative: when something happens. */
  #scanAt = -1;
  #pollAt = -1;

  constructor(system: System, options: ContainerOptions, owner: TreeOwner, output: Output, origin: number) {
    this.#system = system;
    this.#options = options;
    this.#owner = owner;
    this.#output = output;
    this.#nowhere = options.hasCommand ? system.open("/dev/null", openRead, 0) : -1;
    this.places = new ContainerPlaces(system, options.directory);
    const complain = (text: string, errno: number): void => this.#complain(text, errno);
    this.#scanDirectory = new ScanDirectory(system, options.directory, origin, complain);
  }

  get services(): readonly TreeService[] {
    return this.#services;
  }

  /** Looks at the directory: new services are started, those that are gone stopped. */
  scan(now: number): void {
    this.#scanAt = -1;
    if (this.#isStopping) return;
    const identities = new Set<string>();
    for (const service of this.#services) identities.add(service.identity);
    const scan = this.#scanDirectory.scan(identities, false);
    this.#pollAt = this.#scanDirectory.needsPolling ? now + pollMilliseconds : -1;
    this.isSettling = scan.againMilliseconds >= 0;
    if (this.isSettling) this.#scanAt = now + scan.againMilliseconds;
    if (scan.entries === undefined) {
      this.#scanAt = now + retryMilliseconds;
      return;
    }
    this.#complaint = "";
    const found = new Set<string>();
    const added: TreeService[] = [];
    for (const entry of scan.entries) {
      if (found.has(entry.identity)) continue;
      found.add(entry.identity);
      // Another one of that name may be about to end: this one begins after it.
      const isTaken = this.#services.some((service) => service.name === entry.name);
      if (!identities.has(entry.identity) && !isTaken) added.push(this.#add(entry));
    }
    for (const service of this.#services) {
      if (found.has(service.identity) || service.isRemoved) continue;
      service.isRemoved = true;
      service.supervisor?.stop();
    }
    for (const service of added) this.#services.push(service);
    this.#begin(added, now);
    this.#owner.hasChanged();
  }

  #add(entry: Entry): TreeService {
    const { name, identity } = entry;
    const { mains, directory } = this.#options;
    const isMain = mains.includes(name) || this.#system.stat(`${directory}/${name}/main`, true).errno === 0;
    return this.#make(name, identity, isMain, this.#baseOf(name));
  }

  /** Path of a service directory that outlives its link in the scan directory. */
  #baseOf(name: string): string {
    const { directory } = this.#options;
    const link = this.#system.readlink(`${directory}/${name}`);
    if (link.errno !== 0) return `${directory}/${name}/`;
    return link.text.startsWith("/") ? `${link.text}/` : `${directory}/${link.text}/`;
  }

  #make(name: string, identity: string, isMain: boolean, base: string): TreeService {
    const setting = new Setting(base);
    setting.inOwnSessions = true;
    setting.stdin = this.#nowhere;
    setting.stopSignal = this.#options.stopSignal;
    const service = new TreeService(name, identity, isMain, setting);
    this.#equip(service);
    return service;
  }

  /** What it tells us, and how. */
  #equip(service: TreeService): void {
    const { setting } = service;
    setting.say = (message) => this.#owner.say(message);
    setting.changed = () => {
      service.kept = "";
      const pid = service.supervisor?.service.pid ?? 0;
      if (pid !== 0 && service.stdout !== undefined) service.stdout.pid = pid;
      if (pid !== 0 && service.stderr !== undefined) service.stderr.pid = pid;
      this.#owner.hasChanged();
    };
    setting.ended = (role, waitStatus) => this.#hearEnd(service, role, waitStatus);
    setting.prepare = (_role, _phase) => this.#prepare(service);
  }

  /** Before each start: its environment. Without all of that it is not to be started. */
  #prepare(service: TreeService): boolean {
    const { setting } = service;
    const variables: string[] = [];
    if (this.#options.isClean) {
      variables.push("");
      variables.push(`PATH=${this.#system.environment("PATH") ?? defaultPath}`);
    } else for (const name of optionVariables()) variables.push(name);
    const logDirectory = `/var/log/sv/${service.name}`;
    for (const entry of serviceVariables(service.name, setting.state, logDirectory)) variables.push(entry);
    const directory = `${setting.base}env`;
    if (this.#system.stat(directory, true).kind === "directory") {
      try {
        for (const entry of listEnvironment(this.#system, directory)) variables.push(entry);
      } catch (error: unknown) {
        if (!(error instanceof SystemError)) throw error;
        this.#warn(`${service.name}: ${error.message}`, 0);
        return false;
      }
    }
    setting.variables = variables;
    return true;
  }

  /** Begins to supervise. What is held for them is kept before any of them is started. */
  #begin(services: readonly TreeService[], now: number): void {
    const begun = services.filter((service) => this.#claim(service, now));
    if (begun.length > 0) this.#owner.keep();
    for (const { name, isMain, supervisor } of begun) {
      supervisor?.begin();
      if (isMain && supervisor?.service.want === "down") this.#warn(`main service ${name} has a file down`, 0);
    }
  }

  /** Whether it is ready to be started; what stands in the way is said, and tried again after a while. */
  #claim(service: TreeService, now: number): boolean {
    const { setting } = service;
    try {
      if (service.supervisor === undefined) {
        setting.state = this.places.placeOf(setting.base, service.name);
        setting.logState = this.places.placeOf(`${setting.base}log/`, `${service.name}.log`);
        if (this.#options.prefix !== "none" && service.stderr === undefined) {
          service.stdout = this.#output.open(service.name, "stdout");
          service.stderr = this.#output.open(service.name, "stderr");
          setting.stdout = service.stdout.writeFd;
          setting.stderr = service.stderr.writeFd;
        }
        const supervisor = new Supervisor(this.#system, `[runit] ${service.name}`, setting);
        supervisor.claim();
        service.supervisor = supervisor;
      }
      const { supervisor } = service;
      if (!supervisor.claimLog()) {
        if (service.retryAt < 0)
          this.#warn(`${service.name}: another one holds the lock of its log service, waiting`, 0);
        service.retryAt = now + lockMilliseconds;
        return false;
      }
      supervisor.open();
      service.retryAt = -1;
      return true;
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      this.#owner.say(`[runit] ${service.name}: fatal: ${error.message}\n`);
      service.supervisor = undefined;
      service.retryAt = now + retryMilliseconds;
      return false;
    }
  }

  #hearEnd(service: TreeService, role: Role, waitStatus: number): boolean {
    const { supervisor } = service;
    const now = this.#system.monotonic();
    if (role === "log") {
      service.logEnds.last = waitStatus;
      if (supervisor?.log?.want === "up" && !supervisor.log.gotTerm)
        service.logEnds.add(now, failingMilliseconds, maxEnds);
      this.#owner.hasEnded(service, role, waitStatus, now);
      return false;
    }
    if (service.stdout !== undefined) this.#output.finish(service.stdout);
    if (service.stderr !== undefined) this.#output.finish(service.stderr);
    service.ends.last = waitStatus;
    if (supervisor?.service.want === "up" && !supervisor.service.gotTerm) {
      const { maxFailures, failureMilliseconds } = this.#options;
      const window = Math.max(failingMilliseconds, failureMilliseconds);
      service.ends.add(now, window, Math.max(maxEnds, maxFailures));
    }
    // Nothing of a service outlives its stop.
    if (supervisor !== undefined && supervisor.service.want !== "up") {
      for (const signal of [termSignal, contSignal]) this.#system.killGroup(supervisor.service.pid, signal);
    }
    this.#owner.hasEnded(service, role, waitStatus, now);
    return service.isMain;
  }

  /** What is to be told of the services. */
  facts(now: number): readonly ServiceFact[] {
    const facts: ServiceFact[] = [];
    for (const one of this.#services) {
      const service = one.supervisor?.service;
      facts.push({
        name: one.name,
        path: one.setting.base,
        state: service?.phase ?? "down",
        want: one.isRemoved ? "exit" : (service?.want ?? "up"),
        pid: service?.pid ?? 0,
        upMilliseconds: service?.phase === "run" ? now - (one.supervisor?.startedAt ?? now) : 0,
        endsOfLate: one.ends.since(now - failingMilliseconds),
        lastEnd: one.ends.last,
      });
      const log = one.supervisor?.log;
      if (log === undefined) continue;
      facts.push({
        name: `${one.name}/log`,
        path: `${one.setting.base}log/`,
        state: log.phase,
        want: log.want,
        pid: log.pid,
        upMilliseconds: log.phase === "run" ? now - (one.supervisor?.logStartedAt ?? now) : 0,
        endsOfLate: one.logEnds.since(now - failingMilliseconds),
        lastEnd: one.logEnds.last,
      });
    }
    return facts;
  }

  /** About the scan directory: the same again and again is said once. */
  #complain(text: string, errno: number): void {
    if (errno === ENOENT && !this.#options.isDirectoryWanted) return;
    if (text !== this.#complaint) this.#warn(text, errno);
    this.#complaint = text;
  }

  // ── hearing ──

  addPolled(fds: Polled[]): void {
    if (this.#scanDirectory.inotify >= 0 && !this.#isStopping) {
      fds.push({ fd: this.#scanDirectory.inotify, awaits: "data" });
    }
    for (const { supervisor, retryAt } of this.#services) {
      if (supervisor !== undefined && retryAt < 0 && !supervisor.isOver) supervisor.addPolled(fds);
    }
  }

  onReadable(fd: number): boolean {
    if (fd === this.#scanDirectory.inotify) {
      if (this.#scanDirectory.hearChanges()) this.#scanAt = this.#system.monotonic();
      return true;
    }
    for (const { supervisor } of this.#services) if (supervisor?.onReadable(fd) === true) return true;
    return false;
  }

  onEnded(pid: number, waitStatus: number): boolean {
    for (const { supervisor } of this.#services) if (supervisor?.onEnded(pid, waitStatus) === true) return true;
    return false;
  }

  onTime(now: number): void {
    if (this.#pollAt >= 0 && now >= this.#pollAt && !this.#isStopping) {
      this.#pollAt = now + pollMilliseconds;
      if (this.#scanDirectory.hasChanged()) this.#scanAt = now;
    }
    if (this.#scanAt >= 0 && now >= this.#scanAt) this.scan(now);
    this.#serve(now);
    this.#bury();
  }

  /** What is due of the services; where that takes long, the rest comes after whoever else waits. */
  #serve(now: number): void {
    const count = this.#services.length;
    for (let i = 0; i < count; i++) {
      const service = this.#services[this.#turn % count];
      if (service === undefined) return;
      this.#turn = (this.#turn + 1) % count;
      this.#serveOne(service, now);
      if (i % 16 === 15 && this.#system.monotonic() > now + turnMilliseconds) return;
    }
  }

  #serveOne(service: TreeService, now: number): void {
    if (service.retryAt >= 0 && now >= service.retryAt) this.#begin([service], now);
    const { supervisor } = service;
    if (supervisor === undefined) return;
    supervisor.onTime(now);
    this.#urgeLog(service, supervisor, now);
    // Told to exit by sv: as with runsvdir, that is a new beginning as long as it is in the directory.
    if (!supervisor.isOver || this.#isStopping || service.isRemoved || service.isMain) return;
    supervisor.end();
    supervisor.close();
    service.supervisor = undefined;
    service.kept = "";
    service.logDueAt = -1;
    service.retryAt = Math.max(now, supervisor.startedAt + retryMilliseconds);
    this.#owner.hasChanged();
  }

  /** A log service reads the end of its input; if it goes on for a while, it is told to end. */
  #urgeLog(service: TreeService, supervisor: Supervisor, now: number): void {
    if (!supervisor.isServiceOver || supervisor.isOver) return;
    if (service.logDueAt < 0) service.logDueAt = now + logPatienceMilliseconds;
    else if (now >= service.logDueAt && Number.isFinite(service.logDueAt)) {
      service.logDueAt = Number.POSITIVE_INFINITY;
      supervisor.stopLog();
    }
  }

  /** Those that are gone from the directory and have ended. */
  #bury(): void {
    if (!this.#services.some((service) => service.isRemoved && service.isOver)) return;
    const kept: TreeService[] = [];
    for (const service of this.#services) {
      if (!service.isRemoved || !service.isOver) {
        kept.push(service);
        continue;
      }
      if (service.stdout !== undefined) this.#output.close(service.stdout);
      if (service.stderr !== undefined) this.#output.close(service.stderr);
      service.supervisor?.end();
      service.supervisor?.close();
      service.setting.forget();
    }
    this.#services = kept;
    this.#scanAt = this.#system.monotonic(); // it may be there again
    this.#owner.hasChanged();
  }

  /** When `onTime` is due (monotonic clock, milliseconds); negative: never. */
  get due(): number {
    let due = this.#isStopping ? -1 : sooner(this.#scanAt, this.#pollAt);
    for (const { supervisor, retryAt, logDueAt } of this.#services) {
      due = sooner(due, retryAt);
      if (supervisor === undefined) continue;
      due = sooner(due, supervisor.due);
      if (supervisor.isServiceOver && !supervisor.isOver && Number.isFinite(logDueAt)) {
        due = sooner(due, Math.max(logDueAt, 0));
      }
    }
    return due;
  }

  // ── the end ──

  /** Tells the main services to end, or all. Nothing is started any more. */
  stop(whose: "mains" | "all"): void {
    this.#isStopping = true;
    for (const service of this.#services) {
      if (whose === "mains" && !service.isMain) continue;
      if (service.retryAt >= 0) {
        // It has not begun.
        service.retryAt = -1;
        service.supervisor?.close();
        service.supervisor = undefined;
      }
      service.supervisor?.stop();
    }
    this.#scanDirectory.close(); // while they end
  }
  /** Kills what is left of them; how many services that were. */
  kill(): number {
    this.#isStopping = true;
    let count = 0;
    for (const { supervisor } of this.#services) {
      if (supervisor !== undefined && !supervisor.isOver && supervisor.kill()) count++;
    }
    return count;
  }
  get hasMains(): boolean {
    return this.#services.some((service) => service.isMain && service.supervisor?.isServiceOver === false);
  }
  get isOver(): boolean {
    return this.#services.every((service) => service.isOver);
  }

  // ── a restart in place ──

  /** Each service as a text. */
  describe(): readonly string[] {
    const texts: string[] = [];
    for (const service of this.#services) {
      const { stdout, stderr } = service;
      const holds = (stdout?.rest.length ?? 0) > 0 || (stderr?.rest.length ?? 0) > 0;
      if (service.kept === "" || holds) service.kept = this.#describeService(service);
      texts.push(service.kept);
      if (holds) service.kept = ""; // it ends soon
    }
    return texts;
  }

  #describeService(service: TreeService): string {
    const { stdout, stderr, supervisor, setting } = service;
    return encodeFields([
      service.name,
      service.identity,
      `${service.isMain ? 1 : 0} ${service.isRemoved ? 1 : 0} ${service.ends.last} ${service.logEnds.last} ${service.retryAt}`,
      service.ends.times.join(" "),
      service.logEnds.times.join(" "),
      setting.base,
      setting.state,
      setting.logState,
      stdout === undefined ? "" : this.#output.describeStream(stdout),
      stderr === undefined ? "" : this.#output.describeStream(stderr),
      supervisor === undefined ? "" : supervisor.describe(),
    ]);
  }

  /** Takes over what a crashed instance kept of a service. */
  resume(text: string): void {
    const fields = decodeFields(text) ?? [];
    if (fields.length !== 11) return;
    const field = (index: number): string => String(fields[index] ?? "");
    const words = field(2).split(" ");
    const service = this.#make(field(0), field(1), words[0] === "1", field(5));
    const { name, setting } = service;
    service.isRemoved = words[1] === "1";
    service.ends.last = Number(words[2] ?? "-1");
    service.logEnds.last = Number(words[3] ?? "-1");
    service.retryAt = Number(words[4] ?? "-1");
    for (const word of field(3).split(" ")) if (word !== "") service.ends.times.push(Number(word));
    for (const word of field(4).split(" ")) if (word !== "") service.logEnds.times.push(Number(word));
    setting.state = field(6);
    setting.logState = field(7);
    service.stdout = field(8) === "" ? undefined : this.#output.resume(name, "stdout", field(8));
    service.stderr = field(9) === "" ? undefined : this.#output.resume(name, "stderr", field(9));
    if (service.stdout !== undefined) setting.stdout = service.stdout.writeFd;
    if (service.stderr !== undefined) setting.stderr = service.stderr.writeFd;
    this.#services.push(service);
    if (field(10) === "") return;
    const supervisor = new Supervisor(this.#system, `[runit] ${name}`, setting);
    service.supervisor = supervisor;
    if (supervisor.resume(field(10))) supervisor.begin();
    else service.supervisor = undefined;
  }
  /** What the crashed instance had begun: to stop them. */
  resumeStop(): void {
    this.#isStopping = true;
    for (const { supervisor } of this.#services) if (supervisor?.service.want === "exit") supervisor.stayStopped();
  }

  #warn(text: string, errno: number): void {
    this.#owner.say(describeWarning("[runit]", text, errno));
  }
}

/** The sooner of two times; negative: never. */
function sooner(one: number, other: number): number {
  return one < 0 || (other >= 0 && other < one) ? other : one;
}
