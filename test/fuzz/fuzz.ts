// What must hold of everything that reads bytes of others, whatever the bytes are: a pure function per target, which
// answers what does not hold. The same code runs under Node (the corpus, in `make test`) and compiled, where libFuzzer
// looks for bytes that reach more of it (scripts/fuzz).
//
// Nothing here throws: neither does any reader.

import { decodeBoot, encodeBoot } from "../../src/core/boot/handover.ts";
import {
  decodeCause,
  decodeLife,
  decodeStop,
  encodeCause,
  encodeLife,
  encodeStop,
} from "../../src/core/container/handover.ts";
import { describeHead, describeObjectHead, maxEscape, putEscaped } from "../../src/core/container/lines.ts";
import {
  ContainerOptions,
  letterOf,
  optionVariables,
  parseCode,
  parseSeconds,
  setOption,
} from "../../src/core/container/options.ts";
import {
  describeFact,
  describeReport,
  findIllness,
  findUnreadiness,
  parseReport,
} from "../../src/core/container/report.ts";
import { describePlan } from "../../src/core/container/stop.ts";
import { parseLogConfig } from "../../src/core/log/config.ts";
import type { Rule } from "../../src/core/log/pattern.ts";
import { matches, Selection } from "../../src/core/log/pattern.ts";
import { checksumOf, decodeProgress, encodeProgress, lengthOf } from "../../src/core/log/progress.ts";
import { Replacement } from "../../src/core/log/replacement.ts";
import { bytesToLineEnd, isLabel, isSavedName, labelOf, nextLabel } from "../../src/core/log/rotation.ts";
import { describeMoment, describeStamp, utc } from "../../src/core/log/stamp.ts";
import { fieldsOf, hasMember, parseGroup, parsePasswd } from "../../src/core/process/account-lines.ts";
import { parseAccount } from "../../src/core/process/accounts.ts";
import { parseCapabilities } from "../../src/core/process/capabilities.ts";
import { exchangeNul, valueLength } from "../../src/core/process/environment.ts";
import { placeOf, resourcesOf, softLimit } from "../../src/core/process/limits.ts";
import { baseName, toolName } from "../../src/core/process/names.ts";
import { describeMisuse, parseOptions } from "../../src/core/process/options.ts";
import { describeSignal, parseStopSignal, signalNamed, signalNumber } from "../../src/core/process/signals.ts";
import { encodeLogout, isLoginOn, markLogout, utmpBytes, wideUtmpBytes } from "../../src/core/process/utmp.ts";
import { decodeService, encodeService } from "../../src/core/supervise/handover.ts";
import {
  decodeRecord,
  encodeSupervisor,
  isSameProcess,
  recordBytes,
  startTicksOf,
  supervisorOffset,
} from "../../src/core/supervise/record.ts";
import { describeMembers, describeOldState, describeState, noRemark, quote } from "../../src/core/supervise/report.ts";
import { isStatusWord, judge, mustSend, parseRequest } from "../../src/core/supervise/requests.ts";
import type { Entry, Known } from "../../src/core/supervise/scan.ts";
import { planScan } from "../../src/core/supervise/scan.ts";
import type { Service } from "../../src/core/supervise/service.ts";
import { newService } from "../../src/core/supervise/service.ts";
import {
  decodeStatus,
  describeAge,
  describeStat,
  encodeStatus,
  shortStatusBytes,
  sinceOf,
} from "../../src/core/supervise/status.ts";
import { serviceVariables } from "../../src/core/supervise/variables.ts";
import { bytesOf, putText, textAt } from "../../src/core/text/bytes.ts";
import { describeError } from "../../src/core/text/errors.ts";
import { decodeFields, encodeFields } from "../../src/core/text/fields.ts";
import { describeWarning } from "../../src/core/text/messages.ts";
import { isAbove, leadingNumber, parseInteger, parseSigned, parseWord } from "../../src/core/text/numbers.ts";
import { isAbsolute, parentOf } from "../../src/core/text/paths.ts";
import { describeTai64n } from "../../src/core/text/tai64n.ts";
import { isUtf8, sequenceLength } from "../../src/core/text/utf8.ts";

