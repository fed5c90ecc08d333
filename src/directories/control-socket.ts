// The local socket through which a supervisor is asked and told: one line, one answer.

import { bytesOf, textAt } from "../core/text/bytes.ts";
import { describeError, EADDRINUSE, EAGAIN } from "../core/text/errors.ts";
import type { Polled, System } from "../system/system.ts";
import { openDirectory, openRead } from "../system/system.ts";
import { findStateRoot, listStateRoots } from "./state-root.ts";

const maxQuestionBytes = 64;
const patienceMilliseconds = 5000;
const pauseMilliseconds = 1000;
const maxClients = 16;

/** The kernel takes no longer paths, in bytes. */
const maxPathBytes = 100;

/** Where it is: a file in a directory, or, with directory "", a name that is no file. */
export interface SocketPlace {
  readonly directory: string;
  readonly name: string;
}

export function placeOf(directory: string, name: string): SocketPlace {
  return { directory, name };
}

/** That of process 1 of a container: in its state root; "": there is none. */
function inContainer(system: System, root: string): SocketPlace {
  if (root !== "") return placeOf(root, ".container");
  // Not of this network, which containers may share, but of these mounts.
  return placeOf("", `@runit-container ${system.readlink("/proc/self/ns/mnt").text}`);
}

/** The place where we listen as process 1 of a container, and those where we look for it. */
export function placeInContainer(system: System): SocketPlace {
  return inContainer(system, findStateRoot(system)); // not one that the service directory names: who asks does not know that
}
export function placesInContainer(system: System): readonly SocketPlace[] {
  return [...listStateRoots(system), ""].map((root) => inContainer(system, root));
}

function pathOf({ directory, name }: SocketPlace): string {
  return directory === "" ? name : `${directory}/${name}`;
}

/** A descriptor, or -errno. Where the path is too long, it is done from within the directory. */
function openSocket(system: System, place: SocketPlace, listens: boolean): number {
  const path = pathOf(place);
  if (path.length <= maxPathBytes) return listens ? system.listen(path) : system.connect(path);
  const origin = system.open(".", openRead + openDirectory, 0);
  if (origin < 0) return origin;
  const entered = system.chdir(place.directory);
  const fd = entered < 0 ? entered : listens ? system.listen(place.name) : system.connect(place.name);
  system.fchdir(origin);
  system.close(origin);
  return fd;
}

export interface Question {
  readonly fd: number;
  readonly text: string;
  /** It comes from root or from our own user. */
  readonly mayCommand: boolean;
}

interface Client {
  readonly fd: number;
  /** Monotonic clock, milliseconds. */
  readonly until: number;
}

export class ControlSocket {
  readonly #system: System;
  readonly #place: SocketPlace;
  #fd = -1;
  #clients: Client[] = [];
  /** When it is listened to again (monotonic clock, milliseconds); negative: it is. */
  #pausedUntil = -1;

  constructor(system: System, place: SocketPlace) {
    this.#system = system;
    this.#place = place;
  }

