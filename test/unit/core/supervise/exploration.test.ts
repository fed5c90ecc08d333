// Every reachable state of a service and its log service, under every happening in every order. The world around the
// machine is modelled: which processes live, which script runs, who rests. Invariants are checked in each state.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Happening, Role, Service, Timestamp, Want } from "../../../../src/core/supervise/service.ts";
import { newService } from "../../../../src/core/supervise/service.ts";
import type { Supervision } from "../../../../src/core/supervise/supervision.ts";
import { isOver, react } from "../../../../src/core/supervise/supervision.ts";

const then: Timestamp = { seconds: 0, nanoseconds: 0 };
/** Bytes come only while fewer steps than this wait: the engine has the same rule with a larger number. */
const fewSteps = 4;

/** What lives outside the machine. */
interface World {
  readonly state: Supervision;
  /** Living processes of each role. */
  readonly service: number;
  readonly log: number;
  readonly isScriptRunning: boolean;
  readonly rests: { readonly service: boolean; readonly log: boolean };
  readonly isPipeOpen: boolean;
  /** What status says: phase, want, pid, flags. */
  readonly published: { readonly service: string; readonly log: string };
  /** ./finish lives instead of ./run. */
  readonly isFinish: boolean;
}

interface Event {
  readonly of: Role;
  readonly happening: Happening;
  readonly name: string;
}

function stateText(service: Service): string {
  const flags = `${service.paused ? "P" : ""}${service.gotTerm ? "T" : ""}`;
  return `${service.phase} ${service.want} ${service.pid} ${flags}`;
}

function keyOf(world: World): string {
  const text = (service: Service): string =>
    `${stateText(service)} ${service.once}${service.resting}${service.held}${service.starting} ${service.script} ${JSON.stringify(service.steps)}`;
  return [
    text(world.state.service),
    world.state.log === undefined ? "-" : text(world.state.log),
    world.state.closed,
    world.service,
    world.log,
    world.isScriptRunning,
    world.rests.service,
    world.rests.log,
    world.published.service,
    world.published.log,
  ].join("|");
}

/** Which happenings the outside can produce now. */
function eventsOf(world: World, bytes: string, canFail: boolean): Event[] {
  const events: Event[] = [];
  const add = (of: Role, happening: Happening, name: string): void => {
    events.push({ of, happening, name: `${of} ${name}` });
  };
  const roles: Role[] = world.state.log === undefined ? ["service"] : ["service", "log"];
  for (const role of roles) {
    const service = role === "service" ? world.state.service : world.state.log;
    if (service === undefined) continue;
    if (service.steps.length < fewSteps) {
      for (const byte of bytes) add(role, { kind: "control", byte }, byte);
    }
    if (world[role] > 0) {
      for (const young of [true, false]) {
        for (const hasFinish of role === "service" && !world.isFinish ? [true, false] : [false]) {
          const ended: Happening = { kind: "ended", at: then, exitCode: 0, waitStatus: 0, young, hasFinish };
          add(role, ended, `ended ${young ? "young" : "old"} ${hasFinish ? "finish" : ""}`);
        }
      }
      if (canFail) add(role, { kind: "refused", signal: "TERM", isForbidden: true }, "refused");
    }
    if (world.rests[role]) add(role, { kind: "rested" }, "rested");
  }
  if (world.isScriptRunning) {
    add("service", { kind: "scripted", worked: true }, "script worked");
    add("service", { kind: "scripted", worked: false }, "script failed");
  }
  return events;
}

