// The files of etc: each is looked at by the tool made for it, and run as far as that can be done here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { cannotBoot, layBusybox, layPrograms, Qemu } from "../boot/machine.ts";
import { cannotMount, missing } from "../conformance/stage.ts";
import type { At, Distribution } from "./systems.ts";
import {
  cannotFetchInits,
  etc,
  install,
  layBeat,
  layDebianPrograms,
  layOpenrc,
  layProfile,
  laySysvinit,
  layUdev,
  link,
  Namespaces,
  openrcIsUp,
  root,
  script,
  write,
} from "./systems.ts";

const files = fs
  .readdirSync(etc, { recursive: true, encoding: "utf8" })
  .filter((name) => fs.statSync(path.join(etc, name)).isFile());
const isScript = (name: string) => fs.readFileSync(path.join(etc, name), "latin1").startsWith("#!/bin/sh\n");
const scripts = [...files.filter(isScript), "shared/steps.sh"];
const otherInit = (name: string) => fs.readFileSync(path.join(etc, "other-inits", name), "utf8");
const reference = path.join(root, "build/reference");
const busybox = path.join(root, "build/machine/bin/busybox");
const noQemu = cannotBoot();
const noNamespaces =
  noQemu ||
  cannotFetchInits() ||
  (spawnSync("unshare", ["--pid", "--fork", "--mount", "--uts", "--net", "true"], { stdio: "ignore" }).status !== 0 &&
    "needs the right to make namespaces");

/** Runs a tool, which has nothing to say. */
function isContent(program: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: etc });
  assert.equal(stdout + stderr, "");
  assert.equal(status, 0);
}

