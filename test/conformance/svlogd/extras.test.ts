// The lines of config that only ours knows: S, m and z. docs/programs/svlogd.md.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stage, StoryOptions } from "../stage.ts";
import { stories } from "../stage.ts";
import { everyLine, files, labelled, logDirectory, logging, logs, ofKind, old, save, texts } from "./scenes.ts";

const ours: StoryOptions = { only: "ours" };
const line = (text: string) => `${text.repeat(99)}\n`;
/** Rotates after every line of a hundred bytes. */
const hundreds = { config: "s100\nn0\n", words: "-l50 l" } as const;

/** The bytes of all old files. */
function total(stage: Stage): number {
  return texts(stage).reduce((sum, text) => sum + text.length, 0);
}
/** Modes of everything in the log directory but the config. */
function modes(stage: Stage): Record<string, number> {
  const names = fs.readdirSync(stage.at("l")).filter((name) => name !== "config");
  return Object.fromEntries(names.map((name) => [name.replace(/^@[^.]*/, "@"), stage.mode(`l/${name}`)]));
}

const zones = "/usr/share/zoneinfo";
/** A zone in the form that needs no files, and as a file. */
const berlin = ["CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"];
/** The moment in a stamp, by its own offset; and whether that is the one of central Europe at that moment. */
function momentOf(stamp: string): number {
  const [, day, time, fraction, offset] =
    /^(\d{4}-\d\d-\d\d)[_T](\d\d:\d\d:\d\d)\.(\d{5})([+-]\d\d:\d\d) /.exec(stamp) ?? assert.fail(stamp);
  return Date.parse(`${day}T${time}.${fraction?.slice(0, 3)}${offset}`) / 1000;
}
function offsetOf(zone: string, seconds: number): string {
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });
  const [, offset = "+00:00"] = /GMT([+-]\d\d:\d\d)/.exec(format.format(seconds * 1000)) ?? [];
  return offset;
}

