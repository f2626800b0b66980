//! Servers that do not take a message: each failure is told in its own words, and tried again.

use super::{FAILS, up};
use crate::bench::{Bench, Wire, lives, signal};
use crate::post_office::{Manner, PostOffice, nobody};

/// A daemon that mails, by this server, of whatever fails from now on.
fn mailing(server: &str, keys: &str) -> (Bench, Wire) {
    let programs = "late: {cmd: \"sh -c 'exit 3'\", startretries: 0, autostart: no}";
    let bench = up(&format!("server: '{server}', digest: 0.2{keys}"), programs);
    let events = bench.follower();
    bench.ctl("start late");
    (bench, events)
}

/// The message of the next `mail_failed`.
fn failure(events: &mut Wire) -> String {
    loop {
        let reply = events.line().expect("events go on");
        if reply["event"]["event"] == "mail_failed" {
            return reply["event"]["message"].as_str().unwrap().to_owned();
        }
    }
}

#[test]
fn a_refusal_for_now_is_tried_again_until_it_is_none() {
    let refuses = (2, "451 4.3.0 come back later");
    let office = PostOffice::open(Manner { refuses, ..Manner::default() });
    let (bench, mut events) = mailing(&format!("smtp://{}", office.address), "");
    let told = failure(&mut events);
    assert_eq!(
        told,
        "mail failed: sending from tm@example.org: 451 4.3.0 come back later; tried again in 1s"
    );
    assert!(failure(&mut events).ends_with("come back later; tried again in 2s"));
    bench.until("it is there", |_| office.delivered().len() == 1);
    let letter = office.delivered().remove(0);
    let text = letter.read().body_text(0).unwrap().into_owned();
    assert!(text.contains("2 earlier attempts to send this failed; see the log."), "{text}");
    assert!(bench.log().contains("error   mail failed reason=\"sending from"), "{}", bench.log());
    bench.until("that is logged", |bench| bench.log().contains("info    mail sent"));
}

#[test]
fn a_wrong_password_is_told_in_the_servers_words() {
    let office = PostOffice::open(Manner { login: Some(("me", "right")), ..Manner::default() });
    let server = format!("smtp://me:wr0ng-pw@{}?password=in-clear", office.address);
    let (bench, mut events) = mailing(&server, "");
    let told = failure(&mut events);
    assert!(
        told.starts_with("mail failed: logging in as me: 535 5.7.8 nobody knows you here; "),
        "{told}"
    );
    assert!(!bench.log().contains("wr0ng-pw"), "{}", bench.log());
}

#[test]
fn a_right_one_opens() {
    let office = PostOffice::open(Manner { login: Some(("me", "r:@%t")), ..Manner::default() });
    let server = format!("smtp://me:r%3A%40%25t@{}?password=in-clear", office.address);
    let (bench, _events) = mailing(&server, "");
    bench.until("it is there", |_| office.delivered().len() == 1);
}

#[test]
fn where_nobody_listens_that_is_told() {
    let address = nobody();
    let (bench, mut events) = mailing(&format!("smtp://{address}"), "");
    let told = failure(&mut events);
    assert!(
        told.starts_with(&format!("mail failed: connecting to {address}: Connection refused; ")),
        "{told}"
    );
    drop(bench);
}

