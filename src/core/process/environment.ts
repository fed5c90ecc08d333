// A file of an environment directory: its first line is the value of the variable it is named for. envdir(8).
//
//    value \0 more  \t\n second line …
//    ─────────────┬─── ─ ── ─────────
//    value<newline> more │  └ nothing of this counts
//                        └ blanks and tabs at the end go; a NUL becomes a newline

/** How many bytes of the line are the value: without the blanks and tabs at its end. */
export function valueLength(line: Uint8Array, length: number): number {
  let end = Math.min(length, line.length);
  while (end > 0 && (line[end - 1] === 32 || line[end - 1] === 9)) end--;
  return end;
}

/** A line cannot hold a newline, a variable cannot hold a NUL: the one stands for the other. */
export function exchangeNul(line: Uint8Array): void {
  for (let i = 0; i < line.length; i++) if (line[i] === 0) line[i] = 10;
}