/** Hears one event and does what the machine asks, as the engine does. `canStart`: whether processes can be had. */
function hear(world: World, event: Event, canStart: boolean, hasScripts: boolean): World {
  let { state, service, log, isScriptRunning, rests, isPipeOpen, published, isFinish } = world;
  if (event.happening.kind === "ended") {
    if (event.of === "service") service--;
    else log--;
  }
  if (event.happening.kind === "rested") rests = { ...rests, [event.of]: false };
  if (event.happening.kind === "scripted") isScriptRunning = false;
  const queue: { readonly of: Role; readonly happening: Happening }[] = [event];
  for (let heard = queue.shift(); heard !== undefined; heard = queue.shift()) {
    const reaction = react(state, heard.of, heard.happening);
    state = reaction.next;
    for (const { of, action } of reaction.deeds) {
      switch (action.kind) {
        case "publish": {
          const subject = of === "service" ? state.service : state.log;
          assert.ok(subject);
          published = { ...published, [of]: stateText(subject) };
          break;
        }
        case "run":
        case "finish":
          if (!canStart) {
            queue.push({ of, happening: { kind: "unstartable" } });
            break;
          }
          if (of === "service") {
            assert.ok(isPipeOpen, "a service is started with its log pipe open");
            service++;
            isFinish = action.kind === "finish";
          } else {
            assert.ok(isPipeOpen, "a log service is started with its pipe open");
            log++;
          }
          queue.push({ of, happening: { kind: "started", pid: 7, at: then } });
          break;
        case "script":
          assert.ok(!isScriptRunning, "one control script at a time");
          if (hasScripts) isScriptRunning = true;
          else queue.push({ of: "service", happening: { kind: "scripted", worked: false } });
          break;
        case "drop script":
          assert.ok(isScriptRunning, "only a running script is dropped");
          isScriptRunning = false;
          break;
        case "signal":
          assert.ok((of === "service" ? service : log) > 0, "signals go to living processes");
          assert.ok(of === "log" || !isFinish, "./finish is never signalled");
          break;
        case "rest":
          rests = { ...rests, [of]: true };
          break;
        case "close pipe":
          assert.equal(service, 0, "the log pipe is closed only when the service has ended");
          isPipeOpen = false;
          break;
        case "open pipe":
          assert.ok(!isPipeOpen && log === 0, "a new pipe only for a new log service");
          isPipeOpen = true;
          break;
      }
    }
  }
  return { state, service, log, isScriptRunning, rests, isPipeOpen, published, isFinish };
}

function check(world: World, path: () => string): void {
  const { state } = world;
  const because = (what: string): string => `${what}\n${path()}`;
  for (const role of ["service", "log"] as const) {
    const subject = role === "service" ? state.service : state.log;
    if (subject === undefined) continue;
    assert.ok(world[role] <= 1, because(`at most one process per ${role}`));
    assert.equal(subject.pid !== 0, world[role] === 1, because(`no ${role} process is forgotten, none is imagined`));
    if (subject.phase === "down") assert.equal(subject.pid, 0, because("down has no process"));
    assert.equal(world.published[role], stateText(subject), because(`the status of the ${role} is its state`));
    assert.ok(subject.steps.length < 64, because("steps are bounded"));
    if (subject.script !== "") assert.ok(world.isScriptRunning, because("a script that is waited for runs"));
    if (subject.resting) assert.ok(world.rests[role], because("who rests will be woken"));
    assert.ok(!subject.starting, because("no start is left open"));
  }
  if (state.log !== undefined && world.service > 0 && state.closed) {
    assert.fail(because("the log pipe is never closed while the service may write"));
  }
  // Nothing wanted is left lying: whoever wants up runs, or something that will come leads there.
  const service = state.service;
  if ((service.want === "up" || service.once) && service.phase === "down") {
    const isComing = service.resting || service.script !== "" || service.held || service.steps.length > 0;
    assert.ok(isComing, because("a wanted start comes"));
  }
}

/** No command is lost: what a byte asks for stands in the next state. */
function checkCommand(before: World, event: Event, after: World, path: () => string): void {
  if (event.happening.kind !== "control") return;
  const old = event.of === "service" ? before.state.service : before.state.log;
  const now = event.of === "service" ? after.state.service : after.state.log;
  assert.ok(old && now);
  if (event.of === "log" && (old.want === "exit" || now.want === "exit")) return; // on its way out with its service
  const becomes: Record<string, Want> = { u: "up", d: "down", o: "down", x: event.of === "log" ? old.want : "exit" };
  const want = becomes[event.happening.byte];
  if (want !== undefined) assert.equal(now.want, want, `${event.happening.byte} is obeyed\n${path()}`);
  if (event.happening.byte === "o") assert.ok(now.once || now.phase === "run", `o starts it once\n${path()}`);
  const isStopped = now.gotTerm || now.steps.some((step) => step.kind === "script" && step.byte === "t");
  if (
    "tdx".includes(event.happening.byte) &&
    old.phase === "run" &&
    !(event.of === "log" && event.happening.byte === "x")
  ) {
    assert.ok(isStopped, `${event.happening.byte} sends TERM, now or behind what waits\n${path()}`);
  }
}

interface Setting {
  readonly withLog: boolean;
  readonly want: Want;
  readonly bytes: string;
  readonly hasScripts: boolean;
  readonly canStart: readonly boolean[];
}

