// How svlogd cuts its input into lines, replaces bytes, and writes: spec/svlogd.md, sections 4, 6 and 9.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { count, Logging, labelled, logDirectory, logging, logs, needsTracing, orderlyEnd } from "./scenes.ts";

const keepsEveryLine = { differs: "svlogd-keeps-every-line" } as const;
const odd = "a\tb\0c\x7f\xc3\xa9d ~\n";
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** What `current` of a fresh directory holds after this input. */
async function current(stage: Stage, words: string | readonly string[], input: string | Uint8Array): Promise<string> {
  fs.rmSync(stage.at("l"), { recursive: true, force: true });
  logDirectory(stage);
  await logs(stage, words, input);
  return stage.read("l/current");
}

/** The writes to `current` for one line of input. */
async function writesOf(stage: Stage, words: string, input: string): Promise<readonly string[]> {
  const tracer = ["strace", "-y", "-s", "9999", "-o", stage.at("trace"), "-e", "trace=write,writev,pwrite64,pwritev"];
  const log = new Logging(stage, words, { via: tracer });
  await log.input.write(input);
  await stage.becomes(() => stage.peek("l/current").endsWith(input), true);
  log.input.close();
  await orderlyEnd(stage, log.svlogd);
  const texts: string[] = [];
  for (const line of stage.read("trace").split("\n")) {
    const [, text] = /^\w+\(\d+<[^>]*\/current>, "(.*)", \d+\)/.exec(line) ?? [];
    if (text !== undefined) texts.push(text.replaceAll("\\n", "\n"));
  }
  return texts;
}

