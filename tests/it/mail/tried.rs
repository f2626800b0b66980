//! `check --mail`.

use super::{configure, configure_more, messages};
use crate::bench::{Bench, Said, finished, lives, taskmaster};
use crate::post_office::{Manner, PostOffice, nobody};

fn check_mail(bench: &Bench) -> Said {
    let mut command = taskmaster();
    command.current_dir(bench.path("")).args(["check", "--mail", "-c", "taskmaster.yaml"]);
    finished(command)
}

#[test]
fn it_sends_a_test_message_and_tells_each_step() {
    let office = PostOffice::open(Manner { login: Some(("me", "pw")), ..Manner::default() });
    let bench = Bench::new("a: {cmd: sleep 1}");
    let server = format!("smtp://me:pw@localhost:{}?password=in-clear", office.address.port());
    configure(&bench, &format!("server: '{server}'"), "a: {cmd: sleep 1}");
    let said = check_mail(&bench);
    assert_eq!(said.status, 0, "{said:?}");
    let steps: Vec<&str> = said.out.lines().filter_map(|line| line.split(": ").next()).collect();
    for (step, line) in [
        ("looking up localhost", "127.0.0.1"),
        ("logging in as me", "235 2.7.0 welcome"),
        ("sending from tm@example.org", "250 2.1.0 fine"),
        ("sending to ops@example.org", "250 2.1.5 fine"),
        ("sending the message", "250 2.0.0 taken as 4711"),
    ] {
        assert!(steps.contains(&step), "{step} in {}", said.out);
        assert!(said.out.contains(line), "{line} in {}", said.out);
    }
    assert!(said.out.ends_with("sent to ops@example.org\n"), "{}", said.out);
    let subject = office.delivered()[0].read().subject().unwrap().to_owned();
    assert!(subject.starts_with("taskmaster can send mail ["), "{subject}");
}

#[test]
fn what_went_wrong_is_the_last_step() {
    let bench = Bench::new("");
    configure(&bench, &format!("server: 'smtp://{}'", nobody()), "a: {cmd: sleep 1}");
    let said = check_mail(&bench);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.out.ends_with(": Connection refused\n"), "{}", said.out);
    assert_eq!(said.err, "the message was not sent\n");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let office = PostOffice::open(Manner { is_silent: true, ..Manner::default() });
    let bench = Bench::new("");
    configure(
        &bench,
        &format!("server: 'smtp://{}', timeout: 0.1", office.address),
        "a: {cmd: sleep 1}",
    );
    let said = check_mail(&bench);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(
        said.err.contains("no end within 0.1s (mail.timeout): the message was not sent"),
        "{said:?}"
    );
}

#[test]
fn a_sendmail_that_does_not_end_is_killed_with_all_that_it_started() {
    let bench = Bench::new("");
    let script = "#!/bin/sh\necho $$ >pids\nsleep 1000 &\necho $! >>pids\nwait\n";
    bench.executable("sendmail", script.as_bytes());
    configure(&bench, "server: 'sendmail:sendmail', timeout: 3", "a: {cmd: sleep 1}");
    let said = check_mail(&bench);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.err.contains("no end within 3s (mail.timeout)"), "{said:?}");
    let pids = bench.read("pids");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    assert!(pids.lines().all(|pid| !lives(pid.parse().unwrap())), "{pids}");
}

#[test]
fn without_a_section_there_is_nothing_to_try() {
    let bench = Bench::new("a: {cmd: sleep 1}");
    let said = check_mail(&bench);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.err.contains("there is no `mail:` section"), "{said:?}");
}

#[test]
fn what_is_not_there_is_a_warning() {
    let bench = Bench::new("");
    let mail = |server: &str| {
        format!(
            "mail: {{server: {server}, from: tm@example.org, to: ops@example.org}}\n\
             hooks: [{{on: fatal, cmd: [/nonexistent/page]}}, {{on: fatal, cmd: [no-such-page]}}]"
        )
    };
    configure_more(&bench, &mail("'sendmail:/nonexistent/sendmail'"), "a: {cmd: sleep 1}");
    let said = bench.check();
    assert_eq!(said.status, 0, "{said:?}");
    for warning in [
        "1:16: mail.server: no such file: /nonexistent/sendmail",
        "2:26: hooks.cmd: no such file: /nonexistent/page",
        "2:65: hooks.cmd: no-such-page is not in any folder of PATH",
    ] {
        assert!(said.err.contains(&format!("warning: taskmaster.yaml:{warning}")), "{said:?}");
    }
    let server = "'smtp://me@h?password=in-clear', password_file: /nonexistent/pw";
    configure_more(&bench, &mail(server), "a: {cmd: sleep 1}");
    assert!(bench.check().err.contains("mail.password_file: no such file: /nonexistent/pw"));
}

#[test]
fn a_folder_shows_what_would_be_sent() {
    let bench = Bench::new("");
    let mail =
        "mail: {server: 'file:out', from: tm@example.org, to: [a@example.org, b@example.org]}";
    configure_more(&bench, mail, "a: {cmd: sleep 1}");
    let said = check_mail(&bench);
    assert_eq!(said.status, 0, "{said:?}");
    let bytes = messages(&bench, "out").remove(0);
    let message = crate::post_office::read(&bytes);
    assert_eq!(message.to().unwrap().as_list().unwrap().len(), 2);
}
