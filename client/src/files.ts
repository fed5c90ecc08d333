// The few calls on files that sv makes, from Node. Paths and names are UTF-8. They do not wait for anything, and a state
// directory is in memory or in the cache: so they are made at once, and what is seen fits together.

import * as fs from "node:fs";
import * as os from "node:os";
import { fieldsOf, parsePasswd } from "../../src/core/process/account-lines.ts";
import { statusBytes } from "../../src/core/supervise/status.ts";
import { attempt } from "./error.ts";
import type { Ground, Seen } from "./places.ts";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

const maxPasswdBytes = 1_000_000;

/** This process. */
export function ground(): Ground {
  return {
    uid: process.geteuid?.() ?? 0,
    accountHome: accountHome(),
    environment: (name) => process.env[name] ?? "",
    readlink: (path) => {
      let target = "";
      attempt(() => {
        target = fs.readlinkSync(path);
      });
      return target;
    },
    stat: (path) => seen(() => fs.statSync(path)),
    lstat: (path) => seen(() => fs.lstatSync(path)),
  };
}

function accountHome(): string {
  try {
    return os.userInfo().homedir;
  } catch {
    return ""; // a user without account
  }
}

/** Name of the user a process belongs to; a user without account has a number. */
export function ownerOf(pid: number): string {
  const uid = seen(() => fs.statSync(`/proc/${pid}`))?.uid ?? 0;
  for (const line of readStart("/etc/passwd", maxPasswdBytes).split("\n")) {
    const fields = fieldsOf(line);
    if (parsePasswd(fields)?.uid === uid) return fields[0] ?? "";
  }
  return `${uid}`;
}

function seen(look: () => fs.Stats): Seen | undefined {
  let found: Seen | undefined;
  attempt(() => {
    const stats = look();
    found = { isDirectory: stats.isDirectory(), uid: stats.uid, mode: stats.mode % 0o10000 };
  });
  return found;
}

/** 0: there is something; else -errno. */
export function exists(path: string): number {
  return attempt(() => {
    fs.statSync(path);
  });
}

/** Tells files apart for as long as they are there; "": nothing is there. */
export function identify(path: string): string {
  let identity = "";
  attempt(() => {
    const { dev, ino } = fs.statSync(path, { bigint: true });
    identity = `${dev} ${ino}`;
  });
  return identity;
}

/** Whether somebody has supervise/ok open: 0, or -errno. */
export function tryOk(state: string): number {
  const ok = attempt(() => fs.openSync(`${state}/ok`, O_WRONLY | O_NONBLOCK));
  if (ok >= 0) fs.closeSync(ok);
  return Math.min(ok, 0);
}

/** The bytes of supervise/status, and one more if there are more; or -errno. */
export function readStatusBytes(state: string): Uint8Array | number {
  const bytes = new Uint8Array(statusBytes + 1);
  const fd = attempt(() => fs.openSync(`${state}/status`, O_RDONLY | O_NONBLOCK));
  if (fd < 0) return fd;
  const length = attempt(() => fs.readSync(fd, bytes));
  fs.closeSync(fd);
  return length < 0 ? length : bytes.subarray(0, length);
}

/** The beginning of a small file; "": there is none. */
export function readStart(path: string, maxBytes: number): string {
  const fd = attempt(() => fs.openSync(path, O_RDONLY | O_NONBLOCK));
  if (fd < 0) return "";
  const bytes = new Uint8Array(maxBytes);
  const length = attempt(() => fs.readSync(fd, bytes));
  fs.closeSync(fd);
  return Buffer.from(bytes.subarray(0, Math.max(0, length))).toString("utf8");
}

/** Writes control bytes in one write: 0, -errno, or "not a fifo". */
export function writeControl(state: string, bytes: string): number | "not a fifo" {
  const fd = attempt(() => fs.openSync(`${state}/control`, O_WRONLY | O_NONBLOCK));
  if (fd < 0) return fd;
  try {
    if (!fs.fstatSync(fd).isFIFO()) return "not a fifo";
    return Math.min(
      attempt(() => fs.writeSync(fd, bytes, null, "latin1")),
      0,
    );
  } finally {
    fs.closeSync(fd);
  }
}

/** Entries of a directory, in no order; or -errno. */
export function list(directory: string): string[] | number {
  let names: string[] = [];
  const result = attempt(() => {
    names = fs.readdirSync(directory);
  });
  return result < 0 ? result : names;
}
