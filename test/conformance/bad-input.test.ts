// Bad input of the three programs: wrong invocations, directories and names that cannot be used, names of any bytes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { refuses, sleeper } from "./runsv/scripts.ts";
import { nobody, rootOnly } from "./runsvdir/scenes.ts";
import { stories } from "./stage.ts";

const onlyOurs = { only: "ours" } as const;
const longName = "n".repeat(255);
const tooLong = "n".repeat(256);
const longPath = "d/".repeat(2100); // 4200 bytes, more than a path may have

stories("bad input: runsv", (story) => {
  story(1, "any number of arguments but one is a usage error", async (stage) => {
    for (const args of [[], ["a", "b"], ["", ""], ["-h", "a"], ["--", "a"], ["a", "b", "c"]]) {
      const { out, err, code } = await stage.run("runsv", args);
      assert.deepEqual({ out, err, code }, { out: "", err: "usage: runsv dir\n\n", code: 1 }, args.join(" "));
    }
  });
  story(2, "options are names of directories", async (stage) => {
    for (const name of ["-h", "--hel", "-V", "--version", "--", "-", "none"]) {
      await refuses(stage, name, "unable to change to directory: file does not exist");
    }
  });
  story(3, "what is no directory, or too long to be one, is refused", async (stage) => {
    stage.file("file", "");
    await refuses(stage, "", "unable to change to directory: file does not exist");
    await refuses(stage, "file", "unable to change to directory: not a directory");
    await refuses(stage, "file/", "unable to change to directory: not a directory");
    await refuses(stage, tooLong, "unable to change to directory: file name too long");
    await refuses(stage, longPath, "unable to change to directory: file name too long");
  });
  story(
    4,
    "a directory that may not be entered is refused",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      fs.chmodSync(stage.at("svc"), 0o600);
      await refuses(stage, "svc", "unable to change to directory: access denied", nobody);
    },
    rootOnly,
  );
  story(5, "control and ok that are something else", async (stage) => {
    for (const [name, make] of [
      ["file", (file: string) => fs.writeFileSync(file, "x")],
      ["directory", (file: string) => fs.mkdirSync(file)],
    ] as const) {
      stage.service(name, { run: sleeper });
      fs.mkdirSync(stage.at(name, "supervise"));
      make(stage.at(name, "supervise/control"));
      await refuses(stage, name, "supervise/control exists but is not a fifo");
    }
    assert.equal(stage.read("file/supervise/control"), "x");
  });
});

