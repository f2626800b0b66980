//! The greeting and the proof of the secret: who is let in, and who is not.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use crate::bench::{Bench, Wire, hmac};
use crate::facts::{exit, pid, state, until_all_run};

const PROGRAMS: &str = "a: {cmd: sleep 1000, starttime: 0}";

/// A client's nonce.
const OURS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn nonce(wire: &Wire) -> String {
    wire.greeting["nonce"].as_str().unwrap().to_owned()
}

/// A hello that proves `secret` as `side`, over these nonces.
fn hello(secret: &str, side: &str, theirs: &str, ours: &str) -> String {
    let proof = hmac(secret, &format!("{side}:{theirs}:{ours}"));
    json!({"protocol": 1, "nonce": ours, "proof": proof}).to_string()
}

#[test]
fn the_greeting_tells_version_protocol_and_a_nonce_and_nothing_else() {
    let bench = Bench::up(PROGRAMS);
    let wire = bench.stranger();
    let keys: Vec<&String> = wire.greeting.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["nonce", "protocol", "taskmaster"]);
    assert_eq!(wire.greeting["taskmaster"], env!("CARGO_PKG_VERSION"));
    assert_eq!(wire.greeting["protocol"], 1);
    let nonce = nonce(&wire);
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    assert!(nonce.len() == 64 && nonce.chars().all(hex), "{nonce}");
}

#[test]
fn no_nonce_comes_twice() {
    let bench = Bench::up(PROGRAMS);
    let nonces: BTreeSet<String> = (0..100).map(|_| nonce(&bench.stranger())).collect();
    assert_eq!(nonces.len(), 100);
}

#[test]
fn who_proves_the_secret_gets_the_servers_proof_its_pid_and_its_file() {
    let bench = Bench::up(PROGRAMS);
    let secret = bench.read("state/secret");
    let mut wire = bench.stranger();
    let welcome = wire.hello(secret.trim());
    let keys: Vec<&String> = welcome.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["config", "pid", "proof"]);
    assert_eq!(welcome["pid"], bench.pid());
    let config = bench.path("taskmaster.yaml");
    let told = std::fs::canonicalize(welcome["config"].as_str().unwrap()).unwrap();
    assert_eq!(told, std::fs::canonicalize(config).unwrap());
    assert!(welcome["config"].as_str().unwrap().starts_with('/'));
    // Keys that a later version may add are no reason to refuse.
    let mut wire = bench.stranger();
    let mut later: Value =
        serde_json::from_str(&hello(secret.trim(), "client", &nonce(&wire), OURS)).unwrap();
    later["since"] = json!("tomorrow");
    wire.send(&later.to_string());
    assert!(wire.line().unwrap()["proof"].is_string());
}

