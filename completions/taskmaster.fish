# fish completion for taskmaster, taskmasterctl and taskmasterd

# The applet or command on the line, then the words behind it. Options of the shell and what they
# name come before the command and are left out.
function __taskmaster_words
    set -l words (commandline -opc)
    set -l program (basename -- $words[1])
    set -e words[1]
    if test "$program" = taskmaster
        contains -- "$words[1]" shell; or begin
            printf '%s\n' $words
            return
        end
        set -e words[1]
    end
    while set -q words[1]
        switch $words[1]
            case -c --config -s --server --secret-file
                set -e words[1]
                set -e words[1]
            case '-*'
                set -e words[1]
            case '*'
                break
        end
    end
    printf '%s\n' $words
end

# Whether the word to come is the command; for taskmaster itself, not behind an applet.
function __taskmaster_needs_command
    set -l words (__taskmaster_words)
    test -z "$words[1]"
end

function __taskmaster_is_first
    test (count (commandline -opc)) -eq 1
end

function __taskmaster_using
    set -l words (__taskmaster_words)
    contains -- "$words[1]" $argv
end

function __taskmaster_is_shell
    set -l words (commandline -opc)
    test (basename -- $words[1]) = taskmasterctl; or test "$words[2]" = shell
    and __taskmaster_needs_command
end

function __taskmaster_is_daemon
    set -l words (commandline -opc)
    test (basename -- $words[1]) = taskmasterd; or test "$words[2]" = daemon
end

# Of taskmasterctl `check` is a command, and has no options.
function __taskmaster_is_up_or_check
    set -l words (commandline -opc)
    test (basename -- $words[1]) = taskmaster; and contains -- "$words[2]" up check
end

function __taskmaster_takes_config
    __taskmaster_is_shell; or __taskmaster_is_daemon; or __taskmaster_is_up_or_check
end

# Behind `signal` the first word is the signal.
function __taskmaster_takes_signal
    set -l words (__taskmaster_words)
    test "$words[1]" = signal; and test (count $words) -eq 1
end

function __taskmaster_takes_processes
    set -l words (__taskmaster_words)
    contains -- "$words[-1]" --timeout -n; and return 1
    test "$words[1]" = signal; and test (count $words) -gt 1; and return 0
    test "$words[1]" = tail; and test (__taskmaster_plain) -eq 0; and return 0
    contains -- "$words[1]" status start stop restart enable disable clear pid
end

# Behind `tail` the second word is the stream.
function __taskmaster_takes_stream
    set -l words (__taskmaster_words)
    contains -- "$words[-1]" -n; and return 1
    test "$words[1]" = tail; and test (__taskmaster_plain) -eq 1
end

# How many words stand behind the command, less options and their values.
function __taskmaster_plain
    set -l words (__taskmaster_words)
    set -l before $words[1]
    set -l plain 0
    for word in $words[2..-1]
        string match -q -- '-*' $word; or test "$before" = -n; or set plain (math $plain + 1)
        set before $word
    end
    echo $plain
end

# The names of processes and programs, asked of the daemon that the line means.
function __taskmaster_names
    set -l words (commandline -opc)
    set -l ask (string replace -r '^~/' $HOME/ -- $words[1])
    test (basename -- $ask) = taskmasterctl; or set -a ask shell
    set -l n 2
    while test $n -le (count $words)
        switch $words[$n]
            case -c --config -s --server --secret-file
                set -a ask $words[$n] (string replace -r '^~/' $HOME/ -- $words[(math $n + 1)])
                set n (math $n + 1)
            case '-c?*' '-s?*' '--config=*' '--server=*' '--secret-file=*'
                set -a ask $words[$n]
            case shell '-*'
            case '*'
                break
        end
        set n (math $n + 1)
    end
    set -l lines (timeout 1 $ask status 2>/dev/null </dev/null)
    set -q lines[1]; or return
    echo all
    for line in $lines[2..-1]
        set -l name (string split -f 1 ' ' -- $line)
        printf '%s\n' $name (string replace -r ':.*' '' -- $name)
    end | sort -u
end

set -l signals HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
    CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS

for name in taskmaster taskmasterctl taskmasterd
    complete -c $name -f
    complete -c $name -n __taskmaster_is_first -s h -l help -d 'Print help'
    complete -c $name -n __taskmaster_is_first -s V -l version -d 'Print the version'
    complete -c $name -n __taskmaster_takes_config -s c -l config -rF -d 'The configuration file'
    complete -c $name -n __taskmaster_is_daemon -s d -l detach -d 'Return once all is started'
end

complete -c taskmaster -n __taskmaster_is_first -a daemon -d 'Start what the configuration names'
complete -c taskmaster -n __taskmaster_is_first -a shell -d 'Talk to the daemon'
complete -c taskmaster -n '__taskmaster_using check' -l mail -d 'Send a test message'
complete -c taskmaster -n __taskmaster_is_first -a up -d 'A daemon if need be, then the prompt'

for name in taskmaster taskmasterctl
    complete -c $name -n __taskmaster_is_shell -s s -l server -x -d 'The daemon to talk to'
    complete -c $name -n __taskmaster_is_shell -l secret-file -rF -d 'The secret that it shares'

    set -l command complete -c $name -n __taskmaster_needs_command
    $command -a status -d 'Show state, pid, uptime and what is wrong'
    $command -a start -d 'Start processes and wait until they run'
    $command -a stop -d 'Stop processes and wait until they are gone'
    $command -a restart -d 'Stop, then start'
    $command -a enable -d 'Undo disable'
    $command -a disable -d 'Stop for good'
    $command -a signal -d 'Send a signal'
    $command -a reload -d 'Apply what changed in the configuration'
    $command -a check -d 'Print what is wrong with the configuration'
    $command -a tail -d 'Show the end of what programs printed'
    $command -a clear -d 'Empty the captured logs'
    $command -a log -d 'Show the end of the daemon\'s own log'
    $command -a events -d 'Follow every change as it happens'
    $command -a pid -d 'Print process ids'
    $command -a version -d 'Print the daemon\'s version'
    $command -a upgrade -d 'Go on as the version that is installed now'
    $command -a shutdown -d 'Stop every process, then the daemon'
    $command -a help -d 'Show what can be typed'
    $command -a quit -d 'Leave the shell'

    set -l option complete -c $name -n
    $option '__taskmaster_using status events' -l json -d 'JSON instead of text'
    $option '__taskmaster_using status' -s w -d 'Keep it up to date'
    $option '__taskmaster_using restart' -l rolling -d 'One after the other'
    $option '__taskmaster_using start stop restart' -l no-wait -d 'Return when it is asked'
    $option '__taskmaster_using start stop restart' -l timeout -x -d 'Wait at most this long'
    $option '__taskmaster_using tail log maintail' -s f -d 'Go on with what comes'
    $option '__taskmaster_using tail log maintail' -s n -x -d 'So many lines; by default 10'
    $option '__taskmaster_using tail' -l raw -d 'Let control characters through'
    $option '__taskmaster_using reload update reread' -l dry-run -d 'Print the plan, do nothing'

    complete -c $name -n __taskmaster_takes_signal -a "$signals"
    complete -c $name -n __taskmaster_takes_processes -a '(__taskmaster_names)'
    complete -c $name -n __taskmaster_takes_stream -a 'stdout stderr'
    complete -c $name -n '__taskmaster_using help' \
        -a 'status start stop restart enable disable signal reload check tail clear log events pid version \
            upgrade shutdown quit'
end
