// runsvdir(8): starts and watches one runsv for each service directory of a scan directory.

import { describeFatal, describeWarning } from "../core/text/messages.ts";
import { describeTai64n } from "../core/text/tai64n.ts";
import { absolutePath, makeStateRoot, namedStateRoot, nameStateRoot } from "../directories/state-root.ts";
import { TitleLog } from "../directories/title-log.ts";
import { RunsvPlan, Runsvs } from "../engine/runsvs.ts";
import { SystemError } from "../system/errors.ts";
import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import {
  openCreate,
  openDirectory,
  openNoFollow,
  openNonblocking,
  openRead,
  openTruncate,
  openWrite,
} from "../system/system.ts";

const failure = 100;

interface Invocation {
  readonly inOwnSessions: boolean;
  readonly termIsHangup: boolean;
  readonly directory: string;
  /** Index of the log argument; 0: none. */
  readonly log: number;
  /** State root; "": none is named. */
  readonly root: string;
  /** Those of its options that runsv has too, with their values. */
  readonly shared: readonly string[];
}

/** undefined: wrong usage. Words are read in their places: the first that is no option is the directory. */
function parse(args: readonly string[], system: System): Invocation | undefined {
  let inOwnSessions = false;
  let termIsHangup = false;
  let root = "";
  const shared: string[] = [];
  let index = 1;
  for (; index < args.length; index++) {
    const word = String(args[index] ?? "");
    const value = args[index + 1];
    if (word.startsWith("-P")) inOwnSessions = true;
    else if (word === "-H") termIsHangup = true;
    else if (isShared(word) && value !== undefined && value !== "" && index + 2 < args.length) {
      if (word === "-s") root = absolutePath(system, value);
      shared.push(word, word === "-s" ? root : value);
      index++;
    } else if (!word.startsWith("--")) break;
  }
  const directory = args[index];
  if (directory === undefined) return undefined;
  return { inOwnSessions, termIsHangup, directory, log: index + 1 < args.length ? index + 1 : 0, root, shared };
}

function isShared(word: string): boolean {
  return word === "-s" || word === "-g" || word === "-G";
}

export function runsvdir(args: readonly string[], system: System): number {
  const invocation = parse(args, system);
  if (invocation === undefined) {
    system.writeText(2, `usage: ${String(args[0] ?? "runsvdir")} [-P] dir\n\n`);
    return 1;
  }
  system.watchSignals(["TERM", "HUP", "ALRM", "CHLD"]);
  const kept = system.kept();
  const program = `runsvdir ${invocation.directory}`;
  const log = new TitleLog(system, program);
  if (invocation.log > 0) log.open(invocation.log, String(args[invocation.log] ?? ""), keptLog(kept));
  const origin = system.open(".", openRead + openDirectory, 0);
  if (origin < 0) {
    system.writeText(2, describeFatal(program, "unable to open current directory", -origin));
    return failure;
  }
  const plan = planOf(system, invocation, program);
  const tree = new Tree(system, invocation, new Runsvs(system, plan, origin), log);
  if (kept !== undefined) tree.resume(kept);
  system.guard();
  return tree.watch();
}

/** Throws SystemError: the state root that is named cannot be had. */
function planOf(system: System, invocation: Invocation, program: string): RunsvPlan {
  const { directory, root, shared, inOwnSessions } = invocation;
  const plan = new RunsvPlan(program, directory);
  plan.inOwnSessions = inOwnSessions;
  plan.root = root === "" ? namedStateRoot(system, directory) : root;
  plan.options = plan.root === "" ? shared : ["-w", ...shared];
  if (plan.root === "") return plan;
  makeStateRoot(system, plan.root, plan.root);
  if (system.identify(plan.root, true).identity === system.identify(directory, true).identity) {
    throw new SystemError(`unable to use state directory ${plan.root}: it is the scan directory`, 0);
  }
  try {
    if (root !== "") nameStateRoot(system, directory, root); // so that clients find it
  } catch (error: unknown) {
    if (!(error instanceof SystemError)) throw error; // a read-only one: SVRUNDIR tells them
  }
  return plan;
}

