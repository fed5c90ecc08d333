// Where the state of a service is when it does not stand beside its definition: the rule, for whoever can look at files.
// docs/programs/runsv.md, "Where the state is".

import { isAbsolute, parentOf } from "../../src/core/text/paths.ts";

/** What there is of a file. */
export interface Seen {
  readonly isDirectory: boolean;
  readonly uid: number;
  readonly mode: number;
}

/** Whose question it is, and what the file system says. */
export interface Ground {
  readonly uid: number;
  /** Home directory of the account; "": none. */
  readonly accountHome: string;
  /** "": unset. */
  readonly environment: (name: string) => string;
  /** Where a link leads; "": it is none. */
  readonly readlink: (path: string) => string;
  /** Links followed. undefined: nothing is there, or it cannot be told. */
  readonly stat: (path: string) => Seen | undefined;
  /** Links not followed. */
  readonly lstat: (path: string) => Seen | undefined;
}

const systemRoot = "/run/runit/supervise";

/** The root that the environment, or a scan directory (absolute), names; "": none. */
export function namedStateRoot(ground: Ground, scan: string): string {
  const variable = ground.environment("SVRUNDIR");
  if (isAbsolute(variable)) return variable;
  const link = ground.readlink(`${scan}/.run`);
  return link === "" || isAbsolute(link) ? link : `${scan}/${link}`;
}

/** Where state may be, those that are named first: others count only if nobody but the caller or root can have made them. */
export function stateRoots(ground: Ground, named: readonly string[]): readonly string[] {
  const roots = [...named];
  const others = [...listStateRoots(ground), defaultStateRoot(ground)];
  for (const root of others) if (root !== "" && !roots.includes(root) && isTrusted(ground, root)) roots.push(root);
  return roots;
}

/** Where processes in a container look, and where clients look for what those have made, in this order. */
export function listStateRoots(ground: Ground): readonly string[] {
  const uid = `${ground.uid}`;
  const roots: string[] = [];
  const add = (base: string, name: string): void => {
    if (isAbsolute(base)) roots.push(`${base}${name}`);
  };
  add(ground.environment("SVRUNDIR"), "");
  add(systemRoot, "");
  add("/run", `/sv-${uid}`);
  add(ground.environment("XDG_RUNTIME_DIR"), "/sv");
  add(ground.environment("TMPDIR"), `/sv-${uid}`);
  add("/tmp", `/sv-${uid}`);
  add("/dev/shm", `/sv-${uid}`);
  return roots;
}

/** What is used where none is named and the definition cannot be written to; "": there is no home. */
export function defaultStateRoot(ground: Ground): string {
  if (ground.uid === 0) return systemRoot;
  const prepared = `/run/sv-user/${ground.uid}`;
  const found = ground.lstat(prepared);
  if (found?.isDirectory === true && found.uid === ground.uid) return prepared;
  const runtime = ground.environment("XDG_RUNTIME_DIR");
  const seen = isAbsolute(runtime) ? ground.stat(runtime) : undefined;
  const isPrivate = seen?.isDirectory === true && seen.uid === ground.uid && seen.mode % 0o100 === 0;
  if (isPrivate) return `${withoutSlash(runtime)}/sv`;
  const state = userState(ground);
  return state === "" ? "" : `${state}/run`;
}

/** What services in a state root are told to log to; "": there is no home. */
export function defaultLogDirectory(ground: Ground, name: string): string {
  if (ground.uid === 0) return `/var/log/sv/${name}`;
  const state = userState(ground);
  return state === "" ? "" : `${state}/log/${name}`;
}

/** `~/.local/state/sv` */
function userState(ground: Ground): string {
  const home = findHome(ground);
  const named = ground.environment("XDG_STATE_HOME");
  if (isAbsolute(named) && mayBeOurs(ground, named)) return `${withoutSlash(named)}/sv`;
  return home === "" ? "" : `${home}/.local/state/sv`;
}

function findHome(ground: Ground): string {
  const said = ground.environment("HOME");
  if (isAbsolute(said) && ground.stat(said)?.uid === ground.uid) return withoutSlash(said);
  if (isAbsolute(ground.accountHome)) return withoutSlash(ground.accountHome);
  return isAbsolute(said) ? withoutSlash(said) : "";
}

/** Whether what there is of a path is ours or root's: after su or sudo, say, it may be somebody else's. */
function mayBeOurs(ground: Ground, path: string): boolean {
  for (let at = withoutSlash(path); ; at = parentOf(at)) {
    const found = ground.stat(at);
    if (found !== undefined) return found.uid === ground.uid || found.uid === 0;
    if (at === "/") return true;
  }
}

/** Whether the directory is ours, or root's, and nobody else writes there. */
function isTrusted(ground: Ground, directory: string): boolean {
  const found = ground.lstat(directory);
  if (found === undefined || !found.isDirectory || (found.uid !== 0 && found.uid !== ground.uid)) return false;
  return Math.floor(found.mode / 0o20) % 2 === 0 && Math.floor(found.mode / 0o2) % 2 === 0;
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