/** A group of readers each. */
export function targets(): readonly string[] {
  return [
    "status",
    "record",
    "handover",
    "boot-handover",
    "container-handover",
    "config",
    "pattern",
    "progress",
    "names",
    "stamp",
    "replacement",
    "options",
    "numbers",
    "accounts",
    "environment",
    "limits",
    "utmp",
    "signals",
    "words",
    "scan",
    "container-options",
    "container-report",
    "lines",
    "text",
  ];
}

/** What does not hold; "": everything does. */
export function play(target: string, bytes: Uint8Array): string {
  switch (target) {
    case "status":
      return playStatus(bytes);
    case "record":
      return playRecord(bytes);
    case "handover":
      return playHandover(textOf(bytes));
    case "boot-handover":
      return playBootHandover(textOf(bytes));
    case "container-handover":
      return playContainerHandover(textOf(bytes));
    case "config":
      return playConfig(textOf(bytes));
    case "pattern":
      return playPattern(bytes);
    case "progress":
      return playProgress(bytes);
    case "names":
      return playNames(textOf(bytes));
    case "stamp":
      return playStamp(bytes);
    case "replacement":
      return playReplacement(bytes);
    case "options":
      return playOptions(textOf(bytes));
    case "numbers":
      return playNumbers(textOf(bytes));
    case "accounts":
      return playAccounts(textOf(bytes));
    case "environment":
      return playEnvironment(bytes);
    case "limits":
      return playLimits(textOf(bytes));
    case "utmp":
      return playUtmp(bytes);
    case "signals":
      return playSignals(textOf(bytes));
    case "words":
      return playWords(bytes);
    case "scan":
      return playScan(bytes);
    case "container-options":
      return playContainerOptions(textOf(bytes));
    case "container-report":
      return playContainerReport(textOf(bytes));
    case "lines":
      return playLines(bytes);
    case "text":
      return playText(bytes);
    default:
      return `no target: ${target}`;
  }
}

function textOf(bytes: Uint8Array): string {
  return textAt(bytes, 0, bytes.length);
}
/** The sentence unless it holds. */
function claim(holds: boolean, what: string): string {
  return holds ? "" : what;
}
/** The first that does not hold. */
function first(claims: readonly string[]): string {
  for (const one of claims) if (one !== "") return one;
  return "";
}
function isWhole(number: number, most: number): boolean {
  return number >= 0 && number <= most && Math.floor(number) === number;
}
function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
function numberAt(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? (bytes[at] ?? 0) : 0;
}
/** A JSON text as `quote` makes them, of one line. */
function isQuoted(text: string): boolean {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return false;
  let i = 1;
  while (i < text.length - 1) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 34) return false;
    if (code !== 92) {
      i++;
      continue;
    }
    const next = text.charAt(i + 1);
    if (next === "u") i += 6;
    else if (next === '"' || next === "\\") i += 2;
    else return false;
  }
  return i === text.length - 1 && isUtf8(text);
}

function playStatus(bytes: Uint8Array): string {
  const status = decodeStatus(bytes);
  if (status === undefined) return claim(bytes.length < shortStatusBytes, "a whole record is not read");
  if (bytes.length < shortStatusBytes) return "half a record is read";
  const now = 1700000000 + numberAt(bytes, 0) * 4294967296;
  const age = describeAge(status, now);
  const since = sinceOf(status);
  const members = `{${describeMembers('we"b\xff', status, true, now)}}`;
  const line = describeState("web", status, false, now, noRemark());
  const old = describeOldState("web", status, true, now);
  const wrong = first([
    claim(age !== "" && isDigits(age) && (age === "0" || !age.startsWith("0")), `age ${age}`),
    claim(since.seconds >= 0, "since lies before 1970"),
    claim(isUtf8(members) && !members.includes("\n"), "members"),
    claim(line.includes(`web: `) && !line.includes("undefined"), line),
    claim(old.startsWith("web: ") && !old.includes("undefined"), old),
  ]);
  if (wrong !== "" || status.phase === undefined || status.want === "other") return wrong;
  const base = newService("service", status.want === "u" ? "up" : "down", since);
  const service: Service = {
    ...base,
    phase: status.phase,
    pid: status.pid,
    paused: status.paused,
    gotTerm: status.gotTerm,
  };
  const again = decodeStatus(encodeStatus(service));
  if (again === undefined) return "its own record is not read";
  const stat = describeStat(service);
  return first([
    claim(again.pid === status.pid, "pid"),
    claim(again.want === status.want, "want"),
    claim(again.phase === status.phase, "phase"),
    claim(again.paused === status.paused && again.gotTerm === status.gotTerm, "flags"),
    claim(sinceOf(again).seconds === since.seconds, "since"),
    claim(stat.endsWith("\n") && stat.startsWith(status.phase), stat),
  ]);
}

