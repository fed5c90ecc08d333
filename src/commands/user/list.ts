// sv-user list: every service a user has, enabled or not.

import { parseOptions } from "../../core/process/options.ts";
import { quote } from "../../core/supervise/report.ts";
import type { StatusRecord } from "../../core/supervise/status.ts";
import { describeAge, statusBytes } from "../../core/supervise/status.ts";
import { readStatus } from "../../directories/supervised.ts";
import type { System } from "../../system/system.ts";
import { User, usageCode } from "./user.ts";

interface Line {
  readonly name: string;
  readonly isEnabled: boolean;
  /** undefined: it is not supervised. */
  readonly status: StatusRecord | undefined;
  readonly definition: string;
}

export function userList(words: readonly string[], system: System): number {
  const options = parseOptions(words, "", ["--json"]);
  if (options.complaint !== "" || options.endedBy !== "" || options.rest.length > 0) {
    system.writeText(2, "usage: sv-user list [--json]\n");
    return usageCode;
  }
  const user = new User(system);
  const names = [...user.enabled];
  for (const name of user.defined) if (!names.includes(name)) names.push(name);
  names.sort();
  const lines = names.map((name) => lineOf(user, name));
  const now = system.now().seconds;
  user.say(options.given.length > 0 ? describeAll(lines, now) : describeTable(lines, now));
  return 0;
}

function lineOf(user: User, name: string): Line {
  const { system, places } = user;
  const isEnabled = user.isEnabled(name);
  const link = isEnabled ? system.readlink(`${places.scan}/${name}`) : { errno: 1, text: "" };
  const definition = !isEnabled ? user.findDefinition(name) : link.errno === 0 ? link.text : `${places.scan}/${name}`;
  const status = isEnabled ? statusOf(user, name) : undefined;
  return { name, isEnabled, status, definition };
}

function statusOf(user: User, name: string): StatusRecord | undefined {
  return readStatus(user.system, user.stateOf(name), (bytes) => bytes >= statusBytes).status;
}

function describeAll(lines: readonly Line[], now: number): string {
  const objects = lines.map(({ name, isEnabled, status, definition }) =>
    [
      `{"name":${quote(name)}`,
      `"enabled":${isEnabled ? "true" : "false"}`,
      `"state":${quote(stateOf(status))}`,
      `"pid":${status === undefined || status.pid === 0 ? "null" : `${status.pid}`}`,
      `"uptime":${status === undefined ? "null" : describeAge(status, now)}`,
      `"definition":${quote(definition)}}`,
    ].join(","),
  );
  return `[${objects.join(",\n ")}]\n`;
}

function describeTable(lines: readonly Line[], now: number): string {
  let width = 4;
  for (const { name } of lines) width = Math.max(width, name.length);
  let text = "";
  for (const { name, isEnabled, status, definition } of lines) {
    const pid = status === undefined || status.pid === 0 ? "-" : `${status.pid}`;
    const age = status === undefined ? "-" : `${describeAge(status, now)}s`;
    const enabled = isEnabled ? "enabled " : "disabled";
    text += `${name.padEnd(width)}  ${enabled}  ${stateOf(status).padEnd(6)}  ${pid.padStart(7)}  ${age.padStart(8)}  ${definition}\n`;
  }
  return text;
}

function stateOf(status: StatusRecord | undefined): string {
  return status?.phase ?? "down";
}
