// The processor of a log directory: runs beside the loop, one file at a time, oldest first. svlogd(8), PROCESSOR.
//
//    @T.u ──(descriptor 0)──▶ sh -c COMMAND ──(1)──▶ @T.t ──rename──▶ @T.s        then @T.u goes
//    state ─────────(4)──────▶              ──(5)──▶ newstate ──rename──▶ state
//
// A file that has both an @T.s and an @T.u was processed: only what comes after the first rename was not done.

import { ENOENT } from "../core/text/errors.ts";
import { describeFatal } from "../core/text/messages.ts";
import { openCreate, openExclusive, openNonblocking, openRead, openWrite, plainChild } from "../system/system.ts";
import type { LogScene } from "./log-scene.ts";

/** Exit code of a child that does not get as far as its shell. */
const childExitCode = 111;
/** Descriptors of the child that are not in each other's way. */
const lowestSpareFd = 10;
const finishPauseMilliseconds = 3000;
const longestPauseMilliseconds = 60_000;

export class LogProcessor {
  readonly #scene: LogScene;
  readonly #name: string;
  /** Labels of the files that wait, oldest first. */
  #waiting: string[] = [];
  #label = "";
  #pid = 0;
  /** Its child has succeeded, but the files are not in their places yet. */
  #isFinishing = false;
  #failures = 0;
  /** Monotonic clock, milliseconds, before which nothing is tried; negative: at once. */
  #pausedUntil = -1;
  #mayRetry = true;

  constructor(scene: LogScene, name: string) {
    this.#scene = scene;
    this.#name = name;
  }

