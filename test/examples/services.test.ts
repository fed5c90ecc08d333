// The services of examples/services, each started for real, with Debian's package: see services.ts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, suite, test } from "node:test";
import type { Build } from "../conformance/stage.ts";
import { missing, Stage } from "../conformance/stage.ts";
import { cannotServe, examples, Machine, names } from "./services.ts";

const root = path.resolve(import.meta.dirname, "../..");
const ours: Build = { name: "ours", path: [path.join(root, "build/bin")] };
const example = (...parts: string[]) => path.join(examples, ...parts);
const read = (...parts: string[]) => fs.readFileSync(example(...parts), "utf8");
const page = read("README.md");

// ── what the administrator has set, and what clients ask ──

/** ask PLACE SENT WANTED: sends (escapes as in C), prints what comes until it holds what is wanted, or there is no more. */
const ask = `#!/usr/bin/python3
import socket, sys
place, sent, wanted = sys.argv[1:]
kind, _, where = place.partition(":")
if kind == "unix":
    server = socket.socket(socket.AF_UNIX)
else:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
server.settimeout(5)
server.connect(where if kind == "unix" else ("127.0.0.1", int(where)))
server.sendall(sent.encode().decode("unicode_escape").encode("latin1"))
answer = b""
while wanted.encode() not in answer:
    more = server.recv(4096)
    if not more:
        break
    answer += more
sys.stdout.write(repr(answer))
`;
/** Runs a script of PHP by FastCGI, and prints what it answers. */
const fastcgi = `#!/usr/bin/python3
import socket, struct
def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content
def pair(name, value):
    return struct.pack("BB", len(name), len(value)) + name + value
server = socket.socket(socket.AF_UNIX)
server.settimeout(5)
server.connect("/run/php/php8.2-fpm.sock")
parameters = pair(b"SCRIPT_FILENAME", b"/srv/hello.php") + pair(b"REQUEST_METHOD", b"GET")
server.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, parameters) + record(4, b"") + record(5, b""))
answer = b""
while True:
    more = server.recv(4096)
    if not more:
        break
    answer += more
print(repr(answer))
`;
/** A terminal, which is tty1, as long as it lives: what is typed is its input. */
const terminal = `
import os, pty, select, sys
master, slave = pty.openpty()
os.symlink(os.ttyname(slave), "/dev/tty1")
while True:
    for each in select.select([0, master], [], [])[0]:
        data = os.read(each, 4096)
        if not data:
            sys.exit()
        os.write(master if each == 0 else 1, data)
`;
/** A question for the address of story.example, to a resolver. */
const whereIs = (port: number) =>
  `ask udp:${port} 'id\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\5story\\7example\\0\\0\\1\\0\\1' id`;
const get = (port: number) => `ask tcp:${port} 'GET / HTTP/1.0\\r\\n\\r\\n' no-such`;
const login = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i /root/key";

const files: Record<string, string> = {
  "etc/hosts": "127.0.0.1 localhost machine\n",
  "usr/local/bin/ask": ask,
  "usr/local/bin/fastcgi": fastcgi,
  // Those that would be in the way of each other.
  "etc/apache2/ports.conf": "Listen 8081\n",
  "etc/sv/apache2/conf": "PORT=8081\n",
  "etc/sv/dropbear/conf": "PORT=2222\n",
  "etc/sv/socklog/conf": "SOCKET=/run/socklog\n",
  "etc/unbound/unbound.conf.d/story.conf": `server:\n  port: 5353\n  local-data: "story.example. A 192.0.2.2"\n`,
  // -x: the clock is that of the machine around this one.
  "etc/default/chrony": 'DAEMON_OPTS="-F 1 -x"\n',
  "etc/chrony/conf.d/story.conf": "local stratum 10\nallow 127.0.0.1\n",
  "etc/cron.d/story": "@reboot root echo cron has run >/run/cron-has-run\n",
  "etc/dnsmasq.d/story.conf": "address=/story.example/192.0.2.1\n",
  "etc/rsyncd.conf": "[files]\npath = /srv\n",
  "etc/dbus-1/system.d/story.conf":
    '<busconfig><policy user="root"><allow own="org.example.story"/></policy></busconfig>\n',
  "var/www/html/index.html": "hello from the web\n",
  "srv/hello.php": "<?php echo 'hello from PHP ', 6 * 7;\n",
};
const haproxyFrontend = `
frontend story
	bind 127.0.0.1:8082
	http-request return status 200 content-type text/plain string "hello from haproxy"
`;
const command = `
printf %s "${haproxyFrontend.replaceAll('"', '\\"')}" >>/etc/haproxy/haproxy.cfg
ssh-keygen -q -t ed25519 -N "" -f /root/key
install -d -m 700 /root/.ssh
cp /root/key.pub /root/.ssh/authorized_keys
touch -a -d "40 days ago" /var/tmp/old
touch /var/tmp/new
`;

