// What follows from what, for one supervised process: a service or its log service. runsv(8).
//
//              u, o, want up                ended, ./finish is there
//    down ──────────────────────▶ run ────────────────────────────────▶ finish
//     ▲      (control/u first)     │ ended, no ./finish                    │
//     └────────────────────────────┴───────────────────────────────────────┘ ended
//
// `react` answers with the next state and the ordered actions. Control scripts run beside: what stands behind one is
// kept as `steps` and goes on when it has ended. A start waits until there are no steps, and, after a life of less
// than a second, until the service has rested.

export type Phase = "down" | "run" | "finish";
export type Want = "up" | "down" | "exit";
export type Role = "service" | "log";
export type SignalName =
  | "TERM"
  | "CONT"
  | "KILL"
  | "STOP"
  | "ALRM"
  | "HUP"
  | "INT"
  | "QUIT"
  | "USR1"
  | "USR2"
  | "WINCH";

/** Wall clock. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface Service {
  readonly role: Role;
  readonly phase: Phase;
  readonly want: Want;
  /** 0: no process. */
  readonly pid: number;
  readonly paused: boolean;
  readonly gotTerm: boolean;
  /** A signal to it was refused: it is another user's. */
  readonly refused: boolean;
  /** Told to start once, not started yet. */
  readonly once: boolean;
  /** Not to be started before it has rested. */
  readonly resting: boolean;
  /** Not to be started at all for now: the log pipe is closed. */
  readonly held: boolean;
  /** A start was asked of the system. */
  readonly starting: boolean;
  /** Last start of ./run, or when it came down. */
  readonly since: Timestamp;
  /** How ./run ended: the arguments of ./finish. */
  readonly exitCode: number;
  readonly waitStatus: number;
  /** What tells it to end. */
  readonly stopSignal: SignalName;
  /** Byte whose control script runs, "" if none; its step is the first of `steps`. */
  readonly script: string;
  readonly steps: readonly Step[];
}

/** What is still to be done for bytes already taken, in order. */
export type Step =
  /** Run control/BYTE; unless that works, send the signal ("": none). */
  | { readonly kind: "script"; readonly byte: string; readonly signal: SignalName | "" }
  | { readonly kind: "signal"; readonly signal: SignalName }
  | { readonly kind: "mark"; readonly paused: boolean }
  | { readonly kind: "start" };

export type Happening =
  | { readonly kind: "begin" }
  | { readonly kind: "control"; readonly byte: string }
  | { readonly kind: "started"; readonly pid: number; readonly at: Timestamp }
  /** There is no process to be had. */
  | { readonly kind: "unstartable" }
  | {
      readonly kind: "ended";
      readonly at: Timestamp;
      /** Exit code, -1 after a signal or if unknown. */
      readonly exitCode: number;
      /** Low byte of the wait status. */
      readonly waitStatus: number;
      /** Less than a second since ./run was started. */
      readonly young: boolean;
      readonly hasFinish: boolean;
    }
  /** It is about to end, and not to be started any more. */
  | { readonly kind: "last" }
  /** From now on this tells it to end. */
  | { readonly kind: "stop signal"; readonly signal: SignalName }
  /** The control script has ended, or there is none (worked: false). */
  | { readonly kind: "scripted"; readonly worked: boolean }
  /** The signal could not be sent. */
  | { readonly kind: "refused"; readonly signal: SignalName; readonly isForbidden: boolean }
  | { readonly kind: "rested" };

export type Action =
  | { readonly kind: "publish" }
  | { readonly kind: "run" }
  | { readonly kind: "finish"; readonly exitCode: number; readonly waitStatus: number }
  | { readonly kind: "script"; readonly byte: string }
  | { readonly kind: "drop script" }
  | { readonly kind: "signal"; readonly signal: SignalName }
  /** Say "rested" after this time. */
  | { readonly kind: "rest"; readonly milliseconds: number }
  /** Of the log pipe; decided in supervision.ts. */
  | { readonly kind: "close pipe" }
  | { readonly kind: "open pipe" };

export interface Reaction {
  readonly next: Service;
  readonly actions: readonly Action[];
}

