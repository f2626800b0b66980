//! `mail:`, `hooks:`, and a program's `mail`.

use super::*;

const MAIL: &str = "server: 'smtp://h', from: a@b, to: c@d";

fn mail(keys: &str) -> Mail {
    good(&format!("mail: {{{keys}}}\nprograms: {{p: {{cmd: x}}}}")).mail.unwrap()
}

/// What a section with these keys is told, less the place.
fn mail_refused(keys: &str) -> String {
    let told = problems(&format!("mail: {{{keys}}}\nprograms: {{p: {{cmd: x}}}}"));
    let [told] = told.as_slice() else { panic!("{keys}: not one problem: {told:?}") };
    told.split_once(": ").unwrap().1.to_owned()
}

fn names(occasions: &Occasions) -> Vec<&str> {
    occasions.iter().map(|occasion| occasion.as_str()).collect()
}

#[test]
fn without_more_than_it_must_have_it_has_its_defaults() {
    let mail = mail(MAIL);
    assert_eq!(names(&mail.on), ["fatal", "reload_failed", "unexpected_exit"]);
    assert_eq!((mail.digest, mail.timeout), (Duration::from_secs(30), Duration::from_secs(30)));
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("a@b", ["c@d".to_owned()].as_slice()));
    assert_eq!(good("programs: {p: {cmd: x}}").mail, None);
}

#[test]
fn every_event_can_be_named_and_a_slip_finds_the_right_one() {
    let all: Vec<&str> = EventName::ALL.iter().map(|event| event.as_str()).collect();
    let on = format!("{MAIL}, on: [unexpected_exit, {}]", all.join(", "));
    assert_eq!(mail(&on).on.len(), all.len() + 1);
    assert_eq!(names(&mail(&format!("{MAIL}, on: exited")).on), ["exited"]);
    assert_eq!(
        mail_refused(&format!("{MAIL}, on: [fatl]")),
        "mail.on: there is no event fatl; did you mean `fatal`?"
    );
    let told = mail_refused(&format!("{MAIL}, on: [everything]"));
    assert!(
        told.contains("there are waiting, starting, ") && told.ends_with("unexpected_exit"),
        "{told}"
    );
}

#[test]
fn an_unexpected_exit_is_one_that_was_not_expected() {
    let is = |event, expected| Occasion::UnexpectedExit.is(event, expected);
    assert!(is(EventName::Exited, Some(false)));
    assert!(!is(EventName::Exited, Some(true)) && !is(EventName::Backoff, Some(false)));
}

