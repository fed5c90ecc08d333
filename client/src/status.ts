// What is told of a service.

import type { ServiceError } from "./error.ts";

/** A service and what it does at the moment. The names are those of `sv --json`, in the spelling of TypeScript. */
export interface Status<Name extends string = string> {
  readonly service: Name;
  readonly state: "run" | "down" | "finish";
  /** undefined: it has no process. */
  readonly pid: number | undefined;
  /** When this state began; during `finish`, when `run` did. */
  readonly since: Date;
  /** Whole seconds from then to now. */
  readonly seconds: number;
  /** Whether it is started when its `runsv` starts. */
  readonly normally: "up" | "down";
  readonly want: "up" | "down";
  readonly paused: boolean;
  readonly gotTerm: boolean;
  /** Its supervisor may not signal it: it runs as another user. */
  readonly notPermitted: boolean;
  /** Environment variables without which it is not started. */
  readonly waitsFor: readonly string[];
  /** `run: web: (pid 42) 9s, normally down`: what `sv status` prints. */
  readonly line: string;
}

/** A service whose state cannot be told. */
export interface Trouble<Name extends string = string> {
  readonly service: Name;
  readonly state: null;
  readonly error: ServiceError;
  /** The message of `error`. */
  readonly line: string;
}

export type Report<Name extends string = string> = Status<Name> | Trouble<Name>;

/** A service of the service directory, or its log service. */
export type Service<Name extends string> = Name | `${Name}/log`;
