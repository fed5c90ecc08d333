// sv-add(8): enables services of a user, and sees to it that they run.

import { baseName } from "../../core/process/names.ts";
import { parseOptions } from "../../core/process/options.ts";
import { whyNoName } from "../../core/supervise/names.ts";
import { describeError, EEXIST } from "../../core/text/errors.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { isExecutable } from "../../directories/boot.ts";
import { makeAbove } from "../../directories/state-root.ts";
import { isListenedTo } from "../../directories/supervised.ts";
import { readStart } from "../../directories/text.ts";
import { SystemError } from "../../system/errors.ts";
import type { System } from "../../system/system.ts";
import { openCreate, openWrite } from "../../system/system.ts";
import { describeLastLine } from "./log.ts";
import { callSv, parseSeconds, User, usageCode } from "./user.ts";

const usage = "usage: sv-add [-dn] [-w SEC] NAME|DIR [AS]\n       sv-add [-dn] [-w SEC] NAME ...\n";
const defaultSeconds = 7;
const longestPause = 20;
const settleMilliseconds = 40;
const maxErrors = 99;

interface Invocation {
  /** Enabled, but not started. */
  readonly isDown: boolean;
  /** The link, and nothing else. */
  readonly isLinkOnly: boolean;
  readonly seconds: number;
}

/** What is to be linked, under which name. */
interface Wanted {
  readonly definition: string;
  readonly name: string;
}

export function svAdd(args: readonly string[], system: System): number {
  const options = parseOptions(args.slice(1), "dnw:", []);
  let isDown = false;
  let isLinkOnly = false;
  let seconds = defaultSeconds;
  for (const { letter, value } of options.given) {
    if (letter === "d") isDown = true;
    if (letter === "n") isLinkOnly = true;
    if (letter === "w") seconds = parseSeconds(value);
  }
  if (options.complaint !== "") system.writeText(2, `sv-add: ${options.complaint}\n`);
  const isRight = options.complaint === "" && (options.endedBy === "" || options.endedBy === "--");
  if (!isRight || options.rest.length === 0 || seconds < 0) {
    system.writeText(2, usage);
    return usageCode;
  }
  const adding = new Adding(new User(system), { isDown, isLinkOnly, seconds });
  return adding.addAll(options.rest);
}

class Adding {
  readonly #user: User;
  readonly #invocation: Invocation;
  #errors = 0;

  constructor(user: User, invocation: Invocation) {
    this.#user = user;
    this.#invocation = invocation;
  }

  addAll(words: readonly string[]): number {
    const added: string[] = [];
    const wanted = this.#wanted(words);
    // First: where there can be no tree, nothing is enabled.
    if (!this.#invocation.isLinkOnly && wanted.length > 0) this.#user.startTree([], false);
    for (const one of wanted) if (this.#link(one)) added.push(one.name);
    if (!this.#invocation.isLinkOnly) for (const name of added) this.#await(name);
    return Math.min(this.#errors, maxErrors);
  }

  /** Two words where the second is no definition of its own are a definition and what it is to be called. */
  #wanted(words: readonly string[]): readonly Wanted[] {
    const first = String(words[0] ?? "");
    const second = words[1];
    const isRenamed =
      words.length === 2 &&
      second !== undefined &&
      !second.includes("/") &&
      (first.includes("/") || this.#user.findDefinition(second) === "");
    if (isRenamed && (first.includes("/") || this.#user.findDefinition(first) !== "")) {
      const one = this.#find(first, second);
      return one === undefined ? [] : [one];
    }
    const wanted: Wanted[] = [];
    for (const word of words) {
      const one = this.#find(word, baseName(word.endsWith("/") ? word.slice(0, -1) : word));
      if (one !== undefined) wanted.push(one);
    }
    return wanted;
  }

  /** undefined: there is no such thing, and that was said. */
  #find(word: string, name: string): Wanted | undefined {
    const { system, places } = this.#user;
    const wrong = whyNoName(name);
    if (wrong !== "") return this.#refuse(wrong);
    let definition = this.#user.findDefinition(word);
    if (word.includes("/")) definition = isAbsolute(word) ? word : `${system.currentDirectory().text}/${word}`;
    if (definition.length > 1 && definition.endsWith("/")) definition = definition.slice(0, -1);
    if (definition === "") {
      return this.#refuse(`${word}: no such service: not in ${places.conf}, /etc/sv-user, /usr/share/sv-user`);
    }
    const found = system.stat(definition, true);
    if (found.errno !== 0) return this.#refuse(`${name}: ${definition}: ${describeError(found.errno)}`);
    if (found.kind !== "directory") return this.#refuse(`${name}: ${definition}: not a directory`);
    const run = `${definition}/run`;
    const { errno } = system.stat(run, true);
    if (errno !== 0) return this.#refuse(`${name}: ${run}: ${describeError(errno)}`);
    if (!isExecutable(system, run)) return this.#refuse(`${name}: run is not executable (chmod +x ${run})`);
    // Two that have the same state are one service: who ends this tree would end the other's.
    if (isListenedTo(system, `${definition}/supervise`) && !this.#isOurs(definition)) {
      return this.#refuse(`${name}: ${definition} is supervised already, not by your tree (sv status ${definition})`);
    }
    return { definition, name };
  }
  #isOurs(definition: string): boolean {
    const { system, enabled, places } = this.#user;
    return enabled.some((name) => leadsTo(system, `${places.scan}/${name}`, definition));
  }
  #refuse(text: string): undefined {
    this.#user.complain(`sv-add: ${text}\n`);
    this.#errors++;
    return undefined;
  }

  /** Whether there is something to wait for: it is linked now, or was before without running. */
  #link({ definition, name }: Wanted): boolean {
    const { system, places } = this.#user;
    const path = `${places.scan}/${name}`;
    const above = makeAbove(system, path);
    if (above < 0) throw new SystemError(`unable to create ${places.scan}`, -above);
    const made = this.#make(definition, path, name);
    if (made === "is there") this.#user.say(`${name}: already added\n`);
    return made === "made";
  }

  #make(definition: string, path: string, name: string): "made" | "is there" | "refused" {
    const { system, places } = this.#user;
    // The mark first: at no moment is the service enabled without it.
    const mark = `${places.scan}/.${name}.down`;
    const before = system.stat(path, false);
    if (before.errno === 0 && before.kind === "link" && leadsTo(system, path, definition)) return "is there";
    if (before.errno === 0) {
      const target = before.kind === "link" ? `a link to ${system.readlink(path).text}` : "not a link";
      this.#refuse(`${name}: ${path} is there already, ${target}`);
      return "refused";
    }
    if (this.#invocation.isDown) {
      const fd = system.open(mark, openWrite + openCreate, 0o600);
      if (fd < 0) throw new SystemError(`unable to create ${mark}`, -fd);
      system.close(fd);
    } else system.unlink(mark); // of an earlier time
    const made = system.symlink(definition, path);
    if (made === -EEXIST && leadsTo(system, path, definition)) return "is there"; // another one was faster
    if (made < 0) throw new SystemError(`unable to link ${path}`, -made);
    return "made";
  }

