//! A thousand processes.

use crate::bench::{Bench, lives, signal, until};
use crate::facts::{exit, pids, reload, row, rows, until_all_run, until_state};

const WEB: &str = "web: {cmd: sleep 1000, numprocs: 1000, starttime: 0.05, backoff: 0.05, \
                   stdout: discard, stderr: discard}";

#[test]
fn a_thousand_processes_start_live_through_a_reload_and_a_death_and_stop() {
    let mut bench = Bench::up(WEB);
    let mut wire = bench.client();
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    assert_eq!(before.len(), 1000);
    let mut distinct: Vec<i64> = before.values().copied().collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 1000);

    bench.configure(&format!("{WEB}\nextra: {{cmd: sleep 1000, starttime: 0}}"));
    assert_eq!(reload(&mut wire), ["extra: add and start"]);
    until_state(&mut wire, "extra", "RUNNING");

    // One death is that one's affair.
    let mut events = bench.client();
    events.send("events");
    wire.ask("version");
    signal(before["web:500"] as i32, libc::SIGKILL);
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "running") {
        let event = events.line().unwrap()["event"].clone();
        assert_eq!(event["name"], "web:500", "{event}");
        heard.push(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(row(&mut wire, "web:500")["restarts"], 1);
    let now = pids(&mut wire);
    for (name, pid) in &before {
        assert_eq!(now[name] != *pid, name == "web:500", "{name}");
    }

    let answer = wire.ask("stop all");
    assert_eq!((exit(&answer), answer.len()), (0, 1002));
    assert!(rows(&mut wire).values().all(|row| row["state"] == "STOPPED"));
    assert!(!now.values().any(|pid| lives(*pid as i32)));
    bench.stop();
}

#[test]
fn hundreds_that_die_at_once_are_all_back() {
    let mut bench = Bench::up(&WEB.replace("1000,", "300,"));
    let mut wire = bench.client();
    until_all_run(&mut wire);
    let before = pids(&mut wire);
    assert_eq!(before.len(), 300);
    for pid in before.values() {
        signal(*pid as i32, libc::SIGKILL);
    }
    until("all have been started again", || {
        let now = pids(&mut wire);
        now.len() == before.len() && now.iter().all(|(name, pid)| before[name] != *pid)
    });
    until_all_run(&mut wire);
    assert!(rows(&mut wire).values().all(|row| row["restarts"] == 1));
    // The shutdown stops those that are there.
    let last = pids(&mut wire);
    bench.stop();
    assert!(!last.values().any(|pid| lives(*pid as i32)));
}
