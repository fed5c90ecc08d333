// The images of examples/container, built and started without an engine: see dockerfile.ts and engine.ts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { Build } from "../conformance/stage.ts";
import { missing, Stage } from "../conformance/stage.ts";
import { Docker, withoutNumbers } from "./docker.ts";
import type { Image } from "./dockerfile.ts";
import { build } from "./dockerfile.ts";
import type { Container, Setting } from "./engine.ts";
import { cannotContain, start } from "./engine.ts";
import { cannotReadYaml, compose, composeServices, examples, kubernetes, root } from "./manifests.ts";

const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };

// ── where it can be told ──

/** Debian's userland is that of this machine. */
const noDebian: string | false =
  !fs.existsSync("/etc/debian_version") || !fs.lstatSync("/bin").isSymbolicLink()
    ? "the userland of this machine is not that of a Debian with a merged /usr"
    : missing("perl");
const toldInContainers = cannotContain || noDebian;
/** The whole path, if there is one. */
const staticLibrary = spawnSync("gcc", ["-print-file-name=libc.a"], { encoding: "utf8" }).stdout ?? "";
const toldWithCompiler = toldInContainers || (!staticLibrary.startsWith("/") && "needs gcc and libc6-dev");

// ── telling ──

/** What is told, on a stage of its own. */
function story(title: string, skip: string | false, act: (stage: Stage) => Promise<void>): void {
  test(title, { skip, timeout: 60_000 }, async () => {
    const stage = new Stage(ours);
    try {
      await act(stage);
    } finally {
      await stage.clear();
    }
  });
}
function imageOf(stage: Stage, name: string): Image {
  const directory = stage.at(`image-${name}`);
  fs.mkdirSync(directory);
  return build(path.join(examples, name, "Dockerfile"), root, directory);
}
function startImage(stage: Stage, name: string, setting: Setting = {}): Promise<Container> {
  return start(stage, name, imageOf(stage, name), setting);
}
/** As its engine asks, until it says so. */
async function becomes(container: Container, code: 0 | 1, command?: readonly string[]): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const asked = await container.health(command);
    if (asked.code === code) return asked.out;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return assert.fail(`health never becomes ${code}:\n${container.out}${container.err}`);
}
/** With the container, and with the same one started again. */
async function twice(container: Container, act: () => Promise<void>): Promise<void> {
  await act();
  await container.start();
  await act();
}
/** Stops it as an engine does; it ends by itself. */
async function stops(container: Container, graceSeconds = 10): Promise<number> {
  const { code, wasKilled, milliseconds } = await container.stop(graceSeconds);
  assert.equal(wasKilled, false, `it ends by itself within ${graceSeconds} s\n${container.out}${container.err}`);
  assert.ok(milliseconds < graceSeconds * 1000);
  return code;
}

/** What runit-container does without being told otherwise. */
const defaultGraceSeconds = 8;
const defaultHealthSeconds = 5;
function graceOf({ env = {} }: Setting): number {
  return Number(env["RUNIT_GRACE"] ?? defaultGraceSeconds);
}

// ── stories ──

