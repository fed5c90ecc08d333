// runsvctrl: spec/legacy.md, sections 2 and 4.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { isRoot, shell, stories } from "../stage.ts";
import { abandonedService, agedService, HandMade, sleeper, sleeping } from "../sv/scenes.ts";
import {
  assertFatalWithoutDirectory,
  assertSays,
  assertTells,
  assertUsage,
  nobody,
  oursOnly,
  usage,
  warning,
} from "./scenes.ts";

const asUser = { ...oursOnly, skip: isRoot ? false : "only root can become another user" } as const;
const warns = (text: string) => warning("runsvctrl", text);

/** Each command: its words, and the byte that is written. */
const commands: readonly (readonly [byte: string, ...words: string[]])[] = [
  ["u", "u", "up", "uxyz"],
  ["d", "d", "down", "dxyz"],
  ["o", "o", "once"],
  ["p", "p", "pause"],
  ["c", "c", "cont"],
  ["h", "h", "hup"],
  ["a", "a", "alarm"],
  ["i", "i", "interrupt"],
  ["q", "q", "quit"],
  ["1", "1", "1x", "12"],
  ["2", "2", "21"],
  ["t", "t", "term"],
  ["k", "k", "kill"],
  ["x", "x", "xyz", "e", "exit", "e1"],
];

