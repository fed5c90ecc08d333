// A service that becomes another user: spec/user-services.md, B8, cases 24 and 25, as its user sees it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import type { Stage } from "../stage.ts";
import { missing, stories } from "../stage.ts";
import { ownMounts, pidIn, stranger, User } from "./scenes.ts";

const other = 40124;
const source = `#define _GNU_SOURCE
#include <unistd.h>
int main(int argc, char **argv) {
  uid_t uid = geteuid();
  if (argc < 2 || setresuid(uid, uid, uid)) return 1;
  execvp(argv[1], argv + 1);
  return 1;
}
`;
/** A program that does what follows as the other user, whoever calls it. */
function layHelper(stage: Stage): string {
  stage.mount("suid", "mode=755,size=4m,suid");
  const helper = stage.at("suid/become");
  execFileSync("gcc", ["-static", "-Os", "-o", helper, stage.file("become.c", source)]);
  fs.chownSync(helper, other, other);
  fs.chmodSync(helper, 0o4755);
  return helper;
}
const told = { ...ownMounts, skip: ownMounts.skip || missing("gcc") } as const;

stories("sv-user", (story) => {
  story(
    24,
    "a service that may not be signalled is not reported as if it were",
    async (stage) => {
      const helper = layHelper(stage);
      const user = new User(stage, stranger);
      user.define("web", { run: `exec ${helper} sleep 1000` });
      const pid = pidIn(await user.add("web"), "web");
      await stage.until("it is another's", () => fs.statSync(`/proc/${pid}`).uid === other);
      const refused = await user.sv("restart web");
      assert.equal(refused.code, 1);
      assert.ok(refused.milliseconds < 5000, `at once, not after the usual seven seconds: ${refused.milliseconds} ms`);
      const text = `fail: web: not permitted to signal pid ${pid} (uid ${other}); see signal-with\n`;
      assert.equal(refused.out + refused.err, text);
      const status = (await user.sv("status web")).out;
      assert.doesNotMatch(status, /got TERM/);
      assert.match(status, new RegExp(`^run: web: \\(pid ${pid}\\)`));
      assert.match((await user.sv("doctor")).out, /\bweb\b/);
      user.write(".config/sv/web/signal-with", `${helper}\n`);
      assert.notEqual(pidIn(await user.does("restart web"), "web"), pid);
      assert.equal(stage.isLiving(pid), false);
      await user.does("session stop");
    },
    told,
  );
  story(
    25,
    "a control script may know how to signal it",
    async (stage) => {
      const helper = layHelper(stage);
      const user = new User(stage, stranger);
      user.define("web", {
        run: `exec ${helper} sleep 1000`,
        "control/t": `exec ${helper} kill -TERM "$(cat "$SV_STATE/pid")"`,
      });
      const pid = pidIn(await user.add("web"), "web");
      await stage.until("it is another's", () => fs.statSync(`/proc/${pid}`).uid === other);
      assert.notEqual(pidIn(await user.does("restart web"), "web"), pid);
      assert.equal(stage.isLiving(pid), false);
    },
    told,
  );
});
