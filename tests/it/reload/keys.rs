//! Each key of a program, changed alone: who is started again, and who is not touched.

use std::fs;

use crate::bench::{executed, proc, until};
use crate::facts::{configure, pids, reload, row, until_all_run, up};

/// A key, how it is written after the change, and where a process shows it.
struct Case {
    key: &'static str,
    after: String,
    seen: Option<Seen>,
}

type Seen = fn(i32) -> bool;

fn restarts(key: &'static str, after: impl Into<String>, seen: Seen) -> Case {
    Case { key, after: after.into(), seen: Some(seen) }
}

fn in_place(key: &'static str, after: &str) -> Case {
    Case { key, after: after.to_owned(), seen: None }
}

fn link(pid: i32, name: &str) -> String {
    let target = fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
    target.to_string_lossy().into_owned()
}

fn cases() -> Vec<Case> {
    let (uid, gid) = (nix::unistd::Uid::effective(), nix::unistd::Gid::effective());
    vec![
        restarts("cmd", "sleep 2000", |pid| executed(pid, "cmdline").contains("2000")),
        restarts("stdout", "out.log", |pid| link(pid, "fd/1").ends_with("/out.log")),
        restarts("stderr", "err.log", |pid| link(pid, "fd/2").ends_with("/err.log")),
        restarts("env", "{COLOUR: red}", |pid| executed(pid, "environ").contains("COLOUR=red\0")),
        restarts("env_file", "more.env", |pid| executed(pid, "environ").contains("SHAPE=round\0")),
        restarts("inherit_env", "false", |pid| !executed(pid, "environ").contains("PATH=")),
        restarts("workingdir", "/", |pid| link(pid, "cwd") == "/"),
        restarts("umask", "077", |pid| proc(pid, "status").contains("Umask:\t0077")),
        restarts("user", format!("'{uid}'"), |pid| {
            let uid = nix::unistd::Uid::effective();
            proc(pid, "status").contains(&format!("Uid:\t{uid}\t{uid}"))
        }),
        restarts("group", format!("'{gid}'"), |pid| {
            let gid = nix::unistd::Gid::effective();
            proc(pid, "status").contains(&format!("Gid:\t{gid}\t{gid}"))
        }),
        restarts("limits", "{nofile: 123}", |pid| {
            let limits = proc(pid, "limits");
            let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
            line.split_whitespace().nth(3) == Some("123")
        }),
        restarts("nice", "7", |pid| proc(pid, "stat").split(' ').nth(18) == Some("7")),
        restarts("oom_score_adj", "900", |pid| proc(pid, "oom_score_adj").trim() == "900"),
        restarts("no_new_privs", "true", |pid| proc(pid, "status").contains("NoNewPrivs:\t1")),
        in_place("autostart", "false"),
        in_place("autorestart", "always"),
        in_place("exitcodes", "[0, 3]"),
        in_place("starttime", "0.2"),
        in_place("startretries", "7"),
        in_place("backoff", "{initial: 0.5}"),
        in_place("stopsignal", "INT"),
        in_place("stoptime", "20"),
        in_place("stopasgroup", "true"),
    ]
}

/// A program named after each key; the first `changed` of them after the change.
fn programs(cases: &[Case], changed: usize) -> String {
    let mut text = "defaults: {cmd: sleep 1000, starttime: 0, stdout: discard, stderr: discard}\n\
                    programs:\n"
        .to_owned();
    for (index, Case { key, after, .. }) in cases.iter().enumerate() {
        let entry = if index < changed { format!("{key}: {after}") } else { String::new() };
        text.push_str(&format!("  p-{key}: {{{entry}}}\n"));
    }
    text
}

#[test]
fn every_key_that_a_start_depends_on_starts_its_program_again_and_no_other_key_does() {
    let cases = cases();
    let (bench, mut wire) = up("", &programs(&cases, 0));
    let more = bench.write("more.env", "SHAPE=round\n");
    assert!(more.exists());
    until_all_run(&mut wire);
    for (index, Case { key, seen, .. }) in cases.iter().enumerate() {
        let name = format!("p-{key}");
        let mut before = pids(&mut wire);
        configure(&bench, "", &programs(&cases, index + 1));
        let verb = if seen.is_some() { "restart" } else { "change in place" };
        assert_eq!(reload(&mut wire), [format!("{name}: {verb} ({key})")]);
        if let Some(seen) = seen {
            let old = before[&name];
            until(&format!("{key}: a new pid"), || {
                let row = row(&mut wire, &name);
                row["state"] == "RUNNING" && row["pid"] != old
            });
            let row = row(&mut wire, &name);
            assert_eq!(row["restarts"], 0, "somebody asked for it: {row}");
            let new = row["pid"].as_i64().unwrap();
            assert!(seen(new as i32), "{key} has no effect");
            before.insert(name, new);
        }
        assert_eq!(pids(&mut wire), before, "{key}");
    }
}

#[test]
fn going_back_to_the_default_is_a_change_too() {
    let (bench, mut wire) =
        up("", "programs: {a: {cmd: sleep 1000, starttime: 0, nice: 3, stopsignal: INT}}\n");
    until_all_run(&mut wire);
    configure(&bench, "", "programs: {a: {cmd: sleep 1000, starttime: 0}}\n");
    assert_eq!(reload(&mut wire), ["a: restart (stopsignal, nice)"]);
    // The new policy counts at once, also for the stop that the restart begins with.
    until("it ran again", || row(&mut wire, "a")["exit"]["signal"] == "TERM");
    until_all_run(&mut wire);
}
