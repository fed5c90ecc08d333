// Ordinary users: spec/sv.md, section 6.
import * as fs from "node:fs";
import { isRoot, stories } from "../stage.ts";
import { agedService, assertSays, nobody, sleeper } from "./scenes.ts";

const skip = isRoot ? false : "only root can become another user";

stories("sv", (story) => {
  story(
    94,
    "an ordinary user may not look",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      assertSays(
        await stage.run("sv", ["status", "a"], nobody),
        "warning: a: unable to open supervise/ok: access denied\n",
        1,
      );
    },
    { skip },
  );

  story(
    95,
    "an ordinary user may look where the modes allow it, and not control",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      fs.chmodSync(stage.at("a/supervise"), 0o755);
      fs.chmodSync(stage.at("a/supervise/ok"), 0o666);
      assertSays(await stage.run("sv", ["status", "a"], nobody), "run: a: (pid N) Ns\n");
      assertSays(await stage.run("sv", ["up", "a"], nobody), "");
      assertSays(
        await stage.run("sv", ["t", "a"], nobody),
        "warning: a: unable to open supervise/control: access denied\n",
        1,
      );
    },
    { skip },
  );
});
