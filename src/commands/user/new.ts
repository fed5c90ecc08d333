// sv-user new: a definition for a command.

import { whyNoName } from "../../core/supervise/names.ts";
import { describeError, ENOENT } from "../../core/text/errors.ts";
import { isAbsolute } from "../../core/text/paths.ts";
import { quoteForShell } from "../../core/text/shell.ts";
import { makeAbove } from "../../directories/state-root.ts";
import { SystemError } from "../../system/errors.ts";
import type { System } from "../../system/system.ts";
import { User, usageCode } from "./user.ts";

export function userNew(words: readonly string[], system: System): number {
  const name = words[0];
  const command = words[1] === "--" ? words.slice(2) : words.slice(1);
  const first = command[0];
  if (name === undefined || name.startsWith("-") || first === undefined) {
    system.writeText(2, "usage: sv-user new NAME [--] COMMAND [ARG ...]\n");
    return usageCode;
  }
  const user = new User(system);
  const wrong = whyNoName(name);
  if (wrong !== "") {
    user.complain(`sv-user: new: ${wrong}\n`);
    return 1;
  }
  const directory = `${user.places.conf}/${name}`;
  const path = `${directory}/run`;
  const found = system.stat(path, false);
  if (found.errno !== ENOENT) {
    user.complain(`sv-user: new: ${path}: ${found.errno === 0 ? "is there already" : describeError(found.errno)}\n`);
    return 1;
  }
  const above = makeAbove(system, path);
  if (above < 0) throw new SystemError(`unable to create ${directory}`, -above);
  // Its working directory will be another one.
  const program = first.includes("/") && !isAbsolute(first) ? `${system.currentDirectory().text}/${first}` : first;
  const line = [program, ...command.slice(1)].map((word) => quoteForShell(word)).join(" ");
  const written = system.replaceText(`${path}.new`, path, `#!/bin/sh\nexec 2>&1\nexec ${line}\n`, 0o755);
  if (written < 0) throw new SystemError(`unable to write ${path}`, -written % 1000);
  user.say(`${path}\n`);
  return 0;
}