#[test]
fn no_other_hello_is_let_in_and_nothing_is_obeyed_after_it() {
    let mut bench = Bench::up(PROGRAMS);
    let mut watcher = bench.client();
    until_all_run(&mut watcher);
    let before = pid(&mut watcher, "a");
    let secret = bench.read("state/secret").trim().to_owned();

    // What was right once, on a connection that is still there.
    let mut first = bench.stranger();
    let spent = hello(&secret, "client", &nonce(&first), OURS);
    first.send(&spent);
    assert!(first.line().unwrap()["proof"].is_string());
    let other = nonce(&bench.stranger());

    type Make = Box<dyn Fn(&str) -> Vec<u8>>;
    let line = |make: fn(&str, &str) -> String| -> Make {
        let secret = secret.clone();
        Box::new(move |theirs| make(&secret, theirs).into_bytes())
    };
    let bad: Vec<(&str, Make)> = vec![
        ("a wrong secret", line(|_, theirs| hello("guess", "client", theirs, OURS))),
        ("no secret", line(|_, theirs| hello("", "client", theirs, OURS))),
        ("another connection's nonce", {
            let (secret, other) = (secret.clone(), other.clone());
            Box::new(move |_| hello(&secret, "client", &other, OURS).into_bytes())
        }),
        ("a hello that was right elsewhere", {
            let spent = spent.clone();
            Box::new(move |_| spent.clone().into_bytes())
        }),
        ("the servers proof", line(|secret, theirs| hello(secret, "server", theirs, OURS))),
        (
            "nonces the wrong way round",
            line(|secret, theirs| {
                let proof = hmac(secret, &format!("client:{OURS}:{theirs}"));
                json!({"protocol": 1, "nonce": OURS, "proof": proof}).to_string()
            }),
        ),
        ("a short nonce", line(|secret, theirs| hello(secret, "client", theirs, "0011"))),
        ("an empty nonce", line(|secret, theirs| hello(secret, "client", theirs, ""))),
        (
            "a nonce of other letters",
            line(|secret, theirs| hello(secret, "client", theirs, &"xy".repeat(32))),
        ),
        ("no proof", line(|_, _| json!({"protocol": 1, "nonce": OURS, "proof": ""}).to_string())),
        (
            "half a proof",
            line(|secret, theirs| {
                let proof = hmac(secret, &format!("client:{theirs}:{OURS}"));
                json!({"protocol": 1, "nonce": OURS, "proof": &proof[..32]}).to_string()
            }),
        ),
        (
            "another protocol",
            line(|secret, theirs| {
                hello(secret, "client", theirs, OURS).replace("\"protocol\":1", "\"protocol\":2")
            }),
        ),
        ("a key missing", line(|_, _| json!({"protocol": 1, "nonce": OURS}).to_string())),
        ("a request", line(|_, _| "stop a".to_owned())),
        ("an empty line", line(|_, _| String::new())),
        ("no JSON", line(|_, _| "GET / HTTP/1.1\r".to_owned())),
        ("JSON of another kind", line(|_, _| "[1,2]".to_owned())),
        ("deep JSON", line(|_, _| "[".repeat(60_000))),
        ("no UTF-8", Box::new(|_| b"\xff\xfe".to_vec())),
    ];
    let count = bad.len();
    let bad: Vec<(&str, Wire)> = bad
        .into_iter()
        .map(|(what, make)| {
            let mut wire = bench.stranger();
            let mut bytes = make(&nonce(&wire));
            bytes.extend_from_slice(b"\nstop a\n");
            wire.stream.write_all(&bytes).unwrap();
            (what, wire)
        })
        .collect();
    // Those that come after many others are answered all the same, if later.
    for (what, mut wire) in bad {
        let reply = wire.line().unwrap_or_else(|| panic!("{what}: no word of why"));
        assert_eq!(reply.as_object().unwrap().len(), 1, "{what}: {reply}");
        assert!(!reply["error"].as_str().unwrap().is_empty(), "{what}");
        assert_eq!(wire.line(), None, "{what}: the end");
        assert_eq!(exit(&watcher.ask("version")), 0, "{what}");
    }
    assert_eq!((state(&mut watcher, "a").as_str(), pid(&mut watcher, "a")), ("RUNNING", before));
    // The one that was right goes on.
    assert_eq!(exit(&first.ask("version")), 0);
    // The first is told of when it comes, and of the others their number.
    bench.stop();
    let log = bench.log();
    assert_eq!(log.matches(" client refused ").count(), 1, "{log}");
    assert!(log.contains(&format!("more clients were refused count={} ", count - 1)), "{log}");
    assert!(!log.contains(&secret));
}

#[test]
fn a_client_that_is_refused_for_its_protocol_is_told_so() {
    let bench = Bench::up("{}");
    let mut wire = bench.stranger();
    wire.send(&json!({"protocol": 99, "nonce": OURS, "proof": ""}).to_string());
    let reply = wire.line().unwrap();
    assert!(reply["error"].as_str().unwrap().contains("protocol"), "{reply}");
}

#[test]
fn requests_may_come_on_the_heels_of_the_hello() {
    let bench = Bench::up(PROGRAMS);
    let secret = bench.read("state/secret");
    let mut wire = bench.stranger();
    let hello = hello(secret.trim(), "client", &nonce(&wire), OURS);
    wire.stream.write_all(format!("{hello}\nversion\npid\n").as_bytes()).unwrap();
    assert!(wire.line().unwrap()["proof"].is_string());
    assert!(wire.answer()[0]["text"].is_string());
    assert_eq!(wire.answer()[0]["pid"]["pid"], bench.pid());
}

#[test]
fn a_second_hello_is_a_request_that_nobody_knows() {
    let bench = Bench::up(PROGRAMS);
    let mut wire = bench.client();
    let again = hello(bench.read("state/secret").trim(), "client", &nonce(&wire), OURS);
    assert_eq!(exit(&wire.ask(&again)), 2);
    assert_eq!(exit(&wire.ask("version")), 0);
}