stories("bad input: runsvdir", (story) => {
  story(1, "no directory is a usage error", async (stage) => {
    for (const args of [[], ["-P"], ["--"], ["--foo"]]) {
      const { out, err, code } = await stage.run("runsvdir", args);
      assert.deepEqual({ out, err, code }, { out: "", err: "usage: runsvdir [-P] dir\n\n", code: 1 }, args.join(" "));
    }
  });
  story(2, "a directory that is missing, a file, or too long is said, and waited for", async (stage) => {
    stage.file("file", "");
    const expected = [
      ["", "unable to stat : file does not exist"],
      ["none", "unable to stat none: file does not exist"],
      ["file", "unable to change directory to file: not a directory"],
      [tooLong, `unable to stat ${tooLong}: file name too long`],
      [longPath, `unable to stat ${longPath}: file name too long`],
    ] as const;
    for (const [name, text] of expected) {
      const runsvdir = stage.start("runsvdir", [name]);
      const line = `runsvdir ${name}: warning: ${text}\n`;
      await stage.until(`it says ${text.slice(0, 60)}`, () => runsvdir.err.length >= line.length);
      assert.equal(runsvdir.err.slice(0, line.length), line);
      assert.ok(runsvdir.isAlive);
      runsvdir.kill("SIGTERM");
      assert.equal((await stage.end(runsvdir)).code, 0);
    }
  });
  story(
    3,
    "a directory that may be entered but not read is said, and waited for",
    async (stage) => {
      fs.mkdirSync(stage.at("scan"));
      fs.chmodSync(stage.at("scan"), 0o711);
      const runsvdir = stage.start("runsvdir", ["scan"], nobody);
      const line = "runsvdir scan: warning: unable to open directory scan: access denied\n";
      await stage.until("it says so", () => runsvdir.err.length >= line.length);
      assert.equal(runsvdir.err.slice(0, line.length), line);
      assert.ok(runsvdir.isAlive);
    },
    rootOnly,
  );
  story(
    4,
    "names of every byte, files and links that lead nowhere: each service is supervised, and nothing else",
    async (stage) => {
      const names: Buffer[] = [];
      // Every byte but NUL and the slash, each inside of a name, and all of those that may begin one.
      for (let byte = 1; byte < 256; byte++) {
        if (byte === 0x2f) continue;
        const isHidden = byte === 0x2e;
        if (byte % 8 === 1) names.push(Buffer.from([byte]));
        const last = names.at(-1);
        if (last === undefined || isHidden) continue;
        names[names.length - 1] = Buffer.concat([last, Buffer.from([byte])]);
      }
      names.push(Buffer.from([0xff, 0xfe, 0x80]), Buffer.from("a\nb"), Buffer.from('"\\\t\x7f'), Buffer.from("a.b"));
      names.push(Buffer.from(longName));
      const scan = Buffer.from(`${stage.at("scan")}/`);
      fs.mkdirSync(stage.at("scan"));
      for (const name of names) {
        const service = Buffer.concat([scan, name]);
        fs.mkdirSync(service);
        fs.writeFileSync(Buffer.concat([service, Buffer.from("/run")]), `#!/bin/sh\n${sleeper}\n`, { mode: 0o755 });
      }
      stage.file("scan/file", "");
      fs.symlinkSync("nowhere", stage.at("scan/dangling"));
      stage.service("scan/.hidden", { run: sleeper });

      const runsvdir = stage.start("runsvdir", ["scan"]);
      await stage.until("all run", () => stage.processes("sleep 1000").length === names.length);
      assert.equal(stage.processes("runsv ").length, names.length);

      // Their names as a shell writes them: Node cannot pass arguments that are not UTF-8.
      const words = (some: readonly Buffer[]) =>
        some.map(
          (name) => `"$(printf '${[...name].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}')"`,
        );
      // Names that begin with a dot or a dash are another matter.
      const told = names.filter((name) => name[0] !== 0x2e && name.at(-1) !== 0x0a);
      const sv = (command: string) =>
        stage.sh(`exec sv ${command} ${words(told).join(" ")}`, { env: { SVDIR: stage.at("scan") } });
      const status = await sv("-w 30 status");
      assert.deepEqual([status.err, status.code], ["", 0]);
      for (const name of told) {
        const text = name.toString("latin1");
        assert.ok(status.out.includes(`run: ${text}: (pid `), JSON.stringify(text));
      }
      const stop = await sv("-w 30 stop");
      assert.deepEqual([stop.err, stop.code], ["", 0]);
      for (const name of told) assert.ok(stop.out.includes(`ok: down: ${name.toString("latin1")}: `));
      assert.equal(stage.processes("sleep 1000").length, names.length - told.length);

      // JSON of all: one valid object per line; every service has its line.
      const json = await stage.run("sv", ["--json", "status"], { env: { SVDIR: stage.at("scan") } });
      const lines = json.out.split("\n").slice(0, -1);
      const objects = lines.map((line) => JSON.parse(line) as { readonly service?: string; readonly name?: string });
      assert.ok(objects.length >= names.length, `${objects.length} lines of ${names.length} services`);
      assert.equal(new Set(objects.map((object) => object.service ?? object.name)).size, objects.length);

      runsvdir.kill("SIGHUP");
      assert.equal((await stage.end(runsvdir)).code, 111);
      await stage.until("all have ended", () => stage.processes("runsv").length === 0);
    },
    { ...onlyOurs, timeoutMilliseconds: 120_000 },
  );
});

