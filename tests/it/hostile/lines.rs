//! Lines that are too long, too odd or not lines at all.

use std::io::{Read, Write};
use std::time::Duration;

use super::Town;
use crate::bench::{PATIENCE, Wire};
use crate::facts::{error, exit};

/// Writes what the other side takes: it may hang up at any moment.
fn pour(wire: &mut Wire, bytes: &[u8]) {
    wire.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let _ = wire.stream.write_all(bytes);
}

/// Reads to the end, which must come.
fn to_the_end(wire: &mut Wire) {
    wire.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 4096];
    loop {
        match wire.stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no end came");
                return;
            }
        }
    }
}

#[test]
fn a_megabyte_without_a_newline_before_the_hello_ends_the_connection() {
    let mut town = Town::new();
    for _ in 0..5 {
        let mut wire = town.bench.stranger();
        pour(&mut wire, &vec![b'{'; 1 << 20]);
        to_the_end(&mut wire);
    }
    town.is_unharmed();
}

#[test]
fn a_megabyte_without_a_newline_after_the_hello_ends_the_connection() {
    let mut town = Town::new();
    for _ in 0..5 {
        let mut wire = town.bench.client();
        pour(&mut wire, &vec![b's'; 1 << 20]);
        to_the_end(&mut wire);
    }
    town.is_unharmed();
}

#[test]
fn a_line_of_just_the_limit_is_answered_and_one_more_byte_is_too_much() {
    let mut town = Town::new();
    let mut wire = town.bench.client();
    let line = format!("status a{}", " ".repeat(64 * 1024 - "status a".len()));
    assert_eq!(exit(&wire.ask(&line)), 0);
    let answer = wire.ask(&format!("{line} "));
    assert_eq!((answer.len(), exit(&answer)), (1, 2), "{answer:?}");
    assert_eq!(wire.line(), None);
    town.is_unharmed();
}

#[test]
fn half_a_character_harms_nobody_wherever_it_comes() {
    let mut town = Town::new();
    let mut wire = town.bench.stranger();
    wire.stream.write_all(b"\xe2\x82").unwrap();
    let mut proved = town.bench.client();
    proved.stream.write_all(b"status \xe2\x82").unwrap();
    town.goes_on();
    proved.stream.write_all(b"\xac\nversion\n").unwrap();
    assert_eq!(exit(&proved.answer()), 4, "the other half makes it a selector");
    assert_eq!(exit(&proved.answer()), 0);
    proved.stream.write_all(b"status \xe2\x82\n\xf0\x9f\n").unwrap();
    assert_eq!((exit(&proved.answer()), exit(&proved.answer())), (2, 2));
    proved.stream.write_all(b"\xe2").unwrap();
    drop((wire, proved));
    town.is_unharmed();
}

#[test]
fn odd_and_endless_selectors_are_only_unknown() {
    let mut town = Town::new();
    let mut wire = town.bench.client();
    let long = "x".repeat(60_000);
    let stars = "*a".repeat(30_000);
    for selector in [
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{0}\u{1}\u{2}",
        "a\rb",
        "\u{202e}a",
        "a:18446744073709551616",
        "b:-1",
        "../../etc/passwd",
        "$(reboot)",
        long.as_str(),
        stars.as_str(),
    ] {
        let answer = wire.ask(&format!("stop '{selector}' a"));
        assert_eq!((answer.len(), exit(&answer)), (1, 4), "{selector:?}");
        assert!(error(&answer).starts_with("no such process"), "{selector:?}");
    }
    assert_eq!(exit(&wire.ask(&format!("status '{}'", "*".repeat(60_000)))), 0);
    drop(wire);
    town.is_unharmed();
}

#[test]
fn ten_thousand_selectors_on_a_line_are_answered() {
    let mut town = Town::new();
    let mut wire = town.bench.client();
    let answer = wire.ask(&format!("status{}", " a".repeat(10_000)));
    assert_eq!((exit(&answer), answer.len()), (0, 2), "each process once");
    let answer = wire.ask(&format!("status{}", " *".repeat(10_000)));
    assert_eq!((exit(&answer), answer.len()), (0, 4));
    let unknown: String = (0..10_000).map(|n| format!(" x{n}")).collect();
    assert_eq!(exit(&wire.ask(&format!("stop{unknown}"))), 4);
    assert_eq!(exit(&wire.ask(&format!("stop a{unknown}"))), 4);
    let globs: String = (0..10_000).map(|n| format!(" *{n}")).collect();
    let answer = wire.ask(&format!("stop a{globs}"));
    assert_eq!((exit(&answer), answer.len()), (2, 1));
    assert!(error(&answer).contains("at most 100 different globs, not 10000"), "{answer:?}");
    drop(wire);
    town.is_unharmed();
}

#[test]
fn a_secret_guessed_many_times_is_told_of_once() {
    let mut town = Town::new();
    let guess = |number: u32| {
        let mut wire = town.bench.stranger();
        let theirs = wire.greeting["nonce"].as_str().unwrap().to_owned();
        let ours = "ab".repeat(32);
        let proof = crate::bench::hmac(&number.to_string(), &format!("client:{theirs}:{ours}"));
        let hello = serde_json::json!({"protocol": 1, "nonce": ours, "proof": proof});
        wire.send(&hello.to_string());
        wire
    };
    for round in 0..3 {
        let wires: Vec<Wire> = (0..25).map(|number| guess(round * 25 + number)).collect();
        // Whoever knows it does not wait for those who guess.
        assert_eq!(exit(&town.bench.client().ask("version")), 0);
        for mut wire in wires {
            assert!(wire.line().unwrap()["error"].is_string());
            assert_eq!(wire.line(), None);
        }
    }
    town.is_unharmed();
    assert_eq!(town.bench.log().matches("refused").count(), 1);
}

#[test]
fn noise_in_any_number_of_pieces_is_refused() {
    let mut town = Town::new();
    let noise: Vec<u8> =
        (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for piece in [1, 7, 100, 4096] {
        let mut wire = town.bench.stranger();
        for bytes in noise.chunks(piece) {
            pour(&mut wire, bytes);
        }
        pour(&mut wire, b"\n");
        to_the_end(&mut wire);
    }
    let mut proved = town.bench.client();
    pour(&mut proved, &noise);
    pour(&mut proved, b"\n");
    proved.stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(exit(&proved.answer()) != 0);
    drop(proved);
    town.is_unharmed();
}
