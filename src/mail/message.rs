//! A digest in words: a subject that says it all, and a text of 72 columns.

use std::fmt::Write as _;

use super::digest::{Digest, News, Row};
use super::layout::{clean, cut, wrap};
use crate::config::EventName;

/// Where a process is that the configuration has no more.
const GONE: &str = "removed from the configuration";

/// Letters of a subject at most: what a header line holds.
const SUBJECT: usize = 100;

/// Columns that a name takes in a table at most; longer ones get a line of their own.
const NAME: usize = 24;

/// The state that a process is in.
pub type Now<'n> = dyn Fn(&str) -> Option<String> + 'n;

/// Where all this happens.
#[derive(Debug, Clone)]
pub struct Place {
    /// The machine's name.
    pub host: String,
    /// The configuration file.
    pub file: String,
}

impl Place {
    /// The machine's name as far as it is needed among those of one owner.
    fn short_host(&self) -> &str {
        self.host.split('.').next().unwrap_or(&self.host)
    }

    /// What stands at the end of every message.
    fn signature(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        // The blank behind the dashes marks a signature, RFC 3676.
        let (host, file) = (clean(&self.host), clean(&self.file));
        format!("-- \ntaskmaster {version} on {host}\n{}", wrap("", &file))
    }
}

/// Subject, text and signature of a message. `now` tells the state that a process of this name is
/// in by now; none: it is gone.
pub fn compose(digest: &Digest, place: &Place, now: &Now<'_>) -> (String, String, String) {
    let (subject, text) = match (digest.rows.as_slice(), digest.more.is_empty()) {
        ([row], true) => (subject_of(row), one(row, place, now)),
        _ => (subject_of_many(digest), many(digest, place, now)),
    };
    let subject = cut(&clean(&subject), SUBJECT);
    let subject = format!("{subject} [{}]", cut(&clean(place.short_host()), 30));
    (subject, text + &attempts(digest), place.signature())
}

/// The message that `check --mail` sends.
pub fn test_message(place: &Place) -> (String, String, String) {
    let subject = format!("taskmaster can send mail [{}]", cut(&clean(place.short_host()), 30));
    let text = wrap(
        "",
        "This is a test: somebody has run taskmaster check --mail. Reports about what your \
         programs do will look like this one, and come from here to the same addresses.",
    );
    (subject, text, place.signature())
}

fn attempts(digest: &Digest) -> String {
    match digest.attempts {
        0 => String::new(),
        1 => wrap("\n", "One earlier attempt to send this failed; see the log."),
        n => wrap("\n", &format!("{n} earlier attempts to send this failed; see the log.")),
    }
}

fn subject_of(row: &Row) -> String {
    let News { event, process, message, expected, .. } = &row.last;
    let Some(process) = process else { return message.clone() };
    let what = brief(*event, *expected);
    let times = if row.count > 1 { format!(" {} times", row.count) } else { String::new() };
    let why = if row.count > 1 { ways(row) } else { message.clone() };
    // What comes in parentheses, as "(unexpected)", the text tells.
    let why = why.strip_suffix(" (unexpected)").unwrap_or(&why);
    format!("{process} {what}{times}: {why}")
}

fn subject_of_many(digest: &Digest) -> String {
    const NAMED: usize = 3;
    let kinds = kinds(digest);
    if digest.rows.len() <= NAMED && digest.more.is_empty() {
        let told: Vec<String> = kinds.iter().map(|(kind, _)| of_one_kind(digest, kind)).collect();
        return told.join("; ");
    }
    let told: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
    let names = digest.processes(NAMED + 1);
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let dots = if names.len() > NAMED { ", ..." } else { "" };
    let shown = if shown.is_empty() { shown } else { format!(": {shown}{dots}") };
    format!("{}{shown}", told.join(", "))
}

