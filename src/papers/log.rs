//! What the event log tells: every message that the daemon's sources give to it, with its level and
//! facts, in taskmaster(1), and nothing there that they do not give.
//!
//! Warnings without facts are in words of their own, which no page lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::mdoc::{Item, items};
use super::{page, set, top};

/// Arguments that are no literal, and no variable that is bound to literals just before: the file,
/// the argument, and what is in it. Nothing: words that come from elsewhere.
const ELSEWHERE: [(&str, &str, &[&str]); 12] = [
    (
        "effects.rs",
        "&word",
        &["starting", "running", "waiting", "stopping", "stopped", "exited", "backoff", "fatal"],
    ),
    (
        "logging.rs",
        "&told",
        &[
            "output is being lost: {cause}",
            "output is recorded again; {lost} bytes were lost",
            "output was lost to the end; {lost} bytes were lost",
        ],
    ),
    (
        "logging.rs",
        "&message",
        &["starting the logger: {}", "the logger ended: {}", "{cause}; it is started again"],
    ),
    ("mod.rs", "message", &[]), // Daemon::warn
    ("probes/tend.rs", "&who", &["{who} is no part of it: what it notifies is not heard"]),
    ("reload.rs", "&error", &[]),
    ("reload.rs", "&problem.to_string()", &[]),
    (
        "rest.rs",
        "message",
        &[
            "the upgrade waits for mail and hooks under way",
            "the upgrade kills mail and hooks under way",
        ],
    ),
    ("upgrade.rs", "why", &["SIGUSR2: upgrade", "upgrade was asked for"]),
    ("upgrade.rs", "&refusal(&why)", &["upgrade refused, nothing was changed: {why}"]),
    ("upgrade.rs", "&message", &["upgrade refused, nothing was changed: {why}"]),
    (
        "turn.rs",
        "&message",
        &["{why}: killing what remains", "{why}: stopping everything", "SIG{} ignored"],
    ),
];

/// A call of the log.
struct Call {
    /// Below src/daemon.
    file: String,
    level: String,
    message: String,
    facts: String,
    /// What stands before it in the file.
    before: String,
}

/// The daemon's sources without their tests, each with its name below src/daemon.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let text =
                text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            let name = path.strip_prefix(top("src/daemon")).unwrap().display().to_string();
            found.push((name, text));
        }
    }
}

/// The arguments of a call, whose text begins behind the parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut depth, mut is_quoted, mut is_escaped) =
        (vec![String::new()], 0, false, false);
    for letter in text.chars() {
        match letter {
            _ if is_quoted => {
                is_quoted = is_escaped || letter != '"';
                is_escaped = !is_escaped && letter == '\\';
            }
            '"' => is_quoted = true,
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().unwrap().push(letter);
    }
    all.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// The string literals in a piece of source, a line that goes on put together.
fn literals(text: &str) -> Vec<String> {
    let (mut all, mut letters) = (Vec::new(), text.chars());
    while letters.by_ref().any(|letter| letter == '"') {
        let mut literal = String::new();
        while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
            match letter {
                '\\' => {
                    let escaped = letters.next().unwrap();
                    if escaped == '\n' {
                        let rest = letters.as_str().trim_start();
                        letters = rest.chars();
                    } else {
                        literal.push(escaped);
                    }
                }
                letter => literal.push(letter),
            }
        }
        all.push(literal);
    }
    all
}

fn calls() -> Vec<Call> {
    let mut files = Vec::new();
    sources(&top("src/daemon"), &mut files);
    let mut calls = Vec::new();
    for (file, text) in files {
        for (at, _) in text.match_indices(".log(") {
            let arguments = arguments(&text[at + ".log(".len()..]);
            let [level, message, facts] = arguments.try_into().unwrap_or_else(|other| {
                panic!("{file}: a call of log with other arguments: {other:?}")
            });
            let before = text[..at].to_owned();
            calls.push(Call { file: file.clone(), level, message, facts, before });
        }
    }
    assert!(calls.len() > 40, "{}", calls.len());
    calls
}

impl Call {
    /// What it may tell.
    fn messages(&self) -> Vec<String> {
        let is_it =
            |known: &&(&str, &str, &[&str])| known.0 == self.file && known.1 == self.message;
        if let Some((_, _, messages)) = ELSEWHERE.iter().find(is_it) {
            return messages.iter().map(|&message| message.to_owned()).collect();
        }
        let mut messages = literals(&self.message);
        if messages.is_empty() {
            let name = self.message.trim_start_matches('&');
            let bound = self.before.rfind(&format!("let {name} =")).map(|at| &self.before[at..]);
            messages =
                bound.map(|text| literals(&text[..text.find(";\n").unwrap()])).unwrap_or_default();
        }
        assert!(!messages.is_empty(), "{}: what is in {}? See ELSEWHERE", self.file, self.message);
        messages
    }
}

