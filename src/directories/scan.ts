// A scan directory: its entries, and word of its changes. Word comes through inotify: on the directory; on every
// directory and link by which it is reached, each for itself, so that the bustle of a /tmp wakes nobody; on the
// directories in which targets of service links stand; and on half-copied services. Where the system has no inotify, or
// the file system does not tell, the caller polls.

import type { Entry } from "../core/supervise/scan.ts";
import { EINVAL, ELOOP, ENOENT, ENOTDIR } from "../core/text/errors.ts";
import type { System } from "../system/system.ts";
import { inotifyEvents } from "./inotify.ts";

type Warn = (text: string, errno: number) => void;

/** A service that appeared is left alone until it has not changed for so long: it may be on its way. */
const settleSeconds = 0.02;
/** What could not be looked at, for a reason that may pass, is looked at again so soon, then after twice the time each time. */
const retryMilliseconds = 1000;
const longestRetryMilliseconds = 8000;
const longestChain = 40;

const inAttrib = 0x4;
const inMovedFrom = 0x40;
const inMovedTo = 0x80;
const inCreate = 0x100;
const inDelete = 0x200;
const inDeleteSelf = 0x400;
const inMoveSelf = 0x800;
const inDontFollow = 0x2000000;
const ofItself = inDeleteSelf + inMoveSelf;
// Attributes of itself too; those of its names cannot be told apart, so only where names matter at all.
const ofItsNames = inAttrib + inMovedFrom + inMovedTo + inCreate + inDelete;

export interface Scan {
  /** undefined: the directory could not be read, and it was complained about. */
  readonly entries: readonly Entry[] | undefined;
  /** Something is half-copied or was changed a moment ago: look again after this time. */
  readonly againMilliseconds: number;
}

/** What matters of a watched directory or link: itself always, all names in it, or some. */
class Watch {
  readonly path: string;
  isLink = false;
  isWhole = false;
  readonly names = new Set<string>();

  constructor(path: string) {
    this.path = path;
  }
  get mask(): number {
    if (this.isLink) return ofItself + inAttrib + inDontFollow;
    return ofItself + (this.isWhole || this.names.size > 0 ? ofItsNames : 0);
  }
}

export class ScanDirectory {
  readonly #system: System;
  readonly #path: string;
  readonly #warn: Warn;
  #inotify: number;
  readonly #origin: number;
  #watches = new Map<number, Watch>();
  #isWatched = false;
  #version = "";
  /** What the last scan found. */
  #found: readonly Entry[] = [];
  /** What it complained of in a way that may pass; it is not said again while that lasts. */
  #complaints: ReadonlySet<string> = new Set();
  #retry = retryMilliseconds;

  /** `origin`: the open directory to which a relative path relates, and to which a scan returns. */
  constructor(system: System, path: string, origin: number, warn: Warn) {
    this.#system = system;
    this.#path = path;
    this.#origin = origin;
    this.#warn = warn;
    this.#inotify = system.inotifyOpen();
  }

  /** Readable when something has changed; negative: never. */
  get inotify(): number {
    return this.#inotify;
  }
  /** No word of changes is wanted any more. (The system takes some milliseconds for that.) */
  close(): void {
    if (this.#inotify >= 0) this.#system.close(this.#inotify);
    this.#inotify = -1;
  }
  /** Whether changes may come without word. */
  get needsPolling(): boolean {
    return !this.#isWatched;
  }

  /** Whether the directory is another, or has changed, since the last scan. */
  hasChanged(): boolean {
    return this.#look() !== this.#version;
  }
  #look(): string {
    const found = this.#system.identify(this.#path, true);
    return found.errno === 0 ? `${found.identity} ${found.version}` : "";
  }

