// Word of changes in the state directory of a service: from the kernel, and a glance now and then for what it does not
// tell: that a state directory was made or replaced, and that a runsv was killed.

import * as fs from "node:fs";
import { identify } from "./files.ts";

const shortestGlance = 50;
/** Where there is word of changes; and while nothing happens. */
const longestGlance = 1000;

export class StateWatch {
  readonly #onWord: () => void;
  #watcher: fs.FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #path = "";
  #identity = "";
  #pause = shortestGlance;

  /** @param onWord called when it is worthwhile to look at the state */
  constructor(onWord: () => void) {
    this.#onWord = onWord;
    this.#glanceLater();
  }

  /** Where the state is now. To be called after each look. */
  follow(path: string): void {
    const identity = identify(path);
    if (path === this.#path && identity === this.#identity) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#path = path;
    this.#identity = identity;
    if (identity === "") return;
    try {
      this.#watcher = fs.watch(path, () => this.#tell());
      this.#watcher.on("error", () => this.#forget());
      this.#watcher.unref(); // the timer holds the process, as long as there is one
    } catch {
      this.#forget(); // no rights, or no more watches: the glances find it
    }
    this.#tell(); // what came before the watch
  }

  #forget(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #tell(): void {
    this.#pause = shortestGlance;
    this.#onWord();
  }

  #glanceLater(): void {
    this.#timer = setTimeout(() => {
      this.#pause =
        this.#watcher === undefined && this.#identity !== ""
          ? shortestGlance
          : Math.min(this.#pause * 2, longestGlance);
      this.#onWord();
      this.#glanceLater();
    }, this.#pause);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }
}
