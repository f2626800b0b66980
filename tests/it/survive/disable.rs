//! `disable` and `enable`.

use std::fs;

use crate::bench::{Bench, lives};

const TWO: &str = "a: {cmd: sleep 1000, numprocs: 2, starttime: 0, backoff: 0}";

#[test]
fn what_is_disabled_stays_stopped_through_everything() {
    let mut bench = Bench::up(TWO);
    let (pid, other) = (bench.pid_of("a:0"), bench.pid_of("a:1"));
    let said = bench.ctl("disable a:0");
    assert_eq!((said.status, said.out.as_str()), (0, "a:0: stopped\n"));
    assert!(!lives(pid));
    assert_eq!(bench.ctl("disable a:0").out, "a:0: is disabled already\n");
    let said = bench.ctl("start all");
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("disabled; enable starts it")
            || said.out.contains("disabled; enable starts it"),
        "{said:?}"
    );
    bench.configure(&TWO.replace("1000", "2000"));
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("the other is restarted", |bench| bench.has_new_pid("a:1", other));
    bench.kill();
    bench.start();
    assert_eq!(bench.state("a:0"), "STOPPED");
    bench.stop();
    // As after a reboot.
    let _ = fs::remove_file(bench.path("state/journal"));
    bench.start();
    bench.until_state("a:1", "RUNNING");
    let row = bench.row("a:0");
    assert_eq!((&row["state"], &row["description"]), (&"STOPPED".into(), &"disabled".into()));
    let said = bench.ctl("enable all");
    assert_eq!(said.status, 0);
    assert_eq!(said.out, "a:1: is not disabled\na:0: started\n");
    bench.stop();
    bench.start();
    bench.until_state("a:0", "RUNNING");
}

#[test]
fn a_disable_that_cannot_be_written_down_is_not_done() {
    let bench = Bench::up(TWO);
    fs::create_dir(bench.path("state/disabled")).unwrap();
    fs::write(bench.path("state/disabled/x"), "").unwrap();
    let said = bench.ctl("disable all");
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("state/disabled") && said.err.contains("nothing was done"),
        "{said:?}"
    );
    assert_eq!(bench.ctl("status").status, 0);
}

#[test]
fn what_depends_on_it_is_stopped_before_it() {
    let bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 0}\n\
         web: {cmd: sleep 1000, starttime: 0, depends_on: [db]}",
    );
    bench.until_state("web", "RUNNING");
    let mut events = bench.follower();
    let said = bench.ctl("disable db");
    assert!(said.status == 0 && said.out.contains("web depends on db"), "{said:?}");
    assert_eq!(events.until_event("stopped", "web")["to"], "STOPPED");
    assert_eq!(events.until_event("stopped", "db")["to"], "STOPPED");
    assert_eq!(bench.ctl("enable db").status, 0);
    assert_eq!(bench.state("web"), "STOPPED", "who was stopped stays so");
}
