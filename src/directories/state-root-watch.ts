// Word of a state root, or of a state directory in it, that is taken away: by inotify on what leads to it, and by the
// system's table of mounts, which tells of a file system that is taken from under it.

import type { Polled, System } from "../system/system.ts";
import { openRead } from "../system/system.ts";
import { inotifyEvents } from "./inotify.ts";

const inMovedFrom = 0x40;
const inDelete = 0x200;
const inDeleteSelf = 0x400;
const inMoveSelf = 0x800;
const mounts = "/proc/self/mountinfo";

export class StateRootWatch {
  readonly #system: System;
  #inotify = -1;
  #mounts = -1;
  #rootWatch = -1;
  #root = "";
  #identity = "";

  constructor(system: System) {
    this.#system = system;
  }

  /** Watches this root, and no other any more. */
  open(root: string): void {
    this.close();
    const system = this.#system;
    this.#root = root;
    this.#inotify = system.inotifyOpen();
    this.#mounts = system.open(mounts, openRead, 0);
    for (let slash = root.indexOf("/", 1); slash > 0; slash = root.indexOf("/", slash + 1)) {
      this.#add(root.slice(0, slash), 0);
    }
    this.#rootWatch = this.#add(root, inDelete + inMovedFrom);
    this.#identity = system.identify(root, true).identity;
  }
  #add(path: string, more: number): number {
    return this.#inotify < 0 ? -1 : this.#system.inotifyAdd(this.#inotify, path, inDeleteSelf + inMoveSelf + more);
  }
  close(): void {
    for (const fd of [this.#inotify, this.#mounts]) if (fd >= 0) this.#system.close(fd);
    this.#inotify = -1;
    this.#mounts = -1;
  }

  /** Whether the root is where it was, and the same. */
  get isThere(): boolean {
    const found = this.#system.identify(this.#root, true);
    return found.errno === 0 && found.identity === this.#identity;
  }
  /** Whether it has to be looked for from time to time: word may not come. */
  get needsPolling(): boolean {
    return this.#rootWatch < 0 || this.#mounts < 0;
  }

  addPolled(fds: Polled[]): void {
    if (this.#inotify >= 0) fds.push({ fd: this.#inotify, awaits: "data" });
    if (this.#mounts >= 0) fds.push({ fd: this.#mounts, awaits: "end" });
  }
  /** Names of what was taken out of the root; undefined: this descriptor is none of ours. */
  onReadable(fd: number): readonly string[] | undefined {
    if (fd === this.#mounts && fd >= 0) return [];
    if (fd !== this.#inotify || fd < 0) return undefined;
    const names: string[] = [];
    for (const { watch, name } of inotifyEvents(this.#system, fd)) {
      if (watch === this.#rootWatch && name !== "" && !name.startsWith(".")) names.push(name);
    }
    return names;
  }
}