/// `api:0, api:1 died 4 times`.
fn of_one_kind(digest: &Digest, kind: &str) -> String {
    let same = |row: &&Row| brief(row.last.event, row.last.expected) == kind;
    let rows: Vec<&Row> = digest.rows.iter().filter(same).collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row.last.process.as_deref()).collect();
    let count: u64 = rows.iter().map(|row| row.count).sum();
    let often = rows.iter().any(|row| row.count > 1);
    let often = if often { format!(" {}", times(count)) } else { String::new() };
    format!("{} {kind}{often}", names.join(", ")).trim_start().to_owned()
}

/// How many events of each kind, the gravest first.
fn kinds(digest: &Digest) -> Vec<(&'static str, u64)> {
    let mut kinds: Vec<(&'static str, u64)> = Vec::new();
    let rows = digest.rows.iter().map(|row| (brief(row.last.event, row.last.expected), row.count));
    let more = digest.more.iter().map(|(event, count)| (brief(*event, None), *count));
    for (kind, count) in rows.chain(more) {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known += count,
            None => kinds.push((kind, count)),
        }
    }
    kinds.sort_by_key(|(kind, _)| *kind != brief(EventName::Fatal, None));
    kinds
}

/// What a process did, in a word or two.
fn brief(event: EventName, expected: Option<bool>) -> &'static str {
    match event {
        EventName::Fatal => "FATAL",
        EventName::Exited if expected == Some(true) => "ended",
        EventName::Exited => "died",
        EventName::Backoff => "failed to start",
        EventName::Waiting => "waiting",
        EventName::Starting => "starting",
        EventName::Running => "running",
        EventName::Stopping => "stopping",
        EventName::Stopped => "stopped",
        EventName::Adopted => "taken over",
        EventName::Unhealthy => "unhealthy",
        EventName::LostBytes => "loses output",
        EventName::Reloaded => "reloaded",
        EventName::ReloadFailed => "reload failed",
        EventName::Upgraded => "daemon upgraded",
        EventName::DaemonStarted => "daemon started",
        EventName::DaemonStopping => "daemon stopping",
        EventName::MailFailed => "mail failed",
    }
}

/// The same in a sentence.
fn sentence(row: &Row) -> String {
    let News { event, process, expected, message, .. } = &row.last;
    let Some(process) = process else { return format!("{}.", message.trim_end_matches('.')) };
    match event {
        EventName::Fatal => format!("{process} is FATAL: it was given up."),
        EventName::Exited if *expected == Some(true) => format!("{process} ended, as expected."),
        EventName::Exited => format!("{process} ended unexpectedly."),
        EventName::Backoff => format!("{process} does not stay up; it is tried again."),
        EventName::LostBytes => format!("{process}: {message}."),
        other => format!("{process} is {}.", brief(*other, *expected)),
    }
}

/// All about one kind of event of one process, or of the daemon.
fn one(row: &Row, place: &Place, now: &Now<'_>) -> String {
    let last = &row.last;
    let mut text = wrap("", &sentence(row));
    text.push('\n');
    let mut line = |name: &str, value: &str| text.push_str(&wrap(&format!("  {name:<9}"), value));
    if let Some(process) = &last.process {
        line("process", process);
    }
    if row.count > 1 {
        line("times", &format!("{}: {}", row.count, ways(row)));
        line("first", &people(&row.first_time));
        line("last", &people(&last.time));
    } else {
        line("when", &people(&last.time));
    }
    if let Some(process) = &last.process {
        line("why", &last.message);
        line("now", &now(process).unwrap_or_else(|| GONE.to_owned()));
    }
    line("host", &place.host);
    if let Some(pid) = last.pid {
        line("pid", &pid.to_string());
    }
    if let Some(lately) = row.lately.filter(|_| last.process.is_some()) {
        line("lately", &format!("{} within the last hour", times(lately)));
    }
    text
}

