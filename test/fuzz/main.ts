// The compiled side of scripts/fuzz: libFuzzer (harness.c) calls back for each input.

import { play } from "./fuzz.ts";

/** Calls back until it has enough, with the length of the input. */
declare function fuzz_run(each: (length: number) => number): number;
/** The name of the target; its length. */
declare function fuzz_target(into: Uint8Array): number;
/** The input. */
declare function fuzz_take(into: Uint8Array): number;
/** Says what does not hold, and ends: libFuzzer keeps the input. */
declare function fuzz_fail(what: string): number;

function each(target: string, length: number): number {
  const bytes = new Uint8Array(length);
  fuzz_take(bytes);
  let wrong = "";
  try {
    wrong = play(target, bytes);
  } catch {
    wrong = "it throws";
  }
  if (wrong !== "") fuzz_fail(wrong);
  return 0;
}

function main(): void {
  const name = new Uint8Array(64);
  const target = new TextDecoder().decode(name.subarray(0, fuzz_target(name)));
  fuzz_run((length) => each(target, length));
}

main();
