//! The shell before a daemon of a later version: what it does not know it passes over.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::bench::{Bench, Said, finished, hmac, taskmaster};

const EVENT: &str =
    r#"{"event":{"time":"2026-11-23T12:03:11+01:00","event":"NAME","message":"it is"}}"#;

/// What the shell makes of these lines, from a daemon that says them to whatever it is asked.
fn said(request: &str, lines: &[&str]) -> Said {
    let bench = Bench::new("");
    bench.write("secret", "hush");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let lines = lines.join("\n") + "\n";
    let daemon = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut from = BufReader::new(stream.try_clone().unwrap()).lines();
        let nonce = "01".repeat(32);
        writeln!(stream, "{}", json!({"taskmaster": "9", "protocol": 1, "nonce": nonce})).unwrap();
        let hello: Value = serde_json::from_str(&from.next().unwrap().unwrap()).unwrap();
        let proof = hmac("hush", &format!("server:{nonce}:{}", hello["nonce"].as_str().unwrap()));
        writeln!(stream, "{}", json!({"proof": proof, "pid": 2, "config": "/t"})).unwrap();
        from.next().unwrap().unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        // Until the shell has gone.
        from.for_each(drop);
    });
    let mut command = taskmaster();
    command.current_dir(bench.path(""));
    command.args(["shell", "-s", &address, "--secret-file", "secret", request]);
    let said = finished(command);
    daemon.join().unwrap();
    said
}

#[test]
fn replies_of_a_kind_that_it_does_not_know_are_passed_over() {
    let end = r#"{"end":{"exit":1,"why":"later"}}"#;
    let lines = [r#"{"weather":{"sky":"blue"}}"#, r#"{"text":"fine"}"#, r#"{"weather":1}"#, end];
    let said = said("version", &lines);
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (1, "fine\n", ""));
}

#[test]
fn so_is_an_event_that_it_does_not_know() {
    let [known, later] = ["reloaded", "rained"].map(|name| EVENT.replace("NAME", name));
    let said = said("events", &[&later, &known, r#"{"end":{"exit":0}}"#]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    assert!(said.out.contains("reloaded"), "{}", said.out);
}

#[test]
fn what_is_no_reply_at_all_ends_the_connection() {
    for line in ["fine", r#"{"text":1}"#, r#"{"weather":"#, r#"{"end":"later"}"#] {
        let said = said("version", &[line]);
        assert_eq!(said.out, "", "{line}");
        assert!(said.err.contains("is lost: a reply that makes no sense"), "{line}: {}", said.err);
    }
}
