//! What those who wait for a process are answered with: what came after they asked, and never what
//! was decided before and only told later.

use std::time::Duration;

use crate::bench::{Bench, Wire, lives, now, signal, until};
use crate::facts::{exit, pid, until_state, words};

/// Asks while the daemon is stopped, and this happens before it goes on and hears of both.
fn ask_meanwhile(bench: &Bench, wire: &mut Wire, request: &str, happens: impl FnOnce()) {
    signal(bench.pid(), libc::SIGSTOP);
    wire.send(request);
    happens();
    signal(bench.pid(), libc::SIGCONT);
}

#[test]
fn a_restart_that_comes_with_the_end_of_starttime_is_one() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0.5}");
    let mut wire = bench.client();
    let old = pid(&mut wire, "a");
    let since = now();
    ask_meanwhile(&bench, &mut wire, "restart a", || {
        until("its time is over", || now() - since > Duration::from_millis(500));
    });
    let answer = wire.answer();
    assert_eq!((exit(&answer), words(&answer)), (0, vec!["a: restarted".into()]));
    assert_ne!(pid(&mut wire, "a"), old);
}

#[test]
fn a_start_that_comes_as_it_is_given_up_is_one() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, starttime: 0.1, autorestart: always, backoff: 0, \
             max_restarts: {count: 0, within: 10m}}",
    );
    let mut wire = bench.client();
    until_state(&mut wire, "a", "RUNNING");
    let old = pid(&mut wire, "a");
    ask_meanwhile(&bench, &mut wire, "start a", || {
        signal(old, libc::SIGKILL);
        until("it is dead", || !lives(old));
    });
    let answer = wire.answer();
    assert_eq!((exit(&answer), words(&answer)), (0, vec!["a: started".into()]));
    assert!(bench.log().contains("fatal name=a"), "{}", bench.log());
}
