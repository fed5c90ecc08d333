// What a container has that a machine has not: a place for its last words, and a count of what the kernel killed in it.

import { leadingNumber } from "../core/text/numbers.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openRead, openReadWrite, openTruncate, openWrite } from "../system/system.ts";
import { readText } from "./text.ts";

const reasonPath = "/dev/termination-log";
const maxReasonBytes = 4096;

/** Whatever is opened later must not become a standard descriptor, to be written to or handed to services. */
export function fillStandardDescriptors(system: System): void {
  for (let fd = 0; fd <= 2; ) {
    fd = system.open("/dev/null", openReadWrite, 0);
    if (fd < 0) fd = system.open("/", openRead, 0); // nothing can be read from it, nor written
    if (fd < 0) return;
    if (fd > 2) system.close(fd);
    else system.passOn(fd);
  }
}

/** Writes why it ended to where Kubernetes looks for it, if there is such a place. */
export function writeReason(system: System, line: string): void {
  const fd = system.open(reasonPath, openWrite + openTruncate + openNonblocking, 0);
  if (fd < 0) return;
  system.writeText(fd, `${line.slice(0, maxReasonBytes - 1)}\n`);
  system.close(fd);
}

/** Processes killed for want of memory so far; 0 where it is not counted. */
export function countMemoryKills(system: System): number {
  // Of the two kinds of control groups.
  for (const path of ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"]) {
    const { errno, text } = readText(system, path);
    if (errno !== 0) continue;
    for (const line of text.split("\n")) if (line.startsWith("oom_kill ")) return leadingNumber(line.slice(9));
  }
  return 0;
}
