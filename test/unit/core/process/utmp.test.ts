import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeLogout, isLoginOn, markLogout, utmpBytes, wideUtmpBytes } from "../../../../src/core/process/utmp.ts";

function login(line: string, user: string): Buffer {
  const record = Buffer.alloc(utmpBytes, 0x55);
  record.fill(0, 8, 40).write(line, 8, "latin1");
  record.fill(0, 44, 76).write(user, 44, "latin1");
  return record;
}

suite("a record of utmp", () => {
  test("is a login on exactly its line", () => {
    assert.ok(isLoginOn(login("tty5", "bob"), "tty5"));
    for (const line of ["tty", "tty55", "", "tty6"]) assert.ok(!isLoginOn(login("tty5", "bob"), line), line);
    assert.ok(isLoginOn(login("x".repeat(32), "bob"), "x".repeat(32)), "a line that fills its field");
    assert.ok(isLoginOn(login("tty5\0more", "bob"), "tty5"), "what is behind the NUL does not count");
    assert.ok(!isLoginOn(login("tty5", ""), "tty5"), "nobody is logged in");
    assert.ok(!isLoginOn(login("tty5", "bob").subarray(0, 383), "tty5"), "a record cut short");
  });

  test("of a logout keeps pid, id, exit, session, microseconds and address", () => {
    const record = login("tty5", "bob");
    markLogout(record, 1700000000);
    const expected = Buffer.alloc(utmpBytes, 0x55);
    expected.fill(0, 8, 40).write("tty5", 8);
    expected.fill(0, 44, 76 + 256);
    expected.writeUInt16LE(8, 0);
    expected.writeUInt32LE(1700000000, 340);
    assert.deepEqual(record, expected);
  });

  test("for wtmp has type, line and seconds, and nothing else", () => {
    const expected = Buffer.alloc(utmpBytes);
    expected.writeUInt16LE(8, 0);
    expected.write("tty\xff", 8, "latin1");
    expected.writeUInt32LE(5, 340);
    assert.deepEqual(Buffer.from(encodeLogout("tty\xff", 5, utmpBytes)), expected);
  });

  test("has the seconds in 8 bytes where it has 400", () => {
    const expected = Buffer.alloc(wideUtmpBytes);
    expected.writeUInt16LE(8, 0);
    expected.write("tty5", 8, "latin1");
    expected.writeBigUInt64LE(2n ** 33n + 5n, 344);
    assert.deepEqual(Buffer.from(encodeLogout("tty5", 2 ** 33 + 5, wideUtmpBytes)), expected);
    assert.ok(!isLoginOn(expected, "tty5"));
  });
});
