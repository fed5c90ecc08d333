// chpst(8): changes parts of the process state, then becomes another program. Whatever the order of the options, the
// changes are made in the order of this page.

import { parseCapabilities } from "../core/process/capabilities.ts";
import { resourcesOf } from "../core/process/limits.ts";
import { baseName, describeVersion, toolName } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { EINVAL, EISDIR } from "../core/text/errors.ts";
import { describeWarning } from "../core/text/messages.ts";
import { parseInteger, parseSigned, parseWord } from "../core/text/numbers.ts";
import { announce, become, findIdentity } from "../directories/accounts.ts";
import { loadEnvironment } from "../directories/environment.ts";
import { takeLock } from "../directories/lock-file.ts";
import { orFail } from "../system/errors.ts";
import { candidates, execute } from "../system/execute.ts";
import type { Bound } from "../system/limits.ts";
import { setLimits } from "../system/limits.ts";
import type { System } from "../system/system.ts";
import { openWrite } from "../system/system.ts";

/** Behind the name; chpst's softlimit says it too, of a number that is none. */
export const chpstSyntax =
  " [-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root] [-C pwd] [-n nice] [-l|-L lock] " +
  "[-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog\n\n";
const maxOomScore = 1000;

export function chpst(args: readonly string[], system: System): number {
  const called = String(args[0] ?? "");
  const changes = parse(args, system);
  if (changes === undefined) {
    system.writeText(2, `usage: ${toolName(called)}${chpstSyntax}`);
    return 100;
  }
  const { argument } = changes;
  const program = String(args[argument] ?? "");
  if (changes.argv0 !== undefined) system.setArgument(argument, changes.argv0);
  const files = candidates(program, system.environment("PATH")); // not the one that -e may set

  if (changes.newSession) system.newSession(); // who leads a process group already, stays as it is
  if (changes.oomScore !== undefined) setOomScore(system, changes.oomScore);
  if (changes.environment !== undefined) {
    loadEnvironment(system, changes.environment, (path) => {
      if (changes.isVerbose) system.writeText(2, describeWarning("chpst", `unable to read ${path}`, EISDIR));
    });
  }
  if (changes.root !== undefined) {
    orFail(system.chdir(changes.root), `unable to change directory: ${changes.root}`);
    orFail(system.chroot("."), "unable to change root directory");
  }
  if (changes.directory !== undefined) {
    orFail(system.chdir(changes.directory), `unable to change directory: ${changes.directory}`);
  }
  if (changes.nice !== 0) orFail(system.nice(changes.nice), "unable to set nice level");
  if (changes.announced !== undefined) announce(system, findIdentity(system, changes.announced));
  const identity = changes.account === undefined ? undefined : findIdentity(system, changes.account);
  for (const capability of changes.dropped) {
    const result = system.dropBounding(capability);
    if (result !== -EINVAL || !changes.dropsAll) orFail(result, "unable to drop capabilities");
  }
  if (identity !== undefined) become(system, identity);
  if (changes.dropped.length > 0) orFail(system.dropCapabilities(changes.dropped), "unable to drop capabilities");
  if (changes.noNewPrivileges) orFail(system.setNoNewPrivileges(), "unable to set no-new-privs");
  if (changes.lock !== undefined) takeLock(system, changes.lock, changes.waitsForLock);
  if (changes.closesInput) orFail(system.close(0), "unable to close stdin");
  if (changes.closesOutput) orFail(system.close(1), "unable to close stdout");
  if (changes.closesErrors) orFail(system.close(2), "unable to close stderr");
  setLimits(system, changes.bounds);
  return execute(system, files, argument, changes.argv0 ?? program);
}

