// The rules and formats of src/core, worked over long pseudo-random runs, as a digest and samples. The native lane
// compares what this prints natively with what it prints under Node; under the sanitizers it is the long run.

import { decodeBoot, encodeBoot } from "../../src/core/boot/handover.ts";
import type { BootHappening } from "../../src/core/boot/stages.ts";
import { newBoot, reactBoot } from "../../src/core/boot/stages.ts";
import type { Cause, Course } from "../../src/core/container/ending.ts";
import { describeEnding, exitCodeOf } from "../../src/core/container/ending.ts";
import {
  decodeCause,
  decodeLife,
  decodeStop,
  encodeCause,
  encodeLife,
  encodeStop,
} from "../../src/core/container/handover.ts";
import { describeHead, describeObjectHead, maxEscape, putEscaped } from "../../src/core/container/lines.ts";
import { ContainerOptions, parseSeconds, setOption } from "../../src/core/container/options.ts";
import {
  describeFact,
  describeReport,
  findIllness,
  findUnreadiness,
  parseReport,
} from "../../src/core/container/report.ts";
import { describePlan, hurry, reactStop, requestStop } from "../../src/core/container/stop.ts";
import { parseLogConfig } from "../../src/core/log/config.ts";
import type { Rule } from "../../src/core/log/pattern.ts";
import { matches, Selection } from "../../src/core/log/pattern.ts";
import { checksumOf, decodeProgress, encodeProgress, lengthOf, Progress } from "../../src/core/log/progress.ts";
import { Replacement } from "../../src/core/log/replacement.ts";
import { bytesToLineEnd, isLabel, isSavedName, labelOf, nextLabel } from "../../src/core/log/rotation.ts";
import { describeStamp, utc } from "../../src/core/log/stamp.ts";
import { fieldsOf, hasMember, parseGroup, parsePasswd } from "../../src/core/process/account-lines.ts";
import { parseAccount } from "../../src/core/process/accounts.ts";
import { parseCapabilities } from "../../src/core/process/capabilities.ts";
import { exchangeNul, valueLength } from "../../src/core/process/environment.ts";
import { placeOf, resourcesOf, softLimit } from "../../src/core/process/limits.ts";
import { baseName, toolName } from "../../src/core/process/names.ts";
import { parseOptions } from "../../src/core/process/options.ts";
import { describeSignal, parseStopSignal, signalNumber } from "../../src/core/process/signals.ts";
import { encodeLogout, isLoginOn, markLogout, utmpBytes } from "../../src/core/process/utmp.ts";
import { decodeService, encodeService } from "../../src/core/supervise/handover.ts";
import { decodeRecord, encodeSupervisor, recordBytes, startTicksOf } from "../../src/core/supervise/record.ts";
import { describeMembers, describeState, noRemark, quote } from "../../src/core/supervise/report.ts";
import { isStatusWord, judge, mustSend, parseRequest } from "../../src/core/supervise/requests.ts";
import type { Entry, Known } from "../../src/core/supervise/scan.ts";
import { planScan } from "../../src/core/supervise/scan.ts";
import type { Happening, Role, Service } from "../../src/core/supervise/service.ts";
import { newService } from "../../src/core/supervise/service.ts";
import { decodeStatus, describeAge, describeStat, encodeStatus } from "../../src/core/supervise/status.ts";
import type { Supervision } from "../../src/core/supervise/supervision.ts";
import { isOver, react } from "../../src/core/supervise/supervision.ts";
import { describeError } from "../../src/core/text/errors.ts";
import { isAbove, leadingNumber, parseSigned, parseWord } from "../../src/core/text/numbers.ts";
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
      else digest.add(describeState("web", status, dice.roll(2) === 0, 1700001000, noRemark()));
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
    const options = parseOptions(words, "vw:V", ["--json", "--level:"]);
    const given = options.given.map((option) => `${option.letter}=${option.value}`).join(",");
    console.log(`${given} [${options.endedBy}] [${options.rest.join(",")}] ${options.complaint}`);
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
    for (let i = dice.roll(12); i > 0; i--) {
      const name = `n${dice.roll(30)}`;
      const identity = `${dice.roll(15)}`;
      found.push({ name, key: round < 1000 ? identity : name, identity });
    }
    const plan = planScan(known, found, round * 300);
    digest.add(
      `${plan.start.map((one) => one.name).join()} ${plan.stop.map((one) => one.name).join()} ${plan.due} ${plan.replaced.length}`,
    );
    const next: Known[] = [];
    for (const one of plan.keep) {
      next.push({
        name: one.name,
        key: one.key,
        identity: one.identity,
        pid: dice.roll(4) === 0 ? 0 : one.pid,
        startedAt: one.startedAt,
      });
    }
    for (const one of plan.start)
      next.push({ name: one.name, key: one.key, identity: one.identity, pid: round + 1, startedAt: round * 300 });
    known = next;
  }
  console.log(`scans digest ${digest.value}, ${known.length} known`);
}

