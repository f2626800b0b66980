//! The end of a log, and what comes.

use super::*;
use std::fs;

fn text(replies: &[Reply]) -> String {
    let of = |reply: &Reply| match reply {
        Reply::Output(row) => String::from_utf8(row.bytes()).unwrap(),
        _ => panic!("{reply:?}"),
    };
    replies.iter().map(of).collect()
}

fn more(tail: &mut Tail, now: Instant) -> Vec<Reply> {
    let (replies, last) = tail.more(now, |_, _| false);
    assert_eq!(last, None);
    replies
}

struct Log {
    folder: tempfile::TempDir,
    now: Instant,
}

impl Log {
    fn new(text: &str) -> Self {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let log = Self { folder: tempfile::tempdir().unwrap(), now: Instant::now() };
        fs::write(log.path(), text).unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn add(&self, text: &str) {
        use std::io::Write as _;
        let mut file = File::options().append(true).create(true).open(self.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn tail(&self, name: Option<&str>, lines: usize) -> (Tail, String) {
        let of = Some(("web".to_owned(), 0));
        let logs = vec![Source { name: name.map(str::to_owned), of, path: self.path() }];
        let (tail, replies) = Tail::start(logs, lines, self.now).unwrap();
        (tail, text(&replies))
    }
}

#[test]
fn the_last_lines_whatever_the_end() {
    let log = Log::new("one\ntwo\nthree");
    assert_eq!(log.tail(None, 2).1, "two\nthree");
    assert_eq!(log.tail(None, 10).1, "one\ntwo\nthree");
    assert_eq!(log.tail(None, 0).1, "");
    assert_eq!(log.tail(Some("web"), 2).1, "two\n", "the last is not whole");
    log.add("\n");
    assert_eq!(log.tail(None, 2).1, "two\nthree\n");
}

#[test]
fn a_log_that_was_just_rotated_is_filled_up_from_the_one_before() {
    let log = Log::new("one\ntwo\n");
    fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
    log.add("three\n");
    assert_eq!(log.tail(None, 2).1, "two\nthree\n");
}

#[test]
fn who_follows_reads_on_through_rotations_and_truncation() {
    let log = Log::new("one\n");
    let (mut tail, _) = log.tail(None, 0);
    let mut all = |log: &Log| {
        let mut seen = String::new();
        for _ in 0..6 {
            seen += &text(&more(&mut tail, log.now));
        }
        seen
    };
    log.add("two\n");
    assert_eq!(all(&log), "two\n");
    log.add("three\n");
    for number in [2, 1] {
        let from = if number == 1 { log.path() } else { numbered(&log.path(), 1) };
        let _ = fs::rename(from, numbered(&log.path(), number));
    }
    log.add("four\n");
    fs::rename(numbered(&log.path(), 1), numbered(&log.path(), 2)).unwrap();
    fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
    log.add("five\n");
    assert_eq!(all(&log), "three\nfour\nfive\n");
    fs::write(log.path(), "").unwrap();
    assert_eq!(all(&log), "");
    log.add("six\n");
    assert_eq!(all(&log), "six\n");
}

#[test]
fn a_log_that_was_not_there_is_followed_from_its_first_byte() {
    let rotate = |log: &Log| {
        let _ = fs::rename(numbered(&log.path(), 1), numbered(&log.path(), 2));
        fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
    };
    for old in [None, Some("old\n")] {
        let log = Log::new(old.unwrap_or_default());
        match old {
            None => fs::remove_file(log.path()).unwrap(),
            Some(_) => rotate(&log),
        }
        let (mut tail, seen) = log.tail(None, 0);
        assert_eq!((seen.as_str(), text(&more(&mut tail, log.now)).as_str()), ("", ""));
        for line in ["one\n", "two\n"] {
            log.add(line);
            rotate(&log);
        }
        log.add("three\n");
        assert_eq!(text(&more(&mut tail, log.now)), "one\ntwo\nthree\n");
    }
}

#[test]
fn one_beat_reads_through_files_that_are_rotated_faster_than_it_comes() {
    let log = Log::new("one\n");
    let (mut tail, _) = log.tail(None, 0);
    for text in ["two\n", "three\n"] {
        log.add(text);
        let _ = fs::rename(numbered(&log.path(), 1), numbered(&log.path(), 2));
        fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
    }
    log.add("four\n");
    assert_eq!(text(&more(&mut tail, log.now)), "two\nthree\nfour\n");
    assert_eq!(tail.due, log.now + BEAT);
}

#[test]
fn no_line_and_no_character_is_torn_where_a_renamed_file_is_read_in_pieces() {
    for name in [None, Some("web")] {
        let log = Log::new("");
        let (mut tail, _) = log.tail(name, 0);
        let lines: String = (0..3000).map(|n| format!("{n:05} {}\n", "ü".repeat(40))).collect();
        log.add(&lines);
        fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
        log.add("last\n");
        let mut replies = Vec::new();
        for _ in 0..20 {
            replies.extend(more(&mut tail, log.now));
        }
        for reply in &replies {
            let piece = text(std::slice::from_ref(reply));
            assert!(name.is_none() || piece.ends_with('\n'), "{piece}");
        }
        assert_eq!(text(&replies), lines + "last\n");
    }
}

#[test]
fn what_was_added_just_before_a_renaming_is_read_of_several_logs_too() {
    let log = Log::new("one\nbeg");
    let (mut tail, seen) = log.tail(Some("web"), 2);
    assert_eq!((seen.as_str(), text(&more(&mut tail, log.now)).as_str()), ("one\n", ""));
    log.add("un\n");
    fs::rename(log.path(), numbered(&log.path(), 1)).unwrap();
    log.add("two\n");
    assert_eq!(text(&more(&mut tail, log.now)), "begun\ntwo\n");
}

#[test]
fn a_log_that_grows_fast_is_read_on_short_beats_until_its_end() {
    let log = Log::new("");
    let (mut tail, _) = log.tail(None, 0);
    let line = format!("{}\n", "x".repeat(99));
    log.add(&line.repeat(2000));
    let mut seen = 0;
    while seen < 200_000 {
        let more = text(&more(&mut tail, log.now)).len();
        assert!((1..2 * AT_ONCE).contains(&more), "{more}");
        seen += more;
    }
    assert_eq!(text(&more(&mut tail, log.now)), "");
    assert_eq!(tail.due, log.now + BEAT);
}

#[test]
fn the_log_of_one_that_was_removed_ends_when_all_that_is_written_has_been_read() {
    for name in [None, Some("web:0")] {
        let log = Log::new("one\n");
        let (mut tail, _) = log.tail(name, 0);
        tail.lose("web", 1, "web:1");
        log.add("two\nthr");
        let begun = if name.is_some() { "two\n" } else { "two\nthr" };
        assert_eq!(text(&more(&mut tail, log.now)), begun);
        tail.lose("web", 0, "web:0");
        let (replies, last) = tail.more(log.now, |program, index| (program, index) == ("web", 0));
        assert_eq!((replies, last), (Vec::new(), None), "some may be on its way");
        log.add("ee");
        let (mut replies, last) = tail.more(log.now, |_, _| false);
        assert_eq!(last.as_deref(), Some("web:0"));
        if name.is_some() {
            let gone = replies.pop().unwrap();
            assert!(matches!(gone, Reply::Gone(row) if row.name == "web:0"));
        }
        assert_eq!(format!("{begun}{}", text(&replies)), "two\nthree");
    }
}