function playRecord(bytes: Uint8Array): string {
  const stat = textOf(bytes);
  const ticks = startTicksOf(stat);
  isSameProcess(ticks, 100, 1000);
  const record = decodeRecord(bytes);
  if (record === undefined) return claim(bytes.length < recordBytes, "a whole record is not read");
  if (bytes.length < recordBytes) return "half a record is read";
  if (record.supervisorBornBefore > 9007199254740991) return "";
  const own = encodeSupervisor(record.supervisor, record.supervisorBornBefore, record.pipe, record.bootId);
  if (own.length !== recordBytes - supervisorOffset) return "length";
  for (let i = 0; i < own.length; i++) {
    const isFree = i >= 4 && i < 8;
    if (!isFree && own[i] !== bytes[supervisorOffset + i]) return `byte ${i} of the supervisor's part`;
  }
  return "";
}

function playHandover(text: string): string {
  for (const line of text.split("\n")) {
    const service = decodeService(line);
    if (service === undefined) continue;
    const once = encodeService(service);
    const again = decodeService(once);
    if (again === undefined) return `what it keeps is not read: ${once}`;
    const twice = encodeService(again);
    if (twice !== once) return `${once} becomes ${twice}`;
    if (service.starting) return "starting survives";
  }
  return "";
}

function playBootHandover(text: string): string {
  for (const line of text.split("\n")) {
    for (const spawned of [0, 42]) {
      const boot = decodeBoot(line, spawned);
      if (boot === undefined) continue;
      const once = encodeBoot(boot, spawned);
      const again = decodeBoot(once, spawned);
      if (again === undefined) return `what it keeps is not read: ${once}`;
      const twice = encodeBoot(again, spawned);
      if (twice !== once) return `${once} becomes ${twice}`;
    }
  }
  return "";
}

function playContainerHandover(text: string): string {
  const fields = decodeFields(text);
  if (fields !== undefined) {
    const once = encodeFields(fields);
    const again = decodeFields(once);
    if (again === undefined || encodeFields(again) !== once) return "fields are lost";
  }
  const stop = decodeStop(text);
  if (stop !== undefined) {
    const once = encodeStop(stop);
    const again = decodeStop(once);
    if (again === undefined || encodeStop(again) !== once) return `stop ${once}`;
  }
  const cause = decodeCause(text);
  if (cause !== undefined) {
    const once = encodeCause(cause);
    const again = decodeCause(once);
    if (again === undefined || encodeCause(again) !== once) return `cause ${once}`;
  }
  const kept = decodeLife(text);
  if (kept === undefined) return "";
  const once = encodeLife(kept.life, kept.output, kept.services);
  const again = decodeLife(once);
  if (again === undefined) return `what it keeps is not read: ${once}`;
  return claim(encodeLife(again.life, again.output, again.services) === once, `life ${once}`);
}

