# fish completion for runit-ts: commands of sv, names of services, options as --help tells them.

# Services of the scan directory, with their log services.
function __runit_ts_services
    set -l directory $SVDIR
    if test -z "$directory"
        for directory in /etc/service /service /var/service
            test -d $directory; and break
        end
    end
    for entry in $directory/*/
        string replace -r '.*/([^/]+)/$' '$1' -- $entry
        test -d $entry/log; and string replace -r '.*/([^/]+)/$' '$1/log' -- $entry
    end
end

# Those of the user; `enabled`, `disabled` or all.
function __runit_ts_user_services
    sv-user list 2>/dev/null | while read -l name state rest
        if test (count $argv) -eq 0; or test $state = $argv[1]
            echo $name
        end
    end
end

# The first word that is no option, nor the argument of one.
function __runit_ts_command
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -w -u
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

# What is offered for the rest of the line behind `runit-ts`; nothing but our programs is asked.
function __runit_ts_nested
    set -l words (commandline -opc)[2..-1]
    contains -- $words[1] $argv; and complete -C "$(string escape -- $words | string join ' ') $(commandline -ct)"
end

function __runit_ts_options
    $argv[1] --help 2>/dev/null </dev/null | string match -r -g -- '^  (-[^ ,]*)'
end

set -l orders up down once pause cont hup alarm interrupt quit 1 2 term kill exit
set -l requests status $orders start stop shutdown restart try-restart reload check force-stop force-reload force-restart force-shutdown list
set -l programs chpst runit-container runit-init runsv runsvchdir runsvctrl runsvdir runsvstat sv sv-add sv-del sv-disable sv-enable sv-remove sv-user svlogd svwaitdown svwaitup

for program in $programs
    complete -c $program -n 'string match -q -- "-*" (commandline -ct)' -f -a "(__runit_ts_options $program)"
end

complete -c runit-ts -n 'not __runit_ts_command' -f -a "$programs runit utmpset"
complete -c runit-ts -n __runit_ts_command -x -a "(__runit_ts_nested $programs)"
complete -c sv -n 'not __runit_ts_command' -f -a "$requests"
complete -c sv -n __runit_ts_command -f -a '(__runit_ts_services)'
complete -c sv-user -n 'not __runit_ts_command' -f -a "log new path env session boot doctor $requests"
complete -c sv-user -n 'contains session (__runit_ts_command)' -f -a 'start stop run status'
complete -c sv-user -n 'contains boot (__runit_ts_command)' -f -a 'on off status'
complete -c sv-user -n '__runit_ts_command; and not contains (__runit_ts_command) session boot new env doctor' -f -a '(__runit_ts_user_services)'
complete -c sv-user -s u -x -a '(__fish_complete_users)'
complete -c sv-add -f -a '(__runit_ts_user_services)'
complete -c sv-enable -f -a '(__runit_ts_user_services)'
complete -c sv-remove -f -a '(__runit_ts_user_services enabled)'
complete -c sv-del -f -a '(__runit_ts_user_services enabled)'
complete -c sv-disable -f -a '(__runit_ts_user_services enabled)'
complete -c runsvctrl -n 'not __runit_ts_command' -f -a "$orders"
complete -c runit-init -f -a '0 6'
complete -c runit-container -n 'not __runit_ts_command' -a 'health stop'
complete -c runit-container -n 'contains (__runit_ts_command) health' -f -a '(__runit_ts_services)'
complete -c runit-container -s o -x -a 'main all'
complete -c runit-container -s p -x -a 'none name time json'
complete -c chpst -s u -x -a '(__fish_complete_users)'
complete -c chpst -s U -x -a '(__fish_complete_users)'
complete -c chpst -n 'not string match -q -- "-*" (commandline -ct)' -x -a '(__fish_complete_command)'