suite("the scripts of etc", { concurrency: true }, () => {
  test("shellcheck has no complaint", { skip: missing("shellcheck") }, () => {
    isContent("shellcheck", "-s", "sh", "-x", "-P", "SCRIPTDIR", ...scripts);
    isContent("shellcheck", "-s", "sh", ...scripts);
  });
  test("sh and busybox's ash can parse them", { skip: noQemu }, () => {
    for (const name of scripts) {
      isContent("sh", "-n", name);
      isContent(busybox, "ash", "-n", name);
    }
    isContent("sh", "-n", "other-inits/runsvdir.openrc");
  });
  test("what is a script is executable, and nothing else", () => {
    for (const name of files) {
      const isExecutable = (fs.statSync(path.join(etc, name)).mode & 0o111) === 0o111;
      assert.equal(isExecutable, isScript(name), name);
    }
  });
  test("the links of the README lead somewhere", () => {
    const page = fs.readFileSync(path.join(etc, "README.md"), "utf8");
    for (const [, target = ""] of page.matchAll(/\]\(([^)]+)\)/g))
      assert.ok(fs.existsSync(path.join(etc, target)), target);
  });
  test("the programs are installed by the commands of the README", { skip: cannotMount }, () => {
    const machine = fs.mkdtempSync(path.join(os.tmpdir(), "programs-"));
    const at: At = (name) => path.join(machine, name);
    try {
      install(at, "programs", ["usr/local", "sbin"]);
      assert.deepEqual(fs.readdirSync(at("sbin")).sort(), ["runit", "runit-init", "runit-ts"]);
      const { stdout } = spawnSync(at("sbin/runit-init"), ["--help"], { encoding: "utf8" });
      assert.match(stdout, /^runit-init - /);
      assert.ok(fs.existsSync(at("usr/local/bin/sv")));
    } finally {
      fs.rmSync(machine, { recursive: true });
    }
  });
  test("each distribution has its stages, and links to nothing else than shared", () => {
    for (const distribution of ["debian", "void", "alpine"]) {
      for (const name of ["1", "2", "3", "ctrlaltdel", "rc.shutdown", "steps.sh"]) {
        assert.ok(fs.existsSync(path.join(etc, distribution, name)), `${distribution}/${name}`);
      }
    }
    for (const name of fs.readdirSync(etc, { recursive: true, encoding: "utf8" })) {
      const file = path.join(etc, name);
      if (!fs.lstatSync(file).isSymbolicLink()) continue;
      const target = path.relative(etc, path.resolve(path.dirname(file), fs.readlinkSync(file)));
      assert.match(target, /^shared\/[\w.-]+$/, name);
    }
  });

  /** Runs commands after steps.sh in a small root directory; answers what they print, and the exit code. */
  function steps(commands: string, lay: (at: At) => void = () => {}): string {
    const machine = fs.mkdtempSync(path.join(os.tmpdir(), "steps-"));
    const at: At = (name) => path.join(machine, name);
    try {
      for (const name of ["bin", "etc/runit", "proc"]) fs.mkdirSync(at(name), { recursive: true });
      for (const name of ["busybox", "sh", "awk", "cat", "chmod", "grep", "sed"])
        fs.copyFileSync(busybox, at(`bin/${name}`));
      fs.copyFileSync(path.join(etc, "shared/steps.sh"), at("steps.sh"));
      for (const name of ["etc/runit/reboot", "dev/null"]) write(at, name, "");
      lay(at);
      const words = [machine, "/bin/sh", "-c", `. /steps.sh\n${commands}`, "/etc/runit/1"];
      const { stdout, stderr, status } = spawnSync("chroot", words, {
        encoding: "latin1",
        env: { PATH: "/bin:/usr/sbin" },
      });
      const isArmed = (fs.statSync(at("etc/runit/reboot")).mode & 0o100) !== 0;
      return `${stdout}${stderr}${status}${isArmed ? " reboot" : ""}`;
    } finally {
      fs.rmSync(machine, { recursive: true });
    }
  }
  const fstab = "# none of / here: \n/dev/a / ext4 rw 0 1\n";
  for (const [title, result, expected] of [
    ["goes on if it found nothing", 0, "up\n0"],
    ["goes on if it corrected errors", 1, "up\n0"],
    ["goes on if it could not be carried out", 8, "up\n0"],
    ["reboots if it says so", 3, "stage 1: rebooting\n100 reboot"],
    ["offers a shell and reboots if it leaves errors", 4, "sulogin\nstage 1: rebooting\n100 reboot"],
  ] as const) {
    test(`after fsck (simulated) a boot ${title}`, { skip: noQemu }, () => {
      const said = steps(
        `fsck() { echo "fsck $*"; return ${result}; }; sulogin() { echo sulogin >&3; }\nexec 3>&1\ncheck_file_systems; echo up`,
        (at) => {
          write(at, "etc/fstab", fstab);
          write(at, "dev/console", "");
        },
      );
      const [first, second, ...rest] = said.split("\n");
      assert.deepEqual([first, second], ["stage 1: checking file systems", "fsck -A -T -R -a"]);
      assert.equal(rest.filter((line) => !line.includes("repair it")).join("\n"), expected);
    });
  }
  test("/ stays read-only if fstab says so, and a step without its program is passed over", { skip: noQemu }, () => {
    const said = (options: string) =>
      steps(
        'mount() { echo "mount $*"; }; swapon() { :; }\nmount_file_systems; try no-such-program; load_modules; echo up',
        (at) => {
          write(at, "etc/fstab", `/dev/a / ext4 ${options} 0 1\n`);
        },
      );
    assert.match(said("noatime"), /^mount -o remount,rw \/\nmount -a -O no_netdev .*\nup\n0$/);
    assert.match(said("noatime,ro"), /^mount -a -O no_netdev .*\nup\n0$/);
  });
  test("in a container nothing is done that belongs to the host", { skip: noQemu }, () => {
    const programs = "mount fsck hwclock sysctl swapon swapoff umount modprobe mdev dmesg vgchange dd";
    const told = programs.split(" ").map((name) => `${name}() { echo "${name} $*"; }\n`);
    const called =
      "find_devices; load_modules; set_clock; find_volumes; check_file_systems; mount_file_systems; apply_sysctl\n" +
      "load_seed /seed; save_kernel_messages; save_seed /seed; save_clock; unmount_file_systems";
    assert.equal(
      steps(`container=lxc\n${told.join("")}${called}`, (at) => write(at, "etc/fstab", fstab)),
      "0",
    );
  });
});