stories("svlogd", (story) => {
  story(
    8,
    "writes complete lines, and sets the modes of its files",
    async (stage) => {
      assert.equal(await current(stage, "l", "foo\nbar"), stage.isOurs ? "foo\nbar\n" : "foo\n");
      assert.equal(stage.mode("l/current"), 0o744);
      assert.equal(stage.mode("l/lock"), 0o600);
    },
    keepsEveryLine,
  );

  story("8b", "keeps current at mode 644 while it writes", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage);
    assert.equal(stage.mode("l/current"), 0o644);
    await log.send("a\n");
    assert.equal(stage.read("l/current"), "a\n");
    assert.equal(stage.mode("l/current"), 0o644);
    await log.ends();
    assert.equal(stage.mode("l/current"), 0o744);
  });

  story(
    9,
    "holds an unfinished line back until its end is known",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage, "-l5 l");
      await log.send("abcd");
      assert.equal(stage.read("l/current"), "");
      await log.ends();
      assert.equal(stage.read("l/current"), stage.isOurs ? "abcd\n" : "");
    },
    keepsEveryLine,
  );

  for (const [number, text] of [
    [10, "abcde"],
    [11, "abcdefgh"],
  ] as const) {
    story(number, `keeps an unfinished line of ${text.length} bytes with -l5`, async (stage) => {
      assert.equal(await current(stage, "-l5 l", text), `${text}\n`);
    });
  }

  story("11b", "shows what it has of a long line, and goes on with it", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-l5 l");
    for (const [text, shown] of [
      ["abcd", ""],
      ["e", "abcde"],
      ["fgh", "abcdefgh"],
      ["\nx", "abcdefgh\n"],
      ["y\n", "abcdefgh\nxy\n"],
    ] as const) {
      await log.send(text);
      assert.equal(stage.read("l/current"), shown);
    }
    await log.ends();
  });

  story(12, "takes empty lines as lines", async (stage) => {
    assert.equal(await current(stage, "l", "\n\na\n\n"), "\n\na\n\n");
  });

  story(17, "does not touch any byte of a line without -r and -R", async (stage) => {
    assert.equal(await current(stage, "l", odd), odd);
    const bytes = Buffer.concat([everyByte, Buffer.from("\n")]);
    for (const words of ["l", "-l7 l", "-l1 -b2 l"]) {
      assert.equal(await current(stage, words, bytes), bytes.toString("latin1"), words);
    }
  });

  story(18, "replaces what cannot be printed with -r", async (stage) => {
    assert.equal(await current(stage, "-r . l", odd), "a.b.c...d ~\n");
    const printable = everyByte.toString("latin1").replace(/[^\n -~]/g, "?");
    assert.equal(
      await current(stage, ["-r", "?", "l"], Buffer.concat([everyByte, Buffer.from("\n")])),
      `${printable}\n`,
    );
  });

  story(19, "replaces more bytes with -R, whatever the order of options", async (stage) => {
    for (const [words, expected] of [
      [["-R", "d", "l"], "a_b_c____ ~\n"],
      [["-R", "d", "-r", "#", "l"], "a#b#c#### ~\n"],
      [["-r", "#", "-R", "d", "l"], "a#b#c#### ~\n"],
      [["-R", "", "l"], "a_b_c___d ~\n"],
      [["-R", "a", "-R", "d", "l"], "a_b_c____ ~\n"],
      [["-r", "1", "-r", "2", "l"], "a2b2c222d ~\n"],
      [["-r", "\n", "l"], "a\nb\nc\n\n\nd ~\n"],
    ] as const) {
      assert.equal(await current(stage, words, odd), expected, words.join(" "));
    }
  });

  story(20, "does not replace bytes of a long line beyond its first -l", async (stage) => {
    assert.equal(await current(stage, "-l5 -r. -RZ l", "aZ\tbcdZ\tf\n"), "a..bcdZ\tf\n");
  });

  story("20b", "writes lines of every length around -l as they are, with a stamp or without", async (stage) => {
    const lines = [0, 1, 999, 1000, 1001, 1023, 1024, 1025, 5000].map((length) => `${"y".repeat(length)}\n`);
    assert.equal(await current(stage, "l", lines.join("")), lines.join(""));
    const stamped = (await current(stage, "-tt l", lines.join(""))).split("\n");
    for (const [index, line] of lines.entries()) {
      assert.match(stamped[index] ?? "", /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} y*$/);
      assert.equal(`${stamped[index]?.slice(26)}\n`, line);
    }
    assert.equal(stamped.length, lines.length + 1);
  });

  story("20c", "writes a line of a megabyte as it is, and rotates behind it", async (stage) => {
    const line = `${"z".repeat(2 ** 20 - 1)}\n`;
    for (const [words, head] of [
      ["l", 0],
      ["-tt l", 26],
    ] as const) {
      fs.rmSync(stage.at("l"), { recursive: true, force: true });
      logDirectory(stage, "s3m\n");
      await logs(stage, words, `a\n${line}b\n`);
      assert.deepEqual(labelled(stage), []);
      const text = stage.read("l/current");
      assert.equal(text.length, 2 ** 20 + 4 + 3 * head);
      assert.equal(text.slice(head, head + 2), "a\n");
      assert.ok(text.slice(2 * head + 2, -head - 2) === line);
      assert.equal(text.slice(-2), "b\n");
    }
  });

  story("20d", "an unfinished line may be longer than the pipe", async (stage) => {
    logDirectory(stage, "e*\n");
    const line = `${"w".repeat(190_000)}\n`;
    const log = await logging(stage, "-l200000 -b300000 l");
    for (let at = 0; at < line.length; at += 10_000) await log.input.write(line.slice(at, at + 10_000));
    await log.input.write("end\n");
    await stage.until("it is written", () => stage.read("l/current").endsWith("end\n"));
    assert.ok(stage.read("l/current") === `${line}end\n`);
    const { err } = await log.ends();
    assert.ok(err === `${line}end\n`, `${err.length}`);
  });

  story("20e", "a line may come byte by byte", async (stage) => {
    logDirectory(stage);
    const log = await logging(stage, "-l8 l");
    for (const byte of "short\na long line\n\nend\n") await log.send(byte);
    await log.ends();
    assert.equal(stage.read("l/current"), "short\na long line\n\nend\n");
  });

  story(
    99,
    "writes stamp and line with one write",
    async (stage) => {
      logDirectory(stage);
      const writes = await writesOf(stage, "-l10 -b40 -tt l", "short\n");
      assert.equal(writes.length, 1, writes.join("|"));
      assert.equal(writes[0]?.length, 32);
    },
    needsTracing,
  );

  story(
    110,
    "writes stamp, prefix and line one by one only where the buffer is too small for all of them",
    async (stage) => {
      logDirectory(stage, "pPREFIXPREFIX\n");
      const writes = await writesOf(stage, "-b11 -l10 -tt l", "short\n");
      if (stage.isOurs)
        assert.deepEqual(
          writes.map((text) => text.slice(26)),
          ["PREFIXPREFIXshort\n"],
        );
      else assert.deepEqual([writes[0]?.length, ...writes.slice(1)], [26, "PREFIXPREFIX", "short\n"]);
    },
    { ...needsTracing, differs: "svlogd-block-writes" },
  );

  story(
    "110b",
    "writes many lines that wait for it together",
    async (stage) => {
      logDirectory(stage);
      const log = await logging(stage);
      await log.stop();
      const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join("");
      await log.input.write(lines);
      const trace = stage.at("trace");
      stage.start("/usr/bin/strace", ["-y", "-o", trace, "-e", "trace=write,writev", "-p", `${log.pid}`]);
      await stage.until("it is traced", () =>
        /^TracerPid:\t[1-9]/m.test(fs.readFileSync(`/proc/${log.pid}/status`, "latin1")),
      );
      log.svlogd.kill("SIGCONT");
      await stage.becomes(() => stage.read("l/current"), lines);
      await log.ends();
      const writes = count(stage.read("trace"), "/current>");
      if (stage.isOurs) assert.ok(writes <= 10, `${writes} writes`);
      else assert.equal(writes, 500);
    },
    { ...needsTracing, differs: "svlogd-block-writes" },
  );

  story(106, "writes every line to each of 40 directories", async (stage) => {
    const names = Array.from({ length: 40 }, (_, index) => `l${index}`);
    for (const name of names) logDirectory(stage, undefined, name);
    await logs(stage, names, "x\n");
    for (const name of names) assert.equal(stage.read(`${name}/current`), "x\n");
  });

  story(107, "takes a line of the config of any length", async (stage) => {
    logDirectory(stage, `p${"P".repeat(3000)}\n`);
    await logs(stage, "l", "a\n");
    assert.equal(stage.read("l/current"), `${"P".repeat(3000)}a\n`);
  });
});