function playConfig(text: string): string {
  const one = parseLogConfig(text);
  for (const rule of one.rules) if (rule.pattern.includes("\n") || rule.pattern.includes("\0")) return "pattern";
  for (const complaint of one.complaints) if (complaint.includes("\n") || complaint === "") return "complaint";
  // A comment in front changes the numbers of the lines, nothing else.
  const other = parseLogConfig(`#\n${text}`);
  return first([
    claim(isWhole(one.mode, 0o677) && one.mode >= 0o600, `mode ${one.mode}`),
    claim(isWhole(one.udp.port, 65535), `port ${one.udp.port}`),
    claim(isWhole(one.udp.address, 4294967295), `address ${one.udp.address}`),
    claim(!one.udpOnly || one.udp.port > 0, "nowhere to send"),
    claim(one.maxBytes >= 0 && one.totalBytes >= 0, "bytes"),
    claim(one.maxFiles >= 0 && one.minFiles >= 0 && one.maxSeconds >= 0, "files"),
    claim(!one.prefix.includes("\n") && !one.processor.includes("\n"), "prefix and processor are of one line"),
    claim(other.rules.length === one.rules.length && other.maxBytes === one.maxBytes, "a comment counts"),
    claim(text.length === 1 || other.complaints.length === one.complaints.length, "a comment is complained about"),
    claim(isWhole(checksumOf(text), 4294967295), "checksum"),
  ]);
}

/** Patterns, each in a line behind its kind, up to an empty line; then log lines. */
function playPattern(bytes: Uint8Array): string {
  const rules: Rule[] = [];
  const text = textOf(bytes);
  const gap = text.indexOf("\n\n");
  const from = gap < 0 ? bytes.length : gap + 2;
  for (const line of text.slice(0, Math.max(gap, 0)).split("\n")) {
    const pattern = line.slice(1);
    if (rules.length >= 40) break;
    if (line.startsWith("+")) rules.push({ kind: "+", pattern });
    if (line.startsWith("-")) rules.push({ kind: "-", pattern });
    if (line.startsWith("e")) rules.push({ kind: "e", pattern });
    if (line.startsWith("E")) rules.push({ kind: "E", pattern });
  }
  const log = new Selection(rules, "+", "-", true);
  const error = new Selection(rules, "e", "E", false);
  const lineBytes = 1 + (bytes.length % 40);
  // Whoever asks for runs has found out before that there is something to decide.
  if (log.takesAll || log.takesNone) return "";
  const runs = log.findRuns(bytes, from, bytes.length, lineBytes);
  let run = 0;
  let start = from;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && bytes[end] !== 10) end++;
    const seen = Math.min(end, start + lineBytes);
    if (error.selects(bytes, start, end) !== decides(rules, "e", "E", false, bytes, start, end)) {
      return `e and E disagree on the line at ${start}`;
    }
    const wanted = decides(rules, "+", "-", true, bytes, start, seen);
    while (run < runs && from + log.runEnd(run) <= start) run++;
    const isIn = run < runs && from + log.runStart(run) <= start;
    if (isIn !== wanted) return `+ and - disagree on the line at ${start}`;
    if (isIn && from + log.runEnd(run) < Math.min(end + 1, bytes.length))
      return `a run ends within the line at ${start}`;
    start = end + 1;
  }
  return "";
}

/** As svlogd(8) has it: the last rule that matches decides. */
function decides(
  rules: readonly Rule[],
  selecting: string,
  deselecting: string,
  byDefault: boolean,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  let isSelected = byDefault;
  for (const rule of rules) {
    if (rule.kind !== selecting && rule.kind !== deselecting) continue;
    const pattern = bytesOf(rule.pattern);
    if (matches(pattern, 0, pattern.length, bytes, from, to)) isSelected = rule.kind === selecting;
  }
  return isSelected;
}

function playProgress(bytes: Uint8Array): string {
  const one = decodeProgress(bytes);
  if (one === undefined) return "";
  if (lengthOf(one) > bytes.length) return "longer than what was read";
  const once = new Uint8Array(lengthOf(one));
  encodeProgress(one, once);
  const again = decodeProgress(once);
  if (again === undefined) return "its own record is not read";
  if (again.isTaken) return "a new record is taken";
  const twice = new Uint8Array(lengthOf(again));
  encodeProgress(again, twice);
  if (twice.length !== once.length) return "length";
  for (let i = 0; i < once.length; i++) if (once[i] !== twice[i]) return `byte ${i}`;
  return claim(again.sample.length <= 40 && again.boot === one.boot, "sample or boot");
}