  /**
   * Reads the directory. Entries not among the `known` keys count only when they are complete.
   * @param isByName the key of a service is its name, not its directory
   */
  scan(known: ReadonlySet<string>, isByName: boolean): Scan {
    const system = this.#system;
    const watches = new Map<string, Watch>();
    const end = this.#watchChain(this.#path, watches);
    this.#version = this.#look();
    const found = system.stat(this.#path, true);
    if (found.errno !== 0) return this.#failed("unable to stat", found.errno, watches);
    this.#watchFor(watches, end).isWhole = true;
    const early = new Map<number, Watch>();
    // Before reading: what changes from here on is not missed.
    this.#isWatched = this.#add(watches, early) && isLocal(system.fileSystem(this.#path));
    const entered = system.chdir(this.#path);
    if (entered < 0) return this.#failed("unable to change directory to", -entered, watches);
    const scan = this.#read(known, isByName, watches);
    const left = system.fchdir(this.#origin);
    if (left < 0) this.#warn("unable to change directory", -left);
    const before = this.#watches;
    if (!this.#apply(watches)) this.#isWatched = false;
    // What was not watched while it was read is read once more.
    for (const number of this.#watches.keys()) {
      if (!before.has(number) && !early.has(number)) return { entries: scan.entries, againMilliseconds: 0 };
    }
    return scan;
  }

  /** Called from within the directory. */
  #read(known: ReadonlySet<string>, isByName: boolean, watches: Map<string, Watch>): Scan {
    const system = this.#system;
    const names: string[] = [];
    const listed = system.list(".", names);
    if (listed < 0) {
      this.#warn(`unable to open directory ${this.#path}`, -listed);
      return { entries: undefined, againMilliseconds: -1 };
    }
    const entries: Entry[] = [];
    const complaints = new Set<string>();
    let again = -1;
    let mustRetry = false;
    for (const name of names) {
      if (name.startsWith(".")) continue;
      this.#watchTarget(name, watches);
      const entry = system.identify(name, true);
      if (isByName && entry.errno === ENOENT && known.has(name)) {
        // Its definition is away: that is no reason to end it.
        entries.push(entryOf(name, name, ""));
        continue;
      }
      const complaint = mayPass(entry.errno) ? `${entry.errno} ${name}` : "";
      if (entry.errno !== 0 && !this.#complaints.has(complaint)) this.#warn(`unable to stat ${name}`, entry.errno);
      if (complaint !== "") {
        complaints.add(complaint);
        // It cannot be told that it has gone.
        const old = this.#found.find((one) => one.name === name);
        if (old !== undefined) entries.push(entryOf(old.name, old.key, old.identity));
        mustRetry = true;
      }
      if (entry.kind !== "directory") continue;
      const key = isByName ? name : entry.identity;
      if (!known.has(key)) {
        const run = system.identify(`${name}/run`, false);
        if (run.errno === ENOENT) {
          this.#watchFor(watches, this.#below(name)).names.add("run");
          continue;
        }
        const time = system.now();
        const age = time.seconds + time.nanoseconds / 1e9 - Math.max(entry.changedSeconds, run.changedSeconds);
        if (age > -1 && age < settleSeconds) {
          again = settleSeconds * 1000;
          continue;
        }
      }
      entries.push(entryOf(name, key, entry.identity));
    }
    this.#found = entries;
    this.#complaints = complaints;
    if (mustRetry && again < 0) again = this.#retry;
    this.#retry = mustRetry ? Math.min(this.#retry * 2, longestRetryMilliseconds) : retryMilliseconds;
    return { entries, againMilliseconds: again };
  }

  #failed(doing: string, errno: number, watches: Map<string, Watch>): Scan {
    this.#warn(`${doing} ${this.#path}`, errno);
    this.#isWatched = this.#apply(watches);
    this.#version = "";
    return { entries: undefined, againMilliseconds: -1 };
  }

  /** Reads what inotify has to say; whether any of it matters. */
  hearChanges(): boolean {
    let matters = false;
    for (const event of inotifyEvents(this.#system, this.#inotify)) {
      const number = event.watch;
      const { name } = event;
      const watch = this.#watches.get(number);
      // Number -1: events were lost.
      if (number < 0) matters = true;
      else if (watch !== undefined) {
        matters = matters || name === "" || watch.names.has(name) || (watch.isWhole && !name.startsWith("."));
      }
    }
    return matters;
  }

  // ── which directories to watch ──

  #watchFor(watches: Map<string, Watch>, path: string): Watch {
    const old = watches.get(path);
    if (old !== undefined) return old;
    const made = new Watch(path);
    watches.set(path, made);
    return made;
  }

  /**
   * Every directory and link the path leads through; where it ends too early, the name that is missing. Answers where
   * it leads.
   */
  #watchChain(path: string, watches: Map<string, Watch>): string {
    let at = path.startsWith("/") ? "/" : ".";
    const left = path.split("/").reverse();
    for (let links = 0; links < longestChain; ) {
      const name = left.pop();
      if (name === undefined) return at;
      if (name === "" || name === ".") continue;
      const watch = this.#watchFor(watches, at);
      const next = at === "/" ? `/${name}` : at === "." ? name : `${at}/${name}`;
      const link = name === ".." ? { errno: EINVAL, text: "" } : this.#system.readlink(next);
      if (link.errno === EINVAL) {
        at = next;
        continue;
      }
      if (link.errno !== 0) {
        watch.names.add(name);
        return next;
      }
      links++;
      this.#watchFor(watches, next).isLink = true;
      if (link.text.startsWith("/")) at = "/";
      for (const part of link.text.split("/").reverse()) left.push(part);
    }
    return at;
  }

  /** Where the entry is a link: the directory its target stands in. Called from within the scan directory. */
  #watchTarget(name: string, watches: Map<string, Watch>): void {
    const link = this.#system.readlink(name);
    if (link.errno !== 0) return;
    const target = link.text.endsWith("/") ? link.text.slice(0, -1) : link.text;
    const slash = target.lastIndexOf("/");
    const parent = slash < 0 ? this.#path : slash === 0 ? "/" : this.#below(target.slice(0, slash));
    this.#watchFor(watches, parent).names.add(target.slice(slash + 1));
  }

  /** A path as seen from the scan directory, as seen from where we started. */
  #below(path: string): string {
    return path.startsWith("/") ? path : `${this.#path}/${path}`;
  }

