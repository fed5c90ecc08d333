// What the shells offer: each is asked in its own way, in a directory with services, and with those of a user.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, suite, test } from "node:test";
import { missing } from "../conformance/stage.ts";

const root = path.resolve(import.meta.dirname, "../..");
const completions = path.join(root, "completions");
const world = fs.mkdtempSync(path.join(os.tmpdir(), "completions."));
for (const name of ["sv/web/log", "sv/worker", "home/.config/sv/mine"])
  fs.mkdirSync(path.join(world, name), { recursive: true });
fs.writeFileSync(path.join(world, "home/.config/sv/mine/run"), "#!/bin/sh\n", { mode: 0o755 });
/** Names that do something, or become something else, if they are expanded or put into a line as they are. */
const hostile = ["$(touch done)", "*", "`touch done`", 'q"q', "two words"];
for (const name of hostile)
  for (const sub of ["", "/log"]) fs.mkdirSync(path.join(world, "hostile", name + sub), { recursive: true });
fs.writeFileSync(path.join(world, "evil"), `#!/bin/sh\n>'${world}/executed'\n`, { mode: 0o755 });
const environment: Record<string, string> = {
  PATH: `${path.join(root, "build/bin")}:${process.env["PATH"]}:${world}`,
  HOME: path.join(world, "home"),
  XDG_RUNTIME_DIR: world,
  TERM: "dumb",
  LC_ALL: "C.UTF-8",
};
fs.chmodSync(world, 0o700);

/** Runs a script of the shell, with the line to complete as its first argument. Candidates, sorted. */
function run(shell: readonly string[], script: string, line: string, services = "sv"): readonly string[] {
  const [program = "", ...options] = shell;
  const file = path.join(world, "script");
  fs.writeFileSync(file, script);
  const { stdout, stderr, error } = spawnSync(program, [...options, file, line], {
    env: { ...environment, SVDIR: path.join(world, services) },
    encoding: "utf8",
    timeout: 60_000,
    cwd: world,
  });
  assert.equal(error, undefined, stderr);
  assert.equal(stderr, "");
  const words = stdout.split("\n").map((word) => word.split("\t")[0]?.trim() ?? "");
  return [...new Set(words.filter((word) => word !== ""))].sort();
}

const bash = (line: string, services?: string) =>
  run(
    ["bash", "--norc"],
    `. '${completions}/runit-ts.bash'
read -r -a COMP_WORDS <<<"$1"
[[ $1 != *' ' ]] || COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
[[ $(complete -p "\${COMP_WORDS[0]}") == *"-F _runit_ts "* ]] || exit
_runit_ts "\${COMP_WORDS[0]}" "" ""
# What stands in the line then is one word, which means the name.
for word in "\${COMPREPLY[@]}"; do
  eval "words=($word)"
  printf '%s\\n' "\${words[@]}"
done`,
    line,
    services,
  );

const fish = (line: string, services?: string) =>
  run(["fish", "--no-config"], `source '${completions}/runit-ts.fish'\ncomplete -C $argv[1]`, line, services);

/** An interactive zsh on a terminal of its own; what it would offer is printed instead, between two marks. */
const zsh = (line: string, services?: string) =>
  run(
    ["zsh", "-f"],
    `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "source '${path.join(world, "setup.zsh")}'"
zpty -r z banner '*ready*'
zpty -w -n z "$1"$'\\t'
zpty -r -m z offered $'*<<<*>>>*'
offered=\${offered#*<<<}
print -r -- \${offered%%>>>*}
zpty -d z`,
    line,
    services,
  );
fs.writeFileSync(
  path.join(world, "setup.zsh"),
  `PROMPT= RPROMPT=
unsetopt zle_bracketed_paste prompt_cr prompt_sp 2>/dev/null
fpath=('${completions}' $fpath)
autoload -Uz compinit
compinit -D -u
bindkey '^I' complete-word
mark_begin() { print -r -- '<<<' }
mark_end() { print -r -- '>>>' }
compprefuncs=(mark_begin)
comppostfuncs=(mark_end)
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -A hits "$@"
  print -rl -- \${(Q)hits}
  return 0
}
print re''ady
`,
);

const shells: readonly (readonly [name: string, offered: (line: string, services?: string) => readonly string[]])[] = [
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
];

for (const [name, offered] of shells) {
  suite(`completion of ${name}`, { skip: missing(name) }, () => {
    test("the words of sv, by their beginning", () => {
      assert.deepEqual(offered("sv re"), ["reload", "restart"]);
      assert.deepEqual(offered("sv force-s"), ["force-shutdown", "force-stop"]);
      assert.deepEqual(offered("sv -v -w 5 tr"), ["try-restart"]);
    });
    test("names of services, with their log services", () => {
      assert.deepEqual(offered("sv status w"), ["web", "web/log", "worker"]);
      assert.deepEqual(offered("sv -w 5 restart web wo"), ["worker"]);
    });
    test("a name is never expanded, nor executed, and stays one word", () => {
      const names = hostile.flatMap((service) => [service, `${service}/log`]);
      assert.deepEqual(offered("sv status ", "hostile"), names.sort());
      assert.deepEqual(offered("sv status q", "hostile"), ['q"q', 'q"q/log']);
      assert.ok(!fs.existsSync(path.join(world, "done")));
    });
    test("services of the user, enabled or not", () => {
      assert.deepEqual(offered("sv-add "), ["mine"]);
      assert.deepEqual(offered("sv-remove m"), []);
      assert.deepEqual(offered("sv-user restart m"), ["mine"]);
      assert.deepEqual(offered("sv-user session st"), ["start", "status", "stop"]);
      assert.ok(offered("sv-user d").includes("doctor"));
      assert.ok(offered("sv-user ").includes("status"));
    });
    test("options, as --help tells them", () => {
      assert.deepEqual(offered("sv --j"), ["--json"]);
      assert.deepEqual(offered("chpst --n"), ["--no-new-privs"]);
      assert.deepEqual(offered("svwaitup -"), ["-V", "-s", "-v"]);
    });
    test("commands of the other programs", () => {
      assert.deepEqual(offered("runsvctrl al"), ["alarm"]);
      assert.deepEqual(offered("runit-container he"), ["health"]);
      assert.deepEqual(offered("runit-ts sv-a"), ["sv-add"]);
    });
    test("behind runit-ts what is offered behind the program, and no other word is executed", () => {
      assert.deepEqual(offered("runit-ts sv re"), ["reload", "restart"]);
      assert.deepEqual(offered("runit-ts sv -v start w"), ["web", "web/log", "worker"]);
      assert.deepEqual(offered("runit-ts sv --j"), ["--json"]);
      assert.deepEqual(offered("runit-ts sv start q", "hostile"), ['q"q', 'q"q/log']);
      fs.rmSync(path.join(world, "executed"), { force: true });
      for (const program of ["./evil", "evil"]) offered(`runit-ts ${program} -`);
      assert.ok(!fs.existsSync(path.join(world, "executed")));
    });
  });
}
after(() => fs.rmSync(world, { recursive: true, force: true }));
