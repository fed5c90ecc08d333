// A list of byte strings as one: each as its length, a colon, itself and a comma.

import { leadingNumber } from "./numbers.ts";

export function encodeFields(fields: readonly string[]): string {
  const parts: string[] = [];
  for (const field of fields) parts.push(`${field.length}:${field},`);
  return parts.join("");
}

/** undefined: not such a text. */
export function decodeFields(text: string): string[] | undefined {
  const fields: string[] = [];
  let at = 0;
  while (at < text.length) {
    const colon = text.indexOf(":", at);
    if (colon < 0) return undefined;
    const length = leadingNumber(text.slice(at, colon));
    const end = colon + 1 + length;
    if (text.charAt(end) !== ",") return undefined;
    fields.push(text.slice(colon + 1, end));
    at = end + 1;
  }
  return fields;
}