function playNames(text: string): string {
  const name = text.slice(0, 27);
  const label = labelOf(name);
  const now = { seconds: 1700000000, nanoseconds: 999999999 };
  const own = describeTai64n(now);
  if (isSavedName(name) && label.length !== 25) return "the label of a saved name";
  if (!isLabel(label)) return "";
  const next = nextLabel(now, label);
  return first([
    claim(next > label, `${next} is not behind ${label}`),
    claim(isLabel(next) || label === `@4${"f".repeat(23)}`, `${next} is no label`),
    claim(next === own || !(own > label), `${next} instead of ${own}`),
    claim(isSavedName(`${next}.s`), "what it names is no saved file"),
  ]);
}

function playStamp(bytes: Uint8Array): string {
  let number = 0;
  for (let i = 0; i < 6; i++) number = number * 256 + numberAt(bytes, i);
  let nanoseconds = 0;
  for (let i = 6; i < 10; i++) nanoseconds = nanoseconds * 256 + numberAt(bytes, i);
  const time = { seconds: number % 250000000000, nanoseconds: nanoseconds % 1000000000 };
  const zone = numberAt(bytes, 10) === 0 ? utc : (numberAt(bytes, 10) - 128) * 900;
  const tai = describeStamp("tai", time, zone);
  const date = describeStamp("T", time, zone);
  const low = describeStamp("underscore", time, zone);
  const moment = describeMoment(time);
  const width = zone === utc ? 26 : 32;
  return first([
    claim(describeStamp("none", time, zone) === "", "none"),
    claim(tai.length === 26 && isLabel(tai.slice(0, 25)), tai),
    claim(date.length === width && date.charAt(10) === "T" && date.endsWith(" "), date),
    claim(low.split("_").join("T") === date, low),
    claim(moment.length === 24 && moment.endsWith("Z"), moment),
    claim(bytesToLineEnd(number, nanoseconds, numberAt(bytes, 10)) >= -1, "bytes to the end"),
    claim(isDigits(date.slice(0, 4)) && isInRange(date, 5, 12) && isInRange(date, 8, 31), date),
  ]);
}
function isInRange(date: string, at: number, most: number): boolean {
  const number = leadingNumber(date.slice(at, at + 2));
  return number >= 1 && number <= most;
}

function playReplacement(bytes: Uint8Array): string {
  const by = numberAt(bytes, 0);
  const more = textAt(bytes, 1, 4);
  const lineBytes = numberAt(bytes, 4);
  const column = numberAt(bytes, 5) % 64;
  const before = bytes.slice(Math.min(6, bytes.length));
  const after = before.slice(0);
  new Replacement(String.fromCharCode(by), more).apply(after, after.length, lineBytes, column);
  let at = column;
  for (let i = 0; i < before.length; i++) {
    const byte = before[i] ?? 0;
    const isReplaced = byte < 32 || byte > 126 || more.includes(String.fromCharCode(byte));
    const wanted = byte !== 10 && at < lineBytes && isReplaced ? by : byte;
    if (after[i] !== wanted) return `byte ${i} is ${after[i] ?? 0}, not ${wanted}`;
    at = byte === 10 ? 0 : at + 1;
  }
  return "";
}

function playOptions(text: string): string {
  const words = text.split("\0");
  const letters = "vw:Vc:";
  const options = parseOptions(words, letters, ["--json", "--level:"]);
  const skipped = words.length - options.rest.length;
  describeMisuse(options, "sv", "sv", "usage\n");
  if (options.complaint !== "") return claim(options.rest.length === 0, "a complaint, and words behind it");
  for (let i = 0; i < options.rest.length; i++) {
    if (String(options.rest[i] ?? "") !== String(words[skipped + i] ?? "")) return `word ${i} is another one`;
  }
  for (const { letter } of options.given) {
    if (!letters.includes(letter) && letter !== "--json" && letter !== "--level") return `option ${letter}`;
  }
  const next = String(options.rest[0] ?? "");
  const isEnd = options.endedBy !== "" || next === "" || next === "-" || !next.startsWith("-");
  return claim(isEnd, `${next} is left`);
}

