import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeService, encodeService } from "../../../../src/core/supervise/handover.ts";
import type { Happening, Service } from "../../../../src/core/supervise/service.ts";
import { newService, react } from "../../../../src/core/supervise/service.ts";

test("every state that can be reached survives a restart in place", (context) => {
  const at = { seconds: 1700000000, nanoseconds: 123 };
  const happenings: Happening[] = [
    { kind: "begin" },
    ..."udoxtkpcahiq12".split("").map((byte): Happening => ({ kind: "control", byte })),
    { kind: "started", pid: 42, at },
    { kind: "unstartable" },
    { kind: "ended", at, exitCode: -1, waitStatus: 134, young: true, hasFinish: true },
    { kind: "ended", at, exitCode: 3, waitStatus: 0, young: false, hasFinish: false },
    { kind: "scripted", worked: false },
    { kind: "rested" },
  ];
  const seen = new Set<string>();
  const work: Service[] = [newService("service", "up", at), newService("log", "down", at)];
  for (let service = work.pop(); service !== undefined; service = work.pop()) {
    const line = encodeService(service);
    if (seen.has(line) || service.steps.length > 3) continue;
    seen.add(line);
    assert.deepEqual(decodeService(line), { ...service, starting: false });
    for (const happening of happenings) work.push(react(service, happening).next);
  }
  context.diagnostic(`counts: kept states=${seen.size} steps=${seen.size * happenings.length}`);
  assert.ok(seen.size > 500, `${seen.size} states`);
});

test("what is no such line is nothing", () => {
  for (const line of [
    "",
    "service",
    "service down up 1 00000 0 0 0 0 -",
    "web down up 1 00000 0 0 0 0 - -",
    "service up up 1 00000 0 0 0 0 - -",
  ]) {
    assert.equal(decodeService(line), undefined, line);
  }
});
