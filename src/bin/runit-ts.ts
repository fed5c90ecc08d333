// The one binary. The basename of argv[0] says which program it is; `runit-ts PROGRAM args…` does too.

import { runsv } from "../commands/runsv.ts";
import { PosixSystem } from "../system/posix.ts";
import { launch } from "../system/launch.ts";

function main(): void {
  const system = new PosixSystem();
  const args = system.argv;
  const called = String(args[0] ?? "");
  const name = called.slice(called.lastIndexOf("/") + 1);
  if (name === "runsv") process.exitCode = launch({ run: runsv, failure: 111 }, `runsv ${String(args[1] ?? "")}`, args, system);
}

main();
