// A whole file as a byte string.

import type { System, Text } from "../system/system.ts";
import { openNonblocking, openRead } from "../system/system.ts";

export function readText(system: System, path: string): Text {
  const fd = system.open(path, openRead + openNonblocking, 0);
  if (fd < 0) return { errno: -fd, text: "" };
  const bytes = new Uint8Array(900);
  let text = "";
  let length = system.read(fd, bytes);
  for (; length > 0; length = system.read(fd, bytes)) {
    for (let i = 0; i < length; i++) text += String.fromCharCode(bytes[i] ?? 0);
  }
  system.close(fd);
  return { errno: length < 0 ? -length : 0, text: length < 0 ? "" : text };
}
