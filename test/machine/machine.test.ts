import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { plainChild } from "../../src/system/system.ts";
import { endsAfter, Idle, Killed, latin, Machine, sleeper } from "./machine.ts";

const plan = (program: string) => plainChild(program, [program], 111);

suite("the in-memory machine", () => {
  test("has files, links and directories", () => {
    const machine = new Machine();
    machine.file("/a/b", "text");
    machine.link("/l", "a");
    assert.equal(machine.stat("/l/b", true).kind, "file");
    assert.equal(machine.stat("/l", false).kind, "link");
    assert.equal(machine.stat("/nope", true).errno, 2);
    assert.equal(machine.open("/a/b/c", 0, 0), -20);
    assert.equal(machine.mkdir("/a", 0o755), -17);
  });

  test("has fifos that need a reader, and pipes that end with their last writer", () => {
    const machine = new Machine();
    machine.mkfifo("/f", 0o600);
    assert.equal(machine.open("/f", 1, 0), -6);
    const reader = machine.open("/f", 0, 0);
    const writer = machine.open("/f", 1, 0);
    machine.writeText(writer, "x");
    const bytes = new Uint8Array(4);
    assert.equal(machine.read(reader, bytes), 1);
    assert.equal(machine.read(reader, bytes), -11);
    machine.close(writer);
    assert.equal(machine.read(reader, bytes), 0);
  });

  test("moves its clock to what comes next, and is idle when nothing will", () => {
    const machine = new Machine();
    machine.program("/p", endsAfter(70, 3));
    machine.spawn(plan("/p"));
    const start = machine.milliseconds;
    assert.equal(machine.poll([], 1000), -4);
    assert.equal(machine.milliseconds - start, 70);
    assert.deepEqual(machine.reap().waitStatus, 3 * 256);
    machine.takeSignals();
    assert.equal(machine.poll([], 1000), 0);
    assert.throws(() => machine.poll([], -1), Idle);
  });

  test("keeps TERM from a stopped process until it is continued", () => {
    const machine = new Machine();
    machine.program("/p", sleeper);
    const { pid } = machine.spawn(plan("/p"));
    machine.kill(pid, 19);
    machine.kill(pid, 15);
    machine.poll([], 500);
    assert.equal(machine.living().length, 1);
    machine.kill(pid, 18);
    machine.poll([], 500);
    assert.equal(machine.living().length, 0);
  });

  test("fails the n-th call, and no other", () => {
    const machine = new Machine();
    machine.failAt = 2;
    machine.failWith = 28;
    assert.equal(machine.mkdir("/a", 0o755), 0);
    assert.equal(machine.mkdir("/b", 0o755), -28);
    assert.equal(machine.mkdir("/b", 0o755), 0);
    assert.equal(machine.failed, "mkdir /b");
  });

  test("runs out of descriptors, processes and disk", () => {
    const machine = new Machine();
    machine.maxFds = 5;
    machine.file("/f", "");
    const opened = [1, 2, 3, 4].map(() => machine.open("/f", 0, 0));
    assert.ok(opened.includes(-24));
    machine.maxProcesses = 0;
    assert.equal(machine.spawn(plan("/p")).pid, -11);
    machine.isDiskFull = true;
    assert.equal(machine.replaceText("/x.new", "/x", "text", 0o644), -(2000 + 28));
    assert.ok(!machine.exists("/x"));
  });

  test("has a pipe as descriptor 0, which outlives the program that reads it", () => {
    const machine = new Machine();
    const input = machine.input();
    const bytes = new Uint8Array(3);
    assert.equal(machine.read(0, bytes), -11);
    input.write("abcdef");
    assert.equal(machine.poll([{ fd: 0, awaits: "data" }], -1), 1);
    assert.equal(machine.read(0, bytes), 3);
    machine.file("/f", "");
    machine.open("/f", 0, 0);
    machine.bury();
    assert.equal(machine.openFds, 1);
    assert.equal(input.waiting, "def");
    assert.equal(machine.read(0, bytes), 3);
    assert.equal(latin(bytes), "def");
    input.end();
    assert.equal(machine.poll([{ fd: 0, awaits: "end" }], -1), 1);
    assert.equal(machine.read(0, bytes), 0);
  });

  test("nobody hears of the end of a child whose parent is buried", () => {
    const machine = new Machine();
    machine.program("/p", endsAfter(10, 0));
    machine.spawn(plan("/p"));
    machine.bury();
    assert.equal(machine.poll([], 100), 0);
    assert.equal(machine.reap().pid, 0);
    assert.equal(machine.living().length, 0);
  });

  test("has one full disk among others", () => {
    const machine = new Machine();
    machine.file("/a/f", "");
    machine.file("/ab/f", "");
    machine.fullBelow = "/a";
    const write = (path: string) => machine.write(machine.open(path, 1, 0), new Uint8Array(1), 0, 1);
    assert.equal(write("/a/f"), -28);
    assert.equal(write("/ab/f"), 1);
    assert.equal(machine.open("/a/new", 0o101, 0o644), -28);
  });

  test("refuses calls by their names, kills the program in the n-th, and ends a play that waits for ever", () => {
    const machine = new Machine();
    machine.refuses = (call) => (call === "mkdir /a" ? 13 : 0);
    assert.equal(machine.mkdir("/a", 0o755), -13);
    assert.equal(machine.mkdir("/b", 0o755), 0);
    machine.killAt = 3;
    assert.throws(() => machine.mkdir("/c", 0o755), Killed);
    assert.ok(!machine.exists("/c"));
    machine.maxPolls = 2;
    machine.poll([], 1);
    machine.poll([], 1);
    assert.throws(() => machine.poll([], 1), /again and again/);
  });
});
