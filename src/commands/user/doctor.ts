// sv-user doctor: what is wrong with the services of a user, and what to do about it.

import { isReserved } from "../../core/supervise/names.ts";
import { EROFS } from "../../core/text/errors.ts";
import { leadingNumber } from "../../core/text/numbers.ts";
import { isExecutable } from "../../directories/boot.ts";
import { findSupervisor } from "../../directories/child-record.ts";
import { listParents } from "../../directories/processes.ts";
import { hasControlScript, readSignalPrefix } from "../../directories/service.ts";
import { whyNotOurs } from "../../directories/state-root.ts";
import { isListenedTo } from "../../directories/supervised.ts";
import { readStart } from "../../directories/text.ts";
import type { System } from "../../system/system.ts";
import { describeLastLine } from "./log.ts";
import { User, usageCode } from "./user.ts";

const maxFindings = 99;

export function userDoctor(words: readonly string[], system: System): number {
  if (words.length > 0) {
    system.writeText(2, "usage: sv-user doctor\n");
    return usageCode;
  }
  const examination = new Examination(new User(system));
  examination.examine();
  return Math.min(examination.findings, maxFindings);
}

class Examination {
  readonly #user: User;
  readonly #system: System;
  findings = 0;

  constructor(user: User) {
    this.#user = user;
    this.#system = user.system;
  }

  examine(): void {
    const { places, enabled, run, facts } = this.#user;
    for (const path of [places.home, places.conf, places.scan, places.log, run]) this.#directory(path);
    for (const name of enabled) this.#service(name);
    for (const name of this.#user.defined) if (!enabled.includes(name)) this.#definition(name);
    this.#state(run, enabled);
    if (facts === undefined && enabled.length > 0) {
      this.#find(`${enabled.length} services are enabled and no tree is running (sv-user session start)`);
    }
    if (this.findings === 0) this.#user.say("nothing is wrong\n");
  }

  #find(text: string): void {
    this.findings++;
    this.#user.say(`${text}\n`);
  }

  #directory(path: string): void {
    if (this.#system.stat(path, false).errno !== 0) return; // made when it is needed
    // What is not there cannot be removed; on a read-only file system that is not why.
    if (this.#system.rmdir(`${path}/.none`) === -EROFS) this.#find(`${path}: on a read-only file system`);
    const why = whyNotOurs(this.#system, path);
    if (why === "writable by others") this.#find(`${path}: ${why} (chmod go-w ${path})`);
    else if (why !== "" && why !== "not a directory") this.#find(`${path}: ${why}`);
    else if (this.#system.stat(path, true).kind !== "directory") this.#find(`${path}: not a directory`);
  }

  #definition(name: string): void {
    this.#scripts(name, this.#user.findDefinition(name));
  }

  #service(name: string): void {
    const entry = `${this.#user.places.scan}/${name}`;
    if (this.#system.stat(entry, true).errno !== 0) {
      this.#find(
        `${name}: ${entry} leads to ${this.#system.readlink(entry).text}, which is not there (sv-remove ${name})`,
      );
      return;
    }
    if (isReserved(name)) this.#find(`${name}: no service can be called that`);
    this.#scripts(name, entry);
    this.#process(name, entry);
    this.#supervisor(name);
    if (!this.#user.isFailing(name)) return;
    const line = describeLastLine(this.#user, name);
    this.#find(`${name}: is to run, and ends again and again${line === "" ? "" : `: ${line}`} (sv-user log ${name})`);
  }

  #scripts(name: string, definition: string): void {
    const system = this.#system;
    const scripts = ["run", "finish", "check"];
    if (system.stat(`${definition}/log`, true).kind === "directory") scripts.push("log/run");
    const controls: string[] = [];
    if (system.list(`${definition}/control`, controls) >= 0) {
      for (const control of controls) if (!control.startsWith(".")) scripts.push(`control/${control}`);
    }
    for (const script of scripts) {
      const path = `${definition}/${script}`;
      const isThere = system.stat(path, true).errno === 0;
      if (!isThere && (script === "run" || script === "log/run")) this.#find(`${name}: ${path} is missing`);
      if (isThere && !isExecutable(system, path)) {
        this.#find(`${name}: ${script} is not executable (chmod +x ${path})`);
      }
    }
  }

  /** One that has become another user cannot be signalled by its supervisor. */
  #process(name: string, definition: string): void {
    const pid = leadingNumber(readStart(this.#system, `${this.#user.stateOf(name)}/pid`, 20));
    const found = pid === 0 ? undefined : this.#system.stat(`/proc/${pid}`, true);
    if (found === undefined || found.errno !== 0 || found.uid === this.#user.person.uid) return;
    const isHelped =
      readSignalPrefix(this.#system, `${definition}/`).length > 0 ||
      hasControlScript(this.#system, `${definition}/`, "t", () => {});
    if (isHelped) return;
    this.#find(`${name}: pid ${pid} belongs to uid ${found.uid} and cannot be signalled: see signal-with in runsv(8)`);
  }

  /** Its definition may be the service of another runsvdir. */
  #supervisor(name: string): void {
    const pid = findSupervisor(this.#system, this.#user.stateOf(name));
    const parent = pid === 0 ? 0 : (listParents(this.#system).get(pid) ?? 0);
    if (readStart(this.#system, `/proc/${parent}/comm`, 20).trim() !== "runsvdir") return;
    this.#find(`${name}: is a service of runsvdir, pid ${parent}, as well (sv-remove ${name})`);
  }

  #state(run: string, enabled: readonly string[]): void {
    const names: string[] = [];
    this.#system.list(run, names);
    for (const name of names) {
      const path = `${run}/${name}`;
      if (name.startsWith(".") || isReserved(name)) continue;
      if (this.#system.stat(path, false).kind !== "directory") continue;
      const service = name.endsWith(".log") && !enabled.includes(name) ? name.slice(0, -4) : name;
      if (enabled.includes(service)) continue;
      if (isListenedTo(this.#system, path)) this.#find(`${name}: supervised, but not enabled (sv-remove ${service})`);
      else this.#find(`${name}: stale state (rm -r ${path})`);
    }
  }
}
