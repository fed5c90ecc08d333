// Words for sh(1).

const plain = /^[\w\-./:,@%+=]+$/;

/** One word, whatever its characters; NUL cannot be. */
export function quoteForShell(word: string): string {
  return plain.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
