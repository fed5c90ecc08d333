// The aliases beside daemontools' own programs: spec/chpst.md, section 8.3.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Stage, StartOptions, StoryOptions } from "../stage.ts";
import { missing, referenceRoot, stories } from "../stage.ts";
import type { Alias } from "./scenes.ts";
import {
  accounts,
  assertPrints,
  became,
  daemontools,
  descriptorsOf,
  environment,
  essence,
  holder,
  isLocked,
  ownMounts,
  plainPath,
  release,
  runAs,
  session,
  showLimits,
  showStatus,
  startsAs,
  waitsForLock,
} from "./scenes.ts";

const needsDaemontools: StoryOptions = {
  skip: fs.existsSync(daemontools("envdir")) ? missing("flock") : `needs daemontools in ${referenceRoot}`,
};
function original(stage: Stage, name: Alias, words: readonly string[], options: StartOptions = {}): Promise<Outcome> {
  return stage.end(stage.start(daemontools(name), words, { ...options, env: { ...plainPath, ...options.env } }));
}
/** Both say and do the same, and both do well. */
async function assertAgree(
  stage: Stage,
  name: Alias,
  words: readonly string[],
  options: StartOptions = {},
): Promise<Outcome> {
  const ours = await runAs(stage, name, words, options);
  assert.deepEqual(essence(ours), essence(await original(stage, name, words, options)), words.join(" "));
  assert.equal(ours.code, 0, ours.err);
  return ours;
}
/** Both fail with these codes, each with its own words. */
async function assertFail(
  stage: Stage,
  name: Alias,
  words: readonly string[],
  code: number,
  theirs: number,
): Promise<void> {
  assert.equal((await runAs(stage, name, words)).code, code, `${name} ${words.join(" ")}`);
  assert.equal((await original(stage, name, words)).code, theirs, `daemontools' ${name} ${words.join(" ")}`);
}