function bytesOf(dice: Dice, length: number, alphabet: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = alphabet.charCodeAt(dice.roll(alphabet.length));
  return bytes;
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}

function patterns(): void {
  const dice = new Dice();
  const digest = new Digest();
  let matched = 0;
  for (let turn = 0; turn < 20000; turn++) {
    const pattern = bytesOf(dice, dice.roll(6), "ab*+");
    const line = bytesOf(dice, dice.roll(6), "ab*+");
    if (matches(pattern, 0, pattern.length, line, 0, line.length)) {
      matched++;
      digest.add(`${textOf(pattern)} ${textOf(line)}`);
    }
    const rules: Rule[] = [];
    for (let i = dice.roll(5); i > 0; i--) {
      const text = textOf(bytesOf(dice, dice.roll(4), "ab*+"));
      if (dice.roll(2) === 0) rules.push({ kind: "+", pattern: text });
      else rules.push({ kind: "-", pattern: text });
    }
    const selection = new Selection(rules, "+", "-", true);
    digest.add(`${selection.selects(line, 0, line.length)} ${selection.selects(line, 1, line.length)}`);
  }
  console.log(`${matched} matches, digest ${digest.value}`);
}

function configs(): void {
  const dice = new Dice();
  const digest = new Digest();
  const source =
    "#all\ns100k\nn5\nN2\nt5m\nS1m\nm0640\nz\n!gzip -1\nu1.2.3.4:514\nU9.8.7.6\npweb: \n-*d*\n+a\ne*e*\nEok\n";
  for (let turn = 0; turn < 5000; turn++) {
    let text = source;
    for (let change = dice.roll(5); change > 0; change--) {
      const at = dice.roll(text.length);
      const byte = String.fromCharCode(dice.roll(256));
      const kind = dice.roll(3);
      text = text.slice(0, at) + (kind === 0 ? "" : byte) + text.slice(kind === 1 ? at : at + 1);
    }
    const one = parseLogConfig(text);
    digest.add(`${one.maxBytes} ${one.maxFiles} ${one.minFiles} ${one.maxSeconds} ${one.totalBytes} ${one.mode}`);
    digest.add(`${one.localTime} ${one.processor} ${one.prefix} ${one.udp.address}:${one.udp.port} ${one.udpOnly}`);
    for (const rule of one.rules) digest.add(`${rule.kind} ${rule.pattern}`);
    for (const complaint of one.complaints) digest.add(complaint);
    digest.add(`${checksumOf(text)}`);
    if (turn % 500 === 0) console.log(one.rules.length, one.complaints.length, one.udp.port, checksumOf(text));
  }
  console.log(`configs digest ${digest.value}`);
}

function stamps(): void {
  const dice = new Dice();
  const digest = new Digest();
  let newest = "";
  for (let turn = 0; turn < 20000; turn++) {
    const time = { seconds: dice.roll(32768) * 120000 + dice.roll(32768), nanoseconds: dice.roll(32768) * 30500 };
    const zone = turn % 2 === 0 ? utc : (dice.roll(57) - 24) * 1800;
    digest.add(describeStamp("none", time, zone) + describeStamp("tai", time, zone));
    digest.add(describeStamp("underscore", time, zone) + describeStamp("T", time, zone));
    newest = nextLabel(time, dice.roll(10) === 0 ? "" : newest);
    digest.add(`${newest} ${isLabel(newest)} ${isSavedName(`${newest}.u`)} ${labelOf(`${newest}.u`)}`);
    digest.add(`${bytesToLineEnd(dice.roll(5000), dice.roll(2000), dice.roll(5000))}`);
    if (turn % 2000 === 0) console.log(describeStamp("T", time, zone), newest);
  }
  console.log(nextLabel({ seconds: 1, nanoseconds: 0 }, "@400000007fffff0fffffffff"), isLabel("@4x"), digest.value);
}