stories("bad input: sv", (story) => {
  const usage = "usage: sv [-v] [-w sec] command service ...\n\n";
  story(1, "wrong usage", async (stage) => {
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [[], ""],
      [["-v"], ""],
      [["-w", "5"], ""],
      [["-w"], "sv: option requires an argument -- w\n"],
      [["-x"], "sv: illegal option -- x\n"],
      [["-q", "status", "a"], "sv: illegal option -- q\n"],
      [["up"], ""],
      [["bogus", "a"], ""],
      [["", "a"], ""],
      [["-", "a"], ""],
      [["force", "a"], ""],
    ];
    for (const [args, before] of wrong) {
      const { out, err, code } = await stage.run("sv", args);
      assert.deepEqual({ out, err, code }, { out: "", err: `${before}${usage}`, code: 100 }, args.join(" "));
    }
  });
  story(2, "names that cannot be entered: each is said, and counted up to 99", async (stage) => {
    stage.file("file", "");
    const failure = (name: string, reason: string) =>
      `fail: ${name}: unable to change to service directory: ${reason}\n`;
    const expected = [
      ["", "file does not exist"],
      ["none", "file does not exist"],
      ["file", "not a directory"],
      ["file/", "not a directory"],
      [tooLong, "file name too long"],
      [longPath, "file name too long"],
      [`/${longPath}`, "file name too long"],
      ["a\nb", "file does not exist"],
    ] as const;
    for (const command of ["status", "up", "start", "exit", "check"]) {
      const { out, err, code } = await stage.run("sv", [command, ...expected.map(([name]) => name)]);
      const text = expected.map(([name, reason]) => failure(name, reason)).join("");
      assert.deepEqual({ out, err, code }, { out: text, err: "", code: expected.length }, command);
    }
    const many = await stage.run("sv", ["status", ...Array.from({ length: 1500 }, (_, index) => `none${index}`)]);
    assert.equal(many.code, 99);
    assert.equal(many.out.split("\n").length, 1501);
  });
  story(3, "a service directory that is too long, or no directory", async (stage) => {
    stage.file("file", "");
    for (const [SVDIR, reason] of [
      [longPath, "file name too long"],
      [stage.at("file"), "not a directory"],
      ["", "file does not exist"],
    ] as const) {
      const { out, err, code } = await stage.run("sv", ["status", "a"], { env: { SVDIR } });
      const text = `fail: a: unable to change to service directory: ${reason}\n`;
      assert.deepEqual({ out, err, code }, { out: text, err: "", code: 1 });
    }
  });
  story(
    4,
    "a directory that may not be entered",
    async (stage) => {
      stage.service("svc", { run: sleeper });
      await stage.supervise("svc");
      fs.chmodSync(stage.at("svc"), 0o700);
      const closed = await stage.run("sv", ["status", "svc"], nobody);
      const text = "fail: svc: unable to change to service directory: access denied\n";
      assert.deepEqual([closed.out, closed.err, closed.code], [text, "", 1]);
      fs.chmodSync(stage.at("svc"), 0o755);
      const shut = await stage.run("sv", ["exit", "svc"], nobody);
      assert.deepEqual(
        [shut.out, shut.err, shut.code],
        ["warning: svc: unable to open supervise/ok: access denied\n", "", 1],
      );
    },
    rootOnly,
  );
  story(5, "control that is no fifo", async (stage) => {
    stage.service("svc", { run: sleeper });
    await stage.supervise("svc");
    await stage.running("svc");
    const control = stage.at("svc/supervise/control");
    fs.rmSync(control);
    fs.mkdirSync(control);
    const { out, err, code } = await stage.run("sv", ["term", "svc"]);
    const text = "warning: svc: unable to open supervise/control: is a directory\n";
    assert.deepEqual({ out, err, code }, { out: text, err: "", code: 1 });
    assert.equal(path.basename(control), "control");
  });
});
