// The golden table: what each control byte does in each phase. It is committed, so that a change of behaviour is a
// changed line. UPDATE_GOLDEN=1 writes it anew.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import type { Phase, Role, Service, Want } from "../../../../src/core/supervise/service.ts";
import { newService, react } from "../../../../src/core/supervise/service.ts";

const at = { seconds: 0, nanoseconds: 0 };

function words(service: Service): string {
  const flags = [
    service.paused ? "paused" : "",
    service.gotTerm ? "got TERM" : "",
    service.once ? "once" : "",
    service.starting ? "starting" : "",
    service.script === "" ? "" : `control/${service.script}`,
    service.steps.length > 1 ? `+${service.steps.length - 1}` : "",
  ];
  return [service.phase, `want ${service.want}`, ...flags.filter((flag) => flag !== "")].join(", ");
}

function table(): string {
  const lines = ["# role, phase, want, byte → next state ; actions (a control script that runs holds back the rest)"];
  for (const role of ["service", "log"] as Role[]) {
    for (const phase of ["down", "run", "finish"] as Phase[]) {
      if (role === "log" && phase === "finish") continue;
      for (const want of ["up", "down", "exit"] as Want[]) {
        for (const byte of "udoxtkpcahiq12z") {
          const resting = phase === "down" && want === "up";
          const pid = phase === "down" ? 0 : 7;
          const now: Service = { ...newService(role, want, at), phase, pid, resting };
          const { next, actions } = react(now, { kind: "control", byte });
          const deeds = actions.map((action) =>
            action.kind === "signal"
              ? action.signal
              : action.kind === "script"
                ? `control/${action.byte}`
                : action.kind,
          );
          lines.push(`${role} ${phase} ${want} ${byte} → ${words(next)} ; ${deeds.join(", ") || "-"}`);
        }
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

test("the table of control bytes is the one that was agreed on", (context) => {
  const file = path.join(import.meta.dirname, "golden-table.txt");
  if (process.env["UPDATE_GOLDEN"] === "1") fs.writeFileSync(file, table());
  context.diagnostic(`counts: golden steps=${table().trimEnd().split("\n").length - 1}`);
  assert.equal(table(), fs.readFileSync(file, "utf8"));
});