/// Several: a list for each kind.
fn many(digest: &Digest, place: &Place, now: &Now<'_>) -> String {
    let mut text = format!("{} events", grouped(digest.events()));
    if let Some((first, last)) = &digest.span {
        let _ = write!(text, ", {}", people(first));
        if time_of_day(first) != time_of_day(last) {
            let _ = write!(text, " to {}", time_of_day(last));
        }
    }
    let mut text = wrap("", &format!("{text}, on {}.", place.host));
    for (kind, _) in kinds(digest) {
        let same =
            digest.rows.iter().filter(|row| brief(row.last.event, row.last.expected) == kind);
        let same: Vec<&Row> = same.collect();
        let count: u64 = same.iter().map(|row| row.count).sum();
        if same.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{kind}, {}:", times(count));
        let name = |row: &Row| clean(row.last.process.as_deref().unwrap_or("taskmaster"));
        let width = same.iter().map(|row| name(row).chars().count()).max().unwrap_or(0).min(NAME);
        for row in same {
            text.push_str(&entry(&name(row), width, row, now));
        }
    }
    for (event, count) in &digest.more {
        let what = brief(*event, None);
        let _ = writeln!(text, "\nMore of other processes, {what}: {}", times(*count));
    }
    text
}

/// A row of a list.
fn entry(name: &str, width: usize, row: &Row, now: &Now<'_>) -> String {
    let last = &row.last;
    let mut words = if row.count == 1 {
        format!("{}, {}", time_of_day(&last.time), last.message)
    } else {
        let (first, end) = (time_of_day(&row.first_time), time_of_day(&last.time));
        format!("{}, {first} to {end}: {}", times(row.count), ways(row))
    };
    // That one was given up says where it is.
    if let Some(process) = last.process.as_deref().filter(|_| last.event != EventName::Fatal) {
        let now = now(process).map_or_else(|| GONE.to_owned(), |state| format!("now {state}"));
        words = format!("{words}; {now}");
    }
    if name.chars().count() > width {
        return format!("{}{}", wrap("  ", name), wrap(&" ".repeat(width + 4), &words));
    }
    wrap(&format!("  {name:<width$}  "), &words)
}

