//! Output that cannot be recorded: counted and told, when it begins, and when it is over or is lost
//! to the end, whichever of daemon, logger and program ends meanwhile.

use std::fs;

use super::logger;
use crate::bench::{Bench, signal};

#[test]
fn a_log_that_cannot_be_written_stops_no_program_and_is_told() {
    let ticker = "sh -c 'while :; do echo tick; sleep 0.02; done'";
    let bench = Bench::new(&format!(
        "a: {{cmd: \"{ticker}\", starttime: 0, stdout: {{file: logs/a.log}}, stderr: {{file: folder}}}}"
    ));
    fs::create_dir(bench.path("folder")).unwrap();
    fs::write(bench.path("logs"), "no folder").unwrap();
    let mut bench = bench;
    bench.start();
    bench.until("the loss is counted", |bench| bench.row("a")["lost_bytes"].as_u64() > Some(20));
    assert_eq!(bench.state("a"), "RUNNING");
    assert_eq!(bench.log().matches("output is being lost").count(), 1, "said once");
    fs::remove_file(bench.path("logs")).unwrap();
    bench.until("it is recorded again", |bench| bench.read("logs/a.log").contains("tick"));
    bench.until("that is said", |bench| bench.log().contains("recorded again"));
    let lost = bench.row("a")["lost_bytes"].clone();
    assert!(bench.ctl("status").out.contains(&format!("{lost} bytes of output lost")));
}

#[test]
fn a_loss_that_ends_under_the_next_logger_is_told_and_so_is_the_one_after_it() {
    let ticker = "sh -c 'while :; do echo tick; sleep 0.02; done'";
    let mut bench = Bench::new(&format!(
        "a: {{cmd: \"{ticker}\", starttime: 0, stdout: {{file: logs/a.log}}}}"
    ));
    let said = |bench: &Bench, what: &str| bench.log().matches(what).count();
    bench.write("logs", "no folder");
    bench.start();
    bench.until("a loss is told", |bench| said(bench, "output is being lost") == 1);
    // So that the logger that lost it is not the one that finds the way free.
    let first = logger(&bench);
    signal(first, libc::SIGSTOP);
    fs::remove_file(bench.path("logs")).unwrap();
    signal(first, libc::SIGKILL);
    bench.until("its end is told", |bench| said(bench, "output is recorded again") == 1);
    assert_eq!(said(&bench, "output is being lost"), 1);

    fs::rename(bench.path("logs"), bench.path("old")).unwrap();
    bench.write("logs", "no folder");
    signal(bench.pid(), libc::SIGUSR1);
    bench.until("the next is told", |bench| said(bench, "output is being lost") == 2);
    // Another logger that loses it as well is no news.
    let second = logger(&bench);
    let lost = bench.row("a")["lost_bytes"].as_u64();
    signal(second, libc::SIGKILL);
    bench.until("it goes on", |bench| bench.row("a")["lost_bytes"].as_u64() > lost);
    assert_eq!(said(&bench, "output is being lost"), 2);
}

/// Prints one line when it starts and one when it is stopped, where nothing can be recorded.
const TWO_LINES: &str = "a: {cmd: [sh, -c, 'trap \"echo the last; exit\" TERM; echo first; \
    while :; do sleep 0.02; done'], starttime: 0, stdout: {file: logs/a.log}}";

fn loses_its_first_line() -> Bench {
    let mut bench = Bench::new(TWO_LINES);
    let text = bench.read("taskmaster.yaml");
    let mail = "mail: {server: 'file:mails', from: a@b.c, to: d@e.f, on: lost_bytes, digest: 0.1}";
    let hook = "hooks: [{on: lost_bytes, cmd: [sh, -c, 'cat >> told']}]";
    bench.write("taskmaster.yaml", &format!("{text}{mail}\n{hook}\n"));
    bench.write("logs", "no folder");
    bench.start();
    bench.until("its trap stands, and the first line is lost", |bench| {
        bench.row("a")["lost_bytes"] == 6
    });
    bench
}

#[test]
fn what_was_lost_counts_as_long_as_its_process_is_configured() {
    let bench = loses_its_first_line();
    let lost = |bench: &Bench| bench.row("a")["lost_bytes"].as_u64();
    let discarded = "a: {cmd: sleep 1000, starttime: 0, stdout: discard}";
    bench.configure(discarded);
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("the last line is counted, too", |bench| lost(bench) == Some(15));
    assert_eq!(bench.ctl("upgrade").status, 0);
    assert_eq!(lost(&bench), Some(15));
    bench.configure(TWO_LINES);
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("it loses its first line again", |bench| lost(bench) == Some(21));
    bench.configure("");
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("it is gone", |bench| bench.rows().is_empty());
    bench.configure(discarded);
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(lost(&bench), Some(0));
}

/// Takes the process out of the configuration while the logger, whose pid it tells, is stopped: so
/// what that has to say is heard only once the daemon has no such process any more.
fn removed_before_the_logger_is_heard(bench: &Bench) -> i32 {
    let logger = logger(bench);
    signal(logger, libc::SIGSTOP);
    bench.configure("b: {cmd: sleep 1000}");
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("it is gone", |bench| bench.row("a").is_null());
    logger
}