stories("svlogd extras", (story) => {
  story(
    "S1",
    "S keeps all old files and a full current below a size",
    async (stage) => {
      logDirectory(stage, `${hundreds.config}S550\n`);
      await logs(stage, hundreds.words, "abcdefgh".split("").map(line).join(""));
      assert.deepEqual(texts(stage), ["e", "f", "g", "h"].map(line));
      assert.equal(total(stage), 400);
    },
    ours,
  );

  story(
    "S2",
    "S counts what is there already, whatever its kind, and deletes from the oldest on",
    async (stage) => {
      logDirectory(stage, `${hundreds.config}S1000\n`);
      save(stage, [old(1, "u"), old(2, "s")]);
      stage.file(`l/${old(3, "s")}`, "x".repeat(790));
      const { err } = await logs(stage, `-v ${hundreds.words}`, line("a"));
      assert.deepEqual(files(stage), { "@1.s": line("a"), "old3.s": "x".repeat(790), current: "" });
      assert.equal(err.split("svlogd: info: delete: l/").length, 3);
    },
    ours,
  );

  story(
    "S3",
    "S smaller than one file keeps the newest one all the same",
    async (stage) => {
      logDirectory(stage, `${hundreds.config}S10\n`);
      await logs(stage, hundreds.words, line("a") + line("b"));
      assert.deepEqual(texts(stage), [line("b")]);
    },
    ours,
  );

  story(
    "S4",
    "S goes with n: the smaller of the two decides",
    async (stage) => {
      logDirectory(stage, "s100\nn2\nS1k\n");
      await logs(stage, hundreds.words, "abcd".split("").map(line).join(""));
      assert.deepEqual(texts(stage), ["c", "d"].map(line));
      stage.file("l/config", "s100\nn9\nS350\n");
      await logs(stage, hundreds.words, "efg".split("").map(line).join(""));
      assert.deepEqual(texts(stage), ["f", "g"].map(line));
    },
    ours,
  );

  story(
    "S5",
    "S counts what the processor makes of the files, not what it is given",
    async (stage) => {
      logDirectory(stage, `${hundreds.config}S520\n!head -c 10\n`);
      for (const letter of "abcdefgh") await logs(stage, hundreds.words, line(letter));
      assert.equal(texts(stage).join("").length, 80);
    },
    ours,
  );

  story(
    "m1",
    "m is the mode of current while it is open; complete files may be executed by their owner",
    async (stage) => {
      logDirectory(stage, `${everyLine}m0640\n!cat\n`);
      const log = await logging(stage);
      await log.send("one\n");
      await stage.becomes(() => ofKind(stage, "s").length, 1);
      assert.deepEqual(modes(stage), { "@.s": 0o740, current: 0o640, lock: 0o600, state: 0o644 });
      await log.ends();
      assert.equal(stage.mode("l/current"), 0o740);
    },
    ours,
  );

  story(
    "m2",
    "m changed is obeyed after HUP, also by the current that is there",
    async (stage) => {
      logDirectory(stage, "m0600\n");
      const log = await logging(stage);
      await log.send("one\n");
      assert.equal(stage.mode("l/current"), 0o600);
      stage.file("l/config", "m0664\n");
      await log.signal("SIGHUP");
      assert.equal(stage.mode("l/current"), 0o664);
      await log.send("two\n");
      await log.ends();
      assert.deepEqual([stage.mode("l/current"), stage.read("l/current")], [0o764, "one\ntwo\n"]);
    },
    ours,
  );

  story(
    "m3",
    "m never keeps the owner from reading and writing, and knows a complete file at the next start",
    async (stage) => {
      logDirectory(stage, "m0\n");
      await logs(stage, "l", "one\n");
      assert.equal(stage.mode("l/current"), 0o700);
      await logs(stage, "l", "two\n");
      assert.deepEqual(files(stage), { current: "one\ntwo\n" });
    },
    ours,
  );

  for (const [letter, value] of [
    ["m", "8"],
    ["m", "1777"],
    ["z", "UTC"],
    ["S", "many"],
  ] as const) {
    story(
      "x1",
      `${letter}${value} is complained about, and is as if it was not there`,
      async (stage) => {
        logDirectory(stage, `${letter}${value}\n`);
        const { err } = await logs(stage, "-ttt l", "one\n");
        assert.equal(err, `svlogd: warning: unable to understand config: l: line 1: ${letter}${value}\n`);
        assert.match(stage.read("l/current"), /^\S+T[\d:]{8}\.\d{5} one\n$/);
        assert.equal(stage.mode("l/current"), 0o744);
      },
      ours,
    );
  }

  for (const zone of berlin) {
    const skip = zone.includes(",") || fs.existsSync(path.join(zones, zone)) ? false : `no ${zones}`;
    for (const words of ["-tt l", "-ttt l"]) {
      story(
        "z1",
        `z makes ${words.slice(0, -2)} local time with the offset: TZ=${zone}`,
        async (stage) => {
          logDirectory(stage, "z\n");
          const before = Date.now() / 1000;
          await logs(stage, words, "a\n", { env: { TZ: zone } });
          const stamped = stage.read("l/current");
          const moment = momentOf(stamped);
          assert.ok(before - 0.002 <= moment && moment <= Date.now() / 1000 + 0.002, stamped);
          assert.equal(stamped.charAt(10), words === "-tt l" ? "_" : "T");
          assert.equal(stamped.slice(25), `${offsetOf("Europe/Berlin", moment)} a\n`);
        },
        { ...ours, skip },
      );
    }
  }

  story(
    "z2",
    "z is said in each directory for itself, and TAI64N stays what it is",
    async (stage) => {
      logDirectory(stage, "z\n", "k");
      logDirectory(stage, "", "l");
      const env = { TZ: "XXX3:30" };
      await logs(stage, "-tt k l", "a\n", { env });
      assert.match(stage.read("k/current"), /^\S+\.\d{5}-03:30 a\n$/);
      assert.match(stage.read("l/current"), /^\S+\.\d{5} a\n$/);
      assert.ok(Math.abs(momentOf(stage.read("k/current")) - Date.now() / 1000) < 60);
      stage.file("k/config", "z\ns1000\n");
      const before = stage.read("k/current").length;
      await logs(stage, "-t k", "b\n", { env });
      assert.match(texts(stage, "s", "k").join("").slice(before), /^@[0-9a-f]{24} b\n$/);
    },
    ours,
  );

  story(
    "z3",
    "z with a zone that does not exist is UTC",
    async (stage) => {
      logDirectory(stage, "z\n");
      await logs(stage, "-tt l", "a\n", { env: { TZ: "Nowhere/At-all" } });
      assert.match(stage.read("l/current"), /^\S+\.\d{5}\+00:00 a\n$/);
      assert.deepEqual(labelled(stage), []);
    },
    ours,
  );
});
