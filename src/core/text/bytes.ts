// Byte strings in buffers: one character (0 to 255) for each byte.

/** Puts the text at a place, as far as there is room; answers the place behind it. */
export function putText(into: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length && at + i < into.length; i++) into[at + i] = text.charCodeAt(i) % 256;
  return at + text.length;
}

/** The bytes [from, to), as far as there are. */
export function textAt(bytes: Uint8Array, from: number, to: number): string {
  const part = bytes.subarray(from, Math.min(to, bytes.length));
  let isAscii = true;
  for (let i = 0; i < part.length; i++) if ((part[i] ?? 0) >= 128) isAscii = false;
  if (isAscii) return new TextDecoder().decode(part); // one step; the other way takes a hundred for each byte
  let text = "";
  for (let i = 0; i < part.length; i++) text += String.fromCharCode(part[i] ?? 0);
  return text;
}

export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  putText(bytes, 0, text);
  return bytes;
}
