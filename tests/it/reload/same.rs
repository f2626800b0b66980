//! A change that is none touches nothing, and says so.

use crate::facts::{configure, pids, reload, until_all_run, up};

const PLAIN: &str = "\
programs:
  api:
    cmd: sleep 1000
    starttime: 0.1
    stopsignal: TERM
    stoptime: 2
    autorestart: always
    exitcodes: 0
    umask: 022
    backoff: {initial: 0.5, max: 60, factor: 2, jitter: 0}
    stdout: discard
    stderr: discard
    env: {A: 1, B: two}
    limits: {core: 0}
  web:
    cmd: sleep 2000
    starttime: 0.1
    numprocs: 2
    autostart: yes
    env: {B: two}
    workingdir: /
    stdout: discard
    stderr: discard
";

/// The same said in other words.
const OTHERWISE: [(&str, &str); 4] = [
    (
        "other spellings",
        "\
programs:
  api: {cmd: [sleep, '1000'], starttime: 100ms, stopsignal: sigterm, stoptime: 2s,
        autorestart: true, exitcodes: [0], umask: 0o22, backoff: {initial: 500ms, max: 1m},
        stdout: /dev/null, stderr: none, env: {A: '1', B: \"two\"}, limits: {CORE: [0, 0]}}
  web: {cmd: 'sleep  2000', starttime: 0.100, numprocs: '2', autostart: ON, workingdir: '/',
        env: {B: two}, stdout: null, stderr: ~}
",
    ),
    (
        "Supervisor's names",
        "\
programs:
  api: {command: sleep 1000, startsecs: 0.1, stopsignal: TERM, stopwaitsecs: 2, exitcodes: 0,
        autorestart: always, umask: '022', backoff: {initial: 0.5}, stdout_logfile: discard,
        stderr_logfile: discard, environment: {B: two, A: 1}, limits: {core: 0}}
  web: {command: sleep 2000, startsecs: 0.1, numprocs: 2, directory: /,
        environment: {B: two}, stdout_logfile: discard, stderr_logfile: discard}
",
    ),
    (
        "anchors, defaults and another order, with comments",
        "\
# What both share.
defaults: &both {stdout: discard, starttime: 0.1, env: {B: two}}
programs:
  web:   # first, for a change
    <<: *both
    stderr: discard
    env: {B: !!str two}
    workingdir: /
    numprocs: 2
    cmd: sleep 2000
  api:
    limits: {core: 0}
    env: &env {A: 1}
    stderr: discard
    backoff: {initial: 0.5}
    umask: 022
    autorestart: always
    stoptime: 2
    cmd: sleep 1000
",
    ),
    (
        "expansions with the same outcome",
        "\
programs:
  api: {cmd: 'sleep ${UNSET_HERE:-1000}', starttime: 0.1, stoptime: 2, autorestart: always,
        umask: 022, backoff: {initial: 0.5}, stdout: '${NOWHERE:-discard}', stderr: discard,
        env: {A: 1, B: '${UNSET_HERE:-two}'}, limits: {core: 0}}
  web: {cmd: sleep 2000, starttime: 0.1, numprocs: 2, workingdir: '${ROOT:-/}', stdout: discard,
        env: {B: two}, stderr: discard}
",
    ),
];

#[test]
fn the_same_in_other_words_is_no_change() {
    let (bench, mut wire) = up("", PLAIN);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    for (what, text) in OTHERWISE {
        configure(&bench, "", text);
        assert_eq!(reload(&mut wire), ["nothing has changed"], "{what}");
        assert_eq!(pids(&mut wire), before, "{what}");
    }
}

#[test]
fn an_expansion_of_a_process_s_own_name_is_no_change_when_the_name_is() {
    let program = |count| {
        format!(
            "programs: {{web: {{cmd: sleep 1000, starttime: 0, numprocs: {count}, \
             stdout: '${{name}}.out', env: {{ME: '${{name}}'}}}}}}\n"
        )
    };
    let (bench, mut wire) = up("", &program(1));
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", &program(2));
    let plan = reload(&mut wire);
    assert_eq!(plan, ["web:0: keep, renamed from web", "web:1: add and start"]);
    until_all_run(&mut wire);
    assert_eq!(pids(&mut wire)["web:0"], before["web"]);
}

#[test]
fn a_reload_of_the_same_file_says_that_nothing_has_changed_in_the_shell_too() {
    let (bench, mut wire) = up("", "programs: {a: {cmd: sleep 1000, starttime: 0}}\n");
    until_all_run(&mut wire);
    for word in ["reload", "update", "reread", "reload --dry-run"] {
        let said = bench.ctl(word);
        assert_eq!((said.status, said.out.trim()), (0, "nothing has changed"), "{word}: {said:?}");
    }
}
