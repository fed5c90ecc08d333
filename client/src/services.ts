// The services of a service directory, to be asked and told.

import * as fs from "node:fs";
import * as path from "node:path";
import type { Request } from "../../src/core/supervise/requests.ts";
import { isWholeWord, mustSend, parseRequest } from "../../src/core/supervise/requests.ts";
import { leadingNumber } from "../../src/core/text/numbers.ts";
import { failTogether, noSupervisor, ServiceError } from "./error.ts";
import { leavable } from "./leaving.ts";
import type { LogOptions } from "./log.ts";
import { readLog } from "./log.ts";
import { findLogDirectory } from "./log-directory.ts";
import type { Report, Service, Status } from "./status.ts";
import type { Reading } from "./supervised.ts";
import { ScanDirectory, tell } from "./supervised.ts";
import type { WaitOptions, Wish } from "./waiting.ts";
import { ask } from "./waiting.ts";
import { reportOn, watchAll } from "./watching.ts";

/** What is sent without waiting for an answer: words of sv(8). */
export type Command =
  | "up"
  | "down"
  | "once"
  | "exit"
  | "term"
  | "kill"
  | "pause"
  | "cont"
  | "hup"
  | "alarm"
  | "interrupt"
  | "quit"
  | "1"
  | "2"
  | Order;

/** What is told and waited for: words of sv(8). Those with `force-` kill what has not answered in time. */
export type Order =
  | "start"
  | "stop"
  | "restart"
  | "try-restart"
  | "reload"
  | "shutdown"
  | "check"
  | "force-stop"
  | "force-restart"
  | "force-reload"
  | "force-shutdown";

/**
 * `up`: it runs and wants up. `ready`: and its check script agrees, if it has one. `down`: it is down and wants down.
 * `gone`: no `runsv` supervises it.
 */
export type Condition = "up" | "ready" | "down" | "gone";

export interface ServicesOptions {
  /** Service directory. `SVDIR`, else the first there is of /etc/service, /service, /var/service, unless given. */
  readonly directory?: string | undefined;
}

export interface WatchOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

const usualDirectories = ["/etc/service", "/service", "/var/service"];
const conditions: readonly Condition[] = ["up", "ready", "down", "gone"];
const defaultSeconds = 7;
/** State that is made again is looked for so often, and so many times. */
const rereadMilliseconds = 50;
const maxRereadings = 20;
/** Between so many reports others get their turn. */
const reportsAtOnce = 50;

/**
 * The services of a service directory.
 * @typeParam Name names of the services, where they are known: `new Services<"web" | "worker">()`
 */
export class Services<Name extends string = string> {
  /** Absolute path of the service directory. */
  readonly directory: string;
  readonly #scan: ScanDirectory;

  constructor(options: ServicesOptions = {}) {
    if (typeof options !== "object") throw new TypeError("options: { directory } is meant");
    const { directory = usualDirectory() } = options;
    this.directory = path.resolve(directory);
    this.#scan = new ScanDirectory(this.directory);
  }

  /** Names, sorted: every directory, or link to one, that does not begin with a dot. */
  async list(): Promise<Name[]> {
    return this.#scan.list() as Name[];
  }

  /** What a service does at the moment. Rejects with a ServiceError if that cannot be told. */
  async status<Asked extends Service<Name>>(service: Asked): Promise<Status<Asked>> {
    const status = this.#scan.describe(await this.#read(service));
    if (status instanceof ServiceError) throw status;
    return status as Status<Asked>;
  }

