//! `restart --rolling`: one process after the other.

use super::{in_order, results, shaky, told_until};
use crate::bench::{Bench, lives};

#[test]
fn a_rolling_restart_replaces_them_one_by_one() {
    let bench = Bench::up("web: {cmd: sleep 1000, numprocs: 3, starttime: 0.1}");
    for index in 0..3 {
        bench.until_state(&format!("web:{index}"), "RUNNING");
    }
    let old: Vec<i32> = (0..3).map(|index| bench.pid_of(&format!("web:{index}"))).collect();
    let mut events = bench.follower();
    let said = bench.ctl("restart --rolling web");
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "web:0: restarted\nweb:1: restarted\nweb:2: restarted\n")
    );
    let told = told_until(&mut events, "web:2 running");
    in_order(&told, &["web:0 running", "web:1 stopping", "web:1 running", "web:2 stopping"]);
    assert!(old.iter().all(|pid| !lives(*pid)));
}

#[test]
fn a_rolling_restart_stops_at_the_first_that_fails() {
    let bench = Bench::new(&shaky("web", "numprocs: 3, startretries: 0"));
    let mut bench = bench;
    bench.write("ok", "");
    bench.start();
    for index in 0..3 {
        bench.until_state(&format!("web:{index}"), "RUNNING");
    }
    let last = bench.pid_of("web:2");
    let mut client = bench.client();
    std::fs::remove_file(bench.path("ok")).unwrap();
    let answer = client.ask("restart --rolling web");
    assert_eq!(results(&answer), ["web:0 FATAL: exit 1", "web:1 not touched", "web:2 not touched"]);
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1);
    assert_eq!(bench.pid_of("web:2"), last);
}

#[test]
fn a_rolling_restart_passes_over_what_is_disabled() {
    let bench = Bench::up("web: {cmd: sleep 1000, numprocs: 3, starttime: 0}");
    for index in 0..3 {
        bench.until_state(&format!("web:{index}"), "RUNNING");
    }
    assert_eq!(bench.ctl("disable web:0").status, 0);
    let (second, third) = (bench.pid_of("web:1"), bench.pid_of("web:2"));
    let disabled = "web:0: disabled; enable starts it\n";
    let said = bench.ctl("restart --rolling web");
    let all = format!("{disabled}web:1: restarted\nweb:2: restarted\n");
    assert_eq!((said.status, said.out), (1, all));
    assert!(bench.has_new_pid("web:1", second) && bench.has_new_pid("web:2", third));
    assert_eq!(bench.state("web:0"), "STOPPED");
    // As a plain one has it, which is waited for or not.
    for rolling in ["", "--rolling "] {
        let said = bench.ctl(&format!("restart {rolling}--no-wait web:0"));
        assert_eq!((said.status, said.out.as_str()), (1, disabled));
    }
}

#[test]
fn a_rolling_restart_goes_on_without_the_client() {
    let web = |starttime| format!("web: {{cmd: sleep 1000, numprocs: 2, starttime: {starttime}}}");
    let bench = Bench::up(&web(0));
    for name in ["web:0", "web:1"] {
        bench.until_state(name, "RUNNING");
    }
    let (first, old) = (bench.pid_of("web:0"), bench.pid_of("web:1"));
    // The next start takes as long as it is let.
    bench.configure(&web(1000));
    assert_eq!(bench.ctl("reload").status, 0);
    let mut client = bench.client();
    client.send("restart --rolling web");
    bench.until("it has begun", |bench| bench.has_new_pid("web:0", first));
    let said = bench.ctl("restart --rolling web:1");
    assert_eq!(said.status, 1);
    assert!(said.err.contains("web:1 is in a rolling restart already"), "{said:?}");
    drop(client);
    bench.configure(&web(0));
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("the second one is another", |bench| bench.has_new_pid("web:1", old));
    bench.until("the log tells it", |bench| {
        bench.log().contains("rolling restart name=web:1 result=restarted")
    });
}

#[test]
fn a_rolling_restart_tells_of_those_that_a_reload_removes_meanwhile() {
    let web = |number, starttime| {
        format!("web: {{cmd: sleep 1000, numprocs: {number}, starttime: {starttime}}}")
    };
    let bench = Bench::up(&web(3, 0));
    for index in 0..3 {
        bench.until_state(&format!("web:{index}"), "RUNNING");
    }
    let first = bench.pid_of("web:0");
    bench.configure(&web(3, 1000));
    assert_eq!(bench.ctl("reload").status, 0);
    let mut client = bench.client();
    client.send("restart --rolling web");
    bench.until("it has begun", |bench| bench.has_new_pid("web:0", first));
    bench.configure("other: {cmd: sleep 1000}");
    assert_eq!(bench.ctl("reload").status, 0);
    let answer = client.answer();
    let mut told = results(&answer);
    told.sort();
    let each = |index: u32| format!("web:{index} removed from the configuration");
    assert_eq!(told, [0, 1, 2].map(each));
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1);
    for index in 0..3 {
        let result = "result=\"removed from the configuration\"";
        let line = format!("rolling restart name=web:{index} {result}");
        assert_eq!(bench.log().matches(&line).count(), 1, "{line} in {}", bench.log());
    }
}
