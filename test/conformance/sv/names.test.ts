// From the name of a service to its directory: spec/sv.md, sections 3 and 4.
import * as path from "node:path";
import { stories } from "../stage.ts";
import { agedService, assertSays, assertSaysOf, sleeper } from "./scenes.ts";

const missing = (name: string) => `fail: ${name}: unable to change to service directory: file does not exist\n`;

stories("sv", (story) => {
  story(10, "an empty name is no service", async (stage) => {
    assertSays(await stage.run("sv", ["status", ""]), missing(""), 1);
  });

  story(11, "a missing service is named as given", async (stage) => {
    for (const name of ["x", "/x", "./x", "x/"]) assertSays(await stage.run("sv", ["status", name]), missing(name), 1);
  });

  story(12, "SVDIR is used even when it is empty or leads nowhere", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    for (const SVDIR of ["", stage.at("nowhere")]) {
      assertSays(await stage.run("sv", ["status", "a"], { env: { SVDIR } }), missing("a"), 1);
    }
  });

  story(13, "SVDIR may be relative", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    assertSays(await stage.run("sv", ["status", "a"], { env: { SVDIR: "." } }), "run: a: (pid N) Ns\n");
  });

  story(14, "a service can be named in many ways", async (stage) => {
    await agedService(stage, "a", { run: sleeper });
    const { pid } = stage.status("a");
    const elsewhere = { SVDIR: "/nonexistent" };
    const names = ["./a", "a/", `../${path.basename(stage.dir)}/a`, stage.at("a"), `${stage.at("a")}/`];
    assertSaysOf(pid, await stage.run("sv", ["status", "a"]), "run: a: (pid N) Ns\n");
    for (const name of names) {
      assertSaysOf(pid, await stage.run("sv", ["status", name], { env: elsewhere }), `run: ${name}: (pid N) Ns\n`);
    }
    assertSaysOf(pid, await stage.run("sv", ["status", "."], { cwd: stage.at("a") }), "run: .: (pid N) Ns\n");
  });

  story(15, "a name that begins with a dot is relative to the current directory", async (stage) => {
    await agedService(stage, ".hid", { run: sleeper });
    assertSays(await stage.run("sv", ["status", ".hid"], { cwd: "/" }), missing(".hid"), 1);
    assertSays(await stage.run("sv", ["status", ".hid"]), "run: .hid: (pid N) Ns\n");
  });

  story(16, "no other character is special", async (stage) => {
    await agedService(stage, "x: y", { run: sleeper });
    assertSays(await stage.run("sv", ["status", "x: y"]), "run: x: y: (pid N) Ns\n");
  });

  story(
    92,
    "a slash at the end makes it relative to the current directory",
    async (stage) => {
      await agedService(stage, "a", { run: sleeper });
      const elsewhere = { env: { SVDIR: "/nonexistent" } };
      assertSays(await stage.run("sv", ["up", "a/"], elsewhere), "");
      const waited = await stage.run("sv", ["-v", "up", "a/"], elsewhere);
      // The original looks for it in the service directory while it waits.
      if (stage.isOurs) assertSays(waited, "ok: run: a/: (pid N) Ns\n");
      else assertSays(waited, missing("a/"), 1);
      assertSays(await stage.run("sv", ["-v", "up", "./a/"], elsewhere), "ok: run: ./a/: (pid N) Ns\n");
    },
    { differs: "sv-trailing-slash" },
  );
});