  /** Until it is supervised and, unless it is to be down, up. */
  #await(name: string): void {
    const { system } = this.#user;
    const until = system.monotonic() + this.#invocation.seconds * 1000;
    let pause = 1;
    while (!this.#user.isSupervised(name)) {
      if (system.monotonic() >= until) {
        this.#refuse(`${name}: not supervised after ${this.#invocation.seconds} seconds: see ${this.#messages}`);
        return;
      }
      system.poll([], pause);
      pause = Math.min(pause * 2, longestPause);
    }
    const seconds = Math.max(1, Math.ceil((until - system.monotonic()) / 1000));
    if (this.#awaitsVariable(name, until)) {
      callSv(this.#user, ["status", name]);
      return;
    }
    if (!this.#isToBeDown(name)) this.#settle(name, until);
    // Whoever adds it wants it up, even if it was told otherwise a moment ago.
    if (callSv(this.#user, ["-w", `${seconds}`, this.#isToBeDown(name) ? "check" : "start", name]) === 0) return;
    this.#errors++;
    const line = describeLastLine(this.#user, name);
    if (line !== "") this.#user.complain(`sv-add: ${name}: the last line of its log: ${line}\n`);
  }
  /** Until a process of it has lived for a moment: what ends at once is not up. */
  #settle(name: string, until: number): void {
    const { system } = this.#user;
    const state = this.#user.stateOf(name);
    let seen = "";
    while (system.monotonic() < until) {
      const pid = readStart(system, `${state}/pid`, 20);
      if (pid !== "" && pid === seen) return;
      seen = pid;
      system.poll([], pid === "" ? 1 : settleMilliseconds);
    }
  }
  #isToBeDown(name: string): boolean {
    const down = `${this.#user.places.scan}/${name}/down`;
    return this.#invocation.isDown || this.#user.system.stat(down, true).errno === 0;
  }
  get #messages(): string {
    return `${this.#user.places.log}/.session/current`;
  }
  /** A service that waits for its environment has been added all the same. */
  #awaitsVariable(name: string, until: number): boolean {
    const { system } = this.#user;
    if (system.stat(`${this.#user.places.scan}/${name}/env-needs`, true).errno !== 0) return false;
    const state = this.#user.stateOf(name);
    for (let pause = 1; system.monotonic() < until; pause = Math.min(pause * 2, longestPause)) {
      if (readStart(system, `${state}/waits`, 10) !== "") return true;
      if (!readStart(system, `${state}/stat`, 10).startsWith("down")) return false;
      system.poll([], pause);
    }
    return false;
  }
}

/** Whether the link leads to the directory, or says so though it is not there. */
function leadsTo(system: System, link: string, directory: string): boolean {
  if (system.readlink(link).text === directory) return true;
  const one = system.identify(link, true);
  const other = system.identify(directory, true);
  return one.errno === 0 && other.errno === 0 && one.identity === other.identity;
}
