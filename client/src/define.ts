// Definitions are written as ordinary service directories: what stands in them is read by runsv, and by people.
//
//    NAME/run  finish  check  down  control/t …  log/run  log/main/config
//    NAME/.defined      the files that were written, one a line: others are somebody else's, and left alone

import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { describeError, EACCES, EEXIST, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } from "../../src/core/text/errors.ts";
import type { DefinedFile, ServiceDefinition } from "./definition.ts";
import { filesOf } from "./definition.ts";
import { attempt, errnoOf, ServiceError } from "./error.ts";
import { readStart } from "./files.ts";
import { Services } from "./services.ts";

export interface DefineOptions {
  /** Where the service directories are written; made if it is missing. */
  readonly directory: string;
  /** Scan directory in which each gets a link, so that runsvdir starts it. Not needed if `directory` is one. */
  readonly enable?: string;
}

/** Names of the services, by what had to be done. */
export interface Defined<Name extends string> {
  readonly created: readonly Name[];
  /** Something is other than it was: to be restarted, unless it may go on as it is. */
  readonly changed: readonly Name[];
  readonly unchanged: readonly Name[];
  /** All of them, to be asked and told. */
  readonly services: Services<Name>;
}

const manifest = ".defined";
/**
 * In place of a log service that is not defined any more. Without `log/run`, a runsv that has `log` starts nothing, and the
 * service stands still when the pipe is full; and `log` cannot go while one runs, nor while there are logs in it.
 */
const passesOn = "#!/bin/sh\n# No log is defined: what is said goes where runsv's messages go.\nexec cat\n";
const maxManifestBytes = 65_536;

/**
 * Writes service directories. A file is replaced in one step, a service that is new appears with all its files; what was
 * written once and is not defined any more is taken away, what somebody else has put there stays. Throws ServiceError:
 * `bad definition` and nothing was written; other codes if a file could not be written.
 */
export async function defineServices<const Name extends string>(
  definitions: Readonly<Record<Name, ServiceDefinition>>,
  options: DefineOptions,
): Promise<Defined<Name>> {
  const directory = path.resolve(options.directory);
  const scan = path.resolve(options.enable ?? options.directory);
  const plans: Plan[] = [];
  for (const [name, definition] of Object.entries<ServiceDefinition>(definitions)) {
    plans.push(planOf(name, `${directory}/${name}`, filesOf(name, definition)));
    if (scan !== directory) checkLink(name, `${scan}/${name}`, `${directory}/${name}`);
  }
  const created: Name[] = [];
  const changed: Name[] = [];
  const unchanged: Name[] = [];
  for (const one of new Set([directory, scan])) {
    const errno = -attempt(() => makeDirectory(one));
    if (errno > 0) throw unable("", `unable to create directory ${one}`, errno);
  }
  for (const plan of plans) {
    const name = plan.name as Name;
    try {
      const isCreated = plan.isNew && create(plan);
      // Another one may have been faster.
      const now = plan.isNew && !isCreated ? planOf(plan.name, plan.directory, plan.files) : plan;
      (isCreated ? created : carryOut(now) ? changed : unchanged).push(name);
      if (scan !== directory) link(`${scan}/${name}`, plan.directory);
    } catch (error: unknown) {
      if (error instanceof ServiceError) throw error;
      throw unable(name, "unable to write service directory", errnoOf(error));
    }
  }
  return { created, changed, unchanged, services: new Services<Name>({ directory: scan }) };
}

/** What is to be done for a service. */
interface Plan {
  readonly name: string;
  readonly directory: string;
  /** There is nothing of it yet. */
  readonly isNew: boolean;
  readonly files: readonly DefinedFile[];
  /** Those that are not as they should be. */
  readonly writes: readonly DefinedFile[];
  /** Written once, and not defined any more. */
  readonly removals: readonly string[];
}

/** Throws ServiceError: something of another kind, or of somebody else, is in the way. */
function planOf(name: string, directory: string, defined: readonly DefinedFile[]): Plan {
  const found = attempt(() => (fs.statSync(directory).isDirectory() ? 0 : 1));
  if (found === 1) throw inTheWay(name, directory);
  if (found < 0 && found !== -ENOENT) throw unable(name, "unable to look at service directory", -found);
  const isNew = found === -ENOENT;
  const own = readStart(`${directory}/${manifest}`, maxManifestBytes).split("\n").filter(isOwnPath);
  const hasNone = own.includes("log/run") && !defined.some((file) => file.path === "log/run");
  const files = hasNone ? [...defined, { path: "log/run", content: Buffer.from(passesOn), mode: 0o755 }] : defined;
  for (const file of files) {
    const above = linkAbove(directory, file.path);
    if (above !== "") throw inTheWay(name, above);
  }
  const writes = files.filter((file) => {
    const is = compare(`${directory}/${file.path}`, file);
    if (is === "other" && !own.includes(file.path)) throw inTheWay(name, `${directory}/${file.path}`);
    return is !== "same";
  });
  const removals = own.filter((one) => !files.some((file) => file.path === one) && isThere(`${directory}/${one}`));
  return { name, directory, isNew, files, writes, removals };
}

/** What was written by hand into the manifest leads nowhere else. */
function isOwnPath(line: string): boolean {
  return line !== "" && !line.startsWith("/") && !line.split("/").includes("..");
}

