// Copies by UDP: spec/svlogd.md, section 12.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as dgram from "node:dgram";
import { once } from "node:events";
import type { Stage } from "../stage.ts";
import { missing, stories } from "../stage.ts";
import { logDirectory, logging, logs } from "./scenes.ts";

const stamp = /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\.\d{5} /;

/** A listener on a port of its own, and the datagrams it got. */
class Listener {
  readonly datagrams: string[] = [];
  readonly ports = new Set<number>();
  readonly port: number;

  private constructor(socket: dgram.Socket) {
    this.port = socket.address().port;
    socket.on("message", (text, { port }) => {
      this.datagrams.push(text.toString("latin1"));
      this.ports.add(port);
    });
  }
  static async open(stage: Stage): Promise<Listener> {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    stage.atEnd(() => socket.close());
    await once(socket, "listening");
    return new Listener(socket);
  }
}
/** What is listened for, sent, and printed, for a config in which PORT stands for the listener's. */
async function sends(
  stage: Stage,
  config: string,
  words: string,
  input: string,
): Promise<{ readonly listener: Listener; readonly err: string; readonly current: string }> {
  const listener = await Listener.open(stage);
  logDirectory(stage, config.replaceAll("PORT", `${listener.port}`));
  const { err } = await logs(stage, words, input);
  return { listener, err, current: stage.read("l/current") };
}

stories("svlogd", (story) => {
  story(87, "u copies every line, each from a port of its own", async (stage) => {
    const { listener, current } = await sends(stage, "u127.0.0.1:PORT\n", "l", "one\ntwo\n");
    await stage.becomes(() => listener.datagrams, ["one\n", "two\n"]);
    assert.equal(listener.ports.size, 2);
    assert.equal(current, "one\ntwo\n");
  });

  story("87b", "u copies what is selected", async (stage) => {
    const { listener, current } = await sends(stage, "u127.0.0.1:PORT\n-a*\ne*\n", "l", "a1\nb1\na2\nb2\n");
    await stage.becomes(() => listener.datagrams, ["b1\n", "b2\n"]);
    assert.equal(current, "b1\nb2\n");
  });

  story(88, "U sends the lines instead of writing them", async (stage) => {
    const { listener, current } = await sends(stage, "U127.0.0.1:PORT\n", "-tt l", "one\n\n");
    await stage.becomes(() => listener.datagrams.length, 2);
    for (const text of listener.datagrams) assert.match(text, stamp);
    assert.deepEqual(
      listener.datagrams.map((text) => text.slice(26)),
      ["one\n", "\n"],
    );
    assert.equal(current, "");
  });

  story("88b", "a later u does not undo U, and the last address counts", async (stage) => {
    const { listener, current } = await sends(stage, "U127.0.0.1:9\nu127.0.0.1:PORT\n", "l", "one\n");
    await stage.becomes(() => listener.datagrams, ["one\n"]);
    assert.equal(current, "");
  });

  story(89, "a long line is cut and marked, with the prefix in front", async (stage) => {
    const config = "u127.0.0.1:PORT\npPRE: \n";
    const { listener, current } = await sends(stage, config, "-l5 l", "12345\n1234567\n1234\n");
    await stage.becomes(() => listener.datagrams, ["PRE: 12345...\n", "PRE: 12345...\n", "PRE: 1234\n"]);
    assert.equal(current, "PRE: 12345\nPRE: 1234567\nPRE: 1234\n");
  });

  story("89b", "numbers of an address go round at 256, those of a port at 65536", async (stage) => {
    const listener = await Listener.open(stage);
    logDirectory(stage, `u383.256.256.257:${65536 + listener.port} and more\n`);
    const { err } = await logs(stage, "l", "one\n");
    assert.equal(err, "");
    await stage.becomes(() => listener.datagrams, ["one\n"]);
  });

  const unscanned = (what: string, text: string) => `svlogd: warning: unable to scan ${what}: ${text}\n`;

  story(
    90,
    "U with an address that is none",
    async (stage) => {
      for (const address of ["1.2.3", "", "localhost", " 127.0.0.1"]) {
        logDirectory(stage, `U${address}\n`, "l");
        const log = await logging(stage);
        await log.send("a\n");
        await log.terminates();
        assert.equal(log.err, unscanned("ip address", address));
      }
      // The original throws the lines away.
      assert.equal(stage.read("l/current"), stage.isOurs ? "a\na\na\na\n" : "");
    },
    { differs: "svlogd-udp-only-bad-address" },
  );

  for (const address of ["1.2.3", "a.b.c.d", "1.2.3."]) {
    story("90b", `u with an address that is none is said: ${address}`, async (stage) => {
      const { err, current } = await sends(stage, `u${address}\n`, "l", "a\n");
      assert.deepEqual([err, current], [unscanned("ip address", address), "a\n"]);
    });
  }

  for (const port of ["x", "", "0"]) {
    story(91, `u with a port that is none is said: "${port}"`, async (stage) => {
      const { err, current } = await sends(stage, `u127.0.0.1:${port}\n`, "l", "a\n");
      assert.deepEqual([err, current], [unscanned("port number", port), "a\n"]);
    });
  }

  for (const [letter, written] of [
    ["u", "x\n"],
    ["U", ""],
  ] as const) {
    story(92, `a failure to send is written: ${letter}`, async (stage) => {
      const { err, current } = await sends(stage, `${letter}255.255.255.255:9\n`, "l", "x\n");
      assert.equal(err, "");
      assert.equal(current, `warning: failure sending through udp: x\n${written}`);
    });
  }

  story("92b", "a failure to send is written with the stamp behind it", async (stage) => {
    const { current } = await sends(stage, "U255.255.255.255:9\npP \n", "-tt -l5 l", "x\nlonger\n");
    const failure = "warning: failure sending through udp: ";
    const [first = "", second = ""] = current.split("\n");
    assert.match(first.slice(failure.length), stamp);
    assert.deepEqual([first.slice(0, failure.length), first.slice(failure.length + 26)], [failure, "P x"]);
    assert.equal(second.slice(failure.length + 26), "P longe...");
  });

  story(
    93,
    "a socket that cannot be had is written",
    async (stage) => {
      logDirectory(stage, "U127.0.0.1:9\n");
      const log = await logging(stage, "-l5 l");
      const used = stage.descriptors(log.pid);
      const free = used.findIndex((descriptor, index) => descriptor !== index);
      const limit = free === -1 ? used.length : free;
      assert.equal(spawnSync("prlimit", [`--pid=${log.pid}`, `--nofile=${limit}`]).status, 0);
      await log.send("x\nlonger\n");
      await log.ends();
      const failure = "warning: no udp socket available: ";
      assert.equal(stage.read("l/current"), `${failure}x\n${failure}longe\n`);
    },
    { skip: missing("prlimit") },
  );

  story("93b", "what nobody listens for is lost without a word", async (stage) => {
    const { err, current } = await sends(stage, "U127.0.0.1:9\n", "l", "a\nb\nc\n");
    assert.deepEqual([err, current], ["", ""]);
  });
});
