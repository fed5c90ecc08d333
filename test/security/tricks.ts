// What the stories of security have in common: another user of the machine, who prepares what programs of root will meet.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Running, Stage, StoryOptions } from "../conformance/stage.ts";
import { isRoot } from "../conformance/stage.ts";

/** An account that nothing belongs to. */
export const mallory = 40666;
export const told: StoryOptions = { skip: isRoot ? false : "needs root, whom another user attacks" };
export const toldOfUs: StoryOptions = { ...told, only: "ours" };
/** So long something may take that a trick could stop for ever. */
export const trickMilliseconds = 10_000;

/** What the other user does, in the directory of the stage. */
export async function asMallory(stage: Stage, commands: string): Promise<void> {
  const { code, err } = await stage.sh(`set -e\n${commands}`, { uid: mallory, gid: mallory });
  assert.equal(code, 0, `as the other user: ${commands}: ${err}`);
}
/** Makes a directory that the other user owns. */
export function giveDirectory(stage: Stage, name: string): string {
  fs.mkdirSync(stage.at(name), { recursive: true });
  fs.chownSync(stage.at(name), mallory, mallory);
  return stage.at(name);
}

/** A file that only root has to do with. */
export class Treasure {
  readonly path: string;
  readonly #before: string;

  constructor(stage: Stage) {
    fs.mkdirSync(stage.at("treasury"), { mode: 0o755 });
    this.path = stage.file("treasury/treasure", "Only root writes here.\n", 0o600);
    this.#before = this.#look();
  }
  #look(): string {
    const { mode, uid, gid, ino, nlink } = fs.statSync(this.path);
    return `${[mode, uid, gid, ino, nlink].join(" ")}\n${fs.readFileSync(this.path, "latin1")}`;
  }
  get isUntouched(): boolean {
    return this.#look() === this.#before;
  }
  assertUntouched(): void {
    assert.equal(this.#look(), this.#before, "the file of root is as it was");
  }
}

/** A service of root's whose supervise directory belongs to somebody else, as where they are to control it. */
export function layShared(stage: Stage, files: Readonly<Record<string, string>> = {}): void {
  stage.service("s", { run: "echo up >>../ups\nexec sleep 1000", ...files });
  giveDirectory(stage, "s/supervise");
}
/** runsv on it; answered as soon as its service runs, or it has ended with a word about why. */
export async function superviseShared(stage: Stage): Promise<Running> {
  const runsv = stage.start("runsv", ["s"]);
  await stage.until(
    "the service runs, or runsv says why not",
    () => stage.exists("ups") || !runsv.isAlive,
    trickMilliseconds,
  );
  if (!runsv.isAlive) assert.match((await runsv.ended).err, /^runsv s: fatal: /);
  return runsv;
}

/** A record of supervise/child that says: this process is the service, and that its supervisor. */
export function forgeRecord(pid: number, supervisor: number): Buffer {
  const record = Buffer.alloc(92);
  const uptime = Number(fs.readFileSync("/proc/uptime", "latin1").split(" ")[0]);
  const bornBefore = BigInt(Math.ceil(uptime * 1000) + 1000);
  record.writeUInt32LE(pid, 0);
  record.writeUInt32LE(1, 4);
  record.writeBigUInt64LE(bornBefore, 8);
  record.writeBigUInt64LE(BigInt(Math.floor(Date.now() / 1000)), 16);
  record.writeUInt32LE(supervisor, 32);
  record.writeBigUInt64LE(bornBefore, 40);
  record.write(fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 36), 56, "latin1");
  return record;
}

/** Whether all below a directory is as it should be that anybody may look at and only root may change. */
export function listFaults(directory: string): string[] {
  const faults: string[] = [];
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const { mode } = fs.lstatSync(path.join(directory, name));
    if ((mode & fs.constants.S_IFMT) === fs.constants.S_IFLNK) continue;
    if ((mode & 0o6022) !== 0) faults.push(`${(mode & 0o7777).toString(8)} ${name}`);
  }
  return faults;
}
