// sv-remove(8): takes services of a user down and disables them. Their definitions stay.

import { parseOptions } from "../../core/process/options.ts";
import { statusBytes } from "../../core/supervise/status.ts";
import { removeTree } from "../../directories/remove.ts";
import { readStatus, tell } from "../../directories/supervised.ts";
import { findChild } from "../../engine/runsvs.ts";
import type { System } from "../../system/system.ts";
import { parseSeconds, User, usageCode, whyNoName } from "./user.ts";

const defaultSeconds = 7;
const maxErrors = 99;
const longestPause = 20;
/** What was killed, and its supervisor, are gone within this time. */
const goneMilliseconds = 5000;
/** What a service has left behind is told to end after this time. */
const restMilliseconds = 500;
const killSignal = 9;
const termSignal = 15;
const contSignal = 18;

export function svRemove(args: readonly string[], system: System): number {
  const called = "sv-remove";
  const options = parseOptions(args.slice(1), "w:", []);
  let seconds = defaultSeconds;
  for (const { value } of options.given) seconds = parseSeconds(value);
  if (options.complaint !== "") system.writeText(2, `${called}: ${options.complaint}\n`);
  const isRight = options.complaint === "" && (options.endedBy === "" || options.endedBy === "--");
  if (!isRight || options.rest.length === 0 || seconds < 0) {
    system.writeText(2, `usage: ${called} [-w SEC] NAME ...\n`);
    return usageCode;
  }
  const user = new User(system);
  const until = system.monotonic() + seconds * 1000;
  let errors = 0;
  const found: string[] = [];
  for (const name of options.rest) {
    const wrong = whyNoName(name);
    const path = `${user.places.scan}/${name}`;
    const { errno, kind } = system.stat(path, false);
    if (wrong !== "" || (errno === 0 && kind !== "link")) {
      errors++;
      user.complain(`${called}: ${wrong === "" ? `${name}: ${path} is not a link` : wrong}\n`);
    } else if (errno !== 0 && !user.isSupervised(name)) user.say(`${name}: not enabled\n`);
    else found.push(name);
  }
  // All of them are told before any is waited for.
  for (const name of found) tell(system, user.stateOf(name), "d");
  for (const name of found) if (!remove(user, name, until, called)) errors++;
  return Math.min(errors, maxErrors);
}

function remove(user: User, name: string, until: number, called: string): boolean {
  const { system, places } = user;
  const state = user.stateOf(name);
  const supervisor = user.supervisorOf(name);
  const wasSupervised = user.isSupervised(name);
  if (wasSupervised && !awaitTrue(system, until, () => isDown(system, state))) {
    user.complain(`${called}: ${name}: has not ended, killed\n`);
    tell(system, state, "k");
    awaitTrue(system, system.monotonic() + restMilliseconds, () => isDown(system, state));
  }
  system.unlink(`${places.scan}/${name}`);
  system.unlink(`${places.scan}/.${name}.down`);
  if (wasSupervised) {
    tell(system, state, "x");
    const isGone = (): boolean => hasGone(user, name, state, supervisor);
    // An orphan may hold its log open.
    let isOver = awaitTrue(system, system.monotonic() + restMilliseconds, isGone);
    if (!isOver && supervisor > 0) for (const signal of [termSignal, contSignal]) system.killGroup(supervisor, signal);
    isOver = isOver || awaitTrue(system, Math.max(until, system.monotonic() + restMilliseconds), isGone);
    if (!isOver) killAll(user, name, state, supervisor);
    if (!isOver && !awaitTrue(system, system.monotonic() + goneMilliseconds, isGone)) {
      user.complain(`${called}: ${name}: something of it does not end\n`);
      return false;
    }
  }
  if (state === `${user.run}/${name}`) for (const one of [state, `${state}.log`]) removeTree(system, one);
  user.say(`ok: ${name}: removed\n`);
  return true;
}

/** Whatever is left: its supervisor with its group, and what the records name. */
function killAll(user: User, name: string, state: string, supervisor: number): void {
  const { system } = user;
  const children = childrenOf(user, name, state);
  if (supervisor > 0) {
    system.killGroup(supervisor, killSignal);
    system.kill(supervisor, killSignal);
  }
  for (const pid of children) system.kill(pid, killSignal);
}
/** Pids of the living service and log service. */
function childrenOf(user: User, name: string, state: string): readonly number[] {
  const pids: number[] = [];
  for (const one of [state, user.logStateOf(name)]) {
    const pid = findChild(user.system, `${one}/child`);
    if (pid > 0) pids.push(pid);
  }
  return pids;
}

function isDown(system: System, state: string): boolean {
  const { status, trouble } = readStatus(system, state, (bytes) => bytes >= statusBytes);
  if (status === undefined) return trouble?.isGone === true;
  return status.pid === 0 && status.phase === "down" && status.want !== "u";
}

/** The service, its supervisor and its log service. */
function hasGone(user: User, name: string, state: string, supervisor: number): boolean {
  if (supervisor > 0 && user.system.kill(supervisor, 0) >= 0) return false;
  if (readStatus(user.system, state, () => true).trouble === undefined) return false;
  return childrenOf(user, name, state).length === 0;
}

/** Looks again and again; false: it has not become true in time. */
function awaitTrue(system: System, until: number, isTrue: () => boolean): boolean {
  for (let pause = 1; !isTrue(); pause = Math.min(pause * 2, longestPause)) {
    if (system.monotonic() >= until) return false;
    system.poll([], pause);
  }
  return true;
}
