//! Random bytes, and words that mean something in random order, for all that reads what others
//! wrote. The fuzz targets in tests/fuzz go further, from the same points.

#[path = "../tests/fuzz/src/inputs.rs"]
mod points;

pub(crate) use points::example;

use proptest::prelude::*;

/// Words that the readers know, and what stands between them.
const WORDS: &[&str] = &[
    "programs",
    "daemon",
    "defaults",
    "include",
    "cmd",
    "numprocs",
    "env",
    "env_file",
    "web",
    "all",
    "autorestart",
    "unexpected",
    "exitcodes",
    "stopsignal",
    "TERM",
    "RTMIN+3",
    "stdout",
    "file",
    "max_bytes",
    "10MB",
    "limits",
    "nofile",
    "umask",
    "022",
    "0o22",
    "1.5",
    "-1",
    "99999999999",
    "true",
    "no",
    "null",
    "~",
    "${HOME}",
    "${x:-y}",
    "$${",
    "${",
    "depends_on",
    "ready",
    "health",
    "backoff",
    "initial",
    "&a",
    "*a",
    "<<",
    "- ",
    "? ",
    "---",
    "...",
    "!!str",
    "|",
    ">",
    "%",
    ":",
    ": ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "#",
    "=",
    "*",
    "?",
    "@",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\u{feff}",
    "é",
    "\u{202e}",
    "\x1b[2J",
    "KEY",
    "export ",
    "status",
    "start",
    "stop",
    "restart",
    "signal",
    "reload",
    "tail",
    "-f",
    "-n",
    "--timeout",
    "--json",
    "web:1",
    "w*",
    "{\"end\":{\"exit\":0}}",
    "{\"add\":",
    "{\"id\":7}",
    "\"lost\"",
    "\"result\"",
    "\"status\"",
    "\"nonce\"",
    "\"proof\"",
    "\"protocol\"",
    "\"path\"",
    "\"owner\"",
    "[1,2]",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(WORDS), 0..60)
        .prop_map(|words| words.concat().into())
}

/// A few changes to what is right.
fn changes() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<u16>(), 0..23u8);
    let bytes = |(at, what): (u16, u8)| [(at >> 8) as u8, at as u8, what];
    prop::collection::vec(change, 0..4)
        .prop_map(move |changes| changes.into_iter().flat_map(bytes).collect())
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_read_makes_a_reader_fail(bytes in prop_oneof![3 => text(), 2 => changes(), 1 => noise()]) {
        for (_, read) in points::ALL {
            read(&bytes);
        }
    }
}

/// What was right once, a little wrong: cut, doubled, with a byte changed.
#[test]
fn nor_does_what_is_nearly_right() {
    let sample = include_bytes!("../taskmaster.yaml");
    for (_, read) in points::ALL {
        for at in (0..sample.len()).step_by(7) {
            read(&sample[..at]);
            let mut bytes = sample.to_vec();
            bytes[at] = bytes[at].wrapping_mul(31).wrapping_add(17);
            read(&bytes);
        }
    }
}

#[test]
fn what_is_changed_was_right() {
    crate::daemon::left::samples();
}

#[test]
fn every_point_has_a_fuzz_target() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    for (name, _) in points::ALL {
        assert!(folder.join(name).with_extension("rs").is_file(), "{name}");
    }
}
