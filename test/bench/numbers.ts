// Samples, and the table that shows them.

export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** Median, least and greatest. */
export function summarize(samples: readonly number[]): Summary {
  return {
    median: quantile(samples, 0.5),
    low: quantile(samples, 0),
    high: quantile(samples, 1),
    count: samples.length,
  };
}

/** The smallest sample that is not less than this part of all; between the two middle ones for an even median. */
export function quantile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (index: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, index))] ?? Number.NaN;
  if (part === 0.5 && sorted.length % 2 === 0) return (at(sorted.length / 2 - 1) + at(sorted.length / 2)) / 2;
  return at(Math.ceil(part * sorted.length) - 1);
}

export interface Row {
  readonly title: string;
  readonly unit: string;
  /** undefined: not measured. */
  readonly ours: Summary | undefined;
  readonly theirs: Summary | undefined;
}

/** Ours beside Debian's, with the ratio. */
export function describeTable(rows: readonly Row[]): string {
  const lines = [["", "runit-ts", "Debian's runit", "ours/theirs"]];
  for (const { title, unit, ours, theirs } of rows)
    lines.push([title, describe(ours, unit), describe(theirs, unit), describeRatio(ours?.median, theirs?.median)]);
  return layOutTable(lines);
}

/** A table in Markdown that is also one for a terminal; the first line is its head, the first column its titles. */
export function layOutTable(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map(
    (line) => `| ${line.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(" | ")} |`,
  );
  const rule = `|${widths.map((width, column) => `${"-".repeat(width + 1)}${column === 0 ? "-" : ":"}`).join("|")}|`;
  return [text[0], rule, ...text.slice(1)].join("\n");
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** Empty where one of them was not measured. */
export function describeRatio(ours: number | undefined, theirs: number | undefined): string {
  if (ours === undefined || theirs === undefined) return "";
  if (theirs === 0) return ours === 0 ? "1.00" : "";
  const ratio = ours / theirs;
  return ratio < 0.01 && ratio > 0 ? ratio.toFixed(4) : ratio.toFixed(2);
}

/** A cell: the median, and the spread if there is one. */
export function describe(summary: Summary | undefined, unit: string): string {
  if (summary === undefined) return "–";
  const spread = summary.count > 1 ? ` (${short(summary.low)}–${short(summary.high)})` : "";
  return `${short(summary.median)}${unit === "" ? "" : ` ${unit}`}${spread}`;
}

/** A number in as many digits as are of interest. */
export function short(value: number): string {
  if (value >= 100 || Number.isInteger(value)) {
    return Math.round(value)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, ",");
  }
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
