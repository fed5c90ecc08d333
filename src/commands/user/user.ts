// What the commands of sv-user(8) have in common: whose services, where they are, and the tree they run in.

import { isReserved } from "../../core/supervise/names.ts";
import { statusBytes } from "../../core/supervise/status.ts";
import { leadingNumber } from "../../core/text/numbers.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { become, findIdentity } from "../../directories/accounts.ts";
import { findChildren, findSupervisor } from "../../directories/child-record.ts";
import { setVariable } from "../../directories/environment.ts";
import { ownChild } from "../../directories/own-program.ts";
import { makeAbove, makeStateRoot } from "../../directories/state-root.ts";
import { isListenedTo, readStatus } from "../../directories/supervised.ts";
import { readStart } from "../../directories/text.ts";
import type { Person } from "../../directories/user-places.ts";
import { findPerson, findRun, UserPlaces } from "../../directories/user-places.ts";
import type { SessionFacts } from "../../directories/user-session.ts";
import { askForFacts, endingWord, isLogOf, lockHolder, runInUse, tell } from "../../directories/user-session.ts";
import { baseVariables } from "../../engine/session.ts";
import { orFail, SystemError } from "../../system/errors.ts";
import { awaitHappenings } from "../../system/happenings.ts";
import type { System } from "../../system/system.ts";
import { openAppend, openCreate, openRead, openWrite } from "../../system/system.ts";
import { sv } from "../sv.ts";

export const usageCode = 100;
export const troubleCode = 111;
/** A tree is there within this time, or something is wrong; one that still ends takes no longer than that. */
const startMilliseconds = 12_000;
const endMilliseconds = 35_000;
const longestPause = 50;
const pieceLength = 32_768;
/** Wait status of a tree that has found another one. */
const anotherStatus = 256;
/** Definitions for everybody. */
function templates(): readonly string[] {
  return ["/etc/sv-user", "/usr/share/sv-user"];
}

export class User {
  readonly system: System;
  readonly person: Person;
  readonly places: UserPlaces;

  /** Throws SystemError. */
  constructor(system: System) {
    this.system = system;
    this.person = findPerson(system, system.uid);
    this.places = new UserPlaces(system, this.person);
  }

  /** Where the state is. Throws SystemError. */
  get run(): string {
    return runInUse(this.system, this.places.scan);
  }
  get facts(): SessionFacts | undefined {
    return askForFacts(this.system, this.run);
  }

  // ── services ──

  /** Directory of a definition; "": there is none of that name. */
  findDefinition(name: string): string {
    for (const place of [this.places.conf, ...templates()]) {
      const path = `${place}/${name}`;
      if (this.system.stat(path, true).kind === "directory") return path;
    }
    return "";
  }
  /** Whether there is an entry of that name in the scan directory, whatever it leads to. */
  isEnabled(name: string): boolean {
    return this.system.stat(`${this.places.scan}/${name}`, false).errno === 0;
  }
  get enabled(): readonly string[] {
    return this.#directories(this.places.scan);
  }
  /** Names of which something is there: a supervisor, a service or a log service, enabled or not. */
  get living(): readonly string[] {
    const names: string[] = [...this.enabled];
    this.system.list(this.run, names);
    const found: string[] = [];
    for (const name of names) {
      if (name.startsWith(".") || isReserved(name) || found.includes(name) || isLogOf(name, names)) continue;
      if (this.supervisorOf(name) !== 0 || this.childrenOf(name).length > 0) found.push(name);
    }
    return found;
  }
  get defined(): readonly string[] {
    const names: string[] = [];
    for (const place of [this.places.conf, ...templates()]) {
      for (const name of this.#directories(place)) if (!names.includes(name)) names.push(name);
    }
    return names;
  }
  #directories(place: string): readonly string[] {
    const names: string[] = [];
    this.system.list(place, names);
    return names
      .filter((name) => !name.startsWith(".") && this.system.stat(`${place}/${name}`, false).kind !== "file")
      .sort();
  }
  /** State directory of a service: beside its definition if there is one there, else in ours. */
  stateOf(name: string): string {
    const classic = `${this.places.scan}/${name}/supervise`;
    return this.system.stat(classic, false).errno === 0 ? classic : `${this.run}/${name}`;
  }
  /** The same of its log service. */
  logStateOf(name: string): string {
    const classic = `${this.places.scan}/${name}/log/supervise`;
    return this.system.stat(classic, false).errno === 0 ? classic : `${this.run}/${name}.log`;
  }
  /** Wanted up, and not running at the moment, though nothing is waited for: it ends again and again, or cannot be started. */
  isFailing(name: string): boolean {
    const state = this.stateOf(name);
    const { status } = readStatus(this.system, state, (bytes) => bytes >= statusBytes);
    if (status === undefined || status.want !== "u" || status.pid !== 0) return false;
    return readStart(this.system, `${state}/waits`, 10) === "";
  }
  isSupervised(name: string): boolean {
    return isListenedTo(this.system, this.stateOf(name));
  }
  /** Pids of the living service and log service, supervised or not. */
  childrenOf(name: string): readonly number[] {
    return findChildren(this.system, [this.stateOf(name), this.logStateOf(name)]);
  }

  /** Waits for those that can be supervised to be so, all together so long. */
  awaitSupervised(names: readonly string[], milliseconds: number): void {
    const { system, places } = this;
    const until = system.monotonic() + milliseconds;
    for (const name of names) {
      if (system.stat(`${places.scan}/${name}/run`, true).errno !== 0) continue;
      let pause = 1;
      while (!this.isSupervised(name) && system.monotonic() < until) {
        system.poll([], pause);
        pause = Math.min(pause * 2, longestPause);
      }
    }
  }
  /** Pid of its runsv, or 0. */
  supervisorOf(name: string): number {
    return findSupervisor(this.system, this.stateOf(name));
  }

