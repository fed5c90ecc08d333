// softlimit(8): runs a program with lower limits.

import { resourcesOf } from "../core/process/limits.ts";
import { baseName, toolName } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { parseWord } from "../core/text/numbers.ts";
import { candidates, execute } from "../system/execute.ts";
import type { Bound } from "../system/limits.ts";
import { setLimits } from "../system/limits.ts";
import type { System } from "../system/system.ts";
import { chpstSyntax } from "./chpst.ts";

const syntax =
  " [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] [-m membytes] [-o openfiles] " +
  "[-p processes] [-r residentbytes] [-s stackbytes] [-t cpusecs] child\n\n";

export function softlimit(args: readonly string[], system: System): number {
  const called = String(args[0] ?? "");
  const options = parseOptions(args.slice(1), "a:c:d:f:l:m:o:p:r:s:t:", []);
  const bounds: Bound[] = [];
  for (const { letter, value } of options.given) {
    const wanted = value === "=" ? undefined : parseWord(value);
    if (wanted === undefined && value !== "=") {
      system.writeText(2, `usage: ${toolName(called)}${chpstSyntax}`); // the original's: it has but one parser of numbers
      return 100;
    }
    for (const resource of resourcesOf(letter)) bounds.push({ resource, wanted });
  }
  if (options.complaint !== "") system.writeText(2, `${baseName(called)}: ${options.complaint}\n`);
  const program = options.rest[0];
  if (program === undefined) {
    system.writeText(2, `usage: ${toolName(called)}${syntax}`);
    return 100;
  }
  const files = candidates(program, system.environment("PATH"));
  setLimits(system, bounds);
  return execute(system, files, args.length - options.rest.length, program);
}
