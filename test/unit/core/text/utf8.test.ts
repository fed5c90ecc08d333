import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "../../../../src/core/text/bytes.ts";
import { isUtf8, sequenceLength } from "../../../../src/core/text/utf8.ts";

test("sequences are as long as their first byte says, in their shortest form", () => {
  for (const [text, length] of [
    ["\xc2\x80", 2],
    ["\xdf\xbf", 2],
    ["\xe0\xa0\x80", 3],
    ["\xed\x9f\xbf", 3],
    ["\xee\x80\x80", 3],
    ["\xef\xbf\xbf", 3],
    ["\xf0\x90\x80\x80", 4],
    ["\xf1\x80\x80\x80", 4],
    ["\xf4\x8f\xbf\xbf", 4],
    // No first byte, a longer form, a surrogate, beyond the last character, broken off, followed by something else.
    ["\x7f", 0],
    ["\x80\x80", 0],
    ["\xc1\xbf", 0],
    ["\xf5\x80\x80\x80", 0],
    ["\xe0\x9f\xbf", 0],
    ["\xf0\x8f\xbf\xbf", 0],
    ["\xed\xa0\x80", 0],
    ["\xf4\x90\x80\x80", 0],
    ["\xe2\x82", 0],
    ["\xc2", 0],
    ["\xe2\x82A", 0],
    ["\xe2\xc0\x80", 0],
    ["\xe2\x82\xc0", 0],
    ["\xc2\x7f", 0],
  ] as const) {
    const name = JSON.stringify(text);
    assert.equal(sequenceLength(bytesOf(text), 0, text.length), length, name);
    assert.equal(isUtf8(text), length > 0 || text === "\x7f", name);
    assert.equal(isUtf8(`a${text}b`), length > 0 || text === "\x7f", name);
  }
  assert.equal(sequenceLength(bytesOf("\xc2\x80"), 0, 1), 0, "what lies behind the end does not count");
  assert.ok(isUtf8(""));
});
