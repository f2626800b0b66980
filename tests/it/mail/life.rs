//! Reports while the daemon starts, reloads and ends.

use super::{FAILS, configure, messages, up};
use crate::bench::{Bench, signal};
use crate::post_office::{Manner, PostOffice};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0}";

#[test]
fn a_reload_changes_mail_and_hooks_in_place() {
    let mut bench = up("server: 'file:one'", SLEEPER);
    let pid = bench.pid_of("a");
    configure(&bench, "server: 'file:two', digest: 0.1, on: [stopped]", SLEEPER);
    let said = bench.ctl("reload");
    assert!(said.status == 0 && said.out.contains("mail changed"), "{said:?}");
    assert!(bench.log().contains("reload action=\"mail changed\""), "{}", bench.log());
    assert_eq!(bench.pid_of("a"), pid);
    bench.ctl("stop a");
    bench.until("it goes the new way", |bench| messages(bench, "two").len() == 1);
    bench.configure("a: {cmd: sleep 1000, starttime: 0}");
    assert!(bench.ctl("reload").out.contains("mail changed"));
    bench.ctl("start a");
    bench.ctl("stop a");
    bench.stop();
    assert_eq!((messages(&bench, "one").len(), messages(&bench, "two").len()), (0, 1));
}

#[test]
fn a_reload_that_fails_is_mailed() {
    let mut bench = up("server: 'file:out'", SLEEPER);
    bench.configure("a: {cmd: x, nonsense: 1}");
    assert_eq!(bench.ctl("reload").status, 1);
    bench.until("it is told", |bench| messages(bench, "out").len() == 1);
    let bytes = messages(&bench, "out").remove(0);
    let subject = crate::post_office::read(&bytes).subject().unwrap().to_owned();
    assert!(subject.starts_with("reload failed, nothing was changed: 1 problem ["), "{subject}");
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
}

#[test]
fn what_is_queued_goes_out_before_the_end() {
    let office = PostOffice::open(Manner::default());
    let mail =
        format!("server: 'smtp://{}', digest: 1h, on: [stopped, daemon_stopping]", office.address);
    let mut bench = up(&mail, "a: {cmd: sleep 1000, starttime: 0, numprocs: 5}");
    bench.ctl("stop a:0");
    bench.until("the first is there", |_| office.delivered().len() == 1);
    bench.stop();
    let letters = office.delivered();
    assert_eq!(letters.len(), 2);
    let text = letters[1].read().body_text(0).unwrap().into_owned();
    assert!(text.starts_with("5 events, ") && text.contains("daemon stopping, once:"), "{text}");
}

#[test]
fn what_no_message_has_told_outlives_an_upgrade() {
    let mut bench = up("server: 'file:out', digest: 1h, on: [stopped]", SLEEPER);
    bench.ctl("stop a");
    bench.until("the first is there", |bench| messages(bench, "out").len() == 1);
    for _ in 0..2 {
        bench.ctl("start a");
        bench.ctl("stop a");
        assert_eq!(bench.ctl("upgrade").status, 0);
    }
    assert_eq!(messages(&bench, "out").len(), 1, "the digest goes on as well");
    bench.stop();
    let bytes = messages(&bench, "out").remove(1);
    let subject = crate::post_office::read(&bytes).subject().unwrap().to_owned();
    assert!(subject.starts_with("a stopped 2 times: "), "{subject}");
}

#[test]
fn a_server_that_never_answers_does_not_keep_the_daemon() {
    let office = PostOffice::open(Manner { is_silent: true, ..Manner::default() });
    let mut bench = up(&format!("server: 'smtp://{}'", office.address), FAILS);
    bench.until_state("web", "FATAL");
    // The second kills what remains, a sender as well.
    signal(bench.pid(), libc::SIGTERM);
    bench.until("it is shutting down", |bench| bench.log().contains("stopping everything"));
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(bench.log().contains("ended with events untold"), "{}", bench.log());
}

#[test]
fn a_server_that_cannot_be_reached_gets_one_last_chance() {
    let mail = format!("server: 'smtp://{}', digest: 1h", crate::post_office::nobody());
    let mut bench = up(&mail, FAILS);
    bench.until("it failed", |bench| bench.log().contains("mail failed"));
    bench.stop();
    let log = bench.log();
    assert_eq!(log.matches("mail failed reason").count(), 2, "{log}");
    assert!(log.contains("next=\"not tried again\"") && log.contains("events=1 runs=0"), "{log}");
}

#[test]
fn without_a_word_nothing_is_sent_or_run() {
    let mut bench = Bench::up(FAILS);
    bench.until_state("web", "FATAL");
    bench.stop();
    assert!(!bench.log().contains("mail"), "{}", bench.log());
}
