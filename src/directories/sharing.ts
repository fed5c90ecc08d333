// Who besides the owner may ask about services, or control them: by the group of the files in a state directory.

import { orFail } from "../system/errors.ts";
import type { System } from "../system/system.ts";
import { findGroup } from "./accounts.ts";
import { readText } from "./text.ts";

/** A service that nobody else has to do with. */
export const ownerOnly = 0o700;

/** Groups as numbers; negative: none. */
export class Sharing {
  readonly #system: System;
  /** Whose members control. */
  readonly #control: number;
  /** Whose members ask. */
  readonly #query: number;

  constructor(system: System, control: number, query: number) {
    this.#system = system;
    this.#control = control;
    this.#query = query < 0 ? control : query;
  }

  get isShared(): boolean {
    return this.#query >= 0;
  }
  get directoryMode(): number {
    return this.isShared ? 0o2750 : ownerOnly;
  }
  get fileMode(): number {
    return this.isShared ? 0o640 : 0o644;
  }

  /** Lets its group pass through a state root. */
  openRoot(path: string): void {
    if (this.isShared) this.#give(path, this.#query, 0o710);
  }
  openDirectory(path: string): void {
    this.#give(path, this.#query, this.directoryMode);
  }
  openControl(path: string): void {
    this.#give(path, this.#control, this.#control >= 0 ? 0o660 : 0o600);
  }
  openOk(path: string): void {
    this.#give(path, this.#query, this.isShared ? 0o660 : 0o600);
  }

  /** Only what is not so already: most are. Nothing is opened to a group before it is that group's. */
  #give(path: string, gid: number, mode: number): void {
    if (gid >= 0) orFail(this.#system.setOwner(path, -1, gid), `unable to give ${path} to group ${gid}`);
    if (gid >= 0 || this.#system.stat(path, true).mode !== mode) this.#system.chmod(path, mode);
  }
}

/** By the names of groups, "" where there is none; else by the file .group of the root. Throws SystemError. */
export function findSharing(system: System, control: string, query: string, root: string): Sharing {
  let named = control;
  if (control === "" && query === "" && root !== "") named = readText(system, `${root}/.group`).text.trim();
  return new Sharing(system, findGroup(system, named), findGroup(system, query));
}
