//! Captured output through the ends of daemon and logger.

use std::collections::BTreeMap;
use std::fs;

use crate::bench::{Bench, children, lives, proc, signal, until};

/// A program that prints who it is and a number, one higher each time, until it is asked to stop.
/// Then it says how far it came. It is its pid and the second of its start, as pids come back.
pub const COUNTER: &str = r#"
$| = 1; $n = 0; $me = "$$-$^T";
$SIG{TERM} = sub { print "$me end $n\n"; exit 0 };
while (1) { $n++; print "$me $n\n"; select(undef, undef, undef, PAUSE) }
"#;

/// A log and the older ones, oldest first.
pub fn logs(bench: &Bench, name: &str) -> Vec<String> {
    let older = (1..).map(|n| format!("{name}.{n}")).take_while(|old| bench.path(old).exists());
    let mut names: Vec<String> = older.collect();
    names.reverse();
    names.push(name.to_owned());
    names
}

/// Everything in them.
pub fn whole_log(bench: &Bench, name: &str) -> String {
    logs(bench, name).iter().map(|name| bench.read(name)).collect()
}

/// What counters have printed: each one's lines are all there, once, and in order.
#[derive(Default)]
pub struct Counted {
    /// How far each came, and whether it has said so.
    counts: BTreeMap<String, (u64, bool)>,
    lines: usize,
}

impl Counted {
    /// What was printed next, in whole lines.
    pub fn take(&mut self, log: &str) {
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (count, is_over) = self.counts.entry(words[0].to_owned()).or_insert((0, false));
            assert!(!*is_over, "after the end of {}: {line}", words[0]);
            match words[..] {
                [_, "end", last] => {
                    assert_eq!(last.parse(), Ok(*count), "{line}");
                    *is_over = true;
                }
                [_, number] => {
                    assert_eq!(number.parse(), Ok(*count + 1), "{line}");
                    *count += 1;
                }
                _ => panic!("{line:?}"),
            }
            self.lines += 1;
        }
    }

    /// That was all. How many lines there were.
    pub fn end(self) -> usize {
        let are_over = self.counts.values().all(|(_, is_over)| *is_over);
        assert!(are_over, "the last words of one are missing");
        self.lines
    }
}

/// This is all that counters have printed. How many lines there are.
pub fn check_counted(log: &str) -> usize {
    let mut counted = Counted::default();
    counted.take(log);
    counted.end()
}

fn counter(bench: &Bench) -> String {
    bench.write("counter", &COUNTER.replace("PAUSE", "0.001"));
    "a: {cmd: perl counter, starttime: 0, stopsignal: TERM, stdout: {file: a.log, max_bytes: 4KB, keep: 1000}}".to_owned()
}

fn lines(bench: &Bench) -> usize {
    whole_log(bench, "a.log").lines().count()
}

#[test]
fn no_byte_is_lost_or_doubled_whoever_is_killed() {
    let mut bench = Bench::new("");
    bench.configure(&counter(&bench));
    bench.start();
    let pid = bench.pid_of("a");
    for round in 0..6 {
        let more = lines(&bench) + 20;
        bench.until("it counts", |bench| lines(bench) >= more);
        let logger = bench.recorded().last().map(|(pid, _)| *pid);
        let mine = children(bench.pid());
        match round % 3 {
            // The daemon alone: the logger goes on.
            0 => {
                bench.kill();
                let more = lines(&bench) + 20;
                until("the logger goes on", || lines(&bench) >= more);
            }
            // Both, in either order.
            1 => {
                bench.kill();
                let left: Vec<i32> =
                    mine.into_iter().chain(logger).filter(|pid| lives(*pid)).collect();
                let loggers =
                    left.iter().filter(|pid| proc(**pid, "cmdline") == "taskmaster\0logger\0");
                loggers.for_each(|pid| signal(*pid, libc::SIGKILL));
            }
            _ => {
                let loggers =
                    mine.iter().filter(|pid| proc(**pid, "cmdline") == "taskmaster\0logger\0");
                loggers.for_each(|pid| signal(*pid, libc::SIGKILL));
                bench.kill();
            }
        }
        bench.start();
        assert_eq!(bench.pid_of("a"), pid);
    }
    bench.stop();
    assert!(check_counted(&whole_log(&bench, "a.log")) > 100);
    assert!(!bench.path("state/logger").exists());
}

#[test]
fn a_logger_that_hangs_is_ended_and_its_pipes_are_had_from_the_programs() {
    let mut bench = Bench::new("");
    bench.configure(&counter(&bench));
    bench.start();
    bench.until("it counts", |bench| lines(bench) > 0);
    let logger = bench.logger();
    signal(logger, libc::SIGSTOP);
    bench.kill();
    bench.start();
    assert!(bench.log().contains("the logger of the last daemon does not answer"));
    until("it is gone", || !lives(logger));
    let more = lines(&bench) + 20;
    bench.until("it counts on", |bench| lines(bench) >= more);
    bench.stop();
    check_counted(&whole_log(&bench, "a.log"));
}

#[test]
fn a_logger_that_is_left_alone_ends_with_the_last_program() {
    let mut bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let (pid, logger) = (bench.pid_of("a"), bench.logger());
    bench.kill();
    assert!(lives(logger));
    signal(pid, libc::SIGKILL);
    until("it ends", || !lives(logger));
}

#[test]
fn only_the_user_itself_may_enter_the_loggers_door() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}");
    let door = fs::metadata(bench.path("state/logger")).unwrap();
    assert_eq!(door.mode() & 0o777, 0o600);
}
