// Carries out lines of a document that begin with `docker`, as far as the document goes: a word it does not know is a
// failure. What an engine says when it builds and starts is left out.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stage } from "../conformance/stage.ts";
import type { Image } from "./dockerfile.ts";
import { build } from "./dockerfile.ts";
import type { Container, End, Setting } from "./engine.ts";
import { start } from "./engine.ts";

export class Docker {
  readonly #stage: Stage;
  readonly #root: string;
  readonly #images = new Map<string, Image>();
  readonly #containers = new Map<string, Container>();
  readonly #ends = new Map<string, End>();

  /** @param root the directory in which the lines are typed */
  constructor(stage: Stage, root: string) {
    this.#stage = stage;
    this.#root = root;
  }

  /** Carries out one line after the other; what they print is this, as soon as it can be, but for numbers. */
  async carryOut(lines: readonly string[], shown: string): Promise<void> {
    let left = withoutNumbers(shown);
    for (const [index, line] of lines.entries()) {
      const isLast = index === lines.length - 1;
      const fits = (text: string) => (isLast ? withoutNumbers(text) === left : isBeginning(text, left));
      const words = line.split(/ +/).map((word) => word.replace(/^'(.*)'$/, "$1"));
      assert.equal(words[0], "docker", line);
      const [verb = "", ...rest] = words.slice(1);
      let printed = await this.#run(verb, rest);
      // People are slower.
      for (let tries = 0; isQuestion(verb) && (printed === "" || !fits(printed)) && tries < 100; tries++) {
        await this.#stage.span(100);
        printed = await this.#run(verb, rest);
      }
      if (!fits(printed)) assert.equal(withoutNumbers(printed), left, line);
      left = left.slice(withoutNumbers(printed).length);
    }
    assert.equal(left, "", lines.join("\n"));
  }

  async #run(verb: string, words: readonly string[]): Promise<string> {
    const name = words.at(-1) ?? "";
    switch (verb) {
      case "build":
        this.#build(words);
        return "";
      case "run":
        await this.#start([...words]);
        return "";
      case "logs":
        return this.#of(name).out + this.#of(name).err;
      case "exec": {
        const { out, err } = await this.#of(words[0] ?? "").exec(words.slice(1));
        return out + err;
      }
      case "stop": {
        const end = await this.#of(name).stop();
        assert.equal(end.wasKilled, false, "it ends by itself");
        this.#ends.set(name, end);
        return `${name}\n`;
      }
      case "inspect":
        assert.deepEqual(words.slice(0, -1), ["--format", "{{.State.ExitCode}}"]);
        return `${this.#ends.get(name)?.code}\n`;
      default:
        return assert.fail(`this command is not known here: docker ${verb}`);
    }
  }
  #of(name: string): Container {
    return this.#containers.get(name) ?? assert.fail(`no container ${name}`);
  }

  #build(words: readonly string[]): void {
    const [option, file = "", tag, name = "", context = ""] = words;
    assert.deepEqual([option, tag, words.length], ["-f", "-t", 5]);
    const directory = this.#stage.at(`image-${name}`);
    fs.mkdirSync(directory);
    this.#images.set(name, build(path.join(this.#root, file), path.join(this.#root, context), directory));
  }

  async #start(words: string[]): Promise<void> {
    let name = "";
    let setting: Setting = {};
    for (let word = words.shift() ?? ""; ; word = words.shift() ?? "") {
      const value = () => words.shift() ?? assert.fail(`${word} what?`);
      if (word === "-d") continue;
      else if (word === "-p") assert.match(value(), /^\d+:\d+$/);
      else if (word === "--name") name = value();
      else if (word === "--read-only") setting = { ...setting, isReadOnly: true };
      else if (word === "--tmpfs") setting = { ...setting, tmpfs: [...(setting.tmpfs ?? []), value()] };
      else if (word === "--entrypoint") setting = { ...setting, entrypoint: [value()] };
      else if (word === "-e") {
        const [variable = "", text = ""] = value().split("=");
        setting = { ...setting, env: { ...setting.env, [variable]: text } };
      } else {
        const image = this.#images.get(word) ?? assert.fail(`no image ${word}`);
        if (words.length > 0) setting = { ...setting, command: words };
        this.#containers.set(name, await start(this.#stage, name, image, setting));
        return;
      }
    }
  }
}

export function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, "N");
}
function isQuestion(verb: string): boolean {
  return verb === "logs" || verb === "exec";
}
/** Builds and starts print nothing here. */
function isBeginning(printed: string, expected: string): boolean {
  return expected.startsWith(withoutNumbers(printed));
}
