// What ours adds: privileges, capabilities and the out-of-memory score.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type { Outcome, Stage, StoryOptions } from "../stage.ts";
import { isRoot, missing, stories } from "../stage.ts";
import {
  accounts,
  assertFails,
  assertIs,
  assertPrints,
  assertUsage,
  chpst,
  environment,
  identity,
  nobody,
  ownMounts,
  rootOnly,
  runAs,
  showStatus,
  usageOf,
} from "./scenes.ts";

const ours: StoryOptions = { only: "ours" };
const asRoot: StoryOptions = { ...ours, ...rootOnly };
const capabilitySets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] as const;
const netRaw = 13;
const sysAdmin = 21;

function field(status: string, name: string): string {
  return (new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1] ?? assert.fail(`no ${name}`)).trim();
}
function capabilities(status: string, set: (typeof capabilitySets)[number]): bigint {
  return BigInt(`0x${field(status, set)}`);
}
function without(mask: bigint, ...numbers: readonly number[]): bigint {
  return numbers.reduce((left, number) => left & ~(1n << BigInt(number)), mask);
}
/** Every set lacks these, and the sets that had more than these keep the rest. */
async function assertLacks(stage: Stage, words: readonly string[], numbers: readonly number[]): Promise<Outcome> {
  const before = (await chpst(stage, showStatus)).out;
  const outcome = await chpst(stage, [...words, ...showStatus]);
  assert.equal(outcome.err, "");
  for (const set of capabilitySets) {
    assert.equal(capabilities(outcome.out, set), without(capabilities(before, set), ...numbers), set);
  }
  return outcome;
}

