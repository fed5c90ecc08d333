// What chpst and its other names read: accounts, numbers, limits, capabilities, files of an environment directory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf, hasMember, parseGroup, parsePasswd } from "../../../../src/core/process/account-lines.ts";
import { parseAccount } from "../../../../src/core/process/accounts.ts";
import { parseCapabilities } from "../../../../src/core/process/capabilities.ts";
import { exchangeNul, valueLength } from "../../../../src/core/process/environment.ts";
import { placeOf, resourcesOf, softLimit } from "../../../../src/core/process/limits.ts";
import { baseName, toolName } from "../../../../src/core/process/names.ts";
import { parseInteger, parseSigned, parseWord } from "../../../../src/core/text/numbers.ts";

test("accounts in names", () => {
  const table: readonly (readonly [string, string, string, boolean])[] = [
    ["bob", "bob", "", false],
    ["1001", "1001", "", false],
    ["", "", "", false],
    ["bob:", "bob", "<>", false],
    ["bob:g1:g2", "bob", "<g1><g2>", false],
    ["bob:+", "bob", "", true],
    ["bob:g1:+", "bob", "<g1>", true],
    ["bob:+:g1", "bob", "<+><g1>", false],
    ["+", "+", "", false],
  ];
  for (const [text, user, groups, withMemberships] of table) {
    const parsed = parseAccount(text);
    assert.ok(parsed.kind === "names", text);
    const found = parsed.groups.map((group) => `<${group}>`).join("");
    assert.deepEqual([parsed.user, found, parsed.withMemberships], [user, groups, withMemberships], text);
  }
  const many = parseAccount(`bob${":g".repeat(61)}`);
  assert.ok(many.kind === "names" && many.groups.length === 60);
});

test("accounts in numbers", () => {
  const table: readonly (readonly [string, string])[] = [
    [":1001:7", "1001 7"],
    [":1001:7:50", "1001 7 50"],
    [":1001:", "1001 0"],
    ["::7", "0 7"],
    ["::", "0 0"],
    [":1001:7:", "1001 7 0"],
    [":4294967296:4294967297", "0 1"],
    [`:1${":2".repeat(60)}`, `1${" 2".repeat(60)}`],
    [`:1${":2".repeat(61)}`, "malformed"],
    [":1001", "malformed"],
    [":alice", "malformed"],
    [":1001:x", "malformed"],
    [":", "malformed"],
    [":1:2:+", "malformed"],
    [":1:-2", "malformed"],
    [": 1:2", "malformed"],
  ];
  for (const [text, expected] of table) {
    const parsed = parseAccount(text);
    const found = parsed.kind === "numbers" ? `${parsed.uid} ${parsed.gids.join(" ")}` : parsed.kind;
    assert.equal(found, expected, text);
  }
});

test("values of an environment directory", () => {
  const table: readonly (readonly [string, string])[] = [
    ["trail \t ", "trail"],
    ["  lead", "  lead"],
    ["cr\r", "cr\r"],
    ["a\0b\0 ", "a\nb\n"],
    ["p q\t\0", "p q\t\n"],
    ["x \0", "x \n"],
    ["   ", ""],
    ["", ""],
    ["\xff\x80", "\xff\x80"],
  ];
  for (const [line, expected] of table) {
    const bytes = Buffer.from(line, "latin1");
    const value = bytes.subarray(0, valueLength(bytes, bytes.length));
    exchangeNul(value);
    assert.equal(value.toString("latin1"), expected, JSON.stringify(line));
  }
  assert.equal(valueLength(Buffer.from("ab  cd"), 4), 2, "what lies behind the line does not count");
});

test("numbers of limits are reduced to 64 bits, those from 2^63 on are none but for the highest", () => {
  const word = (text: string): string => {
    const parsed = parseWord(text);
    return parsed === undefined ? "none" : `${BigInt(parsed.high) * 4294967296n + BigInt(parsed.low)}`;
  };
  for (const text of ["0", "7", "4294967295", "4294967296", "9007199254740993", "18446744073709551615"])
    assert.equal(word(text), text);
  assert.equal(word(""), "0");
  assert.equal(word("18446744073709551616"), "0");
  assert.equal(word("184467440737095516170"), "10");
  for (const text of ["12x", "-1", "=", "10k", " 5", "+5"]) assert.equal(word(text), "none", text);

  const soft = (wanted: string, hard: string): string => {
    const limit = softLimit(parseWord(wanted) ?? assert.fail(), parseWord(hard) ?? assert.fail());
    return limit === undefined ? "none" : `${BigInt(limit.high) * 4294967296n + BigInt(limit.low)}`;
  };
  assert.equal(soft("60", "80"), "60");
  assert.equal(soft("100", "80"), "80");
  assert.equal(soft("4294967297", "4294967296"), "4294967296");
  assert.equal(soft("18446744073709551615", "80"), "80");
  assert.equal(soft("18446744073709551614", "80"), "none");
  assert.equal(soft("9223372036854775808", "80"), "none");
  assert.equal(soft("9223372036854775807", "18446744073709551615"), "9223372036854775807");
});