function playNumbers(text: string): string {
  const leading = leadingNumber(text);
  const word = parseWord(text);
  const signed = parseSigned(text, 1000000);
  const integer = parseInteger(text);
  const milliseconds = parseSeconds(text);
  const code = parseCode(text);
  const isNumber = isDigits(text) && text !== "";
  return first([
    claim(isWhole(leading, 9007199254740991), `leading ${leading}`),
    claim((word !== undefined) === isDigits(text), "a word is digits"),
    claim(word === undefined || (isWhole(word.high, 4294967295) && isWhole(word.low, 4294967295)), "halves"),
    claim(word === undefined || text.length > 15 || word.high * 4294967296 + word.low === leading, "another number"),
    claim(signed === undefined || (signed >= -1000000 && signed <= 1000000), `signed ${signed ?? 0}`),
    claim(!isNumber || signed === Math.min(leading, 1000000), "signed is not leading"),
    claim(integer === undefined || (integer >= -2147483648 && integer <= 2147483647), `integer ${integer ?? 0}`),
    claim(milliseconds === undefined || isWhole(milliseconds, 1e12 + 999), `seconds ${milliseconds ?? 0}`),
    claim(code === undefined || isWhole(code, 255), `code ${code ?? 0}`),
    claim(!isNumber || milliseconds === Math.min(leading, 1e9) * 1000, "whole seconds"),
    claim(word === undefined || !isAbove(word, word), "above itself"),
  ]);
}

function playAccounts(text: string): string {
  for (const line of text.split("\n")) {
    const fields = fieldsOf(line);
    const entry = parsePasswd(fields);
    if (entry !== undefined && !(isWhole(entry.uid, 4294967295) && isWhole(entry.gid, 4294967295))) return "ids";
    if (entry !== undefined && (fields.length < 4 || line.includes("\0"))) return `half a line is an account: ${line}`;
    const group = parseGroup(fields);
    if (group >= 0 && (!isWhole(group, 4294967295) || fields.length < 3)) return `half a line is a group: ${line}`;
    hasMember(fields, "bob");
    if (fields.length > 0 && "+-#:".includes(String(fields[0] ?? "").charAt(0)) && fields[0] !== "") return "name";
    const account = parseAccount(line);
    if (account.kind === "names" && (account.groups.length > 60 || account.user.includes(":"))) return "groups";
    if (account.kind === "numbers") {
      if (!line.startsWith(":") || account.gids.length < 1 || account.gids.length > 60) return "numbers";
      if (!isWhole(account.uid, 4294967295)) return "uid";
      for (const gid of account.gids) if (!isWhole(gid, 4294967295)) return "gid";
    }
    const list = parseCapabilities(line);
    if (list.isKnown !== (list.unknown === "") && list.unknown !== "") return `unknown ${list.unknown}`;
    for (const number of list.numbers) if (!isWhole(number, 63)) return `capability ${number}`;
  }
  return "";
}

function playEnvironment(bytes: Uint8Array): string {
  const line = bytes.slice(0);
  const length = valueLength(line, line.length + 3);
  if (length > line.length) return "longer than the line";
  const last = length === 0 ? 0 : (line[length - 1] ?? 0);
  if (last === 32 || last === 9) return "a blank at its end";
  for (let i = length; i < line.length; i++) if (line[i] !== 32 && line[i] !== 9) return "more than blanks is cut";
  exchangeNul(line);
  for (let i = 0; i < line.length; i++) {
    if (line[i] === 0) return "a NUL is left";
    if (line[i] !== (bytes[i] === 0 ? 10 : bytes[i])) return "another byte is changed";
  }
  const variables = serviceVariables(textOf(bytes), "", "/log");
  return claim(variables.length === 3, "variables");
}

function playLimits(text: string): string {
  const words = text.split(" ");
  const wanted = parseWord(String(words[0] ?? ""));
  const hard = parseWord(String(words[1] ?? ""));
  for (const resource of resourcesOf(text.slice(0, 1))) if (!isWhole(placeOf(resource), 9)) return "place";
  if (wanted === undefined || hard === undefined) return "";
  const soft = softLimit(wanted, hard);
  if (soft === undefined) return claim(wanted.high >= 2147483648, "a limit that could be is none");
  return first([
    claim(!isAbove(soft, hard), "above the hard limit"),
    claim(!isAbove(soft, wanted), "above what was asked for"),
  ]);
}