function explore(setting: Setting): { readonly states: number; readonly steps: number } {
  const start: World = {
    state: {
      service: newService("service", setting.want, then),
      log: setting.withLog ? newService("log", "up", then) : undefined,
      closed: false,
    },
    service: 0,
    log: 0,
    isScriptRunning: false,
    rests: { service: false, log: false },
    isPipeOpen: true,
    published: { service: `down ${setting.want} 0 `, log: "down up 0 " },
    isFinish: false,
  };
  const first = setting.withLog ? hear(start, begin("log"), true, setting.hasScripts) : start;
  const root = hear(first, begin("service"), true, setting.hasScripts);
  const seen = new Map<string, { readonly from: string; readonly by: string }>();
  const ends = new Map<string, string[]>(); // who leads here
  const queue: World[] = [root];
  seen.set(keyOf(root), { from: "", by: "begin" });
  let steps = 0;
  const over: string[] = [];
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    const key = keyOf(world);
    const path = (): string => {
      const names: string[] = [];
      for (let at = key; at !== ""; at = seen.get(at)?.from ?? "") names.unshift(seen.get(at)?.by ?? "");
      return names.join(" → ");
    };
    check(world, path);
    if (isOver(world.state)) {
      assert.equal(world.service + world.log, 0, `over, and a process left: ${path()}`);
      over.push(key);
      continue;
    }
    for (const event of eventsOf(world, setting.bytes, setting.canStart.length > 1)) {
      for (const canStart of setting.canStart) {
        steps++;
        let next: World;
        try {
          next = hear(world, event, canStart, setting.hasScripts);
        } catch (error) {
          throw new Error(`${String(error)}\n${path()} → ${event.name}`);
        }
        checkCommand(world, event, next, () => `${path()} → ${event.name}`);
        const nextKey = keyOf(next);
        const isAnswered = event.happening.kind !== "control";
        if (isAnswered) {
          const from = ends.get(nextKey);
          if (from === undefined) ends.set(nextKey, [key]);
          else from.push(key);
        }
        if (seen.has(nextKey)) continue;
        seen.set(nextKey, { from: key, by: event.name });
        queue.push(next);
      }
    }
  }
  // Told to exit, it ends without another word from anybody: from each such state "over" can be reached by what the
  // world does of itself (processes end, scripts end, rests are over).
  const canEnd = new Set(over);
  const work = [...over];
  for (let key = work.pop(); key !== undefined; key = work.pop()) {
    for (const from of ends.get(key) ?? []) {
      if (canEnd.has(from)) continue;
      canEnd.add(from);
      work.push(from);
    }
  }
  for (const key of seen.keys()) {
    if (/^\w+ exit /.test(key)) assert.ok(canEnd.has(key), `told to exit, and never over: ${key}`);
  }
  return { states: seen.size, steps };
}

function begin(of: Role): Event {
  return { of, happening: { kind: "begin" }, name: "begin" };
}

suite("every reachable state of a service and its log service", () => {
  const settings: readonly (readonly [string, Setting])[] = [
    [
      "alone, every byte",
      { withLog: false, want: "up", bytes: "udoxtkpcahiq12z", hasScripts: false, canStart: [true] },
    ],
    [
      "alone, with control scripts",
      { withLog: false, want: "up", bytes: "udoxtkpch", hasScripts: true, canStart: [true] },
    ],
    ["alone, starting down", { withLog: false, want: "down", bytes: "udoxtkpc", hasScripts: true, canStart: [true] }],
    [
      "alone, processes run out",
      { withLog: false, want: "up", bytes: "udoxtk", hasScripts: false, canStart: [true, false] },
    ],
    ["with a log service", { withLog: true, want: "up", bytes: "udoxtkpc", hasScripts: false, canStart: [true] }],
    [
      "with a log service and control scripts",
      { withLog: true, want: "up", bytes: "udoxtk", hasScripts: true, canStart: [true] },
    ],
    [
      "with a log service, processes run out",
      { withLog: true, want: "up", bytes: "udox", hasScripts: false, canStart: [true, false] },
    ],
  ];
  for (const [name, setting] of settings) {
    test(name, (context) => {
      const { states, steps } = explore(setting);
      context.diagnostic(`counts: explored states=${states} steps=${steps}`);
      assert.ok(states >= 20);
    });
  }
});
