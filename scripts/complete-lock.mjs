// Run after every `npm install` that changes the lock file.
//
// scriptc and biome name one optional package per platform. A registry that lacks some of them makes npm leave those
// out of the lock file, and `npm ci` then refuses it. Naming them (platform only, nothing to fetch) keeps it happy.
import { readFileSync, writeFileSync } from "node:fs";

const file = "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const packages = lock.packages;
for (const parent of Object.values(packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const platform = /-(android|darwin|freebsd|linux|win32)-(x64|arm64)/.exec(name);
    if (packages[key] || !platform) continue;
    packages[key] = {
      version,
      cpu: [platform[2]],
      ...(parent.dev ? { dev: true } : {}),
      ...(parent.license ? { license: parent.license } : {}),
      optional: true,
      os: [platform[1]],
    };
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