/// While the server keeps the sender waiting, the daemon is as it always is.
fn holds_up_nobody(manner: Manner) {
    let office = PostOffice::open(manner);
    let (mut bench, _events) = mailing(&format!("smtp://{}", office.address), ", timeout: 1h");
    bench.until("the sender is at it", |bench| senders(bench).len() == 1);
    let sender = senders(&bench);
    let mut client = bench.client();
    for _ in 0..50 {
        client.ask("status");
    }
    client.ask("start late");
    assert_eq!(senders(&bench), sender, "it is at it all the while, and alone");
    // One signal would give it some seconds more.
    signal(bench.pid(), libc::SIGTERM);
    bench.until("the daemon is ending", |bench| bench.log().contains("stopping everything"));
    signal(bench.pid(), libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(!lives(sender[0]));
}

/// When its time is over the sender is, too.
fn is_given_up(manner: Manner) {
    let office = PostOffice::open(manner);
    let (_bench, mut events) = mailing(&format!("smtp://{}", office.address), ", timeout: 1");
    let told = failure(&mut events);
    let expected = format!("mail failed: connecting to {}: no end within 1s; ", office.address);
    assert!(told.starts_with(&expected), "{told}");
}

/// The senders at work.
fn senders(bench: &Bench) -> Vec<i32> {
    let children = crate::bench::children(bench.pid());
    children
        .into_iter()
        .filter(|pid| crate::bench::proc(*pid, "cmdline") == "taskmaster\0mail\0")
        .collect()
}

#[test]
fn a_server_that_says_nothing_holds_up_nobody() {
    holds_up_nobody(Manner { is_silent: true, ..Manner::default() });
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    is_given_up(Manner { is_silent: true, ..Manner::default() });
}

#[test]
fn a_server_that_drips_holds_up_nobody() {
    holds_up_nobody(Manner { drips: true, ..Manner::default() });
}

#[test]
fn a_server_that_drips_is_given_up() {
    is_given_up(Manner { drips: true, ..Manner::default() });
}

#[test]
fn an_address_that_is_refused_keeps_it_from_nobody_else() {
    let office =
        PostOffice::open(Manner { refuses_to: Some("gone@example.org"), ..Manner::default() });
    let mut bench = Bench::new("");
    let mail = format!(
        "mail: {{server: 'smtp://{}', from: tm@example.org, to: [gone@example.org, ops@example.org]}}",
        office.address
    );
    super::configure_more(&bench, &mail, FAILS);
    bench.start();
    bench.until("it is logged", |bench| bench.log().contains("mail sent"));
    assert_eq!(office.delivered()[0].to, ["ops@example.org"]);
    let log = bench.log();
    let line = log.lines().find(|line| line.contains("mail sent")).unwrap();
    assert!(line.contains("warning") && line.contains("gone@example.org: 550 5.1.1"), "{line}");
}

#[test]
fn a_failure_can_be_an_occasion_itself() {
    let office = PostOffice::open(Manner { refuses: (1, "421 busy"), ..Manner::default() });
    let (mut bench, _events) =
        mailing(&format!("smtp://{}", office.address), ", on: [fatal, mail_failed]");
    bench.until("it is there", |_| !office.delivered().is_empty());
    let subject = office.delivered()[0].read().subject().unwrap().to_owned();
    assert!(subject.starts_with("late FATAL; mail failed ["), "{subject}");
    // And that is all: no message about the message.
    bench.stop();
    assert_eq!(office.delivered().len(), 1);
}

#[test]
fn sendmail_is_given_the_message() {
    let mut bench = Bench::new("");
    bench.executable("sendmail", b"#!/bin/sh\necho \"$*\" >args\ncat >letter\n");
    super::configure(&bench, "server: 'sendmail:sendmail', digest: 0.2", FAILS);
    bench.start();
    bench.until("it is logged", |bench| bench.log().contains("mail sent"));
    assert_eq!(bench.read("args"), "-i -f tm@example.org -- ops@example.org\n");
    let letter = bench.read("letter");
    assert!(
        crate::post_office::read(letter.as_bytes()).subject().unwrap().starts_with("web FATAL")
    );
}

#[test]
fn a_sendmail_that_is_not_there_is_told() {
    let (_bench, mut events) = mailing("sendmail:/nonexistent/sendmail", "");
    let told = failure(&mut events);
    assert!(
        told.contains("handing it to /nonexistent/sendmail: No such file or directory"),
        "{told}"
    );
}

#[test]
fn a_sendmail_that_fails_is_told_in_its_own_words() {
    let bench = Bench::new("");
    bench.executable("sendmail", b"#!/bin/sh\ncat >/dev/null\necho no luck >&2\nexit 75\n");
    super::configure(&bench, "server: 'sendmail:sendmail'", FAILS);
    let mut command = crate::bench::taskmaster();
    command.current_dir(bench.path("")).args(["check", "--mail"]);
    let said = crate::bench::finished(command);
    assert_eq!(said.status, 2, "{said:?}");
    let step = |line: &str| line.starts_with("handing it to ") && line.ends_with(": no luck");
    assert!(said.out.lines().chain(said.err.lines()).any(step), "{said:?}");
}
