//! How long the daemon does not answer while it is replaced: a thousand processes, each with two
//! pipes, and a client that asks all the time.
//!
//! Not part of the ordinary suite, as it measures. `UPGRADES` is how many, 20 by default:
//!
//! `cargo test --locked --release --test it -- --ignored --nocapture longest_silence`

use std::time::{Duration, Instant};

use crate::bench::{Bench, Wire};
use crate::facts::{exit, until_all_run};

#[allow(clippy::disallowed_methods)] // it is about time
fn now() -> Instant {
    Instant::now()
}

/// Asks again and again until this is over. The longest time that an answer took.
fn longest(client: &mut Wire, mut is_over: impl FnMut() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over() {
        let asked = now();
        let answer = client.ask("status web:0");
        longest = longest.max(now() - asked);
        assert_eq!(exit(&answer), 0, "{answer:?}");
    }
    longest
}

#[test]
#[ignore = "it measures"]
fn the_longest_silence_of_an_upgrade_is_told() {
    let count = std::env::var("UPGRADES").ok().map_or(20, |text| text.parse().unwrap());
    let mut bench = Bench::up("web: {cmd: sleep 100000, numprocs: 1000, starttime: 0}");
    let mut client = bench.client();
    until_all_run(&mut client);
    let pid = bench.pid_of("web:0");
    let mut left = 2000;
    let usual = longest(&mut client, || {
        left -= 1;
        left == 0
    });
    let mut silences: Vec<Duration> = Vec::new();
    for _ in 0..count {
        let mut asks = bench.client();
        asks.send("upgrade");
        let answered = std::thread::spawn(move || exit(&asks.answer()));
        silences.push(longest(&mut client, || answered.is_finished()));
        assert_eq!(answered.join().unwrap(), 0, "{}", bench.log());
    }
    assert_eq!(bench.pid_of("web:0"), pid);
    silences.sort_unstable();
    let (middle, most) = (silences[silences.len() / 2], silences[silences.len() - 1]);
    eprintln!("the longest answer without an upgrade: {usual:?}");
    eprintln!(
        "the longest of each of {count} upgrades: {middle:?} in the middle, {most:?} at most"
    );
    bench.stop();
}