function replacements(): void {
  const dice = new Dice();
  const digest = new Digest();
  for (let turn = 0; turn < 3000; turn++) {
    const bytes = new Uint8Array(dice.roll(60));
    for (let i = 0; i < bytes.length; i++) bytes[i] = dice.roll(8) === 0 ? 10 : dice.roll(256);
    const one = new Replacement(dice.roll(2) === 0 ? "_" : "\xff", textOf(bytesOf(dice, dice.roll(3), "abc")));
    one.apply(bytes, dice.roll(bytes.length + 1), 1 + dice.roll(20), dice.roll(25));
    digest.add(textOf(bytes));
  }
  console.log(`replacements digest ${digest.value}`);
}

function describeProgress(one: Progress): string {
  const times = [one.time, one.sinceBefore, one.sinceAfter].map((time) => `${time.seconds}.${time.nanoseconds}`);
  const numbers = [one.checksum, one.input, one.current, one.position, one.end, one.done, one.bytes, one.from, one.to];
  const states = `${one.line} ${one.lineAfter} ${one.isWhole} ${one.isLeading} ${one.isTaken}`;
  const texts = `${textOf(one.sample)}|${textOf(one.carriedBefore)}|${textOf(one.carriedAfter)}`;
  return `${one.boot} ${times.join(" ")} ${numbers.join(" ")} ${states} ${texts}`;
}

function progress(): void {
  const dice = new Dice();
  const digest = new Digest();
  const one = new Progress();
  let record = new Uint8Array(0);
  let understood = 0;
  for (let turn = 0; turn < 20000; turn++) {
    one.boot = "01234567-89ab-cdef-0123-456789abcdef";
    one.checksum = checksumOf(`${dice.roll(1000)}`);
    one.input = dice.roll(32768) * 4294967296;
    one.position = dice.roll(32768) * 1073741824;
    one.end = one.position + dice.roll(32768);
    one.time = { seconds: 1700000000 + dice.roll(1000), nanoseconds: dice.roll(1000) * 1000 };
    one.line = dice.roll(3);
    one.isLeading = turn % 2 === 0;
    one.sample = bytesOf(dice, dice.roll(50), "\0abc\xff");
    one.carriedBefore = bytesOf(dice, dice.roll(20), "xyz");
    one.carriedAfter = bytesOf(dice, dice.roll(20), "uvw");
    if (record.length < lengthOf(one)) record = new Uint8Array(lengthOf(one));
    encodeProgress(one, record);
    for (let change = dice.roll(3); change > 0; change--) record[dice.roll(record.length)] = dice.roll(256);
    const again = decodeProgress(record.subarray(0, dice.roll(20) === 0 ? dice.roll(record.length) : record.length));
    if (again === undefined) continue;
    understood++;
    digest.add(describeProgress(again));
  }
  console.log(`${understood} understood, ${decodeProgress(new Uint8Array(3)) === undefined}, digest ${digest.value}`);
}

function bootHappening(dice: Dice): BootHappening {
  switch (dice.roll(8)) {
    case 0:
      return { kind: "started", pid: 2 + dice.roll(1000) };
    case 1:
      return { kind: "unrunnable", code: 127 };
    case 2:
      return { kind: "unforkable" };
    case 3:
      return { kind: "asking", pid: 2 + dice.roll(1000) };
    case 4:
      return { kind: "asked", waitStatus: dice.roll(3), isArmed: dice.roll(2) === 0 };
    case 5:
      return { kind: "continued", isArmed: dice.roll(2) === 0 };
    case 6:
      return dice.roll(2) === 0 ? { kind: "interrupted", hasScript: dice.roll(2) === 0 } : { kind: "due" };
    default:
      return {
        kind: "ended",
        waitStatus: dice.roll(3) === 0 ? 9 : dice.roll(3) === 0 ? 111 * 256 : dice.roll(2) * 256,
      };
  }
}

function boots(): void {
  const dice = new Dice();
  const digest = new Digest();
  let now = newBoot();
  let lives = 0;
  for (let turn = 0; turn < 60000; turn++) {
    const { next, actions } = reactBoot(now, bootHappening(dice), turn * 10);
    for (const action of actions)
      digest.add(action.kind === "say" || action.kind === "warn" ? action.text : action.kind);
    const line = encodeBoot(next, turn);
    digest.add(line);
    const again = decodeBoot(line, turn);
    if (again === undefined || encodeBoot(again, turn) !== line) console.log(`not the same: ${line}`);
    now = next;
    if (next.phase === "over") {
      lives++;
      now = newBoot();
    }
  }
  console.log(`${lives} lives, ${decodeBoot("x", 0) === undefined}, digest ${digest.value}`);
}

