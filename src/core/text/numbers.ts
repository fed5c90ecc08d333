// Numbers as the programs have always read them.

/** The leading decimal digits of a text; none: 0. More than fit are cut to the largest whole number that is exact. */
export function leadingNumber(text: string): number {
  let number = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
    if (number > 9007199254740991) return 9007199254740991;
  }
  return number;
}

/** An unsigned number of 64 bits, in two halves: together they do not fit a number. */
export interface Word {
  readonly high: number;
  readonly low: number;
}

const half = 4294967296;

/** Decimal digits, reduced to 64 bits; none: 0. undefined: something else. */
export function parseWord(text: string): Word | undefined {
  let high = 0;
  let low = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    const next = low * 10 + digit;
    low = next % half;
    high = (high * 10 + Math.floor(next / half)) % half;
  }
  return { high, low };
}

export function isAbove(one: Word, other: Word): boolean {
  return one.high === other.high ? one.low > other.low : one.high > other.high;
}

/** Digits with one sign in front or none, reduced to a C int; no digits: 0. undefined: something else. */
export function parseInteger(text: string): number | undefined {
  const digits = text.startsWith("+") || text.startsWith("-") ? text.slice(1) : text;
  const word = parseWord(digits);
  if (word === undefined) return undefined;
  const low = text.startsWith("-") ? (half - word.low) % half : word.low;
  return low >= half / 2 ? low - half : low;
}

/** Digits with one sign in front or none, cut to ±bound. undefined: something else. */
export function parseSigned(text: string, bound: number): number | undefined {
  const digits = text.startsWith("+") || text.startsWith("-") ? text.slice(1) : text;
  if (digits === "") return undefined;
  let number = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = Math.min(number * 10 + digit, bound);
  }
  return text.startsWith("-") ? -number : number;
}