  /** The same of many, or all: a service whose state cannot be told has the error in its place. */
  async statuses<Asked extends Service<Name> = Name>(services?: readonly Asked[]): Promise<Report<Asked>[]> {
    const reports: Report[] = [];
    for (const service of services ?? this.#scan.list()) {
      if (reports.length % reportsAtOnce === reportsAtOnce - 1) await new Promise(setImmediate);
      reports.push(reportOn(this.#scan, service).report);
    }
    return reports as Report<Asked>[];
  }

  /**
   * Tells services something, and does not wait. `up` is not sent to a service that wants up, nor `down` to one that wants
   * down and got TERM. Rejects with a ServiceError when all were told that could be.
   */
  async control(services: Service<Name> | readonly Service<Name>[], command: Command): Promise<void> {
    const { bytes } = requestOf(command);
    const errors: ServiceError[] = [];
    for (const service of namesIn(services)) {
      try {
        const { record, place, error } = await this.#read(service);
        if (record === undefined) errors.push(error ?? noSupervisor(service));
        else if (mustSend(bytes, record)) tell(place, bytes);
      } catch (error: unknown) {
        if (!(error instanceof ServiceError)) throw error;
        errors.push(error);
      }
    }
    failTogether(errors);
  }

  /**
   * Tells services something, and waits until all have done it, as sv does: 7 seconds, or `SVWAIT`, unless there is a
   * timeout. Rejects with a ServiceError that has those of all services, or with the reason of the signal.
   */
  async request<Asked extends Service<Name>>(
    services: Asked | readonly Asked[],
    order: Order,
    { timeout = defaultTimeout(), signal }: WaitOptions = {},
  ): Promise<Report<Asked>[]> {
    const request = requestOf(order);
    const unsupervised = request.bytes.startsWith("x") ? "wanted" : "failure";
    const wish: Wish = { request, isAsked: true, unsupervised };
    return (await ask(this.#scan, namesIn(services), wish, { timeout, signal })) as Report<Asked>[];
  }

  /** Until they run, and their check scripts agree. */
  start<Asked extends Service<Name>>(
    services: Asked | readonly Asked[],
    options?: WaitOptions,
  ): Promise<Report<Asked>[]> {
    return this.request(services, "start", options);
  }

  /** Until they are down. */
  stop<Asked extends Service<Name>>(
    services: Asked | readonly Asked[],
    options?: WaitOptions,
  ): Promise<Report<Asked>[]> {
    return this.request(services, "stop", options);
  }

  /** Until other processes run, and their check scripts agree. */
  restart<Asked extends Service<Name>>(
    services: Asked | readonly Asked[],
    options?: WaitOptions,
  ): Promise<Report<Asked>[]> {
    return this.request(services, "restart", options);
  }

  /**
   * Waits until the condition is true of all of them, without telling them anything; for ever unless there is a timeout. A
   * service that no `runsv` supervises yet is waited for.
   */
  async wait<Asked extends Service<Name>>(
    services: Asked | readonly Asked[],
    condition: Condition,
    options: WaitOptions = {},
  ): Promise<Report<Asked>[]> {
    if (!conditions.includes(condition)) throw new TypeError(`no such condition: ${condition}`);
    const wish: Wish = {
      request: { bytes: "", awaits: condition === "down" ? "d" : "u", waits: "always", kills: false },
      isAsked: condition === "ready",
      unsupervised: condition === "gone" ? "wanted" : "patient",
    };
    return (await ask(this.#scan, namesIn(services), wish, options)) as Report<Asked>[];
  }

  /**
   * What services do: first what each does now, then each change, until the signal is aborted or the loop is left. Who
   * reads slowly misses what has passed, never what is now. That a `runsv` was killed is seen within a second.
   * @param services unless given, all, also those that come later
   */
  watch<Asked extends Service<Name> = Name>(
    services?: Asked | readonly Asked[],
    { signal }: WatchOptions = {},
  ): AsyncGenerator<Report<Asked>, void, undefined> {
    const names = services === undefined ? undefined : namesIn(services);
    return leavable((ended) => watchAll(this.#scan, names, ended), signal) as AsyncGenerator<Report<Asked>, void>;
  }

  /**
   * Lines of its log, oldest first: what svlogd has written, without newlines (see `parseStamp`). With `follow`, rotation
   * loses and repeats nothing, as long as svlogd does not delete files faster than they are heard of. Where the log has a
   * processor, lines are read before it gets them: what it has processed already is not read at all.
   */
  log(service: Name, options: LogOptions = {}): AsyncGenerator<string, void, undefined> {
    return leavable((ended) => this.#log(service, options, ended), options.signal);
  }

  async *#log(service: Name, options: LogOptions, ended: AbortSignal): AsyncGenerator<string, void, undefined> {
    const directory = options.directory ?? findLogDirectory(this.#scan, service);
    yield* readLog(service, directory, options, ended);
  }

  /** What is away in a state root may be made again in a moment. */
  async #read(service: string): Promise<Reading> {
    for (let left = maxRereadings; ; left--) {
      const reading = this.#scan.read(service);
      if (!reading.isAway || left === 0) return reading;
      await new Promise((resolve) => setTimeout(resolve, rereadMilliseconds));
    }
  }
}

function usualDirectory(): string {
  const named = process.env["SVDIR"] ?? "";
  if (named !== "") return named;
  return usualDirectories.find((directory) => fs.existsSync(directory)) ?? "/etc/service";
}

function defaultTimeout(): number {
  const seconds = process.env["SVWAIT"];
  return (seconds === undefined ? defaultSeconds : leadingNumber(seconds)) * 1000;
}

function namesIn(services: string | readonly string[]): readonly string[] {
  return typeof services === "string" ? [services] : services;
}

function requestOf(word: string): Request {
  const request = isWholeWord(word) ? parseRequest(word) : undefined;
  if (request === undefined) throw new TypeError(`no such command: ${word}`);
  return request;
}