/** One row per control byte; columns left out do not apply. */
interface Control {
  readonly want?: Want;
  /** Starts it once, whatever it wants. */
  readonly once?: boolean;
  /** Ends a running process. */
  readonly stops?: boolean;
  /** Sent to a running process, unless control/BYTE works. */
  readonly signal?: SignalName;
  readonly paused?: boolean;
  /** Goes before everything that waits. */
  readonly urgent?: boolean;
  readonly notForLog?: boolean;
}

/** The table of control bytes. (A switch: a list of rows would be built in the memory of every supervisor.) */
function controlOf(byte: string): Control | undefined {
  switch (byte) {
    case "u":
      return { want: "up" };
    case "d":
      return { want: "down", stops: true };
    case "o":
      return { want: "down", once: true };
    case "x":
      return { want: "exit", stops: true, notForLog: true };
    case "t":
      return { stops: true };
    case "k":
      return { signal: "KILL", urgent: true };
    case "p":
      return { signal: "STOP", paused: true };
    case "c":
      return { signal: "CONT", paused: false };
    case "a":
      return { signal: "ALRM" };
    case "h":
      return { signal: "HUP" };
    case "i":
      return { signal: "INT" };
    case "q":
      return { signal: "QUIT" };
    case "1":
      return { signal: "USR1" };
    case "2":
      return { signal: "USR2" };
    default:
      return undefined;
  }
}

/** So many steps may wait before no further control bytes are to be taken: they keep in the pipe. */
export const maxSteps = 32;

const restMilliseconds = 1000;
const restWithoutProcessMilliseconds = 5000;

/** A service that `runsv` has just found. */
export function newService(role: Role, want: Want, since: Timestamp): Service {
  return {
    role,
    phase: "down",
    want,
    pid: 0,
    paused: false,
    gotTerm: false,
    refused: false,
    once: false,
    resting: false,
    held: false,
    starting: false,
    since,
    exitCode: 0,
    waitStatus: 0,
    stopSignal: "TERM",
    script: "",
    steps: [],
  };
}

export function react(now: Service, happening: Happening): Reaction {
  const actions: Action[] = [];
  const next = goOn(learn(now, happening, actions), actions);
  return { next, actions };
}

/** Whether it is told to exit and nothing is left to do for it. */
export function isOver(service: Service): boolean {
  return service.want === "exit" && service.phase === "down" && service.steps.length === 0 && !service.starting;
}

function learn(now: Service, happening: Happening, actions: Action[]): Service {
  switch (happening.kind) {
    case "begin":
      return now;
    case "control":
      return obey(now, happening.byte, actions);
    case "started":
      actions.push({ kind: "publish" });
      return now.phase === "finish"
        ? { ...now, pid: happening.pid, starting: false, paused: false, gotTerm: false }
        : {
            ...now,
            phase: "run",
            pid: happening.pid,
            starting: false,
            paused: false,
            gotTerm: false,
            refused: false,
            once: false,
            since: happening.at,
          };
    case "unstartable":
      actions.push({ kind: "rest", milliseconds: restWithoutProcessMilliseconds });
      // control/u has been run: only the start is to be tried again.
      return { ...now, starting: false, resting: true, steps: now.phase === "down" ? [{ kind: "start" }] : now.steps };
    case "ended": {
      const gone: Service = { ...now, pid: 0, gotTerm: false, refused: false };
      if (now.phase === "run" && happening.hasFinish) {
        actions.push({ kind: "publish" });
        return { ...gone, phase: "finish", exitCode: happening.exitCode, waitStatus: happening.waitStatus };
      }
      actions.push({ kind: "publish" });
      if (happening.young) actions.push({ kind: "rest", milliseconds: restMilliseconds });
      return { ...gone, phase: "down", since: happening.at, resting: happening.young };
    }
    case "last":
      return { ...now, want: "exit", once: false };
    case "stop signal":
      return { ...now, stopSignal: happening.signal };
    case "scripted":
      return afterScript(now, happening.worked, actions);
    case "refused":
      actions.push({ kind: "publish" });
      return {
        ...now,
        refused: happening.isForbidden,
        gotTerm: happening.signal === "TERM" ? false : now.gotTerm,
        paused: happening.signal === "STOP" ? false : now.paused,
      };
    case "rested":
      return { ...now, resting: false };
  }
}

