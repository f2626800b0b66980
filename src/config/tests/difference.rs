//! What a reload would find different.

use super::*;

fn change(old: &str, new: &str) -> ProgramChange {
    let changes = diff(&good(&with_keys(old)), &good(&with_keys(new)));
    assert!(changes.added.is_empty() && changes.removed.is_empty());
    let [change] = changes.changed.as_slice() else { panic!("{old} -> {new}: {changes:?}") };
    change.clone()
}

#[test]
fn every_key_shows_and_restarts_as_the_table_says() {
    for key in PROGRAM_KEYS {
        let value = match key.name {
            "numprocs" => "2",
            "autostart" => "false",
            "autorestart" => "never",
            "exitcodes" => "[1]",
            // There is nothing else to depend on: see `order`.
            "depends_on" => continue,
            "ready" => "notify",
            "health" => "{exec: other}",
            "max_restarts" => "{count: 1, within: 1}",
            "starttime" | "stoptime" | "startretries" | "backoff" => "77",
            "stopsignal" => "USR1",
            "stopasgroup" | "no_new_privs" | "critical" | "mail" => "true",
            "env" => "{A: b}",
            "inherit_env" => "[A]",
            "limits" => "{core: 0}",
            "umask" | "nice" | "oom_score_adj" => "7",
            _ => "/other",
        };
        let change = change("cmd: run", &format!("{}: {value}", key.name));
        assert_eq!(change.keys, [key.name]);
        assert_eq!(change.restarts, key.restarts, "{}", key.name);
    }
}

#[test]
fn another_way_to_say_the_same_is_no_change() {
    let two = |old: &str, new: &str| diff(&good(&with_keys(old)), &good(&with_keys(new)));
    for (old, new) in [("inherit_env: false", "inherit_env: []"), ("stdout: none", "stdout: ~")] {
        assert!(two(old, new).is_empty(), "{old}, {new}");
    }
}

#[test]
fn processes_are_counted_before_and_after() {
    let change = change("numprocs: 3", "numprocs: 1");
    assert_eq!((change.numprocs, change.restarts), ((3, 1), false));
    assert_eq!(&*change.name, "p");
}

#[test]
fn programs_come_and_go() {
    let old = good("programs: {a: {cmd: x}, b: {cmd: x}}");
    let new = good("programs: {b: {cmd: x}, c: {cmd: x}}");
    let changes = diff(&old, &new);
    assert_eq!((changes.added, changes.removed), (vec![Rc::from("c")], vec![Rc::from("a")]));
    assert!(changes.changed.is_empty());
}

#[test]
fn compared_is_the_effect_not_the_text() {
    let old = good("programs: {a: {cmd: run x, nice: 1, stdout: null}}");
    let new = good("defaults: {nice: 1}\nprograms: {a: {command: [run, x], stdout: discard}}");
    assert!(diff(&old, &new).is_empty());
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn the_daemons_env_and_umask_reach_its_programs() {
    let old = good("programs: {a: {cmd: x}, b: {cmd: x, env: {A: own}, umask: 022}}");
    let new = good(
        "daemon: {umask: 077, env: {A: new}}\nprograms: {a: {cmd: x}, b: {cmd: x, env: {A: own}, umask: 022}}",
    );
    let changes = diff(&old, &new);
    assert_eq!(changes.changed.len(), 1, "b has its own: {changes:?}");
    assert_eq!(changes.changed[0].keys, ["env", "umask"]);
    assert_eq!(changes.in_place, ["umask"]);
}

#[test]
fn some_keys_of_the_daemon_wait_for_its_next_start() {
    let old = good("");
    let new = good(
        "daemon: {listen: '127.0.0.1:1', secret_file: /s, user: www, shutdown_time: 1, log: {level: error}}",
    );
    let changes = diff(&old, &new);
    assert_eq!(changes.at_next_start, ["listen", "secret_file", "user"]);
    assert_eq!(changes.in_place, ["log", "shutdown_time"]);
    let changes = diff(&old, &good("daemon: {state_dir: /s}"));
    assert_eq!(changes.at_next_start, ["state_dir", "secret_file"]);
}