/// The messages that an entry of the list is about.
fn told(item: &Item) -> Vec<String> {
    let line = item.words.join(" ");
    let line = line.strip_prefix("Li ").unwrap_or_else(|| panic!("{line}"));
    match literals(line) {
        quoted if !quoted.is_empty() => quoted,
        _ => line.split(" , ").map(str::to_owned).collect(),
    }
}

/// Whether the page's words are those of a literal, whose placeholders stand for anything. The
/// page may leave out what comes after a semicolon.
fn is_same(literal: &str, written: &str) -> bool {
    let literal = match written.strip_suffix("...") {
        Some(_) => literal.split_inclusive("; ").next().unwrap_or_default(),
        None => literal,
    };
    let mut rest = written;
    let mut pieces = literal.split('{').enumerate().map(|(place, piece)| match place {
        0 => piece,
        _ => piece.split_once('}').map_or("", |(_, piece)| piece),
    });
    let all_there = pieces.by_ref().all(|piece| {
        let at = rest.find(piece);
        rest = at.map_or("", |at| &rest[at + piece.len()..]);
        at.is_some()
    });
    all_there && (literal.contains('{') || literal == written)
}

fn list() -> Vec<Item> {
    let items = items(&page("taskmaster.1"), "THE EVENT LOG");
    items.into_iter().filter(|item| item.words.first().is_some_and(|word| word == "Li")).collect()
}

#[test]
fn every_message_of_the_log_stands_in_taskmaster_1_with_its_level_and_facts() {
    let (list, mut missing) = (list(), Vec::new());
    for call in calls() {
        for message in call.messages() {
            let mut about =
                list.iter().filter(|item| told(item).iter().any(|told| is_same(&message, told)));
            let Some(item) = about.next() else {
                missing.push(format!("{}: {message}", call.file));
                continue;
            };
            let level = call.level.strip_prefix("Level::").unwrap_or_default().to_lowercase();
            let has_facts = call.facts.starts_with("&[");
            let facts = if has_facts { literals(&call.facts) } else { Vec::new() };
            for word in facts.iter().chain([&level]) {
                assert!(item.body.contains(word.as_str()), "{message}: {word}, not {}", item.body);
            }
        }
    }
    assert!(missing.is_empty(), "in the code, not in the page: {missing:#?}");
}

#[test]
fn no_message_stands_in_taskmaster_1_that_the_log_does_not_tell() {
    let messages: Vec<String> = calls().iter().flat_map(Call::messages).collect();
    for written in list().iter().flat_map(told) {
        let is_told = messages.iter().any(|message| is_same(message, &written));
        assert!(is_told, "{written}");
    }
    // What is said above to be elsewhere is there.
    let mut files = Vec::new();
    sources(&top("src/daemon"), &mut files);
    let all: BTreeSet<String> = files.iter().flat_map(|(_, text)| literals(text)).collect();
    for (file, argument, messages) in ELSEWHERE.iter().filter(|(file, ..)| *file != "effects.rs") {
        let is_it = |call: &Call| call.file == *file && call.message == *argument;
        assert!(calls().iter().any(is_it), "{file}: {argument}");
        for message in *messages {
            assert!(all.contains(*message), "{file}: {message}");
        }
    }
}

#[test]
fn the_facts_of_the_log_stand_in_taskmaster_1() {
    let items = items(&page("taskmaster.1"), "THE EVENT LOG");
    let listed = items.iter().filter(|item| item.words.first().is_some_and(|word| word == "Va"));
    let listed = listed.flat_map(|item| item.words.iter().skip(1).filter(|word| *word != ","));
    let mut files = Vec::new();
    sources(&top("src/daemon"), &mut files);
    let log = files.iter().filter(|(_, text)| text.contains(".log("));
    // As a key stands before its value.
    let keys = log.flat_map(|(_, text)| {
        let pieces = text.split("(\"").skip(1);
        let keys = pieces.filter_map(|piece| piece.split_once("\", ").map(|(key, _)| key));
        keys.filter(|key| key.chars().all(|letter| letter.is_ascii_lowercase()))
    });
    assert_eq!(set(listed.map(String::as_str)), set(keys));
}
