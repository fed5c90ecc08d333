// utmpset: spec/runit.md, section 18. /var/run and /var/log are directories of the stage, bound there in a mount namespace
// of its own: the machine's files are out of reach.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Running, Stage, StartOptions } from "../stage.ts";
import { cannotMount, missing, stories } from "../stage.ts";

// ── the files ──

const recordBytes = 384;
/** Where the fields of a record are on x86. */
const fields = {
  type: { from: 0, to: 2 },
  line: { from: 8, to: 40 },
  user: { from: 44, to: 76 },
  host: { from: 76, to: 332 },
  seconds: { from: 340, to: 344 },
} as const;
const deadProcess = 8;
const userProcess = 7;
const loginProcess = 6;

interface Login {
  readonly line: string;
  readonly user?: string;
  readonly type?: number;
}
/** A record in which everything is set that can be; type 7, user "bob" unless said otherwise. */
function login({ line, user = "bob", type = userProcess }: Login): Buffer {
  const bytes = Buffer.alloc(recordBytes, 0xa5);
  bytes.writeInt16LE(type, fields.type.from);
  for (const [field, text] of [
    ["line", line],
    ["user", user],
    ["host", "far.example.org"],
  ] as const) {
    bytes.fill(0, fields[field].from, fields[field].to);
    bytes.write(text, fields[field].from, fields[field].to - fields[field].from, "latin1");
  }
  bytes.writeInt32LE(1000, fields.seconds.from);
  return bytes;
}
/** What a record is to be after the logout: nobody is there, type 8, all else as it was (the seconds apart). */
function loggedOut(record: Buffer): Buffer {
  const bytes = Buffer.from(record);
  bytes.writeInt16LE(deadProcess, fields.type.from);
  bytes.fill(0, fields.user.from, fields.host.to);
  return bytes;
}
function secondsOf(record: Buffer): number {
  return record.readInt32LE(fields.seconds.from);
}
/** Compares, the seconds apart, which are of now. */
function assertWrittenNow(actual: Buffer, expected: Buffer): void {
  assert.equal(actual.length, recordBytes);
  const age = Math.floor(Date.now() / 1000) - secondsOf(actual);
  assert.ok(age >= 0 && age < 60, `written ${age} seconds ago`);
  const same = Buffer.from(expected);
  same.writeInt32LE(secondsOf(actual), fields.seconds.from);
  assert.deepEqual(actual, same);
}

const utmp = "run/utmp";
const wtmp = "log/wtmp";
const logins = [
  login({ line: "tty1", user: "LOGIN", type: loginProcess }),
  login({ line: "tty5" }),
  login({ line: "tty5", user: "second" }),
];
const empty = Buffer.alloc(0);

function lay(stage: Stage, records: readonly Buffer[] = logins, wtmpBefore: Uint8Array = empty) {
  fs.mkdirSync(stage.at("run"), { recursive: true });
  fs.mkdirSync(stage.at("log"), { recursive: true });
  stage.file(utmp, Buffer.concat(records));
  stage.file(wtmp, wtmpBefore);
}
function bytes(stage: Stage, file: string): Buffer {
  return fs.readFileSync(stage.at(file));
}
function recordsOf(stage: Stage, file: string): readonly Buffer[] {
  const all = bytes(stage, file);
  assert.equal(all.length % recordBytes, 0, `${file} has whole records`);
  return Array.from({ length: all.length / recordBytes }, (_, index) =>
    all.subarray(index * recordBytes, (index + 1) * recordBytes),
  );
}
/** Only this record of utmp has changed, and it is logged out. */
function assertLoggedOut(stage: Stage, index: number, before: readonly Buffer[] = logins): void {
  for (const [at, record] of recordsOf(stage, utmp).entries()) {
    const old = before[at] ?? assert.fail("utmp has grown");
    if (at === index) assertWrittenNow(record, loggedOut(old));
    else assert.deepEqual(record, old);
  }
}
function assertUntouched(stage: Stage, before: readonly Buffer[] = logins): void {
  assert.deepEqual(bytes(stage, utmp), Buffer.concat(before));
}

