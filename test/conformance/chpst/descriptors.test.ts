// Standard descriptors, sessions, and what is done in which order: spec/chpst.md, sections 3 and 4.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { missing, shell, stories } from "../stage.ts";
import {
  assertFails,
  assertPrints,
  became,
  chpst,
  descriptorsOf,
  environment,
  essence,
  needsTracing,
  runAs,
  session,
  starts,
} from "./scenes.ts";

/** The stages of one run of chpst with everything, as strace saw them. */
async function steps(stage: Stage, words: readonly string[]): Promise<readonly string[]> {
  const calls = "setsid,chdir,fchdir,chroot,setpriority,setgroups,setgid,setresgid,setuid,setresuid,flock,close,execve";
  const via = ["/usr/bin/strace", "-o", stage.at("trace"), "-e", `trace=${calls},setrlimit,prlimit64,open,openat`];
  await chpst(stage, words, { via });
  const all = stage
    .read("trace")
    .split("\n")
    .map(stepOf)
    .filter((step) => step !== "");
  return all.slice(1); // without the start of chpst itself
}
function stepOf(line: string): string {
  const [, call = "", rest = ""] = /^(\w+)\((.*)$/.exec(line) ?? [];
  if (call === "close") return /^[012]\) += 0/.test(rest) ? `close ${rest[0]}` : "";
  if (call === "open" || call === "openat") return /"(lk)"/.exec(rest)?.[1] === undefined ? "" : "open lk";
  if (call === "prlimit64" || call === "setrlimit") {
    const [, name, value] = /RLIMIT_(\w+), \{/.exec(rest) ?? [];
    return name === undefined || /NULL, \{/.test(rest) ? "" : `limit ${name}${value ?? ""}`;
  }
  if (call === "chdir" || call === "chroot") return `${call} ${/"(.*?)"/.exec(rest)?.[1]}`;
  return call.replace("setres", "set").replace("setpriority", "nice");
}

stories("chpst", (story) => {
  story(84, "a descriptor that is closed already cannot be closed", async (stage) => {
    const closed = (number: number) => ({ via: shell(`exec ${number}${number === 0 ? "<" : ">"}&-`) });
    const reason = (name: string) => `unable to close ${name}: file descriptor not open`;
    assertFails(await chpst(stage, "-0 true", closed(0)), reason("stdin"));
    assertFails(await chpst(stage, "-1 true", closed(1)), reason("stdout"));
    const silent = { out: "", err: "", code: 111, signal: null };
    assert.deepEqual(essence(await chpst(stage, "-2 true", closed(2))), silent);
    assert.deepEqual(essence(await chpst(stage, "-012 true", closed(0))), {
      ...silent,
      err: `chpst: fatal: ${reason("stdin")}\n`,
    });
  });

  story(85, "after -2 a failure is silent", async (stage) => {
    const silent = { out: "", err: "", code: 111, signal: null };
    assert.deepEqual(essence(await chpst(stage, "-2 nosuch")), silent);
    assert.deepEqual(essence(await chpst(stage, "-012 nosuch")), silent);
    assertFails(await chpst(stage, "-01 nosuch"), "unable to run: nosuch: file does not exist");
    assertFails(await chpst(stage, "-2 -L /nodir/x true"), "unable to open lock: /nodir/x: file does not exist");
  });

  story(86, "-0, -1 and -2 close what they are named for", async (stage) => {
    const echo = await chpst(stage, ["-1", "sh", "-c", "echo x"]);
    assert.equal(echo.out, "");
    assert.notEqual(echo.code, 0);
    const expected = [
      ["-0", [1, 2]],
      ["-1", [0, 2]],
      ["-2", [0, 1]],
      ["-012", []],
      ["-2 -0", [1]],
      ["-000", [1, 2]],
    ] as const;
    for (const [words, left] of expected) {
      const running = starts(stage, `${words} sleep 1000`);
      await became(stage, running, "sleep");
      // sleep itself opens nothing that it keeps
      await stage.becomes(() => descriptorsOf(stage, running.pid), [...left]);
      running.kill("SIGKILL");
      await stage.end(running);
    }
  });

  story("86b", "what was closed stays closed", async (stage) => {
    environment(stage, { K: "v" });
    for (const words of ["sleep 1000", "-v sleep 1000", "-e E -U nobody -n 0 sleep 1000"]) {
      const running = starts(stage, words, { via: shell("exec <&- >&- 2>&-") });
      await became(stage, running, "sleep");
      await stage.becomes(() => descriptorsOf(stage, running.pid), []);
      running.kill("SIGKILL");
      await stage.end(running);
    }
    const silent = { out: "", err: "", code: 111, signal: null };
    assert.deepEqual(essence(await chpst(stage, "nosuch", { via: shell("exec 2>&-") })), silent);
    assert.equal((await chpst(stage, "-x", { via: shell("exec 2>&-") })).code, 100);
    const closed = await chpst(stage, "-e E -0 true", { via: shell("exec <&-") });
    assertFails(closed, "unable to close stdin: file descriptor not open");
  });

  story("86c", "a shortage of descriptors is reported", async (stage) => {
    environment(stage, { K: "v" });
    const four = { via: shell("ulimit -n 4") };
    const reason = "unable to open directory: E: process cannot open more files";
    assertFails(await chpst(stage, "-e E true", four), reason);
    assertFails(await chpst(stage, "-e nodir true", four), "unable to switch to directory: nodir: file does not exist");
  });

  story(94, "-P makes the program the leader of a session", async (stage) => {
    const running = starts(stage, "-P sleep 1000");
    await became(stage, running, "sleep");
    assert.deepEqual(session(running.pid), { group: running.pid, session: running.pid });
    running.kill("SIGTERM");
    assert.equal((await stage.end(running)).signal, "SIGTERM");
    const plain = starts(stage, "sleep 1000");
    await became(stage, plain, "sleep");
    assert.deepEqual(session(plain.pid), session(process.pid));
    plain.kill("SIGTERM");
  });

  story(
    95,
    "-P leaves the leader of a process group where it is",
    async (stage) => {
      for (const words of ["-P sleep 1000", "-Pv sleep 1000"]) {
        const leader = starts(stage, words, { via: ["perl", "-e", "setpgrp(0, 0); exec @ARGV"] });
        await became(stage, leader, "sleep");
        assert.deepEqual(session(leader.pid), { group: leader.pid, session: session(process.pid).session });
        assert.equal(leader.err, "");
        leader.kill("SIGTERM");
      }
      const alias = await runAs(stage, "pgrphack", "echo hi", { via: ["perl", "-e", "setpgrp(0, 0); exec @ARGV"] });
      assertPrints(alias, "hi\n");
    },
    { skip: missing("perl") },
  );

  story(
    117,
    "does what all its options ask for in one order, whatever theirs",
    async (stage) => {
      environment(stage, { K: "v" });
      fs.mkdirSync(stage.at("R/d"), { recursive: true });
      fs.chmodSync(stage.at("R"), 0o777);
      fs.chmodSync(stage.at("R/d"), 0o777);
      const limits = ["-m2000000000", "-d1900000000", "-o50", "-p1000", "-f100000", "-c7", "-r9", "-t50"];
      const options = [
        ["-P"],
        ["-e", "E"],
        ["-/", "R"],
        ...(stage.isOurs ? [["-C", "d"]] : []),
        ["-n", "1"],
        ["-U", ":5:6"],
        ["-u", ":1001:1002"],
        ["-l", "lk"],
        ["-0"],
        ["-1"],
        ...limits.map((word) => [word]),
        ["-b", "name"],
        ["-v"],
      ];
      const expected = [
        "setsid",
        "chdir E",
        "fchdir",
        "chdir R",
        "chroot .",
        ...(stage.isOurs ? ["chdir d"] : []),
        "nice",
        "setgroups",
        "setgid",
        "setuid",
        "open lk",
        "flock",
        "close 0",
        "close 1",
        ...["DATA", "STACK", "MEMLOCK", "AS", "NOFILE", "NPROC", "FSIZE", "CORE", "RSS", "CPU"].map(
          (name) => `limit ${name}`,
        ),
        "execve",
      ];
      const middle = [...options.slice(8), ...options.slice(0, 8)];
      for (const order of [options, options.toReversed(), middle]) {
        const seen = await steps(stage, [...order.flat(), "/nosuch"]);
        assert.deepEqual(seen.slice(seen.indexOf("setsid")), expected);
      }
    },
    { ...needsTracing, timeoutMilliseconds: 120_000 },
  );

  story("117b", "with no options does nothing but run the program", async (stage) => {
    assertPrints(await chpst(stage, "echo hi"), "hi\n");
    if (needsTracing.skip) return;
    const seen = await steps(stage, ["/nosuch"]);
    assert.deepEqual(seen.slice(seen.lastIndexOf("execve")), ["execve"]);
    assert.deepEqual(
      seen.filter((step) => step !== "execve"),
      [],
    );
  });
});