/** Descriptor of the log before a restart in place; negative: none. */
function keptLog(kept: string | undefined): number {
  if (kept === undefined) return -1;
  const end = kept.indexOf("\0");
  return end > 0 ? Number(kept.slice(0, end)) : -1;
}

class Tree {
  readonly #system: System;
  readonly #invocation: Invocation;
  readonly #program: string;
  readonly #runsvs: Runsvs;
  readonly #log: TitleLog;

  constructor(system: System, invocation: Invocation, runsvs: Runsvs, log: TitleLog) {
    this.#system = system;
    this.#invocation = invocation;
    this.#program = `runsvdir ${invocation.directory}`;
    this.#runsvs = runsvs;
    this.#log = log;
  }

  /** Until told to end; answers the exit code. */
  watch(): number {
    const runsvs = this.#runsvs;
    let milliseconds = 0;
    for (;;) {
      const happenings = awaitHappenings(this.#system, { fds: this.#polled(), milliseconds });
      let isTerm = false;
      let isHangup = false;
      for (const happening of happenings) {
        if (happening.kind === "signal") {
          if (happening.signal === "TERM") isTerm = true;
          if (happening.signal === "HUP") isHangup = true;
          if (happening.signal === "ALRM") this.#rescan();
        } else if (happening.kind === "readable" && happening.fd === this.#log.fd) this.#log.read();
        else runsvs.hear(happening);
      }
      const isFirst = this.#system.pid === 1;
      if (isHangup || (isTerm && (this.#invocation.termIsHangup || isFirst))) {
        runsvs.stopAll();
        if (isFirst) this.#awaitAll();
        return isTerm && !isHangup && !this.#invocation.termIsHangup ? 0 : 111;
      }
      if (isTerm) return 0;

      const now = this.#system.monotonic();
      runsvs.onTime(now);
      this.#log.onTime(now);
      this.#keep();
      milliseconds = this.#until(this.#system.monotonic());
    }
  }

  #until(now: number): number {
    const { due } = this.#runsvs;
    const logDue = this.#log.due;
    const next = due < 0 || (logDue >= 0 && logDue < due) ? logDue : due;
    return next < 0 ? -1 : Math.max(0, next - now);
  }

  #polled(): readonly Polled[] {
    const fds: Polled[] = [];
    this.#runsvs.addPolled(fds);
    if (this.#log.fd >= 0) fds.push({ fd: this.#log.fd, awaits: "data" });
    return fds;
  }

  /** As process 1: the system would kill them all when we end. */
  #awaitAll(): void {
    while (this.#runsvs.isAlive) {
      for (const happening of awaitHappenings(this.#system, { fds: this.#polled(), milliseconds: -1 })) {
        if (happening.kind === "readable" && happening.fd === this.#log.fd) this.#log.read();
        else if (happening.kind !== "signal") this.#runsvs.hear(happening);
      }
    }
  }

  /** Debian's runsvdir scans at once on ALRM, and leaves a mark when it has. */
  #rescan(): void {
    this.#runsvs.scan(this.#system.monotonic());
    const path = `${this.#invocation.directory}/.forced-rescan`;
    const fd = this.#system.open(path, openWrite + openCreate + openTruncate + openNonblocking + openNoFollow, 0o644);
    if (fd < 0) {
      this.#system.complain(describeWarning(this.#program, `unable to open ${path}`, -fd));
      return;
    }
    this.#system.writeText(fd, describeTai64n(this.#system.now()));
    this.#system.close(fd);
  }

  // ── a restart in place ──

  #keep(): void {
    if (this.#runsvs.isKept) return;
    this.#runsvs.isKept = true;
    this.#system.keep(`${this.#log.fd}\0${this.#runsvs.describe()}`);
  }
  resume(kept: string): void {
    this.#runsvs.resume(kept.slice(kept.indexOf("\0") + 1));
  }
}
