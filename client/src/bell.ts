// Waiting for whatever comes first: word of something, a time, or the end of patience.

export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /** Until it has rung since the last wait, so many milliseconds have passed, or the signal is aborted. */
  async wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#hasRung && signal?.aborted !== true && milliseconds > 0) {
      await new Promise<void>((resolve) => {
        const timer = milliseconds < longest ? setTimeout(done, milliseconds) : setTimeout(done, longest);
        function done(): void {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        }
        signal?.addEventListener("abort", done, { once: true });
        this.#wake = done;
      });
    }
    this.#wake = undefined;
    this.#hasRung = false;
  }
}

/** A timer does not last longer; who waits looks again then. */
const longest = 2 ** 31 - 1;
