// sv(8): controls and asks about services. Under another name it is an init script for the service of that name.

import { baseName, describeVersion } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import type { Remark } from "../core/supervise/report.ts";
import { describeMembers, describeState, describeTrouble } from "../core/supervise/report.ts";
import type { Request } from "../core/supervise/requests.ts";
import { isStatusWord, judge, mustSend, parseRequest } from "../core/supervise/requests.ts";
import type { Start } from "../core/supervise/settling.ts";
import { isNewer, noStart, settlesAt, startOf } from "../core/supervise/settling.ts";
import type { StatusRecord } from "../core/supervise/status.ts";
import { statusBytes } from "../core/supervise/status.ts";
import { serviceVariables } from "../core/supervise/variables.ts";
import { describeError, ENOENT } from "../core/text/errors.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { isAbsolute } from "../core/text/paths.ts";
import type { Called } from "../directories/state-root.ts";
import { absolutePath, callOf, defaultLogDirectory } from "../directories/state-root.ts";
import { glanceMilliseconds, pollMilliseconds, StateWatch } from "../directories/state-watch.ts";
import type { Reading, Trouble } from "../directories/supervised.ts";
import {
  besideIt,
  downMarkers,
  normallyUp,
  noSupervisor,
  openOk,
  readRefusal,
  readRemark,
  readStatus,
  StateFinder,
  tell,
} from "../directories/supervised.ts";
import { findPerson } from "../directories/user-places.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import { noVariables, openDirectory, openRead, plainChild } from "../system/system.ts";

const defaultSeconds = 7;
/** The original looks every 420 ms; its waits end at the first look after the time given. Ours end there too. */
const lookMilliseconds = 420;
/** For how many services it is cheaper to look again than to watch. */
const maxGlances = 16;
/** Each awaited service may cost a descriptor; beyond this many they are looked at instead. */
const maxOkFds = 200;
/** State that is being made again is looked for so often, and so many times. */
const rereadMilliseconds = 50;
const maxRereadings = 20;
const killSignal = 9;

interface Invocation {
  readonly isInitScript: boolean;
  readonly isVerbose: boolean;
  readonly isJson: boolean;
  readonly milliseconds: number;
  readonly command: string;
  readonly services: readonly string[];
}

export function sv(args: readonly string[], system: System): number {
  const called = String(args[0] ?? "");
  const name = baseName(called);
  const isInitScript = name !== "sv";
  const invocation = parse(name, isInitScript, args.slice(1), system);
  const isReport = invocation !== undefined && isStatusWord(invocation.command, isInitScript);
  const isList = invocation !== undefined && invocation.command === "list" && !isInitScript;
  const request = invocation === undefined || isReport || isList ? undefined : parseRequest(invocation.command);
  const isOfAll = invocation !== undefined && (isReport || isList) && invocation.services.length === 0;
  if (
    invocation === undefined ||
    (request === undefined && !isReport && !isList) ||
    (invocation.services.length === 0 && !(isOfAll && (isList || invocation.command === "status")))
  ) {
    const usage = isInitScript
      ? `usage: ${name} [-w sec] command\n\n`
      : "usage: sv [-v] [-w sec] command service ...\n\n";
    system.writeText(2, usage);
    return isInitScript ? 2 : 100;
  }
  const origin = system.open(".", openRead + openDirectory, 0);
  if (origin < 0) {
    system.writeText(2, `fatal: unable to open current directory: ${describeError(-origin)}\n`);
    return isInitScript ? 151 : 100;
  }
  const session = new Session(system, invocation, origin);
  if (request === undefined) return session.report(isOfAll ? session.allServices() : invocation.services);
  return session.act(request);
}

