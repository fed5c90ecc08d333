// What inotify(7) has to say.

import { textAt } from "../core/text/bytes.ts";
import type { System } from "../system/system.ts";

const headBytes = 16;

export interface Event {
  /** -1: events were lost. */
  readonly watch: number;
  /** In a watched directory; "": of what is watched itself. */
  readonly name: string;
}

/** All that waits to be read. */
export function inotifyEvents(system: System, fd: number): readonly Event[] {
  const bytes = new Uint8Array(8192);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: Event[] = [];
  for (;;) {
    const length = system.read(fd, bytes);
    if (length <= 0) return events;
    let offset = 0;
    while (offset + headBytes <= length) {
      const room = view.getUint32(offset + 12, true);
      const at = offset + headBytes;
      const text = textAt(bytes, at, at + room);
      const end = text.indexOf("\0");
      events.push({ watch: view.getInt32(offset, true), name: end < 0 ? text : text.slice(0, end) });
      offset = at + room;
    }
  }
}
