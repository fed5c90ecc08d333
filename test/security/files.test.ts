// What is installed and packed: nobody's rights are more than those of whoever executes it, and nobody but its owner can
// change it. And what of the compiler's and linker's protections is in the binary.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";
import { listFaults } from "./tricks.ts";

const root = path.resolve(import.meta.dirname, "../..");
const build = path.resolve(root, process.env["BUILD"] ?? "build");
const dist = path.join(root, "build/dist");

function output(command: string, ...words: string[]): string {
  const { stdout, stderr, status } = spawnSync(command, words, { cwd: root, encoding: "latin1", maxBuffer: 1 << 26 });
  assert.equal(status, 0, `${command} ${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** Of a listing like that of tar: entries with set-user-ID or set-group-ID, or that others than the owner can write to. */
function oddEntries(listing: string): string[] {
  return listing
    .split("\n")
    .filter((entry) => entry !== "" && !entry.startsWith("l"))
    .filter((entry) => /^...[sS]|^......[sS]|^.....w|^........w/.test(entry));
}

suite("installed and packed files", () => {
  test("make install makes no file with set-user-ID or set-group-ID, and none that others can write to", () => {
    const to = fs.mkdtempSync(path.join(os.tmpdir(), "install."));
    try {
      const words = ["--no-print-directory", "--silent", "install-files", `DESTDIR=${to}`, `BUILD=${build}`];
      output("sh", "-c", `umask 022; exec make ${words.join(" ")}`);
      assert.ok(fs.existsSync(path.join(to, "usr/local/bin/runit-ts")));
      assert.deepEqual(listFaults(to), []);
    } finally {
      fs.rmSync(to, { recursive: true });
    }
  });

  const packages = fs.existsSync(dist) ? fs.readdirSync(dist).filter((name) => /\.(deb|t?gz)$/.test(name)) : [];
  test("a listing with odd modes is told from one without", () => {
    assert.equal(
      oddEntries("-rwsr-xr-x\n-rwxr-sr-x\n-rw-rw-r--\n-rw-r--rw-\nlrwxrwxrwx\n-rwxr-xr-x\ndrwxr-xr-x\n").length,
      4,
    );
  });
  for (const name of packages) {
    const isDeb = name.endsWith(".deb");
    test(`${name} has no such file, and all is root's`, { skip: missing(isDeb ? "dpkg-deb" : "tar") }, () => {
      const file = path.join(dist, name);
      const listing = isDeb ? output("dpkg-deb", "--contents", file) : output("tar", "--numeric-owner", "-tvzf", file);
      assert.deepEqual(oddEntries(listing), []);
      const owners = new Set(
        listing
          .trimEnd()
          .split("\n")
          .map((entry) => entry.split(/\s+/)[1]),
      );
      assert.deepEqual([...owners], [isDeb ? "root/root" : "0/0"]);
    });
  }
  test("packages there are", { skip: packages.length === 0 && "make dist has not been run" }, () => {
    assert.ok(packages.length >= 5);
  });
});

/** What an ELF file of 64 bits says of itself. */
class Elf {
  readonly bytes: Buffer;
  readonly type: number;
  readonly segments: readonly { type: number; flags: number; offset: number; bytes: number }[];

  constructor(file: string) {
    this.bytes = fs.readFileSync(file);
    assert.equal(this.bytes.toString("latin1", 0, 6), "\x7fELF\x02\x01");
    this.type = this.bytes.readUInt16LE(16);
    const at = Number(this.bytes.readBigUInt64LE(32));
    const size = this.bytes.readUInt16LE(54);
    this.segments = Array.from({ length: this.bytes.readUInt16LE(56) }, (_, index) => {
      const entry = this.bytes.subarray(at + index * size);
      return {
        type: entry.readUInt32LE(0),
        flags: entry.readUInt32LE(4),
        offset: Number(entry.readBigUInt64LE(8)),
        bytes: Number(entry.readBigUInt64LE(32)),
      };
    });
  }
  segment(type: number) {
    return this.segments.find((one) => one.type === type);
  }
  /** Tags of the dynamic section. */
  get dynamicTags(): number[] {
    const segment = this.segment(dynamic);
    const tags: number[] = [];
    for (let at = segment?.offset ?? 0; segment && at < segment.offset + segment.bytes; at += 16) {
      tags.push(Number(this.bytes.readBigInt64LE(at)));
    }
    return tags;
  }
}
const [load, dynamic, interpreter, stack] = [1, 2, 3, 0x6474e551] as const;
const [executable, writable] = [1, 2] as const;
const [needed, rpath, textRelocations, runpath] = [1, 15, 22, 29] as const;

suite("the binary", () => {
  const elf = new Elf(path.join(build, "runit-ts"));
  test("is linked statically: no interpreter, no library, no search path", () => {
    assert.equal(elf.segment(interpreter), undefined);
    for (const tag of [needed, rpath, runpath]) assert.ok(!elf.dynamicTags.includes(tag));
  });
  test("has no segment that is both writable and executable, and no relocations in its code", () => {
    const loaded = elf.segments.filter(({ type }) => type === load);
    assert.ok(loaded.length >= 2);
    for (const { flags } of loaded) assert.notEqual(flags & (executable | writable), executable | writable);
    assert.ok(!elf.dynamicTags.includes(textRelocations));
  });
  test("has a stack that is not executable, also when it runs", () => {
    assert.equal((elf.segment(stack)?.flags ?? executable) & executable, 0);
    const child = path.join(build, "runit-ts");
    const maps = output(child, "chpst", "cat", "/proc/self/maps");
    assert.doesNotMatch(maps, /wx/);
  });
  test("has no set-user-ID, and is written to by its owner only", () => {
    assert.equal(fs.statSync(path.join(build, "runit-ts")).mode & 0o6022, 0);
  });
  test("has the stack protector in the functions of posix.c that have buffers", { skip: missing("objdump") }, () => {
    const code = output("objdump", "-dr", "--no-show-raw-insn", path.join(build, "posix.o"));
    const guarded = new Set<string>();
    let name = "";
    for (const line of code.split("\n")) {
      name = /^[0-9a-f]+ <(.*)>:$/.exec(line)?.[1] ?? name;
      if (line.includes("__stack_chk_fail")) guarded.add(name);
    }
    for (const one of ["posix_pipe", "posix_spawn_run", "posix_drop_capabilities", "posix_reserve"]) {
      assert.ok(guarded.has(one) || !code.includes(`<${one}>:`), one);
    }
    assert.ok(guarded.size >= 20, `${guarded.size} functions`);
    assert.match(code, /%fs:0x28/);
  });
});
