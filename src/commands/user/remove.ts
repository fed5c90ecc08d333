// sv-remove(8): takes services of a user down and disables them. Their definitions stay.

import { parseOptions } from "../../core/process/options.ts";
import { whyNoName } from "../../core/supervise/names.ts";
import { statusBytes } from "../../core/supervise/status.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { findChild, findChildren } from "../../directories/child-record.ts";
import { removeTree } from "../../directories/remove.ts";
import { readStatus, tell } from "../../directories/supervised.ts";
import type { System } from "../../system/system.ts";
import { parseSeconds, User, usageCode } from "./user.ts";

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
  const told: Told[] = [];
  for (const name of options.rest) {
    const wrong = whyNoName(name);
    const path = `${user.places.scan}/${name}`;
    const { errno, kind } = system.stat(path, false);
    if (wrong !== "" || (errno === 0 && kind !== "link")) {
      errors++;
      user.complain(`${called}: ${wrong === "" ? `${name}: ${path} is not a link` : wrong}\n`);
    } else if (errno !== 0 && !user.isSupervised(name) && user.childrenOf(name).length === 0) {
      user.say(`${name}: not enabled\n`);
    } else found.push(name);
  }
  // All of them are told before any is waited for; whatever ends us, the tree goes on with it.
  for (const name of found) {
    const state = behindLink(user, name, user.stateOf(name));
    const logState = behindLink(user, name, user.logStateOf(name));
    told.push({ name, state, logState, supervisor: user.supervisorOf(name) });
    tell(system, state, "d");
    for (const entry of [name, `.${name}.down`]) system.unlink(`${user.places.scan}/${entry}`);
  }
  for (const one of told) if (!remove(user, one, until, called)) errors++;
  return Math.min(errors, maxErrors);
}

/** The path of what is reached through the entry of a service, for when that is gone. */
function behindLink(user: User, name: string, path: string): string {
  const entry = `${user.places.scan}/${name}`;
  const link = user.system.readlink(entry);
  if (!path.startsWith(`${entry}/`) || link.errno !== 0) return path;
  const target = isAbsolute(link.text) ? link.text : `${user.places.scan}/${link.text}`;
  return `${target}${path.slice(entry.length)}`;
}

/** A service that was told to end, and where its state is as long as it is there. */
interface Told {
  readonly name: string;
  readonly state: string;
  readonly logState: string;
  /** 0: none. */
  readonly supervisor: number;
}

function remove(user: User, one: Told, until: number, called: string): boolean {
  const { system } = user;
  const { name, state, logState, supervisor } = one;
  if (supervisor === 0) signal(system, childrenOf(system, one), [termSignal, contSignal]);
  if (!awaitTrue(system, until, () => isDown(system, one))) {
    user.complain(`${called}: ${name}: has not ended, killed\n`);
    tell(system, state, "k");
    awaitTrue(system, system.monotonic() + restMilliseconds, () => isDown(system, one));
  }
  tell(system, state, "x");
  const isGone = (): boolean => hasGone(system, one);
  // An orphan may hold its log open.
  let isOver = awaitTrue(system, system.monotonic() + restMilliseconds, isGone);
  if (!isOver && supervisor > 0) for (const number of [termSignal, contSignal]) system.killGroup(supervisor, number);
  isOver = isOver || awaitTrue(system, Math.max(until, system.monotonic() + restMilliseconds), isGone);
  if (!isOver) {
    const children = childrenOf(system, one);
    if (supervisor > 0) system.killGroup(supervisor, killSignal);
    signal(system, [supervisor, ...children], [killSignal]);
  }
  if (!isOver && !awaitTrue(system, system.monotonic() + goneMilliseconds, isGone)) {
    user.complain(`${called}: ${name}: something of it does not end\n`);
    return false;
  }
  for (const directory of [state, logState]) if (directory.startsWith(`${user.run}/`)) removeTree(system, directory);
  user.say(`ok: ${name}: removed\n`);
  return true;
}

function signal(system: System, pids: readonly number[], numbers: readonly number[]): void {
  for (const pid of pids) if (pid > 0) for (const number of numbers) system.kill(pid, number);
}

/** Pids of the living service and log service. */
function childrenOf(system: System, { state, logState }: Told): readonly number[] {
  return findChildren(system, [state, logState]);
}

function isDown(system: System, { state }: Told): boolean {
  if (findChild(system, state) > 0) return false;
  const { status } = readStatus(system, state, (bytes) => bytes >= statusBytes);
  return status === undefined || (status.pid === 0 && status.phase === "down" && status.want !== "u");
}

/** The service, its supervisor and its log service. */
function hasGone(system: System, one: Told): boolean {
  if (one.supervisor > 0 && system.kill(one.supervisor, 0) >= 0) return false;
  if (readStatus(system, one.state, () => true).trouble === undefined) return false;
  return childrenOf(system, one).length === 0;
}

/** Looks again and again; false: it has not become true in time. */
function awaitTrue(system: System, until: number, isTrue: () => boolean): boolean {
  for (let pause = 1; !isTrue(); pause = Math.min(pause * 2, longestPause)) {
    if (system.monotonic() >= until) return false;
    system.poll([], pause);
  }
  return true;
}
