//! A file with problems changes nothing, and whoever asked is told all of them.

use std::fs;

use crate::bench::{Bench, signal};
use crate::facts::{configure, error, exit, pids, until_all_run, up, words};

const GOOD: &str = "programs:\n  a: {cmd: sleep 1000, starttime: 0}\n";

/// Two problems on lines 3 and 4, and a change that would be one were it not for them.
const BAD: &str = "programs:\n  a: {cmd: sleep 1000, numprocs: 0}\n  b: {cmd: sleep 1, autostrat: 1}\n  \
                   c: {cmd: sleep 1000}\n";

#[test]
fn a_reload_of_a_broken_file_tells_every_problem_and_changes_nothing() {
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", BAD);
    for command in ["reload", "update", "reload --dry-run"] {
        let said = bench.ctl(command);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.contains("taskmaster.yaml:3:34: programs.a.numprocs: "), "{said:?}");
        assert!(said.err.contains("taskmaster.yaml:4:21: programs.b"), "{said:?}");
        assert!(said.err.contains("autostart"), "the near miss: {said:?}");
        assert_eq!(pids(&mut wire), before);
    }
    // The file mended, all is as if nothing had been.
    configure(&bench, "", GOOD);
    assert_eq!(words(&wire.ask("reload")), ["nothing has changed"]);
    assert_eq!(pids(&mut wire), before);
}

#[test]
fn sighup_on_a_broken_file_says_so_in_the_log_and_as_an_event() {
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    let mut events = bench.client();
    events.send("events");
    // A signal is heard before clients are: the follower must have been heard already.
    wire.ask("version");
    configure(&bench, "", BAD);
    signal(bench.pid(), libc::SIGHUP);
    let event = loop {
        let reply = events.line().unwrap();
        if reply["event"]["event"] == "reload_failed" {
            break reply["event"].clone();
        }
    };
    assert!(event["name"].is_null() && event["message"].as_str().unwrap().contains("2 problems"));
    let log = bench.log();
    let problem = |place: &str| {
        log.lines().any(|line| line.contains("error") && line.contains(&format!(".yaml:{place}: ")))
    };
    assert!(problem("3:34") && problem("4:21"), "{log}");
    assert_eq!(pids(&mut wire), before);
    // And SIGHUP on a good one applies it.
    configure(&bench, "", "programs: {}\n");
    signal(bench.pid(), libc::SIGHUP);
    events.until_event("stopped", "a");
}

#[test]
fn whoever_follows_hears_of_a_reload_that_failed_and_of_one_that_did_not() {
    let (bench, mut wire) = up("", GOOD);
    let mut events = bench.client();
    events.send("events");
    let mut next = |wanted: [&str; 2]| loop {
        let reply = events.line().unwrap();
        let name = reply["event"]["event"].as_str().unwrap().to_owned();
        if wanted.contains(&name.as_str()) {
            return name;
        }
    };
    let both = ["reloaded", "reload_failed"];
    configure(&bench, "", BAD);
    // A trial is no failure of anything.
    assert_eq!(exit(&wire.ask("reload --dry-run")), 1);
    configure(&bench, "", &GOOD.replace("1000", "2000"));
    assert_eq!(exit(&wire.ask("reload")), 0);
    assert_eq!(next(both), "reloaded");
    configure(&bench, "", BAD);
    assert_eq!(exit(&wire.ask("reload")), 1);
    assert_eq!(next(both), "reload_failed");
}

#[test]
fn a_file_that_is_no_yaml_or_not_there_changes_nothing() {
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    bench.write("taskmaster.yaml", "programs: {a: {cmd: sleep 1000");
    let answer = wire.ask("reload");
    assert_eq!(exit(&answer), 1);
    assert!(words(&answer)[0].contains("taskmaster.yaml:2:1: "), "{answer:?}");
    fs::remove_file(bench.path("taskmaster.yaml")).unwrap();
    let answer = wire.ask("reload");
    assert_eq!(exit(&answer), 1);
    let told = words(&answer).join("\n");
    assert!(told.contains("taskmaster.yaml") && told.contains("No such file"), "{told}");
    assert!(error(&answer).contains("nothing was changed"), "{answer:?}");
    fs::create_dir(bench.path("taskmaster.yaml")).unwrap();
    assert_eq!(exit(&wire.ask("reload")), 1);
    fs::remove_dir(bench.path("taskmaster.yaml")).unwrap();
    bench.write("taskmaster.yaml", "programs:\n  a: {cmd: sleep 1000\u{0}}\n");
    assert_eq!(exit(&wire.ask("reload")), 1);
    fs::write(bench.path("taskmaster.yaml"), b"programs: {a: {cmd: \xff}}\n").unwrap();
    assert_eq!(exit(&wire.ask("reload")), 1);
    assert_eq!(pids(&mut wire), before);
}

#[test]
fn thirty_problems_are_told_as_twenty_and_how_many_more() {
    let (bench, mut wire) = up("", GOOD);
    let programs: String =
        (0..30).map(|n| format!("  p{n}: {{cmd: sleep 1, numprocs: 0}}\n")).collect();
    configure(&bench, "", &format!("programs:\n{programs}"));
    let told = words(&wire.ask("reload"));
    assert_eq!(told.len(), 21, "{told:?}");
    assert!(told[20].contains("10 more"), "{told:?}");
}

