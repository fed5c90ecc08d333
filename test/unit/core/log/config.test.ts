import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { LogConfig } from "../../../../src/core/log/config.ts";
import { parseLogConfig } from "../../../../src/core/log/config.ts";

const defaults = parseLogConfig("");

/** Only what is not as it would be without a config. */
function changes(text: string): Partial<LogConfig> {
  const config = parseLogConfig(text);
  const entries = Object.entries(config).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name as keyof LogConfig]),
  );
  return Object.fromEntries(entries);
}

const table: readonly (readonly [string, Partial<LogConfig>])[] = [
  ["s100\n", { maxBytes: 100 }],
  ["s2k", { maxBytes: 2048 }],
  ["s3m\n", { maxBytes: 3 * 1048576 }],
  ["s\n", { maxBytes: 0 }],
  ["s2kb\n", { maxBytes: 2048, complaints: ["line 1: s2kb"] }],
  ["s1K\n", { maxBytes: 1, complaints: ["line 1: s1K"] }],
  ["s 1000\n", { complaints: ["line 1: s 1000"] }],
  ["s-1\n", { complaints: ["line 1: s-1"] }],
  ["n0\n", { maxFiles: 0 }],
  ["n\n", { maxFiles: 0 }],
  ["N2\nn5\n", { minFiles: 2, maxFiles: 5 }],
  ["t5m\n", { maxSeconds: 300 }],
  ["t2h\n", { maxSeconds: 7200 }],
  ["t1d\n", { maxSeconds: 1, complaints: ["line 1: t1d"] }],
  ["t30\nt5\n", { maxSeconds: 5 }],
  ["S50m\n", { totalBytes: 50 * 1048576 }],
  ["m0640\n", { mode: 0o640 }],
  ["m777\n", { mode: 0o677 }],
  ["m0\n", { mode: 0o600 }],
  ["m8\nm\nm1000\nmx\n", { complaints: ["line 1: m8", "line 2: m", "line 3: m1000", "line 4: mx"] }],
  ["z\n\n", { localTime: true }],
  ["z1\n", { complaints: ["line 1: z1"] }],
  ["!gzip -1\n!\n", { processor: "gzip -1" }],
  ["pweb: \np\n", { prefix: "web: " }],
  ["p\r\n", { prefix: "\r" }],
  ["u1.2.3.4\n", { udp: { address: 0x01020304, port: 514 } }],
  ["u383.256.256.257:65537\n", { udp: { address: 0x7f000001, port: 1 } }],
  ["u127.0.0.1.5:99\n", { udp: { address: 0x7f000001, port: 514 } }],
  ["U127.0.0.1:9x\n", { udp: { address: 0x7f000001, port: 9 }, udpOnly: true }],
  ["u1.2.3\n", { complaints: ["unable to scan ip address: 1.2.3"] }],
  ["U1.2.3.4:x\n", { complaints: ["unable to scan port number: x"] }],
  ["u 1.2.3.4\n", { complaints: ["unable to scan ip address:  1.2.3.4"] }],
  [
    "-*\n+a\ne\nE?\n",
    {
      rules: [
        { kind: "-", pattern: "*" },
        { kind: "+", pattern: "a" },
        { kind: "e", pattern: "" },
        { kind: "E", pattern: "?" },
      ],
    },
  ],
  ["-*\n+", { rules: [{ kind: "-", pattern: "*" }], complaints: ["line 2: +"] }],
  ["s", { complaints: ["line 1: s"] }],
  ["#a\n\n#", { complaints: ["line 3: #"] }],
  [" -*\n\ts1\n", { complaints: ["line 1:  -*", "line 2: \ts1"] }],
  ["pa\0b\n", { prefix: "a", complaints: ["line 1: pa"] }],
];

suite("config", () => {
  for (const [text, expected] of table) {
    test(JSON.stringify(text), () => assert.deepEqual(changes(text), expected));
  }

  test("100,000 mutants of a config: none is fatal, and what is not understood is complained about", () => {
    const source =
      "#all\ns100k\nn5\nN2\nt5m\nS1m\nm0640\nz\n!gzip -1\nu1.2.3.4:514\npweb: \n-*debug*\n+a\ne*err*\nEok\n";
    let seed = 7;
    const roll = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor(seed / 65536) % below;
    };
    const known = "#snNtSmz!uUp+-eE";
    let complaints = 0;
    for (let turn = 0; turn < 100_000; turn++) {
      let text = source;
      for (let change = 0; change <= roll(4); change++) {
        const at = roll(text.length);
        const byte = String.fromCharCode(roll(256));
        const kind = roll(3);
        text = text.slice(0, at) + (kind === 0 ? "" : byte) + text.slice(kind === 1 ? at : at + 1);
      }
      const config = parseLogConfig(text);
      complaints += config.complaints.length;
      for (const [index, line] of text.split("\n").entries()) {
        if (line === "" || known.includes(line.charAt(0))) continue;
        const said = line.includes("\0") ? line.slice(0, line.indexOf("\0")) : line;
        assert.ok(config.complaints.includes(`line ${index + 1}: ${said}`), JSON.stringify(text));
      }
      for (const number of [config.maxBytes, config.maxFiles, config.minFiles, config.maxSeconds, config.totalBytes]) {
        assert.ok(number >= 0 && Number.isFinite(number));
      }
      assert.equal(config.mode & ~0o677, 0);
      assert.ok(config.udp.port >= 0 && config.udp.port < 65536 && config.udp.address < 2 ** 32);
    }
    assert.ok(complaints > 10_000, `${complaints}`);
  });
});
