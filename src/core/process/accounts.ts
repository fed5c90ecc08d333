// How an account is written: `user`, `user:group:group…`, or in numbers `:uid:gid:gid…`. chpst(8).

import { parseWord } from "../text/numbers.ts";

/** Further groups are ignored in the form of names, as they always were; in numbers they are an error. */
const maxGroups = 60;
/** A last group that stands for all of which the user is a member. No group file can have it: its lines do not begin so. */
const allGroups = "+";

export interface AccountNames {
  readonly kind: "names";
  readonly user: string;
  /** None: the user's own. */
  readonly groups: readonly string[];
  /** Then all groups as well of which the user is a member. */
  readonly withMemberships: boolean;
}

export interface AccountNumbers {
  readonly kind: "numbers";
  readonly uid: number;
  /** The first is the main one. */
  readonly gids: readonly number[];
}

export interface NoAccount {
  readonly kind: "malformed";
}

export type AccountText = AccountNames | AccountNumbers | NoAccount;

export function parseAccount(text: string): AccountText {
  const words = text.split(":");
  if (!text.startsWith(":")) {
    const groups = words.slice(1);
    const withMemberships = groups.length > 0 && groups[groups.length - 1] === allGroups;
    if (withMemberships) groups.pop();
    return { kind: "names", user: String(words[0] ?? ""), groups: groups.slice(0, maxGroups), withMemberships };
  }
  const numbers: number[] = [];
  for (const word of words.slice(1)) {
    const number = parseWord(word);
    if (number === undefined) return { kind: "malformed" };
    numbers.push(number.low); // reduced to 32 bits, as the C type has always done
  }
  const uid = numbers[0];
  if (uid === undefined || numbers.length < 2 || numbers.length > maxGroups + 1) return { kind: "malformed" };
  return { kind: "numbers", uid, gids: numbers.slice(1) };
}
