// What a careless or a hostile image may have: found by attacks, none of it may take the container down or deceive.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import { contain, good, quick, serve, told } from "./scenes.ts";

stories("runit-container", (story) => {
  for (const closing of ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    story(
      `odd (${closing})`,
      "started with closed standard descriptors it works, and can be asked",
      async (stage) => {
        serve(stage, { a: { run: "readlink /proc/self/fd/0 >/out/stdin\nexec sleep 1000" } });
        const container = await contain(stage, { as: `exec "$@" ${closing}` });
        await stage.until("it runs", () => stage.read("root/out/stdin") === "/dev/null\n");
        const { code, out } = await container.inside("runit-container health");
        assert.equal(code, 0, out);
        assert.equal((await container.stop()).code, 0);
      },
      told,
    );

  story(
    "odd (relinked)",
    "a service whose link is made again while it still ends is started again, and has run its finish script",
    async (stage) => {
      serve(stage, { a: { ...good, finish: "echo finish >>/out/finish" } }, "/etc/sv");
      fs.mkdirSync(stage.at("root/etc/service"), { recursive: true });
      const link = stage.at("root/etc/service/a");
      fs.symlinkSync("/etc/sv/a", link);
      const container = await contain(stage, { args: ["-d", "/etc/service"] });
      await container.says("[a] up");
      fs.unlinkSync(link);
      await stage.until("it ends", () => container.noted().some(({ text }) => text === "TERM"));
      fs.symlinkSync("/etc/sv/a", link);
      await container.says("[a] up", 2);
      assert.equal(stage.read("root/out/finish"), "finish\n");
      const { code, out } = await container.inside("sv -w 20 check a");
      assert.equal(code, 0, out);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "odd (replaced)",
    "a new directory of the same name is another service: it begins when the old one has ended",
    async (stage) => {
      serve(stage, { a: good });
      const container = await contain(stage);
      await container.says("[a] up");
      fs.renameSync(stage.at("root/etc/service/a"), stage.at("root/etc/old"));
      serve(stage, { a: { run: "echo new\nexec sleep 1000" } });
      await container.says("[a] new");
      assert.ok(container.lines.indexOf("[a] bye") < container.lines.indexOf("[a] new"));
      const { code, out } = await container.inside("sv -w 20 check a");
      assert.equal(code, 0, out);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "odd (env)",
    "an env/ that cannot be read keeps its service down, costs nothing, and is said",
    async (stage) => {
      serve(stage, { a: quick, b: quick });
      fs.mkdirSync(stage.at("root/etc/service/b/env"));
      fs.symlinkSync("loop", stage.at("root/etc/service/b/env/loop")); // ELOOP
      const container = await contain(stage);
      await stage.until("it is said", () => /b.*env\/loop/.test(container.err));
      const files = () => fs.readdirSync(`/proc/${container.pid}/fd`).length;
      const before = files();
      for (let n = 0; n < 20; n++) assert.equal((await container.inside("sv up b")).code, 0);
      assert.ok(files() <= before + 1, `${files()} descriptors, ${before} before`);
      assert.equal(fs.readlinkSync(`/proc/${container.pid}/cwd`).replace(stage.at("root"), ""), "");
      assert.equal((await container.inside("runit-container health")).code, 1);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "odd (.run)",
    "where the service directory names a state root, health and sv find it all the same",
    async (stage) => {
      serve(stage, { a: quick });
      fs.symlinkSync("/run/other", stage.at("root/etc/service/.run"));
      const container = await contain(stage);
      const health = await container.inside("runit-container health --wait 20");
      assert.equal(health.code, 0, health.out);
      assert.ok(stage.exists("root/run/other/a/status") && !stage.exists("root/etc/service/a/supervise"));
      const sv = await container.inside("SVDIR=/etc/service sv status a");
      assert.match(sv.out, /^run: a: /);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "odd (copied)",
    "a service that the start hook copies in is waited for",
    async (stage) => {
      serve(stage, { a: { run: "echo service\nexec sleep 1000" } }, "/etc/sv");
      fs.mkdirSync(stage.at("root/etc/service"), { recursive: true });
      stage.file("root/start", "#!/bin/sh\ncp -R /etc/sv/a /etc/service/a\n", 0o755);
      const command = ["--", "/bin/sh", "-c", "echo command"];
      const container = await contain(stage, { args: ["-d", "/etc/service", "-i", "/start", "-w", "40", ...command] });
      const { out } = await container.end();
      assert.equal(out, "[a] service\ncommand\n");
    },
    told,
  );

  story(
    "odd (busy)",
    "services that never stop writing keep no signal from being heard",
    async (stage) => {
      const names = ["a", "b", "c", "d", "e", "f"];
      serve(stage, Object.fromEntries(names.map((name) => [name, { run: "echo x >/out/$SV_NAME\nexec yes" }])));
      const container = await contain(stage, { args: ["-g", "60"], as: 'exec "$@" >/dev/null' });
      await stage.until("all write", () => names.every((name) => stage.exists(`root/out/${name}`)));
      const { code, milliseconds } = await container.stop();
      assert.equal(code, 0);
      assert.ok(milliseconds < 30_000, `${milliseconds} ms`);
    },
    told,
  );

  story(
    "odd (full disk)",
    "output into a file on a full disk waits until there is room",
    async (stage) => {
      serve(stage, { a: { run: "until [ -e /out/go ]; do sleep 0.05; done\necho line\nexec sleep 1000" } });
      fs.mkdirSync(stage.at("root/out"), { recursive: true });
      const container = await contain(stage, {
        before: "mkdir $root/full; mount -t tmpfs -o size=16k none $root/full",
        as: 'cat /dev/zero >/full/zeros; exec "$@" >/full/out',
      });
      stage.file("root/out/go", "");
      await container.inside("until [ -e /out/go ]; do sleep 0.05; done; sleep 0.5; rm /full/zeros");
      const { out } = await container.inside("until [ -s /full/out ]; do sleep 0.05; done; cat /full/out");
      assert.equal(out, "[a] line\n");
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );
});
