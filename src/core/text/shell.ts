// Words for sh(1).

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";

/** One word, whatever its characters; NUL cannot be. */
export function quoteForShell(word: string): string {
  let isPlain = word !== "";
  for (const character of word) if (!plain.includes(character)) isPlain = false;
  return isPlain ? word : `'${word.split("'").join("'\\''")}'`;
}
