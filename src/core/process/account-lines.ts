// Lines of passwd(5) and group(5). What is no whole line is none: a missing number must not turn an account into root's.
//
//    bob:x:1002:1003:gecos:home:shell      name, …, user id, group id, and more or less behind it
//    grp:x:1002:alice,bob                  name, …, group id, members
//
// Much as the C library of Debian takes them: blanks before the name and before numbers are passed over; lines that begin
// with "#" are comments; names that begin with "+" or "-" belong to another mechanism. It accepts a sign in front of a number
// as well; a line with a NUL in it is none here.

const beginsNoName = "+-#:";
const maxId = 4294967295;

/** The fields of a line; none where it has no name. */
export function fieldsOf(line: string): readonly string[] {
  let start = 0;
  while (start < line.length && isBlank(line.charCodeAt(start))) start++;
  if (line.includes("\0") || start === line.length || beginsNoName.includes(line.charAt(start))) return [];
  return line.slice(start).split(":");
}

export interface PasswdLine {
  readonly uid: number;
  readonly gid: number;
}

/** undefined: it is no whole line. */
export function parsePasswd(fields: readonly string[]): PasswdLine | undefined {
  const uid = parseId(fields[2]);
  const gid = parseId(fields[3]);
  return uid >= 0 && gid >= 0 ? { uid, gid } : undefined;
}

/** Group id; negative: it is no whole line. */
export function parseGroup(fields: readonly string[]): number {
  return parseId(fields[2]);
}

export function hasMember(fields: readonly string[], user: string): boolean {
  return (fields[3] ?? "").split(",").includes(user);
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
