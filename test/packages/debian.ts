// A clean Debian (scripts/fetch-root) that a test may change: build/root/base under a layer in memory, in namespaces that end
// with the test. No network but its own, unless said otherwise.
import { execFile, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isRoot, missing } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
const base = path.join(root, "build/root/base");

const cannotFetch = () => {
  const fetched = spawnSync(path.join(root, "scripts/fetch-root"), { encoding: "latin1" });
  return fetched.status !== 0 && fetched.stderr.trim();
};
/** For `skip`. */
export const noDebian: string | false =
  (!isRoot && "only root can enter another root") || missing("unshare") || cannotFetch();

export interface DebianOptions {
  /** Files that it finds in /mnt. */
  readonly files: readonly string[];
  readonly network?: boolean;
  /** Directories of this machine, and where they are there. */
  readonly mounts?: readonly (readonly [from: string, to: string])[];
  /** Instead of a Debian: nothing but what the script, which is run outside, puts below $ROOT. */
  readonly empty?: boolean;
}

export interface Ended {
  readonly out: string;
  readonly err: string;
  /** Exit code; -1: killed, by a signal or because it took too long. */
  readonly code: number;
}

/** Carries out a shell script in there. */
export async function inDebian(script: string, options: DebianOptions): Promise<Ended> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "debian."));
  try {
    fs.mkdirSync(path.join(directory, "files"));
    fs.mkdirSync(path.join(directory, "machine"));
    for (const file of options.files) fs.copyFileSync(file, path.join(directory, "files", path.basename(file)));
    fs.writeFileSync(path.join(directory, "script"), script);
    const network = options.network === true ? [] : ["--net"];
    const words = [
      "--mount",
      "--pid",
      ...network,
      "--fork",
      "--kill-child",
      "/bin/sh",
      "-eu",
      "-c",
      setUp(options),
      "sh",
    ];
    const settings = {
      encoding: "latin1",
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8" },
      timeout: 100_000,
      killSignal: "SIGKILL",
    } as const;
    return await new Promise((resolve) => {
      const child = execFile("unshare", [...words, directory], settings, (error, out, err) => {
        resolve({ out, err, code: error === null ? 0 : typeof error.code === "number" ? error.code : -1 });
      });
      child.stdin?.end();
    });
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function setUp(options: DebianOptions): string {
  const mounts = (options.mounts ?? []).map(
    ([from, to]) => `mkdir -p "$ROOT${to}"\nmount --bind '${from}' "$ROOT${to}"\n`,
  );
  const root =
    options.empty === true
      ? 'mkdir "$ROOT"'
      : `mkdir upper work root\nmount -t overlay -o lowerdir=${base},upperdir=upper,workdir=work overlay "$ROOT"`;
  return `
cd "$1/machine"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs .
cd "$1/machine"
export ROOT="$PWD/root" FILES="$1/files"
${root}
mkdir -p "$ROOT/proc" "$ROOT/dev" "$ROOT/mnt"
mount -t proc proc "$ROOT/proc"
mount --bind /dev "$ROOT/dev"
${mounts.join("")}
${options.empty === true ? 'exec sh -eu "$1/script"' : 'cp -R "$FILES/." "$ROOT/mnt"\ncp "$1/script" "$ROOT/script"\nexec chroot "$ROOT" /bin/sh -eu /script'}
`;
}
