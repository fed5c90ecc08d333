// What a client does not believe: state that others can have made; and what it leaves alone.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { isRoot, stories } from "../stage.ts";
import { lay, nobody, ours, sleeper, sv } from "./scenes.ts";

const asRoot = { ...ours, skip: isRoot ? false : "only root has others to fear" } as const;

/** A state directory that somebody else has made where root's could be, with all that it takes to be believed. */
async function layTrap(stage: Stage): Promise<Record<string, string>> {
  const trap = "tmp/sv-0/foo";
  stage.file(`${trap}/check`, `#!/bin/sh\nid >${stage.at("pwned")}\n`);
  fs.writeFileSync(stage.at(trap, "status"), Buffer.from("400000006553f10000000000e803000000750001", "hex"));
  stage.file("victim", "root:x:0:0\n");
  fs.symlinkSync(stage.at("victim"), stage.at(trap, "control"));
  stage.fifo(`${trap}/ok`, 0o622);
  for (const name of ["tmp/sv-0", trap, `${trap}/check`, `${trap}/status`, `${trap}/ok`]) {
    fs.chownSync(stage.at(name), nobody.uid, nobody.gid);
  }
  const reader = stage.start("/bin/sh", ["-c", "exec sleep 1000 <>ok"], { cwd: stage.at(trap) });
  await stage.until("somebody reads ok", () => stage.descriptor(reader.pid, 0).endsWith("/ok"));
  return { TMPDIR: stage.at("tmp"), SVDIR: stage.at("sv") };
}

stories("state root", (story) => {
  story(
    "R9 (absent)",
    "a service that is not there is not found in a directory of somebody else, and nothing of that is executed",
    async (stage) => {
      const env = await layTrap(stage);
      fs.mkdirSync(stage.at("sv"));
      for (const word of ["check", "start", "restart", "status", "down"]) {
        const { out, code } = await sv(stage, ["-w", "1", word, "foo"], { env });
        assert.equal(code, 1, word);
        assert.match(out, /^fail: foo: unable to change to service directory: file does not exist\n$/, word);
      }
      assert.ok(!stage.exists("pwned"));
      assert.equal(stage.read("victim"), "root:x:0:0\n");
    },
    asRoot,
  );

  story(
    "R9 (not running)",
    "nor is one that does not run",
    async (stage) => {
      const env = await layTrap(stage);
      lay(stage, { foo: { run: sleeper } });
      fs.mkdirSync(stage.at("sv/foo/supervise"), { mode: 0o700 });
      stage.fifo("sv/foo/supervise/ok");
      for (const word of ["check", "start", "status", "down"]) {
        const { out, code } = await sv(stage, ["-w", "1", word, "foo"], { env });
        assert.deepEqual([out, code], ["fail: foo: runsv not running\n", 1], word);
      }
      assert.ok(!stage.exists("pwned"));
      assert.equal(stage.read("victim"), "root:x:0:0\n");
    },
    asRoot,
  );

  story(
    "R9 (control)",
    "a control that is no fifo is not written to",
    async (stage) => {
      lay(stage, { foo: { run: sleeper } });
      const runsv = await stage.supervise("sv/foo");
      await stage.running("sv/foo");
      stage.file("victim", "root:x:0:0\n");
      fs.unlinkSync(stage.at("sv/foo/supervise/control"));
      fs.symlinkSync(stage.at("victim"), stage.at("sv/foo/supervise/control"));
      const { out, code } = await sv(stage, ["down", "foo"], { env: { SVDIR: stage.at("sv") } });
      assert.deepEqual([out, code], ["warning: foo: supervise/control is not a fifo\n", 1]);
      assert.equal(stage.read("victim"), "root:x:0:0\n");
      runsv.kill("SIGTERM");
    },
    ours,
  );

  story(
    "R22",
    "a client that waits holds nothing of a service open",
    async (stage) => {
      lay(stage, { new: { run: sleeper }, slow: { run: "trap 'sleep 2; exit 0' TERM\nwhile :; do sleep 0.1; done" } });
      await stage.supervise("sv/slow");
      await stage.running("sv/slow");
      const waits = stage.start("sv", ["-w", "20", "restart", "new", "slow"], { env: { SVDIR: stage.at("sv") } });
      await stage.until("it waits", () => waits.out.includes("fail: new: ") || waits.out.includes("warning: new: "));
      const open = stage.descriptors(waits.pid).map((fd) => stage.descriptor(waits.pid, fd));
      assert.deepEqual(
        open.filter((target) => target.endsWith("/run")),
        [],
      );
      assert.equal((await stage.end(waits)).code, 1);
    },
    ours,
  );
});
