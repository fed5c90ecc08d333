// How an account is written: `user`, `user:group:group…`, or in numbers `:uid:gid:gid…`. chpst(8).

/** Further groups are ignored in the form of names, as they always were; in numbers they are an error. */
const maxGroups = 60;
/** A last group that stands for all of which the user is a member. No group file can have it: its lines do not begin so. */
const allGroups = "+";
const numbersBelow = 4294967296;

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
    const number = parseWrapping(word);
    if (number < 0) return { kind: "malformed" };
    numbers.push(number);
  }
  const uid = numbers[0];
  if (uid === undefined || numbers.length < 2 || numbers.length > maxGroups + 1) return { kind: "malformed" };
  return { kind: "numbers", uid, gids: numbers.slice(1) };
}

/** Decimal digits, reduced to 32 bits as the C type has always done; none: 0. Negative: something else. */
function parseWrapping(word: string): number {
  let id = 0;
  for (let i = 0; i < word.length; i++) {
    const digit = word.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    id = (id * 10 + digit) % numbersBelow;
  }
  return id;
}
