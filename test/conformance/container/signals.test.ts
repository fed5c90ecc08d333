// Signals that are no stop requests, and the one that may be: spec/container.md, D4; cases 29, 30.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import { contain, good, onSignals, quick, serve, told, web } from "./scenes.ts";

const longEnoughMilliseconds = 300;
const hup = 1;
const cont = 18;

stories("runit-container", (story) => {
  story(
    29,
    "signals for the application reach the main service, and end nothing",
    async (stage) => {
      serve(stage, { web: web(0, 4), good });
      const container = await contain(stage, { args: ["-m", "web"] });
      await container.says("[web] up");
      for (const name of ["HUP", "USR1", "QUIT"] as const) {
        container.signal(`SIG${name}`);
        await container.says(`[web] ${name}`);
      }
      assert.equal((await container.stop()).code, 4);
    },
    told,
  );

  story(
    "29 (command)",
    "signals for the application reach the command",
    async (stage) => {
      const names = ["HUP", "USR1", "USR2", "WINCH"] as const;
      const traps = Object.fromEntries(names.map((name) => [name, `echo ${name}`]));
      const container = await contain(stage, {
        args: ["--", "sh", "-c", onSignals({ ...traps, TERM: "exit 4" })],
      });
      await container.says("up");
      for (const name of names) {
        container.signal(`SIG${name}`);
        await container.says(name);
      }
      assert.equal((await container.stop()).code, 4);
    },
    told,
  );

  story(
    "29 (rescan)",
    "without a main service HUP makes it look for services at once",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage);
      await container.says("[good] up");
      stage.service("new", { run: "echo up\nexec sleep 1000" });
      await stage.sh("mv new root/etc/service/new");
      container.signal("SIGHUP");
      await stage.until("[new] up", () => container.lines.includes("[new] up"), 3000);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "29 (removed)",
    "a service whose directory is gone is stopped",
    async (stage) => {
      serve(stage, { good, quick });
      const container = await contain(stage);
      await container.says("[good] up");
      await stage.sh("mv root/etc/service/good old");
      container.signal("SIGHUP");
      await container.says("[good] bye");
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "29 (TERM:QUIT)",
    "a signal can be turned into another, which goes its way",
    async (stage) => {
      serve(stage, { web: web(0, 4) });
      const container = await contain(stage, { args: ["-m", "web", "-r", "TERM:QUIT", "-r", "USR2:TERM"] });
      await container.says("[web] up");
      container.signal("SIGTERM");
      await container.says("[web] QUIT");
      assert.equal((await container.stop("SIGUSR2")).code, 4);
    },
    told,
  );

  story(
    "29 (HUP:0)",
    "a signal can be dropped",
    async (stage) => {
      serve(stage, { web: web(0, 4) });
      const container = await contain(stage, { args: ["-m", "web", "-r", "HUP:0"] });
      await container.says("[web] up");
      container.signal("SIGHUP");
      await container.heard(hup);
      container.signal("SIGUSR1");
      await container.says("[web] USR1");
      assert.deepEqual(container.lines, ["[web] up", "[web] USR1"]);
    },
    told,
  );

  story(
    "29 (ignored)",
    "without a main service the others do nothing",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage);
      await container.says("[good] up");
      for (const [name, number] of [
        ["SIGUSR2", 12],
        ["SIGWINCH", 28],
        ["SIGTSTP", 20],
        ["SIGTTIN", 21],
        ["SIGTTOU", 22],
        ["SIGALRM", 14],
      ] as const) {
        container.signal(name);
        await container.heard(number);
      }
      await stage.span(longEnoughMilliseconds);
      assert.deepEqual(container.lines, ["[good] up"]);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  for (const directory of ["/run/runit", "/etc/runit"])
    story(
      `30 (${directory})`,
      "CONT is a stop request where stopit is executable",
      async (stage) => {
        stage.file(`root${directory}/stopit`, "", 0o100);
        serve(stage, { good });
        const container = await contain(stage);
        await container.says("[good] up");
        assert.equal((await container.stop("SIGCONT")).code, 0);
        await container.says("[good] bye");
      },
      told,
    );

  for (const [number, title, mode] of [
    ["30 (no stopit)", "CONT without stopit is nothing", undefined],
    ["30 (not executable)", "CONT with a stopit that is not executable is nothing", 0o600],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        if (mode !== undefined) stage.file("root/run/runit/stopit", "", mode);
        serve(stage, { good });
        const container = await contain(stage);
        await container.says("[good] up");
        container.signal("SIGCONT");
        await container.heard(cont);
        await stage.span(longEnoughMilliseconds);
        assert.deepEqual(container.lines, ["[good] up"]);
        assert.equal((await container.stop()).code, 0);
      },
      told,
    );
});
