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
