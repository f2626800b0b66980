# bash completion for taskmaster, taskmasterctl and taskmasterd

# The names of processes and programs, asked of the daemon that the line means.
_taskmaster_names() {
    local name rest
    timeout 1 "$@" status 2>/dev/null </dev/null | {
        read -r rest || return 0 # the header
        echo all
        while read -r name rest; do
            printf '%s\n' "$name" "${name%:*}"
        done
    }
}

_taskmaster() {
    local applets="daemon shell up check"
    local commands="status start stop restart enable disable signal reload check tail clear log events pid
        version upgrade shutdown help quit"
    local signals="HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
        CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    local words cur
    COMPREPLY=()

    # Split at blanks alone: bash splits at the colon in worker:0, too.
    if [[ -n $COMP_LINE ]]; then
        local line=${COMP_LINE:0:COMP_POINT}
        read -a words <<<"$line"
        [[ $line == *[[:blank:]] ]] && words+=("")
    else
        words=("${COMP_WORDS[@]:0:COMP_CWORD+1}")
    fi
    local last=$((${#words[@]} - 1))
    cur=${words[last]}

    local program=${words[0]/#\~\//$HOME/} applet at=1
    local -a ask=("$program")
    case ${program##*/} in
        taskmasterd) applet=daemon ;;
        taskmasterctl) applet=shell ;;
        *)
            if ((last == 1)); then
                _taskmaster_reply "$applets $commands -h --help -V --version"
                return
            fi
            ask+=(shell)
            applet=command
            if [[ " $applets " == *" ${words[1]} "* ]]; then
                applet=${words[1]}
                at=2
            fi
            ;;
    esac

    # The applet's own options, up to the command.
    local flags="-h --help -V --version"
    case $applet in
        daemon) flags+=" -c --config -d --detach" ;;
        shell) flags+=" -c --config -s --server --secret-file" ;;
        up) flags+=" -c --config" ;;
        check) flags+=" -c --config --mail" ;;
    esac
    while [[ $applet != command ]] && ((at < last)); do
        local word=${words[at]}
        case $word in
            -c | --config | -s | --server | --secret-file)
                if ((at + 1 == last)); then
                    [[ $word == -s || $word == --server ]] || _taskmaster_files "$cur"
                    return
                fi
                ask+=("$word" "${words[at + 1]/#\~\//$HOME/}")
                at=$((at + 2))
                ;;
            -*)
                [[ $word == -c?* || $word == -s?* || $word == --*=* ]] && ask+=("$word")
                at=$((at + 1))
                ;;
            *) break ;;
        esac
    done
    if ((at == last)); then
        case $cur in
            --config=* | --secret-file=*) _taskmaster_files "${cur#*=}" ;;
            -*) _taskmaster_reply "$flags" ;;
            *) [[ $applet == shell ]] && _taskmaster_reply "$commands" ;;
        esac
        return
    fi

    # The command's own words.
    [[ $applet == shell || $applet == command ]] || return
    local command=${words[at]} options="" plain=0 n
    case $command in
        start | stop) options="--no-wait --timeout" ;;
        restart) options="--rolling --no-wait --timeout" ;;
        reload | update | reread) options="--dry-run" ;;
        status) options="--json -w" ;;
        events) options="--json" ;;
        tail) options="-f -n --raw" ;;
        log | maintail) options="-f -n" ;;
    esac
    for ((n = at + 1; n < last; n++)); do
        [[ ${words[n]} == -* || ${words[n - 1]} == -n ]] || plain=$((plain + 1))
    done
    [[ ${words[last - 1]} == --timeout || ${words[last - 1]} == -n ]] && return
    if [[ $cur == -* ]]; then
        _taskmaster_reply "$options"
        return
    fi
    case $command in
        help) ((plain == 0)) && _taskmaster_reply "$commands" ;;
        signal)
            if ((plain == 0)); then
                _taskmaster_reply "$signals"
            else
                _taskmaster_reply "$(_taskmaster_names "${ask[@]}")"
            fi
            ;;
        tail)
            if ((plain == 0)); then
                _taskmaster_reply "$(_taskmaster_names "${ask[@]}")"
            elif ((plain == 1)); then
                _taskmaster_reply "stdout stderr"
            fi
            ;;
        status | start | stop | restart | enable | disable | clear | pid)
            _taskmaster_reply "$(_taskmaster_names "${ask[@]}")"
            ;;
        *) _taskmaster_reply "$options" ;;
    esac
}

# Those of the words that begin as typed; bash keeps what stands before the last colon.
_taskmaster_reply() {
    local word before=""
    [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && before=${cur%:*}:
    while read -r word; do
        COMPREPLY+=("${word#"$before"}")
    done < <(compgen -W "$1" -- "$cur" | sort -u)
}

_taskmaster_files() {
    compopt -o filenames 2>/dev/null
    local file
    while read -r file; do
        COMPREPLY+=("$file")
    done < <(compgen -f -- "$1")
}

complete -F _taskmaster taskmaster taskmasterctl taskmasterd
