// What a container has that a machine has not: a place for its last words, and a count of what the kernel killed in it.

import { leadingNumber } from "../core/text/numbers.ts";
import type { System } from "../system/system.ts";
import { openNonblocking, openTruncate, openWrite } from "../system/system.ts";
import { readText } from "./text.ts";

const reasonPath = "/dev/termination-log";
const maxReasonBytes = 4096;
/** Of the two kinds of control groups. */
const memoryFiles: readonly string[] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/** Writes why it ended to where Kubernetes looks for it, if there is such a place. */
export function writeReason(system: System, line: string): void {
  const fd = system.open(reasonPath, openWrite + openTruncate + openNonblocking, 0);
  if (fd < 0) return;
  system.writeText(fd, `${line.slice(0, maxReasonBytes - 1)}\n`);
  system.close(fd);
}

/** Processes killed for want of memory so far; 0 where it is not counted. */
export function countMemoryKills(system: System): number {
  for (const path of memoryFiles) {
    const { errno, text } = readText(system, path);
    if (errno !== 0) continue;
    for (const line of text.split("\n")) if (line.startsWith("oom_kill ")) return leadingNumber(line.slice(9));
  }
  return 0;
}
