import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sv } from "../../../src/commands/sv.ts";
import { newService } from "../../../src/core/supervise/service.ts";
import { encodeStatus } from "../../../src/core/supervise/status.ts";
import { Machine } from "../../machine/machine.ts";

/** A service directory with a runsv that answers as `answer` says; status as it was before. */
class Scene {
  readonly machine = new Machine();
  told = "";

  constructor(before: "run" | "down", answer: (scene: Scene, bytes: string) => void) {
    const machine = this.machine;
    machine.directory("/service/web/supervise");
    machine.directory("/home");
    machine.chdir("/service/web");
    for (const pipe of ["ok", "control"]) {
      machine.mkfifo(`supervise/${pipe}`, 0o600);
      machine.open(`supervise/${pipe}`, 2, 0);
    }
    machine.chdir("/home");
    this.publish(before, before === "run" ? "up" : "down", 0);
    const look = (): void => {
      const bytes = machine.drain("/service/web/supervise/control");
      if (bytes !== "") {
        this.told += bytes;
        answer(this, bytes);
      }
      machine.after(5, look);
    };
    machine.after(5, look);
  }

  publish(phase: "run" | "down", want: "up" | "down", startedAgo: number, gotTerm = false): void {
    const now = this.machine.now();
    const since = { seconds: now.seconds - startedAgo, nanoseconds: now.nanoseconds };
    const service = { ...newService("service", want, since), phase, pid: phase === "run" ? 42 : 0, gotTerm };
    this.machine.file("/service/web/supervise/status", String.fromCharCode(...encodeStatus(service)));
  }

  run(...args: string[]): { code: number; out: string; err: string } {
    const code = sv(["sv", ...args], this.machine);
    return { code, out: this.machine.stdout, err: this.machine.stderr };
  }
}

suite("sv stop", () => {
  test("never takes the state from before the command for an answer", () => {
    // Crashing, in its second of rest: down, but wanting up. runsv is slow to read the command.
    const scene = new Scene("down", (at) => at.machine.after(900, () => at.publish("down", "down", 1)));
    scene.publish("down", "up", 0);
    const { code, out } = scene.run("stop", "web");
    assert.deepEqual([code, out], [0, "ok: down: web: 1s, normally up\n"]);
    assert.equal(scene.told, "d");
  });

  test("gives up after its time, on the grid of the original, and says what it sees", () => {
    const scene = new Scene("run", (at) => at.publish("run", "down", 20, true));
    const start = scene.machine.milliseconds;
    const { code, out } = scene.run("-w", "1", "stop", "web");
    assert.deepEqual([code, out], [1, "timeout: run: web: (pid 42) 21s, want down, got TERM\n"]);
    assert.equal(scene.machine.milliseconds - start, 1260);
  });
});

suite("sv start", () => {
  test("does not believe in a process that lives for an instant", () => {
    let starts = 0;
    const scene = new Scene("down", (at) => {
      const begin = (): void => {
        starts++;
        at.publish("run", "up", 0);
        at.machine.after(3, () => at.publish("down", "up", 0));
        at.machine.after(1003, begin);
      };
      begin();
    });
    const { code, out } = scene.run("-w", "3", "start", "web");
    assert.equal(code, 1);
    assert.match(out, /^timeout: (down|run): web: /);
    assert.ok(starts >= 2);
  });

  test("is satisfied a moment after the start", () => {
    const scene = new Scene("down", (at) => at.publish("run", "up", 0));
    const start = scene.machine.milliseconds;
    assert.equal(scene.run("start", "web").out, "ok: run: web: (pid 42) 0s\n");
    assert.ok(scene.machine.milliseconds - start < 500);
  });
});

test("without a service, status and list show them all", () => {
  const scene = new Scene("run", () => {});
  scene.machine.file("/service/README", "");
  scene.machine.directory("/service/.hidden/x");
  scene.machine.directory("/service/another/x");
  const { code, out } = scene.run("status");
  assert.equal(out, "warning: another: unable to open supervise/ok: file does not exist\nrun: web: (pid 42) 0s\n");
  assert.equal(code, 1);
});

test("as JSON, a service that cannot be asked has the reason alone", () => {
  const scene = new Scene("run", () => {});
  scene.machine.directory("/service/another/x");
  const { out, code } = scene.run("--json", "status", "another", "nobody");
  assert.equal(
    out,
    '{"service":"another","state":null,"error":"unable to open supervise/ok: file does not exist","log":null}\n' +
      '{"service":"nobody","state":null,"error":"unable to change to service directory: file does not exist"}\n',
  );
  assert.equal(code, 2);
});

test("colour is for terminals only, never with NO_COLOR, and not for dumb ones", () => {
  const line = (hasTerminal: boolean, variables: Record<string, string>): string => {
    const scene = new Scene("run", () => {});
    scene.machine.hasTerminal = hasTerminal;
    for (const [name, value] of Object.entries(variables)) scene.machine.entries.push(`${name}=${value}`);
    return scene.run("status", "web").out;
  };
  const plain = "run: web: (pid 42) 0s\n";
  assert.equal(line(true, {}), "\x1b[32mrun\x1b[0m: web: (pid 42) 0s\n");
  assert.equal(line(false, {}), plain);
  assert.equal(line(true, { NO_COLOR: "1" }), plain);
  assert.equal(line(true, { TERM: "dumb" }), plain);
});
