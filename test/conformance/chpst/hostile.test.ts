// Environment directories as nobody would make them: spec/chpst.md, section 5.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import {
  assertFails,
  assertPrints,
  becoming,
  chpst,
  entries,
  environment,
  linkTo,
  nobody,
  rootOnly,
  runAs,
} from "./scenes.ts";

/** The value that a file's content stands for, told in another way than the program's. */
function meaningOf(content: Buffer): string {
  const [line = ""] = content.toString("latin1").split("\n");
  return line.replace(/[ \t]+$/, "").replaceAll("\0", "\n");
}
/** A file with any name, of bytes. */
function put(stage: Stage, name: Buffer, content: Uint8Array): void {
  fs.writeFileSync(Buffer.concat([Buffer.from(`${stage.at("E")}/`), name]), content);
}
/** Bytes that look random, and are the same every time. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = state >>> 16;
  }
  return bytes;
}
async function becomingSorted(stage: Stage, inherited: readonly string[] = []): Promise<readonly string[]> {
  return [...(await becoming(stage, "-e E", inherited))].sort();
}

stories("chpst", (story) => {
  story(120, "takes any byte for a value", async (stage) => {
    environment(stage, {});
    const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const contents: Record<string, Buffer> = {
      ALL: every,
      NOLF: every.filter((byte) => byte !== 10) as Buffer,
      BACK: Buffer.from(every.toReversed().filter((byte) => byte !== 10)),
      HIGH: every.subarray(128),
    };
    for (let byte = 0; byte < 256; byte++) {
      contents[`ONE${byte}`] = Buffer.from([byte]);
      contents[`END${byte}`] = Buffer.from([0x78, 0x20, byte]);
      contents[`MID${byte}`] = Buffer.from([0x78, byte, 0x79, 0x09]);
    }
    for (const [name, content] of Object.entries(contents)) put(stage, Buffer.from(name), content);
    const expected = Object.entries(contents).map(([name, content]) => `${name}=${meaningOf(content)}`);
    assert.deepEqual(await becomingSorted(stage), expected.sort());
  });

  story("120b", "takes any byte for a name, a newline too", async (stage) => {
    environment(stage, {});
    const names = [
      "\n",
      "a\nb",
      " ",
      "a b",
      "\t",
      "\x01\x02",
      "\xff",
      "\x80\xfe",
      "\xc3\xa9",
      "\xc3",
      "-x",
      "--",
      "0",
      "%s",
    ];
    for (let byte = 1; byte < 256; byte++) {
      if (byte !== 0x2f && byte !== 0x3d) names.push(`N${String.fromCharCode(byte)}`);
    }
    for (const name of names) put(stage, Buffer.from(name, "latin1"), Buffer.from("v"));
    assert.deepEqual(await becomingSorted(stage, ["A=1"]), ["A=1", ...names.map((name) => `${name}=v`)].sort());
  });

  story("120c", "takes the longest name there is", async (stage) => {
    const long = "N".repeat(255);
    const other = "\xff".repeat(255);
    environment(stage, { [long]: "v", M: "w" });
    put(stage, Buffer.from(other, "latin1"), Buffer.from("u"));
    assert.deepEqual(
      await becomingSorted(stage, [`${long}=old`, `${long}N=stays`]),
      ["M=w", `${long}N=stays`, `${long}=v`, `${other}=u`].sort(),
    );
  });

  story("120d", "removes what was inherited, whatever its name", async (stage) => {
    const gone = ["G", "G G", "\n", "G".repeat(255), "é"];
    environment(stage, Object.fromEntries(gone.map((name) => [name, ""])));
    const { out } = await chpst(stage, "-e E /usr/bin/env -0", {
      via: ["/usr/bin/env", "-i", ...gone.map((name) => `${name}=old`), "STAY=1"],
    });
    assert.deepEqual(entries(out), ["STAY=1"]);
  });

  story("121", "a value as long as the kernel takes", async (stage) => {
    const longest = 131_072 - "K=".length - 1;
    environment(stage, { K: "x".repeat(longest) });
    assert.deepEqual(await becoming(stage, "-e E"), [`K=${"x".repeat(longest)}`]);
    environment(stage, { K: "x".repeat(longest + 1) });
    assertFails(await chpst(stage, "-e E true"), "unable to run: true: argument list too long");
  });

  story("121b", "a file of a megabyte whose first line is short", async (stage) => {
    const rest = noise(1_048_576, 1);
    environment(stage, {
      SHORT: Buffer.concat([Buffer.from("short \n"), rest]),
      LATE: Buffer.concat([Buffer.alloc(100_000, "y"), Buffer.from("\n"), rest]),
      BLANK: Buffer.concat([Buffer.from("b"), Buffer.alloc(1_048_576, " ")]),
      TABS: Buffer.alloc(1_048_576, "\t"),
    });
    const expected = ["SHORT=short", `LATE=${"y".repeat(100_000)}`, "BLANK=b", "TABS="];
    assert.deepEqual(await becomingSorted(stage), expected.sort());
  });

  story("121c", "a file of a megabyte in one line is too long for the kernel", async (stage) => {
    for (const content of [Buffer.alloc(1_048_576, "x"), Buffer.alloc(1_048_576), Buffer.alloc(3_000_000, "x")]) {
      environment(stage, { K: content });
      assertFails(await chpst(stage, "-e E true"), "unable to run: true: argument list too long");
    }
  });

  story("121d", "NUL bytes as many as the kernel takes, all of them newlines", async (stage) => {
    environment(stage, {
      K: Buffer.alloc(131_000),
      L: Buffer.concat([Buffer.alloc(50_000), Buffer.alloc(900_000, " ")]),
    });
    assert.deepEqual(await becomingSorted(stage), [`K=${"\n".repeat(131_000)}`, `L=${"\n".repeat(50_000)}`]);
  });

  story("121e", "files of noise", async (stage) => {
    environment(stage, {});
    const contents = Array.from({ length: 200 }, (_, index) => noise((index * 37) % 3000, index));
    for (const [index, content] of contents.entries()) put(stage, Buffer.from(`K${index}`), content);
    const expected = contents.flatMap((content, index) =>
      content.length === 0 ? [] : [`K${index}=${meaningOf(content)}`],
    );
    assert.deepEqual(await becomingSorted(stage), expected.sort());
  });

  story("122", "five thousand files", async (stage) => {
    environment(stage, {});
    const names = Array.from({ length: 5000 }, (_, index) => `K${index}`);
    for (const name of names) fs.writeFileSync(stage.at("E", name), `value of ${name}\n`);
    assert.deepEqual(
      await becomingSorted(stage, ["K17=old", "A=1"]),
      ["A=1", ...names.map((name) => `${name}=value of ${name}`)].sort(),
    );
    for (const name of names) fs.writeFileSync(stage.at("E", name), "");
    assert.deepEqual(await becomingSorted(stage, ["K17=old", "A=1", "K4999=x"]), ["A=1"]);
  });

  story("122b", "a thousand inherited variables and a thousand files", async (stage) => {
    environment(stage, {});
    const inherited = Array.from({ length: 1000 }, (_, index) => `K${index}=old`);
    for (let index = 500; index < 1500; index++) fs.writeFileSync(stage.at("E", `K${index}`), index % 2 ? "new" : "");
    const expected = Array.from({ length: 1500 }, (_, index) => `K${index}=${index < 500 ? "old" : "new"}`);
    const left = expected.filter((_, index) => index < 500 || index % 2 === 1);
    assert.deepEqual(await becomingSorted(stage, inherited), left.sort());
  });

  story("123", "a loop of symbolic links is the end", async (stage) => {
    environment(stage, { K: "v" });
    fs.symlinkSync("LOOP", stage.at("E/LOOP"));
    assertFails(await chpst(stage, "-e E true"), "unable to read E/LOOP: symbolic link loop");
    assertFails(await runAs(stage, "envdir", "E true"), "unable to read E/LOOP: symbolic link loop");
  });

  story("123b", "a link through a file, or to a name too long, is the end", async (stage) => {
    environment(stage, { K: "v" });
    fs.symlinkSync("K/x", stage.at("E/L"));
    assertFails(await chpst(stage, "-e E true"), "unable to read E/L: not a directory");
    fs.rmSync(stage.at("E/L"));
    fs.symlinkSync("x".repeat(300), stage.at("E/L"));
    assertFails(await chpst(stage, "-e E true"), "unable to read E/L: file name too long");
  });

  story("123c", "links to files, pipes, devices and directories are followed", async (stage) => {
    stage.file("value", "far\n");
    environment(stage, {});
    stage.fifo("pipe");
    fs.symlinkSync("../value", stage.at("E/FILE"));
    fs.symlinkSync("../pipe", stage.at("E/PIPE"));
    fs.symlinkSync("/dev/null", stage.at("E/NULL"));
    fs.symlinkSync("..", stage.at("E/DIR"));
    const inherited = ["FILE=1", "PIPE=2", "NULL=3", "DIR=4"];
    assert.deepEqual(await becomingSorted(stage, inherited), ["DIR=4", "FILE=far"]);
    const { err } = await chpst(stage, "-v -e E true");
    assert.equal(err, "chpst: warning: unable to read E/DIR: is a directory\n");
    assertFails(await runAs(stage, "envdir", "E true"), "unable to read E/DIR: is a directory");
  });

  story("123d", "a pipe in which a value waits is a value that cannot be had yet", async (stage) => {
    environment(stage, {});
    stage.fifo("E/F");
    const fd = fs.openSync(stage.at("E/F"), "r+");
    try {
      const outcome = await chpst(stage, "-e E true");
      assertFails(outcome, "unable to read E/F: temporary failure");
    } finally {
      fs.closeSync(fd);
    }
  });

  story("123e", "a socket is the end", async (stage) => {
    environment(stage, {});
    const server = (await import("node:net")).createServer();
    await new Promise<void>((resolve) => server.listen(stage.at("E/S"), resolve));
    try {
      assertFails(await chpst(stage, "-e E true"), "unable to read E/S: device not configured");
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  story(
    "123f",
    "an ordinary user's directory with something unreadable in it",
    async (stage) => {
      environment(stage, { K: "v", "a\nb": "" });
      fs.chmodSync(stage.at("E/a\nb"), 0);
      assertFails(await chpst(stage, "-e E true", nobody), "unable to read E/a\nb: access denied");
      fs.rmSync(stage.at("E/a\nb"));
      fs.mkdirSync(stage.at("E/dir"), { mode: 0 });
      assertFails(await chpst(stage, "-e E true", nobody), "unable to read E/dir: access denied");
      linkTo(stage, "envdir");
      assertFails(await runAs(stage, "envdir", "E true", nobody), "unable to read E/dir: access denied");
    },
    rootOnly,
  );

  story("123g", "a directory with a very long path", async (stage) => {
    const long = Array.from({ length: 15 }, () => "d".repeat(250)).join("/");
    fs.mkdirSync(stage.at(long), { recursive: true });
    fs.writeFileSync(stage.at(long, "K"), "deep");
    assertPrints(await chpst(stage, ["-e", long, "sh", "-c", "echo $K"]), "deep\n");
    fs.mkdirSync(stage.at(long, "sub"));
    const { err } = await chpst(stage, ["-v", "-e", long, "true"]);
    assert.equal(err, `chpst: warning: unable to read ${long}/sub: is a directory\n`);
    const longer = `${long}/${long}`;
    assertFails(
      await chpst(stage, ["-e", longer, "true"]),
      `unable to switch to directory: ${longer}: file name too long`,
    );
  });
});