suite("examples/container", { concurrency: 4 }, () => {
  suite("an image from scratch", () => {
    story("holds two programs, the services, and nothing else", toldWithCompiler, async (stage) => {
      const { root: made } = imageOf(stage, "scratch");
      const found = fs
        .readdirSync(made, { recursive: true, withFileTypes: true })
        .filter((each) => !each.isDirectory());
      const files = found.map((each) => path.relative(made, path.join(each.parentPath, each.name)));
      assert.deepEqual(files.sort(), [
        ...["bin/hello", "bin/runit-container", "bin/runit-ts", "bin/sv"],
        ...[
          "etc/service/admin/check",
          "etc/service/admin/env/PORT",
          "etc/service/admin/env/TEXT",
          "etc/service/admin/run",
        ],
        ...["etc/service/web/check", "etc/service/web/main", "etc/service/web/run"],
      ]);
    });

    story(
      "runs its services as compose.yaml says, and ends in order",
      toldWithCompiler || cannotReadYaml,
      async (stage) => {
        const { image, setting, graceSeconds } = compose("hello");
        const container = await startImage(stage, image, setting);
        await twice(container, async () => {
          await container.says("[web] listening on port 8080\n");
          await container.says("[admin] listening on port 8081\n");
          assert.equal(await becomes(container, 0), "healthy: 2 services\n");
          assert.match((await container.exec(["sv", "status"])).out, /^run: admin: .*\nrun: web: .*\n$/);
          assert.equal(await stops(container, graceSeconds), 0, "143 is expected");
          assert.equal(container.err, "[runit] stopped by TERM; 2 services stopped\n");
        });
      },
    );

    story("is unhealthy while its server hangs", toldWithCompiler, async (stage) => {
      const container = await startImage(stage, "scratch", { isReadOnly: true });
      await becomes(container, 0);
      const [web = 0] = container
        .processes("./run")
        .filter((pid) => fs.readFileSync(`/proc/${pid}/environ`, "latin1").includes("PORT=8080"));
      process.kill(web, "SIGSTOP");
      const asked = await becomes(container, 1, ["runit-container", "health", "-t", "1"]);
      assert.equal(asked, "unhealthy: web: check takes too long\n");
      process.kill(web, "SIGCONT");
      await becomes(container, 0);
      assert.equal(await stops(container), 0);
    });

    story("ends as its main service ended", toldWithCompiler, async (stage) => {
      const container = await startImage(stage, "scratch");
      await becomes(container, 0);
      assert.equal((await container.exec(["sv", "quit", "web"])).code, 0);
      assert.equal(await container.end(), 131);
      assert.match(
        container.err,
        /^\[runit\] main service web died of signal 3 \(QUIT\) after \d+s; 1 service stopped\n$/,
      );
    });
  });

  suite("an image from debian, on the userland of this machine", () => {
    const takeAway = (container: Container) => fs.renameSync(container.at("srv/index.html"), container.at("srv/away"));
    const bringBack = (container: Container) => fs.renameSync(container.at("srv/away"), container.at("srv/index.html"));

    story(
      "runs its services as compose.yaml says, and ends in order",
      toldInContainers || cannotReadYaml,
      async (stage) => {
        const { image, setting, graceSeconds } = compose("web");
        const container = await startImage(stage, image, setting);
        await twice(container, async () => {
          await container.says(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[web\] listening on port 8080\n/);
          assert.equal(await becomes(container, 0), "healthy: 3 services\n");
          const log = () => readFile(`/proc/${container.pid}/root/var/log/sv/worker/current`);
          await stage.until("the worker has its log", () => /^\S+ job 1\n/.test(log()));
          assert.match((await container.exec(["sv", "status"])).out, /^run: web: .*\nrun: worker: .*; run: log: .*\n$/);
          assert.equal(await stops(container, graceSeconds), 0);
          assert.match(container.out, /\[web\] no more requests\n$/);
          assert.doesNotMatch(container.out, /job/);
        });
      },
    );

    story("is unhealthy while its check fails", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian");
      await becomes(container, 0);
      takeAway(container);
      assert.equal(await becomes(container, 1), "unhealthy: web: check exited 1\n");
      bringBack(container);
      await becomes(container, 0);
      assert.equal(await stops(container), 0);
    });

    story("ends as its main service ended, after the others have come to an end", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian");
      await becomes(container, 0);
      const [web = 0] = container
        .processes("./run")
        .filter((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("perl"));
      process.kill(web, "SIGSEGV");
      assert.equal(await container.end(), 139);
      assert.match(container.err, /main service web died of signal 11 \(SEGV\) after \d+s; 1 service stopped\n$/);
      assert.match(fs.readFileSync(container.at("var/log/sv/worker/current"), "latin1"), / no more jobs\n$/);
    });

    story("keeps its state elsewhere when only root may write to /run", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian", { isReadOnly: true, tmpfs: ["/run", "/var/log/sv"] });
      assert.equal(await becomes(container, 0), "healthy: 3 services\n");
      assert.match((await container.exec(["sv", "status"])).out, /^run: web: .*\nrun: worker: .*; run: log: .*\n$/);
      assert.equal((await container.exec(["ls", "/dev/shm"])).out, "sv-10001\n");
      assert.equal(await stops(container), 0);
    });

    story("is unhealthy when a log cannot be written", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian", { isReadOnly: true, tmpfs: ["/run/runit"] });
      assert.match(await becomes(container, 1), /^unhealthy: worker\/log: .*\n$/);
      await container.says("[web] listening on port 8080\n");
      assert.equal(await stops(container), 0);
    });

    story("has the exit code of a main service that cannot begin", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian", { env: { PORT: "none" } });
      assert.equal(await container.end(), 1);
      assert.match(container.err, /^\[web\] unable to listen on port none: /);
    });

    story("ends from inside with the code it is told", toldInContainers, async (stage) => {
      const container = await startImage(stage, "debian");
      await becomes(container, 0);
      assert.equal((await container.exec(["runit-container", "stop", "42"])).code, 0);
      assert.equal(await container.end(), 42);
    });

    story("runs as kubernetes.yaml says, and drains", toldInContainers || cannotReadYaml, async (stage) => {
      const { setting, pod, container: asked } = kubernetes();
      const container = await startImage(stage, "debian", setting);
      const isReady = asked.readinessProbe.exec.command;
      const isLive = asked.livenessProbe.exec.command;
      await becomes(container, 0, isReady);
      await becomes(container, 0, isLive);
      const stopping = stops(container, pod.terminationGracePeriodSeconds);
      await becomes(container, 1, isReady);
      assert.equal((await container.health(isLive)).code, 0, "not ready, but alive");
      assert.doesNotMatch(container.out, /no more requests/);
      assert.equal(await stopping, 0);
      const said = container.out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        said.map(({ service, line }) => `${service}: ${line}`),
        ["web: listening on port 8080", "web: no more requests"],
      );
      assert.equal(container.terminationLog, "stopped by TERM; 2 services stopped\n");
    });
  });

  suite("an image with the stages of runit, on the userland of this machine", () => {
    for (const stopSignal of ["SIGCONT", "SIGTERM"] as const) {
      story(`stops by ${stopSignal}, and again after it was started again`, toldInContainers, async (stage) => {
        const container = await startImage(stage, "classic", { env: { WHO: "you" }, stopSignal });
        assert.equal(container.image.stopSignal, "SIGCONT");
        await twice(container, async () => {
          await container.says(/^stage 1\n/);
          await container.says(/^\d\d:\d\d:\d\d, you\n/m);
          await container.says(/^hello\n/m);
          assert.equal(await stops(container), 0);
          assert.match(container.out, /^stage 3\n/m);
          assert.match(container.out, /^the clock stops\n/m);
          assert.match(container.out, /^ok: down: .*idle: /m);
          assert.match(container.err, /leave stage: \/etc\/runit\/3\n- runit: exit with code 0\.\n$/);
        });
      });
    }

    story("runs and stops as compose.yaml says", toldInContainers || cannotReadYaml, async (stage) => {
      const { image, setting, graceSeconds } = compose("classic");
      const container = await startImage(stage, image, setting);
      await container.says(/, compose\n/);
      assert.equal(await stops(container, graceSeconds), 0);
    });

    story("stops by SIGCONT with runit-container in place of runit", toldInContainers, async (stage) => {
      const container = await startImage(stage, "classic", {
        entrypoint: ["runit-container"],
        command: ["--stages", "/etc/runit"],
      });
      await container.says(/^stage 1\n/m);
      await container.says(/^\[idle\] hello\n/m);
      await container.says(/^\[clock\] /m);
      assert.equal(await stops(container), 0);
      assert.match(container.out, /^\[clock\] the clock stops\n/m);
      assert.match(container.out, /^stage 3\n/m);
    });
  });

  suite("compose.yaml", () => {
    story(
      "waits for each container longer than the last KILL takes, and for health checks",
      cannotReadYaml,
      async () => {
        assert.deepEqual(composeServices(), ["web", "hello", "classic"]);
        for (const { setting, graceSeconds, health } of composeServices().map(compose)) {
          assert.ok(graceSeconds > graceOf(setting) + 1);
          if (health === undefined) continue;
          assert.deepEqual(health.command, ["CMD", "runit-container", "health"]);
          assert.ok(health.timeoutSeconds > defaultHealthSeconds);
        }
      },
    );
  });

  suite("kubernetes.yaml", () => {
    story(
      "waits longer than the last KILL takes, and for its probes as long as they may take",
      cannotReadYaml,
      async () => {
        const { pod, container, setting } = kubernetes();
        const drainSeconds = Number(setting.env?.["RUNIT_DRAIN"]);
        const { livenessProbe, readinessProbe } = container;
        assert.ok(pod.terminationGracePeriodSeconds > graceOf(setting) + 1);
        assert.ok(drainSeconds + 2 < graceOf(setting), "there is time after the drain");
        assert.ok(readinessProbe.periodSeconds < drainSeconds, "a drain is seen before it is over");
        assert.deepEqual(livenessProbe.exec.command, ["runit-container", "health"]);
        assert.deepEqual(readinessProbe.exec.command, ["runit-container", "health", "--ready"]);
        for (const { timeoutSeconds } of [livenessProbe, readinessProbe])
          assert.ok(timeoutSeconds > defaultHealthSeconds);
      },
    );

    story("asks for no rights, and for the user of the image", cannotReadYaml || toldInContainers, async (stage) => {
      const { pod, container, setting } = kubernetes();
      assert.equal(pod.securityContext.runAsNonRoot, true);
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      assert.equal(setting.user, imageOf(stage, "debian").user);
      assert.equal(container.terminationMessagePath, undefined, "the default");
    });

    story("has a volume for each of its mounts, and labels that find its pods", cannotReadYaml, async () => {
      const { deployment, pod, container } = kubernetes();
      assert.deepEqual([deployment.apiVersion, deployment.kind], ["apps/v1", "Deployment"]);
      assert.deepEqual(deployment.spec.template.metadata.labels, deployment.spec.selector.matchLabels);
      const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
      assert.deepEqual(names(container.volumeMounts), names(pod.volumes));
      for (const { emptyDir } of pod.volumes) assert.ok(emptyDir);
    });
  });

  suite("README.md", () => {
    const page = fs.readFileSync(path.join(examples, "README.md"), "utf8");
    /** A block of commands, what stands before it, and what it shows. */
    const blocks = [
      ...page.matchAll(/(<!-- run -->\n)?^```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm),
    ].map(([, mark, commands = "", shown = ""]) => ({ isForUs: mark !== undefined, commands, shown }));
    const isForDocker = ({ commands }: { commands: string }) => /^(docker (?!compose).*\n)+$/.test(commands);

    story("what needs no engine does what the page says", false, async (stage) => {
      const chosen = blocks.filter(({ isForUs }) => isForUs);
      assert.ok(chosen.length > 1);
      const script = chosen.map(({ commands }) => commands).join("");
      const shell = stage.start("/bin/sh", ["-eu", stage.file("commands", script)], { cwd: stage.dir });
      const { out, err, code } = await shell.ended;
      assert.equal(err, "");
      assert.equal(withoutNumbers(out), withoutNumbers(chosen.map(({ shown }) => shown).join("")));
      assert.match(out, /exit code 3\n$/);
      assert.equal(code, 0);
    });

    story("what begins with docker does what the page says", toldWithCompiler, async (stage) => {
      const chosen = blocks.filter(isForDocker);
      assert.ok(chosen.length > 5);
      const docker = new Docker(stage, root);
      for (const { commands, shown } of chosen) await docker.carryOut(commands.trimEnd().split("\n"), shown);
    });

    test("no command is left that is neither", () => {
      const left = blocks.filter((block) => !block.isForUs && !isForDocker(block)).map(({ commands }) => commands);
      assert.deepEqual(left, [
        'export PATH="$PWD/build/bin:$PATH"\ncd "$(mktemp -d)"\n',
        "docker compose -f examples/container/compose.yaml up --build\nkubectl apply -f examples/container/kubernetes.yaml\n",
      ]);
    });

    story("the lines for images with Debian's runit exchange its programs", toldInContainers, async (stage) => {
      const lines = /^```dockerfile\n([\s\S]*?)^```/m.exec(page)?.[1] ?? assert.fail("the page has such lines");
      const names = ["chpst", "runit", "runit-init", "runsv", "runsvdir", "sv", "svlogd"];
      const install = `RUN for name in ${names.join(" ")}; do install /bin/true /usr/local/bin/$name; done`;
      const file = stage.file("Dockerfile", `FROM debian:stable-slim\n${install}\n${lines}`);
      fs.mkdirSync(stage.at("image"));
      const image = build(file, root, stage.at("image"));
      for (const name of names) {
        assert.equal(fs.readlinkSync(path.join(image.root, "usr/local/bin", name)), "/usr/bin/runit-ts");
      }
      assert.ok(fs.statSync(path.join(image.root, "usr/bin/runit-ts")).size > 0);
    });

    test("its links lead somewhere", () => {
      for (const [, target = ""] of page.matchAll(/\]\(([^)#\s]+)\)/g)) {
        if (!target.includes(":")) assert.ok(fs.existsSync(path.join(examples, target)), target);
      }
    });
  });
});

/** "" while it is not there. */
function readFile(file: string): string {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
