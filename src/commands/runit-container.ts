// runit-container(8): the services of a container as its process 1, or below another one; asks it (health), tells it (stop).

import { ContainerOptions, letterOf, optionVariables, parseCode, setOption } from "../core/container/options.ts";
import { describeVersion } from "../core/process/names.ts";
import { parseOptions } from "../core/process/options.ts";
import { fillStandardDescriptors } from "../directories/container.ts";
import { ask, placesInContainer } from "../directories/control-socket.ts";
import { Container } from "../engine/container.ts";
import type { System } from "../system/system.ts";
import { health } from "./container-health.ts";

const usage = `usage: runit-container [options] [-- COMMAND [ARG...]]
       runit-container health [--ready] [--json] [--wait SEC] [-t SEC] [NAME...]
       runit-container stop [CODE]
options: -d DIR  services                 -g SEC    from stop request to last KILL (8)
         -m NAME main service             -D SEC    drain: not ready, untouched, so long (0)
         -o main|all  stop order          -s SIG    stop signal (TERM)
         -e CODE counts as 0              -r S:T    take signal S for T (0: for none)
         -p none|name|time|json  output   -c        services get a clean environment
         -x N/SEC give up after N ends    -i, -f FILE  run before, after the services
         --stages DIR  with DIR/1, DIR/3  -w SEC    the command waits for ready services
         -q -v quieter, more messages     -V -h     version, this text
`;
const misuse = 100;
const stopMilliseconds = 5000;

export function runitContainer(args: readonly string[], system: System): number {
  fillStandardDescriptors(system);
  if (args[1] === "health") return health(args.slice(2), system);
  if (args[1] === "stop") return stop(args.slice(2), system);
  const parsed = parseOptions(args.slice(1), "d:m:g:D:o:e:s:r:p:cx:i:f:w:qvVh", ["--stages:"]);
  if (parsed.given.some(({ letter }) => letter === "h")) {
    system.writeText(1, usage);
    return 0;
  }
  if (parsed.given.some(({ letter }) => letter === "V")) {
    system.writeText(1, describeVersion("runit-container"));
    return 0;
  }
  const options = new ContainerOptions();
  let complaint = parsed.complaint;
  if (complaint === "" && parsed.endedBy !== "" && parsed.endedBy !== "--")
    complaint = `illegal option ${parsed.endedBy}`;
  for (const { letter, value } of parsed.given) {
    if (complaint === "") complaint = setOption(options, letter, value);
  }
  for (const variable of optionVariables()) {
    const letter = letterOf(variable);
    const value = system.environment(variable);
    if (value === undefined || value === "" || parsed.given.some((option) => option.letter === letter)) continue;
    if (complaint !== "") continue;
    const wrong = setOption(options, letter, value);
    if (wrong !== "") complaint = `wrong value for ${variable}: ${value}`;
  }
  if (complaint !== "") {
    system.writeText(2, `runit-container: ${complaint}\n${usage}`);
    return misuse;
  }
  const hasCommand = parsed.rest.length > 0;
  options.hasCommand = hasCommand;
  const trouble = chooseDirectory(options, hasCommand, system);
  if (trouble !== "") {
    system.writeText(2, `runit-container: fatal: ${trouble}\n`);
    return 111;
  }
  return new Container(system, options, hasCommand ? args.length - parsed.rest.length : 0).live();
}

/** Makes the service directory absolute, or one of the usual ones; "" or what is wrong. */
function chooseDirectory(options: ContainerOptions, hasCommand: boolean, system: System): string {
  const isExplicit = options.directory !== "";
  if (!isExplicit) options.directory = system.environment("SVDIR") ?? "";
  for (const directory of ["/etc/service", "/service", "/etc/sv"]) {
    if (options.directory === "" && system.stat(directory, true).kind === "directory") options.directory = directory;
  }
  if (options.directory === "" && !hasCommand) return "no service directory, and no command";
  if (options.directory === "") {
    options.directory = "/etc/service"; // it may come
    options.isDirectoryWanted = false;
  }
  while (options.directory.length > 1 && options.directory.endsWith("/")) {
    options.directory = options.directory.slice(0, -1);
  }
  const here = system.readlink("/proc/self/cwd");
  if (!options.directory.startsWith("/") && here.errno === 0) options.directory = `${here.text}/${options.directory}`;
  const names = listServices(options.directory, system);
  if (names.length === 0 && !hasCommand && !isExplicit) return `no services in ${options.directory}, and no command`;
  if (isExplicit && system.stat(options.directory, true).kind !== "directory") {
    return `${options.directory} is not a directory`;
  }
  if (system.stat(`${options.directory}/run`, true).kind === "file") {
    return `${options.directory} is a service directory: the directory of such directories is wanted`;
  }
  for (const name of options.mains) {
    if (!names.includes(name)) return `main service ${name}: there is no such service in ${options.directory}`;
  }
  return "";
}

function listServices(directory: string, system: System): readonly string[] {
  const names: string[] = [];
  const services: string[] = [];
  system.list(directory, names);
  for (const name of names) {
    if (!name.startsWith(".") && system.stat(`${directory}/${name}/run`, false).errno === 0) services.push(name);
  }
  return services;
}

/** From inside: the container is to end, with this code. */
function stop(words: readonly string[], system: System): number {
  const word = words[0];
  const code = word === undefined ? undefined : parseCode(word);
  if (words.length > 1 || (word !== undefined && code === undefined)) {
    system.writeText(2, "usage: runit-container stop [CODE]\n");
    return misuse;
  }
  const answer = ask(system, placesInContainer(system), `stop ${code ?? -1}`, system.monotonic() + stopMilliseconds);
  if (answer === "ok") return 0;
  system.writeText(2, `runit-container: fatal: ${answer === undefined || answer === "" ? "nobody answers" : answer}\n`);
  return 1;
}
