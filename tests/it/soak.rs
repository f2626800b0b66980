//! An hour in the life of a busy daemon: a thousand processes, constant deaths, reloads, clients
//! and output. Afterwards it holds no more than after the first minutes, and answers as fast.
//!
//! Not part of the ordinary suite. `SOAK` is its length in seconds, 3600 by default:
//!
//! `SOAK=600 cargo test --locked --release --test it -- --ignored --nocapture soak`

use std::time::{Duration, Instant};

use crate::bench::{Bench, children, lives, programs_of, status_of};
use crate::facts::{exit, rows, until_all_run};

/// What is looked at, once a round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Of the daemon and of the logger, in KiB.
    memory: [u64; 2],
    descriptors: [usize; 2],
    /// Of one `status` of all, in milliseconds.
    answer: u128,
}

fn configuration(round: usize) -> String {
    let again = "autorestart: always, backoff: 0.2, startretries: unlimited, starttime: 0";
    let quiet = "stdout: discard, stderr: discard";
    // Some end by themselves, some print without end, the others are killed; one changes.
    let nice = round % 5;
    format!(
        "still: {{cmd: sleep 10000, numprocs: 920, {quiet}, {again}}}\n\
         brief: {{cmd: [sh, -c, 'echo begun; sleep 2; echo ended; exit 1'], numprocs: 60, {again}}}\n\
         loud: {{cmd: [sh, -c, 'while :; do head -c 100000 /dev/zero | tr \"\\\\0\" x; echo; sleep 0.5; done'], \
         numprocs: 19, {again}}}\n\
         changing: {{cmd: sleep 10000, nice: {nice}, {quiet}, {again}}}\n"
    )
}

#[allow(clippy::disallowed_methods)] // it is about time
fn now() -> Instant {
    Instant::now()
}

fn kib(pid: i32) -> u64 {
    status_of(pid, "VmRSS").split_whitespace().next().unwrap().parse().unwrap()
}

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The middle one of some numbers.
fn median<T: Ord + Copy>(numbers: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = numbers.collect();
    all.sort_unstable();
    all[all.len() / 2]
}

#[test]
#[ignore = "an hour long"]
fn nothing_grows() {
    let length = std::env::var("SOAK").ok().map_or(3600, |text| text.parse().unwrap());
    let mut bench = Bench::up(&configuration(0));
    until_all_run(&mut bench.client());
    let mut follower = bench.follower();
    let reader = std::thread::spawn(move || {
        let mut events = 0_u64;
        while follower.line().is_some() {
            events += 1;
        }
        events
    });
    let (start, mut samples, mut kills) = (now(), Vec::new(), 0);
    let logger = bench.logger();
    for round in 0.. {
        if now() - start > Duration::from_secs(length) {
            break;
        }
        let pids = programs_of(bench.pid());
        for place in 0..40 {
            if let Some(pid) = pids.get((round * 131 + place * 23) % pids.len().max(1)) {
                // It may have ended by itself meanwhile.
                let pid = nix::unistd::Pid::from_raw(*pid);
                kills += u64::from(nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).is_ok());
            }
        }
        if round % 3 == 0 {
            bench.configure(&configuration(round / 3));
            assert_eq!(exit(&bench.client().ask("reload")), 0);
        }
        let mut clients: Vec<_> = (0..10).map(|_| bench.client()).collect();
        let asked = now();
        assert_eq!(rows(&mut clients[0]).len(), 1000);
        let answer = (now() - asked).as_millis();
        for client in &mut clients[1..] {
            client.ask("status brief loud");
            client.ask("tail -n 5 loud:3");
        }
        drop(clients);
        let of = [bench.pid(), logger];
        let (memory, descriptors) = (of.map(kib), of.map(descriptors));
        samples.push(Sample { memory, descriptors, answer });
        if round % 20 == 0 {
            println!("{:>5} s {kills} killed, {:?}", (now() - start).as_secs(), samples[round]);
        }
    }
    let fifth = samples.len() / 5;
    let (early, late) = (&samples[fifth..2 * fifth], &samples[4 * fifth..]);
    let figures = |some: &[Sample]| {
        (
            [0, 1].map(|of| median(some.iter().map(|s| s.memory[of]))),
            [0, 1].map(|of| median(some.iter().map(|s| s.descriptors[of]))),
            median(some.iter().map(|s| s.answer)),
        )
    };
    let (before, after) = (figures(early), figures(late));
    println!("{} rounds, {kills} killed; early {before:?}, late {after:?}", samples.len());
    for of in [0, 1] {
        assert!(
            after.0[of] <= before.0[of] + before.0[of] / 10 + 1024,
            "memory: {before:?} {after:?}"
        );
        assert!(after.1[of] <= before.1[of] + 16, "descriptors: {before:?} {after:?}");
    }
    assert!(after.2 <= before.2 * 2 + 20, "latency: {before:?} {after:?}");
    let left = children(bench.pid());
    bench.stop();
    assert!(!left.into_iter().any(lives));
    println!("{} events", reader.join().unwrap());
}