#[test]
fn what_it_lacks_or_has_wrong_is_told() {
    for (keys, why) in [
        ("from: a@b, to: c@d", "mail: has no `server`, as smtps://mail.example.org"),
        ("server: 'smtp://h', to: c@d", "mail: has no `from`, the address that messages come from"),
        ("server: 'smtp://h', from: a@b", "mail: has no `to`, the address, or a list of them"),
        ("server: 'smtp://h', from: a@b, to: []", "mail.to: names nobody"),
        (
            "server: 'smtp://h', from: root, to: c@d",
            "mail.from: must be an address such as ops@example.org, not root",
        ),
        (
            "server: 'smtp://h', from: a@b, to: \"c@d\\r\\nBcc: e@f\"",
            "mail.to: must be an address such as ops@example.org, not c@d\\r\\nBcc: e@f",
        ),
        (
            "server: 'smtp://me:pw@h', from: a@b, to: c@d",
            "mail.server: would send the password unencrypted: use smtps:// or ?tls=required; if \
             that is really meant, ?password=in-clear",
        ),
        (
            "server: 'sendmail:', password_file: f, from: a@b, to: c@d",
            "mail.password_file: goes with a server that is smtp:// or smtps://",
        ),
        ("server: 'smtp://h', from: a@b, to: c@d, timeout: 0", "mail.timeout: must be more than 0"),
        (
            "server: 'smtp://${NOWHERE}', from: a@b, to: c@d",
            "mail.server: nothing sets ${NOWHERE}: give it a default, ${NOWHERE:-...}, or write \
             $${NOWHERE} if it is meant as such",
        ),
    ] {
        assert_eq!(mail_refused(keys), why);
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_password_stands_in_a_file_in_the_url_or_in_the_environment() {
    let password = |keys: &str| {
        let Server::Smtp(smtp) = mail(&format!("{keys}, from: a@b, to: c@d")).server else {
            panic!()
        };
        smtp.login.unwrap().password
    };
    let file = "server: 'smtps://me@h', password_file: pw";
    assert_eq!(password(file), Password::File("/srv/pw".into()));
    let text = |text: &str| Password::Text(crate::config::server::Secret::new(text.to_owned()));
    assert_eq!(password("server: 'smtps://me:a%40b@h'"), text("a@b"));
    assert_eq!(password("server: 'smtps://me:${PATH}@h'"), text("/bin"));
    let daemon =
        "daemon: {env: {PW: p@w}}\nmail: {server: 'smtps://me:${PW}@h', from: a@b, to: c@d}";
    let Server::Smtp(smtp) = good(daemon).mail.unwrap().server else { panic!() };
    assert_eq!(smtp.login.unwrap().password, text("p@w"));
    for (keys, why) in [
        ("server: 'smtps://me@h'", "names a user without a password: add password_file, "),
        ("server: 'smtps://h', password_file: f", "password_file needs a user: "),
        ("server: 'smtps://me:pw@h', password_file: f", "holds a password, and there is a "),
    ] {
        let told = mail_refused(&format!("{keys}, from: a@b, to: c@d"));
        assert!(told.starts_with(&format!("mail.server: {why}")), "{told}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_a_server_that_needs_it_is_refused() {
    for server in ["smtps://h", "smtp://h?tls=required", "smtp://h?tls=opportunistic"] {
        let told = mail_refused(&format!("server: '{server}', from: a@b, to: c@d"));
        assert!(told.contains("this taskmaster was built without"), "{told}");
    }
    assert_eq!(mail(MAIL).to.len(), 1);
}

#[test]
fn no_error_shows_the_password() {
    let text = "mail: {server: 'smtp://me:hunter2@h', from: a, to: c@d, nonsense: 1}";
    let Err(problems) = read(text) else { panic!() };
    assert_eq!(problems.list.len(), 3);
    for problem in &problems.list {
        let shown = format!("{problem}{}", problem.excerpt().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn folders_and_programs_start_at_the_file_that_says_them() {
    let server = |server: &str| mail(&format!("server: '{server}', from: a@b, to: c@d")).server;
    assert_eq!(server("file:out"), Server::Folder("/srv/out".into()));
    assert_eq!(server("sendmail:"), Server::Sendmail("/usr/sbin/sendmail".into()));
}

#[test]
fn hooks_are_commands_with_the_events_they_are_run_for() {
    let config = good(
        "daemon: {env: {WHERE: /opt}}\n\
         hooks: [{on: fatal, cmd: \"${WHERE}/page 'a b'\"}, {on: [exited], cmd: [x], timeout: 2s}]\n\
         programs: {p: {cmd: x}}",
    );
    let [page, x] = config.hooks.as_slice() else { panic!() };
    assert_eq!((names(&page.on), page.cmd.join("|")), (vec!["fatal"], "/opt/page|a b".to_owned()));
    assert_eq!((page.timeout, x.timeout), (Duration::from_secs(30), Duration::from_secs(2)));
    for (hooks, why) in [
        ("{on: fatal, cmd: x}", "hooks: must be a list of `{on: [fatal], cmd: /path/to/it}`"),
        ("[{cmd: x}]", "hooks: has no `on`, the events that it is run for"),
        ("[{on: fatal}]", "hooks: has no `cmd`, the command to run"),
        ("[{on: fatal, cmd: 'x ${name}'}]", "hooks.cmd: belongs to no process: "),
        ("[{on: fatal, cmd: 'x ${program}'}]", "hooks.cmd: belongs to no process: "),
        ("[{on: fatal, command: x}]", "hooks.command: unknown key; there are on, cmd, timeout"),
    ] {
        let told = problems(&format!("hooks: {hooks}\nprograms: {{p: {{cmd: x}}}}"));
        assert!(told.iter().any(|told| told.contains(&format!(": {why}"))), "{hooks}: {told:?}");
    }
}

#[test]
fn a_program_has_a_word_of_its_own() {
    let with_mail = |word: &str| {
        let text = format!("mail: {{{MAIL}}}\nprograms: {{p: {{cmd: x, mail: {word}}}}}");
        good(&text).programs["p"].mail.clone().unwrap()
    };
    assert_eq!(with_mail("no"), MailOn::Bool(false));
    let MailOn::Only(on) = with_mail("[exited, unexpected_exit]") else { panic!() };
    assert_eq!(names(&on), ["exited", "unexpected_exit"]);
    assert_eq!(
        refused("mail: [reload_failed]"),
        "mail: reload_failed tells of the daemon, not of a program: see mail.on"
    );
    assert_eq!(
        refused("mail: maybe"),
        "mail: must be true or false, not maybe; or a list of events"
    );
    for (keys, warned) in [("mail: yes", true), ("mail: [fatal]", true), ("mail: no", false)] {
        let warnings = good(&with_keys(keys)).warnings.list;
        assert_eq!(!warnings.is_empty(), warned, "{keys}: {warnings:?}");
    }
}

#[test]
fn a_reload_sees_what_differs() {
    let with = |mail: &str| good(&format!("mail: {{{MAIL}, {mail}}}\nprograms: {{p: {{cmd: x}}}}"));
    assert!(diff(&with(""), &with("")).is_empty());
    assert_eq!(diff(&with(""), &with("digest: 5s")).reports, ["mail"]);
    let hooks = good("hooks: [{on: fatal, cmd: x}]\nprograms: {p: {cmd: x}}");
    assert_eq!(diff(&with(""), &hooks).reports, ["mail", "hooks"]);
}

#[test]
fn what_belongs_to_no_process_has_no_process_name() {
    for server in [
        "smtp://${index}.example.org",
        "${name}",
        "smtp://${program}",
        "smtp://me:${name}@h?password=in-clear",
        "file:${program:-x}",
        "sendmail:${X}",
    ] {
        let text = format!(
            "daemon: {{env: {{X: '${{program}}'}}}}\nmail: {{server: '{server}', from: a@b, to: c@d}}\n\
             programs: {{p: {{cmd: 'x ${{X}}'}}}}"
        );
        let told = problems(&text);
        assert!(
            told.len() == 1 && told[0].contains("mail.server: belongs to no process: "),
            "{server}: {told:?}"
        );
    }
    let config = good("daemon: {env: {X: '${program}'}}\nprograms: {p: {cmd: 'x ${X}'}}");
    assert_eq!(plain(&config.programs["p"].launch.cmd[1]), "p");
}
