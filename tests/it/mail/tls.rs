//! Encryption: what is asked for is what happens.

use super::{FAILS, configure};
use crate::bench::Bench;
use crate::post_office::{Delivered, Manner, PostOffice};

const LOGIN: Option<(&str, &str)> = Some(("me", "s3cret"));

/// An office, and a daemon that trusts its authority and has something to tell.
fn mailing(manner: Manner, server: &str) -> (PostOffice, Bench) {
    let mut bench = Bench::new("");
    let authority = bench.path("authority.pem");
    let office = PostOffice::open_trusted(manner, &authority);
    let place = format!("localhost:{}", office.address.port());
    let server = server.replace("HOST", &place);
    configure(&bench, &format!("server: '{server}', digest: 0.2"), FAILS);
    let mut command = bench.daemon_command();
    command.env("SSL_CERT_FILE", authority);
    bench.start_as(command);
    (office, bench)
}

/// The one message that arrives.
fn arrives(manner: Manner, server: &str) -> Delivered {
    let (office, bench) = mailing(manner, server);
    bench.until("it is there", |_| office.delivered().len() == 1);
    office.delivered().remove(0)
}

/// Why none does, and what the server heard meanwhile.
fn fails(manner: Manner, server: &str) -> (String, String) {
    let (office, bench) = mailing(manner, server);
    bench.until("it failed", |bench| bench.log().contains("mail failed"));
    assert_eq!(office.delivered().len(), 0);
    let log = bench.log();
    let line = log.lines().find(|line| line.contains("mail failed")).unwrap().to_owned();
    (line, office.heard())
}

#[test]
fn from_the_first_byte() {
    let manner = Manner { implicit: true, login: LOGIN, ..Manner::default() };
    assert!(arrives(manner, "smtps://me:s3cret@HOST").encrypted);
}

#[test]
fn required_and_offered() {
    let manner = Manner { starttls: true, login: LOGIN, ..Manner::default() };
    assert!(arrives(manner, "smtp://me:s3cret@HOST?tls=required").encrypted);
}

#[test]
fn required_and_not_offered_is_a_failure_before_anything_is_told() {
    let manner = Manner { login: LOGIN, ..Manner::default() };
    let (line, heard) = fails(manner, "smtp://me:s3cret@HOST?tls=required");
    assert!(line.contains("the server offers no STARTTLS"), "{line}");
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
}

#[test]
fn taken_where_it_is_offered_and_done_without_where_not() {
    let server = "smtp://HOST?tls=opportunistic";
    assert!(arrives(Manner { starttls: true, ..Manner::default() }, server).encrypted);
    assert!(!arrives(Manner::default(), server).encrypted);
}

#[test]
fn a_password_waits_for_encryption() {
    let manner = Manner { login: LOGIN, ..Manner::default() };
    let (line, heard) = fails(manner.clone(), "smtp://me:s3cret@HOST?tls=opportunistic");
    assert!(line.contains("the connection is not encrypted: the password is not sent"), "{line}");
    assert!(!heard.contains("AUTH"), "{heard}");
    let asked = "smtp://me:s3cret@HOST?tls=opportunistic&password=in-clear";
    assert!(!arrives(manner, asked).encrypted);
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    let mut bench = Bench::new("");
    let office = PostOffice::open_trusted(
        Manner { implicit: true, ..Manner::default() },
        &bench.path("authority.pem"),
    );
    // Another authority is trusted than the one that signed.
    drop(PostOffice::open_trusted(Manner::default(), &bench.path("other.pem")));
    let server = format!("smtps://localhost:{}", office.address.port());
    configure(&bench, &format!("server: '{server}'"), FAILS);
    let mut command = bench.daemon_command();
    command.env("SSL_CERT_FILE", bench.path("other.pem"));
    bench.start_as(command);
    bench.until("it failed", |bench| bench.log().contains("mail failed"));
    let log = bench.log();
    assert!(log.contains("with TLS: ") && log.contains("certificate"), "{log}");
    assert_eq!(office.heard(), "");
}