function processes(): void {
  const dice = new Dice();
  const digest = new Digest();
  for (let turn = 0; turn < 20000; turn++) {
    const text = textOf(bytesOf(dice, dice.roll(12), turn % 2 === 0 ? ":+a1" : ":0123456789"));
    const account = parseAccount(text);
    if (account.kind === "names") {
      digest.add(`${account.user} ${account.groups.join(",")} ${account.withMemberships}`);
    } else if (account.kind === "numbers") {
      digest.add(`${account.uid} ${account.gids.join(",")}`);
      if (turn % 500 === 1) console.log(account.uid, account.gids.join(","));
    } else digest.add("malformed");
    const wanted = parseWord(textOf(bytesOf(dice, dice.roll(24), dice.roll(9) === 0 ? "12x" : "0123456789")));
    const hard = parseWord(textOf(bytesOf(dice, dice.roll(20), "0123456789")));
    if (wanted !== undefined && hard !== undefined) {
      const soft = softLimit(wanted, hard);
      digest.add(soft === undefined ? "none" : `${soft.high} ${soft.low} ${isAbove(wanted, hard)}`);
    } else digest.add("no number");
    digest.add(`${parseSigned(textOf(bytesOf(dice, dice.roll(5), "+-1290")), 100) ?? "none"}`);
    const line = bytesOf(dice, dice.roll(30), "ab \t\0\xff");
    const value = line.subarray(0, valueLength(line, dice.roll(line.length + 1)));
    exchangeNul(value);
    digest.add(textOf(value));
    const fields = fieldsOf(textOf(bytesOf(dice, dice.roll(16), ":a1 ")));
    const entry = parsePasswd(fields);
    digest.add(
      `${fields.join("|")} ${entry?.uid ?? -1} ${entry?.gid ?? -1} ${parseGroup(fields)} ${hasMember(fields, "1")}`,
    );
    const record = bytesOf(dice, dice.roll(20) === 0 ? dice.roll(400) : utmpBytes, "\0ab");
    const terminal = textOf(bytesOf(dice, dice.roll(34), "ab"));
    digest.add(`${isLoginOn(record, terminal)}`);
    if (record.length === utmpBytes) {
      markLogout(record, turn * 300000);
      digest.add(textOf(record));
    }
    digest.add(textOf(encodeLogout(terminal, turn, utmpBytes)));
    digest.add(`${toolName(text)} ${baseName(`${text}/${terminal}`)}`);
  }
  for (const text of ["all", "cap_chown,NET_RAW,40", "", "no", "63,64", "Cap_,x"]) {
    const list = parseCapabilities(text);
    console.log(list.numbers.length, list.isKnown, list.unknown);
  }
  let limits = "";
  for (const letter of "acdflmoprstx") {
    limits += letter;
    for (const resource of resourcesOf(letter)) limits += ` ${resource}:${placeOf(resource)}`;
  }
  console.log(limits, `digest ${digest.value}`);
}

function causeOf(dice: Dice): Cause {
  switch (dice.roll(6)) {
    case 0:
      return {
        kind: "main",
        name: "main service web",
        waitStatus: dice.roll(3) * 128 + dice.roll(40),
        seconds: dice.roll(99),
      };
    case 1:
      return { kind: "signal", signal: describeSignal(dice.roll(40)) };
    case 2:
      return { kind: "told", code: dice.roll(3) - 1 };
    case 3:
      return { kind: "gave up", name: "a b", count: dice.roll(5), waitStatus: dice.roll(512) };
    case 4:
      return { kind: "start hook", waitStatus: dice.roll(512) };
    default:
      return { kind: "no command", name: "x", code: 126 + dice.roll(2), reason: "access denied" };
  }
}

