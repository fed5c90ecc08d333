// A service whose state is kept apart from its definition: where that is, what its scripts are told about it, and what is
// done when either of the two is replaced while it runs. runsv(8).

import type { Role } from "../core/supervise/service.ts";
import { serviceVariables } from "../core/supervise/variables.ts";
import { decodeFields, encodeFields } from "../core/text/fields.ts";
import { isAbsolute, parentOf } from "../core/text/paths.ts";
import { listEnvironment } from "../directories/environment.ts";
import { isMarker } from "../directories/service.ts";
import { findSharing } from "../directories/sharing.ts";
import type { Called } from "../directories/state-root.ts";
import {
  defaultLogDirectory,
  makeStateRoot,
  namedStateRoot,
  StatePlaces,
  signState,
} from "../directories/state-root.ts";
import { readStart } from "../directories/text.ts";
import { SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import type { Setting } from "./supervisor.ts";
import { ApartSetting } from "./supervisor.ts";

/** Nobody tells us that the state directory has gone: so often it is looked for. */
const checkMilliseconds = 4000;
/** A file of a service directory: the service is not logged by us. */
const noBuiltInLog = "no-log";

/** What runsv was told about it. */
export interface Apart {
  /** State root; "": not named. */
  readonly root: string;
  readonly controlGroup: string;
  readonly queryGroup: string;
  /** Environment directories, the last one wins. */
  readonly environments: readonly string[];
  /** Where services without log service are logged; "": they are not. */
  readonly logs: string;
  /** Whoever started us tells when the state directory has gone. */
  readonly isTold: boolean;
}

export class KeptApart {
  readonly #system: System;
  readonly #setting: Setting;
  readonly #apart: Apart;
  readonly #warn: (text: string) => void;
  #called: Called;
  #isApart = false;

  constructor(system: System, setting: Setting, called: Called, apart: Apart, warn: (text: string) => void) {
    this.#system = system;
    this.#setting = setting;
    this.#called = called;
    this.#apart = apart;
    this.#warn = warn;
  }

  /** Whether its state is not, or need not be, in the service directory. */
  get isApart(): boolean {
    return this.#isApart;
  }

  /** What the supervisor has to know of it. */
  get #inSetting(): ApartSetting {
    const apart = this.#setting.apart ?? new ApartSetting();
    this.#setting.apart = apart;
    return apart;
  }

  /** Decides where the state is. The working directory is the service directory. Throws SystemError. */
  place(): void {
    const setting = this.#setting;
    const { scan, name } = this.#called;
    const named = this.#apart.root === "" ? namedStateRoot(this.#system, scan) : this.#apart.root;
    // Most are new, beside their definitions.
    setting.isStateMade = named === "" && this.#system.mkdir(setting.state, 0o700) >= 0;
    if (setting.isStateMade) return;
    const places = new StatePlaces(this.#system, named, scan);
    setting.state = places.placeOf("", name);
    this.#isApart = named !== "" || isAbsolute(setting.state);
    const log = this.#system.stat("log", true);
    if (log.errno === 0 && log.kind === "directory") setting.logState = places.placeOf("log/", `${name}.log`);
    else if (this.#apart.logs !== "" && named !== "") this.#logItself(named);
    if (!this.#isApart) return;
    const apart = this.#inSetting;
    const root = isAbsolute(setting.state) ? parentOf(setting.state) : named;
    const sharing = findSharing(this.#system, this.#apart.controlGroup, this.#apart.queryGroup, root);
    if (isAbsolute(setting.state) || isAbsolute(setting.logState)) sharing.openRoot(root);
    apart.sharing = isAbsolute(setting.state) ? sharing : undefined;
    apart.logSharing = isAbsolute(setting.logState) ? sharing : undefined;
    setting.isMarkedDown = setting.isMarkedDown || isMarker(this.#system, `${root}/${name}.down`);
    apart.checkMilliseconds = this.#apart.isTold ? -1 : checkMilliseconds;
    setting.variables = this.#variables();
  }

  #logItself(root: string): void {
    const { name } = this.#called;
    if (this.#system.stat(noBuiltInLog, true).errno === 0) return;
    if (givenBy(this.#environment(), "SVLOG") === "none") return;
    makeStateRoot(this.#system, root, root);
    this.#inSetting.builtInLog = `${this.#apart.logs}/${name}`;
    this.#setting.logState = `${root}/${name}.log`;
  }

  /** From now on the service follows its definition and its state wherever they go. */
  follow(): void {
    if (!this.#isApart) return;
    const setting = this.#setting;
    setting.prepare = (role, phase) => this.#prepare(role, phase);
    this.#inSetting.locate = () => this.#locate();
  }

  /** Says in the state directories whose they are: once they are there. */
  sign(): void {
    const { state, logState } = this.#setting;
    if (isAbsolute(state)) signState(this.#system, state, this.#called, "");
    if (isAbsolute(logState)) signState(this.#system, logState, this.#called, "/log");
  }

  /** The state directories are gone: where they are to be made. The definition may be another, too. */
  #locate(): void {
    this.#enter();
    const { builtInLog } = this.#inSetting;
    this.place();
    this.#inSetting.builtInLog = builtInLog; // whoever is logged already, is
    const { state, logState } = this.#setting;
    for (const directory of [state, logState]) if (isAbsolute(directory)) this.#system.mkdir(directory, 0o700);
    this.sign();
  }

  /** Goes where the entry leads now; where that is nowhere, it stays. */
  #enter(): void {
    this.#system.chdir(`${this.#called.scan}/${this.#called.name}`);
  }

  /** Before each start of ./run: its definition may have been replaced, and so may its environment. */
  #prepare(role: Role, phase: number): boolean {
    if (role === "service" && phase === 1) {
      this.#enter();
      this.sign();
    }
    try {
      this.#setting.variables = this.#variables();
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error;
      this.#warn(error.message);
      return false;
    }
    if (role === "log" || phase !== 1) return true;
    this.#inSetting.waits = this.#missing().join(" ");
    return this.#inSetting.waits === "";
  }

  /** Variables that the service needs and does not have: its file `env-needs` names them, one a line. */
  #missing(): readonly string[] {
    const missing: string[] = [];
    for (const line of readStart(this.#system, "env-needs", 4096).split("\n")) {
      const name = line.trim();
      if (name === "" || name.startsWith("#") || missing.includes(name)) continue;
      if (givenBy(this.#setting.variables, name) === "" && !this.#inherits(name)) missing.push(name);
    }
    return missing;
  }
  #inherits(name: string): boolean {
    if (this.#setting.variables.includes(name)) return false; // it is taken out
    return (this.#system.environment(name) ?? "") !== "";
  }

  /** Entries of a SpawnPlan. Throws SystemError. */
  #variables(): readonly string[] {
    const { name } = this.#called;
    const { logs } = this.#apart;
    const logDirectory = logs === "" ? defaultLogDirectory(this.#system, name) : `${logs}/${name}`;
    const state = isAbsolute(this.#setting.state)
      ? this.#setting.state
      : `${this.#system.currentDirectory().text}/${this.#setting.state}`;
    return [...this.#environment(), ...serviceVariables(name, state, logDirectory)];
  }
  #environment(): readonly string[] {
    const variables: string[] = [];
    for (const directory of this.#apart.environments) {
      if (this.#system.stat(directory, true).kind !== "directory") continue;
      for (const entry of listEnvironment(this.#system, directory)) variables.push(entry);
    }
    return variables;
  }

  // ── a restart in place ──

  /** What is kept besides the supervisor's own words. */
  describe(supervisor: string): string {
    const { state, logState } = this.#setting;
    const { builtInLog } = this.#inSetting;
    return encodeFields([this.#called.scan, this.#called.name, state, logState, builtInLog, supervisor]);
  }
  /** Takes it over, and answers the supervisor's words; "": they make no sense. */
  resume(kept: string): string {
    const fields = decodeFields(kept) ?? [];
    if (fields.length !== 6) return "";
    const field = (index: number): string => String(fields[index] ?? "");
    this.#called = { scan: field(0), name: field(1) };
    try {
      this.place();
    } catch (error: unknown) {
      if (!(error instanceof SystemError)) throw error; // what is held is held: it is looked for again later
    }
    this.#isApart = true;
    this.#setting.state = field(2);
    this.#setting.logState = field(3);
    this.#inSetting.builtInLog = field(4);
    return field(5);
  }
}

/** The value that the last entry of that name gives; "": none. */
function givenBy(entries: readonly string[], name: string): string {
  let value = "";
  for (const entry of entries) {
    if (entry === name) value = "";
    else if (entry.startsWith(`${name}=`)) value = entry.slice(name.length + 1);
  }
  return value;
}
