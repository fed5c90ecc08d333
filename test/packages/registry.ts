// A registry of npm packages on the loopback: what `npm install` asks of one, for a few packed files.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as path from "node:path";

export interface Registry {
  readonly url: string;
  close(): void;
}

/** Serves the packages that `npm pack` made. */
export async function serveRegistry(packages: readonly string[]): Promise<Registry> {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? "").slice(1));
    const file = packages.find((packed) => path.basename(packed) === name);
    if (file !== undefined) return response.end(fs.readFileSync(file));
    const packed = packages.find((one) => manifestOf(one).name === name);
    if (packed === undefined) return response.writeHead(404).end("{}");
    const manifest = manifestOf(packed);
    const dist = { tarball: `${url}/${path.basename(packed)}`, integrity: integrityOf(packed) };
    const { version } = manifest;
    const answer = { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
    return response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function manifestOf(packed: string): { name: string; version: string } {
  return JSON.parse(spawnSync("tar", ["-xzOf", packed, "package/package.json"], { encoding: "utf8" }).stdout);
}

function integrityOf(packed: string): string {
  return `sha512-${createHash("sha512").update(fs.readFileSync(packed)).digest("base64")}`;
}
