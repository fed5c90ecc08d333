// Where a service's log is.

import * as fs from "node:fs";
import { baseName } from "../../src/core/process/names.ts";
import { leadingNumber } from "../../src/core/text/numbers.ts";
import { attempt, ServiceError } from "./error.ts";
import { ground, readStart } from "./files.ts";
import { defaultLogDirectory } from "./places.ts";
import type { ScanDirectory } from "./supervised.ts";

/** The directory with its `current`: the one its svlogd was given, else one where they usually are. Throws ServiceError. */
export function findLogDirectory(scan: ScanDirectory, service: string): string {
  const definition = scan.read(service).place.directory;
  const candidates = [
    ...ownDirectories(scan, service),
    `${definition}/log/main`,
    `${definition}/log`,
    defaultLogDirectory(ground(), service),
  ];
  const found = candidates.find((path) => isLogDirectory(path));
  if (found === undefined) throw new ServiceError("no log", service, `fail: ${service}: there is no log of it`);
  return found;
}

function isLogDirectory(path: string): boolean {
  return attempt(() => (fs.statSync(`${path}/current`).isFile() ? 0 : -1)) === 0;
}

/** What stands on the command line of its svlogd. */
function ownDirectories(scan: ScanDirectory, service: string): readonly string[] {
  const pid = leadingNumber(readStart(`${logState(scan, service)}/pid`, 20));
  const argv = pid === 0 ? [] : readStart(`/proc/${pid}/cmdline`, 4096).split("\0");
  if (baseName(argv[0] ?? "") !== "svlogd") return [];
  const here = ground().readlink(`/proc/${pid}/cwd`);
  const words = argv.slice(1).filter((word) => word !== "" && !word.startsWith("-"));
  return words.map((word) => (word.startsWith("/") ? word : `${here}/${word}`));
}

/** Its log service may be one that runsv makes, which has no directory. */
function logState(scan: ScanDirectory, service: string): string {
  const { state, isApart } = scan.read(service).place;
  if (isApart) return `${state}.log`;
  try {
    return scan.read(`${service}/log`).place.state;
  } catch (error: unknown) {
    if (error instanceof ServiceError) return "";
    throw error;
  }
}
