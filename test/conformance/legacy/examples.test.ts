// The worked examples of spec/legacy.md, sections 9, 10 and 11, and the programs together with Debian's runsv (54): under
// our runsvdir and runsv, and under Debian's.
//
// The other half of 54, the original clients against our runsv, cannot be run: no package ships them any more. What they
// would do is known: they open supervise/ok and supervise/control, and read supervise/status, whose bytes are compared
// here with those of Debian's runsv.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage, Status } from "../stage.ts";
import { stories } from "../stage.ts";
import { sleeper, sleeping, stubborn } from "../sv/scenes.ts";
import type { Supervisors } from "./scenes.ts";
import {
  assertTells,
  assertTook,
  everySupervisors,
  lacks,
  oursOnly,
  startOf,
  startTree,
  withoutNumbers,
} from "./scenes.ts";

/** Lines in a file, as often as something has noted itself there. */
function count(stage: Stage, file: string): number {
  return stage.peek(file).split("\n").length - 1;
}

// ── dependencies ──

/** A run script that notes each try, waits for the prerequisite, notes when it serves, and serves. */
function waitingFor(wait: string): string {
  return `date +%s.%N >>tries\n${wait}\necho serves >>served\n${sleeper}`;
}
/** A runsv for each. */
async function superviseAll(stage: Stage, supervisors: Supervisors, ...names: string[]): Promise<void> {
  for (const name of names) {
    const runsv = startOf(stage, supervisors, "runsv", [name]);
    await stage.until(`${name} is supervised`, () => stage.isListening(name));
    assert.ok(runsv.isAlive, runsv.err);
  }
}

// ── run levels ──

/** Service directories below sv/, and sets of links to them; `current` is the first set, `scan` leads to it. */
function runLevels(stage: Stage, sets: Record<string, readonly string[]>): void {
  for (const [set, names] of Object.entries(sets)) {
    fs.mkdirSync(stage.at("sets", set), { recursive: true });
    for (const name of names) {
      if (!stage.exists(`sv/${name}`)) stage.service(`sv/${name}`, { run: sleeper });
      fs.symlinkSync(stage.at("sv", name), stage.at("sets", set, name));
    }
  }
  fs.symlinkSync(Object.keys(sets)[0] ?? "", stage.at("sets/current"));
  fs.symlinkSync(stage.at("sets/current"), stage.at("scan"));
}
async function switchTo(stage: Stage, set: string): Promise<void> {
  const { out, err, code } = await stage.run("runsvchdir", [set], { env: { RUNSVDIR: stage.at("sets") } });
  assert.deepEqual([out, err, code], [`runsvchdir: ${set}: now current.\n`, "", 0]);
}

