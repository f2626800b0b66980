//! Nothing is lost, nothing doubled, no line torn.

use std::fs;
use std::io::Write;

use serde_json::json;

use super::rig::{Rig, assert_same, flood, lines, size};
use crate::bench::until;

const MIB: usize = 1024 * 1024;

/// A stamp as it stands before a line.
fn is_stamp(text: &[u8]) -> bool {
    let shape = b"0000-00-00T00:00:00.000+00:00 ";
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(found, wanted)| match wanted {
            b'0' => found.is_ascii_digit(),
            b'+' => b"+-".contains(found),
            other => found == other,
        })
}

/// The lines of a text without their stamps.
fn bare(text: &[u8]) -> Vec<u8> {
    let unstamped = |line: &[u8]| {
        let (stamp, rest) = line.split_at(30.min(line.len()));
        assert!(is_stamp(stamp), "no stamp: {}", String::from_utf8_lossy(line));
        rest.to_vec()
    };
    text.split_inclusive(|byte| *byte == b'\n').flat_map(unstamped).collect()
}

fn assert_whole(files: &[Vec<u8>], max: usize) {
    for (number, file) in files.iter().enumerate() {
        assert!(file.is_empty() || file.ends_with(b"\n"), "file {number} ends within a line");
        assert!(file.len() <= max, "file {number} has {} bytes", file.len());
    }
}

/// What a file may have beyond its limit: the rest of one line.
const LINE: usize = 1100;

#[test]
fn rotated_files_hold_all_of_a_flood_in_order_and_whole_lines() {
    let (mut rig, text) = (Rig::up(), lines(64 * MIB));
    let pipe = rig.capture(1, "log", json!({"max_bytes": MIB, "keep": 1000}));
    flood(pipe, text.clone()).join().unwrap();
    let files = rig.logged("log");
    assert_same(&files.concat(), &text);
    assert_whole(&files, MIB + LINE);
    assert!(files.len() <= 66, "{} files", files.len());
}

#[test]
fn small_files_are_filled_as_far_as_lines_allow() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({"max_bytes": 10, "keep": 100}));
    pipe.write_all(b"aaa\nbbb\nccc\n12345678\n0123456789abcd\n\nx\n").unwrap();
    let files = rig.logged("log");
    let wanted = ["aaa\nbbb\n", "ccc\n", "12345678\n", "0123456789abcd\n", "\nx\n"];
    assert_eq!(files, wanted.map(|text| text.as_bytes().to_vec()));
}

#[test]
fn a_line_without_end_is_torn_at_twice_the_limit() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({"max_bytes": 10_000, "keep": 100}));
    pipe.write_all(&vec![b'a'; 50_000]).unwrap();
    let sizes: Vec<_> = rig.logged("log").iter().map(Vec::len).collect();
    assert_eq!(sizes, [20_000, 20_000, 10_000]);
}

#[test]
fn ten_kills_in_a_flood_neither_lose_nor_double_a_byte() {
    kill_ten_times(64 * MIB, 300_000);
}

#[test]
#[ignore = "takes 4 GiB of memory and of disk"]
fn ten_kills_in_a_flood_of_a_gibibyte_neither_lose_nor_double_a_byte() {
    kill_ten_times(1024 * MIB, 5_000_000);
}

fn kill_ten_times(bytes: usize, max: usize) {
    let (mut rig, text) = (Rig::up(), lines(bytes));
    let pipe = rig.capture(1, "log", json!({"max_bytes": max, "keep": 1000}));
    let flood = flood(pipe, text.clone());
    for round in 1..=10 {
        let some = rig.path(&format!("log.{}", round * 8));
        until("some more files", || some.exists());
        rig.kill();
    }
    flood.join().unwrap();
    let files = rig.logged("log");
    assert_same(&files.concat(), &text);
    assert_whole(&files, max + LINE);
}

#[test]
fn stamped_lines_are_the_same_without_their_stamps() {
    let (mut rig, text) = (Rig::up(), lines(16 * MIB));
    let more = json!({"max_bytes": MIB, "keep": 1000, "timestamps": true});
    let pipe = rig.capture(1, "log", more);
    flood(pipe, text.clone()).join().unwrap();
    let files = rig.logged("log");
    assert_whole(&files, MIB + LINE);
    assert_same(&bare(&files.concat()), &text);
}

#[test]
fn kills_lose_no_stamped_line() {
    let (mut rig, text) = (Rig::up(), lines(8 * MIB));
    let more = json!({"max_bytes": 300_000, "keep": 1000, "timestamps": true});
    let pipe = rig.capture(1, "log", more);
    let flood = flood(pipe, text.clone());
    for round in 1..=5 {
        let some = rig.path(&format!("log.{}", round * 4));
        until("some more files", || some.exists());
        rig.kill();
    }
    flood.join().unwrap();
    let all = rig.logged("log").concat();
    let mut number = 0;
    for line in all.split(|byte| *byte == b'\n') {
        let words = line.get(30..).unwrap_or_default().split(|byte| *byte == b' ');
        if words.map(|word| String::from_utf8_lossy(word)).any(|word| word == number.to_string()) {
            number += 1;
        }
    }
    let wanted = text.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(number, wanted, "the first line that is not there");
}

#[test]
fn an_unfinished_line_gets_one_stamp_however_it_comes() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({"timestamps": true}));
    let log = rig.path("log");
    for (chunk, size_then) in [("Password: ", 40), ("ok", 42), ("\n", 43), ("a\nb", 106)] {
        pipe.write_all(chunk.as_bytes()).unwrap();
        until(chunk, || size(&log) == size_then);
    }
    let text = rig.logged("log").concat();
    assert_eq!(bare(&text), b"Password: ok\na\nb");
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("+01:00 ") || text.contains("+02:00 "), "not of Paris: {text}");
}

#[test]
fn a_file_that_another_truncates_goes_on_without_a_hole() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({}));
    let log = rig.path("log");
    pipe.write_all(b"before\n").unwrap();
    until("it is there", || size(&log) == 7);
    fs::write(&log, "").unwrap();
    pipe.write_all(b"after\n").unwrap();
    until("it is there", || size(&log) == 6);
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"another's\n").unwrap();
    pipe.write_all(b"end\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"after\nanother's\nend\n");
}