/** undefined: wrong usage, and complained about. */
function parse(name: string, isInitScript: boolean, words: readonly string[], system: System): Invocation | undefined {
  const options = parseOptions(words, "vw:V", ["--json"]);
  const wait = system.environment("SVWAIT");
  let seconds = wait === undefined ? defaultSeconds : leadingNumber(wait);
  let isVerbose = false;
  let isJson = false;
  for (const option of options.given) {
    if (option.letter === "--json") isJson = true;
    else if (option.letter !== "V") isVerbose = true; // -w as well: who says how long, wants to know
    if (option.letter === "w") seconds = leadingNumber(option.value);
    if (option.letter === "V") {
      system.writeText(2, describeVersion("sv"));
      return undefined;
    }
  }
  if (options.complaint !== "") {
    system.writeText(2, `${name}: ${options.complaint}\n`);
    return undefined;
  }
  const command = options.rest[0];
  if (command === undefined) return undefined;
  return {
    isInitScript,
    isVerbose,
    isJson,
    milliseconds: (Math.floor((seconds * 1000) / lookMilliseconds) + 1) * lookMilliseconds,
    command,
    services: isInitScript ? [name] : options.rest.slice(1),
  };
}

/** A service that was told something and has not answered yet. */
class Pending {
  readonly name: string;
  /** Status before it was told. */
  readonly before: StatusRecord;
  /** Where its state is, as seen from its directory. */
  readonly state: string;
  /** Of its supervise directory; -1: not watched. */
  watch = -1;
  /** Its end says that runsv is gone; -1: not watched. */
  readonly okFd: number;
  checkPid = 0;
  /** Not to be looked at again before this time; 0: at any occasion. */
  askAt = 0;
  /** The start that was seen, and since when (monotonic clock, milliseconds): it must prove itself for a moment. */
  start: Start = noStart;
  pause = pollMilliseconds;
  isDone = false;

  /** A refusal from before: only another one is an answer. */
  readonly refusal: string;

  constructor(name: string, before: StatusRecord, state: string, okFd: number, refusal: string) {
    this.name = name;
    this.before = before;
    this.state = state;
    this.okFd = okFd;
    this.refusal = refusal;
  }
}

class Session {
  readonly #system: System;
  readonly #invocation: Invocation;
  readonly #origin: number;
  readonly #serviceDirectory: string;
  readonly #startedAt: number;
  readonly #hasColour: boolean;
  #nowSeconds: number;
  /** What was entered last, where its state is, and what it is called in a state root. */
  #called: Called = { scan: "", name: "" };
  #isEntry = false;
  /** Its definition is not there: we are where its state is. */
  #isOrphan = false;
  #state = besideIt;
  #key = "";
  /** Of the service that was told something last, before it was. */
  #refusal = "";
  readonly #finder: StateFinder;
  /** Absolute. */
  readonly #scan: string;
  /** Files of the service directory that keep services down, once it has been read. */
  readonly #markers = new Set<string>();
  #hasMarkers = false;
  #errors = 0;
  #out = "";

  constructor(system: System, invocation: Invocation, origin: number) {
    this.#system = system;
    this.#invocation = invocation;
    this.#origin = origin;
    this.#serviceDirectory = system.environment("SVDIR") ?? system.serviceDirectory;
    this.#scan = absolutePath(system, this.#serviceDirectory);
    this.#finder = new StateFinder(system, this.#scan);
    this.#startedAt = system.monotonic();
    this.#nowSeconds = system.now().seconds;
    this.#hasColour =
      system.isTerminal(1) && (system.environment("NO_COLOR") ?? "") === "" && system.environment("TERM") !== "dumb";
  }

  // ── reports ──

  /** All of the service directory, by name. */
  allServices(): readonly string[] {
    const entries: string[] = [];
    this.#system.fchdir(this.#origin);
    const result = this.#system.list(this.#serviceDirectory, entries);
    if (result < 0) {
      this.#say(`fail: unable to read directory ${this.#serviceDirectory}: ${describeError(-result)}\n`);
      this.#errors++;
      return [];
    }
    this.#learnMarkers(entries);
    const services: string[] = [];
    const base = this.#serviceDirectory.endsWith("/") ? this.#serviceDirectory : `${this.#serviceDirectory}/`;
    for (const entry of entries) {
      if (!entry.startsWith(".") && this.#system.stat(`${base}${entry}`, true).kind === "directory")
        services.push(entry);
    }
    services.sort();
    return services;
  }

  /** One look at the directory is cheaper than one for each of many services. */
  #learnMarkers(entries: readonly string[]): void {
    for (const entry of entries) if (entry.startsWith(".") && entry.endsWith(".down")) this.#markers.add(entry);
    this.#hasMarkers = true;
  }

