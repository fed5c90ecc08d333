// Made from man/*.8 by scripts/help.mjs: not to be edited.

/** What `program --help` prints; "" where there is no page of that name. */
export function helpOf(program: string): string {
  switch (program) {
    case "chpst":
      return `chpst - run a program with a changed process state

  chpst [-vVP012] [-u account] [-U account] [-b argv0] [-e dir] [-/ root]
        [-C dir] [-n increment] [-l | -L lock] [-m bytes] [-d bytes] [-o files]
        [-p processes] [-f bytes] [-c bytes] [-r bytes] [-t seconds]
        [--no-new-privs] [--drop-caps list] [--oom-score-adj score] program
        [argument ...]

  -u account
          Sets user id, group id and supplementary groups.
  -U account
          Sets the environment variables UID and GID to the ids of account, for
          a program that changes to them itself.
  -b argv0
          Runs program with argv0 as its name.
  -e dir  Sets environment variables as the files in dir say: see envdir(8).
  -/ root
          Makes root the root directory and the working directory.
  -C dir  Makes dir the working directory; with -/, within the new root.
  -n increment
          Adds to the nice value.
  -l lock
          Opens the file lock (made with mode 0600 if missing) and takes an
          exclusive lock of it, waiting if another process holds it.
  -L lock
          The same, but fails if another process holds it.
  -m bytes
          Limits data segment, stack, locked memory and all memory to so many
          bytes each.
  -d bytes
          Limits the data segment.
  -o files
          Limits the number of open files.
  -p processes
          Limits the number of processes of the user.
  -f bytes
          Limits the size of files.
  -c bytes
          Limits the size of core files.
  -r bytes
          Limits the resident set.
  -t seconds
          Limits the time on a processor.
  -P      Runs program in a new session.
  -0      Closes standard input.
  -1      Closes standard output.
  -2      Closes standard error.
  -v      Warns about directories in an environment directory.
  -V      Prints the version and the usage, and exits 100.
  --no-new-privs
          program, and all it executes, cannot gain rights by set-user-ID
          programs and file capabilities.
  --drop-caps list
          Takes capabilities away for good, out of all sets, which needs
          setpcap.
  --oom-score-adj score
          How soon the program is killed when memory is short: -1000 (never) to
          1000 (first).

More: man chpst
`;
    case "envdir":
      return `envdir - run a program with the variables of an environment directory

  envdir dir program [argument ...]

More: man envdir
`;
    case "envuidgid":
      return `envuidgid - run a program that finds the ids of an account in its environment

  envuidgid account program [argument ...]

More: man envuidgid
`;
    case "pgrphack":
      return `pgrphack - run a program in a session of its own

  pgrphack program [argument ...]

More: man pgrphack
`;
    case "runit":
      return `runit - process 1

  runit [-c]

  Stage 1
          /etc/runit/1 does all that is done once, and ends.
  Stage 2
          /etc/runit/2 runs for as long as the machine does; usually it becomes
          runsvdir(8).
  Stage 3
          /etc/runit/3 takes services down and does whatever else is to be done
          at the end.

More: man runit
`;
    case "runit-container":
      return `runit-container - the services of a container

  runit-container [-cqvVh] [-d dir] [-m name] [-g sec] [-D sec] [-o main | all]
                  [-e code] [-s sig] [-r s:t] [-p none | name | time | json]
                  [-x n/sec] [-i file] [-f file] [--stages dir] [-w sec]
                  [-- command [arg ...]]
  runit-container health [--ready] [--json] [--wait sec] [-t sec] [name ...]
  runit-container stop [code]

  -d dir  The services; otherwise SVDIR, /etc/service, /service or /etc/sv.
  -m name
          A main service: it is not restarted, and its end is the end of the
          container.
  -g sec  Grace time from a stop request to the last KILL, 8 seconds unless said
          otherwise.
  -D sec  Drain time: after a stop request everything is left alone for so long,
          but health --ready says no.
  -o main | all
          Whether main services are stopped before the others (the default) or
          with them.
  -e code
          This exit code counts as 0, e.g. 143.
  -s sig  Stop signal of services that have no file stop-signal, and of the
          command; TERM unless said otherwise.
  -r s:t  Signal s is taken for t.
  -p none | name | time | json
          How the output of services is marked, see Output.
  -c      Services get a clean environment: only PATH.
  -x n/sec
          Gives up, and stops, when a service has ended n times within so many
          seconds without being told to.
  -i file
          Start hook: run before anything is started.
  -f file
          End hook: run after all services have ended.
  --stages dir
          dir/1 and dir/3 are the two hooks, if they can be executed.
  -w sec  The command is started when all services are ready, or after so many
          seconds.
  -q, -v  Fewer messages, more messages.
  -V, -h  Prints the version, or the usage, and exits 0.

More: man runit-container
`;
    case "runit-init":
      return `runit-init - begin and end a machine

  init 0 | 6

  0       Powers it off.
  6       Reboots it.

More: man runit-init
`;
    case "runit-ts":
      return `runit-ts - all programs of the suite in one

  runit-ts program [argument ...]

  runsv   Starts and supervises a service and its log service.
  runsvdir
          Starts a runsv(8) for each service of a directory.
  sv      Controls services, and asks about them.
  svlogd  Writes a log, and rotates it.
  chpst   Runs a program with another user, limits or environment.
  envdir, envuidgid, pgrphack, setlock, setuidgid, softlimit
          Each do a part of what chpst does.
  runsvchdir
          Makes another set of services the current one.
  runit, runit-init
          Are process 1 of a machine, and begin and end it.
  runit-container
          Runs the services of a container.
  sv-user, sv-add, sv-remove
          Are for the services of a user, without root; also sv-enable, sv-del,
          sv-disable.
  utmpset
          Marks a login as ended.
  runsvstat, runsvctrl, svwaitup, svwaitdown
          Are the clients of runit 1.

More: man runit-ts
`;
    case "runsv":
      return `runsv - start and supervise a service and its log service

  runsv [-s root] [-g group] [-G group] [-e envdir] [-l logs] [-w] directory

  -s root
          The state root: see STATE.
  -g group
          Members of this group may ask about the service and control it, if its
          state is in a state root.
  -G group
          Members of this group may ask about it.
  -e envdir
          Before each start, change the environment by this directory, as
          chpst(8) -e does; again and again, the last one counts.
  -l logs
          SV_LOGDIR is the directory of the service's name in logs, and if its
          state is in a state root and it has no log/, svlogd(8) writes its
          standard output and error there, unless there is a file no-log, or
          SVLOG is none in one of envdir.
  -w      Who starts runsv sends HUP when the state directory has to be looked
          for.

More: man runsv
`;
    case "runsvchdir":
      return `runsvchdir - make another set of services the current one

  runsvchdir set

More: man runsvchdir
`;
    case "runsvctrl":
      return `runsvctrl - control services

  runsvctrl command service ...

  up      Starts the service, and starts it again when it ends.
  down    Sends TERM and CONT, and does not start it again.
  once    Starts it, and does not start it again.
  pause, cont, hup, alarm, interrupt, quit, 1, 2, term, kill
          Sends STOP, CONT, HUP, ALRM, INT, QUIT, USR1, USR2, TERM, KILL.
  exit, x
          Sends TERM and CONT; when the service has ended, its runsv(8) ends
          too.

More: man runsvctrl
`;
    case "runsvdir":
      return `runsvdir - start and watch a runsv for each service of a directory

  runsvdir [-P] [-H] [-s root] [-g group] [-G group] directory [log]

  -P      Start each runsv(8) in a session and process group of its own.
  -H      Treat TERM like HUP.
  -s root, -g group, -G group
          Keep the state of services in root, and share it: see runsv(8).

More: man runsvdir
`;
    case "runsvstat":
      return `runsvstat - report the state of services

  runsvstat [-l] service ...

  -l      Reports on the log service as well, in a line of its own.
  -V      Prints the version and the usage, and exits 1.

More: man runsvstat
`;
    case "setlock":
      return `setlock - run a program that holds a lock

  setlock [-nNxX] file program [argument ...]

  -n      Waits if another process holds the lock.
  -N      Does not wait.
  -x      If anything fails, exits 0 without a word.
  -X      If anything fails, says so and exits 111.

More: man setlock
`;
    case "setuidgid":
      return `setuidgid - run a program as another user

  setuidgid account program [argument ...]

More: man setuidgid
`;
    case "softlimit":
      return `softlimit - run a program with lower limits

  softlimit [-a bytes] [-c bytes] [-d bytes] [-f bytes] [-l bytes] [-m bytes]
            [-o files] [-p processes] [-r bytes] [-s bytes] [-t seconds] program
            [argument ...]

  -a bytes
          All memory.
  -c bytes
          Core files.
  -d bytes
          The data segment.
  -f bytes
          Files.
  -l bytes
          Locked memory.
  -m bytes
          The same as -d, -s, -l and -a together.
  -o files
          Open files.
  -p processes
          Processes of the user.
  -r bytes
          The resident set.
  -s bytes
          The stack.
  -t seconds
          Time on a processor.

More: man softlimit
`;
    case "sv":
      return `sv - control services, and ask about them

  sv [-v] [-w seconds] command service ...
  sv [--json] status | list [service ...]
  /etc/init.d/service [-w seconds] command

  -v      Wait for the commands that else do not wait, and report.
  -w seconds
          Wait so long instead of 7 seconds; implies -v.
  -V      Print the version, and the usage.
  --json  Report as JSON, one object on each line.

  up      Start the service unless it runs, and again when it ends.
  down    Send TERM and CONT; do not start it again.
  once    Start the service unless it runs; do not start it again.
  pause, cont, hup, alarm, interrupt, quit, 1, 2, term, kill
          Send STOP, CONT, HUP, ALRM, INT, QUIT, USR1, USR2, TERM, KILL.
  exit    Send TERM and CONT; when everything has ended, runsv(8) exits.

  start, stop, shutdown
          Like up, down, exit.
  restart
          Send TERM and CONT, and start the service if it is down.
  try-restart
          Send TERM and CONT, if it runs.
  reload  Send HUP.
  check   Ask whether the service is in the state that it is to be in.
  force-stop, force-shutdown, force-restart, force-reload
          Like stop, shutdown, restart, try-restart.

  status, list
          Report the state of the service and its log service, or of all
          services of the service directory.

More: man sv
`;
    case "sv-add":
      return `sv-add, sv-enable - enable a service of a user

  sv-add [-dn] [-w seconds] name | directory [as]
  sv-add [-dn] [-w seconds] name ...

  -d      The service is enabled, but normally down.
  -n      Make the link, and nothing else.
  -w seconds
          Wait so long, 7 seconds otherwise.

More: man sv-add
`;
    case "sv-remove":
      return `sv-remove, sv-del, sv-disable - disable a service of a user

  sv-remove [-w seconds] name ...

More: man sv-remove
`;
    case "sv-user":
      return `sv-user - services of a user, without root

  sv-user [-u user] [-w seconds] [-v] command [name ...]
  sv-user list [--json]
  sv-user log [-f] [-n lines] name
  sv-user new name [--] program [argument ...]
  sv-user path name
  sv-user env [-p] [-d] [--restart] [variable[=value] ...]
  sv-user session start | run [--hold pid] [--keep]
  sv-user session stop [-w seconds]
  sv-user session status
  sv-user boot on | off | status [user]
  sv-user doctor

  -u user
          Act for that user; only root and that user may.
  -w seconds, -v
          As in sv(8).

  list    A line for each service, enabled or not: name, enabled or disabled,
          state, process id, age in seconds, definition.
  log     The last lines (10, or -n) of what a service has said, from wherever
          its log service writes.
  new     Makes a definition that runs program.
  path    The directory of a definition.
  env     Sets variables for all services, or takes them from the environment of
          the caller; with -d takes them back.
  session start
          Starts the tree, unless it runs: detached from the terminal, the login
          and the environment of the caller.
  session run
          Becomes the tree, in the foreground.
  session stop
          Ends it: every service is told to go down at once, then its log
          service.
  session status
          Process id, age, and why it runs.
  boot on
          As root: makes the service user@user of the system, which is the tree
          of that user from the start of the machine on.
  boot off
          Stops and removes it.
  doctor  Looks for what is wrong: owners and modes, scripts that are not
          executable, links to nothing, services that cannot be signalled, that
          are wanted up and do not run, state that nobody needs.

More: man sv-user
`;
    case "svlogd":
      return `svlogd - write log lines into self-rotating directories

  svlogd [-ttv] [-r c] [-R abc] [-l len] [-b buflen] directory ...

  -t      Begin each line with a time stamp and a space.
  -r c    Replace each byte of a line that is not printable ASCII by c.
  -R abc  Replace these bytes too (by \`_ unless -r -is -given').
  -l len  Match, replace, and copy to standard error and to the network, the
          first len bytes of a line, 1000 if not given; the rest of a longer
          line is only written.
  -b buflen
          Must be greater than len.
  -v      Tell on standard error what is done.

More: man svlogd
`;
    case "svwaitdown":
      return `svwaitdown - tell services to go down, and wait until they are

  svwaitdown [-vxk] [-t seconds] service ...

  -t seconds
          How long to wait for all of them together: 1 to 6000.
  -x      Tells the supervisors to exit as well, and waits for that.
  -k      When the time is over, kills the services that are left, and waits for
          up to a second until they are gone.
  -v      Says what it found, on standard error.
  -V      Prints the version and the usage, and exits 1.

More: man svwaitdown
`;
    case "svwaitup":
      return `svwaitup - wait until services have been up for a while

  svwaitup [-v] [-s seconds] service ...

  -s seconds
          How long it must have been up: 1 to 600.
  -v      Says what it found, on standard error.
  -V      Prints the version and the usage, and exits 1.

More: man svwaitup
`;
    case "utmpset":
      return `utmpset - mark a login as ended

  utmpset [-w] line

  -w      Writes the logout into wtmp(5) as well, which is made with mode 0600
          if missing.
  -V      Prints the version and the usage, and exits 1.

More: man utmpset
`;
    default:
      return "";
  }
}
