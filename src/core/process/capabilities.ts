// Capabilities by their names (capabilities(7)), with or without cap_, in either case; by number; or all of them.

import { parseSigned } from "../text/numbers.ts";

/** More than there are, now and for a while. */
const maxCapabilities = 64;

/** The number of each is its place. */
function names(): string {
  return (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
    "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct " +
    "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap " +
    "mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
  );
}

export interface CapabilityList {
  readonly numbers: readonly number[];
  /** All of them were asked for: those that the system does not know are passed over. */
  readonly isAll: boolean;
  readonly isKnown: boolean;
  /** Unless all is known: the first word that names none. */
  readonly unknown: string;
}

/** @param text names, numbers and `all`, separated by commas */
export function parseCapabilities(text: string): CapabilityList {
  const known = names().split(" ");
  const numbers: number[] = [];
  let unknown = "";
  let isKnown = true;
  let isAll = false;
  for (const word of text.split(",")) {
    const name = inLowerCase(word);
    if (name === "all") {
      isAll = true;
      for (let number = 0; number < maxCapabilities; number++) numbers.push(number);
      continue;
    }
    const value = parseSigned(`+${name}`, maxCapabilities);
    const number = value ?? known.indexOf(name.startsWith("cap_") ? name.slice(4) : name);
    if (number >= 0 && number < maxCapabilities) numbers.push(number);
    else if (isKnown) {
      isKnown = false;
      unknown = word;
    }
  }
  return { numbers, isAll, isKnown, unknown };
}

/** A to Z only. (toLowerCase would bring the tables of Unicode into the binary.) */
function inLowerCase(word: string): string {
  let lower = "";
  for (let i = 0; i < word.length; i++) {
    const code = word.charCodeAt(i);
    lower += code >= 65 && code <= 90 ? String.fromCharCode(code + 32) : word.charAt(i);
  }
  return lower;
}
