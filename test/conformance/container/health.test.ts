// Health and readiness: spec/container.md, D9; case 34.
import assert from "node:assert/strict";
import type { Outcome } from "../stage.ts";
import { stories } from "../stage.ts";
import type { Container } from "./scenes.ts";
import { assertSeconds, contain, crash, good, quick, serve, stub, told } from "./scenes.ts";

function health(container: Container, words = ""): Promise<Outcome> {
  return container.inside(`exec runit-container health ${words}`);
}
/** Asks until it answers this. */
async function awaitHealth(container: Container, words: string, code: number): Promise<Outcome> {
  const end = performance.now() + 30_000;
  for (;;) {
    const outcome = await health(container, words);
    if (outcome.code === code) return outcome;
    if (performance.now() > end) assert.fail(`never ${code}: health ${words}: ${outcome.out}${outcome.err}`);
  }
}
const said = ({ out, err }: Outcome) => out + err;

stories("runit-container", (story) => {
  story(
    34,
    "while all services run it is healthy",
    async (stage) => {
      serve(stage, { good, stub });
      const container = await contain(stage);
      await container.says("[good] up");
      const outcome = await health(container);
      assert.equal(outcome.code, 0, said(outcome));
    },
    told,
  );

  story(
    "34 (down)",
    "a service that is not wanted up does no harm",
    async (stage) => {
      serve(stage, { good, off: { ...quick, down: "" } });
      const container = await contain(stage);
      await container.says("[good] up");
      const outcome = await awaitHealth(container, "--ready", 0);
      assert.equal(outcome.code, 0);
    },
    told,
  );

  story(
    "34 (failing)",
    "a service that fails again and again is named",
    async (stage) => {
      serve(stage, { good, crash });
      const container = await contain(stage);
      await container.says("[crash] started", 4);
      const { code, out } = await health(container);
      assert.equal(code, 1);
      const lines = out.trimEnd().split("\n");
      assert.equal(lines.length, 1, out);
      assert.match(out, /^unhealthy: crash: .*3/);
      assert.equal((await health(container, "good")).code, 0, "of the others only");
      assert.equal((await health(container, "good crash")).code, 1);
    },
    told,
  );

  for (const [number, title, script, expected] of [
    ["34 (check)", "a check that succeeds is healthy", "exit 0", 0],
    ["34 (check fails)", "a check that fails is unhealthy", "exit 2", 1],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good: { ...good, check: script } });
        const container = await contain(stage);
        await container.says("[good] up");
        const outcome = await health(container);
        assert.equal(outcome.code, expected, said(outcome));
        if (expected !== 0) assert.match(outcome.out, /^unhealthy: good: /);
      },
      told,
    );

  for (const [number, words, least, below] of [
    ["34 (check hangs)", "", 4.5, 15],
    ["34 (-t)", "-t 1", 0.9, 4.5],
  ] as const)
    story(
      number,
      "a check that hangs is unhealthy when the time is over",
      async (stage) => {
        serve(stage, { good: { ...good, check: "exec sleep 500" } });
        const container = await contain(stage);
        await container.says("[good] up");
        const { code, out, milliseconds } = await health(container, words);
        assert.equal(code, 1);
        assert.match(out, /good/);
        assertSeconds(milliseconds, least, below);
      },
      told,
    );

  story(
    "34 (--ready)",
    "it is ready when its services have been up for a second",
    async (stage) => {
      serve(stage, { quick });
      const start = performance.now();
      const container = await contain(stage);
      const first = await health(container, "--ready");
      // On a machine with too much to do the second is over by then.
      if (performance.now() - start < 1000) assert.equal(first.code, 1, said(first));
      assert.equal((await health(container)).code, 0, "but healthy at once");
      await awaitHealth(container, "--ready", 0);
    },
    told,
  );

  story(
    "34 (--ready, check)",
    "it is not ready while a check fails",
    async (stage) => {
      serve(stage, { good: { ...good, check: "test -e /out/ready" } });
      const container = await contain(stage);
      await container.says("[good] up");
      await stage.span(1200);
      assert.equal((await health(container, "--ready")).code, 1);
      stage.file("root/out/ready", "");
      await awaitHealth(container, "--ready", 0);
    },
    told,
  );

  story(
    "34 (--ready, hook)",
    "it is not ready before the start hook is over",
    async (stage) => {
      stage.file("root/etc/before", "#!/bin/sh\necho hook\nuntil [ -e /out/go ]; do sleep 0.05; done\n");
      serve(stage, { quick });
      const container = await contain(stage, { args: ["-i", "/etc/before"] });
      await container.says("hook");
      assert.equal((await health(container, "--ready")).code, 1);
      stage.file("root/out/go", "");
      await awaitHealth(container, "--ready", 0);
    },
    told,
  );

  story(
    "34 (--ready, stop)",
    "after a stop request it is not ready, though everything still runs",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage, { args: ["-D", "60", "-g", "90"] });
      await container.says("[good] up");
      await awaitHealth(container, "--ready", 0);
      container.signal("SIGTERM");
      await container.heard(15);
      assert.equal((await health(container, "--ready")).code, 1);
      assert.equal((await health(container)).code, 0);
      assert.deepEqual(container.lines, ["[good] up"]);
    },
    told,
  );

  for (const [number, title, words] of [
    ["34 (usage)", "wrong usage", "--nonsense"],
    ["34 (time)", "a time that is none", "-t soon"],
    ["34 (unknown)", "an unknown service", "nobody"],
  ] as const)
    story(
      number,
      `${title} is code 1, never another`,
      async (stage) => {
        serve(stage, { quick });
        const container = await contain(stage);
        const outcome = await health(container, words);
        assert.equal(outcome.code, 1);
        assert.notEqual(said(outcome), "");
      },
      told,
    );

  story(
    "34 (nobody)",
    "where no runit-container is, that is code 1 as well",
    async (stage) => {
      const env = { SVDIR: stage.at("services"), SVRUNDIR: stage.at("state") };
      const outcome = await stage.run("runit-container", ["health"], { env });
      assert.equal(outcome.code, 1);
      assert.notEqual(said(outcome), "");
    },
    told,
  );

  story(
    "34 (many)",
    "of three hundred unhealthy services it tells in less than 4096 bytes",
    async (stage) => {
      const names = Array.from({ length: 300 }, (_, index) => `a-service-with-a-long-name-${index}`);
      serve(stage, Object.fromEntries(names.map((name) => [name, { run: "#!/bin/false\n" }])));
      const container = await contain(stage);
      await awaitHealth(container, "-t 30", 1);
      await stage.span(4000); // until all have failed three times
      const outcome = await health(container, "-t 30");
      assert.equal(outcome.code, 1);
      assert.ok(said(outcome).length > 500, said(outcome));
      assert.ok(said(outcome).length < 4096, `${said(outcome).length} bytes`);
    },
    told,
  );

  story(
    "34 (--json)",
    "as JSON it tells of every service",
    async (stage) => {
      serve(stage, { good, off: { ...quick, down: "" } });
      const container = await contain(stage);
      await container.says("[good] up");
      const { code, out } = await health(container, "--json");
      assert.equal(code, 0);
      const text = JSON.stringify(JSON.parse(out));
      for (const name of ["good", "off"]) assert.ok(text.includes(`"${name}"`), text);
    },
    told,
  );

  story(
    "34 (frozen)",
    "when nobody answers it gives up in time",
    async (stage) => {
      serve(stage, { quick });
      const container = await contain(stage);
      container.signal("SIGSTOP");
      const { code, milliseconds } = await health(container, "-t 1");
      container.signal("SIGCONT");
      assert.equal(code, 1);
      assertSeconds(milliseconds, 0, 6);
    },
    told,
  );
});
