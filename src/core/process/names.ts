// What a program is called.

const suite = "runit-ts 0.1.0";

/** What -V prints, newline included: the originals' form, which scripts look for. */
export function describeVersion(program: string): string {
  return `$Id: ${program}, ${suite} $\n`;
}

/** What follows the last slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** chpst's name for itself: the base name, without one `d` in front: denvdir is envdir, of daemontools. */
export function toolName(path: string): string {
  const name = baseName(path);
  return name.startsWith("d") ? name.slice(1) : name;
}
