// What compose.yaml and kubernetes.yaml say of how an image is to be started: Python reads them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Setting } from "./engine.ts";

export const root = path.resolve(import.meta.dirname, "../..");
export const examples = path.join(root, "examples/container");

const hasPython = spawnSync("python3", ["-c", "import yaml"], { stdio: "ignore" }).status === 0;
/** For `skip`: why they cannot be read here, if so. */
export const cannotReadYaml: string | false = !hasPython && "needs python3-yaml";

function read(name: string): unknown {
  const program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
  const { stdout, status } = spawnSync("python3", ["-c", program], {
    input: fs.readFileSync(path.join(examples, name), "utf8"),
    encoding: "utf8",
  });
  assert.equal(status, 0, name);
  return JSON.parse(stdout);
}

// ── Compose ──

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
}
interface ComposeService {
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>>;
}
/** All that means something here, or needs to mean nothing. */
const knownKeys = [
  ...["build", "image", "ports", "environment", "stop_grace_period", "restart", "read_only", "tmpfs", "cap_drop"],
  ...["security_opt", "healthcheck"],
];
const knownHealthKeys = ["test", "interval", "timeout", "retries", "start_period"];

export interface Composed {
  /** The directory of its Dockerfile. */
  readonly image: string;
  readonly setting: Setting;
  readonly graceSeconds: number;
  readonly health: { readonly command: unknown; readonly timeoutSeconds: number } | undefined;
}

export function composeServices(): string[] {
  return Object.keys((read("compose.yaml") as ComposeFile).services);
}
export function compose(name: string): Composed {
  const service = (read("compose.yaml") as ComposeFile).services[name] ?? assert.fail(`no service ${name}`);
  const { build, environment, stop_grace_period, read_only, tmpfs, cap_drop, security_opt, healthcheck } = service;
  assertKnown(service, knownKeys);
  if (cap_drop) assert.deepEqual([cap_drop, security_opt], [["ALL"], ["no-new-privileges:true"]]);
  assert.equal(path.join(examples, build.context), root);
  if (healthcheck) assertKnown(healthcheck, knownHealthKeys);
  return {
    image: path.basename(path.dirname(build.dockerfile)),
    setting: {
      env: environment ?? {},
      isReadOnly: read_only ?? false,
      tmpfs: tmpfs ?? [],
      hasNoNewPrivileges: security_opt !== undefined,
    },
    graceSeconds: secondsOf(stop_grace_period ?? "10s"),
    health: healthcheck && { command: healthcheck["test"], timeoutSeconds: secondsOf(`${healthcheck["timeout"]}`) },
  };
}
function assertKnown(record: object, known: readonly string[]): void {
  for (const key of Object.keys(record)) assert.ok(known.includes(key), `what ${key} means is not known here`);
}
function secondsOf(text: string): number {
  return Number(/^(\d+)s$/.exec(text)?.[1] ?? assert.fail(text));
}

// ── Kubernetes ──

/** As much of apps/v1 as the manifest uses. */
export interface Deployment {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels };
  readonly spec: {
    readonly replicas: number;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod };
  };
}
type Labels = Readonly<Record<string, string>>;
export interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: {
    readonly runAsNonRoot: boolean;
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly fsGroup: number;
  };
  readonly containers: readonly PodContainer[];
  readonly volumes: readonly { readonly name: string; readonly emptyDir: object }[];
}
export interface PodContainer {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[] };
  };
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly terminationMessagePath?: string;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Probe {
  readonly exec: { readonly command: readonly string[] };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
}

export interface Manifest {
  readonly deployment: Deployment;
  readonly pod: Pod;
  readonly container: PodContainer;
  readonly setting: Setting;
}
export function kubernetes(): Manifest {
  const deployment = read("kubernetes.yaml") as Deployment;
  const pod = deployment.spec.template.spec;
  const { runAsUser, runAsGroup } = pod.securityContext;
  const [container = assert.fail("no container"), ...others] = pod.containers;
  assert.equal(others.length, 0);
  return {
    deployment,
    pod,
    container,
    setting: {
      env: Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
      user: `${runAsUser}:${runAsGroup}`,
      isReadOnly: container.securityContext.readOnlyRootFilesystem,
      hasNoNewPrivileges: !container.securityContext.allowPrivilegeEscalation,
      volumes: container.volumeMounts.map(({ mountPath }) => mountPath),
      hasTerminationLog: true,
    },
  };
}
