// Where little is allowed: spec/container.md, D8; cases 20 to 22, 42. Case 39 of 42 is told in runit/container.test.ts.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { referenceRoot, stories } from "../stage.ts";
import type { Setting } from "./scenes.ts";
import {
  adoptsOrphans,
  asOddUser,
  contain,
  endsWithMain,
  good,
  messages,
  oddUser,
  quick,
  serve,
  stopsOrderly,
  told,
  toldToRoot,
  toldWithUsers,
  withoutCapabilities,
} from "./scenes.ts";

const withServices = "env SVDIR=/etc/service";
const oddState = `sv-${oddUser}`;
const odd: Setting = { via: asOddUser };
const onlyRun: Setting = {
  isReadOnly: true,
  before: "mount -t tmpfs -o noexec,nosuid,nodev,mode=755 tmpfs $root/run",
};
const onlyTmp: Setting = {
  isReadOnly: true,
  before: "mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs $root/tmp",
};
/** A /tmp of its own hides a build that stands below /tmp. */
const toldBesideTmp = {
  ...told,
  skip: told.skip || (referenceRoot.startsWith("/tmp/") && "the build is below /tmp"),
} as const;
const nothingWritable: Setting = { isReadOnly: true };

/** Every file below a directory of the container. */
function filesOf(stage: Stage, directory: string): string[] {
  return fs.readdirSync(stage.at("root", directory), { recursive: true }).map(String).sort();
}

