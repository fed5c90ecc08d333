// Word of changes in the supervise directories of services: through inotify, after a while of looking again and again.
// Looking is cheapest for what happens in a moment; to end a watch takes the kernel longer than that.

import { awaitHappenings } from "../system/happenings.ts";
import type { Polled, System } from "../system/system.ts";
import { inotifyEvents } from "./inotify.ts";
import { openOk } from "./supervised.ts";

/** How long it is cheaper to look again than to watch. */
export const glanceMilliseconds = 60;
const longestGlance = 4;
/** Where there is no word of changes. */
export const pollMilliseconds = 50;

const inMovedTo = 0x80;
const inDeleteSelf = 0x400;
const inMoveSelf = 0x800;

export class StateWatch {
  readonly #system: System;
  #isOpen = false;
  #inotify = -1;
  #glance = 1;
  #glanced = 0;
  #ok = -1;
  #hasWord = false;

  constructor(system: System) {
    this.#system = system;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }
  /** Readable when there is word of a change; negative: it never will be. */
  get fd(): number {
    return this.#inotify;
  }
  open(): void {
    this.#isOpen = true;
    this.#inotify = this.#system.inotifyOpen();
  }
  /** Watches the service whose directory is the working directory; answers the number it will be called by, or -errno. */
  add(state: string): number {
    if (this.#inotify < 0) return this.#inotify;
    return this.#system.inotifyAdd(this.#inotify, state, inMovedTo + inDeleteSelf + inMoveSelf);
  }
  /** Numbers of those that have changed. */
  take(): readonly number[] {
    const watches: number[] = [];
    for (const { watch } of inotifyEvents(this.#system, this.#inotify))
      if (!watches.includes(watch)) watches.push(watch);
    return watches;
  }

  /** How long to wait before the next glance, milliseconds: longer each time. */
  nextGlance(): number {
    const glance = this.#glance;
    this.#glance = Math.min(glance * 2, longestGlance);
    return glance;
  }

  /**
   * For one service alone, with this state directory: waits until it is worthwhile to look at its state
   * again, at most so long. Looking in vain is part of it.
   */
  await(state: string, milliseconds: number): void {
    if (this.#glanced < glanceMilliseconds) {
      const glance = this.nextGlance();
      this.#glanced += glance;
      this.#system.poll([], Math.min(glance, milliseconds));
      return;
    }
    if (!this.#isOpen) {
      this.open();
      this.#ok = openOk(this.#system, state);
      this.#hasWord = this.add(state) >= 0; // whoever may not read the directory, may not watch it either
      return; // to look at what came before
    }
    const fds: Polled[] = [];
    if (this.#ok >= 0) fds.push({ fd: this.#ok, awaits: "end" });
    if (this.#inotify >= 0) fds.push({ fd: this.#inotify, awaits: "data" });
    const longest = this.#hasWord ? milliseconds : Math.min(milliseconds, pollMilliseconds);
    for (const happening of awaitHappenings(this.#system, { fds, milliseconds: longest })) {
      if (happening.kind === "readable" && happening.fd === this.#inotify) this.take();
    }
  }

  close(): void {
    if (this.#inotify >= 0) this.#system.close(this.#inotify);
    if (this.#ok >= 0) this.#system.close(this.#ok);
  }
}
