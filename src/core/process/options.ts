// Options as the field's programs read them: getopt(3) without permutation. The first word that does not begin with
// "-" ends them, "-" alone too; a word that begins with "--" ends them and is swallowed, unless it is one of the long
// options that our programs have beyond the originals.

import { describeVersion } from "./names.ts";

export interface Option {
  /** "q", or "--json". */
  readonly letter: string;
  /** "" for an option without value. */
  readonly value: string;
}

export interface Options {
  readonly given: readonly Option[];
  /** The word beginning with "--" that ended the options; "": none did. */
  readonly endedBy: string;
  readonly rest: readonly string[];
  /** "illegal option -- q" and the like; "": none. */
  readonly complaint: string;
}

/**
 * @param words what follows the program's name
 * @param letters those that are known; a colon follows each that wants a value: "vw:"
 * @param long long options that are known; a colon follows each that wants a value, as `--word=value` or as the next word
 */
export function parseOptions(words: readonly string[], letters: string, long: readonly string[]): Options {
  const given: Option[] = [];
  let endedBy = "";
  let index = 0;
  while (index < words.length) {
    const word = String(words[index] ?? "");
    if (!word.startsWith("-") || word === "-") break;
    index++;
    if (word.startsWith("--")) {
      const name = nameOf(word);
      if (long.includes(`${name}:`)) {
        if (name !== word) given.push({ letter: name, value: word.slice(name.length + 1) });
        else if (index < words.length) given.push({ letter: name, value: String(words[index++] ?? "") });
        else return { given, endedBy, rest: [], complaint: `option requires an argument -- ${name.slice(2)}` };
      } else if (!word.endsWith(":") && long.includes(word)) given.push({ letter: word, value: "" });
      else {
        endedBy = word;
        break;
      }
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const place = letter === ":" ? -1 : letters.indexOf(letter);
      if (place < 0) return { given, endedBy, rest: [], complaint: `illegal option -- ${letter}` };
      if (letters.charAt(place + 1) !== ":") {
        given.push({ letter, value: "" });
        continue;
      }
      if (at + 1 < word.length) given.push({ letter, value: word.slice(at + 1) });
      else if (index < words.length) given.push({ letter, value: String(words[index++] ?? "") });
      else return { given, endedBy, rest: [], complaint: `option requires an argument -- ${letter}` };
      break;
    }
  }
  return { given, endedBy, rest: words.slice(index), complaint: "" };
}

/**
 * What a program of runit 1 says, and ends with 1, when its command line is wrong or only asks for the version; "":
 * neither.
 * @param program its own name
 * @param called the name with which complaints begin
 */
export function describeMisuse(options: Options, program: string, called: string, usage: string): string {
  if (options.given.some((option) => option.letter === "V")) return `${describeVersion(program)}${usage}`;
  if (options.complaint !== "") return `${called}: ${options.complaint}\n${usage}`;
  return options.rest.length === 0 ? usage : "";
}

/** `--word` of `--word=value`. */
function nameOf(word: string): string {
  const at = word.indexOf("=");
  return at < 0 ? word : word.slice(0, at);
}
