// The rules and formats of src/core, worked over long pseudo-random runs, as a digest and samples. The native lane
// compares what this prints natively with what it prints under Node; under the sanitizers it is the long run.

import { parseOptions } from "../../src/core/process/options.ts";
import { decodeService, encodeService } from "../../src/core/supervise/handover.ts";
import { decodeRecord, encodeSupervisor, recordBytes, startTicksOf } from "../../src/core/supervise/record.ts";
import { describeMembers, describeState, quote } from "../../src/core/supervise/report.ts";
import { isStatusWord, judge, mustSend, parseRequest } from "../../src/core/supervise/requests.ts";
import type { Entry, Known } from "../../src/core/supervise/scan.ts";
import { planScan } from "../../src/core/supervise/scan.ts";
import type { Happening, Role, Service } from "../../src/core/supervise/service.ts";
import { newService } from "../../src/core/supervise/service.ts";
import { decodeStatus, describeAge, describeStat, encodeStatus } from "../../src/core/supervise/status.ts";
import type { Supervision } from "../../src/core/supervise/supervision.ts";
import { isOver, react } from "../../src/core/supervise/supervision.ts";
import { describeError } from "../../src/core/text/errors.ts";
import { leadingNumber } from "../../src/core/text/numbers.ts";
import { describeTai64n } from "../../src/core/text/tai64n.ts";