/** A link in a service directory leads to what may be another service's; "": there is none above this file. */
function linkAbove(directory: string, file: string): string {
  for (let above = path.dirname(file); above !== "."; above = path.dirname(above)) {
    const isLink = attempt(() => (fs.lstatSync(`${directory}/${above}`).isSymbolicLink() ? 1 : 0)) === 1;
    if (isLink) return `${directory}/${above}`;
  }
  return "";
}

function isThere(file: string): boolean {
  return attempt(() => fs.lstatSync(file)) === 0;
}

function compare(file: string, { content, mode }: DefinedFile): "same" | "other" | "missing" {
  let is: "same" | "other" | "missing" = "missing";
  const looked = attempt(() => {
    const stats = fs.lstatSync(file);
    if (content === undefined) is = fs.statSync(file).isDirectory() ? "same" : "other";
    else if (!stats.isFile() || stats.mode % 0o1000 !== mode) is = "other";
    else is = fs.readFileSync(file).equals(content) ? "same" : "other";
  });
  return looked === 0 || looked === -ENOENT ? is : "other";
}

/** A service that is new is made beside its place, under a name that no runsvdir looks at; false: there is one meanwhile. */
function create({ directory, files }: Plan): boolean {
  const parent = path.dirname(directory);
  const beside = fs.mkdtempSync(`${parent}/.${path.basename(directory)}.`);
  try {
    fs.chmodSync(beside, 0o755);
    for (const file of files) put(beside, file);
    writeManifest(beside, files);
    const renamed = attempt(() => fs.renameSync(beside, directory));
    if (renamed === -EEXIST || renamed === -ENOTEMPTY || renamed === -ENOTDIR) return false;
    if (renamed < 0) throw unable(path.basename(directory), "unable to write service directory", -renamed);
    return true;
  } finally {
    fs.rmSync(beside, { recursive: true, force: true });
  }
}

/** Answers whether anything was to be done. */
function carryOut({ directory, files, writes, removals }: Plan): boolean {
  if (writes.length === 0 && removals.length === 0) return false;
  const before = readStart(`${directory}/${manifest}`, maxManifestBytes).split("\n").filter(isOwnPath);
  // Whatever ends it in between: what was written is known.
  writeManifest(directory, [...files, ...removals.map((one) => ({ path: one, content: undefined, mode: 0 }))]);
  // What is in a directory goes before it.
  for (const one of [...removals].sort().reverse()) if (before.includes(one)) remove(directory, one);
  for (const file of writes) put(directory, file);
  writeManifest(directory, files);
  return true;
}

function put(directory: string, { path: name, content, mode }: DefinedFile): void {
  const file = `${directory}/${name}`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  if (content === undefined) {
    fs.mkdirSync(file, { recursive: true, mode });
    return;
  }
  const beside = `${path.dirname(file)}/.${path.basename(file)}.${randomUUID()}`; // another one may write it, too
  try {
    fs.writeFileSync(beside, content, { mode, flag: "wx" });
    fs.chmodSync(beside, mode);
    fs.renameSync(beside, file);
  } catch (error: unknown) {
    fs.rmSync(beside, { force: true });
    throw error;
  }
}

function writeManifest(directory: string, files: readonly DefinedFile[]): void {
  const names = files.map((file) => file.path).sort();
  put(directory, { path: manifest, content: Buffer.from(`${names.join("\n")}\n`), mode: 0o644 });
}

/** A directory stays if there is something in it, e.g. a log; one in which nothing is left goes as well. */
function remove(directory: string, one: string): void {
  attempt(() => {
    const file = `${directory}/${one}`;
    if (fs.lstatSync(file).isDirectory()) fs.rmdirSync(file);
    else fs.unlinkSync(file);
    for (let above = path.dirname(one); above !== "."; above = path.dirname(above))
      fs.rmdirSync(`${directory}/${above}`);
  });
}

/** With all that is above it. (Node's own `recursive` never returns where mkdir says that there is no such directory, as in /proc.) */
function makeDirectory(directory: string): void {
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (path.dirname(directory) !== directory) makeDirectory(path.dirname(directory));
  try {
    fs.mkdirSync(directory);
  } catch (error: unknown) {
    if (errnoOf(error) !== EEXIST || !fs.statSync(directory).isDirectory()) throw error;
  }
}

function checkLink(name: string, at: string, target: string): void {
  const result = attempt(() => (path.resolve(path.dirname(at), fs.readlinkSync(at)) === target ? 0 : 1));
  if (result !== 0 && result !== -ENOENT) throw inTheWay(name, at);
}

function link(at: string, target: string): void {
  if (isThere(at)) return;
  const made = attempt(() => fs.symlinkSync(target, at));
  if (made === -EEXIST) checkLink(path.basename(at), at, target);
  else if (made < 0) throw unable(path.basename(at), `unable to link ${at}`, -made);
}

function inTheWay(name: string, file: string): ServiceError {
  return new ServiceError("bad definition", name, `fail: ${name}: ${file}: is there already, and somebody else's`);
}

function unable(name: string, doing: string, errno: number): ServiceError {
  const code = errno === EACCES || errno === EPERM ? "not permitted" : "failed";
  return new ServiceError(code, name, `fail: ${name === "" ? "" : `${name}: `}${doing}: ${describeError(errno)}`);
}
