// sv-user session: the tree of a user's services.

import { parseOptions } from "../../core/process/options.ts";
import { describeError } from "../../core/text/errors.ts";
import { leadingNumber } from "../../core/text/numbers.ts";
import { fillStandardDescriptors } from "../../directories/container.ts";
import { readText } from "../../directories/text.ts";
import { lockHolder, tellFor } from "../../directories/user-session.ts";
import type { Mode } from "../../engine/session.ts";
import { longestStopSeconds, Session } from "../../engine/session.ts";
import { SystemError } from "../../system/errors.ts";
import type { System } from "../../system/system.ts";
import { openRead } from "../../system/system.ts";
import { parseSeconds, User, usageCode } from "./user.ts";

const usage =
  "usage: sv-user session start|run [--hold PID] [--keep]\n       sv-user session stop [-w SEC]\n       sv-user session status\n";
/** What stopping takes beyond the time that was given: killing. */
const graceMilliseconds = 10_000;
const pauseMilliseconds = 20;
/** A tree that has its lock is heard within this time. */
const silentMilliseconds = 3000;
/** So long it is waited for each service to be supervised. */
const supervisedMilliseconds = 2000;

interface Invocation {
  readonly word: string;
  readonly holds: readonly number[];
  readonly keeps: boolean;
  readonly isDetached: boolean;
  readonly seconds: number;
}

/** undefined: wrong usage. Options stand before or behind the word. */
function parse(words: readonly string[], system: System): Invocation | undefined {
  const long = ["--hold:", "--keep", "--detached"];
  const before = parseOptions(words, "w:", long);
  const behind = parseOptions(before.rest.slice(1), "w:", long);
  const holds: number[] = [];
  let keeps = false;
  let isDetached = false;
  let seconds = longestStopSeconds;
  for (const { letter, value } of [...before.given, ...behind.given]) {
    if (letter === "--hold") {
      const pid = parseSeconds(value);
      if (pid <= 0) {
        system.writeText(2, `sv-user: session: --hold ${value}: not a process\n`);
        return undefined;
      }
      holds.push(pid);
    }
    if (letter === "--keep") keeps = true;
    if (letter === "--detached") isDetached = true;
    if (letter === "w") seconds = parseSeconds(value);
  }
  const complaint = before.complaint !== "" ? before.complaint : behind.complaint;
  if (complaint !== "") system.writeText(2, `sv-user: session: ${complaint}\n`);
  if (complaint !== "" || behind.rest.length > 0 || seconds < 0) return undefined;
  if (before.endedBy !== "" || behind.endedBy !== "") {
    system.writeText(2, `sv-user: session: unknown option ${before.endedBy}${behind.endedBy}\n`);
    return undefined;
  }
  return { word: String(before.rest[0] ?? ""), holds, keeps, isDetached, seconds };
}

export function userSession(words: readonly string[], system: System): number {
  const invocation = parse(words, system);
  switch (invocation?.word) {
    case "start":
      return start(invocation, system);
    case "run":
      return runSession(
        invocation.holds,
        invocation.keeps,
        invocation.isDetached,
        invocation.seconds,
        "demand",
        system,
      );
    case "stop":
      return stop(invocation.seconds, system);
    case "status":
      return status(system);
    default:
      system.writeText(2, usage);
      return usageCode;
  }
}

function start({ holds, keeps }: Invocation, system: System): number {
  const user = new User(system);
  for (const pid of holds) {
    const fd = system.pidfd(pid);
    if (fd < 0) {
      user.complain(`sv-user: session: --hold ${pid}: ${describeError(-fd)}\n`);
      return 1;
    }
    system.close(fd);
  }
  user.startTree(holds, keeps || holds.length === 0);
  user.awaitSupervised(user.enabled, supervisedMilliseconds);
  hint(user);
  return 0;
}

/** A host policy that ends all processes at logout would take the tree along. */
function hint(user: User): void {
  const { system, person } = user;
  const isLogind = system.stat("/run/systemd/seats", true).errno === 0;
  const lingers = person.name !== "" && system.stat(`/var/lib/systemd/linger/${person.name}`, true).errno === 0;
  if (isLogind && !lingers && killsAtLogout(system)) {
    user.complain("sv-user: this host ends all processes at logout: see sv-user boot, or loginctl enable-linger\n");
  }
}
function killsAtLogout(system: System): boolean {
  return readText(system, "/etc/systemd/logind.conf").text.includes("\nKillUserProcesses=yes");
}

