// Nice values and resource limits: spec/chpst.md, section 4.
import assert from "node:assert/strict";
import * as os from "node:os";
import type { Stage } from "../stage.ts";
import { shell, stories } from "../stage.ts";
import type { LimitName } from "./scenes.ts";
import {
  assertFails,
  assertPrints,
  assertUsage,
  atMost,
  chpst,
  environment,
  everyLimit,
  hardLimits,
  limit,
  nobody,
  ownHardLimit,
  plainPath,
  rootOnly,
  runAs,
  showLimits,
  showsUsage,
  softLimits,
  usageOf,
} from "./scenes.ts";

const nice = os.getPriority();
const showNoFile = ["sh", "-c", "ulimit -Sn; ulimit -Hn"];
/** Soft 40, hard 80. */
const fortyOfEighty = { via: shell("ulimit -Sn 40; ulimit -Hn 80") };

async function limited(stage: Stage, words: string): Promise<string> {
  const outcome = await chpst(stage, [...words.split(" "), ...showLimits]);
  assert.equal(outcome.err, "");
  return outcome.out;
}

stories("chpst", (story) => {
  story(
    23,
    "-n adds to the nice value",
    async (stage) => {
      const via = ["/usr/bin/nice", "-n", "3"];
      assertPrints(await chpst(stage, "-n 4 nice", { via }), `${Math.min(nice + 7, 19)}\n`);
      assertPrints(await chpst(stage, "-n -2 nice", { via }), `${nice + 1}\n`);
      assertPrints(await chpst(stage, "-n-2 nice", { via }), `${nice + 1}\n`);
      assertPrints(await chpst(stage, "-n +2 nice", { via }), `${Math.min(nice + 5, 19)}\n`);
    },
    rootOnly,
  );

  story(
    24,
    "-n goes no further than 19 and -20",
    async (stage) => {
      assertPrints(await chpst(stage, "-n 100 nice"), "19\n");
      assertPrints(await chpst(stage, "-n -100 nice"), "-20\n");
    },
    rootOnly,
  );

  story(25, "-n takes a sign without digits, and nothing at all, for 0", async (stage) => {
    for (const value of ["+", "-", "", "0", "-0", "+000"]) {
      assertPrints(await chpst(stage, ["-n", value, "nice"]), `${nice}\n`);
    }
  });

  story(
    26,
    "-n wants a number",
    async (stage) => {
      for (const value of ["x", "++5", "+-5", "--5", "5x", "5 ", " 5", "1.5", "0x1"]) {
        assertUsage(await chpst(stage, ["-n", value, "true"]), usageOf(stage));
      }
    },
    showsUsage,
  );

  story(
    "26b",
    "-n counts modulo 2 to the 32nd",
    async (stage) => {
      const expected = [
        ["4294967296", nice],
        ["4294967301", nice + 5],
        ["18446744073709551621", nice + 5],
        ["36893488147419103237", nice + 5],
        ["-4294967297", nice - 1],
        ["-18446744073709551615", nice + 1],
        ["2147483647", 19],
        ["-2147483649", 19],
        ["2147483648", -20],
        ["-2147483648", -20],
      ] as const;
      for (const [increment, result] of expected) {
        const outcome = await chpst(stage, ["-n", increment, "nice"]);
        assertPrints(outcome, `${Math.max(-20, Math.min(result, 19))}\n`);
      }
      assertFails(await chpst(stage, "-n 2147483648 true", nobody), "unable to set nice level: permission denied");
    },
    rootOnly,
  );

  story(
    27,
    "an ordinary user may not lower the nice value",
    async (stage) => {
      assertFails(await chpst(stage, "-n -1 true", nobody), "unable to set nice level: permission denied");
      assertPrints(await chpst(stage, "-n 1 nice", nobody), `${Math.min(nice + 1, 19)}\n`);
    },
    rootOnly,
  );

  story(
    "27b",
    "a nice value of -1 is no error",
    async (stage) => {
      assertPrints(await chpst(stage, ["-n", `${-1 - nice}`, "nice"]), "-1\n");
      const via = ["/usr/bin/nice", "-n", `${-2 - nice}`];
      assertPrints(await chpst(stage, "-n 1 nice", { via }), "-1\n");
    },
    rootOnly,
  );

  story(
    28,
    "a limit wants a number",
    async (stage) => {
      for (const letter of ["m", "d", "o", "p", "f", "c", "r", "t"]) {
        for (const value of ["12x", "-1", "=", "10k", " 5", "+5", "0x10"]) {
          assertUsage(await chpst(stage, [`-${letter}`, value, "true"]), usageOf(stage));
        }
      }
    },
    showsUsage,
  );

  story("28b", "a limit without digits is 0", async (stage) => {
    for (const value of ["", "0", "00000"]) {
      assertPrints(await chpst(stage, ["-c", value, "-f", value, "sh", "-c", "ulimit -Sc; ulimit -Sf"]), "0\n0\n");
    }
  });

  story("28c", "a limit wraps at 2 to the 64th", async (stage) => {
    assertPrints(await chpst(stage, ["-o", "18446744073709551666", "sh", "-c", "ulimit -n"]), "50\n");
    assertPrints(await chpst(stage, ["-o", "00000000000000000000000000050", "sh", "-c", "ulimit -n"]), "50\n");
  });

  story(29, "the last of a limit wins", async (stage) => {
    assertPrints(await chpst(stage, ["-o", "50", "-o", "60", "sh", "-c", "ulimit -n"]), "60\n");
    assertPrints(await chpst(stage, ["-o60", "-o", "50", "sh", "-c", "ulimit -n"]), "50\n");
  });

  story(30, "a limit moves within the hard limit, which stays", async (stage) => {
    assertPrints(await chpst(stage, ["-o", "60", ...showNoFile], fortyOfEighty), "60\n80\n");
    assertPrints(await chpst(stage, ["-o", "100", ...showNoFile], fortyOfEighty), "80\n80\n");
    assertPrints(await chpst(stage, ["-o", "20", ...showNoFile], fortyOfEighty), "20\n80\n");
    assertPrints(await chpst(stage, ["-o", "80", ...showNoFile], fortyOfEighty), "80\n80\n");
  });

  story(31, "limits from 2 to the 63rd are odd", async (stage) => {
    const expected = [
      ["18446744073709551615", "80\n80\n"],
      ["18446744073709551614", "40\n80\n"],
      ["9223372036854775808", "40\n80\n"],
      ["9223372036854775807", "80\n80\n"],
      ["4294967296", "80\n80\n"],
    ] as const;
    for (const [value, limits] of expected) {
      assertPrints(await chpst(stage, ["-o", value, ...showNoFile], fortyOfEighty), limits);
    }
  });

  story(32, "-m limits data, stack, locked memory and address space", async (stage) => {
    const text = await limited(stage, "-m 2000000000");
    assert.deepEqual(softLimits(text, "DATA", "STACK", "MEMLOCK", "AS"), {
      DATA: atMost(2e9, ownHardLimit("DATA")),
      STACK: atMost(2e9, ownHardLimit("STACK")),
      MEMLOCK: atMost(2e9, ownHardLimit("MEMLOCK")),
      AS: atMost(2e9, ownHardLimit("AS")),
    });
    assert.deepEqual(hardLimits(text), everyLimit.map(ownHardLimit));
  });

  story(33, "the later of -m and -d decides about data", async (stage) => {
    const later = await limited(stage, "-m 2000000000 -d 1000000000");
    assert.deepEqual(softLimits(later, "DATA", "AS"), { DATA: "1000000000", AS: "2000000000" });
    const earlier = await limited(stage, "-d 1000000000 -m 2000000000");
    assert.deepEqual(softLimits(earlier, "DATA", "AS"), { DATA: "2000000000", AS: "2000000000" });
  });

  story(34, "each limit has its letter", async (stage) => {
    const text = await limited(stage, "-o 100 -p 1000 -f 100000 -c 7 -r 9 -t 50 -d 800000000");
    const expected: Partial<Record<LimitName, string>> = {
      NOFILE: "100",
      NPROC: "1000",
      FSIZE: "100000",
      CORE: "7",
      RSS: "9",
      CPU: "50",
      DATA: "800000000",
    };
    const names = Object.keys(expected) as LimitName[];
    assert.deepEqual(softLimits(text, ...names), expected);
    assert.deepEqual(hardLimits(text), everyLimit.map(ownHardLimit));
    const plain = (await stage.run("/bin/cat", ["/proc/self/limits"])).out;
    for (const name of everyLimit) {
      if (!names.includes(name)) assert.deepEqual(limit(text, name), limit(plain, name), name);
    }
  });

  story("34b", "-v has nothing to say about limits", async (stage) => {
    assertPrints(await chpst(stage, "-v -m 2000000000 -o 100 -p 1000 -f 1000 -c 7 -r 9 -t 50 echo hi"), "hi\n");
  });

  story(35, "-t ends a program that takes too much time", async (stage) => {
    const outcome = await chpst(stage, ["-t", "1", "sh", "-c", "while :; do :; done"]);
    assert.equal(outcome.signal, "SIGXCPU");
  });

  story(36, "-f ends a program that writes too much", async (stage) => {
    const outcome = await chpst(stage, ["-f", "3", "sh", "-c", "echo abcdef >f"]);
    assert.equal(outcome.signal, "SIGXFSZ");
    assert.equal(stage.read("f"), "abc");
  });

  story("36b", "limits hold for the start of the program too", async (stage) => {
    const outcome = await chpst(stage, "-m 4096 true");
    assert.ok(outcome.signal === "SIGKILL" || outcome.signal === "SIGSEGV" || outcome.code !== 0, `${outcome.code}`);
  });

  story("36d", "the smallest limits do not keep chpst from saying what is wrong", async (stage) => {
    environment(stage, Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`K${index}`, `value ${index}`])));
    const PATH = Array.from({ length: 2000 }, (_, index) => `/nodir${index}`).join(":");
    for (const words of ["-m 0", "-d 0", "-m 0 -o 0 -p 0 -f 0 -c 0 -r 0", "-e E -m 0", "-v -e E -d 5"]) {
      const outcome = await chpst(stage, `${words} nosuch`, { env: { PATH } });
      assertFails(outcome, "unable to run: nosuch: file does not exist");
    }
    for (const words of ["-m 0", "-o 1 -s 0", "-d 0"]) {
      const outcome = await runAs(stage, "softlimit", `${words} nosuch`, { env: { PATH } });
      assertFails(outcome, "unable to run: nosuch: file does not exist");
    }
  });

  story("36e", "with the smallest limits it finds the memory for words of any number and length", async (stage) => {
    environment(stage, { K: "v \t\nsecond", EMPTY: "", "a b": "c" });
    const program = `'${stage.program("chpst")}'`;
    const calls: string[] = [];
    for (const options of ["-m '' -eE -vvn -0", "-m 0 -e E -v", "-d 0 -eE", "-vv -m ''"]) {
      for (let length = 0; length < 64; length++) {
        calls.push(`${program} ${options} - sh -c '${"x".repeat(length)}'`, `${program} ${options} -`);
        calls.push(`UID=u K=old ${program} ${options} - sh -c 'echo ${"x ".repeat(length)}'`);
      }
    }
    stage.file("script", `#!/bin/sh\n${calls.join("\n")}\n:`);
    const { err } = await stage.run(stage.at("script"), [], { onlyEnv: plainPath });
    assert.deepEqual(
      err.split("\n").filter((line) => line !== "chpst: fatal: unable to run: -: file does not exist"),
      [""],
    );
    assert.equal(err.split("\n").length, calls.length + 1);
  });

  story(
    "36c",
    "an ordinary user's limits",
    async (stage) => {
      assertPrints(await chpst(stage, ["-o", "60", ...showNoFile], { ...fortyOfEighty, ...nobody }), "60\n80\n");
      assertPrints(await chpst(stage, ["-o", "100", ...showNoFile], { ...fortyOfEighty, ...nobody }), "80\n80\n");
    },
    rootOnly,
  );
});
