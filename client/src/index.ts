// runit-ts-client: services that runit supervises, asked and told from TypeScript.

export type { Defined, DefineOptions } from "./define.ts";
export { defineServices } from "./define.ts";
export type {
  CommandDefinition,
  ControlByte,
  Limits,
  LogDefinition,
  Script,
  ScriptDefinition,
  ServiceDefinition,
  Word,
} from "./definition.ts";
export type { ServiceErrorCode } from "./error.ts";
export { ServiceError } from "./error.ts";
export type { LogOptions } from "./log.ts";
export type { Command, Condition, Order, ServicesOptions, WatchOptions } from "./services.ts";
export { Services } from "./services.ts";
export type { StampedLine } from "./stamp.ts";
export { parseStamp } from "./stamp.ts";
export type { Report, Service, Status, Trouble } from "./status.ts";
export type { WaitOptions } from "./waiting.ts";
