// A supervise directory, runsv's side: lock, control pipe, ok pipe, the three state files, and the record of the child.
// runsv(8).

import type { ChildRecord } from "../core/supervise/record.ts";
import { decodeRecord, encodeSupervisor, recordBytes, supervisorOffset } from "../core/supervise/record.ts";
import type { Service } from "../core/supervise/service.ts";
import type { StatusRecord } from "../core/supervise/status.ts";
import { decodeStatus, describeStat, encodeStatus, statusBytes } from "../core/supervise/status.ts";
import { textAt } from "../core/text/bytes.ts";
import { EAGAIN, EEXIST, EINVAL, ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { openAppend, openCreate, openNonblocking, openRead, openWrite } from "../system/system.ts";
import { openOwnRecord } from "./child-record.ts";
import type { Sharing } from "./sharing.ts";

/** Longest link target that is followed, in bytes: a limit of the original. */
const maxLinkBytes = 255;

export class SuperviseDirectory {
  readonly #system: System;
  /** Of the directory itself; "": there is none, the state is only in memory. */
  #directory: string;
  /** How messages name it. */
  #name: string;
  readonly #sharing: Sharing | undefined;
  readonly #warn: (text: string, errno: number) => void;
  #lock = -1;
  #control = -1;
  #controlWriter = -1;
  #ok = -1;
  #record = -1;
  /** What the pid file says; -1: nothing of ours. */
  #pidPublished = -1;
  #complained = false;
  #hasWaits = false;

  /**
   * @param name how messages name it
   * @param sharing undefined: it is in a service directory, or in memory
   */
  constructor(
    system: System,
    directory: string,
    name: string,
    warn: (text: string, errno: number) => void,
    sharing: Sharing | undefined,
  ) {
    this.#system = system;
    this.#directory = directory;
    this.#name = name;
    this.#warn = warn;
    this.#sharing = sharing;
  }

  /** Readable when there are control bytes. */
  get control(): number {
    return this.#control;
  }
  /** Where a child writes itself; -1: nowhere. */
  get record(): number {
    return this.#record;
  }

  /** Makes the directory, unless that has just been done, and opens the lock file. Throws SystemError. */
  create(isMade: boolean): void {
    if (this.#directory === "") return;
    const system = this.#system;
    if (!isMade) this.#makeDirectory();
    this.#sharing?.openDirectory(this.#directory);
    this.#lock = orFail(
      system.open(this.#path("lock"), openWrite + openAppend + openCreate + openNonblocking, 0o600),
      `unable to open ${this.#name}/lock`,
    );
  }

  #makeDirectory(): void {
    const made = this.#system.mkdir(this.#directory, 0o700);
    if (made === -EEXIST) this.#makeLinkTarget();
    else if (made < 0 && this.#sharing !== undefined) {
      throw new SystemError(`unable to create state directory ${this.#directory}`, -made);
    }
  }

  /** A dangling link (into a tmpfs, typically): its last component is made. */
  #makeLinkTarget(): void {
    const link = this.#system.readlink(this.#directory);
    if (link.errno === EINVAL) return; // a directory, or something the lock file will complain about
    if (link.errno !== 0) throw new SystemError(`unable to readlink ./${this.#name}`, link.errno);
    if (link.text.length > maxLinkBytes) {
      throw new SystemError(`unable to readlink ./${this.#name}: name too long`, 0);
    }
    const above = this.#directory.slice(0, this.#directory.lastIndexOf("/") + 1);
    const target = link.text.startsWith("/") ? link.text : `${above}${link.text}`;
    const made = this.#system.mkdir(target, 0o700);
    if (made < 0 && made !== -EEXIST) throw new SystemError(`unable to create state directory ${target}`, -made);
  }

  /** True once this process holds the lock; false while another does. Throws SystemError. */
  tryLock(): boolean {
    if (this.#directory === "") return true;
    const result = this.#system.lock(this.#lock);
    if (result === -EAGAIN) return false;
    orFail(result, `unable to lock ${this.#name}/lock`);
    return true;
  }

  /** Throws what a failed `tryLock` of a runsv that does not wait means. */
  complainAboutLock(): never {
    throw new SystemError(`unable to lock ${this.#name}/lock`, EAGAIN);
  }

  /** Makes and opens the control pipe. A writer of our own keeps it from ending after every command. */
  openControl(): void {
    if (this.#directory === "") return;
    const system = this.#system;
    const name = `${this.#name}/control`;
    const path = this.#path("control");
    system.mkfifo(path, 0o600);
    const found = system.stat(path, true);
    if (found.errno !== 0) throw new SystemError(`unable to stat ${name}`, found.errno);
    if (found.kind !== "fifo") throw new SystemError(`${name} exists but is not a fifo`, 0);
    this.#sharing?.openControl(path);
    this.#control = orFail(system.open(path, openRead + openNonblocking, 0), `unable to open ${name}`);
    this.#controlWriter = orFail(system.open(path, openWrite + openNonblocking, 0), `unable to open ${name}`);
  }

  /** Comes last: an open reader of `ok` tells sv that runsv lives. */
  openOk(): void {
    if (this.#directory === "") return;
    const path = this.#path("ok");
    this.#system.mkfifo(path, 0o600);
    this.#sharing?.openOk(path);
    this.#ok = orFail(this.#system.open(path, openRead + openNonblocking, 0), `unable to read ${this.#name}/ok`);
  }

  /** Whom an earlier runsv left behind; undefined: nobody, or nothing is known. Opens the record for the children. */
  openRecord(): ChildRecord | undefined {
    if (this.#directory === "") return undefined;
    this.#record = openOwnRecord(this.#system, this.#path("child"));
    if (this.#record < 0) return undefined; // no record, no adoption: as the original
    const bytes = new Uint8Array(recordBytes);
    return this.#system.read(this.#record, bytes) === recordBytes ? decodeRecord(bytes) : undefined;
  }

  /** The record as it is now, whoever is in it. */
  lastRecord(): ChildRecord | undefined {
    const bytes = new Uint8Array(recordBytes);
    return this.#system.readAt(this.#record, bytes, 0) === recordBytes ? decodeRecord(bytes) : undefined;
  }
  /** Takes out of the record who is none of ours: a process of another boot, say. */
  clearRecord(): void {
    if (this.#record >= 0) this.#system.writeAt(this.#record, new Uint8Array(supervisorOffset), 0);
  }

  /** Writes who supervises, and through which log pipe. */
  writeSupervisor(pipe: string, bootId: string): void {
    if (this.#record < 0) return;
    const bytes = encodeSupervisor(this.#system.pid, Math.ceil(this.#system.bootClock()), pipe, bootId);
    this.#system.writeAt(this.#record, bytes, supervisorOffset);
  }

  /** The status an earlier runsv left behind. */
  lastStatus(): StatusRecord | undefined {
    const bytes = new Uint8Array(statusBytes);
    return this.#readFile("status", bytes) === statusBytes ? decodeStatus(bytes) : undefined;
  }
  /** Whether the last words of an earlier runsv were that it is to exit. */
  lastWantedExit(): boolean {
    const bytes = new Uint8Array(80);
    const length = this.#readFile("stat", bytes);
    return textAt(bytes, 0, length).includes("want exit");
  }

  #readFile(file: string, into: Uint8Array): number {
    if (this.#directory === "") return -ENOENT;
    const fd = this.#system.open(this.#path(file), openRead + openNonblocking, 0);
    if (fd < 0) return fd;
    const length = this.#system.read(fd, into);
    this.#system.close(fd);
    return length;
  }

  /**
   * Writes pid (if it has changed), stat and status, each to a new file that replaces the old. Failures are warnings;
   * false: the files do not say the truth yet.
   */
  publish(service: Service): boolean {
    this.#complained = false;
    return this.#write(service);
  }

  /** The same again after a failure, without saying the same again. */
  publishAgain(service: Service): boolean {
    this.#complained = true;
    return this.#write(service);
  }

  #write(service: Service): boolean {
    if (this.#directory === "") return true;
    const mode = this.#sharing?.fileMode ?? 0o644;
    if (service.pid !== this.#pidPublished) {
      const text = service.pid === 0 ? "" : `${service.pid}\n`;
      if (!this.#replaced("pid", this.#system.replaceText(this.#path("pid.new"), this.#path("pid"), text, mode))) {
        return false;
      }
      this.#pidPublished = service.pid;
    }
    const stat = this.#system.replaceText(this.#path("stat.new"), this.#path("stat"), describeStat(service), mode);
    const statWritten = this.#replaced("stat", stat);
    if (!statWritten && stat > -3000) return false; // it could not be opened or written
    const status = this.#system.replace(this.#path("status.new"), this.#path("status"), encodeStatus(service), mode);
    const statusWritten = this.#replaced("status", status);
    return statusWritten && statWritten;
  }

  #replaced(file: string, result: number): boolean {
    if (result === 0) return true;
    if (this.#complained) return false;
    const step = Math.floor(-result / 1000);
    const errno = -result - step * 1000;
    const name = `${this.#name}/${file}`;
    if (step === 3) this.#warn(`unable to rename ${file}.new to ${name}`, errno);
    else if (step === 2) this.#warn(`unable to write ${name}.new${errno === 0 ? ": partial write." : ""}`, errno);
    else this.#warn(`unable to open ${name}.new`, errno);
    return false;
  }

  /** Says which variables the service waits for; "": none. */
  publishWaits(names: string): void {
    if (this.#directory === "" || (names === "" && !this.#hasWaits)) return;
    const path = this.#path("waits");
    if (names === "") this.#system.unlink(path);
    else this.#system.replaceText(this.#path("waits.new"), path, `${names}\n`, this.#sharing?.fileMode ?? 0o644);
    this.#hasWaits = names !== "";
  }

  /** Whether the files by which others reach us are those that we hold. */
  get isWhole(): boolean {
    if (this.#directory === "") return true;
    return this.#holds("lock", this.#lock) && this.#holds("control", this.#control) && this.#holds("ok", this.#ok);
  }
  #holds(file: string, fd: number): boolean {
    const found = this.#system.identify(this.#path(file), true);
    return found.errno === 0 && found.identity === this.#system.identifyFd(fd).identity;
  }
  /** Makes them anew, here or elsewhere, with the state of that service; what we held is given back when that has worked. Throws SystemError. */
  renew(directory: string, name: string, service: Service): void {
    const before = [this.#lock, this.#control, this.#controlWriter, this.#ok, this.#record];
    this.#directory = directory;
    this.#name = name;
    this.#lock = -1;
    this.#control = -1;
    this.#controlWriter = -1;
    this.#ok = -1;
    this.#record = -1;
    try {
      this.create(false);
      if (!this.tryLock()) this.complainAboutLock();
      this.openControl();
      this.openRecord();
      this.#copyRecord(before[4] ?? -1);
      this.#pidPublished = -1;
      this.publish(service);
      this.openOk();
    } catch (error: unknown) {
      this.close();
      this.#lock = before[0] ?? -1;
      this.#control = before[1] ?? -1;
      this.#controlWriter = before[2] ?? -1;
      this.#ok = before[3] ?? -1;
      this.#record = before[4] ?? -1;
      throw error;
    }
    this.#closeAll(before);
    this.keep();
  }
  #copyRecord(from: number): void {
    if (from < 0 || this.#record < 0) return;
    const bytes = new Uint8Array(recordBytes);
    const length = this.#system.readAt(from, bytes, 0);
    if (length === recordBytes) this.#system.writeAt(this.#record, bytes, 0);
  }

  /** Descriptors as a restart in place needs them. */
  handover(): readonly number[] {
    return [this.#lock, this.#control, this.#controlWriter, this.#ok, this.#record, this.#pidPublished];
  }
  resume(handed: readonly number[]): void {
    this.#lock = handed[0] ?? -1;
    this.#control = handed[1] ?? -1;
    this.#controlWriter = handed[2] ?? -1;
    this.#ok = handed[3] ?? -1;
    this.#record = handed[4] ?? -1;
    this.#pidPublished = handed[5] ?? -1;
    this.keep();
  }
  close(): void {
    this.#closeAll([this.#lock, this.#control, this.#controlWriter, this.#ok, this.#record]);
  }
  #closeAll(fds: readonly number[]): void {
    for (const fd of fds) {
      if (fd < 0) continue;
      this.#system.keepFd(fd, false);
      this.#system.close(fd);
    }
  }
  /** From now on a restart in place inherits the descriptors. */
  keep(): void {
    for (const fd of [this.#lock, this.#control, this.#controlWriter, this.#ok, this.#record]) {
      if (fd >= 0) this.#system.keepFd(fd, true);
    }
  }

  #path(file: string): string {
    return `${this.#directory}/${file}`;
  }
}
