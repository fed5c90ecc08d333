// An orderly end: spec/container.md, D4; cases 1 to 3, 11, 31, 32, 35.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import {
  assertSeconds,
  contain,
  good,
  now,
  onSignals,
  quick,
  run,
  serve,
  stopsOrderly,
  stub,
  told,
  web,
} from "./scenes.ts";

/** So long that whoever waits for it fails the story. */
const patient = ["-g", "40"];
/** RTMIN+3, as engines count: the C library keeps two signals for itself. */
const realTimeStop = 37;

stories("runit-container", (story) => {
  story(1, "TERM ends it in order, when its service has ended in its own time", (stage) => stopsOrderly(stage), told);

  story(
    2,
    "who ignores TERM is killed a second before the grace time is over, and that is code 137",
    async (stage) => {
      serve(stage, { good, stub });
      const container = await contain(stage, { args: ["-g", "4"] });
      await container.says("[good] up");
      await container.says("[stub] up");
      const { code, milliseconds, out } = await container.stop();
      assert.equal(code, 137);
      assertSeconds(milliseconds, 3, 7);
      assert.match(out, /^\[good\] bye$/m);
    },
    told,
  );

  story(
    "2 (short)",
    "of a grace time below 4 s three quarters are left to the services",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-g", "2"] });
      await container.says("[stub] up");
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 137);
      assertSeconds(milliseconds, 1.5, 5);
    },
    told,
  );

  story(
    "2 (none)",
    "without any grace time everything is killed at once",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-g", "0"] });
      await container.says("[stub] up");
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 137);
      assertSeconds(milliseconds, 0, 3);
    },
    told,
  );

  story(
    "2 (finish)",
    "a finish script that hangs is killed as well",
    async (stage) => {
      serve(stage, { a: { run: "echo up\nexec sleep 1000", finish: "echo finish\nexec sleep 1000" } });
      const container = await contain(stage, { args: ["-g", "4"] });
      await container.says("[a] up");
      const { code, milliseconds, out } = await container.stop();
      assert.equal(code, 137);
      assert.equal(out, "[a] up\n[a] finish\n");
      assertSeconds(milliseconds, 3, 7);
    },
    told,
  );

  story(
    "3",
    "ten services are stopped side by side",
    async (stage) => {
      const names = Array.from({ length: 10 }, (_, index) => `good${index}`);
      serve(stage, Object.fromEntries(names.map((name) => [name, good])));
      const container = await contain(stage, { args: patient });
      for (const name of names) await container.says(`[${name}] up`);
      const { code, milliseconds, out } = await container.stop();
      assert.equal(code, 0);
      assert.equal(out.match(/^\[good\d\] bye$/gm)?.length, 10);
      assertSeconds(milliseconds, 1, 5);
    },
    told,
  );

  story(
    "3 (soon)",
    "a service that stops in 50 ms is not waited for any longer",
    async (stage) => {
      serve(stage, { soon: { run: onSignals({ TERM: "sleep 0.05; exit 0" }) } });
      let best = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < 10 && best >= 400; attempt++) {
        const container = await contain(stage, { args: patient });
        await container.says("[soon] up");
        const { code, milliseconds } = await container.stop();
        assert.equal(code, 0);
        best = Math.min(best, milliseconds);
      }
      assert.ok(best < 400, `${best} ms`);
    },
    told,
  );

  story(
    "3 (nothing)",
    "with nothing to stop it ends at once",
    async (stage) => {
      serve(stage, {});
      const container = await contain(stage, { args: [...patient, "-d", "/etc/service"] });
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 0);
      assertSeconds(milliseconds, 0, 3);
    },
    told,
  );

  story(
    "11",
    "the main service is stopped first, the others when it is gone",
    async (stage) => {
      serve(stage, { web: web(1), good });
      const container = await contain(stage, { args: [...patient, "-m", "web"] });
      await container.says("[web] up");
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(
        container.noted().map(({ text }) => text),
        ["web TERM", "web gone", "TERM", "gone"],
      );
    },
    told,
  );

  story(
    "11 (all)",
    "if wanted all are stopped together",
    async (stage) => {
      serve(stage, { web: web(3), good });
      const container = await contain(stage, { args: [...patient, "-m", "web", "-o", "all"] });
      await container.says("[web] up");
      await container.says("[good] up");
      assert.equal((await container.stop()).code, 0);
      assertSeconds(Math.abs(container.notedAt("TERM") - container.notedAt("web TERM")), 0, 2);
    },
    told,
  );

  story(
    "11 (stubborn)",
    "a main service that does not end keeps the others waiting until 2 s before the grace time is over",
    async (stage) => {
      serve(stage, { stub, good });
      const container = await contain(stage, { args: ["-g", "6", "-m", "stub"] });
      await container.says("[stub] up");
      await container.says("[good] up");
      const request = now();
      assert.equal((await container.stop()).code, 137);
      assertSeconds(container.notedAt("TERM") - request, 4, 8);
    },
    told,
  );

  for (const [number, title, signal] of [
    ["31 (PWR)", "PWR is a stop request", "SIGPWR"],
    ["31 (RTMIN+3)", "RTMIN+3 is a stop request", realTimeStop],
    ["31 (INT)", "INT is a stop request", "SIGINT"],
    ["31 (QUIT)", "QUIT is a stop request where there is no main service", "SIGQUIT"],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good });
        const container = await contain(stage, { args: patient });
        await container.says("[good] up");
        const { code, out } = await container.stop(signal);
        assert.equal(code, 0);
        assert.match(out, /^\[good\] bye$/m);
      },
      told,
    );

  story(
    "31 (INT, INT)",
    "a second INT kills at once",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: patient });
      await container.says("[stub] up");
      container.signal("SIGINT");
      await container.heard(2);
      await stage.span(300);
      const { code, milliseconds } = await container.stop("SIGINT");
      assert.equal(code, 137);
      assertSeconds(milliseconds, 0, 4);
    },
    told,
  );

  story(
    "31 (TERM, TERM)",
    "a second TERM neither shortens nor lengthens the grace time",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-g", "5"] });
      await container.says("[stub] up");
      const request = performance.now();
      container.signal("SIGTERM");
      for (let times = 0; times < 3; times++) {
        await stage.span(500);
        container.signal("SIGTERM");
      }
      assert.equal((await container.end()).code, 137);
      assertSeconds(performance.now() - request, 4, 8);
    },
    told,
  );

  const answers = onSignals(
    Object.fromEntries(["TERM", "INT", "QUIT", "USR1"].map((name) => [name, `echo ${name}; exit 0`])),
  );
  for (const [number, title, files, args, expected] of [
    ["32", "a service is stopped by the signal its stop-signal file names", { "stop-signal": "QUIT\n" }, [], "QUIT"],
    ["32 (-s)", "who names no stop signal gets the one of the command line", {}, ["-s", "INT"], "INT"],
    ["32 (both)", "its own stop signal goes before", { "stop-signal": "QUIT" }, ["-s", "INT"], "QUIT"],
    [
      "32 (control/t)",
      "the script control/t stops it instead of a signal",
      { "control/t": 'kill -USR1 "$(cat supervise/pid)"' },
      [],
      "USR1",
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { a: { run: answers, ...files } });
        const container = await contain(stage, { args: [...patient, ...args] });
        await container.says("[a] up");
        const { code, out } = await container.stop();
        assert.equal(code, 0);
        assert.equal(out, `[a] up\n[a] ${expected}\n`);
      },
      told,
    );

  story(
    "32 (control/d)",
    "the script control/d is run as well when it is stopped",
    async (stage) => {
      serve(stage, { a: { run: answers, "control/d": "echo d >/out/d" } });
      const container = await contain(stage, { args: patient });
      await container.says("[a] up");
      const { code, out } = await container.stop();
      assert.equal(code, 0);
      assert.equal(out, "[a] up\n[a] TERM\n");
      assert.equal(stage.read("root/out/d"), "d\n");
    },
    told,
  );

  story(
    "32 (paused)",
    "a paused service is stopped as well",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage, { args: patient });
      await container.says("[good] up");
      assert.equal((await container.inside("sv pause /etc/service/good")).code, 0);
      await stage.becomes(() => stage.status("root/etc/service/good").paused, 1);
      const { code } = await container.stop();
      assert.equal(code, 0);
      await container.says("[good] bye");
    },
    told,
  );

  story(
    "35",
    "with a drain time the first TERM comes that much later",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage, { args: ["-D", "2", "-g", "12"] });
      await container.says("[good] up");
      const request = now();
      assert.equal((await container.stop()).code, 0);
      assertSeconds(container.notedAt("TERM") - request, 2, 5);
    },
    told,
  );

  for (const [number, title, isStopped] of [
    ["C10", "what a service leaves behind in its process group is told to end when it has ended in a stop", true],
    ["C10 (sv)", "what a service leaves behind in its process group is told to end when sv has taken it down", false],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        const child = onSignals({ TERM: "note child TERM; exit 0" }, "echo >/out/child");
        stage.file("root/out/child-script", child);
        const wait = "until [ -e /out/child ]; do sleep 0.05; done";
        serve(stage, { a: { run: `sh /out/child-script &\n${wait}\necho up\nexec sleep 1000` } });
        const container = await contain(stage, { args: patient });
        await container.says("[a] up");
        if (!isStopped) {
          assert.equal((await container.inside("sv -v -w 20 down /etc/service/a")).code, 0);
          await stage.becomes(() => container.noted().map(({ text }) => text), ["child TERM"]);
        }
        assert.equal((await container.stop()).code, 0);
        container.notedAt("child TERM");
      },
      told,
    );

  story(
    "35 (INT, INT)",
    "a second INT ends a drain time as well",
    async (stage) => {
      serve(stage, { stub });
      const container = await contain(stage, { args: ["-D", "50", "-g", "60"] });
      await container.says("[stub] up");
      container.signal("SIGINT");
      await container.heard(2);
      await stage.span(300);
      const { code, milliseconds } = await container.stop("SIGINT");
      assert.equal(code, 137);
      assertSeconds(milliseconds, 0, 4);
    },
    told,
  );

  story(
    "D4 (restarting)",
    "a service that was to be restarted in a moment is not",
    async (stage) => {
      serve(stage, { a: { run: "echo started\nexit 1" } });
      const container = await contain(stage, { args: patient });
      await container.says("[a] started");
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 0);
      assertSeconds(milliseconds, 0, 5);
    },
    told,
  );

  story(
    "D4 (sv)",
    "a service that sv has taken down stays down, and is not waited for",
    async (stage) => {
      serve(stage, { good, quick });
      const container = await contain(stage, { args: patient });
      await container.says("[good] up");
      assert.equal((await container.inside("sv -v -w 20 down /etc/service/good")).code, 0);
      await container.says("[good] bye");
      const { code, out } = await container.stop();
      assert.equal(code, 0);
      assert.equal(out, "[good] up\n[good] bye\n");
    },
    told,
  );

  story(
    "D4 (sv exit)",
    "sv exit ends a service and is content, and the others go on",
    async (stage) => {
      serve(stage, { good, quick });
      const container = await contain(stage, { args: patient });
      await container.says("[good] up");
      const { code, out } = await container.inside("sv -v -w 20 exit /etc/service/good");
      assert.equal(code, 0, out);
      await container.says("[good] bye");
      assert.match((await container.inside("sv status /etc/service/quick")).out, /^run: /);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "D4 (plan)",
    "with -v it tells its plan, and says more than with -q",
    async (stage) => {
      serve(stage, { quick });
      const told: Record<string, string> = {};
      for (const option of ["-v", "-q"]) {
        const container = await contain(stage, { args: [option, "-g", "17", "-D", "0.2"] });
        const { code, err } = await container.stop();
        assert.equal(code, 0);
        for (const line of err.split("\n").slice(0, -1)) assert.match(line, /^\[runit\] /);
        told[option] = err;
      }
      assert.match(told["-v"] ?? "", /\b16 ?s/, "when it kills");
      assert.ok((told["-q"] ?? "").length < (told["-v"] ?? "").length);
    },
    told,
  );

  story(
    "D2.5",
    "without services and a command there is nothing to do, which is code 111",
    async (stage) => {
      serve(stage, {});
      const { code, err } = await run(stage);
      assert.equal(code, 111);
      assert.notEqual(err, "");
    },
    told,
  );
});
