// What of a supervisor others get to see: descriptors, variables, arguments, memory.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { contain, serve, told as toldInContainer } from "../conformance/container/scenes.ts";
import type { Stage } from "../conformance/stage.ts";
import { shell, stories } from "../conformance/stage.ts";
import { asMallory, mallory, toldOfUs } from "./tricks.ts";

/** Becomes a list of its descriptors, that of the list's own directory among them. */
const lists = (file: string) => `exec ls /proc/self/fd >${file}`;
const secret = "hunter2";

/** What `ls /proc/self/fd` says in a process that has these beside those that every program here inherits. */
async function listing(stage: Stage, ...more: number[]): Promise<string> {
  const plain = stage.start("/bin/sleep", ["1000"]);
  const isSleep = () => fs.readFileSync(`/proc/${plain.pid}/comm`, "latin1") === "sleep\n";
  await stage.until("sleep sleeps", () => isSleep() && stage.state(plain.pid) === "S");
  const open = [...stage.descriptors(plain.pid), ...more];
  let own = 0;
  while (open.includes(own)) own++;
  return `${[...open, own].map(String).sort().join("\n")}\n`;
}
async function sees(stage: Stage, file: string, ...more: number[]): Promise<void> {
  const expected = await listing(stage, ...more);
  await stage.becomes(() => stage.peek(file), expected);
}
/** Nothing is inherited there. */
const bare = "0\n1\n2\n3\n";

stories("descriptors", (story) => {
  story(
    "runsv",
    "scripts of a service, its log service and sv check get standard input, output and error, and nothing of runsv",
    async (stage) => {
      stage.service("s", {
        run: "[ -e ../run ] || (exec ls /proc/self/fd >../run)\nexec sleep 1000",
        finish: lists("../finish"),
        check: lists("../check"),
        "control/h": lists("../control"),
        "log/run": "[ -e ../../log ] || (exec ls /proc/self/fd >../../log)\nexec cat",
      });
      fs.mkdirSync(stage.at("scan"));
      fs.symlinkSync("../s", stage.at("scan/s"));
      stage.start("runsvdir", ["scan"]);
      await sees(stage, "run");
      await sees(stage, "log");
      await stage.end(stage.start("sv", ["check", stage.at("s")]));
      await sees(stage, "check");
      stage.tell("s", "hd");
      await sees(stage, "control");
      await sees(stage, "finish");
    },
    { only: "ours" },
  );
  story(
    "runsv after a restart in place",
    "and the same after a restart in place: the state that was kept for it is in a file without a name, for runsv alone",
    async (stage) => {
      stage.service("s", { run: "exec sleep 1000", "log/run": "exec cat" });
      const runsv = stage.start("runsv", ["s"]);
      await stage.running("s");
      const before = stage.descriptors(runsv.pid).length;
      runsv.kill("SIGSEGV");
      await stage.until("it has restarted", () => runsv.err.includes("restarting in place"));
      stage.file("s/run", `#!/bin/sh\n[ -e ../run ] || (exec ls /proc/self/fd >../run)\nexec sleep 1000\n`);
      await stage.until("it hears", () => stage.isListening("s"));
      stage.tell("s", "t");
      await sees(stage, "run");
      await stage.until("no more is open than before", () => stage.descriptors(runsv.pid).length <= before + 1);
      const pid = await stage.running("s");
      assert.doesNotMatch(fs.readFileSync(`/proc/${pid}/environ`, "latin1"), /RUNIT_TS/);
    },
    { only: "ours" },
  );
  story(
    "svlogd",
    "a processor gets what the manual says: 0, 1, 2, 4 and 5",
    async (stage) => {
      stage.file("main/config", "s100\n!ls /proc/self/fd >fds; cat\n");
      await stage.end(stage.start("/bin/sh", ["-c", "seq 1 100 | exec svlogd main"]));
      await sees(stage, "main/fds", 4, 5);
    },
    { only: "ours" },
  );
  story(
    "chpst",
    "chpst, setlock and their like leave nothing open but a lock",
    async (stage) => {
      fs.mkdirSync(stage.at("env"));
      const plain = ["-e", "env", "-o", "100", "-P", "ls", "/proc/self/fd"];
      assert.equal((await stage.end(stage.start("chpst", plain))).out, await listing(stage));
      // The lock itself is what is left open.
      const locked = stage.start("chpst", ["-l", "lock", "ls", "/proc/self/fd"]);
      assert.equal((await stage.end(locked)).out, await listing(stage, 3));
    },
    { only: "ours" },
  );
  story(
    "runit-container",
    "a service of a container, its finish and its check get standard input, output and error only",
    async (stage) => {
      serve(stage, {
        web: {
          run: "[ -e /out/run ] || (exec ls /proc/self/fd >/out/run)\nexec sleep 1000",
          finish: lists("/out/finish"),
        },
      });
      const container = await contain(stage);
      await stage.becomes(() => stage.peek("root/out/run"), bare);
      await container.stop();
      assert.equal(stage.read("root/out/finish"), bare);
    },
    toldInContainer,
  );
});

