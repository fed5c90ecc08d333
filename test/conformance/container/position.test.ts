// Its place among processes, and who comes to it: spec/container.md, D3; cases 12 to 14, 19, 43.
import assert from "node:assert/strict";
import { stories } from "../stage.ts";
import {
  adoptsOrphans,
  assertSeconds,
  below,
  contain,
  endsAtGate,
  endsWithMain,
  good,
  layGate,
  onSignals,
  openGate,
  parentOf,
  quick,
  serve,
  stopsOrderly,
  told,
  tryGate,
} from "./scenes.ts";

/** Has this many children who lose their parent and end, all at once, when the gate opens. */
function burst(count: number): Record<string, string> {
  const lines = [`i=0`, `while [ $i -lt ${count} ]; do (: </out/gate &); i=$((i+1)); done`];
  return { run: [...lines, "echo ready", "exec sleep 1000"].join("\n") };
}
/** Leaves behind somebody who ignores TERM, in another session. */
const leaving = {
  run: `setsid sh -c 'trap "" TERM; echo $$ >/out/orphan; exec sleep 1000' &\nuntil [ -s /out/orphan ]; do sleep 0.05; done\n${good.run}`,
};

stories("runit-container", (story) => {
  story(
    12,
    "orphans come to it: they are waited for, and told to end in the end",
    (stage) => adoptsOrphans(stage),
    told,
  );

  story(
    13,
    "five hundred orphans that end at once leave no zombie",
    async (stage) => {
      layGate(stage);
      serve(stage, { burst: burst(500), web: { run: "echo up\n: </out/gate\necho through\nsleep 0.5\nexit 7" } });
      const container = await contain(stage, { args: ["-m", "web"] });
      await container.says("[burst] ready");
      await container.says("[web] up");
      await stage.until("all are waiting", () => container.processes("/bin/sh").length >= 501);
      await openGate(stage);
      await container.says("[web] through");
      const { code } = await container.end();
      assert.equal(code, 7);
    },
    told,
  );

  story(
    "13 (zombies)",
    "orphans that end at once are all waited for",
    async (stage) => {
      layGate(stage);
      serve(stage, { burst: burst(500) });
      const container = await contain(stage);
      await container.says("[burst] ready");
      await stage.until("all are waiting", () => container.processes("/bin/sh").length >= 500);
      await stage.until("all are through", () => {
        if (container.processes("/bin/sh").length === 0) return true;
        tryGate(stage);
        return false;
      });
      await stage.becomes(() => container.zombies(), 0);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "13 (together)",
    "a main service that ends together with many orphans is still the code",
    async (stage) => {
      layGate(stage);
      serve(stage, { burst: burst(200), web: endsAtGate(7) });
      const container = await contain(stage, { args: ["-m", "web"] });
      await container.says("[burst] ready");
      await container.says("[web] up");
      await openGate(stage);
      assert.equal((await container.end()).code, 7);
    },
    told,
  );

  story(
    14,
    "what docker exec leaves behind comes to it and is waited for",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage);
      await container.says("[good] up");
      await container.inside("sleep 777 >/dev/null 2>&1 &");
      const sleeper = await container.process("sleep 777");
      await stage.becomes(() => parentOf(sleeper), container.pid);
      container.signal("SIGKILL", sleeper);
      await stage.becomes(() => parentOf(sleeper), -1);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "14 (swept)",
    "what docker exec leaves behind is told to end in the end",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage);
      await container.says("[good] up");
      const script = onSignals({ TERM: "note swept; exit 0" }, "echo >/out/there");
      stage.file("root/out/script", script);
      await container.inside("setsid sh /out/script >/dev/null 2>&1 &");
      await stage.until("it is there", () => stage.exists("root/out/there"));
      assert.equal((await container.stop()).code, 0);
      assert.deepEqual(
        container.noted().map(({ text }) => text),
        ["TERM", "gone", "swept"],
      );
    },
    told,
  );

  story("19, 1", "as an ordinary process: TERM ends it in order", (stage) => stopsOrderly(stage, below), told);
  story("19, 4", "as an ordinary process: the main service is its code", (stage) => endsWithMain(stage, below), told);
  story("19, 12", "as an ordinary process: orphans come to it", (stage) => adoptsOrphans(stage, below), told);

  story(
    "19 (sweep)",
    "as an ordinary process it ends its own descendants, and nobody else",
    async (stage) => {
      serve(stage, { leaving });
      const script = [
        "sleep 8000 & other=$!",
        '"$@"',
        "code=$?",
        "kill -0 $other && echo untouched",
        'kill -0 "$(cat /out/orphan)" || echo gone',
        "exit $code",
      ];
      const container = await contain(stage, { as: script.join("\n"), args: ["-g", "40"] });
      await container.says("[leaving] up");
      const { code, out } = await container.stop();
      assert.equal(code, 0);
      assert.match(out, /^untouched$/m);
      assert.match(out, /^gone$/m);
    },
    told,
  );

  story(
    "19 (stubborn)",
    "as an ordinary process it ends many who ignore TERM, in time",
    async (stage) => {
      const leave = 'i=0\nwhile [ $i -lt 50 ]; do (trap "" TERM; setsid sleep 1234 &); i=$((i+1)); done';
      serve(stage, { a: { run: `${leave}\necho up\nexec sleep 1000` } });
      const container = await contain(stage, {
        as: '"$@"; code=$?; for file in /proc/[0-9]*/cmdline; do grep -la "123[4]" $file; done; exit $code',
        args: ["-g", "40"],
      });
      await container.says("[a] up");
      await stage.until("all are there", () => container.processes("sleep 1234").length === 50);
      const { out, milliseconds } = await container.stop();
      assert.equal(out, "[a] up\n");
      assertSeconds(milliseconds, 0, 8);
    },
    told,
  );

  story(
    "19 (parent)",
    "as an ordinary process it goes on when its parent dies",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage, { as: '("$@" &)\nexec sleep 8000' });
      await container.says("[good] up");
      const { code } = await container.inside("runit-container health");
      assert.equal(code, 0);
      container.signal("SIGTERM");
      await stage.until("it ends", () => !stage.isLiving(container.pid));
      await container.says("[good] bye");
    },
    told,
  );

  for (const [number, title, setting] of [
    ["43", "signals that were ignored before are not in the services", { as: 'trap "" HUP INT QUIT USR1\nexec "$@"' }],
    [
      "43 (blocked)",
      "signals that were blocked before are not in the services",
      { as: 'exec env --block-signal=HUP,INT,TERM,CHLD,USR1 "$@"' },
    ],
    ["43 (below)", "the same as an ordinary process", { as: 'trap "" HUP INT QUIT USR1\n"$@"\nexit $?' }],
    [
      "43 (descriptors)",
      "descriptors of whoever started it do not reach the services",
      { as: 'exec 5</dev/null 7</dev/null 9</dev/zero\nexec "$@"' },
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { a: { run: "exec sleep 1111", "log/run": "exec sleep 2222" }, b: { run: "exec sleep 3333" } });
        const container = await contain(stage, setting);
        for (const text of ["sleep 1111", "sleep 2222", "sleep 3333"]) {
          const pid = await container.process(text);
          await stage.becomes(() => stage.descriptors(pid), [0, 1, 2]);
          for (const field of ["SigIgn", "SigBlk"] as const) assert.equal(stage.signals(pid, field), 0n, field);
        }
        assert.equal((await container.stop()).code, 0);
      },
      told,
    );

  for (const [number, title, as] of [
    ["43 (ignored)", "it hears what was ignored before", 'trap "" CHLD TERM\nexec "$@"'],
    ["43 (ignored, below)", "the same as an ordinary process", '(trap "" CHLD TERM; exec "$@")\nexit $?'],
    ["43 (not heard)", "it hears what was blocked before", 'exec env --block-signal=CHLD,TERM "$@"'],
  ] as const) {
    story(`${number}, 1`, `${title}: TERM ends it in order`, (stage) => stopsOrderly(stage, { as }), told);
    story(`${number}, 4`, `${title}: the main service is its code`, (stage) => endsWithMain(stage, { as }), told);
  }

  story(
    "43 (command)",
    "a command has no signals ignored or blocked by us",
    async (stage) => {
      serve(stage, { quick });
      const container = await contain(stage, { args: ["--", "sleep", "1111"] });
      const find = () => container.processes("sleep 1111").find(({ pid }) => pid !== container.pid)?.pid ?? 0;
      await stage.until("the command runs", () => find() !== 0);
      for (const field of ["SigIgn", "SigBlk"] as const) await stage.becomes(() => stage.signals(find(), field), 0n);
      assert.equal((await container.stop()).code, 143);
    },
    told,
  );

  story(
    "43 (session)",
    "every service has a session of its own",
    async (stage) => {
      serve(stage, {
        a: { run: 'read -r _ _ _ _ _ session _ </proc/self/stat\ntest "$session" = $$ && echo own\nexec sleep 1000' },
      });
      const container = await contain(stage);
      await container.says("[a] own");
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );
});
