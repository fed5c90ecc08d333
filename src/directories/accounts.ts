// Accounts and groups of this system: passwd(5), group(5), and whatever name services its C library asks besides.

import { fieldsOf, hasMember, parseGroup, parsePasswd } from "../core/process/account-lines.ts";
import { parseAccount } from "../core/process/accounts.ts";
import { textAt } from "../core/text/bytes.ts";
import { ENOENT } from "../core/text/errors.ts";
import { leadingNumber } from "../core/text/numbers.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { Account, System } from "../system/system.ts";
import { setVariable } from "./environment.ts";
import { FileContent } from "./text.ts";

const roomBytes = 4096;

export interface Identity {
  readonly uid: number;
  /** At least one; the first is the main one. */
  readonly gids: readonly number[];
}

/** What `user:group…` or `:uid:gid…` stands for. Throws SystemError, in chpst's words. */
export function findIdentity(system: System, text: string): Identity {
  const wanted = parseAccount(text);
  if (wanted.kind === "malformed") throw new SystemError(`invalid uid/gids: ${text.slice(1)}`, 0);
  if (wanted.kind === "numbers") return { uid: wanted.uid, gids: wanted.gids };

  const unknown = `unknown user/group: ${text}`;
  const unreadable = "unable to get password/group file entry";
  const file = new FileContent(system, roomBytes);
  const account = lookUpUser(system, file, wanted.user, unreadable);
  if (!account.found) throw new SystemError(unknown, 0);
  const gids: number[] = [];
  if (wanted.groups.length > 0 || wanted.withMemberships) orFail(-file.read("/etc/group"), unreadable);
  for (const name of wanted.groups) {
    const gid = lookUpGroup(system, file, name);
    if (gid === -ENOENT) throw new SystemError(unknown, 0);
    gids.push(orFail(gid, unreadable));
  }
  if (gids.length === 0) gids.push(account.gid);
  if (wanted.withMemberships) {
    const search = new LineSearch(system, file, wanted.user);
    for (let fields = search.next(); fields !== undefined; fields = search.next()) {
      const gid = parseGroup(fields);
      if (gid >= 0 && hasMember(fields, wanted.user) && !gids.includes(gid)) gids.push(gid);
    }
    for (const gid of system.memberships(wanted.user, gids[0] ?? account.gid)) if (!gids.includes(gid)) gids.push(gid);
  }
  return { uid: account.uid, gids };
}

/** The account of exactly that name. Throws SystemError, in setuidgid's words. */
export function findAccount(system: System, name: string): Identity {
  const file = new FileContent(system, roomBytes);
  const account = lookUpUser(system, file, name, "unable to get password file entry");
  if (!account.found) throw new SystemError(`unknown account: ${name}`, 0);
  return { uid: account.uid, gids: [account.gid] };
}

function lookUpUser(system: System, file: FileContent, name: string, doing: string): Account {
  orFail(-file.read("/etc/passwd"), doing);
  const search = new LineSearch(system, file, `${name}:`);
  for (let fields = search.next(); fields !== undefined; fields = search.next()) {
    const line = fields[0] === name ? parsePasswd(fields) : undefined;
    if (line !== undefined) return { errno: 0, found: true, uid: line.uid, gid: line.gid };
  }
  const account = system.account(name);
  orFail(-account.errno, doing);
  return account;
}

/** `file` holds /etc/group. Negative: -errno. */
function lookUpGroup(system: System, file: FileContent, name: string): number {
  const search = new LineSearch(system, file, `${name}:`);
  for (let fields = search.next(); fields !== undefined; fields = search.next()) {
    const gid = fields[0] === name ? parseGroup(fields) : -1;
    if (gid >= 0) return gid;
  }
  return system.group(name);
}

/** The number of a group that is called so, or is that number; -1 for "". Throws SystemError. */
export function findGroup(system: System, name: string): number {
  if (name === "") return -1;
  const file = new FileContent(system, roomBytes);
  orFail(-file.read("/etc/group"), "unable to get group file entry");
  const gid = lookUpGroup(system, file, name);
  if (gid >= 0) return gid;
  const number = leadingNumber(name);
  if (gid === -ENOENT && `${number}` !== name) throw new SystemError(`unknown group: ${name}`, 0);
  return gid === -ENOENT ? number : orFail(gid, "unable to get group file entry");
}

/** The lines of a file in which a text stands, one after the other. */
class LineSearch {
  readonly #system: System;
  readonly #file: FileContent;
  readonly #text: string;
  #at = 0;

  constructor(system: System, file: FileContent, text: string) {
    this.#system = system;
    this.#file = file;
    this.#text = text;
  }

  /** The next one, in fields; undefined: there is none. */
  next(): readonly string[] | undefined {
    const { bytes, length } = this.#file;
    const found = this.#system.findText(bytes, Math.min(this.#at, length), length, this.#text);
    if (found < 0) return undefined;
    const end = this.#file.lineEnd(found);
    this.#at = end + 1;
    return fieldsOf(textAt(bytes, this.#file.lineStart(found), end));
  }
}

/** Becomes that user, for good. Throws SystemError. */
export function become(system: System, identity: Identity): void {
  orFail(system.setGroups(identity.gids), "unable to setgroups");
  orFail(system.setGid(identity.gids[0] ?? 0), "unable to setgid");
  orFail(system.setUid(identity.uid), "unable to setuid");
}

/** Puts the identity into the environment, as GID and UID: for a program that changes to it itself. */
export function announce(system: System, identity: Identity): void {
  setVariable(system, "GID", `${identity.gids[0] ?? 0}`);
  setVariable(system, "UID", `${identity.uid}`);
}