stories("runit-container", (story) => {
  for (const [number, place, setting, told1] of [
    ["20", "an account that does not exist", odd, toldToRoot],
    ["21 (/run)", "a read-only root with a /run where nothing can be executed", onlyRun, told],
    ["21 (/tmp)", "a read-only root with a /tmp where nothing can be executed", onlyTmp, toldBesideTmp],
    ["21 (nothing)", "a read-only root with nothing writable at all", nothingWritable, told],
    ["20 (read-only)", "an account that does not exist, nothing writable", { ...odd, ...nothingWritable }, toldToRoot],
    ["42 (capabilities)", "no capability", { via: withoutCapabilities }, told],
    [
      "42 (users)",
      "a user namespace and no capability",
      { hasOwnUsers: true, via: withoutCapabilities },
      toldWithUsers,
    ],
    ["D8 (no /proc)", "no /proc", { hasNoProc: true }, told],
  ] as const) {
    story(`${number}, 1`, `with ${place}: TERM ends it in order`, (stage) => stopsOrderly(stage, setting), told1);
    story(
      `${number}, 4`,
      `with ${place}: the main service is its code`,
      (stage) => endsWithMain(stage, setting),
      told1,
    );
  }
  for (const [number, place, setting, told12] of [
    ["20, 12", "an account that does not exist", odd, toldToRoot],
    ["42 (capabilities), 12", "no capability", { via: withoutCapabilities }, told],
    [
      "42 (users), 12",
      "a user namespace and no capability",
      { hasOwnUsers: true, via: withoutCapabilities },
      toldWithUsers,
    ],
  ] as const)
    story(number, `with ${place}: orphans are cared for`, (stage) => adoptsOrphans(stage, setting), told12);

  for (const [number, title, setting, state, via, toldState] of [
    [
      "20 (sv)",
      "sv works for an account that does not exist, the state is below /tmp",
      odd,
      `/tmp/${oddState}`,
      `${withServices} ${asOddUser}`,
      toldToRoot,
    ],
    ["21 (/run, sv)", "sv works with the state below /run", onlyRun, "/run/runit/supervise", withServices, told],
    ["21 (/tmp, sv)", "sv works with the state below /tmp", onlyTmp, "/tmp/sv-0", withServices, toldBesideTmp],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good, logged: { ...quick, "log/run": "exec cat >/dev/null" } });
        const container = await contain(stage, setting);
        await container.says("[good] up");
        const { out, err, code } = await container.inside("sv status good logged && sv -w 20 restart good", via);
        assert.match(out, /^run: good: \(pid \d+\) .*\nrun: logged: \(pid \d+\) .*; run: log: \(pid \d+\)/, err);
        assert.equal(code, 0, out + err);
        await container.says("[good] up", 2);
        const listing = await container.inside(`stat -c %a,%u ${state}; ls ${state}`, via);
        const [mode, ...entries] = listing.out.trimEnd().split("\n");
        assert.equal(mode, `700,${setting === odd ? oddUser : 0}`);
        for (const name of ["good", "logged", "logged.log"]) assert.ok(entries.includes(name), listing.out);
        assert.equal((await container.stop()).code, 0);
        assert.deepEqual(
          filesOf(stage, "etc").filter((name) => name.includes("supervise")),
          [],
        );
      },
      toldState,
    );

  story(
    "21 (nothing, warning)",
    "where nothing is writable that is said once, and it can be asked and stopped from inside all the same",
    async (stage) => {
      serve(stage, { good, quick });
      const container = await contain(stage, nothingWritable);
      await container.says("[good] up");
      const { code, out, err } = await container.inside("runit-container health");
      assert.equal(code, 0, out + err);
      const sv = await container.inside("sv status good", withServices);
      assert.notEqual(sv.code, 0);
      assert.notEqual(sv.out + sv.err, "");
      const stop = await container.inside("runit-container stop 42");
      assert.equal(stop.code, 0, stop.err);
      const end = await container.end();
      assert.equal(end.code, 42);
      const warnings = messages(end).filter((line) => /warning/i.test(line));
      assert.equal(warnings.length, 1, end.err);
    },
    told,
  );

  story(
    "21 (nothing, log)",
    "where nothing is writable log services get their lines all the same",
    async (stage) => {
      serve(stage, { good: { ...good, "log/run": 'while read -r line; do echo "logged $line" >&2; done' } });
      const container = await contain(stage, nothingWritable);
      await stage.until("it is logged", () => /logged up/.test(container.err));
      const { code, err } = await container.stop();
      assert.equal(code, 0);
      assert.match(err, /logged bye/);
    },
    told,
  );

  story(
    "21 (two)",
    "two containers with nothing writable that share a network are asked and stopped apart",
    async (stage) => {
      serve(stage, { good });
      const [first, second] = [await contain(stage, nothingWritable), await contain(stage, nothingWritable)];
      for (const container of [first, second]) await container.says("[good] up");
      assert.equal((await second.inside("runit-container stop 42")).code, 0);
      assert.equal((await second.end()).code, 42);
      assert.ok(first.isAlive);
      assert.equal((await first.inside("runit-container health")).code, 0);
      assert.equal((await first.inside("runit-container stop 43")).code, 0);
      assert.equal((await first.end()).code, 43);
    },
    told,
  );

  for (const [number, title, lay] of [
    [
      "22",
      "a state directory that belongs to another is refused, and the next place is used",
      (stage: Stage) => fs.mkdirSync(stage.at("root/tmp", oddState)),
    ],
    [
      "22 (link)",
      "a link is refused as a state directory, and the next place is used",
      (stage: Stage) => {
        fs.mkdirSync(stage.at("root/tmp/elsewhere"));
        fs.chownSync(stage.at("root/tmp/elsewhere"), oddUser, 0);
        fs.symlinkSync("/tmp/elsewhere", stage.at("root/tmp", oddState));
      },
    ],
    [
      "22 (file)",
      "a file is refused as a state directory, and the next place is used",
      (stage: Stage) => {
        stage.file(`root/tmp/${oddState}`, "");
        fs.chownSync(stage.at("root/tmp", oddState), oddUser, 0);
      },
    ],
  ] as const)
    story(
      number,
      title,
      async (stage) => {
        serve(stage, { good });
        fs.mkdirSync(stage.at("root/tmp"), { recursive: true });
        lay(stage);
        fs.chmodSync(stage.at("root/tmp"), 0o1777);
        fs.mkdirSync(stage.at("root/dev/shm"), { recursive: true });
        fs.chmodSync(stage.at("root/dev/shm"), 0o1777);
        const touched = () => filesOf(stage, "tmp").filter((name) => /^(sv-|elsewhere)/.test(name));
        const before = touched();
        const container = await contain(stage, odd);
        await container.says("[good] up");
        const { out, code } = await container.inside("sv status good", `${withServices} ${asOddUser}`);
        assert.equal(code, 0, out);
        assert.ok(stage.exists(`root/dev/shm/${oddState}/good/status`));
        assert.deepEqual(touched(), before);
        assert.equal((await container.stop()).code, 0);
      },
      toldToRoot,
    );

  story(
    "D8 ($SVRUNDIR)",
    "a state root can be named",
    async (stage) => {
      serve(stage, { good });
      const container = await contain(stage, { env: { SVRUNDIR: "/run/state" } });
      await container.says("[good] up");
      assert.ok(stage.exists("root/run/state/good/status"));
      assert.ok(!stage.exists("root/etc/service/good/supervise"));
      const { code, out, err } = await container.inside("sv status good", withServices);
      assert.equal(code, 0, out + err);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "D8 (.run)",
    "a state root can be named by a link in the services' directory",
    async (stage) => {
      serve(stage, { good });
      fs.symlinkSync("/run/state", stage.at("root/etc/service/.run"));
      const container = await contain(stage);
      await container.says("[good] up");
      assert.ok(stage.exists("root/run/state/good/status"));
      const { code, out, err } = await container.inside("sv status good", withServices);
      assert.equal(code, 0, out + err);
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );

  story(
    "D8 (supervise)",
    "a writable definition keeps its state beside it, as ever",
    async (stage) => {
      serve(stage, { good: { ...good, "log/run": "exec cat >/out/logged" } });
      const container = await contain(stage);
      await stage.becomes(() => stage.peek("root/out/logged"), "up\n");
      for (const name of ["good", "good/log"]) {
        for (const file of ["lock", "ok", "control", "status", "stat", "pid"])
          assert.ok(stage.exists(`root/etc/service/${name}/supervise/${file}`), `${name} ${file}`);
      }
      assert.equal((await container.stop()).code, 0);
    },
    told,
  );
});
