// What process 1 keeps for the moment it is restarted in place: where it is, in one line of words.

import type { Boot, BootPhase, Stage } from "./stages.ts";

/** @param spawned the last process that was started when this was true */
export function encodeBoot(boot: Boot, spawned: number): string {
  const flags = `${boot.wasContinued ? 1 : 0}${boot.wasInterrupted ? 1 : 0}`;
  const contained = `${boot.isContained ? 1 : 0} ${boot.code} ${boot.stoppedAt}`;
  return `${boot.stage} ${boot.phase} ${boot.pid} ${boot.askingPid} ${boot.dueAt} ${flags} ${spawned} ${contained}`;
}

/**
 * undefined: not such a line.
 * @param spawned the last process that was started: if that was after the line was kept, it is the one it was to be
 */
export function decodeBoot(line: string, spawned: number): Boot | undefined {
  const words = line.split(" ");
  const stage = stageOf(words[0] ?? "");
  const phase = phaseOf(words[1] ?? "");
  if (words.length !== 10 || stage === undefined || phase === undefined) return undefined;
  const flags = words[5] ?? "";
  const pid = Number(words[2] ?? "0");
  const askingPid = Number(words[3] ?? "0");
  const isNew = spawned !== 0 && spawned !== Number(words[6] ?? "0");
  return {
    stage,
    phase,
    pid: isNew && pid === 0 && phase === "running" ? spawned : pid,
    askingPid: isNew && pid !== 0 && askingPid === 0 ? spawned : askingPid,
    dueAt: Number(words[4] ?? "-1"),
    wasContinued: flags.charAt(0) === "1",
    wasInterrupted: flags.charAt(1) === "1",
    isContained: words[7] === "1",
    code: Number(words[8] ?? "0"),
    stoppedAt: Number(words[9] ?? "-1"),
  };
}

function stageOf(word: string): Stage | undefined {
  return word === "1" ? 1 : word === "2" ? 2 : word === "3" ? 3 : undefined;
}

function phaseOf(word: string): BootPhase | undefined {
  switch (word) {
    case "running":
    case "resting":
    case "stopping":
    case "killed":
    case "over":
      return word;
    default:
      return undefined;
  }
}
