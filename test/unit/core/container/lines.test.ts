import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  describeHead,
  describeObjectHead,
  maxEscape,
  objectTail,
  putEscaped,
} from "../../../../src/core/container/lines.ts";
import { bytesOf } from "../../../../src/core/text/bytes.ts";

const moment = { seconds: 1769860800, nanoseconds: 123_999_999 };

/** A line as an object, as a reader of JSON understands it. */
function objectOf(bytes: Uint8Array): unknown {
  const head = describeObjectHead("web", moment, "stdout", 42);
  const into = new Uint8Array(bytes.length * maxEscape);
  const end = putEscaped(into, 0, bytes, 0, bytes.length);
  const body = Buffer.concat([Buffer.from(head, "latin1"), into.subarray(0, end), Buffer.from(objectTail)]);
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
}

suite("a line of output", () => {
  test("begins with its service, and with the time if that is wanted", () => {
    assert.equal(describeHead("name", "web", moment, false), "[web] ");
    assert.equal(describeHead("name", "web", moment, true), "[web]+ ");
    assert.equal(describeHead("time", "web", moment, false), "2026-01-31T12:00:00.123Z [web] ");
  });

  test("is an object with five members", () => {
    assert.deepEqual(objectOf(bytesOf('say "hi"\t\\')), {
      time: "2026-01-31T12:00:00.123Z",
      service: "web",
      stream: "stdout",
      pid: 42,
      line: 'say "hi"\t\\',
    });
  });

  test("of any bytes is an object as a decoder of UTF-8 would read them", () => {
    const lines = [
      [0xff],
      [0xc3, 0xa9],
      [0xc3],
      [0xe2, 0x82, 0xac],
      [0xe2, 0x28],
      [0xed, 0xa0, 0x80],
      [0xf0, 0x9f, 0x98, 0x80],
    ];
    for (let byte = 0; byte < 256; byte++) lines.push([byte, 65]);
    for (const line of lines) {
      const bytes = Uint8Array.from(line);
      const { line: text } = objectOf(bytes) as { line: string };
      // Decoders count the replaced bytes of a broken sequence in different ways: that one is replaced matters.
      const expected = new TextDecoder().decode(bytes).replaceAll(/\ufffd+/g, "\ufffd");
      assert.equal(text.replaceAll(/\ufffd+/g, "\ufffd"), expected, line.join(" "));
    }
  });
});