  /** Watches these as well; whether all of them could be had. `numbers`: where they are entered. */
  #add(wanted: Map<string, Watch>, numbers: Map<number, Watch>): boolean {
    if (this.#inotify < 0) return false;
    let all = true;
    for (const watch of wanted.values()) {
      const number = this.#system.inotifyAdd(this.#inotify, watch.path, watch.mask);
      if (number < 0) {
        if (-number !== ENOENT) all = false;
        continue;
      }
      const same = numbers.get(number);
      if (same === undefined) {
        numbers.set(number, watch);
        continue;
      }
      // One directory by two paths: both matter.
      same.isWhole = same.isWhole || watch.isWhole;
      for (const name of watch.names) same.names.add(name);
      this.#system.inotifyAdd(this.#inotify, same.path, same.mask);
    }
    return all;
  }

  /** Makes these the watches, and no others. */
  #apply(wanted: Map<string, Watch>): boolean {
    const watches = new Map<number, Watch>();
    const all = this.#add(wanted, watches);
    for (const number of this.#watches.keys()) {
      if (!watches.has(number)) this.#system.inotifyRemove(this.#inotify, number);
    }
    this.#watches = watches;
    return all;
  }
}

/** File systems whose changes all come to be known here (statfs magic numbers); others may change from elsewhere. */
function isLocal(fileSystem: number): boolean {
  const local: readonly number[] = [
    0xef53, 0x01021994, 0x9123683e, 0x58465342, 0x858458f6, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0x73717368, 0x24051905,
    0x72b6, 0xca451a4e, 0x3153464a, 0x3434, 0x4d44, 0x2011bab0, 0xe0f5e1e2, 0x52654973, 0x9660,
  ];
  return local.includes(fileSystem);
}

/** Whether somebody who looks again may find what he could not look at now. */
function mayPass(errno: number): boolean {
  return errno !== 0 && errno !== ENOENT && errno !== ELOOP && errno !== ENOTDIR;
}

function entryOf(name: string, key: string, identity: string): Entry {
  return { name, key, identity };
}
