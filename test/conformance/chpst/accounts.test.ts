// Who the program is: spec/chpst.md, section 6.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { stories } from "../stage.ts";
import {
  accountFiles,
  accounts,
  assertFails,
  assertIs,
  assertPrints,
  chpst,
  entries,
  nobody,
  onlyVariables,
  ownMounts,
  rootOnly,
  runAs,
  showStatus,
} from "./scenes.ts";

const showVariables = ["sh", "-c", "echo $UID $GID"];
const numbers = (count: number) => Array.from({ length: count }, (_, index) => 3001 + index);
const manyGroups = (count: number) => Array.from({ length: count }, (_, index) => `g${index + 1}`).join(":");
const notEvenHisOwn = "unable to setgroups: permission denied";

stories("chpst", (story) => {
  story(
    37,
    "-u takes user and group of an account",
    async (stage) => {
      const outcome = await chpst(stage, ["-u", "alice", ...showStatus], { via: accounts(stage) });
      assertIs(outcome, 1001, 1001, [1001]);
      const { out } = await chpst(stage, "-u alice id", { via: accounts(stage) });
      assert.equal(out, "uid=1001(alice) gid=1001(alice) groups=1001(alice)\n");
    },
    ownMounts,
  );

  story(
    38,
    "-u drops the groups an account is a member of",
    async (stage) => {
      const outcome = await chpst(stage, ["-u", "bob", ...showStatus], { via: accounts(stage) });
      assertIs(outcome, 1002, 1003, [1003]);
    },
    ownMounts,
  );

  story(
    39,
    "-u takes groups by name",
    async (stage) => {
      const via = accounts(stage);
      assertIs(await chpst(stage, ["-u", "bob:grp:alice", ...showStatus], { via }), 1002, 1002, [1002, 1001]);
      assertIs(await chpst(stage, ["-u", "alice:grp", ...showStatus], { via }), 1001, 1002, [1002]);
      assertPrints(await chpst(stage, "-u bob:grp:alice id -G", { via }), "1002 1001\n");
    },
    ownMounts,
  );

  story(
    40,
    "-u does not take a number for a user",
    async (stage) => {
      const via = accounts(stage);
      assertFails(await chpst(stage, "-u 1001 id", { via }), "unknown user/group: 1001");
      assertFails(await chpst(stage, "-u alice:1001 id", { via }), "unknown user/group: alice:1001");
      assertFails(await chpst(stage, "-u 0 id", { via }), "unknown user/group: 0");
    },
    ownMounts,
  );

  story(
    41,
    "-u takes an account whose name is a number",
    async (stage) => {
      assertPrints(await chpst(stage, "-u 4242 id -u", { via: accounts(stage) }), "1003\n");
      assertIs(await chpst(stage, ["-u", "4242", ...showStatus], { via: accounts(stage) }), 1003, 1004, [1004]);
    },
    ownMounts,
  );

  story(
    "41b",
    "a line without its numbers, or with numbers too large, is no account",
    async (stage) => {
      const passwd = `root:x:0:0:root:/root:/bin/sh
nogid:x:2005::::
nouid:x::2006:::
text:x:abc:2007:::
neg:x:-5:2008:::
over:x:4294967301:2009:::
overgid:x:2010:4294967301:::
hex:x:0x10:2015:::
behind:x:2014 :2014:::
onlyname
two:x
three:x:2016
`;
      const group = "root:x:0:\ngnone:x::\ngtext:x:abc:\ngneg:x:-1:\ngover:x:4294967301:\nonlyname\ntwo:x\n";
      const via = accountFiles(stage, passwd, group);
      const users = ["nogid", "nouid", "text", "neg", "over", "overgid", "hex", "behind", "onlyname", "two", "three"];
      const groups = ["gnone", "gtext", "gneg", "gover", "onlyname", "two"].map((name) => `root:${name}`);
      for (const account of [...users, ...groups]) {
        const reason = `unknown user/group: ${account}`;
        assertFails(await chpst(stage, ["-u", account, ...showStatus], { via }), reason);
        assertFails(await chpst(stage, ["-U", account, ...showVariables], { via }), reason);
      }
      for (const account of users) {
        assertFails(await runAs(stage, "setuidgid", [account, "id"], { via }), `unknown account: ${account}`);
      }
    },
    { ...ownMounts, timeoutMilliseconds: 120_000 },
  );

  story(
    "41c",
    "lines that begin with + or - or #, are no accounts",
    async (stage) => {
      const passwd = "root:x:0:0:::\n#x:x:5:5:::\n+nis:x:6:6:::\n-nis:x:7:7:::\n+\n+::::::\n-:::::\n+:x:8:8:::\n";
      const group = "root:x:0:\n#x:x:5:\n+nis:x:6:\n-nis:x:7:\n+\n+:::\n-:x:9:\n";
      const via = accountFiles(stage, passwd, group);
      for (const name of ["#x", "+nis", "-nis", "nis", "+", "-"]) {
        assertFails(await chpst(stage, ["-U", name, ...showVariables], { via }), `unknown user/group: ${name}`);
        if (name === "+") continue; // a last group of ours
        const account = `root:${name}`;
        assertFails(await chpst(stage, ["-U", account, ...showVariables], { via }), `unknown user/group: ${account}`);
      }
    },
    ownMounts,
  );

  story(
    "41d",
    "accounts are found among lines of all kinds",
    async (stage) => {
      const passwd = `# comment
root:x:0:0:root:/root:/bin/sh

dup:x:2001:2001::/:/bin/sh
dup:x:2002:2002::/:/bin/sh
bare:x:2004:2004:::
big:x:4294967294:4294967293:::
trail :x:2011:2011:::
zero:x:007:010:::
cr:x:2016:2016:::\r
extra:x:2019:2019:a:b:c:d:e:f
\u00ff\u00fe:x:2020:2020:::
long:x:2022:2022:${"g".repeat(20_000)}:/:/bin/sh
af:x:2023:2023:::
tab\tname:x:2030:2030:::
dupl:x:2031:2031:::
`;
      const members = Array.from({ length: 5000 }, (_, index) => `user${index}`).join(",");
      const group = `root:x:0:
gdup:x:3001:
gdup:x:3002:
glong:x:3007:${members}
gaf:x:3008:
gextra:x:3009:a:b:c
glast:x:3011:last`;
      const via = accountFiles(stage, passwd, group);
      const expected = [
        ["dup", "2001 2001"],
        ["bare", "2004 2004"],
        ["big", "4294967294 4294967293"],
        ["trail ", "2011 2011"],
        ["zero", "7 10"],
        ["cr", "2016 2016"],
        ["extra", "2019 2019"],
        ["long", "2022 2022"],
        ["af", "2023 2023"],
        ["tab\tname", "2030 2030"],
        ["dupl", "2031 2031"],
        ["root:gdup", "0 3001"],
        ["root:glong", "0 3007"],
        ["root:gaf", "0 3008"],
        ["root:gextra", "0 3009"],
        ["root:glast", "0 3011"],
      ] as const;
      for (const [account, variables] of expected) {
        assertPrints(await chpst(stage, ["-U", account, ...showVariables], { via }), `${variables}\n`);
      }
      for (const account of ["trail", "du", "# comment", "name", "2001"]) {
        assertFails(await chpst(stage, ["-U", account, "true"], { via }), `unknown user/group: ${account}`);
      }
    },
    ownMounts,
  );

  story(
    "41e",
    "accounts are found in lines that have blanks in front, are short, or do not end",
    async (stage) => {
      const passwd = `root:x:0:0:root:/root:/bin/sh
short:x:2003:2003
  lead:x:2010:2010:::
spnum:x: 2012: 2013:::
last:x:2024:2024:::`;
      const group = "root:x:0:\n\tgtab:x:3010:\ngshort:x:3003";
      const via = accountFiles(stage, passwd, group);
      const expected = [
        ["short", "2003 2003"],
        ["lead", "2010 2010"],
        ["spnum", "2012 2013"],
        ["last", "2024 2024"],
        ["root:gtab", "0 3010"],
        ["root:gshort", "0 3003"],
      ] as const;
      const found: string[] = [];
      for (const [account] of expected) {
        const { out, err } = await chpst(stage, ["-U", account, ...showVariables], { via });
        found.push(`${account}: ${out}${err}`);
      }
      assert.deepEqual(
        found,
        expected.map(([account, variables]) => `${account}: ${variables}\n`),
      );
    },
    ownMounts,
  );

  story(
    "41f",
    "a file that may not be read is an error",
    async (stage) => {
      const via = accountFiles(stage, "root:x:0:0:::\n", "root:x:0:\n", 65534);
      const reason = "unable to get password/group file entry: access denied";
      fs.chmodSync(stage.at(".etc/group"), 0o600);
      assertPrints(await chpst(stage, ["-U", "root", ...showVariables], { via }), "0 0\n");
      assertFails(await chpst(stage, "-U root:root true", { via }), reason);
      assertFails(await chpst(stage, "-U nosuch:root true", { via }), "unknown user/group: nosuch:root");
      fs.chmodSync(stage.at(".etc/passwd"), 0o600);
      assertFails(await chpst(stage, "-U root true", { via }), reason);
      assertFails(await chpst(stage, "-u root true", { via }), reason);
      assertFails(
        await runAs(stage, "envuidgid", "root true", { via }),
        "unable to get password file entry: access denied",
      );
      assertPrints(await chpst(stage, ["-U", ":5:6", ...showVariables], { via }), "5 6\n");
    },
    ownMounts,
  );

  story(
    "41g",
    "a file that is a directory is an error",
    async (stage) => {
      fs.mkdirSync(stage.at("R/etc/passwd"), { recursive: true });
      const reason = "unable to get password/group file entry: is a directory";
      assertFails(await chpst(stage, "-/ R -u root true"), reason);
      fs.rmdirSync(stage.at("R/etc/passwd"));
      stage.file("R/etc/passwd", "root:x:0:0:::\n");
      fs.mkdirSync(stage.at("R/etc/group"));
      assertFails(await chpst(stage, "-/ R -u root:root true"), reason);
      assertFails(await chpst(stage, "-/ R -u root true"), "unable to run: true: file does not exist");
    },
    rootOnly,
  );

  story(
    42,
    "-u reports who is unknown",
    async (stage) => {
      const via = accounts(stage);
      const unknown = [
        "bob:",
        "alice:nosuch",
        "",
        "nosuch",
        "alice:grp:",
        "alice::grp",
        "alice:grp:nosuch",
        "Alice",
        "ali",
      ];
      for (const account of unknown) {
        assertFails(await chpst(stage, ["-u", account, "id"], { via }), `unknown user/group: ${account}`);
        assertFails(await chpst(stage, ["-U", account, "id"], { via }), `unknown user/group: ${account}`);
      }
    },
    ownMounts,
  );

  story(
    43,
    "-u takes numbers after a colon",
    async (stage) => {
      assertPrints(await chpst(stage, "-u :1001:1001:50:60 id -G"), "1001 50 60\n");
      assertIs(await chpst(stage, ["-u", ":1001:1001:50:60", ...showStatus]), 1001, 1001, [1001, 50, 60]);
      assertIs(await chpst(stage, ["-u", ":5:6", ...showStatus]), 5, 6, [6]);
    },
    rootOnly,
  );

  story(44, "-u wants a user and a group among its numbers, and nothing but numbers", async (stage) => {
    for (const account of ["1001", "alice", "1001:x", "", "-1:5", "+1:5", " 1:5", "1:5:x", "1:5 ", "0x1:5", "1:5::x"]) {
      assertFails(await chpst(stage, ["-u", `:${account}`, "id"]), `invalid uid/gids: ${account}`);
      assertFails(await chpst(stage, ["-U", `:${account}`, "id"]), `invalid uid/gids: ${account}`);
    }
  });

  story(
    45,
    "-u takes a missing number for 0",
    async (stage) => {
      assertIs(await chpst(stage, ["-u", ":1001:", ...showStatus]), 1001, 0, [0]);
    },
    rootOnly,
  );

  story(
    46,
    "-u takes a missing number for 0, wherever it is missing",
    async (stage) => {
      assertIs(await chpst(stage, ["-u", "::7", ...showStatus]), 0, 7, [7]);
      assertPrints(await chpst(stage, "-u :1001:7: id -G"), "7 0\n");
      assertIs(await chpst(stage, ["-u", ":1001:7:", ...showStatus]), 1001, 7, [7, 0]);
      assertIs(await chpst(stage, ["-u", "::", ...showStatus]), 0, 0, [0]);
      assertIs(await chpst(stage, ["-u", ":1001:7::8", ...showStatus]), 1001, 7, [0, 7, 8]);
    },
    rootOnly,
  );

  story(
    "46b",
    "-u takes numbers modulo 2 to the 32nd",
    async (stage) => {
      assertIs(await chpst(stage, ["-u", ":4294967296:4294967297", ...showStatus]), 0, 1, [1]);
      assertIs(await chpst(stage, ["-u", ":00001001:18446744073709551623", ...showStatus]), 1001, 7, [7]);
      assertIs(
        await chpst(stage, ["-u", ":4294967294:4294967294", ...showStatus]),
        4294967294,
        4294967294,
        [4294967294],
      );
    },
    rootOnly,
  );

  story(
    47,
    "-u takes up to 60 groups as numbers",
    async (stage) => {
      const account = (count: number) => `:1001:${numbers(count).join(":")}`;
      assertIs(await chpst(stage, ["-u", account(60), ...showStatus]), 1001, 3001, numbers(60));
      assertPrints(await chpst(stage, ["-u", account(60), "id", "-G"]), `${numbers(60).join(" ")}\n`);
      assertFails(await chpst(stage, ["-u", account(61), "id"]), `invalid uid/gids: ${account(61).slice(1)}`);
    },
    rootOnly,
  );

  story(
    48,
    "-u ignores groups from the sixty-first on",
    async (stage) => {
      const via = accounts(stage);
      const sixty = Array.from({ length: 60 }, (_, index) => 2001 + index);
      const ignored = await chpst(stage, ["-u", `bob:${manyGroups(60)}:nosuch`, ...showStatus], { via });
      assertIs(ignored, 1002, 2001, sixty);
      const more = await chpst(stage, ["-u", `bob:${manyGroups(61)}`, ...showStatus], { via });
      assertIs(more, 1002, 2001, sixty);
      const unknown = `bob:${manyGroups(59)}:nosuch`;
      assertFails(await chpst(stage, ["-u", unknown, "id"], { via }), `unknown user/group: ${unknown}`);
    },
    ownMounts,
  );

  story(
    49,
    "an ordinary user may not even become himself",
    async (stage) => {
      const via = accounts(stage, 1001);
      assertPrints(await chpst(stage, "id -u", { via }), "1001\n");
      for (const account of ["alice", "bob", ":1001:1001", "alice:alice"]) {
        assertFails(await chpst(stage, ["-u", account, "true"], { via }), notEvenHisOwn);
      }
      assertFails(await chpst(stage, "-u nosuch true", { via }), "unknown user/group: nosuch");
    },
    ownMounts,
  );

  story(
    50,
    "-u reports ids that the system does not take",
    async (stage) => {
      assertFails(await chpst(stage, "-u :4294967295:5 true"), "unable to setuid: invalid argument");
      assertFails(await chpst(stage, "-u :5:4294967295 true"), "unable to setgroups: invalid argument");
      assertFails(await chpst(stage, "-u :5:5:4294967295 true"), "unable to setgroups: invalid argument");
    },
    rootOnly,
  );

  story(
    51,
    "-U sets UID and GID in the environment, for anybody",
    async (stage) => {
      for (const uid of [undefined, 1001]) {
        const via = accounts(stage, uid);
        assertPrints(await chpst(stage, ["-U", "bob:grp:alice", ...showVariables], { via }), "1002 1002\n");
        assertPrints(await chpst(stage, ["-U", "bob", ...showVariables], { via }), "1002 1003\n");
        assertPrints(await chpst(stage, ["-U", ":5:6:7", ...showVariables], { via }), "5 6\n");
        assertPrints(await chpst(stage, "-U bob id -u", { via }), `${uid ?? 0}\n`);
      }
    },
    ownMounts,
  );

  story(
    "51b",
    "-U knows large numbers and those left out",
    async (stage) => {
      const expected = [
        [":4294967295:4294967294", "4294967295 4294967294"],
        ["::", "0 0"],
        [":7:", "7 0"],
        [":4294967296:4294967297", "0 1"],
        [":2147483648:2147483647", "2147483648 2147483647"],
        [":007:08", "7 8"],
      ] as const;
      for (const [account, variables] of expected) {
        assertPrints(await chpst(stage, ["-U", account, ...showVariables], nobody), `${variables}\n`);
      }
    },
    rootOnly,
  );

  story(
    52,
    "-U sets GID, then UID, the others staying as they are",
    async (stage) => {
      const via = [...accounts(stage), ...onlyVariables("UID=a", "GID=b", "X=1")];
      const { out } = await chpst(stage, "-U bob env -0", { via });
      assert.deepEqual(entries(out), ["GID=1003", "X=1", "UID=1002"]);
    },
    ownMounts,
  );

  story(
    53,
    "-u and -U may be about different accounts",
    async (stage) => {
      const via = accounts(stage);
      const look = ["sh", "-c", "echo $UID $GID; id -u; id -g"];
      assertPrints(await chpst(stage, ["-u", "alice", "-U", "bob", ...look], { via }), "1002 1003\n1001\n1001\n");
      assertPrints(await chpst(stage, ["-U", "alice", "-u", "bob", ...look], { via }), "1001 1001\n1002\n1003\n");
    },
    ownMounts,
  );

  story(
    "53b",
    "the account of -U is looked up before that of -u",
    async (stage) => {
      assertFails(await chpst(stage, "-u nosuch -U nobody2 true"), "unknown user/group: nobody2");
      assertFails(await chpst(stage, "-u nosuch -U :1 true"), "invalid uid/gids: 1");
    },
    rootOnly,
  );

  story(
    "53c",
    "a program that becomes a user keeps no privileges",
    async (stage) => {
      const { out } = await chpst(stage, ["-u", ":1001:1001", ...showStatus]);
      for (const set of ["CapPrm", "CapEff", "CapAmb"]) assert.match(out, new RegExp(`^${set}:\\s+0+$`, "m"));
      const refused = await chpst(stage, ["-u", ":1001:1001", stage.program("chpst"), "-u", ":0:0", "true"]);
      assertFails(refused, notEvenHisOwn);
    },
    rootOnly,
  );

  story(
    "53d",
    "the groups of whoever runs chpst are gone",
    async (stage) => {
      const via = ["/usr/bin/setpriv", "--groups=5,6,7", "--"];
      assertIs(await chpst(stage, ["-u", ":1001:1002", ...showStatus], { via }), 1001, 1002, [1002]);
      assertIs(await chpst(stage, [...showStatus], { via }), 0, 0, [5, 6, 7]);
    },
    rootOnly,
  );

  story(
    115,
    "the last -u wins, and no other is looked up",
    async (stage) => {
      assertPrints(await chpst(stage, "-u nosuch -u alice id -u", { via: accounts(stage) }), "1001\n");
    },
    ownMounts,
  );

  story(
    119,
    "a last group + stands for the account's memberships in ours, for no group in the original",
    async (stage) => {
      const via = accounts(stage);
      const expected = [
        ["bob:+", 1002, 1003, [1003, 1002, 1005]],
        ["bob:grp:+", 1002, 1002, [1002, 1005]],
        ["alice:+", 1001, 1001, [1001, 1005, 1006]],
        ["alice:g1:g2:+", 1001, 2001, [2001, 2002, 1005, 1006]],
        ["4242:+", 1003, 1004, [1004]],
      ] as const;
      for (const [account, uid, gid, groups] of expected) {
        const outcome = await chpst(stage, ["-u", account, ...showStatus], { via });
        if (stage.isOurs) assertIs(outcome, uid, gid, groups);
        else assertFails(outcome, `unknown user/group: ${account}`);
        const variables = await chpst(stage, ["-U", account, ...showVariables], { via });
        if (stage.isOurs) assertPrints(variables, `${uid} ${gid}\n`);
        else assertFails(variables, `unknown user/group: ${account}`);
      }
    },
    { ...ownMounts, differs: "chpst-all-groups" },
  );

  story(
    "119d",
    "a + stands for as many groups as there are",
    async (stage) => {
      const many = Array.from({ length: 200 }, (_, index) => 4001 + index);
      const group = many.map((gid) => `many${gid}:x:${gid}:alice,bob , carol,bobby\n`).join("");
      const passwd = "root:x:0:0:::\nalice:x:1001:1001:::\ncarol:x:1002:4001:::\nbobby:x:1003:1003:::\nnone:x:7:8:::\n";
      const via = accountFiles(stage, passwd, `${group}nomember:x:9:xalice,alicex,\n`);
      assertIs(await chpst(stage, ["-u", "alice:+", ...showStatus], { via }), 1001, 1001, [1001, ...many]);
      assertIs(await chpst(stage, ["-u", "bobby:+", ...showStatus], { via }), 1003, 1003, [1003, ...many]);
      assertIs(await chpst(stage, ["-u", "none:+", ...showStatus], { via }), 7, 8, [8]);
    },
    { ...ownMounts, only: "ours" },
  );

  story(
    "119b",
    "a + elsewhere is a group like any other, and no number",
    async (stage) => {
      const via = accounts(stage);
      for (const account of ["bob:+:grp", "+", "nosuch:+", "bob:nosuch:+", "bob:+x", "bob:++"]) {
        assertFails(await chpst(stage, ["-u", account, "true"], { via }), `unknown user/group: ${account}`);
      }
      for (const account of ["1:2:+", "1:+", "+"]) {
        assertFails(await chpst(stage, ["-u", `:${account}`, "true"], { via }), `invalid uid/gids: ${account}`);
      }
    },
    ownMounts,
  );
});