stories("legacy", (story) => {
  for (const supervisors of everySupervisors) {
    const under = `under ${supervisors === "ours" ? "our" : "Debian's"} runsv`;
    const options = { ...oursOnly, skip: lacks(supervisors), timeoutMilliseconds: 120_000 };

    story(
      `51 ${under}`,
      "a run script that insists on another service tries again about every second until that is up",
      async (stage) => {
        stage.service("A", { run: sleeper, down: "" });
        stage.service("B", { run: waitingFor("svwaitup -s 2 ../A || exit 1") });
        await superviseAll(stage, supervisors, "A", "B");
        await stage.until("B has tried five times", () => count(stage, "B/tries") >= 5);
        const tries = stage.read("B/tries").trim().split("\n").map(Number);
        const spans = tries.slice(1).map((time, index) => time - (tries[index] ?? 0));
        for (const span of spans) assert.ok(span > 0.9 && span < 4, `tries ${tries.join()}`);
        assert.ok(!stage.exists("B/served"));
        assert.equal((await stage.run("runsvctrl", ["u", "A"])).code, 0);
        const since = performance.now();
        await stage.becomes(() => stage.peek("B/served"), "serves\n");
        const seconds = (performance.now() - since) / 1000;
        assert.ok(seconds < 8, `B serves after ${seconds.toFixed(2)} s`);
        assert.ok(Date.now() / 1000 - stage.status("A").seconds >= 2);
        // A restart of A goes unnoticed.
        const { pid } = stage.status("B");
        const before = stage.status("A").pid;
        assert.equal((await stage.run("runsvctrl", ["t", "A"])).code, 0);
        await stage.until("A has been restarted", () => ![0, before].includes(stage.status("A").pid));
        assertTells(await stage.run("svwaitup", ["-s", "2", "A", "B"]), "");
        assert.equal(stage.status("B").pid, pid);
        assert.equal(stage.read("B/served"), "serves\n");
      },
      options,
    );

    story(
      `51 (loose) ${under}`,
      "a run script that does not look at the answer goes on when the other service is down, and else waits for it",
      async (stage) => {
        stage.service("A", { run: sleeper, down: "" });
        stage.service("B", { run: waitingFor("svwaitup -s 2 ../A") });
        await superviseAll(stage, supervisors, "A", "B");
        await stage.becomes(() => stage.peek("B/served"), "serves\n");
        assert.equal(count(stage, "B/tries"), 1);
        stage.tell("A", "u");
        await stage.running("A");
        const up = stage.status("A").seconds;
        assert.equal((await stage.run("runsvctrl", ["t", "B"])).code, 0);
        await stage.becomes(() => stage.peek("B/served"), "serves\nserves\n");
        assert.ok(Date.now() / 1000 - up >= 2);
        assert.equal(count(stage, "B/tries"), 2);
      },
      options,
    );

    story(
      `51 (several) ${under}`,
      "a display manager waits for all terminals, given by a pattern",
      async (stage) => {
        for (const name of ["getty-1", "getty-2", "getty-3"]) stage.service(name, { run: sleeper });
        stage.service("display", { run: waitingFor("svwaitup -v -s 2 ../getty-* 2>said") });
        await superviseAll(stage, supervisors, "getty-1", "getty-2", "getty-3", "display");
        await stage.becomes(() => stage.peek("display/served"), "serves\n");
        assert.equal(
          withoutNumbers(stage.read("display/said")),
          [1, 2, 3].map((number) => `svwaitup: ../getty-${number}: is up (S seconds)\n`).join(""),
        );
        for (const name of ["getty-1", "getty-2", "getty-3"]) {
          assert.ok(Date.now() / 1000 - stage.status(name).seconds >= 2);
        }
      },
      options,
    );

    story(
      `52 ${under}`,
      "the other run level: what is in both keeps its pid, the rest stops, and what is to be waited for is the difference",
      async (stage) => {
        runLevels(stage, { default: ["shared", "a1", "a2"], other: ["shared", "b"] });
        const runsvdir = await startTree(stage, supervisors, "scan", ["shared", "a1", "a2"]);
        const shared = await stage.running("sv/shared");
        const old = [await stage.running("sv/a1"), await stage.running("sv/a2")];
        await switchTo(stage, "other");
        await stage.running("sv/b");
        const difference = fs
          .readdirSync(stage.at("sets/previous"))
          .filter((name) => !stage.exists(`sets/current/${name}`))
          .map((name) => `sets/previous/${name}`);
        assert.deepEqual(difference.sort(), ["sets/previous/a1", "sets/previous/a2"]);
        assertTells(await stage.run("svwaitdown", ["-t", "10", ...difference]), "");
        assert.deepEqual(
          old.map((pid) => stage.isLiving(pid)),
          [false, false],
        );
        // runsvdir has sent TERM to their runsv, which then are to exit; but a d that comes while the service is ending
        // takes that back. With -x they are told both.
        assertTells(await stage.run("svwaitdown", ["-xt", "10", ...difference]), "");
        assert.ok(!["a1", "a2"].some((name) => stage.isListening(`sv/${name}`)));
        assert.deepEqual([stage.status("sv/shared").pid, stage.status("sv/shared").want], [shared, "u"]);
        assert.ok(stage.isLiving(shared));

        // And back again.
        await switchTo(stage, "previous");
        for (const name of ["a1", "a2"]) {
          await stage.until(`${name} is supervised again`, () => stage.isListening(`sv/${name}`));
          await stage.running(`sv/${name}`);
        }
        assertTells(await stage.run("svwaitdown", ["-xt", "10", "sets/previous/b"]), "");
        assertTells(
          await stage.run("svwaitup", ["-s", "1", ...["shared", "a1", "a2"].map((name) => `scan/${name}`)]),
          "",
        );
        assert.equal(stage.status("sv/shared").pid, shared);
        assert.ok(runsvdir.isAlive, runsvdir.err);
      },
      { ...options, differs: "runsvchdir-previous" },
    );

    story(
      `52 (all of previous) ${under}`,
      "to wait for all of the previous run level takes down what is in both, too",
      async (stage) => {
        runLevels(stage, { default: ["shared", "a"], other: ["shared"] });
        await startTree(stage, supervisors, "scan", ["shared", "a"]);
        const shared = await stage.running("sv/shared");
        await stage.running("sv/a");
        await switchTo(stage, "other");
        const { code, err } = await stage.sh("exec svwaitdown -t 30 sets/previous/*");
        assert.deepEqual([code, err], [0, ""]);
        assert.ok(!stage.isLiving(shared));
        assert.deepEqual([stage.status("sv/shared").pid, stage.status("sv/shared").want], [0, "d"]);
        assert.ok(stage.isListening("sv/shared"), "its runsv stays");
      },
      options,
    );

    story(
      `53 ${under}`,
      "the end of stage 3: ten services, a stubborn one among them, one with a log service",
      async (stage) => {
        const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
        for (const name of names) stage.service(`scan/${name}`, { run: sleeper });
        stage.service("scan/s4", { run: stubborn });
        stage.service("scan/s7", {
          run: 'trap "echo farewell; exit 0" TERM\necho here\nwhile :; do sleep 0.05; done',
          "log/run": `exec cat >>${stage.at("lines")}`,
        });
        const runsvdir = await startTree(stage, supervisors, "scan", names);
        for (const name of names.filter((one) => one !== "s7")) await sleeping(stage, `scan/${name}`);
        await stage.becomes(() => stage.peek("lines"), "here\n");
        // As runit does before stage 3.
        runsvdir.kill("SIGTERM");
        assert.equal((await stage.end(runsvdir)).code, 0);
        stage.file("3", '#!/bin/sh\nexec 2>&1\necho "Waiting for services to stop..."\nsvwaitdown -xk -t5 scan/*\n');
        const outcome = await stage.run(stage.at("3"));
        assert.equal(outcome.out, "Waiting for services to stop...\nsvwaitdown: scan/s4: killed.\n");
        assert.equal(outcome.code, 0);
        assertTook(outcome, 4.9, 8);
        await stage.becomes(() => stage.processes(), [], 2000);
        assert.equal(stage.read("lines"), "here\nfarewell\n");
      },
      { ...options, differs: "legacy-relative-names" },
    );

    story(
      `53 (stop and start again) ${under}`,
      "services that were taken down by svwaitdown come up again when they are told to",
      async (stage) => {
        const names = ["a", "b", "c"];
        for (const name of names) stage.service(`scan/${name}`, { run: sleeper });
        await startTree(stage, supervisors, "scan", names);
        for (const name of names) await sleeping(stage, `scan/${name}`);
        const paths = names.map((name) => `scan/${name}`);
        assertTells(
          await stage.run("svwaitdown", ["-v", ...paths]),
          paths.map((one) => `svwaitdown: ${one}: down.\n`).join(""),
        );
        for (const one of paths) assert.equal(stage.status(one).want, "d");
        assertTells(await stage.run("runsvctrl", ["up", ...paths]), "");
        for (const one of paths) await stage.running(one);
        assertTells(await stage.run("svwaitup", ["-s1", ...paths]), "");
      },
      options,
    );
  }

  story(
    "54",
    "our clients say and do the same with Debian's runsv as with ours, every command, and the status has the same bytes",
    async (stage) => {
      const seen: string[][] = [];
      for (const supervisors of everySupervisors) seen.push(await everyCommand(stage, supervisors));
      assert.deepEqual(seen[0], seen[1]);
      for (const [index, line] of (seen[0] ?? []).entries()) {
        assert.equal(line.replace(/ [0-9a-f]{8}$/, ""), expectedOfCommands[index]);
      }
      assert.equal(seen[0]?.length, expectedOfCommands.length);
    },
    { ...oursOnly, skip: lacks("Debian's"), timeoutMilliseconds: 180_000 },
  );
});

