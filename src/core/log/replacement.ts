// Bytes of log lines that are replaced. svlogd(8), -r and -R.

const newline = 10;

export class Replacement {
  readonly #by: number;
  /** By byte: 1 when it is replaced. */
  readonly #replaces = new Uint8Array(256);

  /** `by`: one byte. Everything that is not printable ASCII is replaced, and every byte of `more`. */
  constructor(by: string, more: string) {
    this.#by = by.charCodeAt(0) % 256;
    for (let i = 0; i < this.#replaces.length; i++) this.#replaces[i] = i < 32 || i > 126 ? 1 : 0;
    for (let i = 0; i < more.length; i++) this.#replaces[more.charCodeAt(i) % 256] = 1;
  }

  /** In the first `lineBytes` of every line of [0, length); `column`: place in its line of the first byte. */
  apply(bytes: Uint8Array, length: number, lineBytes: number, column: number): void {
    let at = column;
    for (let i = 0; i < bytes.length && i < length; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === newline) {
        at = 0;
        continue;
      }
      if (at < lineBytes && this.#replaces[byte] === 1) bytes[i] = this.#by;
      at++;
    }
  }
}
