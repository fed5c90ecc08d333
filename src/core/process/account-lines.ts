// Lines of passwd(5) and group(5). What is no whole line is none: a missing number must not turn an account into root's.
//
//    bob:x:1002:1003:gecos:home:shell      name, …, user id, group id, and more or less behind it
//    grp:x:1002:alice,bob                  name, …, group id, members
//
// As the C library of Debian takes them: blanks before the name and before numbers are passed over; lines that begin
// with "#" are comments; names that begin with "+" or "-" belong to another mechanism.

import { textAt } from "../text/bytes.ts";

const newline = 10;
const maxId = 4294967295;

export interface PasswdLine {
  readonly uid: number;
  readonly gid: number;
}

/** The first whole line with that name. */
export function findPasswd(file: Uint8Array, length: number, name: string): PasswdLine | undefined {
  for (const fields of linesOf(file, length, name)) {
    const uid = parseId(fields[2]);
    const gid = parseId(fields[3]);
    if (uid >= 0 && gid >= 0) return { uid, gid };
  }
  return undefined;
}

/** Group id of the first whole line with that name; negative: there is none. */
export function findGroup(file: Uint8Array, length: number, name: string): number {
  for (const fields of linesOf(file, length, name)) {
    const gid = parseId(fields[2]);
    if (gid >= 0) return gid;
  }
  return -1;
}

/** Ids of the groups that name the user among their members. */
export function findMemberships(file: Uint8Array, length: number, user: string): readonly number[] {
  const gids: number[] = [];
  for (const fields of linesWith(file, length, "")) {
    const gid = parseId(fields[2]);
    if (gid >= 0 && !gids.includes(gid) && (fields[3] ?? "").split(",").includes(user)) gids.push(gid);
  }
  return gids;
}

/** The lines that begin with that name, in fields. */
function linesOf(file: Uint8Array, length: number, name: string): readonly (readonly string[])[] {
  const isName = name !== "" && !name.includes(":") && !name.includes("\n");
  return isName ? linesWith(file, length, `${name}:`) : [];
}

/** The lines that begin with a name and so, in fields. */
function linesWith(file: Uint8Array, length: number, prefix: string): readonly (readonly string[])[] {
  const lines: (readonly string[])[] = [];
  const end = Math.min(length, file.length);
  let at = 0;
  while (at < end) {
    while (at < end && isBlank(file[at] ?? 0)) at++;
    const start = at;
    const first = textAt(file, start, start + 1);
    let isOurs = first !== "" && first !== ":" && first !== "+" && first !== "-" && first !== "#";
    for (let i = 0; i < prefix.length && isOurs; i++) {
      isOurs = start + i < end && file[start + i] === prefix.charCodeAt(i);
    }
    while (at < end && file[at] !== newline) at++;
    if (isOurs) lines.push(textAt(file, start, at).split(":"));
    at++;
  }
  return lines;
}

function isBlank(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/** Negative: it is no id. */
function parseId(field: string | undefined): number {
  const text = field ?? "";
  let at = 0;
  while (at < text.length && isBlank(text.charCodeAt(at))) at++;
  if (at === text.length) return -1;
  let id = 0;
  for (; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    id = id * 10 + digit;
    if (id > maxId) return -1;
  }
  return id;
}
