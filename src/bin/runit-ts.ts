// The one binary. The basename of argv[0] says which program it is; `runit-ts PROGRAM args…` says so too. What is
// called by an unknown name is sv as an init script, as the original is.

import { runsv } from "../commands/runsv.ts";
import { runsvchdir } from "../commands/runsvchdir.ts";
import { runsvdir } from "../commands/runsvdir.ts";
import { sv } from "../commands/sv.ts";
import { svlogd } from "../commands/svlogd.ts";
import { launch } from "../system/launch.ts";
import { PosixSystem } from "../system/posix.ts";
import type { System } from "../system/system.ts";

const self = "runit-ts";
const programs = "runsv runsvchdir runsvdir sv svlogd";

function main(): void {
  const system = new PosixSystem();
  const argv = system.argv;
  if (basename(argv) !== self) {
    process.exitCode = run(argv, system);
    return;
  }
  const args = argv.slice(1);
  if (programs.split(" ").includes(basename(args))) {
    system.dropArgument();
    process.exitCode = run(args, system);
    return;
  }
  system.writeText(2, `usage: ${self} PROGRAM args ...\nprograms: ${programs}\n`);
  process.exitCode = 100;
}

function run(args: readonly string[], system: System): number {
  const directory = String(args[1] ?? "");
  switch (basename(args)) {
    case "runsv":
      return launch({ run: runsv, failure: 111 }, `runsv ${directory}`, args, system);
    case "runsvchdir":
      return launch({ run: runsvchdir, failure: 111 }, String(args[0] ?? ""), args, system);
    case "runsvdir":
      return launch({ run: runsvdir, failure: 100 }, basename(args), args, system);
    case "svlogd":
      return launch({ run: svlogd, failure: 111 }, "svlogd", args, system);
    default:
      return launch({ run: sv, failure: 100 }, basename(args), args, system);
  }
}

function basename(args: readonly string[]): string {
  const called = String(args[0] ?? "");
  return called.slice(called.lastIndexOf("/") + 1);
}

main();
