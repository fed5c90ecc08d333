// The places of a user's services, prepared by another user; and that user at the tree of services itself.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../conformance/stage.ts";
import { stranger, User } from "../conformance/sv-user/scenes.ts";
import { asMallory, giveDirectory, mallory, toldOfUs, trickMilliseconds } from "./tricks.ts";

/** Answers whatever is asked as a tree that stays would. */
const liar = (socket: string) =>
  `require("node:net").createServer((c) => c.on("data", () => c.end("4711 1 boot\\n"))).listen(${JSON.stringify(socket)})`;

stories("places of a user", (story) => {
  story(
    "runtime directory of another user",
    "what XDG_RUNTIME_DIR names is not used if it is somebody else's, or open to others",
    async (stage) => {
      const user = new User(stage, stranger, { hasNoRuntime: true });
      giveDirectory(stage, "theirs");
      fs.chmodSync(stage.at("theirs"), 0o777);
      fs.mkdirSync(stage.at("open"));
      fs.chownSync(stage.at("open"), stranger, stranger);
      for (const [name, mode] of [["theirs", 0o777] as const, ["open", 0o755] as const]) {
        fs.chmodSync(stage.at(name), mode);
        const env = { XDG_RUNTIME_DIR: stage.at(name) };
        await user.does("session start", { env });
        assert.equal(fs.readlinkSync(`${user.scan}/.run`), user.at(".local/state/sv/run"));
        assert.deepEqual(fs.readdirSync(stage.at(name)), []);
        await user.does("session stop", { env });
      }
    },
    toldOfUs,
  );
  story(
    "a named directory",
    "a state directory that is somebody else's, or a link, is refused",
    async (stage) => {
      const user = new User(stage, stranger);
      giveDirectory(stage, "tmp");
      fs.chmodSync(stage.at("tmp"), 0o1777);
      await asMallory(stage, `mkdir -m 777 tmp/sv; ln -s ${user.home} tmp/link`);
      for (const name of ["sv", "link"]) {
        const outcome = await user.sv("session start", { env: { SVRUNDIR: stage.at("tmp", name) } });
        assert.equal(outcome.code, 111);
        assert.match(outcome.err, /unable to use state directory .*: (owned by uid 40666|not a directory)\n/);
      }
      assert.deepEqual(fs.readdirSync(stage.at("tmp/sv")), []);
    },
    toldOfUs,
  );
  story(
    "a socket of another user",
    "an answer from somebody else's socket is not believed",
    async (stage) => {
      const user = new User(stage, stranger);
      giveDirectory(stage, "theirs");
      fs.chmodSync(stage.at("theirs"), 0o755);
      const socket = stage.at("theirs/.session");
      stage.start(process.execPath, ["-e", liar(socket)], { uid: mallory, gid: mallory });
      await stage.until("it listens", () => fs.existsSync(socket));
      fs.chmodSync(socket, 0o777);
      const env = { SVRUNDIR: stage.at("theirs") };
      const { out, code } = await stage.end(user.start("sv-user", ["session", "status"], { env }), trickMilliseconds);
      assert.equal(out, "down\n");
      assert.equal(code, 1);
    },
    toldOfUs,
  );
  story(
    "the tree",
    "another user reaches neither the socket of a tree nor its leases, pipes, logs and variables",
    async (stage) => {
      const user = new User(stage, stranger);
      user.define("web", { run: "echo a secret line\nexec sleep 1000" });
      user.write(".config/sv/.env/SECRET", "hunter2");
      fs.chmodSync(user.home, 0o755);
      await user.add("web");
      await stage.until("it is logged", () => fs.existsSync(`${user.log}/web/current`));
      const run = fs.readlinkSync(`${user.scan}/.run`);
      for (const file of [
        `${run}/.session`,
        `${run}/.leases`,
        `${run}/web/control`,
        `${run}/web/status`,
        `${run}/env`,
      ]) {
        assert.ok(fs.existsSync(file), file);
        const { code } = await stage.sh(`exec test -e ${file}`, { uid: mallory, gid: mallory });
        assert.equal(code, 1, `${file} is out of reach`);
      }
      const { out } = await stage.sh(`cat ${user.log}/web/current`, { uid: mallory, gid: mallory });
      assert.equal(out, "");
      await user.does("session stop");
    },
    toldOfUs,
  );
});