  report(services: readonly string[]): number {
    let code = 0;
    const entries: string[] = [];
    const areMany = services.length > maxGlances && !this.#hasMarkers;
    if (areMany && this.#system.list(this.#scan, entries) >= 0) this.#learnMarkers(entries);
    for (const name of services) {
      code = this.#invocation.isJson ? this.#reportObject(name) : this.#reportLine(name);
    }
    this.#flush();
    return this.#invocation.isInitScript ? code : this.#exitCode();
  }

  /** Answers the exit code of an init script. */
  #reportLine(name: string): number {
    const errno = this.#enter(name);
    if (errno !== 0) {
      this.#fail(`fail: ${name}: unable to change to service directory: ${describeError(errno)}`);
      this.#say("\n");
      return 1;
    }
    const { status, trouble } = this.#read();
    if (status === undefined) {
      this.#fail(describe(name, trouble));
      this.#say("\n");
      return trouble?.isGone === true ? 1 : 4;
    }
    const state = this.#stateOf(name, status);
    this.#say(this.#coloured(state, status));
    this.#reportLog(name);
    this.#say("\n");
    return state === "" ? 4 : status.pid === 0 ? 3 : 0;
  }

  #reportLog(name: string): void {
    const { errno } = this.#system.stat("log", true);
    if (errno === ENOENT) return;
    this.#say("; ");
    const entered = this.#enterLog();
    if (entered < 0) {
      this.#fail(`warning: ${name}/log: unable to change directory: ${describeError(-entered)}`);
      return;
    }
    const { status, trouble } = this.#read();
    if (status === undefined) this.#fail(describe(`${name}/log`, trouble));
    else this.#say(this.#coloured(this.#stateOf("log", status), status));
  }

  /** The same as one JSON object a line; the log service's object within. */
  #reportObject(name: string): number {
    const errno = this.#enter(name);
    if (errno !== 0) {
      this.#errors++;
      this.#say(`{${describeTrouble(name, `unable to change to service directory: ${describeError(errno)}`)}}\n`);
      return 1;
    }
    const { members, code } = this.#members(name);
    let log = "";
    if (this.#system.stat("log", true).errno !== ENOENT) {
      const entered = this.#enterLog();
      if (entered < 0) {
        this.#errors++;
        log = describeTrouble("log", `unable to change directory: ${describeError(-entered)}`);
      } else log = this.#members("log").members;
    }
    this.#say(`{${members},"log":${log === "" ? "null" : `{${log}}`}}\n`);
    return code;
  }

  #members(name: string): { readonly members: string; readonly code: number } {
    const { status, trouble } = this.#read();
    if (status === undefined) {
      this.#errors++;
      return {
        members: describeTrouble(name, reasonOf(trouble)),
        code: trouble?.isGone === true ? 1 : 4,
      };
    }
    const members = describeMembers(name, status, this.#normallyUp() !== 0, this.#nowSeconds);
    return { members, code: status.pid === 0 ? 3 : 0 };
  }

  // ── commands ──

  act(request: Request): number {
    const isAwaited = request.waits === "always" || this.#invocation.isVerbose;
    if (isAwaited) this.#system.watchSignals(["CHLD"]);
    const pending: Pending[] = [];
    for (const name of this.#invocation.services) {
      const one = this.#command(name, request, isAwaited, pending.length < maxOkFds);
      if (one !== undefined) pending.push(one);
    }
    if (isAwaited) this.#await(pending, request);
    this.#flush();
    return this.#exitCode();
  }

  /** Sends; answers what is to be awaited. */
  #command(name: string, request: Request, isAwaited: boolean, withOk: boolean): Pending | undefined {
    const errno = this.#enter(name);
    if (errno !== 0) {
      this.#fail(`fail: ${name}: unable to change to service directory: ${describeError(errno)}\n`);
      return undefined;
    }
    this.#refusal = "";
    const before = this.#tell(name, request.bytes, request.bytes.startsWith("x"));
    if (before === undefined || !isAwaited) return undefined;
    return new Pending(name, before, this.#state, withOk ? openOk(this.#system, this.#state) : -1, this.#refusal);
  }

  /** Sends the bytes to the service whose directory is the working directory; answers the status it had before. */
  #tell(name: string, bytes: string, mayBeGone: boolean): StatusRecord | undefined {
    const { status, trouble } = this.#read();
    if (status !== undefined && status.pid !== 0) this.#refusal = readRefusal(this.#system, this.#state);
    const obstacle =
      status === undefined ? trouble : mustSend(bytes, status) ? tell(this.#system, this.#state, bytes) : undefined;
    if (obstacle === undefined) return status;
    if (obstacle.isGone && mayBeGone) this.#say(`ok: ${name}: runsv not running\n`);
    else this.#fail(`${describe(name, obstacle)}\n`);
    return undefined;
  }

  /** At first it looks again after a moment, which is cheapest; whoever takes longer is watched. */
  #await(pending: readonly Pending[], request: Request): void {
    const deadline = this.#startedAt + this.#invocation.milliseconds;
    const watchAt = pending.length > maxGlances ? 0 : this.#system.monotonic() + glanceMilliseconds;
    const watch = new StateWatch(this.#system);
    for (const one of pending) this.#look(one, request, false);
    for (;;) {
      const open = pending.filter((one) => !one.isDone);
      if (open.length === 0) return;
      this.#flush();
      const now = this.#system.monotonic();
      if (now >= deadline) {
        for (const one of open) this.#giveUp(one, request);
        return;
      }
      if (!watch.isOpen && now >= watchAt) {
        this.#watch(open, watch);
        for (const one of open) if (one.askAt === 0) this.#look(one, request, false); // what came before the watch
        continue;
      }
      const fds: Polled[] = [];
      let next = Math.min(deadline, now + lookMilliseconds);
      if (!watch.isOpen) next = Math.min(deadline, now + watch.nextGlance());
      for (const one of open) {
        if (one.okFd >= 0) fds.push({ fd: one.okFd, awaits: "end" });
        if (one.watch < 0 && watch.isOpen) next = Math.min(next, now + pollMilliseconds);
        if (one.askAt > 0) next = Math.min(next, one.askAt);
      }
      if (watch.fd >= 0) fds.push({ fd: watch.fd, awaits: "data" });
      const happenings = awaitHappenings(this.#system, { fds, milliseconds: Math.max(0, next - now) });
      this.#nowSeconds = this.#system.now().seconds;
      for (const happening of happenings) {
        if (happening.kind === "readable" && happening.fd === watch.fd) {
          for (const changed of watch.take()) {
            for (const one of open) if (one.watch === changed) this.#look(one, request, false);
          }
        } else if (happening.kind === "readable") {
          for (const one of open) if (one.okFd === happening.fd) this.#look(one, request, false);
        } else if (happening.kind === "ended") {
          for (const one of open) {
            if (one.checkPid !== happening.pid) continue;
            one.checkPid = 0;
            if (happening.waitStatus === 0) this.#look(one, request, true);
            else this.#askLater(one);
          }
        }
      }
      const time = this.#system.monotonic();
      for (const one of open) {
        if (one.askAt === 0 ? time >= next : time >= one.askAt) {
          one.askAt = 0;
          this.#look(one, request, false);
        }
      }
    }
  }

  #watch(pending: readonly Pending[], watch: StateWatch): void {
    watch.open();
    for (const one of pending) if (this.#enter(one.name) === 0) one.watch = watch.add(one.state);
  }

  /** Looks whether it is satisfied, and says so; `isAgreed`: its check script has just agreed. */
  #look(one: Pending, request: Request, isAgreed: boolean): void {
    if (one.isDone) return;
    const errno = this.#enter(one.name);
    if (errno !== 0) {
      this.#fail(`fail: ${one.name}: unable to change to service directory: ${describeError(errno)}\n`);
      this.#close(one);
      return;
    }
    const { status, trouble } = this.#read();
    if (status === undefined) {
      if (trouble?.isGone === true && request.bytes.startsWith("x")) this.#say(`ok: ${one.name}: runsv not running\n`);
      else this.#fail(`${describe(one.name, trouble)}\n`);
      this.#close(one);
      return;
    }
    const before = one.before;
    const isNew = isNewer(status, before);
    const verdict = judge(request.awaits, status, isNew);
    if (verdict === "no" && status.pid !== 0 && this.#isRefused(one, status)) return;
    if (verdict === "no" || (isNew && status.pid !== 0 && !this.#hasSettled(one, status))) return;
    if (verdict === "ask" && !isAgreed && !this.#agrees(one)) return;
    this.#say(`ok: ${this.#stateOf(one.name, status)}\n`);
    this.#close(one);
  }

  /** Its supervisor may not signal it: then there is nothing to wait for. */
  #isRefused(one: Pending, status: StatusRecord): boolean {
    const refusal = readRefusal(this.#system, this.#state);
    if (refusal === "" || refusal === one.refusal) return false;
    const uid = this.#system.stat(`/proc/${status.pid}`, true).uid;
    const { name } = findPerson(this.#system, uid);
    const whose = name === "" ? `${uid}` : name;
    this.#fail(`fail: ${one.name}: not permitted to signal pid ${status.pid} (uid ${whose}); see signal-with\n`);
    this.#close(one);
    return true;
  }

  /** Whether a process that has just been started has lived for a moment; else when to look again. */
  #hasSettled(one: Pending, status: StatusRecord): boolean {
    const now = this.#system.monotonic();
    one.start = startOf(status, one.start, now);
    const settledAt = settlesAt(one.start, one.before);
    if (now >= settledAt) return true;
    one.askAt = settledAt;
    return false;
  }

  /** Whether there is nothing to ask; else the check script is started, and its end decides. */
  #agrees(one: Pending): boolean {
    if (one.checkPid !== 0) return false;
    if (this.#isOrphan) return true;
    const { errno } = this.#system.stat("check", true);
    if (errno === ENOENT) return true;
    if (errno !== 0) {
      this.#system.writeText(2, `warning: unable to stat ${one.name}/check: ${describeError(errno)}\n`);
      this.#askLater(one);
      return false;
    }
    const spawned = this.#system.spawn({
      ...plainChild("check", ["./check"], 0),
      stdout: 2,
      variables: this.#variables(),
    });
    if (spawned.pid < 0) {
      this.#system.writeText(2, `warning: unable to fork for ${one.name}/check: ${describeError(-spawned.pid)}\n`);
      this.#askLater(one);
      return false;
    }
    if (spawned.errno !== 0) {
      this.#system.writeText(2, `warning: unable to run ${one.name}/check: ${describeError(spawned.errno)}\n`);
      return true;
    }
    one.checkPid = spawned.pid;
    return false;
  }

  #askLater(one: Pending): void {
    one.askAt = this.#system.monotonic() + one.pause;
    one.pause = Math.min(one.pause * 2, lookMilliseconds);
  }

  #giveUp(one: Pending, request: Request): void {
    if (one.checkPid !== 0) this.#system.kill(one.checkPid, killSignal);
    this.#say(request.kills ? "kill: " : "timeout: ");
    const errno = this.#enter(one.name);
    const { status, trouble } = this.#read();
    if (errno !== 0)
      this.#fail(`fail: ${one.name}: unable to change to service directory: ${describeError(errno)}\n\n`);
    else if (status === undefined) this.#fail(`${describe(one.name, trouble)}\n\n`);
    else this.#fail(`${this.#stateOf(one.name, status)}\n`);
    if (request.kills && errno === 0) this.#tell(one.name, "k", false);
    this.#close(one);
  }

  #close(one: Pending): void {
    one.isDone = true;
    if (one.okFd >= 0) this.#system.close(one.okFd);
  }

  // ── small things ──

  /** Makes a service's directory the working directory; 0 or why not. */
  #enter(name: string): number {
    this.#isEntry = name !== "" && !name.startsWith("/") && !name.startsWith(".") && !name.endsWith("/");
    let result = this.#system.fchdir(this.#origin);
    if (this.#isEntry && !name.includes("/")) this.#called = { scan: this.#scan, name };
    else if (result >= 0) this.#called = callOf(this.#system, this.#isEntry ? `${this.#scan}/${name}` : name);
    if (result >= 0 && this.#isEntry) result = this.#system.chdir(this.#serviceDirectory);
    if (result >= 0) result = this.#system.chdir(name);
    this.#state = besideIt;
    this.#isOrphan = false;
    this.#key = this.#called.name;
    return result === -ENOENT ? this.#enterOrphan() : -Math.min(result, 0);
  }
  /** Its definition is not there, but it is supervised: then where its state is. */
  #enterOrphan(): number {
    const state = this.#finder.findOrphan(this.#called);
    if (state === "" || this.#system.chdir(state) < 0) return ENOENT;
    this.#state = state;
    this.#isOrphan = true;
    return 0;
  }
  /** The same for its log service, from there. */
  #enterLog(): number {
    const result = this.#system.chdir("log");
    this.#state = besideIt;
    this.#key = `${this.#called.name}.log`;
    return result;
  }
  /** The status of what was entered last. */
  #read(): Reading {
    if (this.#state !== besideIt) return this.#readAgain();
    const reading = readStatus(this.#system, this.#state, isRecord);
    if (reading.status !== undefined) return reading;
    const place = this.#finder.find(this.#called, this.#key, this.#isEntry);
    this.#state = place.state;
    if (place.state !== besideIt) return this.#readAgain();
    if (place.several.length > 0) return { status: undefined, trouble: severalServices(place.several) };
    return place.isGone && reading.trouble?.errno === ENOENT ? { status: undefined, trouble: noSupervisor() } : reading;
  }

  #remark(status: StatusRecord): Remark {
    return readRemark(this.#system, this.#state, status);
  }
  /** What the check script is told, if the state is kept apart. */
  #variables(): readonly string[] {
    if (!isAbsolute(this.#state)) return [];
    const { name } = this.#called;
    return serviceVariables(name, this.#state, defaultLogDirectory(this.#system, name));
  }
  /** In a state root: what was taken away is made again a moment later. */
  #readAgain(): Reading {
    for (let left = maxRereadings; ; left--) {
      const reading = readStatus(this.#system, this.#state, isRecord);
      if (reading.trouble?.errno !== ENOENT || left === 0) return reading;
      this.#system.poll([], rereadMilliseconds);
    }
  }

  #normallyUp(): number {
    const { scan, name } = this.#called;
    const isLog = this.#key !== name;
    const isUnmarked = this.#isEntry && this.#hasMarkers && !this.#markers.has(`.${name}.down`);
    if (isLog || (isUnmarked && !isAbsolute(this.#state))) return normallyUp(this.#system, noVariables);
    return normallyUp(this.#system, downMarkers(scan, name, this.#state));
  }
  /** "" when it cannot be told whether it is normally up. */
  #stateOf(name: string, status: StatusRecord): string {
    const isUp = this.#normallyUp();
    if (isUp >= 0) return describeState(name, status, isUp === 1, this.#nowSeconds, this.#remark(status));
    this.#system.writeText(2, `warning: unable to stat ${name}/down: ${describeError(-isUp)}\n`);
    return "";
  }

  #coloured(state: string, status: StatusRecord): string {
    if (status.phase === undefined || state === "" || !this.#hasColour) return state;
    const colour = status.phase === "run" ? 32 : status.phase === "down" ? 31 : 33;
    const length = status.phase.length;
    return `\x1b[${colour}m${state.slice(0, length)}\x1b[0m${state.slice(length)}`;
  }

  #fail(text: string): void {
    this.#errors++;
    this.#say(text);
  }
  #say(text: string): void {
    this.#out += text;
    if (this.#out.length > 8192) this.#flush();
  }
  #flush(): void {
    if (this.#out !== "") this.#system.writeText(1, this.#out);
    this.#out = "";
  }

  #exitCode(): number {
    return Math.min(this.#errors, 99);
  }
}

function severalServices(names: readonly string[]): Trouble {
  return { isGone: false, doing: `several services have this definition: ${names.join(" ")}`, errno: 0 };
}

function isRecord(bytes: number): boolean {
  return bytes >= statusBytes;
}

/** The line for a service that cannot be asked. */
function describe(name: string, trouble: Trouble | undefined): string {
  const isCertain = trouble === undefined || trouble.isGone || trouble.doing.startsWith("several ");
  const severity = isCertain ? "fail" : "warning";
  return `${severity}: ${name}: ${reasonOf(trouble)}`;
}

function reasonOf(trouble: Trouble | undefined): string {
  if (trouble === undefined || trouble.isGone) return "runsv not running";
  return trouble.errno === 0 ? trouble.doing : `${trouble.doing}: ${describeError(trouble.errno)}`;
}
