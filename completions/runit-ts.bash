# bash completion for runit-ts: commands of sv, names of services, options as --help tells them.
#
# A name may be anything, `$(rm -r x)` among it: none is expanded here (as compgen -W would), and what is put into the line is quoted.
# shellcheck shell=bash

_runit_ts_orders=(up down once pause cont hup alarm interrupt quit 1 2 term kill exit)
_runit_ts_requests=(status "${_runit_ts_orders[@]}" start stop shutdown restart try-restart reload check force-stop force-reload
  force-restart force-shutdown list)

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

_runit_ts_options() { "$@" --help 2>/dev/null </dev/null | sed -n 's/^  \(-[^ ,]*\).*/\1/p'; }

# Offers the lines of its input that go on from $current, quoted or not.
_runit_ts_offer() {
  local candidate quoted
  while IFS= read -r candidate; do
    [[ -n $candidate ]] || continue
    printf -v quoted %q "$candidate"
    [[ $candidate != "$current"* && $quoted != "$current"* ]] || COMPREPLY+=("$quoted")
  done
}

_runit_ts_words() { _runit_ts_offer < <(printf '%s\n' "$@"); }

# -d or -f; readline quotes them.
_runit_ts_files() {
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
  compopt -o filenames 2>/dev/null || : # outside of a completion
}

_runit_ts_sets() {
  local entry
  for entry in "${RUNSVDIR:-/etc/runit/runsvdir}"/*/; do
    entry=${entry%/}
    [[ ! -d $entry || ${entry##*/} == current ]] || printf '%s\n' "${entry##*/}"
  done
}

_runit_ts() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local program=${1##*/} i command=
  local -a asked=("${COMP_WORDS[0]}")
  if [[ $program == runit-ts ]] && ((COMP_CWORD > 1)); then
    program=${COMP_WORDS[1]}
    asked+=("$program") # never by itself: it may be anything
    COMP_WORDS=("${COMP_WORDS[@]:1}")
    COMP_CWORD=$((COMP_CWORD - 1))
  fi
  COMPREPLY=()
  case $program/$previous in
  sv/-w | sv-*/-w | svwait*/-[st] | runit-container/-[gDexrw] | svlogd/-[rRlb] | chpst/-[bnmdopfcrt]) return ;;
  chpst/-[uU] | sv-user/-u) _runit_ts_offer < <(compgen -u -- "$current") && return ;;
  chpst/-[eC/] | runsv*/-[se] | runsv/-l | runit-container/-d) _runit_ts_files -d && return ;;
  runsv*/-[gG]) _runit_ts_offer < <(compgen -g -- "$current") && return ;;
  chpst/-[lL] | runit-container/-[if]) _runit_ts_files -f && return ;;
  runit-container/-o) _runit_ts_words main all && return ;;
  runit-container/-p) _runit_ts_words none name time json && return ;;
  esac
  if [[ $current == -* ]]; then
    _runit_ts_offer < <(_runit_ts_options "${asked[@]}")
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
  case $program in
  runit-ts) _runit_ts_words chpst runit runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat sv sv-add sv-remove \
    sv-user svlogd svwaitdown svwaitup utmpset ;;
  sv)
    if [[ -n $command ]]; then
      _runit_ts_offer < <(_runit_ts_services)
    else
      _runit_ts_words "${_runit_ts_requests[@]}"
    fi
    ;;
  sv-user)
    case $command in
    "") _runit_ts_words log new path env session boot doctor "${_runit_ts_requests[@]}" ;;
    session) _runit_ts_words start stop run status ;;
    boot) _runit_ts_words on off status ;;
    new | env | doctor) ;;
    *) _runit_ts_offer < <(_runit_ts_user_services "") ;;
    esac
    ;;
  sv-add | sv-enable) _runit_ts_offer < <(_runit_ts_user_services "") ;;
  sv-remove | sv-del | sv-disable) _runit_ts_offer < <(_runit_ts_user_services enabled) ;;
  runsvctrl) if [[ -n $command ]]; then _runit_ts_files -d; else _runit_ts_words "${_runit_ts_orders[@]}"; fi ;;
  runsvchdir) _runit_ts_offer < <(_runit_ts_sets) ;;
  runit-init | init) _runit_ts_words 0 6 ;;
  runit-container) if [[ -n $command ]]; then _runit_ts_offer < <(_runit_ts_services); else _runit_ts_words health stop; fi ;;
  chpst) _runit_ts_offer < <(compgen -c -- "$current") ;;
  *) _runit_ts_files -d ;;
  esac
}

complete -F _runit_ts runit-ts chpst runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat sv sv-add sv-del sv-disable \
  sv-enable sv-remove sv-user svlogd svwaitdown svwaitup