// ── the program ──

const usage = "usage: utmpset [-w] line\n\n";
const done = { out: "", err: "", code: 0 };
const noEntry = (line: string) => ({
  out: "",
  err: `utmpset: warning: unable to logout line ${line} in utmp: no such entry\n`,
  code: 111,
});
const fatal = (text: string) => ({ out: "", err: `utmpset: fatal: ${text}\n`, code: 111 });

interface Call extends StartOptions {
  /** Words in front of the program, e.g. setpriv with its arguments. */
  readonly before?: string;
  /** Behind it, e.g. a redirection. */
  readonly behind?: string;
}
function start(stage: Stage, args: readonly string[], { before = "", behind = "", ...options }: Call = {}): Running {
  const script = `mount --bind "$0/run" "$(readlink -f /var/run)" && mount --bind "$0/log" /var/log &&
    exec ${before} utmpset "$@" ${behind}`;
  return stage.start("/usr/bin/unshare", ["-m", "/bin/sh", "-c", script, stage.dir, ...args], options);
}
async function run(stage: Stage, args: readonly string[], call: Call = {}) {
  const { out, err, code } = await start(stage, args, call).ended;
  return { out, err, code };
}
/** For a call as nobody: a copy, since the build need not be reachable for that user. */
function asNobody(stage: Stage): Call {
  fs.copyFileSync(stage.program("utmpset"), stage.at("utmpset"));
  fs.chmodSync(stage.at("utmpset"), 0o755);
  const before = "setpriv --reuid 65534 --regid 65534 --clear-groups";
  return { before, env: { PATH: `${stage.dir}:${process.env["PATH"]}` } };
}
/** For a call in which system calls on one of the files fail; each says which, and how. */
function injected(stage: Stage, file: string, ...injections: string[]): Call {
  const inject = injections.map((injection) => `--inject=${injection}`).join(" ");
  const real = file === utmp ? "$(readlink -f /var/run)/utmp" : "/var/log/wtmp";
  return { before: `timeout 30 strace -o ${stage.at("trace")} -P "${real}" ${inject}` };
}
/** Another program that holds the lock of a file. */
async function lockHolder(stage: Stage, file: string): Promise<Running> {
  const holder = stage.start("/usr/bin/flock", ["-F", stage.at(file), "sh", "-c", "echo locked; exec sleep 1000"]);
  await stage.becomes(() => holder.out, "locked\n");
  return holder;
}
/** A span in which a program that does not wait for a lock would be done. */
const longEnoughMilliseconds = 400;

const notX86 = !["x64", "ia32"].includes(process.arch) && "the records of these stories are those of x86";
const options = { skip: notX86 || cannotMount };
const traced = { skip: options.skip || missing("strace", "timeout") };
const locked = { skip: options.skip || missing("flock") };
const unprivileged = { skip: options.skip || missing("setpriv") };

