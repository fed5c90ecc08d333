// Paths as texts.

export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

/** What stands before the last component; "/" for what stands in the root directory. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