function obey(now: Service, byte: string, actions: Action[]): Service {
  const row = controlOf(byte);
  if (row === undefined || (row.notForLog === true && now.role === "log")) return now;

  const runs = now.phase === "run";
  let next = now;
  if (now.refused && runs && (row.stops === true || (row.signal !== undefined && byte !== "c"))) {
    next = { ...next, refused: false }; // it is tried again
    actions.push({ kind: "publish" });
  }
  if (row.want !== undefined) {
    // A log service whose pipe is closed is on its way out, whatever it is told.
    const want = now.role === "log" && now.want === "exit" ? "exit" : row.want;
    next = { ...next, want, once: row.once === true && !runs };
    actions.push({ kind: "publish" });
  }
  if (row.urgent === true && (next.script !== "" || next.steps.length > 0)) {
    if (next.script !== "") actions.push({ kind: "drop script" });
    next = { ...next, script: "", steps: [] };
  }
  if (row.stops === true && runs) next = { ...next, steps: [...next.steps, ...stopSteps(next.want, next.stopSignal)] };
  if (row.signal !== undefined && runs) {
    const step: Step = { kind: "script", byte, signal: row.signal };
    next = { ...next, steps: [...next.steps, step] };
  }
  if (row.paused !== undefined) {
    if (runs) return { ...next, steps: [...next.steps, { kind: "mark", paused: row.paused }] };
    actions.push({ kind: "publish" });
    next = { ...next, paused: row.paused };
  }
  return next;
}

/** Its stop signal; one that is not to come back is also continued, so that it can obey, and told so by its script. */
function stopSteps(want: Want, signal: SignalName): readonly Step[] {
  const term: Step = { kind: "script", byte: "t", signal };
  const cont: Step = { kind: "signal", signal: "CONT" };
  switch (want) {
    case "up":
      return [term];
    case "down":
      return [term, cont, { kind: "script", byte: "d", signal: "" }];
    case "exit":
      return [term, cont, { kind: "script", byte: "x", signal: "" }];
  }
}

function afterScript(now: Service, worked: boolean, actions: Action[]): Service {
  const step = now.steps[0];
  const next: Service = { ...now, script: "", steps: now.steps.slice(1) };
  if (step === undefined || step.kind !== "script" || step.signal === "" || worked) return next;
  return send(next, step.signal, actions);
}

/** Signals go to a running ./run only: when it has ended meanwhile there is nobody to tell. */
function send(now: Service, signal: SignalName, actions: Action[]): Service {
  if (now.phase !== "run" || now.pid === 0) return now;
  actions.push({ kind: "signal", signal });
  if (signal !== "TERM") return now;
  actions.push({ kind: "publish" });
  return { ...now, gotTerm: true };
}

/** Does what can be done now: steps up to the next script, then the start that is wanted. */
function goOn(now: Service, actions: Action[]): Service {
  let next = now;
  for (;;) {
    if (next.script !== "" || next.starting) return next;
    const step = next.steps[0];
    if (step === undefined) {
      if (!isStartable(next)) return next;
      if (next.phase === "finish") {
        actions.push({ kind: "finish", exitCode: next.exitCode, waitStatus: next.waitStatus });
        return { ...next, starting: true };
      }
      next = { ...next, steps: [{ kind: "script", byte: "u", signal: "" }, { kind: "start" }] };
      continue;
    }
    switch (step.kind) {
      case "script":
        if (next.role === "service") {
          actions.push({ kind: "script", byte: step.byte });
          return { ...next, script: step.byte };
        }
        next = afterScript(next, false, actions);
        break;
      case "signal":
        next = send({ ...next, steps: next.steps.slice(1) }, step.signal, actions);
        break;
      case "mark":
        actions.push({ kind: "publish" });
        next = { ...next, steps: next.steps.slice(1), paused: step.paused };
        break;
      case "start":
        if (next.phase === "down" && next.resting && wantsStart(next)) return next;
        next = { ...next, steps: next.steps.slice(1) };
        if (next.phase !== "down" || next.pid !== 0 || next.held || !wantsStart(next)) break;
        actions.push({ kind: "run" });
        return { ...next, starting: true };
    }
  }
}

function wantsStart(service: Service): boolean {
  return service.want === "up" || service.once;
}

function isStartable(service: Service): boolean {
  if (service.pid !== 0 || service.resting) return false;
  if (service.phase === "finish") return true;
  return service.phase === "down" && !service.held && wantsStart(service);
}
