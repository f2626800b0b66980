//! Clients that do not read, do not write, or are gone.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;

use super::{Town, descriptors, memory};
use crate::bench::until;
use crate::facts::exit;

/// One whose every failed start is told in 100,000 bytes: its command is that long.
fn wordy() -> String {
    let command = format!("./{}", "x".repeat(100_000));
    format!("wordy: {{cmd: {command}, startretries: 0, autostart: false}}\n")
}

#[test]
fn who_follows_the_events_and_never_reads_is_cut_off() {
    let mut town = Town::with(&wordy());
    let mut deaf = town.bench.client();
    deaf.send("events");
    let with_it = descriptors(&town.bench);
    let mut asked = 0;
    // It holds its end open: only the daemon can have let go of it.
    while descriptors(&town.bench) >= with_it {
        assert_eq!(exit(&town.watcher.ask("start wordy")), 1);
        asked += 1;
        assert!(asked < 2000, "never cut off");
    }
    town.is_unharmed();
    drop(deaf);
}

#[test]
fn who_asks_without_end_and_never_reads_is_not_heard() {
    let mut town = Town::with(&wordy());
    assert_eq!(exit(&town.watcher.ask("start wordy")), 1);
    let mut deaf = town.bench.client();
    deaf.stream.set_nonblocking(true).unwrap();
    let many = "status\n".repeat(10_000);
    let mut poured = 0;
    // Until nothing goes in any more, twice with something of others between.
    for _ in 0..2 {
        loop {
            match deaf.stream.write(many.as_bytes()) {
                Ok(count) => poured += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            assert!(poured < 1 << 28, "it is listened to without end");
        }
        town.goes_on();
        let grown = memory(&town.bench).saturating_sub(town.memory);
        assert!(grown < super::GROWTH, "the daemon has grown by {grown} KiB");
    }
    drop(deaf);
    town.is_unharmed();
}

#[test]
fn who_reads_late_gets_every_answer() {
    let mut town = Town::with(&wordy());
    assert_eq!(exit(&town.watcher.ask("start wordy")), 1);
    let mut late = town.bench.client();
    late.stream.write_all("status\n".repeat(300).as_bytes()).unwrap();
    town.goes_on();
    for _ in 0..300 {
        let answer = late.answer();
        assert_eq!((answer.len(), exit(&answer)), (5, 3));
    }
    drop(late);
    town.is_unharmed();
}

#[test]
fn who_says_nothing_more_and_only_listens_is_let_go_once_it_was_answered() {
    let mut town = Town::with("slow: {cmd: sleep 1000, starttime: 1000, autostart: false}\n");
    let mut wires = Vec::new();
    for request in ["", "version\n", "events\n", "start slow\n", "status"] {
        let mut wire = town.bench.client();
        wire.stream.write_all(request.as_bytes()).unwrap();
        wire.stream.shutdown(Shutdown::Write).unwrap();
        // What would wait, or never end, ends with what it says.
        match request {
            "version\n" | "events\n" => assert_eq!(exit(&wire.answer()), 0),
            "start slow\n" => assert_eq!(exit(&wire.answer()), 1),
            _ => {}
        }
        assert_eq!(wire.line(), None, "{request:?}");
        wires.push(wire);
    }
    let mut stranger = town.bench.stranger();
    stranger.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stranger.line(), None);
    assert_eq!(exit(&town.watcher.ask("stop slow")), 0, "its start went on all the same");
    town.is_unharmed();
}

#[test]
fn a_long_answer_reaches_one_that_only_listens() {
    let mut town = Town::with(&wordy());
    assert_eq!(exit(&town.watcher.ask("start wordy")), 1);
    let mut wire = town.bench.client();
    let count = 100;
    wire.stream.write_all("status\n".repeat(count).as_bytes()).unwrap();
    wire.stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..count {
        assert_eq!(exit(&wire.answer()), 3);
    }
    assert_eq!(wire.line(), None);
    town.is_unharmed();
}

#[test]
fn who_hangs_up_at_any_point_leaves_nothing_behind() {
    let mut town = Town::with("slow: {cmd: sleep 1000, starttime: 1000, autostart: false}\n");
    let requests =
        ["", "\n", "st", "status\n", "events\n", "status\nstatus\nevents\n", "start slow\n"];
    for request in requests {
        for _ in 0..10 {
            let mut wire = town.bench.client();
            wire.stream.write_all(request.as_bytes()).unwrap();
        }
    }
    for part in [&b""[..], b"{", b"{\"protocol\":1", b"\n"] {
        let mut wire = town.bench.stranger();
        wire.stream.write_all(part).unwrap();
    }
    let mut wire = town.bench.client();
    wire.send("start slow");
    until("it starts", || exit(&town.watcher.ask("pid slow")) == 0);
    drop(wire);
    assert_eq!(exit(&town.watcher.ask("stop slow")), 0);
    town.is_unharmed();
}