/** What was asked for; undefined or 0: nothing. */
class Changes {
  /** Place of the program's name in the list of arguments. */
  argument = 0;
  argv0: string | undefined = undefined;
  newSession = false;
  oomScore: number | undefined = undefined;
  environment: string | undefined = undefined;
  root: string | undefined = undefined;
  directory: string | undefined = undefined;
  nice = 0;
  announced: string | undefined = undefined;
  account: string | undefined = undefined;
  /** Of all the lists: what is to go, goes, also when another list follows. */
  readonly dropped: number[] = [];
  dropsAll = false;
  noNewPrivileges = false;
  lock: string | undefined = undefined;
  waitsForLock = false;
  closesInput = false;
  closesOutput = false;
  closesErrors = false;
  readonly bounds: Bound[] = [];
  isVerbose = false;
}

/** undefined: wrong usage, and complained about. Nothing is changed before all is understood. */
function parse(args: readonly string[], system: System): Changes | undefined {
  const name = baseName(String(args[0] ?? ""));
  const long: readonly string[] = ["--no-new-privs", "--drop-caps:", "--oom-score-adj:"];
  const options = parseOptions(args.slice(1), "u:U:b:e:/:C:n:l:L:m:d:o:p:f:c:r:t:vP012V", long);
  const changes = new Changes();
  for (const { letter, value } of options.given) {
    switch (letter) {
      case "u":
        changes.account = value;
        break;
      case "U":
        changes.announced = value;
        break;
      case "b":
        changes.argv0 = value;
        break;
      case "e":
        changes.environment = value;
        break;
      case "/":
        changes.root = value;
        break;
      case "C":
        changes.directory = value;
        break;
      case "n": {
        const nice = parseInteger(value);
        if (nice === undefined) return undefined;
        changes.nice = nice;
        break;
      }
      case "l":
      case "L":
        if (changes.lock !== undefined) return undefined;
        changes.lock = value;
        changes.waitsForLock = letter === "l";
        break;
      case "v":
        changes.isVerbose = true;
        break;
      case "P":
        changes.newSession = true;
        break;
      case "0":
        changes.closesInput = true;
        break;
      case "1":
        changes.closesOutput = true;
        break;
      case "2":
        changes.closesErrors = true;
        break;
      case "V":
        system.writeText(2, describeVersion("chpst"));
        return undefined;
      case "--no-new-privs":
        changes.noNewPrivileges = true;
        break;
      case "--drop-caps": {
        const list = parseCapabilities(value);
        if (!list.isKnown) {
          system.writeText(2, `${name}: unknown capability -- ${list.unknown}\n`);
          return undefined;
        }
        for (const number of list.numbers) changes.dropped.push(number);
        if (list.isAll) changes.dropsAll = true;
        break;
      }
      case "--oom-score-adj": {
        const score = parseSigned(value, maxOomScore + 1);
        if (score === undefined || score > maxOomScore || score < -maxOomScore) {
          system.writeText(2, `${name}: not a number from -${maxOomScore} to ${maxOomScore} -- ${value}\n`);
          return undefined;
        }
        changes.oomScore = score;
        break;
      }
      case "m":
      case "d":
      case "o":
      case "p":
      case "f":
      case "c":
      case "r":
      case "t": {
        const wanted = parseWord(value);
        if (wanted === undefined) return undefined;
        for (const resource of resourcesOf(letter)) changes.bounds.push({ resource, wanted });
        break;
      }
      default:
        return undefined; // a letter of the list above that is forgotten here
    }
  }
  // The original takes any word that begins so for the end of the options; a mistyped protection must not pass for one.
  const word = options.endedBy.slice(2);
  const complaint =
    word === ""
      ? options.complaint
      : word.startsWith("no-new-privs=")
        ? "option takes no argument -- no-new-privs"
        : `illegal option -- ${word}`;
  if (complaint !== "") system.writeText(2, `${name}: ${complaint}\n`);
  if (complaint !== "" || options.rest.length === 0) return undefined;
  changes.argument = args.length - options.rest.length;
  return changes;
}

/** How soon this process goes when memory is short. Before the root changes: /proc may not be there any more. */
function setOomScore(system: System, score: number): void {
  const doing = "unable to set out-of-memory score";
  const fd = orFail(system.open("/proc/self/oom_score_adj", openWrite, 0), doing);
  orFail(system.writeText(fd, `${score}`), doing);
  system.close(fd);
}