stories("runsvctrl", (story) => {
  story(
    21,
    "what is no command, or has no service, prints the usage and sends nothing",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1 });
      for (const args of [
        [],
        ["u"],
        ["zzz", "a"],
        ["", "a"],
        ["-u", "a"],
        ["--", "a"],
        ["--", "u", "a"],
        ["-V"],
        ["-V", "a"],
        ["U", "a"],
        ["3", "a"],
        ["\n", "a"],
        ["ü", "a"],
        ["a"],
      ]) {
        await assertUsage(stage, "runsvctrl", args);
      }
      const called = stage.program("runsvctrl");
      assert.equal((await stage.run(called, ["zzz", "a"])).err, usage("runsvctrl", called));
      assert.equal(scene.heard(), "");
    },
    oursOnly,
  );

  story(
    22,
    "only the first character of a command counts, and is one byte for each service",
    async (stage) => {
      const scenes = ["n", "m"].map((name) => new HandMade(stage, name, { pid: 7, phase: 1 }));
      for (const [byte, ...words] of commands) {
        for (const word of words) {
          assertTells(await stage.run("runsvctrl", [word, "n", stage.at("m"), "./n"]), "");
          assert.deepEqual(
            scenes.map((scene) => scene.heard()),
            [byte + byte, byte],
            word,
          );
        }
      }
    },
    oursOnly,
  );

  story(
    "22 (always)",
    "it writes whatever the state is",
    async (stage) => {
      for (const [phase, want] of [
        [0, "d"],
        [0, "u"],
        [1, "u"],
        [2, "d"],
      ] as const) {
        const scene = new HandMade(stage, `a${phase}${want}`, { pid: phase === 0 ? 0 : 7, phase, want });
        for (const byte of ["d", "u", "x"]) {
          assertTells(await stage.run("runsvctrl", [byte, `a${phase}${want}`]), "");
          assert.equal(scene.heard(), byte);
        }
      }
      // It does not ask for the status.
      const scene = new HandMade(stage, "a", {});
      fs.unlinkSync(stage.at("a/supervise/status"));
      assertTells(await stage.run("runsvctrl", ["u", "a"]), "");
      assert.equal(scene.heard(), "u");
    },
    oursOnly,
  );

  story(
    23,
    "down takes it down",
    async (stage) => {
      for (const word of ["down", "dxyz"]) {
        const name = `a-${word}`;
        await agedService(stage, name, { run: sleeper });
        assertTells(await stage.run("runsvctrl", [word, name]), "");
        await stage.until("it is down", () => stage.status(name).pid === 0);
        assertSays(await stage.run("runsvstat", [name]), `${name}: down S seconds, normally up\n`);
      }
    },
    oursOnly,
  );

  story(
    24,
    "once: it runs, and stays down when it was killed",
    async (stage) => {
      stage.service("b", { run: sleeper, down: "" });
      await stage.supervise("b");
      assertTells(await stage.run("runsvctrl", ["once", "b"]), "");
      await sleeping(stage, "b");
      assertSays(await stage.run("runsvstat", ["b"]), "b: run (pid N) S seconds, normally down, want down\n");
      assertTells(await stage.run("runsvctrl", ["k", "b"]), "");
      await stage.until("b has ended", () => stage.status("b").pid === 0);
      await stage.span(1500); // longer than the pause between two lives
      assertSays(await stage.run("runsvstat", ["b"]), "b: down S seconds\n");
    },
    oursOnly,
  );

  story(
    25,
    "one that is not there does not keep the others from being told",
    async (stage) => {
      stage.service("a", { run: 'trap "echo HUP >>heard" HUP\necho ready >>heard\nwhile :; do sleep 0.05; done' });
      await stage.supervise("a");
      await stage.becomes(() => stage.peek("a/heard"), "ready\n");
      assertTells(
        await stage.run("runsvctrl", ["hup", "nonexist", "a"]),
        warns("nonexist: unable to change directory: file does not exist"),
        1,
      );
      await stage.becomes(() => stage.peek("a/heard"), "ready\nHUP\n");
    },
    oursOnly,
  );

  story(
    26,
    "what is no service directory",
    async (stage) => {
      fs.mkdirSync(stage.at("n"));
      stage.file("FILE", "");
      const missing = warns("n: unable to open supervise/control: file does not exist");
      const file = warns("FILE: unable to change directory: not a directory");
      assertTells(await stage.run("runsvctrl", ["u", "n"]), missing, 1);
      assertTells(await stage.run("runsvctrl", ["u", "FILE"]), file, 1);
      assertTells(await stage.run("runsvctrl", ["u", "n", "FILE", "n"]), missing + file + missing, 3);
      const names = Array.from({ length: 150 }, () => "n");
      assertTells(await stage.run("runsvctrl", ["u", ...names]), missing.repeat(150), 100);
    },
    oursOnly,
  );

  story(
    27,
    "a log service takes d, and leaves x to its main service",
    async (stage) => {
      stage.service("c", { run: sleeper, "log/run": "exec cat" });
      const runsv = await stage.supervise("c");
      const pid = await stage.running("c");
      const logPid = await stage.running("c/log");
      assertTells(await stage.run("runsvctrl", ["x", "c/log"]), "");
      // What comes behind it shows that x has been heard.
      assertTells(await stage.run("runsvctrl", ["p", "c/log"]), "");
      await stage.until("the log service is paused", () => stage.status("c/log").paused === 1);
      assertTells(await stage.run("runsvctrl", ["c", "c/log"]), "");
      await stage.until("the log service goes on", () => stage.status("c/log").paused === 0);
      assert.deepEqual([stage.status("c").pid, stage.status("c/log").pid], [pid, logPid]);
      assertTells(await stage.run("runsvctrl", ["d", "c/log"]), "");
      await stage.until("the log service is down", () => stage.status("c/log").pid === 0);
      assert.equal(stage.status("c").pid, pid);
      assertTells(await stage.run("runsvctrl", ["u", "c/log"]), "");
      const logAgain = await stage.running("c/log");
      assertTells(await stage.run("runsvctrl", ["x", "c"]), "");
      assert.equal((await stage.end(runsv)).code, 0);
      await stage.until("all have ended", () => [pid, logAgain].every((one) => !stage.isLiving(one)));
    },
    oursOnly,
  );

  story(
    "R",
    "where runsv has exited there is nobody to be told",
    async (stage) => {
      await abandonedService(stage, "a");
      for (const word of ["u", "d", "x", "e"]) {
        assertTells(await stage.run("runsvctrl", [word, "a"]), warns("a: runsv not running."), 1);
      }
    },
    oursOnly,
  );

  story(
    "W",
    "a control pipe that is full is not waited for",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1 });
      const other = new HandMade(stage, "b", { pid: 7, phase: 1 });
      const fd = fs.openSync(stage.at("a/supervise/control"), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
      stage.atEnd(() => fs.closeSync(fd));
      assert.throws(() => {
        for (;;) fs.writeSync(fd, Buffer.alloc(4096, "."));
      }, /EAGAIN/);
      assertTells(
        await stage.run("runsvctrl", ["u", "a", "b"]),
        warns("a: unable to write to supervise/control: temporary failure"),
        1,
      );
      assert.match(scene.heard(), /^\.+$/);
      assert.equal(other.heard(), "u");
    },
    oursOnly,
  );

  story(
    "C",
    "with closed descriptors it ends as ever, and sends nothing but the command",
    async (stage) => {
      const scene = new HandMade(stage, "a", { pid: 7, phase: 1 });
      for (const close of [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"]) {
        const via = { via: shell(`exec ${close}`) };
        assert.equal((await stage.run("runsvctrl", ["u", "a", "nonexist", "a"], via)).code, 1, close);
        assert.equal(scene.heard(), "uu", close);
        assert.equal((await stage.run("runsvctrl", ["zzz", "a"], via)).code, 1, close);
        assert.equal(scene.heard(), "", close);
      }
    },
    oursOnly,
  );

  story(
    "P",
    "an ordinary user may not, unless the modes allow it",
    async (stage) => {
      stage.service("a", { run: sleeper, down: "" });
      await stage.supervise("a");
      const denied = warns("a: unable to open supervise/control: access denied");
      assertTells(await stage.run("runsvctrl", ["u", "a"], nobody), denied, 1);
      fs.chmodSync(stage.at("a/supervise"), 0o711);
      assertTells(await stage.run("runsvctrl", ["u", "a"], nobody), denied, 1);
      assert.equal(stage.status("a").want, "d");
      fs.chmodSync(stage.at("a/supervise/control"), 0o622);
      assertTells(await stage.run("runsvctrl", ["u", "a"], nobody), "");
      await stage.running("a");
    },
    asUser,
  );

  story(
    "F",
    "a starting directory that cannot be opened is fatal",
    (stage) => assertFatalWithoutDirectory(stage, "runsvctrl", ["u", "a"], nobody),
    asUser,
  );
});
