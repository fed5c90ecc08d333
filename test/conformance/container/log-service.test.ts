// Log services: spec/container.md, D4.4 and D7; case 37.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { stories } from "../stage.ts";
import { assertSeconds, contain, good, onSignals, serve, told } from "./scenes.ts";

/** A log service that says when its input ends, and goes on until TERM. */
const lingering = onSignals(
  { TERM: "note log TERM; exit 0" },
  'while read -r line; do note "log: $line"; done; note log end',
);
const svlogd = "exec svlogd /out/logs";
function layLogs(stage: Stage): void {
  fs.mkdirSync(stage.at("root/out/logs"), { recursive: true });
}
const texts = (noted: readonly { readonly text: string }[]) => noted.map(({ text }) => text);

stories("runit-container", (story) => {
  story(
    37,
    "what a service with a log service writes is in its log to the last line, and nowhere else",
    async (stage) => {
      layLogs(stage);
      serve(stage, { good: { ...good, "log/run": svlogd } });
      const container = await contain(stage, { args: ["-g", "40"] });
      await stage.becomes(() => stage.peek("root/out/logs/current"), "up\n");
      const { code, out, milliseconds } = await container.stop();
      assert.equal(code, 0);
      assert.equal(stage.read("root/out/logs/current"), "up\nbye\n");
      assert.equal(out, "");
      assertSeconds(milliseconds, 1, 6);
    },
    told,
  );

  story(
    "37 (errors)",
    "what a service with a log service writes as an error is on standard error, as is what its log service says",
    async (stage) => {
      serve(stage, {
        a: { run: "echo complaint >&2\nexec sleep 1000", "log/run": "echo log up >&2\nexec cat >/dev/null" },
      });
      const container = await contain(stage);
      await stage.until("both have spoken", () => /complaint/.test(container.err) && /log up/.test(container.err));
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "37 (restart)",
    "a log service that dies is started again, and no line is lost",
    async (stage) => {
      layLogs(stage);
      serve(stage, { good: { ...good, "log/run": svlogd } });
      const container = await contain(stage);
      await stage.becomes(() => stage.peek("root/out/logs/current"), "up\n");
      container.signal("SIGKILL", await container.process("svlogd"));
      await container.process("svlogd");
      assert.equal((await container.stop()).code, 0);
      assert.equal(stage.read("root/out/logs/current"), "up\nbye\n");
    },
    told,
  );

  story(
    "D4.4",
    "a log service has its input ended first, when its service is gone, and is told to end half a second later",
    async (stage) => {
      serve(stage, { good: { ...good, "log/run": lingering } });
      const container = await contain(stage, { args: ["-g", "40"] });
      await stage.until("it logs", () => texts(container.noted()).includes("log: up"));
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(texts(container.noted()), ["log: up", "TERM", "log: bye", "gone", "log end", "log TERM"]);
      assertSeconds(container.notedAt("log TERM") - container.notedAt("log end"), 0.5, 4);
    },
    told,
  );

  story(
    "D4.4 (slow)",
    "a log service that still reads what there is has its time",
    async (stage) => {
      const slow = 'trap "note TERM ignored" TERM\nwhile read -r line; do sleep 0.3; note "log: $line"; done\nnote end';
      const writer = onSignals({ TERM: "for n in 1 2 3 4 5; do echo $n; done; exit 0" });
      serve(stage, { a: { run: writer, "log/run": `${lingering.split("\n")[0]}\n${slow}` } });
      const container = await contain(stage, { args: ["-g", "40"] });
      await stage.until("it logs", () => texts(container.noted()).includes("log: up"));
      assert.equal((await container.stop()).code, 0);
      const lines = texts(container.noted()).filter((text) => text.startsWith("log: "));
      assert.deepEqual(
        lines,
        ["up", 1, 2, 3, 4, 5].map((word) => `log: ${word}`),
      );
    },
    told,
  );

  story(
    "D4 (USR1)",
    "without a main service USR1 makes the log services take a new file",
    async (stage) => {
      layLogs(stage);
      serve(stage, { good: { ...good, "log/run": svlogd } });
      const container = await contain(stage);
      await stage.becomes(() => stage.peek("root/out/logs/current"), "up\n");
      container.signal("SIGUSR1");
      const saved = () => fs.readdirSync(stage.at("root/out/logs")).filter((name) => name.startsWith("@"));
      await stage.until("there is a saved file", () => saved().length === 1);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );
});