function status(system: System): number {
  const user = new User(system);
  const { facts } = user;
  if (facts === undefined) {
    const holder = lockHolder(system, user.places);
    user.say(holder === "" ? "down\n" : `pid ${holder} does not answer\n`);
    return 1;
  }
  const leases = facts.leases === "" ? "" : `, leases: ${facts.leases}`;
  user.say(`run: pid ${facts.pid}, ${facts.seconds}s, ${facts.mode}${leases}\n`);
  return 0;
}

function stop(seconds: number, system: System): number {
  const user = new User(system);
  const isBoot = user.facts?.mode === "boot";
  const code = stopTree(user, seconds);
  if (isBoot) user.complain("sv-user: session: the system starts it again: see sv-user boot off\n");
  return code;
}

/**
 * Tells the tree to end and waits for it, and ends what one that is no more has left behind: 0, or 1 if something had to
 * be killed. Throws SystemError: it does not end.
 */
export function stopTree(user: User, seconds: number): number {
  const { system } = user;
  const until = system.monotonic() + seconds * 1000 + graceMilliseconds;
  let silentUntil = system.monotonic() + silentMilliseconds;
  for (;;) {
    const { facts } = user;
    if (facts === undefined) {
      const holder = lockHolder(system, user.places);
      if (holder === "") return endOrphans(user, seconds);
      // One that is dying has its lock for a moment more; one that is being made is not heard yet.
      if (system.monotonic() >= silentUntil) throw new SystemError(`the tree (pid ${holder}) does not answer`, 0);
      system.poll([], pauseMilliseconds);
      continue;
    }
    const pidfd = system.pidfd(facts.pid);
    const answer = tellFor(system, user.run, `stop ${seconds}`, until - system.monotonic()) ?? "";
    if (answer !== "") {
      if (pidfd >= 0) system.poll([{ fd: pidfd, awaits: "data" }], graceMilliseconds); // it has said its last word
      return leadingNumber(answer);
    }
    // Killed, or restarted in place: then it is asked again.
    silentUntil = system.monotonic() + silentMilliseconds;
    if (pidfd >= 0) system.close(pidfd);
    if (system.monotonic() >= until) throw new SystemError(`the tree (pid ${facts.pid}) does not end`, 0);
    system.poll([], pauseMilliseconds);
  }
}

/** Services that are supervised without a tree. Becomes it, to end them. */
function endOrphans(user: User, seconds: number): number {
  const { system } = user;
  const names = user.living;
  if (names.length === 0) return 0;
  system.watchSignals(["CHLD"]);
  const session = new Session(system, user.person, user.places, {
    mode: "demand",
    leases: [],
    isDetached: false,
    stopSeconds: seconds,
  });
  const trouble = session.open();
  if (trouble !== "") throw new SystemError(`the tree does not answer: ${trouble}`, 0);
  session.endOrphans(names, seconds);
  return session.watch();
}

/** Becomes the tree. */
export function runSession(
  holds: readonly number[],
  keeps: boolean,
  isDetached: boolean,
  seconds: number,
  mode: Mode,
  system: System,
): number {
  const user = new User(system);
  const kept = system.kept() ?? "";
  system.watchSignals(["TERM", "HUP", "INT", "CHLD"]);
  const session = new Session(system, user.person, user.places, {
    mode: holds.length > 0 && !keeps ? "login" : mode,
    leases: kept === "" ? holds : [],
    isDetached,
    stopSeconds: seconds,
  });
  if (kept === "") {
    fillStandardDescriptors(system);
    const nothing = system.open("/dev/null", openRead, 0);
    if (nothing >= 0) system.moveFd(nothing, 0);
    system.keepAbove(2);
    system.freshenChildren();
    system.raiseFdLimit();
    const trouble = session.open();
    if (trouble !== "") {
      user.complain(`sv-user: session: ${trouble}\n`);
      return 1;
    }
    if (session.isOverAlready) return 0;
  } else session.resume(kept);
  system.guard();
  return session.watch();
}
