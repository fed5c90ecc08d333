// Programs for arm64 on this machine: the kernel hands them to qemu-user while this is registered, in any root directory.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isRoot } from "../conformance/stage.ts";

/** Under this name it knows that argv[0] comes with the call. */
const emulator = "/usr/libexec/qemu-binfmt/aarch64-binfmt-P";
/** The header of such a program, and which bits of it count. */
const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
const name = "runit-ts-arm64";

/** For `skip`. */
export const noEmulator: string | false =
  process.arch !== "arm64" &&
  ((!isRoot && "only root can register an emulator") || (!fs.existsSync(emulator) && "needs qemu-user-static"));

/** Registers it until the answer is called. Flags: the emulator is opened now (F), and learns argv[0] (P). */
export function emulateArm64(): () => void {
  const at = fs.mkdtempSync(path.join(os.tmpdir(), "binfmt."));
  const mounted = spawnSync("mount", ["-t", "binfmt_misc", "none", at], { encoding: "utf8" });
  if (mounted.status !== 0) {
    fs.rmdirSync(at);
    throw new Error(mounted.stderr);
  }
  const others = fs
    .readdirSync(at)
    .filter((entry) => entry !== "register" && entry !== "status")
    .filter((entry) =>
      fs.readFileSync(path.join(at, entry), "latin1").includes("7f454c460201010000000000000000000200b700"),
    );
  if (others.length === 0) fs.writeFileSync(path.join(at, "register"), `:${name}:M::${magic}:${mask}:${emulator}:PF`);
  return () => {
    if (others.length === 0) fs.writeFileSync(path.join(at, name), "-1");
    spawnSync("umount", [at]);
    fs.rmdirSync(at);
  };
}
