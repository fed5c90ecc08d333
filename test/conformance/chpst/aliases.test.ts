// chpst as envdir, envuidgid, pgrphack, setlock, setuidgid and softlimit: spec/chpst.md, section 8.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Alias } from "./scenes.ts";
import {
  accounts,
  assertFails,
  assertIs,
  assertPrints,
  assertUsage,
  became,
  descriptorsOf,
  entries,
  environment,
  essence,
  everyLimit,
  holder,
  limit,
  linkTo,
  nobody,
  onlyVariables,
  ownHardLimit,
  ownMounts,
  release,
  rootOnly,
  runAs,
  session,
  setlockUsage,
  showLimits,
  showStatus,
  showsUsage,
  softLimits,
  softlimitUsage,
  startsAs,
  usageOf,
  waitsForLock,
} from "./scenes.ts";

const silent = { out: "", err: "", code: 0, signal: null };
const showVariables = ["sh", "-c", "echo $UID $GID"];

/** Runs `setlock WORDS lk echo got` while another has the lock: it fails at once, or waits for it. */
async function assertFailsBusy(stage: Stage, words: readonly string[]): Promise<void> {
  const outcome = await runAs(stage, "setlock", [...words, "lk", "echo", "got"]);
  assertFails(outcome, "unable to lock: lk: temporary failure");
}
async function assertWaitsBusy(stage: Stage, words: readonly string[]): Promise<void> {
  const other = await holder(stage);
  const waiting = startsAs(stage, "setlock", [...words, "lk", "echo", "got"]);
  await stage.until("it waits for the lock", () => !waiting.isAlive || waitsForLock(waiting.pid));
  assert.ok(waiting.isAlive, `setlock ${words.join(" ")}: ${waiting.err}`);
  await release(stage, other);
  assertPrints(await stage.end(waiting), "got\n");
}