stories("chpst", (story) => {
  story(
    "130",
    "envdir and daemontools' agree about every value",
    async (stage) => {
      environment(stage, {
        TRAIL: "trail \t \n",
        LEAD: "  lead\n",
        CR: "cr\r\n",
        NUL: "a\0b\0 \n",
        TN: "p q\t\0\n",
        NL: "\n",
        SPC: "   ",
        TWO: "v1\nv2\n",
        BIG: "x".repeat(5000),
        EMPTY: "",
        GONE: "",
        ".hid": "x",
        "a b": "blank",
        HIGH: Uint8Array.from(Array.from({ length: 128 }, (_, index) => index + 128)),
        K: "new",
      });
      const env = { GONE: "1", K: "old", OTHER: "2" };
      const { out } = await assertAgree(stage, "envdir", ["E", "/bin/cat", "/proc/self/environ"], { env });
      assert.ok(out.includes("TRAIL=trail\0"));
      assert.equal(out.includes("GONE="), false);
    },
    needsDaemontools,
  );

  story(
    "130b",
    "envdir and daemontools' agree about a pipe, an order, and a directory without files",
    async (stage) => {
      environment(stage, {});
      await assertAgree(stage, "envdir", ["E", "/bin/cat", "/proc/self/environ"]);
      environment(stage, { B: "x" });
      const words = ["E", "/bin/cat", "/proc/self/environ"];
      const via = ["/usr/bin/env", "-i", "A=1", "B=2", "C=3", "D=4"];
      assert.equal((await assertAgree(stage, "envdir", words, { via })).out, "A=1\0D=4\0C=3\0B=x\0");
      stage.fifo("E/C");
      assert.equal((await assertAgree(stage, "envdir", words, { via })).out.includes("C="), false);
    },
    needsDaemontools,
  );

  story(
    "131",
    "setuidgid and daemontools' agree about who the program is",
    async (stage) => {
      const via = accounts(stage);
      for (const account of ["alice", "bob", "4242", "root"]) {
        const look = ["sh", "-c", "grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status"];
        const outcome = await assertAgree(stage, "setuidgid", [account, ...look], { via });
        assert.match(outcome.out, /^Uid:/);
      }
      await assertFail(stage, "setuidgid", ["nosuch", ...showStatus], 111, 111);
    },
    ownMounts,
  );

  story(
    "132",
    "envuidgid and daemontools' agree about UID and GID",
    async (stage) => {
      const via = [...accounts(stage), "/usr/bin/env", "-i", "UID=a", "GID=b", "X=1"];
      for (const account of ["alice", "bob", "4242", "root"]) {
        const { out } = await assertAgree(stage, "envuidgid", [account, "/usr/bin/env", "-0"], { via });
        assert.match(out, /(^|\0)UID=\d+\0/);
      }
    },
    ownMounts,
  );

  story(
    "133",
    "softlimit and daemontools' agree about every limit",
    async (stage) => {
      const calls = [
        "-a 2000000000",
        "-c 7",
        "-d 1900000000",
        "-f 100000",
        "-l 4096",
        "-m 2000000000",
        "-o 100",
        "-p 1000",
        "-r 9",
        "-s 8000000",
        "-t 50",
        "-o = -c = -s =",
        "-m 2000000000 -a 3000000000",
        "-a 3000000000 -m 2000000000",
        "-o 1000000000",
        "-o100 -o 50 -c=",
        "-l =",
      ];
      for (const words of calls) await assertAgree(stage, "softlimit", [...words.split(" "), ...showLimits]);
    },
    { ...needsDaemontools, timeoutMilliseconds: 120_000 },
  );

  story(
    "134",
    "pgrphack and daemontools' agree about the session",
    async (stage) => {
      for (const start of [
        () => startsAs(stage, "pgrphack", "sleep 1000"),
        () => stage.start(daemontools("pgrphack"), ["sleep", "1000"]),
      ]) {
        const running = start();
        await became(stage, running, "sleep");
        assert.deepEqual(session(running.pid), { group: running.pid, session: running.pid });
        running.kill("SIGKILL");
        await stage.end(running);
      }
    },
    needsDaemontools,
  );

  story(
    "135",
    "setlock and daemontools' take the same lock",
    async (stage) => {
      const running = startsAs(stage, "setlock", "lk sleep 1000");
      await became(stage, running, "sleep");
      await stage.becomes(() => descriptorsOf(stage, running.pid), [0, 1, 2, 3]);
      assert.equal((await original(stage, "setlock", ["-n", "lk", "echo", "got"])).code, 111);
      running.kill("SIGKILL");
      await stage.end(running);
      const theirs = stage.start(daemontools("setlock"), ["lk", "sleep", "1000"]);
      await became(stage, theirs, "sleep");
      await stage.becomes(() => descriptorsOf(stage, theirs.pid), [0, 1, 2, 3]);
      assert.equal(stage.mode("lk"), 0o600);
      assert.equal((await runAs(stage, "setlock", "lk echo got")).code, 111);
      theirs.kill("SIGKILL");
      await stage.end(theirs);
      assert.equal(isLocked(stage), false);
      await assertAgree(stage, "setlock", ["lk", "echo", "got"]);
    },
    needsDaemontools,
  );

  story(
    "135b",
    "setlock's -n and -N are the reverse of daemontools'",
    async (stage) => {
      for (const [words, theirs] of [
        ["-n", "-N"],
        ["-Nn", "-nN"],
      ] as const) {
        const other = await holder(stage);
        const waiting = [
          startsAs(stage, "setlock", [words, "lk", "echo", "got"]),
          stage.start(daemontools("setlock"), [theirs, "lk", "echo", "got"]),
        ];
        for (const one of waiting) {
          await stage.until("it waits for the lock", () => !one.isAlive || waitsForLock(one.pid));
          assert.ok(one.isAlive, one.err);
        }
        await release(stage, other);
        for (const one of waiting) assertPrints(await stage.end(one), "got\n");
      }
    },
    needsDaemontools,
  );

  story(
    "135c",
    "setlock -x hides what daemontools' -x hides, and a missing program too",
    async (stage) => {
      await assertAgree(stage, "setlock", ["-x", "/nodir/x", "true"]);
      await assertFail(stage, "setlock", ["-X", "/nodir/x", "true"], 111, 111);
      await assertFail(stage, "setlock", ["-x", "lk", "nosuch"], 0, 111);
      await assertFail(stage, "setlock", ["lk", "nosuch"], 111, 111);
    },
    needsDaemontools,
  );

  story(
    "136",
    "wrong usage is 100, for daemontools' envdir 111, and a missing program 111 for both",
    async (stage) => {
      environment(stage, {});
      const names: readonly [Alias, readonly string[]][] = [
        ["envdir", ["E"]],
        ["envuidgid", ["root"]],
        ["setuidgid", ["root"]],
        ["pgrphack", []],
        ["setlock", ["lk"]],
        ["softlimit", ["-c", "0"]],
      ];
      for (const [name, words] of names) {
        await assertFail(stage, name, words, 100, name === "envdir" ? 111 : 100);
        await assertFail(stage, name, [...words, "nosuch"], 111, 111);
      }
    },
    ownMounts.skip ? ownMounts : needsDaemontools,
  );
});
