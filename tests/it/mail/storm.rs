//! A thousand failures at once.

use super::up;
use crate::post_office::{Manner, PostOffice};

const MANY: u64 = 1000;

/// How many events a message tells of: its own count, or the one.
fn told(text: &str) -> u64 {
    match text.split_once(" events, ") {
        Some((count, _)) if count.len() < 10 => count.replace(',', "").parse().unwrap(),
        _ => 1,
    }
}

#[test]
fn a_thousand_failures_are_a_handful_of_messages_with_nothing_uncounted() {
    let office = PostOffice::open(Manner::default());
    let mail = format!("server: 'smtp://{}', digest: 5", office.address);
    let programs = format!(
        "many: {{cmd: /nonexistent/many, numprocs: {MANY}, startretries: 0, stdout: discard, \
         stderr: discard, autostart: no}}\n\
         steady: {{cmd: sleep 1000, starttime: 0, backoff: 0, autorestart: always}}"
    );
    let bench = up(&mail, &programs);
    let mut events = bench.follower();
    let mut client = bench.client();
    let before = bench.pid_of("steady");
    client.send("start --no-wait many");
    client.answer();
    // In the midst of it, somebody asks, and a process that dies is started again.
    crate::bench::signal(before, libc::SIGKILL);
    events.until_event("running", "steady");
    assert_eq!(client.ask("status").len() as u64, MANY + 2);
    bench.until("all are told of", |_| {
        let letters = office.delivered();
        let counts = letters.iter().map(|letter| told(&letter.read().body_text(0).unwrap()));
        // The steady one's death is told of as well.
        counts.sum::<u64>() > MANY
    });
    let letters = office.delivered();
    let counts: u64 = letters.iter().map(|l| told(&l.read().body_text(0).unwrap())).sum();
    assert_eq!(counts, MANY + 1);
    assert!(letters.len() <= 10, "{} messages", letters.len());
    let subjects: Vec<String> =
        letters.iter().map(|letter| letter.read().subject().unwrap().to_owned()).collect();
    assert!(subjects.iter().any(|s| s.contains(" FATAL") && s.contains("many:")), "{subjects:?}");
}