stories("chpst", (story) => {
  story(
    140,
    "--no-new-privs takes from the program the way to new privileges",
    async (stage) => {
      const { out } = await chpst(stage, ["--no-new-privs", ...showStatus]);
      assert.equal(field(out, "NoNewPrivs"), "1");
      assert.equal(field((await chpst(stage, ["-v", ...showStatus])).out, "NoNewPrivs"), "0");
      const both = await chpst(stage, ["-v", "--no-new-privs", "-n", "1", "--no-new-privs", "--", ...showStatus]);
      assert.equal(field(both.out, "NoNewPrivs"), "1");
    },
    ours,
  );

  story(
    "140b",
    "--no-new-privs goes with -u, and is for ordinary users too",
    async (stage) => {
      const options = ["--no-new-privs", "-u", ":1001:1002"];
      const outcome = await chpst(stage, [...options, ...showStatus]);
      assertIs(outcome, 1001, 1002, [1002]);
      assert.equal(field(outcome.out, "NoNewPrivs"), "1");
      const ordinary = await chpst(stage, ["--no-new-privs", ...showStatus], nobody);
      assert.equal(field(ordinary.out, "NoNewPrivs"), "1");
    },
    asRoot,
  );

  story(
    141,
    "--drop-caps=all leaves no capability at all",
    async (stage) => {
      for (const words of [["--drop-caps=all"], ["--drop-caps", "all"], ["--drop-caps=ALL"]]) {
        const { out, err } = await chpst(stage, [...words, ...showStatus]);
        assert.equal(err, "");
        for (const set of capabilitySets) assert.equal(capabilities(out, set), 0n, set);
        assert.equal(identity(out).uid, "0 0 0 0");
      }
    },
    asRoot,
  );

  story(
    "141b",
    "--drop-caps takes names and numbers, in any case, with cap_ or without",
    async (stage) => {
      await assertLacks(stage, ["--drop-caps=cap_net_raw,sys_admin,21"], [netRaw, sysAdmin]);
      await assertLacks(stage, ["--drop-caps", "CAP_NET_RAW,Sys_Admin"], [netRaw, sysAdmin]);
      await assertLacks(stage, ["--drop-caps=13"], [netRaw]);
      await assertLacks(stage, ["--drop-caps=net_raw,net_raw"], [netRaw]);
      await assertLacks(stage, ["--drop-caps=chown"], [0]);
      await assertLacks(stage, ["--drop-caps=0"], [0]);
      await assertLacks(stage, ["--drop-caps=cap_checkpoint_restore"], [40]);
      await assertLacks(stage, ["--drop-caps=setpcap"], [8]);
    },
    asRoot,
  );

  story(
    "141c",
    "--drop-caps knows every capability of the kernel by its name",
    async (stage) => {
      const names = (
        "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
        "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct " +
        "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control " +
        "setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
      ).split(" ");
      assert.equal(names.length, 41);
      for (const half of [0, 1]) {
        const numbers = names.map((_, number) => number).filter((number) => number % 2 === half);
        await assertLacks(stage, [`--drop-caps=${numbers.map((number) => names[number]).join(",")}`], numbers);
        await assertLacks(stage, [`--drop-caps=${numbers.join(",")}`], numbers);
      }
    },
    asRoot,
  );

  story(
    "141d",
    "--drop-caps goes with -u, however privileged the way to it",
    async (stage) => {
      for (const list of ["all", "setuid,setgid,setpcap", "net_raw"]) {
        for (const words of [
          [`--drop-caps=${list}`, "-u", ":1001:1002"],
          ["-u", ":1001:1002", `--drop-caps=${list}`, "--no-new-privs"],
        ]) {
          const outcome = await chpst(stage, [...words, ...showStatus]);
          assertIs(outcome, 1001, 1002, [1002]);
          for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"] as const) {
            assert.equal(capabilities(outcome.out, set), 0n, set);
          }
          const bounding = capabilities(outcome.out, "CapBnd");
          if (list === "all") assert.equal(bounding, 0n);
          if (list === "net_raw") assert.equal((bounding >> BigInt(netRaw)) & 1n, 0n);
        }
      }
    },
    asRoot,
  );

  story(
    "141e",
    "--drop-caps=all does not keep chpst from its other work",
    async (stage) => {
      fs.mkdirSync(stage.at("R"));
      environment(stage, { K: "v" });
      const words = ["--drop-caps=all", "-n", "-1", "-P", "-e", "E", "-U", ":1:2", "-l", "lk", "-o", "30"];
      assertPrints(await chpst(stage, [...words, "sh", "-c", "echo $K $UID $(ulimit -n) $(nice)"]), "v 1 30 -1\n");
      assertFails(await chpst(stage, "--drop-caps=all -/ R nosuch"), "unable to run: nosuch: file does not exist");
    },
    asRoot,
  );

  story(
    "141f",
    "--drop-caps complains about what is no capability",
    async (stage) => {
      const unknown = [
        ["nosuch", "nosuch"],
        ["net_raw,nosuch", "nosuch"],
        ["nosuch,net_raw", "nosuch"],
        ["cap_nosuch", "cap_nosuch"],
        ["64", "64"],
        ["999", "999"],
        ["-1", "-1"],
        ["1x", "1x"],
      ] as const;
      for (const [list, name] of unknown) {
        const complaint = `chpst: unknown capability -- ${name}\n${usageOf(stage)}`;
        assertUsage(await chpst(stage, [`--drop-caps=${list}`, "true"]), complaint);
        assertUsage(await chpst(stage, ["--drop-caps", list, "true"]), complaint);
      }
    },
    ours,
  );

  story(
    "141g",
    "an ordinary user has no capability to drop",
    async (stage) => {
      const reason = "unable to drop capabilities: permission denied";
      assertFails(await chpst(stage, "--drop-caps=all true", nobody), reason);
      assertFails(await chpst(stage, "--drop-caps=net_raw true", nobody), reason);
    },
    asRoot,
  );

  story(
    "141i",
    "--drop-caps takes from the inheritable and the ambient set too",
    async (stage) => {
      const via = ["/usr/bin/setpriv", "--inh-caps=+net_raw,+chown", "--ambient-caps=+net_raw,+chown", "--"];
      const before = (await chpst(stage, showStatus, { via })).out;
      const chown = 0;
      for (const set of ["CapInh", "CapAmb"] as const) {
        assert.equal(capabilities(before, set), (1n << BigInt(netRaw)) | (1n << BigInt(chown)));
      }
      const one = (await chpst(stage, ["--drop-caps=net_raw", ...showStatus], { via })).out;
      for (const set of ["CapInh", "CapAmb"] as const) assert.equal(capabilities(one, set), 1n << BigInt(chown), set);
      const none = (await chpst(stage, ["--drop-caps=all", ...showStatus], { via })).out;
      for (const set of capabilitySets) assert.equal(capabilities(none, set), 0n, set);
    },
    { ...asRoot, skip: rootOnly.skip || missing("setpriv") },
  );

  story(
    "141h",
    "a last --drop-caps",
    async (stage) => {
      assertUsage(
        await chpst(stage, "--drop-caps"),
        `chpst: option requires an argument -- drop-caps\n${usageOf(stage)}`,
      );
    },
    ours,
  );

  story(
    142,
    "--oom-score-adj tells the kernel whom to kill first",
    async (stage) => {
      const look = ["cat", "/proc/self/oom_score_adj"];
      for (const words of [
        ["--oom-score-adj=500"],
        ["--oom-score-adj", "500"],
        ["--oom-score-adj=1", "--oom-score-adj=500"],
      ]) {
        assertPrints(await chpst(stage, [...words, ...look]), "500\n");
      }
      assertPrints(await chpst(stage, ["--oom-score-adj=1000", ...look]), "1000\n");
      if (isRoot) {
        assertPrints(await chpst(stage, ["--oom-score-adj=500", ...look], nobody), "500\n");
        assertPrints(await chpst(stage, ["--oom-score-adj=500", "-u", ":1001:1001", ...look]), "500\n");
      }
    },
    ours,
  );

  story(
    "142b",
    "--oom-score-adj wants a number from -1000 to 1000",
    async (stage) => {
      for (const value of ["1001", "-1001", "x", "5x", "1.5", "--5", "+-5", "99999999999999999999", " 5", "0x10"]) {
        const expected = `chpst: not a number from -1000 to 1000 -- ${value}\n${usageOf(stage)}`;
        assertUsage(await chpst(stage, [`--oom-score-adj=${value}`, "true"]), expected);
        assertUsage(await chpst(stage, ["--oom-score-adj", value, "true"]), expected);
      }
    },
    ours,
  );

  story(
    "142c",
    "a last --oom-score-adj",
    async (stage) => {
      const complaint = `chpst: option requires an argument -- oom-score-adj\n${usageOf(stage)}`;
      assertUsage(await chpst(stage, "--oom-score-adj"), complaint);
      assertUsage(await chpst(stage, "-v --no-new-privs --oom-score-adj"), complaint);
    },
    ours,
  );

  story(
    "142d",
    "an ordinary user may not lower the score",
    async (stage) => {
      const outcome = await chpst(stage, "--oom-score-adj=-500 true", nobody);
      assertFails(outcome, "unable to set out-of-memory score: access denied");
    },
    asRoot,
  );

  story(
    143,
    "long options are words of their own, understood before anything is done",
    async (stage) => {
      assertUsage(
        await chpst(stage, "-l lk --no-new-privs --nosuch true"),
        `chpst: illegal option -- nosuch\n${usageOf(stage)}`,
      );
      assert.equal(stage.exists("lk"), false);
      assertPrints(await chpst(stage, "--no-new-privs echo hi --no-new-privs"), "hi --no-new-privs\n");
      assertPrints(await chpst(stage, "--no-new-privs -- echo hi"), "hi\n");
      assertUsage(await chpst(stage, "--no-new-privs"), usageOf(stage));
      assertUsage(await chpst(stage, "--oom-score-adj=5 --"), usageOf(stage));
    },
    ours,
  );

  story(
    "143b",
    "the lists of --drop-caps add up",
    async (stage) => {
      await assertLacks(stage, ["--drop-caps=chown", "--drop-caps=net_raw"], [0, netRaw]);
    },
    asRoot,
  );

  story(
    "143c",
    "everything that becomes a user at once",
    async (stage) => {
      const via = accounts(stage);
      const words = ["--no-new-privs", "--drop-caps=all", "--oom-score-adj=7", "-u", "bob:+"];
      const outcome = await chpst(stage, [...words, ...showStatus], { via });
      assertIs(outcome, 1002, 1003, [1002, 1003, 1005]);
      assert.equal(field(outcome.out, "NoNewPrivs"), "1");
      for (const set of capabilitySets) assert.equal(capabilities(outcome.out, set), 0n, set);
    },
    { ...ownMounts, ...ours },
  );

  story(
    "143d",
    "aliases have no long options",
    async (stage) => {
      assertFails(
        await runAs(stage, "pgrphack", "--no-new-privs true"),
        "unable to run: --no-new-privs: file does not exist",
      );
    },
    ours,
  );
});
