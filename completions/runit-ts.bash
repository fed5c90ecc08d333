# bash completion for runit-ts: commands of sv, names of services, options as --help tells them.
# shellcheck shell=bash disable=SC2207,SC2086 # one candidate a line, and IFS is a newline

_runit_ts_words="status up down once pause cont hup alarm interrupt quit 1 2 term kill exit start stop shutdown restart
try-restart reload check force-stop force-reload force-restart force-shutdown list"

# Services of the scan directory, with their log services; of a user's directory for sv-user and its like.
_runit_ts_services() {
  local directory=${SVDIR:-} entry
  if [[ -z $directory ]]; then
    for directory in /etc/service /service /var/service; do [[ -d $directory ]] && break; done
  fi
  for entry in "$directory"/*/; do
    [[ -d $entry ]] || continue
    entry=${entry%/}
    printf '%s\n' "${entry##*/}"
    [[ ! -d $entry/log ]] || printf '%s/log\n' "${entry##*/}"
  done
}

_runit_ts_user_services() { sv-user list 2>/dev/null | awk -v want="$1" 'want == "" || $2 == want { print $1 }'; }

_runit_ts_options() { "$1" --help 2>/dev/null </dev/null | sed -n 's/^  \(-[^ ,]*\).*/\1/p'; }

_runit_ts() {
  local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local program=${1##*/} i command=
  if [[ $program == runit-ts ]] && ((COMP_CWORD > 1)); then
    program=${COMP_WORDS[1]}
    COMP_WORDS=("${COMP_WORDS[@]:1}")
    COMP_CWORD=$((COMP_CWORD - 1))
  fi
  COMPREPLY=()
  case $program/$previous in
  sv/-w | sv-*/-w | svwait*/-[st] | runit-container/-[gDexrw] | svlogd/-[rRlb] | chpst/-[bnmdopfcrt]) return ;;
  chpst/-[uU] | sv-user/-u) COMPREPLY=($(compgen -u -- "$current")) && return ;;
  chpst/-[eC/] | runsv*/-[se] | runsv/-l | runit-container/-d) COMPREPLY=($(compgen -d -- "$current")) && return ;;
  runsv*/-[gG]) COMPREPLY=($(compgen -g -- "$current")) && return ;;
  chpst/-[lL] | runit-container/-[if]) COMPREPLY=($(compgen -f -- "$current")) && return ;;
  runit-container/-o) COMPREPLY=($(compgen -W $'main\nall' -- "$current")) && return ;;
  runit-container/-p) COMPREPLY=($(compgen -W $'none\nname\ntime\njson' -- "$current")) && return ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$(_runit_ts_options "${COMP_WORDS[0]}")" -- "$current"))
    return
  fi
  # The first word that is no option, nor the argument of one.
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    -w | -u) ((i++)) ;;
    -*) ;;
    *)
      command=${COMP_WORDS[i]}
      break
      ;;
    esac
  done
  local candidates
  case $program in
  runit-ts) candidates=$(printf '%s\n' chpst runit runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat sv sv-add \
    sv-remove sv-user svlogd svwaitdown svwaitup utmpset) ;;
  sv) candidates=$([[ -n $command ]] && _runit_ts_services || printf '%s\n' ${_runit_ts_words//[[:space:]]/$IFS}) ;;
  sv-user)
    case $command in
    "") candidates=$(printf '%s\n' log new path env session boot doctor ${_runit_ts_words//[[:space:]]/$IFS}) ;;
    session) candidates=$'start\nstop\nrun\nstatus' ;;
    boot) candidates=$'on\noff\nstatus' ;;
    new | env | doctor) return ;;
    *) candidates=$(_runit_ts_user_services "") ;;
    esac
    ;;
  sv-add | sv-enable) candidates=$(_runit_ts_user_services "") ;;
  sv-remove | sv-del | sv-disable) candidates=$(_runit_ts_user_services enabled) ;;
  runsvctrl)
    if [[ -n $command ]]; then
      COMPREPLY=($(compgen -d -- "$current"))
      return
    fi
    candidates=$(printf '%s\n' up down once pause cont hup alarm interrupt quit 1 2 term kill exit)
    ;;
  runsvchdir) candidates=$(cd "${RUNSVDIR:-/etc/runit/runsvdir}" 2>/dev/null && printf '%s\n' */ | sed 's,/$,,; /^current$/d') ;;
  runit-init | init) candidates=$'0\n6' ;;
  runit-container)
    [[ -z $command ]] || candidates=$(_runit_ts_services)
    [[ -n $command ]] || candidates=$'health\nstop'
    ;;
  chpst) candidates=$(compgen -c -- "$current") ;;
  *)
    COMPREPLY=($(compgen -d -- "$current"))
    return
    ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}

complete -F _runit_ts runit-ts chpst runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat sv sv-add sv-del sv-disable \
  sv-enable sv-remove sv-user svlogd svwaitdown svwaitup
