// What services write: spec/container.md, D7; cases 10, 24 to 28.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import type { Container } from "./scenes.ts";
import {
  assertSeconds,
  contain,
  endsAtGate,
  good,
  layGate,
  onSignals,
  openGate,
  quick,
  serve,
  stub,
  told,
  toldOnTerminal,
  web,
} from "./scenes.ts";

const interrupt = "\x03";
const bytes = (text: string) => Buffer.from(text, "latin1");

/** Asserts that these lines are a count from 1 to `last`. */
function assertCount(lines: readonly string[], prefix: string, last: number): void {
  const wanted = lines.filter((line) => line.startsWith(prefix));
  assert.equal(wanted.length, last, prefix);
  const wrong = wanted.findIndex((line, index) => line !== `${prefix}${index + 1}`);
  assert.equal(wrong, -1, `${prefix}: ${wanted[wrong]} at ${wrong + 1}`);
}
const errLines = ({ err }: Container) => err.split("\n").slice(0, -1);

stories("runit-container", (story) => {
  story(
    24,
    "lines of services that write at the same time stay whole, in order, and apart by stream",
    async (stage) => {
      const last = 10_000;
      // One writes line by line, the other in blocks that end anywhere.
      const loop = `i=0\nwhile [ $i -lt ${last} ]; do i=$((i+1)); echo "out $i"; echo "err $i" >&2; done`;
      const blocks = `seq -f "out %.0f" ${last} &\nseq -f "err %.0f" ${last} >&2`;
      serve(stage, {
        loop: { run: `${loop}\nexec sleep 1000` },
        blocks: { run: `${blocks}\nexec sleep 1000` },
      });
      const container = await contain(stage);
      await stage.until("all is written", () => container.lines.length >= 2 * last);
      await stage.until("all errors are written", () => {
        return errLines(container).filter((line) => line.includes("err")).length >= 2 * last;
      });
      const odd = container.lines.filter((line) => !/^\[(loop|blocks)\] out \d+$/.test(line));
      assert.deepEqual(odd, []);
      assert.equal(container.lines.length, 2 * last);
      for (const name of ["loop", "blocks"]) {
        assertCount(container.lines, `[${name}] out `, last);
        assertCount(errLines(container), `[${name}] err `, last);
      }
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "24 (slow)",
    "lines stay whole when their reader pauses",
    async (stage) => {
      const last = 100_000;
      serve(stage, { blocks: { run: `seq -f "out %.0f" ${last}\nexec sleep 1000` } });
      const container = await contain(stage);
      await container.says("[blocks] out 1");
      for (let pauses = 0; pauses < 3; pauses++) {
        container.stopReading();
        await stage.span(1500); // longer than half a line is waited for
        container.readOn();
        const read = container.out.length;
        await stage.until("it goes on", () => container.out.length > read || container.lines.length >= last);
      }
      await stage.until("all is written", () => container.lines.length >= last);
      assertCount(container.lines, "[blocks] out ", last);
      assert.equal(container.lines.length, last);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    25,
    "the beginning of a line that is not continued is written after a while",
    async (stage) => {
      serve(stage, { a: { run: "printf abc\nexec sleep 1000" } });
      const container = await contain(stage);
      await container.says("[a] abc");
      assert.ok(container.isAlive);
    },
    told,
  );

  story(
    "25 (end)",
    "the beginning of a line is written when its service ends",
    async (stage) => {
      serve(stage, { a: { run: "printf abc\nexit 0", main: "" } });
      const container = await contain(stage);
      const { out } = await container.end();
      assert.equal(out, "[a] abc\n");
    },
    told,
  );

  story(
    "25 (slow)",
    "a line that is written piece by piece is one line",
    async (stage) => {
      serve(stage, { a: { run: "printf a; sleep 0.1; printf b; sleep 0.1; echo c\nexit 0", main: "" } });
      const { out } = await (await contain(stage)).end();
      assert.equal(out, "[a] abc\n");
    },
    told,
  );

  for (const [number, title, script, length] of [
    ["25 (long)", "a very long line is written in parts", "head -c 102400 /dev/zero | tr '\\0' x; echo", 102_400],
    [
      "25 (long, no newline)",
      "a very long line without an end is written in parts",
      "head -c 40000 /dev/zero | tr '\\0' x",
      40_000,
    ],
    ["25 (16 KiB)", "a line of 16 KiB is one part", "head -c 16384 /dev/zero | tr '\\0' x; echo", 16_384],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        // It ends when we have read enough: what cannot be written for half a second at the end is given up.
        layGate(stage);
        serve(stage, { a: { run: `${script}\n: </out/gate\nexit 0`, main: "" } });
        const container = await contain(stage);
        await stage.until("most is read", () => container.out.length > length - 16_384);
        await openGate(stage);
        await container.end();
        const parts = container.lines.map((line, index) => {
          const [, plus, part = ""] = /^\[a\](\+?) (x+)$/.exec(line) ?? assert.fail(line.slice(0, 100));
          assert.equal(plus, index === 0 ? "" : "+");
          assert.ok(part.length <= 16_384, `${part.length} bytes`);
          return part.length;
        });
        assert.equal(
          parts.reduce((sum, part) => sum + part, 0),
          length,
        );
        assert.equal(parts.length, Math.ceil(length / 16_384));
      },
      told,
    );

  story(
    "25 (empty)",
    "an empty line is a line",
    async (stage) => {
      serve(stage, { a: { run: "echo; echo b\nexit 0", main: "" } });
      const { out } = await (await contain(stage)).end();
      assert.match(out, /^\[a\] ?\n\[a\] b\n$/);
    },
    told,
  );

  story(
    26,
    "as JSON each line has five fields, and bytes that are no text do no harm",
    async (stage) => {
      const script = [
        'echo "$$"',
        "printf 'q\"b\\\\s\\ttab\\001\\033\\n'",
        "printf '\\377\\300abc\\303\\251\\n'",
        "echo complaint >&2",
        "printf end",
      ];
      serve(stage, { a: { run: script.join("\n"), main: "" } });
      const container = await contain(stage, { args: ["-p", "json"] });
      const { out, err } = await container.end();
      const decode = (text: string) => new TextDecoder("utf-8", { fatal: true }).decode(bytes(text));
      const objects = [...out.split("\n"), ...err.split("\n").filter((line) => line.startsWith("{"))]
        .filter((line) => line !== "")
        .map((line) => JSON.parse(decode(line)) as Record<string, unknown>);
      const pid = Number(objects[0]?.["line"]);
      for (const object of objects) {
        assert.deepEqual(Object.keys(object).sort(), ["line", "pid", "service", "stream", "time"]);
        assert.match(String(object["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.ok(Math.abs(Date.parse(String(object["time"])) - Date.now()) < 60_000);
        assert.equal(object["service"], "a");
        assert.equal(object["pid"], pid);
      }
      assert.deepEqual(
        objects.map(({ stream, line }) => [stream, line]),
        [
          ["stdout", `${pid}`],
          ["stdout", 'q"b\\s\ttab\u0001\u001b'],
          ["stdout", "\ufffd\ufffdabcé"],
          ["stdout", "end"],
          ["stderr", "complaint"],
        ],
      );
    },
    told,
  );

  for (const [number, setting] of [
    ["26 (time)", { args: ["-p", "time"] }],
    ["26 (RUNIT_PREFIX)", { env: { RUNIT_PREFIX: "time" } }],
  ] as const)
    story(
      number,
      "lines can have the time in front",
      async (stage) => {
        serve(stage, { a: { run: "echo b\necho c >&2", main: "" } });
        const { out, err } = await (await contain(stage, setting)).end();
        const [, time = ""] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \[a\] b\n$/.exec(out) ?? assert.fail(out);
        assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
        assert.match(err, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[a\] c$/m);
      },
      told,
    );

  story(
    "26 (none)",
    "without a prefix the bytes are those of the service",
    async (stage) => {
      serve(stage, { a: { run: "printf 'a\\000\\377\\nb'\nprintf complaint >&2", main: "" } });
      const { out, err } = await (await contain(stage, { args: ["-p", "none"] })).end();
      assert.equal(out, "a\0\xff\nb");
      assert.match(err, /complaint/);
    },
    told,
  );

  for (const prefix of ["name", "none", "json"])
    story(
      `27 (${prefix})`,
      "when nobody reads its output it is still controlled and stopped in time",
      async (stage) => {
        const flood = { run: "yes something to complain about >&2 &\nexec yes something to say" };
        serve(stage, { flood, stub, quick });
        const container = await contain(stage, { args: ["-g", "4", "-p", prefix] });
        await stage.until("it floods", () => container.out.length > 100_000 && container.err.length > 100_000);
        container.stopReading();
        await stage.span(500); // until everything between them and us is full
        const { out, code } = await container.inside(
          "sv -v -w 20 down quick >/dev/null; sv status quick stub",
          "env SVDIR=/etc/service",
        );
        assert.match(out, /^down: quick: .*\nrun: stub: /m);
        assert.equal(code, 0);
        container.signal("SIGTERM");
        const request = performance.now();
        await stage.end(container.running);
        assertSeconds(performance.now() - request, 3, 9);
        assert.equal(container.running.code, 137);
      },
      told,
    );

  story(
    28,
    "when its output is closed the services go on, and the code is right",
    async (stage) => {
      layGate(stage);
      const talk = "while :; do echo something; echo else >&2; echo . >>/out/said; sleep 0.05; done";
      serve(stage, { web: endsAtGate(7), talk: { run: talk } });
      const container = await contain(stage, { args: ["-m", "web"] });
      await container.says("[talk] something");
      container.closeOutput();
      const said = stage.read("root/out/said").length;
      await stage.until("it goes on", () => stage.read("root/out/said").length > said + 40);
      await openGate(stage);
      assert.equal((await stage.end(container.running)).code, 7);
    },
    told,
  );

  story(
    "28 (never open)",
    "it may be started without any output at all",
    async (stage) => {
      layGate(stage);
      serve(stage, { web: { run: "echo up\necho up >&2\necho . >>/out/said\nexit 7" } });
      const container = await contain(stage, { args: ["-m", "web"], as: 'exec "$@" <&- >&- 2>&-' });
      assert.equal((await container.end()).code, 7);
      assert.equal(stage.read("root/out/said"), ".\n");
    },
    told,
  );

  story(
    "28 (file)",
    "its output may be a file, which is appended to",
    async (stage) => {
      serve(stage, { a: { run: "echo one\necho two >&2\nsleep 0.1\necho three\nexit 0", main: "" } });
      stage.file("root/out/file", "before\n");
      assert.equal((await (await contain(stage, { as: 'exec "$@" >>/out/file 2>/out/errors' })).end()).code, 0);
      assert.equal(stage.read("root/out/file"), "before\n[a] one\n[a] three\n");
      assert.match(stage.read("root/out/errors"), /^\[a\] two$/m);
    },
    told,
  );

  story(
    "28 (full)",
    "a disk that is full does not end it",
    async (stage) => {
      layGate(stage);
      serve(stage, { web: { run: "echo something\n: </out/gate\necho more\nexit 7", main: "" } });
      const mount = "mkdir $root/small; mount -t tmpfs -o size=4k,mode=777 tmpfs $root/small";
      const before = `${mount}; head -c 4096 /dev/zero >$root/small/full`;
      const container = await contain(stage, { before, as: 'exec "$@" >>/small/full' });
      await openGate(stage);
      assert.equal((await container.end()).code, 7);
    },
    told,
  );

  story(
    "D7 (restart)",
    "what a service has written before it was started again stays in order",
    async (stage) => {
      serve(stage, { a: { run: 'read -r n <n || n=0\necho $((n+1)) >n\nprintf "run %s" "$n"\nexit 1', n: "0\n" } });
      const container = await contain(stage);
      await container.says("[a] run 2");
      assert.deepEqual(container.lines.slice(0, 3), ["[a] run 0", "[a] run 1", "[a] run 2"]);
    },
    told,
  );

  story(
    "D7 (orphan)",
    "an orphan that holds the output of its service does not keep the container",
    async (stage) => {
      serve(stage, { a: { run: "setsid sh -c 'trap \"\" TERM; echo orphan; exec sleep 1000' &\nsleep 0.2\nexit 7" } });
      const container = await contain(stage, { args: ["-m", "a", "-g", "40"] });
      const { code, out, milliseconds } = await container.end();
      assert.equal(code, 7);
      assert.equal(out, "[a] orphan\n");
      assertSeconds(milliseconds, 0, 8);
    },
    told,
  );

  story(
    10,
    "a command has the terminal, and its output is untouched",
    async (stage) => {
      serve(stage, { quick });
      const container = await contain(stage, {
        hasTerminal: true,
        args: ["--", "sh", "-c", "test -t 0 && test -t 1 && printf 'a\\nb\\n'"],
      });
      const { code, out } = await container.end();
      assert.equal(code, 0);
      assert.match(out, /^a\r?\nb\r?\n/m);
    },
    toldOnTerminal,
  );

  for (const [number, title, command, expected] of [
    ["10 (Ctrl-C)", "Ctrl-C ends a command", "echo up; exec sleep 1000", [130]],
    [
      "10 (trap)",
      "Ctrl-C is for the command to handle",
      onSignals({ INT: "echo interrupted; sleep 0.5; exit 5" }),
      [5],
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good });
        const container = await contain(stage, { hasTerminal: true, args: ["-g", "40", "--", "sh", "-c", command] });
        await container.says("up");
        await container.says("[good] up");
        container.type(interrupt);
        const { code, out } = await container.end();
        assert.ok((expected as readonly number[]).includes(code), `code ${code}\n${out}`);
        assert.match(out, /^(\^C)?\[good\] bye\r?$/m);
      },
      toldOnTerminal,
    );

  story(
    "10 (reads)",
    "a command can read from the terminal",
    async (stage) => {
      serve(stage, { quick });
      const container = await contain(stage, {
        hasTerminal: true,
        args: ["--", "sh", "-c", 'echo up; read -r line; echo "got $line"; exit 5'],
      });
      await container.says("up");
      container.type("hello\r");
      await container.says("got hello");
      assert.equal((await container.end()).code, 5);
    },
    toldOnTerminal,
  );

  story(
    "10 (no command)",
    "without a command Ctrl-C is a stop request, and reaches no service",
    async (stage) => {
      serve(stage, { a: { run: onSignals({ INT: "echo interrupted", TERM: "echo bye; sleep 0.5; exit 0" }) } });
      const container = await contain(stage, { hasTerminal: true });
      await container.says("[a] up");
      container.type(interrupt);
      const { code, out } = await container.end();
      assert.equal(code, 0);
      assert.match(out, /^(\^C)?\[a\] bye\r?$/m);
      assert.doesNotMatch(out, /interrupted/);
    },
    toldOnTerminal,
  );

  story(
    "D7 (command)",
    "a command that writes and reads has standard input and output of the container",
    async (stage) => {
      serve(stage, { web: web() });
      stage.file("root/out/input", "hello\n");
      const container = await contain(stage, {
        as: '"$@" </out/input',
        args: ["--", "sh", "-c", "cat; printf 'no newline'; echo complaint >&2"],
      });
      const { code, out, err } = await container.end();
      assert.equal(code, 0);
      assert.ok(out.startsWith("hello\n") || out.includes("\nhello\n"), out);
      assert.match(out, /no newline/);
      assert.match(err, /^complaint$/m);
    },
    told,
  );
});
