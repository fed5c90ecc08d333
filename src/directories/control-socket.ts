// The local socket through which process 1 of a container is asked and told: one line, one answer. It stands in the state
// root; where there is none, it has a name that is no file.

import { bytesOf, textAt } from "../core/text/bytes.ts";
import { describeError, EADDRINUSE, EAGAIN } from "../core/text/errors.ts";
import type { Polled, System } from "../system/system.ts";
import { findStateRoot, listStateRoots } from "./state-root.ts";

const maxQuestionBytes = 64;
const patienceMilliseconds = 5000;
const pauseMilliseconds = 1000;
const maxClients = 16;

/** Where it is, with a state root and without. */
function pathIn(system: System, root: string): string {
  if (root !== "") return `${root}/.container`;
  // Not of this network, which containers may share, but of these mounts.
  return `@runit-container ${system.readlink("/proc/self/ns/mnt").text}`;
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
  readonly #root: string;
  readonly #path: string;
  #fd = -1;
  #clients: Client[] = [];
  /** When it is listened to again (monotonic clock, milliseconds); negative: it is. */
  #pausedUntil = -1;

  constructor(system: System) {
    this.#system = system;
    this.#root = findStateRoot(system); // not one that the service directory names: who asks does not know that
    this.#path = pathIn(system, this.#root);
  }

  /** "" or what is wrong. */
  open(): string {
    const system = this.#system;
    this.#fd = system.listen(this.#path);
    if (this.#fd === -EADDRINUSE && this.#root !== "") {
      const other = system.connect(this.#path);
      if (other >= 0) {
        system.close(other);
        return `another one listens at ${this.#path}: health and stop reach that one`;
      }
      system.unlink(this.#path); // of one that was killed
      this.#fd = system.listen(this.#path);
    }
    if (this.#fd < 0)
      return `unable to listen at ${this.#path}: ${describeError(-this.#fd)}: health and stop do not work`;
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
    if (this.#root !== "") this.#system.unlink(this.#path);
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
 * The answer to a question; undefined: nobody gives one in time.
 * @param until monotonic clock, milliseconds
 */
export function ask(system: System, question: string, until: number): string | undefined {
  const roots = [...listStateRoots(system), ""];
  for (const root of roots) {
    const fd = system.connect(pathIn(system, root));
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
