// Taking away what is below a directory.

import type { System } from "../system/system.ts";

/** Deeper than anything of ours: no loop goes on for ever. */
const maxDepth = 8;

/** Removes all that is in a directory of ours, as far as that is possible; links are not followed. */
export function removeBelow(system: System, directory: string): void {
  removeTo(system, directory, maxDepth);
}

/** The directory as well. */
export function removeTree(system: System, directory: string): void {
  removeBelow(system, directory);
  system.rmdir(directory);
}

function removeTo(system: System, directory: string, depth: number): void {
  const names: string[] = [];
  if (depth === 0 || system.list(directory, names) < 0) return;
  for (const name of names) {
    if (name === "." || name === "..") continue;
    const path = `${directory}/${name}`;
    if (system.stat(path, false).kind !== "directory") {
      system.unlink(path);
      continue;
    }
    removeTo(system, path, depth - 1);
    system.rmdir(path);
  }
}
