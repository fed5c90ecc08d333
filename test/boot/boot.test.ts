// A real boot: our runit-init is /sbin/init of a virtual machine, which reboots once and is powered off then.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { cannotBoot, Qemu } from "./machine.ts";

const skip = cannotBoot();

/** From the first line of process 1 to the prompt of a shell. */
async function comesUp(machine: Qemu): Promise<void> {
  await machine.says("- runit: $Id: runit, runit-ts 0.1.0 $: booting.\n");
  await machine.says("- runit: enter stage: /etc/runit/1\n");
  assert.match(await machine.says("- runit: leave stage: /etc/runit/1\n"), /^stage 1: Linux 6\.\S+\n$/);
  assert.equal(await machine.says("- runit: enter stage: /etc/runit/2\n"), "");
  await machine.says("small login: ");
  machine.type("root\n");
  await machine.says("ready> ");
}
/** From stage 2 to the word after which the machine is gone. */
async function goesDown(machine: Qemu, word: string): Promise<void> {
  await machine.says("- runit: leave stage: /etc/runit/2\n");
  await machine.says("- runit: enter stage: /etc/runit/3\n");
  const stage3 = await machine.says("- runit: leave stage: /etc/runit/3\n");
  assert.match(stage3, /Waiting for services to stop\.\.\.\n/);
  for (const name of ["beat", "crond", "dropbear", "getty-ttyS0"]) {
    assert.match(stage3, new RegExp(`^ok: down: /service/${name}: \\d+s, normally up$`, "m"), stage3);
  }
  assert.match(stage3, /\nShutdown\.\n$/);
  await machine.says("- runit: sending KILL signal to all processes...\n");
  await machine.says(`- runit: ${word}\n`);
}

suite("a machine", () => {
  test("boots, runs its services, reboots on init 6, boots again, and is powered off by init 0", {
    skip,
    timeout: 300_000,
  }, async () => {
    const machine = new Qemu();
    try {
      await comesUp(machine);
      const status = await machine.run("sv status crond dropbear beat getty-ttyS0");
      for (const name of ["crond", "dropbear", "beat", "getty-ttyS0"]) {
        assert.match(status, new RegExp(`^run: ${name}: \\(pid \\d+\\) \\d+s`, "m"), status);
      }
      assert.match(
        await machine.run("nc -w 2 127.0.0.1 22 </dev/null | grep -ao SSH-2.0-dropbear"),
        /^SSH-2\.0-dropbear$/m,
      );
      assert.match(await machine.run("until grep beat /var/log/beat/current; do sleep 0.2; done"), /^beat 1$/m);
      assert.match(await machine.run("grep -o 'Name:.*\\|SigIgn:.*' /proc/1/status"), /^Name:\truni/m);
      assert.match(await machine.run("tr '\\0' ' ' </proc/1/cmdline; echo"), /^runit $/m);
      assert.match(await machine.run("kill -9 $(pidof runsvdir); sleep 1; sv status beat"), /^run: beat: /m);
      await machine.says("- runit: warning: restarting.\n");
      await machine.run("until sv check beat; do sleep 0.2; done");
      machine.type("/sbin/init 6\n");
      await goesDown(machine, "system reboot.");
      await comesUp(machine);
      machine.pressCtrlAltDel();
      await machine.says("- runit: ctrl-alt-del request...\n");
      await machine.says("ctrl-alt-del: rebooting.\n- runit: leave stage: /etc/runit/ctrlaltdel\n");
      await goesDown(machine, "system reboot.");
      await comesUp(machine);
      machine.type("/sbin/init 0\n");
      await goesDown(machine, "power off...");
      await machine.ended();
      assert.equal(machine.code, 0);
    } finally {
      machine.clear();
    }
  });
});