test("numbers with one sign or none are reduced to a C int, or cut", () => {
  const table: readonly (readonly [string, number | undefined, number | undefined])[] = [
    ["5", 5, 5],
    ["+5", 5, 5],
    ["-5", -5, -5],
    ["", 0, undefined],
    ["+", 0, undefined],
    ["-", 0, undefined],
    ["101", 101, 100],
    ["4294967301", 5, 100],
    ["2147483648", -2147483648, 100],
    ["-2147483649", 2147483647, -100],
    ["++5", undefined, undefined],
    ["x", undefined, undefined],
    ["5 ", undefined, undefined],
  ];
  for (const [text, wrapped, cut] of table) {
    assert.equal(parseInteger(text), wrapped, text);
    assert.equal(parseSigned(text, 100), cut, text);
  }
});

test("lines of passwd and group are whole, or they are none", () => {
  const passwd = (line: string, name: string): string => {
    const fields = fieldsOf(line);
    const one = fields[0] === name ? parsePasswd(fields) : undefined;
    return one === undefined ? "none" : `${one.uid} ${one.gid}`;
  };
  const good: readonly (readonly [string, string, string])[] = [
    ["root:x:0:0:root:/root:/bin/sh", "root", "0 0"],
    ["bob:x:5:6", "bob", "5 6"],
    ["\t bob:x: 1002:\t007:::", "bob", "1002 7"],
    ["b b :x:1:2:", "b b ", "1 2"],
    ["\xff\xfe:x:4294967295:1:", "\xff\xfe", "4294967295 1"],
  ];
  for (const [line, name, expected] of good) assert.equal(passwd(line, name), expected, line);
  const bad: readonly (readonly [string, string])[] = [
    ["bob:x::5:", "bob"],
    ["bob:x:5:", "bob"],
    ["bob:x:5", "bob"],
    ["bob", "bob"],
    ["bob:x:4294967296:1:", "bob"],
    ["bob:x:-1:1:", "bob"],
    ["bob:x:0x1:1:", "bob"],
    ["bob:x:7 :1:", "bob"],
    ["bobby:x:1:1:", "bob"],
    ["bo:x:1:1:", "bob"],
    ["+bob:x:1:1:", "+bob"],
    ["-bob:x:1:1:", "-bob"],
    ["#bob:x:1:1:", "#bob"],
    ["bob:x:1:1:", "bob:x"],
    ["bob:x:1:1:", "\nbob"],
    [":x:1:1:", ""],
    ["", "behind"],
    ["", ""],
  ];
  for (const [line, name] of bad) assert.equal(passwd(line, name), "none", `${line} ${name}`);
  assert.equal(parseGroup(fieldsOf("g::5:alice,bob")), 5);
  assert.equal(parseGroup(fieldsOf("g:x:5")), 5);
  assert.equal(parseGroup(fieldsOf("g:x::bob")), -1);
  const group = fieldsOf("g:x:5:bobby,bob,carol");
  assert.deepEqual(
    ["bob", "bobby", "bo", ""].map((user) => hasMember(group, user)),
    [true, true, false, false],
  );
  assert.ok(!hasMember(fieldsOf("g:x:5"), "bob"));
  assert.deepEqual(fieldsOf(""), []);
});

test("every letter of a limit has its resources, and every resource its place in the order", () => {
  const resources = new Set([..."mdopfcrtals"].flatMap((letter) => [...resourcesOf(letter)]));
  assert.deepEqual([...resources].map(placeOf).sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(resourcesOf("x"), []);
});

test("capabilities by name and number", () => {
  const found = (text: string): string => {
    const list = parseCapabilities(text);
    return list.isKnown ? list.numbers.join(" ") : `unknown ${list.unknown}`;
  };
  assert.equal(found("chown"), "0");
  assert.equal(found("cap_net_raw,SYS_ADMIN,21,Cap_Checkpoint_Restore"), "13 21 21 40");
  assert.equal(found("all").split(" ").length, 64);
  assert.equal(found("63"), "63");
  for (const word of ["", "64", "net_raw ", "cap_", "-1", "1e1"])
    assert.equal(found(`chown,${word}`), `unknown ${word}`);
  assert.equal(found("no,neither"), "unknown no");
});

test("what a program is called", () => {
  assert.equal(baseName("/a/b/softlimit"), "softlimit");
  assert.equal(baseName("a/"), "");
  assert.equal(toolName("/x/denvdir"), "envdir");
  assert.equal(toolName("daemon"), "aemon");
  assert.equal(toolName("ddaemon"), "daemon");
});