  /** The same for the only one that may listen there: whatever has the name, is of one that is no more. */
  openOnly(): string {
    this.#system.unlink(pathOf(this.#place));
    return this.open();
  }
  /** "" or what is wrong. */
  open(): string {
    const system = this.#system;
    const path = pathOf(this.#place);
    this.#fd = openSocket(system, this.#place, true);
    if (this.#fd === -EADDRINUSE && this.#place.directory !== "") {
      const other = openSocket(system, this.#place, false);
      if (other >= 0) {
        system.close(other);
        return `another one listens at ${path}: health and stop reach that one`;
      }
      system.unlink(path); // of one that was killed
      this.#fd = openSocket(system, this.#place, true);
    }
    if (this.#fd < 0) return `unable to listen at ${path}: ${describeError(-this.#fd)}: health and stop do not work`;
    system.keepFd(this.#fd, true);
    return "";
  }
  get fd(): number {
    return this.#fd;
  }
  /** After a restart in place. */
  resume(fd: number): void {
    this.#fd = fd;
    if (fd >= 0) this.#system.keepFd(fd, true);
  }
  close(): void {
    if (this.#fd < 0) return;
    this.#system.close(this.#fd);
    this.#fd = -1;
    if (this.#place.directory !== "") this.#system.unlink(pathOf(this.#place));
  }

  owns(fd: number): boolean {
    return fd >= 0 && (fd === this.#fd || this.#clients.some((client) => client.fd === fd));
  }
  addPolled(fds: Polled[]): void {
    if (this.#fd >= 0 && this.#pausedUntil < 0) fds.push({ fd: this.#fd, awaits: "data" });
    for (const { fd } of this.#clients) fds.push({ fd, awaits: "data" });
  }

  /** What was asked, if it was. */
  onReadable(fd: number): Question | undefined {
    const system = this.#system;
    if (fd === this.#fd) {
      const client = system.accept(fd);
      // No descriptors left, say: who asks would be asked about again and again.
      if (client < 0 && client !== -EAGAIN) this.#pausedUntil = system.monotonic() + pauseMilliseconds;
      if (client < 0) return undefined;
      const oldest = this.#clients[0];
      if (this.#clients.length >= maxClients && oldest !== undefined) this.#drop(oldest.fd);
      this.#clients.push({ fd: client, until: system.monotonic() + patienceMilliseconds });
      return this.onReadable(client); // mostly it has asked already
    }
    if (!this.#clients.some((client) => client.fd === fd)) return undefined;
    const bytes = new Uint8Array(maxQuestionBytes);
    const length = system.read(fd, bytes);
    if (length === -EAGAIN) return undefined;
    if (length <= 0) {
      this.#drop(fd);
      return undefined;
    }
    const uid = system.peerUid(fd);
    const text = textAt(bytes, 0, length);
    return { fd, text: text.endsWith("\n") ? text.slice(0, -1) : text, mayCommand: uid === 0 || uid === system.uid };
  }

  answer(fd: number, text: string): void {
    const bytes = bytesOf(text);
    this.#system.writeNow(fd, bytes, 0, bytes.length);
    this.#drop(fd);
  }

  /** The answer to this one takes its time. */
  defer(fd: number): void {
    this.#clients = this.#clients.filter((client) => client.fd !== fd);
  }

  #drop(fd: number): void {
    this.#system.close(fd);
    this.#clients = this.#clients.filter((client) => client.fd !== fd);
  }

  get due(): number {
    let due = this.#pausedUntil;
    for (const { until } of this.#clients) if (due < 0 || until < due) due = until;
    return due;
  }
  onTime(now: number): void {
    if (this.#pausedUntil >= 0 && now >= this.#pausedUntil) this.#pausedUntil = -1;
    for (const { fd, until } of this.#clients) if (now >= until) this.#drop(fd);
  }
}

/** Whether it may be believed: root, our own user, or whoever process 1 is. */
function isTrusted(system: System, uid: number): boolean {
  if (uid === 0 || uid === system.uid) return true;
  const first = system.stat("/proc/1", true);
  return first.errno === 0 && first.uid === uid;
}

/**
 * The answer to a question of whoever listens at the first of these places; undefined: nobody gives one in time.
 * @param until monotonic clock, milliseconds
 */
export function ask(
  system: System,
  places: readonly SocketPlace[],
  question: string,
  until: number,
): string | undefined {
  for (const place of places) {
    const fd = openSocket(system, place, false);
    if (fd < 0) continue;
    if (!isTrusted(system, system.peerUid(fd))) {
      system.close(fd);
      continue;
    }
    system.writeText(fd, `${question}\n`);
    let answer = "";
    const bytes = new Uint8Array(4096);
    let isWhole = false;
    for (let left = until - system.monotonic(); left > 0 && !isWhole; left = until - system.monotonic()) {
      if (system.poll([{ fd, awaits: "data" }], left) <= 0) continue;
      const length = system.read(fd, bytes);
      if (length > 0) answer += textAt(bytes, 0, length);
      else isWhole = true;
    }
    system.close(fd);
    return isWhole ? answer : undefined;
  }
  return undefined;
}