// ── the machines of the distributions ──

interface System {
  readonly name: Distribution;
  readonly title: string;
  readonly services: string;
  /** Where a link enables a service. */
  readonly set: string;
  readonly getty: string;
  readonly words: string;
  /** Told to init at the end, and what process 1 says then. */
  readonly end: "0" | "6";
  readonly lay: (at: At) => void;
  /** What stage 1 prints beside its last line, stage 2 before the services, and stage 3 before and after those. */
  readonly up: string;
  readonly before: string;
  /** What stage 2 starts prints meanwhile. */
  readonly background: string;
  readonly shutdown: string;
  readonly down: string;
}
const systems: readonly System[] = [
  {
    name: "debian",
    title: "Debian's dash, util-linux, agetty and udev, all else busybox",
    services: "/etc/service",
    set: "etc/runit/runsvdir/default",
    getty: "agetty-ttyS0",
    words: "",
    end: "0",
    lay: (at) => {
      layDebianPrograms(at);
      layUdev(at);
      const groups = "dialout kmem input video render sgx audio lp disk cdrom tape kvm utmp".split(" ");
      fs.appendFileSync(at("etc/group"), groups.map((name, index) => `${name}:x:${100 + index}:\n`).join(""));
      link(at, "etc/runit/runsvdir/default/udevd", "/etc/sv/udevd");
      script(at, "etc/rcS.d/S01udev", "echo init script of udev $1");
      script(at, "etc/rcS.d/S02extra", "echo extra $1");
      script(at, "etc/rc2.d/S01beat", "echo init script of beat $1");
      script(
        at,
        "etc/rc2.d/S02stray",
        `echo stray $1\nsh -c 'trap "echo stray got TERM; exit" TERM; while :; do sleep 1; done' &`,
      );
      script(at, "etc/rc0.d/K01stray", "echo stray $1");
      script(at, "etc/rc0.d/K02halt", "echo init script of halt $1");
      script(at, "etc/runit/rc.shutdown", "echo rc.shutdown");
    },
    up: "Starting systemd-udevd version .*\nstage 1: checking file systems\nextra start\n",
    before: "runsvchdir: default: current.\n",
    background: "stray start",
    shutdown: "rc.shutdown\n",
    down: "stray stop\n",
  },
  {
    name: "void",
    title: "busybox in place of Void's userland",
    services: "/var/service",
    set: "etc/runit/runsvdir/small",
    getty: "agetty-ttyS0",
    words: "small",
    end: "6",
    lay: (at) => {
      // agetty [--local-line] ttyS0 115200 vt100
      script(at, "sbin/agetty", 'case $1 in --*) shift ;; esac\nexec getty -L "$2" "$1" "$3"');
      script(at, "etc/rc.local", "echo rc.local");
      script(at, "etc/rc.shutdown", "echo rc.shutdown");
    },
    up: "",
    before: "rc.local\nrunsvchdir: small: now current.\n",
    background: "rc.local",
    shutdown: "",
    down: "rc.shutdown\n",
  },
  {
    name: "alpine",
    title: "busybox, without OpenRC",
    services: "/etc/service",
    set: "etc/service",
    getty: "getty-ttyS0",
    words: "",
    end: "0",
    lay: (at) => {
      script(at, "etc/local.d/one.start", "echo one.start");
      script(at, "etc/local.d/one.stop", "echo one.stop");
      script(at, "etc/runit/rc.shutdown", "echo rc.shutdown");
      fs.mkdirSync(at("etc/crontabs"));
      for (const name of ["crond", "mdev"]) link(at, `etc/service/${name}`, `/etc/sv/${name}`);
    },
    up: "",
    before: "",
    background: "one.start",
    shutdown: "rc.shutdown\n",
    down: "one.stop\n",
  },
];