/// How it ended, and how often so; its last words where it did not end.
fn ways(row: &Row) -> String {
    match row.ways.as_slice() {
        [] => row.last.message.clone(),
        [(way, _)] => way.clone(),
        ways => {
            let told: Vec<String> =
                ways.iter().map(|(way, count)| format!("{way} ({count})")).collect();
            told.join(", ")
        }
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

/// `1,234`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2026-11-25 12:00:00 +01:00` for what RFC 3339 writes `2026-11-25T12:00:00.000+01:00`.
fn people(time: &str) -> String {
    let (date, rest) = time.split_once('T').unwrap_or((time, ""));
    let offset = rest.get(12..).unwrap_or_default();
    format!("{date} {} {offset}", time_of_day(time)).trim_end().to_owned()
}

fn time_of_day(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::super::digest::tests::news;
    use super::super::layout::WIDTH;
    use super::*;

    fn place() -> Place {
        Place { host: "box.example.org".to_owned(), file: "/etc/taskmaster.yaml".to_owned() }
    }

    fn now(process: &str) -> Option<String> {
        (process != "gone").then(|| "RUNNING".to_owned())
    }

    fn told(events: &[(EventName, &str, &str, &str)]) -> (String, String) {
        let mut digest = Digest::default();
        for (number, (event, process, time, end)) in events.iter().enumerate() {
            digest.add(news(*event, process, time, end), u64::try_from(number + 1).ok());
        }
        let (subject, text, _) = compose(&digest, &place(), &now);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        (subject, text)
    }

    #[test]
    fn one_event_is_told_in_full() {
        let (subject, text) = told(&[(EventName::Fatal, "web:1", "12:00:00", "exit 3")]);
        assert_eq!(subject, "web:1 FATAL: exit 3 [box]");
        assert_eq!(
            text,
            "web:1 is FATAL: it was given up.\n\n  \
             process  web:1\n  \
             when     2026-11-25 12:00:00 +01:00\n  \
             why      exit 3\n  \
             now      RUNNING\n  \
             host     box.example.org\n  \
             pid      42\n  \
             lately   once within the last hour\n"
        );
    }

    #[test]
    fn the_same_again_is_one_row() {
        let died = EventName::Exited;
        let (subject, text) = told(&[
            (died, "db", "12:00:00", "exit 1"),
            (died, "db", "12:00:20", "killed by SEGV"),
            (died, "db", "12:00:29", "exit 1"),
        ]);
        assert_eq!(subject, "db died 3 times: exit 1 (2), killed by SEGV (1) [box]");
        assert!(text.contains("  first    2026-11-25 12:00:00 +01:00\n"), "{text}");
        assert!(text.contains("  last     2026-11-25 12:00:29 +01:00\n"), "{text}");
        assert!(text.contains("  lately   3 times within the last hour\n"), "{text}");
    }

    #[test]
    fn several_are_lists() {
        let (subject, text) = told(&[
            (EventName::Exited, "web:0", "12:00:00", "exit 1"),
            (EventName::Exited, "a-name-that-is-longer-than-a-column", "12:00:01", "exit 2"),
            (EventName::Exited, "web:0", "12:00:02", "exit 1"),
            (EventName::Fatal, "db", "12:00:03", "exit 4"),
            (EventName::ReloadFailed, "", "12:00:04", ""),
        ]);
        assert_eq!(
            subject,
            "1 FATAL, 3 died, 1 reload failed: web:0, a-name-that-is-longer-than-a-column, db [box]"
        );
        assert!(
            text.starts_with("5 events, 2026-11-25 12:00:00 +01:00 to 12:00:04, on box.example"),
            "{text}"
        );
        assert!(
            text.contains("died, 3 times:\n  web:0                     2 times, 12:00:00 to"),
            "{text}"
        );
        assert!(text.contains("\n  a-name-that-is-longer-than-a-column\n     "), "{text}");
        assert!(text.contains("FATAL, once:\n  db  12:00:03, exit 4\n"), "{text}");
    }

    #[test]
    fn a_few_are_named_with_what_they_did() {
        let (subject, _) = told(&[
            (EventName::Exited, "api:0", "12:00:00", "exit 1"),
            (EventName::Exited, "api:1", "12:00:00", "exit 1"),
            (EventName::Exited, "api:0", "12:00:00", "exit 1"),
            (EventName::Fatal, "db", "12:00:00", "exit 4"),
        ]);
        assert_eq!(subject, "db FATAL; api:0, api:1 died 3 times [box]");
        let (subject, text) = told(&[
            (EventName::ReloadFailed, "", "12:00:00", ""),
            (EventName::Fatal, "db", "12:00:00", "exit 4"),
        ]);
        assert_eq!(subject, "db FATAL; reload failed [box]");
        assert!(text.starts_with("2 events, 2026-11-25 12:00:00 +01:00, on box"), "{text}");
    }

    #[test]
    fn a_storm_counts_what_it_does_not_name() {
        let names: Vec<String> = (0..1000).map(|n| format!("web:{n}")).collect();
        let events: Vec<_> =
            names.iter().map(|n| (EventName::Fatal, n.as_str(), "12:00:00", "exit 1")).collect();
        let (subject, text) = told(&events);
        assert_eq!(subject, "1,000 FATAL: web:0, web:1, web:2, ... [box]");
        assert!(text.starts_with("1,000 events, "), "{text}");
        assert!(text.ends_with("\nMore of other processes, FATAL: 900 times\n"), "{text}");
        let listed = text.lines().filter(|line| line.starts_with("  web:")).count();
        assert_eq!(listed, 100);
    }

    #[test]
    fn nothing_hostile_gets_into_a_subject() {
        let evil = "a\r\nBcc: x@y\0\u{202e}".repeat(100);
        let (subject, text) = told(&[(EventName::Fatal, "web", "12:00:00", &evil)]);
        assert!(subject.len() < 150 && !subject.contains(['\r', '\n', '\0']), "{subject}");
        assert!(!text.contains("\nBcc") && !text.contains('\r'), "{text}");
    }

    #[test]
    fn attempts_that_failed_are_told() {
        let mut digest = Digest::default();
        digest.add(news(EventName::Fatal, "a", "12:00:00", "exit 1"), None);
        digest.attempts = 3;
        let (_, text, _) = compose(&digest, &place(), &now);
        assert!(text.ends_with("\n\n3 earlier attempts to send this failed; see the log.\n"));
    }
}