/** Stops from request to end, what is kept of them, and how they end. */
function stops(): void {
  const dice = new Dice();
  const digest = new Digest();
  let lives = 0;
  for (let turn = 0; turn < 3000; turn++) {
    let now = dice.roll(1000);
    let stop = requestStop(dice.roll(90) * 100, dice.roll(30) * 100, dice.roll(2) === 0, now);
    for (let step = 0; step < 200 && stop.step !== "over"; step++) {
      const remaining = {
        hasMains: dice.roll(3) === 0,
        hasServices: dice.roll(3) > 0,
        hasHook: dice.roll(3) === 0,
        hasProcesses: dice.roll(3) === 0,
        hasOutput: dice.roll(3) === 0,
      };
      const { next, actions } = dice.roll(40) === 0 ? hurry(stop, now) : reactStop(stop, remaining, now);
      digest.add(`${next.step} ${next.dueAt} ${actions.join(" ")}`);
      stop = decodeStop(encodeStop(next)) ?? stop;
      now += dice.roll(500);
    }
    if (stop.step === "over") lives++;
    const cause = causeOf(dice);
    const again = decodeCause(encodeCause(cause)) ?? cause;
    const course: Course = {
      cause: again,
      mainEnds: [dice.roll(512), dice.roll(3) - 1],
      stopped: dice.roll(4),
      killed: dice.roll(3),
      isOutOfMemory: dice.roll(2) === 0,
    };
    digest.add(`${describeEnding(course)} ${exitCodeOf(course, [dice.roll(256)])}`);
    const life = {
      phase: "running" as const,
      stop: encodeStop(stop),
      cause: encodeCause(cause),
      mainEnds: course.mainEnds,
      commandPid: dice.roll(1000),
      commandAt: dice.roll(1000) / 4,
      hookPid: 0,
      hasStarted: dice.roll(2) === 0,
      interrupts: dice.roll(3),
      running: course.stopped,
      killed: course.killed,
      memoryKills: 0,
      socketFd: dice.roll(10) - 1,
    };
    const text = encodeLife(life, "\0half", [`service ${turn}`, ""]);
    const kept = decodeLife(turn % 3 === 0 ? text.slice(0, dice.roll(text.length)) : text);
    digest.add(kept === undefined ? "-" : `${kept.life.commandAt} ${kept.output} ${kept.services.join(";")}`);
  }
  console.log(`${lives} stops, digest ${digest.value}`);
}

/** What is said of services, and of their lines. */
function containers(): void {
  const dice = new Dice();
  const digest = new Digest();
  const letters = ["d", "m", "g", "D", "w", "o", "e", "s", "r", "p", "x", "i", "f", "--stages", "c", "q", "v", "?"];
  for (let turn = 0; turn < 6000; turn++) {
    const options = new ContainerOptions();
    const value = textOf(bytesOf(dice, dice.roll(8), turn % 2 === 0 ? "0123456789./:" : "TERMSIGQUTHP :all"));
    digest.add(setOption(options, String(letters[dice.roll(letters.length)] ?? ""), value));
    digest.add(
      `${options.graceMilliseconds} ${options.mains.join()} ${options.rewrites.length} ${describePlan(options).join()}`,
    );
    digest.add(`${parseSeconds(value) ?? "-"} ${signalNumber(value)} ${parseStopSignal(value) ?? "-"}`);
    const bytes = bytesOf(dice, dice.roll(40), 'abc"\\\n\x80\xc3\xa9\xe2\x82\xac\xff\xf0\x9f');
    const into = new Uint8Array(bytes.length * maxEscape);
    digest.add(textOf(into.subarray(0, putEscaped(into, 0, bytes, 0, bytes.length))));
    const time = { seconds: 1700000000 + turn, nanoseconds: dice.roll(1000) * 1000000 };
    digest.add(describeHead("time", "web", time, turn % 2 === 0) + describeObjectHead(value, time, "stderr", turn));
    const fact = {
      name: value,
      path: "/etc/service/web/",
      state: turn % 3 === 0 ? "run" : "down",
      want: turn % 5 === 0 ? "down" : "up",
      pid: dice.roll(3),
      upMilliseconds: dice.roll(3000),
      endsOfLate: dice.roll(5),
      lastEnd: dice.roll(512) - 1,
    };
    const report = parseReport(describeReport("running", [fact, fact], dice.roll(3)));
    digest.add(`${report?.services.length ?? -1} ${findIllness(fact)} ${findUnreadiness(fact, turn % 2 === 0)}`);
    digest.add(describeFact(fact, value));
  }
  console.log(`containers, digest ${digest.value}`);
}

live(60000);
stops();
containers();
formats();
boots();
processes();
scans();
patterns();
configs();
stamps();
replacements();
progress();