stories("utmpset", (story) => {
  story(76, "without a line prints its usage", async (stage) => {
    for (const args of [[], ["-w"], ["-ww"], ["--"], ["-w", "--"]]) {
      const { out, err, code } = await stage.run("utmpset", args);
      assert.deepEqual([out, err, code], ["", usage, 1]);
    }
  });

  story(
    "76 (an option)",
    "that is not known is named, then comes the usage",
    async (stage) => {
      lay(stage);
      for (const args of [
        ["-x", "tty5"],
        ["-wx", "tty5"],
        ["-x", "-w", "tty5"],
      ]) {
        const err = `utmpset: illegal option -- x\n${usage}`;
        assert.deepEqual(await run(stage, args), { out: "", err, code: 1 }, args.join(" "));
      }
      assertUntouched(stage);
      // Called by its path, only the usage has that.
      const path = stage.program("utmpset");
      assert.equal((await stage.run(path, ["-x"])).err, `utmpset: illegal option -- x\nusage: ${path} [-w] line\n\n`);
    },
    options,
  );

  story(
    77,
    "the first record of the line is logged out, and nothing else changes",
    async (stage) => {
      lay(stage);
      assert.deepEqual(await run(stage, ["tty5"]), done);
      assertLoggedOut(stage, 1);
      assert.deepEqual(bytes(stage, wtmp), empty);
      // Once more: it is the turn of the second login.
      const between = recordsOf(stage, utmp).map((record) => Buffer.from(record));
      assert.deepEqual(await run(stage, ["tty5"]), done);
      assertLoggedOut(stage, 2, between);
      assert.deepEqual(await run(stage, ["tty5"]), noEntry("tty5"));
    },
    options,
  );

  story(
    "77 (types)",
    "the type of the record does not matter",
    async (stage) => {
      for (const type of [0, 1, 2, 5, loginProcess, deadProcess, 9, -1, 32767]) {
        const before = [login({ line: "tty5", type })];
        lay(stage, before);
        assert.deepEqual(await run(stage, ["tty5"]), done, `type ${type}`);
        assertLoggedOut(stage, 0, before);
      }
    },
    options,
  );

  story(
    78,
    "-w notes the logout in wtmp as well",
    async (stage) => {
      lay(stage);
      for (const times of [1, 2]) {
        assert.deepEqual(await run(stage, ["-w", "tty5"]), done);
        const records = recordsOf(stage, wtmp);
        assert.equal(records.length, times);
        const expected = Buffer.alloc(recordBytes);
        expected.writeInt16LE(deadProcess, fields.type.from);
        expected.write("tty5", fields.line.from, "latin1");
        assertWrittenNow(records[times - 1] ?? assert.fail(), expected);
      }
      assert.ok(recordsOf(stage, utmp).every((record, index) => (record.readInt16LE(0) === deadProcess) === index > 0));
    },
    options,
  );

  story(
    79,
    "a line that nobody is on",
    async (stage) => {
      lay(stage);
      for (const args of [["-w", "tty9"], ["tty9"]]) assert.deepEqual(await run(stage, args), noEntry("tty9"));
      assertUntouched(stage);
      assert.deepEqual(bytes(stage, wtmp), empty);
    },
    options,
  );

  story(
    80,
    "a record without a user is no login",
    async (stage) => {
      const before = [login({ line: "tty5", user: "" })];
      lay(stage, before);
      assert.deepEqual(await run(stage, ["-w", "tty5"]), noEntry("tty5"));
      assertUntouched(stage, before);
      // But one behind it is.
      const more = [...before, login({ line: "tty5" })];
      lay(stage, more);
      assert.deepEqual(await run(stage, ["tty5"]), done);
      assertLoggedOut(stage, 1, more);
    },
    options,
  );

  story(
    81,
    "a line is the whole name, not a beginning",
    async (stage) => {
      const before = [login({ line: "tty55" }), login({ line: "tty" }), login({ line: "TTY5" })];
      lay(stage, before);
      assert.deepEqual(await run(stage, ["tty5"]), noEntry("tty5"));
      assert.deepEqual(await run(stage, ["/dev/tty5"]), noEntry("/dev/tty5"));
      assertUntouched(stage, before);
      assert.deepEqual(await run(stage, ["tty"]), done);
      assertLoggedOut(stage, 1, before);
    },
    options,
  );

  story(
    82,
    "a line of 32 bytes, which fills its field",
    async (stage) => {
      const line = "pts/012345678901234567890123/567";
      const before = [login({ line: line.slice(0, 31) }), login({ line })];
      lay(stage, before);
      if (stage.isOurs) {
        assert.deepEqual(await run(stage, ["-w", line]), done);
        assertLoggedOut(stage, 1, before);
        const [record = assert.fail()] = recordsOf(stage, wtmp);
        assert.equal(record.toString("latin1", fields.line.from, fields.line.to), line);
        assert.ok(record.subarray(fields.line.to, fields.seconds.from).every((byte) => byte === 0));
      } else {
        assert.deepEqual(await run(stage, ["-w", line]), noEntry(line)); // 2.1.2 wants a zero at the end
        assertUntouched(stage, before);
      }
      lay(stage, before);
      assert.deepEqual(await run(stage, [line.slice(0, 31)]), done);
      assertLoggedOut(stage, 0, before);
    },
    { ...options, differs: "utmpset-long-line" },
  );

  story(
    83,
    "a line of more than 32 bytes",
    async (stage) => {
      const field = "pts/012345678901234567890123/567";
      lay(stage, [login({ line: field })]);
      for (const line of [`${field}8`, "x".repeat(5000)]) {
        const why = stage.isOurs ? fatal(`unable to logout line ${line} in utmp: name too long`) : noEntry(line);
        assert.deepEqual(await run(stage, ["-w", line]), why);
      }
      assertUntouched(stage, [login({ line: field })]);
      assert.deepEqual(bytes(stage, wtmp), empty);
    },
    { ...options, differs: "utmpset-long-line" },
  );

  story(
    84,
    "utmp cannot be opened",
    async (stage) => {
      lay(stage);
      fs.unlinkSync(stage.at(utmp));
      const cannot = (why: string) => fatal(`unable to open /var/run/utmp: ${why}`);
      for (const args of [["tty5"], ["-w", "tty5"]]) {
        assert.deepEqual(await run(stage, args), cannot("file does not exist"));
      }
      assert.ok(!stage.exists(utmp), "it is never made");
      fs.mkdirSync(stage.at(utmp));
      assert.deepEqual(await run(stage, ["tty5"]), cannot("is a directory"));
      fs.rmdirSync(stage.at(utmp));
      fs.symlinkSync("utmp", stage.at(utmp));
      assert.deepEqual(await run(stage, ["tty5"]), cannot("symbolic link loop"));
      assert.deepEqual(bytes(stage, wtmp), empty);
    },
    options,
  );

  story(
    85,
    "a missing wtmp is made, for its owner alone",
    async (stage) => {
      lay(stage);
      fs.unlinkSync(stage.at(wtmp));
      assert.deepEqual(await run(stage, ["tty5"]), done);
      assert.ok(!stage.exists(wtmp), "without -w it is not made");
      assert.deepEqual(await run(stage, ["-w", "tty5"]), done);
      assert.equal(stage.mode(wtmp), 0o600);
      assert.equal(recordsOf(stage, wtmp).length, 1);
      fs.chmodSync(stage.at(wtmp), 0o664);
      lay(stage, logins, bytes(stage, wtmp));
      fs.chmodSync(stage.at(wtmp), 0o664);
      assert.deepEqual(await run(stage, ["-w", "tty5"]), done);
      assert.equal(stage.mode(wtmp), 0o664);
      assert.equal(recordsOf(stage, wtmp).length, 2);
    },
    options,
  );

  story(
    86,
    "wtmp cannot be opened: the logout in utmp stays",
    async (stage) => {
      lay(stage);
      fs.unlinkSync(stage.at(wtmp));
      fs.mkdirSync(stage.at(wtmp));
      assert.deepEqual(await run(stage, ["-w", "tty5"]), fatal("unable to open /var/log/wtmp: is a directory"));
      assertLoggedOut(stage, 1);
    },
    options,
  );

  story(
    "86 (a fifo)",
    "wtmp is a fifo: nobody is waited for who would read it",
    async (stage) => {
      lay(stage);
      fs.unlinkSync(stage.at(wtmp));
      stage.fifo(wtmp);
      assert.deepEqual(
        await run(stage, ["-w", "tty5"], { before: "timeout 5" }),
        fatal("unable to open /var/log/wtmp: device not configured"),
      );
    },
    options,
  );

  story(
    87,
    "utmp ends within the record of the line",
    async (stage) => {
      for (const cut of [1, 200, 383]) {
        lay(stage);
        const before = Buffer.concat(logins).subarray(0, recordBytes + cut);
        stage.file(utmp, before);
        assert.deepEqual(await run(stage, ["-w", "tty5"]), noEntry("tty5"), `${cut} bytes of it`);
        assert.deepEqual(bytes(stage, utmp), before);
      }
      // What is before the torn record is found.
      const before = Buffer.concat([...logins, login({ line: "tty6" }).subarray(0, 200)]);
      stage.file(utmp, before);
      assert.deepEqual(await run(stage, ["tty5"]), done);
      const after = bytes(stage, utmp);
      assert.equal(after.length, before.length);
      assertWrittenNow(after.subarray(recordBytes, 2 * recordBytes), loggedOut(logins[1] ?? empty));
      assert.deepEqual(after.subarray(2 * recordBytes), before.subarray(2 * recordBytes));
    },
    options,
  );

  story(
    88,
    "options end at the line, at --, and at a lone -",
    async (stage) => {
      for (const [args, notes] of [
        [["tty5", "-w"], 0],
        [["tty5", "-x"], 0],
        [["-ww", "tty5", "x"], 1],
        [["-w", "-w", "tty5", "tty1"], 1],
        [["--", "tty5"], 0],
        [["-w", "--", "tty5"], 1],
        [["--w", "tty5"], 0],
      ] as const) {
        lay(stage);
        assert.deepEqual(await run(stage, args), done, args.join(" "));
        assertLoggedOut(stage, 1);
        assert.equal(recordsOf(stage, wtmp).length, notes, args.join(" "));
      }
      lay(stage);
      assert.deepEqual(await run(stage, ["-", "-w"]), noEntry("-"));
      assert.deepEqual(await run(stage, ["--", "-w"]), noEntry("-w"));
      const before = [login({ line: "-w" })];
      lay(stage, before);
      assert.deepEqual(await run(stage, ["--", "-w"]), done);
      assertLoggedOut(stage, 0, before);
    },
    options,
  );

  story(
    "V",
    "-V names its version, then comes the usage",
    async (stage) => {
      for (const args of [["-V"], ["-V", "tty5"], ["-wV", "tty5"]]) {
        const { out, err, code } = await stage.run("utmpset", args);
        const [version = "", ...rest] = err.split("\n");
        if (stage.isOurs) assert.equal(version, "$Id: utmpset, runit-ts 0.1.0 $");
        assert.match(version, /^\$Id: .* \$$/);
        assert.deepEqual([out, rest.join("\n"), code], ["", usage, 1]);
      }
    },
    { differs: "utmpset-version" },
  );

  story(
    "E",
    "an empty line is a name like any other",
    async (stage) => {
      lay(stage);
      assert.deepEqual(await run(stage, [""]), noEntry(""));
      const before = [login({ line: "tty5" }), login({ line: "" })];
      lay(stage, before);
      assert.deepEqual(await run(stage, [""]), done);
      assertLoggedOut(stage, 1, before);
    },
    options,
  );

  story(
    "Z",
    "what stands behind the zero in the field of the line does not matter",
    async (stage) => {
      const before = [login({ line: "tty5\0garbage" })];
      lay(stage, before);
      assert.deepEqual(await run(stage, ["tty5"]), done);
      assertLoggedOut(stage, 0, before);
    },
    options,
  );

  story(
    "U",
    "names are bytes: a line that is no UTF-8, a user of 32 bytes",
    async (stage) => {
      const before = [login({ line: "tty\xc3\xa4", user: "x".repeat(32) })];
      lay(stage, before);
      assert.deepEqual(await run(stage, ["-w", "ttyä"]), done);
      assertLoggedOut(stage, 0, before);
      const [record = assert.fail()] = recordsOf(stage, wtmp);
      assert.equal(record.toString("latin1", fields.line.from, fields.line.from + 6), "tty\xc3\xa4\0");
      // A byte that stands alone cannot be given to a program by Node: a shell can.
      const raw = [login({ line: "tty\xff" })];
      lay(stage, raw);
      assert.deepEqual(await run(stage, [], { behind: "\"$(printf 'tty\\377')\"" }), done);
      assertLoggedOut(stage, 0, raw);
    },
    options,
  );

  for (const [number, file, args] of [
    ["L1", utmp, ["tty5"]],
    ["L2", wtmp, ["-w", "tty5"]],
  ] as const) {
    story(
      number,
      `the lock of ${file} is waited for`,
      async (stage) => {
        lay(stage);
        const holder = await lockHolder(stage, file);
        const waiting = start(stage, args);
        await stage.until("it waits", () =>
          stage.descriptors(waiting.pid).some((fd) => stage.descriptor(waiting.pid, fd).endsWith(file.slice(3))),
        );
        await stage.span(longEnoughMilliseconds);
        assert.ok(waiting.isAlive, "it waits");
        if (file === utmp) assertUntouched(stage);
        else assertLoggedOut(stage, 1);
        assert.deepEqual(bytes(stage, wtmp), empty);
        holder.kill("SIGKILL");
        const { out, err, code } = await stage.end(waiting);
        assert.deepEqual({ out, err, code }, done);
        assertLoggedOut(stage, 1);
        assert.equal(recordsOf(stage, wtmp).length, args.length - 1);
      },
      locked,
    );
  }

  story(
    "L3",
    "many at once: each logout is there, whole, and noted once",
    async (stage) => {
      const lines = Array.from({ length: 12 }, (_, index) => `pts/${index}`);
      const before = lines.map((line) => login({ line }));
      lay(stage, before);
      const outcomes = await Promise.all(lines.map((line) => run(stage, ["-w", line])));
      for (const outcome of outcomes) assert.deepEqual(outcome, done);
      for (const [index, record] of recordsOf(stage, utmp).entries()) {
        assertWrittenNow(record, loggedOut(before[index] ?? empty));
      }
      const noted = recordsOf(stage, wtmp).map((record) => record.toString("latin1", 8, 40).replaceAll("\0", ""));
      assert.deepEqual(noted.sort(), [...lines].sort());
    },
    options,
  );

  story(
    "L4",
    "a file that cannot be locked",
    async (stage) => {
      lay(stage);
      assert.deepEqual(
        await run(stage, ["-w", "tty5"], injected(stage, utmp, "flock:error=ENOLCK")),
        fatal("unable to lock: /var/run/utmp: no locks available"),
      );
      assertUntouched(stage);
      assert.deepEqual(
        await run(stage, ["-w", "tty5"], injected(stage, wtmp, "flock:error=ENOLCK")),
        fatal("unable to lock /var/log/wtmp: no locks available"),
      );
      assertLoggedOut(stage, 1);
      assert.deepEqual(bytes(stage, wtmp), empty);
    },
    traced,
  );

  story(
    "W1",
    "utmp cannot be written",
    async (stage) => {
      lay(stage);
      const failing = injected(stage, utmp, "write,pwrite64:error=EIO");
      const why = "utmpset: warning: unable to logout line tty5 in utmp: input/output error\n";
      const outcome = await run(stage, ["-w", "tty5"], failing);
      assert.deepEqual(outcome, stage.isOurs ? { out: "", err: why, code: 111 } : noEntry("tty5"));
      assertUntouched(stage);
      assert.deepEqual(bytes(stage, wtmp), empty);
    },
    { ...traced, differs: "utmpset-says-why" },
  );

  for (const [number, free, before] of [
    ["D1", "none of a record", 4096],
    ["D2", "a part of a record", 4096 - 100],
  ] as const) {
    story(
      number,
      `a disk with room for ${free}: wtmp is as before`,
      async (stage) => {
        stage.mount("log", "size=8k");
        const old = Buffer.alloc(before, 0x11);
        lay(stage, logins, old);
        stage.file("log/filler", Buffer.alloc(4096, 0x22));
        const { out, err, code } = await run(stage, ["-w", "tty5"]);
        assert.deepEqual([out, code], ["", 111]);
        assert.match(err, /^utmpset: warning: unable to logout line tty5 in wtmp: [a-z ]+\n$/);
        if (before === 4096) assert.ok(err.endsWith(": out of disk space\n"), err);
        assert.deepEqual(bytes(stage, wtmp), old);
        assertLoggedOut(stage, 1);
        fs.unlinkSync(stage.at("log/filler"));
        assert.deepEqual(await run(stage, ["-w", "tty5"]), done);
        assert.equal(bytes(stage, wtmp).length, before + recordBytes);
      },
      options,
    );
  }

  story(
    "D3",
    "wtmp cannot be put back: the message has the reason for that",
    async (stage) => {
      lay(stage);
      const writeFails = "write,pwrite64:error=ENOSPC";
      const failing = injected(stage, wtmp, writeFails, "ftruncate:error=EIO");
      const line = "utmpset: warning: unable to logout line tty5 in wtmp:";
      assert.deepEqual(await run(stage, ["-w", "tty5"], failing), {
        out: "",
        err: `${line} input/output error\n`,
        code: 111,
      });
      lay(stage);
      assert.deepEqual(await run(stage, ["-w", "tty5"], injected(stage, wtmp, writeFails)), {
        out: "",
        err: `${line} out of disk space\n`,
        code: 111,
      });
    },
    traced,
  );

  story(
    "D4",
    "wtmp of an odd size is written on at its end",
    async (stage) => {
      const old = Buffer.alloc(1001, 0x11);
      lay(stage, logins, old);
      assert.deepEqual(await run(stage, ["-w", "tty5"]), done);
      const after = bytes(stage, wtmp);
      assert.deepEqual(after.subarray(0, 1001), old);
      assert.equal(after.length, 1001 + recordBytes);
      assert.equal(after.toString("latin1", 1001 + 8, 1001 + 13), "tty5\0");
    },
    options,
  );

  story(
    "H",
    "a utmp that is empty, too short, or noise",
    async (stage) => {
      const noise = Buffer.alloc(1 << 20);
      // Numbers from a seed, so that every run is the same.
      let state = 4711;
      for (let i = 0; i < noise.length; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        noise[i] = state >>> 16;
      }
      for (const before of [
        empty,
        Buffer.alloc(1),
        Buffer.alloc(383, 0xff),
        Buffer.alloc(1000, 0xff),
        Buffer.alloc(recordBytes * 100),
        Buffer.alloc(recordBytes * 100 + 7, 0xff),
        noise,
      ]) {
        lay(stage, [before]);
        for (const line of ["tty5", "x".repeat(31)]) {
          assert.deepEqual(await run(stage, ["-w", line]), noEntry(line), `${before.length} bytes`);
        }
        assert.deepEqual(bytes(stage, utmp), before);
        assert.deepEqual(bytes(stage, wtmp), empty);
      }
      // In the middle of noise, what stands where a record would is one.
      const at = 1000 * recordBytes;
      const before = Buffer.from(noise);
      login({ line: "tty5" }).copy(before, at);
      lay(stage, [before]);
      assert.deepEqual(await run(stage, ["tty5"]), done);
      const after = bytes(stage, utmp);
      assertWrittenNow(after.subarray(at, at + recordBytes), loggedOut(login({ line: "tty5" })));
      after.copy(before, at, at, at + recordBytes);
      assert.deepEqual(after, before);
    },
    options,
  );

  story(
    "P",
    "an ordinary user needs the right to write",
    async (stage) => {
      lay(stage);
      const user = asNobody(stage);
      const cannot = (file: string) => fatal(`unable to open ${file}: access denied`);
      assert.deepEqual(await run(stage, ["tty5"], user), cannot("/var/run/utmp"));
      assertUntouched(stage);
      fs.chmodSync(stage.at(utmp), 0o666);
      assert.deepEqual(await run(stage, ["-w", "tty5"], user), cannot("/var/log/wtmp"));
      assertLoggedOut(stage, 1);
      lay(stage);
      fs.chmodSync(stage.at(utmp), 0o666);
      assert.deepEqual(await run(stage, ["tty5"], user), done);
      assertLoggedOut(stage, 1);
    },
    unprivileged,
  );

  story(
    "C",
    "a closed standard error does not become utmp",
    async (stage) => {
      for (const behind of ["2>&-", "<&- >&- 2>&-"]) {
        lay(stage);
        assert.equal((await run(stage, ["-w", "tty9"], { behind })).code, 111, behind);
        assertUntouched(stage);
        assert.deepEqual(bytes(stage, wtmp), empty);
        assert.deepEqual(await run(stage, ["-w", "tty5"], { behind }), done);
        assertLoggedOut(stage, 1);
        assert.equal(recordsOf(stage, wtmp).length, 1);
      }
    },
    options,
  );
});