suite("a machine in qemu with the stages of", { concurrency: 2 }, () => {
  for (const system of systems) {
    test(`${system.name} (${system.title}) boots by itself, runs its services, and ends on init ${system.end}`, {
      skip: noNamespaces,
      timeout: 120_000,
    }, async () => {
      const lay = (at: At): void => {
        install(at, system.name);
        layBeat(at);
        layProfile(at, system.services);
        for (const name of [system.getty, "beat"]) link(at, `${system.set}/${name}`, `/etc/sv/${name}`);
        write(at, "etc/fstab", "# mounted by stage 1\ntmpfs /data tmpfs size=1m 0 0\n");
        fs.mkdirSync(at("data"));
        write(at, "etc/sysctl.d/test.conf", "vm.swappiness = 7\nno.such.setting = 1\n");
        system.lay(at);
      };
      const machine = new Qemu(lay, system.words, "-no-reboot");
      try {
        await machine.says("- runit: enter stage: /etc/runit/1\n");
        const stage1 = await machine.says("- runit: leave stage: /etc/runit/1\n");
        assert.match(stage1, new RegExp(`^${system.up}stage 1: Linux 6\\.\\S+\n$`));
        await machine.says("- runit: enter stage: /etc/runit/2\n");
        const stage2 = await machine.says("small login: ");
        assert.ok(stage2.startsWith(system.before), stage2);
        assert.doesNotMatch(stage2, /init script of/);
        machine.type("root\n");
        await machine.says("ready> ");

        const services = [system.getty, "beat", ...(system.name === "debian" ? ["udevd"] : [])];
        const status = await machine.run(`sv status ${services.join(" ")}`);
        for (const name of services) assert.match(status, new RegExp(`^run: ${name}: \\(pid \\d+\\)`, "m"), status);
        assert.match(await machine.run("until grep beat /var/log/sv/beat/current; do sleep 1; done"), /beat 1$/m);
        assert.match(await machine.run("grep -c '^[^ ]* /data tmpfs' /proc/mounts"), /^1$/m);
        assert.match(await machine.run("cat /proc/sys/vm/swappiness"), /^7$/m);
        assert.match(await machine.run("ifconfig lo | grep UP"), /UP LOOPBACK RUNNING/);
        assert.match(await machine.run("ls -l /dev/fd/ /dev/pts | grep -c '^l'"), /^[3-9]$/m);
        assert.match(await machine.run("stat -Lc '%a %n' /etc/runit/[rs][et]*t"), /^0 .*\n0 .*\n$/m);
        assert.match(await machine.run("tr '\\0' '\\n' </proc/$(pidof runsvdir)/environ"), /^PATH=.*\n$/m);

        machine.type(`/sbin/init ${system.end}\n`); // of init, ash has one of its own
        await machine.says("- runit: enter stage: /etc/runit/3\n");
        const last = await machine.says("- runit: leave stage: /etc/runit/3\n");
        const stage3 = last.replaceAll(/^ready> (\x1b\[6n)?/gm, ""); // the shell's last word comes when it comes
        assert.match(machine.console, new RegExp(`^${system.background}$`, "m"));
        const order = [
          `${system.shutdown}stage 3: waiting for services to stop\n`,
          ...services.map((name) => `^ok: down: \\S+/${name}: \\d+s, normally up\n`).slice(0, 1),
          `${system.down}stage 3: ending all processes\n`,
          ...(system.name === "debian" ? ["stray got TERM\n"] : []),
          "stage 3: unmounting file systems\nstage 3: done\n",
        ];
        assert.match(stage3, new RegExp(`^${order.join("[\\s\\S]*")}$`, "m"));
        for (const name of services) assert.match(stage3, new RegExp(`^ok: down: \\S+/${name}: `, "m"));
        await machine.says(`- runit: ${system.end === "6" ? "system reboot." : "power off..."}\n`);
        await machine.ended();
        assert.equal(machine.code, 0);
      } finally {
        machine.clear();
      }
    });
  }
});

/** Scripts that do what the distribution's own would do at boot, as far as saying so goes. */
const ownScripts: Readonly<Record<Distribution, (at: At) => void>> = {
  debian: (at) => {
    for (const name of ["mountkernfs.sh", "umountroot"]) script(at, `etc/init.d/${name}`, "");
    script(at, "etc/rcS.d/S01mountkernfs.sh", "echo up $1");
    for (const level of ["0", "6"]) {
      script(at, `etc/rc${level}.d/K01umountroot`, "echo down $1");
      script(at, `etc/rc${level}.d/K02reboot`, "echo not this");
    }
  },
  void: (at) => {
    write(at, "etc/runit/functions", "msg() { echo up $1; }\n");
    write(at, "etc/runit/core-services/00-one.sh", "msg start\n");
    write(at, "etc/runit/shutdown.d/10-sv-stop.sh", "sv force-stop /var/service/*; sv exit /var/service/*\n");
    write(at, "etc/runit/shutdown.d/20-two.sh", "echo down stop\n");
  },
  alpine: (at) => script(at, "sbin/openrc", "case $1 in boot) echo up start ;; shutdown) echo down stop ;; esac"),
};
suite("a machine in namespaces with the stages of", { concurrency: 3 }, () => {
  for (const { name, services, set } of systems) {
    test(`${name} (busybox) leaves it to the distribution's own boot scripts (simulated), and ctrl-alt-del reboots it`, {
      skip: noNamespaces,
      timeout: 60_000,
    }, async () => {
      const machine = new Namespaces();
      try {
        layBusybox(machine.at);
        layPrograms(machine.at, "sbin");
        write(machine.at, "etc/runit/nosync", "");
        install(machine.at, name);
        layBeat(machine.at);
        link(machine.at, `${set.replace("small", "default")}/beat`, "/etc/sv/beat");
        ownScripts[name](machine.at);
        // ctrl-alt-del, as soon as there is something to be seen.
        script(
          machine.at,
          "etc/sv/keys/run",
          "until sv check /etc/sv/beat >/dev/null 2>&1; do sleep 0.1; done\nkill -INT 1; exec sleep 100",
        );
        link(machine.at, `${set.replace("small", "default")}/keys`, "/etc/sv/keys");
        machine.boot("/sbin/init");
        assert.equal(await machine.ended(), "SIGHUP", machine.console);
        const said = machine.console.replaceAll(/^(ok: .*|.*: now current\.|.*: current\.|.*wall.*)\n/gm, "");
        const lines = said.split("\n").filter((line) => !/booting|\/dev\/console|^warning: \/etc\/sv/.test(line));
        assert.deepEqual(lines, [
          "- runit: enter stage: /etc/runit/1",
          "up start",
          `stage 1: Linux ${os.release()}`,
          "- runit: leave stage: /etc/runit/1",
          "- runit: enter stage: /etc/runit/2",
          "- runit: ctrl-alt-del request...",
          "- runit: enter stage: /etc/runit/ctrlaltdel",
          "- runit: leave stage: /etc/runit/ctrlaltdel",
          "- runit: leave stage: /etc/runit/2",
          "- runit: enter stage: /etc/runit/3",
          ...(name === "void" ? [] : ["stage 3: waiting for services to stop"]),
          "down stop",
          "stage 3: done",
          "- runit: leave stage: /etc/runit/3",
          "- runit: sending KILL signal to all processes...",
          "- runit: system reboot.",
          "",
        ]);
        assert.match(machine.console, new RegExp(`^ok: down: ${services}/beat: `, "m"));
      } finally {
        await machine.clear();
      }
    });
  }
  /** A root directory with the userland of the Debian out here, /usr. */
  function layHost(at: At): void {
    for (const name of ["bin", "lib", "lib64"]) link(at, name, `usr/${name}`);
    for (const name of ["usr", "etc/runit", "sbin", "var/log", "tmp"]) fs.mkdirSync(at(name), { recursive: true });
    for (const name of ["passwd", "group"]) fs.copyFileSync(`/etc/${name}`, at(`etc/${name}`));
    write(at, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    write(at, "etc/hostname", "inside\n");
    layPrograms(at, "sbin");
    write(at, "etc/runit/nosync", "");
    layBeat(at);
    const last = "until sv check /etc/sv/beat >/dev/null 2>&1; do sleep 0.1; done\nhostname; init 0; exec sleep 100";
    script(at, "etc/sv/last/run", `PATH=/sbin:$PATH\n${last}`);
    for (const name of ["beat", "last"]) link(at, `etc/runit/runsvdir/default/${name}`, `/etc/sv/${name}`);
  }
  const notDebian = !fs.existsSync("/etc/debian_version") && "needs Debian";
  test("debian in a container, with the userland of this Debian (the host's /usr), boots by itself and is powered off", {
    skip: noNamespaces || notDebian,
    timeout: 60_000,
  }, async () => {
    const machine = new Namespaces();
    try {
      layHost(machine.at);
      install(machine.at, "debian");
      write(machine.at, "etc/fstab", "/dev/none /mnt ext4 defaults 0 2\n");
      machine.boot("/sbin/init", { container: "lxc" }, ["/usr"]);
      assert.equal(await machine.ended(), "SIGINT", machine.console);
      const stages = machine.console.split("\n").filter((line) => /^stage (?!.*tmpfiles)|^inside/.test(line));
      assert.deepEqual(stages, [
        `stage 1: Linux ${os.release()}`,
        "inside",
        "stage 3: waiting for services to stop",
        "stage 3: ending all processes",
        "stage 3: done",
      ]);
      assert.match(machine.console, /^ok: down: \/etc\/service\/beat: /m);
    } finally {
      await machine.clear();
    }
  });
  test("Debian's own stages suit our runit, if the flags are links, with the userland of this Debian", {
    skip: noNamespaces || notDebian || (!fs.existsSync(path.join(reference, "etc/runit/1")) && "needs Debian's runit"),
    timeout: 60_000,
  }, async () => {
    const machine = new Namespaces();
    try {
      layHost(machine.at);
      for (const name of ["1", "2", "3"]) {
        fs.copyFileSync(path.join(reference, "etc/runit", name), machine.at(`etc/runit/${name}`));
      }
      write(machine.at, "etc/runit/no.emulate.sysv", "");
      for (const name of ["stopit", "reboot"]) link(machine.at, `etc/runit/${name}`, `/run/runit.${name}`);
      script(machine.at, "etc/init.d/one", "echo up $1");
      link(machine.at, "etc/rcS.d/S01one", "../init.d/one");
      link(machine.at, "etc/runit/runsvdir/current", "default");
      link(machine.at, "etc/service", "runit/runsvdir/current");
      machine.boot("/sbin/init", {}, ["/usr"]);
      assert.equal(await machine.ended(), "SIGINT", machine.console);
      assert.match(machine.console, /^up start\n- runit: leave stage: \/etc\/runit\/1$/m);
      assert.match(machine.console, /^ok: down: \/etc\/service\/beat: /m);
    } finally {
      await machine.clear();
    }
  });
});

// ── under another init ──

/** Words of a shell that start runsvdir as an init does, and that stop it; none if the init itself does it. */
interface OtherInit {
  readonly title: string;
  readonly lay: (at: At) => void;
  /** Process 1; the story is /story. */
  readonly program: string;
  readonly start?: string;
  readonly stop: string;
  readonly restarts: boolean;
}
/** The value of a line NAME=VALUE of a unit. */
function unitValue(name: string): string {
  return new RegExp(`^${name}=-?(.*)$`, "m").exec(otherInit("runsvdir.service"))?.[1] ?? assert.fail(name);
}
/** The strings of a plist's array, by plistutil, which has read it and written it again. */
function plistStrings(): string[] {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plist-"));
  try {
    const [binary, xml] = [path.join(directory, "binary"), path.join(directory, "xml")];
    isContent("plistutil", "-i", path.join(etc, "other-inits/runsvdir.plist"), "-f", "bin", "-o", binary);
    isContent("plistutil", "-i", binary, "-f", "xml", "-o", xml);
    const text = fs.readFileSync(xml, "utf8");
    const array = /<key>ProgramArguments<\/key>\s*<array>([\s\S]*?)<\/array>/.exec(text)?.[1] ?? assert.fail(text);
    return [...array.matchAll(/<string>([\s\S]*?)<\/string>/g)].map(([, each = ""]) => each.replaceAll("&amp;", "&"));
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}
const inShell = { lay: () => {}, program: "/story", restarts: false } as const;
const otherInits: readonly (OtherInit & { skip?: string | false })[] = [
  {
    title: "sysvinit",
    lay: (at) => {
      laySysvinit(at);
      const lines = ["id:2:initdefault:", otherInit("inittab.sysvinit"), "T0:2:once:/story", "L0:0:wait:/last", ""];
      write(at, "etc/inittab", lines.join("\n"));
    },
    program: "/sbin/init",
    stop: "exec telinit 0",
    restarts: true,
  },
  {
    title: "busybox init",
    lay: (at) => {
      write(at, "etc/inittab", [otherInit("inittab.busybox"), "::once:/story", "::shutdown:/last", ""].join("\n"));
      fs.rmSync(at("sbin/init"));
      link(at, "sbin/init", "/bin/busybox");
    },
    program: "/sbin/init",
    stop: "exec poweroff",
    restarts: true,
  },
  {
    title: "OpenRC",
    lay: (at) => {
      layOpenrc(at);
      write(at, "etc/init.d/runsvdir", otherInit("runsvdir.openrc"));
      fs.chmodSync(at("etc/init.d/runsvdir"), 0o755);
    },
    program: "/story",
    start: `${openrcIsUp}rc-service runsvdir start`,
    stop: "rc-service runsvdir stop; exec /last",
    restarts: true,
  },
  {
    ...inShell,
    title: "systemd (its commands, by a shell)",
    start: `${unitValue("ExecStart")} & MAINPID=$!; export MAINPID`,
    stop: `${unitValue("ExecStop")}; exec /last`,
  },
  {
    ...inShell,
    title: "launchd (its command, by a shell)",
    skip: missing("plistutil"),
    get start() {
      const [shell = "", option = "", command = ""] = plistStrings();
      return `${shell} ${option} '${command.replaceAll("'", "'\\''")}' & job=$!`;
    },
    stop: "kill $job; wait $job; exec /last",
  },
  {
    ...inShell,
    title: "upstart (its commands, by a shell)",
    lay: (at) => script(at, "sbin/initctl", 'echo "$2 stop/post-stop"'),
    start: `${/^exec (.*)$/m.exec(otherInit("runsvdir.conf"))?.[1]} & job=$!`,
    stop: `kill -${/^kill signal (.*)$/m.exec(otherInit("runsvdir.conf"))?.[1]} $job
${/^post-stop script\n([\s\S]*?)^end script$/m.exec(otherInit("runsvdir.conf"))?.[1]}exec /last`,
  },
];
suite("runsvdir under", { concurrency: 3 }, () => {
  for (const init of otherInits) {
    const restart = init.restarts ? "" : `until ! pidof runsvdir; do sleep 0.1; done\n${init.start}\n`;
    test(`${init.title}: runs, is started again while its services go on, and stops them in order`, {
      skip: noNamespaces || (init.skip ?? false),
      timeout: 60_000,
    }, async () => {
      const machine = new Namespaces();
      try {
        layBusybox(machine.at);
        layPrograms(machine.at, "usr/local/bin");
        for (const name of ["one", "two"]) {
          const told = `echo ${name} up >>/told; trap 'sleep 0.5; echo ${name} down >>/told; exit 0' TERM`;
          script(machine.at, `etc/service/${name}/run`, `${told}\nwhile :; do sleep 0.1; done`);
        }
        script(
          machine.at,
          "story",
          `PATH=/usr/local/bin:/sbin:/bin; export PATH
${init.start ?? ":"}
until grep -q "one up" /told && grep -q "two up" /told; do sleep 0.1; done
before=$(cat /etc/service/*/supervise/pid) first=$(pidof runsvdir)
kill -KILL $first
${restart}until second=$(pidof runsvdir) && [ "$second" != "$first" ]; do sleep 0.1; done
until sv check /etc/service/*; do sleep 0.1; done
[ "$(cat /etc/service/*/supervise/pid)" = "$before" ] && echo the same >>/told
${init.stop}`,
        );
        script(machine.at, "last", "pidof runsv runsvdir >>/told\necho stopped >>/told\nexec sleep 100");
        init.lay(machine.at);
        machine.boot(init.program);
        await machine.until("stopped", () => machine.read("told").includes("stopped\n"));
        const told = machine.read("told").trimEnd().split("\n");
        assert.deepEqual(told.slice(0, 2).sort(), ["one up", "two up"]);
        assert.deepEqual(told.slice(3, 5).sort(), ["one down", "two down"]);
        assert.deepEqual([told[2], ...told.slice(5)], ["the same", "stopped"], machine.console);
      } finally {
        await machine.clear();
      }
    });
  }
});
suite("the files for other inits", () => {
  test("systemd-analyze has no complaint about the unit", { skip: missing("systemd-analyze") }, () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "unit-"));
    try {
      const unit = path.join(directory, "runsvdir.service");
      const program = path.join(root, "build/bin/runsvdir"); // it has to be there, where it is installed or not
      fs.writeFileSync(unit, otherInit("runsvdir.service").replace("ExecStart=runsvdir", `ExecStart=${program}`));
      isContent("systemd-analyze", "verify", "--man=no", unit);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
  test("plistutil reads the property list", { skip: missing("plistutil") }, () => {
    assert.deepEqual(plistStrings().slice(0, 2), ["/bin/sh", "-c"]);
  });
  test("xmllint has no complaint about it", { skip: missing("xmllint") }, () => {
    isContent("xmllint", "--noout", "--nonet", "other-inits/runsvdir.plist");
  });
  test("the lines for inittab and ttys have their fields (there is no tool that checks them)", () => {
    const lines = (name: string) =>
      otherInit(name)
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of lines("inittab.sysvinit")) {
      assert.match(line, /^\w{1,4}:[0-6]+:(respawn|wait):env - PATH=\S+ .{1,127}$/);
      assert.ok((/^\w+:\d+:\w+:(.*)$/.exec(line)?.[1] ?? "").length < 128, line);
    }
    for (const line of lines("inittab.busybox")) assert.match(line, /^::(respawn|shutdown):env - PATH=\S+ .+$/);
    for (const line of lines("ttys")) assert.match(line, /^\w{1,6}\t"\/usr\/bin\/env - PATH=\S+ [^"]+"\tnone\ton$/);
  });
  test("the upstart file has known stanzas and shell that can be parsed (Debian has no init-checkconf)", () => {
    const text = otherInit("runsvdir.conf");
    const [, body = ""] = /^post-stop script\n([\s\S]*?)^end script$/m.exec(text) ?? [];
    assert.equal(spawnSync("sh", ["-n"], { input: body }).status, 0);
    const rest = text.replace(/^post-stop script\n[\s\S]*?^end script\n/m, "");
    for (const line of rest.split("\n")) {
      assert.match(
        line,
        /^(#.*|description ".*"|(start|stop) on runlevel \[!?\d+\]|respawn|env \w+=.*|kill (signal HUP|timeout \d+)|exec .*|)$/,
      );
    }
  });
});
