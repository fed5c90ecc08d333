// Options as the field's programs read them: getopt(3) without permutation. The first word that does not begin with
// "-" ends them, "-" alone too; a word that begins with "--" ends them and is swallowed.

export interface Option {
  readonly letter: string;
  /** "" for an option without value. */
  readonly value: string;
}

export interface Options {
  readonly given: readonly Option[];
  /** Words that began with "--"; the last of them ended the options unless it is one of the long words asked for. */
  readonly longWords: readonly string[];
  readonly rest: readonly string[];
  /** "illegal option -- q" and the like; "": none. */
  readonly complaint: string;
}

/**
 * @param words what follows the program's name
 * @param letters those that are known; a colon follows each that wants a value: "vw:"
 * @param known long words (with their "--") after which options go on
 */
export function parseOptions(words: readonly string[], letters: string, known: readonly string[]): Options {
  const given: Option[] = [];
  const longWords: string[] = [];
  let index = 0;
  while (index < words.length) {
    const word = String(words[index] ?? "");
    if (!word.startsWith("-") || word === "-") break;
    index++;
    if (word.startsWith("--")) {
      longWords.push(word);
      if (known.includes(word)) continue;
      break;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const place = letter === ":" ? -1 : letters.indexOf(letter);
      if (place < 0) return { given, longWords, rest: [], complaint: `illegal option -- ${letter}` };
      if (letters.charAt(place + 1) !== ":") {
        given.push({ letter, value: "" });
        continue;
      }
      if (at + 1 < word.length) given.push({ letter, value: word.slice(at + 1) });
      else if (index < words.length) given.push({ letter, value: String(words[index++] ?? "") });
      else return { given, longWords, rest: [], complaint: `option requires an argument -- ${letter}` };
      break;
    }
  }
  return { given, longWords, rest: words.slice(index), complaint: "" };
}