// ── every command ──

/** The signal of a command, as the service writes it down. */
const signals = [
  ["h", "HUP"],
  ["a", "ALRM"],
  ["i", "INT"],
  ["q", "QUIT"],
  ["1", "USR1"],
  ["2", "USR2"],
  ["t", "TERM"],
] as const;
const running = "s: run (pid N) S seconds";
const expectedOfCommands: readonly string[] = [
  `begin: ${running}`,
  ...signals.map(([, signal]) => `${signal}: ${running}${signal === "TERM" ? ", got TERM" : ""}`),
  `pause: ${running}, paused, got TERM`,
  `cont: ${running}, got TERM`,
  `kill: ${running}`,
  `down: s: down S seconds, normally up`,
  `once: ${running}, want down`,
  `up: ${running}`,
  `finish: s: finish (pid N) S seconds, want down`,
  `down after finish: s: down S seconds, normally up`,
  "svwaitup of one that is down: 1",
  "up again: s: run (pid N) S seconds",
  "svwaitup: 0",
  "svwaitdown: 111",
  "exit: s: runsv not running",
  "svwaitdown -x of one that has gone: 0",
];

/** Gives each command to a service, and tells what runsvstat says then, and the bytes of the status without time and pid. */
async function everyCommand(stage: Stage, supervisors: Supervisors): Promise<string[]> {
  const place = supervisors === "ours" ? "ours" : "debian";
  const name = `${place}/s`;
  const traps = signals.map(([, signal]) => `trap "echo ${signal} >>heard" ${signal}`);
  stage.service(name, {
    run: [...traps, "echo ready >>heard", "while :; do sleep 0.05; done"].join("\n"),
  });
  const runsv = startOf(stage, supervisors, "runsv", [name]);
  await stage.until("it is supervised", () => stage.isListening(name));
  const cwd = stage.at(place);
  const seen: string[] = [];
  const ctrl = async (word: string) => assertTells(await stage.run("runsvctrl", [word, "s"], { cwd }), "");
  const heard = (text: string) =>
    stage.until(`it hears ${text}`, () => stage.peek(`${name}/heard`).trimEnd().endsWith(text));
  const note = async (what: string, isSo: (status: Status) => boolean) => {
    await stage.until(`${what}: the status says so`, () => isSo(stage.status(name)));
    const { out, err, code } = await stage.run("runsvstat", ["s"], { cwd });
    assert.deepEqual([err, code], ["", 0], what);
    const bytes = fs.readFileSync(stage.at(name, "supervise/status"));
    seen.push(`${what}: ${withoutNumbers(out).trimEnd()} ${bytes.toString("hex", 16)}`);
  };
  const isUp = ({ pid, phase }: Status) => pid !== 0 && phase === 1;

  await heard("ready");
  await note("begin", isUp);
  for (const [letter, signal] of signals) {
    await ctrl(letter);
    await heard(signal);
    await note(signal, (status) => isUp(status) && (signal !== "TERM" || status.term === 1));
  }
  await ctrl("pause");
  await note("pause", (status) => status.paused === 1);
  await ctrl("cont");
  await note("cont", (status) => status.paused === 0);
  const { pid } = stage.status(name);
  await ctrl("kill");
  await stage.until("it is another one", () => isUp(stage.status(name)) && stage.status(name).pid !== pid);
  await heard("ready");
  await note("kill", isUp);
  // TERM does not end it.
  await ctrl("down");
  await ctrl("kill");
  await note("down", (status) => status.pid === 0);
  await ctrl("once");
  await stage.until("it has come up", () => isUp(stage.status(name)));
  await note("once", (status) => isUp(status) && status.want === "d");
  await ctrl("up");
  await note("up", (status) => isUp(status) && status.want === "u");
  stage.service(name, { finish: "while [ ! -e may-end ]; do sleep 0.05; done" });
  await ctrl("once");
  await ctrl("kill");
  await note("finish", ({ pid: finish, phase }) => phase === 2 && finish !== 0);
  stage.file(`${name}/may-end`, "");
  await note("down after finish", ({ phase }) => phase === 0);
  const code = async (program: string, ...args: string[]) => (await stage.run(program, args, { cwd })).code;
  seen.push(`svwaitup of one that is down: ${await code("svwaitup", "s")}`);
  await ctrl("up");
  await note("up again", isUp);
  seen.push(`svwaitup: ${await code("svwaitup", "-s1", "s")}`);
  const waiting = stage.start("svwaitdown", ["-k", "-t", "1", "s"], { cwd });
  seen.push(`svwaitdown: ${(await stage.end(waiting)).code}`);
  await ctrl("exit");
  assert.equal((await stage.end(runsv)).code, 0);
  const { err } = await stage.run("runsvstat", ["s"], { cwd });
  assert.equal(err, "runsvstat: warning: s: runsv not running.\n");
  seen.push("exit: s: runsv not running");
  seen.push(`svwaitdown -x of one that has gone: ${await code("svwaitdown", "-x", "s")}`);
  return seen;
}
