// sv-user log: what a service has said, from wherever it is logged.

import { baseName } from "../../core/process/names.ts";
import { parseOptions } from "../../core/process/options.ts";
import { whyNoName } from "../../core/supervise/names.ts";
import { textAt } from "../../core/text/bytes.ts";
import { leadingNumber } from "../../core/text/numbers.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { FileContent, readStart } from "../../directories/text.ts";
import { awaitHappenings } from "../../system/happenings.ts";
import type { System } from "../../system/system.ts";
import { plainChild } from "../../system/system.ts";
import { parseSeconds, troubleCode, User, usageCode } from "./user.ts";

const usage = "usage: sv-user log [-f] [-n LINES] NAME\n";
const defaultLines = 10;
const roomBytes = 65_536;
const fileNotFound = 127;

export function userLog(words: readonly string[], system: System): number {
  const options = parseOptions(words, "fn:", []);
  let follows = false;
  let lines = defaultLines;
  for (const { letter, value } of options.given) {
    if (letter === "f") follows = true;
    else lines = parseSeconds(value);
  }
  const name = options.rest[0];
  if (
    options.complaint !== "" ||
    options.endedBy !== "" ||
    options.rest.length !== 1 ||
    name === undefined ||
    lines < 0
  ) {
    system.writeText(2, usage);
    return usageCode;
  }
  const user = new User(system);
  const directory = whyNoName(name) === "" ? findLog(user, name) : "";
  if (directory === "") {
    user.complain(`sv-user: ${name}: there is no log of it\n`);
    return 1;
  }
  const { text, bytes } = lastLines(system, directory, lines);
  if (text !== "") user.say(text);
  return follows ? follow(system, `${directory}/current`, bytes) : 0;
}

/** The last line of its log, without newline; "": there is none. */
export function describeLastLine(user: User, name: string): string {
  const directory = findLog(user, name);
  if (directory === "") return "";
  const { text } = lastLines(user.system, directory, 1);
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** Directory in which its log service writes; "": none is known. */
function findLog(user: User, name: string): string {
  const { system, places } = user;
  const definition = user.isEnabled(name) ? `${places.scan}/${name}` : user.findDefinition(name);
  const candidates: string[] = [];
  if (definition !== "" && system.stat(`${definition}/log`, true).kind === "directory") {
    for (const path of ownDirectories(user, name)) candidates.push(path);
    for (const path of [`${definition}/log/main`, `${definition}/log`]) candidates.push(path);
  }
  candidates.push(`${places.log}/${name}`);
  for (const path of candidates) if (system.stat(`${path}/current`, true).kind === "file") return path;
  return "";
}

/** Where the svlogd of its log service writes, as its command line says. */
function ownDirectories(user: User, name: string): readonly string[] {
  const { system } = user;
  const pid = leadingNumber(readStart(system, `${user.logStateOf(name)}/pid`, 20));
  const argv = pid === 0 ? [] : readStart(system, `/proc/${pid}/cmdline`, 4096).split("\0");
  if (baseName(String(argv[0] ?? "")) !== "svlogd") return [];
  const here = system.readlink(`/proc/${pid}/cwd`).text;
  const directories: string[] = [];
  for (const word of argv.slice(1)) {
    if (word !== "" && !word.startsWith("-")) directories.push(isAbsolute(word) ? word : `${here}/${word}`);
  }
  return directories;
}

interface Lines {
  readonly text: string;
  /** How much of the current file there is. */
  readonly bytes: number;
}

/** The last lines of a log, reaching into its older files where the current one has fewer. */
function lastLines(system: System, directory: string, count: number): Lines {
  const names: string[] = [];
  system.list(directory, names);
  const files = names.filter((name) => name.startsWith("@") && (name.endsWith(".s") || name.endsWith(".u"))).sort();
  const file = new FileContent(system, roomBytes);
  file.read(`${directory}/current`);
  const bytes = file.length;
  let text = tailOf(file, count);
  for (let older = files.pop(); older !== undefined && countLines(text) < count; older = files.pop()) {
    file.read(`${directory}/${older}`);
    text = tailOf(file, count - countLines(text)) + text;
  }
  return { text, bytes };
}

function tailOf(file: FileContent, count: number): string {
  let from = file.length;
  for (let left = count; left > 0 && from > 0; left--) from = file.lineStart(from - 1);
  return textAt(file.bytes, from, file.length);
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** What is written from now on: tail(1) knows how to follow a file that is replaced. Answers its exit code. */
function follow(system: System, path: string, bytes: number): number {
  system.watchSignals(["CHLD"]);
  const argv = ["tail", "-c", `+${bytes + 1}`, "-F", path];
  const spawned = system.spawn({ ...plainChild("tail", argv, fileNotFound), searchPath: true });
  if (spawned.pid < 0 || spawned.errno !== 0) {
    system.writeText(2, "sv-user: log: unable to run tail\n");
    return troubleCode;
  }
  for (;;) {
    for (const heard of awaitHappenings(system, { fds: [], milliseconds: -1 })) {
      if (heard.kind === "ended" && heard.pid === spawned.pid) return Math.floor(heard.waitStatus / 256) % 256;
    }
  }
}
