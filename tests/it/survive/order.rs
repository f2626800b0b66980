//! What waits for others, and who is not ready yet, over a crash and an upgrade.

use crate::bench::{Bench, lives, signal};

const ORDER: &str = "db: {cmd: \"bash -c 'until [ -e go ]; do sleep 0.02; done; echo >&9; exec sleep 1000'\", ready: {fd: 9, timeout: 1000}}\n\
     web: {cmd: sleep 1000, starttime: 0, depends_on: [db]}";

#[test]
fn an_upgrade_keeps_who_waits_and_the_way_to_say_that_one_is_ready() {
    let mut bench = Bench::up(ORDER);
    bench.until_state("web", "WAITING");
    let db = bench.pid_of("db");
    for _ in 0..2 {
        assert_eq!(bench.ctl("upgrade").status, 0);
        assert_eq!((bench.state("web").as_str(), bench.pid_of("db")), ("WAITING", db));
    }
    bench.write("go", "");
    bench.until_state("web", "RUNNING");
    assert_eq!(bench.ctl("upgrade").status, 0);
    assert_eq!(bench.ctl("stop db").status, 0);
    assert_eq!(bench.state("web"), "STOPPED", "dependents first");
    bench.stop();
}

#[test]
fn who_waits_when_the_daemon_is_killed_waits_on() {
    let mut bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 1000}\nweb: {cmd: sleep 1000, starttime: 0, depends_on: [db]}",
    );
    bench.until_state("web", "WAITING");
    let db = bench.pid_of("db");
    bench.kill();
    bench.configure(
        "db: {cmd: sleep 1000, starttime: 0}\nweb: {cmd: sleep 1000, starttime: 0, depends_on: [db]}",
    );
    bench.start();
    bench.until_state("web", "RUNNING");
    assert_eq!(bench.pid_of("db"), db);
    let web = bench.pid_of("web");
    assert_eq!(bench.ctl("stop db").status, 0);
    assert!(!lives(web));
    bench.stop();
}

#[test]
fn a_stop_that_is_held_is_not_on_record_as_heard_after_an_upgrade() {
    let mut bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 0}\n\
         web: {cmd: \"sh -c 'trap \\\"\\\" TERM; echo > up; while :; do sleep 0.05; done'\", \
         starttime: 0, stoptime: 1000, depends_on: [db]}",
    );
    bench.until("it ignores", |bench| bench.path("up").exists());
    let mut client = bench.client();
    client.send("stop db");
    bench.until_state("web", "STOPPING");
    bench.until_state("db", "STOPPING");
    assert_eq!(bench.ctl("upgrade").status, 0);
    bench.until("it is on record", |bench| bench.read("state/journal").contains("\"held\""));
    let journal = bench.read("state/journal");
    let asked =
        |program: &str| journal.contains(&format!("{{\"asked\":{{\"program\":\"{program}\""));
    assert!(asked("web") && !asked("db"), "{journal}");
    signal(bench.pid_of("web"), libc::SIGKILL);
    bench.until_state("db", "STOPPED");
    bench.stop();
}

#[test]
fn what_only_ever_waited_keeps_no_daemon_from_ending_after_an_upgrade() {
    let mut bench = Bench::new("{}");
    bench.configure_daemon(
        "exit_when: all_exited,",
        "a: {cmd: \"sh -c 'until [ -e go ]; do sleep 0.02; done; exit 4'\", starttime: 0, autorestart: never}\n\
         b: {cmd: sleep 1000, depends_on: {a: completed}}",
    );
    bench.start();
    bench.until_state("b", "WAITING");
    for _ in 0..2 {
        assert_eq!(bench.ctl("upgrade").status, 0);
    }
    bench.write("go", "");
    assert_eq!(bench.ended(), 4);
}