#[test]
fn what_is_lost_by_a_process_that_is_removed_is_counted_and_told() {
    let bench = loses_its_first_line();
    let logger = removed_before_the_logger_is_heard(&bench);
    signal(logger, libc::SIGCONT);
    let told = "stdout output was lost to the end; 15 bytes were lost name=a\n";
    bench.until("its loss is told", |bench| bench.log().contains(told));
    assert_eq!(bench.log().matches("output is being lost").count(), 1);
    // The next logger is told of the stream again, and has nothing to add.
    signal(logger, libc::SIGKILL);
    bench.until("there is another", |bench| bench.log().contains("the logger ended"));
    assert_eq!((bench.ctl("clear b").status, bench.log().matches(told).count()), (0, 1));
}

#[test]
fn the_last_words_of_all_that_is_captured_outlive_the_logger_that_was_to_move_them() {
    let mut bench = Bench::new(TWO_LINES);
    bench.start();
    bench.until("its trap stands", |bench| bench.read("logs/a.log") == "first\n");
    let logger = logger(&bench);
    signal(logger, libc::SIGSTOP);
    bench.configure("");
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("nothing is captured any more", |bench| bench.rows().is_empty());
    signal(logger, libc::SIGKILL);
    bench.until("all is there", |bench| bench.read("logs/a.log") == "first\nthe last\n");
}

#[test]
fn what_each_of_many_that_are_removed_at_once_loses_is_counted_and_told() {
    let mut bench = Bench::new(
        "a: {cmd: [sh, -c, 'trap \"echo out; echo error >&2; exit\" TERM; echo > up.$TASKMASTER_INDEX; \
         while :; do sleep 0.02; done'], numprocs: 9, starttime: 0, \
         stdout: {file: 'logs/${name}.out'}, stderr: {file: 'logs/${name}.err'}}",
    );
    bench.write("logs", "no folder");
    bench.start();
    bench.until("their traps stand", |bench| {
        (0..9).all(|n| bench.path(&format!("up.{n}")).exists())
    });
    // None is answered for before all have left.
    let logger = logger(&bench);
    signal(logger, libc::SIGSTOP);
    bench.configure("b: {cmd: sleep 1000}");
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("all are gone", |bench| bench.rows().len() == 1);
    signal(logger, libc::SIGCONT);
    bench.until("each one's loss is told", |bench| {
        let log = bench.log();
        let of = |n, what| log.contains(&format!("{what} bytes were lost name=a:{n}"));
        let out = "stdout output was lost to the end; 4";
        let error = "stderr output was lost to the end; 6";
        (0..9).all(|n| of(n, out) && of(n, error))
    });
}

#[test]
fn a_process_that_is_removed_once_the_way_is_free_has_not_lost_to_the_end() {
    let bench = loses_its_first_line();
    let logger = removed_before_the_logger_is_heard(&bench);
    fs::remove_file(bench.path("logs")).unwrap();
    signal(logger, libc::SIGCONT);
    let told = "stdout output is recorded again; 6 bytes were lost name=a";
    bench.until("its recovery is told", |bench| bench.log().contains(told));
    assert_eq!(bench.read("logs/a.log"), "the last\n");
    assert_eq!((bench.ctl("clear b").status, bench.log().contains("to the end")), (0, false));
}

#[test]
fn what_is_lost_when_the_daemon_ends_is_counted_and_told() {
    let mut bench = loses_its_first_line();
    bench.stop();
    let told = "stdout output was lost to the end; 15 bytes were lost";
    assert!(bench.log().contains(&format!("{told} name=a\n")), "{}", bench.log());
    let events = bench.read("told");
    assert!(events.contains(told), "a hook gets it as well: {events}");
    let mails = fs::read_dir(bench.path("mails")).unwrap();
    let mut mails = mails.map(|mail| fs::read_to_string(mail.unwrap().path()).unwrap());
    assert!(mails.any(|mail| mail.contains("lost to the end")), "and it is mailed");
    assert!(!bench.log().contains("events untold"), "{}", bench.log());
}

#[test]
fn a_loss_that_is_found_by_the_next_daemon_is_no_news_and_its_end_is_told() {
    let mut bench = loses_its_first_line();
    bench.kill();
    bench.start();
    // Where it recovers nothing is lost that this daemon could count.
    fs::remove_file(bench.path("logs")).unwrap();
    signal(bench.pid(), libc::SIGUSR1);
    bench.until("that is heard", |bench| bench.log().contains("logs reopened"));
    assert_eq!(bench.ctl("restart a").status, 0);
    let told = "stdout output is recorded again; 0 bytes were lost name=a";
    bench.until("its end is told", |bench| bench.log().contains(told));

    let mut bench = loses_its_first_line();
    bench.kill();
    bench.start();
    bench.stop();
    let told = "stdout output was lost to the end; 9 bytes were lost name=a";
    assert!(bench.log().contains(told), "{}", bench.log());
    assert_eq!(bench.log().matches("output is being lost").count(), 1);
}
