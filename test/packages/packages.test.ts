// What `make dist` makes, each installed in a clean Debian, where nobody ever had a compiler, and used there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { before, suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";
import { blocksOf } from "../docs/blocks.ts";
import { pageNames } from "../docs/pages.ts";
import type { DebianOptions } from "./debian.ts";
import { inDebian, noDebian } from "./debian.ts";
import { serveRegistry } from "./registry.ts";

const root = path.resolve(import.meta.dirname, "../..");
const dist = path.join(root, "build/dist");
const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
const patience = { timeout: 300_000 };

const file = (name: string) => path.join(dist, name.replace("VERSION", version));
const tarball = file("runit-ts-VERSION-linux-x64.tar.gz");
const debs = [file("runit-ts_VERSION-1_amd64.deb"), file("runit-ts-as-runit_VERSION-1_all.deb")];

/** Runs it there; standard output without times and process ids. */
async function there(script: string, options: DebianOptions): Promise<string> {
  const { out, err, code } = await inDebian(script, options);
  assert.equal(code, 0, `${out}${err}`);
  return out.replaceAll(/pid \d+/g, "pid N").replaceAll(/\d+s/g, "Ns");
}

/** Supervises a service with a log service, restarts it, reads its log, ends all. SERVICE: the service directory. */
const life = `
mkdir -p /tmp/sv/clock/log /tmp/service
printf '%s\\n' '#!/bin/sh' 'echo "the clock begins"' 'exec sleep 1000' >/tmp/sv/clock/run
printf '%s\\n' '#!/bin/sh' 'exec svlogd .' >/tmp/sv/clock/log/run
chmod +x /tmp/sv/clock/run /tmp/sv/clock/log/run
ln -s ../sv/clock /tmp/service/clock
export SVDIR=/tmp/service
runsvdir -P /tmp/service &
until sv check clock clock/log >/dev/null; do sleep 0.1; done
until [ -s /tmp/sv/clock/log/current ]; do sleep 0.1; done
sv status clock
cat /tmp/sv/clock/log/current
kill -9 "$(cat /tmp/service/clock/supervise/pid)"
sv -w 30 restart clock
kill -HUP $!
sv -w 30 shutdown clock
`;
const lived = `run: clock: (pid N) Ns; run: log: (pid N) Ns
the clock begins
ok: run: clock: (pid N) Ns
ok: clock: runsv not running
`;

const ours = `$Id: sv, runit-ts ${version} $\n`; // what `sv -V` begins with
const classic = ["bin/chpst", "bin/runsv", "bin/runsvdir", "bin/sv", "bin/svlogd", "sbin/runsvchdir", "sbin/utmpset"];

/** Programs of the names that runit-ts-as-runit diverts, and one more, in place of Debian's. */
const theirs = `
for program in ${classic.join(" ")} bin/more-of-it; do
  printf '%s\\n' '#!/bin/sh' 'echo theirs' >/usr/$program
  chmod +x /usr/$program
done`;
/** In the end they are there again, and nothing else is. */
const untouched = `
for program in ${classic.join(" ")}; do /usr/$program; done | sort -u
[ -z "$(ls /usr/bin/*.debian /usr/sbin/*.debian /usr/share/man/man8/*.debian 2>/dev/null)" ]
[ -z "$(dpkg-divert --list | grep runit)" ]`;