stories("variables", (story) => {
  story(
    "beside the definition",
    "a service whose state is beside its definition gets the environment of runsv, and nothing else",
    async (stage) => {
      stage.service("s", { run: "#!/usr/bin/tail -f\n" });
      stage.start("runsv", ["s"], { onlyEnv: { A: "1" }, via: ["env", "-i", "A=1", `STAGE=${stage.mark}`] });
      const pid = await stage.running("s");
      const variables = fs.readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").filter(Boolean);
      assert.deepEqual(variables.sort(), ["A=1", `STAGE=${stage.mark}`]);
    },
    {},
  );
  story(
    "apart",
    "one whose state is apart gets SV_NAME, SV_STATE and SV_LOGDIR as well, and nothing else",
    async (stage) => {
      stage.service("scan/s", { run: "#!/usr/bin/tail -f\n" });
      const words = ["-s", stage.at("root"), "scan/s"];
      stage.start("runsv", words, { via: ["env", "-i", "A=1", "HOME=/root", `STAGE=${stage.mark}`] });
      await stage.until("it runs", () => stage.processes("tail").length > 0);
      const text = fs.readFileSync(`/proc/${stage.processes("tail")[0]}/environ`, "latin1");
      const names = text
        .split("\0")
        .filter(Boolean)
        .map((entry) => entry.split("=")[0]);
      assert.deepEqual(names.sort(), ["A", "HOME", "STAGE", "SV_LOGDIR", "SV_NAME", "SV_STATE"]);
    },
    { only: "ours" },
  );
  story(
    "secrets",
    "a variable of an environment directory is in no command line, no file and no other environment",
    async (stage) => {
      stage.file("env/SECRET", `${secret}\n`, 0o600);
      stage.file("env2/SECRET2", `${secret}\n`, 0o600);
      stage.service("scan/s", {
        run: 'exec chpst -e "../../env" tail -f /dev/null',
        "log/run": "exec svlogd ../../../main",
      });
      fs.mkdirSync(stage.at("main"));
      stage.service("apart/t", { run: "exec tail -f /dev/zero" });
      stage.start("runsvdir", ["-P", "scan", `log: ${".".repeat(100)}`], {});
      stage.start("runsv", ["-s", stage.at("root"), "-e", stage.at("env2"), "apart/t"]);
      await stage.until("both run", () => stage.processes("tail").length === 2);
      let holders = 0;
      for (const pid of stage.processes()) {
        assert.doesNotMatch(
          fs.readFileSync(`/proc/${pid}/cmdline`, "latin1"),
          new RegExp(secret),
          `arguments of ${pid}`,
        );
        if (fs.readFileSync(`/proc/${pid}/environ`, "latin1").includes(secret)) holders++;
      }
      assert.equal(holders, 2, "the two services have it, and nobody else");
      for (const name of fs.readdirSync(stage.at("root"), { recursive: true, encoding: "utf8" })) {
        if (fs.statSync(stage.at("root", name)).isFile())
          assert.doesNotMatch(stage.read(`root/${name}`), new RegExp(secret), name);
      }
    },
    { only: "ours" },
  );
  story(
    "environment of a supervisor",
    "the environment of a supervisor of root is for root alone; what its log argument shows is for all",
    async (stage) => {
      stage.service("scan/s", { run: `echo shown by ps >&2\nexec sleep 1000` });
      const runsvdir = stage.start("runsvdir", ["scan", `log: ${".".repeat(100)}`]);
      const other = { uid: mallory, gid: mallory };
      const title = async () => (await stage.sh(`exec cat /proc/${runsvdir.pid}/cmdline`, other)).out;
      await stage.until("it runs", () => fs.readFileSync(`/proc/${runsvdir.pid}/cmdline`, "latin1").includes("by ps"));
      assert.match(await title(), /shown by ps/);
      for (const name of ["environ", "fd", "mem", "maps"]) {
        const { code } = await stage.sh(
          `exec head -c 1 /proc/${runsvdir.pid}/${name} || exec ls /proc/${runsvdir.pid}/${name}`,
          other,
        );
        assert.notEqual(code, 0, name);
      }
    },
    toldOfUs,
  );
  story(
    "umask and modes",
    "the umask is handed on as it was; files of a supervise directory are out of reach for others",
    async (stage) => {
      stage.service("s", { run: "umask >../umask\nexec sleep 1000" });
      stage.start("runsv", ["s"], { via: shell("umask 0027") });
      await stage.running("s");
      await stage.becomes(() => stage.peek("umask"), "0027\n");
      assert.equal(stage.mode("s/supervise"), 0o700);
      for (const name of ["lock", "control", "ok", "child"])
        assert.equal(stage.mode(`s/supervise/${name}`), 0o600, name);
      const { code } = await stage.sh("exec ls s/supervise", { uid: mallory, gid: mallory });
      assert.notEqual(code, 0);
      await assert.rejects(asMallory(stage, "echo d >s/supervise/control"));
    },
    toldOfUs,
  );
});
