// How chpst becomes the program: spec/chpst.md, section 7.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { shell, stories } from "../stage.ts";
import {
  accounts,
  assertFails,
  assertPrints,
  chpst,
  environment,
  execWith,
  needsCompiler,
  nobody,
  onlyVariables,
  ownMounts,
  rootOnly,
  runAs,
  starts,
} from "./scenes.ts";

const zz = "#!/bin/sh\necho zz in $(/usr/bin/dirname $0)";

stories("chpst", (story) => {
  story(9, "reports a program that does not exist", async (stage) => {
    assertFails(await chpst(stage, "nosuch"), "unable to run: nosuch: file does not exist");
    assertFails(await chpst(stage, "./nosuch"), "unable to run: ./nosuch: file does not exist");
    assertFails(await chpst(stage, "/nosuch/nosuch a"), "unable to run: /nosuch/nosuch: file does not exist");
  });

  story("9b", "becomes the program: same process, its exit code and its signal", async (stage) => {
    const running = starts(stage, ["sh", "-c", "echo $$; exit 7"]);
    const { pid } = running;
    assert.deepEqual(await stage.end(running).then(({ out, code }) => ({ out, code })), { out: `${pid}\n`, code: 7 });
    assert.equal((await chpst(stage, ["sh", "-c", "kill -KILL $$"])).signal, "SIGKILL");
    assert.equal((await chpst(stage, ["sh", "-c", "exit 100"])).code, 100);
  });

  story(10, "reports what cannot be executed", async (stage) => {
    for (const program of ["/etc/passwd", "/", ""]) {
      assertFails(await chpst(stage, [program]), `unable to run: ${program}: access denied`);
    }
  });

  story(11, "names the argv[0] of -b instead of a program that does not exist", async (stage) => {
    assertFails(await chpst(stage, "-b foo nosuch"), "unable to run: foo: file does not exist");
    assertFails(await chpst(stage, ["-b", "", "nosuch"]), "unable to run: : file does not exist");
  });

  story(12, "gives the program the argv[0] of -b", async (stage) => {
    assertPrints(await chpst(stage, ["-b", "foo", "sh", "-c", "echo $0"]), "foo\n");
    assertPrints(await chpst(stage, ["-b", "-sh", "/bin/sh", "-c", "echo $0"]), "-sh\n");
    assertPrints(await chpst(stage, ["sh", "-c", "echo $0"]), "sh\n");
  });

  story(13, "the argv[0] of -b may be empty", async (stage) => {
    const line = ["sh", "-c", "cat /proc/$$/cmdline; :"];
    assertPrints(await chpst(stage, ["-b", "", ...line]), ["", ...line.slice(1), ""].join("\0"));
  });

  story(14, "the last -b wins", async (stage) => {
    assertPrints(await chpst(stage, ["-b", "a", "-b", "b", "sh", "-c", "echo $0"]), "b\n");
  });

  story("14b", "hands on every argument as it is", async (stage) => {
    const words = ["", " ", "-v", "--", "a b", "*", "é", "\n", "x".repeat(100_000)];
    assertPrints(
      await chpst(stage, ["printf", "[%s]", ...words]),
      Buffer.from(words.map((word) => `[${word}]`).join("")).toString("latin1"),
    );
    const many = Array.from({ length: 5000 }, (_, index) => `${index}`);
    assertPrints(await chpst(stage, ["echo", ...many]), `${many.join(" ")}\n`);
  });

  story("14c", "hands on bytes that are no text", async (stage) => {
    const program = stage.program("chpst");
    const outcome = await stage.sh(`"${program}" -b "$(printf 'n\\377')" printf '%s' "$(printf 'a\\200\\377b\\303')"`);
    assertPrints(outcome, "a\x80\xffb\xc3");
    const missed = await stage.sh(`"${program}" "./$(printf 'no\\377\\200')"`);
    assertFails(missed, "unable to run: ./no\xff\x80: file does not exist");
  });

  story(15, "has no shell for a file without #!", async (stage) => {
    stage.file("bin/plain", "echo hi\n", 0o755);
    assertFails(await chpst(stage, "./bin/plain"), "unable to run: ./bin/plain: exec format error");
    const outcome = await chpst(stage, "plain", { env: { PATH: `${stage.at("bin")}:/bin` } });
    assertFails(outcome, "unable to run: plain: exec format error");
    stage.file("bin/empty", "", 0o755);
    assertFails(await chpst(stage, "./bin/empty"), "unable to run: ./bin/empty: exec format error");
  });

  story(16, "passes over what cannot be executed while PATH has something better", async (stage) => {
    stage.file("b/zz", zz);
    stage.file("a/zz", zz, 0o644);
    fs.mkdirSync(stage.at("c/zz"), { recursive: true });
    for (const first of ["a", "c", "nodir", "a:c:nodir"]) {
      const PATH = [...first.split(":"), "b"].map((name) => stage.at(name)).join(":");
      assertPrints(await chpst(stage, "zz", { env: { PATH: `${PATH}:/bin` } }), `zz in ${stage.at("b")}\n`);
    }
    assertPrints(await chpst(stage, "zz", { env: { PATH: "a:b:/bin" } }), "zz in b\n");
  });

  story(17, "reports that access was denied when PATH has nothing better", async (stage) => {
    stage.file("a/zz", zz, 0o644);
    fs.mkdirSync(stage.at("c/zz"), { recursive: true });
    for (const PATH of ["a", "a:nodir", "nodir:a", "c"]) {
      assertFails(await chpst(stage, "zz", { env: { PATH } }), "unable to run: zz: access denied");
    }
  });

  story(18, "stops its search at any other error", async (stage) => {
    stage.file("b/zz", zz);
    const outcome = await chpst(stage, "zz", { env: { PATH: "/etc/passwd:b" } });
    assertFails(outcome, "unable to run: zz: not a directory");
    stage.file("a/zz", "echo\n", 0o755);
    assertFails(await chpst(stage, "zz", { env: { PATH: "a:b" } }), "unable to run: zz: exec format error");
    assertPrints(await chpst(stage, "zz", { env: { PATH: "b:/etc/passwd" } }), "zz in b\n");
  });

  story(19, "an empty part of PATH is the current directory", async (stage) => {
    stage.file("zz", "#!/bin/sh\necho here");
    for (const PATH of ["", ":/bin", "/bin:", "/nonex::/bin", ":"]) {
      assertPrints(await chpst(stage, "zz", { env: { PATH } }), "here\n");
    }
    assertFails(await chpst(stage, "zz", { env: { PATH: "/bin" } }), "unable to run: zz: file does not exist");
  });

  story(20, "without a PATH looks in /bin and /usr/bin", async (stage) => {
    assertPrints(await chpst(stage, ["sh", "-c", "echo hi"], { via: onlyVariables("A=1") }), "hi\n");
    stage.file("zz", "#!/bin/sh\necho here");
    assertFails(await chpst(stage, "zz", { via: onlyVariables("A=1") }), "unable to run: zz: file does not exist");
    assertFails(await chpst(stage, "zz", { via: onlyVariables() }), "unable to run: zz: file does not exist");
  });

  story(
    "20b",
    "takes the first PATH of several, and runs without any variable at all",
    async (stage) => {
      stage.file("a/zz", zz);
      stage.file("b/zz", zz);
      const program = stage.program("chpst");
      const first = [`PATH=${stage.at("a")}`, `PATH=${stage.at("b")}`, "--"];
      assertPrints(await stage.run(execWith(stage), [...first, program, "zz"]), `zz in ${stage.at("a")}\n`);
      assertPrints(await stage.run(stage.at(".exec-with"), ["--", program, "echo", "hi"]), "hi\n");
      const shorter = ["PAT=/nodir", "PATH", "PATHS=/nodir", "--"];
      assertPrints(await stage.run(stage.at(".exec-with"), [...shorter, program, "echo", "hi"]), "hi\n");
    },
    needsCompiler,
  );

  story(21, "reports a loop of symbolic links", async (stage) => {
    fs.mkdirSync(stage.at("a"));
    fs.symlinkSync("zz", stage.at("a/zz"));
    stage.file("b/zz", zz);
    assertFails(await chpst(stage, "zz", { env: { PATH: "a:b" } }), "unable to run: zz: symbolic link loop");
    assertFails(await chpst(stage, "a/zz"), "unable to run: a/zz: symbolic link loop");
  });

  story(22, "reports a missing interpreter as a file that does not exist", async (stage) => {
    stage.file("a/zz", "#!/nosuch/interpreter\n");
    assertFails(await chpst(stage, "a/zz"), "unable to run: a/zz: file does not exist");
    stage.file("b/zz", zz);
    assertPrints(await chpst(stage, "zz", { env: { PATH: "a:b" } }), "zz in b\n");
  });

  story("22b", "a dangling link does not exist", async (stage) => {
    fs.mkdirSync(stage.at("a"));
    fs.symlinkSync("nosuch", stage.at("a/zz"));
    assertFails(await chpst(stage, "zz", { env: { PATH: "a" } }), "unable to run: zz: file does not exist");
    stage.file("b/zz", zz);
    assertPrints(await chpst(stage, "zz", { env: { PATH: "a:b" } }), "zz in b\n");
  });

  story("22c", "a program too long to name", async (stage) => {
    const long = "x".repeat(300);
    stage.file("b/zz", zz);
    assertFails(await chpst(stage, `./${long}`), `unable to run: ./${long}: file name too long`);
    assertFails(await chpst(stage, long), `unable to run: ${long}: file name too long`);
    const longer = `/${"y/".repeat(2500)}`;
    const outcome = await chpst(stage, "zz", { env: { PATH: `${longer}:b` } });
    assertFails(outcome, "unable to run: zz: file name too long");
  });

  story("22d", "a program that is being written", async (stage) => {
    fs.copyFileSync("/bin/true", stage.at("busy"));
    fs.chmodSync(stage.at("busy"), 0o755);
    const fd = fs.openSync(stage.at("busy"), "a");
    try {
      assertFails(await chpst(stage, "./busy"), "unable to run: ./busy: text busy");
    } finally {
      fs.closeSync(fd);
    }
    assertPrints(await chpst(stage, "./busy"), "");
  });

  story("22e", "leaves mask, directory, signals, other descriptors and variables as they are", async (stage) => {
    fs.mkdirSync(stage.at("d"));
    const look = `umask; pwd; readlink /proc/self/fd/7; echo "$HOME $USER $LOGNAME $SHELL"
grep -E '^Sig(Blk|Ign)' /proc/self/status`;
    const before = shell("umask 027; cd d; exec 7</etc/passwd; trap '' HUP USR1 PIPE");
    const env = { HOME: "/h", USER: "u", LOGNAME: "l", SHELL: "/s" };
    const plain = await stage.run("/bin/sh", ["-c", look], { via: before, env });
    const changed = await chpst(stage, ["-P", "-o", "100", "-U", ":1:2", "/bin/sh", "-c", look], { via: before, env });
    assert.match(plain.out, /^0027\n.*\/d\n\/etc\/passwd\n\/h u l \/s\n/);
    assertPrints(changed, plain.out);
  });

  story("22f", "leaves blocked signals blocked", async (stage) => {
    const look = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    const via = ["/usr/bin/env", "--block-signal=TERM,CHLD,PIPE", "--ignore-signal=CHLD,INT"];
    const plain = await stage.run("/bin/grep", look.slice(1), { via });
    assert.notEqual(plain.out, "");
    assertPrints(await chpst(stage, look, { via }), plain.out);
  });

  story(79, "finds the program with the inherited PATH; that of -e is the program's", async (stage) => {
    stage.file("b/zz", "#!/bin/sh\necho found");
    environment(stage, { PATH: `${stage.at("b")}:/bin` });
    assertFails(await chpst(stage, "-e E zz"), "unable to run: zz: file does not exist");
    assertPrints(await chpst(stage, "-e E sh -c zz"), "found\n");
    environment(stage, { PATH: "" });
    assertPrints(await chpst(stage, ["-e", "E", "zz"], { env: { PATH: `${stage.at("b")}:/bin` } }), "found\n");
  });

  story(
    116,
    "a directory in PATH that may not be searched makes a missing program access denied",
    async (stage) => {
      fs.mkdirSync(stage.at("private"), { mode: 0o700 });
      const options = { via: accounts(stage), env: { PATH: `${stage.at("private")}:/usr/bin:/bin` } };
      const reason = "unable to run: nosuch: access denied";
      assertFails(await runAs(stage, "setuidgid", "alice nosuch", options), reason);
      assertFails(await chpst(stage, "-u alice nosuch", options), reason);
      assertFails(await chpst(stage, "nosuch", options), "unable to run: nosuch: file does not exist");
      assertPrints(await runAs(stage, "setuidgid", "alice id -u", options), "1001\n");
    },
    ownMounts,
  );

  story(
    "116b",
    "an ordinary user may not run what is not for him",
    async (stage) => {
      stage.file("a/zz", zz, 0o700);
      stage.file("b/zz", zz);
      assertFails(await chpst(stage, "a/zz", nobody), "unable to run: a/zz: access denied");
      assertPrints(await chpst(stage, "zz", { ...nobody, env: { PATH: "a:b" } }), "zz in b\n");
      fs.chmodSync(stage.at("b/zz"), 0o711);
      const outcome = await chpst(stage, "b/zz", nobody); // the interpreter may not read it
      assert.equal(outcome.err.includes("chpst"), false);
      assert.notEqual(outcome.code, 0);
    },
    rootOnly,
  );

  story("116c", "arguments and variables too long for the kernel", async (stage) => {
    environment(stage, { LONG: "x".repeat(140_000) });
    assertFails(await chpst(stage, "-e E true"), "unable to run: true: argument list too long");
  });
});