#[test]
fn an_included_file_counts_and_its_problems_bear_its_name() {
    let bench = Bench::new("{}");
    fs::create_dir(bench.path("conf.d")).unwrap();
    let main = "include: [conf.d/*.yaml]\nprograms: {a: {cmd: sleep 1000, starttime: 0}}\n";
    configure(&bench, "", main);
    let mut bench = bench;
    bench.start();
    let mut wire = bench.client();
    until_all_run(&mut wire);
    let a = pids(&mut wire)["a"];
    let b = "programs:\n  b: {cmd: sleep 1000, starttime: 0}\n";

    bench.write("conf.d/b.yaml", b);
    assert_eq!(words(&wire.ask("reload")).last().unwrap(), "b: add and start");
    bench.write("conf.d/b.yaml", &b.replace("1000", "2000"));
    assert_eq!(words(&wire.ask("reload")).last().unwrap(), "b: restart (cmd)");
    until_all_run(&mut wire);
    bench.write("conf.d/b.yaml", &b.replace("cmd", "cdm"));
    let answer = wire.ask("reload");
    let told = words(&answer).join("\n");
    assert!(exit(&answer) == 1 && told.contains("b.yaml:2:7: programs.b"), "{told}");
    bench.write("conf.d/b.yaml", &b.replace("b:", "a:"));
    let told = words(&wire.ask("reload")).join("\n");
    assert!(told.contains("b.yaml:2:3: programs.a: is there twice"), "{told}");
    fs::remove_file(bench.path("conf.d/b.yaml")).unwrap();
    assert_eq!(words(&wire.ask("reload")).last().unwrap(), "b: stop and remove");
    assert_eq!(pids(&mut wire)["a"], a);
}

#[test]
fn a_file_that_others_may_write_is_refused_to_root() {
    use std::os::unix::fs::PermissionsExt;
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    configure(&bench, "", &GOOD.replace("1000", "2000"));
    let file = bench.path("taskmaster.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let answer = wire.ask("reload");
    if crate::bench::is_root() {
        let told = words(&answer).join("\n");
        assert!(exit(&answer) == 1 && told.contains("chmod"), "{answer:?}");
        assert_eq!(pids(&mut wire), before);
    } else {
        assert_eq!(words(&answer), ["a: restart (cmd)"]);
    }
}

#[test]
fn check_in_the_shell_reads_the_daemon_s_file_and_applies_nothing() {
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    let said = bench.ctl("check");
    assert!(said.status == 0 && said.out.contains("no problems, 1 program, 1 process"), "{said:?}");
    configure(&bench, "", BAD);
    let said = bench.ctl("check");
    assert_eq!((said.status, said.err.matches("taskmaster.yaml:").count()), (1, 2), "{said:?}");
    configure(&bench, "", "programs:\n  a: {cmd: ./missing, starttime: 0}\n");
    let said = bench.ctl("check");
    assert_eq!(said.status, 0, "what is missing is a warning: {said:?}");
    assert!(said.err.starts_with("warning: ") && said.err.contains("./missing"), "{said:?}");
    assert_eq!(pids(&mut wire), before);
}

#[test]
fn what_is_missing_is_a_warning_of_the_reload_and_a_failed_start() {
    let (bench, mut wire) = up("", GOOD);
    until_all_run(&mut wire);
    configure(
        &bench,
        "",
        &format!("{GOOD}  b: {{cmd: sleep 1, workingdir: /not/there, startretries: 0}}\n"),
    );
    let said = bench.ctl("reload");
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.err.contains("programs.b.workingdir") && said.err.contains("/not/there"));
    assert_eq!(said.out, "b: add and start\n");
    crate::facts::until_state(&mut wire, "b", "FATAL");
}

#[test]
fn a_log_that_cannot_be_had_refuses_a_reload_and_changes_nothing() {
    if !crate::bench::is_root() {
        return;
    }
    let program = |user: &str| {
        format!(
            "programs:\n  a: {{cmd: sleep 1000, starttime: 0, startretries: 0, user: {user}}}\n"
        )
    };
    let (bench, mut wire) = up("", &program("games"));
    until_all_run(&mut wire);
    let mut events = bench.client();
    events.send("events");
    wire.ask("version");
    configure(&bench, "log: {file: /no/such/folder/x}", &program("nobody"));
    let answer = wire.ask("reload");
    assert_eq!(exit(&answer), 1);
    assert!(error(&answer).starts_with("nothing was changed: "), "{answer:?}");
    let event = events.line().unwrap()["event"].clone();
    assert_eq!(event["event"], "reload_failed", "{event}");
    assert!(event["message"].as_str().unwrap().contains("/no/such/folder/x"), "{event}");
    // Who it is to be is still known.
    assert_eq!(exit(&wire.ask("restart a")), 0);
    let uid = crate::bench::status_of(bench.pid_of("a"), "Uid");
    let games = nix::unistd::User::from_name("games").unwrap().unwrap().uid;
    assert!(uid.starts_with(&format!("{games}\t")), "{uid}");
}