  // ── the tree ──

  /** Sees to it that there is a tree; one that is about to end is waited for. Throws SystemError. */
  startTree(holds: readonly number[], keeps: boolean): void {
    const { system } = this;
    let until = system.monotonic() + startMilliseconds;
    let isEnding = false;
    let child = 0;
    let pause = 1;
    while (!this.#join(holds, keeps)) {
      if (child === 0) {
        // What is wrong is said here, not only in the messages of the tree.
        const run = findRun(system);
        makeStateRoot(system, run, run);
        child = this.#spawn(holds, keeps);
      }
      if (!isEnding && this.facts?.mode === endingWord) {
        isEnding = true;
        until = system.monotonic() + endMilliseconds;
      }
      if (system.monotonic() >= until) this.#giveUp();
      for (const heard of awaitHappenings(system, { fds: [], milliseconds: pause })) {
        if (heard.kind !== "ended" || heard.pid !== child) continue;
        if (heard.waitStatus === 0) return; // those it was to run for have ended already
        if (heard.waitStatus !== anotherStatus) this.#giveUp();
        child = 0; // another one was there; it may be ending
        pause = longestPause;
      }
      pause = Math.min(pause * 2, longestPause);
    }
  }
  #giveUp(): void {
    const holder = lockHolder(this.system, this.places);
    if (holder !== "") throw new SystemError(`the tree of services (pid ${holder}) does not answer`, 0);
    throw new SystemError(`the tree of services does not start: see ${this.places.log}/.session/current`, 0);
  }

  /** False: there is none that stays. Throws SystemError. */
  #join(holds: readonly number[], keeps: boolean): boolean {
    const { system, run } = this;
    if (holds.length === 0 && !keeps) {
      const facts = askForFacts(system, run);
      return facts !== undefined && facts.mode !== endingWord;
    }
    for (const pid of holds) {
      const answer = tell(system, run, `hold ${pid}`);
      if (!hasAgreed(answer)) return false;
      if (answer !== "ok") throw new SystemError(`unable to hold pid ${pid}: ${String(answer)}`, 0);
    }
    return !keeps || hasAgreed(tell(system, run, "keep"));
  }

  /** Starts it apart from whoever calls: no terminal, no descriptor, no variable of theirs. Answers its pid. */
  #spawn(holds: readonly number[], keeps: boolean): number {
    const { system, places } = this;
    const messages = `${places.log}/.session/current`;
    makeAbove(system, messages);
    const out = orFail(system.open(messages, openWrite + openAppend + openCreate, 0o600), `unable to open ${messages}`);
    const nothing = orFail(system.open("/dev/null", openRead, 0), "unable to open /dev/null");
    const argv = ["sv-user", "session", "run", "--detached"];
    for (const pid of holds) argv.push("--hold", `${pid}`);
    if (keeps) argv.push("--keep");
    system.watchSignals(["CHLD"]);
    system.freshenChildren();
    system.keepAbove(2);
    const child = ownChild(system, "sv-user", argv, troubleCode);
    const spawned = system.spawn({
      ...child,
      newSession: true,
      stdin: nothing,
      stdout: out,
      stderr: out,
      directory: "/",
      variables: this.#variables(),
    });
    system.close(out);
    system.close(nothing);
    if (spawned.pid < 0 || spawned.errno !== 0) {
      throw new SystemError("unable to start the tree", spawned.pid < 0 ? -spawned.pid : spawned.errno);
    }
    return spawned.pid;
  }
  /** It finds the same directories as we do. */
  #variables(): string[] {
    const variables = baseVariables(this.system, this.person, this.places.home);
    for (const name of ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "SVRUNDIR"]) {
      const value = this.system.environment(name) ?? "";
      if (isAbsolute(value)) variables.push(`${name}=${value}`);
    }
    return variables;
  }

  /** A word to whoever called. */
  say(text: string): void {
    // What is longer than that is not written in one.
    for (let at = 0; at < text.length; at += pieceLength) this.system.writeText(1, text.slice(at, at + pieceLength));
  }
  complain(text: string): void {
    this.system.writeText(2, text);
  }
}

/** Whether a tree has answered, and stays. */
function hasAgreed(answer: string | undefined): boolean {
  return answer !== undefined && answer !== "" && answer !== endingWord;
}

/** From now on everything is that user's. Throws SystemError: only root may, or the user. */
export function becomeUser(system: System, name: string): void {
  if (findIdentity(system, name).uid === system.uid) return;
  const identity = findIdentity(system, `${name}:+`);
  if (system.uid !== 0) throw new SystemError(`only root can act for ${name}`, 0);
  const person = findPerson(system, identity.uid);
  become(system, identity);
  for (const variable of ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "SVRUNDIR"]) {
    system.unsetEnvironment(variable);
  }
  setVariable(system, "HOME", person.home);
  const runtime = `/run/user/${identity.uid}`;
  if (system.stat(runtime, true).uid === identity.uid) setVariable(system, "XDG_RUNTIME_DIR", runtime);
}

/** Seconds as a user gives them; negative: that is no number. */
export function parseSeconds(text: string): number {
  const number = leadingNumber(text);
  return `${number}` === text ? number : -1;
}

/** Runs sv(8) on the services of this user, and answers its exit code. */
export function callSv(user: User, words: readonly string[]): number {
  setVariable(user.system, "SVDIR", user.places.scan);
  return sv(["sv", ...words], user.system);
}