  /** The file that is in work; "": none. */
  get label(): string {
    return this.#label;
  }
  get isRunning(): boolean {
    return this.#pid !== 0;
  }
  get waiting(): number {
    return this.#waiting.length;
  }
  isWaiting(label: string): boolean {
    return this.#waiting.includes(label);
  }
  /** When it wants to go on; negative: it does not. */
  get due(): number {
    if (this.#pid !== 0 || (this.#label === "" && this.#waiting.length === 0)) return -1;
    return Math.max(0, this.#pausedUntil);
  }

  /** `@T.u` is to be processed. */
  add(label: string): void {
    if (label === this.#label || this.#waiting.includes(label)) return;
    this.#waiting.push(label);
    this.#waiting.sort();
  }
  forget(label: string): void {
    this.#waiting = this.#waiting.filter((one) => one !== label);
  }
  /** A new configuration: what waits is found anew, and a pause is over. A running child is kept. */
  reset(): void {
    this.#waiting = [];
    this.#failures = 0;
    this.#pausedUntil = -1;
    if (this.#pid !== 0) return;
    this.#label = "";
    this.#isFinishing = false;
  }
  /** The end is near: nothing is tried twice, and in a hurry nothing is begun. */
  windDown(isHurried: boolean): void {
    this.#mayRetry = false;
    if (isHurried || this.#failures > 0) this.#waiting = [];
    if (this.#pid === 0 && !this.#isFinishing && this.#failures > 0) this.#label = "";
    if (isHurried && this.#pid === 0) this.#label = "";
  }

  /**
   * Goes on with what is due; the working directory is the log directory.
   * @param mode of a saved file
   * @returns whether a file has been finished, so that there is one more saved file
   */
  goOn(command: string, mode: number, now: number): boolean {
    if (this.#pid !== 0 || now < this.#pausedUntil) return false;
    if (this.#isFinishing) return this.#finish(mode, now);
    if (this.#label === "") {
      const next = command === "" ? undefined : this.#waiting.shift();
      if (next === undefined) return false;
      this.#label = next;
    }
    if (command === "") {
      this.#label = "";
      return false;
    }
    const { system } = this.#scene;
    if (system.stat(`${this.#label}.s`, false).errno === 0) {
      this.#isFinishing = true;
      return this.#finish(mode, now);
    }
    this.#start(command, now);
    return false;
  }

  /** Whether that was its child. `isThere`: the working directory is the log directory. */
  ended(pid: number, waitStatus: number, now: number, isThere: boolean): boolean {
    if (pid !== this.#pid) return false;
    this.#pid = 0;
    if (waitStatus !== 0 && isThere) this.#scene.system.unlink(`${this.#label}.t`);
    if (waitStatus === 0) this.#isFinishing = true;
    else this.#fail(now);
    return true;
  }

  #fail(now: number): void {
    this.#scene.warn(`processor failed, restart: ${this.#name}`, 0);
    const pause = this.#failures === 0 ? 0 : 1000 * 2 ** Math.min(this.#failures - 1, 6);
    this.#failures++;
    this.#pausedUntil = pause === 0 ? -1 : now + Math.min(pause, longestPauseMilliseconds);
    if (!this.#mayRetry) this.#drop();
  }

  /** Leaves it as it is: the next start finds it. */
  #drop(): void {
    this.#label = "";
    this.#isFinishing = false;
    this.#waiting = [];
  }

  #start(command: string, now: number): void {
    const { system } = this.#scene;
    const input = this.#open(`${this.#label}.u`, openRead + openNonblocking, "unable to open input for processor");
    if (input === -ENOENT) {
      this.#label = ""; // somebody has removed it
      return;
    }
    // Files of their own: a processor that outlived its svlogd may still write to the old ones.
    system.unlink(`${this.#label}.t`);
    system.unlink("newstate");
    const fresh = openWrite + openCreate + openExclusive;
    const output = input < 0 ? -1 : this.#open(`${this.#label}.t`, fresh, "unable to open output for processor");
    const state =
      output < 0
        ? -1
        : this.#open("state", openRead + openCreate + openNonblocking, "unable to open state for processor");
    const newState = state < 0 ? -1 : this.#open("newstate", fresh, "unable to open newstate for processor");
    if (newState >= 0) this.#spawn(command, input, output, state, newState);
    for (const fd of [input, output, state, newState]) if (fd >= 0) system.close(fd);
    if (newState < 0) this.#fail(now);
    else if (this.#pid === 0) this.#pausedUntil = now + finishPauseMilliseconds;
  }

  #open(path: string, flags: number, complaint: string): number {
    const { system } = this.#scene;
    const opened = system.open(path, flags, 0o644);
    const fd = opened < 0 ? opened : system.raiseFd(opened, lowestSpareFd);
    if (fd < 0) system.complain(describeFatal("svlogd", `${complaint}: ${this.#name}`, -fd));
    return fd;
  }

  #spawn(command: string, input: number, output: number, state: number, newState: number): void {
    const scene = this.#scene;
    scene.info(`processing: ${this.#name}/${this.#label}.u`);
    const spawned = scene.system.spawn({
      ...plainChild("/bin/sh", ["sh", "-c", command], childExitCode),
      stdin: input,
      stdout: output,
      state,
      newState,
    });
    if (spawned.pid < 0) {
      scene.pause(`unable to fork for processor: ${this.#name}`, -spawned.pid);
      return;
    }
    if (spawned.errno !== 0) {
      scene.system.complain(describeFatal("svlogd", `unable to run processor: ${this.#name}`, spawned.errno));
    }
    this.#pid = spawned.pid;
  }

  #finish(mode: number, now: number): boolean {
    const failed = this.#place(mode);
    if (failed !== "") {
      this.#pausedUntil = now + finishPauseMilliseconds;
      if (!this.#mayRetry) this.#drop();
      return false;
    }
    this.#scene.info(`processed: ${this.#name}/${this.#label}.s`);
    this.#label = "";
    this.#isFinishing = false;
    this.#failures = 0;
    this.#pausedUntil = -1;
    return true;
  }

  /** Puts output and state into their places, each only when the one before is there. "": all done. */
  #place(mode: number): string {
    const { system } = this.#scene;
    const done = `${this.#label}.s`;
    if (system.stat(done, false).errno !== 0) {
      const fd = system.open(`${this.#label}.t`, openRead + openNonblocking, 0);
      if (fd < 0) return this.#pause("unable to rename processed", fd);
      const synced = system.sync(fd); // before the original goes
      const moded = synced < 0 ? synced : system.chmodFd(fd, mode);
      system.close(fd);
      if (moded < 0) return this.#pause("unable to set mode of processed", moded);
      const renamed = system.rename(`${this.#label}.t`, done);
      if (renamed < 0) return this.#pause("unable to rename processed", renamed);
    }
    const renamed = system.rename("newstate", "state");
    if (renamed < 0 && renamed !== -ENOENT) return this.#pause("unable to rename state", renamed);
    const original = `${this.#label}.u`;
    const unlinked = system.unlink(original);
    if (unlinked < 0 && unlinked !== -ENOENT) this.#scene.warn(`unable to unlink: ${this.#name}/${original}`, 0);
    return "";
  }

  #pause(text: string, result: number): string {
    this.#scene.pause(`${text}: ${this.#name}`, -result);
    return text;
  }
}
