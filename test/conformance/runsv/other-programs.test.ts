// Programs of others that meet runsv at its directory: daemontools' clients, and runit's own sv.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stage } from "../stage.ts";
import { referenceRoot, stories } from "../stage.ts";
import { exits, lines, recorder, signals, stat, staysDown, superviseRecorder } from "./scripts.ts";

const original = (name: string) => path.join(referenceRoot, "usr/bin", name);
const absent = (...names: string[]): string | false =>
  names.some((name) => !fs.existsSync(original(name))) && "needs the reference programs (scripts/fetch-reference)";

/** Runs an original program, which has to exit with 0, and answers what it said. */
async function ask(stage: Stage, program: string, ...args: string[]): Promise<string> {
  const { out, err, code } = await stage.end(stage.start(original(program), args));
  assert.deepEqual({ err, code }, { err: "", code: 0 }, `${program} ${args.join(" ")}`);
  return out;
}

stories("runsv", (story) => {
  story(
    108,
    "daemontools' svok, svstat and svc work",
    async (stage) => {
      stage.service("svc", { run: recorder({ first: "rm -f end" }) });
      const { runsv, pid } = await superviseRecorder(stage, "svc");
      const says = async (pattern: RegExp) => assert.match(await ask(stage, "svstat", "svc"), pattern);
      await ask(stage, "svok", "svc");
      await says(new RegExp(`^svc: up \\(pid ${pid}\\) \\d+ seconds\\n$`));

      await ask(stage, "svc", "-p", "svc");
      await stat(stage, "svc", "run, paused");
      await says(new RegExp(`^svc: up \\(pid ${pid}\\) \\d+ seconds, paused\\n$`));
      await ask(stage, "svc", "-c", "svc");
      await stat(stage, "svc", "run");
      await signals(stage, "svc", "CONT");

      await ask(stage, "svc", "-d", "svc");
      await signals(stage, "svc", "CONT TERM CONT");
      await stat(stage, "svc", "run, got TERM, want down");
      await says(new RegExp(`^svc: up \\(pid ${pid}\\) \\d+ seconds, want down\\n$`));
      stage.file("svc/end", "");
      await staysDown(stage, "svc");
      await says(/^svc: down \d+ seconds, normally up\n$/);

      await ask(stage, "svc", "-o", "svc");
      const again = await stage.running("svc");
      await signals(stage, "svc", "CONT TERM CONT ready");
      await says(new RegExp(`^svc: up \\(pid ${again}\\) \\d+ seconds, want down\\n$`));

      await ask(stage, "svc", "-x", "svc");
      await signals(stage, "svc", "CONT TERM CONT ready TERM CONT");
      stage.file("svc/end", "");
      await exits(stage, runsv);
      const { code } = await stage.end(stage.start(original("svok"), ["svc"]));
      assert.equal(code, 100);
    },
    { skip: absent("svok", "svstat", "svc") },
  );

  story(
    110,
    "finish may call sv on its own service",
    async (stage) => {
      stage.service("svc", {
        run: "echo start >>starts\nexit 3",
        finish: `${original("sv")} d ${"$PWD"} >said 2>&1\necho $? >>ends`,
      });
      await stage.supervise("svc");
      await stage.becomes(() => lines(stage, "svc/ends"), ["0"]);
      await staysDown(stage, "svc");
      assert.deepEqual(lines(stage, "svc/starts"), ["start"]);
      assert.equal(stage.stat("svc"), "down");
      assert.equal(stage.read("svc/said"), "");
    },
    { skip: absent("sv") },
  );
});
