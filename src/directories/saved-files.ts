// The old files of a log directory: which labels there are, and which file goes. All paths are relative: the working
// directory is the log directory. svlogd(8).

import type { LogConfig } from "../core/log/config.ts";
import { isLabel, isSavedName, labelOf, nextLabel } from "../core/log/rotation.ts";
import type { LogProcessor } from "./log-processor.ts";
import type { LogScene } from "./log-scene.ts";

/** So many times as many files as are kept may wait for a processor that does not keep up. */
const longestQueue = 10;

export class SavedFiles {
  readonly #scene: LogScene;
  readonly #name: string;
  readonly #processor: LogProcessor;
  #newest = "";
  /** Files that could not be deleted yet, because they wait for the processor. */
  #owed = 0;

  /** `name`: the log directory, for messages. */
  constructor(scene: LogScene, name: string, processor: LogProcessor) {
    this.#scene = scene;
    this.#name = name;
    this.#processor = processor;
  }

  /** Looks what is there; what an earlier svlogd left to be processed goes to the processor. */
  survey(config: LogConfig): void {
    this.#newest = "";
    this.#owed = 0;
    this.#processor.reset();
    for (const name of this.#names()) {
      const label = labelOf(name);
      if (isLabel(label) && label > this.#newest) this.#newest = label;
      if (name.endsWith(".u") && config.processor !== "") this.#processor.add(label);
    }
  }

  /** A label for a file that is rotated now. */
  nextLabel(): string {
    this.#newest = nextLabel(this.#scene.system.now(), this.#newest);
    return this.#newest;
  }

  #names(): string[] {
    const names: string[] = [];
    const listed = this.#scene.system.list(".", names);
    if (listed < 0) this.#scene.warn(`unable to read directory: ${this.#name}`, -listed);
    return names.filter((name) => isSavedName(name));
  }

  /** Deletes what a processor left unfinished, and the oldest file when there are too many: one goes for one that came. */
  prune(config: LogConfig): void {
    const kept: string[] = [];
    for (const name of this.#names()) {
      if (!name.endsWith("t")) kept.push(name);
      else if (labelOf(name) !== this.#processor.label) this.#removeLeftOver(name);
    }
    const { maxFiles } = config;
    if (maxFiles > 0 && kept.length > maxFiles && this.#deleteOldest(kept, maxFiles) < 0) this.#owed++;
    if (config.totalBytes > 0) this.#pruneToTotal(kept, config);
  }

  /** A file has been processed: what could not be deleted because of it may go now. */
  pruneOwed(config: LogConfig): void {
    if (this.#owed === 0) return;
    this.#owed--;
    this.prune(config);
  }

  /** On a full disk: deletes the oldest file if more are left than must be kept. */
  makeRoom(config: LogConfig): boolean {
    if (config.minFiles >= config.maxFiles) return false;
    const names = this.#names();
    const oldest = smallest(names);
    if (names.length <= config.minFiles || oldest === "") return false;
    this.#scene.warn(`out of disk space, delete: ${this.#name}/${oldest}`, 0);
    return this.#remove(oldest);
  }

  #pruneToTotal(kept: string[], config: LogConfig): void {
    const { system } = this.#scene;
    let total = config.maxBytes;
    for (const name of kept) total += system.stat(name, false).bytes;
    while (total > config.totalBytes) {
      const freed = this.#deleteOldest(kept, config.maxFiles);
      if (freed < 0) return;
      total -= freed;
    }
  }

  #removeLeftOver(name: string): void {
    const unlinked = this.#scene.system.unlink(name);
    if (unlinked < 0) this.#scene.warn(`unable to unlink processor leftover: ${name}`, -unlinked);
  }

  /** Deletes the oldest that need not be processed first, and takes it out of `names`. Its size, or -1. */
  #deleteOldest(names: string[], maxFiles: number): number {
    const mayWait = maxFiles === 0 || this.#processor.waiting <= maxFiles * longestQueue;
    const candidates = names.filter((name) => {
      const label = labelOf(name);
      if (label === this.#processor.label || label === this.#newest) return false;
      return !mayWait || !this.#processor.isWaiting(label);
    });
    const oldest = smallest(candidates);
    if (oldest === "") return -1;
    const { bytes } = this.#scene.system.stat(oldest, false);
    if (this.#processor.isWaiting(labelOf(oldest)) && oldest.endsWith(".u")) {
      this.#scene.warn(`processor too slow, delete: ${this.#name}/${oldest}`, 0);
    } else this.#scene.info(`delete: ${this.#name}/${oldest}`);
    if (!this.#remove(oldest)) return -1;
    names.splice(names.indexOf(oldest), 1);
    return bytes;
  }

  #remove(name: string): boolean {
    this.#processor.forget(labelOf(name));
    const unlinked = this.#scene.system.unlink(name);
    if (unlinked < 0) this.#scene.warn(`unable to unlink oldest logfile: ${this.#name}`, -unlinked);
    return unlinked >= 0;
  }
}

/** The first in byte order; "": there is none. */
function smallest(names: readonly string[]): string {
  let first = "";
  for (const name of names) if (first === "" || String(name) < first) first = name;
  return first;
}