stories("chpst", (story) => {
  story(96, "envdir wants a directory and a program", async (stage) => {
    environment(stage, {});
    for (const words of [[], ["E"]]) assertUsage(await runAs(stage, "envdir", words), "usage: envdir dir child\n\n");
  });

  story("96b", "each alias wants all its words", async (stage) => {
    const usages: readonly [Alias, readonly string[], string][] = [
      ["setuidgid", [], "usage: setuidgid account child\n\n"],
      ["setuidgid", ["root"], "usage: setuidgid account child\n\n"],
      ["envuidgid", [], "usage: envuidgid account child\n\n"],
      ["envuidgid", ["nosuch"], "usage: envuidgid account child\n\n"],
      ["pgrphack", [], "usage: pgrphack child\n\n"],
      ["setlock", [], setlockUsage],
      ["setlock", ["lk"], setlockUsage],
      ["setlock", ["-nx"], setlockUsage],
      ["setlock", ["-n", "--", "lk"], setlockUsage],
      ["softlimit", ["-o", "5"], softlimitUsage],
      ["softlimit", ["--"], softlimitUsage],
    ];
    for (const [name, words, usage] of usages) assertUsage(await runAs(stage, name, words), usage);
    assert.equal(stage.exists("lk"), false);
  });

  story(97, "envdir does not pass over a directory", async (stage) => {
    environment(stage, { K: "v" });
    fs.mkdirSync(stage.at("E/sub"));
    assertFails(await runAs(stage, "envdir", "E /bin/true"), "unable to read E/sub: is a directory");
  });

  story("97b", "envdir does what -e does", async (stage) => {
    environment(stage, { K: "v \n", "k=v": "c", GONE: "", NL: "\n", NUL: "a\0", ".hid": "x" });
    const outcome = await runAs(stage, "envdir", "E /usr/bin/env -0", { via: onlyVariables("GONE=1", "A=2", "K=3") });
    assert.deepEqual([...entries(outcome.out)].sort(), ["A=2", "K=v", "NL=", "NUL=a\n", "k=v=c"]);
    assertPrints(await runAs(stage, "envdir", "E /bin/pwd -P"), `${stage.dir}\n`);
  });

  story(98, "envdir has no options", async (stage) => {
    assertFails(await runAs(stage, "envdir", "-x true"), "unable to switch to directory: -x: file does not exist");
    assertFails(await runAs(stage, "envdir", "-- true"), "unable to switch to directory: --: file does not exist");
    assertFails(await runAs(stage, "envdir", ["", "true"]), "unable to switch to directory: : file does not exist");
    environment(stage, { K: "v" }, "-v");
    assertPrints(await runAs(stage, "envdir", ["-v", "sh", "-c", "echo $K"]), "v\n");
    assertFails(await runAs(stage, "envdir", "-v -x"), "unable to run: -x: file does not exist");
  });

  story(
    99,
    "setuidgid takes the name of an account, and nothing else",
    async (stage) => {
      const via = accounts(stage);
      assertIs(await runAs(stage, "setuidgid", ["bob", ...showStatus], { via }), 1002, 1003, [1003]);
      assertIs(await runAs(stage, "setuidgid", ["4242", ...showStatus], { via }), 1003, 1004, [1004]);
      for (const account of ["bob:grp", ":1:2", "", "1001", "nosuch", "-x", "--", "bob:", "bob:+", "+"]) {
        assertFails(await runAs(stage, "setuidgid", [account, "id"], { via }), `unknown account: ${account}`);
        assertFails(await runAs(stage, "envuidgid", [account, "id"], { via }), `unknown account: ${account}`);
      }
    },
    ownMounts,
  );

  story(
    "99b",
    "setuidgid is not for ordinary users, envuidgid is",
    async (stage) => {
      const via = accounts(stage, 1001);
      const reason = "unable to setgroups: permission denied";
      assertFails(await runAs(stage, "setuidgid", "alice true", { via }), reason);
      assertFails(await runAs(stage, "setuidgid", "bob true", { via }), reason);
      assertPrints(await runAs(stage, "envuidgid", ["bob", ...showVariables], { via }), "1002 1003\n");
    },
    ownMounts,
  );

  story(
    "99c",
    "without a passwd file nobody is found",
    async (stage) => {
      const via = ["/usr/bin/unshare", "-m", "/bin/sh", "-c", 'mount -t tmpfs none /etc && exec "$@"', "sh"];
      const reason = "unable to get password file entry: file does not exist";
      assertFails(await runAs(stage, "setuidgid", "root true", { via }), reason);
      assertFails(await runAs(stage, "envuidgid", "root true", { via }), reason);
    },
    ownMounts,
  );

  story(
    100,
    "envuidgid sets UID and GID, and changes nobody",
    async (stage) => {
      const via = accounts(stage);
      assertPrints(await runAs(stage, "envuidgid", ["bob", ...showVariables], { via }), "1002 1003\n");
      assertPrints(await runAs(stage, "envuidgid", ["bob", "id", "-u"], { via }), "0\n");
      const inherited = [...via, ...onlyVariables("UID=a", "GID=b", "X=1")];
      const { out } = await runAs(stage, "envuidgid", "bob env -0", { via: inherited });
      assert.deepEqual(entries(out), ["GID=1003", "X=1", "UID=1002"]);
    },
    ownMounts,
  );

  story(101, "pgrphack has no options", async (stage) => {
    assertFails(await runAs(stage, "pgrphack", "-x"), "unable to run: -x: file does not exist");
    assertFails(await runAs(stage, "pgrphack", "-- true"), "unable to run: --: file does not exist");
    assertFails(await runAs(stage, "pgrphack", [""]), "unable to run: : access denied");
  });

  story("101b", "pgrphack makes the program the leader of a session", async (stage) => {
    const running = startsAs(stage, "pgrphack", "sleep 1000");
    await became(stage, running, "sleep");
    assert.deepEqual(session(running.pid), { group: running.pid, session: running.pid });
    running.kill("SIGKILL");
    await stage.end(running);
  });

  story(102, "setlock fails while another has the lock", async (stage) => {
    await holder(stage);
    await assertFailsBusy(stage, []);
  });

  story(103, "setlock waits for the lock for -n", async (stage) => {
    await assertWaitsBusy(stage, ["-n"]);
  });

  story(104, "of setlock's -n and -N the last wins", async (stage) => {
    const other = await holder(stage);
    for (const words of [["-N"], ["-nN"], ["-n", "-N"], ["-nnXN"]]) await assertFailsBusy(stage, words);
    await release(stage, other);
    await assertWaitsBusy(stage, ["-Nn"]);
    await assertWaitsBusy(stage, ["-N", "-xn"]);
  });

  story("104b", "setlock runs the program with the lock, in a file of its owner's", async (stage) => {
    for (const words of ["lk", "-n lk", "-x lk", "-- lk"]) {
      const running = startsAs(stage, "setlock", `${words} sleep 1000`);
      await became(stage, running, "sleep");
      assert.equal(stage.mode("lk"), 0o600);
      await stage.becomes(() => descriptorsOf(stage, running.pid), [0, 1, 2, 3]); // sleep opens its libraries first
      assert.equal(stage.descriptor(running.pid, 3), stage.at("lk"));
      await assertFailsBusy(stage, []);
      running.kill("SIGKILL");
      await stage.end(running);
    }
    assertPrints(await runAs(stage, "setlock", "lk echo -n -x"), "-x");
  });

  story(105, "setlock -x says nothing and ends well when another has the lock", async (stage) => {
    await holder(stage);
    assert.deepEqual(essence(await runAs(stage, "setlock", "-x lk echo got")), silent);
    assert.deepEqual(essence(await runAs(stage, "setlock", "-Xx lk echo got")), silent);
  });

  story(106, "setlock -x says nothing whatever goes wrong, -X takes it back", async (stage) => {
    assert.deepEqual(essence(await runAs(stage, "setlock", "-x /nodir/x true")), silent);
    assert.deepEqual(essence(await runAs(stage, "setlock", "-x lk nosuch")), silent);
    assert.deepEqual(essence(await runAs(stage, "setlock", ["-x", "lk", ""])), silent);
    const unopened = "unable to open lock: /nodir/x: file does not exist";
    assertFails(await runAs(stage, "setlock", "-xX /nodir/x true"), unopened);
    assertFails(await runAs(stage, "setlock", "-x -X /nodir/x true"), unopened);
    assertFails(await runAs(stage, "setlock", "-xX lk nosuch"), "unable to run: nosuch: file does not exist");
    assertFails(await runAs(stage, "setlock", ". true"), "unable to open lock: .: is a directory");
    assert.equal((await runAs(stage, "setlock", ["-x", "lk", "sh", "-c", "exit 7"])).code, 7);
  });

  story(107, "setlock complains about an unknown option", async (stage) => {
    const complaint = `setlock: illegal option -- z\n${setlockUsage}`;
    assertUsage(await runAs(stage, "setlock", "-z lk true"), complaint);
    assertUsage(await runAs(stage, "setlock", "-xz lk true"), complaint);
    assertUsage(await runAs(stage, "setlock", "-V"), complaint.replace("z", "V"));
  });

  story(108, "softlimit takes = for the hard limit", async (stage) => {
    const words = ["-a", "-c", "-d", "-f", "-l", "-o", "-p", "-r", "-s", "-t"].flatMap((option) => [option, "="]);
    const { out } = await runAs(stage, "softlimit", [...words, ...showLimits]);
    for (const name of everyLimit) {
      assert.deepEqual(limit(out, name), { soft: ownHardLimit(name), hard: ownHardLimit(name) }, name);
    }
    const memory = await runAs(stage, "softlimit", ["-o=", "-m=", ...showLimits]);
    const names = ["DATA", "STACK", "MEMLOCK", "AS", "NOFILE"] as const;
    assert.deepEqual(
      softLimits(memory.out, ...names),
      Object.fromEntries(names.map((name) => [name, ownHardLimit(name)])),
    );
  });

  story(
    109,
    "softlimit shows chpst's options for a number that is none",
    async (stage) => {
      for (const letter of ["a", "c", "d", "f", "l", "m", "o", "p", "r", "s", "t"]) {
        for (const value of ["12x", "-1", "==", "=5", "5=", " ", "x"]) {
          assertUsage(await runAs(stage, "softlimit", [`-${letter}`, value, "true"]), usageOf(stage, "softlimit"));
        }
      }
    },
    showsUsage,
  );

  story(110, "softlimit shows its own options for the rest", async (stage) => {
    assertUsage(await runAs(stage, "softlimit", "-z 1 true"), `softlimit: illegal option -- z\n${softlimitUsage}`);
    assertUsage(
      await runAs(stage, "softlimit", "-o"),
      `softlimit: option requires an argument -- o\n${softlimitUsage}`,
    );
    assertUsage(await runAs(stage, "softlimit", []), softlimitUsage);
    assertUsage(await runAs(stage, "softlimit", "-V"), `softlimit: illegal option -- V\n${softlimitUsage}`);
    assertUsage(await runAs(stage, "softlimit", "-v true"), `softlimit: illegal option -- v\n${softlimitUsage}`);
  });

  story(111, "softlimit's limits override each other from left to right", async (stage) => {
    const limits = async (words: string) => {
      const { out } = await runAs(stage, "softlimit", [...words.split(" "), ...showLimits]);
      return softLimits(out, "AS", "DATA", "STACK");
    };
    const two = "2000000000";
    const three = "3000000000";
    assert.deepEqual(await limits(`-m ${two} -a ${three}`), { AS: three, DATA: two, STACK: two });
    assert.deepEqual(await limits(`-a ${three} -m ${two}`), { AS: two, DATA: two, STACK: two });
    assert.deepEqual(await limits(`-s ${two} -s ${three} -d ${two} -a ${two}`), { AS: two, DATA: two, STACK: three });
    assert.deepEqual((await limits(`-m ${two} -a =`)).DATA, two);
    assert.deepEqual((await limits(`-m ${two} -a =`)).AS, ownHardLimit("AS"));
  });

  story("111b", "softlimit has a letter for each limit, and an empty number is 0", async (stage) => {
    const words = "-a 2000000000 -c 7 -d 1900000000 -f 100000 -l 4096 -o 100 -p 1000 -r 9 -s 8000000 -t 50";
    const { out } = await runAs(stage, "softlimit", [...words.split(" "), ...showLimits]);
    assert.deepEqual(softLimits(out, ...everyLimit), {
      DATA: "1900000000",
      STACK: "8000000",
      MEMLOCK: "4096",
      AS: "2000000000",
      NOFILE: "100",
      NPROC: "1000",
      FSIZE: "100000",
      CORE: "7",
      RSS: "9",
      CPU: "50",
    });
    assertPrints(await runAs(stage, "softlimit", ["-c", "", "sh", "-c", "ulimit -Sc"]), "0\n");
    assertFails(await runAs(stage, "softlimit", "-c 1 nosuch"), "unable to run: nosuch: file does not exist");
  });

  story(
    "114d",
    "an alias is an ordinary user's too",
    async (stage) => {
      environment(stage, { K: "v" });
      fs.chmodSync(stage.dir, 0o777);
      for (const name of ["envdir", "setlock", "softlimit", "pgrphack"]) linkTo(stage, name);
      assertPrints(await runAs(stage, "envdir", ["E", "sh", "-c", "echo $K"], nobody), "v\n");
      assertPrints(await runAs(stage, "setlock", "lk echo got", nobody), "got\n");
      assertPrints(await runAs(stage, "softlimit", ["-o", "30", "sh", "-c", "ulimit -n"], nobody), "30\n");
      assertPrints(await runAs(stage, "pgrphack", "echo hi", nobody), "hi\n");
    },
    rootOnly,
  );
});