class Dice {
  #seed = 12345;
  /** 0 to below - 1. */
  roll(below: number): number {
    this.#seed = (this.#seed * 1103515245 + 12345) % 2147483648;
    return Math.floor(this.#seed / 65536) % below;
  }
}

class Digest {
  #value = 7;
  add(text: string): void {
    for (let i = 0; i < text.length; i++) this.#value = (this.#value * 31 + text.charCodeAt(i)) % 4294967291;
  }
  get value(): number {
    return this.#value;
  }
}

function happeningOf(dice: Dice, now: Service): Happening {
  const at = { seconds: 1700000000 + dice.roll(1000), nanoseconds: dice.roll(1000) * 1000000 };
  switch (dice.roll(6)) {
    case 0:
      return now.pid === 0
        ? { kind: "rested" }
        : {
            kind: "ended",
            at,
            exitCode: dice.roll(3),
            waitStatus: 0,
            young: dice.roll(2) === 0,
            hasFinish: dice.roll(2) === 0,
          };
    case 1:
      return now.script === "" ? { kind: "rested" } : { kind: "scripted", worked: dice.roll(2) === 0 };
    default:
      return { kind: "control", byte: "udoxtkpcahiq12z".charAt(dice.roll(15)) };
  }
}

function live(steps: number): void {
  const dice = new Dice();
  const digest = new Digest();
  let lives = 0;
  let pid = 100;
  const birth = { seconds: 1700000000, nanoseconds: 500 };
  let state: Supervision = {
    service: newService("service", "up", birth),
    log: newService("log", "up", birth),
    closed: false,
  };
  for (let step = 0; step < steps; step++) {
    if (isOver(state)) {
      lives++;
      state = { service: newService("service", "up", birth), log: newService("log", "up", birth), closed: false };
    }
    const of: Role = dice.roll(3) === 0 ? "log" : "service";
    const subject = of === "service" ? state.service : (state.log ?? state.service);
    const queue: { readonly of: Role; readonly happening: Happening }[] = [
      { of, happening: happeningOf(dice, subject) },
    ];
    for (;;) {
      const heard = queue.shift();
      if (heard === undefined) break;
      const reaction = react(state, heard.of, heard.happening);
      state = reaction.next;
      for (const deed of reaction.deeds) {
        digest.add(`${deed.of} ${deed.action.kind}`);
        if (deed.action.kind === "run" || deed.action.kind === "finish") {
          if (dice.roll(20) === 0) queue.push({ of: deed.of, happening: { kind: "unstartable" } });
          else queue.push({ of: deed.of, happening: { kind: "started", pid: ++pid, at: birth } });
        }
        if (deed.action.kind === "script" && dice.roll(2) === 0) {
          queue.push({ of: "service", happening: { kind: "scripted", worked: false } });
        }
      }
    }
    for (const service of [state.service, state.log ?? state.service]) {
      const line = encodeService(service);
      digest.add(line);
      const again = decodeService(line);
      if (again === undefined || encodeService(again) !== line) console.log(`handover differs: ${line}`);
      digest.add(describeStat(service));
      const status = decodeStatus(encodeStatus(service));
      if (status === undefined) console.log("status is lost");
      else digest.add(describeState("web", status, dice.roll(2) === 0, 1700001000));
    }
    if (step % Math.floor(steps / 10) === 0) console.log(step, encodeService(state.service));
  }
  console.log(`lives ${lives}, digest ${digest.value}`);
}

function formats(): void {
  const dice = new Dice();
  const digest = new Digest();
  for (let i = 0; i < 20000; i++) {
    const bytes = new Uint8Array(dice.roll(30));
    for (let k = 0; k < bytes.length; k++) bytes[k] = dice.roll(256);
    const status = decodeStatus(bytes);
    if (status !== undefined) {
      digest.add(describeAge(status, 1700000000));
      digest.add(describeMembers('a"\n\\', status, true, 1700000000));
      for (const word of ["u", "d", "tcu", "tc", "x", "C", "k", "o", "p"]) {
        digest.add(judge(word, status, i % 2 === 0));
        digest.add(mustSend(word, status) ? "send" : "keep");
      }
    }
    const long = new Uint8Array(recordBytes);
    for (let k = 0; k < long.length; k++) long[k] = dice.roll(256);
    const record = decodeRecord(long);
    if (record !== undefined)
      digest.add(`${record.pid} ${record.phase} ${record.bornBefore} ${record.pipe} ${quote(record.bootId)}`);
  }
  const supervisor = encodeSupervisor(42, 123456789012, "7:4000000000", "01234567-89ab-cdef-0123-456789abcdef");
  let text = "";
  for (let i = 0; i < supervisor.length; i++) text += `${supervisor[i] ?? 0},`;
  console.log(text);
  console.log(
    startTicksOf("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"),
    startTicksOf(""),
    startTicksOf(")"),
  );
  for (const time of [0, 1, 1700000000, 4294967295, 4294967296])
    console.log(describeTai64n({ seconds: time, nanoseconds: 999999500 }));
  for (const word of ["5", "", "x", "1.9", "-3", "5v", "99999999999999999999"]) console.log(leadingNumber(word));
  for (const errno of [0, 1, 2, 11, 40, 122, 9999]) console.log(describeError(errno));
  for (const words of [["-vw5", "up"], ["-w"], ["--", "-v"], ["--json", "-v", "x"], ["-q"], ["-w", "5", "-"], []]) {
    const options = parseOptions(words, "vw:V", ["--json"]);
    const given = options.given.map((option) => `${option.letter}=${option.value}`).join(",");
    console.log(`${given} [${options.longWords.join(",")}] [${options.rest.join(",")}] ${options.complaint}`);
  }
  const alphabet = "udoxtkpcahiq12sDTXEreflSb";
  let known = 0;
  for (let i = 0; i < alphabet.length; i++) {
    const request = parseRequest(alphabet.charAt(i));
    if (request !== undefined) known++;
    digest.add(`${request?.bytes ?? "?"} ${request?.waits ?? "?"} ${isStatusWord(alphabet.charAt(i), false)}`);
  }
  console.log(`known ${known}, digest ${digest.value}`);
}

function scans(): void {
  const dice = new Dice();
  const digest = new Digest();
  let known: readonly Known[] = [];
  for (let round = 0; round < 2000; round++) {
    const found: Entry[] = [];
    for (let i = dice.roll(12); i > 0; i--) found.push({ name: `n${dice.roll(30)}`, identity: `${dice.roll(15)}` });
    const plan = planScan(known, found, round * 300);
    digest.add(`${plan.start.map((one) => one.name).join()} ${plan.stop.map((one) => one.name).join()} ${plan.due}`);
    const next: Known[] = [];
    for (const one of plan.keep) {
      next.push({
        name: one.name,
        identity: one.identity,
        pid: dice.roll(4) === 0 ? 0 : one.pid,
        startedAt: one.startedAt,
      });
    }
    for (const one of plan.start)
      next.push({ name: one.name, identity: one.identity, pid: round + 1, startedAt: round * 300 });
    known = next;
  }
  console.log(`scans digest ${digest.value}, ${known.length} known`);
}

live(60000);
formats();
scans();
