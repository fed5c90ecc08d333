// The client's rules are those of the programs: where both have one, they are asked the same on one machine.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Ground, Seen } from "../../client/src/places.ts";
import * as client from "../../client/src/places.ts";
import * as programs from "../../src/directories/state-root.ts";
import { SystemError } from "../../src/system/errors.ts";
import { Machine } from "../machine/machine.ts";

/** What the client sees of a machine. */
function groundOf(machine: Machine): Ground {
  const look = (path: string, follow: boolean): Seen | undefined => {
    const { errno, kind, uid, mode } = machine.stat(path, follow);
    return errno === 0 ? { isDirectory: kind === "directory", uid, mode } : undefined;
  };
  const account = (machine.content("/etc/passwd") ?? "")
    .split("\n")
    .find((line) => line.split(":")[2] === `${machine.uid}`);
  return {
    uid: machine.uid,
    accountHome: account?.split(":")[5] ?? "",
    environment: (name) => machine.environment(name) ?? "",
    readlink: (path) => machine.readlink(path).text,
    stat: (path) => look(path, true),
    lstat: (path) => look(path, false),
  };
}

/** "" where it cannot be told. */
function orNothing(call: () => string): string {
  try {
    return call();
  } catch (error: unknown) {
    if (error instanceof SystemError) return "";
    throw error;
  }
}

interface Scene {
  readonly title: string;
  readonly uid: number;
  readonly variables?: readonly string[];
  /** Path and owner. */
  readonly directories?: readonly (readonly [string, number, number?])[];
  readonly run?: string;
}

const bob = 1000;
const home = ["/home/bob", bob] as const;
const scenes: readonly Scene[] = [
  { title: "root", uid: 0 },
  { title: "root, a root named by a variable", uid: 0, variables: ["SVRUNDIR=/named"] },
  { title: "a relative variable counts for nothing", uid: 0, variables: ["SVRUNDIR=named", "TMPDIR=tmp"] },
  { title: "a link names the root", uid: 0, run: "/linked" },
  { title: "a relative link leads from the scan directory", uid: 0, run: "../linked" },
  { title: "a user", uid: bob, variables: ["HOME=/home/bob", "TMPDIR=/scratch"], directories: [home] },
  { title: "a user without HOME", uid: bob, directories: [home] },
  { title: "a user whose HOME is root's", uid: bob, variables: ["HOME=/root"], directories: [home, ["/root", 0]] },
  { title: "a user without an account", uid: 4711, variables: ["HOME=/home/bob/"], directories: [home] },
  { title: "nobody at all", uid: 4711 },
  { title: "a prepared directory", uid: bob, directories: [home, [`/run/sv-user/${bob}`, bob]] },
  { title: "a prepared directory of somebody else", uid: bob, directories: [home, [`/run/sv-user/${bob}`, 0]] },
  {
    title: "a runtime directory",
    uid: bob,
    variables: ["XDG_RUNTIME_DIR=/run/user/1000/"],
    directories: [home, ["/run/user/1000", bob, 0o700]],
  },
  {
    title: "a runtime directory that others may enter",
    uid: bob,
    variables: ["XDG_RUNTIME_DIR=/run/user/1000"],
    directories: [home, ["/run/user/1000", bob, 0o755]],
  },
  { title: "a state home", uid: bob, variables: ["XDG_STATE_HOME=/state/"], directories: [home, ["/state", bob]] },
  {
    title: "a state home of somebody else",
    uid: bob,
    variables: ["XDG_STATE_HOME=/state/deep"],
    directories: [home, ["/state", 33]],
  },
];

suite("where state is", () => {
  for (const { title, uid, variables = [], directories = [], run } of scenes) {
    test(title, () => {
      const machine = new Machine();
      machine.ownUid = uid;
      machine.entries.push(...variables);
      machine.file("/etc/passwd", `root:x:0:0::/root:/bin/sh\nbob:x:${bob}:${bob}::/home/bob:/bin/sh\n`);
      machine.directory("/scan");
      for (const [path, owner, mode = 0o700] of directories) {
        machine.directory(path);
        machine.setOwner(path, owner, owner);
        machine.chmod(path, mode);
      }
      if (run !== undefined) machine.link("/scan/.run", run);
      const ground = groundOf(machine);
      assert.equal(client.namedStateRoot(ground, "/scan"), programs.namedStateRoot(machine, "/scan"));
      assert.deepEqual(client.listStateRoots(ground), programs.listStateRoots(machine));
      const variable = ground.environment("SVRUNDIR");
      if (!variable.startsWith("/")) {
        assert.equal(
          client.defaultStateRoot(ground),
          orNothing(() => programs.defaultStateRoot(machine)),
        );
      }
      assert.equal(client.defaultLogDirectory(ground, "web"), programs.defaultLogDirectory(machine, "web"));
    });
  }
});