function playUtmp(bytes: Uint8Array): string {
  const line = textAt(bytes, 0, numberAt(bytes, 0) % 40)
    .split("\0")
    .join("");
  const record = bytes.slice(Math.min(1, bytes.length));
  if (isLoginOn(record, line)) {
    if (record.length < utmpBytes) return "half a record is a login";
    markLogout(record, 1700000000);
    if (isLoginOn(record, line)) return "still a login";
    if (record[0] !== 8 || record[1] !== 0) return "type";
  }
  const logout = encodeLogout(line, 5000000000, bytes.length % 2 === 0 ? utmpBytes : wideUtmpBytes);
  return claim(logout.length >= utmpBytes && !isLoginOn(logout, line), "a logout is a login");
}

function playSignals(text: string): string {
  for (const word of text.split("\n")) {
    const number = signalNumber(word);
    if (!isWhole(number, 64)) return `${word} is ${number}`;
    const name = describeSignal(number);
    if (number > 0 && name !== "" && signalNumber(name) !== number) return `${name} is another signal than ${number}`;
    const named = signalNamed(word);
    if (named !== undefined && number === 0) return `${word} has no number`;
  }
  const stop = parseStopSignal(text);
  return claim(stop !== "STOP" && stop !== "CONT", "a stop signal that stops or continues");
}

function playWords(bytes: Uint8Array): string {
  const text = textOf(bytes);
  const word = String(text.split("\n")[0] ?? "");
  const request = parseRequest(word);
  isStatusWord(word, true);
  isStatusWord(word, false);
  const status = decodeStatus(bytes.subarray(Math.min(word.length + 1, bytes.length)));
  if (request === undefined || status === undefined) return "";
  const old = judge(request.awaits, status, false);
  const fresh = judge(request.awaits, status, true);
  return first([
    claim(request.bytes !== "" || !mustSend(request.bytes, status), "nothing is sent"),
    // What was true before the command stays true when since is new as well.
    claim(old === "no" || fresh !== "no", `${word}: ${old}, and later ${fresh}`),
    claim(request.awaits !== "x" || fresh === "no", "x is satisfied by a status"),
  ]);
}

function playScan(bytes: Uint8Array): string {
  const known: Known[] = [];
  const found: Entry[] = [];
  for (let i = 0; i + 2 < bytes.length && i < 300; i += 3) {
    const kind = bytes[i] ?? 0;
    const key = `k${(bytes[i + 1] ?? 0) % 16}`;
    const detail = bytes[i + 2] ?? 0;
    const identity = detail % 4 === 0 ? "" : `i${detail % 8}`;
    if (kind % 2 === 0) {
      if (known.some((one) => one.key === key)) continue;
      known.push({ name: key, key, identity, pid: kind % 4, startedAt: 1000 + detail * 10 });
    } else found.push({ name: `n${kind}`, key, identity });
  }
  const plan = planScan(known, found, 2000);
  const keys: string[] = [];
  for (const one of plan.start) keys.push(one.key);
  for (const one of plan.keep) keys.push(one.key);
  for (const key of keys) if (keys.indexOf(key) !== keys.lastIndexOf(key)) return `${key} twice`;
  for (const one of found) if (!keys.includes(one.key)) return `${one.key} is forgotten`;
  for (const one of plan.stop) if (keys.includes(one.key)) return `${one.key} is stopped and kept`;
  for (const one of known) {
    const isAway = !found.some((entry) => entry.key === one.key);
    if (isAway !== plan.stop.some((old) => old.key === one.key)) return `${one.key} is gone and not stopped`;
    if (one.pid !== 0 && plan.start.some((entry) => entry.key === one.key)) return `${one.key} runs and is started`;
  }
  return claim(plan.due < 0 || plan.due > 2000, "due in the past");
}

