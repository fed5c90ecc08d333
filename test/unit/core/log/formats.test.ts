// Stamps, labels, replaced bytes, and the record of progress.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  checksumOf,
  decodeProgress,
  encodeProgress,
  lengthOf,
  Progress,
  progressBytes,
  takenOffset,
} from "../../../../src/core/log/progress.ts";
import { Replacement } from "../../../../src/core/log/replacement.ts";
import { bytesToLineEnd, isLabel, isSavedName, labelOf, nextLabel } from "../../../../src/core/log/rotation.ts";
import { describeStamp, utc } from "../../../../src/core/log/stamp.ts";

const moment = { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const text = (of: Uint8Array) => Buffer.from(of).toString("latin1");

suite("a stamp", () => {
  test("has three forms", () => {
    assert.equal(describeStamp("none", moment, utc), "");
    assert.equal(describeStamp("tai", moment, utc), "@400000003b9aca0a075bcbf4 ");
    assert.equal(describeStamp("underscore", moment, utc), "2001-09-09_01:46:40.12345 ");
    assert.equal(describeStamp("T", moment, utc), "2001-09-09T01:46:40.12345 ");
  });
  test("may be local time, with the offset", () => {
    assert.equal(describeStamp("underscore", moment, 7200), "2001-09-09_03:46:40.12345+02:00 ");
    assert.equal(describeStamp("T", moment, -12600), "2001-09-08T22:16:40.12345-03:30 ");
    assert.equal(describeStamp("T", moment, 0), "2001-09-09T01:46:40.12345+00:00 ");
    assert.equal(describeStamp("tai", moment, 7200), "@400000003b9aca0a075bcbf4 ");
  });
  test("is the calendar's date on every 1009th hour of four centuries", () => {
    for (let seconds = 0; seconds < 400 * 31_557_600; seconds += 1009 * 3600) {
      const date = new Date(seconds * 1000).toISOString().slice(0, 19);
      assert.equal(describeStamp("T", { seconds, nanoseconds: 0 }, utc), `${date}.00000 `);
    }
  });
});

suite("a saved file's name", () => {
  const label = "@400000003b9aca0a075bcd15";
  test("is the time", () => assert.equal(nextLabel(moment, ""), label));
  test("is later than any other, even if the clock was set back", () => {
    assert.equal(nextLabel(moment, label), "@400000003b9aca0a075bcd16");
    assert.equal(nextLabel(moment, "@400000007fffffff075bcd1f"), "@400000007fffffff075bcd20");
    assert.equal(nextLabel(moment, "@400000007fffff0fffffffff"), "@400000007fffff1000000000");
  });
  test("is known by its length and first byte", () => {
    assert.equal(isSavedName(`${label}.s`), true);
    assert.equal(isSavedName(`${label}xx`), true);
    assert.equal(isSavedName(`${label}.so`), false);
    assert.equal(isSavedName(`${"x".repeat(27)}`), false);
    assert.equal(labelOf(`${label}.s`), label);
    assert.equal(isLabel(label), true);
    for (const no of ["@40000000", label.toUpperCase(), `@9${label.slice(2)}`, `${label.slice(0, 24)}g`]) {
      assert.equal(isLabel(no), false, no);
    }
  });
});

test("a file is full at the first end of a line in its last `len` bytes, or when nothing fits", () => {
  assert.equal(bytesToLineEnd(1_000_000, 1000, 0), 999_000);
  assert.equal(bytesToLineEnd(1_000_000, 1000, 999_500), 0);
  assert.equal(bytesToLineEnd(1000, 1000, 0), 0);
  assert.equal(bytesToLineEnd(100, 1000, 0), -1);
});

suite("replacing bytes", () => {
  const replaced = (line: string, by: string, more: string, lineBytes = 1000, column = 0) => {
    const all = bytes(line);
    new Replacement(by, more).apply(all, all.length, lineBytes, column);
    return text(all);
  };
  test("all that is not printable ASCII, and more if asked", () => {
    const line = "a\tb\0c\x7f\xc3\xa9d ~\n";
    assert.equal(replaced(line, ".", ""), "a.b.c...d ~\n");
    assert.equal(replaced(line, "_", "d"), "a_b_c____ ~\n");
  });
  test("only in the first bytes of a line", () => {
    assert.equal(replaced("aZ\tbcdZ\tf\nZ\n", ".", "Z", 5), "a..bcdZ\tf\n.\n");
    assert.equal(replaced("\t\n\t\n", ".", "", 5, 5), "\t\n.\n");
  });
});

suite("a record of progress", () => {
  function example(): Progress {
    const one = new Progress();
    one.boot = "c24bcd61-2487-4efc-9cfb-55b3362a0177";
    one.checksum = checksumOf("s100");
    one.input = 2 ** 52;
    one.current = 4711;
    one.position = 2 ** 40;
    one.end = 2 ** 40 + 65536;
    one.time = moment;
    one.done = 12;
    one.bytes = 13;
    one.from = 14;
    one.to = 15;
    one.sinceBefore = { seconds: 1, nanoseconds: 2 };
    one.sinceAfter = { seconds: 3, nanoseconds: 4 };
    one.line = 1;
    one.lineAfter = 2;
    one.isWhole = true;
    one.isLeading = true;
    one.sample = bytes("what waits");
    one.carriedBefore = bytes("begin\0");
    one.carriedAfter = bytes("\xff");
    return one;
  }
  const encoded = (one: Progress) => {
    const into = new Uint8Array(lengthOf(one));
    encodeProgress(one, into);
    return into;
  };

  test("is what it was when it is read", () => {
    const one = example();
    assert.deepEqual({ ...decodeProgress(encoded(one)) }, { ...one });
  });
  test("says that the input was taken when the kernel has put its first byte there", () => {
    const into = encoded(example());
    assert.equal(decodeProgress(into)?.isTaken, false);
    into[takenOffset] = "w".charCodeAt(0);
    assert.equal(decodeProgress(into)?.isTaken, true);
  });
  test("is none of ours when it is shorter, or begins otherwise", () => {
    const into = encoded(example());
    assert.equal(decodeProgress(into.subarray(0, into.length - 1)), undefined);
    assert.equal(decodeProgress(new Uint8Array(progressBytes)), undefined);
    assert.equal(decodeProgress(new Uint8Array(0)), undefined);
  });
  test("100,000 records of which bytes were changed: none is fatal", () => {
    const good = encoded(example());
    for (let turn = 0; turn < 100_000; turn++) {
      const bad = good.slice(0, turn % 7 === 0 ? turn % good.length : good.length);
      for (let change = 0; change < 3; change++) {
        const at = 8 + ((turn * 31 + change * 97) % (good.length - 8));
        if (at < bad.length) bad[at] = (turn * 7 + change) % 256;
      }
      const read = decodeProgress(bad);
      if (read !== undefined) assert.ok(lengthOf(read) <= bad.length);
    }
  });
});
