// The binary for arm64, which is made by way of C (scripts/build-arm64), run by qemu-user: the stories of sv, svlogd and the old
// clients, the records that differ there, and its tarball in a clean Debian.
//
// What qemu-user does in other ways than Linux is left out, by title: it has no vfork, so that nobody learns that a program
// could not be executed; it knows no limits of memory; and its own arguments show in /proc.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import { wideUtmpBytes } from "../../src/core/process/utmp.ts";
import { cannotMount } from "../conformance/stage.ts";
import { inDebian, noDebian } from "../packages/debian.ts";
import { emulateArm64, noEmulator } from "./binfmt.ts";

const root = path.resolve(import.meta.dirname, "../..");
const programs = path.join(root, "build/arm64/bin");
const patience = { timeout: 600_000 };

/** What needs vfork, or a descriptor of 0 to 2 that is closed, which qemu opens. */
const notThere = /a check script that cannot be run agrees|an input that cannot be read is said/;

suite("arm64", { skip: noEmulator || (!fs.existsSync(programs) && "scripts/build-arm64 has not been run") }, () => {
  let endEmulation = () => {};
  before(() => {
    endEmulation = emulateArm64();
  });
  after(() => endEmulation());

  for (const program of ["sv", "svlogd", "legacy"]) {
    test(`the stories of ${program}`, patience, async () => {
      const directory = path.join(root, "test/conformance", program);
      const files = fs
        .readdirSync(directory)
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => path.join(directory, name));
      const words = [
        "--test",
        "--test-concurrency=2",
        "--test-reporter=tap",
        `--test-skip-pattern=${notThere.source}`,
        ...files,
      ];
      const { out, code } = await runNode(words, { PROGRAMS: programs, CONFORMANCE: "ours" });
      assert.equal(
        code,
        0,
        // What failed, each with the lines below it that say why.
        (out.match(/^ *not ok .*\n(?:(?! *(?:ok|not ok|#)).*\n)*/gm) ?? []).join(""),
      );
      assert.ok(Number(/^# pass (\d+)$/m.exec(out)?.[1]) > 50, out.slice(-500));
    });
  }

  test("a record of utmp has 400 bytes, and 64 bits for the time", { skip: cannotMount }, () => {
    const at = fs.mkdtempSync(path.join(os.tmpdir(), "utmp."));
    try {
      const record = Buffer.alloc(wideUtmpBytes);
      record.writeUInt16LE(7, 0);
      record.write("tty5", 8);
      record.write("bob", 44);
      fs.writeFileSync(path.join(at, "utmp"), Buffer.concat([Buffer.alloc(wideUtmpBytes), record]));
      const words = [
        "--mount",
        "/bin/sh",
        "-euc",
        'mount --make-rprivate / && mount --bind "$1" /run && "$2" tty5',
        "sh",
        at,
        path.join(programs, "utmpset"),
      ];
      const { stderr, status } = spawnSync("unshare", words, { encoding: "utf8" });
      assert.deepEqual([stderr, status], ["", 0]);
      const ended = fs.readFileSync(path.join(at, "utmp")).subarray(wideUtmpBytes);
      assert.deepEqual([ended.readUInt16LE(0), ended.toString("latin1", 8, 12), ended[44]], [8, "tty5", 0]);
      const seconds = Number(ended.readBigUInt64LE(344));
      assert.ok(Math.abs(seconds - Date.now() / 1000) < 600, `${seconds}`);
    } finally {
      fs.rmSync(at, { recursive: true, force: true });
    }
  });

  test("its tarball, unpacked into the /usr/local of a clean Debian", { ...patience, skip: noDebian }, async () => {
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
    const file = path.join(root, `build/dist/runit-ts-${version}-linux-arm64.tar.gz`);
    if (!fs.existsSync(file)) assert.equal(spawnSync("make", ["dist"], { cwd: root }).status, 0);
    const script = `
tar -x -z -f /mnt/*.tar.gz -C /usr/local --strip-components=1
mkdir -p /tmp/service/clock
printf '%s\\n' '#!/bin/sh' 'exec sleep 1000' >/tmp/service/clock/run
chmod +x /tmp/service/clock/run
export SVDIR=/tmp/service
runsvdir -P /tmp/service &
until sv check clock >/dev/null; do sleep 0.1; done
sv -w 30 restart clock >/dev/null
sv status clock
kill -HUP $!
sv -w 30 shutdown clock`;
    const { out, err, code } = await inDebian(script, { files: [file] });
    assert.equal(code, 0, `${out}${err}`);
    assert.match(out, /^run: clock: \(pid \d+\) \d+s\nok: clock: runsv not running\n$/);
  });
});

/** Node with these words, its own test runner's environment aside. */
async function runNode(
  words: readonly string[],
  variables: Record<string, string>,
): Promise<{ out: string; code: number }> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(process.execPath, words, {
    cwd: root,
    env: { ...environment, ...variables },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { out, code: code ?? -1 };
}