function playContainerOptions(text: string): string {
  const letters = ["d", "m", "g", "D", "w", "o", "e", "s", "r", "p", "x", "i", "f", "--stages", "c", "q", "v", "?"];
  for (const name of optionVariables()) letters.push(letterOf(name));
  const options = new ContainerOptions();
  for (const word of text.split("\n")) {
    const letter = String(letters[word.charCodeAt(0) % letters.length] ?? "");
    const value = word.slice(1);
    const wrong = word === "" ? "" : setOption(options, letter, value);
    if (wrong !== "" && !wrong.startsWith("wrong value for -")) return wrong;
  }
  for (const { from, to } of options.rewrites) if (from < 1 || !isWhole(from, 64) || !isWhole(to, 64)) return "rewrite";
  for (const code of options.expected) if (!isWhole(code, 255)) return "code";
  for (const line of describePlan(options)) if (line.includes("NaN") || !line.startsWith("plan: ")) return line;
  return first([
    claim(isWhole(options.graceMilliseconds, 1e12 + 999), "grace"),
    claim(isWhole(options.drainMilliseconds, 1e12 + 999), "drain"),
    claim(isWhole(options.waitMilliseconds, 1e12 + 999), "wait"),
    claim(isWhole(options.maxFailures, 255) && isWhole(options.failureMilliseconds, 1e12 + 999), "failures"),
  ]);
}

function playContainerReport(text: string): string {
  const report = parseReport(text);
  if (report === undefined) return "";
  const { phase, services } = report;
  for (const fact of services) {
    const members = describeFact(fact, findIllness(fact));
    findUnreadiness(fact, false);
    if (members.includes("\n") || members.includes("\0")) return "members";
  }
  if (services.length > 200) return "";
  const again = parseReport(describeReport(phase, services, 0));
  if (again === undefined || again.services.length !== services.length) return "services are lost";
  for (let i = 0; i < services.length; i++) {
    const one = services[i];
    const other = again.services[i];
    if (one === undefined || other === undefined) return "a service is lost";
    if (one.name !== other.name || one.path !== other.path || one.want !== other.want) return "another service";
    if (`${one.pid} ${one.lastEnd}` !== `${other.pid} ${other.lastEnd}`) return "other numbers";
  }
  return "";
}

function playLines(bytes: Uint8Array): string {
  const into = new Uint8Array(bytes.length * maxEscape);
  const end = putEscaped(into, 0, bytes, 0, bytes.length);
  if (end > into.length) return "more than there is room for";
  const inside = textAt(into, 0, end);
  const text = textOf(bytes);
  const time = { seconds: 1700000000, nanoseconds: 5000000 };
  const head = describeObjectHead(text, time, "stdout", 42);
  return first([
    claim(isQuoted(`"${inside}"`), "no JSON text"),
    claim(isQuoted(quote(text)), "no quoted text"),
    claim(isUtf8(head) && !head.includes("\n") && head.endsWith('"line":"'), "head of an object"),
    claim(describeHead("time", "web", time, true).endsWith("[web]+ "), "head"),
  ]);
}

function playText(bytes: Uint8Array): string {
  const text = textOf(bytes);
  const into = new Uint8Array(bytes.length);
  if (text.length !== bytes.length || putText(into, 0, text) !== bytes.length) return "length";
  for (let i = 0; i < bytes.length; i++) if (into[i] !== bytes[i]) return `byte ${i}`;
  for (let i = 0; i < bytes.length; i++) {
    const length = sequenceLength(bytes, i, bytes.length);
    if (length !== 0 && (length < 2 || length > 4 || i + length > bytes.length)) return `sequence of ${length} at ${i}`;
  }
  // The other way to know it: what the decoder of the platform does not change. It leaves out a mark at the beginning.
  const hasMark = text.startsWith("\xef\xbb\xbf");
  const isKept = textOf(new TextEncoder().encode(new TextDecoder().decode(bytes))) === text;
  const base = baseName(text);
  return first([
    claim(hasMark || isKept === isUtf8(text), `UTF-8: ${isKept ? "it is" : "it is not"}`),
    claim(!base.includes("/") && text.endsWith(base), "base name"),
    claim(`d${toolName(text)}` === base || toolName(text) === base, "tool name"),
    claim(parentOf(text) !== "" && (parentOf(text) === "/" || text.startsWith(parentOf(text))), "parent"),
    claim(!isAbsolute(text) || isAbsolute(parentOf(text)), "the parent of an absolute path"),
    claim(describeError(numberAt(bytes, 0)) !== "", "an error without words"),
    claim(describeWarning("sv", text, 2).endsWith("\n"), "warning"),
  ]);
}