interface Service {
  readonly name: string;
  /** What its processes have in their lines. */
  readonly process: RegExp;
  /** What is in its log. */
  readonly says?: RegExp;
  /** A command, and what it prints if the service does its job. */
  readonly asked: string;
  readonly answers: RegExp;
  /** Whose its process is, if not root's. */
  readonly account?: string;
  /** How many files it may open. */
  readonly maxFiles?: number;
  /** The command of sv by which it reads its configuration again. */
  readonly reload?: string;
  /** It cannot be asked twice. */
  readonly isOnce?: boolean;
}
const services: readonly Service[] = [
  // What takes longest, first.
  {
    name: "mariadb",
    account: "mysql",
    maxFiles: 32768,
    process: /^mariadbd/,
    says: /ready for connections/,
    asked: "mariadb -NBe 'create table if not exists mysql.story (n int); select 6 * 7'",
    answers: /^42$/m,
  },
  {
    name: "nginx",
    reload: "hup",
    process: /^nginx/,
    asked: get(80),
    answers: /Server: nginx[\s\S]*hello from the web/,
  },
  {
    name: "apache2",
    reload: "1",
    process: /^apache2/,
    says: /AH00558/,
    asked: get(8081),
    answers: /Server: Apache[\s\S]*hello from the web/,
  },
  {
    name: "php8.2-fpm",
    reload: "2",
    process: /^php-fpm/,
    says: /ready to handle connections/,
    asked: "fastcgi",
    answers: /hello from PHP 42/,
  },
  {
    name: "ssh",
    reload: "hup",
    process: /^sshd/,
    says: /Server listening/,
    asked: `ssh ${login} root@127.0.0.1 'echo $((6 * 7))'`,
    answers: /^42$/m,
  },
  {
    name: "dropbear",
    process: /^dropbear/,
    says: /Not backgrounding/,
    asked: `ssh -p 2222 ${login} root@127.0.0.1 'echo $((6 * 7))'`,
    answers: /^42$/m,
  },
  {
    name: "redis-server",
    account: "redis",
    maxFiles: 65535,
    process: /^redis-server/,
    says: /Ready to accept connections/,
    asked: "redis-cli set a 6; redis-cli incrby a 36",
    answers: /^42$/m,
  },
  {
    name: "memcached",
    account: "memcache",
    process: /memcached/,
    asked: "ask tcp:11211 'set a 0 0 2\\r\\n42\\r\\nget a\\r\\nquit\\r\\n' END",
    answers: /VALUE a 0 2\\r\\n42/,
  },
  { name: "cron", process: /^cron/, asked: "cat /run/cron-has-run", answers: /^cron has run$/m, isOnce: true },
  {
    name: "rsyslog",
    maxFiles: 16384,
    reload: "hup",
    process: /^rsyslogd/,
    asked: "logger -t story a line; grep 'story: a line' /var/log/user.log; rm -f /var/log/user.log; sv hup rsyslog",
    answers: /a line/,
  },
  {
    name: "socklog",
    account: "nobody",
    process: /^socklog/,
    says: /listening on \/run\/socklog/,
    asked: "logger -u /run/socklog -t story a line; cat /var/log/sv/socklog/current",
    answers: /story: a line/,
  },
  {
    name: "dbus",
    account: "messagebus",
    reload: "hup",
    process: /^dbus-daemon/,
    asked:
      "dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.RequestName string:org.example.story uint32:0",
    answers: /uint32 1/,
  },
  {
    name: "chrony",
    account: "_chrony",
    process: /^chronyd/,
    says: /chronyd version/,
    // 0x23: version 4, a client. 0x24: a server.
    asked: `ask udp:123 '#${"\\0".repeat(47)}' '$'`,
    answers: /^b['"]\$/,
  },
  {
    name: "dnsmasq",
    account: "dnsmasq",
    reload: "hup",
    process: /^dnsmasq/,
    says: /started/,
    asked: whereIs(53),
    answers: /\\xc0\\x00\\x02\\x01/,
  },
  {
    name: "unbound",
    account: "unbound",
    reload: "hup",
    process: /^unbound/,
    says: /start of service/,
    asked: whereIs(5353),
    answers: /\\xc0\\x00\\x02\\x02/,
  },
  {
    name: "haproxy",
    reload: "2",
    process: /^haproxy/,
    says: /New worker/,
    asked: get(8082),
    answers: /hello from haproxy/,
  },
  {
    name: "mosquitto",
    account: "mosquitto",
    reload: "hup",
    process: /^mosquitto/,
    // Connects, subscribes to "a", publishes "42" there.
    asked:
      "ask tcp:1883 '\\x10\\x0c\\0\\x04MQTT\\x04\\x02\\0\\x0a\\0\\0\\x82\\x06\\0\\x01\\0\\x01a\\0\\x30\\x05\\0\\x01a42' a42",
    answers: /a42/,
  },
  {
    name: "rsync",
    process: /^rsync/,
    says: /rsyncd version/,
    asked: "rsync rsync://127.0.0.1/files/",
    answers: /hello\.php/,
  },
  {
    name: "node-app",
    account: "www-data",
    process: /app\.mjs/,
    says: /listening on 8080/,
    asked: get(8080),
    answers: /hello from node/,
  },
  {
    name: "python-app",
    account: "www-data",
    process: /app\.py$/,
    says: /listening on 8000/,
    asked: get(8000),
    answers: /hello from python/,
  },
  {
    name: "socket-app",
    account: "daemon",
    process: /app\.py \/run/,
    says: /listening at/,
    asked: "ask unix:/run/socket-app/socket 'hello\\n' HELLO",
    answers: /HELLO/,
  },
  {
    name: "postgresql",
    account: "postgres",
    reload: "hup",
    process: /^postgres|lib\/postgresql/,
    says: /ready to accept connections/,
    asked: "chpst -u postgres psql -Atc 'create temporary table a (n int); select 6 * 7'",
    answers: /^42$/m,
  },
];
const special = ["db-job", "getty-tty1", "one-shot"];

/**
 * Runs as whom it should, does its job, logs, reads its configuration again; comes back when it is killed; is restarted; is
 * stopped without a trace; and `check` knows all of it.
 */
async function live(machine: Machine, service: Service): Promise<void> {
  const { name } = service;
  const tell = async (words: string) => {
    const { out, err, code } = await machine.sh(`sv -w 60 ${words} ${name}`);
    assert.equal(code, 0, `${words}: ${out}${err}${machine.log(name)}`);
    return out;
  };
  const isOk = async () => (await machine.sh(`cd /etc/service/${name} && ./check`)).code === 0;

  await machine.does(`sv start ${name}`);
  assert.match(await tell("check"), new RegExp(`^ok: run: ${name}: `));
  assert.ok(await isOk());
  await machine.does(service.asked, service.answers);
  const status = JSON.parse((await machine.sh(`sv --json status ${name}`)).out);
  assert.deepEqual([status.state, status.log.state], ["run", "run"]);
  const says = service.says;
  if (says) await machine.stage.until(`its log holds ${says}`, () => says.test(machine.log(name)));
  const { out: owners } = await machine.sh(
    `cd /etc/service/${name}; stat -c '%U %G %a' /proc/$(cat log/supervise/pid) /var/log/sv/${name}; stat -c %U /proc/$(cat supervise/pid)`,
  );
  assert.equal(owners, `daemon adm 555\ndaemon adm 2750\n${service.account ?? "root"}\n`);
  if (service.maxFiles !== undefined) {
    const files = (text: string) =>
      /^Max open files +(\d+) +(\d+)/m.exec(text)?.slice(1).map(Number) ?? assert.fail(text);
    const [most = 0] = files(await machine.does(`cat /proc/${machine.pid(name)}/limits`));
    const [, allowed = 0] = files(fs.readFileSync("/proc/self/limits", "latin1"));
    assert.equal(most, Math.min(service.maxFiles, allowed));
  }
  if (service.reload !== undefined) {
    const pid = machine.pid(name);
    assert.equal((await machine.sh(`sv ${service.reload} ${name}`)).code, 0);
    await machine.does(`cd /etc/service/${name} && ./check`);
    await machine.does(service.asked, service.answers);
    assert.equal(machine.pid(name), pid, "it goes on");
  }

  const killed = machine.pid(name);
  assert.ok(killed > 0);
  await machine.sh(`kill -KILL ${killed}`);
  await machine.stage.until("there is another process", () => ![0, killed].includes(machine.pid(name)));
  await tell("check");
  if (!service.isOnce) await machine.does(service.asked, service.answers);
  const orphans = (await machine.processes(service.process)).filter((each) => each.split(" ")[1] === "1");
  assert.deepEqual(orphans, [], "nothing is left of what was killed");

  const old = machine.pid(name);
  await tell("restart");
  assert.notEqual(machine.pid(name), old);
  assert.ok(await isOk());

  assert.notDeepEqual(await machine.processes(service.process), []);
  await tell("stop");
  assert.deepEqual(await machine.processes(service.process), [], "nothing is left of what was stopped");
  assert.equal(await isOk(), false, "check knows that it is down");
}

// ── the stories ──

suite("examples/services", () => {
  suite("each of them", () => {
    const scripts = (name: string) =>
      ["run", "check", "finish", "log/run"].filter((file) => fs.existsSync(example(name, file)));

    for (const name of names) {
      test(`${name} has run, check and a log service`, () => {
        for (const file of ["run", "check", "log/run"]) assert.ok(fs.existsSync(example(name, file)), file);
        for (const file of scripts(name)) {
          assert.equal(fs.statSync(example(name, file)).mode & 0o777, 0o755, file);
          assert.match(read(name, file), /^#!\/bin\/(ba)?sh\n# \S/, "it says what it does");
        }
        assert.match(read(name, "run"), /^exec 2>&1$/m);
        assert.equal(read(name, "log/run"), read("nginx", "log/run"));
      });
    }
    test("there are at least 20, each of them is in the table, and in a test", () => {
      assert.ok(names.length >= 20);
      const rows = [...page.matchAll(/^\| \[`([^`]+)`\]\(([^)]+)\) \|/gm)].map(([, name]) => name);
      assert.deepEqual(rows.sort(), [...names].sort());
      assert.deepEqual([...services.map(({ name }) => name), ...special].sort(), [...names].sort());
    });
    test("the links of the page lead somewhere", () => {
      for (const [, target = ""] of page.matchAll(/\]\(([^)#\s]+)[^)]*\)/g))
        assert.ok(fs.existsSync(example(target)), target);
    });
    test("shellcheck has no complaint", { skip: missing("shellcheck") }, () => {
      const all = names.flatMap((name) => scripts(name).map((file) => example(name, file)));
      const { stdout, status } = spawnSync("shellcheck", all, { encoding: "utf8" });
      assert.deepEqual([stdout, status], ["", 0]);
    });
  });

  suite("on a Debian with their packages", { skip: cannotServe, concurrency: 5 }, () => {
    let stage: Stage;
    let machine: Machine;
    before(async () => {
      stage = new Stage(ours);
      machine = await Machine.boot(stage, { installed: names, enabled: names, files, command });
    });
    after(() => stage.clear());
    const story = (title: string, act: () => Promise<void>) => test(title, { timeout: 120_000 }, act);

    suite("where one needs another", { concurrency: 1 }, () => {
      const databases = services.filter(({ name }) => name === "postgresql");
      story("db-job waits for postgresql, and begins anew when that has been away", async () => {
        await machine.does("sv -w 60 check postgresql && sv -w 60 check db-job");
        await machine.does("cat /var/log/sv/db-job/current", / connections\s/);
        const before = machine.log("db-job").length;
        assert.equal((await machine.sh("sv -w 60 stop postgresql")).code, 0);
        await machine.stage.until("it waits", () =>
          machine.log("db-job").slice(before).includes("waits for postgresql"),
        );
        assert.notEqual((await machine.sh("cd /etc/service/db-job && ./check")).code, 0);
        assert.equal((await machine.sh("sv -w 60 start postgresql db-job")).code, 0);
        assert.equal((await machine.sh("sv -w 60 stop db-job")).code, 0);
        assert.deepEqual(await machine.processes(/job\.sql/), []);
        assert.notEqual((await machine.sh("cd /etc/service/db-job && ./check")).code, 0);
      });
      for (const service of databases) story(`${service.name} lives`, () => live(machine, service));
    });

    for (const service of services) {
      if (service.name !== "postgresql") story(`${service.name} lives`, () => live(machine, service));
    }

    story("getty-tty1 asks who is there, and again when whoever it was is gone", async () => {
      // There is no such terminal yet.
      await machine.does("sv status getty-tty1", /^down: getty-tty1: .*normally up/);
      assert.notEqual((await machine.sh("cd /etc/service/getty-tty1 && ./check")).code, 0);
      const tty = machine.start(["/usr/bin/python3", "-c", terminal], "pipe");
      await machine.does("test -c /dev/tty1");
      let seen = 0;
      const shows = async (text: string) => {
        await machine.stage.until(`it shows ${text}: ${tty.err}`, () => tty.out.indexOf(text, seen) >= 0);
        seen = tty.out.indexOf(text, seen) + text.length;
      };
      assert.equal((await machine.sh("sv -w 60 start getty-tty1")).code, 0);
      await shows("machine login: ");
      tty.child.stdin?.write("somebody\n");
      await shows("Password: ");
      for (const way of ["kill -KILL $(cat /etc/service/getty-tty1/supervise/pid)", "sv -w 60 restart getty-tty1"]) {
        assert.equal((await machine.sh(way)).code, 0);
        await shows("machine login: ");
      }
      assert.equal((await machine.sh("sv -w 60 check getty-tty1 && sv -w 60 stop getty-tty1")).code, 0);
      assert.deepEqual(await machine.processes(/^(agetty|login)/), []);
      assert.notEqual((await machine.sh("cd /etc/service/getty-tty1 && ./check")).code, 0);
    });

    story("one-shot is done once at boot, once more if wanted, and tried again until it succeeds", async () => {
      await machine.does("sv status one-shot", /^down: one-shot: \d+s, normally up;/);
      await machine.does("cd /etc/service/one-shot && ./check");
      assert.deepEqual(
        [machine.log("one-shot").split("tidying up").length, (await machine.sh("ls /var/tmp")).out],
        [2, "new\n"],
      );

      assert.equal((await machine.sh("touch -a -d '40 days ago' /var/tmp/old; sv -w 60 once one-shot")).code, 0);
      await machine.does("test ! -e /var/tmp/old && test -e /run/one-shot && sv status one-shot", /^down: /);

      await machine.sh(
        "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/find; chmod 755 /usr/local/bin/find; sv up one-shot",
      );
      await machine.stage.until("it is tried again", () => machine.log("one-shot").split("tidying up").length >= 5);
      assert.notEqual((await machine.sh("cd /etc/service/one-shot && ./check")).code, 0);
      await machine.sh("rm /usr/local/bin/find");
      await machine.does("test -e /run/one-shot && sv status one-shot", /^down: /);
    });
  });

  suite("README.md", { skip: cannotServe }, () => {
    test("what it says is so", { timeout: 120_000 }, async () => {
      const blocks = [...page.matchAll(/^<!-- run -->\n```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
      assert.ok(blocks.length >= 3);
      // Every command that is shown is run.
      assert.equal(blocks.length, [...page.matchAll(/^```sh$/gm)].length);
      const essence = (text: string) => text.replaceAll(/\d+/g, "N");
      const stage = new Stage(ours);
      try {
        const machine = await Machine.boot(stage, { installed: [], enabled: [], files: {}, command: ":" });
        for (const [, commands = "", shown = ""] of blocks) {
          // People are slower than runsvdir.
          await machine.does("sv status");
          const shell = machine.start(["/bin/sh", "-euc", `cd /root/runit-ts\n${commands}`]);
          const { out, err, code } = await shell.ended;
          assert.deepEqual([essence(out), err, code], [essence(shown), "", 0], commands);
        }
      } finally {
        await stage.clear();
      }
    });
  });
});
