// Accounts and groups of this system: passwd(5), group(5), and whatever else its C library asks.

import { parseAccount } from "../core/process/accounts.ts";
import { ENOENT } from "../core/text/errors.ts";
import { orFail, SystemError } from "../system/errors.ts";
import type { System } from "../system/system.ts";

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
  const account = system.account(wanted.user);
  if (account.errno !== 0) throw new SystemError(unreadable, account.errno);
  if (!account.found) throw missing(system, "/etc/passwd", unreadable, unknown);
  const gids: number[] = [];
  for (const name of wanted.groups) {
    const gid = system.group(name);
    if (gid === -ENOENT) throw missing(system, "/etc/group", unreadable, unknown);
    gids.push(orFail(gid, unreadable));
  }
  if (gids.length === 0) gids.push(account.gid);
  if (wanted.withMemberships) {
    for (const gid of system.memberships(wanted.user, gids[0] ?? account.gid)) if (!gids.includes(gid)) gids.push(gid);
  }
  return { uid: account.uid, gids };
}

/** The account of exactly that name. Throws SystemError, in setuidgid's words. */
export function findAccount(system: System, name: string): Identity {
  const unreadable = "unable to get password file entry";
  const account = system.account(name);
  if (account.errno !== 0) throw new SystemError(unreadable, account.errno);
  if (!account.found) throw missing(system, "/etc/passwd", unreadable, `unknown account: ${name}`);
  return { uid: account.uid, gids: [account.gid] };
}

/** Becomes that user, for good. Throws SystemError. */
export function become(system: System, identity: Identity): void {
  orFail(system.setGroups(identity.gids), "unable to setgroups");
  orFail(system.setGid(identity.gids[0] ?? 0), "unable to setgid");
  orFail(system.setUid(identity.uid), "unable to setuid");
}

/** Puts the identity into the environment, as GID and UID: for a program that changes to it itself. */
export function announce(system: System, identity: Identity): void {
  announceNumber(system, "GID", identity.gids[0] ?? 0);
  announceNumber(system, "UID", identity.uid);
}

function announceNumber(system: System, name: string, number: number): void {
  const text = `${number}`;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  system.unsetEnvironment(name);
  orFail(system.addEnvironment(name, bytes, bytes.length), "out of memory");
}

/** Without the file nobody is known: that is why, not the name. */
function missing(system: System, file: string, unreadable: string, unknown: string): SystemError {
  return system.stat(file, true).errno === ENOENT ? new SystemError(unreadable, ENOENT) : new SystemError(unknown, 0);
}
