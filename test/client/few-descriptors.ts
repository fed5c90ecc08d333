// Started with a low limit of descriptors: what the client says when there are none left.
//
//    few-descriptors.ts ready DIRECTORY SERVICE    waits until the service is ready, with two descriptors left
//    few-descriptors.ts log DIRECTORY FILE         follows a log directory, whose `current` becomes FILE when none is left

import * as fs from "node:fs";
import { ServiceError, Services } from "../../client/src/index.ts";

const [what, directory = "", name = ""] = process.argv.slice(2);
const services = new Services({ directory });
const taken: number[] = [];
const abort = new AbortController();

function takeAll(): void {
  try {
    for (;;) taken.push(fs.openSync("/dev/null", "r"));
  } catch {
    // none left
  }
}
function tell(error: unknown): void {
  console.log(error instanceof ServiceError ? `${error.code}: ${error.message}` : String(error));
}

if (what === "ready") {
  takeAll();
  for (const fd of taken.splice(-2)) fs.closeSync(fd); // what watching and looking take; a process wants more
  const answer = services.wait(name, "ready", { timeout: 1000 });
  await answer.then(([report]) => console.log(`ready: ${report?.line}`), tell);
} else {
  const lines = services.log("web", { directory, follow: true, signal: abort.signal });
  console.log((await lines.next()).value);
  const next = lines.next();
  takeAll();
  fs.renameSync(`${directory}/current`, `${directory}/${name}`);
  await next.then(({ value }) => console.log(value), tell);
}