function make(target: string): string {
  const { stdout, stderr, status } = spawnSync("make", ["--no-print-directory", target], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

/** What the start page tells to type: for the tarball, for Debian, for npm. */
const [untar = "", dpkg = "", npmInstall = ""] = (
  blocksOf("docs/guides/index.md").find(({ mark }) => mark === "tested: test/packages/packages.test.ts")?.text ?? ""
)
  .replaceAll("VERSION", version)
  .replaceAll(/(?<= )(?=runit-ts_?-?\d)/g, "/mnt/")
  .split("\n");

suite("packages", { skip: noDebian }, () => {
  before(() => {
    make("dist");
  });

  test("the tarball, unpacked into /usr/local", patience, async () => {
    assert.match(untar, /^tar .*--strip-components=1/);
    const script = `${untar}\n${life}
[ "$(command -v sv)" = /usr/local/bin/sv ]
for page in sv runsv sv-enable; do [ -e /usr/local/share/man/man8/$page.8 ]; done
ls /usr/local/share/doc/runit-ts/licenses /usr/local/share/doc/runit-ts/examples`;
    assert.equal(await there(script, { files: [tarball] }), `${lived}${documents}`);
  });

  test("the root file system of a container, over a Debian and as all there is", patience, async () => {
    const image = file("runit-ts-VERSION-oci-root-x64.tar.gz");
    assert.equal(await there(`tar -x -z -f /mnt/*.tar.gz -C /\n${life}`, { files: [image] }), lived);
    // Nothing else in it: the service is a link to one of the programs, and process 1 is runit-container.
    const script = `
tar -x -z -f "$FILES"/*.tar.gz -C "$ROOT"
mkdir "$ROOT/etc/service/hold" "$ROOT/run" "$ROOT/tmp"
ln -s /usr/local/bin/runsvdir "$ROOT/etc/service/hold/run"
export PATH=/usr/local/bin
exec /usr/bin/unshare --pid --fork --kill-child /usr/sbin/chroot "$ROOT" /usr/local/bin/runit-container -p none -m hold`;
    const { out, err, code } = await inDebian(script, { files: [image], empty: true });
    assert.match(`${out}${err}`, /^usage: \.\/run \[-P\] dir$/m);
    assert.equal(code, 1, "the exit code of the main service");
  });

  test("the .deb beside nothing: programs of our own names, the others aside", patience, async () => {
    assert.match(dpkg, /^dpkg -i/);
    const script = `{ ${dpkg}\n} >/dev/null
! command -v sv
sv-user --help | head -n 1
PATH=/usr/lib/runit-ts/bin:$PATH\n${life}
[ -e /usr/share/man/man8/sv-user.8.gz ]
[ -e /usr/lib/runit-ts/man/man8/sv.8.gz ]
dpkg --purge runit-ts >/dev/null
find / -xdev -name '*runit*' ! -path '/tmp/*' ! -path '/mnt/*' ! -path '/var/log/*' ! -path '/proc/*'`;
    assert.equal(
      await there(script, { files: debs.slice(0, 1) }),
      `sv-user - services of a user, without root\n${lived}`,
    );
  });

  test("both .deb beside Debian's runit take its place, and give it back", patience, async (context) => {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), "runit."));
    context.after(() => fs.rmSync(work, { recursive: true, force: true }));
    fs.chmodSync(work, 0o755);
    const download = spawnSync("apt-get", ["download", "runit", "runit-helper", "sysuser-helper"], {
      cwd: work,
      encoding: "utf8",
    });
    if (download.status !== 0) return context.skip(`Debian's runit cannot be had: ${download.stderr.trim()}`);
    const script = `
ours() { case $(sv --help 2>/dev/null) in "sv - "*) echo ours ;; *) echo "Debian's" ;; esac; }
printf '%s\\n' '#!/bin/sh' 'exit 101' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
dpkg -i /mnt/runit_*.deb /mnt/*-helper_*.deb >/dev/null
ours
dpkg -i /mnt/runit-ts_*.deb >/dev/null
ours
dpkg -i /mnt/runit-ts-as-runit_*.deb >/dev/null
ours
sv.debian --help 2>&1 | head -n 1
${life}
dpkg --force-confnew -i /mnt/runit_*.deb >/dev/null
ours
dpkg --remove runit-ts-as-runit >/dev/null
ours
ls /usr/bin/*.debian /usr/share/man/man8/*.debian 2>/dev/null || dpkg-divert --list '*runit-ts*'
dpkg -i /mnt/runit-ts-as-runit_*.deb >/dev/null
dpkg --remove runit >/dev/null
ours
dpkg --purge runit-ts-as-runit runit-ts >/dev/null
[ ! -e /usr/bin/sv ] && [ ! -e /usr/bin/sv.debian ]`;
    const usage = "usage: sv.debian [-w sec] command"; // what Debian's says by another name than sv
    assert.equal(
      await there(script, { files: [...debs, ...fs.readdirSync(work).map((name) => path.join(work, name))] }),
      `Debian's\nDebian's\nours\n${usage}\n${lived}ours\nDebian's\nours\n`,
    );
  });

  test("runit-ts-as-runit takes nothing away before runit-ts is there", patience, async () => {
    const script = `${theirs}
if dpkg -i /mnt/runit-ts-as-runit_*.deb >/tmp/said 2>&1; then exit 1; fi
grep 'first$' /tmp/said
sv
dpkg -i /mnt/runit-ts-as-runit_*.deb /mnt/runit-ts_*.deb >/dev/null 2>&1 || sv
dpkg --list 'runit*' | sed -n 's/^\\(ii  [^ ]*\\).*/\\1/p'
dpkg -i /mnt/runit-ts-as-runit_*.deb >/dev/null
sv -V 2>&1 | head -n 1
dpkg --purge runit-ts-as-runit runit-ts >/dev/null
sv
apt-get install -y /mnt/runit-ts-as-runit_*.deb /mnt/runit-ts_*.deb >/dev/null 2>&1
sv -V 2>&1 | head -n 1
dpkg --purge runit-ts-as-runit runit-ts >/dev/null
${untouched}`;
    assert.equal(
      await there(script, { files: debs }),
      `runit-ts-as-runit: runit-ts has to be installed first
theirs\ntheirs\nii  runit-ts\n${ours}theirs\n${ours}theirs\n`,
    );
  });

  test(
    "what somebody else has diverted is left alone: the package is not installed, and not half of it",
    patience,
    async () => {
      const script = `${theirs}
dpkg -i /mnt/runit-ts_*.deb >/dev/null
dpkg-divert --local --add --rename --divert /usr/bin/sv.distrib /usr/bin/sv >/dev/null
if dpkg -i /mnt/runit-ts-as-runit_*.deb >/tmp/said 2>&1; then exit 1; fi
grep diverted /tmp/said
dpkg-query --show --showformat '\${db:Status-Status}\\n' runit-ts-as-runit
dpkg-divert --list | grep -v ' by dash$' | grep /usr/bin/
sv.distrib
dpkg-divert --local --remove --rename /usr/bin/sv >/dev/null
dpkg -i /mnt/runit-ts-as-runit_*.deb >/dev/null
dpkg --purge runit-ts-as-runit >/dev/null
${untouched}`;
      assert.equal(
        await there(script, { files: debs }),
        `runit-ts-as-runit: /usr/bin/sv is diverted already, by LOCAL: dpkg-divert --list /usr/bin/sv
not-installed\nlocal diversion of /usr/bin/sv to /usr/bin/sv.distrib\ntheirs\ntheirs\n`,
      );
    },
  );

  test(
    "what a later version does not have any more is given back, and what it has more if it is not installed after all",
    patience,
    async () => {
      // later VERSION LINE: the package without utmpset, and with /usr/bin/more-of-it; its preinst has the line at its end.
      const script = `${theirs}
later() {
  dpkg-deb --raw-extract /mnt/runit-ts-as-runit_*.deb "/tmp/$1"
  rm "/tmp/$1/usr/sbin/utmpset" "/tmp/$1/usr/share/man/man8/utmpset.8.gz"
  ln -s sv "/tmp/$1/usr/bin/more-of-it"
  sed -i "s/^Version: .*/Version: $1/" "/tmp/$1/DEBIAN/control"
  sed -i 's, /usr/sbin/utmpset [^ ]*utmpset.8.gz, /usr/bin/more-of-it,' "/tmp/$1/DEBIAN/preinst"
  echo "$2" >>"/tmp/$1/DEBIAN/preinst"
  dpkg-deb --build "/tmp/$1" "/tmp/$1.deb" >/dev/null
}
later 100 'exit 1'
later 101 true
dpkg -i /mnt/runit-ts_*.deb /mnt/runit-ts-as-runit_*.deb >/dev/null
if dpkg -i /tmp/100.deb >/dev/null 2>&1; then exit 1; fi
more-of-it
utmpset -V 2>&1 | head -n 1
dpkg -i /tmp/101.deb >/dev/null
ls -l /usr/bin/more-of-it | sed 's/.* -> //'
utmpset
dpkg-divert --list | grep -c ' by runit-ts-as-runit$'
dpkg --purge runit-ts-as-runit runit-ts >/dev/null
more-of-it
${untouched}`;
      const made = classic.length * 2 + 1; // with their manual pages, and a completion
      assert.equal(
        await there(script, { files: debs }),
        `theirs\n${ours.replace("sv", "utmpset")}sv\ntheirs\n${made - 2 + 1}\ntheirs\ntheirs\n`,
      );
    },
  );

  test("the .deb is without fault for lintian", { ...patience, skip: missing("lintian") }, () => {
    const files = fs.readdirSync(dist).filter((name) => name.endsWith(".deb"));
    assert.ok(files.length >= 2);
    const words = ["--allow-root", "--fail-on", "error,warning,info", "--tag-display-limit", "0", ...files];
    const { stdout, status } = spawnSync("lintian", words, { cwd: dist, encoding: "utf8" });
    assert.deepEqual([stdout, status], ["", 0]);
  });

  test("npm install -g gives the programs, without a compiler and without a script", patience, async (context) => {
    const registry = await serveRegistry(
      fs
        .readdirSync(dist)
        .filter((name) => name.endsWith(".tgz"))
        .map((name) => path.join(dist, name)),
    );
    context.after(() => registry.close());
    const npm = fs.realpathSync(spawnSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).stdout.trim());
    const node = path.dirname(fs.realpathSync(process.execPath));
    const [{ text: commands } = assert.fail()] = blocksOf("packaging/npm/README.md");
    assert.match(npmInstall, new RegExp(`^${commands.trim()} `));
    const script = `
PATH=$PATH:/opt/node
npm() { node /opt/npm/bin/npm-cli.js "$@" --ignore-scripts --no-audit --no-fund --loglevel=error --prefix=/usr/local --registry=${registry.url} >/dev/null; }
${commands}
ls /usr/local/lib/node_modules/runit-ts/node_modules/@runit-ts /usr/local/lib/node_modules/@runit-ts 2>/dev/null | grep linux
ls /usr/local/bin
ls /usr/local/share/man/man8
grep '^.Dt' /usr/local/share/man/man8/sv-enable.8
runit-ts sv -V 2>&1 | head -n 1
runit-ts --help | sed -n '1s/ - .*//p'
runit-ts nothing >/dev/null 2>&1 || echo $?
${life}`;
    const names = ["runit-ts", ...make("installed").trim().split(" ")].sort();
    assert.equal(
      await there(script, {
        files: [],
        network: true,
        mounts: [
          [path.resolve(path.dirname(npm), ".."), "/opt/npm"],
          [node, "/opt/node"],
        ],
      }),
      `linux-x64\n${names.join("\n")}\n${names
        .map((name) => `${name}.8`)
        .sort()
        .join("\n")}\n.Dt SV-ADD 8\n${ours}runit-ts\n100\n${lived}`,
    );
  });

  test("where the binary's package is missing, the programs say which", () => {
    const { stderr, status } = spawnSync("sh", [path.join(root, "packaging/npm/launcher"), "status"], {
      encoding: "utf8",
    });
    assert.match(stderr, /^launcher: fatal: the package @runit-ts\/linux-\w+ is not installed: .*\n$/);
    assert.equal(status, 111);
  });

  test("the documents of the tarball and of the .deb refer to nothing that is not there", () => {
    for (const [unpack, archive] of [
      ["tar -xzf", tarball],
      ["dpkg-deb -x", debs[0]],
    ]) {
      const to = fs.mkdtempSync(path.join(os.tmpdir(), "documents."));
      try {
        const into = unpack === "tar -xzf" ? "-C ." : ".";
        const { stderr, status } = spawnSync("/bin/sh", ["-c", `${unpack} "$0" ${into}`, archive ?? ""], {
          cwd: to,
          encoding: "utf8",
        });
        assert.equal(status, 0, stderr);
        const files = fs.readdirSync(to, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
        for (const told of ["README.md", "docs/guides/trouble.md", "docs/programs/sv.md", "docs/differences.md"]) {
          assert.ok(
            files.some((name) => name.endsWith(`share/doc/runit-ts/${told}`)),
            told,
          );
        }
        for (const name of files) {
          const text = fs.readFileSync(path.join(to, name), "utf8");
          for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
            if (target.includes(":")) continue;
            assert.ok(fs.existsSync(path.join(to, path.dirname(name), target)), `${archive}: ${name}: ${target}`);
          }
        }
      } finally {
        fs.rmSync(to, { recursive: true, force: true });
      }
    }
  });

  test("the same sources give the same bytes", patience, () => {
    const again = fs.mkdtempSync(path.join(os.tmpdir(), "dist."));
    try {
      const { stderr, status } = spawnSync("scripts/dist", [], {
        cwd: root,
        env: { ...process.env, DIST: again, TZ: "Asia/Tokyo", LANG: "C" },
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
      assert.deepEqual(digests(again), digests(dist));
      assert.ok(Object.keys(digests(dist)).length >= 6);
    } finally {
      fs.rmSync(again, { recursive: true, force: true });
    }
  });

  test("make uninstall leaves nothing of make install", () => {
    const to = fs.mkdtempSync(path.join(os.tmpdir(), "installed."));
    try {
      for (const target of ["install-files", "uninstall"]) {
        const { stderr, status } = spawnSync("make", [target, `DESTDIR=${to}`], { cwd: root, encoding: "utf8" });
        assert.equal(status, 0, stderr);
        const files = fs
          .readdirSync(to, { recursive: true, withFileTypes: true })
          .filter((entry) => !entry.isDirectory());
        if (target === "uninstall")
          assert.deepEqual(
            files.map((entry) => entry.name),
            [],
          );
        else
          for (const page of pageNames())
            if (!fs.existsSync(path.join(to, "usr/local/share/man/man8", `${page}.8`)))
              assert.match(page, /^(env|pgrp|set|soft)/);
      }
    } finally {
      fs.rmSync(to, { recursive: true, force: true });
    }
  });
});

const documents = `/usr/local/share/doc/runit-ts/examples:
container
demo
services
user

/usr/local/share/doc/runit-ts/licenses:
musl
ryu
scriptc-runtime
`;

function digests(directory: string): Record<string, string> {
  return Object.fromEntries(
    fs.readdirSync(directory).map((name) => [
      name,
      createHash("sha256")
        .update(fs.readFileSync(path.join(directory, name)))
        .digest("hex"),
    ]),
  );
}
